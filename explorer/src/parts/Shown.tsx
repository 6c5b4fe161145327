import { useEffect, useState, type ReactNode } from "react";
import { Link } from "wouter";
import type { Token } from "../api.ts";
import { ago, exactTime, formatUnits, shorten } from "../format.ts";
import { ETHER, useTokens } from "../queries.ts";
import { useNow } from "./now.ts";

/** A hash or an address: short, whole on request, copied with one press. */
export function Hash({ value, to, whole = false }: { value: string; to?: string | undefined; whole?: boolean }) {
  const text = <code title={value}>{whole ? value : shorten(value)}</code>;
  return (
    <span className="hash">
      {to === undefined ? text : <Link href={to}>{text}</Link>}
      <Copy value={value} />
    </span>
  );
}

const COPIED_MS = 1_500;

function Copy({ value }: { value: string }) {
  const [state, setState] = useState<"idle" | "copied" | "failed">("idle");
  useEffect(() => {
    if (state === "idle") return;
    const timer = setTimeout(() => setState("idle"), COPIED_MS);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = (): void => {
    copyText(value).then(
      () => setState("copied"),
      () => setState("failed"),
    );
  };
  return (
    <button type="button" className="copy" onClick={copy} aria-label={`Copy ${value}`} title="Copy">
      <span aria-hidden="true">{{ idle: "⧉", copied: "✓", failed: "✗" }[state]}</span>
      <span role="status" className="unseen">
        {{ idle: "", copied: "Copied", failed: "Could not be copied" }[state]}
      </span>
    </button>
  );
}

/** The clipboard is there for pages of https and of this machine only. */
async function copyText(value: string): Promise<void> {
  if (window.isSecureContext) return await navigator.clipboard.writeText(value);
  const field = Object.assign(document.createElement("textarea"), { value });
  document.body.append(field);
  field.select();
  // The one way there is where the clipboard is not.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  const done = document.execCommand("copy");
  field.remove();
  if (!done) throw new Error("not copied");
}

export function Address({ value, whole = false }: { value: string; whole?: boolean }) {
  return <Hash value={value} to={`/accounts/${value}`} whole={whole} />;
}

/** A transaction on Ethereum, linked where it is known who shows them. */
export function EthereumTransaction({ value, chainId }: { value: string; chainId: number | undefined }) {
  const site = { 1: "https://etherscan.io", 11155111: "https://sepolia.etherscan.io" }[chainId ?? 0];
  if (site === undefined) return <Hash value={value} />;
  return (
    <>
      <Hash value={value} /> <a href={`${site}/tx/${value}`}>on Etherscan</a>
    </>
  );
}

/** How long ago, and the exact time. */
export function Time({ at, exact = false }: { at: number; exact?: boolean }) {
  const now = useNow();
  const [relative, absolute] = [ago(at, now), exactTime(at)];
  return (
    <time dateTime={new Date(at).toISOString()} title={exact ? relative : absolute}>
      {exact ? `${absolute} (${relative})` : relative}
    </time>
  );
}

/** Every unit of it, in the token's own decimals; in the smallest unit where nobody knows them. */
export function Amount({ amount, token, sign = false }: { amount: string; token: string; sign?: boolean }) {
  const tokens = useTokens();
  const view = tokens.get(token);
  const plus = sign && !amount.startsWith("-") && amount !== "0" ? "+" : "";
  const digits = plus + formatUnits(amount, view?.decimals ?? 0);
  return (
    <span className="amount" title={`${amount} of the smallest unit of ${token}`}>
      {digits} <span className="symbol">{symbolOf(token, view, tokens)}</span>
    </span>
  );
}

/** Anybody may call a token anything: two of one name, or one that calls itself ETH, show their addresses. */
function symbolOf(token: string, view: Token | undefined, tokens: Map<string, Token>): ReactNode {
  if (view?.symbol == null || view.decimals === null) {
    return (
      <>
        units of <code>{shorten(token)}</code>
      </>
    );
  }
  const same = [...tokens.values()].filter(({ symbol }) => symbol?.toUpperCase() === view.symbol?.toUpperCase());
  if (token === ETHER || (same.length === 1 && view.symbol.toUpperCase() !== "ETH")) return view.symbol;
  return (
    <>
      {view.symbol} (<code>{shorten(token)}</code>)
    </>
  );
}

const TONES: Record<string, string> = {
  ...{ finalized: "good", committed: "good", credited: "good", available: "good" },
  ...{ challenged: "bad", halted: "bad", unpayable: "bad" },
};

export function State({ value }: { value: string }) {
  return <span className={`state ${TONES[value] ?? "waiting"}`}>{value}</span>;
}
