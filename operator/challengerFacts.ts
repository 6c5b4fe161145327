import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import type { OutputId, TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import type { Payment, Reads } from "./reads.ts";
import type { OpenExit } from "@plasma-billing/ethereum/challenging/exits.ts";
import type { Facts, Place } from "@plasma-billing/ethereum/challenging/planner.ts";

/** What the operator knows of these exits, from the payments that are on its disk. */
export async function factsOf(reads: Reads, exits: readonly OpenExit[]): Promise<Facts> {
  const spends = new Map<OutputId, Payment | null>();
  const payments = new Map<TransactionHash, Payment>();
  for (const exit of exits) {
    const ids = exit.kind === "standard" ? [exit.outputId] : [...exit.inputIds, ...exit.piggybacks.values()];
    for (const id of ids) {
      if (!spends.has(id)) spends.set(id, await reads.spendOf(id));
      const spend = spends.get(id) ?? null;
      if (spend !== null) payments.set(spend.hash, spend);
    }
    if (exit.kind === "standard" || payments.has(exit.transactionHash)) continue;
    const own = await reads.payment(exit.transactionHash);
    if (own !== null) payments.set(own.hash, own);
  }
  return {
    // The ledger takes one spend of an output: there is no other.
    spendOf: (id, other) => {
      const spend = spends.get(id) ?? null;
      return spend?.hash === other ? null : spend;
    },
    accepted: (hash) => payments.has(hash),
    badPlaceOf: () => null,
    placeOf: (hash) => {
      const payment = payments.get(hash);
      const landed = payment !== undefined && (reads.block(payment.blockNumber)?.commit.timestamp ?? null) !== null;
      return landed ? { blockNumber: payment.blockNumber, transactionIndex: payment.transactionIndex } : null;
    },
    proofOf: async ({ blockNumber: number, transactionIndex: index }: Place) => {
      const block = reads.block(number);
      const timestamp = block?.commit.timestamp ?? null;
      if (block === undefined || timestamp === null) {
        throw new InvariantError("the block is not on Ethereum", { number });
      }
      const { transactionsRoot, transactionCount } = block;
      const header = { number, transactionsRoot, transactionCount, timestamp };
      return { header, index, siblings: await reads.siblings(number, index) };
    },
  };
}
