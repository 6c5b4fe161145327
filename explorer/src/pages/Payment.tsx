import { lazy, Suspense, useState } from "react";
import { Link } from "wouter";
import { changes } from "../amounts.ts";
import type { Output, Payment, Status } from "../shapes.ts";
import { Answer, Facts, Guard, Loading, Page } from "../parts/Page.tsx";
import { PaidAmounts } from "../parts/PaymentsTable.tsx";
import { Address, Amount, EthereumTransaction, Hash, Purpose, roleName, State, Time } from "../parts/Shown.tsx";
import { Table } from "../parts/Table.tsx";
import { useOne } from "../queries.ts";
import { useStatus } from "../shared.tsx";
import { Origin } from "./Chain.tsx";
import { filePath } from "./Files.tsx";

const Verification = lazy(async () => await import("../parts/Verification.tsx"));

export function PaymentPage({ hash }: { hash: string }) {
  const asked = useOne<Payment>("payments", `/v1/transactions/${hash}`);
  return (
    <Page title={`Payment ${hash.slice(0, 10)}…`}>
      <Answer of={asked} lines={12}>
        {(payment) => <PaymentView payment={payment} asked={hash} />}
      </Answer>
    </Page>
  );
}

function PaymentView({ payment, asked }: { payment: Payment; asked: string }) {
  const status = useStatus();
  const roles = new Map(payment.parties.map(({ address, role }) => [address, role]));
  return (
    <>
      {payment.hash === asked.toLowerCase() ? null : (
        <div className="note bad" role="alert">
          <strong>The operator answered with another payment</strong> than the one you asked for: do not believe what
          follows.
        </div>
      )}
      <Facts
        of={[
          ["Hash", <Hash value={asked} whole />],
          ["Purpose", <Purpose value={payment.purpose} />],
          ["Amount", <PaidAmounts payment={payment} />],
          ["File", fileLink(payment)],
          [
            "Place",
            <>
              payment {payment.transactionIndex} in{" "}
              <Link href={`/hours/${payment.blockNumber}`}>hour {payment.blockNumber}</Link>
            </>,
          ],
          ["State", <State value={payment.state} />],
          ["Accepted", <Time at={payment.acceptedAt} exact />],
          ["On Ethereum", payment.committedAt === null ? "not yet" : <Time at={payment.committedAt} exact />],
          ["Seen final", payment.finalizedAt === null ? "not yet" : <Time at={payment.finalizedAt} exact />],
          [
            "Commit",
            payment.commitTransaction === null ? null : (
              <EthereumTransaction value={payment.commitTransaction} chainId={status?.chainId} whole />
            ),
          ],
        ]}
      />
      <Check payment={payment} asked={asked} status={status} />
      <h2>Plus and minus</h2>
      <Table
        caption="Plus and minus of each party"
        items={changes(payment)}
        keyOf={({ address, token }) => address + token}
        columns={[
          { name: "Party", of: ({ address }) => <Address value={address} /> },
          { name: "Role", of: ({ address }) => roleName(roles.get(address) ?? null) },
          {
            name: "Change",
            of: ({ change, token }) => <Amount amount={change.toString()} token={token} sign />,
            end: true,
          },
        ]}
      />
      <h2>Inputs</h2>
      <Outputs caption="Outputs that it spends" items={payment.inputs} signatures={payment.signatures} />
      <h2>Outputs</h2>
      <Outputs caption="Outputs that it makes" items={payment.outputs} />
    </>
  );
}

function fileLink({ fileId, fileHash, purpose }: Payment) {
  if (purpose === "transfer" || purpose === "swap") return null;
  return fileId === null ? <Hash value={fileHash} /> : <Link href={filePath(fileId)}>{fileId}</Link>;
}

function Outputs({ caption, items, signatures }: { caption: string; items: Output[]; signatures?: string[] }) {
  return (
    <Table
      caption={caption}
      items={items}
      keyOf={({ id }) => id}
      columns={[
        { name: "Output", of: ({ id }) => <Hash value={id} to={`/outputs/${id}`} /> },
        { name: "Owner", of: ({ owner }) => <Address value={owner} /> },
        { name: "Amount", of: ({ amount, token }) => <Amount amount={amount} token={token} />, end: true },
        ...(signatures === undefined
          ? [{ name: "State", of: ({ state }: Output) => <State value={state} /> }]
          : [
              { name: "From", of: (output: Output) => <Origin output={output} /> },
              { name: "Signature", of: (output: Output) => <Hash value={signatures[items.indexOf(output)] ?? ""} /> },
            ]),
      ]}
    />
  );
}

function Check({ payment, asked, status }: { payment: Payment; asked: string; status: Status | undefined }) {
  const [open, setOpen] = useState(false);
  if (!open) {
    return (
      <p>
        <button type="button" className="main" onClick={() => setOpen(true)}>
          Verify in this browser
        </button>
      </p>
    );
  }
  if (status === undefined) return <Loading lines={10} />;
  return (
    <Guard of={asked}>
      <Suspense fallback={<Loading lines={10} />}>
        <Verification asked={asked} payment={payment} status={status} />
      </Suspense>
    </Guard>
  );
}
