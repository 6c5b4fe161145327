import { readFile } from "node:fs/promises";
import { formatEther, getAddress, parseUnits } from "ethers";

/** What the constructor of RootChain takes. */
export interface DeploymentParameters {
  operator: string;
  exitPeriodSeconds: number;
  bonds: { standardExit: bigint; inFlightExit: bigint; piggyback: bigint; challenge: bigint; bounty: bigint };
}

/** A deployment cannot go on; the message is one line that says what to do. */
export class DeploymentError extends Error {
  constructor(message: string) {
    super(message.replaceAll(/\s*\n\s*/g, " "));
    this.name = "DeploymentError";
  }
}

const MAINNET_CHAIN_ID = 1n;
const DAY_SECONDS = 86_400;
/** Holders look once a day and are mined within 18 hours, and have a quarter of the period for that. */
const EXIT_PERIOD_SECONDS_DEFAULT = 7 * DAY_SECONDS;
const EXIT_PERIOD_SECONDS_MIN = 60;
/** The contract's own limit. */
const EXIT_PERIOD_SECONDS_MAX = 365 * DAY_SECONDS;
/** What the dearest challenge of each bond costs (16 inputs and outputs on both sides, trees of 2^22), and some more. */
export const DEAREST_GAS = {
  standardExit: 105_000n,
  inFlightExit: 250_000n,
  piggyback: 250_000n,
  challenge: 65_000n,
};
const CHALLENGE_GAS_PRICE = parseUnits("200", "gwei");
/** Taking an exit of a token out of its queue, at an everyday price. */
const PROCESS_EXIT_GAS = 70_000n;
const PROCESS_GAS_PRICE = parseUnits("20", "gwei");
/** Above this a bond is rather a slip of the keyboard. */
const BOND_WEI_MAX = parseUnits("10", "ether");

/**
 * The constructor's parameters from environment variables; an empty one counts as not set.
 * @throws DeploymentError naming every wrong one at once.
 */
export function readDeploymentParameters(
  env: Readonly<Record<string, string | undefined>>,
  { chainId, deployer }: { chainId: bigint; deployer: string },
): DeploymentParameters {
  const wrong: string[] = [];
  const integer = (name: string, fallback: bigint, min: bigint, max: bigint): bigint => {
    const text = env[name];
    if (text === undefined || text === "") return fallback;
    const value = /^[0-9]{1,30}$/.test(text) ? BigInt(text) : null;
    if (value !== null && value >= min && value <= max) return value;
    wrong.push(`${name} must be a whole number from ${min} to ${max}`);
    return fallback;
  };
  const onMainnet = chainId === MAINNET_CHAIN_ID;
  const exitPeriod = integer(
    "EXIT_PERIOD_SECONDS",
    BigInt(EXIT_PERIOD_SECONDS_DEFAULT),
    BigInt(onMainnet ? EXIT_PERIOD_SECONDS_DEFAULT : EXIT_PERIOD_SECONDS_MIN),
    BigInt(EXIT_PERIOD_SECONDS_MAX),
  );
  const bounty = integer("BOUNTY_WEI", PROCESS_EXIT_GAS * PROCESS_GAS_PRICE, 0n, BOND_WEI_MAX);
  /** Covers what is taken out of it, and on mainnet the dearest challenge as well. */
  const bond = (name: string, gas: bigint, taken: bigint): bigint => {
    const covering = gas * CHALLENGE_GAS_PRICE + taken;
    return integer(name, covering, onMainnet ? covering : taken, BOND_WEI_MAX);
  };
  // A challenger gets the bond less the bounty, where the bond made an entry of a queue.
  const bonds = {
    standardExit: bond("STANDARD_EXIT_BOND_WEI", DEAREST_GAS.standardExit, bounty),
    inFlightExit: bond("IN_FLIGHT_EXIT_BOND_WEI", DEAREST_GAS.inFlightExit, 0n),
    piggyback: bond("PIGGYBACK_BOND_WEI", DEAREST_GAS.piggyback, bounty),
    challenge: bond("CHALLENGE_BOND_WEI", DEAREST_GAS.challenge, 0n),
    bounty,
  };
  const operator = readAddress(env["OPERATOR_ADDRESS"], deployer);
  if (operator === null) wrong.push("OPERATOR_ADDRESS must be an address other than zero, its checksum right");
  if (operator === null || wrong.length > 0) throw new DeploymentError(`settings: ${wrong.join("; ")}`);
  return { operator, exitPeriodSeconds: Number(exitPeriod), bonds };
}

function readAddress(text: string | undefined, fallback: string): string | null {
  if (text === undefined || text === "") return getAddress(fallback);
  if (!/^0x[0-9a-fA-F]{40}$/.test(text) || /^0x0{40}$/.test(text)) return null;
  try {
    return getAddress(text);
  } catch {
    return null;
  }
}

/** The constructor's arguments in its order. */
export function constructorArguments(
  parameters: DeploymentParameters,
): [string, number, DeploymentParameters["bonds"]] {
  return [parameters.operator, parameters.exitPeriodSeconds, parameters.bonds];
}

export interface Artifact {
  abi: { type: string; name?: string }[];
  bytecode: string;
  deployedBytecode: string;
  immutableReferences?: Record<string, { start: number; length: number }[]>;
}

/** A compiled contract, `RootChain.sol/RootChain` say. */
export async function readArtifact(name: string): Promise<Artifact> {
  const path = new URL(`../artifacts/contracts/${name}.json`, import.meta.url);
  return JSON.parse(await readFile(path, "utf8")) as Artifact;
}

/** Whether code on chain is the artifact's, whatever its immutables hold. */
export function isCodeOf(artifact: Artifact, code: string): boolean {
  return withoutImmutables(artifact, code) === withoutImmutables(artifact, artifact.deployedBytecode);
}

function withoutImmutables(artifact: Artifact, code: string): string {
  let digits = code.slice(2).toLowerCase();
  for (const { start, length } of Object.values(artifact.immutableReferences ?? {}).flat()) {
    digits = digits.slice(0, 2 * start) + "0".repeat(2 * length) + digits.slice(2 * (start + length));
  }
  return digits;
}

/** Refuses when the account cannot pay for the deployment. */
export function checkBalance(account: string, balance: bigint, cost: bigint): void {
  if (balance >= cost) return;
  throw new DeploymentError(
    `${account} has ${formatEther(balance)} ether and the deployment may cost ${formatEther(cost)}: ` +
      `send it at least ${formatEther(cost - balance)} more`,
  );
}
