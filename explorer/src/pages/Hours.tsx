import { Link } from "wouter";
import type { Hour } from "../shapes.ts";
import { Page } from "../parts/Page.tsx";
import { EthereumTransaction, Fee, Hash, State, Time } from "../parts/Shown.tsx";
import { ListTable, type Column } from "../parts/Table.tsx";
import { useList } from "../queries.ts";
import { useStatus } from "../shared.tsx";

/** Of an hour's commit, for each of its payments; null while there is none. */
export function gasPerPayment({ gasUsed, transactionCount }: Hour): string | null {
  if (gasUsed === null || transactionCount === 0) return null;
  const gas = gasUsed / transactionCount;
  return gas >= 100 ? gas.toFixed(0) : gas.toPrecision(3);
}

export function hourColumns(chainId: number | undefined): Column<Hour>[] {
  return [
    { name: "Hour", of: ({ number }) => <Link href={`/hours/${number}`}>{number}</Link>, end: true },
    { name: "State", of: ({ state }) => <State value={state} /> },
    { name: "Payments", of: ({ transactionCount }) => transactionCount.toLocaleString("en"), end: true },
    { name: "Ended", of: ({ sealedAt }) => (sealedAt === null ? null : <Time at={sealedAt} />) },
    {
      name: "Root",
      of: ({ transactionsRoot }) => (transactionsRoot === null ? null : <Hash value={transactionsRoot} />),
    },
    {
      name: "Commit",
      of: ({ commitTransaction }) =>
        commitTransaction === null ? null : <EthereumTransaction value={commitTransaction} chainId={chainId} />,
    },
    { name: "Fee", of: ({ fee }) => (fee === null ? null : <Fee wei={fee} />), end: true },
    { name: "Gas a payment", of: (hour) => gasPerPayment(hour), end: true },
  ];
}

export function HoursPage() {
  const chainId = useStatus()?.chainId;
  return (
    <Page title="Hours">
      <p>Once an hour one root over all its payments is committed to Ethereum. Hours without payments are not.</p>
      <ListTable
        list={useList<Hour>("hours", "/v1/blocks")}
        caption="Hours, the newest first"
        columns={hourColumns(chainId)}
        keyOf={({ number }) => String(number)}
        empty="There is no hour yet."
      />
    </Page>
  );
}
