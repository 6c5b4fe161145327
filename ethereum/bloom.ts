import { fromHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { keccak256 } from "@plasma-billing/protocol/keccak.ts";

const BLOOM_BYTES = 256;

/** Whether a block with this bloom may have logs with an address or topic; false is certain (Yellow Paper, 4.4.1). */
export function mayHave(logsBloom: Hex, value: Hex): boolean {
  const bloom = fromHex(logsBloom);
  if (bloom.length !== BLOOM_BYTES) return false;
  return bits(value).every((bit) => (((bloom[BLOOM_BYTES - 1 - (bit >> 3)] as number) >> (bit & 7)) & 1) === 1);
}

/** The three of 2048 bits that stand for a value. */
function bits(value: Hex): number[] {
  const hash = keccak256(fromHex(value));
  return [0, 2, 4].map((at) => (((hash[at] as number) << 8) | (hash[at + 1] as number)) & 2047);
}
