import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { encodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { authorizable, signAuthorization, type AuthorizedOutput, type SignedAuthorization } from "./authorizations.ts";
import { isComplete, type KnownPayment } from "./book.ts";
import { OperatorError, WatcherError } from "./errors.ts";
import type { Wallet } from "./wallet.ts";

const DAY_SECONDS = 86_400;
/** How long a watcher may exit for an account without hearing of it again. */
export const GUARD_DAYS = 30;
/** What a watcher takes in one request. */
const AUTHORIZATIONS_A_REQUEST = 1_000;
const PAYMENTS_A_REQUEST = 100;
const TIMEOUT_MS = 30_000;

export interface GuardOptions {
  /** Where the watcher answers. */
  watcher: string;
  /** For how many days the authorizations hold; `GUARD_DAYS` when left out. */
  days?: number;
  fetch?: typeof fetch;
}

/** What a watcher was given. */
export interface Guarded {
  watcher: string;
  /** The watcher's account: it pays the bonds, and gets them back. */
  bondOwner: Address;
  /** Unix seconds, Ethereum's. */
  deadline: number;
  /** How many outputs are authorized by now, and how many signatures were sent this time. */
  outputs: number;
  sent: number;
}

/** Keeps a watcher authorized to exit for a wallet's outputs, as they come and go. */
export class Guarding {
  private readonly wallet: Wallet;
  private readonly watcher: string;
  private readonly seconds: number;
  private readonly fetch: typeof fetch;
  /** Deadlines of what the watcher has. */
  private readonly sent = new Map<string, number>();
  /** Payments that the watcher was told, and whether with all signatures. */
  private readonly told = new Set<string>();
  private telling: Promise<void> = Promise.resolve();
  private next: Promise<void> | null = null;
  private failure: WatcherError | null = null;

  constructor(wallet: Wallet, { watcher, days = GUARD_DAYS, ...options }: GuardOptions) {
    this.wallet = wallet;
    this.watcher = watcher.replace(/\/+$/, "");
    this.seconds = days * DAY_SECONDS;
    this.fetch = options.fetch ?? globalThis.fetch;
  }

  /**
   * Signs and sends what the watcher has not, or what ends within half the time.
   * @throws WatcherError when the watcher refuses, cannot be reached, or is of another contract
   */
  async refresh(): Promise<Guarded> {
    const { watcher, wallet } = this;
    const bondOwner = await this.bondOwner();
    // First: what was authorized for an output before it was signed away must not be used any more.
    const telling = await Promise.allSettled([this.tell()]);
    const now = await wallet.rootChain.now();
    const deadline = now + this.seconds;
    const wanted = authorizable(wallet.book, await this.expectedBlocks(), now);
    const keyOf = ({ outputId, blockNumber }: AuthorizedOutput): string => `${bondOwner}:${outputId}:${blockNumber}`;
    const due = wanted.filter((output) => (this.sent.get(keyOf(output)) ?? 0) < now + this.seconds / 2);
    for (let at = 0; at < due.length; at += AUTHORIZATIONS_A_REQUEST) {
      const authorizations: SignedAuthorization[] = [];
      for (const output of due.slice(at, at + AUTHORIZATIONS_A_REQUEST)) {
        const terms = { owner: wallet.address, ...output, bondOwner, deadline };
        authorizations.push(await signAuthorization(wallet.signer, wallet.rootChain.domain, terms));
      }
      await this.request("/v1/authorizations", { authorizations });
      for (const output of authorizations) this.sent.set(keyOf(output), deadline);
    }
    // What was spent is asked for no more.
    const kept = new Set(wanted.map(keyOf));
    for (const key of this.sent.keys()) if (!kept.has(key)) this.sent.delete(key);
    for (const one of telling) if (one.status === "rejected") throw one.reason;
    const outputs = new Set(wanted.map(({ outputId }) => outputId)).size;
    return { watcher, bondOwner, deadline, outputs, sent: due.length };
  }

  /**
   * Tells the watcher in the background what was signed and no block is known to have; while that goes on one more waits, with all that
   * came meanwhile. `problem` says if it failed.
   */
  soon(): void {
    this.next ??= this.telling.then(async () => {
      this.next = null;
      const before = this.failure;
      await this.noting(async () => await this.tell());
      // What could not be authorized still is not.
      this.failure ??= before;
    });
    this.telling = this.next;
  }

  /** Resolves when nothing is being told in the background. */
  get settled(): Promise<void> {
    return this.telling;
  }

  /** Why the watcher does not have what it should, as of the last `keep`. */
  get problem(): WatcherError | null {
    return this.failure;
  }

  /** As `refresh`, but a watcher that cannot be reached hinders nothing else. */
  async keep(): Promise<void> {
    await this.noting(async () => await this.refresh());
  }

  private async noting(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
      this.failure = null;
    } catch (error) {
      if (!(error instanceof WatcherError)) throw error;
      this.failure = error;
    }
  }

  /** What the owner signed leaves by that, and by no exit of what it spends. @throws WatcherError */
  private async tell(): Promise<void> {
    const signed = this.wallet.book.unproven.filter((payment) => payment.signed);
    const keyOf = ({ hash, transaction }: KnownPayment): string => `${hash}:${isComplete(transaction)}`;
    const due = signed.filter((payment) => !this.told.has(keyOf(payment)));
    for (let at = 0; at < due.length; at += PAYMENTS_A_REQUEST) {
      const payments = due.slice(at, at + PAYMENTS_A_REQUEST);
      await this.request("/v1/payments", {
        payments: payments.map(({ transaction }) => encodeTransaction(transaction)),
      });
      for (const payment of payments) this.told.add(keyOf(payment));
    }
    const kept = new Set(signed.map(keyOf));
    for (const key of this.told) if (!kept.has(key)) this.told.delete(key);
  }

  private async bondOwner(): Promise<Address> {
    const { watcher, wallet } = this;
    const { chainId, contract, challenger, guarded } = await this.request("/v1/status");
    const { domain, address: rootChain } = wallet.rootChain;
    const { address } = wallet;
    if (String(chainId) !== domain.chainId.toString() || String(contract).toLowerCase() !== rootChain) {
      throw new WatcherError("WRONG_CONTRACT", null, `${watcher} watches another contract`, { chainId, contract });
    }
    if (!Array.isArray(guarded) || !guarded.some((one) => String(one).toLowerCase() === address)) {
      const message = `${watcher} does not guard ${address}: its GUARDED_ADDRESSES must name it`;
      throw new WatcherError("UNAUTHORIZED", null, message, { address });
    }
    if (typeof challenger !== "string") {
      throw new WatcherError("NO_KEY", null, `${watcher} has no key: it can exit for nobody`);
    }
    return challenger.toLowerCase() as Address;
  }

  /** Of payments whose hour is open: the operator's word will do, as a wrong one only makes an authorization useless. */
  private async expectedBlocks(): Promise<(hash: Hex) => number | null> {
    const { book, operator } = this.wallet;
    const blocks = new Map<Hex, number>();
    for (const { source } of book.unspent()) {
      if ("deposit" in source || blocks.has(source.hash) || book.payments.get(source.hash)?.proof != null) continue;
      try {
        blocks.set(source.hash, (await operator.payment(source.hash)).blockNumber);
      } catch (error) {
        if (!(error instanceof OperatorError)) throw error;
      }
    }
    return (hash) => blocks.get(hash) ?? null;
  }

  private async request(path: string, body?: object): Promise<Record<string, unknown>> {
    const post = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    let status: number;
    let text: string;
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const { fetch } = this;
      const response = await fetch(`${this.watcher}${path}`, { ...(body === undefined ? {} : post), signal });
      status = response.status;
      text = await response.text();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new WatcherError("UNREACHABLE", null, `${this.watcher} does not answer: ${reason}`);
    }
    const answer = parse(text);
    if (status >= 200 && status < 300 && answer !== null) return answer;
    const { code, detail, context } = answer ?? {};
    throw new WatcherError(
      typeof code === "string" ? code : "BAD_ANSWER",
      status,
      typeof detail === "string" ? detail : `${this.watcher}${path} answered ${status}`,
      typeof context === "object" && context !== null ? (context as Record<string, unknown>) : {},
    );
  }
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(text === "" ? "{}" : text) as unknown;
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
