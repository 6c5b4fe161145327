import { Link } from "wouter";
import { paidAmounts, payersOf } from "../amounts.ts";
import type { Payment } from "../shapes.ts";
import { Address, Amount, Hash, Purpose, State, Time } from "./Shown.tsx";
import type { Column } from "./Table.tsx";

/** Where a payment's page is. */
export function paymentPath(hash: string): string {
  return `/payments/${hash}`;
}

/** What it gives to others than who pays; of a payment to oneself there is nothing. */
export function PaidAmounts({ payment }: { payment: Payment }) {
  const paid = paidAmounts(payment);
  if (paid.length === 0) return <span className="muted">to itself</span>;
  return paid.map(({ token, amount }) => (
    <div key={token}>
      <Amount amount={amount.toString()} token={token} />
    </div>
  ));
}

const ROLES = [
  ["validator", "Validator"],
  ["owner", "Owner"],
  ["serviceNode", "Service node"],
  ["mart", "Mart"],
  ["storage", "Storage"],
] as const;

function addresses(all: string[]) {
  return all.length === 0
    ? null
    : all.map((address) => (
        <div key={address}>
          <Address value={address} plain />
        </div>
      ));
}

const COMMON: Column<Payment>[] = [
  { name: "Payment", of: ({ hash }) => <Hash value={hash} to={paymentPath(hash)} /> },
  { name: "Hour", of: ({ blockNumber }) => <Link href={`/hours/${blockNumber}`}>{blockNumber}</Link>, end: true },
  { name: "Time", of: ({ acceptedAt }) => <Time at={acceptedAt} /> },
  { name: "Purpose", of: ({ purpose }) => <Purpose value={purpose} /> },
  { name: "State", of: ({ state }) => <State value={state} /> },
  { name: "Amount", of: (payment) => <PaidAmounts payment={payment} />, end: true },
  { name: "Payer", of: (payment) => addresses(payersOf(payment)) },
];

export const PAYMENT_COLUMNS: Column<Payment>[] = [
  ...COMMON,
  ...ROLES.map(([role, name]) => ({
    name,
    of: ({ parties }: Payment) =>
      addresses(parties.filter((party) => party.role === role).map((party) => party.address)),
  })),
];

/** For a narrow place: who is paid beside who pays. */
export const BRIEF_COLUMNS: Column<Payment>[] = [
  ...COMMON,
  {
    name: "Paid to",
    of: (payment) => {
      const payers = payersOf(payment);
      return addresses(
        [...new Set(payment.outputs.map(({ owner }) => owner))].filter((owner) => !payers.includes(owner)),
      );
    },
  },
];
