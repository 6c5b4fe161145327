import { useEffect, useRef, type ReactNode } from "react";
import { ApiError } from "../api.ts";

let opened = false;

/** A page with its heading, which takes the focus when the reader comes to it from another one. */
export function Page({ title, children }: { title: string; children: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Plasma Billing`;
    if (opened) heading.current?.focus();
    opened = true;
  }, [title]);
  return (
    <>
      <h1 ref={heading} tabIndex={-1}>
        {title}
      </h1>
      {children}
    </>
  );
}

/** What went wrong, in the operator's words; it is asked again by itself, or when told to. */
export function Problem({ error, retry }: { error: Error; retry?: () => void }) {
  const code = error instanceof ApiError ? error.code : "ERROR";
  const said: Record<string, string> = {
    NOT_FOUND: "There is no such thing here.",
    OVERLOADED: "The operator is busy: it is asked again.",
  };
  return (
    <div className="note bad" role="alert">
      <p>
        <strong>{said[code] ?? error.message}</strong>
        {said[code] === undefined ? null : ` ${error.message}`}
      </p>
      {retry === undefined ? null : (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Of the size of what comes, so that nothing jumps. */
export function Loading({ lines = 3 }: { lines?: number }) {
  return (
    <div role="status" className="loading">
      <span className="unseen">Loading</span>
      {Array.from({ length: lines }, (_, i) => (
        <div key={i} aria-hidden="true" />
      ))}
    </div>
  );
}

interface Asked<T> {
  data: T | undefined;
  error: Error | null;
  refetch: () => unknown;
}

/** One thing the operator was asked for, or why it is not there yet. */
export function Answer<T>({ of, lines, children }: { of: Asked<T>; lines?: number; children: (data: T) => ReactNode }) {
  if (of.data !== undefined) return children(of.data);
  if (of.error !== null) return <Problem error={of.error} retry={() => void of.refetch()} />;
  return lines === undefined ? <Loading /> : <Loading lines={lines} />;
}

/** Names and values; what is null is left out. */
export function Facts({ of }: { of: [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {of
        .filter(([, value]) => value !== null)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
