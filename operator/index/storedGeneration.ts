import { SEEN, type Generation, type List, type Part } from "./generation.ts";
import { ENTRIES_MAX } from "./memoryGeneration.ts";
import { KEY_BYTES } from "./keys.ts";
import { PAGE_BYTES, type GenerationRow, type PageStore } from "./pages.ts";
import { placeOf } from "./places.ts";
import { SUM_BYTES, sumAt } from "./sums.ts";

// A generation's arrays on the disk; 0 to 2 are the lists.

export const KEYS_ARRAY = 3;
export const DIRECTORY_ARRAY = 4;
export const SUMS_ARRAY = 5;
export const LIST_BYTES = 4;
export const HASH_KEY_BYTES = 8;
/** A key; where its part of each list begins, and how many that is; the same of its sums. */
export const RECORD_BYTES = KEY_BYTES + 32;
const SUMS_FIELD = 3;
const HEAD_BYTES = 16;

/** How many pages an array of that many records has. */
function pagesOf(count: number, recordBytes: number): number {
  return Math.ceil(count / Math.floor(PAGE_BYTES / recordBytes));
}

/** What is kept in memory: how many there are, and what the first of each page is. */
export function encodeHead(
  keyCount: number,
  recordCount: number,
  keys: Float64Array,
  records: Float64Array,
): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES + keys.byteLength + records.byteLength);
  const view = new DataView(head.buffer);
  view.setUint32(0, keyCount);
  view.setUint32(4, recordCount);
  head.set(new Uint8Array(keys.buffer, keys.byteOffset, keys.byteLength), HEAD_BYTES);
  head.set(new Uint8Array(records.buffer, records.byteOffset, records.byteLength), HEAD_BYTES + keys.byteLength);
  return head;
}

/** A generation that ended: sorted arrays in pages, of which each question reads one or two. */
export class StoredGeneration implements Generation {
  readonly first: number;
  readonly last: number;
  private readonly store: PageStore;
  private readonly number: number;
  private readonly keyCount: number;
  private readonly recordCount: number;
  /** The first key and the first record of each page, as numbers that are in their order. */
  private readonly keyFences: Float64Array;
  private readonly recordFences: Float64Array;

  constructor(store: PageStore, { number, first, last, head }: GenerationRow) {
    this.store = store;
    this.number = number;
    this.first = first;
    this.last = last;
    const bytes = Uint8Array.from(head);
    const view = new DataView(bytes.buffer);
    this.keyCount = view.getUint32(0);
    this.recordCount = view.getUint32(4);
    const keyPages = pagesOf(this.keyCount, HASH_KEY_BYTES);
    this.keyFences = new Float64Array(bytes.buffer, HEAD_BYTES, keyPages);
    this.recordFences = new Float64Array(bytes.buffer, HEAD_BYTES + 8 * keyPages);
  }

  candidates(hash: number): number[] {
    const low = hash * ENTRIES_MAX;
    const found: number[] = [];
    const perPage = PAGE_BYTES / HASH_KEY_BYTES;
    for (let page = pageBefore(this.keyFences, low); page < this.keyFences.length; page++) {
      if ((this.keyFences[page] as number) >= low + ENTRIES_MAX) break;
      const view = this.page(KEYS_ARRAY, page);
      const count = Math.min(perPage, this.keyCount - page * perPage);
      const at = (i: number): number => view.getFloat64(HASH_KEY_BYTES * i);
      for (let i = lowerBound(count, low, at); i < count && at(i) < low + ENTRIES_MAX; i++) {
        found.push(this.first + (at(i) - low));
      }
    }
    return found.reverse();
  }

  *places(list: List, key: Uint8Array, below: number): Iterable<number> {
    const record = this.record(key);
    if (record === null) return;
    const { start, count } = field(record, list);
    const origin = placeOf(this.first, 0);
    const perPage = PAGE_BYTES / LIST_BYTES;
    let page = -1;
    let view: DataView | null = null;
    const at = (i: number): number => {
      const wanted = Math.floor((start + i) / perPage);
      if (view === null || wanted !== page) view = this.page(list, (page = wanted));
      return origin + view.getUint32(LIST_BYTES * ((start + i) % perPage));
    };
    // Newest first: the places fall, so their negatives rise.
    for (let i = lowerBound(count, 1 - below, (n) => -at(n)); i < count; i++) yield at(i);
  }

  part(key: Uint8Array): Part | null {
    const record = this.record(key);
    if (record === null) return null;
    const { start, count } = field(record, SUMS_FIELD);
    const perPage = Math.floor(PAGE_BYTES / SUM_BYTES);
    const sums = new Map<string, bigint>();
    for (let i = start; i < start + count; i++) {
      const { token, sum } = sumAt(this.page(SUMS_ARRAY, Math.floor(i / perPage)), SUM_BYTES * (i % perPage));
      sums.set(token, sum);
    }
    return { seen: field(record, SEEN).count, sums };
  }

  /** The directory's record of a key. */
  private record(key: Uint8Array): DataView | null {
    const wanted = new DataView(key.buffer, key.byteOffset, KEY_BYTES);
    const fence = fenceOf(wanted, 0);
    const perPage = Math.floor(PAGE_BYTES / RECORD_BYTES);
    if (this.recordCount === 0) return null;
    // Fences hold a part of the key: among the pages with equal ones the key itself tells.
    let page = pageBefore(this.recordFences, fence);
    let behind = lowerBound(this.recordFences.length, fence + 1, (n) => this.recordFences[n] as number);
    while (behind - page > 1) {
      const middle = (page + behind) >>> 1;
      if (compareKeys(this.page(DIRECTORY_ARRAY, middle), 0, wanted) <= 0) page = middle;
      else behind = middle;
    }
    const view = this.page(DIRECTORY_ARRAY, page);
    const count = Math.min(perPage, this.recordCount - page * perPage);
    const i = lowerBound(count, 0, (n) => compareKeys(view, RECORD_BYTES * n, wanted));
    if (i >= count || compareKeys(view, RECORD_BYTES * i, wanted) !== 0) return null;
    return new DataView(view.buffer, view.byteOffset + RECORD_BYTES * i, RECORD_BYTES);
  }

  private page(array: number, page: number): DataView {
    const body = this.store.page(this.number, array, page);
    return new DataView(body.buffer, body.byteOffset, body.byteLength);
  }
}

/** A number in the order of the keys, as far as it goes: the kind, and four bytes more. */
export function fenceOf(view: DataView, at: number): number {
  return view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
}

function field(record: DataView, i: List | typeof SUMS_FIELD): { start: number; count: number } {
  const at = KEY_BYTES + 8 * i;
  return { start: record.getUint32(at), count: record.getUint32(at + 4) };
}

/** The last page that begins below a value, where the first such value may stand. */
function pageBefore(fences: Float64Array, value: number): number {
  return Math.max(0, lowerBound(fences.length, value, (i) => fences[i] as number) - 1);
}

/** The first of `count` rising values that is not below the value; `count` when all are. */
function lowerBound(count: number, value: number, at: (i: number) => number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at(middle) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function compareKeys(view: DataView, at: number, key: DataView): number {
  for (let i = 0; i < KEY_BYTES; i += 4) {
    const difference = view.getUint32(at + i) - key.getUint32(i);
    if (difference !== 0) return difference;
  }
  return 0;
}
