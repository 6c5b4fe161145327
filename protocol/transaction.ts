import { toHex, type Hex } from "./hex.ts";
import { keccak256 } from "./keccak.ts";
import { encodeType, typedDataDigest, type Address } from "./typedData.ts";
import { hashText, Words } from "./words.ts";

/** 32 bytes, lower case. */
export type TransactionHash = Hex & { readonly brand?: "TransactionHash" };
export type OutputId = Hex & { readonly brand?: "OutputId" };

/** What a payment is for, and its number inside the typed data. */
export const PURPOSES = { transfer: 1, upload: 2, extension: 3, purchase: 4, swap: 5 } as const;
export type Purpose = keyof typeof PURPOSES;

export const MAX_INPUTS = 16;
export const MAX_OUTPUTS = 16;
export const SIGNATURE_BYTES = 65;
/** Ether, as a token. */
export const ETHER: Address = "0x0000000000000000000000000000000000000000";
export const ZERO_HASH: Hex = "0x0000000000000000000000000000000000000000000000000000000000000000";

export interface Output {
  owner: Address;
  token: Address;
  /** In the token's smallest unit. */
  amount: bigint;
}

export interface Transaction {
  purpose: Purpose;
  inputs: OutputId[];
  outputs: Output[];
  /** keccak-256 of the file id for `upload`, `extension` and `purchase`, zero otherwise. */
  fileHash: Hex;
}

/** With one signature an input, in input order. */
export interface SignedTransaction extends Transaction {
  signatures: Hex[];
}

export interface Deposit {
  id: bigint;
  owner: Address;
  token: Address;
  amount: bigint;
}

export const OUTPUT_TYPEHASH = hashText(encodeType("Output"));
export const TRANSACTION_TYPEHASH = hashText(encodeType("Transaction") + encodeType("Output"));
const DEPOSIT_TYPEHASH = hashText(encodeType("Deposit"));

/** Whether payments of this purpose name a file. */
export function namesFile(purpose: Purpose): boolean {
  return purpose === "upload" || purpose === "extension" || purpose === "purchase";
}

/** EIP-712 `hashStruct` of a transaction. */
export function transactionStructHash(transaction: Transaction): Uint8Array {
  const inputs = new Words(transaction.inputs.length);
  for (const input of transaction.inputs) inputs.hex(input);
  const outputs = new Words(transaction.outputs.length);
  for (const { owner, token, amount } of transaction.outputs) {
    outputs.word(new Words(4).word(OUTPUT_TYPEHASH).address(owner).address(token).uint(amount).hash());
  }
  return new Words(5)
    .word(TRANSACTION_TYPEHASH)
    .uint(PURPOSES[transaction.purpose])
    .word(inputs.hash())
    .word(outputs.hash())
    .hex(transaction.fileHash)
    .hash();
}

/** The EIP-712 digest: what every input's owner signs, what the chain indexes by, and the Merkle leaf. */
export function transactionHash(separator: Hex, transaction: Transaction): TransactionHash {
  return toHex(typedDataDigest(separator, transactionStructHash(transaction)));
}

/** The EIP-712 digest of a deposit, which stands where a transaction's hash stands for other outputs. */
export function depositHash(separator: Hex, { id, owner, token, amount }: Deposit): TransactionHash {
  const struct = new Words(5).word(DEPOSIT_TYPEHASH).uint(id).address(owner).address(token).uint(amount);
  return toHex(typedDataDigest(separator, struct.hash()));
}

/** keccak256(abi.encode(hash, index)); a deposit has output 0 only. */
export function outputId(hash: TransactionHash, index: number): OutputId {
  return toHex(new Words(2).hex(hash).uint(index).hash());
}

/** keccak-256 of the UTF-8 file id, as `fileHash` holds it. */
export function fileHashOf(fileId: string): Hex {
  return toHex(keccak256(new TextEncoder().encode(fileId)));
}
