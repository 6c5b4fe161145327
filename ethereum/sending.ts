import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { Transaction, type TransactionLike } from "ethers";
import { EthereumError } from "./errors.ts";
import type { Fees } from "./fees.ts";
import type { Signer } from "./signer.ts";

/** A transaction as it is to be signed. */
export interface TransactionRequest extends Fees {
  chainId: bigint;
  nonce: number;
  to: Address;
  data: Hex;
  value: bigint;
  gasLimit: bigint;
}

/** What the signer made of a request, or why it is of no use. */
export type Signed = { hash: Hex; raw: Hex } | { problem: string };

/** Has it signed, and looks at what the signer made of it. Whatever the signer does wrong is a problem, not an error. */
export async function signExactly(signer: Signer, request: TransactionRequest): Promise<Signed> {
  let raw: Hex;
  try {
    raw = await signer.signTransaction({ type: 2, ...request });
  } catch (error) {
    if (!(error instanceof EthereumError)) throw error;
    return { problem: `the signer does not sign: ${error.message}` };
  }
  let signed: Transaction;
  try {
    signed = Transaction.from(raw);
  } catch {
    return { problem: "the signer gives something else than a transaction" };
  }
  const wanted = fieldsOf({ type: 2, ...request }, signer.address);
  const made = fieldsOf(signed, signed.from);
  const wrong = [...wanted].find(([name, field]) => made.get(name) !== field);
  if (wrong === undefined) return { hash: signed.hash as Hex, raw };
  const [name, field] = wrong;
  return { problem: `the signer signed ${name} ${made.get(name)} instead of ${field}` };
}

function fieldsOf(transaction: TransactionLike, from: string | null): Map<string, string> {
  const { type, chainId, nonce, to, data, value, gasLimit, maxFeePerGas, maxPriorityFeePerGas } = transaction;
  const all = { from, type, chainId, nonce, to, data, value, gasLimit, maxFeePerGas, maxPriorityFeePerGas };
  return new Map(Object.entries(all).map(([name, field]) => [name, String(field).toLowerCase()]));
}
