import { fromHex } from "./hex.ts";
import {
  ADDRESS_BYTES,
  encodePayment,
  HASH_BYTES,
  outputIdBytes,
  paymentBytes,
  type PaymentCounts,
} from "./paymentBytes.ts";
import type { SignedTransaction } from "./transaction.ts";
import type { Address } from "./typedData.ts";

// What a verifying thread hands to the sequencer: docs/FORMATS.md.

/** Of the byte behind the length. */
export const VERIFIED = 0;
export const MALFORMED = 1;
export const VERDICT_AT = 4;
export const HASH_IN_VERIFIED = VERDICT_AT + 1;
/** Where the payment begins, counted from where the record begins. */
export const PAYMENT_IN_VERIFIED = HASH_IN_VERIFIED + HASH_BYTES;

export function verifiedBytes({ inputs, outputs, signatures }: PaymentCounts): number {
  const payment = paymentBytes(inputs, outputs, signatures);
  return PAYMENT_IN_VERIFIED + payment + HASH_BYTES * outputs + ADDRESS_BYTES * signatures;
}

/** Where the hash stands of a record that begins at `at`. */
export function hashOf(at: number): number {
  return at + HASH_IN_VERIFIED;
}

/** Where the signers begin of a record that begins at `at`. */
export function signersOf(at: number, counts: PaymentCounts): number {
  return at + verifiedBytes(counts) - ADDRESS_BYTES * counts.signatures;
}

/** A record of one's own making; `signers` may be fewer than the signatures, the rest is nobody. */
export function verifiedPaymentBytes(
  transaction: SignedTransaction,
  hash: Uint8Array,
  signers: readonly (Address | null)[],
): Uint8Array {
  const payment = encodePayment(transaction);
  const { inputs, outputs, signatures } = transaction;
  const counts = { inputs: inputs.length, outputs: outputs.length, signatures: signatures.length };
  const bytes = new Uint8Array(verifiedBytes(counts));
  new DataView(bytes.buffer).setUint32(0, bytes.length);
  bytes[VERDICT_AT] = VERIFIED;
  bytes.set(hash, HASH_IN_VERIFIED);
  bytes.set(payment, PAYMENT_IN_VERIFIED);
  const ids = PAYMENT_IN_VERIFIED + payment.length;
  for (let i = 0; i < outputs.length; i++) bytes.set(outputIdBytes(hash, i), ids + HASH_BYTES * i);
  for (const [i, signer] of signers.entries()) {
    if (signer !== null) bytes.set(fromHex(signer), signersOf(0, counts) + ADDRESS_BYTES * i);
  }
  return bytes;
}
