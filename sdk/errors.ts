/** The operator refused, or cannot be reached. */
export class OperatorError extends Error {
  /** Of docs/ERRORS.md; `UNREACHABLE` when nothing was answered. */
  readonly code: string;
  /** HTTP status; null when nothing was answered. */
  readonly status: number | null;
  readonly context: Record<string, unknown>;

  constructor(code: string, status: number | null, detail: string, context: Record<string, unknown> = {}) {
    super(`${code}: ${detail}`);
    this.name = "OperatorError";
    this.code = code;
    this.status = status;
    this.context = context;
  }
}

/** A watcher refused, or cannot be reached. */
export class WatcherError extends Error {
  /** Of docs/WATCHING.md; `UNREACHABLE` when nothing was answered. */
  readonly code: string;
  /** HTTP status; null when that is not why. */
  readonly status: number | null;
  readonly context: Record<string, unknown>;

  constructor(code: string, status: number | null, detail: string, context: Record<string, unknown> = {}) {
    super(`${code}: ${detail}`);
    this.name = "WatcherError";
    this.code = code;
    this.status = status;
    this.context = context;
  }
}

/** What the operator says contradicts a signature, a hash, a proof or Ethereum. Keep the message: it is evidence. */
export class LyingOperatorError extends Error {
  readonly claimed: unknown;
  readonly found: unknown;

  constructor(message: string, claimed: unknown, found: unknown) {
    super(`${message}: it claims ${show(claimed)}, but ${show(found)}`);
    this.name = "LyingOperatorError";
    this.claimed = claimed;
    this.found = found;
  }
}

export type WalletCode =
  | "MALFORMED"
  | "INSUFFICIENT_FUNDS"
  | "TOO_MANY_OUTPUTS"
  | "WRONG_NETWORK"
  | "WRONG_SIGNER"
  | "NO_ETHEREUM"
  | "NOT_MINE"
  | "NOT_PROVEN"
  | "NOT_READY"
  | "TIMED_OUT"
  | "REVERTED"
  | "KIT_DAMAGED"
  | "KIT_VERSION"
  | "STORE_DAMAGED"
  | "STORE_IN_USE";

/** The wallet itself cannot do what was asked. */
export class WalletError extends Error {
  readonly code: WalletCode;
  readonly context: Record<string, unknown>;

  constructor(code: WalletCode, message: string, context: Record<string, unknown> = {}, cause?: unknown) {
    super(message, { cause });
    this.name = "WalletError";
    this.code = code;
    this.context = context;
  }
}

function show(value: unknown): string {
  const text = JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? part.toString() : part));
  return text === undefined ? String(value) : text.slice(0, 500);
}
