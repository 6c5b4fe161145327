import { Link } from "wouter";
import type { Hour, Payment } from "../shapes.ts";
import { countdown } from "../format.ts";
import { Answer, Facts, Page } from "../parts/Page.tsx";
import { PAYMENT_COLUMNS } from "../parts/PaymentsTable.tsx";
import { EthereumTransaction, Fee, Hash, State, Time } from "../parts/Shown.tsx";
import { useNow } from "../parts/now.ts";
import { ListTable } from "../parts/Table.tsx";
import { useList, useOne } from "../queries.ts";
import { useStatus } from "../shared.tsx";
import { gasPerPayment } from "./Hours.tsx";

export function HourPage({ number }: { number: string }) {
  const asked = useOne<Hour>("hours", `/v1/blocks/${number}`);
  return (
    <Page title={`Hour ${number}`}>
      <Answer of={asked} lines={9}>
        {(hour) => <HourView hour={hour} />}
      </Answer>
    </Page>
  );
}

function HourView({ hour }: { hour: Hour }) {
  const status = useStatus();
  const list = useList<Payment>("payments", `/v1/blocks/${hour.number}/transactions`);
  const isOpen = hour.state === "open";
  return (
    <>
      <Facts
        of={[
          ["State", <State value={hour.state} />],
          ["Payments", hour.transactionCount.toLocaleString("en")],
          ["Began", <Time at={hour.openedAt} exact />],
          ["Ended", hour.sealedAt === null ? "not yet" : <Time at={hour.sealedAt} exact />],
          ["Ends in", isOpen && status !== undefined ? <Ends at={status.nextCommitAt} /> : null],
          [
            "Root",
            hour.transactionsRoot === null ? "not before it ends" : <Hash value={hour.transactionsRoot} whole />,
          ],
          ["On Ethereum", hour.timestamp === null ? "not yet" : <Time at={hour.timestamp * 1000} exact />],
          [
            "Commit",
            hour.commitTransaction === null ? null : (
              <EthereumTransaction value={hour.commitTransaction} chainId={status?.chainId} whole />
            ),
          ],
          ["Fee", hour.fee === null ? null : <Fee wei={hour.fee} />],
          ["Gas", hour.gasUsed === null ? null : hour.gasUsed.toLocaleString("en")],
          ["Gas a payment", gasPerPayment(hour)],
        ]}
      />
      <nav className="beside" aria-label="Hours beside it">
        {hour.number > 1 ? <Link href={`/hours/${hour.number - 1}`}>← hour {hour.number - 1}</Link> : null}
        {status !== undefined && hour.number < status.openBlock ? (
          <Link href={`/hours/${hour.number + 1}`}>hour {hour.number + 1} →</Link>
        ) : null}
      </nav>
      <h2>Payments</h2>
      <ListTable
        list={list}
        caption="Payments of the hour, the newest first"
        columns={PAYMENT_COLUMNS}
        keyOf={({ hash }) => hash}
        empty="Nobody has paid in this hour."
      />
    </>
  );
}

function Ends({ at }: { at: number }) {
  return <span role="timer">{countdown(at - useNow())}</span>;
}
