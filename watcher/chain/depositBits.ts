/** Deposits are numbered by the contract without gaps; this many are more than a century's at one a second. */
const DEPOSITS_MAX = 2 ** 32;
const INITIAL_BYTES = 1024;

/** A set of deposits' ids: a bit each. */
export class DepositBits {
  private bytes: Uint8Array<ArrayBuffer>;

  constructor(bytes = new Uint8Array(INITIAL_BYTES)) {
    this.bytes = bytes;
  }

  has(id: bigint): boolean {
    const byte = Number(id >> 3n);
    return ((this.bytes[byte] ?? 0) & (1 << Number(id & 7n))) !== 0;
  }

  add(id: bigint): void {
    if (id >= BigInt(DEPOSITS_MAX)) throw new RangeError(`deposit ${id}`);
    const byte = Number(id >> 3n);
    if (byte >= this.bytes.length) {
      const larger = new Uint8Array(Math.max(byte + 1, 2 * this.bytes.length));
      larger.set(this.bytes);
      this.bytes = larger;
    }
    this.bytes[byte] = (this.bytes[byte] as number) | (1 << Number(id & 7n));
  }

  copy(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice();
  }
}
