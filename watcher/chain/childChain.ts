import type { InclusionProof } from "@plasma-billing/ethereum/challenges.ts";
import { VerificationPool } from "@plasma-billing/ethereum/verification/pool.ts";
import type { LedgerOutput } from "@plasma-billing/protocol/output.ts";
import { decodePayment } from "@plasma-billing/protocol/paymentBytes.ts";
import type { OutputId, SignedTransaction, TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import { domainSeparator, type Address } from "@plasma-billing/protocol/typedData.ts";
import type { BlockFile } from "./blockFile.ts";
import { NoSuchPaymentError, StoredDataError } from "./errors.ts";
import { Feed } from "./feed.ts";
import { Follow } from "./follow.ts";
import { Guarded } from "./guarded.ts";
import { History } from "./history.ts";
import { Repairs } from "./repairs.ts";
import { Room } from "./room.ts";
import { ChainSnapshots } from "./snapshots.ts";
import { Spends, type Seen } from "./spends.ts";
import { BlockStore } from "./store.ts";
import type { ChainLimits, ChildChainOptions, CommittedBlock, Place, SeenSpend, StepResult } from "./types.ts";
import { UnjudgedBlocks } from "./unjudged.ts";
import { VerifiedBlocks } from "./verifiedBlocks.ts";

export type {
  Breach,
  ChainLimits,
  ChildChainOptions,
  CommittedBlock,
  GuardedPayment,
  MissingBlock,
  Place,
  SeenSpend,
  StepResult,
} from "./types.ts";

const LIMITS: ChainLimits = {
  // A step that finds the operator slow lasts so long; what came until then is kept.
  requestMs: 30_000,
  stallMs: 10_000,
  // Others get their turn, and whoever wants to stop is heard.
  stepMs: 3_000,
  // Two days of hours: as long as Ethereum may be too dear, or down, before the disk is spared.
  blocksAhead: 48,
  reloadMs: 10_000,
  // Behind a bad block: days of what is usual, hours of full blocks. The first are kept, of those who could not know of it.
  unjudgedBytes: 50 * 10 ** 9,
};
/** Files searched before another question to the thread gets its turn. */
const SEARCH_FILES = 32;

interface Parts {
  options: ChildChainOptions;
  pool: VerificationPool;
  history: History;
  store: BlockStore;
  snapshots: ChainSnapshots;
  spends: Spends;
  blocks: VerifiedBlocks;
  unjudged: UnjudgedBlocks;
  repairs: Repairs;
  follow: Follow;
}

/** The child chain as its payments and Ethereum make it: everything the operator serves, verified (README.md). */
export class ChildChain {
  private readonly parts: Parts;
  private running = false;
  /** Outputs that are looked for in all that was stored, and those for which that failed, with their owners as far as known. */
  private readonly failed = new Map<OutputId, Address | null>();
  private readonly searches = new Map<OutputId, Promise<void>>();

  private constructor(parts: Parts) {
    this.parts = parts;
  }

  /**
   * Goes on where the data folder ends: the newest snapshot, and the payments stored behind it.
   * @throws StartupError DATA_DIR_UNUSABLE; what the disk does
   */
  static async open(options: ChildChainOptions): Promise<ChildChain> {
    const { dataDir, domain, depositOf, snapshotPayments: every, log, threads } = options;
    const limits = { ...LIMITS, ...options.limits };
    const separator = domainSeparator(domain);
    const store = new BlockStore(dataDir);
    const spends = new Spends();
    const guarded = new Guarded(options.guarded, options.onPayment);
    const room = new Room(dataDir, options.reserveBytes, options.freeBytes);
    const snapshots = new ChainSnapshots({
      ...{ room, dataDir, domain, separator, depositOf, every, log },
      isKept: options.isKept ?? ((): boolean => true),
    });
    const history = new History();
    const pool = await VerificationPool.start({ separator, threads });
    try {
      const blocks = await VerifiedBlocks.open({
        ...{ store, snapshots, pool, separator, depositOf, guarded, spends, log },
      });
      const feed = new Feed({ operatorUrl: options.operatorUrl, fetch: options.fetch ?? fetch, ...limits });
      const unjudged = new UnjudgedBlocks({
        ...{ store, feed, pool, spends, guarded, separator, reloadMs: limits.reloadMs },
        outputOf: (id): LedgerOutput | undefined => {
          const output = blocks.state.output(id);
          return output === undefined || (output.blockNumber ?? 0) > follow.height ? undefined : output;
        },
      });
      const repairs = new Repairs({ store, blocks, unjudged, log });
      await repairs.look();
      const { trustedHeight } = options;
      const follow = new Follow({
        ...{ store, feed, pool, blocks, unjudged, history, repairs, room, limits, trustedHeight, log },
      });
      return new ChildChain({
        ...{ options, pool, history, store, snapshots, spends, blocks, unjudged, repairs, follow },
      });
    } catch (error) {
      await Promise.allSettled([pool.close(), history.close(), snapshots.close()]);
      throw error;
    }
  }

  /** Last block verified against Ethereum, 0 before. */
  get height(): number {
    return this.parts.follow.height;
  }

  /** Of all blocks, the streamed ones included. */
  get verifiedPayments(): number {
    return this.parts.blocks.state.payments;
  }

  /** The newest block that payments were streamed of; null when Ethereum has all of them. */
  get streamed(): { blockNumber: number; transactionCount: number } | null {
    const { state } = this.parts.blocks;
    if (state.blocks.length === this.height && state.count === 0) return null;
    return { blockNumber: state.number, transactionCount: state.count };
  }

  /**
   * Brings verification to the blocks that Ethereum has now, from number 1 on, as far as the operator serves them, and then
   * to the end of the open one; a step of bounded work, to be gone on with at once when there is `more`. Never throws for what
   * the operator does wrong.
   * @throws what the disk does; the same step may be tried again
   */
  async step(committed: readonly CommittedBlock[]): Promise<StepResult> {
    if (this.running) throw new Error("one step at a time");
    this.running = true;
    try {
      return await this.parts.follow.step(committed);
    } finally {
      this.running = false;
    }
  }

  /** Ethereum was read anew: what rested on its deposits is looked at again. */
  doubtDeposits(): void {
    this.parts.blocks.doubtDeposits();
  }

  /** An output that no verified or streamed payment has spent, deposits included. */
  output(id: OutputId): LedgerOutput | undefined {
    return this.parts.blocks.state.output(id);
  }

  /**
   * From now on spends of these outputs are remembered; what was stored before is searched once. Resolves when that is done for all of
   * them, whoever asked first. @throws what the disk does: then it is searched at the next call
   * @param owners - by output; null: nothing but verified payments counts as a spend of it
   */
  async watch(owners: ReadonlyMap<OutputId, Address | null>): Promise<void> {
    const { spends } = this.parts;
    const fresh = [...owners].flatMap(([id, owner]) => (spends.watch(id, owner) || this.failed.has(id) ? [id] : []));
    if (fresh.length > 0) {
      // Whoever asks now may not know the owner, whom it was asked for before.
      const known = new Map(fresh.map((id) => [id, owners.get(id) ?? this.failed.get(id) ?? null]));
      for (const id of fresh) this.failed.delete(id);
      const search: Promise<void> = this.searchHistory(fresh, known).then(
        () => this.searchEnds(fresh, search),
        (error: unknown) => {
          for (const [id, owner] of known) this.failed.set(id, owner);
          this.searchEnds(fresh, search);
          throw error;
        },
      );
      for (const id of fresh) this.searches.set(id, search);
    }
    await Promise.all(new Set([...owners.keys()].flatMap((id) => this.searches.get(id) ?? [])));
  }

  /** Payments that spend a watched output, also those in data that Ethereum contradicts. */
  spendsOf(id: OutputId): readonly SeenSpend[] {
    return this.parts.spends.of(id, (seen) => this.holds(seen));
  }

  /** @throws NoSuchPaymentError; StoredDataError when its block has to be loaded again */
  async payment(place: Place): Promise<{ hash: TransactionHash; transaction: SignedTransaction; bytes: Uint8Array }> {
    const { blockNumber, transactionIndex } = place;
    const file = await this.reader(blockNumber);
    if (file === null) throw new NoSuchPaymentError(blockNumber, transactionIndex, "the block is not here");
    try {
      if (transactionIndex >= file.count)
        throw new NoSuchPaymentError(blockNumber, transactionIndex, `of ${file.count}`);
      const { hash, bytes } = await file.payment(transactionIndex);
      return { hash, transaction: decodePayment(bytes), bytes };
    } catch (error) {
      if (error instanceof StoredDataError) this.parts.repairs.add(blockNumber);
      throw error;
    } finally {
      await file.close();
    }
  }

  /** Of a payment in a block that Ethereum has. @throws as `payment` does */
  async proofOf({ blockNumber, transactionIndex: index }: Place): Promise<InclusionProof> {
    const { follow, store, history, unjudged, repairs } = this.parts;
    const block = follow.committed[blockNumber - 1];
    const here = block !== undefined && (blockNumber <= this.height || unjudged.has(block));
    if (!here || index < 0 || index >= block.transactionCount) {
      throw new NoSuchPaymentError(
        blockNumber,
        index,
        here ? `of ${block.transactionCount}` : "not on Ethereum as far as known",
      );
    }
    const prefix = blockNumber <= this.height ? store.block(blockNumber) : store.unjudged(blockNumber);
    const { number, transactionsRoot, transactionCount, timestamp } = block;
    const { root, siblings } = await history.proof(prefix, transactionCount, index);
    if (root !== transactionsRoot) {
      repairs.add(blockNumber);
      throw new StoredDataError(prefix, `its leaves give ${root}`);
    }
    return { header: { number, transactionsRoot, transactionCount, timestamp }, index, siblings };
  }

  /** Not while a step is running. */
  async close(): Promise<void> {
    const { pool, history, snapshots, blocks, unjudged } = this.parts;
    const ends = [blocks.close(), unjudged.close(), pool.close(), history.close(), snapshots.close()];
    for (const end of await Promise.allSettled(ends)) if (end.status === "rejected") throw end.reason;
  }

  /** For tests and the bench: of the outputs, whatever their order. */
  stateHash(): string {
    return this.parts.blocks.state.stateHash();
  }

  /** How many outputs are live, and the bytes of their memory. */
  get outputs(): { count: number; bytes: number } {
    const { outputs } = this.parts.blocks.state;
    return { count: outputs.size, bytes: outputs.bytes };
  }

  /** Resolves when no snapshot is being written. */
  async settled(): Promise<void> {
    await this.parts.snapshots.settled();
  }

  private async reader(number: number): Promise<BlockFile | null> {
    const { follow, blocks, unjudged } = this.parts;
    const block = follow.committed[number - 1];
    if (number > this.height && block !== undefined && unjudged.has(block)) return await unjudged.reader(number);
    return await blocks.reader(number);
  }

  private holds({ source, blockNumber }: Seen): boolean {
    const { follow, unjudged } = this.parts;
    const block = follow.committed[blockNumber - 1];
    if (source === "unjudged") return block !== undefined && unjudged.has(block);
    return blockNumber <= this.height || !follow.contradicted;
  }

  private async searchHistory(ids: OutputId[], owners: ReadonlyMap<OutputId, Address | null>): Promise<void> {
    const { blocks, store } = this.parts;
    await blocks.flush();
    const aside = [...store.numbers("unjudged").map((number) => store.unjudged(number)), ...store.refused];
    const owned = ids.filter((id) => owners.get(id) != null);
    await this.search(
      aside,
      owned,
      owned.map((id) => owners.get(id) as Address),
    );
    // What is live was not spent by any payment that was verified.
    const spent = ids.filter((id) => this.output(id) === undefined);
    const verified = store.numbers("blocks").map((number) => store.block(number));
    if (spent.length > 0) await this.search(verified, spent, null);
  }

  private searchEnds(ids: readonly OutputId[], search: Promise<void>): void {
    for (const id of ids) if (this.searches.get(id) === search) this.searches.delete(id);
  }

  private async search(prefixes: string[], ids: OutputId[], owners: Address[] | null): Promise<void> {
    if (ids.length === 0) return;
    const { history, spends, store, repairs } = this.parts;
    const seenIn = new Map<string, { source: Seen["source"]; number: number }>();
    for (const number of store.numbers("blocks")) seenIn.set(store.block(number), { source: "blocks", number });
    for (const number of store.numbers("unjudged")) seenIn.set(store.unjudged(number), { source: "unjudged", number });
    for (let at = 0; at < prefixes.length; at += SEARCH_FILES) {
      const { rollbacks } = this.parts.blocks;
      const { found, damaged } = await history.search({ prefixes: prefixes.slice(at, at + SEARCH_FILES), ids, owners });
      for (const { prefix, index, hash, payment } of found) {
        const where = seenIn.get(prefix);
        // Taken back meanwhile: it may stand elsewhere now, which is seen when it is verified there.
        const known = where === undefined || rollbacks !== this.parts.blocks.rollbacks ? null : where;
        const seen =
          known === null ? null : { source: known.source, blockNumber: known.number, transactionIndex: index };
        spends.add(payment, hash, seen);
      }
      for (const prefix of damaged) {
        const where = seenIn.get(prefix);
        if (where?.source === "blocks") repairs.add(where.number);
      }
    }
  }
}
