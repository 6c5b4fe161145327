import type { Ledger } from "@plasma-billing/protocol/ledger.ts";
import type { Logger } from "pino";
import type { Clock } from "@plasma-billing/ethereum/process/clock.ts";
import { PaymentIndex } from "./index/client.ts";
import { Journal } from "./journal/journal.ts";
import { Sequencer } from "./sequencer.ts";
import { restoreSnapshot, Snapshots, SNAPSHOT_ENTRIES } from "./snapshots.ts";

export interface StoreOptions {
  dataDir: string;
  ledger: Ledger;
  clock: Clock;
  log: Logger;
  /** A thread ended, or something that must hold does not: the process has to end, and start again from the disk. */
  onFailure: (error: Error) => void;
  /** Entries between two snapshots. */
  snapshotEntries?: number;
}

/** All that keeps the ledger on the disk and can be read from there: journal, snapshots, index. */
export class Store {
  readonly sequencer: Sequencer;
  readonly index: PaymentIndex;
  private readonly snapshots: Snapshots;
  private readonly listeners: (() => void)[];

  private constructor(sequencer: Sequencer, index: PaymentIndex, snapshots: Snapshots, listeners: (() => void)[]) {
    this.sequencer = sequencer;
    this.index = index;
    this.snapshots = snapshots;
    this.listeners = listeners;
  }

  /** Brings the ledger to where it was: the newest snapshot, then the journal from there on. */
  static async open(options: StoreOptions): Promise<Store> {
    const { dataDir, ledger, clock, log, onFailure } = options;
    const started = performance.now();
    const snapshotAt = restoreSnapshot(dataDir, ledger);
    // The first entry of an empty journal is written before there is an index to tell of it.
    let index: PaymentIndex | null = null;
    let snapshots: Snapshots | null = null;
    const listeners: (() => void)[] = [];
    const sequencer = await Sequencer.open(
      {
        ...{ ledger, clock, log, onFailure },
        onDurable: (position) => {
          index?.durable(position);
          snapshots?.advance(position);
          for (const listener of listeners) listener();
        },
        history: {
          resolve: async (hash, ids, upTo) => await (index as PaymentIndex).resolve(hash, [...ids], upTo),
        },
      },
      async (replay) => {
        const { journal, torn } = await Journal.open(dataDir, { from: ledger.position + 1, replay });
        if (torn !== null) log.warn(torn, "the journal's torn end was cut: nobody was told of what stood there");
        return journal;
      },
    );
    index = await PaymentIndex.open({ dataDir, log, durable: sequencer.durable.position, onFailure });
    snapshots = new Snapshots({
      dataDir,
      ledger,
      log,
      every: options.snapshotEntries ?? SNAPSHOT_ENTRIES,
      last: snapshotAt,
    });
    const replayed = ledger.position - snapshotAt;
    const seconds = Number(((performance.now() - started) / 1000).toFixed(3));
    log.info({ entries: ledger.position, snapshotAt, replayed, outputs: ledger.outputCount, seconds }, "ledger read");
    return new Store(sequencer, index, snapshots, listeners);
  }

  /** Has the listener called whenever further entries are on the disk. */
  onDurable(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** Takes nothing new; resolves when all that was taken is on the disk. */
  async close(): Promise<void> {
    await this.sequencer.close();
    await this.snapshots.close();
    await this.index.close();
  }
}
