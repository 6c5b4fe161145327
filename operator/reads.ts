import type { DepositEntry } from "@plasma-billing/protocol/entries.ts";
import { decodePaymentEntry, type PaymentRecord } from "@plasma-billing/protocol/entryBytes.ts";
import type { AnyExitEntry } from "@plasma-billing/protocol/exitBook.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Ledger, LedgerBlock } from "@plasma-billing/protocol/ledger.ts";
import type { Totals } from "@plasma-billing/protocol/liveOutputs.ts";
import type { LedgerOutput, OutputState } from "@plasma-billing/protocol/output.ts";
import {
  depositHash,
  outputId,
  type OutputId,
  type Purpose,
  PURPOSES,
  type TransactionHash,
} from "@plasma-billing/protocol/transaction.ts";
import type { Market } from "@plasma-billing/protocol/market/market.ts";
import type { Address, Domain } from "@plasma-billing/protocol/typedData.ts";
import type { PendingDeposit } from "./chainSync.ts";
import { exitRows, type ExitRow } from "./exitRows.ts";
import type { PaymentIndex } from "./index/client.ts";
import type { IndexedOutput, IndexedPayment, StatisticsView } from "./index/ports.ts";
import type { Durable } from "./sequencer.ts";

/** A payment as the journal has it, and at which entry. */
export interface Payment extends PaymentRecord {
  position: number;
}

/** Some items newest first, and where the next ones begin; null after the last. */
export interface Page<T, From = number> {
  items: T[];
  next: From | null;
}

/** An output, or what a deposit will be one of when it is final. */
export type ShownOutput = Omit<LedgerOutput, "state"> & { state: OutputState | "pending" };

export interface DepositView {
  deposit: DepositEntry | PendingDeposit;
  outputId: OutputId;
  state: "pending" | "credited";
}

export interface Balance {
  available: bigint;
  exiting: bigint;
  pending: bigint;
}

/** An output, and hashes of the payments that made and spent it; null where there is none. */
export interface OutputHistory {
  output: ShownOutput;
  created: TransactionHash | null;
  spentBy: TransactionHash | null;
}

export type PaymentState = "accepted" | "committed" | "finalized";

const NOWHERE = { blockNumber: null, transactionIndex: null, outputIndex: 0 };

/** Looked through for deposits that were credited while somebody pages through outputs. */
const WAITED_PAGES_MAX = 20;

/** Which payments a list has; what is absent does not matter. */
export interface PaymentFilter {
  address?: Address;
  purpose?: Purpose;
  fileHash?: Hex;
  blockNumber?: number;
  state?: PaymentState;
  /** Accepted from then on, and before then; Unix milliseconds. */
  since?: number;
  until?: number;
}

/**
 * Where a page of outputs begins: at pending deposits below the id `deposit` (0: no more of those), then at outputs before
 * the one with this index of the entry at this position; `position` alone is the end of the journal at the first page.
 */
export interface OutputsFrom {
  deposit: number;
  position: number;
  index: number;
}

/** Where a page of exits begins: after the row with this index of the exit with this number. */
export type ExitsFrom = Pick<ExitRow, "number" | "index">;

/** What the journal comes to, and what the ledger holds now: deposited = live + withdrawn. */
export interface StatisticsReport extends Omit<StatisticsView, "deposits"> {
  deposits: number;
  liveOutputs: number;
  /** `deposits`: how many; the others are amounts. */
  tokens: ({ token: Address; deposits: number } & Totals)[];
}

export interface ReadsOptions {
  ledger: Ledger;
  index: PaymentIndex;
  durable: () => Durable;
  /** Deposits that are on Ethereum but not final. */
  pendingDeposits: () => readonly PendingDeposit[];
}

/**
 * What is read over HTTP: history from the index, so nothing shows here that a crash could take back; the momentary state of
 * outputs, blocks and exits from the ledger, which may be a group ahead.
 * @throws IndexBehindError while the index is rebuilt
 */
export class Reads {
  readonly index: PaymentIndex;
  private readonly ledger: Ledger;
  private readonly durableNow: () => Durable;
  private readonly pendingNow: () => readonly PendingDeposit[];

  constructor({ ledger, index, durable, pendingDeposits }: ReadsOptions) {
    this.ledger = ledger;
    this.index = index;
    this.durableNow = durable;
    this.pendingNow = pendingDeposits;
  }

  /** Position of the last entry that is on the disk. */
  get position(): number {
    return this.durableNow().position;
  }

  get domain(): Domain {
    return this.ledger.domain;
  }

  get market(): Market {
    return this.ledger.market;
  }

  /** All that was ever credited. */
  get tokens(): Address[] {
    return [...this.ledger.tokens];
  }

  /** Sealed blocks whose seal is on the disk, oldest first. */
  get sealedBlocks(): LedgerBlock[] {
    const { number } = this.openBlock;
    return this.ledger.sealedBlocks.filter((block) => block.number < number);
  }

  /** Numbers of exits with this output, payment or Ethereum transaction. */
  exitsOf(hash: Hex): number[] {
    const { exits, inFlightExits } = this.ledger;
    const rows = [...exits.values(), ...inFlightExits.values()].flatMap(({ current }) =>
      current === undefined ? [] : exitRows(current),
    );
    const named = rows.filter((row) =>
      [row.outputId, row.transactionHash, row.ethereumTransaction].includes(hash as OutputId),
    );
    return [...new Set(named.map(({ number }) => number))];
  }

  /** Any output a payment or a credited deposit made, with the payment that made it (null: a deposit) and that spent it. */
  async outputHistory(id: OutputId): Promise<OutputHistory | null> {
    const held = this.ledger.output(id);
    const spend = held === undefined ? await this.spendOf(id) : null;
    let output: ShownOutput;
    if (held !== undefined) output = held;
    else {
      if (spend === null) return null;
      output = spentOutputs(spend)[spend.transaction.inputs.indexOf(id)] as ShownOutput;
    }
    const { blockNumber, transactionIndex } = output;
    const made =
      blockNumber === null || transactionIndex === null ? null : await this.paymentAt(blockNumber, transactionIndex);
    return { output, created: made?.hash ?? null, spentBy: spend?.hash ?? null };
  }

  /** An output that is not spent. */
  output(id: OutputId): LedgerOutput | undefined {
    return this.ledger.output(id);
  }

  /** The block that payments go into, as far as the disk knows. */
  get openBlock(): Ledger["openBlock"] {
    return this.durableNow().openBlock;
  }

  /** A sealed block whose seal is on the disk. */
  block(number: number): LedgerBlock | undefined {
    return number < this.openBlock.number ? this.ledger.block(number) : undefined;
  }

  async payment(hash: TransactionHash): Promise<Payment | null> {
    const found = await this.index.payment(hash);
    return found === null ? null : decode(found);
  }

  async paymentAt(blockNumber: number, transactionIndex: number): Promise<Payment | null> {
    const found = await this.index.paymentAt(blockNumber, transactionIndex);
    return found === null ? null : decode(found);
  }

  /** The accepted payment that spends an output. */
  async spendOf(id: OutputId): Promise<Payment | null> {
    if (this.ledger.output(id) !== undefined) return null;
    const found = await this.index.spendOf(id);
    return found === null ? null : decode(found);
  }

  /** Payments before a journal position, the newest first. */
  async payments(filter: PaymentFilter, limit: number, before: number | null): Promise<Page<Payment>> {
    const { address, purpose, fileHash, since, until } = filter;
    const range = this.positionsOf(filter);
    if (range === null) return { items: [], next: null };
    const chosen = {
      ...(address === undefined ? {} : { address }),
      ...(purpose === undefined ? {} : { purpose: PURPOSES[purpose] }),
      ...(fileHash === undefined ? {} : { fileHash }),
      ...(since === undefined ? {} : { since }),
      ...(until === undefined ? {} : { until }),
    };
    const { items, next } = await this.index.payments({ ...chosen, ...range }, limit, before);
    return { items: items.map(decode), next };
  }

  /** Journal positions from the first a block's payments can have to the last; null for a block that is not open yet. */
  entriesOf(number: number): { from: number; to: number } | null {
    const { openBlock, position } = this.durableNow();
    if (number === openBlock.number) return { from: openBlock.firstEntry, to: position };
    const block = this.block(number);
    return block === undefined ? null : { from: block.firstEntry, to: block.sealEntry };
  }

  /** Journal position of the payment at a place; null where there is none. */
  async entryAt(blockNumber: number, transactionIndex: number): Promise<number | null> {
    return (await this.index.paymentAt(blockNumber, transactionIndex))?.position ?? null;
  }

  stateOf(id: OutputId): OutputState {
    return this.ledger.output(id)?.state ?? "spent";
  }

  /** An owner's outputs, the newest first, pending deposits before them. */
  async outputs(
    owner: Address,
    limit: number,
    from: OutputsFrom | null,
    state: ShownOutput["state"] | null,
  ): Promise<Page<ShownOutput, OutputsFrom>> {
    const start = from ?? { deposit: Infinity, position: this.durableNow().position + 1, index: 0 };
    const wanted = (output: ShownOutput): boolean => state === null || output.state === state;
    const waited = (await this.waited(owner, start)).filter(wanted);
    if (waited.length > limit) {
      const items = waited.slice(0, limit);
      return { items, next: { ...start, deposit: Number(items.at(-1)?.depositId) } };
    }
    if (state === "pending") return { items: waited, next: null };
    const unspentOnly = state !== null && state !== "spent";
    const rest = Math.max(limit - waited.length, 1);
    const { items, next } = await this.index.outputs(owner, unspentOnly, rest, start);
    const shown = items.map((output) => this.show(output)).filter(wanted);
    if (waited.length === limit)
      return { items: waited, next: shown.length > 0 || next !== null ? { ...start, deposit: 0 } : null };
    return { items: [...waited, ...shown], next: next === null ? null : { ...next, deposit: 0 } };
  }

  /** How many payments an address took part in, and, by token, what it can spend, has on its way to Ethereum, and from there. */
  async account(owner: Address): Promise<{ transactionCount: number; balances: Map<Address, Balance> }> {
    const { transactionCount, unspent } = await this.index.account(owner);
    const balances = new Map<Address, Balance>();
    const balanceOf = (token: Address): Balance => {
      let balance = balances.get(token);
      if (balance === undefined) balances.set(token, (balance = { available: 0n, exiting: 0n, pending: 0n }));
      return balance;
    };
    for (const { token, amount } of unspent) balanceOf(token).available += amount;
    for (const output of this.ledger.exitingOutputs()) {
      if (output.owner !== owner) continue;
      const balance = balanceOf(output.token);
      balance.available -= output.amount;
      if (output.state === "exiting") balance.exiting += output.amount;
    }
    for (const { token, amount } of this.pendingDeposits(owner)) balanceOf(token).pending += amount;
    return { transactionCount, balances };
  }

  /** Deposits with an id below `from`, the newest first, those that are pending before those that are credited. */
  async deposits(limit: number, from: number | null): Promise<Page<DepositView>> {
    const pending = this.pendingDeposits()
      .filter((deposit) => from === null || deposit.id < from)
      .slice(0, limit)
      .map((deposit): DepositView => ({ deposit, outputId: deposit.outputId, state: "pending" }));
    const below = from === null ? null : BigInt(from);
    const credited = pending.length === limit ? [] : await this.index.deposits(limit - pending.length, below);
    const items = [
      ...pending,
      ...credited.map((deposit): DepositView => ({
        deposit,
        outputId: this.depositOutputId(deposit),
        state: "credited",
      })),
    ];
    const last = Number(items.at(-1)?.deposit.id ?? 1);
    return { items, next: last > 1 ? last : null };
  }

  /** Exits after a place in the list, the newest first, of one owner or of all; an in-flight exit has one row a piggyback. */
  exits(limit: number, from: ExitsFrom | null, owner: Address | null): Page<ExitRow, ExitsFrom> {
    const { exits, inFlightExits } = this.ledger;
    const rows: ExitRow[] = [];
    // Numbers are given one after another, but those a reorganisation took away may be missing.
    const last = Math.max(0, ...lastKeys(exits), ...lastKeys(inFlightExits));
    // A cursor may name any number: counting down from it must not take longer than there are exits.
    const newest = Math.min(from?.number ?? last, last);
    for (let number = newest; number > 0 && rows.length <= limit; number--) {
      const entry: AnyExitEntry | undefined = (exits.get(number) ?? inFlightExits.get(number))?.current;
      if (entry === undefined) continue;
      const after = exitRows(entry).filter((row) => row.number !== from?.number || row.index > from.index);
      rows.push(...after.filter((row) => owner === null || row.owner === owner));
    }
    const items = rows.slice(0, limit);
    return { items, next: rows.length > limit ? (items.at(-1) ?? null) : null };
  }

  /** What was paid, by purpose and token, and what the ledger holds; so many hours of it, newest first. */
  async statistics(hours: number): Promise<StatisticsReport> {
    const { deposits, ...counted } = await this.index.statistics(hours);
    const { ledger } = this;
    const counts = new Map(deposits.map(({ token, count }) => [token, count]));
    const withdrawn = [...ledger.exitingOutputs()].filter(({ state }) => state === "withdrawn").length;
    return {
      ...counted,
      deposits: deposits.reduce((sum, { count }) => sum + count, 0),
      liveOutputs: ledger.outputCount - withdrawn,
      tokens: ledger.tokens.map((token) => ({
        ...{ token, deposits: counts.get(token) ?? 0 },
        ...ledger.totals(token),
      })),
    };
  }

  /** The siblings of a payment in its sealed block, from the bottom up. */
  async siblings(blockNumber: number, transactionIndex: number): Promise<Hex[]> {
    return await this.index.siblings(blockNumber, transactionIndex);
  }

  depositOutputId({ id, owner, token, amount }: DepositEntry): OutputId {
    return outputId(depositHash(this.ledger.separator, { id, owner, token, amount }), 0);
  }

  private show({ position: _, ...output }: IndexedOutput): ShownOutput {
    return { ...output, state: this.stateOf(output.id) };
  }

  /** Deposits that are not credited yet, the newest first. */
  private pendingDeposits(owner?: Address): PendingDeposit[] {
    return this.pendingNow()
      .filter(({ id, owner: by }) => id > this.ledger.creditedDeposits && (owner === undefined || by === owner))
      .reverse();
  }

  /** Deposits below an id that are pending, or were at the first page, the newest first. */
  private async waited(owner: Address, { deposit: below, position }: OutputsFrom): Promise<ShownOutput[]> {
    if (below === 0) return [];
    const pending = this.pendingDeposits(owner).map(({ outputId: id, id: depositId, token, amount }): ShownOutput => ({
      ...{ id, owner, token, amount, state: "pending", ...NOWHERE, depositId },
    }));
    const credited: ShownOutput[] = [];
    let before: { position: number; index: number } | null = null;
    // What was credited since the first page: entries from its end on. A cursor may be forged, so not any number of them.
    for (let pages = 0; pages < WAITED_PAGES_MAX && this.durableNow().position >= position; pages++) {
      const page: Page<IndexedOutput, { position: number; index: number }> = await this.index.outputs(
        ...([owner, false, 1000, before] as const),
      );
      const newer = page.items.filter((output) => output.position >= position);
      for (const output of newer) if (output.depositId !== null) credited.push(this.show(output));
      before = page.next;
      if (newer.length < page.items.length || before === null) break;
    }
    return [...pending, ...credited].filter(({ depositId }) => depositId !== null && depositId < below);
  }

  /** The journal positions that payments of a block and a state can have; null when there can be none. */
  private positionsOf({ blockNumber, state }: PaymentFilter): { from?: number; to?: number } | null {
    const ranges: { from: number; to: number }[] = [];
    if (blockNumber !== undefined) {
      const range = this.entriesOf(blockNumber);
      if (range === null) return null;
      ranges.push(range);
    }
    if (state !== undefined) {
      // Commits come in order: what is final is the beginning, what is committed follows.
      const last = (...states: string[]): number =>
        this.ledger.sealedBlocks.findLast(({ commit }) => states.includes(commit.state))?.sealEntry ?? 0;
      const [finalized, committed] = [last("finalized"), last("finalized", "committed")];
      if (state === "finalized") ranges.push({ from: 1, to: finalized });
      if (state === "committed") ranges.push({ from: finalized + 1, to: committed });
      if (state === "accepted") ranges.push({ from: committed + 1, to: this.durableNow().position });
    }
    if (ranges.length === 0) return {};
    const from = Math.max(...ranges.map((range) => range.from));
    const to = Math.min(...ranges.map((range) => range.to));
    return from > to ? null : { from, to };
  }
}

/** What a payment's inputs name, in their order. */
export function spentOutputs({ spent, transaction }: PaymentRecord): ShownOutput[] {
  return spent.map(({ origin, ...output }, i) => {
    const place = origin.depositId === null ? origin : { ...NOWHERE, ...origin };
    return { id: transaction.inputs[i] as OutputId, ...output, ...place, state: "spent" };
  });
}

function decode({ position, bytes }: IndexedPayment): Payment {
  return { ...decodePaymentEntry(bytes), position };
}

/** The largest of a map's keys, or none. */
function lastKeys(map: ReadonlyMap<number, unknown>): number[] {
  let largest = 0;
  for (const key of map.keys()) if (key > largest) largest = key;
  return largest === 0 ? [] : [largest];
}
