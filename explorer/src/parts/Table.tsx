import type { ReactNode } from "react";
import type { List } from "../queries.ts";
import { Loading, Problem } from "./Page.tsx";

export interface Column<T> {
  name: string;
  /** Null where the row has nothing of it. */
  of: (item: T) => ReactNode;
  end?: boolean;
}

interface TableProps<T> {
  caption: string;
  columns: Column<T>[];
  items: T[];
  keyOf: (item: T) => string;
  /** Rows that just came. */
  marked?: (item: T) => boolean;
  /** Rows that the reader was led to. */
  current?: (item: T) => boolean;
}

/**
 * Rows on a wide screen, a card for each on a narrow one. The roles are written out: with another `display` browsers forget
 * that it is a table.
 */
export function Table<T>({ caption, columns, items, keyOf, marked, current }: TableProps<T>) {
  return (
    <div className="scroller" tabIndex={0} role="region" aria-label={caption}>
      <table role="table">
        <caption className="unseen">{caption}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map(({ name, end }) => (
              <th key={name} role="columnheader" scope="col" className={end === true ? "end" : undefined}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {items.map((item) => (
            <tr
              key={keyOf(item)}
              role="row"
              className={marked?.(item) === true ? "new" : undefined}
              aria-current={current?.(item) === true ? "true" : undefined}
            >
              {columns.map(({ name, of, end }) => {
                const value = of(item);
                return (
                  <td
                    key={name}
                    role="cell"
                    data-name={name}
                    className={[end === true ? "end" : "", value === null ? "nothing" : ""].join(" ")}
                  >
                    <div className="value">{value ?? <span className="muted">–</span>}</div>
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A list as it stands, with what is to be said when it is not there, or empty, and the way to its next page. */
export function ListTable<T>({
  list,
  empty,
  ...table
}: Omit<TableProps<T>, "items"> & { list: List<T>; empty: string }) {
  const { items, loading, error, more, loadingMore, retry, stale, refresh } = list;
  if (loading) return <Loading lines={8} />;
  return (
    <div className={list.changing ? "changing" : undefined} aria-busy={list.changing}>
      {error === null ? null : <Problem error={error} retry={retry} />}
      {items.length === 0 && error === null ? <p className="note">{empty}</p> : null}
      {items.length === 0 ? null : (
        <>
          <p className="shown">
            <span role="status">
              {items.length.toLocaleString("en")} shown{more === null ? "" : ", there are more"}
            </span>
            {stale ? (
              <button type="button" onClick={refresh}>
                Something new came: begin at the top
              </button>
            ) : null}
          </p>
          <Table {...table} items={items} />
        </>
      )}
      {more === null ? null : (
        <p className="more">
          <button type="button" onClick={more} disabled={loadingMore}>
            {loadingMore ? "Loading" : "Show more"}
          </button>
        </p>
      )}
    </div>
  );
}
