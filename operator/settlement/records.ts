import { DatabaseSync } from "node:sqlite";
import type { SignedAttempt } from "@plasma-billing/ethereum/fees.ts";
import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";

/** What is committed for a block: fixed before anything is signed, never computed again. */
export interface FrozenBlock {
  number: number;
  transactionsRoot: Hex;
  transactionCount: number;
  calldata: Hex;
}

/** A signed transaction, kept before any node sees it. */
export interface Attempt extends SignedAttempt {
  number: number;
  nonce: number;
}

/** Settlement's memory, in a file of its own with full synchronisation: blocks are written once, attempts only added. */
export class SettlementRecords {
  private readonly database: DatabaseSync;

  constructor(path: string) {
    this.database = new DatabaseSync(path);
    this.database.exec(`
      PRAGMA journal_mode = DELETE;
      PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS block (
        number INTEGER PRIMARY KEY, transactions_root TEXT NOT NULL, transaction_count INTEGER NOT NULL,
        calldata TEXT NOT NULL
      ) STRICT;
      CREATE TABLE IF NOT EXISTS slot (
        number INTEGER NOT NULL, sender TEXT NOT NULL, nonce INTEGER NOT NULL, PRIMARY KEY (number, nonce)
      ) STRICT;
      CREATE TABLE IF NOT EXISTS attempt (
        number INTEGER NOT NULL, nonce INTEGER NOT NULL, i INTEGER NOT NULL, hash TEXT NOT NULL, raw TEXT NOT NULL,
        max_fee TEXT NOT NULL, tip TEXT NOT NULL, ethereum_block INTEGER NOT NULL, PRIMARY KEY (number, nonce, i)
      ) STRICT;
    `);
  }

  /** @throws InvariantError when something else is frozen for the number already. */
  freeze(block: FrozenBlock): void {
    const { number, transactionsRoot, transactionCount, calldata } = block;
    this.database
      .prepare("INSERT INTO block VALUES (?, ?, ?, ?) ON CONFLICT (number) DO NOTHING")
      .run(number, transactionsRoot, transactionCount, calldata);
    const frozen = this.block(number);
    if (frozen?.calldata !== calldata) {
      throw new InvariantError("another commit is frozen for the block", {
        number,
        frozen: frozen?.calldata,
        calldata,
      });
    }
  }

  block(number: number): FrozenBlock | null {
    const row = this.database.prepare("SELECT * FROM block WHERE number = ?").get(number);
    if (row === undefined) return null;
    return {
      number,
      transactionsRoot: row["transactions_root"] as Hex,
      transactionCount: row["transaction_count"] as number,
      calldata: row["calldata"] as Hex,
    };
  }

  /** The nonce that is the block's now: the last one taken for it. */
  nonce(number: number, sender: string): number | null {
    const row = this.database
      .prepare("SELECT max(nonce) AS nonce FROM slot WHERE number = ? AND sender = ?")
      .get(number, sender);
    return (row?.["nonce"] as number | null) ?? null;
  }

  takeNonce(number: number, sender: string, nonce: number): void {
    this.database.prepare("INSERT INTO slot VALUES (?, ?, ?)").run(number, sender, nonce);
  }

  add(attempt: Attempt): void {
    const { number, nonce, index, hash, raw, maxFeePerGas, maxPriorityFeePerGas, ethereumBlock } = attempt;
    this.database
      .prepare("INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
      .run(number, nonce, index, hash, raw, String(maxFeePerGas), String(maxPriorityFeePerGas), ethereumBlock);
  }

  /** All attempts for a block with one nonce, oldest first. */
  attempts(number: number, nonce: number): Attempt[] {
    const rows = this.database
      .prepare("SELECT * FROM attempt WHERE number = ? AND nonce = ? ORDER BY i")
      .all(number, nonce);
    return rows.map((row) => ({
      number,
      nonce,
      index: row["i"] as number,
      hash: row["hash"] as Hex,
      raw: row["raw"] as Hex,
      maxFeePerGas: BigInt(row["max_fee"] as string),
      maxPriorityFeePerGas: BigInt(row["tip"] as string),
      ethereumBlock: row["ethereum_block"] as number,
    }));
  }

  close(): void {
    this.database.close();
  }
}
