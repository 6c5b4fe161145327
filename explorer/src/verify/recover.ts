import { secp256k1 } from "@noble/curves/secp256k1.js";
import { fromHex, isHexOfLength, toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { keccak256 } from "@plasma-billing/protocol/keccak.ts";
import { SIGNATURE_BYTES } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";

const RS_BYTES = 64;
const UNCOMPRESSED = false;

/** Who made a signature, by the contract's rules: 65 bytes r‖s‖v, s in the lower half, v 27 or 28; null where nobody can have. */
export function recoverSigner(digest: Hex, signature: Hex): Address | null {
  if (!isHexOfLength(signature, SIGNATURE_BYTES)) return null;
  const bytes = fromHex(signature);
  const v = bytes[RS_BYTES];
  if (v !== 27 && v !== 28) return null;
  try {
    const parsed = secp256k1.Signature.fromBytes(bytes.subarray(0, RS_BYTES), "compact");
    if (parsed.hasHighS()) return null;
    const key = parsed.addRecoveryBit(v - 27).recoverPublicKey(fromHex(digest));
    return toHex(keccak256(key.toBytes(UNCOMPRESSED).subarray(1)).subarray(12));
  } catch {
    return null;
  }
}
