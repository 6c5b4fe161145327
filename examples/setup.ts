// What the four programs share: settings from the environment, a wallet, and how they tell what they do.
import { Wallet } from "@plasma-billing/sdk";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { JsonRpcProvider, NonceManager, Wallet as Key } from "ethers";

/** A setting; ends the program when it is missing. */
export function setting(name: string): string {
  const value = process.env[name];
  if (value !== undefined && value !== "") return value;
  process.stderr.write(`set ${name}\n`);
  process.exit(1);
}

export const OPERATOR_URL = setting("OPERATOR_URL");
/** What is paid with. */
export const MONEY = setting("MONEY").toLowerCase() as Address;
/** What the storage provider is paid for in: it gives ten of it for one of the money. */
export const COIN = setting("COIN").toLowerCase() as Address;
export const RATE = 10n;

/** A real one would keep its key in a keystore or a hardware wallet: any signer of ethers will do. */
export async function openWallet(): Promise<Wallet> {
  const provider = new JsonRpcProvider(setting("L1_RPC_URL"), undefined, { pollingInterval: 100, cacheTimeout: -1 });
  const signer = new NonceManager(new Key(setting("KEY"), provider));
  return await Wallet.open({ operator: OPERATOR_URL, provider, signer });
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Asks until there is an answer. */
export async function until<T>(ask: () => Promise<T | null>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** What is available of a token. */
export function balance(wallet: Wallet, token: Address): bigint {
  return wallet.book.free(token).reduce((sum, { amount }) => sum + amount, 0n);
}
