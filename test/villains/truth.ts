import {
  depositHash,
  outputId,
  type Deposit,
  type Output,
  type OutputId,
} from "@plasma-billing/protocol/transaction.ts";
import type { SignedTransaction, TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { hashOf } from "./payments.ts";

export interface MadePayment {
  hash: TransactionHash;
  transaction: SignedTransaction;
  /** As the operator acknowledged it. */
  blockNumber: number;
}

/** What really happened: every deposit and every acknowledged payment, in their order. The measure of what everybody is owed. */
export class Truth {
  readonly deposits: Deposit[] = [];
  readonly payments: MadePayment[] = [];
  private readonly separator: Hex;

  constructor(separator: Hex) {
    this.separator = separator;
  }

  paid(transaction: SignedTransaction, blockNumber: number): void {
    this.payments.push({ hash: hashOf(this.separator, transaction), transaction, blockNumber });
  }

  /** The villain has left out of its block what is not among these. */
  committed(blockNumber: number, hashes: readonly TransactionHash[]): void {
    for (const payment of this.payments) {
      if (payment.blockNumber === blockNumber && !hashes.includes(payment.hash)) payment.blockNumber++;
    }
  }

  /** Who pays with a payment; null for one that nobody was answered for. */
  payerOf(hash: string): Address | null {
    const payment = this.payments.find((one) => one.hash === hash);
    const [input] = payment?.transaction.inputs ?? [];
    for (const deposit of this.deposits) {
      if (outputId(depositHash(this.separator, deposit), 0) === input) return deposit.owner;
    }
    for (const { hash: maker, transaction } of this.payments) {
      const output = transaction.outputs.find((_, i) => outputId(maker, i) === input);
      if (output !== undefined) return output.owner;
    }
    return null;
  }

  /** Those of a block, and of all after it. */
  from(blockNumber: number): MadePayment[] {
    return this.payments.filter((payment) => payment.blockNumber >= blockNumber);
  }

  /**
   * INV-4: what was valid before the first bad block; of what was signed since, a payment's outputs in place of its inputs if
   * Ethereum decided for it.
   */
  live(firstBad: number, isCanonical: (hash: TransactionHash) => boolean): Map<OutputId, Output> {
    const live = new Map<OutputId, Output>();
    for (const deposit of this.deposits) live.set(outputId(depositHash(this.separator, deposit), 0), deposit);
    for (const { hash, transaction, blockNumber } of this.payments) {
      if (blockNumber >= firstBad && !isCanonical(hash)) continue;
      for (const id of transaction.inputs) live.delete(id);
      for (const [i, output] of transaction.outputs.entries()) live.set(outputId(hash, i), output);
    }
    return live;
  }

  /**
   * Of what bad blocks made, that which its owner has signed away again: INV-4 does not speak of it. It can be paid, when its
   * owner asks for it and nobody has a block that has the spend.
   */
  signedAway(firstBad: number, isCanonical: (hash: TransactionHash) => boolean): Set<OutputId> {
    const since = this.from(firstBad);
    const made = new Set(
      since.flatMap(({ hash, transaction }) => transaction.outputs.map((_, i) => outputId(hash, i))),
    );
    const spent = since.filter(({ hash }) => !isCanonical(hash)).flatMap(({ transaction }) => transaction.inputs);
    return new Set(spent.filter((id) => made.has(id)));
  }
}

export function sumOf(outputs: Iterable<Output>, owner: Address, token: Address): bigint {
  let sum = 0n;
  for (const output of outputs) if (output.owner === owner && output.token === token) sum += output.amount;
  return sum;
}
