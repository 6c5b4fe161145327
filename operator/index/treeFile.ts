import { readSync } from "node:fs";
import { toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { keccak256 } from "@plasma-billing/protocol/keccak.ts";
import { merkleDepth, verifyProof } from "@plasma-billing/protocol/merkle.ts";
import { crc32 } from "node:zlib";

// The file of a block's tree (README.md): a header, and every complete node, each right behind the last leaf below it. So a
// tree is written by appending alone, and where a node stands follows from its place.

export const NODE_BYTES = 32;
export const TREE_HEADER_BYTES = 64;
const MAGIC = Buffer.from("PLASMAT\n");
const VERSION = 1;

export interface TreeHeader {
  number: number;
  count: number;
  root: Hex;
}

export function encodeTreeHeader({ number, count, root }: TreeHeader): Buffer {
  const header = Buffer.alloc(TREE_HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32LE(VERSION, 8);
  header.writeUInt32LE(number, 12);
  header.writeUInt32LE(count, 16);
  header.write(root.slice(2), 20, "hex");
  header.writeUInt32LE(crc32(header.subarray(0, TREE_HEADER_BYTES - 4)), TREE_HEADER_BYTES - 4);
  return header;
}

/** Null when the bytes are no header of this version. */
export function decodeTreeHeader(header: Buffer): TreeHeader | null {
  if (header.length !== TREE_HEADER_BYTES || !header.subarray(0, 8).equals(MAGIC)) return null;
  if (header.readUInt32LE(TREE_HEADER_BYTES - 4) !== crc32(header.subarray(0, TREE_HEADER_BYTES - 4))) return null;
  if (header.readUInt32LE(8) !== VERSION) return null;
  return { number: header.readUInt32LE(12), count: header.readUInt32LE(16), root: toHex(header.subarray(20, 52)) };
}

/** How many nodes the trees of the first `count` leaves have, as far as they are complete. */
export function nodeCount(count: number): number {
  return 2 * count - bitCount(count);
}

/** Byte at which the complete node stands that is number `index` of those over 2^level leaves. */
export function nodeOffset(level: number, index: number): number {
  const lastLeaf = (index + 1) * 2 ** level - 1;
  return TREE_HEADER_BYTES + NODE_BYTES * (nodeCount(lastLeaf) + level);
}

/** The levels and indices of the largest complete nodes, from the left. */
export function peaksOf(count: number): { level: number; index: number }[] {
  const peaks = [];
  for (let level = merkleDepth(count), start = 0; level >= 0; level--) {
    const size = 2 ** level;
    if (start + size > count) continue;
    peaks.push({ level, index: start / size });
    start += size;
  }
  return peaks;
}

/**
 * The siblings of a leaf from the bottom up, by positioned reads: as many as the tree is deep, and the right edge's.
 * Null when what is read does not lead from the leaf to the root.
 */
export function readSiblings(descriptor: number, { count, root }: TreeHeader, leaf: number): Hex[] | null {
  const stored = (level: number, index: number): Uint8Array => {
    const node = new Uint8Array(NODE_BYTES);
    readSync(descriptor, node, 0, NODE_BYTES, nodeOffset(level, index));
    return node;
  };
  const depth = merkleDepth(count);
  const edge = edgeNodes(count, depth, stored);
  const siblings: Hex[] = [];
  for (let level = 0, at = leaf; level < depth; level++, at >>>= 1) {
    const sibling = at ^ 1;
    if ((sibling + 1) * 2 ** level <= count) siblings.push(toHex(stored(level, sibling)));
    else siblings.push(toHex(sibling * 2 ** level >= count ? zeroRoot(level) : (edge[level] as Uint8Array)));
  }
  return verifyProof(root, toHex(stored(0, leaf)), leaf, count, siblings) ? siblings : null;
}

/** Of each level, the node that is over the last leaf and not complete, where there is one. */
export function edgeNodes(
  count: number,
  depth: number,
  stored: (level: number, index: number) => Uint8Array,
): (Uint8Array | undefined)[] {
  const edge: (Uint8Array | undefined)[] = [];
  let node: Uint8Array | null = null;
  for (let level = 0; level < depth; level++) {
    // Over the leaves from `first` on: a complete one to the left, what there is of an incomplete one to the right.
    const complete = Math.floor(count / 2 ** level);
    if (complete % 2 === 1) node = hashPair(stored(level, complete - 1), node ?? zeroRoot(level));
    else if (node !== null) node = hashPair(node, zeroRoot(level));
    if (node !== null) edge[level + 1] = node;
  }
  return edge;
}

const zeroRoots: Uint8Array[] = [new Uint8Array(NODE_BYTES)];
function zeroRoot(level: number): Uint8Array {
  for (let i = zeroRoots.length; i <= level; i++) {
    const below = zeroRoots[i - 1] as Uint8Array;
    zeroRoots.push(hashPair(below, below));
  }
  return zeroRoots[level] as Uint8Array;
}

export function hashPair(left: Uint8Array, right: Uint8Array): Uint8Array {
  const pair = new Uint8Array(2 * NODE_BYTES);
  pair.set(left);
  pair.set(right, NODE_BYTES);
  return keccak256(pair);
}

function bitCount(value: number): number {
  let bits = 0;
  for (let rest = value; rest > 0; rest &= rest - 1) bits++;
  return bits;
}
