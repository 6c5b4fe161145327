import { lazy, Suspense, useState } from "react";
import { Link } from "wouter";
import { changes } from "../amounts.ts";
import type { Output, Payment } from "../api.ts";
import { Answer, Facts, Loading, Page } from "../parts/Page.tsx";
import { PaidAmounts } from "../parts/PaymentsTable.tsx";
import { Address, Amount, EthereumTransaction, Hash, State, Time } from "../parts/Shown.tsx";
import { Table } from "../parts/Table.tsx";
import { useOne, useStatus } from "../queries.ts";

const Verification = lazy(async () => await import("../parts/Verification.tsx"));

export function PaymentPage({ hash }: { hash: string }) {
  const asked = useOne<Payment>("payments", `/v1/transactions/${hash}`);
  return (
    <Page title="Payment">
      <Answer of={asked} lines={12}>
        {(payment) => <PaymentView payment={payment} asked={hash} />}
      </Answer>
    </Page>
  );
}

function PaymentView({ payment, asked }: { payment: Payment; asked: string }) {
  const chainId = useStatus()?.chainId;
  const roles = new Map(payment.parties.map(({ address, role }) => [address, role]));
  return (
    <>
      <Facts
        of={[
          ["Hash", <Hash value={payment.hash} whole />],
          ["State", <State value={payment.state} />],
          ["Purpose", payment.purpose],
          ["Amount", <PaidAmounts payment={payment} />],
          ["File", fileLink(payment)],
          [
            "Place",
            <>
              payment {payment.transactionIndex} of hour{" "}
              <Link href={`/hours/${payment.blockNumber}`}>{payment.blockNumber}</Link>
            </>,
          ],
          ["Accepted", <Time at={payment.acceptedAt} exact />],
          ["On Ethereum", payment.committedAt === null ? "not yet" : <Time at={payment.committedAt} exact />],
          ["Final there", payment.finalizedAt === null ? "not yet" : <Time at={payment.finalizedAt} exact />],
          [
            "Commit",
            payment.commitTransaction === null ? null : (
              <EthereumTransaction value={payment.commitTransaction} chainId={chainId} />
            ),
          ],
        ]}
      />
      <Check payment={payment} asked={asked} />
      <h2>Who has what after it</h2>
      <Table
        caption="Plus and minus of each party"
        items={changes(payment)}
        keyOf={({ address, token }) => address + token}
        columns={[
          { name: "Party", of: ({ address }) => <Address value={address} /> },
          { name: "Role", of: ({ address }) => roles.get(address) ?? null },
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
  return fileId === null ? (
    <Hash value={fileHash} />
  ) : (
    <Link href={`/files/${encodeURIComponent(fileId)}`}>{fileId}</Link>
  );
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
        { name: "From", of: (output) => <Origin output={output} /> },
        signatures === undefined
          ? { name: "State", of: ({ state }) => <State value={state} /> }
          : {
              name: "Signature",
              of: (output) => <Hash value={signatures[items.indexOf(output)] ?? ""} />,
            },
      ]}
    />
  );
}

function Origin({ output: { depositId, blockNumber, transactionIndex, outputIndex } }: { output: Output }) {
  if (depositId !== null) return <Link href="/deposits">deposit {depositId}</Link>;
  return (
    <>
      output {outputIndex} of payment {transactionIndex} of{" "}
      <Link href={`/hours/${blockNumber}`}>hour {blockNumber}</Link>
    </>
  );
}

function Check({ payment, asked }: { payment: Payment; asked: string }) {
  const [open, setOpen] = useState(false);
  const status = useStatus();
  if (!open) {
    return (
      <p>
        <button type="button" className="main" onClick={() => setOpen(true)}>
          Verify in this browser
        </button>
      </p>
    );
  }
  if (status === undefined) return <Loading lines={6} />;
  return (
    <Suspense fallback={<Loading lines={6} />}>
      <Verification asked={asked} payment={payment} status={status} />
    </Suspense>
  );
}
