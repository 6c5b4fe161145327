import { decodePaymentEntry } from "@plasma-billing/protocol/entryBytes.ts";
import { ProtocolError } from "@plasma-billing/protocol/errors.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { OutputId, TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import { IndexBehindError } from "./index/ports.ts";
import type { SubmitResult } from "./sequencer.ts";

/** What the ledger has forgotten. Looks only at entries up to `upTo`, which are on the disk. */
export interface History {
  resolve(
    hash: TransactionHash,
    outputIds: readonly OutputId[],
    upTo: number,
  ): Promise<{ payment: { bytes: Uint8Array } | null; spentBy: (Hex | null)[] }>;
}

interface Missing {
  id: OutputId;
  index: number;
}

/** A payment that is refused, for a reason that history may know better. */
export interface Refusal {
  hash: TransactionHash;
  /** The ledger's reason; null while no new payments are taken. */
  error: ProtocolError | null;
  /** The inputs the ledger did not have. */
  missing: Missing[];
  /** Journal position at which it was judged. */
  upTo: number;
}

/**
 * Whether a payment refused so may have been taken before. One that was has no input left in the ledger, and broke no rule of
 * form; only its signatures may be others now.
 */
export function mayBeOld({ code }: ProtocolError): boolean {
  return code === "UNKNOWN_INPUT" || code === "WRONG_SIGNATURE_COUNT";
}

/** The answer to a refused payment once history was asked: its first answer, `INPUT_SPENT`, or the ledger's. */
export async function explain({ hash, error, missing, upTo }: Refusal, history: History): Promise<SubmitResult> {
  try {
    const ids = missing.map(({ id }) => id);
    const { payment, spentBy } = await history.resolve(hash, ids, upTo);
    if (payment !== null) {
      const { blockNumber, transactionIndex, acceptedAt } = decodePaymentEntry(payment.bytes);
      return { kind: "accepted", hash, repeated: true, position: { blockNumber, transactionIndex, acceptedAt } };
    }
    if (error === null) return { kind: "paused" };
    if (error.code !== "UNKNOWN_INPUT") return { kind: "refused", error };
    const unknown = missing.find((_, i) => spentBy[i] === null);
    if (unknown !== undefined) {
      const context = { input: unknown.id, index: unknown.index };
      return { kind: "refused", error: new ProtocolError("UNKNOWN_INPUT", "no such output", context) };
    }
    const [{ id: input, index }] = missing as [Missing];
    const context = { input, index, spentBy: spentBy[0] };
    return { kind: "refused", error: new ProtocolError("INPUT_SPENT", "the output is spent", context) };
  } catch (failure) {
    if (failure instanceof IndexBehindError) return { kind: "overloaded" };
    throw failure;
  }
}
