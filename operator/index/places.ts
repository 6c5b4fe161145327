import { InvariantError } from "@plasma-billing/protocol/errors.ts";

/** An entry makes at most this many outputs. A place is the position times this, plus the output's index. */
export const OUTPUTS_MAX = 16;

export function placeOf(position: number, index: number): number {
  return position * OUTPUTS_MAX + index;
}

/**
 * At which journal positions things are that are called otherwise: payments by block and index, deposits by id. Payments
 * follow each other; what stands between them is rare, so it is kept in memory, 8 bytes each.
 */
export class Places {
  /** Of each entry that is no payment: how many payments there are before it. */
  private readonly paymentsBefore: number[] = [];
  /** Positions of the seals; block N's at N - 1. */
  private readonly seals: number[] = [];
  /** How many payments there are before each block; block N's at N - 1. */
  private readonly blockStarts: number[] = [0];
  private readonly deposits: number[] = [];

  /** Counts an entry that is no payment; entries come in order. */
  takeOther(position: number): void {
    this.paymentsBefore.push(position - 1 - this.paymentsBefore.length);
  }

  /** A seal that `takeOther` was told of. */
  takeSeal(position: number): void {
    this.seals.push(position);
    this.blockStarts.push(this.paymentsUpTo(position));
  }

  takeDeposit(position: number): void {
    this.deposits.push(position);
  }

  get openBlock(): number {
    return this.seals.length + 1;
  }

  get depositCount(): number {
    return this.deposits.length;
  }

  /** How many payments stand at or before a position. */
  paymentsUpTo(position: number): number {
    // Entries that are no payments: those with fewer before them than this position has at all.
    let low = 0;
    let high = this.paymentsBefore.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.paymentsBefore[middle] as number) + middle + 1 <= position) low = middle + 1;
      else high = middle;
    }
    return position - low;
  }

  /** Where a payment is. */
  ofPayment(blockNumber: number, transactionIndex: number): number {
    const start = this.blockStarts[blockNumber - 1];
    if (start === undefined) throw new InvariantError("no such block", { blockNumber, openBlock: this.openBlock });
    const before = start + transactionIndex;
    let low = 0;
    let high = this.paymentsBefore.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.paymentsBefore[middle] as number) <= before) low = middle + 1;
      else high = middle;
    }
    return before + low + 1;
  }

  /** Where a deposit is. */
  ofDeposit(id: number): number {
    const position = this.deposits[id - 1];
    if (position === undefined) throw new InvariantError("no such deposit", { id, deposits: this.deposits.length });
    return position;
  }

  /** Position of a block's seal; undefined while it is open. */
  sealOf(blockNumber: number): number | undefined {
    return this.seals[blockNumber - 1];
  }

  /** First position an entry of the block can have. */
  firstOf(blockNumber: number): number {
    return blockNumber === 1 ? 1 : (this.seals[blockNumber - 2] as number) + 1;
  }
}
