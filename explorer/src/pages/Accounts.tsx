import { useSearchParams } from "wouter";
import type { Registration } from "../shapes.ts";
import { Page } from "../parts/Page.tsx";
import { Address, roleName, Time } from "../parts/Shown.tsx";
import { ListTable } from "../parts/Table.tsx";
import { useList } from "../queries.ts";

const ROLES = ["validator", "mart", "owner", "serviceNode", "storage"];

export function AccountsPage() {
  const [params, setParams] = useSearchParams();
  const role = params.get("role") ?? undefined;
  return (
    <Page title="Accounts">
      <p>Everybody with a role in the marketplace. Any other address is found by the search.</p>
      <form className="filters" aria-label="Which accounts" onSubmit={(event) => event.preventDefault()}>
        <label>
          Role
          <select
            value={role ?? ""}
            onChange={({ target }) =>
              setParams(target.value === "" ? new URLSearchParams() : { role: target.value }, { replace: true })
            }
          >
            <option value="">any</option>
            {ROLES.map((each) => (
              <option key={each} value={each}>
                {roleName(each)}
              </option>
            ))}
          </select>
        </label>
      </form>
      <ListTable
        list={useList<Registration>("accounts", "/v1/accounts", { role })}
        caption="Accounts with a role, the newest first"
        columns={[
          { name: "Account", of: ({ account }) => <Address value={account} /> },
          { name: "Role", of: ({ role: has }) => roleName(has) },
          { name: "Validator", of: ({ validator }) => (validator === null ? null : <Address value={validator} />) },
          { name: "Registered", of: ({ registeredAt }) => <Time at={registeredAt} /> },
        ]}
        keyOf={({ account }) => account}
        empty={role === undefined ? "Nobody is registered." : "Nobody has this role."}
      />
    </Page>
  );
}
