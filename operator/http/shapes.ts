import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Ledger } from "@plasma-billing/protocol/ledger.ts";
import type { LedgerOutput } from "@plasma-billing/protocol/output.ts";
import type { SignedTransaction, TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import { encodeTransaction, type TransactionJson } from "@plasma-billing/protocol/transactionJson.ts";
import type { ExitRow } from "../exitRows.ts";
import type { DepositView, Payment, ShownOutput } from "../views.ts";
import { checksum } from "./addresses.ts";
import type { OperatorPort } from "./ports.ts";

// What the answers look like: docs/API.md. Amounts are decimal strings, addresses checksummed, absent things null.

export type PaymentState = "accepted" | "committed" | "finalized";

function paymentState(ledger: Ledger, blockNumber: number): PaymentState {
  const state = ledger.block(blockNumber)?.commit.state;
  return state === "committed" || state === "finalized" ? state : "accepted";
}

/** What a payer is told, the first time and every other: where the payment is. */
export function receiptShape(
  hash: TransactionHash,
  position: { blockNumber: number; transactionIndex: number; acceptedAt: number },
): Record<string, unknown> {
  const { blockNumber, transactionIndex, acceptedAt } = position;
  return { hash, blockNumber, transactionIndex, state: "accepted", acceptedAt };
}

export function outputShape(output: ShownOutput): Record<string, unknown> {
  return {
    id: output.id,
    owner: checksum(output.owner),
    token: checksum(output.token),
    amount: output.amount.toString(),
    state: output.state,
    blockNumber: output.blockNumber,
    transactionIndex: output.transactionIndex,
    outputIndex: output.outputIndex,
    depositId: output.depositId === null ? null : Number(output.depositId),
  };
}

/** A signed transaction as it travels. */
export function transactionShape(transaction: SignedTransaction): TransactionJson {
  const json = encodeTransaction(transaction);
  const outputs = json.outputs.map(({ owner, token, amount }) => ({
    owner: checksum(owner) as Hex,
    token: checksum(token) as Hex,
    amount,
  }));
  return { ...json, outputs };
}

export function paymentShape({ ledger }: OperatorPort, outputIds: readonly string[], payment: Payment): object {
  const { transaction, hash, blockNumber, transactionIndex, acceptedAt } = payment;
  const commit = ledger.block(blockNumber)?.commit;
  const output = (id: string): object => outputShape(ledger.output(id as `0x${string}`) as LedgerOutput);
  return {
    hash,
    purpose: transaction.purpose,
    inputs: transaction.inputs.map(output),
    outputs: outputIds.map(output),
    fileHash: transaction.fileHash,
    fileId: null,
    signatures: transaction.signatures,
    state: paymentState(ledger, blockNumber),
    blockNumber,
    transactionIndex,
    acceptedAt,
    committedAt: commit?.timestamp == null ? null : commit.timestamp * 1000,
    finalizedAt: commit?.state === "finalized" ? commit.seenAt : null,
    commitTransaction: commit?.ethereumTransaction ?? null,
  };
}

export function blockShape(operator: OperatorPort, number: number): object | null {
  const { ledger, views } = operator;
  const { openBlock } = views;
  if (number === openBlock.number) {
    const nothing = { transactionsRoot: null, sealedAt: null, timestamp: null, commitTransaction: null };
    const { transactionCount, openedAt } = openBlock;
    return { number, state: "open", transactionCount, openedAt, ...nothing, gasUsed: null, fee: null };
  }
  const block = ledger.block(number);
  // The ledger may have sealed a block that is not on the disk yet.
  if (block === undefined || number > openBlock.number) return null;
  const { transactionsRoot, transactionCount, openedAt, sealedAt, commit } = block;
  return {
    number,
    state: commit.state === "sealed" ? operator.settlementState(number) : commit.state,
    transactionCount,
    transactionsRoot,
    openedAt,
    sealedAt,
    timestamp: commit.timestamp,
    commitTransaction: commit.ethereumTransaction,
    gasUsed: commit.gasUsed === null ? null : Number(commit.gasUsed),
    fee: commit.fee?.toString() ?? null,
  };
}

export function depositShape({ deposit, outputId, state }: DepositView): object {
  return {
    id: Number(deposit.id),
    owner: checksum(deposit.owner),
    token: checksum(deposit.token),
    amount: deposit.amount.toString(),
    outputId,
    state,
    ethereumBlock: deposit.ethereumBlock,
    ethereumTransaction: deposit.ethereumTransaction,
  };
}

export function exitShape(row: ExitRow): object {
  return {
    number: row.number,
    kind: row.kind,
    outputId: row.outputId,
    transactionHash: row.transactionHash,
    owner: row.owner === null ? null : checksum(row.owner),
    token: row.token === null ? null : checksum(row.token),
    amount: row.amount?.toString() ?? null,
    state: row.state,
    exitableAt: row.exitableAt,
    ethereumTransaction: row.ethereumTransaction,
  };
}
