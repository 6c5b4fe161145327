import type { VerificationPool } from "@plasma-billing/ethereum/verification/pool.ts";
import { MAX_TRANSACTIONS_PER_BLOCK } from "@plasma-billing/protocol/merkle.ts";
import { decodePayment, HASH_BYTES } from "@plasma-billing/protocol/paymentBytes.ts";
import { toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { Logger } from "pino";
import { BlockFile } from "./blockFile.ts";
import { StoredDataError } from "./errors.ts";
import type { Feed, FeedEnd, Piece } from "./feed.ts";
import type { History } from "./history.ts";
import { pipeline } from "./pipeline.ts";
import type { Repairs } from "./repairs.ts";
import type { Room } from "./room.ts";
import type { BlockStore, Reordered } from "./store.ts";
import type { Breach, ChainLimits, CommittedBlock, StepResult } from "./types.ts";
import { withoutSignatures, type UnjudgedBlocks } from "./unjudged.ts";
import { storedPieces, type Fault, type VerifiedBlocks } from "./verifiedBlocks.ts";

/** Later blocks that are not served either, asked for in one step. */
const FAILURES_MAX = 4;
/** History is not searched again before, for a streamed payment that spends what is unknown. */
const EXPLAIN_MS = 60_000;
/** Leaves compared at a time. */
const COMPARED = 16_384;

export interface FollowOptions {
  store: BlockStore;
  feed: Feed;
  pool: VerificationPool;
  blocks: VerifiedBlocks;
  unjudged: UnjudgedBlocks;
  history: History;
  repairs: Repairs;
  room: Room;
  limits: ChainLimits;
  trustedHeight: number;
  log: Logger;
}

type Look = Pick<StepResult, "missing" | "operator" | "more" | "room">;

/** Decides what is loaded and judged next, and what is to be told. */
export class Follow {
  committed: readonly CommittedBlock[] = [];
  height = 0;
  private readonly options: FollowOptions;
  /** What was streamed next, and may not be. */
  private fault: Fault | null = null;
  /** The committed block of which something was served that may not be: it is loaded whole before that is held against it. */
  private suspect: number | null = null;
  private explainedAt = -Infinity;
  /** The committed block that breaks a rule: nothing behind it is judged. */
  private invalid: { breach: Extract<Breach, { name: "invalidBlock" }>; root: Hex } | null = null;
  private readonly reordered: Reordered[];

  constructor(options: FollowOptions) {
    this.options = options;
    this.reordered = options.store.reordered();
  }

  /** Whether the block behind the height is another on Ethereum than what was streamed. */
  get contradicted(): boolean {
    const next = this.committed[this.height];
    const { state } = this.options.blocks;
    return next !== undefined && (next.number < state.number || state.count >= next.transactionCount);
  }

  async step(committed: readonly CommittedBlock[]): Promise<StepResult> {
    const { blocks, limits, room } = this.options;
    await blocks.flush();
    const started = performance.now();
    const goOn = (): boolean => performance.now() - started < limits.stepMs && room.problem === null;
    const operator = { answered: true, problem: null, openBlock: null };
    const look: Look = { missing: null, more: false, operator, room: room.problem };
    this.committed = committed;
    this.height = 0;
    const lost = blocks.lostDeposit();
    if (lost !== null) await this.rollBack(lost);
    await this.compare();
    if (look.room === null) await this.bringOn(look, goOn);
    return { ...look, breaches: this.breaches(), openSince: blocks.seenSince(committed.length) };
  }

  /** Brings it on, by what is here and what is served. */
  private async bringOn(look: Look, goOn: () => boolean): Promise<void> {
    const { repairs } = this.options;
    while (await this.advance(look, goOn)) {
      await this.compare();
      look.more = !goOn();
      if (look.more) break;
    }
    if (!look.more) {
      if (this.committed.length > this.height) await this.loadLater(look, goOn);
      else await this.stream(look, goOn);
    }
    look.missing ??= await repairs.mend(goOn);
  }

  /** Finds up to where the blocks are those that Ethereum has. */
  private async compare(): Promise<void> {
    const { blocks, unjudged } = this.options;
    for (;;) {
      const next = this.committed[this.height];
      if (next === undefined) break;
      const { state } = blocks;
      const open = next.number === state.number;
      const own = open
        ? state.count === next.transactionCount
          ? blocks.rootOf(next.number)
          : null
        : blocks.rootOf(next.number);
      if (own?.root !== next.transactionsRoot || own.count !== next.transactionCount) break;
      if (open) {
        await blocks.seal();
        this.fault = null;
        this.suspect = null;
      }
      if (unjudged.has(next)) await unjudged.remove(next.number);
      this.height = next.number;
    }
    const { invalid } = this;
    if (invalid === null) return;
    const { blockNumber, rule, context } = invalid.breach;
    const replaced = this.committed[blockNumber - 1]?.transactionsRoot !== invalid.root;
    // A deposit that a reorganisation had taken away may be there again.
    const known = rule === "UNKNOWN_INPUT" && blocks.state.output(context["input"] as OutputId) !== undefined;
    if (replaced || known) this.invalid = null;
  }

  /** Does the next thing that brings the height on; false when there is none to be done now. */
  private async advance(look: Look, goOn: () => boolean): Promise<boolean> {
    const { unjudged } = this.options;
    const next = this.committed[this.height];
    if (next === undefined || this.invalid?.breach.blockNumber === next.number) return false;
    const direct =
      !this.contradicted && this.suspect !== next.number && !unjudged.has(next) && unjudged.otherRoot(next) === null;
    if (direct) return await this.load(next, look, goOn);
    const loaded = await unjudged.load(next, goOn);
    if (loaded.kind === "whole") return await this.adopt(next, look, goOn);
    if (loaded.kind === "part") look.more = true;
    if (loaded.kind === "missing") this.miss(look, next.number, loaded);
    return false;
  }

  /** Loads a committed block, and judges it as it comes. */
  private async load(next: CommittedBlock, look: Look, goOn: () => boolean): Promise<boolean> {
    const { blocks } = this.options;
    const { number, transactionCount } = next;
    const { end, fault } = await this.judge(number, transactionCount, goOn);
    if (fault !== null) {
      const missing = notServed(fault);
      if (missing !== null) {
        this.miss(look, number, { reason: missing, answered: true });
        return false;
      }
      this.suspect = number;
      return true;
    }
    const { count } = blocks.state;
    if (count === transactionCount) return true;
    if (end === null) look.more = true;
    else {
      const reason = end.reason ?? `ends after ${count} of ${transactionCount} payments`;
      this.miss(look, number, { reason, answered: end.answered });
    }
    return false;
  }

  /** Judges a block whose leaves are those of the committed root, on top of those before. */
  private async adopt(next: CommittedBlock, look: Look, goOn: () => boolean): Promise<boolean> {
    const { blocks, unjudged, pool } = this.options;
    const { number, transactionCount } = next;
    const file = await unjudged.reader(number);
    try {
      if (await this.replace(number, file)) return true;
      const signed = this.isSigned(number);
      let fault: Fault | null = null;
      await pipeline({
        ...{ pool, source: storedPieces(file, blocks.state.count), unsigned: !signed, goOn },
        take: async (piece: Piece, parts) => (fault = await blocks.take(piece, parts, signed)) === null,
      });
      if (fault !== null) {
        this.invalid = { breach: breachOf(await this.explained(fault)), root: next.transactionsRoot };
        return false;
      }
      if (blocks.state.count === transactionCount) return true;
      look.more = true;
      return false;
    } catch (error) {
      if (!(error instanceof StoredDataError)) throw error;
      await unjudged.remove(number);
      return true;
    } finally {
      await file.close();
    }
  }

  /** Takes back what was streamed of a block if the committed one contradicts it. */
  private async replace(number: number, file: BlockFile): Promise<boolean> {
    const { blocks, store } = this.options;
    const own = await blocks.reader(number);
    if (own === null) return false;
    let breach: Reordered | null;
    try {
      breach = await firstDifference(number, own, file);
    } finally {
      await own.close();
    }
    if (breach === null && number === blocks.state.number) return false;
    if (breach !== null) {
      this.reordered.push(breach);
      await store.addReordered(breach);
    }
    await this.rollBack(number);
    return true;
  }

  private async rollBack(number: number): Promise<void> {
    this.fault = null;
    this.suspect = null;
    await this.options.blocks.rollBack(number);
    // The block before is open again: comparing from the start ends it.
    this.height = 0;
  }

  /** Stuck at the next block: those behind it are loaded without being judged. */
  private async loadLater(look: Look, goOn: () => boolean): Promise<void> {
    const { blocks, unjudged, store, limits } = this.options;
    let failures = 0;
    for (const block of this.committed.slice(this.height + 1)) {
      const own = block.number < blocks.state.number ? blocks.rootOf(block.number) : null;
      if (own?.root === block.transactionsRoot || unjudged.has(block)) continue;
      const begun = BlockFile.exists(store.unjudged(block.number));
      if (!begun && (await store.unjudgedBytes()) >= limits.unjudgedBytes) {
        const megabytes = Math.floor(limits.unjudgedBytes / 10 ** 6);
        look.room = `more than ${megabytes} MB are stored of blocks that nobody can judge: from ${block.number} on none is`;
        return;
      }
      const loaded = await unjudged.load(block, goOn);
      if (loaded.kind === "missing") {
        if (look.missing === null) this.miss(look, block.number, loaded);
        if (!loaded.answered || ++failures === FAILURES_MAX) return;
      }
      if (!goOn()) {
        look.more = true;
        return;
      }
    }
  }

  /** Reads the open block to its end, and the one behind it when it has ended. */
  private async stream(look: Look, goOn: () => boolean): Promise<void> {
    const { blocks, feed, limits } = this.options;
    const { operator } = look;
    let ended: number | null = null;
    for (;;) {
      const { number, count: before } = blocks.state;
      if (number - 1 - this.height >= limits.blocksAhead) {
        operator.problem = `${limits.blocksAhead} blocks are ahead of Ethereum: no more is read`;
        return;
      }
      const { end, fault } = await this.judge(number, MAX_TRANSACTIONS_PER_BLOCK, goOn);
      if (fault !== null) return await this.streamedFault(fault, look);
      this.fault = null;
      if (end === null) {
        look.more = true;
        return;
      }
      operator.answered = end.answered;
      operator.problem = end.reason;
      if (end.reason !== null) return;
      operator.openBlock = number;
      const { count } = blocks.state;
      if (count === 0) return;
      if (ended === number && count === before) await blocks.seal();
      else {
        const following = await feed.has(number + 1);
        if (following === false) return;
        if (following !== true) {
          operator.answered = following.answered;
          operator.problem = following.reason;
          return;
        }
        // What came before it ended, and was not there at the look before.
        ended = number;
      }
      if (!goOn()) {
        look.more = true;
        return;
      }
    }
  }

  private async streamedFault(fault: Fault, { operator }: Look): Promise<void> {
    operator.openBlock = fault.blockNumber;
    const missing = notServed(fault);
    const known = this.fault;
    this.fault = null;
    if (missing !== null) {
      operator.problem = missing;
      return;
    }
    if (known !== null && known.transactionIndex === fault.transactionIndex && known.hash === fault.hash) {
      this.fault = known;
    } else if (performance.now() - this.explainedAt < EXPLAIN_MS) this.fault = fault;
    else {
      if (fault.rule === "UNKNOWN_INPUT") this.explainedAt = performance.now();
      this.fault = await this.explained(fault);
    }
    operator.problem = `payment ${fault.transactionIndex} of open block ${fault.blockNumber}: ${this.fault.rule}`;
  }

  /** Reads and judges the next payments of a block, up to so many in all. */
  private async judge(
    number: number,
    upTo: number,
    goOn: () => boolean,
  ): Promise<{ end: FeedEnd | null; fault: Fault | null }> {
    const { blocks, feed, pool } = this.options;
    const { count } = blocks.state;
    if (count >= upTo) return { end: { answered: true, reason: null }, fault: null };
    const signed = this.isSigned(number);
    let fault: Fault | null = null;
    const end = await pipeline({
      ...{ pool, source: feed.read(number, count, upTo - count), unsigned: !signed, goOn },
      take: async (piece: Piece, parts) => (fault = await blocks.take(piece, parts, signed)) === null,
    });
    return { end, fault };
  }

  private isSigned(number: number): boolean {
    return number > this.options.trustedHeight;
  }

  /** `UNKNOWN_INPUT` is `INPUT_SPENT` when history has a spend of every input that is not there. */
  private async explained(fault: Fault): Promise<Fault> {
    if (fault.rule !== "UNKNOWN_INPUT") return fault;
    const { store, history, blocks } = this.options;
    const { inputs } = decodePayment(fault.payment);
    const missing = inputs.filter((id) => blocks.state.output(id) === undefined);
    const spent = new Map<OutputId, { hash: Hex; prefix: string; index: number }>();
    const prefixes = store.numbers("blocks").map((number) => store.block(number));
    const { found } = await history.search({ prefixes, ids: missing, owners: null });
    for (const { payment, hash, prefix, index } of found) {
      for (const id of decodePayment(payment).inputs) spent.set(id, { hash: toHex(hash), prefix, index });
    }
    const unknown = missing.find((id) => !spent.has(id));
    const [input] = unknown === undefined ? missing : [unknown];
    if (input === undefined) return fault;
    const context = { input, index: inputs.indexOf(input) };
    if (unknown !== undefined) return { ...fault, context };
    return { ...fault, rule: "INPUT_SPENT", context: { ...context, spentBy: spent.get(input)?.hash } };
  }

  private miss(look: Look, number: number, { reason, answered }: { reason: string; answered: boolean }): void {
    look.missing = { number, reason };
    look.operator.answered = answered;
    look.operator.problem = `block ${number}: ${reason}`;
  }

  private breaches(): Breach[] {
    const { unjudged } = this.options;
    const breaches: Breach[] = [...this.reordered];
    if (this.invalid !== null) breaches.push(this.invalid.breach);
    // A streamed spend of what is not known may be of a deposit that is not seen here yet: the commit will tell.
    const streamed = this.fault !== null && this.fault.blockNumber > this.committed.length ? this.fault : null;
    if (streamed !== null && streamed.rule !== "UNKNOWN_INPUT") breaches.push(breachOf(streamed));
    for (const block of this.committed.slice(this.height)) {
      const served = unjudged.otherRoot(block);
      const committed = { root: block.transactionsRoot, count: block.transactionCount };
      if (served !== null) breaches.push({ name: "unknownRoot", blockNumber: block.number, committed, served });
    }
    return breaches;
  }
}

/** Why something is not served at all, rather than wrong; null when it is wrong. */
function notServed({ rule, hash, transactionIndex, payment }: Fault): string | null {
  if (hash === null) return `garbled at payment ${transactionIndex}`;
  if (rule !== "WRONG_SIGNATURE_COUNT") return null;
  return withoutSignatures(transactionIndex, payment[2] as number, payment[4] as number);
}

function breachOf({
  blockNumber,
  transactionIndex,
  rule,
  hash,
  context,
}: Fault): Extract<Breach, { name: "invalidBlock" }> {
  return { name: "invalidBlock", blockNumber, transactionIndex, rule, hash: hash as Hex, context };
}

/** The first streamed position that the committed block has otherwise; null when it only goes on. */
async function firstDifference(
  blockNumber: number,
  streamed: BlockFile,
  committed: BlockFile,
): Promise<Reordered | null> {
  for (let at = 0; at < streamed.count; at += COMPARED) {
    const to = Math.min(streamed.count, at + COMPARED);
    const ours = await streamed.leaves(at, to);
    const theirs = await committed.leaves(at, Math.min(committed.count, to));
    for (let i = 0; i * HASH_BYTES < ours.length; i++) {
      const [own, other] = [ours, theirs].map((leaves) => leaves.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES));
      if (own === undefined || other?.equals(own) === true) continue;
      const hash = other === undefined || other.length === 0 ? null : toHex(other);
      return { name: "reordered", blockNumber, transactionIndex: at + i, streamed: toHex(own), committed: hash };
    }
  }
  return null;
}
