import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { PURPOSES, ZERO_HASH, type OutputId, type SignedTransaction } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { rootChain } from "./rootChain.ts";

/** A standard exit as the contract wants it handed in again. */
export interface StandardExitTerms {
  number: number;
  owner: Address;
  token: Address;
  amount: bigint;
  bondOwner: Address;
  depositRecord: bigint;
}

/** An in-flight exit as the contract wants it handed in again: the transaction's hash, and what its start told. */
export interface ExitData {
  id: Hex;
  data: Hex;
}

/** Where a transaction is, in a block that is on Ethereum. */
export interface InclusionProof {
  header: { number: number; transactionsRoot: Hex; transactionCount: number; timestamp: number };
  index: number;
  siblings: readonly Hex[];
}

const NOT_INCLUDED: InclusionProof = {
  header: { number: 0, transactionsRoot: ZERO_HASH, transactionCount: 0, timestamp: 0 },
  index: 0,
  siblings: [],
};

export function encodeChallengeStandardExit(exit: StandardExitTerms, id: OutputId, spend: SignedTransaction): Hex {
  return encode("challengeStandardExit", [exit, ...spending(spend, id)]);
}

/** @param id Of the exiting transaction's input `inputIndex`. */
export function encodeChallengeInputSpent(
  exit: ExitData,
  inputIndex: number,
  id: OutputId,
  spend: SignedTransaction,
): Hex {
  return encode("challengeInputSpent", [exit, inputIndex, ...spending(spend, id)]);
}

/** @param id Of the exiting transaction's output `outputIndex`, counted from 0. */
export function encodeChallengeOutputSpent(
  exit: ExitData,
  outputIndex: number,
  proof: InclusionProof,
  id: OutputId,
  spend: SignedTransaction,
): Hex {
  return encode("challengeOutputSpent", [exit, outputIndex, proof, ...spending(spend, id)]);
}

export function encodeRespondCanonical(transactionHash: Hex, number: number, proof: InclusionProof): Hex {
  return encode("respondCanonical", [transactionHash, number, proof]);
}

/** @param proof null: the competitor is not included. */
export function encodeChallengeNonCanonical(
  exit: ExitData,
  inputIndex: number,
  id: OutputId,
  competitor: SignedTransaction,
  proof: InclusionProof | null,
): Hex {
  return encode("challengeNonCanonical", [exit, inputIndex, ...spending(competitor, id), proof ?? NOT_INCLUDED]);
}

/** A spend, which of its inputs the output is, and that owner's signature. */
function spending(spend: SignedTransaction, id: OutputId): [object, number, Hex] {
  const { purpose, inputs, outputs, fileHash, signatures } = spend;
  const index = inputs.indexOf(id);
  return [{ purpose: PURPOSES[purpose], inputs, outputs, fileHash }, index, signatures[index] as Hex];
}

function encode(name: string, args: unknown[]): Hex {
  return rootChain.encodeFunctionData(name, args) as Hex;
}
