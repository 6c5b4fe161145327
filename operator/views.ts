import type { DepositEntry, Entry, ExitEntry, PaymentEntry } from "@plasma-billing/protocol/entries.ts";
import type { Ledger } from "@plasma-billing/protocol/ledger.ts";
import type { LedgerOutput } from "@plasma-billing/protocol/output.ts";
import { depositHash, outputId, type OutputId, type TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { PendingDeposit } from "./chainSync.ts";

/** A payment as the journal has it. */
export interface Payment extends PaymentEntry {
  blockNumber: number;
  transactionIndex: number;
}

/** Some items newest first, and where the next ones begin; null after the last. */
export interface Page<T> {
  items: T[];
  next: number | null;
}

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
  private readonly deposits: DepositEntry[] = [];
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
        this.deposits.push(entry);
        return this.addOutput(entry.owner, this.depositOutputId(entry));
      case "seal":
        this.blocks.push([]);
        return;
      case "genesis":
      case "exit":
      case "commit":
      case "followed":
        return;
    }
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

  /** An owner's outputs that are on the disk, the newest first. */
  outputs(
    owner: Address,
    limit: number,
    from: number | null,
    wanted: (output: LedgerOutput) => boolean,
  ): Page<LedgerOutput> {
    const ids = this.outputsByOwner.get(owner) ?? [];
    const page = pageOf(ids, limit, from, (id) => wanted(this.ledger.output(id) as LedgerOutput));
    return { ...page, items: page.items.map((id) => this.ledger.output(id) as LedgerOutput) };
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
      .filter((deposit) => deposit.id > this.deposits.length && (owner === undefined || deposit.owner === owner))
      .reverse();
  }

  creditedDeposits(limit: number, from: number | null): Page<DepositEntry> {
    return pageOf(this.deposits, limit, from, () => true);
  }

  exits(limit: number, from: number | null): Page<ExitEntry> {
    const exits = [...this.ledger.exits.values()].map((record) => record.current).sort((a, b) => a.number - b.number);
    return pageOf(exits, limit, from, () => true);
  }

  depositOutputId({ id, owner, token, amount }: DepositEntry): OutputId {
    return outputId(depositHash(this.ledger.separator, { id, owner, token, amount }), 0);
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
  while (index > 0 && items.length < limit) {
    const item = list[--index] as T;
    if (wanted(item)) items.push(item);
  }
  return { items, next: index > 0 ? index : null };
}
