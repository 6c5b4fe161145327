import { useEffect, useState, type ReactNode } from "react";
import { Link } from "wouter";
import type { Token } from "../shapes.ts";
import { ago, exactTime, formatUnits, shorten } from "../format.ts";
import { ETHER } from "../queries.ts";
import { useTokens } from "../shared.tsx";
import { announce } from "./announce.tsx";
import { useNow } from "./now.ts";

interface HashProps {
  value: string;
  to?: string | undefined;
  whole?: boolean;
  /** Without a button to copy it, where there are many beside each other. */
  plain?: boolean;
}

/** A hash or an address: short, whole on request, copied with one press. */
export function Hash({ value, to, whole = false, plain = false }: HashProps) {
  const text = <code title={value}>{whole ? value : shorten(value)}</code>;
  return (
    <span className="hash">
      {to === undefined ? text : <Link href={to}>{text}</Link>}
      {plain ? null : <Copy value={value} />}
    </span>
  );
}

const COPIED_MS = 1_500;
const SIGNS = {
  idle: "M5 5V2.5h8.5V11H11 M2.5 5H11v8.5H2.5z",
  copied: "M2.5 8.5l4 4 7-9",
  failed: "M3 3l10 10 M13 3L3 13",
};

function Copy({ value }: { value: string }) {
  const [state, setState] = useState<keyof typeof SIGNS>("idle");
  useEffect(() => {
    if (state === "idle") return;
    const timer = setTimeout(() => setState("idle"), COPIED_MS);
    return () => clearTimeout(timer);
  }, [state]);
  const tell = (next: "copied" | "failed"): void => {
    setState(next);
    announce(next === "copied" ? "Copied" : "Could not be copied");
  };
  const copy = (): void => {
    copyText(value).then(
      () => tell("copied"),
      () => tell("failed"),
    );
  };
  return (
    <button type="button" className={`copy ${state}`} onClick={copy} aria-label={`Copy ${shorten(value)}`} title="Copy">
      <svg
        aria-hidden="true"
        width="16"
        height="16"
        viewBox="0 0 16 16"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.5"
      >
        <path d={SIGNS[state]} />
      </svg>
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
  const done = document.execCommand("copy");
  field.remove();
  if (!done) throw new Error("not copied");
}

export function Address({ value, whole = false, plain = false }: Omit<HashProps, "to">) {
  return <Hash value={value} to={`/accounts/${value}`} whole={whole} plain={plain} />;
}

/** A transaction on Ethereum, linked where it is known who shows them. */
export function EthereumTransaction({
  value,
  chainId,
  whole = false,
}: {
  value: string;
  chainId: number | undefined;
  whole?: boolean;
}) {
  const site = { 1: "https://etherscan.io", 11155111: "https://sepolia.etherscan.io" }[chainId ?? 0];
  if (site === undefined) return <Hash value={value} whole={whole} />;
  return (
    <>
      <Hash value={value} whole={whole} />{" "}
      <a href={`${site}/tx/${value}`} aria-label={`${shorten(value)} on Etherscan`}>
        Etherscan
      </a>
    </>
  );
}

/** How long ago, and the exact time; one below the other in a table. */
export function Time({ at, exact = false, only }: { at: number; exact?: boolean; only?: "exact" }) {
  const now = useNow();
  const [relative, absolute] = [ago(at, now), exactTime(at)];
  return (
    <time dateTime={absolute.replace(" UTC", "Z").replace(" ", "T")}>
      {exact ? (
        `${absolute} (${relative})`
      ) : (
        <>
          {only === "exact" ? null : `${relative} `}
          <span className="exact">{absolute}</span>
        </>
      )}
    </time>
  );
}

/** Every unit of it, in the token's own decimals; in the smallest unit where nobody knows them. */
export function Amount({ amount, token, sign = false }: { amount: string; token: string; sign?: boolean }) {
  const tokens = useTokens();
  // Better nothing for a moment than a number that becomes another.
  if (tokens === null) return <span className="amount muted">…</span>;
  const plus = sign && !amount.startsWith("-") && amount !== "0" ? "+" : "";
  const decimals = knownSymbol(token, tokens) === null ? 0 : (tokens.get(token)?.decimals ?? 0);
  return (
    <span className="amount" title={`${amount} of the smallest unit of ${token}`}>
      {plus + formatUnits(amount, decimals)} <span className="symbol">{symbolOf(token, tokens)}</span>
    </span>
  );
}

const ETHER_DECIMALS = 18;

/** What Ethereum took for a transaction. */
export function Fee({ wei }: { wei: string }) {
  return (
    <span className="amount" title={`${wei} wei`}>
      {formatUnits(wei, ETHER_DECIMALS)} <span className="symbol">ETH</span>
    </span>
  );
}

function symbolOf(token: string, tokens: Map<string, Token>): ReactNode {
  const symbol = knownSymbol(token, tokens);
  if (symbol !== null && isOwn(token, symbol, tokens)) return symbol;
  return (
    <>
      {symbol === null ? "units of " : `${symbol} (`}
      <code>{shorten(token)}</code>
      {symbol === null ? "" : ")"}
    </>
  );
}

/** A token's name where no more than text fits. */
export function tokenName(token: string, tokens: Map<string, Token>): string {
  const symbol = knownSymbol(token, tokens);
  if (symbol === null) return shorten(token);
  return isOwn(token, symbol, tokens) ? symbol : `${symbol} (${shorten(token)})`;
}

/** Without decimals amounts are in the smallest unit, which has no symbol. */
function knownSymbol(token: string, tokens: Map<string, Token>): string | null {
  const known = tokens.get(token);
  return known === undefined || known.decimals === null ? null : known.symbol;
}

/** Anybody may call a token anything: two of one name, or one that calls itself ETH, show their addresses. */
function isOwn(token: string, symbol: string, tokens: Map<string, Token>): boolean {
  if (token === ETHER) return true;
  const upper = symbol.toUpperCase();
  const same = [...tokens.values()].filter((each) => each.symbol?.toUpperCase() === upper);
  return same.length === 1 && upper !== "ETH";
}

const TONES: Record<string, string> = {
  ...{ finalized: "good", committed: "good", credited: "good", available: "good" },
  ...{ challenged: "bad", halted: "bad", unpayable: "bad" },
  ...{ spent: "muted", withdrawn: "muted", closed: "muted", open: "muted" },
};

export function State({ value }: { value: string }) {
  return <span className={`state ${TONES[value] ?? "waiting"}`}>{value}</span>;
}

/** With its colour of the charts. */
export function Purpose({ value }: { value: string }) {
  return (
    <span className="purpose">
      <span aria-hidden="true" className={`swatch ${value}`} /> {value}
    </span>
  );
}

const ROLE_NAMES: Record<string, string> = { serviceNode: "service node", storage: "storage provider" };

export function roleName(role: string | null): string | null {
  return role === null ? null : (ROLE_NAMES[role] ?? role);
}
