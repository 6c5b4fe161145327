import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TypedDataEncoder, Wallet, type BaseWallet } from "ethers";
import { pino } from "pino";
import type {
  CommitEntry,
  ExitEntry,
  ExitingOutput,
  InFlightExitEntry,
  JsonEntry,
} from "@plasma-billing/protocol/entries.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import { depositHash, outputId, PURPOSES, type OutputId, type Purpose } from "@plasma-billing/protocol/transaction.ts";
import type { TransactionJson } from "@plasma-billing/protocol/transactionJson.ts";
import { TYPES, type Address } from "@plasma-billing/protocol/typedData.ts";
import type { PendingDeposit } from "../../operator/chainSync.ts";
import type { OperatorPort } from "../../operator/http/ports.ts";
import { createServer, type Server } from "../../operator/http/server.ts";
import { Preparation } from "../../operator/market/prepare.ts";
import { Registrar, serviceNodeEntry, type Pricing } from "../../operator/market/registrar.ts";
import { Reads } from "../../operator/reads.ts";
import type { SubmitResult } from "../../operator/sequencer.ts";
import { Store } from "../../operator/store.ts";
import { VerificationPool } from "@plasma-billing/ethereum/verification/pool.ts";
import { faultOf, operationOf, type OpenApiDocument } from "./answerCheck.ts";
import { devKey, ETHER, ZERO_HASH } from "./chain.ts";
import { exiting, inFlightEntry } from "./exitEntries.ts";

const CONTRACT = `0x${"c0".repeat(20)}`;
const CHAIN_ID = 31_337n;
/** Time of the first entry; every later one is a second after the one before. */
export const START_MS = 1_800_000_000_000;
export const SPENDERS = [2, 3, 4].map((index) => new Wallet(devKey(index)));

/** The service node of an operator that was started with prices. */
export const SERVICE_NODE = new Wallet(devKey(9));

export const DOMAIN = { name: "Plasma Billing", version: "1", chainId: CHAIN_ID, verifyingContract: CONTRACT };

export interface PaymentOutput {
  owner: string;
  token?: string;
  amount: bigint;
}
export interface SignedJson {
  hash: string;
  json: TransactionJson;
  outputId(index: number): OutputId;
}
export interface Answer {
  status: number;
  headers: Headers;
  type: string;
  body: any;
}

/** A payment signed as a wallet does it: ethers lays out the typed data. */
export function signPayment(
  inputs: string[],
  outputs: PaymentOutput[],
  signers: BaseWallet[],
  { purpose = "transfer", fileHash = ZERO_HASH }: { purpose?: Purpose; fileHash?: string } = {},
): SignedJson {
  const filled = outputs.map(({ owner, token = ETHER, amount }) => ({ owner, token, amount }));
  const types = { Transaction: [...TYPES.Transaction], Output: [...TYPES.Output] };
  const hash = TypedDataEncoder.hash(DOMAIN, types, { purpose: PURPOSES[purpose], inputs, outputs: filled, fileHash });
  const json = {
    purpose,
    inputs,
    outputs: filled.map((output) => ({ ...output, amount: output.amount.toString() })),
    fileHash,
    signatures: signers.map((signer) => signer.signingKey.sign(hash).serialized),
  } as TransactionJson;
  return { hash, json, outputId: (index) => outputId(hash as Hex, index) };
}

/** Threads for all operators of this process: their contract is the same. */
let pool: Promise<VerificationPool> | null = null;
after(async () => await (await pool)?.close());

/**
 * The operator without Ethereum: the real ledger, journal, index, verification and HTTP server, in a folder of its own, on
 * a socket of this machine. Tests say what Ethereum shows.
 */
export class MemoryOperator {
  readonly ledger = new Ledger({ chainId: CHAIN_ID, verifyingContract: CONTRACT as Address });
  /** Deposits that are not final. */
  pending: PendingDeposit[] = [];
  /** Lines of the log at level error. */
  readonly errors: string[] = [];
  unready: string[] = [];
  settlement: "sealed" | "sent" | "halted" = "sealed";
  /** Stands in for the sequencer's answer. */
  answer: (() => Promise<SubmitResult>) | null = null;
  submitted = 0;
  server!: Server;
  store!: Store;
  reads!: Reads;
  url = "";
  private dataDir = "";
  private nowMs = START_MS;
  private ethereumBlock = 100;
  private disk: Promise<void> = Promise.resolve();

  /** @param pricing - with `SERVICE_NODE` as the service node that quotes */
  static async start({
    adminToken = null,
    pricing = null,
    explorerFolder,
  }: {
    adminToken?: string | null;
    pricing?: Pricing | null;
    explorerFolder?: string;
  } = {}): Promise<MemoryOperator> {
    const operator = new MemoryOperator();
    const { ledger } = operator;
    const log = pino({ level: "error" }, { write: (line: string) => void operator.errors.push(line) });
    const clock = { now: () => (operator.nowMs += 1000), sleep: async (): Promise<void> => undefined };
    const onFailure = (error: Error): void => void operator.errors.push(String(error.stack));
    pool ??= VerificationPool.start({ separator: ledger.separator, threads: 1 });
    const threads = await pool;
    const dataDir = (operator.dataDir = await mkdtemp(join(tmpdir(), "plasma-http-")));
    const store = (operator.store = await Store.open({ dataDir, ledger, clock, log, onFailure }));
    operator.slowDisk();
    const reads = (operator.reads = new Reads({
      ...{ ledger, index: store.index },
      durable: () => store.sequencer.durable,
      pendingDeposits: () => operator.pending,
    }));
    if (pricing !== null) {
      await store.sequencer.record([
        serviceNodeEntry(ledger.market, SERVICE_NODE.address.toLowerCase() as Address, START_MS)!,
      ]);
    }
    const registrar = new Registrar({ ledger, sequencer: store.sequencer, clock, pricing });
    const port: OperatorPort = {
      ...{ reads, registrar, preparation: new Preparation(reads, ledger.market), log, adminToken },
      now: () => clock.now(),
      submit: async (request) => {
        operator.submitted++;
        if (operator.answer !== null) return { kind: "judged", results: [await operator.answer()] };
        const verified = await threads.verify(request);
        if (verified === null) return { kind: "overloaded" };
        if (verified.kind === "malformed") return verified;
        return { kind: "judged", results: await store.sequencer.submit(verified.records) };
      },
      status: () => ({
        ...{ chainId: Number(CHAIN_ID), contract: CONTRACT, version: "0.0.0", operator: ETHER, openBlock: 1 },
        ...{
          nextCommitAt: START_MS,
          lastCommitted: null,
          lastFinalized: null,
          backlog: 0,
          paused: store.sequencer.paused,
          warnings: [],
          alarms: [],
        },
        settlement: {
          ...{ blocks: [], oldestUnlandedSeconds: null, feesPaid: "0", balance: null, hoursOfFeesLeft: null },
          ...{ refusals: [], nodes: [] },
        },
        ethereum: { head: 1, finalized: 1, healthy: true },
      }),
      unready: () => operator.unready,
      metrics: async () => await Promise.resolve(""),
      tokens: async (tokens) => await Promise.resolve(tokens.map((token) => ({ token, symbol: "TEST", decimals: 6 }))),
      settlementState: () => operator.settlement,
      commitNow: async () => await store.sequencer.seal(),
      pause: (paused) => (store.sequencer.paused = paused),
      onDurable: (listener) => store.onDurable(listener),
    };
    operator.server = createServer(port, explorerFolder);
    operator.url = await operator.server.listen({ host: "127.0.0.1", port: 0 });
    return operator;
  }

  async stop(): Promise<void> {
    await this.server.close();
    await this.store.close();
    await rm(this.dataDir, { recursive: true });
  }

  /** Writes wait for what `holdDisk` says. */
  private slowDisk(): void {
    const { journal } = this.store.sequencer as unknown as { journal: { append: (group: unknown) => Promise<void> } };
    const append = journal.append.bind(journal);
    journal.append = async (group) => {
      await this.disk;
      await append(group);
    };
  }

  /** Nothing reaches the disk until the function given back is called. */
  holdDisk(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.disk = promise;
    return () => {
      this.disk = Promise.resolve();
      resolve();
    };
  }

  async record(...entries: JsonEntry[]): Promise<void> {
    await this.store.sequencer.record(entries);
  }

  async seal(): Promise<number | null> {
    return await this.store.sequencer.seal();
  }

  /** Credits a deposit; gives its output. */
  async deposit(owner: string, amount: bigint, token: string = ETHER): Promise<OutputId> {
    const id = this.ledger.creditedDeposits + 1n;
    const deposit = this.pendingDeposit(id, owner, amount, token);
    const { outputId: output, ...fields } = deposit;
    this.pending = this.pending.filter((other) => other.id !== id);
    await this.record({ type: "deposit", ...fields, nextBlockNumber: this.ledger.openBlock.number });
    return output;
  }

  pendingDeposit(id: bigint, owner: string, amount: bigint, token: string = ETHER): PendingDeposit {
    const deposit = { id, owner: owner.toLowerCase() as Address, token: token.toLowerCase() as Address, amount };
    const output = outputId(depositHash(this.ledger.separator, deposit), 0);
    return { ...deposit, outputId: output, ethereumBlock: ++this.ethereumBlock, ethereumTransaction: bytes32(id, "d") };
  }

  /** Sends a payment and expects it to be taken. */
  async pay(payment: SignedJson): Promise<any> {
    const { status, body } = await this.post("/v1/transactions", payment.json);
    if (status !== 201) throw new Error(`${status}: ${JSON.stringify(body)}`);
    return body;
  }

  /** What Ethereum shows of a sealed block now. */
  async commit(number: number, state: CommitEntry["state"], seenAt = this.nowMs): Promise<CommitEntry> {
    const nothing = { timestamp: null, ethereumBlock: null, ethereumTransaction: null, gasUsed: null, fee: null };
    const landed = {
      timestamp: 1_800_100_000 + number,
      ethereumBlock: 500 + number,
      ethereumTransaction: bytes32(BigInt(number), "c"),
      gasUsed: 52_376n,
      fee: 10n ** 18n + 7n,
    };
    const entry: CommitEntry = { type: "commit", number, state, ...(state === "sealed" ? nothing : landed), seenAt };
    await this.record(entry);
    return entry;
  }

  async exit(number: number, output: string, fields: Partial<ExitEntry> = {}): Promise<void> {
    const known = this.ledger.output(output as OutputId);
    if (known === undefined) throw new Error(`no output ${output}`);
    const { owner, token, amount, depositId } = known;
    await this.record({
      type: "exit",
      number,
      kind: depositId === null ? "standard" : "deposit",
      ...{ outputId: known.id, owner, token, amount, exitableAt: 1_800_900_000, state: "started", paid: false },
      ...{ final: false, ethereumBlock: 600 + number, ethereumTransaction: bytes32(BigInt(number), "e") },
      ...fields,
    });
  }

  /** An in-flight exit of a payment, with piggybacks by their indices (16 and more: of outputs). */
  async inFlightExit(
    number: number,
    { hash, json }: SignedJson,
    piggybacks: Record<number, ExitingOutput["piggyback"]> = {},
    fields: Partial<InFlightExitEntry> = {},
  ): Promise<void> {
    const outputs = json.outputs.map(({ owner, token, amount }, i) =>
      exiting(outputId(hash as Hex, i), piggybacks[16 + i] ?? null, {
        owner: owner.toLowerCase() as Address,
        token: token.toLowerCase() as Address,
        amount: BigInt(amount),
      }),
    );
    const payment = await this.reads.payment(hash as Hex);
    const inputs = json.inputs.map((id, i) => {
      const { owner, token, amount } = payment?.spent[i] ?? this.ledger.output(id)!;
      return exiting(id, piggybacks[i] ?? null, { owner, token, amount });
    });
    await this.record(inFlightEntry(number, inputs, outputs, { transactionHash: hash as Hex, ...fields }));
  }

  /** Everything a refused request must leave as it is. */
  fingerprint(): string {
    const { ledger, pending } = this;
    return [
      ledger.position,
      ledger.stateHash(),
      ledger.openBlock.transactionCount,
      ledger.exits.size,
      ledger.inFlightExits.size,
      pending.length,
    ].join(" ");
  }

  async request(path: string, init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(this.url + path, { ...init, signal: AbortSignal.timeout(20_000) });
    const { status, headers } = response;
    const text = await response.text();
    const type = headers.get("content-type") ?? "";
    const body = type.includes("json") && !type.includes("ndjson") ? JSON.parse(text) : text;
    this.checkAnswer(init.method ?? "GET", path, { status, headers, type, body });
    return { status, headers, type, body };
  }

  /** Every answer that any test gets has to be as it is documented. */
  private checkAnswer(method: string, path: string, { status, type, body }: Answer): void {
    const asked = operationOf(this.server.swagger() as unknown as OpenApiDocument, method, path);
    // That every route says what it answers is a test's own concern.
    const says = Object.keys(asked?.operation.responses ?? {}).some((each) => each.startsWith("2"));
    const fault = asked === null || !says ? null : faultOf(asked.operation, status, type, body);
    if (fault !== null) throw new Error(`${method} ${path} is documented otherwise: ${fault}\n${JSON.stringify(body)}`);
  }

  async get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return await this.request(path, { headers });
  }

  /** A body that is no string is sent as JSON. */
  async post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return await this.request(path, {
      ...{ method: "POST", body: text },
      headers: { "content-type": "application/json", ...headers },
    });
  }

  /** All pages of a list, `limit` items each; `between` runs after every page. */
  async walk(path: string, limit: number, between: () => Promise<void> = async () => undefined): Promise<any[]> {
    const items = [];
    for (let cursor: string | null = ""; cursor !== null;) {
      const query = `limit=${limit}${cursor === "" ? "" : `&cursor=${cursor}`}`;
      const { status, body } = await this.get(`${path}${path.includes("?") ? "&" : "?"}${query}`);
      if (status !== 200) throw new Error(`${status}: ${JSON.stringify(body)}`);
      if (body.items.length > limit) throw new Error(`${body.items.length} items for a limit of ${limit}`);
      items.push(...body.items);
      cursor = body.nextCursor;
      await between();
    }
    return items;
  }
}

function bytes32(value: bigint, kind: string): Hex {
  return `0x${kind.repeat(8)}${value.toString(16).padStart(56, "0")}`;
}
