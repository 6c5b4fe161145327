/**
 * 32 bits of a hash, for looking up. Hashes are ground in seconds until 32 bits of them are as somebody wants: with
 * multipliers that nobody knows, equal hashes stay chance.
 */
export class KeyHash {
  private readonly first: number;
  private readonly second: number;

  /** @param secret - 64 bits */
  constructor(secret: Uint8Array) {
    const view = new DataView(secret.buffer, secret.byteOffset, 8);
    this.first = view.getInt32(0) | 1;
    this.second = view.getInt32(4) | 1;
  }

  /** Of the hash that stands at `at`, from 0 to 2^32 - 1. */
  of(view: DataView, at: number): number {
    const sum = (Math.imul(view.getInt32(at), this.first) + Math.imul(view.getInt32(at + 4), this.second)) | 0;
    return (sum ^ (sum >>> 16)) >>> 0;
  }
}
