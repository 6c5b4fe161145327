import type { DepositEntry } from "@plasma-billing/protocol/entries.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type {
  AccountSummary,
  FeedFormat,
  FeedPiece,
  IndexedPayment,
  IndexFilter,
  IndexLimits,
  OutputPlace,
  OutputsPage,
  PaymentsPage,
  Resolution,
  StatisticsView,
} from "./ports.ts";

// What the index's client and its thread tell each other.

/** What can be asked, and what the answer is. */
export interface Questions {
  payment(hash: Hex): IndexedPayment | null;
  spendOf(outputId: Hex): IndexedPayment | null;
  resolve(hash: Hex, outputIds: Hex[], upTo: number): Resolution;
  payments(filter: IndexFilter, limit: number, before: number | null): PaymentsPage;
  account(address: Address): AccountSummary;
  outputs(owner: Address, unspentOnly: boolean, limit: number, before: OutputPlace | null): OutputsPage;
  deposits(limit: number, belowId: bigint | null): DepositEntry[];
  paymentAt(blockNumber: number, transactionIndex: number): IndexedPayment | null;
  siblings(blockNumber: number, transactionIndex: number): Hex[];
  statistics(hours: number): StatisticsView;
  feed(format: FeedFormat, from: number, to: number): FeedPiece;
}

export type Question = {
  [Q in keyof Questions]: { id: number; ask: Q; of: Parameters<Questions[Q]> };
}[keyof Questions];

/** Many questions at once; that there is more to read; or that it is to end. */
export type ToIndex = { questions: Question[] } | { wake: true };

export type Answer = { id: number; answer: unknown } | { id: number; problem: string; behind: number | null };

export type FromIndex =
  { opened: true } | { answers: Answer[] } | { warning: string; about: Record<string, unknown> } | { failure: string };

export interface IndexThreadData {
  dataDir: string;
  limits: IndexLimits;
  shared: SharedArrayBuffer;
}

/** What both threads see at any time without a message. */
export class SharedProgress {
  static readonly bytes = 24;
  private readonly positions: BigInt64Array;
  private readonly flags: Int32Array;

  constructor(shared: SharedArrayBuffer) {
    this.positions = new BigInt64Array(shared, 0, 2);
    this.flags = new Int32Array(shared, 16, 1);
  }

  /** Position of the last entry that is on the disk. */
  get durable(): number {
    return Number(Atomics.load(this.positions, 0));
  }

  set durable(position: number) {
    Atomics.store(this.positions, 0, BigInt(position));
  }

  get indexed(): number {
    return Number(Atomics.load(this.positions, 1));
  }

  set indexed(position: number) {
    Atomics.store(this.positions, 1, BigInt(position));
  }

  /** The thread will look by itself whether there is more, so nobody has to tell it. Gives whether it did before. */
  setAwake(awake: boolean): boolean {
    return Atomics.exchange(this.flags, 0, awake ? 1 : 0) === 1;
  }
}
