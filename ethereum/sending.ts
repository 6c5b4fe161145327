import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { Transaction } from "ethers";
import { EthereumError } from "./errors.ts";
import type { Fees } from "./fees.ts";
import type { EthereumRpc } from "./rpc.ts";
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

/** Has it signed, and looks at what the signer made of it; null when that is something else. */
export async function signExactly(
  signer: Signer,
  request: TransactionRequest,
): Promise<{ hash: Hex; raw: Hex } | null> {
  const raw = await signer.signTransaction({ type: 2, ...request });
  const signed = Transaction.from(raw);
  const right =
    signed.from?.toLowerCase() === signer.address &&
    signed.nonce === request.nonce &&
    signed.data === request.data &&
    signed.value === request.value &&
    signed.to?.toLowerCase() === request.to &&
    signed.chainId === request.chainId;
  return right ? { hash: signed.hash as Hex, raw } : null;
}

/** Hands the bytes to the nodes. Gives a refusal's reason, which says nothing about whether they are on their way. */
export async function offer(rpc: EthereumRpc, raw: Hex): Promise<string | null> {
  try {
    await rpc.sendRawTransaction(raw);
    return null;
  } catch (error) {
    if (!(error instanceof EthereumError)) throw error;
    return error.message;
  }
}
