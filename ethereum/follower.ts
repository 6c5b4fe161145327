import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { mayHave } from "./bloom.ts";
import { EthereumError } from "./errors.ts";
import { decodeLogs, EVENT_TOPICS, type RootChainEvent } from "./rootChain.ts";
import type { EthereumRpc, Header, Log } from "./rpc.ts";

/** Blocks asked for in one range of logs; nodes refuse larger ones. */
export const RANGE_BLOCKS = 1000;
/** A week of Ethereum blocks: a node that shows more that are not final is wrong. */
const WINDOW_BLOCKS_MAX = 50_400;

/** An Ethereum block up to which everything is final and taken in; no hash before the first. */
export interface Cursor {
  number: number;
  hash: Hex | null;
}

/** The contract's events as Ethereum shows them now. */
export interface FollowerUpdate {
  head: Header;
  /** The last final block that is taken in. */
  final: Cursor;
  /** Height below which nothing changes any more; before the contract's first block it is less than `final.number`. */
  finalHeight: number;
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
  /** Read before something failed: nothing has to be read twice, however long the way back is. */
  private readonly read = new Map<Hex, WindowBlock>();

  /** @param from What was taken in already: the last followed block, or the one before the contract's. */
  constructor(rpc: EthereumRpc, address: Address, finality: "finalized" | number, from: Cursor) {
    this.rpc = rpc;
    this.address = address;
    this.finality = finality;
    this.cursor = from;
  }

  /**
   * @throws EthereumError REORG_PAST_FINAL when what was final is no more; NODE_BEHIND when the nodes show only what was
   *   seen before; others when they give no answer
   */
  async poll(): Promise<FollowerUpdate> {
    if (this.read.size > WINDOW_BLOCKS_MAX) this.read.clear();
    const { head, finalized } = await this.rpc.look();
    this.refuseOld(head);
    const wanted = this.finality === "finalized" ? finalized : head.number - this.finality + 1;
    const finalNumber = Math.max(this.cursor.number, Math.min(wanted, head.number));
    let cursor = this.cursor;
    const finalEvents: RootChainEvent[] = [];
    // Far behind: take what is final in ranges, so that the window holds only what is not.
    if (finalNumber - cursor.number > RANGE_BLOCKS || (this.window.length === 0 && finalNumber > cursor.number)) {
      await this.checkCursor(cursor);
      for (let from = cursor.number + 1; from <= finalNumber; from += RANGE_BLOCKS) {
        const to = Math.min(finalNumber, from + RANGE_BLOCKS - 1);
        finalEvents.push(...decodeLogs(await finalLogs(this.rpc, this.address, from, to)));
      }
      const final = await this.rpc.block(finalNumber);
      if (final === null) throw new EthereumError("NODE_BEHIND", "the nodes lost a final block", { finalNumber });
      cursor = { number: final.number, hash: final.hash };
    }
    const window = await this.followWindow(head, cursor);
    // What is not accepted is read again: a node may have lied.
    this.read.clear();
    const settled = window.filter(({ header }) => header.number <= finalNumber);
    const open = window.slice(settled.length);
    const last = settled.at(-1)?.header;
    const final = last === undefined ? cursor : { number: last.number, hash: last.hash };
    return {
      head,
      final,
      finalHeight: Math.max(0, Math.min(wanted, head.number)),
      finalEvents: [...finalEvents, ...settled.flatMap(({ events }) => events)],
      windowEvents: open.flatMap(({ events }) => events),
      accept: () => {
        this.cursor = final;
        this.window = open;
      },
    };
  }

  /** A head that is behind the one seen last, in the same chain, says nothing new: another node answered. */
  private refuseOld(head: Header): void {
    const seen = this.window.at(-1)?.header.number ?? this.cursor.number;
    const older = this.window.some(({ header }) => header.hash === head.hash) && head.number < seen;
    if (!older && head.number >= this.cursor.number) return;
    throw new EthereumError("NODE_BEHIND", `the nodes are at block ${head.number}, ${seen} was seen before`, {
      head: head.number,
      seen,
    });
  }

  private async checkCursor({ number, hash }: Cursor): Promise<void> {
    if (hash === null) return;
    const header = await this.rpc.block(number);
    if (header === null) throw new EthereumError("NODE_BEHIND", "the nodes do not have a final block", { number });
    if (header.hash !== hash) throw reorganisedPastFinal(number, hash, header.hash);
  }

  /** The blocks after the cursor up to the head, keeping those of the old window that are still there. */
  private async followWindow(head: Header, cursor: Cursor): Promise<WindowBlock[]> {
    const known = new Map([...this.read, ...this.window.map((block) => [block.header.hash, block] as const)]);
    const blocks: WindowBlock[] = [];
    for (let hash = head.hash; ;) {
      let block = known.get(hash);
      if (block === undefined) {
        block = await this.readBlock(hash === head.hash ? head : await this.parent(hash));
        this.read.set(hash, block);
      }
      const { number, parentHash } = block.header;
      if (number <= cursor.number) {
        if (number === cursor.number && cursor.hash !== null && hash !== cursor.hash) {
          throw reorganisedPastFinal(number, cursor.hash, hash);
        }
        break;
      }
      blocks.push(block);
      if (blocks.length > WINDOW_BLOCKS_MAX) {
        const context = { head: head.number, final: cursor.number };
        throw new EthereumError("BAD_ANSWER", "too many blocks are not final", context);
      }
      if (number === cursor.number + 1) {
        if (cursor.hash !== null && parentHash !== cursor.hash) {
          throw reorganisedPastFinal(cursor.number, cursor.hash, parentHash);
        }
        break;
      }
      hash = parentHash;
    }
    return blocks.reverse();
  }

  private async parent(hash: Hex): Promise<Header> {
    const header = await this.rpc.block(hash);
    if (header === null) throw new EthereumError("NODE_BEHIND", "a parent block is missing", { hash });
    return header;
  }

  private async readBlock(header: Header): Promise<WindowBlock> {
    const { hash, logsBloom } = header;
    let logs = await this.rpc.logs(this.address, { blockHash: hash });
    // No logs where the header says there may be some: the receipts know, unless the node does not have them.
    if (
      logs.length === 0 &&
      mayHave(logsBloom, this.address) &&
      EVENT_TOPICS.some((topic) => mayHave(logsBloom, topic))
    ) {
      logs = (await this.rpc.logsInReceipts(this.address, hash)) ?? [];
    }
    for (const log of logs) {
      const known = log.address === this.address && mayHave(logsBloom, log.address);
      if (log.blockHash === hash && known && log.topics.every((topic) => mayHave(logsBloom, topic))) continue;
      throw new EthereumError("BAD_ANSWER", "a node shows a log that the block cannot have", { hash, log });
    }
    return { header, events: decodeLogs(logs) };
  }
}

/** The contract's logs of final blocks: in halves where nodes refuse to tell so many at once. */
export async function finalLogs(rpc: EthereumRpc, address: Address, from: number, to: number): Promise<Log[]> {
  let logs: Log[];
  try {
    logs = await rpc.logs(address, { from, to });
  } catch (error) {
    if (!(error instanceof EthereumError) || error.code !== "RPC_ERROR" || from === to) throw error;
    const middle = Math.floor((from + to) / 2);
    const earlier = await finalLogs(rpc, address, from, middle);
    return [...earlier, ...(await finalLogs(rpc, address, middle + 1, to))];
  }
  for (const log of logs) {
    if (log.address === address && log.blockNumber >= from && log.blockNumber <= to) continue;
    throw new EthereumError("BAD_ANSWER", "a node shows a log that was not asked for", { from, to, log });
  }
  return logs;
}

function reorganisedPastFinal(number: number, expected: Hex, found: Hex | null): EthereumError {
  const message = `Ethereum block ${number}, final before, is another one now`;
  return new EthereumError("REORG_PAST_FINAL", message, { number, expected, found });
}
