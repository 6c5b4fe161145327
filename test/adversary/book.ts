// What exists off Ethereum: transactions, who signed them, in which blocks they stand, and who knows it. Nothing is
// hashed or signed here: a transaction is a number, a signature a bit.
import type { Rules } from "./rules.ts";

/** Seconds. */
export const PERIOD = 7 * 86_400;
export const HOUR = 3_600;
export const DAY = 24 * HOUR;
export const TOKENS = [0, 1] as const;
/** Token 0. */
export const ETHER = 0;
/** The age of what is not included. */
export const NEVER = Infinity;

/** `transaction * 16 + index`; negative for an output that never existed. */
export type OutputId = number;

export interface Output {
  owner: number;
  token: number;
  amount: number;
}
export interface Place {
  block: number;
  index: number;
}
interface Inclusion extends Place {
  /** Shown on Ethereum by a proof, though its block may be withheld. */
  shown: boolean;
}
/** A transaction, or a deposit, which stands in for the transaction that makes its output. */
export interface Transaction {
  id: number;
  inputs: OutputId[];
  outputs: Output[];
  /** Of a deposit: its own number, that of the next block, and its time. */
  deposit: { id: number; nextBlock: number; time: number } | null;
  /** Bit set of players. */
  signers: number;
  /** Whose signatures Ethereum has seen. */
  shown: number;
  /** Who holds it with all its signatures. */
  holders: number;
  inclusions: Inclusion[];
}
export interface Block {
  number: number;
  transactions: number[];
  time: number;
  /** When all can read it, `Infinity` for never. */
  publishAt: number;
  /** Its content breaks no rule of the ledger. */
  valid: boolean;
}

export function ageOf(place: Place): number {
  return place.block * 2 ** 23 + place.index + 1;
}

export class Book {
  readonly rules: Rules;
  readonly transactions: Transaction[] = [];
  /** Block n is at n - 1. */
  readonly blocks: Block[] = [];
  private readonly spends = new Map<OutputId, number[]>();

  constructor(rules: Rules) {
    this.rules = rules;
  }

  add(inputs: OutputId[], outputs: Output[], signers: number, holders: number): Transaction {
    const id = this.transactions.length;
    const made = { id, inputs, outputs, deposit: null, signers, shown: 0, holders, inclusions: [] };
    this.transactions.push(made);
    for (const input of new Set(inputs)) {
      const known = this.spends.get(input);
      if (known === undefined) this.spends.set(input, [id]);
      else known.push(id);
    }
    return made;
  }

  addDeposit(output: Output, deposit: { id: number; nextBlock: number; time: number }): Transaction {
    const made = this.add([], [output], 0, 0);
    made.deposit = deposit;
    return made;
  }

  maker(output: OutputId): Transaction | undefined {
    return this.transactions[Math.floor(output / 16)];
  }

  output(output: OutputId): Output | undefined {
    return output < 0 ? undefined : this.maker(output)?.outputs[output % 16];
  }

  outputIds(transaction: Transaction): OutputId[] {
    return transaction.outputs.map((_, index) => transaction.id * 16 + index);
  }

  /** Every transaction that names the output as an input, signed or not. */
  spendsOf(output: OutputId): Transaction[] {
    return (this.spends.get(output) ?? []).map((id) => this.transactions[id]!);
  }

  /** Those which the output's owner signed. */
  signedSpendsOf(output: OutputId): Transaction[] {
    const owner = this.output(output)?.owner;
    return owner === undefined ? [] : this.spendsOf(output).filter((spend) => hasBit(spend.signers, owner));
  }

  fullySigned(transaction: Transaction): boolean {
    return transaction.inputs.every((input) => {
      const owner = this.output(input)?.owner;
      return owner !== undefined && hasBit(transaction.signers, owner);
    });
  }

  commit(block: Block): void {
    this.blocks.push(block);
    for (const [index, id] of block.transactions.entries()) {
      this.transactions[id]!.inclusions.push({ block: block.number, index, shown: false });
    }
  }

  includes(place: Place, transaction: number): boolean {
    return this.blocks[place.block - 1]?.transactions[place.index] === transaction;
  }

  /** Whether holders can read the block at `now`. */
  isPublished(block: number, now: number): boolean {
    return this.blocks[block - 1]!.publishAt <= now;
  }

  /** The first place holders know of. */
  knownPlace(transaction: Transaction, now: number): Place | undefined {
    let best: Place | undefined;
    for (const place of transaction.inclusions) {
      if (!place.shown && !this.isPublished(place.block, now)) continue;
      if (best === undefined || ageOf(place) < ageOf(best)) best = place;
    }
    return best;
  }

  /** Everybody can know that signature. */
  isPublic(transaction: Transaction, signer: number, now: number): boolean {
    if (!hasBit(transaction.signers, signer)) return false;
    if (hasBit(transaction.shown, signer)) return true;
    return transaction.inclusions.some(({ block }) => this.isPublished(block, now));
  }

  /** The player can show that signature. */
  knows(player: number, transaction: Transaction, signer: number, now: number): boolean {
    if (this.isPublic(transaction, signer, now)) return true;
    return hasBit(transaction.signers, signer) && (player === signer || hasBit(transaction.holders, player));
  }

  /** The first block that breaks a rule or was not published in time; the next number if there is none. */
  firstBad(): number {
    for (const block of this.blocks) {
      if (!block.valid || block.publishAt > block.time + PERIOD / 8) return block.number;
    }
    return this.blocks.length + 1;
  }

  /**
   * The same as holders see it at `now`: undefined while nothing is wrong. They read blocks in their order, and wait for
   * one that can still be published in time though a later one is bad already: what they leave with must be proven
   * from before the first bad block, where it is oldest.
   */
  firstBadSeen(now: number): number | undefined {
    const patience = this.rules.withheldIsInvalid ? PERIOD / 8 : 2 * PERIOD;
    for (const block of this.blocks) {
      const isRead = block.publishAt <= now && block.publishAt <= block.time + PERIOD / 8;
      if (isRead ? !block.valid : now > block.time + patience) return block.number;
      if (!isRead) return undefined;
    }
    return undefined;
  }

  /** In a block before `bad`; a deposit counts as one wherever it stands. */
  isCommittedBefore(transaction: Transaction, bad: number): boolean {
    return transaction.deposit !== null || transaction.inclusions.some(({ block }) => block < bad);
  }
}

export function hasBit(bits: number, player: number): boolean {
  return (bits & (1 << player)) !== 0;
}

export function bitOf(player: number): number {
  return 1 << player;
}
