import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import type { Ledger } from "@plasma-billing/protocol/ledger.ts";
import type { Views } from "../views.ts";
import type { Facts } from "./planner.ts";

/** What the operator knows, from its ledger and from the payments that are on its disk. */
export function factsOf(ledger: Ledger, views: Views): Facts {
  return {
    spendOf: (id) => {
      const hash = ledger.output(id)?.spentBy ?? null;
      const payment = hash === null ? undefined : views.payment(hash);
      return payment === undefined ? null : { hash: payment.hash, transaction: payment.transaction };
    },
    accepted: (hash) => ledger.position(hash) !== undefined,
    placeOf: (hash) => {
      const position = ledger.position(hash);
      if (position === undefined) return null;
      const { blockNumber, transactionIndex } = position;
      return (ledger.block(blockNumber)?.commit.timestamp ?? null) === null ? null : { blockNumber, transactionIndex };
    },
    proofOf: (place) => {
      const { blockNumber: number, transactionIndex: index } = place;
      const block = ledger.block(number);
      const timestamp = block?.commit.timestamp ?? null;
      if (block === undefined || timestamp === null)
        throw new InvariantError("the block is not on Ethereum", { number });
      const { transactionsRoot, transactionCount } = block;
      const header = { number, transactionsRoot, transactionCount, timestamp };
      return { header, index, siblings: ledger.siblings(place) };
    },
  };
}
