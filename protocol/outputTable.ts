import { InvariantError } from "./errors.ts";
import { HASH_BYTES } from "./paymentBytes.ts";

// Live outputs in flat memory: no object and no string an output, nothing for a garbage collector to walk over.

/** A record is 25 words of 32 bits: id (8), owner (5), token's number (1), amount (8), origin (2), flags (1). */
export const RECORD_WORDS = 25;
export const OWNER_WORD = 8;
export const TOKEN_WORD = 13;
export const AMOUNT_WORD = 14;
/** Block number and transaction index; of a deposit, its id's two halves. */
export const ORIGIN_WORD = 22;
/** Output index (8 bits), whether it is a deposit's (1), state (2); a record in use has the highest bit. */
export const FLAGS_WORD = 24;
export const DEPOSIT_FLAG = 0x100;
export const STATE_SHIFT = 9;
export const STATE_MASK = 3 << STATE_SHIFT;
const USED_FLAG = 1 << 30;

const ID_WORDS = 8;
const OWNER_WORDS = 5;
const AMOUNT_WORDS = 8;
/** 400 kB a page: copied in some ten microseconds, so that a snapshot pauses nobody. */
export const PAGE_RECORDS = 4096;
const PAGE_SHIFT = 12;
/** Each a hash table of its own: when one grows, 1/256 of the outputs move, not all. */
const PARTITIONS = 256;
const PARTITION_SLOTS_MIN = 16;
/** Of a partition's slots in use, at most. */
const LOAD_MAX = 0.75;

/** Copies of the pages as they were when it began, in order; `null` when all have been given. */
export interface TableCopy {
  readonly pageCount: number;
  next(): Int32Array<ArrayBuffer> | null;
  /** Gives up: pages are no longer copied before they change. */
  end(): void;
}

/** Two numbers by which ids choose their slots; whoever knows them can make ids that stand in each other's way. */
export type TableSecret = readonly [number, number];
/** For where nobody attacks: tests, and tools that run alone. */
export const KNOWN_SECRET: TableSecret = [0x9e3779b1, 0x85ebca6b];

/** Open addressing in partitions over a slab of records. A record keeps its number as long as it exists. */
export class OutputTable {
  private readonly pages: Int32Array<ArrayBuffer>[] = [];
  private readonly partitions = Array.from({ length: PARTITIONS }, () => new Int32Array(PARTITION_SLOTS_MIN));
  private readonly counts = new Int32Array(PARTITIONS);
  private readonly free: number[] = [];
  private readonly first: number;
  private readonly second: number;
  private recordCount = 0;
  private copy: Copy | null = null;

  constructor([first, second]: TableSecret = KNOWN_SECRET) {
    // Odd, so that no bit of an id is lost.
    this.first = first | 1;
    this.second = second | 1;
  }

  /** A table with the records of these pages, which become its own. */
  static of(pages: readonly Int32Array<ArrayBuffer>[], secret: TableSecret = KNOWN_SECRET): OutputTable {
    const table = new OutputTable(secret);
    for (const page of pages) {
      if (page.length !== PAGE_RECORDS * RECORD_WORDS) {
        throw new InvariantError("a page of outputs has the wrong size", { words: page.length });
      }
      const first = table.pages.length * PAGE_RECORDS;
      table.pages.push(page);
      table.recordCount += PAGE_RECORDS;
      for (let i = 0; i < PAGE_RECORDS; i++) {
        if (((page[i * RECORD_WORDS + FLAGS_WORD] as number) & USED_FLAG) === 0) table.free.push(first + i);
        else table.link(first + i, page, i * RECORD_WORDS);
      }
    }
    table.free.reverse();
    return table;
  }

  /** How many outputs it holds. */
  get size(): number {
    return this.recordCount - this.free.length;
  }

  /** The bytes of its memory. */
  get bytes(): number {
    const slots = this.partitions.reduce((sum, partition) => sum + partition.byteLength, 0);
    return this.pages.length * PAGE_RECORDS * RECORD_WORDS * 4 + slots;
  }

  /** Number of the record with the id that stands there, -1 when there is none. */
  find(view: DataView, at: number): number {
    const first = view.getInt32(at);
    const home = this.homeOf(first, view.getInt32(at + 4));
    const slots = this.partitions[home >>> 24] as Int32Array;
    const mask = slots.length - 1;
    for (let slot = home & mask; ; slot = (slot + 1) & mask) {
      const record = (slots[slot] as number) - 1;
      if (record === -1) return -1;
      const page = this.pages[record >>> PAGE_SHIFT] as Int32Array;
      const word = (record & (PAGE_RECORDS - 1)) * RECORD_WORDS;
      if (page[word] === first && sameId(page, word, view, at)) return record;
    }
  }

  /** The page of a record, to be read at `wordOf(record)`. */
  pageOf(record: number): Int32Array {
    return this.pages[record >>> PAGE_SHIFT] as Int32Array;
  }

  /** Where a record begins in its page. */
  wordOf(record: number): number {
    return (record & (PAGE_RECORDS - 1)) * RECORD_WORDS;
  }

  /**
   * Adds an output. Its id, owner (20 bytes) and amount (32 bytes) stand in the views; `flags` as the flags' word has them.
   * @throws InvariantError when there is one with this id
   */
  insert(
    id: { view: DataView; at: number },
    output: { view: DataView; ownerAt: number; amountAt: number },
    token: number,
    origin: { high: number; low: number },
    flags: number,
  ): number {
    if (this.find(id.view, id.at) !== -1) throw new InvariantError("an output exists once", idContext(id.view, id.at));
    const record = this.free.pop() ?? this.grow();
    const page = this.touch(record);
    const word = this.wordOf(record);
    for (let i = 0; i < ID_WORDS; i++) page[word + i] = id.view.getInt32(id.at + 4 * i);
    for (let i = 0; i < OWNER_WORDS; i++) page[word + OWNER_WORD + i] = output.view.getInt32(output.ownerAt + 4 * i);
    page[word + TOKEN_WORD] = token;
    for (let i = 0; i < AMOUNT_WORDS; i++) page[word + AMOUNT_WORD + i] = output.view.getInt32(output.amountAt + 4 * i);
    page[word + ORIGIN_WORD] = origin.high;
    page[word + ORIGIN_WORD + 1] = origin.low;
    page[word + FLAGS_WORD] = flags | USED_FLAG;
    this.link(record, page, word);
    return record;
  }

  setFlags(record: number, flags: number): void {
    this.touch(record)[this.wordOf(record) + FLAGS_WORD] = flags | USED_FLAG;
  }

  remove(record: number): void {
    const page = this.touch(record);
    const word = this.wordOf(record);
    this.unlink(record, page, word);
    page.fill(0, word, word + RECORD_WORDS);
    this.free.push(record);
  }

  /** Every record's number, in no order that means anything. */
  *records(): Generator<number> {
    for (let record = 0; record < this.recordCount; record++) {
      const page = this.pages[record >>> PAGE_SHIFT] as Int32Array;
      if (((page[this.wordOf(record) + FLAGS_WORD] as number) & USED_FLAG) !== 0) yield record;
    }
  }

  /** Begins a copy of what it holds now; the table can be changed while the pages are fetched. One at a time. */
  beginCopy(): TableCopy {
    if (this.copy !== null) throw new InvariantError("one copy at a time");
    const copy = new Copy(this.pages, () => (this.copy = null));
    if (copy.pageCount > 0) this.copy = copy;
    return copy;
  }

  private touch(record: number): Int32Array {
    const index = record >>> PAGE_SHIFT;
    this.copy?.beforeChange(index);
    return this.pages[index] as Int32Array;
  }

  private grow(): number {
    const first = this.recordCount;
    this.pages.push(new Int32Array(PAGE_RECORDS * RECORD_WORDS));
    this.recordCount += PAGE_RECORDS;
    for (let record = this.recordCount - 1; record > first; record--) this.free.push(record);
    return first;
  }

  private link(record: number, page: Int32Array, word: number): void {
    const home = this.homeAt(page, word);
    const partition = home >>> 24;
    let slots = this.partitions[partition] as Int32Array<ArrayBuffer>;
    const count = ((this.counts[partition] as number) += 1);
    if (count > slots.length * LOAD_MAX) {
      slots = this.partitions[partition] = this.larger(slots);
    }
    this.place(slots, record, home);
  }

  /** What chooses an id's partition and slot, from its first two words. */
  private homeOf(first: number, second: number): number {
    const sum = (Math.imul(first, this.first) + Math.imul(second, this.second)) | 0;
    return sum ^ (sum >>> 15);
  }

  private homeAt(page: Int32Array, word: number): number {
    return this.homeOf(page[word] as number, page[word + 1] as number);
  }

  private larger(slots: Int32Array): Int32Array<ArrayBuffer> {
    const larger = new Int32Array(slots.length * 2);
    for (const slot of slots) {
      if (slot !== 0) this.place(larger, slot - 1, this.homeAt(this.pageOf(slot - 1), this.wordOf(slot - 1)));
    }
    return larger;
  }

  private place(slots: Int32Array, record: number, home: number): void {
    const mask = slots.length - 1;
    let slot = home & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = record + 1;
  }

  /** Takes a record out of its slots and moves up those behind it, so that no mark of the removed has to stay. */
  private unlink(record: number, page: Int32Array, word: number): void {
    const start = this.homeAt(page, word);
    const partition = start >>> 24;
    const slots = this.partitions[partition] as Int32Array;
    const mask = slots.length - 1;
    let hole = start & mask;
    while (slots[hole] !== record + 1) {
      if (slots[hole] === 0) throw new InvariantError("an output is not where it must be", { record });
      hole = (hole + 1) & mask;
    }
    for (let slot = (hole + 1) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const moved = (slots[slot] as number) - 1;
      const home = this.homeAt(this.pageOf(moved), this.wordOf(moved)) & mask;
      // May it stand in the hole? Not if its home lies behind the hole.
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      slots[hole] = moved + 1;
      hole = slot;
    }
    slots[hole] = 0;
    (this.counts[partition] as number) -= 1;
  }
}

/** Pages are copied when they are fetched, or before they change for the first time, whichever comes first. */
class Copy implements TableCopy {
  readonly pageCount: number;
  private readonly pages: readonly Int32Array<ArrayBuffer>[];
  private readonly saved: (Int32Array<ArrayBuffer> | null)[];
  private readonly onEnd: () => void;
  private given = 0;

  constructor(pages: readonly Int32Array<ArrayBuffer>[], onEnd: () => void) {
    this.pages = pages;
    this.pageCount = pages.length;
    this.saved = Array.from(pages, () => null);
    this.onEnd = onEnd;
  }

  beforeChange(index: number): void {
    if (index >= this.given && index < this.pageCount)
      this.saved[index] ??= (this.pages[index] as Int32Array<ArrayBuffer>).slice();
  }

  next(): Int32Array<ArrayBuffer> | null {
    if (this.given === this.pageCount) return null;
    const index = this.given++;
    const page = this.saved[index] ?? (this.pages[index] as Int32Array<ArrayBuffer>).slice();
    this.saved[index] = null;
    if (this.given === this.pageCount) this.onEnd();
    return page;
  }

  end(): void {
    if (this.given < this.pageCount) this.onEnd();
    this.given = this.pageCount;
    this.saved.fill(null);
  }
}

function sameId(page: Int32Array, word: number, view: DataView, at: number): boolean {
  for (let i = 1; i < ID_WORDS; i++) if (page[word + i] !== view.getInt32(at + 4 * i)) return false;
  return true;
}

function idContext(view: DataView, at: number): { id: string } {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at, HASH_BYTES);
  return { id: `0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}` };
}
