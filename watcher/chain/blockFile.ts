import { existsSync } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import { fromHex, toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { HASH_BYTES } from "@plasma-billing/protocol/paymentBytes.ts";
import { ZERO_HASH, type TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import { writeAll } from "@plasma-billing/ethereum/process/files.ts";
import { StoredDataError } from "./errors.ts";

// A block's payments as two files: README.md.

/** Leaf, CRC-32 of the payment with its length and the leaf, and where it ends in the other file. */
export const INDEX_BYTES = HASH_BYTES + 4 + 8;
const MAGIC = Buffer.from("PLASMAW\n");
export const INDEX_HEADER_BYTES = MAGIC.length + HASH_BYTES;
/** Of a payment in a feed. */
export const LENGTH_BYTES = 2;

/** Payments with their lengths, and where each but the last ends is told by them. */
export interface StoredPayment {
  hash: TransactionHash;
  bytes: Uint8Array;
}

export function paymentsPath(prefix: string): string {
  return `${prefix}.payments`;
}

export function indexPath(prefix: string): string {
  return `${prefix}.index`;
}

/** The payments of one block, appended to in order and read at any place. */
export class BlockFile {
  readonly prefix: string;
  /** What it stands on: a hash over the blocks before, or, where nothing was judged, the root it is to have. */
  readonly basis: Hex;
  private readonly payments: FileHandle;
  private readonly index: FileHandle;
  private entries: number;
  private end: number;

  private constructor(prefix: string, basis: Hex, files: [FileHandle, FileHandle], entries: number, end: number) {
    this.prefix = prefix;
    this.basis = basis;
    [this.payments, this.index] = files;
    this.entries = entries;
    this.end = end;
  }

  static exists(prefix: string): boolean {
    return existsSync(indexPath(prefix)) && existsSync(paymentsPath(prefix));
  }

  /** Opens it, without what was half written; makes an empty one, on that basis, where there is none or its head is not one. */
  static async open(prefix: string, basis: Hex = ZERO_HASH): Promise<BlockFile> {
    const flags = BlockFile.exists(prefix) ? "r+" : "w+";
    const payments = await open(paymentsPath(prefix), flags);
    const index = await open(indexPath(prefix), flags).catch(async (error: unknown) => {
      await payments.close();
      throw error;
    });
    const head = await read(index, 0, INDEX_HEADER_BYTES);
    if (head.length < INDEX_HEADER_BYTES || !head.subarray(0, MAGIC.length).equals(MAGIC)) {
      const file = new BlockFile(prefix, basis, [payments, index], 0, 0);
      await writeAll(index, Buffer.concat([MAGIC, fromHex(basis)]), 0);
      await file.truncate(0);
      return file;
    }
    const { size } = await index.stat();
    const file = new BlockFile(prefix, toHex(head.subarray(MAGIC.length)), [payments, index], 0, 0);
    file.entries = Math.floor((size - INDEX_HEADER_BYTES) / INDEX_BYTES);
    const room = (await payments.stat()).size;
    while (file.entries > 0 && (await file.endOf(file.entries - 1)) > room) file.entries--;
    await file.truncate(file.entries);
    return file;
  }

  /** Opens it to be read only, also while it is appended to. @throws what `open` of node:fs does where there is none */
  static async openToRead(prefix: string): Promise<BlockFile> {
    const index = await open(indexPath(prefix), "r");
    const payments = await open(paymentsPath(prefix), "r").catch(async (error: unknown) => {
      await index.close();
      throw error;
    });
    const head = await read(index, 0, INDEX_HEADER_BYTES);
    const count = Math.max(0, Math.floor(((await index.stat()).size - INDEX_HEADER_BYTES) / INDEX_BYTES));
    const end = (await payments.stat()).size;
    return new BlockFile(prefix, toHex(head.subarray(MAGIC.length)), [payments, index], count, end);
  }

  /** How many payments it has. */
  get count(): number {
    return this.entries;
  }

  get bytes(): number {
    return this.end;
  }

  /** Adds payments, with their lengths, and their leaves. When it rejects, nothing was added. */
  async append(payments: Uint8Array, leaves: Uint8Array): Promise<void> {
    const count = leaves.length / HASH_BYTES;
    const index = Buffer.allocUnsafe(count * INDEX_BYTES);
    let at = 0;
    for (let i = 0, entry = 0; i < count; i++, entry += INDEX_BYTES) {
      const start = at;
      at += LENGTH_BYTES + lengthAt(payments, at);
      index.set(leaves.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES), entry);
      index.writeUInt32BE(checksum(payments.subarray(start, at), index, i), entry + HASH_BYTES);
      index.writeBigUInt64BE(BigInt(this.end + at), entry + HASH_BYTES + 4);
    }
    if (at !== payments.length) throw new InvariantError("payments and leaves differ", { at, bytes: payments.length });
    await writeAll(this.payments, payments, this.end);
    await writeAll(this.index, index, INDEX_HEADER_BYTES + this.entries * INDEX_BYTES);
    this.entries += count;
    this.end += at;
  }

  /** @throws StoredDataError */
  async payment(i: number): Promise<StoredPayment> {
    const { payments, leaves } = await this.read(i, i + 1);
    return { hash: toHex(leaves), bytes: payments.subarray(LENGTH_BYTES) };
  }

  /** Leaves behind each other. */
  async leaves(from: number, to: number): Promise<Buffer> {
    return leavesOf(await this.entriesBetween(from, to));
  }

  /** Payments with their lengths, and their leaves; each is checked to be what was written. @throws StoredDataError */
  async read(from: number, to: number): Promise<{ payments: Buffer; leaves: Buffer }> {
    const index = await this.entriesBetween(from, to);
    const start = from === 0 ? 0 : await this.endOf(from - 1);
    const end = endIn(index, to - from - 1);
    const payments = end >= start && end <= this.end ? await read(this.payments, start, end) : Buffer.alloc(0);
    let at = 0;
    for (let i = 0; i < to - from; i++) {
      const next = endIn(index, i) - start;
      const whole =
        next > at + LENGTH_BYTES && next <= payments.length && at + LENGTH_BYTES + lengthAt(payments, at) === next;
      if (
        !whole ||
        checksum(payments.subarray(at, next), index, i) !== index.readUInt32BE(i * INDEX_BYTES + HASH_BYTES)
      ) {
        throw new StoredDataError(paymentsPath(this.prefix), `payment ${from + i} is not what was written`);
      }
      at = next;
    }
    return { payments, leaves: leavesOf(index) };
  }

  /** Keeps so many payments. */
  async truncate(count: number): Promise<void> {
    this.end = count === 0 ? 0 : await this.endOf(count - 1);
    this.entries = count;
    await this.index.truncate(INDEX_HEADER_BYTES + count * INDEX_BYTES);
    await this.payments.truncate(this.end);
  }

  /** When it was made, Unix milliseconds. */
  async madeAt(): Promise<number> {
    return (await this.index.stat()).birthtimeMs;
  }

  async close(): Promise<void> {
    await Promise.all([this.payments.close(), this.index.close()]);
  }

  private async entriesBetween(from: number, to: number): Promise<Buffer> {
    const bytes = await read(
      this.index,
      INDEX_HEADER_BYTES + from * INDEX_BYTES,
      INDEX_HEADER_BYTES + to * INDEX_BYTES,
    );
    if (bytes.length < (to - from) * INDEX_BYTES)
      throw new StoredDataError(indexPath(this.prefix), `it ends before ${to}`);
    return bytes;
  }

  private async endOf(i: number): Promise<number> {
    return endIn(await this.entriesBetween(i, i + 1), 0);
  }
}

/** Says anew what a block stands on. */
export async function rebaseBlockFile(prefix: string, basis: Hex): Promise<void> {
  const index = await open(indexPath(prefix), "r+");
  try {
    await writeAll(index, Buffer.concat([MAGIC, fromHex(basis)]), 0);
  } finally {
    await index.close();
  }
}

/** The two files under another name; the index first, so that half of it is none. */
export async function moveBlockFile(from: string, to: string): Promise<void> {
  await rename(indexPath(from), indexPath(to));
  await rename(paymentsPath(from), paymentsPath(to));
}

export async function removeBlockFile(prefix: string): Promise<void> {
  await rm(indexPath(prefix), { force: true });
  await rm(paymentsPath(prefix), { force: true });
}

/** How many payments files should have by their length alone, -1 when they do not fit; a look, not a check. */
export async function countByLength(prefix: string): Promise<number> {
  if (!BlockFile.exists(prefix)) return -1;
  const entries = ((await stat(indexPath(prefix))).size - INDEX_HEADER_BYTES) / INDEX_BYTES;
  if (!Number.isInteger(entries) || entries < 1) return -1;
  const index = await open(indexPath(prefix), "r");
  try {
    const at = INDEX_HEADER_BYTES + (entries - 1) * INDEX_BYTES;
    const last = await read(index, at, at + INDEX_BYTES);
    return endIn(last, 0) === (await stat(paymentsPath(prefix))).size ? entries : -1;
  } finally {
    await index.close();
  }
}

/** Of a payment with its length, and of its leaf in the i-th entry of an index. */
export function checksum(payment: Uint8Array, index: Uint8Array, i: number): number {
  return crc32(index.subarray(i * INDEX_BYTES, i * INDEX_BYTES + HASH_BYTES), crc32(payment));
}

export function lengthAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

function endIn(index: Buffer, i: number): number {
  return Number(index.readBigUInt64BE(i * INDEX_BYTES + HASH_BYTES + 4));
}

function leavesOf(index: Buffer): Buffer {
  const count = index.length / INDEX_BYTES;
  const leaves = Buffer.allocUnsafe(count * HASH_BYTES);
  for (let i = 0; i < count; i++) index.copy(leaves, i * HASH_BYTES, i * INDEX_BYTES, i * INDEX_BYTES + HASH_BYTES);
  return leaves;
}

async function read(file: FileHandle, start: number, end: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(Math.max(0, end - start));
  let filled = 0;
  while (filled < bytes.length) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, start + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}
