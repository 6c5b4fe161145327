import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Output, SignedTransaction, Transaction } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Provider, Signer } from "ethers";
import type { GuardOptions } from "./guarding.ts";
import type { OperatorClient, Receipt } from "./operatorClient.ts";
import type { TextStore, WalletStore } from "./store.ts";

export interface WalletOptions {
  operator: OperatorClient | string;
  /** Any Ethereum node; what the operator says is held against it. */
  provider: Provider;
  /** Signs payments as typed data, and transactions on Ethereum where those are asked for. */
  signer: Signer;
  /** The contract that is known to be the right one; without it the operator's word is taken. */
  contract?: Address;
  store?: WalletStore;
  /** Gets a fresh exit kit after every change. */
  kitStore?: TextStore;
  /** Ethereum block of the contract's deployment: nothing before is read. */
  fromBlock?: number;
  /** The service node that is known to be the right one; without it the operator's word is taken. */
  serviceNode?: Address;
  /** A watcher that guards the account: it is told each payment, and each `sync` authorizes it to exit for what is new. */
  guard?: GuardOptions;
  /** Into how many outputs one is split when many payments wait for it; 1: never. */
  lanes?: number;
}

export interface PayRequest {
  purpose?: Transaction["purpose"];
  fileHash?: Hex;
  /** Change is added by the wallet. */
  outputs: readonly Output[];
  /** Spends what Ethereum holds already, where that suffices. */
  preferCommitted?: boolean;
}

/** A payment that was accepted. */
export interface Paid extends Receipt {
  transaction: SignedTransaction;
}
