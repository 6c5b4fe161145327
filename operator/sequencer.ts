import type { Entry } from "@plasma-billing/protocol/entries.ts";
import { decodeEntry, encodeEntry } from "@plasma-billing/protocol/entryJson.ts";
import { InvariantError, ProtocolError } from "@plasma-billing/protocol/errors.ts";
import type { Ledger, Position } from "@plasma-billing/protocol/ledger.ts";
import type { VerifiedPayment } from "@plasma-billing/protocol/payment.ts";
import type { TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import type { Logger } from "pino";
import type { Clock } from "./clock.ts";
import { StartupError, systemCode } from "./errors.ts";
import type { Group } from "./journal/groups.ts";
import type { Journal } from "./journal/journal.ts";

/** Answers awaited at once; beyond it new payments are refused rather than kept in memory. */
export const WAITING_MAX = 50_000;
/** Characters of entries in one group, far below what the journal takes; with one group full, new payments are refused. */
export const GROUP_CHARACTERS_MAX = 8 * 1024 * 1024;
const RETRY_MS = 500;

/** What a payment came to. `repeated`: this is the answer it got the first time. */
export type SubmitResult =
  | { kind: "accepted"; hash: TransactionHash; repeated: boolean; position: Position }
  | { kind: "refused"; error: ProtocolError }
  | { kind: "overloaded" };

/** Told of every entry, in order, once it is on the disk; its position is counted from 1. */
export type DurableListener = (entry: Entry, position: number) => void;

interface Forming {
  lines: string[];
  entries: Entry[];
  characters: number;
  durable: Promise<void>;
  resolve: () => void;
}

/**
 * The one place that decides the order. It judges and applies in memory without waiting for anything, gathers the entries
 * of whoever comes while the disk is busy, and writes each group once; nobody is answered before what the answer rests on is
 * on the disk.
 */
export class Sequencer {
  readonly ledger: Ledger;
  private readonly journal: Journal;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly onDurable: DurableListener;
  private forming: Forming = newGroup();
  /** Groups behind the one being written that take no more: one by payments, further ones only by a large record. */
  private readonly full: Forming[] = [];
  private writing: Forming | null = null;
  private position: number;
  private waiting = 0;
  private journalFailing = false;
  private closing = false;

  private constructor(options: SequencerOptions, journal: Journal) {
    this.ledger = options.ledger;
    this.clock = options.clock;
    this.log = options.log;
    this.onDurable = options.onDurable;
    this.journal = journal;
    this.position = journal.nextPosition;
  }

  /**
   * Replays the journal into the ledger, checking each sealed root and state hash, and goes on from there.
   * @throws StartupError JOURNAL_DAMAGED, WRONG_JOURNAL and what opening the journal throws
   */
  static async open(
    options: SequencerOptions,
    openJournal: (replay: (group: Group) => void) => Promise<Journal>,
  ): Promise<Sequencer> {
    const journal = await openJournal((group) => {
      for (const [index, line] of group.lines.entries()) {
        replayLine(options, line, group.firstPosition + index);
      }
    });
    options.ledger.checkSums();
    const sequencer = new Sequencer(options, journal);
    if (!options.ledger.hasGenesis) {
      const { chainId, verifyingContract } = options.ledger.domain;
      const createdAt = options.clock.now();
      await sequencer.record([{ type: "genesis", version: 1, chainId, contract: verifyingContract, createdAt }]);
    }
    return sequencer;
  }

  /** Whether the journal cannot be written at the moment, so that payments are refused as `overloaded`. */
  get stalled(): boolean {
    return this.journalFailing;
  }

  /** Judges a payment; the same hash again gets the first answer, whatever its signatures. */
  async submit(payment: VerifiedPayment): Promise<SubmitResult> {
    if (this.closing || this.journalFailing || this.waiting >= WAITING_MAX) return { kind: "overloaded" };
    if (this.full.length > 0) return { kind: "overloaded" };
    const result = this.decide(payment);
    this.waiting++;
    try {
      await this.durable();
    } finally {
      this.waiting--;
    }
    return result;
  }

  /**
   * Takes entries from the operator's other parts, in their order; resolves when all are on the disk. After a crash some of
   * them may be there without those behind them.
   */
  async record(entries: readonly Entry[]): Promise<void> {
    for (const entry of entries) this.add(entry);
    await this.durable();
  }

  /** Ends the open block, unless it is empty. Gives its number. */
  async seal(): Promise<number | null> {
    const number = this.addSeal();
    await this.durable();
    return number;
  }

  /** Takes nothing new, and resolves when everything taken is on the disk. */
  async close(): Promise<void> {
    this.closing = true;
    await this.durable();
    await this.journal.close();
  }

  private decide(payment: VerifiedPayment): SubmitResult {
    const { hash, transaction } = payment;
    const known = this.ledger.position(hash);
    if (known !== undefined) return { kind: "accepted", hash, repeated: true, position: known };
    const error = this.ledger.judge(payment);
    if (error !== null) return { kind: "refused", error };
    if (this.ledger.openBlockFull) this.addSeal();
    this.add({ type: "payment", transaction, hash, acceptedAt: this.clock.now() });
    return { kind: "accepted", hash, repeated: false, position: this.ledger.position(hash) as Position };
  }

  private addSeal(): number | null {
    const { number, transactionCount } = this.ledger.openBlock;
    if (transactionCount === 0) return null;
    const { openRoot: transactionsRoot } = this.ledger;
    const stateHash = this.ledger.stateHash();
    this.add({ type: "seal", number, transactionsRoot, transactionCount, sealedAt: this.clock.now(), stateHash });
    return number;
  }

  private add(entry: Entry): void {
    if (this.closing) throw new InvariantError("the sequencer is closed", { type: entry.type });
    const line = encodeEntry(entry);
    this.ledger.apply(entry);
    if (this.forming.entries.length > 0 && this.forming.characters + line.length > GROUP_CHARACTERS_MAX) {
      this.full.push(this.forming);
      this.forming = newGroup();
    }
    this.forming.lines.push(line);
    this.forming.entries.push(entry);
    this.forming.characters += line.length;
    if (this.writing === null) {
      this.writing = this.forming;
      // In the next turn of the event loop: what arrived in this one goes along.
      setImmediate(() => void this.write());
    }
  }

  /** Resolves when everything added so far is on the disk. */
  private durable(): Promise<void> {
    if (this.forming.entries.length > 0) return this.forming.durable;
    return this.writing?.durable ?? Promise.resolve();
  }

  private async write(): Promise<void> {
    while (this.forming.entries.length > 0) {
      const group = (this.writing = this.full.shift() ?? this.forming);
      if (group === this.forming) this.forming = newGroup();
      await this.persist(group);
      for (const entry of group.entries) this.onDurable(entry, this.position++);
      group.resolve();
    }
    this.writing = null;
  }

  /** Tries until the disk has the group. */
  private async persist(group: Forming): Promise<void> {
    for (;;) {
      try {
        await this.journal.append(group.lines);
        if (this.journalFailing) this.log.info({ entries: group.lines.length }, "journal written again");
        this.journalFailing = false;
        return;
      } catch (error) {
        const reason = systemCode(error) ?? String(error);
        if (!this.journalFailing)
          this.log.error({ reason, err: error }, "journal cannot be written: payments are refused");
        this.journalFailing = true;
        await this.clock.sleep(RETRY_MS);
      }
    }
  }
}

export interface SequencerOptions {
  ledger: Ledger;
  clock: Clock;
  log: Logger;
  onDurable: DurableListener;
}

function newGroup(): Forming {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { lines: [], entries: [], characters: 0, durable: promise, resolve };
}

function replayLine({ ledger, onDurable }: SequencerOptions, line: string, position: number): void {
  try {
    const entry = decodeEntry(line);
    if (entry.type === "genesis") checkGenesis(ledger, entry.chainId, entry.contract);
    ledger.apply(entry);
    onDurable(entry, position);
  } catch (error) {
    if (error instanceof InvariantError || error instanceof ProtocolError) {
      const message = `the journal does not add up at entry ${position}: ${error.message}; restore the folder from a copy`;
      throw new StartupError("JOURNAL_DAMAGED", message, { position }, error);
    }
    throw error;
  }
}

function checkGenesis(ledger: Ledger, chainId: bigint, contract: string): void {
  const { domain } = ledger;
  if (chainId === domain.chainId && contract === domain.verifyingContract) return;
  const message =
    `the data folder belongs to the contract ${contract} on chain ${chainId}, not to ${domain.verifyingContract} on chain ` +
    `${domain.chainId}: set ROOT_CHAIN_ADDRESS and L1_RPC_URLS for it, or another DATA_DIR`;
  throw new StartupError("WRONG_JOURNAL", message, { chainId, contract });
}
