import { useSearchParams } from "wouter";
import { PAYMENT_STATES, PURPOSES, type Payment } from "../api.ts";
import { Page } from "../parts/Page.tsx";
import { PAYMENT_COLUMNS } from "../parts/PaymentsTable.tsx";
import { ListTable } from "../parts/Table.tsx";
import { useList } from "../queries.ts";

const FILTERS = ["purpose", "state", "address", "fileId", "since", "until"] as const;

/** The filter stands in the page's address: a link to it shows the same. */
export function PaymentsPage() {
  const [params, setParams] = useSearchParams();
  const query = Object.fromEntries(FILTERS.map((name) => [name, params.get(name) ?? undefined]));
  const list = useList<Payment>("payments", "/v1/transactions", query);
  const set = (name: string, value: string): void =>
    setParams(
      (old) => {
        const next = new URLSearchParams(old);
        if (value === "") next.delete(name);
        else next.set(name, value);
        return next;
      },
      { replace: true },
    );
  const filtered = FILTERS.some((name) => query[name] !== undefined);
  return (
    <Page title="Payments">
      <form className="filters" aria-label="Which payments" onSubmit={(event) => event.preventDefault()}>
        <Choice name="purpose" label="Purpose" values={PURPOSES} value={query["purpose"]} set={set} />
        <Choice name="state" label="State" values={PAYMENT_STATES} value={query["state"]} set={set} />
        <Text
          name="address"
          label="Party"
          placeholder="0x…"
          pattern={/^0x[0-9a-fA-F]{40}$/}
          value={query["address"]}
          set={set}
        />
        <Text
          name="fileId"
          label="File id"
          placeholder="any"
          pattern={/^.{1,128}$/}
          value={query["fileId"]}
          set={set}
        />
        <Moment name="since" label="From" value={query["since"]} set={set} />
        <Moment name="until" label="Until" value={query["until"]} set={set} />
        <button type="button" disabled={!filtered} onClick={() => setParams(new URLSearchParams(), { replace: true })}>
          All payments
        </button>
      </form>
      <ListTable
        list={list}
        caption="Payments, the newest first"
        columns={PAYMENT_COLUMNS}
        keyOf={({ hash }) => hash}
        empty={filtered ? "No payment is like this." : "No payment was made yet."}
      />
    </Page>
  );
}

interface FilterProps {
  name: string;
  label: string;
  value: string | undefined;
  set: (name: string, value: string) => void;
}

function Choice({ name, label, values, value, set }: FilterProps & { values: readonly string[] }) {
  return (
    <label>
      {label}
      <select value={value ?? ""} onChange={(event) => set(name, event.target.value)}>
        <option value="">any</option>
        {values.map((each) => (
          <option key={each}>{each}</option>
        ))}
      </select>
    </label>
  );
}

/** What is typed counts when it is whole. */
function Text({
  name,
  label,
  value,
  set,
  pattern,
  placeholder,
}: FilterProps & { pattern: RegExp; placeholder: string }) {
  return (
    <label>
      {label}
      <input
        // Another filter from outside, as from a link, is another field.
        key={value ?? ""}
        defaultValue={value ?? ""}
        placeholder={placeholder}
        spellCheck={false}
        onBlur={({ target }) => take(target)}
        onKeyDown={(event) => {
          if (event.key === "Enter") take(event.currentTarget);
        }}
      />
    </label>
  );

  function take(input: HTMLInputElement): void {
    const text = input.value.trim();
    const wrong = text !== "" && !pattern.test(text);
    input.setAttribute("aria-invalid", String(wrong));
    input.setCustomValidity(wrong ? `not a ${label.toLowerCase()}` : "");
    if (wrong) input.reportValidity();
    else if (text !== (value ?? "")) set(name, text);
  }
}

/** In the reader's own time. */
function Moment({ name, label, value, set }: FilterProps) {
  const shown = value === undefined ? "" : localTime(Number(value));
  return (
    <label>
      {label}
      <input
        type="datetime-local"
        step={1}
        value={shown}
        onChange={({ target }) => set(name, target.value === "" ? "" : String(new Date(target.value).getTime()))}
      />
    </label>
  );
}

function localTime(milliseconds: number): string {
  const date = new Date(milliseconds);
  if (Number.isNaN(date.getTime())) return "";
  return new Date(milliseconds - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
