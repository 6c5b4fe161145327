import { DatabaseSync } from "node:sqlite";
import type { SignedAttempt } from "../fees.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";

/** What a nonce of the challenger's account is used for: never changed once written. */
export interface Slot {
  nonce: number;
  /** Key of the duty. */
  duty: string;
  data: Hex;
  value: bigint;
  gasLimit: bigint;
}

/** The challenger's memory, in a file of its own with full synchronisation: nothing in it is ever changed. */
export class ChallengerRecords {
  private readonly database: DatabaseSync;

  constructor(path: string) {
    this.database = new DatabaseSync(path);
    this.database.exec(`
      PRAGMA journal_mode = DELETE;
      PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS slot (
        sender TEXT NOT NULL, nonce INTEGER NOT NULL, duty TEXT NOT NULL, data TEXT NOT NULL, value TEXT NOT NULL,
        gas_limit TEXT NOT NULL, PRIMARY KEY (sender, nonce)
      ) STRICT;
      CREATE INDEX IF NOT EXISTS slot_duty ON slot (sender, duty);
      CREATE TABLE IF NOT EXISTS attempt (
        sender TEXT NOT NULL, nonce INTEGER NOT NULL, i INTEGER NOT NULL, hash TEXT NOT NULL, raw TEXT NOT NULL,
        max_fee TEXT NOT NULL, tip TEXT NOT NULL, ethereum_block INTEGER NOT NULL, PRIMARY KEY (sender, nonce, i)
      ) STRICT;
    `);
  }

  /** Takes a nonce, with the first transaction signed for it: both are there, or none. */
  begin(sender: Address, { nonce, duty, data, value, gasLimit }: Slot, attempt: SignedAttempt): void {
    this.database.exec("BEGIN IMMEDIATE");
    try {
      this.database
        .prepare("INSERT INTO slot VALUES (?, ?, ?, ?, ?, ?)")
        .run(sender, nonce, duty, data, String(value), String(gasLimit));
      this.add(sender, nonce, attempt);
      this.database.exec("COMMIT");
    } catch (error) {
      // A full disk ends the transaction by itself.
      if (this.database.isTransaction) this.database.exec("ROLLBACK");
      throw error;
    }
  }

  add(sender: Address, nonce: number, attempt: SignedAttempt): void {
    const { index, hash, raw, maxFeePerGas, maxPriorityFeePerGas, ethereumBlock } = attempt;
    this.database
      .prepare("INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
      .run(sender, nonce, index, hash, raw, String(maxFeePerGas), String(maxPriorityFeePerGas), ethereumBlock);
  }

  /** The nonces from this one on that were taken, in order. */
  slots(sender: Address, fromNonce: number): Slot[] {
    const rows = this.database
      .prepare("SELECT * FROM slot WHERE sender = ? AND nonce >= ? ORDER BY nonce")
      .all(sender, fromNonce);
    return rows.map((row) => ({
      nonce: row["nonce"] as number,
      duty: row["duty"] as string,
      data: row["data"] as Hex,
      value: BigInt(row["value"] as string),
      gasLimit: BigInt(row["gas_limit"] as string),
    }));
  }

  /** How many nonces below this one were used for a duty, by transactions signed at this height of Ethereum or later. */
  usedFor(sender: Address, duty: string, belowNonce: number, from: number): number {
    const row = this.database
      .prepare(
        `SELECT count(*) AS used FROM slot WHERE sender = ? AND duty = ? AND nonce < ? AND EXISTS
           (SELECT 1 FROM attempt WHERE attempt.sender = slot.sender AND attempt.nonce = slot.nonce AND ethereum_block >= ?)`,
      )
      .get(sender, duty, belowNonce, from);
    return row?.["used"] as number;
  }

  /** The transactions signed with a nonce, oldest first. */
  attempts(sender: Address, nonce: number): SignedAttempt[] {
    const rows = this.database
      .prepare("SELECT * FROM attempt WHERE sender = ? AND nonce = ? ORDER BY i")
      .all(sender, nonce);
    return rows.map((row) => ({
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
