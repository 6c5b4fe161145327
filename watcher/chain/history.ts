import { Thread } from "@plasma-billing/ethereum/threads.ts";
import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import type {
  HistoryMessage,
  HistoryQuestion,
  HistoryReply,
  ProofAnswer,
  SearchAnswer,
  SearchQuestion,
} from "./historyWorker.ts";

export type { Found } from "./historyWorker.ts";

/** The thread is begun again at once so often, when questions in a row end it (a block may need more memory than there is), */
const ENDS_MAX = 3;
/** and then after this time: what it is asked for must not stay unanswered for ever. */
const REST_MS = 60_000;

/** Asks the thread that reads stored blocks; one that ended, whatever ended it, is begun again. */
export class History {
  private worker: Thread | null = null;
  private readonly waiting = new Map<number, { resolve: (answer: never) => void; reject: (error: Error) => void }>();
  private lastId = 0;
  /** Ends without an answer in between, the last one, and when that was. */
  private ends = 0;
  private failure: Error | null = null;
  private endedAt = -Infinity;

  /** Payments in these files that spend one of the outputs. */
  async search(question: SearchQuestion): Promise<SearchAnswer> {
    return await this.ask({ search: question });
  }

  /** The siblings of a leaf, and the root they lead to if the files are right. */
  async proof(prefix: string, count: number, index: number): Promise<ProofAnswer> {
    return await this.ask({ proof: { prefix, count, index } });
  }

  async close(): Promise<void> {
    await this.worker?.end();
  }

  private async ask<T>(question: HistoryQuestion): Promise<T> {
    if (this.failure !== null && this.ends >= ENDS_MAX && performance.now() - this.endedAt < REST_MS)
      throw this.failure;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const id = ++this.lastId;
    this.waiting.set(id, { resolve, reject });
    this.worker ??= this.start();
    this.worker.ref();
    this.worker.postMessage({ id, ...question } satisfies HistoryMessage);
    return await promise;
  }

  /** Begun when it is first needed: most starts ask nothing. */
  private start(): Thread {
    const worker = new Thread(new URL("historyWorker.ts", import.meta.url), {});
    worker.on("message", (reply: HistoryReply) => {
      const waiting = this.waiting.get(reply.id);
      this.waiting.delete(reply.id);
      if (this.waiting.size === 0) worker.unref();
      this.ends = 0;
      if ("answer" in reply) waiting?.resolve(reply.answer as never);
      else waiting?.reject(new Error(reply.failed));
    });
    worker.on("error", (error) => this.fail(worker, error instanceof Error ? error : new Error(String(error))));
    worker.on("exit", (code) =>
      this.fail(worker, new InvariantError("the thread that reads blocks has ended", { code })),
    );
    return worker;
  }

  private fail(worker: Thread, error: Error): void {
    if (this.worker !== worker) return;
    this.worker = null;
    this.failure = error;
    this.ends++;
    this.endedAt = performance.now();
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}
