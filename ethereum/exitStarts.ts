import type { Hex } from "@plasma-billing/protocol/hex.ts";
import {
  ETHER,
  PURPOSES,
  type Deposit,
  type SignedTransaction,
  type Transaction,
} from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { AbiCoder } from "ethers";
import type { ExitData, InclusionProof, StandardExitTerms } from "./challenges.ts";
import { rootChain } from "./rootChain.ts";

/** The owner's word as the contract wants it; null when the owner itself calls. */
export type OwnersWord = { bondOwner: Address; deadline: number; signature: Hex } | null;

/** An output of a payment that a block on Ethereum has. */
export interface IncludedOutput {
  transaction: Transaction;
  proof: InclusionProof;
  outputIndex: number;
}

/** A deposit, and the standard exit that stands in its slot, live or paid; null for none. */
export interface ShownDeposit {
  deposit: Deposit;
  exit: StandardExitTerms | null;
}

const STANDARD_EXIT =
  "tuple(uint40 number,address owner,address token,uint256 amount,address bondOwner,uint216 depositRecord)";
const NO_EXIT: StandardExitTerms = {
  ...{ number: 0, owner: ETHER, token: ETHER, amount: 0n, bondOwner: ETHER, depositRecord: 0n },
};

/** Of committed outputs, each by its owner or by its owner's word; one that cannot start undoes all. */
export function encodeStartStandardExits(requests: readonly { output: IncludedOutput; word: OwnersWord }[]): Hex {
  return encode("startStandardExits", [
    requests.map(({ output, word }) => ({ output: solidityOutput(output), authorization: authorization(word) })),
  ]);
}

export function encodeStartDepositExits(requests: readonly { deposit: Deposit; word: OwnersWord }[]): Hex {
  return encode("startDepositExits", [
    requests.map(({ deposit, word }) => ({ deposit, authorization: authorization(word) })),
  ]);
}

/**
 * @param payments, deposits Where the inputs come from, each kind in the inputs' order.
 * @param former The data of a live exit of the same transaction with a younger input, which this one moves aside; null for none.
 */
export function encodeStartInFlightExit(
  transaction: SignedTransaction,
  payments: readonly IncludedOutput[],
  deposits: readonly ShownDeposit[],
  former: Hex | null,
): Hex {
  return encode("startInFlightExit", [
    solidityTransaction(transaction),
    transaction.signatures,
    payments.map(solidityOutput),
    deposits.map(({ deposit, exit }) => ({ deposit, exit: exit ?? NO_EXIT })),
    former ?? "0x",
  ]);
}

/** @param requests By the contract's index: i for input i, 16 + i for output i. */
export function encodePiggybacks(exit: ExitData, requests: readonly { index: number; word: OwnersWord }[]): Hex {
  return encode("piggybacks", [
    exit,
    requests.map(({ index, word }) => ({ index, authorization: authorization(word) })),
  ]);
}

/** A standard exit as it is handed in to be processed. */
export function standardExitData(outputId: Hex, exit: StandardExitTerms): ExitData {
  return { id: outputId, data: AbiCoder.defaultAbiCoder().encode([STANDARD_EXIT], [exit]) as Hex };
}

/** @param exits The data of the queue's first entries, in its order. */
export function encodeProcessExits(token: Address, exits: readonly ExitData[]): Hex {
  return encode("processExits", [token, exits.map(({ id, data }) => ({ id, data }))]);
}

function authorization(word: OwnersWord): object {
  return word ?? { bondOwner: ETHER, deadline: 0, signature: "0x" };
}

function solidityOutput({ transaction, proof, outputIndex }: IncludedOutput): object {
  return { transaction: solidityTransaction(transaction), proof, outputIndex };
}

function solidityTransaction({ purpose, inputs, outputs, fileHash }: Transaction): object {
  return { purpose: PURPOSES[purpose], inputs, outputs, fileHash };
}

function encode(name: string, args: unknown[]): Hex {
  return rootChain.encodeFunctionData(name, args) as Hex;
}
