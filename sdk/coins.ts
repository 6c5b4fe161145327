import { MAX_INPUTS } from "@plasma-billing/protocol/transaction.ts";

/** What inputs are chosen from. */
export interface Coin {
  id: string;
  amount: bigint;
  /** Its payment is in a committed block, or it is a deposit. */
  committed: boolean;
}

export type Choice<C extends Coin> =
  | { kind: "inputs"; inputs: C[]; change: bigint }
  /** There is enough, but in more outputs than a payment takes: these are to be made one first. */
  | { kind: "merge"; inputs: C[] }
  | { kind: "insufficient"; available: bigint };

/**
 * The outputs to pay an amount with: the smallest one that suffices, else the fewest, largest first. Committed ones come
 * first when `preferCommitted`: what they pay can be taken to Ethereum at once.
 */
export function chooseCoins<C extends Coin>(coins: readonly C[], amount: bigint, preferCommitted = false): Choice<C> {
  const committed = coins.filter((coin) => coin.committed);
  if (preferCommitted && total(committed) >= amount) {
    const choice = chooseCoins(committed, amount);
    if (choice.kind === "inputs") return choice;
  }
  const descending = [...coins].sort((a, b) => (a.amount < b.amount ? 1 : a.amount > b.amount ? -1 : 0));
  const available = total(descending);
  if (available < amount || descending.length === 0) return { kind: "insufficient", available };
  const single = descending.findLast((coin) => coin.amount >= amount);
  if (single !== undefined) return { kind: "inputs", inputs: [single], change: single.amount - amount };
  const inputs: C[] = [];
  let sum = 0n;
  for (const coin of descending) {
    if (sum >= amount) break;
    inputs.push(coin);
    sum += coin.amount;
  }
  if (inputs.length > MAX_INPUTS) return { kind: "merge", inputs: inputs.slice(0, MAX_INPUTS) };
  return { kind: "inputs", inputs, change: sum - amount };
}

/** Equal parts of an amount, at most as many as it has units; the first ones get what is left over. */
export function partsOf(amount: bigint, count: number): bigint[] {
  const parts = amount < BigInt(count) ? Number(amount) : count;
  const each = amount / BigInt(parts);
  const rest = amount % BigInt(parts);
  return Array.from({ length: parts }, (_, i) => (BigInt(i) < rest ? each + 1n : each));
}

function total(coins: readonly Coin[]): bigint {
  return coins.reduce((sum, { amount }) => sum + amount, 0n);
}
