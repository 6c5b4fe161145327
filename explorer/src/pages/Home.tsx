import { lazy, Suspense } from "react";
import { Link } from "wouter";
import type { Hour, Payment, Statistics, Status } from "../shapes.ts";
import { countdown } from "../format.ts";
import { useLive } from "../live.tsx";
import { Answer, Guard, Loading, Page, Problem } from "../parts/Page.tsx";
import { BRIEF_COLUMNS } from "../parts/PaymentsTable.tsx";
import { Amount, Hash } from "../parts/Shown.tsx";
import { Table } from "../parts/Table.tsx";
import { useNow } from "../parts/now.ts";
import { useList, useOne } from "../queries.ts";
import { useStatus } from "../shared.tsx";
import { hourColumns } from "./Hours.tsx";

const PAYMENTS_SHOWN = 12;
const HOURS_SHOWN = 5;

const Charts = lazy(async () => await import("../parts/Charts.tsx"));

export function HomePage() {
  const statistics = useOne<Statistics>("statistics", "/v1/statistics");
  const hours = useList<Hour>("hours", "/v1/blocks");
  const status = useStatus();
  const open = hours.items.find(({ state }) => state === "open");
  return (
    <Page title="Payments as they happen">
      <Tiles status={status} open={open} statistics={statistics.data} />
      <h2>Newest payments</h2>
      <LivePayments />
      <h2>Last hours</h2>
      {hours.error !== null && hours.items.length === 0 ? <Problem error={hours.error} retry={hours.retry} /> : null}
      {hours.loading ? (
        <Loading lines={HOURS_SHOWN} />
      ) : (
        <Table
          caption="The last hours and their commits"
          columns={hourColumns(status?.chainId)}
          items={hours.items.slice(0, HOURS_SHOWN)}
          keyOf={({ number }) => String(number)}
        />
      )}
      <p>
        <Link href="/hours">All hours</Link>
      </p>
      <Answer of={statistics} lines={12}>
        {(data) => (
          <>
            <Guard of="charts">
              <Suspense fallback={<Loading lines={10} />}>
                <Charts statistics={data} />
              </Suspense>
            </Guard>
            <Tokens statistics={data} />
          </>
        )}
      </Answer>
    </Page>
  );
}

function Tiles({
  status,
  open,
  statistics,
}: {
  status: Status | undefined;
  open: Hour | undefined;
  statistics: Statistics | undefined;
}) {
  const count = (value: number | undefined): string => value?.toLocaleString("en") ?? "…";
  const last = status === undefined ? "…" : status.lastCommitted === null ? "none yet" : `hour ${status.lastCommitted}`;
  const tiles: [string, string][] = [
    ["Payments", count(statistics?.payments)],
    [`In the open hour${open === undefined ? "" : ` ${open.number}`}`, count(open?.transactionCount)],
    ["Newest on Ethereum", last],
    ["Deposits", count(statistics?.deposits)],
    ["Unspent outputs", count(statistics?.liveOutputs)],
  ];
  return (
    <dl className="tiles">
      {tiles.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
      <div>
        <dt>Next commit</dt>
        <dd>{status === undefined ? "…" : <Countdown until={status.nextCommitAt} />}</dd>
      </div>
    </dl>
  );
}

function Countdown({ until }: { until: number }) {
  return <span role="timer">{countdown(until - useNow())}</span>;
}

/** What the stream told of, above what was there before. */
function LivePayments() {
  const { payments, count, paused } = useLive();
  const list = useList<Payment>("payments", "/v1/transactions");
  if (list.loading) return <Loading lines={PAYMENTS_SHOWN} />;
  if (list.error !== null && list.items.length === 0) return <Problem error={list.error} retry={list.retry} />;
  const known = new Map([...payments, ...list.items].map((payment) => [payment.hash, payment]));
  const newest = [...known.values()].sort(newestFirst).slice(0, PAYMENTS_SHOWN);
  const live = new Set(payments.map(({ hash }) => hash));
  return (
    <>
      <p className="shown">
        {paused
          ? "Paused: nothing changes until you go on."
          : count === 0
            ? "Each payment shows here the moment it is accepted."
            : `${count.toLocaleString("en")} accepted since you opened this page.`}
      </p>
      {newest.length === 0 ? (
        <p className="note">No payment was made yet.</p>
      ) : (
        <Table
          caption="The newest payments"
          columns={BRIEF_COLUMNS}
          items={newest}
          keyOf={({ hash }) => hash}
          marked={({ hash }) => live.has(hash)}
        />
      )}
      <p>
        <Link href="/payments">All payments</Link>
      </p>
    </>
  );
}

function newestFirst(a: Payment, b: Payment): number {
  const hours = b.blockNumber - a.blockNumber;
  return hours === 0 ? b.transactionIndex - a.transactionIndex : hours;
}

function Tokens({ statistics }: { statistics: Statistics }) {
  return (
    <>
      <h2>Tokens</h2>
      {statistics.tokens.length === 0 ? (
        <p className="note">Nothing was deposited yet.</p>
      ) : (
        <Table
          caption="What was deposited, is held here, and was withdrawn"
          items={statistics.tokens}
          keyOf={({ token }) => token}
          columns={[
            { name: "Token", of: ({ token }) => <Hash value={token} /> },
            { name: "Deposits", of: ({ deposits }) => deposits.toLocaleString("en"), end: true },
            { name: "Deposited", of: ({ token, deposited }) => <Amount amount={deposited} token={token} />, end: true },
            { name: "Held", of: ({ token, live }) => <Amount amount={live} token={token} />, end: true },
            { name: "Withdrawn", of: ({ token, withdrawn }) => <Amount amount={withdrawn} token={token} />, end: true },
          ]}
        />
      )}
    </>
  );
}
