import type { InclusionProof } from "@plasma-billing/ethereum/challenges.ts";
import type { LedgerOutput } from "@plasma-billing/protocol/output.ts";
import type { OutputId, SignedTransaction, TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import type { ChildChainOptions, CommittedBlock, Place, SeenSpend, StepResult } from "./types.ts";

export type {
  Breach,
  ChainLimits,
  ChildChainOptions,
  CommittedBlock,
  GuardedPayment,
  MissingBlock,
  Place,
  SeenSpend,
  StepResult,
} from "./types.ts";

/** The child chain as its payments and Ethereum make it: everything the operator serves, verified. */
export declare class ChildChain {
  private constructor();

  static open(options: ChildChainOptions): Promise<ChildChain>;
  /** Last block verified against Ethereum, 0 before. */
  get height(): number;
  get verifiedPayments(): number;
  get streamed(): { blockNumber: number; transactionCount: number } | null;
  step(committed: readonly CommittedBlock[]): Promise<StepResult>;
  output(id: OutputId): LedgerOutput | undefined;
  watch(ids: Iterable<OutputId>): Promise<void>;
  spendsOf(id: OutputId): readonly SeenSpend[];
  payment(place: Place): Promise<{ hash: TransactionHash; transaction: SignedTransaction; bytes: Uint8Array }>;
  proofOf(place: Place): Promise<InclusionProof>;
  close(): Promise<void>;
}
