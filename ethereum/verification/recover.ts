import { fromHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { keccak256 } from "@plasma-billing/protocol/keccak.ts";
import {
  checkPaymentBytes,
  HASH_BYTES,
  hashPayment,
  outputIdBytes,
  signaturesAt,
} from "@plasma-billing/protocol/paymentBytes.ts";
import { SIGNATURE_BYTES } from "@plasma-billing/protocol/transaction.ts";
import {
  HASH_IN_VERIFIED,
  PAYMENT_IN_VERIFIED,
  signersOf,
  VERDICT_AT,
  VERIFIED,
  verifiedBytes,
} from "@plasma-billing/protocol/verifiedPayment.ts";
import secp256k1 from "secp256k1";

/** Half of the curve's order: the contract refuses an s above it, so the operator does. */
const HALF_ORDER = fromHex("0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");
const publicKey = new Uint8Array(65);

/**
 * The verified payment (docs/FORMATS.md) of a payment's bytes: its hash, its outputs' ids and who signed it, nobody if that is
 * not asked for. The ledger judges the rest.
 */
export function verifyPayment(separator: Hex, payment: Uint8Array, unsigned = false): Uint8Array {
  const counts = checkPaymentBytes(payment);
  const record = new Uint8Array(verifiedBytes(counts));
  new DataView(record.buffer).setUint32(0, record.length);
  record[VERDICT_AT] = VERIFIED;
  const hash = hashPayment(separator, payment);
  record.set(hash, HASH_IN_VERIFIED);
  record.set(payment, PAYMENT_IN_VERIFIED);
  let at = PAYMENT_IN_VERIFIED + payment.length;
  for (let i = 0; i < counts.outputs; i++, at += HASH_BYTES) record.set(outputIdBytes(hash, i), at);
  const signers = signersOf(0, counts);
  if (unsigned) return record;
  const signatures = signaturesAt(counts);
  for (let i = 0; i < counts.signatures; i++) {
    const start = signatures + SIGNATURE_BYTES * i;
    const signer = recover(hash, payment.subarray(start, start + SIGNATURE_BYTES));
    if (signer !== null) record.set(signer, signers + 20 * i);
  }
  return record;
}

/** The address that signed, by the contract's rules: 65 bytes r‖s‖v, s in the lower half, v 27 or 28; null otherwise. */
export function recover(digest: Uint8Array, signature: Uint8Array): Uint8Array | null {
  const v = signature[64];
  if (signature.length !== SIGNATURE_BYTES || (v !== 27 && v !== 28)) return null;
  if (Buffer.compare(signature.subarray(32, 64), HALF_ORDER) > 0) return null;
  try {
    secp256k1.ecdsaRecover(signature.subarray(0, 64), v - 27, digest, false, publicKey);
  } catch {
    // No key can have made this signature.
    return null;
  }
  return keccak256(publicKey.subarray(1)).subarray(12);
}
