import type { Address } from "@plasma-billing/protocol/typedData.ts";

export const EVENT_TYPES = ["transaction", "block", "deposit", "exit"] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** One event of an entry; an in-flight exit has several. */
export interface EventRow {
  type: EventType;
  /** Who has part in it; null: it concerns everybody. */
  parties: ReadonlySet<Address> | null;
  /** JSON in one line. */
  data: string;
}

export interface EventFilter {
  /** Null: all. */
  types: ReadonlySet<EventType> | null;
  /** Events in which this address has no part are left out; those that concern everybody are not. */
  address: Address | null;
}

/** The events of one journal entry. */
export interface EntryEvents {
  position: number;
  rows: EventRow[];
}

/** Some entries that follow each other, and their events, made once for all who read them. */
export class EventPiece {
  /** Positions of its first and last entry. */
  readonly first: number;
  readonly last: number;
  private readonly entries: readonly EntryEvents[];
  private bytes: Buffer | null = null;

  constructor(entries: readonly EntryEvents[]) {
    this.entries = entries;
    this.first = entries[0]?.position ?? 0;
    this.last = entries.at(-1)?.position ?? 0;
  }

  /** What somebody who has everything up to `after` is sent; empty when nothing of it is for him. */
  bytesFor({ types, address }: EventFilter, after: number): Buffer {
    const all = types === null && address === null;
    if (all && after < this.first) return (this.bytes ??= Buffer.from(this.entries.map(textOf).join("")));
    const wanted = (row: EventRow): boolean =>
      (types === null || types.has(row.type)) && (address === null || row.parties === null || row.parties.has(address));
    const texts = this.entries
      .filter(({ position }) => position > after)
      .map(({ position, rows }) => textOf({ position, rows: rows.filter(wanted) }));
    return Buffer.from(texts.join(""));
  }
}

/** The id stands at the last event only: whoever was cut off before it gets all of the entry again. */
function textOf({ position, rows }: EntryEvents): string {
  return rows
    .map(({ type, data }, i) => `event: ${type}\n${i === rows.length - 1 ? `id: ${position}\n` : ""}data: ${data}\n\n`)
    .join("");
}
