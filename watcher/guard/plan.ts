import type { Duty } from "@plasma-billing/ethereum/challenging/planner.ts";
import type { ExitBonds } from "@plasma-billing/ethereum/rootChain.ts";
import type { SignedAuthorization } from "@plasma-billing/sdk";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { FindingDraft } from "../findings/finding.ts";
import type { ExitBoard } from "./exitBoard.ts";
import type { GuardedChain } from "./ports.ts";

/** What is to be sent, and what is to be told. */
export interface Planned {
  duties: Duty[];
  findings: FindingDraft[];
}

/** All that plans of one look go by. */
export interface PlanContext {
  chain: Pick<GuardedChain, "watch" | "spendsOf">;
  board: ExitBoard;
  guarded: ReadonlySet<Address>;
  /** The owner's word for an output and block, when there is one that can be used now. */
  words: (id: OutputId, blockNumber: number, owner: Address) => SignedAuthorization | null;
  /** The last block that is verified against Ethereum. */
  verified: number;
  /** Seconds, of the newest Ethereum block. */
  now: number;
  /** W, in seconds. */
  exitPeriod: number;
  bonds: ExitBonds;
  rootChain: Address;
}
