import fc from "fast-check";
import { toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { PURPOSES, namesFile, type Purpose, type SignedTransaction } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";

export const CONTRACT: Address = "0xb10e2d527612073b26eecdfd717e6a320cf44b4a";
export const DOMAIN = { chainId: 31_337n, verifyingContract: CONTRACT };

const bytes = (length: number): fc.Arbitrary<Hex> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((array) => toHex(array));
export const bytes32 = bytes(32);
export const address = bytes(20);
export const uint256 = fc.bigInt({ min: 0n, max: 2n ** 256n - 1n });
export const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

/** Any transaction that decodes; the ledger may have a code for it. */
export const anyTransaction: fc.Arbitrary<SignedTransaction> = fc
  .record({
    purpose: fc.constantFrom(...(Object.keys(PURPOSES) as Purpose[])),
    inputs: fc.array(bytes32, { minLength: 1, maxLength: 16 }),
    outputs: fc.array(fc.record({ owner: address, token: address, amount: uint256 }), { minLength: 1, maxLength: 16 }),
    fileHash: bytes32.filter((hash) => !/^0x0+$/.test(hash)),
    signatures: fc.array(bytes(65), { maxLength: 16 }),
  })
  .map((transaction) => ({
    ...transaction,
    fileHash: namesFile(transaction.purpose) ? transaction.fileHash : `0x${"00".repeat(32)}`,
  }));

/** 20 bytes made of a small number. */
export function addressOf(number: number): Address {
  return `0x${number.toString(16).padStart(40, "0")}` as Address;
}
