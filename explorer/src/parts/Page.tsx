import { Component, useEffect, useRef, type ReactNode } from "react";
import { ApiError } from "../api.ts";

let opened = false;
/** Back and forward leave the reader where they were. */
let popped = false;
window.addEventListener("popstate", () => (popped = true));

/** A page with its heading, which takes the focus when the reader comes to it from another one. */
export function Page({ title, children }: { title: string; children: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Plasma Billing`;
    if (opened) {
      heading.current?.focus({ preventScroll: true });
      if (!popped) window.scrollTo(0, 0);
    }
    opened = true;
    popped = false;
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

const SAID: Record<string, string> = {
  NOT_FOUND: "There is no such thing here.",
  MALFORMED: "This cannot be asked for.",
  OVERLOADED: "The operator is busy.",
  UNREACHABLE: "The operator does not answer.",
};

/** What went wrong, in the operator's words; it is asked again by itself, or when told to. */
export function Problem({ error, retry }: { error: Error; retry?: () => void }) {
  const { code, final } = error instanceof ApiError ? error : { code: "ERROR", final: false };
  return (
    <div className="note bad" role="alert">
      <p>
        <strong>{SAID[code] ?? "Something went wrong."}</strong> {code === "UNREACHABLE" ? null : error.message}
      </p>
      {retry === undefined || final ? null : (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Keeps a fault in one part of the page from taking the rest away; another `of` is another try. */
export class Guard extends Component<{ of: string; children: ReactNode }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: unknown): { error: Error } {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override componentDidUpdate(before: { of: string }): void {
    if (before.of !== this.props.of && this.state.error !== null) this.setState({ error: null });
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return (
      <div className="note bad" role="alert">
        <p>
          <strong>This part of the page does not work.</strong> {error.message}
        </p>
        <button type="button" onClick={() => window.location.reload()}>
          Load the page again
        </button>
      </div>
    );
  }
}

/** Of the size of what comes, so that nothing jumps; unseen while the answer comes at once. */
export function Loading({ lines = 3 }: { lines?: number }) {
  return (
    <div className="loading" aria-busy="true">
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
