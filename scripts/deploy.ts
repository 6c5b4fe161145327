// npx hardhat run scripts/deploy.ts --network <name>
// Deploys RootChain to a network of hardhat.config.ts and writes deployments/<name>.json. Settings, all optional:
// OPERATOR_ADDRESS, EXIT_PERIOD_SECONDS, STANDARD_EXIT_BOND_WEI, IN_FLIGHT_EXIT_BOND_WEI, PIGGYBACK_BOND_WEI,
// CHALLENGE_BOND_WEI, BOUNTY_WEI, CONFIRMATIONS, DEPLOYMENTS_DIR.
import { mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { network } from "hardhat";
import type { HttpNetworkConfig } from "hardhat/types/config";
import { type TransactionReceipt, formatEther } from "ethers";
import {
  type Artifact,
  DeploymentError,
  type DeploymentParameters,
  checkBalance,
  constructorArguments,
  isCodeOf,
  readArtifact,
  readDeploymentParameters,
} from "./deployment.ts";

const CONFIRMATIONS_DEFAULT = 3;
const CONFIRMATIONS_MAX = 100;
const POLL_MS = 1_000;
/** Fees and gas may rise between the estimate and the block. */
const COST_MARGIN_PERCENT = 120n;

type Connection = Awaited<ReturnType<typeof network.create>>;

/** A key that is none would show as an error from deep inside a library. */
async function checkKeys(networkName: string, accounts: HttpNetworkConfig["accounts"]): Promise<void> {
  if (!Array.isArray(accounts)) return;
  for (const account of accounts) {
    if (/^0x[0-9a-f]{64}$/.test(await account.getHexString().catch(() => ""))) continue;
    // Asks again, so that a variable that is not set says so itself.
    await account.get();
    const name = "name" in account ? String(account.name) : "its accounts";
    throw new DeploymentError(`the key of "${networkName}" is not one: set ${name} to 0x and 64 hex digits`);
  }
}

async function connect(): Promise<{ connection: Connection; chainId: bigint }> {
  const connection = await network.create();
  const { networkName, networkConfig } = connection;
  if (networkConfig.type === "edr-simulated") {
    throw new DeploymentError(
      `the network "${networkName}" ends with this process: name another one of hardhat.config.ts, --network sepolia say`,
    );
  }
  if (networkConfig.chainId === undefined) {
    throw new DeploymentError(
      `the network "${networkName}" has no chainId in hardhat.config.ts: give it the one you mean`,
    );
  }
  await checkKeys(networkName, networkConfig.accounts);
  const { chainId } = await connection.ethers.provider.getNetwork();
  if (chainId !== BigInt(networkConfig.chainId)) {
    throw new DeploymentError(
      `the node answers for chain ${chainId}, but "${networkName}" is chain ${networkConfig.chainId}: check its URL`,
    );
  }
  return { connection, chainId };
}

function readConfirmations(): number {
  const text = process.env["CONFIRMATIONS"] ?? "";
  if (text === "") return CONFIRMATIONS_DEFAULT;
  const value = /^[0-9]{1,3}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= CONFIRMATIONS_MAX) return value;
  throw new DeploymentError(`settings: CONFIRMATIONS must be a whole number from 1 to ${CONFIRMATIONS_MAX}`);
}

/** Creates the deployment's file, so that nothing is deployed twice by mistake; what is there already stays. */
async function reserve(file: string): Promise<void> {
  try {
    await (await open(file, "wx")).close();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    const there = await readFile(file, "utf8");
    throw new DeploymentError(
      there.includes('"address"')
        ? `${relative(".", file)} exists: this network has its deployment; move the file away to make another`
        : `${relative(".", file)} is of a deployment that did not end (${there.trim()}): look whether its transaction ` +
            "was mined, then delete the file",
    );
  }
}

/** Waits until the transaction has that many confirmations, whatever blocks it is moved between on the way. */
async function confirmed(connection: Connection, hash: string, confirmations: number): Promise<TransactionReceipt> {
  const { provider } = connection.ethers;
  for (;;) {
    const receipt = await provider.getTransactionReceipt(hash);
    if (receipt !== null && receipt.status === 0) throw new DeploymentError(`the deployment reverted: ${hash}`);
    if (receipt !== null && (await provider.getBlockNumber()) - receipt.blockNumber + 1 >= confirmations)
      return receipt;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Asks the chain whether what stands there is what was meant. */
async function verify(
  connection: Connection,
  artifact: Artifact,
  address: string,
  parameters: DeploymentParameters,
): Promise<void> {
  const { ethers } = connection;
  if (!isCodeOf(artifact, await ethers.provider.getCode(address))) {
    throw new DeploymentError(`the code at ${address} is not RootChain's`);
  }
  const rootChain = new ethers.Contract(address, artifact.abi, ethers.provider);
  const views: [string, unknown][] = [
    ["operator", parameters.operator],
    ["exitPeriod", BigInt(parameters.exitPeriodSeconds)],
    ["standardExitBond", parameters.bonds.standardExit],
    ["inFlightExitBond", parameters.bonds.inFlightExit],
    ["piggybackBond", parameters.bonds.piggyback],
    ["challengeBond", parameters.bonds.challenge],
    ["bounty", parameters.bonds.bounty],
    ["nextBlockNumber", 1n],
  ];
  for (const [name, expected] of views) {
    const answer: unknown = await rootChain.getFunction(name).staticCall();
    if (answer !== expected) {
      throw new DeploymentError(`${name}() of ${address} answers ${String(answer)} instead of ${String(expected)}`);
    }
  }
}

async function deploy(): Promise<void> {
  const { connection, chainId } = await connect();
  const { ethers, networkName } = connection;
  const [deployer] = await ethers.getSigners();
  if (deployer === undefined)
    throw new DeploymentError(`the network "${networkName}" has no account: configure its key`);
  const parameters = readDeploymentParameters(process.env, { chainId, deployer: deployer.address });
  const confirmations = readConfirmations();
  const { operator, exitPeriodSeconds, bonds } = parameters;

  const artifact = await readArtifact("RootChain.sol/RootChain");
  const factory = new ethers.ContractFactory(artifact.abi, artifact.bytecode, deployer);
  const transaction = await factory.getDeployTransaction(...constructorArguments(parameters));
  const [gas, fees, balance] = await Promise.all([
    ethers.provider.estimateGas({ ...transaction, from: deployer.address }),
    ethers.provider.getFeeData(),
    ethers.provider.getBalance(deployer.address),
  ]);
  const gasPrice = fees.maxFeePerGas ?? fees.gasPrice ?? 0n;
  const cost = (gas * gasPrice * COST_MARGIN_PERCENT) / 100n;
  checkBalance(deployer.address, balance, cost);
  console.log(`network      ${networkName}, chain ${chainId}`);
  console.log(`deployer     ${deployer.address}, ${formatEther(balance)} ether`);
  console.log(`cost         about ${gas} gas, at most ${formatEther(cost)} ether`);
  console.log(`operator     ${operator}`);
  console.log(`exit period  ${exitPeriodSeconds} s`);
  for (const [name, wei] of Object.entries(bonds)) console.log(`bond         ${formatEther(wei)} ether, ${name}`);

  const folder = process.env["DEPLOYMENTS_DIR"] ?? "deployments";
  const file = join(folder, `${networkName}.json`);
  await mkdir(folder, { recursive: true });
  await reserve(file);
  const sent = await deployer.sendTransaction(transaction).catch(async (error: unknown) => {
    await rm(file);
    throw error;
  });
  await writeFile(file, `${JSON.stringify({ transaction: sent.hash })}\n`);
  console.log(`sent         ${sent.hash}, waiting for ${confirmations} confirmations`);

  const receipt = await confirmed(connection, sent.hash, confirmations);
  const address = receipt.contractAddress;
  const block = await ethers.provider.getBlock(receipt.blockNumber);
  if (address === null || block === null) throw new DeploymentError(`${sent.hash} created no contract`);
  await verify(connection, artifact, address, parameters);
  const deployment = {
    network: networkName,
    chainId: Number(chainId),
    contract: "RootChain",
    address,
    block: receipt.blockNumber,
    blockHash: receipt.blockHash,
    transaction: sent.hash,
    deployer: deployer.address,
    deployedAt: new Date(block.timestamp * 1000).toISOString(),
    constructorArguments: {
      operator,
      exitPeriod: exitPeriodSeconds,
      bonds: Object.fromEntries(Object.entries(bonds).map(([name, wei]) => [name, wei.toString()])),
    },
  };
  await writeFile(file, `${JSON.stringify(deployment, null, 2)}\n`);
  console.log(`RootChain    ${address}, block ${receipt.blockNumber}`);
  console.log(`written      ${relative(".", file)}`);
}

/** One line, without the address of a node, whose path may hold a key. */
function oneLine(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const reason = "shortMessage" in error && typeof error.shortMessage === "string" ? error.shortMessage : error.message;
  return reason.replaceAll(/\s*\n\s*/g, " ").replaceAll(/(https?:\/\/[^/\s"']+)[^\s"']*/g, "$1");
}

try {
  await deploy();
} catch (error) {
  console.error(`deploy: ${oneLine(error)}`);
  process.exitCode = 1;
}
