import { readFile } from "node:fs/promises";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { Wallet, type TransactionLike } from "ethers";
import { hex, list, toQuantity } from "./answers.ts";
import { EthereumError } from "./errors.ts";
import { httpTransport } from "./transport.ts";

/** Whoever holds the key that commits. */
export interface Signer {
  readonly address: Address;
  /**
   * The raw signed transaction.
   * @throws EthereumError when it cannot be had now
   */
  signTransaction(transaction: TransactionLike): Promise<Hex>;
}

export function keySigner(privateKey: Hex): Signer {
  return signerOf(new Wallet(privateKey));
}

/** A key in an encrypted keystore file (Web3 Secret Storage), with the password in a file of its own. */
export async function keystoreSigner(path: string, passwordFile: string): Promise<Signer> {
  const [json, password] = await Promise.all([readFile(path, "utf8"), readFile(passwordFile, "utf8")]);
  const wallet = await Wallet.fromEncryptedJson(json, password.replace(/\r?\n$/, ""));
  return signerOf(new Wallet(wallet.privateKey));
}

/**
 * A key that somebody else holds and signs with over JSON-RPC (`eth_accounts`, `eth_signTransaction`), as Web3Signer does.
 * @param preferred - which of several accounts it is to be
 * @throws EthereumError UNREACHABLE, RPC_ERROR, BAD_ANSWER, also when there is no such account
 */
export async function externalSigner(url: string, preferred: Address): Promise<Signer> {
  const accounts = list(await httpTransport(url, "eth_accounts", [])).map(hex) as Address[];
  const address = accounts.length === 1 ? accounts[0] : accounts.find((account) => account === preferred);
  if (address === undefined) {
    const message = `the signer has ${accounts.length} accounts, none of them ${preferred}`;
    throw new EthereumError("BAD_ANSWER", message, { accounts, preferred });
  }
  return {
    address,
    signTransaction: async ({ type, chainId, nonce, to, data, value, gasLimit, ...fees }) => {
      const request = {
        ...{ from: address, to, data, value: toQuantity(BigInt(value ?? 0)), gas: toQuantity(BigInt(gasLimit ?? 0)) },
        ...{ type: toQuantity(type ?? 2), nonce: toQuantity(nonce ?? 0), chainId: toQuantity(BigInt(chainId ?? 0)) },
        maxFeePerGas: toQuantity(BigInt(fees.maxFeePerGas ?? 0)),
        maxPriorityFeePerGas: toQuantity(BigInt(fees.maxPriorityFeePerGas ?? 0)),
      };
      const signed = await httpTransport(url, "eth_signTransaction", [request]);
      // Some give the transaction's fields beside the bytes.
      return hex(typeof signed === "object" && signed !== null && "raw" in signed ? signed.raw : signed);
    },
  };
}

function signerOf(wallet: Wallet): Signer {
  return {
    address: wallet.address.toLowerCase() as Address,
    signTransaction: async (transaction) => (await wallet.signTransaction(transaction)) as Hex,
  };
}
