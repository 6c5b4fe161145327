import type { VerificationPool } from "@plasma-billing/ethereum/verification/pool.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { MerkleFrontier } from "@plasma-billing/protocol/merkle.ts";
import type { LedgerOutput } from "@plasma-billing/protocol/output.ts";
import { HASH_BYTES } from "@plasma-billing/protocol/paymentBytes.ts";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import { BlockFile, LENGTH_BYTES, lengthAt, removeBlockFile } from "./blockFile.ts";
import type { Feed, Piece } from "./feed.ts";
import type { Guarded } from "./guarded.ts";
import { pipeline } from "./pipeline.ts";
import { hashIn, hashOfMalformed, recordsOf } from "./records.ts";
import type { Spends } from "./spends.ts";
import type { BlockStore } from "./store.ts";
import type { CommittedBlock, RootAndCount } from "./types.ts";

/** Leaves hashed before others get their turn: about 10 ms. */
const LEAVES_AT_A_TIME = 16_384;
/** A block with another root is loaded again after `reloadMs`, then after twice that, up to so many times. */
const RELOAD_FACTOR_MAX = 64;

/** How far a block is here. */
export type Loaded =
  | { kind: "whole" }
  | { kind: "otherRoot"; served: RootAndCount }
  | { kind: "missing"; reason: string; answered: boolean }
  /** There was no time for more. */
  | { kind: "part" };

export interface UnjudgedOptions {
  store: BlockStore;
  feed: Feed;
  pool: VerificationPool;
  spends: Spends;
  guarded: Guarded;
  /** What a block of Ethereum made that is verified, if no payment was seen to spend it. */
  outputOf: (id: OutputId) => LedgerOutput | undefined;
  separator: Hex;
  reloadMs: number;
}

/**
 * Payments of committed blocks that are not, or cannot be, judged: only hashed, to see whether they are what was committed.
 * Those behind an invalid block, those that are served in spite of a missing one, and those that contradict what was streamed.
 */
export class UnjudgedBlocks {
  private readonly options: UnjudgedOptions;
  /** Those that are whole, and their roots. */
  private readonly whole = new Map<number, Hex>();
  private readonly reload = new Map<number, { at: number; factor: number; served: RootAndCount; committed: Hex }>();
  private open: { number: number; file: BlockFile; tree: MerkleFrontier } | null = null;

  constructor(options: UnjudgedOptions) {
    this.options = options;
  }

  /** Whether it is here with the root that Ethereum has. */
  has({ number, transactionsRoot }: CommittedBlock): boolean {
    return this.whole.get(number) === transactionsRoot;
  }

  /** What was served last of a block instead of what was committed, as long as it stands. */
  otherRoot({ number, transactionsRoot }: CommittedBlock): RootAndCount | null {
    const known = this.reload.get(number);
    return known?.committed === transactionsRoot ? known.served : null;
  }

  /** Loads a block, or more of it. */
  async load(block: CommittedBlock, goOn: () => boolean): Promise<Loaded> {
    const { number, transactionsRoot, transactionCount } = block;
    if (this.has(block)) return { kind: "whole" };
    this.whole.delete(number);
    const other = this.otherRoot(block);
    const known = this.reload.get(number);
    if (other !== null && known !== undefined && Date.now() < known.at) return { kind: "otherRoot", served: other };
    const { file, tree } = await this.opened(block);
    if (tree.count < transactionCount) {
      const problem = await this.fetch(number, file, tree, transactionCount, goOn);
      if (problem !== null) return { kind: "missing", ...problem };
      if (tree.count < transactionCount) return { kind: "part" };
    }
    const served = { root: tree.root(), count: tree.count };
    await this.closeOpen();
    if (served.root === transactionsRoot) {
      this.whole.set(number, served.root);
      this.reload.delete(number);
      return { kind: "whole" };
    }
    this.options.spends.forgetUnjudged(number);
    await this.options.store.refuse(this.options.store.unjudged(number), number);
    const factor = Math.min(RELOAD_FACTOR_MAX, known === undefined ? 1 : 2 * known.factor);
    const at = Date.now() + factor * this.options.reloadMs;
    this.reload.set(number, { at, factor, served, committed: transactionsRoot });
    return { kind: "otherRoot", served };
  }

  /** The payments of a whole one, to be read. */
  async reader(number: number): Promise<BlockFile> {
    return await BlockFile.openToRead(this.options.store.unjudged(number));
  }

  /** It is among the verified ones now, or of use no more. */
  async remove(number: number): Promise<void> {
    if (this.open?.number === number) await this.closeOpen();
    this.whole.delete(number);
    this.reload.delete(number);
    await removeBlockFile(this.options.store.unjudged(number));
  }

  async close(): Promise<void> {
    await this.closeOpen();
  }

  private async fetch(
    number: number,
    file: BlockFile,
    tree: MerkleFrontier,
    count: number,
    goOn: () => boolean,
  ): Promise<{ reason: string; answered: boolean } | null> {
    const { feed, pool } = this.options;
    let problem: string | null = null;
    const from = tree.count;
    const end = await pipeline({
      ...{ pool, source: feed.read(number, from, count - from), unsigned: true, goOn },
      take: async (piece, parts) => {
        problem = await this.take(number, file, tree, piece, parts);
        return problem === null;
      },
    });
    if (problem !== null) return { reason: problem, answered: true };
    if (tree.count === count || end === null) return null;
    return { reason: end.reason ?? `ends after ${tree.count} of ${count} payments`, answered: end.answered };
  }

  /** What is wrong with the first payment that can be in no tree, or has not its signatures. */
  private async take(
    number: number,
    file: BlockFile,
    tree: MerkleFrontier,
    { bytes, count }: Piece,
    parts: readonly Uint8Array[],
  ): Promise<string | null> {
    const { separator, spends, guarded, outputOf } = this.options;
    const leaves = new Uint8Array(count * HASH_BYTES);
    const first = tree.count;
    let problem: string | null = null;
    let [taken, at] = [0, 0];
    for (const record of recordsOf(parts)) {
      const payment = bytes.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + lengthAt(bytes, at));
      const hash = record.counts === null ? hashOfMalformed(separator, payment) : hashIn(record);
      const [inputs, signatures] = [payment[2] as number, payment[4] as number];
      if (hash === null) problem = `garbled at payment ${first + taken}`;
      else if (signatures !== inputs) problem = withoutSignatures(first + taken, inputs, signatures);
      if (hash === null || problem !== null) break;
      const view = new DataView(payment.buffer, payment.byteOffset, payment.byteLength);
      const seen = { source: "unjudged" as const, blockNumber: number, transactionIndex: first + taken };
      if (spends.mayConcern(view, 0)) spends.add(payment, hash, seen);
      guarded.lookUnjudged(payment, hash, outputOf);
      leaves.set(hash, taken * HASH_BYTES);
      taken++;
      at += LENGTH_BYTES + payment.length;
    }
    // What was told is on the disk before what would not be told again.
    await Promise.resolve();
    await file.append(bytes.subarray(0, at), leaves.subarray(0, taken * HASH_BYTES));
    for (let i = 0; i < taken; i++) tree.append(leaves.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES));
    return problem;
  }

  /** The file of a block with the tree over what it has; one at a time. What was loaded for another root is put aside. */
  private async opened(block: CommittedBlock): Promise<{ file: BlockFile; tree: MerkleFrontier }> {
    const { number, transactionsRoot, transactionCount: count } = block;
    const { store } = this.options;
    if (this.open?.number === number && this.open.file.basis === transactionsRoot) return this.open;
    await this.closeOpen();
    const prefix = store.unjudged(number);
    let file = await BlockFile.open(prefix, transactionsRoot);
    if (file.basis !== transactionsRoot || file.count > count) {
      await file.close();
      this.options.spends.forgetUnjudged(number);
      await store.refuse(prefix, number);
      file = await BlockFile.open(prefix, transactionsRoot);
    }
    const tree = new MerkleFrontier();
    for (let at = 0; at < file.count; at += LEAVES_AT_A_TIME) {
      const leaves = await file.leaves(at, Math.min(file.count, at + LEAVES_AT_A_TIME));
      for (let i = 0; i < leaves.length; i += HASH_BYTES)
        tree.append(Uint8Array.from(leaves.subarray(i, i + HASH_BYTES)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.open = { number, file, tree };
    return this.open;
  }

  private async closeOpen(): Promise<void> {
    await this.open?.file.close();
    this.open = null;
  }
}

/** How it is told that signatures are not served. */
export function withoutSignatures(index: number, inputs: number, signatures: number): string {
  return `without signatures: payment ${index} has ${signatures} of ${inputs}`;
}
