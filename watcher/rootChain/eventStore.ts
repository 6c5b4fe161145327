import { DatabaseSync } from "node:sqlite";
import type { Cursor } from "@plasma-billing/ethereum/follower.ts";
import type { RootChainEvent } from "@plasma-billing/ethereum/rootChain.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Look } from "../detect/ethereum.ts";

/** The contract's final events, in a file of their own: a restart reads on where it was. */
export class EventStore {
  private readonly database: DatabaseSync;

  constructor(path: string) {
    this.database = new DatabaseSync(path);
    this.database.exec(`
      PRAGMA journal_mode = DELETE;
      PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS event (position INTEGER PRIMARY KEY, json TEXT NOT NULL) STRICT;
      CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER, hash TEXT) STRICT;
      CREATE TABLE IF NOT EXISTS looked (one INTEGER PRIMARY KEY CHECK (one = 1), ethereum INTEGER, own_ms INTEGER) STRICT;
    `);
  }

  /** Up to where events are here; null before the first. */
  get cursor(): Cursor | null {
    const row = this.database.prepare("SELECT number, hash FROM cursor").get();
    return row === undefined ? null : { number: row["number"] as number, hash: row["hash"] as Hex | null };
  }

  /** When everything was last looked at; null before. */
  get lookedAt(): Look | null {
    const row = this.database.prepare("SELECT ethereum, own_ms FROM looked").get();
    return row === undefined ? null : { ethereum: row["ethereum"] as number, ownMs: row["own_ms"] as number };
  }

  set lookedAt({ ethereum, ownMs }: Look) {
    this.database.prepare("INSERT OR REPLACE INTO looked VALUES (1, ?, ?)").run(ethereum, ownMs);
  }

  events(): RootChainEvent[] {
    const rows = this.database.prepare("SELECT json FROM event ORDER BY position").all();
    return rows.map((row) => JSON.parse(row["json"] as string, revive) as RootChainEvent);
  }

  /** Adds what became final, together with where that ends. */
  append(events: readonly RootChainEvent[], { number, hash }: Cursor): void {
    const { cursor } = this;
    if (events.length === 0 && cursor?.number === number) return;
    this.database.exec("BEGIN IMMEDIATE");
    try {
      const insert = this.database.prepare("INSERT INTO event (json) VALUES (?)");
      for (const event of events) insert.run(JSON.stringify(event, replace));
      this.database.prepare("INSERT OR REPLACE INTO cursor VALUES (1, ?, ?)").run(number, hash);
      this.database.exec("COMMIT");
    } catch (error) {
      // A full disk ends the transaction by itself.
      if (this.database.isTransaction) this.database.exec("ROLLBACK");
      throw error;
    }
  }

  /** Forgets all: what nodes told does not add up, so it is read anew. */
  clear(): void {
    this.database.exec("BEGIN IMMEDIATE; DELETE FROM event; DELETE FROM cursor; COMMIT");
  }

  close(): void {
    this.database.close();
  }
}

/** Integers beyond a number's, as text that nothing else looks like. */
function replace(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}n` : value;
}

function revive(_: string, value: unknown): unknown {
  return typeof value === "string" && /^-?[0-9]+n$/.test(value) ? BigInt(value.slice(0, -1)) : value;
}
