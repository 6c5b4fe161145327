import { PURPOSES, type Output, type OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { ExitRow } from "../exitRows.ts";
import type { Volume } from "../index/volumes.ts";
import {
  spentOutputs,
  type DepositView,
  type Payment,
  type PaymentState,
  type ShownOutput,
  type StatisticsReport,
} from "../reads.ts";
import type { TokenView } from "../tokens.ts";
import { checksum } from "./addresses.ts";
import type { OperatorPort } from "./ports.ts";

// What the answers look like: docs/API.md. Amounts are decimal strings, addresses checksummed, absent things null.

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
export function paymentShape({ reads }: OperatorPort, payment: Payment): object {
  const { transaction, hash, blockNumber, transactionIndex, acceptedAt, outputIds } = payment;
  const commit = reads.block(blockNumber)?.commit;
  const state: PaymentState = commit === undefined || commit.state === "sealed" ? "accepted" : commit.state;
  const output = (id: OutputId, outputIndex: number): ShownOutput => {
    const { owner, token, amount } = transaction.outputs[outputIndex] as Output;
    const place = { blockNumber, transactionIndex, outputIndex, depositId: null };
    return { id, owner, token, amount, ...place, state: reads.stateOf(id) };
  };
  return {
    hash,
    purpose: transaction.purpose,
    inputs: spentOutputs(payment).map(outputShape),
    outputs: outputIds.map((id, i) => outputShape(output(id, i))),
    fileHash: transaction.fileHash,
    fileId: reads.market.file(transaction.fileHash)?.fileId ?? null,
    signatures: transaction.signatures,
    state,
    blockNumber,
    transactionIndex,
    acceptedAt,
    committedAt: commit?.timestamp == null ? null : commit.timestamp * 1000,
    finalizedAt: commit?.state === "finalized" ? commit.seenAt : null,
    commitTransaction: commit?.ethereumTransaction ?? null,
    parties: partiesOf(reads, payment),
  };
}

/** Everybody who takes part, with the role they have in the marketplace; who pays comes first. */
function partiesOf({ market }: OperatorPort["reads"], { spent, transaction }: Payment): object[] {
  const owners = new Set([...spent, ...transaction.outputs].map(({ owner }) => owner));
  // A file's owner need not be registered.
  const fileOwner = market.file(transaction.fileHash)?.offer?.owner;
  const roleOf = (owner: Address): string | null => market.roleOf(owner) ?? (owner === fileOwner ? "owner" : null);
  return [...owners].map((owner) => ({ address: checksum(owner), role: roleOf(owner) }));
}

export function tokenShape({ token, symbol, decimals }: TokenView): object {
  return { token: checksum(token), symbol, decimals };
}

export function blockShape(operator: OperatorPort, number: number): object | null {
  const { reads } = operator;
  const { openBlock } = reads;
  if (number === openBlock.number) {
    const nothing = { transactionsRoot: null, sealedAt: null, timestamp: null, commitTransaction: null };
    const { transactionCount, openedAt } = openBlock;
    return { number, state: "open", transactionCount, openedAt, ...nothing, gasUsed: null, fee: null };
  }
  const block = reads.block(number);
  if (block === undefined) return null;
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

const PURPOSE_NAMES = Object.keys(PURPOSES);

function volumeShape({ purpose, token, count, volume }: Volume): object {
  return { purpose: PURPOSE_NAMES[purpose - 1], token: checksum(token), count, volume: volume.toString() };
}

export function statisticsShape({ totals, hours, tokens, ...counts }: StatisticsReport): object {
  return {
    payments: counts.payments,
    blocks: counts.blocks,
    deposits: counts.deposits,
    liveOutputs: counts.liveOutputs,
    tokens: tokens.map(({ token, deposits, deposited, live, withdrawn }) => ({
      ...{ token: checksum(token), deposits, deposited: deposited.toString() },
      ...{ live: live.toString(), withdrawn: withdrawn.toString() },
    })),
    purposes: totals.map(volumeShape),
    hours: hours.map(({ hour, volumes }) => ({ hour, purposes: volumes.map(volumeShape) })),
  };
}
