import { SigningKey } from "ethers";
import { ZERO_HASH, transactionHash, type Output, type OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { SignedTransaction, TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import { decodePayment, encodePayment } from "@plasma-billing/protocol/paymentBytes.ts";
import { MerkleTree } from "@plasma-billing/protocol/merkle.ts";
import { toHex, type Hex } from "@plasma-billing/protocol/hex.ts";

// Payments as thieves need them: signed by any key, in the bytes of the block feed (docs/FORMATS.md).

const LENGTH_BYTES = 2;

/** A transfer, signed for every input by the one key, whoever owns them. */
export function signedBy(key: string, separator: Hex, inputs: OutputId[], outputs: Output[]): SignedTransaction {
  const transaction = { purpose: "transfer" as const, inputs, outputs, fileHash: ZERO_HASH };
  const hash = transactionHash(separator, transaction);
  const signature = new SigningKey(key).sign(hash).serialized as Hex;
  return { ...transaction, signatures: inputs.map(() => signature) };
}

export function treeOf(separator: Hex, payments: readonly SignedTransaction[]): MerkleTree {
  const tree = new MerkleTree();
  for (const payment of payments) tree.append(transactionHash(separator, payment));
  return tree;
}

export function hashOf(separator: Hex, payment: SignedTransaction): TransactionHash {
  return transactionHash(separator, payment);
}

/** The block feed of payments. */
export function feedOf(payments: readonly SignedTransaction[]): Buffer {
  return Buffer.concat(
    payments.flatMap((payment) => {
      const bytes = encodePayment(payment);
      const length = Buffer.alloc(LENGTH_BYTES);
      length.writeUInt16BE(bytes.length);
      return [length, bytes];
    }),
  );
}

export function readFeed(feed: Uint8Array): SignedTransaction[] {
  const payments: SignedTransaction[] = [];
  const view = Buffer.from(feed.buffer, feed.byteOffset, feed.byteLength);
  for (let at = 0; at < view.length;) {
    const end = at + LENGTH_BYTES + view.readUInt16BE(at);
    payments.push(decodePayment(feed, at + LENGTH_BYTES, end));
    at = end;
  }
  return payments;
}

/** Without signatures, which the hash does not cover: the same root, and nothing that could be checked or challenged with. */
export function withoutSignatures(payment: SignedTransaction): SignedTransaction {
  return { ...payment, signatures: [] };
}

/** An output that never was. */
export function randomId(): OutputId {
  return toHex(crypto.getRandomValues(new Uint8Array(32)));
}
