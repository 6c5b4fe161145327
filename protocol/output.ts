import type { OutputId } from "./transaction.ts";
import type { Address } from "./typedData.ts";

/** `spent` is what history says of an output that the ledger no longer has. */
export type OutputState = "available" | "exiting" | "spent" | "withdrawn";

/** An output the ledger has: it forgets what is spent. */
export interface LedgerOutput {
  readonly id: OutputId;
  readonly owner: Address;
  readonly token: Address;
  readonly amount: bigint;
  readonly state: Exclude<OutputState, "spent">;
  /** Position of the creating transaction; null for a deposit. */
  readonly blockNumber: number | null;
  readonly transactionIndex: number | null;
  readonly outputIndex: number;
  readonly depositId: bigint | null;
}
