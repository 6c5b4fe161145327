import { Link, useSearchParams } from "wouter";
import type { Account, Exit, Output, Payment } from "../shapes.ts";
import { Answer, Facts, Page } from "../parts/Page.tsx";
import { PAYMENT_COLUMNS } from "../parts/PaymentsTable.tsx";
import { Address, Amount, Hash, roleName, State } from "../parts/Shown.tsx";
import { ListTable, Table } from "../parts/Table.tsx";
import { useList, useOne } from "../queries.ts";
import { EXIT_COLUMNS, Origin } from "./Chain.tsx";

export function AccountPage({ address }: { address: string }) {
  const asked = useOne<Account>("accounts", `/v1/accounts/${address}`);
  return (
    <Page title={`Account ${address.slice(0, 10)}…`}>
      <Answer of={asked} lines={8}>
        {(account) => <AccountView account={account} />}
      </Answer>
    </Page>
  );
}

function AccountView({ account }: { account: Account }) {
  const { address, role, validator } = account;
  return (
    <>
      <Facts
        of={[
          ["Address", <Hash value={address} whole />],
          ["Role", roleName(role) ?? "none in the marketplace"],
          ["Validator", validator === null ? null : <Address value={validator} whole />],
          ["Payments", account.transactionCount.toLocaleString("en")],
          [
            "Files",
            role === "validator" || role === "owner" ? (
              <Link href={`/files?${role}=${address}`}>those it has for sale</Link>
            ) : null,
          ],
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
            { name: "Token", of: ({ token }) => <Hash value={token} /> },
            { name: "To spend", of: ({ token, available }) => <Amount amount={available} token={token} />, end: true },
            { name: "Leaving", of: ({ token, exiting }) => <Amount amount={exiting} token={token} />, end: true },
            { name: "Arriving", of: ({ token, pending }) => <Amount amount={pending} token={token} />, end: true },
          ]}
        />
      )}
      <Lists address={address} />
    </>
  );
}

const LISTS = { payments: Payments, outputs: Outputs, exits: Exits } as const;
type Shown = keyof typeof LISTS;
const TITLES: Record<Shown, string> = { payments: "Payments", outputs: "Outputs", exits: "Exits" };

function Lists({ address }: { address: string }) {
  const [params, setParams] = useSearchParams();
  const names = Object.keys(LISTS) as Shown[];
  const shown = names.find((name) => name === params.get("show")) ?? "payments";
  const List = LISTS[shown];
  return (
    <>
      <div className="tabs" role="group" aria-label="What to show">
        {names.map((name) => (
          <button
            key={name}
            type="button"
            aria-pressed={name === shown}
            onClick={() => setParams({ show: name }, { replace: true })}
          >
            {TITLES[name]}
          </button>
        ))}
      </div>
      <h2>{TITLES[shown]}</h2>
      <List address={address} />
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

const OUTPUT_STATES = ["pending", "available", "exiting", "spent", "withdrawn"];

function Outputs({ address }: { address: string }) {
  const [params, setParams] = useSearchParams();
  const state = params.get("state") ?? undefined;
  const list = useList<Output>("outputs", `/v1/accounts/${address}/outputs`, { state });
  return (
    <>
      <form className="filters" aria-label="Which outputs" onSubmit={(event) => event.preventDefault()}>
        <label>
          State
          <select
            value={state ?? ""}
            onChange={({ target: { value } }) =>
              setParams({ show: "outputs", ...(value === "" ? {} : { state: value }) }, { replace: true })
            }
          >
            <option value="">any</option>
            {OUTPUT_STATES.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
      </form>
      <ListTable
        list={list}
        caption="Outputs it owns or owned, the newest first"
        columns={[
          { name: "Output", of: ({ id }) => <Hash value={id} to={`/outputs/${id}`} /> },
          { name: "State", of: (output) => <State value={output.state} /> },
          { name: "Amount", of: ({ amount, token }) => <Amount amount={amount} token={token} />, end: true },
          { name: "From", of: (output) => <Origin output={output} /> },
        ]}
        keyOf={({ id }) => id}
        empty={state === undefined ? "It never had an output." : "It has no such output."}
      />
    </>
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
