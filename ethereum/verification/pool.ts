import { availableParallelism } from "node:os";
import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { Thread } from "../threads.ts";
import type { IntakeRequest } from "./bodies.ts";
import type { Done, Job } from "./worker.ts";

export type { IntakeRequest } from "./bodies.ts";

/** Requests waiting for a thread, of which a batch counts for many: beyond it new ones are refused, or those taken would wait too long. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;
const WAITING_MAX = 2048;
/** Single payments that travel to a thread together: enough to make the way cheap, few enough to be back soon. */
const GROUP_MAX = 64;
/** A thread gets its next job while it still has one, so that it never waits for this one. */
const JOBS_MAX = 2;
/** A batch smaller than this many bytes is not worth being split. */
const SPLIT_BYTES_MIN = 16 * 1024;

/** Parts of a batch: each thread parses all of it. */
const SPLIT_MAX = 8;

/** Records of verified payments (docs/FORMATS.md) in the request's order, or what is wrong with the whole body. */
export type Verified =
  | { kind: "verified"; records: Uint8Array[]; count: number }
  | { kind: "malformed"; problem: { detail: string; context: Record<string, unknown> } };

export interface PoolOptions {
  separator: Hex;
  threads?: number;
}

/** A part of a request's records, or what is wrong with the whole. */
type Answer = { records: Uint8Array; count: number } | { detail: string; context: Record<string, unknown> };

interface Pending {
  request: IntakeRequest;
  parts: Answer[];
  missing: number;
  resolve: (verified: Verified) => void;
  reject: (error: Error) => void;
}

/** What a thread was given: for each request which of its parts comes back. */
type Task = { pending: Pending; index: number }[];

interface Verifier {
  worker: Thread;
  jobs: Task[];
}

/**
 * Threads that decode, hash and recover. Answers come in the order of the requests, whichever thread was faster: a payment
 * must not overtake the one it spends.
 */
export class VerificationPool {
  /** Rejects when a thread ends by itself: the process has to end, since what the thread had is lost. */
  readonly failed: Promise<never>;
  private readonly threads: Verifier[];
  private readonly fail: (error: Error) => void;
  /** Not given to a thread yet. */
  private readonly queue: Pending[] = [];
  /** All that are not answered, in order. */
  private readonly order: Pending[] = [];
  private bytes = 0;
  private scheduled = false;
  private closing = false;

  private constructor({ separator, threads = availableParallelism() }: PoolOptions) {
    const { promise, reject } = Promise.withResolvers<never>();
    this.failed = promise;
    promise.catch(() => undefined);
    this.fail = reject;
    this.threads = Array.from({ length: threads }, () => {
      const worker = new Thread(new URL("worker.ts", import.meta.url), { workerData: { separator } });
      const thread: Verifier = { worker, jobs: [] };
      worker.on("message", (done: Done) => this.take(thread, done));
      worker.on("error", (error) => this.end(error));
      worker.on("exit", (code) => {
        if (!this.closing) this.end(new InvariantError("a thread that verifies has ended", { code }));
      });
      return thread;
    });
  }

  /** Resolves when all threads run. */
  static async start(options: PoolOptions): Promise<VerificationPool> {
    const pool = new VerificationPool(options);
    const online = pool.threads.map(({ worker }) => new Promise((resolve) => worker.once("online", resolve)));
    await Promise.race([Promise.all(online), pool.failed]);
    return pool;
  }

  /** Null when too much waits already. Answers come in the order of the calls. */
  verify(request: IntakeRequest): Promise<Verified> | null {
    if (this.closing || this.order.length >= WAITING_MAX || this.bytes > WAITING_BYTES_MAX) return null;
    const { promise, resolve, reject } = Promise.withResolvers<Verified>();
    const pending: Pending = { request, parts: [], missing: 1, resolve, reject };
    this.bytes += request.body.length;
    this.queue.push(pending);
    this.order.push(pending);
    if (!this.scheduled) {
      this.scheduled = true;
      // What arrives in this turn of the event loop travels together.
      setImmediate(() => {
        this.scheduled = false;
        this.dispatch();
      });
    }
    return promise;
  }

  async close(): Promise<void> {
    this.closing = true;
    await Promise.all(this.threads.map(async ({ worker }) => await worker.end()));
    this.rejectAll(new InvariantError("verification has ended"));
  }

  private dispatch(): void {
    while (this.queue.length > 0) {
      const free = this.threads.filter(({ jobs }) => jobs.length < JOBS_MAX);
      const [next] = this.queue as [Pending];
      if (isLarge(next.request)) {
        // All of them, and each its part: one client alone gets all cores.
        if (free.length < this.threads.length) return;
        this.queue.shift();
        this.split(next);
        continue;
      }
      const [thread] = free.toSorted((a, b) => a.jobs.length - b.jobs.length);
      if (thread === undefined) return;
      const large = this.queue.findIndex(({ request }) => isLarge(request));
      // As many for each thread, or one would idle while another works off all of them.
      const share = Math.ceil((large === -1 ? this.queue.length : large) / free.length);
      this.giveGroup(thread, this.queue.splice(0, Math.min(GROUP_MAX, share)));
    }
  }

  private giveGroup(thread: Verifier, group: Pending[]): void {
    const bodies = new Uint8Array(group.reduce((sum, { request }) => sum + request.body.length, 0));
    let at = 0;
    for (const { request } of group) {
      bodies.set(request.body, at);
      at += request.body.length;
    }
    const task = group.map((pending) => ({ pending, index: 0 }));
    this.give(thread, { bodies, requests: group.map(headOf) }, task, [bodies.buffer]);
  }

  private split(pending: Pending): void {
    const of = Math.min(this.threads.length, SPLIT_MAX);
    const { request } = pending;
    const bodies = new Uint8Array(new SharedArrayBuffer(request.body.length));
    bodies.set(request.body);
    pending.missing = of;
    for (const [share, thread] of this.threads.slice(0, of).entries()) {
      const job = { bodies, requests: [headOf(pending)], part: { share, of } };
      this.give(thread, job, [{ pending, index: share }], []);
    }
  }

  private give({ worker, jobs }: Verifier, job: Job, task: Task, transfer: ArrayBuffer[]): void {
    jobs.push(task);
    worker.postMessage(job, transfer);
  }

  private take(thread: Verifier, { records, parts }: Done): void {
    const task = thread.jobs.shift();
    if (task?.length !== parts.length) {
      return this.end(new InvariantError("a thread answered what it was not asked", { parts: parts.length }));
    }
    let at = 0;
    for (const [i, { pending, index }] of task.entries()) {
      const part = parts[i] as Done["parts"][0];
      const answer = "bytes" in part ? { records: records.subarray(at, (at += part.bytes)), count: part.count } : part;
      pending.parts[index] = answer;
      pending.missing--;
    }
    while (this.order[0]?.missing === 0) this.answer(this.order.shift() as Pending);
    this.dispatch();
  }

  private answer({ parts, request, resolve }: Pending): void {
    this.bytes -= request.body.length;
    const records: Uint8Array[] = [];
    let count = 0;
    for (const part of parts) {
      if (!("records" in part)) return resolve({ kind: "malformed", problem: part });
      records.push(part.records);
      count += part.count;
    }
    resolve({ kind: "verified", records, count });
  }

  private end(error: unknown): void {
    const reason = error instanceof Error ? error : new Error(String(error));
    this.closing = true;
    this.fail(reason);
    this.rejectAll(reason);
  }

  private rejectAll(error: Error): void {
    for (const { reject } of this.order.splice(0)) reject(error);
    this.queue.length = 0;
  }
}

function headOf({ request: { body, ...request } }: Pending): Job["requests"][0] {
  return { ...request, length: body.length };
}

function isLarge({ kind, body }: IntakeRequest): boolean {
  return kind === "batch" && body.length >= SPLIT_BYTES_MIN;
}
