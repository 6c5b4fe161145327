// One history: the book, the contract, who plays, and what was done so far.
import type { Action, Played } from "./actions.ts";
import { Book, type OutputId, type Transaction, bitOf, DAY, hasBit, PERIOD } from "./book.ts";
import { RootChainModel } from "./contract.ts";
import { isExiting } from "./exits.ts";
import type { Rules } from "./rules.ts";

export const HONEST = [0, 1, 2] as const;
/** They act as one, with the operator. */
export const MALICIOUS = [3, 4] as const;
export const OPERATOR = 5;
export const PLAYERS = 6;
/** Holders take an operator for dead that has committed nothing for so long. */
const PATIENCE = 4 * DAY;

const MALICIOUS_BITS = MALICIOUS.reduce((bits, player) => bits | bitOf(player), bitOf(OPERATOR));

export class World {
  readonly book: Book;
  readonly chain: RootChainModel;
  readonly played: Played[] = [];
  /** Outputs of the good chain, and what spent them there. */
  readonly made = new Set<OutputId>();
  readonly spent = new Map<OutputId, number>();
  /** Signed, and sent to the operator; it includes what it likes. */
  readonly pool = new Set<Transaction>();
  readonly forged: Transaction[] = [];
  /** The operator will commit nothing more. */
  operatorStopped = false;
  private broken = false;
  private left = false;

  constructor(rules: Rules) {
    this.book = new Book(rules);
    this.chain = new RootChainModel(this.book);
  }

  act(action: Action): boolean {
    this.chain.now = this.now;
    if (action.kind === "commit") this.judge(action.transactions, action.publishAt);
    const refused = this.chain.apply(action);
    if (action.kind === "commit") this.book.blocks.at(-1)!.valid = !this.broken;
    if (action.kind === "deposit") this.made.add((this.book.transactions.length - 1) * 16);
    const [ether, token] = this.chain.queues;
    this.played.push({ time: this.now, action, refused, queued: [ether.length, token.length] });
    return refused === null;
  }

  now = 0;

  /** Adds a signed transaction. What the malicious have signed among themselves is their secret. */
  sign(inputs: OutputId[], outputs: Transaction["outputs"], secretFrom = 0): Transaction {
    let signers = 0;
    for (const input of inputs) {
      const owner = this.book.output(input)?.owner;
      if (owner !== undefined) signers |= bitOf(owner);
    }
    return this.book.add(inputs, outputs, signers, (signers | MALICIOUS_BITS) & ~secretFrom);
  }

  outputsOf(player: number): OutputId[] {
    const outputs: OutputId[] = [];
    for (const transaction of this.book.transactions) {
      for (const [index, output] of transaction.outputs.entries()) {
        if (output.owner === player) outputs.push(transaction.id * 16 + index);
      }
    }
    return outputs;
  }

  takesPart(player: number, transaction: Transaction): boolean {
    if (hasBit(transaction.signers, player)) return true;
    return transaction.outputs.some((output) => output.owner === player);
  }

  /** Unspent in the good chain, and nobody but its owner has to wait for anything before it is spent. */
  isSpendable(output: OutputId, now: number): boolean {
    if (!this.made.has(output) || this.spent.has(output) || this.chain.finalizedBy.has(output)) return false;
    return !isExiting(this.book, this.chain.exits, output, now + 1);
  }

  /** Made in a block that holders have read, or by a deposit. */
  isSeen(output: OutputId, now: number): boolean {
    const maker = this.book.maker(output)!;
    return maker.deposit !== null || maker.inclusions.some(({ block }) => this.book.isPublished(block, now));
  }

  /** In a block that holders have read and found good. */
  isSettled(transaction: Transaction, now: number): boolean {
    const bad = this.book.firstBadSeen(now) ?? this.book.blocks.length + 1;
    return transaction.inclusions.some(({ block }) => block < bad && this.book.isPublished(block, now));
  }

  mustLeave(now: number): boolean {
    const last = this.book.blocks.at(-1)?.time ?? 0;
    if (this.operatorStopped && now > last + PATIENCE) this.left = true;
    if (this.book.firstBadSeen(now) !== undefined) this.left = true;
    return this.left;
  }

  /** The next number, while no block is bad. */
  firstBadSeen(now: number): number {
    return this.book.firstBadSeen(now) ?? this.book.blocks.length + 1;
  }

  /** Why the transaction cannot stand in a good block after those of `block`; null if it can. */
  fault(transaction: Transaction, block: ReadonlySet<number>, madeHere: ReadonlySet<OutputId>): string | null {
    const { inputs } = transaction;
    if (transaction.inclusions.length > 0 || block.has(transaction.id)) return "included";
    if (new Set(inputs).size !== inputs.length) return "an input twice";
    const isSpentHere = (input: OutputId) => this.book.spendsOf(input).some((spend) => block.has(spend.id));
    const finalized = this.chain.finalizedBy;
    if (inputs.some((input) => !this.made.has(input) && !madeHere.has(input))) return "unknown input";
    if (inputs.some((input) => this.spent.has(input) || isSpentHere(input))) return "spent";
    if (inputs.some((input) => finalized.has(input))) return "paid on Ethereum";
    if (!this.book.fullySigned(transaction)) return "not signed";
    if (!this.balances(transaction)) return "sums differ";
    const since = this.now - PERIOD / 8;
    const exiting = inputs.some((input) => isExiting(this.book, this.chain.exits, input, since));
    if (exiting && this.book.rules.exitingSpendInvalid) return "exiting";
    return null;
  }

  private balances({ inputs, outputs }: Transaction): boolean {
    const sums = [0, 0];
    for (const input of inputs) sums[this.book.output(input)!.token]! += this.book.output(input)!.amount;
    for (const { token, amount } of outputs) sums[token]! -= amount;
    return sums.every((sum) => sum === 0);
  }

  /** Judges a block as a watcher does; a good one goes on with the good chain. */
  private judge(transactions: number[], publishAt: number): void {
    if (publishAt > this.now + PERIOD / 8) this.broken = true;
    const block = new Set<number>();
    const madeHere = new Set<OutputId>();
    for (const id of transactions) {
      const transaction = this.book.transactions[id]!;
      if (!this.broken && this.fault(transaction, block, madeHere) !== null) this.broken = true;
      block.add(id);
      for (const output of this.book.outputIds(transaction)) madeHere.add(output);
    }
    if (this.broken) return;
    for (const id of block) {
      const transaction = this.book.transactions[id]!;
      for (const input of transaction.inputs) this.spent.set(input, id);
      for (const output of this.book.outputIds(transaction)) this.made.add(output);
      this.pool.delete(transaction);
    }
  }
}
