import { useId, useState } from "react";
import { useSearchParams } from "wouter";
import { PAYMENT_STATES, PURPOSES, type Payment } from "../shapes.ts";
import { localTime } from "../format.ts";
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
  const field = (name: (typeof FILTERS)[number]): Pick<FilterProps, "value" | "set"> => ({
    value: query[name],
    set: (value) => set(name, value),
  });
  return (
    <Page title="Payments">
      <form className="filters" aria-label="Which payments" onSubmit={(event) => event.preventDefault()}>
        <Choice label="Purpose" values={PURPOSES} {...field("purpose")} />
        <Choice label="State" values={PAYMENT_STATES} {...field("state")} />
        <Text label="Party" hint="0x and 40 hex digits" pattern={/^0x[0-9a-fA-F]{40}$/} {...field("address")} />
        <Text label="File id" hint="1 to 128 characters" pattern={/^.{1,128}$/} {...field("fileId")} />
        <Moment label="Accepted from" {...field("since")} />
        <Moment label="Before" {...field("until")} />
        <button type="button" disabled={!filtered} onClick={() => setParams(new URLSearchParams(), { replace: true })}>
          Clear
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
  label: string;
  value: string | undefined;
  set: (value: string) => void;
}

function Choice({ label, values, value, set }: FilterProps & { values: readonly string[] }) {
  return (
    <label>
      {label}
      <select value={value ?? ""} onChange={({ target }) => set(target.value)}>
        <option value="">any</option>
        {values.map((each) => (
          <option key={each}>{each}</option>
        ))}
      </select>
    </label>
  );
}

/** What is typed counts when it is whole: at Enter, or when the reader goes on. */
function Text({ label, value, set, pattern, hint }: FilterProps & { pattern: RegExp; hint: string }) {
  const [wrong, setWrong] = useState(false);
  const id = useId();
  const take = (text: string): void => {
    const isWrong = text !== "" && !pattern.test(text);
    setWrong(isWrong);
    if (!isWrong && text !== (value ?? "")) set(text);
  };
  return (
    <label>
      {label}
      <input
        // A filter from outside, as from a link, is another field.
        key={value ?? ""}
        defaultValue={value ?? ""}
        placeholder="any"
        spellCheck={false}
        aria-invalid={wrong}
        aria-describedby={wrong ? id : undefined}
        onBlur={({ target }) => take(target.value.trim())}
        onKeyDown={(event) => {
          if (event.key === "Enter") take(event.currentTarget.value.trim());
        }}
      />
      {wrong ? (
        <span id={id} className="bad">
          {hint}
        </span>
      ) : null}
    </label>
  );
}

/** In the reader's own time. What is half typed is left alone until the reader goes on. */
function Moment({ label, value, set }: FilterProps) {
  const shown = value === undefined ? "" : localTime(Number(value));
  const take = (text: string): void => {
    if (text !== shown) set(text === "" ? "" : String(new Date(text).getTime()));
  };
  return (
    <label>
      {label}
      <input
        key={shown}
        type="datetime-local"
        step={1}
        defaultValue={shown}
        onBlur={({ target }) => take(target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") take(event.currentTarget.value);
        }}
      />
    </label>
  );
}
