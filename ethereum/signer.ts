import { readFile } from "node:fs/promises";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { Wallet, type TransactionLike } from "ethers";

/** Whoever holds the key that commits. */
export interface Signer {
  readonly address: Address;
  /** The raw signed transaction. */
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

function signerOf(wallet: Wallet): Signer {
  return {
    address: wallet.address.toLowerCase() as Address,
    signTransaction: async (transaction) => (await wallet.signTransaction(transaction)) as Hex,
  };
}
