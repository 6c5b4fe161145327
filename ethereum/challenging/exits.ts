import type { StandardExitTerms } from "../challenges.ts";
import type { ExitOutput, RootChainEvent } from "../rootChain.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { OutputId, TransactionHash } from "@plasma-billing/protocol/transaction.ts";

/** A standard exit that can still be challenged. */
export interface LiveStandardExit {
  kind: "standard";
  number: number;
  outputId: OutputId;
  /** Seconds. */
  exitableAt: number;
  /** Of the block that has the output. */
  blockNumber: number;
  terms: StandardExitTerms;
}

/** An in-flight exit before its first processing. */
export interface OpenInFlightExit {
  kind: "inFlight";
  number: number;
  transactionHash: TransactionHash;
  data: Hex;
  /** Seconds, as `exitableAt`. */
  startedAt: number;
  exitableAt: number;
  inputIds: readonly OutputId[];
  /** What the inputs are, in the order of their ids. */
  inputs: readonly ExitOutput[];
  outputs: readonly ExitOutput[];
  /** Output ids of the live piggybacks by the contract's index. */
  piggybacks: ReadonlyMap<number, OutputId>;
  /** What is remembered of challenges and responses: the age (block << 23 | index + 1), and whether a competitor stands. */
  remembered: { position: bigint; competitorStands: boolean } | null;
}

export type OpenExit = LiveStandardExit | OpenInFlightExit;

/** The exits on Ethereum that something can still be done about, followed by the contract's events. */
export class OpenExits {
  /** As of the last final block; what is over is left out. */
  private readonly final = new Map<number, OpenExit>();
  private started = 0;
  private shown: readonly OpenExit[] = [];
  private shownCount = 0;

  /** As the last window showed them. */
  get current(): readonly OpenExit[] {
    return this.shown;
  }

  /** How many exits had started then, those that are over too. */
  get count(): number {
    return this.shownCount;
  }

  /** Takes what is final, each event once and in order. False, with nothing taken, when a start of an exit is missing. */
  settle(events: readonly RootChainEvent[]): boolean {
    const count = countAfter(this.started, events);
    if (count === null) return false;
    for (const event of events) {
      const exit = exitAfter(event, (number) => this.final.get(number));
      if (exit === undefined || !("number" in event)) continue;
      if (exit === null) this.final.delete(event.number);
      else this.final.set(event.number, exit);
    }
    this.started = count;
    return true;
  }

  /** Shows what is final and, on top, what is not yet. False, with nothing changed, when a start is missing. */
  show(windowEvents: readonly RootChainEvent[]): boolean {
    const count = countAfter(this.started, windowEvents);
    if (count === null) return false;
    const current = new Map(this.final);
    for (const event of windowEvents) {
      const exit = exitAfter(event, (number) => current.get(number));
      if (exit === undefined || !("number" in event)) continue;
      if (exit === null) current.delete(event.number);
      else current.set(event.number, exit);
    }
    this.shown = [...current.values()];
    this.shownCount = count;
    return true;
  }
}

/** How many exits have started after the events; null when one is missing: exits are numbered without gaps. */
function countAfter(before: number, events: readonly RootChainEvent[]): number | null {
  let count = before;
  for (const event of events) {
    if (event.name !== "ExitStarted" && event.name !== "InFlightExitStarted") continue;
    if (event.number !== count + 1) return null;
    count++;
  }
  return count;
}

/** The exit an event leaves of the one with its number: null when it is over, undefined when nothing changes. */
function exitAfter(
  event: RootChainEvent,
  before: (number: number) => OpenExit | undefined,
): OpenExit | null | undefined {
  if (event.name === "ExitStarted") return standardExit(event);
  if (event.name === "InFlightExitStarted") return inFlightExit(event);
  if (!("number" in event)) return undefined;
  const exit = before(event.number);
  if (exit === undefined) return undefined;
  if (exit.kind === "standard") return event.name === "ExitEnded" ? null : undefined;
  switch (event.name) {
    case "Piggybacked":
      return { ...exit, piggybacks: new Map(exit.piggybacks).set(event.index, event.outputId) };
    case "PiggybackChallenged": {
      const piggybacks = new Map(exit.piggybacks);
      piggybacks.delete(event.index);
      return { ...exit, piggybacks };
    }
    case "NonCanonicalChallenged":
      return { ...exit, remembered: { position: event.position, competitorStands: true } };
    case "CanonicalResponded":
      return { ...exit, remembered: { position: event.position, competitorStands: false } };
    // The first processing decides it: nothing is accepted about it afterwards.
    case "InFlightExitFinalized":
    case "InFlightExitClosed":
      return null;
    default:
      return undefined;
  }
}

function standardExit(event: RootChainEvent & { name: "ExitStarted" }): LiveStandardExit {
  const { number, outputId, exitableAt, blockNumber, owner, token, amount, bondOwner, depositRecord } = event;
  const terms = { number, owner, token, amount, bondOwner, depositRecord };
  return { kind: "standard", number, outputId, exitableAt, blockNumber, terms };
}

function inFlightExit(event: RootChainEvent & { name: "InFlightExitStarted" }): OpenInFlightExit {
  const { number, transactionHash, data, startedAt, exitableAt, inputIds, inputs, outputs } = event;
  const untouched = { piggybacks: new Map<number, OutputId>(), remembered: null };
  const parts = { inputIds, inputs, outputs };
  return { kind: "inFlight", number, transactionHash, data, startedAt, exitableAt, ...parts, ...untouched };
}
