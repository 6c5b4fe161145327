import { Link } from "wouter";
import type { Deposit, Exit } from "../api.ts";
import { ago } from "../format.ts";
import { Page } from "../parts/Page.tsx";
import { paymentPath } from "../parts/PaymentsTable.tsx";
import { Address, Amount, EthereumTransaction, Hash, State, Time } from "../parts/Shown.tsx";
import { useNow } from "../parts/now.ts";
import { ListTable, type Column } from "../parts/Table.tsx";
import { useList, useStatus } from "../queries.ts";

export function DepositsPage() {
  const status = useStatus();
  const head = status?.ethereum.head ?? null;
  return (
    <Page title="Deposits">
      <p>
        Tokens given to the contract on Ethereum. One is credited here when its block is as deep as the operator wants
        it.
      </p>
      <ListTable
        list={useList<Deposit>("deposits", "/v1/deposits")}
        caption="Deposits, the newest first"
        columns={[
          { name: "Deposit", of: ({ id }) => id, end: true },
          { name: "State", of: ({ state }) => <State value={state} /> },
          { name: "Owner", of: ({ owner }) => <Address value={owner} /> },
          { name: "Amount", of: ({ amount, token }) => <Amount amount={amount} token={token} />, end: true },
          {
            name: "Ethereum block",
            of: ({ ethereumBlock, state }) =>
              state === "pending" && head !== null
                ? `${ethereumBlock}, ${Math.max(0, head - ethereumBlock)} deep`
                : ethereumBlock,
            end: true,
          },
          {
            name: "Transaction",
            of: ({ ethereumTransaction }) => (
              <EthereumTransaction value={ethereumTransaction} chainId={status?.chainId} />
            ),
          },
          { name: "Output", of: ({ outputId }) => <Hash value={outputId} to={`/outputs/${outputId}`} /> },
        ]}
        keyOf={({ id }) => String(id)}
        empty="Nobody has deposited anything."
      />
    </Page>
  );
}

const KINDS: Record<string, string> = { standard: "of an output", deposit: "of a deposit", inFlight: "in flight" };

export const EXIT_COLUMNS: Column<Exit>[] = [
  { name: "Exit", of: ({ number }) => <span id={`exit-${number}`}>{number}</span>, end: true },
  { name: "Kind", of: ({ kind }) => KINDS[kind] ?? kind },
  { name: "State", of: ({ state }) => <State value={state} /> },
  { name: "Owner", of: ({ owner }) => (owner === null ? null : <Address value={owner} />) },
  {
    name: "Amount",
    of: ({ amount, token }) => (amount === null || token === null ? null : <Amount amount={amount} token={token} />),
    end: true,
  },
  { name: "Payable", of: (exit) => <Clock exit={exit} /> },
  {
    name: "Of",
    of: ({ outputId, transactionHash }) => (
      <>
        {outputId === null ? null : <Hash value={outputId} to={`/outputs/${outputId}`} />}
        {transactionHash === null ? null : (
          <div>
            payment <Hash value={transactionHash} to={paymentPath(transactionHash)} />
          </div>
        )}
      </>
    ),
  },
  { name: "Transaction", of: ({ ethereumTransaction }) => <Hash value={ethereumTransaction} /> },
];

/** When it can be paid; who waits wants to see it run. */
function Clock({ exit: { state, exitableAt } }: { exit: Exit }) {
  const now = useNow();
  const at = exitableAt * 1000;
  if (state !== "started") return <Time at={at} />;
  return at > now ? <strong>{ago(at, now)}</strong> : <>since {ago(at, now)}: anybody may have it paid</>;
}

export function ExitsPage() {
  return (
    <Page title="Exits">
      <p>
        Anybody takes their tokens out without the operator. Until an exit is payable, anybody who can show that its
        output was spent stops it. <Link href="/deposits">Deposits</Link> are the other way round.
      </p>
      <ListTable
        list={useList<Exit>("exits", "/v1/exits")}
        caption="Exits, the newest first"
        columns={EXIT_COLUMNS}
        keyOf={({ number, outputId }) => `${number} ${outputId}`}
        empty="Nobody has begun an exit."
      />
    </Page>
  );
}
