import { toHex, type Hex } from "./hex.ts";
import { AMOUNT_WORD, ORIGIN_WORD, OWNER_WORD } from "./outputTable.ts";
import { Words } from "./words.ts";

const LANES = 8;

/**
 * A hash of a set of outputs that does not depend on their order: eight sums of 32 bits, to which each output adds its id,
 * mixed with all else that is known of it. It finds faults of our own, in replay or memory; it is no commitment towards
 * others, who could make outputs that cancel out, so it can be cheap (an output costs less than a tenth of a keccak).
 */
export class StateHash {
  private readonly sums = new Int32Array(LANES);

  /** An output as its record holds it, its token by a key that does not depend on the token's number. */
  add(page: Int32Array, word: number, tokenKey: number, exiting: boolean): void {
    this.move(page, word, tokenKey, exiting, 1);
  }

  remove(page: Int32Array, word: number, tokenKey: number, exiting: boolean): void {
    this.move(page, word, tokenKey, exiting, -1);
  }

  /** Of the set, together with the number of the open block. */
  value(openBlockNumber: number): Hex {
    const sums = new Uint8Array(4 * LANES);
    const view = new DataView(sums.buffer);
    for (let i = 0; i < LANES; i++) view.setInt32(4 * i, this.sums[i] as number);
    return toHex(new Words(2).word(sums).uint(openBlockNumber).hash());
  }

  private move(page: Int32Array, word: number, tokenKey: number, exiting: boolean, sign: 1 | -1): void {
    let mixed = mix(tokenKey, exiting ? 1 : 0);
    for (let i = word + OWNER_WORD; i < word + OWNER_WORD + 5; i++) mixed = mix(mixed, page[i] as number);
    for (let i = word + AMOUNT_WORD; i < word + AMOUNT_WORD + 8; i++) mixed = mix(mixed, page[i] as number);
    mixed = mix(mix(mixed, page[word + ORIGIN_WORD] as number), page[word + ORIGIN_WORD + 1] as number);
    for (let i = 0; i < LANES; i++) {
      mixed = mix(mixed, page[word + i] as number);
      // Lane by lane, so that two ids that differ in one word differ in all lanes from there on.
      this.sums[i] = ((this.sums[i] as number) + sign * mixed) | 0;
    }
  }
}

/** One round of murmur3: every bit of the word reaches about half of those of the state within two rounds. */
function mix(state: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const h = state ^ k;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}
