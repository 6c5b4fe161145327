import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { OUTPUTS_FROM } from "@plasma-billing/protocol/inFlightExits.ts";
import type { OutputId, TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { AbiCoder } from "ethers";
import type { ContractEvent, RootChain } from "./rootChain.ts";

const EVENTS = [
  ...["ExitStarted", "ExitFinalized", "ExitUnpayable", "ExitChallenged", "OutputFinalized"],
  ...["InFlightExitStarted", "Piggybacked", "PiggybackChallenged", "InFlightExitFinalized", "InFlightExitClosed"],
];
const STANDARD_EXIT =
  "tuple(uint40 number,address owner,address token,uint256 amount,address bondOwner,uint216 depositRecord)";
const OUTPUTS = "tuple(address owner,address token,uint256 amount)[]";
const IN_FLIGHT_EXIT = [
  ...["uint128 priority", "uint64 startedAt", "uint64 salt", "address bondOwner", "bytes32[] inputIds"],
  ...[`${OUTPUTS} inputs`, `${OUTPUTS} outputs`],
];
/** Of a queue's key: its first 34 bits are the time. */
const TIME_SHIFT = 94n;

/** Where an output's way out stands; `unpaid`: its exit is over and the other side was paid, or nobody. */
export interface ExitProgress {
  state: "none" | "started" | "processable" | "challenged" | "finalized" | "unpayable" | "unpaid";
  number: number | null;
  /** Unix seconds. */
  exitableAt: number | null;
}

/** What stands in a queue, as it is handed in to be paid. */
export interface QueueEntry {
  id: Hex;
  data: Hex;
  priority: bigint;
}

/** The in-flight exit of a transaction. */
export interface Flight extends QueueEntry {
  number: number;
  /** Unix seconds. */
  startedAt: number;
  inputIds: OutputId[];
  /** By index of a piggyback: i for input i, 16 + i for output i. */
  tokens: (Address | undefined)[];
  /** Indices that were ever piggybacked. */
  piggybacks: Set<number>;
  /** Null until its first processing decides it. */
  canonical: boolean | null;
  /** Tokens whose queues it has left. */
  processed: Set<Address>;
  closed: boolean;
}

/** From when on an entry can be paid, in Unix seconds. */
export function exitableAtOf(priority: bigint): number {
  return Number(priority >> TIME_SHIFT);
}

/** An in-flight exit as its start told it. */
export function flightOf({ args }: ContractEvent): Flight {
  const data = args["data"] as Hex;
  const exit = AbiCoder.defaultAbiCoder().decode(IN_FLIGHT_EXIT, data);
  const tokensOf = (list: { token: string }[]): Address[] => list.map(({ token }) => token.toLowerCase() as Address);
  const inputs = tokensOf(exit["inputs"] as { token: string }[]);
  const outputs = tokensOf(exit["outputs"] as { token: string }[]);
  return {
    ...{ id: args["transactionHash"] as Hex, data, priority: exit["priority"] as bigint },
    ...{ number: Number(args["number"]), startedAt: Number(exit["startedAt"]) },
    inputIds: [...(exit["inputIds"] as Iterable<OutputId>)],
    tokens: [...inputs, ...Array<undefined>(OUTPUTS_FROM - inputs.length), ...outputs],
    ...{ piggybacks: new Set(), canonical: null, processed: new Set(), closed: false },
  };
}

/** An exit of one output: a standard exit, or a piggyback. */
interface Attempt {
  number: number;
  priority: bigint;
  flight: Flight | null;
  token: Address;
  state: "started" | "challenged" | "unpayable";
}

/** All exits there were, as the contract's events tell them. */
export class ExitHistory {
  private readonly attempts = new Map<OutputId, Attempt>();
  private readonly finalizedBy = new Map<OutputId, number>();
  private readonly standard = new Map<number, QueueEntry & { token: Address }>();
  private readonly starts = new Map<OutputId, Record<string, unknown>>();
  private readonly flights = new Map<number, Flight>();
  private readonly flightsByHash = new Map<TransactionHash, Flight>();
  /** Unix seconds, of the newest Ethereum block when it was read. */
  readonly now: number;

  private constructor(now: number) {
    this.now = now;
  }

  static async read(rootChain: RootChain, fromBlock: number): Promise<ExitHistory> {
    const history = new ExitHistory(await rootChain.now());
    for (const event of await rootChain.events(EVENTS, fromBlock)) history.take(event);
    return history;
  }

  progressOf(id: OutputId): ExitProgress {
    const finalizedBy = this.finalizedBy.get(id);
    if (finalizedBy !== undefined) return { state: "finalized", number: finalizedBy, exitableAt: null };
    const attempt = this.attempts.get(id);
    if (attempt === undefined) return { state: "none", number: null, exitableAt: null };
    const { number, priority, flight, token, state } = attempt;
    const exitableAt = exitableAtOf(priority);
    if (state !== "started") return { state, number, exitableAt };
    // What was moved aside pays nothing.
    if (flight !== null && (flight.closed || flight.processed.has(token) || this.flightOf(flight.id) !== flight))
      return { state: "unpaid", number, exitableAt };
    return { state: this.now >= exitableAt ? "processable" : "started", number, exitableAt };
  }

  /** Whether an exit that is not over may pay or block an output. */
  holds(id: OutputId): boolean {
    if (["started", "processable", "finalized"].includes(this.progressOf(id).state)) return true;
    return [...this.flights.values()].some((flight) => isOpen(flight) && flight.inputIds.includes(id));
  }

  /** The last in-flight exit of a transaction: the main one. */
  flightOf(hash: TransactionHash): Flight | null {
    return this.flightsByHash.get(hash) ?? null;
  }

  /** What the last standard exit of an output is about. */
  standardExitOf(id: OutputId): Record<string, unknown> | null {
    return this.starts.get(id) ?? null;
  }

  /** A queue's entries that were not worked off or cancelled, first one first. */
  queueOf(token: Address): QueueEntry[] {
    const standard = [...this.standard.values()].filter((entry) => entry.token === token);
    const flights = [...this.flights.values()].filter(
      ({ closed, processed, piggybacks, tokens }) =>
        !closed && !processed.has(token) && [...piggybacks].some((index) => tokens[index] === token),
    );
    return [...standard, ...flights].sort((a, b) => (a.priority < b.priority ? -1 : 1));
  }

  private take(event: ContractEvent): void {
    const { name, args } = event;
    const number = Number(args["number"]);
    const id = args["outputId"] as OutputId;
    const flight = this.flights.get(number) ?? null;
    switch (name) {
      case "ExitStarted": {
        const priority = args["priority"] as bigint;
        const token = String(args["token"]).toLowerCase() as Address;
        const data = AbiCoder.defaultAbiCoder().encode([STANDARD_EXIT], [args]) as Hex;
        this.standard.set(number, { id, data, priority, token });
        this.starts.set(id, args);
        this.attempts.set(id, { number, priority, flight: null, token, state: "started" });
        return;
      }
      case "InFlightExitStarted": {
        const started = flightOf(event);
        this.flights.set(number, started);
        this.flightsByHash.set(started.id, started);
        return;
      }
      case "Piggybacked": {
        const index = Number(args["index"]);
        const token = flight?.tokens[index];
        if (flight === null || token === undefined) return;
        flight.piggybacks.add(index);
        // Of an exit that was moved aside it says nothing: what counts is asked of the main one.
        if (this.flightOf(flight.id) === flight)
          this.attempts.set(id, { number, priority: flight.priority, flight, token, state: "started" });
        return;
      }
      case "ExitChallenged":
        this.standard.delete(number);
        return this.mark(id, number, "challenged");
      case "PiggybackChallenged":
        return this.mark(id, number, "challenged");
      case "ExitUnpayable":
        this.standard.delete(number);
        return this.mark(id, number, "unpayable");
      case "ExitFinalized":
        this.standard.delete(number);
        return;
      case "OutputFinalized":
        this.finalizedBy.set(id, number);
        return;
      case "InFlightExitFinalized":
        flight?.processed.add(String(args["token"]).toLowerCase() as Address);
        if (flight !== null) flight.canonical = args["canonical"] as boolean;
        return;
      case "InFlightExitClosed":
        if (flight !== null) flight.closed = true;
    }
  }

  private mark(id: OutputId, number: number, state: Attempt["state"]): void {
    const attempt = this.attempts.get(id);
    if (attempt?.number === number) attempt.state = state;
  }
}

/** Neither processed in any queue nor closed: it can still be piggybacked and challenged. */
export function isOpen({ canonical, closed }: Flight): boolean {
  return canonical === null && !closed;
}
