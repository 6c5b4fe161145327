import { setImmediate } from "node:timers/promises";
import {
  Book,
  depositNote,
  encodeKit,
  kitOf,
  paymentNote,
  type KnownPayment,
  type OwnOutput,
} from "@plasma-billing/sdk";
import { textFile } from "@plasma-billing/sdk/node";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { outputId, type OutputId, type TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import type { Address, Domain } from "@plasma-billing/protocol/typedData.ts";
import type { SeenCommit, SeenDeposit } from "../rootChain/view.ts";
import type { ExitBoard } from "./exitBoard.ts";
import { rankOutputs } from "./largest.ts";
import type { GuardRecords, KeptPayment } from "./records.ts";

/** Payments put into a book before others get their turn: some milliseconds. */
const PAYMENTS_A_SLICE = 50;
/** Of the time, a twentieth goes into an address's kit, however much it has; what takes no longer than this is not counted. */
const REST_FACTOR = 20;
const QUICK_MS = 100;
/** Fewer payments of an address are kept whatever became of them. */
const PRUNED_FROM = 1_000;

export interface HoldingView {
  commits: readonly SeenCommit[];
  /** The last block that is verified against Ethereum, and before every bad one: proofs of later ones count as none. */
  good: number;
  /** The last block that cannot turn out to be bad any more. */
  settled: number;
  /** The address's own. */
  deposits: readonly SeenDeposit[];
  board: ExitBoard;
}

/** What a guarded address has, as the wallet's book of it, and the exit kit that follows from it. */
export class Holding {
  readonly owner: Address;
  readonly path: string;
  private readonly domain: Domain;
  private readonly separator: Hex;
  private readonly records: GuardRecords;
  private built: Book;
  /** Something changed since it was built. */
  private stale = true;
  /** Blocks that proofs are of, whether Ethereum has them at the moment or not. */
  private blocks = new Set<number>();
  private seen = "";
  private kept = PRUNED_FROM;
  private restUntilMs = 0;
  private writtenAt: number | null = null;
  private readonly outputsMax: number;
  /** Payments came since outputs were ranked. */
  private unranked = true;
  private small = 0;

  constructor(
    owner: Address,
    path: string,
    {
      domain,
      separator,
      records,
      outputsMax,
    }: {
      domain: Domain;
      separator: Hex;
      records: GuardRecords;
      outputsMax: number;
    },
  ) {
    this.owner = owner;
    this.path = path;
    this.domain = domain;
    this.separator = separator;
    this.records = records;
    this.outputsMax = outputsMax;
    this.built = new Book(owner, separator);
  }

  get book(): Book {
    return this.built;
  }

  /** Unix milliseconds when the kit was written last; null before. */
  get updatedAt(): number | null {
    return this.writtenAt;
  }

  touch(): void {
    this.stale = true;
    this.unranked = true;
  }

  /** How many outputs of payments are so small that they are left out. */
  get leftOut(): number {
    return this.small;
  }

  /** Decides which of its outputs count. */
  async rank(): Promise<void> {
    if (!this.unranked) return;
    this.unranked = false;
    try {
      const { changed, leftOut } = await rankOutputs(this.records, this.owner, this.outputsMax);
      this.small = leftOut;
      this.stale ||= changed;
    } catch (error) {
      this.unranked = true;
      throw error;
    }
  }

  /** Builds the book anew and writes the kit, if anything changed. @param urgent - However long that takes */
  async refresh(view: HoldingView, urgent: boolean, nowMs: () => number): Promise<void> {
    const start = nowMs();
    if (!urgent && start < this.restUntilMs) return;
    if (!this.stale && this.seen === this.whatItSees(view)) return;
    this.stale = false;
    try {
      this.built = await this.build(view);
      this.seen = this.whatItSees(view);
      const { chainId, verifyingContract } = this.domain;
      await textFile(this.path).save(encodeKit(kitOf(this.built, chainId, verifyingContract, nowMs())));
      this.writtenAt = nowMs();
    } catch (error) {
      this.stale = true;
      throw error;
    }
    await this.prune(view);
    const end = nowMs();
    this.restUntilMs = end - start > QUICK_MS ? end + REST_FACTOR * (end - start) : 0;
  }

  /** Payments that a block of Ethereum is not known to have and that concern the address. */
  get unproven(): Book["unproven"] {
    return this.built.unproven.filter((payment) => payment.signed || this.built.paysOwner(payment));
  }

  private async build(view: HoldingView): Promise<Book> {
    const book = new Book(this.owner, this.separator);
    for (const deposit of view.deposits) book.apply(depositNote(deposit));
    const blocks = new Set<number>();
    const take = (payment: KeptPayment, signed: boolean): void => {
      if (payment.place !== null && payment.proof !== null) blocks.add(payment.place.blockNumber);
      add(book, payment, signed, view);
    };
    let slice = 0;
    for (const { hash, signed } of this.records.paymentsOf(this.owner, view.good)) {
      const payment = this.records.payment(hash);
      if (payment === null) continue;
      // To leave in flight with it one has to show where its inputs come from.
      if ((payment.place?.blockNumber ?? Infinity) > view.settled) {
        for (const deposit of payment.deposits) book.apply(depositNote(deposit));
        for (const source of this.records.sourcesOf(payment.hash)) take(source, false);
      }
      take(payment, signed);
      if (++slice % PAYMENTS_A_SLICE === 0) await setImmediate();
    }
    for (const { id } of book.unspent()) {
      if (!this.records.isGone(id) && !view.board.isFinalized(id)) continue;
      book.apply({ kind: "leaving", id });
      book.apply({ kind: "left", id });
    }
    this.blocks = blocks;
    return book;
  }

  /** All that the book depends on beside the records. */
  private whatItSees({ commits, good, deposits, board }: HoldingView): string {
    const headers = [...this.blocks].map((block) => `${block}:${commits[block - 1]?.timestamp}:${block <= good}`);
    const finalized = [...this.built.outputs.keys()].filter((id) => board.isFinalized(id));
    return [...headers, ...deposits.map(({ outputId: id }) => id), "", ...finalized].join();
  }

  /** Leaves out payments whose outputs the address spent in final blocks, and forgets those that are settled. */
  private async prune({ commits, good, settled }: HoldingView): Promise<void> {
    const { built: book, records, owner } = this;
    // What does not count any more takes the room of what could.
    if (book.payments.size <= 2 * this.kept && this.small === 0) return;
    const finalBlock = Math.min(good, commits.findLast(({ final }) => final)?.number ?? 0);
    const resting = await this.resting(finalBlock);
    const made = new Set(resting.flatMap(({ ids }) => ids));
    const spent = resting.flatMap(({ payment }) =>
      payment.transaction.inputs.filter((id) => book.outputs.has(id) && !made.has(id)),
    );
    for (let at = 0; at < resting.length; at += PAYMENTS_A_SLICE) {
      const slice = resting.slice(at, at + PAYMENTS_A_SLICE);
      const hashes = slice.map(({ payment }) => payment.hash);
      records.rest(owner, hashes, { spent: at === 0 ? spent : [], made: slice.flatMap(({ ids }) => ids) });
      await setImmediate();
    }
    records.forget(owner, Math.min(settled, finalBlock));
    this.kept = Math.max(PRUNED_FROM, book.payments.size - resting.length);
    if (resting.length > 0) this.touch();
  }

  /** Payments of blocks up to this one that made nothing which the address has, or has spent behind it. */
  private async resting(finalBlock: number): Promise<{ payment: KnownPayment; ids: OutputId[] }[]> {
    const { built: book } = this;
    const isFinal = (hash: TransactionHash): boolean => {
      const number = book.payments.get(hash)?.proof?.header.number;
      return number !== undefined && number <= finalBlock;
    };
    const unspent = new Set([...book.unspent(), ...book.departing()].map(({ id }) => id));
    const isNeeded = (output: OwnOutput | undefined): boolean =>
      output !== undefined && (unspent.has(output.id) || (output.spentBy !== null && !isFinal(output.spentBy)));
    const resting: { payment: KnownPayment; ids: OutputId[] }[] = [];
    let slice = 0;
    for (const payment of book.payments.values()) {
      if (++slice % PAYMENTS_A_SLICE === 0) await setImmediate();
      if (!isFinal(payment.hash)) continue;
      const ids = payment.transaction.outputs.map((_, i) => outputId(payment.hash, i));
      if (!ids.some((id) => isNeeded(book.outputs.get(id)))) resting.push({ payment, ids });
    }
    return resting;
  }
}

function add(book: Book, payment: KeptPayment, signed: boolean, view: HoldingView): void {
  const { hash, transaction } = payment;
  book.apply(paymentNote(transaction, signed));
  book.apply({ kind: "answer", hash, status: "accepted" });
  const proof = proofIn(view, payment);
  if (proof !== null) book.apply({ kind: "proof", hash, proof });
}

/** Its proof by the header that Ethereum has now: another time stands in it when a block was committed again. */
function proofIn(
  { commits, good }: HoldingView,
  { place, proof }: KeptPayment,
): {
  header: { number: number; transactionsRoot: Hex; transactionCount: number; timestamp: number };
  index: number;
  siblings: Hex[];
} | null {
  const commit = place === null ? undefined : commits[place.blockNumber - 1];
  if (place === null || place.blockNumber > good) return null;
  if (proof === null || commit?.transactionsRoot !== proof.root) return null;
  const { number, transactionsRoot, transactionCount, timestamp } = commit;
  return {
    header: { number, transactionsRoot, transactionCount, timestamp },
    index: place.transactionIndex,
    siblings: proof.siblings,
  };
}
