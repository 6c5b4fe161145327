import { closeSync, constants, fstatSync, fsync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { promisify } from "node:util";
import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import { toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { MAX_TRANSACTIONS_PER_BLOCK, merkleDepth } from "@plasma-billing/protocol/merkle.ts";
import {
  edgeNodes,
  encodeTreeHeader,
  hashPair,
  NODE_BYTES,
  nodeCount,
  nodeOffset,
  peaksOf,
  TREE_HEADER_BYTES,
} from "./treeFile.ts";

/** Written at a time. */
const BUFFER_BYTES = 32 * 1024;

/** Writes a tree's file while its leaves come: each node once, as soon as it is complete. */
export class TreeBuilder {
  private readonly descriptor: number;
  private readonly buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  private buffered = 0;
  private written: number;
  private leafCount: number;
  /** Roots of the complete trees from the left, by level. */
  private readonly peaks: (Uint8Array | undefined)[] = [];

  private constructor(descriptor: number, count: number) {
    this.descriptor = descriptor;
    this.leafCount = count;
    this.written = TREE_HEADER_BYTES + NODE_BYTES * nodeCount(count);
    for (const { level, index } of peaksOf(count)) {
      const node = new Uint8Array(NODE_BYTES);
      readSync(descriptor, node, 0, NODE_BYTES, nodeOffset(level, index));
      this.peaks[level] = node;
    }
  }

  /** Goes on with what an earlier one has left in the file, with not more than `countMax` of its leaves. */
  static open(path: string, countMax: number): TreeBuilder {
    const file = openSync(path, constants.O_RDWR | constants.O_CREAT);
    const { size } = fstatSync(file);
    let low = 0;
    for (let high = countMax; low < high;) {
      const middle = Math.ceil((low + high) / 2);
      if (TREE_HEADER_BYTES + NODE_BYTES * nodeCount(middle) <= size) low = middle;
      else high = middle - 1;
    }
    ftruncateSync(file, low === 0 ? 0 : TREE_HEADER_BYTES + NODE_BYTES * nodeCount(low));
    return new TreeBuilder(file, low);
  }

  get count(): number {
    return this.leafCount;
  }

  /** Adds the 32 bytes of a leaf. Amortised one hash. */
  append(leaf: Uint8Array): void {
    if (this.leafCount === MAX_TRANSACTIONS_PER_BLOCK) {
      throw new InvariantError("a block holds no more transactions", { count: this.leafCount });
    }
    let node = leaf.slice();
    let level = 0;
    this.put(node);
    for (; ((this.leafCount >>> level) & 1) === 1; level++) {
      node = hashPair(this.peaks[level] as Uint8Array, node) as Uint8Array<ArrayBuffer>;
      this.peaks[level] = undefined;
      this.put(node);
    }
    this.peaks[level] = node;
    this.leafCount++;
  }

  /** The root over the leaves so far; needs at least one. */
  root(): Hex {
    const depth = merkleDepth(this.leafCount);
    const edge = edgeNodes(this.leafCount, depth, (level) => this.peaks[level] as Uint8Array);
    return toHex(edge[depth] ?? (this.peaks[depth] as Uint8Array));
  }

  /** Writes the rest and the header, and waits for the disk without holding up the thread. */
  async finish(number: number): Promise<void> {
    this.flush();
    const header = encodeTreeHeader({ number, count: this.leafCount, root: this.root() });
    writeSync(this.descriptor, header, 0, TREE_HEADER_BYTES, 0);
    try {
      await promisify(fsync)(this.descriptor);
    } finally {
      closeSync(this.descriptor);
    }
  }

  close(): void {
    closeSync(this.descriptor);
  }

  private put(node: Uint8Array): void {
    if (this.buffered === BUFFER_BYTES) this.flush();
    this.buffer.set(node, this.buffered);
    this.buffered += NODE_BYTES;
  }

  private flush(): void {
    for (let at = 0; at < this.buffered;) {
      at += writeSync(this.descriptor, this.buffer, at, this.buffered - at, this.written + at);
    }
    this.written += this.buffered;
    this.buffered = 0;
  }
}
