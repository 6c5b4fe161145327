import type { DepositEntry, Entry, PaymentEntry } from "@plasma-billing/protocol/entries.ts";
import type { Ledger } from "@plasma-billing/protocol/ledger.ts";
import type { LedgerOutput, OutputState } from "@plasma-billing/protocol/output.ts";
import { depositHash, outputId, type OutputId, type TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { PendingDeposit } from "./chainSync.ts";
import { exitRows, type ExitRow } from "./exitRows.ts";

/** A payment as the journal has it. */
export interface Payment extends PaymentEntry {
  blockNumber: number;
  transactionIndex: number;
}

/** Some items newest first, and where the next ones begin; null after the last. */
export interface Page<T, From = number> {
  items: T[];
  next: From | null;
}

/** An output, or what a deposit will be one of when it is final. */
export type ShownOutput = Omit<LedgerOutput, "state" | "spentBy"> & { state: OutputState | "pending" };

export interface DepositView {
  deposit: DepositEntry | PendingDeposit;
  outputId: OutputId;
  state: "pending" | "credited";
}

/**
 * Where a page of outputs begins: what was pending at the first page, below this deposit (0: no more of those), then what
 * was there at the first page, below this index.
 */
export interface OutputsFrom {
  index: number;
  deposit: number;
}

/** Where a page of exits begins: after the row with this index of the exit with this number. */
export type ExitsFrom = Pick<ExitRow, "number" | "index">;

/** Items looked at for one page; a page of a rare state may be short, or empty, and the next one goes on. */
const LOOKED_AT_MAX = 100_000;

/**
 * What is read over HTTP, kept in memory from the entries on the disk: nothing shows here that a crash could take back. Only
 * the momentary state of an output comes from the ledger itself, which may be a group ahead.
 */
export class Views {
  private readonly ledger: Ledger;
  private readonly payments = new Map<TransactionHash, Payment>();
  /** Payments of each block in order; block N at N - 1. */
  private readonly blocks: Payment[][] = [[]];
  private readonly outputsByOwner = new Map<Address, OutputId[]>();
  private readonly liveByOwner = new Map<Address, Set<OutputId>>();
  private readonly paymentCounts = new Map<Address, number>();
  private readonly credited: DepositEntry[] = [];
  private readonly pendingDepositsOf: () => readonly PendingDeposit[];

  /** @param pendingDeposits Deposits that are on Ethereum but not final. */
  constructor(ledger: Ledger, pendingDeposits: () => readonly PendingDeposit[]) {
    this.ledger = ledger;
    this.pendingDepositsOf = pendingDeposits;
  }

  /** Takes an entry that is on the disk. */
  apply(entry: Entry): void {
    switch (entry.type) {
      case "payment":
        return this.applyPayment(entry);
      case "deposit":
        this.credited.push(entry);
        return this.addOutput(entry.owner, this.depositOutputId(entry));
      case "seal":
        this.blocks.push([]);
        return;
      case "genesis":
      case "exit":
      case "inFlightExit":
      case "commit":
      case "followed":
        return;
    }
  }

  /** The block that payments go into, as far as the disk knows. */
  get openBlock(): { number: number; transactionCount: number; openedAt: number } {
    const number = this.blocks.length;
    const openedAt = this.ledger.block(number)?.openedAt ?? this.ledger.openBlock.openedAt;
    return { number, transactionCount: this.blocks.at(-1)?.length ?? 0, openedAt };
  }

  payment(hash: TransactionHash): Payment | undefined {
    return this.payments.get(hash);
  }

  /** The payments of a block that are on the disk; undefined for a block that is not open yet. */
  blockPayments(number: number): readonly Payment[] | undefined {
    return this.blocks[number - 1];
  }

  /** A page of a block's payments, the last first. */
  blockPage(payments: readonly Payment[], limit: number, from: number | null): Page<Payment> {
    return pageOf(payments, limit, from, () => true);
  }

  /** An owner's outputs that are on the disk, the newest first, pending deposits before them. */
  outputs(
    owner: Address,
    limit: number,
    from: OutputsFrom | null,
    state: ShownOutput["state"] | null,
  ): Page<ShownOutput, OutputsFrom> {
    const ids = this.outputsByOwner.get(owner) ?? [];
    const index = Math.min(from?.index ?? ids.length, ids.length);
    const wanted = (output: ShownOutput): boolean => state === null || output.state === state;
    const waited = this.waitedAt(owner, ids, index, from?.deposit ?? Infinity).filter(wanted);
    if (waited.length >= limit) {
      const items = waited.slice(0, limit);
      const more = waited.length > limit || index > 0;
      return { items, next: more ? { index, deposit: Number(items.at(-1)?.depositId) } : null };
    }
    const output = (id: OutputId): LedgerOutput => this.ledger.output(id) as LedgerOutput;
    const page = pageOf(ids, limit - waited.length, index, (id) => wanted(output(id)));
    const next = page.next === null ? null : { index: page.next, deposit: 0 };
    return { items: [...waited, ...page.items.map(output)], next };
  }

  /** By token, what an owner can spend, has on its way to Ethereum, and has coming from there. */
  balances(owner: Address): Map<Address, { available: bigint; exiting: bigint; pending: bigint }> {
    const balances = new Map<Address, { available: bigint; exiting: bigint; pending: bigint }>();
    const balanceOf = (token: Address): { available: bigint; exiting: bigint; pending: bigint } => {
      let balance = balances.get(token);
      if (balance === undefined) balances.set(token, (balance = { available: 0n, exiting: 0n, pending: 0n }));
      return balance;
    };
    for (const id of this.liveByOwner.get(owner) ?? []) {
      const { state, token, amount } = this.ledger.output(id) as LedgerOutput;
      if (state === "available" || state === "exiting") balanceOf(token)[state] += amount;
    }
    for (const { token, amount } of this.pendingDeposits(owner)) balanceOf(token).pending += amount;
    return balances;
  }

  /** How many payments an address took part in, on either side. */
  paymentCount(address: Address): number {
    return this.paymentCounts.get(address) ?? 0;
  }

  /** Deposits that are not credited yet, the newest first. */
  pendingDeposits(owner?: Address): PendingDeposit[] {
    return this.pendingDepositsOf()
      .filter((deposit) => deposit.id > this.credited.length && (owner === undefined || deposit.owner === owner))
      .reverse();
  }

  /** Deposits with an id below `from`, the newest first. */
  deposits(limit: number, from: number | null): Page<DepositView> {
    const pending = this.pendingDeposits()
      .filter((deposit) => from === null || deposit.id < from)
      .slice(0, limit)
      .map((deposit): DepositView => ({ deposit, outputId: deposit.outputId, state: "pending" }));
    const credited: DepositView[] = [];
    const newest = Math.min(from === null ? Infinity : from - 1, this.credited.length);
    for (let id = newest; id > 0 && pending.length + credited.length < limit; id--) {
      const deposit = this.credited[id - 1] as DepositEntry;
      credited.push({ deposit, outputId: this.depositOutputId(deposit), state: "credited" });
    }
    const items = [...pending, ...credited];
    const last = Number(items.at(-1)?.deposit.id ?? 1);
    return { items, next: last > 1 ? last : null };
  }

  /** Exits after a place in the list, the newest first; an in-flight exit has one row a piggyback. */
  exits(limit: number, from: ExitsFrom | null): Page<ExitRow, ExitsFrom> {
    const entries = [...this.ledger.exits.values(), ...this.ledger.inFlightExits.values()]
      .map((record) => record.current)
      .filter(({ number }) => from === null || number <= from.number)
      .sort((a, b) => b.number - a.number);
    const rows: ExitRow[] = [];
    for (const entry of entries) {
      if (rows.length > limit) break;
      rows.push(...exitRows(entry).filter(({ number, index }) => number !== from?.number || index > from.index));
    }
    const items = rows.slice(0, limit);
    return { items, next: rows.length > limit ? (items.at(-1) ?? null) : null };
  }

  depositOutputId({ id, owner, token, amount }: DepositEntry): OutputId {
    return outputId(depositHash(this.ledger.separator, { id, owner, token, amount }), 0);
  }

  /** Deposits below an id that are pending, or were when the outputs ended at the index, the newest first. */
  private waitedAt(owner: Address, ids: readonly OutputId[], index: number, below: number): ShownOutput[] {
    if (below === 0) return [];
    const nowhere = { blockNumber: null, transactionIndex: null, outputIndex: 0 };
    const pending = this.pendingDeposits(owner).map(({ outputId: id, id: depositId, token, amount }): ShownOutput => ({
      ...{ id, owner, token, amount, state: "pending", ...nowhere, depositId },
    }));
    const credited = ids.slice(index).map((id) => this.ledger.output(id) as LedgerOutput);
    return [...pending, ...credited.reverse()].filter(({ depositId }) => depositId !== null && depositId < below);
  }

  private applyPayment(entry: PaymentEntry): void {
    const block = this.blocks.at(-1) as Payment[];
    const payment = { ...entry, blockNumber: this.blocks.length, transactionIndex: block.length };
    block.push(payment);
    this.payments.set(entry.hash, payment);
    const parties = new Set<Address>();
    for (const id of entry.transaction.inputs) {
      const { owner } = this.ledger.output(id) as LedgerOutput;
      this.liveByOwner.get(owner)?.delete(id);
      parties.add(owner);
    }
    for (const [index, { owner }] of entry.transaction.outputs.entries()) {
      this.addOutput(owner, outputId(entry.hash, index));
      parties.add(owner);
    }
    for (const party of parties) this.paymentCounts.set(party, this.paymentCount(party) + 1);
  }

  private addOutput(owner: Address, id: OutputId): void {
    let ids = this.outputsByOwner.get(owner);
    if (ids === undefined) this.outputsByOwner.set(owner, (ids = []));
    ids.push(id);
    let live = this.liveByOwner.get(owner);
    if (live === undefined) this.liveByOwner.set(owner, (live = new Set()));
    live.add(id);
  }
}

/** Up to `limit` wanted items of an append-only list, backwards from index `from` (exclusive; null: from the end). */
function pageOf<T>(list: readonly T[], limit: number, from: number | null, wanted: (item: T) => boolean): Page<T> {
  const items: T[] = [];
  let index = Math.min(from ?? list.length, list.length);
  const end = Math.max(0, index - LOOKED_AT_MAX);
  while (index > end && items.length < limit) {
    const item = list[--index] as T;
    if (wanted(item)) items.push(item);
  }
  return { items, next: index > 0 ? index : null };
}
