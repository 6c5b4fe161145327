import { closeSync, mkdirSync, openSync, readdirSync, readSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import type { SealEntry } from "@plasma-billing/protocol/entries.ts";
import { decodeJsonEntry, HASH_AT, JSON_KIND, PAYMENT_AT, PAYMENT_KIND } from "@plasma-billing/protocol/entryBytes.ts";
import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Logger } from "pino";
import { systemCode } from "@plasma-billing/ethereum/process/startup.ts";
import { syncFolder } from "@plasma-billing/ethereum/process/lock.ts";
import type { Places } from "./places.ts";
import type { EntrySource } from "./ports.ts";
import { TreeBuilder } from "./treeBuilder.ts";
import { decodeTreeHeader, readSiblings, TREE_HEADER_BYTES, type TreeHeader } from "./treeFile.ts";

const FOLDER = "trees";
/** Files kept open. */
const OPEN_MAX = 16;
/** Entries between two looks at what else there is to do, and bytes of them. */
const SLICE_ENTRIES = 2000;
const SLICE_BYTES = 1024 * 1024;

export type TreeLog = Pick<Logger, "warn">;

/** The trees of sealed blocks, in a file each; that of the open block grows in a file of its own. */
export class Trees {
  private readonly folder: string;
  private readonly places: Places;
  private readonly source: EntrySource;
  private readonly log: TreeLog;
  private number: number;
  /** Null: the block's tree is there already, or could not be written; whoever asks for it gets it made. */
  private builder: TreeBuilder | null = null;
  private position: number;
  private readonly finishing = new Map<number, Promise<void>>();
  private readonly making = new Map<number, Promise<void>>();
  private readonly open = new Map<number, { descriptor: number; header: TreeHeader }>();

  /**
   * Goes on from what an earlier process has left.
   * @param indexed - position of the last entry whose blocks and payments `places` knows
   */
  constructor(dataDir: string, places: Places, source: EntrySource, indexed: number, log: TreeLog) {
    this.folder = join(dataDir, FOLDER);
    this.places = places;
    this.source = source;
    this.log = log;
    mkdirSync(this.folder, { recursive: true });
    this.number = places.openBlock;
    for (const name of readdirSync(this.folder)) {
      if (!name.endsWith(".tree") && name !== `${this.number}.tree.open`) rmSync(join(this.folder, name));
    }
    this.position = indexed + 1;
    const before = this.number === 1 ? 0 : places.paymentsUpTo(places.firstOf(this.number) - 1);
    this.beginBlock(places.paymentsUpTo(indexed) - before);
    if (this.builder !== null) this.position = places.ofPayment(this.number, this.builder.count);
  }

  /** Position of the entry it needs next. */
  get next(): number {
    return this.position;
  }

  /** Takes an entry, if it is the next; one that comes too early is read again. */
  take(position: number, body: Uint8Array): void {
    if (position !== this.position) return;
    this.position++;
    if (body[0] === PAYMENT_KIND) this.guard(() => this.builder?.append(body.subarray(HASH_AT, PAYMENT_AT)));
    else if (body[0] === JSON_KIND && this.places.sealOf(this.number) === position) {
      this.seal(decodeJsonEntry(body) as SealEntry);
    }
  }

  /** Reads a slice of the entries up to `indexed` that it has not taken; false when there are none. */
  work(indexed: number): boolean {
    if (this.position > indexed) return false;
    const last = Math.min(indexed, this.position + SLICE_ENTRIES - 1);
    for (const { position, body } of this.source.read(this.position, last, SLICE_BYTES)) this.take(position, body);
    return true;
  }

  /**
   * The siblings of a payment in its sealed block, from the bottom up. A tree that is missing or damaged is made again.
   * @param indexed - position of the last entry indexed
   */
  async siblings(number: number, index: number, indexed: number): Promise<Hex[]> {
    const seal = this.places.sealOf(number);
    if (seal === undefined) throw new InvariantError("the block is not sealed", { number });
    while (this.position <= seal && this.work(indexed)) await turn();
    await this.finishing.get(number);
    const found = this.read(number, index);
    if (found !== null) return found;
    this.log.warn({ number }, "the tree of a block is missing or damaged: made again from the journal");
    await this.make(number, seal);
    const made = this.read(number, index);
    if (made === null) throw new InvariantError("the tree of a block does not lead to its root", { number, index });
    return made;
  }

  /** Resolves when nothing is being written. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.finishing.values(), ...this.making.values()]);
    this.builder?.close();
    this.builder = null;
    for (const number of this.open.keys()) this.forget(number);
  }

  private seal({ number, transactionsRoot, transactionCount }: SealEntry): void {
    const { builder } = this;
    if (builder !== null) {
      if (builder.count === transactionCount && builder.root() === transactionsRoot) this.finish(number, builder);
      else {
        this.log.warn({ number }, "the tree of a block does not lead to its root: made again when it is needed");
        this.abandon();
      }
    }
    this.number = number + 1;
    this.beginBlock(0);
  }

  private beginBlock(countMax: number): void {
    const known = this.header(join(this.folder, `${this.number}.tree`)) !== null;
    this.builder = null;
    if (!known) this.guard(() => (this.builder = TreeBuilder.open(this.openPath(this.number), countMax)));
  }

  private openPath(number: number): string {
    return join(this.folder, `${number}.tree.open`);
  }

  private finish(number: number, builder: TreeBuilder): void {
    const done = this.publish(number, builder, this.openPath(number))
      .catch((error: unknown) => this.log.warn({ number, err: error }, "the tree of a block cannot be written"))
      .finally(() => this.finishing.delete(number));
    this.finishing.set(number, done);
  }

  private async publish(number: number, builder: TreeBuilder, path: string): Promise<void> {
    await builder.finish(number);
    renameSync(path, join(this.folder, `${number}.tree`));
    syncFolder(this.folder);
  }

  private read(number: number, index: number): Hex[] | null {
    let file = this.open.get(number);
    if (file === undefined) {
      const path = join(this.folder, `${number}.tree`);
      const header = this.header(path);
      const seal = decodeJsonEntry(this.source.entry(this.places.sealOf(number) as number)) as SealEntry;
      const { transactionCount: count, transactionsRoot: root } = seal;
      if (header?.number !== number || header.count !== count || header.root !== root) return null;
      if (this.open.size >= OPEN_MAX) this.forget(this.open.keys().next().value as number);
      file = { descriptor: openSync(path, "r"), header };
      this.open.set(number, file);
    }
    if (index >= file.header.count) throw new InvariantError("no such payment", { number, index });
    return readSiblings(file.descriptor, file.header, index);
  }

  private forget(number: number): void {
    const file = this.open.get(number);
    if (file !== undefined) closeSync(file.descriptor);
    this.open.delete(number);
  }

  /** Null where there is no whole one. */
  private header(path: string): TreeHeader | null {
    let descriptor;
    try {
      descriptor = openSync(path, "r");
    } catch {
      return null;
    }
    try {
      const bytes = Buffer.alloc(TREE_HEADER_BYTES);
      readSync(descriptor, bytes, 0, TREE_HEADER_BYTES, 0);
      return decodeTreeHeader(bytes);
    } finally {
      closeSync(descriptor);
    }
  }

  private async make(number: number, seal: number): Promise<void> {
    this.forget(number);
    let made = this.making.get(number);
    if (made === undefined) {
      made = this.makeAgain(number, seal).finally(() => this.making.delete(number));
      this.making.set(number, made);
    }
    await made;
  }

  private async makeAgain(number: number, seal: number): Promise<void> {
    const path = join(this.folder, `${number}.tree.made`);
    const builder = TreeBuilder.open(path, 0);
    for (let next = this.places.firstOf(number); next < seal; await turn()) {
      const entries = this.source.read(next, Math.min(seal - 1, next + SLICE_ENTRIES - 1), SLICE_BYTES);
      for (const { body } of entries) if (body[0] === PAYMENT_KIND) builder.append(body.subarray(HASH_AT, PAYMENT_AT));
      next += entries.length;
    }
    await this.publish(number, builder, path);
  }

  /** The block's tree is given up; the journal goes on. */
  private abandon(): void {
    this.builder?.close();
    this.builder = null;
    rmSync(this.openPath(this.number), { force: true });
  }

  private guard(write: () => void): void {
    try {
      write();
    } catch (error) {
      if (systemCode(error) === null) throw error;
      this.log.warn(
        { number: this.number, err: error },
        "the tree of a block cannot be written: made again when needed",
      );
      this.abandon();
    }
  }
}
