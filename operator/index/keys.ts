import { randomInt } from "node:crypto";
import { fromHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { Column } from "./growing.ts";

// What lists are kept for. A key is four bytes of its kind and twenty more.

export const ACCOUNT = 0;
export const PURPOSE = 1;
export const FILE = 2;
/** All entries that are no payments, the seals among them, the deposits among them: one key each. */
export const OTHERS = 3;
export const SEALS = 4;
export const DEPOSITS = 5;
/** Never written: tokens are numbered while a generation is in memory. */
export const TOKEN = 6;

export const KEY_BYTES = 24;
const KEY_WORDS = KEY_BYTES / 4;
const ADDRESS_BYTES = 20;

export function accountKey(address: Address): Uint8Array {
  return keyOf(ACCOUNT, fromHex(address));
}

export function purposeKey(purpose: number): Uint8Array {
  return keyOf(PURPOSE, Uint8Array.of(purpose));
}

/** Of the hash's first 20 bytes: nobody finds two files that have these in common. */
export function fileKey(fileHash: Hex): Uint8Array {
  return keyOf(FILE, fromHex(fileHash).subarray(0, ADDRESS_BYTES));
}

/** Of a kind that has one key only. */
export function singleKey(kind: number): Uint8Array {
  return keyOf(kind, new Uint8Array(0));
}

function keyOf(kind: number, bytes: Uint8Array): Uint8Array {
  const key = new Uint8Array(KEY_BYTES);
  key[3] = kind;
  key.set(bytes, 4);
  return key;
}

/** Numbers keys from 0 in the order in which they come: open addressing, 24 bytes a key and 4 to 8 a place. */
export class Directory {
  readonly words = new Column();
  private table = new Int32Array(2048).fill(-1);
  private count = 0;
  /** Owners are free to choose their addresses; they shall not choose where they collide. */
  private readonly secret = [0, 1, 2, 3, 4, 5].map(() => randomInt(2 ** 32) | 1) as [
    ...[number, number, number, number, number, number],
  ];

  get size(): number {
    return this.count;
  }

  /** The number of the key that stands as 20 bytes at `at`; a new one when it is not known. */
  take(kind: number, view: DataView, at: number): number {
    const w0 = view.getInt32(at);
    const w1 = view.getInt32(at + 4);
    const w2 = view.getInt32(at + 8);
    const w3 = view.getInt32(at + 12);
    const w4 = view.getInt32(at + 16);
    const place = this.placeOf(kind, w0, w1, w2, w3, w4);
    const found = this.table[place] as number;
    if (found !== -1) return found;
    const { words } = this;
    words.push(kind);
    words.push(w0);
    words.push(w1);
    words.push(w2);
    words.push(w3);
    words.push(w4);
    this.table[place] = this.count++;
    if (2 * this.count > this.table.length) this.grow();
    return this.count - 1;
  }

  /** The number of a key, -1 when it is not known. */
  find(key: Uint8Array): number {
    const view = new DataView(key.buffer, key.byteOffset, KEY_BYTES);
    const word = (i: number): number => view.getInt32(4 * i);
    return this.table[this.placeOf(word(0), word(1), word(2), word(3), word(4), word(5))] as number;
  }

  kindOf(slot: number): number {
    return this.words.at(KEY_WORDS * slot);
  }

  /** The first four bytes behind the kind, unsigned. */
  topOf(slot: number): number {
    return this.words.at(KEY_WORDS * slot + 1) >>> 0;
  }

  /** Order of two keys, as their bytes have it. */
  compare(a: number, b: number): number {
    for (let i = 0; i < KEY_WORDS; i++) {
      const difference = (this.words.at(KEY_WORDS * a + i) >>> 0) - (this.words.at(KEY_WORDS * b + i) >>> 0);
      if (difference !== 0) return difference;
    }
    return 0;
  }

  /** Writes the key's 24 bytes. */
  copy(slot: number, view: DataView, at: number): void {
    for (let i = 0; i < KEY_WORDS; i++) view.setInt32(at + 4 * i, this.words.at(KEY_WORDS * slot + i));
  }

  private placeOf(kind: number, w0: number, w1: number, w2: number, w3: number, w4: number): number {
    const { table } = this;
    const words = this.words.values;
    const mask = table.length - 1;
    let place = this.hash(kind, w0, w1, w2, w3, w4) & mask;
    for (;;) {
      const slot = table[place] as number;
      if (slot === -1) return place;
      const at = KEY_WORDS * slot;
      if (
        words[at + 1] === w0 &&
        words[at + 2] === w1 &&
        words[at + 3] === w2 &&
        words[at + 4] === w3 &&
        words[at + 5] === w4 &&
        words[at] === kind
      ) {
        return place;
      }
      place = (place + 1) & mask;
    }
  }

  /** Sums of secret multiples (multilinear hashing): equal sums stay chance, whatever one knows of the words. */
  private hash(kind: number, w0: number, w1: number, w2: number, w3: number, w4: number): number {
    const [a, b, c, d, e, f] = this.secret;
    let h = Math.imul(kind, f) + Math.imul(w0, a) + Math.imul(w1, b) + Math.imul(w2, c) + Math.imul(w3, d);
    h = (h + Math.imul(w4, e)) | 0;
    // The lowest bits of a sum know the lowest bits of the words only.
    return h ^ (h >>> 16);
  }

  private grow(): void {
    const words = this.words.values;
    const table = new Int32Array(2 * this.table.length).fill(-1);
    const mask = table.length - 1;
    for (let slot = 0, at = 0; slot < this.count; slot++, at += KEY_WORDS) {
      const [kind, w0, w1, w2, w3, w4] = words.subarray(at, at + KEY_WORDS) as unknown as [
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      let place = this.hash(kind, w0, w1, w2, w3, w4) & mask;
      while (table[place] !== -1) place = (place + 1) & mask;
      table[place] = slot;
    }
    this.table = table;
  }
}
