import type { DepositEntry, ExitEntry } from "@plasma-billing/protocol/entries.ts";
import type { Ledger } from "@plasma-billing/protocol/ledger.ts";
import type { LedgerOutput } from "@plasma-billing/protocol/output.ts";
import type { TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import { getAddress } from "ethers";
import type { PendingDeposit } from "../chainSync.ts";
import type { Payment } from "../views.ts";
import type { OperatorPort } from "./ports.ts";

// What the answers look like: docs/API.md. Amounts are decimal strings, addresses checksummed, absent things null.

export type PaymentState = "accepted" | "committed" | "finalized";

function paymentState(ledger: Ledger, blockNumber: number): PaymentState {
  const state = ledger.block(blockNumber)?.commit.state;
  return state === "committed" || state === "finalized" ? state : "accepted";
}

/** What a payer is told: where the payment is. */
export function receiptShape(
  ledger: Ledger,
  hash: TransactionHash,
  position: { blockNumber: number; transactionIndex: number; acceptedAt: number },
): Record<string, unknown> {
  const { blockNumber, transactionIndex, acceptedAt } = position;
  return { hash, blockNumber, transactionIndex, state: paymentState(ledger, blockNumber), acceptedAt };
}

export function outputShape(output: LedgerOutput): Record<string, unknown> {
  return {
    id: output.id,
    owner: getAddress(output.owner),
    token: getAddress(output.token),
    amount: output.amount.toString(),
    state: output.state,
    blockNumber: output.blockNumber,
    transactionIndex: output.transactionIndex,
    outputIndex: output.outputIndex,
    depositId: output.depositId === null ? null : Number(output.depositId),
  };
}

export function pendingOutputShape(deposit: PendingDeposit): Record<string, unknown> {
  return {
    id: deposit.outputId,
    owner: getAddress(deposit.owner),
    token: getAddress(deposit.token),
    amount: deposit.amount.toString(),
    state: "pending",
    blockNumber: null,
    transactionIndex: null,
    outputIndex: 0,
    depositId: Number(deposit.id),
  };
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
  const { ledger } = operator;
  const block = ledger.block(number);
  if (block === undefined) {
    const { openBlock } = ledger;
    if (number !== openBlock.number) return null;
    const nothing = { transactionsRoot: null, sealedAt: null, timestamp: null, commitTransaction: null };
    const { transactionCount, openedAt } = openBlock;
    return { number, state: "open", transactionCount, openedAt, ...nothing, gasUsed: null, fee: null };
  }
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

export function depositShape(deposit: DepositEntry | PendingDeposit, outputId: string, state: string): object {
  return {
    id: Number(deposit.id),
    owner: getAddress(deposit.owner),
    token: getAddress(deposit.token),
    amount: deposit.amount.toString(),
    outputId,
    state,
    ethereumBlock: deposit.ethereumBlock,
    ethereumTransaction: deposit.ethereumTransaction,
  };
}

export function exitShape(exit: ExitEntry): object {
  return {
    number: exit.number,
    kind: exit.kind,
    outputId: exit.outputId,
    transactionHash: null,
    owner: getAddress(exit.owner),
    token: getAddress(exit.token),
    amount: exit.amount.toString(),
    state: exit.state,
    exitableAt: exit.exitableAt,
    ethereumTransaction: exit.ethereumTransaction,
  };
}
