import { fromHex, toHex, type Hex } from "./hex.ts";
import { keccak256 } from "./keccak.ts";
import { InvariantError } from "./errors.ts";

export const MAX_TRANSACTIONS_PER_BLOCK = 2 ** 22;
const NODE_BYTES = 32;
const INITIAL_LEAVES = 16;

/** Root of a tree of 2^level zero leaves. */
const zeroRoots: Uint8Array[] = [new Uint8Array(NODE_BYTES)];
function zeroRoot(level: number): Uint8Array {
  for (let i = zeroRoots.length; i <= level; i++) {
    const below = zeroRoots[i - 1] as Uint8Array;
    zeroRoots.push(hashPair(below, below));
  }
  return zeroRoots[level] as Uint8Array;
}

/** ceil(log2(count)), 0 for a single leaf. */
export function merkleDepth(count: number): number {
  return count <= 1 ? 0 : 32 - Math.clz32(count - 1);
}

/**
 * The ordered binary tree of a block, grown leaf by leaf: leaves are padded with zeros to the next power of two. Only
 * nodes whose leaves are all there are kept, so nothing is ever hashed twice by appending; the right edge is made when asked.
 */
export class MerkleTree {
  /** Level 0 holds the leaves; level k the complete nodes over 2^k leaves. */
  private readonly levels: Uint8Array[] = [new Uint8Array(INITIAL_LEAVES * NODE_BYTES)];
  private leafCount = 0;

  get count(): number {
    return this.leafCount;
  }

  /** Adds a leaf; amortised one hash. */
  append(leaf: Hex): void {
    if (this.leafCount === MAX_TRANSACTIONS_PER_BLOCK) {
      throw new InvariantError("a block holds no more transactions", { count: this.leafCount });
    }
    let index = this.leafCount++;
    let node = fromHex(leaf);
    for (let level = 0; ; level++) {
      this.store(level, index, node);
      if ((index & 1) === 0) return;
      node = hashPair(this.node(level, index - 1), node);
      index >>= 1;
    }
  }

  /** The root over the leaves so far; of one leaf, the leaf. Needs at least one. */
  root(): Hex {
    if (this.leafCount === 0) throw new InvariantError("an empty block has no root");
    const depth = merkleDepth(this.leafCount);
    return toHex(this.nodeOrEdge(depth, 0));
  }

  /** The siblings of leaf `index` from the bottom up: as many as the tree is deep. */
  proof(index: number): Hex[] {
    if (!Number.isInteger(index) || index < 0 || index >= this.leafCount) {
      throw new InvariantError("no such leaf", { index, count: this.leafCount });
    }
    const siblings: Hex[] = [];
    for (let level = 0, at = index; level < merkleDepth(this.leafCount); level++, at >>= 1) {
      siblings.push(toHex(this.nodeOrEdge(level, at ^ 1)));
    }
    return siblings;
  }

  /** A complete node, one all of zeros, or the one node a level in between. */
  private nodeOrEdge(level: number, index: number): Uint8Array {
    if ((index + 1) * 2 ** level <= this.leafCount) return this.node(level, index);
    if (index * 2 ** level >= this.leafCount) return zeroRoot(level);
    return hashPair(this.nodeOrEdge(level - 1, 2 * index), this.nodeOrEdge(level - 1, 2 * index + 1));
  }

  private node(level: number, index: number): Uint8Array {
    return (this.levels[level] as Uint8Array).subarray(index * NODE_BYTES, (index + 1) * NODE_BYTES);
  }

  private store(level: number, index: number, node: Uint8Array): void {
    let nodes = this.levels[level] ?? (this.levels[level] = new Uint8Array(INITIAL_LEAVES * NODE_BYTES));
    if ((index + 1) * NODE_BYTES > nodes.length) {
      const larger = new Uint8Array(nodes.length * 2);
      larger.set(nodes);
      nodes = this.levels[level] = larger;
    }
    nodes.set(node, index * NODE_BYTES);
  }
}

/**
 * The right edge of a growing tree: the roots of its complete subtrees, one a set bit of the count. Enough to append and to
 * tell the root at any time in a few hashes, however many leaves there are.
 */
export class MerkleFrontier {
  private readonly peaks: (Uint8Array | undefined)[] = [];
  private leafCount = 0;

  /** The frontier an earlier one's `export` came from. */
  static of({ count, peaks }: { count: number; peaks: readonly Hex[] }): MerkleFrontier {
    const frontier = new MerkleFrontier();
    frontier.leafCount = count;
    const rest = [...peaks];
    for (let level = 0; 2 ** level <= count; level++) {
      if (hasBit(count, level)) frontier.peaks[level] = fromHex(rest.shift() ?? "0x");
    }
    if (rest.length > 0 || frontier.peaks.some((peak) => peak !== undefined && peak.length !== NODE_BYTES)) {
      throw new InvariantError("a frontier has a peak for each bit of its count", { count, peaks: peaks.length });
    }
    return frontier;
  }

  get count(): number {
    return this.leafCount;
  }

  /** Adds the leaf; its bytes are kept, not copied. Amortised one hash. */
  append(leaf: Uint8Array): void {
    if (this.leafCount === MAX_TRANSACTIONS_PER_BLOCK) {
      throw new InvariantError("a block holds no more transactions", { count: this.leafCount });
    }
    let node = leaf;
    let level = 0;
    for (; hasBit(this.leafCount, level); level++) {
      node = hashPair(this.peaks[level] as Uint8Array, node);
      this.peaks[level] = undefined;
    }
    this.peaks[level] = node;
    this.leafCount++;
  }

  /** The root over the leaves so far; of one leaf, the leaf. Needs at least one. */
  root(): Hex {
    if (this.leafCount === 0) throw new InvariantError("an empty block has no root");
    const depth = merkleDepth(this.leafCount);
    let node: Uint8Array | null = null;
    for (let level = 0; level < depth; level++) {
      const peak = this.peaks[level];
      if (peak !== undefined) node = hashPair(peak, node ?? zeroRoot(level));
      else if (node !== null) node = hashPair(node, zeroRoot(level));
    }
    return toHex(node ?? (this.peaks[depth] as Uint8Array));
  }

  export(): { count: number; peaks: Hex[] } {
    return { count: this.leafCount, peaks: this.peaks.filter((peak) => peak !== undefined).map((peak) => toHex(peak)) };
  }
}

function hasBit(count: number, level: number): boolean {
  return ((count >>> level) & 1) === 1;
}

/** Whether `leaf` is leaf `index` of the tree of `count` leaves with this root. */
export function verifyProof(root: Hex, leaf: Hex, index: number, count: number, siblings: readonly Hex[]): boolean {
  if (!Number.isInteger(index) || index < 0 || index >= count || siblings.length !== merkleDepth(count)) return false;
  let node = fromHex(leaf);
  let at = index;
  for (const sibling of siblings) {
    node = (at & 1) === 0 ? hashPair(node, fromHex(sibling)) : hashPair(fromHex(sibling), node);
    at >>= 1;
  }
  return toHex(node) === root.toLowerCase();
}

function hashPair(left: Uint8Array, right: Uint8Array): Uint8Array {
  const pair = new Uint8Array(2 * NODE_BYTES);
  pair.set(left);
  pair.set(right, NODE_BYTES);
  return keccak256(pair);
}
