import type { ExitBonds, RootChainEvent } from "@plasma-billing/ethereum/rootChain.ts";
import type { ChildChain } from "../chain/childChain.ts";
import type { SeenCommit, SeenDeposit } from "../rootChain/view.ts";

/** What the guard asks of the chain. */
export type GuardedChain = Pick<ChildChain, "height" | "output" | "watch" | "spendsOf" | "payment" | "proofOf">;

/** Ethereum at one look, and whether what the operator does lets people stay. */
export interface GuardView {
  /** Of the newest Ethereum block; seconds. */
  head: { timestamp: number };
  /** Blocks on Ethereum, in order. */
  commits: readonly SeenCommit[];
  /** Of anybody. */
  deposits: readonly SeenDeposit[];
  /** All events there are, in order. */
  events: Iterable<RootChainEvent>;
  /** Leave with everything valid in the blocks before this one; null: nothing is known to be bad. */
  firstBadBlock: number | null;
  terms: ExitBonds & {
    /** W, in seconds. */
    exitPeriod: number;
  };
  /** Of the account that sends, in wei; null without one. */
  balance: bigint | null;
}
