import type { ExitData, StandardExitTerms } from "@plasma-billing/ethereum/challenges.ts";
import { standardExitData } from "@plasma-billing/ethereum/exitStarts.ts";
import type { ExitOutput, RootChainEvent } from "@plasma-billing/ethereum/rootChain.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { OUTPUTS_FROM } from "@plasma-billing/protocol/inFlightExits.ts";
import type { OutputId, TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";

/** The last standard exit of an output. */
export interface StandardExit {
  number: number;
  outputId: OutputId;
  priority: bigint;
  /** Seconds. */
  exitableAt: number;
  terms: StandardExitTerms;
  state: "live" | "challenged" | "unpayable" | "over";
}

/** An in-flight exit, whatever became of it. */
export interface Flight {
  number: number;
  transactionHash: TransactionHash;
  data: Hex;
  priority: bigint;
  /** Seconds, as `exitableAt`. */
  startedAt: number;
  exitableAt: number;
  inputIds: readonly OutputId[];
  inputs: readonly ExitOutput[];
  outputs: readonly ExitOutput[];
  /** Indices that were ever piggybacked, and those that still are. */
  made: Set<number>;
  live: Set<number>;
  /** Tokens whose queues it has left: the first one decided it. */
  processed: Set<Address>;
  closed: boolean;
}

/** What stands in a token's queue, as it is handed in to be processed. */
export interface QueueEntry extends ExitData {
  number: number;
  priority: bigint;
  exitableAt: number;
  /** Who is paid by it, if it is. */
  owners: Address[];
}

/** All exits there were, as the contract's events tell them. */
export class ExitBoard {
  private readonly standard = new Map<number, StandardExit>();
  private readonly standardByOutput = new Map<OutputId, StandardExit>();
  private readonly flights = new Map<number, Flight>();
  private readonly flightsByHash = new Map<TransactionHash, Flight>();
  private readonly finalized = new Set<OutputId>();
  private readonly flown = new Map<OutputId, Set<TransactionHash>>();
  private readonly blocksAfter = new Map<bigint, number>();

  constructor(events: Iterable<RootChainEvent>) {
    for (const event of events) this.take(event);
  }

  /** In-flight exits that were neither processed nor closed, and that no other of the same transaction has moved aside. */
  get openFlights(): Flight[] {
    return [...this.flightsByHash.values()].filter(({ processed, closed }) => processed.size === 0 && !closed);
  }

  /** Paid or blocked on Ethereum for good. */
  isFinalized(id: OutputId): boolean {
    return this.finalized.has(id);
  }

  standardExitOf(id: OutputId): StandardExit | null {
    return this.standardByOutput.get(id) ?? null;
  }

  /** The main in-flight exit of a transaction. */
  flightOf(hash: TransactionHash): Flight | null {
    return this.flightsByHash.get(hash) ?? null;
  }

  /** Whether an in-flight exit was of a transaction, other than one named, that spends the output: its owner signed that. */
  isSpentInFlight(id: OutputId, except?: TransactionHash): boolean {
    return [...(this.flown.get(id) ?? [])].some((hash) => hash !== except);
  }

  /** The number of the block that followed a deposit, which is its age. */
  blockAfter(depositId: bigint): number {
    return this.blocksAfter.get(depositId) ?? 0;
  }

  /** Tokens in whose queues an address may be paid. */
  tokensOf(owner: (address: Address) => boolean): Set<Address> {
    const tokens = new Set<Address>();
    for (const { terms } of this.standard.values()) if (owner(terms.owner)) tokens.add(terms.token);
    for (const flight of this.flights.values()) {
      for (const index of flight.live) {
        const output = outputAt(flight, index);
        if (output !== undefined && owner(output.owner)) tokens.add(output.token);
      }
    }
    return tokens;
  }

  /** A queue's entries that were neither worked off nor cancelled, the first first. */
  queueOf(token: Address): QueueEntry[] {
    const entries: QueueEntry[] = [];
    for (const { number, priority, exitableAt, outputId, terms } of this.standard.values()) {
      if (terms.token !== token) continue;
      entries.push({ ...standardExitData(outputId, terms), number, priority, exitableAt, owners: [terms.owner] });
    }
    for (const flight of this.flights.values()) {
      const { number, priority, exitableAt, transactionHash: id, data, closed, processed } = flight;
      const inQueue = (index: number): boolean => outputAt(flight, index)?.token === token;
      if (closed || processed.has(token) || ![...flight.made].some(inQueue)) continue;
      const owners = [...flight.live].filter(inQueue).map((index) => (outputAt(flight, index) as ExitOutput).owner);
      entries.push({ id, data, number, priority, exitableAt, owners });
    }
    return entries.sort((a, b) => (a.priority < b.priority ? -1 : 1));
  }

  private take(event: RootChainEvent): void {
    switch (event.name) {
      case "ExitStarted": {
        const { number, outputId, priority, exitableAt, owner, token, amount, bondOwner, depositRecord } = event;
        const terms = { number, owner, token, amount, bondOwner, depositRecord };
        const exit: StandardExit = { number, outputId, priority, exitableAt, terms, state: "live" };
        this.standard.set(number, exit);
        this.standardByOutput.set(outputId, exit);
        return;
      }
      case "ExitEnded": {
        const exit = this.standard.get(event.number);
        if (exit === undefined) return;
        exit.state = event.state === "finalized" ? "over" : event.state;
        this.standard.delete(event.number);
        return;
      }
      case "Deposited":
        this.blocksAfter.set(event.id, event.nextBlockNumber);
        return;
      case "OutputFinalized":
        this.finalized.add(event.outputId);
        return;
      case "InFlightExitStarted":
        return this.takeFlight(event);
      default:
        if ("number" in event) this.change(event);
    }
  }

  private takeFlight(event: RootChainEvent & { name: "InFlightExitStarted" }): void {
    const { number, transactionHash, data, priority, startedAt, exitableAt, inputIds, inputs, outputs } = event;
    const flight: Flight = {
      ...{ number, transactionHash, data, priority, startedAt, exitableAt, inputIds, inputs, outputs },
      ...{ made: new Set(), live: new Set(), processed: new Set(), closed: false },
    };
    this.flights.set(number, flight);
    this.flightsByHash.set(transactionHash, flight);
    for (const id of inputIds) this.flown.set(id, (this.flown.get(id) ?? new Set()).add(transactionHash));
  }

  private change(event: RootChainEvent & { number: number }): void {
    const flight = this.flights.get(event.number);
    if (flight === undefined) return;
    switch (event.name) {
      case "Piggybacked":
        flight.made.add(event.index);
        flight.live.add(event.index);
        return;
      case "PiggybackChallenged":
        flight.live.delete(event.index);
        return;
      case "InFlightExitFinalized":
        flight.processed.add(event.token);
        return;
      case "InFlightExitClosed":
        flight.closed = true;
        return;
      default:
    }
  }
}

function outputAt({ inputs, outputs }: Flight, index: number): ExitOutput | undefined {
  return index < OUTPUTS_FROM ? inputs[index] : outputs[index - OUTPUTS_FROM];
}
