import { once } from "node:events";
import type { Writable } from "node:stream";
import type { EventFilter, EventPiece } from "./rows.ts";

/** When a client asks again after its connection ended. */
const RETRY_MS = 2000;

/** Somebody who reads events, at his own pace. */
export class Subscriber {
  /** He was given everything up to here. */
  position: number;
  private readonly stream: Writable;
  private readonly filter: EventFilter;
  private readonly whenClosed: Promise<unknown>;

  /** @param after - position of the last entry he knows */
  constructor(stream: Writable, filter: EventFilter, after: number) {
    this.stream = stream;
    this.filter = filter;
    this.position = after;
    this.whenClosed = once(stream, "close").catch(() => undefined);
    // The id alone is no event, but what a client resumes from that was cut off before its first one.
    this.write(`retry: ${RETRY_MS}\nid: ${after}\n\n`);
  }

  get closed(): boolean {
    return this.stream.destroyed || this.stream.writableEnded;
  }

  /** What was written last has not gone out: nothing more is to be given to him. */
  get blocked(): boolean {
    return this.stream.writableNeedDrain;
  }

  /** Calls back when the connection is gone. */
  onClose(callback: () => void): void {
    void this.whenClosed.then(callback);
  }

  give(piece: EventPiece): void {
    const bytes = piece.bytesFor(this.filter, this.position);
    this.position = Math.max(this.position, piece.last);
    if (bytes.length > 0) this.write(bytes);
  }

  /** A comment, so that nobody on the way takes the connection for dead; and up to where nothing else was for him. */
  beat(): void {
    if (!this.blocked && !this.closed) this.write(`:\nid: ${this.position}\n\n`);
  }

  /** Resolves when what was written has gone out, or the connection is gone. */
  async drained(): Promise<void> {
    if (!this.blocked || this.closed) return;
    const drain = new AbortController();
    await Promise.race([once(this.stream, "drain", { signal: drain.signal }).catch(() => undefined), this.whenClosed]);
    drain.abort();
  }

  end(): void {
    this.stream.end();
  }

  /** Something is missing from here on: the reader must see that this is not the end. */
  cut(): void {
    this.stream.destroy();
  }

  private write(bytes: string | Buffer): void {
    if (!this.closed) this.stream.write(bytes);
  }
}
