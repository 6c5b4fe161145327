import { LIVE, RECEIVED, SEEN } from "./generation.ts";
import type { Column } from "./growing.ts";
import { KEY_BYTES, TOKEN } from "./keys.ts";
import { ENTRIES_MAX, type MemoryGeneration } from "./memoryGeneration.ts";
import { PAGE_BYTES, type PageStore } from "./pages.ts";
import { OUTPUTS_MAX } from "./places.ts";
import {
  DIRECTORY_ARRAY,
  encodeHead,
  fenceOf,
  HASH_KEY_BYTES,
  KEYS_ARRAY,
  LIST_BYTES,
  RECORD_BYTES,
  SUMS_ARRAY,
} from "./storedGeneration.ts";
import { SUM_BYTES } from "./sums.ts";

/** Pages written, and values sorted, between two looks at what else there is to do: a few milliseconds each. */
const PAGES_A_SLICE = 128;
const SORTED_A_SLICE = 32_768;
const KEY_BUCKETS = 256;
/** Kinds of keys times first bytes. */
const SLOT_BUCKETS = TOKEN * 256;
const SLOTS_MAX = 2 ** 22;
const NONE = -1;

/** Fills the pages of one array. */
class ArrayWriter {
  count = 0;
  readonly view = new DataView(new ArrayBuffer(PAGE_BYTES));
  private readonly put: (page: number, body: Uint8Array) => void;
  private readonly recordBytes: number;
  private readonly perPage: number;

  constructor(recordBytes: number, put: (page: number, body: Uint8Array) => void) {
    this.recordBytes = recordBytes;
    this.perPage = Math.floor(PAGE_BYTES / recordBytes);
    this.put = put;
  }

  /** Where the next record is to be written in `view`; what was written before may be gone. */
  next(): number {
    const place = this.count % this.perPage;
    if (place === 0 && this.count > 0) this.flush(this.count / this.perPage - 1);
    this.count++;
    return place * this.recordBytes;
  }

  end(): void {
    if (this.count > 0) this.flush(Math.ceil(this.count / this.perPage) - 1);
  }

  private flush(page: number): void {
    this.put(page, new Uint8Array(this.view.buffer));
  }
}

/** Writes a generation that ended, in slices; it goes on being read meanwhile. Gives what is kept in memory of it. */
export function* writeGeneration(
  store: PageStore,
  number: number,
  generation: MemoryGeneration,
): Generator<void, Uint8Array> {
  let pages = 0;
  const writer = (array: number, recordBytes: number): ArrayWriter =>
    new ArrayWriter(recordBytes, (page, body) => {
      store.putPage(number, array, page, body);
      pages++;
    });
  /** Ends a slice when it has written enough. */
  function* pause(): Generator<void, void> {
    if (pages < PAGES_A_SLICE) return;
    pages = 0;
    store.commit();
    yield;
    store.begin();
  }
  store.begin();
  const keyFences = yield* writeKeys(generation, writer(KEYS_ARRAY, HASH_KEY_BYTES), pause);
  const { fences, count } = yield* writeDirectory(generation, writer, pause);
  store.commit();
  return encodeHead(generation.keys.length, count, keyFences, fences);
}

/** Puts indices 0 to `count` into as many buckets; gives them in order of the buckets, and where each ends. */
function bucketed(
  count: number,
  buckets: number,
  bucketOf: (i: number) => number,
): { order: Int32Array; ends: Int32Array } {
  const ends = new Int32Array(buckets + 1);
  for (let i = 0; i < count; i++) (ends[bucketOf(i) + 1] as number)++;
  for (let i = 1; i <= buckets; i++) (ends[i] as number) += ends[i - 1] as number;
  const order = new Int32Array(count);
  for (let i = 0; i < count; i++) order[(ends[bucketOf(i)] as number)++] = i;
  return { order, ends };
}

function* writeKeys(
  { keys }: MemoryGeneration,
  writer: ArrayWriter,
  pause: () => Generator<void, void>,
): Generator<void, Float64Array> {
  const width = (2 ** 32 * ENTRIES_MAX) / KEY_BUCKETS;
  const { order, ends } = bucketed(keys.length, KEY_BUCKETS, (i) => Math.floor(keys.at(i) / width));
  yield* pause();
  const fences: number[] = [];
  const perPage = PAGE_BYTES / HASH_KEY_BYTES;
  for (let bucket = 0, start = 0; bucket < KEY_BUCKETS; start = ends[bucket++] as number) {
    const values = Float64Array.from(order.subarray(start, ends[bucket]), (i) => keys.at(i)).sort();
    for (const value of values) {
      if (writer.count % perPage === 0) fences.push(value);
      const at = writer.next();
      writer.view.setFloat64(at, value);
    }
    yield* pause();
  }
  writer.end();
  return Float64Array.from(fences);
}

/** The slots that are written, in the order of their keys. */
function* sortedSlots({ directory }: MemoryGeneration): Generator<void, Int32Array> {
  const { order, ends } = bucketed(directory.size, SLOT_BUCKETS + 256, (slot) => {
    return 256 * directory.kindOf(slot) + (directory.topOf(slot) >>> 24);
  });
  let sorted = 0;
  for (let bucket = 0, start = 0; bucket < SLOT_BUCKETS; start = ends[bucket++] as number) {
    const slots = order.subarray(start, ends[bucket]);
    // Three bytes more and the slot in one number, which sorts natively; what is equal so far is compared whole.
    const values = Float64Array.from(slots, (slot) => (directory.topOf(slot) & 0xffffff) * SLOTS_MAX + slot).sort();
    for (const [i, value] of values.entries()) slots[i] = value % SLOTS_MAX;
    for (let i = 0, end = 0; i < slots.length; i = end) {
      const top = directory.topOf(slots[i] as number);
      for (end = i + 1; end < slots.length && directory.topOf(slots[end] as number) === top;) end++;
      if (end > i + 1) slots.subarray(i, end).sort((a, b) => directory.compare(a, b));
    }
    sorted += slots.length;
    if (sorted < SORTED_A_SLICE) continue;
    sorted = 0;
    yield;
  }
  return order.subarray(0, ends[SLOT_BUCKETS - 1]);
}

function* writeDirectory(
  generation: MemoryGeneration,
  writer: (array: number, recordBytes: number) => ArrayWriter,
  pause: () => Generator<void, void>,
): Generator<void, { fences: Float64Array; count: number }> {
  const { directory } = generation;
  const lists = listsOf(generation).map((list, i) => ({ ...list, writer: writer(i, LIST_BYTES) }));
  const sums = writer(SUMS_ARRAY, SUM_BYTES);
  const records = writer(DIRECTORY_ARRAY, RECORD_BYTES);
  const perPage = Math.floor(PAGE_BYTES / RECORD_BYTES);
  const fences: number[] = [];
  const record = new DataView(new ArrayBuffer(RECORD_BYTES));
  const nextSum = (): { view: DataView; at: number } => {
    const at = sums.next();
    return { view: sums.view, at };
  };
  for (const slot of yield* sortedSlots(generation)) {
    directory.copy(slot, record, 0);
    for (const [i, { heads, older, values, scale, writer: target }] of lists.entries()) {
      const start = target.count;
      for (let n = heads.at(slot); n !== NONE; n = older.at(n)) {
        const at = target.next();
        target.view.setUint32(at, scale * values.at(n));
        if (at === 0) yield* pause();
      }
      record.setUint32(KEY_BYTES + 8 * i, start);
      record.setUint32(KEY_BYTES + 8 * i + 4, target.count - start);
    }
    record.setUint32(RECORD_BYTES - 8, sums.count);
    record.setUint32(RECORD_BYTES - 4, generation.sums.writeAll(slot, directory, nextSum));
    if (records.count % perPage === 0) fences.push(fenceOf(record, 0));
    const at = records.next();
    for (let i = 0; i < RECORD_BYTES; i += 4) records.view.setUint32(at + i, record.getUint32(i));
    yield* pause();
  }
  for (const list of lists) list.writer.end();
  sums.end();
  records.end();
  return { fences: Float64Array.from(fences), count: records.count };
}

/** The linked lists of a generation in the order of their arrays, and what their elements are multiplied by to be places. */
function listsOf(generation: MemoryGeneration): { heads: Column; older: Column; values: Column; scale: number }[] {
  const { seenHead, seenOlder, seenEntry, receivedHead, receivedOlder, liveHead, liveOlder, outputPlace } = generation;
  const lists = [];
  lists[SEEN] = { heads: seenHead, older: seenOlder, values: seenEntry, scale: OUTPUTS_MAX };
  lists[RECEIVED] = { heads: receivedHead, older: receivedOlder, values: outputPlace, scale: 1 };
  lists[LIVE] = { heads: liveHead, older: liveOlder, values: outputPlace, scale: 1 };
  return lists;
}
