import { Link, Redirect, useSearch } from "wouter";
import type { Found } from "../shapes.ts";
import { Answer, Page } from "../parts/Page.tsx";
import { paymentPath } from "../parts/PaymentsTable.tsx";
import { useOne } from "../queries.ts";
import { filePath } from "./Files.tsx";

const PLACES: Record<Found["kind"], (id: string) => string> = {
  transaction: paymentPath,
  block: (id) => `/hours/${id}`,
  account: (id) => `/accounts/${id}`,
  file: filePath,
  output: (id) => `/outputs/${id}`,
  exit: (id) => `/exits#exit-${id}`,
};
const NAMES: Record<Found["kind"], string> = {
  ...{ transaction: "payment", block: "hour", account: "account", file: "file", output: "output", exit: "exit" },
};

/** One thing found is shown at once, several are to choose from. */
export function SearchPage() {
  const text = new URLSearchParams(useSearch()).get("q") ?? "";
  const asked = useOne<{ items: Found[] }>("search", "/v1/search", { q: text });
  return (
    <Page title="Search">
      <p>
        For <code>{text}</code>
      </p>
      <Answer of={asked}>
        {({ items }) => {
          const [only] = items;
          if (only !== undefined && items.length === 1) return <Redirect to={PLACES[only.kind](only.id)} replace />;
          if (only === undefined) {
            return (
              <p className="note">
                Nothing here has this hash, address, file id or hour. A hash and an address have to be whole.
              </p>
            );
          }
          return (
            <ul>
              {items.map(({ kind, id }) => (
                <li key={kind + id}>
                  {NAMES[kind]} <Link href={PLACES[kind](id)}>{id}</Link>
                </li>
              ))}
            </ul>
          );
        }}
      </Answer>
    </Page>
  );
}
