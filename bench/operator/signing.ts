import { keccak256 } from "@plasma-billing/protocol/keccak.ts";
import { toHex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import secp256k1 from "secp256k1";

export function addressOf(key: Uint8Array): Address {
  return toHex(keccak256(secp256k1.publicKeyCreate(key, false).subarray(1)).subarray(12));
}

/** 65 bytes: r, s, v. */
export function sign(digest: Uint8Array, key: Uint8Array): Uint8Array {
  const { signature, recid } = secp256k1.ecdsaSign(digest, key);
  const bytes = new Uint8Array(65);
  bytes.set(signature);
  bytes[64] = 27 + recid;
  return bytes;
}
