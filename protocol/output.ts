import type { OutputId, TransactionHash } from "./transaction.ts";
import type { Address } from "./typedData.ts";

export type OutputState = "available" | "exiting" | "spent" | "withdrawn";

export interface LedgerOutput {
  readonly id: OutputId;
  readonly owner: Address;
  readonly token: Address;
  readonly amount: bigint;
  /** A spent output stays spent whatever an exit does on Ethereum: that exit is to be challenged. */
  state: OutputState;
  /** Position of the creating transaction; null for a deposit. */
  readonly blockNumber: number | null;
  readonly transactionIndex: number | null;
  readonly outputIndex: number;
  readonly depositId: bigint | null;
  spentBy: TransactionHash | null;
}
