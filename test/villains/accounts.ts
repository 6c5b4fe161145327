import { Wallet } from "ethers";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { devKey } from "../helpers/chain.ts";

/** Accounts of the node, by who has them; 0 deploys. */
export const ACCOUNTS = {
  operator: 1,
  alice: 2,
  bob: 3,
  carol: 4,
  dave: 5,
  erin: 6,
  mallory: 7,
  /** Owns nothing in the contract; works off queues. */
  stranger: 8,
  watcher: 9,
  secondWatcher: 10,
} as const;
export type Name = keyof typeof ACCOUNTS;
export const ACCOUNTS_COUNT = 12;

/** Leave by themselves, with the kits of their wallets. */
export const KEEPERS = ["alice", "bob", "carol"] as const;
/** Sleep: they gave the watcher authorizations, and nothing else. */
export const GUARDED = ["dave", "erin"] as const;
export const HONEST = [...KEEPERS, ...GUARDED] as const;

// To derive a key takes some 30 ms: each is derived once.
const keys = new Map<Name, { key: string; address: Address }>();
for (const [name, index] of Object.entries(ACCOUNTS) as [Name, number][]) {
  const key = devKey(index);
  keys.set(name, { key, address: new Wallet(key).address.toLowerCase() as Address });
}

export function keyOf(name: Name): string {
  return keys.get(name)!.key;
}

export function addressOf(name: Name): Address {
  return keys.get(name)!.address;
}

export function nameOf(owner: string): string {
  const address = owner.toLowerCase();
  return [...keys].find(([, one]) => one.address === address)?.[0] ?? address;
}
