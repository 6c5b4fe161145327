import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Volume } from "./volumes.ts";

/** A payment's journal entry (docs/FORMATS.md), and its position. */
export interface IndexedPayment {
  position: number;
  bytes: Uint8Array;
}

/** An output that a payment or a deposit made. */
export interface IndexedOutput {
  id: OutputId;
  owner: Address;
  token: Address;
  amount: bigint;
  /** Null for a deposit's. */
  blockNumber: number | null;
  transactionIndex: number | null;
  outputIndex: number;
  /** Null for a payment's. */
  depositId: bigint | null;
  /** Of the journal entry that made it. */
  position: number;
}

/** Which payments a list has; positions are inclusive, what is absent does not matter. */
export interface IndexFilter {
  address?: Address;
  /** As in the typed data: 1 to 5. */
  purpose?: number;
  fileHash?: Hex;
  from?: number;
  to?: number;
  /** Accepted from then on, and before then; Unix milliseconds. A clock that was set back makes the ends inexact. */
  since?: number;
  until?: number;
}

/** The place of an output in the history: the entry that made it, and which of its outputs it is. */
export interface OutputPlace {
  position: number;
  index: number;
}

export interface IndexPage<T, Next> {
  items: T[];
  /** To be given as `before` for what follows; null after the last. */
  next: Next | null;
}

/** Items newest first. */
export type PaymentsPage = IndexPage<IndexedPayment, number>;
export type OutputsPage = IndexPage<IndexedOutput, OutputPlace>;

export interface Resolution {
  payment: IndexedPayment | null;
  /** Hash of the payment that spent each output, in the order asked. */
  spentBy: (Hex | null)[];
}

export interface AccountSummary {
  transactionCount: number;
  /** By token, what no payment has spent; no token with nothing. */
  unspent: { token: Address; amount: bigint }[];
}

/** Payments as lines of JSON, or in the form of a batch; or all entries, each behind its length (4 bytes). */
export type FeedFormat = "ndjson" | "binary" | "entries";

/** What the journal's entries come to. */
export interface StatisticsView {
  payments: number;
  /** Sealed ones. */
  blocks: number;
  deposits: { token: Address; count: number; amount: bigint }[];
  totals: Volume[];
  /** Newest first, by their beginning in Unix milliseconds. */
  hours: { hour: number; volumes: Volume[] }[];
}

/** A piece of a feed; `next` is the position where the following one begins. */
export interface FeedPiece {
  bytes: Uint8Array;
  next: number | null;
}

/** What the index reads: `JournalReader`. Only ever asked for what is durable. */
export interface EntrySource {
  /** Entries `first` to `last` in order, at most `bytesMax` bytes of them, at least one. */
  read(first: number, last: number, bytesMax: number): { position: number; body: Uint8Array }[];
  entry(position: number): Uint8Array;
}

/** The index is being made again and far behind the journal: ask again later. */
export class IndexBehindError extends Error {
  readonly behind: number;

  /** @param behind - entries that are durable and not in the index */
  constructor(behind: number) {
    super(`the index is ${behind} entries behind the journal: ask again later`);
    this.name = "IndexBehindError";
    this.behind = behind;
  }
}

/** The files of the index are not what was written to them; they are made again from the journal. */
export class IndexDamagedError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "IndexDamagedError";
  }
}

/** How the work is cut; tests make everything small. */
export interface IndexLimits {
  /** A generation ends when it has so many entries, */
  generationEntries: number;
  /** or so many outputs or spent inputs: what bounds its memory. */
  generationOutputs: number;
  /** Reads are refused when more entries than this wait. */
  behindMax: number;
  /** List elements looked at for one page: a page of a rare combination may be short, and the next one goes on. */
  lookedAtMax: number;
}

export const INDEX_LIMITS: IndexLimits = {
  // About 100 bytes of memory each, and what a start reads again: a second at most.
  generationEntries: 2 ** 19,
  generationOutputs: 2 ** 20,
  // Half a second's work: a read waits for it.
  behindMax: 300_000,
  // A few milliseconds; nothing is read from the journal for what does not match.
  lookedAtMax: 200_000,
};
