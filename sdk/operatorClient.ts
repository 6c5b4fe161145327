import { isHexOfLength, type Hex } from "@plasma-billing/protocol/hex.ts";
import type { BlockHeader } from "@plasma-billing/protocol/header.ts";
import type { OutputId, SignedTransaction, TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import {
  decodeTransaction,
  encodeTransaction,
  type TransactionJson,
} from "@plasma-billing/protocol/transactionJson.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { OperatorError } from "./errors.ts";

const TIMEOUT_MS = 30_000;
const RETRIES = 5;
const BACKOFF_MS = 200;
const BACKOFF_MS_MAX = 5_000;
/** Whatever an answer says. */
const RETRY_AFTER_MS_MAX = 30_000;
const PAGE = 1_000;
/** Pages of one list: what is longer is read in parts by whoever needs it. */
const PAGES_MAX = 1_000;

/** An output as the operator shows it. */
export interface ShownOutput {
  id: OutputId;
  owner: Address;
  token: Address;
  amount: bigint;
  state: "pending" | "available" | "exiting" | "spent" | "withdrawn";
  /** Null for a deposit's. */
  blockNumber: number | null;
  transactionIndex: number | null;
  outputIndex: number;
  /** Null for a payment's. */
  depositId: bigint | null;
}

export interface ShownPayment {
  hash: TransactionHash;
  transaction: SignedTransaction;
  inputs: ShownOutput[];
  outputs: ShownOutput[];
  fileId: string | null;
  state: "accepted" | "committed" | "finalized";
  blockNumber: number;
  transactionIndex: number;
  /** Unix milliseconds. */
  acceptedAt: number;
  commitTransaction: Hex | null;
}

/** That a payment is in a committed block. */
export interface Proof {
  header: BlockHeader;
  index: number;
  siblings: Hex[];
}

export interface Receipt {
  hash: TransactionHash;
  blockNumber: number;
  transactionIndex: number;
  /** Unix milliseconds. */
  acceptedAt: number;
}

export interface ChainStatus {
  chainId: bigint;
  contract: Address;
  operator: Address;
  openBlock: number;
  /** Unix milliseconds. */
  nextCommitAt: number;
  paused: boolean;
}

export interface Balance {
  token: Address;
  available: bigint;
  exiting: bigint;
  pending: bigint;
}

export interface Account {
  address: Address;
  role: string | null;
  validator: Address | null;
  balances: Balance[];
  transactionCount: number;
}

/** What became of one payment of a batch. */
export type BatchResult = { payment: Receipt } | { problem: OperatorError };

export interface ShownBlock {
  number: number;
  state: "open" | "sealed" | "sent" | "committed" | "finalized" | "halted";
  transactionCount: number;
  /** Null while it is open. */
  transactionsRoot: Hex | null;
  /** Unix seconds, Ethereum's; null before its commit. */
  timestamp: number | null;
  commitTransaction: Hex | null;
}

export interface ShownDeposit {
  id: bigint;
  owner: Address;
  token: Address;
  amount: bigint;
  outputId: OutputId;
  state: "pending" | "credited";
  ethereumTransaction: Hex;
}

/** Of an in-flight exit one for each piggyback, or one whose output is null. */
export interface ShownExit {
  number: number;
  kind: "standard" | "deposit" | "inFlight";
  transactionHash: TransactionHash | null;
  output: { id: OutputId; owner: Address; token: Address; amount: bigint } | null;
  state: "started" | "challenged" | "finalized" | "unpayable" | "closed";
  /** Unix seconds. */
  exitableAt: number;
}

export interface ClientOptions {
  timeoutMs?: number;
  /** Further attempts when nothing or 503 was answered. */
  retries?: number;
  fetch?: typeof fetch;
}

export type Json = Record<string, unknown>;

/**
 * The operator's HTTP API (docs/API.md). Requests without an answer, and those answered 503, are sent again: each has one
 * effect however often it arrives.
 * @throws OperatorError for every answer that is no success, and for one that does not have the documented form (`BAD_ANSWER`)
 */
export class OperatorClient {
  readonly url: string;
  private readonly timeoutMs: number;
  private readonly retries: number;
  private readonly send: typeof fetch;

  constructor(url: string, { timeoutMs = TIMEOUT_MS, retries = RETRIES, fetch: send = fetch }: ClientOptions = {}) {
    this.url = url.replace(/\/+$/, "");
    this.timeoutMs = timeoutMs;
    this.retries = retries;
    // Browsers want it called as a function of the window's.
    this.send = async (...request) => await send(...request);
  }

  async status(): Promise<ChainStatus> {
    const body = await this.request("GET", "/v1/status");
    return read(body, "status", () => ({
      chainId: BigInt(number(body["chainId"])),
      contract: address(body["contract"]),
      operator: address(body["operator"]),
      openBlock: number(body["openBlock"]),
      nextCommitAt: number(body["nextCommitAt"]),
      paused: body["paused"] === true,
    }));
  }

  async account(of: Address): Promise<Account> {
    const body = await this.request("GET", `/v1/accounts/${of}`);
    return read(body, "account", () => ({
      address: address(body["address"]),
      role: typeof body["role"] === "string" ? body["role"] : null,
      validator: body["validator"] === null ? null : address(body["validator"]),
      balances: list(body["balances"]).map((one) => ({
        token: address(one["token"]),
        available: units(one["available"]),
        exiting: units(one["exiting"]),
        pending: units(one["pending"]),
      })),
      transactionCount: number(body["transactionCount"]),
    }));
  }

  /** All outputs of an account in a state. */
  async outputs(of: Address, state: ShownOutput["state"]): Promise<ShownOutput[]> {
    const found: ShownOutput[] = [];
    for await (const item of this.items(`/v1/accounts/${of}/outputs?state=${state}`)) {
      found.push(read(item, "output", () => output(item)));
    }
    return found;
  }

  async payment(hash: TransactionHash): Promise<ShownPayment> {
    const body = await this.request("GET", `/v1/transactions/${hash}`);
    return read(body, "payment", () => payment(body));
  }

  /** The payment at a place. */
  async paymentAt(blockNumber: number, transactionIndex: number): Promise<ShownPayment> {
    const body = await this.request("GET", `/v1/blocks/${blockNumber}/transactions/${transactionIndex}`);
    return read(body, "payment", () => payment(body));
  }

  /** An account's payments, newest first. */
  async *payments(of: Address): AsyncGenerator<ShownPayment> {
    for await (const item of this.items(`/v1/accounts/${of}/transactions`))
      yield read(item, "payment", () => payment(item));
  }

  /** Null while the payment's block is not on Ethereum. */
  async proof(hash: TransactionHash): Promise<Proof | null> {
    let body: Json;
    try {
      body = await this.request("GET", `/v1/transactions/${hash}/proof`);
    } catch (error) {
      if (error instanceof OperatorError && error.code === "NOT_COMMITTED") return null;
      throw error;
    }
    return read(body, "proof", () => {
      const header = body["header"] as Json;
      return {
        header: {
          number: number(header["number"]),
          transactionsRoot: bytes32(header["transactionsRoot"]),
          transactionCount: number(header["transactionCount"]),
          timestamp: number(header["timestamp"]),
        },
        index: number(body["index"]),
        siblings: (body["siblings"] as unknown[]).map(bytes32),
      };
    });
  }

  async submit(transaction: SignedTransaction): Promise<Receipt> {
    const body = await this.request("POST", "/v1/transactions", encodeTransaction(transaction));
    return read(body, "receipt", () => receipt(body));
  }

  /** Up to 1000 payments, judged in their order, one by one. */
  async submitBatch(transactions: readonly SignedTransaction[]): Promise<BatchResult[]> {
    const body = await this.request("POST", "/v1/transactions/batch", {
      transactions: transactions.map(encodeTransaction),
    });
    return read(body, "batch", () => {
      const results = list(body["results"]);
      if (results.length !== transactions.length) throw new TypeError(`${results.length} results`);
      return results.map((result) => {
        const problem = result["problem"] as Json | undefined;
        if (problem === undefined) return { payment: receipt(result["payment"] as Json) };
        return { problem: problemOf(problem, number(problem["status"]), "no reason is told") };
      });
    });
  }

  /** A block; `open` is the one that takes payments now. */
  async block(which: number | "open"): Promise<ShownBlock> {
    const body = await this.request("GET", `/v1/blocks/${which}`);
    return read(body, "block", () => block(body));
  }

  /** All blocks, the open one first. */
  async *blocks(): AsyncGenerator<ShownBlock> {
    for await (const item of this.items("/v1/blocks")) yield read(item, "block", () => block(item));
  }

  /** All deposits, newest first. */
  async *deposits(): AsyncGenerator<ShownDeposit> {
    for await (const item of this.items("/v1/deposits")) yield read(item, "deposit", () => deposit(item));
  }

  /** All exits, newest first. */
  async *exits(): AsyncGenerator<ShownExit> {
    for await (const item of this.items("/v1/exits")) yield read(item, "exit", () => exit(item));
  }

  /** The items of a list, newest first, page by page. */
  async *items(path: string): AsyncGenerator<Json> {
    let cursor: string | null = null;
    for (let pages = 0; pages < PAGES_MAX; pages++) {
      const query = `limit=${PAGE}${cursor === null ? "" : `&cursor=${cursor}`}`;
      const page: Json = await this.request("GET", `${path}${path.includes("?") ? "&" : "?"}${query}`);
      yield* read(page, "list", () => list(page["items"]));
      if (typeof page["nextCursor"] !== "string") return;
      cursor = page["nextCursor"];
    }
  }

  async request(method: "GET" | "POST", path: string, body?: unknown): Promise<Json> {
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.attempt(method, path, body);
      if ("answer" in outcome) return outcome.answer;
      const { problem, waitMs } = outcome;
      if (attempt >= this.retries || waitMs === null) throw problem;
      const backoff = Math.min(BACKOFF_MS * 2 ** attempt, BACKOFF_MS_MAX);
      await new Promise((resolve) => setTimeout(resolve, Math.max(waitMs, backoff)));
    }
  }

  /** `waitMs` is null for what is not to be tried again. */
  private async attempt(
    method: string,
    path: string,
    body: unknown,
  ): Promise<{ answer: Json } | { problem: OperatorError; waitMs: number | null }> {
    let response: Response;
    let text: string;
    try {
      response = await this.send(this.url + path, {
        method,
        ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(this.timeoutMs),
      });
      text = await response.text();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const problem = new OperatorError("UNREACHABLE", null, `no answer from ${this.url} (${reason})`, { path });
      return { problem, waitMs: 0 };
    }
    const json = parse(text);
    if (response.ok && json !== null) return { answer: json };
    const instead = `${method} ${path} answered ${response.status} ${text.slice(0, 200)}`;
    const problem = problemOf(json ?? {}, response.status, instead);
    if (![502, 503, 504].includes(response.status)) return { problem, waitMs: null };
    const seconds = Number(response.headers.get("retry-after"));
    return { problem, waitMs: Number.isFinite(seconds) ? Math.min(1000 * seconds, RETRY_AFTER_MS_MAX) : 0 };
  }
}

function parse(text: string): Json | null {
  try {
    const json = JSON.parse(text) as unknown;
    return typeof json === "object" && json !== null && !Array.isArray(json) ? (json as Json) : null;
  } catch {
    return null;
  }
}

/** What does not have the documented form is an error of its own, whatever a reader throws on it. */
function read<T>(body: unknown, what: string, reader: () => T): T {
  try {
    return reader();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const shown = JSON.stringify(body)?.slice(0, 300);
    throw new OperatorError("BAD_ANSWER", 200, `the operator's ${what} cannot be read (${reason})`, { body: shown });
  }
}

function problemOf({ code, detail, context }: Json, status: number, instead: string): OperatorError {
  return new OperatorError(
    typeof code === "string" ? code : "BAD_ANSWER",
    status,
    typeof detail === "string" ? detail : instead,
    typeof context === "object" && context !== null ? (context as Json) : {},
  );
}

function receipt(body: Json): Receipt {
  return {
    hash: bytes32(body["hash"]),
    blockNumber: number(body["blockNumber"]),
    transactionIndex: number(body["transactionIndex"]),
    acceptedAt: number(body["acceptedAt"]),
  };
}

function block(body: Json): ShownBlock {
  const bytesOrNull = (value: unknown): Hex | null => (value === null ? null : bytes32(value));
  return {
    number: number(body["number"]),
    state: body["state"] as ShownBlock["state"],
    transactionCount: number(body["transactionCount"]),
    transactionsRoot: bytesOrNull(body["transactionsRoot"]),
    timestamp: body["timestamp"] === null ? null : number(body["timestamp"]),
    commitTransaction: bytesOrNull(body["commitTransaction"]),
  };
}

function deposit(body: Json): ShownDeposit {
  return {
    id: BigInt(number(body["id"])),
    ...{ owner: address(body["owner"]), token: address(body["token"]), amount: units(body["amount"]) },
    outputId: bytes32(body["outputId"]),
    state: body["state"] as ShownDeposit["state"],
    ethereumTransaction: bytes32(body["ethereumTransaction"]),
  };
}

function exit(body: Json): ShownExit {
  const { outputId: id, owner, token, amount } = body;
  return {
    number: number(body["number"]),
    kind: body["kind"] as ShownExit["kind"],
    transactionHash: body["transactionHash"] === null ? null : bytes32(body["transactionHash"]),
    output:
      id === null ? null : { id: bytes32(id), owner: address(owner), token: address(token), amount: units(amount) },
    state: body["state"] as ShownExit["state"],
    exitableAt: number(body["exitableAt"]),
  };
}

function output(body: Json): ShownOutput {
  const place = (value: unknown): number | null => (value === null ? null : number(value));
  return {
    id: bytes32(body["id"]),
    owner: address(body["owner"]),
    token: address(body["token"]),
    amount: units(body["amount"]),
    state: body["state"] as ShownOutput["state"],
    blockNumber: place(body["blockNumber"]),
    transactionIndex: place(body["transactionIndex"]),
    outputIndex: number(body["outputIndex"]),
    depositId: body["depositId"] === null ? null : BigInt(number(body["depositId"])),
  };
}

function payment(body: Json): ShownPayment {
  const [inputs, outputs] = [list(body["inputs"]).map(output), list(body["outputs"]).map(output)];
  const json: TransactionJson = {
    purpose: body["purpose"] as TransactionJson["purpose"],
    inputs: inputs.map(({ id }) => id),
    outputs: outputs.map(({ owner, token, amount }) => ({ owner, token, amount: amount.toString() })),
    fileHash: body["fileHash"] as Hex,
    signatures: body["signatures"] as Hex[],
  };
  return {
    hash: bytes32(body["hash"]),
    transaction: decodeTransaction(json),
    inputs,
    outputs,
    fileId: typeof body["fileId"] === "string" ? body["fileId"] : null,
    state: body["state"] as ShownPayment["state"],
    blockNumber: number(body["blockNumber"]),
    transactionIndex: number(body["transactionIndex"]),
    acceptedAt: number(body["acceptedAt"]),
    commitTransaction: body["commitTransaction"] === null ? null : bytes32(body["commitTransaction"]),
  };
}

function list(value: unknown): Json[] {
  if (!Array.isArray(value)) throw new TypeError("no list");
  return value as Json[];
}

export function address(value: unknown): Address {
  if (!isHexOfLength(value, 20)) throw new TypeError(`no address: ${String(value)}`);
  return value.toLowerCase() as Address;
}

function bytes32(value: unknown): Hex {
  if (!isHexOfLength(value, 32)) throw new TypeError(`not 32 bytes: ${String(value)}`);
  return value.toLowerCase() as Hex;
}

function number(value: unknown): number {
  if (!Number.isSafeInteger(value)) throw new TypeError(`no whole number: ${String(value)}`);
  return value as number;
}

export function units(value: unknown): bigint {
  if (typeof value !== "string" || !/^[0-9]{1,78}$/.test(value)) throw new TypeError(`no amount: ${String(value)}`);
  return BigInt(value);
}
