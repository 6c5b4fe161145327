import { useEffect } from "react";
import { Link } from "wouter";
import type { Deposit, Exit, Output, Status } from "../shapes.ts";
import { countdown } from "../format.ts";
import { Page } from "../parts/Page.tsx";
import { paymentPath } from "../parts/PaymentsTable.tsx";
import { Address, Amount, EthereumTransaction, Hash, State, Time } from "../parts/Shown.tsx";
import { useNow } from "../parts/now.ts";
import { ListTable, type Column } from "../parts/Table.tsx";
import { useList } from "../queries.ts";
import { useStatus } from "../shared.tsx";

/** What made an output. */
export function Origin({ output: { depositId, blockNumber, transactionIndex, outputIndex } }: { output: Output }) {
  if (depositId !== null) return <Link href="/deposits">deposit {depositId}</Link>;
  return (
    <>
      output {outputIndex} of payment {transactionIndex} in{" "}
      <Link href={`/hours/${blockNumber}`}>hour {blockNumber}</Link>
    </>
  );
}

export function DepositsPage() {
  const status = useStatus();
  return (
    <Page title="Deposits">
      <p>
        Tokens given to the contract on Ethereum. One can be spent here once its Ethereum block is as deep as the
        operator wants it.
      </p>
      <ListTable
        list={useList<Deposit>("deposits", "/v1/deposits")}
        caption="Deposits, the newest first"
        columns={[
          { name: "Deposit", of: ({ id }) => id, end: true },
          { name: "State", of: ({ state }) => <State value={state} /> },
          { name: "Owner", of: ({ owner }) => <Address value={owner} /> },
          { name: "Amount", of: ({ amount, token }) => <Amount amount={amount} token={token} />, end: true },
          { name: "Ethereum block", of: (deposit) => <Depth deposit={deposit} status={status} />, end: true },
          {
            name: "Ethereum transaction",
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

/** How far a deposit is on its way to be credited: blocks are Ethereum's clock. */
function Depth({ deposit: { ethereumBlock, state }, status }: { deposit: Deposit; status: Status | undefined }) {
  const head = status?.ethereum.head ?? null;
  if (state !== "pending" || head === null) return <>{ethereumBlock.toLocaleString("en")}</>;
  const finalized = status?.ethereum.finalized ?? null;
  return (
    <>
      {ethereumBlock.toLocaleString("en")}
      <div className="muted">
        {Math.max(0, head - ethereumBlock)} deep
        {finalized === null || finalized >= ethereumBlock ? "" : `, ${ethereumBlock - finalized} to the finalized one`}
      </div>
    </>
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
        {outputId === null ? null : (
          <div>
            output <Hash value={outputId} to={`/outputs/${outputId}`} />
          </div>
        )}
        {transactionHash === null ? null : (
          <div>
            payment <Hash value={transactionHash} to={paymentPath(transactionHash)} />
          </div>
        )}
      </>
    ),
  },
  { name: "Ethereum transaction", of: ({ ethereumTransaction }) => <LastTransaction value={ethereumTransaction} /> },
];

function LastTransaction({ value }: { value: string }) {
  return <EthereumTransaction value={value} chainId={useStatus()?.chainId} />;
}

/** When it can be paid; who waits wants to see it run. */
function Clock({ exit: { state, exitableAt } }: { exit: Exit }) {
  const now = useNow();
  const at = exitableAt * 1000;
  if (state !== "started" && state !== "challenged") return <Time at={at} />;
  return (
    <>
      {at > now ? (
        <span role="timer">in {countdown(at - now)}</span>
      ) : state === "started" ? (
        "now, by anybody's transaction"
      ) : (
        "challenged before"
      )}{" "}
      <Time at={at} only="exact" />
    </>
  );
}

/** Of exits that one who looks for a number is led to. */
const LOOKED_THROUGH_MAX = 1_000;

export function ExitsPage() {
  const list = useList<Exit>("exits", "/v1/exits");
  const wanted = /^#exit-(\d+)$/.exec(window.location.hash)?.[1];
  const isHere = list.items.some(({ number }) => String(number) === wanted);
  useEffect(() => {
    if (wanted === undefined) return;
    if (isHere) document.getElementById(`exit-${wanted}`)?.scrollIntoView({ block: "center" });
    else if (!list.loadingMore && list.items.length < LOOKED_THROUGH_MAX) list.more?.();
  }, [wanted, isHere, list.items.length, list.loadingMore]);
  return (
    <Page title="Exits">
      <p>
        Anybody takes their tokens out without the operator. Until an exit is payable, anybody who can show that its
        output was spent stops it. <Link href="/deposits">Deposits</Link> are the other way round.
      </p>
      <ListTable
        list={list}
        caption="Exits, the newest first"
        columns={EXIT_COLUMNS}
        keyOf={({ number, outputId }) => `${number} ${outputId}`}
        current={({ number }) => String(number) === wanted}
        empty="Nobody has begun an exit."
      />
    </Page>
  );
}
