import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { SignedAuthorization } from "@plasma-billing/sdk";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { LedgerOutput } from "@plasma-billing/protocol/output.ts";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { Address, Domain } from "@plasma-billing/protocol/typedData.ts";
import type { Logger } from "pino";
import type { GuardedPayment, SeenSpend } from "../chain/childChain.ts";
import type { SeenDeposit } from "../rootChain/view.ts";
import { Authorizations } from "./authorizations.ts";
import { collectEvidence } from "./evidence.ts";
import { ExitBoard } from "./exitBoard.ts";
import { planExits } from "./exits.ts";
import { Holding } from "./holding.ts";
import { OUTPUTS_MAX } from "./largest.ts";
import { planPiggybacks } from "./piggybacks.ts";
import type { PlanContext, Planned } from "./plan.ts";
import type { GuardedChain, GuardView } from "./ports.ts";
import { planProcessing } from "./processing.ts";
import { GuardRecords, type TakenPayment } from "./records.ts";
import { signedPayments } from "./signedPayments.ts";

/** A block that this part of W ago was verified, published and final is right for good: withheld ones are bad after W/8. */
const SETTLED_PARTS = 4;
/** Payments that could not be written, in memory: some megabytes. */
const PENDING_MAX = 10_000;

export interface GuardOptions {
  dataDir: string;
  domain: Domain;
  /** EIP-712 domain separator of the contract. */
  separator: Hex;
  addresses: readonly Address[];
  /** Leaves for them when the chain is not safe; else what there is to send is only told. */
  exits: boolean;
  /** Asked at each look: payments may be told before it is open. */
  chain: () => GuardedChain;
  /** Of the account that sends and pays the bonds; null: nothing is sent. */
  signerAddress: Address | null;
  log: Logger;
  now?: () => number;
  /** For tests: of an address, outputs that count. */
  outputsMax?: number;
}

/** What a guarded address has, as `GET /v1/guarded` shows it. */
export interface GuardedAddress {
  address: Address;
  /** Not signed away, nor paid by an exit. */
  outputs: number;
  /** Further ones, smaller than those: nothing is done for them as long as there are so many. */
  leftOut: number;
  /** Their sums by token, decimal strings. */
  value: Record<Address, string>;
  /** Of these outputs: those that this watcher may exit for by now, and may not. */
  authorized: number;
  unauthorized: number;
  /** Of these outputs: those that can be shown to Ethereum by themselves. */
  proven: number;
  /** Payments that no block of Ethereum is known to have. */
  inFlight: number;
  /** File of the exit kit, and Unix milliseconds of when it was written; null before. */
  kit: string;
  updatedAt: number | null;
}

/** Keeps proofs, kits and authorizations of the addresses it guards, and exits for them. */
export class Guard {
  private readonly options: GuardOptions;
  private readonly records: GuardRecords;
  private readonly guarded: ReadonlySet<Address>;
  private readonly holdings: ReadonlyMap<Address, Holding>;
  private readonly authorizations: Authorizations;
  private readonly now: () => number;
  private pending: TakenPayment[] = [];
  private flushing = false;
  private ethereumNow: number | null = null;
  private failure: string | null = null;
  /** Made when it is asked for, once a look: it takes as long as there are outputs. */
  private described: GuardedAddress[] | null = null;

  private constructor(options: GuardOptions) {
    const { dataDir, domain, separator, addresses, signerAddress, outputsMax = OUTPUTS_MAX } = options;
    const folder = join(dataDir, "kits");
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.options = options;
    this.now = options.now ?? Date.now;
    const records = new GuardRecords(join(dataDir, "guard.db"));
    this.records = records;
    this.guarded = new Set(addresses);
    this.holdings = new Map(
      addresses.map((owner) => [
        owner,
        new Holding(owner, join(folder, `${owner}.json`), { domain, separator, records, outputsMax }),
      ]),
    );
    this.authorizations = new Authorizations(records, separator, this.guarded, signerAddress);
  }

  static open(options: GuardOptions): Guard {
    return new Guard(options);
  }

  /**
   * Takes a payment that a guarded address signed or is paid by, however often it is told. It is on the disk before anything
   * else the caller waits for. @throws what the disk does, when there is no room for more
   */
  take({ hash, transaction, place, inputs }: GuardedPayment): void {
    const signers = new Set(inputs.map(({ owner }) => owner));
    const owners = this.partiesOf(signers, transaction.outputs);
    if (owners.length > 0) this.keep({ hash, transaction, place, inputs, owners, isSigned: true });
  }

  /** Whether all that it was told is on the disk. */
  get isKept(): boolean {
    return this.pending.length === 0;
  }

  /** One look: what is to be sent for the guarded addresses, and what is to be told. */
  async look(view: GuardView): Promise<Planned> {
    try {
      return await this.lookAt(view);
    } finally {
      this.described = null;
    }
  }

  private async lookAt(view: GuardView): Promise<Planned> {
    const { terms, firstBadBlock } = view;
    const now = view.head.timestamp;
    this.ethereumNow = now;
    this.flush();
    if (this.holdings.size === 0) return { duties: [], findings: [] };
    this.records.expire(now);
    const board = new ExitBoard(view.events);
    if (this.isBehind(view)) return { duties: [], findings: [] };
    for (const holding of this.holdings.values()) await holding.rank();
    await this.collect(view);
    await this.refresh(view, board);
    const chain = this.options.chain();
    const verified = this.goodBlock(view);
    const context: PlanContext = {
      ...{ chain, board, guarded: this.guarded, verified, now, bonds: terms, exitPeriod: terms.exitPeriod },
      rootChain: this.options.domain.verifyingContract,
      words: (id, block, owner) => this.authorizations.of(id, block, owner, now),
    };
    const planned = await planPiggybacks(context);
    if (firstBadBlock !== null) await this.leave(context, view, firstBadBlock, board, planned);
    // Without a key whoever wants to be paid processes by itself.
    if (this.options.signerAddress !== null) planned.duties.push(...planProcessing(context));
    return planned;
  }

  /**
   * Keeps authorizations that guarded addresses signed: all of the list, or none.
   * @throws Problem UNAUTHORIZED, NO_KEY, WRONG_BOND_OWNER, EXPIRED, BAD_SIGNATURE, TOO_MANY
   */
  authorize(list: readonly SignedAuthorization[]): { taken: number } {
    this.authorizations.take(list, this.seconds());
    this.described = null;
    return { taken: list.length };
  }

  /**
   * Keeps payments, in JSON, that guarded addresses signed, before the operator shows them: all of the list, or none.
   * @throws Problem MALFORMED, UNAUTHORIZED, TOO_MANY
   */
  tell(payments: readonly unknown[]): { taken: number } {
    const { separator, chain } = this.options;
    const taken = signedPayments(payments, {
      ...{ separator, guarded: this.guarded, outputOf: (id) => chain().output(id) },
      // Before the first look nothing is known of what is there.
      isKept: (hash, id) => this.records.reached === null || this.records.isKept(hash, id),
      unplacedOf: (owner) => this.records.unplacedOf(owner),
    });
    this.pending.push(...taken);
    this.flush();
    return { taken: taken.length };
  }

  /** What each guarded address has, as of the last look. */
  describe(): readonly GuardedAddress[] {
    return (this.described ??= this.description());
  }

  private description(): GuardedAddress[] {
    const now = this.seconds();
    return [...this.holdings.values()].map(({ owner, book, path, updatedAt, unproven, leftOut }) => {
      const outputs = [...book.unspent(), ...book.departing()];
      const value: Record<Address, bigint> = {};
      for (const { token, amount } of outputs) value[token] = (value[token] ?? 0n) + amount;
      const blockOf = ({ source }: (typeof outputs)[number]): number =>
        "hash" in source ? (book.payments.get(source.hash)?.proof?.header.number ?? 0) : 0;
      const authorized = outputs.filter(
        (output) => this.authorizations.of(output.id, blockOf(output), owner, now) !== null,
      );
      return {
        ...{ address: owner, outputs: outputs.length, leftOut, authorized: authorized.length },
        value: Object.fromEntries(Object.entries(value).map(([token, amount]) => [token, amount.toString()])),
        unauthorized: outputs.length - authorized.length,
        proven: outputs.filter((output) => book.isCommitted(output)).length,
        ...{ inFlight: unproven.length, kit: path, updatedAt },
      };
    });
  }

  /** The exit kit of a guarded address as text, as it was written last; null for another one, and before the first. */
  async kit(address: string): Promise<string | null> {
    const holding = this.holdings.get(address.toLowerCase() as Address);
    if (holding === undefined) return null;
    try {
      return await readFile(holding.path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
  }

  close(): void {
    this.flush();
    this.records.close();
  }

  /** What a payment's signers and outputs have of guarded addresses. */
  private partiesOf(signers: ReadonlySet<Address>, outputs: readonly { owner: Address }[]): TakenPayment["owners"] {
    const owners = new Set([...signers, ...outputs.map(({ owner }) => owner)]);
    return [...owners]
      .filter((owner) => this.guarded.has(owner))
      .map((owner) => ({ owner, signed: signers.has(owner) }));
  }

  /** Payments told in one go are written in one transaction, before whatever the teller waits for next. */
  private keep(payment: TakenPayment): void {
    // Where nothing can be written, whoever tells has to wait.
    if (this.pending.length >= PENDING_MAX) this.flush();
    this.pending.push(payment);
    if (this.flushing) return;
    this.flushing = true;
    queueMicrotask(() => {
      this.flushing = false;
      try {
        this.flush();
      } catch (error) {
        // Tried again at the next look, which fails with it.
        this.options.log.error({ err: error }, "payments of guarded addresses cannot be kept");
      }
    });
  }

  private flush(): void {
    if (this.pending.length === 0) return;
    this.records.take(this.pending);
    for (const { owners } of this.pending) for (const { owner } of owners) this.holdings.get(owner)?.touch();
    this.pending = [];
  }

  /**
   * Whether payments are still to be told that were told before, or were there at the first look: what was spent looks
   * unspent until then, so nothing follows from what is there.
   */
  private isBehind({ commits, firstBadBlock }: GuardView): boolean {
    const { height } = this.options.chain();
    const reached = this.records.reached ?? commits.length;
    if (height < Math.min(reached, commits.length, (firstBadBlock ?? Infinity) - 1)) return true;
    if (height > reached || this.records.reached === null) this.records.reached = Math.max(reached, height);
    return false;
  }

  /** The last block that is verified against Ethereum, and before every bad one. */
  private goodBlock({ commits, firstBadBlock }: GuardView): number {
    return Math.min(this.options.chain().height, commits.length, (firstBadBlock ?? Infinity) - 1);
  }

  private async collect({ commits }: GuardView): Promise<void> {
    const { separator, log } = this.options;
    const { concerned, failure: error } = await collectEvidence(this.options.chain(), this.records, separator, commits);
    for (const owner of concerned) this.holdings.get(owner)?.touch();
    // What is there already is enough to go on with.
    const failure = error === null ? null : error.message;
    if (failure !== null && failure !== this.failure) {
      log.warn({ err: error }, "proofs for guarded addresses cannot be made now");
    }
    this.failure = failure;
  }

  private async refresh(view: GuardView, board: ExitBoard): Promise<void> {
    const { commits, deposits: all, firstBadBlock, head, terms } = view;
    const good = this.goodBlock(view);
    const settledAt = head.timestamp - Math.floor(terms.exitPeriod / SETTLED_PARTS);
    const settled = commits.findLast(({ final, timestamp }) => final && timestamp <= settledAt)?.number ?? 0;
    const deposits = new Map<Address, SeenDeposit[]>();
    for (const deposit of all) {
      if (!this.guarded.has(deposit.owner)) continue;
      const own = deposits.get(deposit.owner);
      if (own === undefined) deposits.set(deposit.owner, [deposit]);
      else own.push(deposit);
    }
    for (const holding of this.holdings.values()) {
      const seen = {
        commits,
        good,
        settled: Math.min(settled, good),
        deposits: deposits.get(holding.owner) ?? [],
        board,
      };
      await holding.refresh(seen, firstBadBlock !== null, this.now);
    }
  }

  private async leave(
    context: PlanContext,
    view: GuardView,
    firstBadBlock: number,
    board: ExitBoard,
    planned: Planned,
  ): Promise<void> {
    const owners = new Map<OutputId, Address | null>();
    for (const { owner, book, unproven } of this.holdings.values()) {
      for (const { transaction } of unproven)
        for (const id of transaction.inputs) owners.set(id, book.ownerOf(id) ?? owners.get(id) ?? null);
      for (const { id } of book.unspent()) owners.set(id, owner);
    }
    await context.chain.watch(owners);
    if (this.takeSpends()) await this.refresh(view, board);
    const committedAt = view.commits[firstBadBlock - 1]?.timestamp ?? context.now;
    const until = committedAt + context.exitPeriod;
    const exits = this.options.exits && this.options.signerAddress !== null;
    const asideSoon = new Set<number>();
    for (const { book, unproven } of this.holdings.values()) {
      const { duties, findings } = planExits(
        { ...context, firstBadBlock, until, exits, balance: view.balance },
        book,
        unproven,
      );
      const known = new Set(planned.duties.map(({ key }) => key));
      // Two guarded addresses may be parties of one payment.
      planned.duties.push(...duties.filter(({ key }) => !known.has(key)));
      planned.findings.push(...findings);
      for (const { exit } of duties) asideSoon.add(exit);
    }
    // What an exit that is moved aside is asked for, it does not pay.
    planned.duties = planned.duties.filter(({ key, exit }) => !key.startsWith("piggyback:") || !asideSoon.has(exit));
  }

  /** Spends that owners signed and no verified block has, such as in data that was refused. True when there are new ones. */
  private takeSpends(): boolean {
    const chain = this.options.chain();
    for (const { owner, book } of this.holdings.values()) {
      for (const { id } of book.unspent()) {
        for (const spend of chain.spendsOf(id)) {
          if (spend.signer === owner && !book.payments.has(spend.hash)) this.takeSpend(chain, owner, id, spend);
        }
      }
    }
    const taken = this.pending.length > 0;
    this.flush();
    return taken;
  }

  private takeSpend(chain: GuardedChain, owner: Address, spent: OutputId, { hash, transaction }: SeenSpend): void {
    const inputs = transaction.inputs.flatMap((id): LedgerOutput[] => {
      const output = chain.output(id);
      return output === undefined ? [] : [output];
    });
    const owners = this.partiesOf(new Set([owner]), transaction.outputs);
    this.options.log.warn({ owner, spent, payment: hash }, "a spend was seen that no verified block has");
    this.keep({ hash, transaction, place: null, inputs, owners, isSigned: false });
  }

  /** Seconds, Ethereum's as far as it was looked at. */
  private seconds(): number {
    return this.ethereumNow ?? Math.floor(this.now() / 1000);
  }
}
