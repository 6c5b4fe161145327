import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Chain, devKey } from "../helpers/chain.ts";
import { type RunningNode, startAnvil } from "../helpers/nodes.ts";
import { freePort, spawnOperator, startOperator } from "../helpers/operatorProcess.ts";

const NOBODY_UID = 65_534;

describe("the operator says in one line why it does not start, and what to do", function () {
  this.timeout(120_000);
  let node: RunningNode;
  let chain: Chain;
  let dataDir: string;
  let good: Record<string, string>;
  before(async () => {
    node = await startAnvil();
    chain = await Chain.deploy(node.url);
  });
  after(async () => await node.stop());
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "plasma-startup-"));
    good = {
      L1_RPC_URLS: node.url,
      ROOT_CHAIN_ADDRESS: chain.address,
      OPERATOR_PRIVATE_KEY: devKey(1),
      DATA_DIR: dataDir,
      PORT: String(await freePort()),
      DEPOSIT_FINALITY: "1",
      LOG_LEVEL: "silent",
    };
  });
  afterEach(async () => {
    await chmod(dataDir, 0o700);
    await rm(dataDir, { recursive: true, force: true });
  });

  /** Runs it until it ends; gives its one line. */
  const refusal = async (settings: Record<string, string>, options: { uid?: number } = {}): Promise<string> => {
    const operator = spawnOperator(settings, options);
    const code = await operator.exited;
    const output = operator.output();
    expect(code, output).to.equal(1);
    expect(output.trim().split("\n"), output).to.have.length(1);
    expect(output).to.not.contain("    at ");
    return output.trim();
  };

  it("settings that are wrong, all at once, without showing secrets", async () => {
    const line = await refusal({
      ...good,
      L1_RPC_URLS: "localhost:8545",
      ROOT_CHAIN_ADDRESS: "0x12",
      OPERATOR_PRIVATE_KEY: "0xsecret",
      PORT: "99999",
      DEPOSIT_FINALITY: "soon",
    });
    expect(line).to.match(/^WRONG_SETTINGS: /);
    for (const name of ["L1_RPC_URLS", "ROOT_CHAIN_ADDRESS", "OPERATOR_PRIVATE_KEY", "PORT", "DEPOSIT_FINALITY"]) {
      expect(line).to.contain(name);
    }
    expect(line).to.not.contain("0xsecret");
  });

  it("a port in use", async () => {
    const server: Server = createServer().listen(Number(good["PORT"]), "127.0.0.1");
    await once(server, "listening");
    const line = await refusal(good);
    server.close();
    expect(line).to.equal(
      `PORT_UNUSABLE: cannot listen on 127.0.0.1:${good["PORT"]} (EADDRINUSE): set another PORT or HOST`,
    );
  });

  it("nodes of different chains, and a folder that belongs to another chain", async () => {
    const other = await startAnvil({ chainId: 4242 });
    try {
      const line = await refusal({ ...good, L1_RPC_URLS: `${node.url},${other.url}` });
      expect(line).to.match(/^WRONG_CHAIN: .*4242.*31337.*set L1_RPC_URLS to nodes of one chain$/);

      await (await startOperator(good)).interrupt();
      const elsewhere = await Chain.deploy(other.url);
      const moved = { ...good, L1_RPC_URLS: other.url, ROOT_CHAIN_ADDRESS: elsewhere.address };
      expect(await refusal(moved)).to.match(
        /^WRONG_JOURNAL: the data folder belongs to .* on chain 31337, not to .* 4242: set/,
      );
    } finally {
      await other.stop();
    }
  });

  it("a contract that is not there, or is another one", async () => {
    const empty = await refusal({ ...good, ROOT_CHAIN_ADDRESS: `0x${"12".repeat(20)}` });
    expect(empty).to.match(/^WRONG_CONTRACT: there is no contract at 0x1212.*set ROOT_CHAIN_ADDRESS to the address/);
    const token = await refusal({ ...good, ROOT_CHAIN_ADDRESS: chain.tokenAddress });
    expect(token).to.match(
      /^WRONG_CONTRACT: the contract at 0x.* is no root chain of Plasma Billing: set ROOT_CHAIN_ADDRESS/,
    );
  });

  it("a node that cannot be reached", async () => {
    const line = await refusal({ ...good, L1_RPC_URLS: `http://127.0.0.1:${await freePort()}` });
    expect(line).to.match(/^ETHEREUM_UNREACHABLE: 127\.0\.0\.1:\d+ does not answer eth_chainId: .*set L1_RPC_URLS/);
  });

  it("a data folder that cannot be written to", async () => {
    await chmod(dataDir, 0o555);
    // Permissions do not bind root, so as root the process runs as nobody.
    const line = await refusal(good, process.getuid?.() === 0 ? { uid: NOBODY_UID } : {});
    expect(line).to.match(/^DATA_DIR_UNUSABLE: cannot write to .*: set DATA_DIR to a folder this user can write to$/);
  });

  it("a data folder that another operator has", async () => {
    const first = await startOperator(good);
    const line = await refusal({ ...good, PORT: String(await freePort()) });
    await first.kill();
    expect(line).to.equal(
      `DATA_DIR_IN_USE: ${dataDir} is in use by another process: stop that one, or set another DATA_DIR`,
    );
    // Killed with -9 it let go all the same.
    await (await startOperator(good)).interrupt();
  });

  it("a keystore that does not open", async () => {
    const keystore = join(dataDir, "key.json");
    const password = join(dataDir, "password");
    await writeFile(keystore, "{}");
    await writeFile(password, "guess\n");
    const { OPERATOR_PRIVATE_KEY: _, ...rest } = good;
    const line = await refusal({ ...rest, OPERATOR_KEYSTORE: keystore, OPERATOR_KEYSTORE_PASSWORD_FILE: password });
    expect(line).to.match(/^WRONG_SETTINGS: cannot open the keystore/);
    expect(line).to.not.contain("guess");
  });

  it("and ends at Ctrl-C within seconds though its node hangs", async () => {
    const operator = await startOperator({ ...good, ETHEREUM_POLL_MS: "50" });
    node.pause();
    try {
      await new Promise((resolve) => setTimeout(resolve, 200));
      const asked = Date.now();
      expect(await operator.interrupt(), operator.output()).to.equal(0);
      expect(Date.now() - asked).to.be.below(4_000);
    } finally {
      node.resume();
    }
  });

  it("a journal with a flipped bit, naming file and offset", async () => {
    await (await startOperator(good)).interrupt();
    const path = join(dataDir, "journal", "0000000000000001.log");
    const { readFile } = await import("node:fs/promises");
    const bytes = await readFile(path);
    bytes[100]! ^= 1;
    await writeFile(path, bytes);
    expect(await refusal(good)).to.equal(
      `JOURNAL_DAMAGED: ${path} is damaged at byte 48: restore the folder from a copy, or ask for help before touching it`,
    );
  });
});
