// The load generator: a process of its own, with payments signed beforehand. It builds every request before it begins, and
// speaks HTTP over plain sockets, so that as little as possible of the machine is its own.
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { decodePayment } from "@plasma-billing/protocol/paymentBytes.ts";
import { encodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import { frame, unframe } from "./framing.ts";

export type Form = "single" | "singleBinary" | "jsonBatch" | "binaryBatch";

export interface LoadJob {
  port: number;
  form: Form;
  connections: number;
  /** A lane's payments each; the payments of one go over one connection, in their order. */
  files: string[];
  batch: number;
  /** Requests a second, sent at their times whatever became of those before; null: each as soon as the last was answered. */
  perSecond: number | null;
}

export interface LoadResult {
  payments: number;
  seconds: number;
  errors: number;
  firstError: string | null;
  /** Requests answered 503 with a time to come back: in no other figure. */
  refused: number;
  /** Of requests, in milliseconds, from the moment each was due. */
  p50: number;
  p99: number;
  max: number;
}

interface Request {
  bytes: Buffer;
  payments: number;
}

/** At even times, what is due earlier counts only if it is wrong. */
const WARM_MS = 2000;
const LENGTH = "content-length: ";

/** A connection that sends one request at a time. */
class Connection {
  private readonly socket: Socket;
  private received = "";
  private answer: (response: string) => void = () => undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding("latin1").setNoDelay(true);
    socket.on("data", (chunk: string) => this.take(chunk));
    socket.on("close", () => this.answer("closed"));
    socket.on("error", (error) => this.answer(String(error)));
  }

  static async open(port: number): Promise<Connection> {
    const socket = connect(port, "127.0.0.1");
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return new Connection(socket);
  }

  send(bytes: Buffer, answer: (response: string) => void): void {
    this.answer = answer;
    this.socket.write(bytes);
  }

  close(): void {
    this.answer = () => undefined;
    this.socket.destroy();
  }

  private take(chunk: string): void {
    this.received = this.received === "" ? chunk : this.received + chunk;
    const head = this.received.indexOf("\r\n\r\n");
    if (head === -1) return;
    const length = parseInt(this.received.slice(this.received.indexOf(LENGTH) + LENGTH.length), 10);
    if (this.received.length < head + 4 + length) return;
    const response = this.received;
    this.received = "";
    this.answer(response);
  }
}

/** Requests behind each other in one buffer: a hundred thousand objects would make the collector's pauses the load's. */
class Queue {
  readonly length: number;
  private readonly bytes: Buffer;
  private readonly ends: Float64Array;
  private readonly counts: Uint16Array;

  constructor(requests: Request[]) {
    this.length = requests.length;
    this.bytes = Buffer.concat(requests.map(({ bytes }) => bytes));
    this.counts = Uint16Array.from(requests, ({ payments }) => payments);
    let end = 0;
    this.ends = Float64Array.from(requests, ({ bytes }) => (end += bytes.length));
  }

  at(i: number): Request {
    const start = i === 0 ? 0 : (this.ends[i - 1] as number);
    return { bytes: this.bytes.subarray(start, this.ends[i]), payments: this.counts[i] as number };
  }
}

function requestsOf({ form, batch }: LoadJob, payments: Buffer[]): Request[] {
  const binary = form === "singleBinary" || form === "binaryBatch";
  const size = form === "single" || form === "singleBinary" ? 1 : batch;
  const requests: Request[] = [];
  for (let i = 0; i < payments.length; i += size) {
    const some = payments.slice(i, i + size);
    const path = size === 1 ? "/v1/transactions" : "/v1/transactions/batch";
    const body = binary ? (size === 1 ? (some[0] as Buffer) : frame(some)) : Buffer.from(jsonOf(some, size));
    const type = binary ? "application/octet-stream" : "application/json";
    const head = `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n`;
    requests.push({ bytes: Buffer.concat([Buffer.from(head), body]), payments: some.length });
  }
  return requests;
}

function jsonOf(payments: Buffer[], size: number): string {
  const items = payments.map((bytes) => encodeTransaction(decodePayment(bytes)));
  return JSON.stringify(size === 1 ? items[0] : { transactions: items });
}

function isGood(response: string): boolean {
  return response.startsWith("HTTP/1.1 20") && !response.includes('"problem"');
}

class Outcome {
  readonly latencies: number[] = [];
  payments = 0;
  errors = 0;
  refused = 0;
  firstError: string | null = null;

  take(response: string, { payments }: Request, dueAt: number): void {
    if (response.startsWith("HTTP/1.1 503") && /retry-after: \d/i.test(response)) {
      this.refused++;
      return;
    }
    this.latencies.push(performance.now() - dueAt);
    this.payments += payments;
    // Every payment of the load is right, so a single problem in a batch is an error as well.
    if (isGood(response)) return;
    this.errors++;
    this.firstError ??= response.slice(0, 1000);
  }

  result(seconds: number): LoadResult {
    const sorted = Float64Array.from(this.latencies).sort();
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    const { payments, errors, refused, firstError } = this;
    return { payments, seconds, errors, refused, firstError, p50: at(0.5), p99: at(0.99), max: at(1) };
  }
}

/** Every connection sends its next request when the one before is answered. */
async function closedLoop(queues: Queue[], connections: Connection[]): Promise<LoadResult> {
  const outcome = new Outcome();
  const started = performance.now();
  await Promise.all(
    connections.map(
      (connection, i) =>
        new Promise<void>((resolve) => {
          const queue = queues[i] as Queue;
          let at = 0;
          const next = (): void => {
            if (at === queue.length) return resolve();
            const request = queue.at(at++);
            const sentAt = performance.now();
            connection.send(request.bytes, (response) => {
              outcome.take(response, request, sentAt);
              next();
            });
          };
          next();
        }),
    ),
  );
  return outcome.result((performance.now() - started) / 1000);
}

/** Requests are due at even times; one that finds no connection free waits, and the wait counts. */
async function openLoop(queues: Queue[], connections: Connection[], perSecond: number): Promise<LoadResult> {
  const outcome = new Outcome();
  const perQueue = Math.min(...queues.map(({ length }) => length));
  const total = perQueue * queues.length;
  // One of each queue in turn.
  const requestAt = (n: number): Request => (queues[n % queues.length] as Queue).at(Math.floor(n / queues.length));
  const free = [...connections];
  const started = performance.now();
  const countedFrom = started + WARM_MS;
  let due = 0;
  let sent = 0;
  let answered = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const dispatch = (): void => {
    for (; sent < due && free.length > 0; sent++) {
      const request = requestAt(sent);
      const at = started + (1000 * sent) / perSecond;
      const connection = free.pop() as Connection;
      connection.send(request.bytes, (response) => {
        if (at >= countedFrom || !isGood(response)) outcome.take(response, request, at);
        free.push(connection);
        if (++answered === total) resolve();
        dispatch();
      });
    }
  };
  const timer = setInterval(() => {
    due = Math.min(total, Math.ceil(((performance.now() - started) / 1000) * perSecond));
    dispatch();
    if (due === total) clearInterval(timer);
  }, 1);
  await promise;
  return outcome.result((performance.now() - started) / 1000);
}

process.on("message", (job: LoadJob) => {
  void (async () => {
    const requests = Array.from({ length: job.connections }, (): Request[] => []);
    for (const [i, file] of job.files.entries()) {
      (requests[i % job.connections] as Request[]).push(...requestsOf(job, unframe(readFileSync(file))));
    }
    const queues = requests.splice(0).map((some) => new Queue(some));
    const connections = await Promise.all(queues.map(async () => await Connection.open(job.port)));
    const result =
      job.perSecond === null
        ? await closedLoop(queues, connections)
        : await openLoop(queues, connections, job.perSecond);
    for (const connection of connections) connection.close();
    process.send?.(result);
  })();
});
