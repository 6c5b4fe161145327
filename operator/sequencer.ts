import type { JsonEntry } from "@plasma-billing/protocol/entries.ts";
import { encodeJsonEntry } from "@plasma-billing/protocol/entryBytes.ts";
import { InvariantError, ProtocolError } from "@plasma-billing/protocol/errors.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { EntrySlot, Ledger, Position } from "@plasma-billing/protocol/ledger.ts";
import { decodePayment, paymentBytes, countsAt } from "@plasma-billing/protocol/paymentBytes.ts";
import type { TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import { hashOf, MALFORMED, PAYMENT_IN_VERIFIED, VERDICT_AT } from "@plasma-billing/protocol/verifiedPayment.ts";
import type { Logger } from "pino";
import type { Clock } from "@plasma-billing/ethereum/process/clock.ts";
import { StartupError, systemCode } from "@plasma-billing/ethereum/process/startup.ts";
import { GroupBuffer } from "./journal/groups.ts";
import type { Journal, JournalGroup } from "./journal/journal.ts";
import { explain, mayBeOld, type History, type Refusal } from "./refusals.ts";
import { replayGroup } from "./replay.ts";

/** Answers awaited at once; beyond it new payments are refused rather than kept in memory. */
export const WAITING_MAX = 50_000;
/** Bytes in one group, far below what the journal takes; with one group full, new payments are refused. */
export const GROUP_BYTES_MAX = 8 * 1024 * 1024;
/** Under load a group gathers at least for so long: a write for each payment would keep the disk busy with nothing. */
const GATHER_MS = 4;
const RETRY_MS = 500;

/** What a payment came to. `repeated`: this is the answer it got the first time. */
export type SubmitResult =
  | { kind: "accepted"; hash: TransactionHash; repeated: boolean; position: Position }
  | { kind: "refused"; error: ProtocolError }
  | { kind: "overloaded" }
  | { kind: "paused" };

/** What is on the disk. */
export interface Durable {
  /** Of the last entry. */
  position: number;
  openBlock: Ledger["openBlock"];
}

interface Forming {
  buffer: GroupBuffer;
  /** The state behind its last entry; set when it takes no more. */
  end: Durable | null;
  durable: Promise<void>;
  resolve: () => void;
}

/** Where groups are kept; `append` resolves when they are on the disk. */
export type JournalPort = Pick<Journal, "nextPosition" | "append" | "close">;

export interface SequencerOptions {
  ledger: Ledger;
  clock: Clock;
  log: Logger;
  /** Told, after each write, up to where entries are on the disk. */
  onDurable: (position: number) => void;
  /** Something that must hold does not: nothing is written any more, and the process has to end. */
  onFailure: (error: Error) => void;
  /** Who knows what was spent, and what was taken before. */
  history: History;
}

/**
 * The one place that decides the order. It judges and applies in memory without waiting for anything, gathers the entries
 * of whoever comes while the disk is busy, and writes each group once; nobody is answered before what the answer rests on is
 * on the disk.
 */
export class Sequencer {
  readonly ledger: Ledger;
  private readonly options: SequencerOptions;
  private readonly journal: JournalPort;
  private forming: Forming;
  /** Groups behind the one being written that take no more: one by payments, further ones only by a large record. */
  private readonly full: Forming[] = [];
  private writing: Forming | null = null;
  /** Written last: new memory for each group would keep the collector busy. */
  private spare: GroupBuffer | null = null;
  private written: Durable;
  private wroteAt = 0;
  private waiting = 0;
  private journalFailing = false;
  /** New payments are refused, and nothing else: one that was taken before gets its first answer. */
  paused = false;
  private closing = false;
  private broken = false;

  private constructor(options: SequencerOptions, journal: JournalPort) {
    this.ledger = options.ledger;
    this.options = options;
    this.journal = journal;
    this.forming = newGroup(journal.nextPosition);
    this.written = this.now();
  }

  /**
   * Replays the journal, from behind what the ledger has, checking each sealed root and state hash, and goes on from there.
   * @throws StartupError JOURNAL_DAMAGED, WRONG_JOURNAL and what opening the journal throws
   */
  static async open(
    options: SequencerOptions,
    openJournal: (replay: (group: JournalGroup) => void) => Promise<JournalPort>,
  ): Promise<Sequencer> {
    const { ledger, clock } = options;
    const journal = await openJournal((group) => replayGroup(ledger, group));
    if (journal.nextPosition !== ledger.position + 1) {
      const message = `the journal ends at entry ${journal.nextPosition - 1}, the snapshot at ${ledger.position}: restore the folder`;
      throw new StartupError("JOURNAL_DAMAGED", message, { position: ledger.position });
    }
    ledger.checkSums();
    const sequencer = new Sequencer(options, journal);
    if (!ledger.hasGenesis) {
      const { chainId, verifyingContract } = ledger.domain;
      await sequencer.record([
        { type: "genesis", version: 1, chainId, contract: verifyingContract, createdAt: clock.now() },
      ]);
    }
    return sequencer;
  }

  /** Whether the journal cannot be written at the moment, so that payments are refused as `overloaded`. */
  get stalled(): boolean {
    return this.journalFailing;
  }

  /** What no crash can take back any more. */
  get durable(): Durable {
    return this.written;
  }

  /** Whether payments would be refused as `overloaded` now. */
  get overloaded(): boolean {
    return this.closing || this.journalFailing || this.full.length > 0 || this.waiting >= WAITING_MAX;
  }

  /**
   * Judges payments in their order, one by one; the same hash again gets the first answer, whatever its signatures.
   * @param records verified payments, as docs/FORMATS.md has them, in one or more pieces
   */
  async submit(records: readonly Uint8Array[]): Promise<SubmitResult[]> {
    const results: (SubmitResult | Refusal)[] = [];
    for (const piece of records) this.decideAll(piece, results);
    // Nothing was looked at, so there is nothing to wait for.
    if (results.every((result): result is SubmitResult => "kind" in result && result.kind === "overloaded"))
      return results;
    this.waiting += results.length;
    try {
      await this.whenDurable();
      if (results.every((result): result is SubmitResult => "kind" in result)) return results;
      return await Promise.all(
        results.map(async (result) => ("kind" in result ? result : await explain(result, this.options.history))),
      );
    } finally {
      this.waiting -= results.length;
    }
  }

  /**
   * Takes entries from the operator's other parts, in their order; resolves when all are on the disk. After a crash some of
   * them may be there without those behind them.
   */
  async record(entries: readonly JsonEntry[]): Promise<void> {
    for (const entry of entries) this.add(entry);
    await this.whenDurable();
  }

  /** Ends the open block, unless it is empty. Gives its number. */
  async seal(): Promise<number | null> {
    const number = this.addSeal();
    await this.whenDurable();
    return number;
  }

  /** Resolves when everything taken so far is on the disk. */
  async whenDurable(): Promise<void> {
    return await (this.forming.buffer.count > 0 ? this.forming.durable : this.writing?.durable);
  }

  /** Takes nothing new, and resolves when everything taken is on the disk. */
  async close(): Promise<void> {
    this.closing = true;
    await this.whenDurable();
    await this.journal.close();
  }

  private decideAll(piece: Uint8Array, results: (SubmitResult | Refusal)[]): void {
    const view = new DataView(piece.buffer, piece.byteOffset, piece.byteLength);
    try {
      for (let at = 0; at < piece.length; at += view.getUint32(at)) {
        results.push(this.overloaded ? { kind: "overloaded" } : this.decide(piece, view, at));
      }
    } catch (error) {
      throw this.fail(error);
    }
  }

  /** An entry may be half made: the group it is in must never reach the disk. */
  private fail(error: unknown): unknown {
    this.broken = true;
    this.closing = true;
    this.options.onFailure(error instanceof Error ? error : new Error(String(error)));
    return error;
  }

  private decide(piece: Uint8Array, view: DataView, at: number): SubmitResult | Refusal {
    if (view.getUint8(at + VERDICT_AT) === MALFORMED) {
      return { kind: "refused", error: problemIn(piece.subarray(at + VERDICT_AT + 1, at + view.getUint32(at))) };
    }
    const { ledger } = this;
    if (this.paused) return { hash: hexOf(piece, hashOf(at)), error: null, missing: [], upTo: ledger.position };
    const acceptedAt = this.options.clock.now();
    const { number: blockNumber, transactionCount: transactionIndex } = ledger.openBlock;
    const error = ledger.take(view, at, acceptedAt, this.reserve);
    const hash = hexOf(piece, hashOf(at));
    if (error === null) {
      if (ledger.openBlockFull) this.addSeal();
      return { kind: "accepted", hash, repeated: false, position: { blockNumber, transactionIndex, acceptedAt } };
    }
    if (!mayBeOld(error)) return { kind: "refused", error };
    const payment = at + PAYMENT_IN_VERIFIED;
    const { inputs, outputs, signatures } = countsAt(piece, payment);
    const transaction = decodePayment(piece, payment, payment + paymentBytes(inputs, outputs, signatures));
    const missing = transaction.inputs.flatMap((id, index) => (ledger.output(id) === undefined ? { id, index } : []));
    // With signatures of another number, only whether it is an old one is asked: that has no input left.
    if (error.code === "WRONG_SIGNATURE_COUNT") {
      if (missing.length < transaction.inputs.length) return { kind: "refused", error };
      missing.length = 0;
    }
    return { hash, error, missing, upTo: ledger.position };
  }

  private addSeal(): number | null {
    const { number, transactionCount } = this.ledger.openBlock;
    if (transactionCount === 0) return null;
    const { openRoot: transactionsRoot } = this.ledger;
    const stateHash = this.ledger.stateHash();
    const sealedAt = this.options.clock.now();
    this.add({ type: "seal", number, transactionsRoot, transactionCount, sealedAt, stateHash });
    return number;
  }

  private add(entry: JsonEntry): void {
    if (this.closing) throw new InvariantError("the sequencer is closed", { type: entry.type });
    const bytes = encodeJsonEntry(entry);
    this.makeRoom(bytes.length);
    // An entry that cannot be throws before it changes anything.
    this.ledger.apply(entry);
    const slot = this.reserve(bytes.length);
    slot.bytes.set(bytes, slot.at);
  }

  /** Has the group being formed take no more when an entry does not fit; the ledger must not have that entry yet. */
  private makeRoom(length: number): void {
    const { count, firstPosition, byteLength } = this.forming.buffer;
    if (count === 0 || byteLength + length <= GROUP_BYTES_MAX) return;
    this.full.push(this.end(this.forming));
    this.forming = newGroup(firstPosition + count);
  }

  /** Room for an entry in the group being formed, which is written as soon as the disk is free. */
  private readonly reserve = (length: number): EntrySlot => {
    this.makeRoom(length);
    const { buffer } = this.forming;
    const at = buffer.reserve(length);
    const { bytes } = buffer;
    if (this.writing === null) {
      this.writing = this.forming;
      // In the next turn of the event loop: what arrived in this one goes along.
      setImmediate(() => void this.write());
    }
    return { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), bytes, at };
  };

  private now(): Durable {
    return { position: this.ledger.position, openBlock: this.ledger.openBlock };
  }

  /** Has a group take no more; its last entry is the ledger's. */
  private end(group: Forming): Forming {
    group.end = this.now();
    return group;
  }

  private async write(): Promise<void> {
    while (this.forming.buffer.count > 0 && !this.broken) {
      const group = (this.writing = this.full.shift() ?? this.end(this.forming));
      if (group === this.forming) {
        this.forming = newGroup(group.buffer.firstPosition + group.buffer.count, this.spare);
        this.spare = null;
      }
      this.wroteAt = this.options.clock.now();
      await this.persist(group.buffer);
      this.spare = group.buffer;
      this.written = group.end as Durable;
      this.options.onDurable(this.written.position);
      group.resolve();
      await this.gather();
    }
    if (!this.broken) this.writing = null;
  }

  /** Waits until the next group was gathered for long enough; not for one that is full, or when there is none. */
  private async gather(): Promise<void> {
    const { clock } = this.options;
    const restMs = GATHER_MS - (clock.now() - this.wroteAt);
    // A clock that was set back must not hold up anybody.
    if (this.forming.buffer.count === 0 || this.full.length > 0 || restMs <= 0 || restMs > GATHER_MS) return;
    await clock.sleep(restMs);
  }

  /** Tries until the disk has the group. */
  private async persist(group: GroupBuffer): Promise<void> {
    const { log, clock } = this.options;
    for (;;) {
      try {
        await this.journal.append(group);
        if (this.journalFailing) log.info({ entries: group.count }, "journal written again");
        this.journalFailing = false;
        return;
      } catch (error) {
        const reason = systemCode(error) ?? String(error);
        if (!this.journalFailing) log.error({ reason, err: error }, "journal cannot be written: payments are refused");
        this.journalFailing = true;
        await clock.sleep(RETRY_MS);
      }
    }
  }
}

function newGroup(firstPosition: number, spare: GroupBuffer | null = null): Forming {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { buffer: new GroupBuffer(firstPosition, spare), end: null, durable: promise, resolve };
}

function problemIn(bytes: Uint8Array): ProtocolError {
  const { detail, context } = JSON.parse(Buffer.from(bytes).toString()) as { detail: string; context: object };
  return new ProtocolError("MALFORMED", detail, { ...context });
}

function hexOf(bytes: Uint8Array, at: number): Hex {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset + at, 32).toString("hex")}`;
}
