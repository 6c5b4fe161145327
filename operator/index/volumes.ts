import { toHex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";

/** Payments that move a token for a purpose, and what they give to others than who pays. */
export interface Volume {
  /** As in the typed data: 1 to 5. */
  purpose: number;
  token: Address;
  count: number;
  volume: bigint;
}

const WORDS = 8;
const TOKEN_WORDS = 5;
const LIMB = 2 ** 32;
/** Doubles hold sums of words exactly while fewer than 2^21 are added. */
const SETTLE_EVERY = 2 ** 20;
const PURPOSES_MAX = 16;

/** One purpose and token: exact, without a bigint for every amount. */
class VolumeRow {
  readonly token: Address;
  readonly purpose: number;
  count = 0;
  /** Position of the payment that was counted last. */
  countedAt = 0;
  private readonly words: Int32Array;
  private readonly limbs = new Float64Array(WORDS);
  private additions = 0;
  private settled = 0n;

  constructor(purpose: number, view: DataView, at: number) {
    this.purpose = purpose;
    this.words = Int32Array.from({ length: TOKEN_WORDS }, (_, i) => view.getInt32(at + 4 * i));
    this.token = tokenAt(view, at);
  }

  has(view: DataView, at: number): boolean {
    const { words } = this;
    for (let i = 0; i < TOKEN_WORDS; i++) if (words[i] !== view.getInt32(at + 4 * i)) return false;
    return true;
  }

  /** Adds the 32 bytes at `at`. */
  add(view: DataView, at: number): void {
    const { limbs } = this;
    for (let i = 0; i < WORDS; i++) {
      const word = view.getUint32(at + 4 * i);
      if (word !== 0) (limbs[i] as number) += word;
    }
    if (++this.additions === SETTLE_EVERY) this.addVolume(0n);
  }

  addVolume(volume: bigint): void {
    this.settled = this.volume + volume;
    this.limbs.fill(0);
    this.additions = 0;
  }

  get volume(): bigint {
    return this.settled + this.limbs.reduce((sum, limb) => sum * BigInt(LIMB) + BigInt(limb), 0n);
  }
}

/** Volumes of an hour, or of all time, by purpose and token. */
export class Volumes {
  /** By purpose, the row used last: nearly always the one wanted. */
  private readonly recent: (VolumeRow | undefined)[] = new Array<undefined>(PURPOSES_MAX);
  private readonly rows = new Map<string, VolumeRow>();

  get size(): number {
    return this.rows.size;
  }

  /** The row of a purpose and of the token that stands as 20 bytes at `at`. */
  row(purpose: number, view: DataView, at: number): VolumeRow {
    const recent = this.recent[purpose];
    if (recent?.has(view, at) === true) return recent;
    const key = `${purpose}${tokenAt(view, at)}`;
    let row = this.rows.get(key);
    if (row === undefined) this.rows.set(key, (row = new VolumeRow(purpose, view, at)));
    this.recent[purpose] = row;
    return row;
  }

  /** Adds what others counted, or takes it away. */
  addAll(volumes: readonly Volume[], sign: 1 | -1 = 1): void {
    for (const { purpose, token, count, volume } of volumes) {
      const view = new DataView(Uint8Array.from(Buffer.from(token.slice(2), "hex")).buffer);
      const row = this.row(purpose, view, 0);
      row.count += sign * count;
      row.addVolume(BigInt(sign) * volume);
    }
  }

  /** By purpose, then by token. */
  list(): Volume[] {
    return [...this.rows.values()]
      .map(({ purpose, token, count, volume }) => ({ purpose, token, count, volume }))
      .sort((a, b) => (a.purpose === b.purpose ? (a.token < b.token ? -1 : 1) : a.purpose - b.purpose));
  }
}

function tokenAt(view: DataView, at: number): Address {
  return toHex(new Uint8Array(view.buffer, view.byteOffset + at, 4 * TOKEN_WORDS));
}
