import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { EthereumError } from "./errors.ts";
import { decodeLogs, type RootChainEvent } from "./rootChain.ts";
import type { EthereumRpc, Header } from "./rpc.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";

/** Blocks asked for in one range of logs; nodes refuse larger ones. */
export const RANGE_BLOCKS = 1000;
/** More unfinal blocks than any chain has: a node that shows more is wrong. */
const WINDOW_BLOCKS_MAX = 5000;

/** An Ethereum block up to which everything is final and taken in; no hash before the first. */
export interface Cursor {
  number: number;
  hash: Hex | null;
}

/** The contract's events as Ethereum shows them now. */
export interface FollowerUpdate {
  head: Header;
  /** The last final block. */
  final: Cursor;
  /** Final since the last accepted update, in order. */
  finalEvents: RootChainEvent[];
  /** Of all blocks after the final one; a later update may contradict them. */
  windowEvents: RootChainEvent[];
  /** Takes the update as done: the next one goes on from it. Without it the next update tells the same again. */
  accept(): void;
}

interface WindowBlock {
  header: Header;
  events: RootChainEvent[];
}

/**
 * Follows the contract by block hash: what can still be reorganised is read block by block along the parents of the head,
 * what is final by ranges.
 */
export class Follower {
  private readonly rpc: EthereumRpc;
  private readonly address: Address;
  private readonly finality: "finalized" | number;
  private cursor: Cursor;
  private window: WindowBlock[] = [];

  /** @param from What was taken in already: the last followed block, or the one before the contract's. */
  constructor(rpc: EthereumRpc, address: Address, finality: "finalized" | number, from: Cursor) {
    this.rpc = rpc;
    this.address = address;
    this.finality = finality;
    this.cursor = from;
  }

  /** @throws EthereumError REORG_PAST_FINAL when what was final is no more; others when the nodes give no answer. */
  async poll(): Promise<FollowerUpdate> {
    const head = await this.rpc.block("latest");
    if (head === null) throw new EthereumError("BAD_ANSWER", "the node has no latest block");
    if (head.number < this.cursor.number) {
      const context = { head: head.number, final: this.cursor.number };
      throw new EthereumError("NODE_BEHIND", "the node is behind what was final already", context);
    }
    const finalNumber = Math.max(this.cursor.number, await this.finalNumber(head));
    let cursor = this.cursor;
    const finalEvents: RootChainEvent[] = [];
    // Far behind: take what is final in ranges, so that the window holds only what is not.
    if (finalNumber - cursor.number > RANGE_BLOCKS || (this.window.length === 0 && finalNumber > cursor.number)) {
      await this.checkCursor(cursor);
      for (let from = cursor.number + 1; from <= finalNumber; from += RANGE_BLOCKS) {
        const to = Math.min(finalNumber, from + RANGE_BLOCKS - 1);
        finalEvents.push(...decodeLogs(await this.rpc.logs(this.address, { from, to })));
      }
      const final = await this.rpc.block(finalNumber);
      if (final === null) throw new EthereumError("NODE_BEHIND", "the node lost a final block", { finalNumber });
      cursor = { number: final.number, hash: final.hash };
    }
    const window = await this.followWindow(head, cursor);
    const settled = window.filter(({ header }) => header.number <= finalNumber);
    const open = window.slice(settled.length);
    const last = settled.at(-1)?.header;
    const final = last === undefined ? cursor : { number: last.number, hash: last.hash };
    return {
      head,
      final,
      finalEvents: [...finalEvents, ...settled.flatMap(({ events }) => events)],
      windowEvents: open.flatMap(({ events }) => events),
      accept: () => {
        this.cursor = final;
        this.window = open;
      },
    };
  }

  private async finalNumber(head: Header): Promise<number> {
    if (this.finality !== "finalized") return head.number - this.finality + 1;
    const final = await this.rpc.block("finalized");
    // Before its first finalized block a chain has none.
    return Math.min(final?.number ?? 0, head.number);
  }

  private async checkCursor({ number, hash }: Cursor): Promise<void> {
    if (hash === null) return;
    const header = await this.rpc.block(number);
    if (header?.hash !== hash) throw reorganisedPastFinal(number, hash, header?.hash ?? null);
  }

  /** The blocks after the cursor up to the head, keeping those of the old window that are still there. */
  private async followWindow(head: Header, cursor: Cursor): Promise<WindowBlock[]> {
    const known = new Map(this.window.map((block) => [block.header.hash, block]));
    const fresh: Header[] = [];
    let header = head;
    while (header.number > cursor.number && !known.has(header.hash)) {
      if (fresh.length >= WINDOW_BLOCKS_MAX) {
        throw new EthereumError("BAD_ANSWER", "too many blocks are not final", {
          head: head.number,
          final: cursor.number,
        });
      }
      fresh.push(header);
      if (header.number === cursor.number + 1) {
        if (cursor.hash !== null && header.parentHash !== cursor.hash) {
          throw reorganisedPastFinal(cursor.number, cursor.hash, header.parentHash);
        }
        break;
      }
      const parent = await this.rpc.block(header.parentHash);
      if (parent === null)
        throw new EthereumError("NODE_BEHIND", "a parent block is missing", { hash: header.parentHash });
      header = parent;
    }
    if (header.number === cursor.number && cursor.hash !== null && header.hash !== cursor.hash) {
      throw reorganisedPastFinal(cursor.number, cursor.hash, header.hash);
    }
    const kept: WindowBlock[] = [];
    for (let block = known.get(header.hash); block !== undefined; block = known.get(block.header.parentHash)) {
      if (block.header.number <= cursor.number) break;
      kept.unshift(block);
    }
    for (const next of fresh.reverse()) {
      const events = decodeLogs(await this.rpc.logs(this.address, { blockHash: next.hash }));
      kept.push({ header: next, events });
    }
    return kept;
  }
}

function reorganisedPastFinal(number: number, expected: Hex, found: Hex | null): EthereumError {
  const message = `Ethereum block ${number}, final before, is another one now`;
  return new EthereumError("REORG_PAST_FINAL", message, { number, expected, found });
}
