import { toHex } from "@plasma-billing/protocol/hex.ts";
import { Column, WideColumn } from "./growing.ts";
import { KEY_BYTES, type Directory } from "./keys.ts";

const NONE = -1;
/** Of 32 bits, the lowest first. Doubles hold them exactly while fewer than 2^21 are added without a carry. */
const LIMBS = 8;
const LIMB = 2 ** 32;
const CARRY_EVERY = 2 ** 20;
/** A token, and nine words, the lowest first, of a two's complement. */
export const SUM_BYTES = 20 + 4 * (LIMBS + 1);

/** What accounts got less what they spent, by token: exact, without a bigint for every amount. */
export class Sums {
  private readonly heads = new Column();
  private readonly next = new Column();
  private readonly tokens = new Column();
  private readonly limbs = new WideColumn();
  private additions = 0;

  /** The directory has got a slot more. */
  takeSlot(): void {
    this.heads.push(NONE);
  }

  /** Adds the 32 bytes at `at`, or takes them away. */
  add(slot: number, token: number, view: DataView, at: number, sign: 1 | -1): void {
    let pair = this.heads.at(slot);
    while (pair !== NONE && this.tokens.at(pair) !== token) pair = this.next.at(pair);
    if (pair === NONE) pair = this.insert(slot, token);
    const limbs = this.limbs.values;
    for (let i = 0, limb = LIMBS * pair + LIMBS - 1; i < LIMBS; i++, limb--) {
      const word = view.getUint32(at + 4 * i);
      if (word !== 0) (limbs[limb] as number) += sign * word;
    }
    if (++this.additions === CARRY_EVERY) this.carryAll();
  }

  /** By the token's 40 hex digits. */
  of(slot: number, directory: Directory): Map<string, bigint> {
    const sums = new Map<string, bigint>();
    const key = new DataView(new ArrayBuffer(KEY_BYTES));
    for (let pair = this.heads.at(slot); pair !== NONE; pair = this.next.at(pair)) {
      let sum = 0n;
      for (let i = LIMBS - 1; i >= 0; i--) sum = (sum << 32n) + BigInt(this.limbs.at(LIMBS * pair + i));
      directory.copy(this.tokens.at(pair), key, 0);
      sums.set(toHex(new Uint8Array(key.buffer, 4)).slice(2), sum);
    }
    return sums;
  }

  /** Has `write` place each sum that is not zero of a slot: it gives where 56 bytes may be written. */
  writeAll(slot: number, directory: Directory, write: () => { view: DataView; at: number }): number {
    const key = new DataView(new ArrayBuffer(KEY_BYTES));
    let count = 0;
    for (let pair = this.heads.at(slot); pair !== NONE; pair = this.next.at(pair)) {
      this.carry(pair);
      let zero = true;
      for (let i = 0; i < LIMBS; i++) if (this.limbs.at(LIMBS * pair + i) !== 0) zero = false;
      if (zero) continue;
      const { view, at } = write();
      directory.copy(this.tokens.at(pair), key, 0);
      for (let i = 4; i < KEY_BYTES; i += 4) view.setUint32(at + i - 4, key.getUint32(i));
      const highest = this.limbs.at(LIMBS * pair + LIMBS - 1);
      const top = Math.floor(highest / LIMB);
      for (let i = 0; i < LIMBS - 1; i++) view.setUint32(at + 20 + 4 * i, this.limbs.at(LIMBS * pair + i));
      view.setUint32(at + 16 + 4 * LIMBS, highest - top * LIMB);
      view.setInt32(at + 20 + 4 * LIMBS, top);
      count++;
    }
    return count;
  }

  private insert(slot: number, token: number): number {
    const pair = this.tokens.push(token);
    this.next.push(this.heads.at(slot));
    this.heads.values[slot] = pair;
    for (let i = 0; i < LIMBS; i++) this.limbs.push(0);
    return pair;
  }

  private carryAll(): void {
    for (let pair = 0; pair < this.tokens.length; pair++) this.carry(pair);
    this.additions = 0;
  }

  /** Brings all limbs but the highest, which has the sign, between 0 and 2^32. */
  private carry(pair: number): void {
    const limbs = this.limbs.values;
    const last = LIMBS * pair + LIMBS - 1;
    for (let i = LIMBS * pair; i < last; i++) {
      const carried = Math.floor((limbs[i] as number) / LIMB);
      (limbs[i] as number) -= carried * LIMB;
      (limbs[i + 1] as number) += carried;
    }
  }
}

/** A sum as `writeAll` wrote it. */
export function sumAt(view: DataView, at: number): { token: string; sum: bigint } {
  let sum = BigInt(view.getInt32(at + 20 + 4 * LIMBS));
  for (let i = LIMBS - 1; i >= 0; i--) sum = (sum << 32n) + BigInt(view.getUint32(at + 20 + 4 * i));
  return { token: toHex(new Uint8Array(view.buffer, view.byteOffset + at, 20)).slice(2), sum };
}
