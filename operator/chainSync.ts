import type { CommitEntry, JsonEntry } from "@plasma-billing/protocol/entries.ts";
import type { AnyExitEntry, ExitRecord } from "@plasma-billing/protocol/exitBook.ts";
import { depositHash, outputId, type OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { blockHash } from "@plasma-billing/protocol/header.ts";
import type { Ledger } from "@plasma-billing/protocol/ledger.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Clock } from "@plasma-billing/ethereum/process/clock.ts";
import type { FollowerUpdate } from "@plasma-billing/ethereum/follower.ts";
import { inFlightExitAfter, sameExit, standardExitAfter } from "@plasma-billing/ethereum/exitEntries.ts";
import { EthereumError } from "@plasma-billing/ethereum/errors.ts";
import type { RootChainEvent, RootChainReader } from "@plasma-billing/ethereum/rootChain.ts";
import type { Receipt } from "@plasma-billing/ethereum/rpc.ts";

/** Final blocks without an event of ours after which the height is journaled all the same. */
const FOLLOWED_BLOCKS_MAX = 100;

export interface PendingDeposit {
  id: bigint;
  owner: Address;
  token: Address;
  amount: bigint;
  outputId: OutputId;
  ethereumBlock: number;
  ethereumTransaction: Hex;
}

/** Ethereum shows something the journal cannot be brought in line with. */
export interface Conflict {
  number: number;
  reason: string;
}

export interface ChainSyncOptions {
  ledger: Ledger;
  record: (entries: readonly JsonEntry[]) => Promise<void>;
  receipt: (transaction: Hex) => Promise<Receipt | null>;
  /** The contract's views, in the state of a block. */
  rootChain: Pick<RootChainReader, "counters" | "blockHash">;
  clock: Clock;
}

/**
 * Turns what Ethereum shows into journal entries: deposits when they are final; exits and commits as soon as a block shows
 * them, with a further entry when a reorganisation takes them away. Taking the same update twice records nothing new.
 */
export class ChainSync {
  private readonly ledger: Ledger;
  private readonly record: ChainSyncOptions["record"];
  private readonly receipt: ChainSyncOptions["receipt"];
  private readonly rootChain: ChainSyncOptions["rootChain"];
  private readonly clock: Clock;
  private pending: PendingDeposit[] = [];
  private found: Conflict | null = null;
  /** How many final commits were taken in, whoever made them. */
  private finalCommits: number;

  constructor({ ledger, record, receipt, rootChain, clock }: ChainSyncOptions) {
    this.rootChain = rootChain;
    this.clock = clock;
    this.ledger = ledger;
    this.finalCommits = ledger.sealedBlocks.filter(({ commit }) => commit.state === "finalized").length;
    this.record = record;
    this.receipt = receipt;
  }

  /** Deposits on Ethereum that are not final yet. */
  get pendingDeposits(): readonly PendingDeposit[] {
    return this.pending;
  }

  get conflict(): Conflict | null {
    return this.found;
  }

  /** @throws EthereumError BAD_ANSWER when events are missing; the update then stays untaken. */
  async take(update: FollowerUpdate): Promise<void> {
    await this.checkComplete(update);
    const commits = await this.commitEntries(update);
    const entries: JsonEntry[] = [...this.depositEntries(update.finalEvents), ...this.exitEntries(update), ...commits];
    const { final } = update;
    const last = this.ledger.lastFollowed;
    const due = entries.length > 0 || last === null || final.number - last.number >= FOLLOWED_BLOCKS_MAX;
    // A conflict is met again after a restart: what shows it is not passed.
    if (due && this.found === null && final.hash !== null && final.hash !== last?.hash) {
      entries.push({ type: "followed", number: final.number, hash: final.hash });
    }
    if (entries.length > 0) await this.record(entries);
    this.pending = update.windowEvents.filter((event) => event.name === "Deposited").map((event) => this.pend(event));
    for (const { name } of update.finalEvents) if (name === "BlockCommitted") this.finalCommits++;
    update.accept();
  }

  /** A node that leaves out logs is found by the contract's counters: no deposit and no exit is lost. */
  private async checkComplete({ head, finalEvents, windowEvents }: FollowerUpdate): Promise<void> {
    let deposits = this.ledger.creditedDeposits;
    let exits = 0;
    for (const kind of [this.ledger.exits, this.ledger.inFlightExits]) {
      for (const [number, { final }] of kind) if (final !== null && number > exits) exits = number;
    }
    let blocks = this.finalCommits;
    for (const event of [...finalEvents, ...windowEvents]) {
      if (event.name === "BlockCommitted" && event.number === blocks + 1) blocks = event.number;
      if (event.name === "Deposited" && event.id === deposits + 1n) deposits = event.id;
      const starts = event.name === "ExitStarted" || event.name === "InFlightExitStarted";
      if (starts && event.number === exits + 1) exits = event.number;
    }
    const { nextBlockNumber, nextDepositId, nextExitNumber } = await this.rootChain.counters(head.hash);
    const complete = nextDepositId === deposits + 1n && nextExitNumber === exits + 1 && nextBlockNumber === blocks + 1;
    if (complete) return;
    const message =
      `the contract counts ${nextBlockNumber - 1} blocks, ${nextDepositId - 1n} deposits and ${nextExitNumber - 1} exits, the ` +
      `nodes show ${blocks}, ${deposits} and ${exits}: they leave out logs, or ROOT_CHAIN_FROM_BLOCK is after the contract's deployment`;
    throw new EthereumError("BAD_ANSWER", message, { block: head.number });
  }

  private depositEntries(finalEvents: readonly RootChainEvent[]): JsonEntry[] {
    const entries: JsonEntry[] = [];
    for (const event of finalEvents) {
      if (event.name !== "Deposited" || event.id <= this.ledger.creditedDeposits) continue;
      const { id, owner, token, amount, nextBlockNumber, ethereumBlock, ethereumTransaction } = event;
      entries.push({ type: "deposit", id, owner, token, amount, nextBlockNumber, ethereumBlock, ethereumTransaction });
    }
    return entries;
  }

  private exitEntries(update: FollowerUpdate): JsonEntry[] {
    const { exits, inFlightExits } = this.ledger;
    return [
      ...changedExits(exits, standardExitAfter, update),
      ...changedExits(inFlightExits, inFlightExitAfter, update),
    ];
  }

  private async commitEntries({ head, finalEvents, windowEvents }: FollowerUpdate): Promise<JsonEntry[]> {
    const entries: JsonEntry[] = [];
    const seen = new Set<number>();
    for (const [events, state] of [
      [finalEvents, "finalized"],
      [windowEvents, "committed"],
    ] as const) {
      for (const event of events) {
        if (event.name !== "BlockCommitted") continue;
        const block = this.ledger.block(event.number);
        if (block?.commit.state === "finalized") continue;
        if (block?.transactionsRoot !== event.transactionsRoot || block.transactionCount !== event.transactionCount) {
          const ours = block === undefined ? "which is not in the journal" : `but ${block.transactionsRoot} was sealed`;
          await this.checkHeld(event, head.hash);
          const reason = `Ethereum holds block ${event.number} with root ${event.transactionsRoot}, ${ours}`;
          this.found ??= { number: event.number, reason };
          continue;
        }
        seen.add(event.number);
        const { commit } = block;
        const same = commit.ethereumTransaction === event.ethereumTransaction && commit.timestamp === event.timestamp;
        if (same && commit.state === state) continue;
        await this.checkHeld(event, head.hash);
        const entry = { type: "commit", number: event.number, state, timestamp: event.timestamp } as const;
        entries.push({ ...entry, ...(await this.cost(event)), seenAt: this.clock.now() });
      }
    }
    for (const { number, commit } of this.ledger.sealedBlocks) {
      if (commit.state === "committed" && !seen.has(number)) entries.push(notCommitted(number, this.clock.now()));
    }
    return entries;
  }

  /** An event counts only where the contract's own storage says the same. */
  private async checkHeld(event: RootChainEvent & { name: "BlockCommitted" }, at: Hex): Promise<void> {
    if ((await this.rootChain.blockHash(event.number, at)) === blockHash(event)) return;
    throw new EthereumError("BAD_ANSWER", "a node shows a commit that the contract does not hold", { ...event });
  }

  private async cost({
    ethereumBlock,
    ethereumTransaction,
  }: RootChainEvent): Promise<Pick<CommitEntry, "ethereumBlock" | "ethereumTransaction" | "gasUsed" | "fee">> {
    const receipt = await this.receipt(ethereumTransaction).catch(noReceipt);
    return { ethereumBlock, ethereumTransaction, gasUsed: receipt?.gasUsed ?? null, fee: receipt?.fee ?? null };
  }

  private pend(event: RootChainEvent & { name: "Deposited" }): PendingDeposit {
    const { id, owner, token, amount, ethereumBlock, ethereumTransaction } = event;
    const output = outputId(depositHash(this.ledger.separator, { id, owner, token, amount }), 0);
    return { id, owner, token, amount, outputId: output, ethereumBlock, ethereumTransaction };
  }
}

type ExitAfter<E> = (event: RootChainEvent, before: (number: number) => E | undefined, final: boolean) => E | null;

/** The exits of a kind whose state is another than the one known, those that are gone as removed. */
function changedExits<E extends AnyExitEntry>(
  known: ReadonlyMap<number, ExitRecord<E>>,
  exitAfter: ExitAfter<E>,
  { finalEvents, windowEvents }: FollowerUpdate,
): E[] {
  const entries: E[] = [];
  const final = new Map<number, E>();
  /** What the ledger has of each, the entries so far taken. */
  const told = new Map<number, E>();
  const tell = (entry: E): void => {
    entries.push(entry);
    told.set(entry.number, entry);
  };
  for (const [number, record] of known) {
    told.set(number, record.current);
    if (record.final !== null) final.set(number, record.final);
  }
  for (const event of finalEvents) {
    const entry = exitAfter(event, (number) => final.get(number), true);
    if (entry !== null) final.set(entry.number, entry);
  }
  for (const [number, entry] of final) if (!sameExit(entry, known.get(number)?.final)) tell(entry);
  const current = new Map(final);
  for (const event of windowEvents) {
    const entry = exitAfter(event, (number) => current.get(number), false);
    if (entry !== null) current.set(entry.number, entry);
  }
  // Also of what stays as it was, when an earlier state of it became final just now.
  for (const [number, wanted] of current) if (!sameExit(wanted, told.get(number))) tell(wanted);
  for (const [number, record] of known) {
    if (!current.has(number)) entries.push({ ...record.current, state: "removed", final: false });
  }
  return entries;
}

/** What a commit cost is told when it can be; nothing waits for it. */
function noReceipt(error: unknown): null {
  if (error instanceof EthereumError) return null;
  throw error;
}

function notCommitted(number: number, seenAt: number): CommitEntry {
  const nothing = { timestamp: null, ethereumBlock: null, ethereumTransaction: null, gasUsed: null, fee: null };
  return { type: "commit", number, state: "sealed", ...nothing, seenAt };
}
