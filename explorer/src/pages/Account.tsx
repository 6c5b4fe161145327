import { useSearchParams } from "wouter";
import type { Account, Exit, Output, Payment } from "../api.ts";
import { Answer, Facts, Page } from "../parts/Page.tsx";
import { PAYMENT_COLUMNS } from "../parts/PaymentsTable.tsx";
import { Address, Amount, Hash, State } from "../parts/Shown.tsx";
import { ListTable, Table } from "../parts/Table.tsx";
import { useList, useOne } from "../queries.ts";
import { EXIT_COLUMNS } from "./Chain.tsx";

export function AccountPage({ address }: { address: string }) {
  const asked = useOne<Account>("accounts", `/v1/accounts/${address}`);
  return (
    <Page title="Account">
      <Answer of={asked} lines={8}>
        {(account) => <AccountView account={account} />}
      </Answer>
    </Page>
  );
}

function AccountView({ account }: { account: Account }) {
  const { address } = account;
  return (
    <>
      <Facts
        of={[
          ["Address", <Hash value={address} whole />],
          ["Role", account.role ?? "none"],
          ["Validator", account.validator === null ? null : <Address value={account.validator} />],
          ["Payments", account.transactionCount.toLocaleString("en")],
        ]}
      />
      <h2>Balances</h2>
      {account.balances.length === 0 ? (
        <p className="note">It has nothing here.</p>
      ) : (
        <Table
          caption="Balances by token"
          items={account.balances}
          keyOf={({ token }) => token}
          columns={[
            { name: "To spend", of: ({ token, available }) => <Amount amount={available} token={token} />, end: true },
            { name: "Leaving", of: ({ token, exiting }) => <Amount amount={exiting} token={token} />, end: true },
            { name: "Coming", of: ({ token, pending }) => <Amount amount={pending} token={token} />, end: true },
            { name: "Token", of: ({ token }) => <Hash value={token} /> },
          ]}
        />
      )}
      <Tabs address={address} />
    </>
  );
}

const TABS = ["payments", "outputs", "exits"] as const;

function Tabs({ address }: { address: string }) {
  const [params, setParams] = useSearchParams();
  const shown = TABS.find((tab) => tab === params.get("show")) ?? "payments";
  return (
    <>
      <div className="tabs" role="group" aria-label="What to show">
        {TABS.map((tab) => (
          <button
            key={tab}
            type="button"
            aria-pressed={tab === shown}
            onClick={() => setParams({ show: tab }, { replace: true })}
          >
            {tab}
          </button>
        ))}
      </div>
      <h2>{{ payments: "Payments", outputs: "Outputs", exits: "Exits" }[shown]}</h2>
      {
        {
          payments: <Payments address={address} />,
          outputs: <Outputs address={address} />,
          exits: <Exits address={address} />,
        }[shown]
      }
    </>
  );
}

function Payments({ address }: { address: string }) {
  return (
    <ListTable
      list={useList<Payment>("payments", `/v1/accounts/${address}/transactions`)}
      caption="Payments it takes part in, the newest first"
      columns={PAYMENT_COLUMNS}
      keyOf={({ hash }) => hash}
      empty="It has no part in any payment."
    />
  );
}

function Outputs({ address }: { address: string }) {
  return (
    <ListTable
      list={useList<Output>("outputs", `/v1/accounts/${address}/outputs`)}
      caption="Outputs it owns or owned, the newest first"
      columns={[
        { name: "Output", of: ({ id }) => <Hash value={id} to={`/outputs/${id}`} /> },
        { name: "State", of: ({ state }) => <State value={state} /> },
        { name: "Amount", of: ({ amount, token }) => <Amount amount={amount} token={token} />, end: true },
      ]}
      keyOf={({ id }) => id}
      empty="It never had an output."
    />
  );
}

function Exits({ address }: { address: string }) {
  return (
    <ListTable
      list={useList<Exit>("exits", "/v1/exits", { address })}
      caption="Exits that pay it, the newest first"
      columns={EXIT_COLUMNS}
      keyOf={({ number, outputId }) => `${number} ${outputId}`}
      empty="It takes nothing out."
    />
  );
}
