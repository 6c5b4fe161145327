import type { ExitState } from "@plasma-billing/protocol/entries.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import abi from "@plasma-billing/protocol/RootChain.abi.json" with { type: "json" };
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { AbiCoder, EventFragment, Interface, type LogDescription, type Result } from "ethers";
import { EthereumError } from "./errors.ts";
import type { EthereumRpc, Log } from "./rpc.ts";

export const rootChain = new Interface(abi);
/** First topics of all that the contract logs. */
export const EVENT_TOPICS: readonly Hex[] = rootChain.fragments
  .filter((fragment) => fragment instanceof EventFragment)
  .map((event) => event.topicHash as Hex);
const OUTPUTS = "tuple(address owner,address token,uint256 amount)[]";
/** A priority is 34 bits of time, 30 of block number, 64 of what else tells exits apart. */
const BLOCK_MASK = 2n ** 30n - 1n;
const IN_FLIGHT_EXIT = [
  ...["uint128 priority", "uint64 startedAt", "uint64 salt", "address bondOwner", "bytes32[] inputIds"],
  ...[`${OUTPUTS} inputs`, `${OUTPUTS} outputs`],
];

/** What an input or output of an in-flight exit is. */
export interface ExitOutput {
  owner: Address;
  token: Address;
  amount: bigint;
}

/** Where on Ethereum an event is. */
export interface Place {
  ethereumBlock: number;
  ethereumBlockHash: Hex;
  ethereumTransaction: Hex;
  logIndex: number;
}

export type RootChainEvent = Place &
  (
    | {
        name: "BlockCommitted";
        number: number;
        transactionsRoot: Hex;
        transactionCount: number;
        /** Seconds. */
        timestamp: number;
      }
    | {
        name: "Deposited";
        id: bigint;
        owner: Address;
        token: Address;
        amount: bigint;
        nextBlockNumber: number;
        timestamp: number;
      }
    | {
        name: "ExitStarted";
        number: number;
        kind: "standard" | "deposit";
        outputId: Hex;
        owner: Address;
        token: Address;
        amount: bigint;
        /** Seconds. */
        exitableAt: number;
        /** Of the block that has the output; of a deposit, of the one that followed it. */
        blockNumber: number;
        /** Key in the token's queue: the smallest is paid first. */
        priority: bigint;
        bondOwner: Address;
        /** What the output's slot held before: a deposit's record, or zero. */
        depositRecord: bigint;
      }
    | {
        name: "InFlightExitStarted";
        number: number;
        transactionHash: Hex;
        /** Seconds. */
        startedAt: number;
        exitableAt: number;
        /** Key in the queue of each token it has piggybacks in. */
        priority: bigint;
        inputIds: Hex[];
        inputs: ExitOutput[];
        outputs: ExitOutput[];
        /** To be handed in again with whatever is done about the exit. */
        data: Hex;
      }
    | {
        name: "Piggybacked";
        number: number;
        /** i for input i, 16 + i for output i. */
        index: number;
        outputId: Hex;
      }
    | { name: "PiggybackChallenged"; number: number; index: number; outputId: Hex }
    | {
        name: "NonCanonicalChallenged";
        number: number;
        transactionHash: Hex;
        competitorHash: Hex;
        /** Block number << 23 | index + 1, or 2^53 - 1 for one that is not included. */
        position: bigint;
      }
    | { name: "CanonicalResponded"; number: number; transactionHash: Hex; position: bigint }
    | { name: "InFlightExitFinalized"; number: number; transactionHash: Hex; token: Address; canonical: boolean }
    | { name: "InFlightExitClosed"; number: number; transactionHash: Hex }
    | { name: "OutputFinalized"; number: number; outputId: Hex }
    | {
        name: "ExitEnded";
        number: number;
        /** What could not be paid, when it is `unpayable`: an in-flight exit has several outputs. */
        outputId: Hex;
        state: Extract<ExitState, "challenged" | "finalized" | "unpayable">;
        paid: boolean;
      }
  );

/** The events the child chain depends on, in order; the contract's others are left out. */
export function decodeLogs(logs: readonly Log[]): RootChainEvent[] {
  const events: RootChainEvent[] = [];
  const inOrder = logs.toSorted((a, b) =>
    a.blockNumber === b.blockNumber ? a.logIndex - b.logIndex : a.blockNumber - b.blockNumber,
  );
  for (const log of inOrder) {
    const parsed = parseLog(log);
    if (parsed === null) continue;
    const place = {
      ethereumBlock: log.blockNumber,
      ethereumBlockHash: log.blockHash,
      ethereumTransaction: log.transactionHash,
      logIndex: log.logIndex,
    };
    const event = readable(log, () => decodeEvent(parsed.name, parsed.args));
    if (event !== null) events.push({ ...place, ...event } as RootChainEvent);
  }
  return events;
}

function parseLog(log: Log): LogDescription | null {
  return readable(log, () => rootChain.parseLog(log));
}

/** @throws EthereumError BAD_ANSWER where the contract cannot have written the log */
function readable<T>(log: Log, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new EthereumError("BAD_ANSWER", "a log of the contract cannot be read", { log }, error);
  }
}

export function encodeCommit(number: number, transactionsRoot: Hex, transactionCount: number): Hex {
  return rootChain.encodeFunctionData("commitBlock", [number, transactionsRoot, transactionCount]) as Hex;
}

export interface Counters {
  nextBlockNumber: number;
  nextDepositId: bigint;
  nextExitNumber: number;
}

/** What never changes of the exit game. */
export interface GameTerms {
  /** W, in seconds. */
  exitPeriod: number;
  /** In wei. */
  challengeBond: bigint;
}

/** Bonds of what is started for owners, in wei. */
export interface ExitBonds {
  standardExit: bigint;
  inFlightExit: bigint;
  piggyback: bigint;
}

const VIEWS = [
  ...(["nextBlockNumber", "blockHashes", "nextDepositId", "nextExitNumber"] as const),
  ...(["operator", "exitPeriod", "challengeBond", "standardExitBond", "inFlightExitBond", "piggybackBond"] as const),
] as const;
type View = (typeof VIEWS)[number];
const SELECTORS = Object.fromEntries(VIEWS.map((view) => [view, rootChain.getFunction(view)?.selector])) as Record<
  View,
  Hex
>;
/** Characters of 32 bytes. */
const WORD_HEX = 66;

/** The contract's views, each in the state of one block. */
export class RootChainReader {
  readonly address: Address;
  private readonly rpc: EthereumRpc;

  constructor(rpc: EthereumRpc, address: Address) {
    this.rpc = rpc;
    this.address = address;
  }

  async nextBlockNumber(blockHash: Hex): Promise<number> {
    return Number(await this.read("nextBlockNumber", "", blockHash));
  }

  async blockHash(number: number, blockHash: Hex): Promise<Hex> {
    return await this.read("blockHashes", number.toString(16).padStart(64, "0"), blockHash);
  }

  /** The numbers the next block, deposit and exit get: how many events there must be. */
  async counters(blockHash: Hex): Promise<Counters> {
    return {
      nextBlockNumber: await this.nextBlockNumber(blockHash),
      nextDepositId: BigInt(await this.read("nextDepositId", "", blockHash)),
      nextExitNumber: Number(await this.read("nextExitNumber", "", blockHash)),
    };
  }

  async operator(blockHash: Hex): Promise<Address> {
    const word = await this.read("operator", "", blockHash);
    return `0x${word.slice(-40)}` as Address;
  }

  async gameTerms(blockHash: Hex): Promise<GameTerms> {
    return {
      exitPeriod: Number(await this.read("exitPeriod", "", blockHash)),
      challengeBond: BigInt(await this.read("challengeBond", "", blockHash)),
    };
  }

  async exitBonds(blockHash: Hex): Promise<ExitBonds> {
    return {
      standardExit: BigInt(await this.read("standardExitBond", "", blockHash)),
      inFlightExit: BigInt(await this.read("inFlightExitBond", "", blockHash)),
      piggyback: BigInt(await this.read("piggybackBond", "", blockHash)),
    };
  }

  /** The one word that a view answers. */
  private async read(view: View, args: string, blockHash: Hex): Promise<Hex> {
    const answer = await this.rpc.call(this.address, `${SELECTORS[view]}${args}`, blockHash);
    if (answer.length === WORD_HEX) return answer;
    // At the start that is another contract; later a node that does not know what it is asked for.
    const context = { address: this.address, view, answer };
    throw new EthereumError("BAD_ANSWER", `${this.address} does not answer ${view}()`, context);
  }

  /**
   * Makes sure that this is the root chain, of the chain all nodes are on, and gives what has to be known of it.
   * @throws EthereumError WRONG_CHAIN, WRONG_CONTRACT, UNREACHABLE
   */
  async check(): Promise<{ chainId: bigint; operator: Address; exitPeriod: number }> {
    const ids = await this.rpc.chainIds();
    const [chainId = 0n] = ids.values();
    for (const [host, id] of ids) {
      if (id === chainId) continue;
      const message = `the nodes are on different chains: ${host} on ${id}, another on ${chainId}`;
      throw new EthereumError("WRONG_CHAIN", message, { host, id, chainId });
    }
    this.rpc.expectChain(chainId);
    const { hash } = (await this.rpc.look()).head;
    if ((await this.rpc.code(this.address, hash)) === "0x") {
      throw new EthereumError("WRONG_CONTRACT", `there is no contract at ${this.address} on chain ${chainId}`, {
        address: this.address,
        chainId,
      });
    }
    const domain = await this.eip712Domain(hash);
    const expected = { name: "Plasma Billing", version: "1", chainId, verifyingContract: this.address };
    if (JSON.stringify(domain, bigintToText) !== JSON.stringify(expected, bigintToText)) {
      const message = `the contract at ${this.address} is no root chain of Plasma Billing`;
      throw new EthereumError("WRONG_CONTRACT", message, { address: this.address, domain });
    }
    const { exitPeriod } = await this.gameTerms(hash);
    return { chainId, operator: await this.operator(hash), exitPeriod };
  }

  private async eip712Domain(blockHash: Hex): Promise<Record<string, unknown> | null> {
    let result: Result;
    try {
      const data = rootChain.encodeFunctionData("eip712Domain") as Hex;
      result = rootChain.decodeFunctionResult("eip712Domain", await this.rpc.call(this.address, data, blockHash));
    } catch (error) {
      if (error instanceof EthereumError && error.code !== "RPC_ERROR") throw error;
      return null;
    }
    const verifyingContract = String(result["verifyingContract"]).toLowerCase();
    return { name: result["name"], version: result["version"], chainId: result["chainId"], verifyingContract };
  }
}

function bigintToText(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

function decodeEvent(name: string, args: Result): Record<string, unknown> | null {
  const address = (field: string): Address => String(args[field]).toLowerCase() as Address;
  const ended = { name: "ExitEnded", number: Number(args["number"]), outputId: args["outputId"] as Hex };
  switch (name) {
    case "BlockCommitted":
      return {
        name,
        number: Number(args["number"]),
        transactionsRoot: args["transactionsRoot"],
        transactionCount: Number(args["transactionCount"]),
        timestamp: Number(args["timestamp"]),
      };
    case "Deposited":
      return {
        name,
        id: args["id"],
        owner: address("owner"),
        token: address("token"),
        amount: args["amount"],
        nextBlockNumber: Number(args["nextBlockNumber"]),
        timestamp: Number(args["timestamp"]),
      };
    case "ExitStarted":
      return {
        name,
        number: Number(args["number"]),
        kind: args["depositRecord"] === 0n ? "standard" : "deposit",
        outputId: args["outputId"],
        owner: address("owner"),
        token: address("token"),
        amount: args["amount"],
        exitableAt: Number((args["priority"] as bigint) >> 94n),
        blockNumber: Number(((args["priority"] as bigint) >> 64n) & BLOCK_MASK),
        priority: args["priority"],
        bondOwner: address("bondOwner"),
        depositRecord: args["depositRecord"],
      };
    case "InFlightExitStarted":
      return { name, number: Number(args["number"]), ...decodeInFlightExit(args) };
    case "Piggybacked":
    case "PiggybackChallenged":
      return { name, number: Number(args["number"]), index: Number(args["index"]), outputId: args["outputId"] };
    case "NonCanonicalChallenged":
    case "CanonicalResponded":
    case "InFlightExitFinalized":
    case "InFlightExitClosed":
    case "OutputFinalized":
      return { name, ...plain(args) };
    case "ExitChallenged":
      return { ...ended, state: "challenged", paid: false };
    case "ExitFinalized":
      return { ...ended, state: "finalized", paid: args["paid"] };
    case "ExitUnpayable":
      return { ...ended, state: "unpayable", paid: false };
    default:
      return null;
  }
}

function decodeInFlightExit(args: Result): Record<string, unknown> {
  const data = args["data"] as Hex;
  const exit = AbiCoder.defaultAbiCoder().decode(IN_FLIGHT_EXIT, data);
  return {
    transactionHash: args["transactionHash"],
    startedAt: Number(exit["startedAt"]),
    exitableAt: Number((exit["priority"] as bigint) >> 94n),
    priority: exit["priority"],
    inputIds: (exit["inputIds"] as Result).toArray(),
    inputs: (exit["inputs"] as Result).map(plain),
    outputs: (exit["outputs"] as Result).map(plain),
    data,
  };
}

/** Fields by name: addresses as the ledger has them, an exit's number as a number. */
function plain(fields: Result): Record<string, unknown> {
  const entries = Object.entries(fields.toObject() as Record<string, unknown>);
  return Object.fromEntries(
    entries.map(([name, value]) => {
      if (name === "number") return [name, Number(value)];
      return [name, typeof value === "string" && value.length === 42 ? value.toLowerCase() : value];
    }),
  );
}
