import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { SignedAttempt } from "@plasma-billing/ethereum/fees.ts";
import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { StartupError } from "@plasma-billing/ethereum/process/startup.ts";

const VERSION = 2;

/** What is committed for a block: fixed before anything is signed, never computed again. */
export interface FrozenBlock {
  number: number;
  transactionsRoot: Hex;
  transactionCount: number;
  calldata: Hex;
}

/** Whose nonces are taken. */
export interface Sender {
  chainId: bigint;
  address: Address;
}

/** A signed transaction, kept before any node sees it. */
export interface Attempt extends SignedAttempt {
  number: number;
  nonce: number;
  gasLimit: bigint;
}

/** Where a commit was seen on Ethereum, or that it is there no more. */
export interface Sighting {
  number: number;
  status: "landed" | "final" | "gone";
  transaction: Hex | null;
  blockHash: Hex | null;
  height: number | null;
}

/** Settlement's memory, in a file of its own with full synchronisation: rows are only added, never changed. */
export class SettlementRecords {
  private readonly database: DatabaseSync;
  private readonly statements = new Map<string, StatementSync>();

  /** @throws StartupError SETTLEMENT_VERSION for a file of another version */
  constructor(path: string, { readOnly = false }: { readOnly?: boolean } = {}) {
    this.database = new DatabaseSync(path, { readOnly });
    if (!readOnly) this.database.exec("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL;");
    const tables = this.database.prepare("SELECT count(*) AS count FROM sqlite_schema").get();
    if (tables?.["count"] === 0 && !readOnly) this.create();
    else this.checkVersion(path);
  }

  /** @throws InvariantError when something else is frozen for the number already. */
  freeze(block: FrozenBlock): void {
    const { number, transactionsRoot, transactionCount, calldata } = block;
    const frozen = this.block(number);
    if (frozen === null) {
      this.prepared("INSERT INTO block VALUES (?, ?, ?, ?)").run(number, transactionsRoot, transactionCount, calldata);
    } else if (frozen.calldata !== calldata) {
      const context = { number, frozen: frozen.calldata, calldata };
      throw new InvariantError("another commit is frozen for the block", context);
    }
  }

  block(number: number): FrozenBlock | null {
    const row = this.prepared("SELECT * FROM block WHERE number = ?").get(number);
    if (row === undefined) return null;
    return {
      number,
      transactionsRoot: row["transactions_root"] as Hex,
      transactionCount: row["transaction_count"] as number,
      calldata: row["calldata"] as Hex,
    };
  }

  /** The highest number something is frozen for; 0 when there is none. */
  get highest(): number {
    return (this.prepared("SELECT max(number) AS number FROM block").get()?.["number"] as number | null) ?? 0;
  }

  /** The nonces taken for a block, in order. */
  nonces(number: number, { chainId, address }: Sender): number[] {
    const rows = this.prepared(
      "SELECT nonce FROM slot WHERE number = ? AND chain_id = ? AND sender = ? ORDER BY nonce",
    ).all(number, String(chainId), address);
    return rows.map((row) => row["nonce"] as number);
  }

  /** Whether every nonce from one to before another was taken for a block. */
  tookAll({ chainId, address }: Sender, from: number, to: number): boolean {
    const row = this.prepared(
      "SELECT count(*) AS taken FROM slot WHERE chain_id = ? AND sender = ? AND nonce >= ? AND nonce < ?",
    ).get(String(chainId), address, from, to);
    return row?.["taken"] === Math.max(to - from, 0);
  }

  /** The nonce behind the last that is used for good, as far as commits that are final tell. */
  finalNonce({ chainId, address }: Sender): number {
    const row = this.prepared(
      `SELECT max(nonce) + 1 AS nonce FROM attempt JOIN seen ON seen.hash = attempt.hash AND seen.status = 'final'
         WHERE chain_id = ? AND sender = ?`,
    ).get(String(chainId), address);
    return (row?.["nonce"] as number | null) ?? 0;
  }

  /** A nonce serves one block only. */
  takeNonce(number: number, { chainId, address }: Sender, nonce: number): void {
    this.database.prepare("INSERT INTO slot VALUES (?, ?, ?, ?)").run(number, String(chainId), address, nonce);
  }

  add({ chainId, address }: Sender, attempt: Attempt): void {
    const { number, nonce, index, hash, raw, maxFeePerGas, maxPriorityFeePerGas, gasLimit, ethereumBlock } = attempt;
    this.prepared("INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)").run(
      ...([String(chainId), address, nonce, index, number, hash, raw] as const),
      ...[String(maxFeePerGas), String(maxPriorityFeePerGas), String(gasLimit), ethereumBlock],
    );
  }

  /** All transactions signed with a nonce, oldest first. */
  attempts({ chainId, address }: Sender, nonce: number): Attempt[] {
    return this.prepared("SELECT * FROM attempt WHERE chain_id = ? AND sender = ? AND nonce = ? ORDER BY i")
      .all(String(chainId), address, nonce)
      .map(attemptIn);
  }

  /** All transactions ever signed for a block, of whatever sender, oldest first. */
  allAttempts(number: number): Attempt[] {
    const rows = this.prepared("SELECT * FROM attempt WHERE number = ? ORDER BY rowid").all(number);
    return rows.map(attemptIn);
  }

  /** Where the block was seen last. */
  lastSeen(number: number): Sighting | null {
    const row = this.prepared("SELECT * FROM seen WHERE number = ? ORDER BY id DESC LIMIT 1").get(number);
    if (row === undefined) return null;
    return {
      number,
      status: row["status"] as Sighting["status"],
      transaction: row["hash"] as Hex | null,
      blockHash: row["block_hash"] as Hex | null,
      height: row["height"] as number | null,
    };
  }

  see({ number, status, transaction, blockHash, height }: Sighting): void {
    this.prepared("INSERT INTO seen (number, status, hash, block_hash, height) VALUES (?, ?, ?, ?, ?)").run(
      number,
      status,
      transaction,
      blockHash,
      height,
    );
  }

  close(): void {
    this.database.close();
  }

  private prepared(sql: string): StatementSync {
    let statement = this.statements.get(sql);
    statement ??= this.database.prepare(sql);
    this.statements.set(sql, statement);
    return statement;
  }

  private create(): void {
    this.database.exec(`
      BEGIN IMMEDIATE;
      CREATE TABLE block (
        number INTEGER PRIMARY KEY, transactions_root TEXT NOT NULL, transaction_count INTEGER NOT NULL,
        calldata TEXT NOT NULL
      ) STRICT;
      CREATE TABLE slot (
        number INTEGER NOT NULL, chain_id TEXT NOT NULL, sender TEXT NOT NULL, nonce INTEGER NOT NULL,
        PRIMARY KEY (chain_id, sender, nonce)
      ) STRICT;
      CREATE INDEX slot_number ON slot (number);
      CREATE TABLE attempt (
        chain_id TEXT NOT NULL, sender TEXT NOT NULL, nonce INTEGER NOT NULL, i INTEGER NOT NULL, number INTEGER NOT NULL,
        hash TEXT NOT NULL, raw TEXT NOT NULL, max_fee TEXT NOT NULL, tip TEXT NOT NULL, gas_limit TEXT NOT NULL,
        ethereum_block INTEGER NOT NULL, PRIMARY KEY (chain_id, sender, nonce, i)
      ) STRICT;
      CREATE TABLE seen (
        id INTEGER PRIMARY KEY, number INTEGER NOT NULL, status TEXT NOT NULL, hash TEXT, block_hash TEXT, height INTEGER
      ) STRICT;
      CREATE INDEX seen_number ON seen (number);
      CREATE INDEX attempt_hash ON attempt (hash);
      CREATE INDEX attempt_number ON attempt (number);
      PRAGMA user_version = ${VERSION};
      COMMIT;
    `);
  }

  private checkVersion(path: string): void {
    const version = this.database.prepare("PRAGMA user_version").get()?.["user_version"] as number;
    if (version === VERSION) return;
    this.database.close();
    const message = `${path} has version ${version}, this operator knows ${VERSION}: run the operator that wrote it`;
    throw new StartupError("SETTLEMENT_VERSION", message, { path, version });
  }
}

function attemptIn(row: Record<string, unknown>): Attempt {
  return {
    number: row["number"] as number,
    nonce: row["nonce"] as number,
    index: row["i"] as number,
    hash: row["hash"] as Hex,
    raw: row["raw"] as Hex,
    maxFeePerGas: BigInt(row["max_fee"] as string),
    maxPriorityFeePerGas: BigInt(row["tip"] as string),
    gasLimit: BigInt(row["gas_limit"] as string),
    ethereumBlock: row["ethereum_block"] as number,
  };
}
