// What the model of the contract keeps of exits, and the parts of it that only read.
import { type Book, type OutputId } from "./book.ts";
import { OUTPUT_SLOT } from "./actions.ts";

/** In wei; the contract of a replay is deployed with the same. Each differs, so that none passes for another. */
export const BONDS = { standardExit: 1_009, inFlightExit: 2_017, piggyback: 509, challenge: 3_011, bounty: 13 };

export interface StandardExit {
  kind: "standard";
  number: number;
  output: OutputId;
  bondOwner: number;
  start: number;
  cancelled: boolean;
  processed: boolean;
}
export interface Piggyback {
  slot: number;
  output: OutputId;
  token: number;
  bondOwner: number;
  time: number;
  live: boolean;
  /** The first of its token: the entry's bounty comes out of its bond. */
  first: boolean;
}
export interface InFlightExit {
  kind: "inFlight";
  number: number;
  transaction: number;
  starter: number;
  start: number;
  /** When it can be paid. */
  time: number;
  /** That of its youngest input. */
  age: number;
  piggybacks: Map<number, Piggyback>;
  /** Tokens it is queued for. */
  queued: Set<number>;
  processed: Set<number>;
  competitor: { transaction: number; bondOwner: number } | null;
  /** Age of the standing competitor, or of the exiting transaction's own inclusion after an answer. */
  remembered: number | null;
  /** Null until the first processing. */
  canonical: boolean | null;
  closed: boolean;
}
export type Exit = StandardExit | InFlightExit;

export interface Entry {
  time: number;
  age: number;
  /** Of an in-flight exit: of two with one time and one age a standard exit goes first. */
  inFlight: boolean;
  number: number;
}

export function outputOfSlot(book: Book, exit: InFlightExit, slot: number): OutputId | undefined {
  const transaction = book.transactions[exit.transaction]!;
  if (slot < OUTPUT_SLOT) return transaction.inputs[slot];
  return slot - OUTPUT_SLOT < transaction.outputs.length ? exit.transaction * 16 + slot - OUTPUT_SLOT : undefined;
}

export function slotsOf(book: Book, exit: InFlightExit): number[] {
  const { inputs, outputs } = book.transactions[exit.transaction]!;
  return [...inputs.keys(), ...[...outputs.keys()].map((index) => OUTPUT_SLOT + index)];
}

export function livePiggybacks(exit: InFlightExit): Piggyback[] {
  return [...exit.piggybacks.values()].filter((piggyback) => piggyback.live);
}

/** Neither closed nor processed in every queue it is in. */
export function isLive(exit: InFlightExit): boolean {
  if (exit.closed) return false;
  return exit.queued.size === 0 || exit.processed.size < exit.queued.size;
}

/** It can still be challenged, answered and piggybacked (within the windows). */
export function isOpen(exit: InFlightExit): boolean {
  return !exit.closed && exit.canonical === null;
}

/** What `INPUT_EXITING` means, for what began before `before`. */
export function isExiting(book: Book, exits: readonly Exit[], output: OutputId, before: number): boolean {
  return exits.some((exit) => {
    if (exit.kind === "standard") {
      return exit.output === output && !exit.cancelled && !exit.processed && exit.start < before;
    }
    if (exit.closed) return false;
    const { inputs } = book.transactions[exit.transaction]!;
    if (exit.canonical === null && inputs.includes(output) && exit.start < before) return true;
    return livePiggybacks(exit).some((piggyback) => {
      if (piggyback.output !== output || exit.processed.has(piggyback.token)) return false;
      const isInput = piggyback.slot < OUTPUT_SLOT;
      if (exit.canonical !== null && exit.canonical === isInput) return false;
      return (isInput ? exit.start : piggyback.time) < before;
    });
  });
}

export function goesFirst(a: Entry, b: Entry, byAge: boolean): boolean {
  if (a.time !== b.time) return a.time < b.time;
  if (byAge && a.age !== b.age) return a.age < b.age;
  if (byAge && a.inFlight !== b.inFlight) return b.inFlight;
  return a.number < b.number;
}
