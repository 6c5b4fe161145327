import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Contract, JsonRpcProvider, Wallet, parseEther } from "ethers";
import { DEAREST_GAS } from "../../scripts/deployment.ts";
import { artifact, devKey } from "../helpers/chain.ts";
import { type RunningNode, startAnvil } from "../helpers/nodes.ts";
import { freePort } from "../helpers/operatorProcess.ts";
import { runScript } from "../helpers/script.ts";

const SEPOLIA_CHAIN_ID = 11_155_111;
const DEPLOY = ["node_modules/hardhat/dist/src/cli.js", "run", "--no-compile", "scripts/deploy.ts"];

describe("deploying to Sepolia's chain id", function () {
  this.timeout(120_000);
  let node: RunningNode;
  let folder: string;
  let settings: Record<string, string>;
  const operator = new Wallet(devKey(1)).address;

  before(async () => {
    node = await startAnvil({ chainId: SEPOLIA_CHAIN_ID, args: ["--block-time", "1"] });
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "plasma-deploy-"));
    settings = {
      SEPOLIA_RPC_URL: node.url,
      SEPOLIA_PRIVATE_KEY: devKey(0),
      DEPLOYMENTS_DIR: folder,
      HOME: process.env["HOME"] ?? folder,
    };
  });
  afterEach(async () => await rm(folder, { recursive: true, force: true }));
  after(async () => await node.stop());

  async function deploy(
    more: Record<string, string>,
    network = "sepolia",
  ): Promise<{ code: number | null; stdout: string; lines: string[] }> {
    const run = runScript([...DEPLOY, "--network", network], { ...settings, ...more });
    const code = await run.exited;
    return { code, stdout: run.stdout(), lines: run.stderr().trim().split("\n") };
  }

  /** Exit code, one line that says so, and nothing written. */
  async function expectRefusal(more: Record<string, string>, reason: RegExp, network?: string): Promise<void> {
    const { code, lines } = await deploy(more, network);
    expect(lines).to.have.length(1);
    expect(lines[0])
      .to.match(/^deploy: /)
      .and.match(reason);
    expect(code).to.equal(1);
    expect(await readdir(folder)).to.deep.equal([]);
  }

  it("deploys with the settings, waits for the confirmations, and writes what stands on the chain", async () => {
    const bonds = {
      STANDARD_EXIT_BOND_WEI: "1000",
      IN_FLIGHT_EXIT_BOND_WEI: "2000",
      PIGGYBACK_BOND_WEI: "300",
      CHALLENGE_BOND_WEI: "400",
      BOUNTY_WEI: "10",
    };
    const { code, stdout, lines } = await deploy({
      ...bonds,
      OPERATOR_ADDRESS: operator.toLowerCase(),
      EXIT_PERIOD_SECONDS: "86400",
      CONFIRMATIONS: "2",
    });
    expect(code, lines.join("\n")).to.equal(0);
    const deployment = JSON.parse(await readFile(join(folder, "sepolia.json"), "utf8"));
    expect(deployment).to.deep.include({
      network: "sepolia",
      chainId: SEPOLIA_CHAIN_ID,
      contract: "RootChain",
      constructorArguments: {
        operator,
        exitPeriod: 86_400,
        bonds: { standardExit: "1000", inFlightExit: "2000", piggyback: "300", challenge: "400", bounty: "10" },
      },
    });
    expect(stdout).to.include(deployment.address);
    const provider = new JsonRpcProvider(node.url);
    const receipt = await provider.getTransactionReceipt(deployment.transaction);
    expect(receipt).to.include({
      contractAddress: deployment.address,
      blockNumber: deployment.block,
      blockHash: deployment.blockHash,
      status: 1,
    });
    expect(await provider.getBlockNumber()).to.be.at.least(deployment.block + 1);
    const rootChain = new Contract(deployment.address, (await artifact("RootChain.sol/RootChain.json")).abi, provider);
    expect(await rootChain["operator"]!()).to.equal(operator);
    expect(await rootChain["standardExitBond"]!()).to.equal(1_000n);
    expect(await rootChain["inFlightExitBond"]!()).to.equal(2_000n);
    expect(await rootChain["piggybackBond"]!()).to.equal(300n);
    expect(await rootChain["challengeBond"]!()).to.equal(400n);
    provider.destroy();
  });

  it("takes the deployer, seven days, and a bond that covers the dearest challenge, where nothing is set", async () => {
    const { code, lines } = await deploy({ CONFIRMATIONS: "1" });
    expect(code, lines.join("\n")).to.equal(0);
    const { constructorArguments } = JSON.parse(await readFile(join(folder, "sepolia.json"), "utf8"));
    expect(constructorArguments.operator).to.equal(new Wallet(devKey(0)).address);
    expect(constructorArguments.exitPeriod).to.equal(7 * 86_400);
    const { standardExit, inFlightExit, piggyback, challenge, bounty } = constructorArguments.bonds;
    // What they are is held against the dearest challenges in test/contracts/dearest.ts.
    expect(BigInt(standardExit) - BigInt(bounty)).to.equal(DEAREST_GAS.standardExit * 200n * 10n ** 9n);
    expect(BigInt(inFlightExit)).to.equal(DEAREST_GAS.inFlightExit * 200n * 10n ** 9n);
    expect(BigInt(piggyback) - BigInt(bounty)).to.equal(DEAREST_GAS.piggyback * 200n * 10n ** 9n);
    expect(BigInt(challenge)).to.equal(DEAREST_GAS.challenge * 200n * 10n ** 9n);
  });

  it("never overwrites a deployment, finished or not", async () => {
    const file = join(folder, "sepolia.json");
    for (const there of ['{ "address": "0x01" }\n', '{"transaction":"0x02"}\n']) {
      await writeFile(file, there);
      const sentBefore = await node.rpc<string>("eth_getTransactionCount", [new Wallet(devKey(0)).address, "pending"]);
      const { code, lines } = await deploy({});
      expect(code).to.equal(1);
      expect(lines).to.have.length(1);
      expect(lines[0]).to.include("sepolia.json");
      expect(await readFile(file, "utf8")).to.equal(there);
      const sentAfter = await node.rpc<string>("eth_getTransactionCount", [new Wallet(devKey(0)).address, "pending"]);
      expect(sentAfter).to.equal(sentBefore);
    }
  });

  it("names every wrong setting at once", async () => {
    const wrong = { EXIT_PERIOD_SECONDS: "5", BOUNTY_WEI: "-1", OPERATOR_ADDRESS: `${operator.slice(0, -1)}x` };
    await expectRefusal(wrong, /EXIT_PERIOD_SECONDS.*BOUNTY_WEI.*OPERATOR_ADDRESS/);
    await expectRefusal({ OPERATOR_ADDRESS: `0x${"0".repeat(40)}` }, /OPERATOR_ADDRESS/);
    await expectRefusal({ BOUNTY_WEI: "100", STANDARD_EXIT_BOND_WEI: "99" }, /STANDARD_EXIT_BOND_WEI/);
    await expectRefusal({ CONFIRMATIONS: "0" }, /CONFIRMATIONS/);
  });

  it("says how much is missing when the account cannot pay", async () => {
    const poor = Wallet.createRandom();
    await node.rpc("anvil_setBalance", [poor.address, `0x${parseEther("0.0001").toString(16)}`]);
    await expectRefusal({ SEPOLIA_PRIVATE_KEY: poor.privateKey }, new RegExp(`${poor.address} has 0.0001 ether`));
  });

  it("refuses another chain than the network's, an unreachable node, a key that is none, and Hardhat's own", async () => {
    const mainnet = { MAINNET_RPC_URL: node.url, MAINNET_PRIVATE_KEY: devKey(0) };
    await expectRefusal(mainnet, /chain 11155111.*"mainnet" is chain 1/, "mainnet");
    await expectRefusal({ SEPOLIA_RPC_URL: `http://127.0.0.1:${await freePort()}` }, /Cannot connect/);
    await expectRefusal({ SEPOLIA_PRIVATE_KEY: "0x1234" }, /set SEPOLIA_PRIVATE_KEY to/);
    await expectRefusal({}, /"MAINNET_RPC_URL" not found/, "mainnet");
    await expectRefusal({}, /ends with this process/, "default");
  });
});
