import { fromHex, type Hex } from "./hex.ts";
import { keccak256 } from "./keccak.ts";

/** Lays out 32-byte words as `abi.encode` does for static values, and hashes them. */
export class Words {
  private readonly bytes: Uint8Array;
  private offset = 0;

  constructor(count: number) {
    this.bytes = new Uint8Array(32 * count);
  }

  /** A word as it stands. */
  word(bytes: Uint8Array): this {
    this.bytes.set(bytes, this.offset);
    this.offset += 32;
    return this;
  }

  hex(value: Hex): this {
    return this.word(fromHex(value));
  }

  /** Twenty bytes, at the right end of their word. */
  address(value: Hex): this {
    this.bytes.set(fromHex(value), this.offset + 12);
    this.offset += 32;
    return this;
  }

  /** An unsigned integer below 2^256. */
  uint(value: bigint | number): this {
    let rest = BigInt(value);
    for (let i = this.offset + 31; rest > 0n; i--) {
      this.bytes[i] = Number(rest & 0xffn);
      rest >>= 8n;
    }
    this.offset += 32;
    return this;
  }

  hash(): Uint8Array {
    return keccak256(this.bytes);
  }
}

const utf8 = new TextEncoder();

/** keccak-256 of the text's UTF-8 bytes: type hashes, file ids, the strings inside typed data. */
export function hashText(text: string): Uint8Array {
  return keccak256(utf8.encode(text));
}
