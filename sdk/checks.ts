import { blockHash } from "@plasma-billing/protocol/header.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { merkleDepth, verifyProof } from "@plasma-billing/protocol/merkle.ts";
import {
  depositHash,
  outputId,
  PURPOSES,
  transactionHash,
  type Deposit,
  type Output,
  type Transaction,
} from "@plasma-billing/protocol/transaction.ts";
import { DOMAIN_NAME, DOMAIN_VERSION, type Address, type Domain, TYPES } from "@plasma-billing/protocol/typedData.ts";
import { recoverAddress, type TypedDataEncoder } from "ethers";
import { LyingOperatorError } from "./errors.ts";
import type { Proof, ShownOutput, ShownPayment } from "./operatorClient.ts";
import type { RootChain } from "./rootChain.ts";

/** The typed data of a transaction, as ethers' signers take it. */
export function typedDataOf(
  { chainId, verifyingContract }: Domain,
  { purpose, inputs, outputs, fileHash }: Transaction,
): Parameters<typeof TypedDataEncoder.hash> {
  return [
    { name: DOMAIN_NAME, version: DOMAIN_VERSION, chainId, verifyingContract },
    { Transaction: [...TYPES.Transaction], Output: [...TYPES.Output] },
    { purpose: PURPOSES[purpose], inputs, outputs, fileHash },
  ];
}

/** Who made a signature of a digest; null for nobody. */
export function signerOf(digest: Hex, signature: Hex): Address | null {
  try {
    return recoverAddress(digest, signature).toLowerCase() as Address;
  } catch {
    return null;
  }
}

/**
 * That a payment is what its hash says, its outputs have the ids shown, and each input's owner signed it.
 * @throws LyingOperatorError
 */
export function checkPayment(separator: Hex, shown: ShownPayment, expected: Hex = shown.hash): void {
  const { transaction, inputs, outputs } = shown;
  const hash = transactionHash(separator, transaction);
  if (hash !== expected || shown.hash !== expected) {
    throw new LyingOperatorError("a payment has another hash", expected, `it hashes to ${hash}`);
  }
  for (const [index, { id }] of outputs.entries()) {
    const own = outputId(hash, index);
    if (id !== own) throw new LyingOperatorError("an output has another id", id, `output ${index} is ${own}`);
  }
  const { signatures } = transaction;
  if (signatures.length !== inputs.length) {
    throw new LyingOperatorError("a payment lacks signatures", inputs.length, `${signatures.length} are there`);
  }
  for (const [index, { owner }] of inputs.entries()) {
    const signer = signerOf(hash, signatures[index] as Hex);
    if (signer !== owner) {
      throw new LyingOperatorError(
        "an input's owner did not sign",
        { hash, index, owner },
        `${signer ?? "nobody"} did`,
      );
    }
  }
}

/** That an output stands in a payment as shown. @throws LyingOperatorError */
export function checkOutput(separator: Hex, output: ShownOutput, creator: Transaction): void {
  const hash = transactionHash(separator, creator);
  const { outputIndex, owner, token, amount } = output;
  const made: Output | undefined = creator.outputs[outputIndex];
  const same = made?.owner === owner && made.token === token && made.amount === amount;
  if (!same || outputId(hash, outputIndex) !== output.id) {
    throw new LyingOperatorError("an output is not of the payment", output, { hash, outputIndex, made });
  }
}

/** That the proof leads from the payment to its block, and the contract has that block. @throws LyingOperatorError */
export async function checkProof(rootChain: RootChain, transaction: Transaction, proof: Proof): Promise<void> {
  const { header, index, siblings } = proof;
  const hash = transactionHash(rootChain.separator, transaction);
  const { transactionsRoot, transactionCount } = header;
  const right =
    siblings.length === merkleDepth(transactionCount) &&
    verifyProof(transactionsRoot, hash, index, transactionCount, siblings);
  if (!right)
    throw new LyingOperatorError("a proof does not lead to its block", { hash, index, header }, "it ends elsewhere");
  const kept = await rootChain.blockHash(header.number);
  if (kept !== blockHash(header)) {
    throw new LyingOperatorError("a block is not the contract's", header, `the contract has ${kept} for it`);
  }
}

/** That the contract has a deposit as it is shown. @throws LyingOperatorError */
export async function checkDeposit(rootChain: RootChain, deposit: Deposit): Promise<void> {
  const id = outputId(depositHash(rootChain.separator, deposit), 0);
  const [record, finalizedBy] = await Promise.all([rootChain.outputRecord(id), rootChain.finalizedBy(id)]);
  // A live exit stands in the place of the record: then it was a deposit when that began.
  if (record === 0n && finalizedBy === 0) {
    throw new LyingOperatorError(
      "a deposit is not the contract's",
      { ...deposit, outputId: id },
      "nothing is recorded",
    );
  }
}

/** A transaction that somebody else made ready, as the `prepare` routes answer it. */
export interface PreparedTransaction {
  transaction: Transaction;
  hash: Hex;
}

/** What the wallet meant when it asked for a transaction. */
export interface Intent {
  purpose: Transaction["purpose"];
  fileHash: Hex;
  /** What it wants to be paid out of its own outputs; its change comes beside. */
  pays: readonly Output[];
  payer: Address;
}

/**
 * That a prepared transaction does what was meant and nothing else: every input is the payer's and known, exactly the meant
 * outputs leave, and the rest comes back.
 * @param own the payer's outputs by id
 * @throws LyingOperatorError
 */
export function checkPrepared(
  separator: Hex,
  intent: Intent,
  { transaction, hash }: PreparedTransaction,
  own: ReadonlyMap<string, Output>,
): void {
  const fail = (message: string, claimed: unknown, found: unknown): never => {
    throw new LyingOperatorError(`a prepared transaction ${message}`, claimed, found);
  };
  const counted = transactionHash(separator, transaction);
  if (counted !== hash) fail("has another hash", hash, `it hashes to ${counted}`);
  if (transaction.purpose !== intent.purpose || transaction.fileHash !== intent.fileHash) {
    fail("is for something else", [transaction.purpose, transaction.fileHash], [intent.purpose, intent.fileHash]);
  }
  const balance = new Map<Address, bigint>();
  const add = (token: Address, amount: bigint): void => void balance.set(token, (balance.get(token) ?? 0n) + amount);
  for (const id of new Set(transaction.inputs)) {
    const output = own.get(id);
    if (output?.owner !== intent.payer) return fail("spends what is not the payer's", id, "no such output");
    add(output.token, output.amount);
  }
  const left = transaction.outputs.filter(({ owner }) => owner !== intent.payer);
  const meant = intent.pays.filter(({ owner }) => owner !== intent.payer);
  if (textOf(left) !== textOf(meant)) fail("pays others than was meant", left, meant);
  for (const { token, amount } of transaction.outputs) add(token, -amount);
  for (const [token, rest] of balance)
    if (rest !== 0n) fail("does not give back the change", { token, rest }, "0 is right");
}

function textOf(outputs: readonly Output[]): string {
  return outputs
    .map(({ owner, token, amount }) => `${owner} ${token} ${amount}`)
    .sort()
    .join("\n");
}
