import type { DepositEntry } from "@plasma-billing/protocol/entries.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Logger } from "pino";
import { Thread } from "@plasma-billing/ethereum/threads.ts";
import {
  SharedProgress,
  type Answer,
  type FromIndex,
  type IndexThreadData,
  type Question,
  type Questions,
  type ToIndex,
} from "./messages.ts";
import {
  INDEX_LIMITS,
  IndexBehindError,
  type AccountSummary,
  type FeedFormat,
  type FeedPiece,
  type IndexedPayment,
  type IndexFilter,
  type IndexLimits,
  type OutputPlace,
  type OutputsPage,
  type PaymentsPage,
  type Resolution,
  type StatisticsView,
} from "./ports.ts";

/** Questions waiting for an answer: more than the sequencer lets wait, and than there can be requests. */
const WAITING_MAX = 8192;

export interface IndexOptions {
  dataDir: string;
  log: Logger;
  /** Position of the last entry that is on the disk. */
  durable: number;
  /** The thread ended, or the journal cannot be read: the process has to end. */
  onFailure: (error: Error) => void;
  /** For tests. */
  limits?: Partial<IndexLimits>;
}

interface Waiting {
  resolve: (answer: never) => void;
  reject: (error: Error) => void;
}

/**
 * What is read of history. A thread of its own reads the journal's files behind the sequencer, so nothing but positions and
 * questions goes to it; every answer knows all that `durable` told of before it was asked for.
 * Every question rejects with an IndexBehindError while the index is far behind, as after it was made anew.
 */
export class PaymentIndex {
  private readonly worker: Thread;
  private readonly shared: SharedProgress;
  private readonly options: IndexOptions;
  private readonly waiting = new Map<number, Waiting>();
  private readonly opened = Promise.withResolvers<void>();
  private queue: Question[] = [];
  private lastId = 0;
  private failure: Error | null = null;

  private constructor(options: IndexOptions) {
    this.options = options;
    const shared = new SharedArrayBuffer(SharedProgress.bytes);
    this.shared = new SharedProgress(shared);
    this.shared.durable = options.durable;
    const limits = { ...INDEX_LIMITS, ...options.limits };
    const workerData: IndexThreadData = { dataDir: options.dataDir, limits, shared };
    this.worker = new Thread(new URL("worker.ts", import.meta.url), { workerData });
    this.worker.on("message", (message: FromIndex) => this.take(message));
    this.worker.on("error", (error) => this.fail(error instanceof Error ? error : new Error(String(error))));
    this.worker.on("exit", (code) => this.fail(new Error(`the index's thread ended with ${code}`)));
  }

  /** Resolves when questions can be asked; it may have much to read still. */
  static async open(options: IndexOptions): Promise<PaymentIndex> {
    const index = new PaymentIndex(options);
    await index.opened.promise;
    index.worker.unref();
    return index;
  }

  /** Everything up to this position is on the disk. */
  durable(position: number): void {
    this.shared.durable = position;
    if (!this.shared.setAwake(true)) this.post({ wake: true });
  }

  /** Positions of the last entry on the disk, and of the last one indexed. */
  get progress(): { durable: number; indexed: number } {
    return { durable: this.shared.durable, indexed: this.shared.indexed };
  }

  async payment(hash: Hex): Promise<IndexedPayment | null> {
    return await this.ask("payment", hash);
  }

  /** The payment that spent an output. */
  async spendOf(outputId: Hex): Promise<IndexedPayment | null> {
    return await this.ask("spendOf", outputId);
  }

  /** The payment with this hash, and of each output id which payment spent it, as of the entries up to `upTo`. */
  async resolve(hash: Hex, outputIds: Hex[], upTo: number): Promise<Resolution> {
    return await this.ask("resolve", hash, outputIds, upTo);
  }

  /** Payments newest first, below the position `before`. A page may be short, or empty, and yet have a next one. */
  async payments(filter: IndexFilter, limit: number, before: number | null): Promise<PaymentsPage> {
    return await this.ask("payments", filter, limit, before);
  }

  /** How many payments an address took part in, and what no payment has spent of what it got. */
  async account(address: Address): Promise<AccountSummary> {
    return await this.ask("account", address);
  }

  /** Outputs newest first, below the place `before`: those that no payment has spent, or all the owner ever got. */
  async outputs(owner: Address, unspentOnly: boolean, limit: number, before: OutputPlace | null): Promise<OutputsPage> {
    const from = before === null ? null : { position: before.position, index: before.index };
    return await this.ask("outputs", owner, unspentOnly, limit, from);
  }

  /** Credited deposits with an id below `belowId`, newest first. */
  async deposits(limit: number, belowId: bigint | null): Promise<DepositEntry[]> {
    return await this.ask("deposits", limit, belowId);
  }

  /** Totals, and so many hours, newest first. */
  async statistics(hours: number): Promise<StatisticsView> {
    return await this.ask("statistics", hours);
  }

  /** The payment at a place; null where there is none. */
  async paymentAt(blockNumber: number, transactionIndex: number): Promise<IndexedPayment | null> {
    return await this.ask("paymentAt", blockNumber, transactionIndex);
  }

  /** The siblings of a payment in its sealed block, from the bottom up; each leads to the block's root. */
  async siblings(blockNumber: number, transactionIndex: number): Promise<Hex[]> {
    return await this.ask("siblings", blockNumber, transactionIndex);
  }

  /** The first payments, or entries, of these positions, at most about 256 KiB. The one thing the journal alone answers. */
  async feed(format: FeedFormat, from: number, to: number): Promise<FeedPiece> {
    return await this.ask("feed", format, from, to);
  }

  async close(): Promise<void> {
    this.failure ??= new Error("the index is closed");
    await this.worker.end();
  }

  private async ask<Q extends keyof Questions>(
    ask: Q,
    ...of: Parameters<Questions[Q]>
  ): Promise<ReturnType<Questions[Q]>> {
    if (this.failure !== null) throw this.failure;
    if (this.waiting.size >= WAITING_MAX) throw new IndexBehindError(this.shared.durable - this.shared.indexed);
    const { promise, resolve, reject } = Promise.withResolvers<ReturnType<Questions[Q]>>();
    const id = ++this.lastId;
    if (this.waiting.size === 0) this.worker.ref();
    this.waiting.set(id, { resolve, reject });
    // What is asked in one turn goes in one message: a batch of refusals is a thousand questions.
    if (this.queue.push({ id, ask, of } as Question) === 1) {
      queueMicrotask(() => {
        this.post({ questions: this.queue });
        this.queue = [];
      });
    }
    return await promise;
  }

  private post(message: ToIndex): void {
    this.worker.postMessage(message);
  }

  private take(message: FromIndex): void {
    if ("answers" in message) {
      for (const answer of message.answers) this.settle(answer);
    } else if ("opened" in message) this.opened.resolve();
    else if ("warning" in message) this.options.log.warn(message.about, message.warning);
    else this.fail(new Error(message.failure));
  }

  private settle(answer: Answer): void {
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if (this.waiting.size === 0) this.worker.unref();
    if ("answer" in answer) waiting?.resolve(answer.answer as never);
    else if (answer.behind !== null) waiting?.reject(new IndexBehindError(answer.behind));
    else waiting?.reject(new Error(answer.problem));
  }

  private fail(error: Error): void {
    this.opened.reject(error);
    for (const { reject } of this.waiting.values()) reject(this.failure ?? error);
    this.waiting.clear();
    if (this.failure !== null) return;
    this.failure = error;
    this.options.onFailure(error);
  }
}
