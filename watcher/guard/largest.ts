import { setImmediate } from "node:timers/promises";
import { ETHER, type TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { GuardRecords } from "./records.ts";

/**
 * Outputs of an address that are in its book and kit, of payments it did not sign: anybody can pay it dust, as much as blocks
 * hold. Exits of so many already take hours; an account that has more puts them together.
 */
export const OUTPUTS_MAX = 10_000;
/** Tokens of an address that are looked at: each takes a deposit on Ethereum, so there are more only by malice. */
const TOKENS_MAX = 1_000;
/** Marked before others get their turn: some milliseconds. */
const MARKED_A_SLICE = 50;

/**
 * Decides which outputs of an address count: of each token the largest. Half of the room is for ether, tokens share the other
 * half; what is not needed there goes to ether first, then to each token in turn.
 * @returns whether others count than before, and how many do not
 */
export async function rankOutputs(
  records: GuardRecords,
  owner: Address,
  most: number,
): Promise<{ changed: boolean; leftOut: number }> {
  const { large, count } = await largest(records, owner, most);
  const before = records.largeOf(owner);
  const known = new Set(before);
  const added = [...large].filter((hash) => !known.has(hash));
  const dropped = before.filter((hash) => !large.has(hash));
  for (let at = 0; at < Math.max(added.length, dropped.length); at += MARKED_A_SLICE) {
    records.rank(owner, added.slice(at, at + MARKED_A_SLICE), dropped.slice(at, at + MARKED_A_SLICE));
    await setImmediate();
  }
  return { changed: added.length + dropped.length > 0, leftOut: Math.max(0, records.unspentOf(owner) - count) };
}

/** Payments that made the largest outputs, and how many outputs these are. */
async function largest(
  records: GuardRecords,
  owner: Address,
  most: number,
): Promise<{ large: Set<TransactionHash>; count: number }> {
  const tokens = tokensOf(records, owner);
  const others = tokens.filter((token) => token !== ETHER).length;
  const share = (token: Address): number =>
    token === ETHER ? Math.ceil(most / 2) : Math.max(1, Math.floor(most / 2 / others));
  const found = new Set<TransactionHash>();
  let left = most;
  const take = async (token: Address, from: number, count: number): Promise<void> => {
    if (count <= 0) return;
    const hashes = records.largestOf(owner, token, from, Math.min(count, left));
    left -= hashes.length;
    for (const hash of hashes) found.add(hash);
    await setImmediate();
  };
  for (const token of tokens) await take(token, 0, share(token));
  for (const token of tokens) await take(token, share(token), left);
  return { large: found, count: most - left };
}

/** Ether first. */
function tokensOf(records: GuardRecords, owner: Address): Address[] {
  const tokens: Address[] = [ETHER];
  for (let token = records.nextToken(owner, ""); token !== null && tokens.length < TOKENS_MAX;) {
    if (token !== ETHER) tokens.push(token);
    token = records.nextToken(owner, token);
  }
  return tokens;
}
