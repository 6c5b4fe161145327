import { rm } from "node:fs/promises";
import type { VerificationPool } from "@plasma-billing/ethereum/verification/pool.ts";
import { BATCH_PAYMENTS_MAX } from "@plasma-billing/ethereum/verification/bodies.ts";
import type { PaymentCode } from "@plasma-billing/protocol/errors.ts";
import { toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { HASH_BYTES } from "@plasma-billing/protocol/paymentBytes.ts";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import { PAYMENT_IN_VERIFIED } from "@plasma-billing/protocol/verifiedPayment.ts";
import type { Logger } from "pino";
import { BlockFile, LENGTH_BYTES, lengthAt } from "./blockFile.ts";
import { StoredDataError } from "./errors.ts";
import type { Piece } from "./feed.ts";
import type { Guarded } from "./guarded.ts";
import { pipeline } from "./pipeline.ts";
import { hashIn, hashOfMalformed, paymentIn, problemIn, recordsOf } from "./records.ts";
import type { ChainSnapshots } from "./snapshots.ts";
import type { Spends } from "./spends.ts";
import type { ChainState, DepositOf } from "./state.ts";
import type { BlockStore, SpentDeposit } from "./store.ts";
import type { RootAndCount } from "./types.ts";

/** A payment that may not be where it was served. */
export interface Fault {
  blockNumber: number;
  transactionIndex: number;
  rule: PaymentCode;
  /** Null when it is garbled: nothing that a tree could have. */
  hash: Hex | null;
  context: Record<string, unknown>;
  payment: Uint8Array;
}

export interface VerifiedBlocksOptions {
  store: BlockStore;
  snapshots: ChainSnapshots;
  pool: VerificationPool;
  separator: Hex;
  depositOf: DepositOf;
  guarded: Guarded;
  spends: Spends;
  log: Logger;
}

/**
 * The blocks whose payments were verified one by one, each on those before: the state behind them, and their files. What is
 * in the files was verified, signatures included, so a restart need not do that again.
 */
export class VerifiedBlocks {
  private readonly options: VerifiedBlocksOptions;
  private current: ChainState;
  private file: BlockFile | null = null;
  /** Verified, but not on the disk: there was no room. */
  private unwritten: { deposits: SpentDeposit[]; payments: Uint8Array; leaves: Uint8Array } | null = null;
  private flushing: Promise<void> | null = null;
  private readonly seenAt = new Map<number, number>();
  /** Blocks that spent deposits which are not known to be final; null: to be read from the store. */
  private unsettled: Map<OutputId, number> | null = null;
  /** How often blocks were taken back. */
  rollbacks = 0;

  private constructor(options: VerifiedBlocksOptions, state: ChainState) {
    this.options = options;
    this.current = state;
  }

  static async open(options: VerifiedBlocksOptions): Promise<VerifiedBlocks> {
    const blocks = new VerifiedBlocks(options, options.snapshots.restore(Infinity, options.guarded));
    await blocks.replay();
    return blocks;
  }

  get state(): ChainState {
    return this.current;
  }

  /** When the first payment of the first block after a height was seen; null when there is none. Unix milliseconds. */
  seenSince(height: number): number | null {
    for (let number = height + 1; number <= this.state.number; number++) {
      const at = this.seenAt.get(number);
      if (at !== undefined) return at;
    }
    return null;
  }

  /** Of a block that has ended, or the open one if it has payments. */
  rootOf(number: number): RootAndCount | null {
    const { state } = this;
    if (number < state.number) return state.blocks[number - 1] ?? null;
    return number === state.number && state.count > 0 ? { root: state.root, count: state.count } : null;
  }

  /** Takes payments at the end of the open block, as many as may be, and says what is wrong with the next. */
  async take({ bytes, count }: Piece, parts: readonly Uint8Array[], signed: boolean): Promise<Fault | null> {
    await this.flush();
    const { state } = this;
    const { guarded, spends } = this.options;
    guarded.tell();
    const leaves = new Uint8Array(count * HASH_BYTES);
    const deposits: SpentDeposit[] = [];
    let fault: Fault | null = null;
    let [taken, at] = [0, 0];
    for (const record of recordsOf(parts)) {
      const { counts } = record;
      const payment = bytes.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + lengthAt(bytes, at));
      if (counts === null) {
        const hash = hashOfMalformed(this.options.separator, payment);
        const { detail, context } = problemIn(record);
        fault = this.faultHere("MALFORMED", hash === null ? null : toHex(hash), { detail, ...context }, payment);
        break;
      }
      if (!state.screens(record, counts, signed)) {
        const found = state.takeDeposits(record, counts);
        deposits.push(...found);
        if (found.length === 0 || !state.screens(record, counts, signed)) {
          const { code, context } = state.fault(record, counts, signed);
          fault = this.faultHere(code as PaymentCode, toHex(hashIn(record)), context, payment);
          break;
        }
      }
      const place = [state.number, state.count];
      guarded.look(record, counts, state.outputs, state.inputs, place);
      if (spends.mayConcern(record.view, record.at + PAYMENT_IN_VERIFIED)) {
        const seen = { source: "blocks" as const, blockNumber: state.number, transactionIndex: state.count };
        spends.add(paymentIn(record, counts), hashIn(record), seen);
      }
      state.admit(record, counts);
      leaves.set(hashIn(record), taken * HASH_BYTES);
      taken++;
      at += LENGTH_BYTES + payment.length;
    }
    if (taken > 0 && !this.seenAt.has(state.number)) this.seenAt.set(state.number, Date.now());
    this.unwritten = { deposits, payments: bytes.subarray(0, at), leaves: leaves.subarray(0, taken * HASH_BYTES) };
    await this.flush();
    guarded.tell();
    return fault;
  }

  /** Writes what could not be written before; one at a time, whoever asks. @throws what the disk does */
  async flush(): Promise<void> {
    while (this.unwritten !== null) {
      this.flushing ??= this.write().finally(() => (this.flushing = null));
      await this.flushing;
    }
  }

  private async write(): Promise<void> {
    if (this.unwritten === null) return;
    const { deposits, payments, leaves } = this.unwritten;
    if (deposits.length > 0) {
      await this.options.store.addDeposits(deposits);
      for (const { outputId, blockNumber } of deposits) this.unsettled?.set(outputId, blockNumber);
      this.unwritten.deposits = [];
    }
    if (leaves.length > 0) {
      this.file ??= await this.newFile();
      await this.file.append(payments, leaves);
    }
    this.unwritten = null;
  }

  /** Ends the open block. */
  async seal(): Promise<void> {
    await this.flush();
    this.current.seal();
    await this.file?.close();
    this.file = null;
    this.options.snapshots.advance(this.current, this.options.guarded);
  }

  /** The payments that a block has here, opened to be read; null when there is none. */
  async reader(number: number): Promise<BlockFile | null> {
    await this.flush();
    const prefix = this.options.store.block(number);
    return number <= this.state.number && BlockFile.exists(prefix) ? await BlockFile.openToRead(prefix) : null;
  }

  /** The first block that spends a deposit which Ethereum does not have any more; null when there is none. */
  lostDeposit(): number | null {
    const { store, depositOf } = this.options;
    this.unsettled ??= new Map(
      [...store.deposits().values()].map(({ outputId, blockNumber }) => [outputId, blockNumber]),
    );
    let first: number | null = null;
    for (const [id, number] of this.unsettled) {
      const deposit = depositOf(id);
      if (deposit?.final === true) this.unsettled.delete(id);
      else if (deposit === undefined) first = Math.min(first ?? number, number);
    }
    return first;
  }

  /** What was final may not be any more: all deposits are looked at again. */
  doubtDeposits(): void {
    this.unsettled = null;
  }

  /** Takes back this block and all behind it; their payments are put aside. */
  async rollBack(number: number): Promise<void> {
    const { store, snapshots, guarded, spends, log } = this.options;
    log.warn({ block: number, from: this.state.number }, "blocks are taken back");
    await this.flush().catch((error: unknown) =>
      log.warn({ err: error }, "the end of a block that is taken back is lost"),
    );
    this.unwritten = null;
    await this.file?.close();
    this.file = null;
    this.rollbacks++;
    await snapshots.removeFrom(number);
    await store.forgetDeposits(number);
    this.unsettled = null;
    await this.putAside(number);
    guarded.forget();
    spends.forgetPlaces(number);
    this.current = snapshots.restore(number, guarded);
    await this.replay();
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.file?.close();
      this.file = null;
    }
  }

  private faultHere(rule: PaymentCode, hash: Hex | null, context: Record<string, unknown>, payment: Uint8Array): Fault {
    const place = { blockNumber: this.state.number, transactionIndex: this.state.count };
    return { ...place, rule, hash, context, payment: Uint8Array.from(payment) };
  }

  private async newFile(): Promise<BlockFile> {
    const { store } = this.options;
    const { number, basis } = this.state;
    const file = await BlockFile.open(store.block(number), basis);
    if (file.basis !== basis || file.count > 0) throw new StoredDataError(file.prefix, "it is in the way");
    return file;
  }

  /** Brings the state to the end of the stored payments; what does not follow on what is before is put aside. */
  private async replay(): Promise<void> {
    const { store, log } = this.options;
    const deposits = store.deposits();
    const started = performance.now();
    const from = this.state.payments;
    while (BlockFile.exists(store.block(this.state.number))) {
      const { number } = this.state;
      const file = await BlockFile.open(store.block(number), this.state.basis);
      const whole = file.basis === this.state.basis && (await this.replayFile(file, deposits));
      if (!whole) {
        log.warn(
          { block: number, payment: this.state.count },
          "a stored block is damaged: it is loaded again from there",
        );
        if (file.basis === this.state.basis) await file.truncate(this.state.count);
        await file.close();
        await this.putAside(file.basis === this.state.basis ? number + 1 : number);
        if (file.basis === this.state.basis) this.file = await BlockFile.open(store.block(number), file.basis);
        break;
      }
      if (file.count > 0) this.seenAt.set(number, await file.madeAt());
      if (file.count === 0 || !(await this.followed(number + 1))) {
        await this.putAside(number + 1);
        this.file = file;
        break;
      }
      await file.close();
      this.current.seal();
    }
    if (!BlockFile.exists(store.block(this.state.number))) await this.putAside(this.state.number);
    const payments = this.state.payments - from;
    if (payments > 0) log.info({ payments, seconds: (performance.now() - started) / 1000 }, "stored payments applied");
  }

  /** Whether the next block's file stands on this one, ended here. */
  private async followed(next: number): Promise<boolean> {
    const prefix = this.options.store.block(next);
    if (!BlockFile.exists(prefix)) return false;
    const file = await BlockFile.openToRead(prefix);
    const stands = file.count > 0 && file.basis === this.current.basisAfter();
    await file.close();
    return stands;
  }

  /** False when the rest of the file is not what was written, or not what may be. */
  private async replayFile(file: BlockFile, deposits: ReadonlyMap<OutputId, SpentDeposit>): Promise<boolean> {
    const { pool, guarded } = this.options;
    try {
      let whole = true;
      await pipeline({
        ...{ pool, source: storedPieces(file, 0), unsigned: true, goOn: () => true },
        take: async ({ leaves }, parts) => {
          whole = this.reapply(parts, leaves, deposits);
          guarded.tell();
          return await Promise.resolve(whole);
        },
      });
      return whole;
    } catch (error) {
      if (error instanceof StoredDataError) return false;
      throw error;
    }
  }

  /** Applies what was verified before; false at the first payment that is not the one its leaf is of. */
  private reapply(
    parts: readonly Uint8Array[],
    leaves: Uint8Array,
    deposits: ReadonlyMap<OutputId, SpentDeposit>,
  ): boolean {
    const { state } = this;
    const { guarded } = this.options;
    let at = 0;
    for (const record of recordsOf(parts)) {
      const { counts } = record;
      if (counts === null || Buffer.compare(hashIn(record), leaves.subarray(at, at + HASH_BYTES)) !== 0) return false;
      if (!state.screens(record, counts, false)) {
        state.takeDeposits(record, counts, (id) => deposits.get(id));
        if (!state.screens(record, counts, false)) return false;
      }
      guarded.look(record, counts, state.outputs, state.inputs, [state.number, state.count]);
      state.admit(record, counts);
      at += HASH_BYTES;
    }
    return true;
  }

  private async putAside(from: number): Promise<void> {
    const { store } = this.options;
    for (const number of store.numbers("blocks")) {
      if (number < from) continue;
      await store.refuse(store.block(number), number);
      this.seenAt.delete(number);
    }
    // What is left is half of a pair.
    await rm(`${store.block(from)}.index`, { force: true });
    await rm(`${store.block(from)}.payments`, { force: true });
  }
}

/** The stored payments of one block from an index on, with their leaves. @throws StoredDataError */
export async function* storedPieces(
  file: BlockFile,
  from: number,
): AsyncGenerator<Piece & { leaves: Uint8Array }, null> {
  for (let at = from; at < file.count; at += BATCH_PAYMENTS_MAX) {
    const to = Math.min(file.count, at + BATCH_PAYMENTS_MAX);
    const { payments, leaves } = await file.read(at, to);
    yield { bytes: payments, count: to - at, leaves };
  }
  return null;
}
