import { closeSync, openSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { readRange } from "@plasma-billing/ethereum/process/files.ts";
import { recover } from "@plasma-billing/ethereum/verification/recover.ts";
import { toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { keccak256 } from "@plasma-billing/protocol/keccak.ts";
import { merkleDepth } from "@plasma-billing/protocol/merkle.ts";
import { countsAt, HASH_BYTES, INPUTS_AT, signaturesAt } from "@plasma-billing/protocol/paymentBytes.ts";
import { SIGNATURE_BYTES } from "@plasma-billing/protocol/transaction.ts";
import { checksum, INDEX_BYTES, INDEX_HEADER_BYTES, indexPath, LENGTH_BYTES, paymentsPath } from "./blockFile.ts";
import { firstWordOf } from "./records.ts";

// What takes long over stored blocks: searching them for spends, and hashing their trees for proofs.

/** Payments read at a time. */
const READ_PAYMENTS = 8192;
/** Spends of one output: it has few, and what is beyond is somebody's who fills the answer. */
const FOUND_MAX = 64;
/** Leaves below one kept node: a further proof of the same block hashes so many. */
const KEPT_LEVEL = 8;
/** Blocks whose upper nodes are kept, each 2^22 / 2^8 · 2 · 32 bytes at most. */
const TREES_MAX = 16;

export interface SearchQuestion {
  prefixes: string[];
  ids: readonly Hex[];
  /** Whose the outputs are: only what they signed is a spend. Null where that was verified when the files were written. */
  owners: readonly Hex[] | null;
}
export type HistoryQuestion = { search: SearchQuestion } | { proof: { prefix: string; count: number; index: number } };
export interface Found {
  prefix: string;
  index: number;
  hash: Uint8Array;
  payment: Uint8Array;
}
export interface SearchAnswer {
  found: Found[];
  /** Files that are not what was written to them. */
  damaged: string[];
}
export interface ProofAnswer {
  root: Hex;
  siblings: Hex[];
}
export type HistoryMessage = { id: number } & HistoryQuestion;
export type HistoryReply = { id: number } & ({ answer: SearchAnswer | ProofAnswer } | { failed: string });

interface KeptTree {
  key: string;
  /** From level KEPT_LEVEL (or the leaves of a small tree) up to the root. */
  levels: Buffer[];
}
const trees: KeptTree[] = [];

parentPort?.on("message", (message: HistoryMessage | null) => {
  if (message === null) return parentPort?.close();
  parentPort?.postMessage(answer(message));
});

function answer(message: HistoryMessage): HistoryReply {
  const { id } = message;
  try {
    return { id, answer: "search" in message ? search(message.search) : proof(message.proof) };
  } catch (error) {
    return { id, failed: String(error) };
  }
}

/** Outputs with their owners and how many spends were found, by the first word of the output. */
type Wanted = ReadonlyMap<number, ReadonlyMap<Hex, { owner: Hex | null; found: number }>>;

function search({ prefixes, ids, owners }: SearchQuestion): SearchAnswer {
  const wanted = new Map<number, Map<Hex, { owner: Hex | null; found: number }>>();
  for (const [i, id] of ids.entries()) {
    const word = firstWordOf(id);
    if (!wanted.has(word)) wanted.set(word, new Map());
    wanted.get(word)?.set(id, { owner: owners?.[i] ?? null, found: 0 });
  }
  const result: SearchAnswer = { found: [], damaged: [] };
  for (const prefix of prefixes) {
    try {
      if (!searchFile(prefix, wanted, result.found)) result.damaged.push(prefix);
    } catch (error) {
      // Moved away meanwhile: it is searched under its other name, or was searched as it came.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return result;
}

/** False when the file is not what was written. */
function searchFile(prefix: string, wanted: Wanted, found: Found[]): boolean {
  const index = openSync(indexPath(prefix), "r");
  const payments = openSync(paymentsPath(prefix), "r");
  try {
    let end = 0;
    for (let first = 0; ; first += READ_PAYMENTS) {
      const from = INDEX_HEADER_BYTES + first * INDEX_BYTES;
      const entries = readRange(index, from, from + READ_PAYMENTS * INDEX_BYTES);
      const count = Math.floor(entries.length / INDEX_BYTES);
      if (count === 0) return true;
      const start = end;
      end = endIn(entries, count - 1);
      if (end <= start || end - start > count * 4096) return false;
      const bytes = readRange(payments, start, end);
      // Half written still; what is in it was searched as it came.
      if (bytes.length < end - start) return false;
      let at = 0;
      for (let i = 0; i < count; i++) {
        const next = endIn(entries, i) - start;
        if (next <= at + LENGTH_BYTES || next > bytes.length) return false;
        const payment = bytes.subarray(at + LENGTH_BYTES, next);
        if (checksum(bytes.subarray(at, next), entries, i) !== entries.readUInt32BE(i * INDEX_BYTES + HASH_BYTES))
          return false;
        const hash = entries.subarray(i * INDEX_BYTES, i * INDEX_BYTES + HASH_BYTES);
        if (spendsAny(payment, hash, wanted)) {
          found.push({
            ...{ prefix, index: first + i, hash: Uint8Array.from(hash), payment: Uint8Array.from(payment) },
          });
        }
        at = next;
      }
    }
  } finally {
    closeSync(index);
    closeSync(payments);
  }
}

function spendsAny(payment: Buffer, hash: Uint8Array, wanted: Wanted): boolean {
  const inputs = payment[2] as number;
  for (let i = 0, at = INPUTS_AT; i < inputs && at + HASH_BYTES <= payment.length; i++, at += HASH_BYTES) {
    const output = wanted.get(payment.readInt32BE(at))?.get(toHex(payment.subarray(at, at + HASH_BYTES)));
    if (output === undefined || output.found === FOUND_MAX) continue;
    if (output.owner !== null) {
      const start = signaturesAt(countsAt(payment, 0)) + SIGNATURE_BYTES * i;
      const signer = recover(hash, payment.subarray(start, start + SIGNATURE_BYTES));
      if (signer === null || toHex(signer) !== output.owner) continue;
    }
    output.found++;
    return true;
  }
  return false;
}

function proof({ prefix, count, index }: { prefix: string; count: number; index: number }): ProofAnswer {
  const depth = merkleDepth(count);
  const low = Math.min(KEPT_LEVEL, depth);
  const { levels } = treeOf(prefix, count, low);
  const first = (index >> low) << low;
  const siblings: Hex[] = [];
  let below: Buffer = leavesOf(prefix, first, Math.min(count, first + 2 ** low), 2 ** low);
  for (let level = 0, at = index - first; level < low; level++, at >>= 1) {
    siblings.push(nodeHex(below, at ^ 1));
    below = parentsOf(below);
  }
  for (let level = low, at = index >> low; level < depth; level++, at >>= 1) {
    siblings.push(nodeHex(levels[level - low] as Buffer, at ^ 1));
  }
  return { root: nodeHex(levels.at(-1) as Buffer, 0), siblings };
}

/** The nodes of a block's tree from a level up. */
function treeOf(prefix: string, count: number, low: number): KeptTree {
  const key = `${prefix} ${count}`;
  const at = trees.findIndex((tree) => tree.key === key);
  if (at !== -1) {
    const [kept] = trees.splice(at, 1) as [KeptTree];
    trees.push(kept);
    return kept;
  }
  const width = 2 ** low;
  const nodes = 2 ** (merkleDepth(count) - low);
  const bottom = Buffer.alloc(nodes * HASH_BYTES);
  for (let i = 0; i < nodes; i++) {
    let level = leavesOf(prefix, i * width, Math.min(count, (i + 1) * width), width);
    while (level.length > HASH_BYTES) level = parentsOf(level);
    bottom.set(level, i * HASH_BYTES);
  }
  const levels = [bottom];
  while ((levels.at(-1) as Buffer).length > HASH_BYTES) levels.push(parentsOf(levels.at(-1) as Buffer));
  const tree = { key, levels };
  trees.push(tree);
  if (trees.length > TREES_MAX) trees.shift();
  return tree;
}

/** Leaves, filled up with zeros to the width. */
function leavesOf(prefix: string, from: number, to: number, width: number): Buffer<ArrayBuffer> {
  const leaves = Buffer.alloc(width * HASH_BYTES);
  if (to <= from) return leaves;
  const index = openSync(indexPath(prefix), "r");
  try {
    const at = INDEX_HEADER_BYTES + from * INDEX_BYTES;
    const entries = readRange(index, at, at + (to - from) * INDEX_BYTES);
    if (entries.length < (to - from) * INDEX_BYTES) throw new RangeError(`${indexPath(prefix)} ends before ${to}`);
    for (let i = 0; i < to - from; i++)
      entries.copy(leaves, i * HASH_BYTES, i * INDEX_BYTES, i * INDEX_BYTES + HASH_BYTES);
    return leaves;
  } finally {
    closeSync(index);
  }
}

function parentsOf(level: Buffer): Buffer<ArrayBuffer> {
  const parents = Buffer.alloc(level.length / 2);
  for (let at = 0; at < level.length; at += 2 * HASH_BYTES) {
    parents.set(keccak256(level.subarray(at, at + 2 * HASH_BYTES)), at / 2);
  }
  return parents;
}

function nodeHex(level: Buffer, i: number): Hex {
  return toHex(level.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES));
}

function endIn(index: Buffer, i: number): number {
  return Number(index.readBigUInt64BE(i * INDEX_BYTES + HASH_BYTES + 4));
}
