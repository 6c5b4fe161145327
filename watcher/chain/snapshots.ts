import {
  openSnapshot,
  removeOldSnapshots,
  removeSnapshot,
  snapshotPositions,
} from "@plasma-billing/ethereum/snapshots/file.ts";
import { SnapshotThread } from "@plasma-billing/ethereum/snapshots/thread.ts";
import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Totals } from "@plasma-billing/protocol/liveOutputs.ts";
import type { Address, Domain } from "@plasma-billing/protocol/typedData.ts";
import type { Logger } from "pino";
import type { Guarded } from "./guarded.ts";
import type { Room } from "./room.ts";
import { ChainState, type DepositOf } from "./state.ts";
import type { RootAndCount } from "./types.ts";

const VERSION = 1;
/** Two to go back to when the newest is damaged, or of a block that was replaced. */
const KEPT = 3;
/** Pages copied but not written: the disk may be slower than memory. */
const BYTES_IN_FLIGHT_MAX = 32 * 1024 * 1024;
const DRAIN_MS = 5;

/** Kinds of sections. Pages are the table's own words, in the machine's order of bytes. */
const HEAD_SECTION = 1;
const PAGE_SECTION = 2;
const TAKEN_SECTION = 3;

interface Head {
  version: number;
  chainId: string;
  contract: Address;
  blocks: [Hex, number][];
  payments: number;
  totals: [Address, { deposited: string; live: string; withdrawn: string }][];
  stateHash: Hex;
  outputCount: number;
  guarded: Address[];
}

export interface SnapshotsOptions {
  /** Without it the next start takes longer. */
  room: Room;
  dataDir: string;
  domain: Domain;
  separator: Hex;
  depositOf: DepositOf;
  /** Payments between two. */
  every: number;
  /** Whether what was told of the guarded is on the disk: what is behind a snapshot is not told again. */
  isKept: () => boolean;
  log: Logger;
}

/** Snapshots of the outputs where blocks end, written beside the payments. Their position is the number of the last block. */
export class ChainSnapshots {
  private readonly options: SnapshotsOptions;
  /** Begun when it is first needed. */
  private thread: SnapshotThread | null = null;
  private lastPayments = 0;
  private running: Promise<void> | null = null;
  private stopping = false;

  constructor(options: SnapshotsOptions) {
    this.options = options;
  }

  /**
   * The newest state that ends before a block, or that of nothing. One that is damaged, of another contract or without
   * somebody who is guarded now is passed over.
   */
  restore(below: number, guarded: Guarded): ChainState {
    const { dataDir, log, separator, depositOf } = this.options;
    for (const position of snapshotPositions(dataDir).toReversed()) {
      if (position >= below) continue;
      try {
        const state = this.read(position, guarded);
        if (state === null) continue;
        this.lastPayments = state.payments;
        return state;
      } catch (error) {
        log.warn({ err: error, block: position }, "a snapshot is damaged: an older one is taken");
        removeSnapshot(dataDir, position);
      }
    }
    this.lastPayments = 0;
    return new ChainState(separator, depositOf);
  }

  /** Told of each state where a block has ended. */
  advance(state: ChainState, guarded: Guarded): void {
    const { room, isKept } = this.options;
    if (room.problem !== null || !isKept()) return;
    if (this.running !== null || this.stopping || state.payments - this.lastPayments < this.options.every) return;
    this.lastPayments = state.payments;
    this.running = this.write(state, guarded).finally(() => (this.running = null));
  }

  /** Removes those of this block and later ones, also one that is being written. */
  async removeFrom(number: number): Promise<void> {
    await this.stop();
    for (const position of snapshotPositions(this.options.dataDir)) {
      if (position >= number) removeSnapshot(this.options.dataDir, position);
    }
  }

  /** Resolves when nothing is written any more; what was half written is gone. */
  async close(): Promise<void> {
    await this.stop();
    await this.thread?.close();
  }

  /** For tests: resolves when what was begun is written. */
  async settled(): Promise<void> {
    await this.running;
  }

  private async stop(): Promise<void> {
    this.stopping = true;
    await this.running;
    this.stopping = false;
  }

  private async write(state: ChainState, guarded: Guarded): Promise<void> {
    const { dataDir, log } = this.options;
    const thread = (this.thread ??= new SnapshotThread(dataDir));
    const number = state.blocks.length;
    const { taken, ...exported } = state.export();
    const pages = state.outputs.beginCopy();
    const started = performance.now();
    try {
      thread.begin(number);
      thread.section(HEAD_SECTION, Uint8Array.from(Buffer.from(JSON.stringify(this.headOf(exported, guarded)))));
      thread.section(TAKEN_SECTION, taken);
      for (let page = pages.next(); page !== null; page = pages.next()) {
        thread.section(PAGE_SECTION, new Uint8Array(page.buffer, page.byteOffset, page.byteLength));
        await new Promise((resolve) => setImmediate(resolve));
        while (thread.bytesInFlight > BYTES_IN_FLIGHT_MAX && !this.stopping) {
          await new Promise((resolve) => setTimeout(resolve, DRAIN_MS));
        }
        if (this.stopping) return thread.abort();
      }
      await thread.finish();
      removeOldSnapshots(dataDir, KEPT);
      const seconds = Number(((performance.now() - started) / 1000).toFixed(3));
      log.info({ block: number, outputs: exported.outputCount, seconds }, "snapshot written");
    } catch (error) {
      log.warn({ err: error, block: number }, "a snapshot could not be written: the next start takes longer");
    } finally {
      pages.end();
    }
  }

  private headOf(exported: Omit<ReturnType<ChainState["export"]>, "taken">, { owners }: Guarded): Head {
    const { blocks, payments, totals, stateHash, outputCount } = exported;
    const { chainId, verifyingContract: contract } = this.options.domain;
    return {
      ...{ version: VERSION, chainId: String(chainId), contract, payments, stateHash, outputCount },
      blocks: blocks.map(({ root, count }) => [root, count]),
      totals: totals.map(([token, { deposited, live, withdrawn }]) => [
        token,
        { deposited: String(deposited), live: String(live), withdrawn: String(withdrawn) },
      ]),
      guarded: [...owners],
    };
  }

  /** Null when it is not of use now. */
  private read(position: number, guarded: Guarded): ChainState | null {
    const { dataDir, domain, separator, depositOf } = this.options;
    let head: Head | null = null;
    const pages: Int32Array<ArrayBuffer>[] = [];
    let taken = new Uint8Array(0);
    for (const { kind, bytes } of openSnapshot(dataDir, position).sections()) {
      if (kind === HEAD_SECTION) head = JSON.parse(Buffer.from(bytes).toString()) as Head;
      if (kind === TAKEN_SECTION) taken = Uint8Array.from(bytes);
      if (kind === PAGE_SECTION) pages.push(new Int32Array(Uint8Array.from(bytes).buffer));
    }
    if (head?.version !== VERSION)
      throw new InvariantError("a snapshot of another version", { version: head?.version });
    if (head.chainId !== String(domain.chainId) || head.contract !== domain.verifyingContract) {
      throw new InvariantError("a snapshot of another contract", { chainId: head.chainId, contract: head.contract });
    }
    const known = new Set(head.guarded);
    if ([...guarded.owners].some((owner) => !known.has(owner))) return null;
    const blocks = head.blocks.map(([root, count]): RootAndCount => ({ root, count }));
    const totals = head.totals.map(([token, { deposited, live, withdrawn }]): [Address, Totals] => [
      token,
      { deposited: BigInt(deposited), live: BigInt(live), withdrawn: BigInt(withdrawn) },
    ]);
    const state = new ChainState(separator, depositOf, { blocks, payments: head.payments, totals, pages, taken });
    if (state.stateHash() !== head.stateHash || state.outputs.size !== head.outputCount || blocks.length !== position) {
      throw new InvariantError("a snapshot's outputs are not those it was made of", { block: position });
    }
    return state;
  }
}
