import type { Writable } from "node:stream";
import type { Logger } from "pino";
import { EventPiece, type EventFilter, type EventRow } from "./rows.ts";
import { Slices, type SliceKind } from "./slices.ts";
import { Subscriber } from "./subscriber.ts";

/** Each has a socket, and at most one piece of some hundred kilobytes waiting in it. */
export const SUBSCRIBERS_MAX = 100;
/** Proxies cut connections that are silent for half a minute or more, and so does our server after a minute. */
const HEARTBEAT_MS = 15_000;

export interface HubOptions {
  /** Position of the last entry that is on the disk. */
  durable: () => number;
  /** The first entries of these positions, as many as a piece has, at least one. */
  read: (from: number, to: number) => Promise<Uint8Array[]>;
  rowsOf: (position: number, entry: Uint8Array) => EventRow[];
  log: Logger;
  /** For tests. */
  heartbeatMs?: number;
}

/**
 * Events for whoever reads them, from the journal, so nothing waits here: who is up to date is given the same pieces as all
 * others who are, shaped once; who is not (just come with an old id, or slow) is fed by himself until he is. Without
 * subscribers nothing is done.
 */
export class EventHub {
  private readonly options: HubOptions;
  private readonly subscribers = new Set<Subscriber>();
  /** Those who have everything up to `position`, at least, and can take more. */
  private readonly live = new Set<Subscriber>();
  private position = 0;
  private spreading = false;
  private closed = false;
  private readonly slices = new Slices();
  private heartbeat: NodeJS.Timeout | null = null;

  constructor(options: HubOptions) {
    this.options = options;
  }

  /** No more subscribers are taken. */
  get full(): boolean {
    return this.closed || this.subscribers.size >= SUBSCRIBERS_MAX;
  }

  /** @param after - position of the last entry that is known there; at most the last that is on the disk */
  subscribe(stream: Writable, filter: EventFilter, after: number): void {
    const subscriber = new Subscriber(stream, filter, after);
    this.subscribers.add(subscriber);
    subscriber.onClose(() => this.leave(subscriber));
    this.heartbeat ??= setInterval(() => this.beat(), this.options.heartbeatMs ?? HEARTBEAT_MS).unref();
    void this.feed(subscriber);
  }

  /** Further entries are on the disk. */
  tell(): void {
    if (this.live.size > 0 && !this.spreading) void this.spread();
  }

  /** Ends all streams. */
  close(): void {
    this.closed = true;
    for (const subscriber of this.subscribers) subscriber.end();
  }

  /** Gives those who are up to date what is new, until there is nothing new. */
  private async spread(): Promise<void> {
    this.spreading = true;
    try {
      while (this.live.size > 0 && this.position < this.options.durable()) {
        await this.piece("shared", this.position + 1, this.options.durable(), (piece) => {
          for (const subscriber of this.live) {
            if (!subscriber.blocked) subscriber.give(piece);
            if (!subscriber.blocked) continue;
            this.live.delete(subscriber);
            void this.feed(subscriber);
          }
          this.position = Math.max(this.position, piece.last);
        });
      }
    } catch (error) {
      for (const subscriber of this.live) this.fail(subscriber, error);
    } finally {
      this.spreading = false;
    }
  }

  /** Gives one what he lacks, as fast as he takes it, until he is up to date. */
  private async feed(subscriber: Subscriber): Promise<void> {
    try {
      for (;;) {
        await subscriber.drained();
        if (subscriber.closed) return;
        const target = this.live.size > 0 ? this.position : this.options.durable();
        if (subscriber.position >= target) break;
        await this.piece("own", subscriber.position + 1, target, (piece) => subscriber.give(piece));
      }
      if (this.live.size === 0) this.position = subscriber.position;
      this.live.add(subscriber);
      this.tell();
    } catch (error) {
      this.fail(subscriber, error);
    }
  }

  private async piece(kind: SliceKind, from: number, to: number, give: (piece: EventPiece) => void): Promise<void> {
    const { read, rowsOf } = this.options;
    const entries = await read(from, to);
    await this.slices.run(kind, () => {
      give(new EventPiece(entries.map((entry, i) => ({ position: from + i, rows: rowsOf(from + i, entry) }))));
    });
  }

  private beat(): void {
    for (const subscriber of this.subscribers) subscriber.beat();
  }

  private fail(subscriber: Subscriber, error: unknown): void {
    if (!this.closed) this.options.log.error({ err: error, position: subscriber.position }, "events could not be sent");
    this.live.delete(subscriber);
    subscriber.cut();
  }

  private leave(subscriber: Subscriber): void {
    this.subscribers.delete(subscriber);
    this.live.delete(subscriber);
    if (this.subscribers.size > 0 || this.heartbeat === null) return;
    clearInterval(this.heartbeat);
    this.heartbeat = null;
  }
}
