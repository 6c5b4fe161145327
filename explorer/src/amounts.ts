import type { Payment } from "./shapes.ts";

/** By token, what a payment gives to others than who pays in that token. Nothing: it only moves what is its payers' own. */
export function paidAmounts({ inputs, outputs }: Payment): { token: string; amount: bigint }[] {
  const paid = new Map<string, bigint>();
  for (const { owner, token, amount } of outputs) {
    const own = inputs.some((input) => input.owner === owner && input.token === token);
    if (!own) paid.set(token, (paid.get(token) ?? 0n) + BigInt(amount));
  }
  return [...paid].map(([token, amount]) => ({ token, amount }));
}

/** What each party has more, or less, after a payment, by token. */
export function changes({ inputs, outputs }: Payment): { address: string; token: string; change: bigint }[] {
  const rows = new Map<string, { address: string; token: string; change: bigint }>();
  const add = (address: string, token: string, amount: bigint): void => {
    const key = `${address} ${token}`;
    const row = rows.get(key) ?? { address, token, change: 0n };
    rows.set(key, { ...row, change: row.change + amount });
  };
  for (const { owner, token, amount } of inputs) add(owner, token, -BigInt(amount));
  for (const { owner, token, amount } of outputs) add(owner, token, BigInt(amount));
  return [...rows.values()];
}

/** Who pays: the owners of the inputs. */
export function payersOf({ inputs }: Payment): string[] {
  return [...new Set(inputs.map(({ owner }) => owner))];
}

export interface Earning {
  address: string;
  role: string | null;
  token: string;
  amount: bigint;
}

/** What payments together bring to everybody but who pays them, by token. */
export function earnings(payments: Payment[]): Earning[] {
  const rows = new Map<string, Earning>();
  for (const payment of payments) {
    const payers = payersOf(payment);
    for (const { owner, token, amount } of payment.outputs) {
      if (payers.includes(owner)) continue;
      const key = `${owner} ${token}`;
      const role = payment.parties.find(({ address }) => address === owner)?.role ?? null;
      rows.set(key, { address: owner, role, token, amount: (rows.get(key)?.amount ?? 0n) + BigInt(amount) });
    }
  }
  return [...rows.values()];
}
