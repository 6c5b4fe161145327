import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import type { Ledger } from "@plasma-billing/protocol/ledger.ts";
import { HEAD_VERSION, readMarket, writeMarket } from "@plasma-billing/protocol/ledgerHead.ts";
import type { MarketRecord } from "@plasma-billing/protocol/market/market.ts";
import type { Logger } from "pino";
import { StartupError } from "@plasma-billing/ethereum/process/startup.ts";
import { openNewestSnapshot, removeOldSnapshots } from "@plasma-billing/ethereum/snapshots/file.ts";
import { SnapshotThread } from "@plasma-billing/ethereum/snapshots/thread.ts";

/** Replaying so many takes a few seconds. */
export const SNAPSHOT_ENTRIES = 1_000_000;
/** The one before is kept in case the newest is found damaged. */
const KEPT = 2;
/** Pages copied but not written: the disk may be slower than memory. */
const BYTES_IN_FLIGHT_MAX = 32 * 1024 * 1024;
const DRAIN_MS = 5;

/** Kinds of sections. Pages are the table's own words, in the machine's order of bytes. */
const HEAD_SECTION = 1;
const PAGE_SECTION = 2;
const MARKET_SECTION = 3;
/** Records of the market in one section: a few milliseconds' work. */
const MARKET_RECORDS = 2000;

/**
 * Brings a new ledger to the newest snapshot, if there is one. Gives its journal position, or 0.
 * @throws StartupError SNAPSHOT_DAMAGED, SNAPSHOT_VERSION
 */
export function restoreSnapshot(dataDir: string, ledger: Ledger): number {
  const file = openNewestSnapshot(dataDir);
  if (file === null) return 0;
  let head: string | null = null;
  const pages: ArrayBuffer[] = [];
  const marketTexts: string[] = [];
  for (const { kind, bytes } of file.sections()) {
    if (kind === HEAD_SECTION) head = Buffer.from(bytes).toString();
    if (kind === MARKET_SECTION) marketTexts.push(Buffer.from(bytes).toString());
    if (kind === PAGE_SECTION) pages.push(Uint8Array.from(bytes).buffer);
  }
  try {
    if (head === null) throw new InvariantError("a snapshot has no head", { version: HEAD_VERSION });
    ledger.restore(
      head,
      marketTexts.flatMap(readMarket),
      pages.map((page) => new Int32Array(page)),
    );
    if (ledger.position !== file.position) {
      throw new InvariantError("a snapshot is of another position", { file: file.position, head: ledger.position });
    }
    return file.position;
  } catch (error) {
    // Whatever fails here is the snapshot's doing: its head is read, but not checked field by field.
    const message = `${file.path} does not add up: ${error instanceof Error ? error.message : String(error)}; remove it to start from an older one or from the journal`;
    throw new StartupError("SNAPSHOT_DAMAGED", message, { path: file.path }, error);
  }
}

export interface SnapshotsOptions {
  dataDir: string;
  ledger: Ledger;
  log: Logger;
  /** Entries between two snapshots. */
  every: number;
  /** Position of the newest there is. */
  last: number;
}

/** Writes a snapshot each so many entries, beside the payments: pages are copied in between, a thread writes them. */
export class Snapshots {
  private readonly options: SnapshotsOptions;
  private readonly thread: SnapshotThread;
  private last: number;
  private durable = 0;
  private running: Promise<void> | null = null;
  private closing = false;

  constructor(options: SnapshotsOptions) {
    this.options = options;
    this.last = options.last;
    this.thread = new SnapshotThread(options.dataDir);
  }

  /** Told up to where the journal is on the disk. */
  advance(position: number): void {
    this.durable = position;
    const { ledger, every } = this.options;
    if (this.running !== null || this.closing || ledger.position - this.last < every) return;
    this.running = this.write().finally(() => (this.running = null));
  }

  /** Resolves when nothing is written any more; what was half written is gone. */
  async close(): Promise<void> {
    this.closing = true;
    await this.running;
    await this.thread.close();
  }

  private async write(): Promise<void> {
    const { dataDir, ledger, log } = this.options;
    const started = performance.now();
    const position = ledger.position;
    const { head, market, pages } = ledger.beginSnapshot();
    this.last = position;
    const { thread } = this;
    try {
      thread.begin(position);
      thread.section(HEAD_SECTION, new Uint8Array(Buffer.from(head)));
      for (const text of sectionsOf(market)) {
        thread.section(MARKET_SECTION, new Uint8Array(Buffer.from(text)));
        await new Promise((resolve) => setImmediate(resolve));
      }
      for (let page = pages.next(); page !== null; page = pages.next()) {
        thread.section(PAGE_SECTION, new Uint8Array(page.buffer, page.byteOffset, page.byteLength));
        await new Promise((resolve) => setImmediate(resolve));
        await this.until(() => thread.bytesInFlight <= BYTES_IN_FLIGHT_MAX);
        if (this.closing) return thread.abort();
      }
      // A snapshot must never know more than the journal.
      await this.until(() => this.durable >= position);
      if (this.closing) return thread.abort();
      await thread.finish();
      removeOldSnapshots(dataDir, KEPT);
      const seconds = Number(((performance.now() - started) / 1000).toFixed(3));
      log.info({ position, outputs: ledger.outputCount, seconds }, "snapshot written");
    } catch (error) {
      log.warn({ err: error, position }, "a snapshot could not be written: the next start takes longer");
    } finally {
      pages.end();
    }
  }

  private async until(holds: () => boolean): Promise<void> {
    while (!holds() && !this.closing) await new Promise((resolve) => setTimeout(resolve, DRAIN_MS));
  }
}

function* sectionsOf(records: readonly MarketRecord[]): Generator<string> {
  for (let at = 0; at < records.length; at += MARKET_RECORDS) yield writeMarket(records.slice(at, at + MARKET_RECORDS));
}
