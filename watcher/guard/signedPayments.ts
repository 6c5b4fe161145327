import { recover } from "@plasma-billing/ethereum/verification/recover.ts";
import { ProtocolError } from "@plasma-billing/protocol/errors.ts";
import { fromHex, toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import type { LedgerOutput } from "@plasma-billing/protocol/output.ts";
import { formFault, inputFault } from "@plasma-billing/protocol/payment.ts";
import {
  transactionHash,
  type OutputId,
  type SignedTransaction,
  type TransactionHash,
} from "@plasma-billing/protocol/transaction.ts";
import { decodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { Problem } from "../http/problems.ts";
import type { TakenPayment } from "./records.ts";

/** Of one address that no block is known to have. A wallet has a few: those of the open hour, and those that were refused. */
const UNPLACED_MAX = 10_000;

export interface SignedPaymentsContext {
  /** EIP-712 domain separator of the contract. */
  separator: Hex;
  guarded: ReadonlySet<Address>;
  outputOf: (id: OutputId) => LedgerOutput | undefined;
  /** Whether a payment, or what an output comes from, is kept already. */
  isKept: (hash: TransactionHash, id: OutputId) => boolean;
  /** How many payments that an address signed are here that no block is known to have. */
  unplacedOf: (owner: Address) => number;
}

/**
 * Payments that guarded addresses say they signed, whether or not the operator has shown them to anybody. Those whose other signatures
 * are still to come count too: whoever has the rest can complete them. What spends nothing that is there is over, and left out:
 * old payments are public, and anybody may send them again.
 * @throws Problem MALFORMED, UNAUTHORIZED, TOO_MANY, with the index of the first
 */
export function signedPayments(values: readonly unknown[], context: SignedPaymentsContext): TakenPayment[] {
  const payments = values.flatMap((value, index) => takenFrom(value, index, context) ?? []);
  const counts = new Map<Address, number>();
  for (const { owner } of payments.flatMap(({ owners }) => owners.filter(({ signed }) => signed))) {
    const count = (counts.get(owner) ?? context.unplacedOf(owner)) + 1;
    counts.set(owner, count);
    if (count <= UNPLACED_MAX) continue;
    throw new Problem("TOO_MANY", `more than ${UNPLACED_MAX} payments of one address that no block has`, { owner });
  }
  return payments;
}

function takenFrom(value: unknown, index: number, context: SignedPaymentsContext): TakenPayment | null {
  const { separator, guarded, outputOf, isKept } = context;
  const transaction = decoded(value, index);
  const hash = transactionHash(separator, transaction);
  const signers = transaction.signatures.map((signature): Address | null => {
    const signer = recover(fromHex(hash), fromHex(signature));
    return signer === null ? null : toHex(signer);
  });
  const inputs = transaction.inputs.map(outputOf);
  const payers = new Set(
    signers.filter((signer, i): signer is Address => {
      return signer !== null && guarded.has(signer) && (inputs[i]?.owner ?? signer) === signer;
    }),
  );
  if (payers.size === 0) {
    throw new Problem("UNAUTHORIZED", "no address that this watcher guards has signed it", { index, hash });
  }
  const isOver = !transaction.inputs.some((id, i) => inputs[i] !== undefined || isKept(hash, id));
  if (isOver) return null;
  // Who is paid has it only when it is seen to be good; who signed is bound by it in any case.
  const isGood = inputFault(transaction, signers, outputOf) === null;
  const payees = transaction.outputs.map(({ owner }) => owner).filter((owner) => isGood && guarded.has(owner));
  const owners = [...new Set([...payers, ...payees])].map((owner) => ({ owner, signed: payers.has(owner) }));
  return {
    hash,
    transaction,
    place: null,
    inputs: inputs.filter((one) => one !== undefined),
    owners,
    isSigned: isGood,
  };
}

function decoded(value: unknown, index: number): SignedTransaction {
  try {
    const transaction = decodeTransaction(value);
    const fault = formFault(transaction);
    if (fault !== null) throw fault;
    return transaction;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new Problem("MALFORMED", `payment ${index}: ${error.message}`, { ...error.context, index });
  }
}
