import { MAX_TRANSACTIONS_PER_BLOCK } from "@plasma-billing/protocol/merkle.ts";
import { INPUTS_AT, PAYMENT_BYTES_MAX } from "@plasma-billing/protocol/paymentBytes.ts";
import { BATCH_PAYMENTS_MAX } from "@plasma-billing/ethereum/verification/bodies.ts";
import { LENGTH_BYTES, lengthAt } from "./blockFile.ts";

// What the operator serves, in pieces of whole payments. Nothing of it is trusted, and no answer can hold more than one piece.

/** Enough for a batch of the usual payments; a piece has at least one payment of any size. */
const PIECE_BYTES = 320 * 1024;
const BINARY = { accept: "application/octet-stream", "accept-encoding": "identity" };

/** Payments behind their lengths, in the form of a batch. */
export interface Piece {
  bytes: Uint8Array;
  count: number;
}

/** How an answer ended; `reason` is null when it came to its own end, or had all that was wanted. */
export interface FeedEnd {
  /** Something was answered, however wrong. */
  answered: boolean;
  reason: string | null;
}

export interface FeedOptions {
  operatorUrl: string;
  fetch: typeof fetch;
  requestMs: number;
  stallMs: number;
}

export class Feed {
  private readonly options: FeedOptions;

  constructor(options: FeedOptions) {
    this.options = options;
  }

  /** Payments of a block from an index on, at most so many. Ends the request when it is left. */
  async *read(number: number, from: number, most: number): AsyncGenerator<Piece, FeedEnd> {
    const answer = await this.ask(number, from);
    if (!("body" in answer)) return answer;
    const { body, request } = answer;
    const framer = new Framer(most);
    try {
      for (;;) {
        const chunk = await request.within(body.read());
        if (chunk.done) break;
        let rest = framer.take(chunk.value);
        while (framer.full && !framer.ended) {
          yield framer.piece();
          rest = framer.take(rest);
        }
        if (framer.ended) break;
      }
      if (framer.count > 0) yield framer.piece();
      const reason = framer.problem ?? (framer.enough || framer.whole ? null : "ends within a payment");
      return { answered: true, reason };
    } catch (error) {
      if (framer.count > 0) yield framer.piece();
      return { answered: true, reason: reasonOf(error, request) };
    } finally {
      request.end();
    }
  }

  /** Whether there is a block with this number, or what was answered instead. */
  async has(number: number): Promise<boolean | FeedEnd> {
    // No block has so many payments: nothing but the head is answered.
    const answer = await this.ask(number, MAX_TRANSACTIONS_PER_BLOCK);
    if ("body" in answer) {
      answer.request.end();
      return true;
    }
    return answer.reason === "HTTP 404" ? false : answer;
  }

  private async ask(
    number: number,
    from: number,
  ): Promise<FeedEnd | { body: ReadableStreamDefaultReader<Uint8Array>; request: Request }> {
    const { operatorUrl, fetch, requestMs, stallMs } = this.options;
    const request = new Request(requestMs, stallMs);
    try {
      const url = `${operatorUrl}/v1/blocks/${number}/transactions?from=${from}`;
      const response = await request.within(fetch(url, { headers: BINARY, redirect: "error", signal: request.signal }));
      if (response.status === 200 && response.body !== null) return { body: response.body.getReader(), request };
      request.end();
      return { answered: true, reason: response.status === 200 ? "no body" : `HTTP ${response.status}` };
    } catch (error) {
      request.end();
      return { answered: false, reason: reasonOf(error, request) };
    }
  }
}

/** The bounds of one request's time. */
class Request {
  private readonly controller = new AbortController();
  private readonly deadline: NodeJS.Timeout;
  private readonly stallMs: number;
  late: string | null = null;

  constructor(requestMs: number, stallMs: number) {
    this.stallMs = stallMs;
    this.deadline = setTimeout(() => this.give(`slow: not at its end after ${requestMs / 1000} s`), requestMs);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** What comes, unless it takes too long. */
  async within<T>(promise: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.give(`nothing came for ${this.stallMs / 1000} s`), this.stallMs);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  end(): void {
    clearTimeout(this.deadline);
    this.controller.abort();
  }

  private give(late: string): void {
    this.late ??= late;
    this.controller.abort();
  }
}

/** Cuts what comes into pieces of whole payments. */
class Framer {
  problem: string | null = null;
  /** Of the piece that is gathered. */
  count = 0;
  private gathered = Buffer.allocUnsafeSlow(PIECE_BYTES);
  private filled = 0;
  /** Where the payment begins that is not whole yet. */
  private start = 0;
  private readonly most: number;
  private given = 0;

  constructor(most: number) {
    this.most = most;
  }

  get enough(): boolean {
    return this.given + this.count >= this.most;
  }

  get full(): boolean {
    return this.count > 0 && (this.count >= BATCH_PAYMENTS_MAX || this.filled === PIECE_BYTES);
  }

  /** Nothing more is wanted, or can be. */
  get ended(): boolean {
    return this.problem !== null || this.enough;
  }

  /** Nothing of a further payment has come. */
  get whole(): boolean {
    return this.filled === this.start;
  }

  /** Takes bytes; gives those for which the piece has no room. */
  take(bytes: Uint8Array): Uint8Array {
    const room = Math.min(bytes.length, PIECE_BYTES - this.filled);
    this.gathered.set(bytes.subarray(0, room), this.filled);
    this.filled += room;
    while (this.count < BATCH_PAYMENTS_MAX && !this.enough && this.start + LENGTH_BYTES <= this.filled) {
      const length = lengthAt(this.gathered, this.start);
      if (length < INPUTS_AT || length > PAYMENT_BYTES_MAX) {
        this.problem = `garbled: a payment of ${length} bytes`;
        break;
      }
      if (this.start + LENGTH_BYTES + length > this.filled) break;
      this.start += LENGTH_BYTES + length;
      this.count++;
    }
    return bytes.subarray(room);
  }

  /** The whole payments so far; what follows them begins the next piece. */
  piece(): Piece {
    const piece = { bytes: this.gathered.subarray(0, this.start), count: this.count };
    const rest = this.gathered.subarray(this.start, this.filled);
    this.gathered = Buffer.allocUnsafeSlow(PIECE_BYTES);
    this.gathered.set(rest);
    this.given += this.count;
    this.filled = rest.length;
    this.start = 0;
    this.count = 0;
    return piece;
  }
}

function reasonOf(error: unknown, { late }: Request): string {
  if (late !== null) return late;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  return code === "" ? `no answer: ${cause instanceof Error ? cause.message : String(cause)}` : `no answer: ${code}`;
}
