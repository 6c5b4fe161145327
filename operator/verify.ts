import { fromHex, toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { keccak256 } from "@plasma-billing/protocol/keccak.ts";
import type { VerifiedPayment } from "@plasma-billing/protocol/payment.ts";
import { transactionHash, type SignedTransaction } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import secp256k1 from "secp256k1";

/** Half of the curve's order: the contract refuses an s above it, so the operator does. */
const HALF_ORDER = fromHex("0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");

/** Computes a payment's hash and recovers who signed it. The ledger judges the rest. */
export function verifyPayment(separator: Hex, transaction: SignedTransaction): VerifiedPayment {
  const hash = transactionHash(separator, transaction);
  const digest = fromHex(hash);
  return { transaction, hash, signers: transaction.signatures.map((signature) => recover(digest, fromHex(signature))) };
}

/** The address that signed, by the contract's rules: 65 bytes r‖s‖v, s in the lower half, v 27 or 28; null otherwise. */
export function recover(digest: Uint8Array, signature: Uint8Array): Address | null {
  const v = signature[64];
  if (signature.length !== 65 || (v !== 27 && v !== 28)) return null;
  if (Buffer.compare(signature.subarray(32, 64), HALF_ORDER) > 0) return null;
  try {
    const publicKey = secp256k1.ecdsaRecover(signature.subarray(0, 64), v - 27, digest, false);
    return toHex(keccak256(publicKey.subarray(1)).subarray(12));
  } catch {
    // No key can have made this signature.
    return null;
  }
}
