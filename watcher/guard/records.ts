import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { isComplete, type SignedAuthorization } from "@plasma-billing/sdk";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { LedgerOutput } from "@plasma-billing/protocol/output.ts";
import { decodePayment, encodePayment } from "@plasma-billing/protocol/paymentBytes.ts";
import {
  outputId,
  type Deposit,
  type OutputId,
  type SignedTransaction,
  type TransactionHash,
} from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Place } from "../chain/childChain.ts";

/** A payment that a guarded address signed or is paid by. */
export interface TakenPayment {
  hash: TransactionHash;
  transaction: SignedTransaction;
  /** Null: only seen in data that was refused, or told by who signed it. */
  place: Place | null;
  /** What is known of what it spends. */
  inputs: readonly LedgerOutput[];
  owners: readonly { owner: Address; signed: boolean }[];
}

/** A payment as it is kept. */
export interface KeptPayment {
  hash: TransactionHash;
  transaction: SignedTransaction;
  place: Place | null;
  /** Of the block of that root; null as long as none is known to have it. */
  proof: { root: Hex; siblings: Hex[] } | null;
  /** The deposits among what it spends, whosesoever. */
  deposits: Deposit[];
}

const SCHEMA = `
  PRAGMA journal_mode = DELETE;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS payment (
    hash TEXT PRIMARY KEY, block INTEGER, i INTEGER, bytes BLOB NOT NULL, root TEXT, siblings TEXT, deposits TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS payment_place ON payment (block, i);
  CREATE INDEX IF NOT EXISTS payment_unproven ON payment (block) WHERE root IS NULL;
  CREATE TABLE IF NOT EXISTS party (
    owner TEXT NOT NULL, hash TEXT NOT NULL, signed INTEGER NOT NULL, resting INTEGER NOT NULL, PRIMARY KEY (owner, hash)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS party_hash ON party (hash);
  CREATE TABLE IF NOT EXISTS source (
    hash TEXT NOT NULL, block INTEGER NOT NULL, i INTEGER NOT NULL, PRIMARY KEY (hash, block, i)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS source_place ON source (block, i);
  CREATE TABLE IF NOT EXISTS forgotten (owner TEXT PRIMARY KEY, block INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS gone (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS authorization (
    output TEXT NOT NULL, block INTEGER NOT NULL, owner TEXT NOT NULL, bond_owner TEXT NOT NULL, deadline INTEGER NOT NULL,
    signature TEXT NOT NULL, PRIMARY KEY (output, block, owner, bond_owner)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS authorization_owner ON authorization (owner);
  CREATE TABLE IF NOT EXISTS reached (one INTEGER PRIMARY KEY CHECK (one = 1), block INTEGER NOT NULL) STRICT;
`;

/** What the guard must not lose, in a file of its own with full synchronisation. */
export class GuardRecords {
  private readonly database: DatabaseSync;
  private readonly statements = new Map<string, StatementSync>();

  constructor(path: string) {
    this.database = new DatabaseSync(path);
    this.database.exec(SCHEMA);
  }

  /** Up to which block the payments here are complete; null before the first look. */
  get reached(): number | null {
    return (this.all("SELECT block FROM reached")[0]?.["block"] as number | undefined) ?? null;
  }

  set reached(block: number) {
    this.run("INSERT OR REPLACE INTO reached VALUES (1, ?)", block);
  }

  /** Takes payments in, or where they are by now; all are there, or none. */
  take(payments: readonly TakenPayment[]): void {
    this.together(() => {
      for (const payment of payments) this.takeOne(payment);
    });
  }

  /** The payment that made what another spends. */
  takeSource(hash: TransactionHash, bytes: Uint8Array, { blockNumber, transactionIndex }: Place): void {
    this.run(
      `INSERT INTO payment VALUES (?, ?, ?, ?, NULL, NULL, '[]')
       ON CONFLICT (hash) DO UPDATE SET block = excluded.block, i = excluded.i`,
      ...[hash, blockNumber, transactionIndex, bytes],
    );
  }

  /** Payments of blocks up to this one that have no proof. */
  unproven(upToBlock: number, limit: number): { hash: TransactionHash; place: Place }[] {
    const rows = this.all(
      "SELECT hash, block, i FROM payment WHERE root IS NULL AND block <= ? ORDER BY block, i LIMIT ?",
      ...[upToBlock, limit],
    );
    return rows.map((row) => ({ hash: row["hash"] as Hex, place: placeOf(row) as Place }));
  }

  /** Places, in blocks up to this one, of payments that are not here and made what others spend. */
  missingSources(upToBlock: number, limit: number): Place[] {
    const rows = this.all(
      `SELECT DISTINCT source.block, source.i FROM source
       WHERE source.block <= ? AND NOT EXISTS
         (SELECT 1 FROM payment WHERE payment.block = source.block AND payment.i = source.i) LIMIT ?`,
      ...[upToBlock, limit],
    );
    return rows.map((row) => placeOf(row) as Place);
  }

  /** Proofs of payments in blocks of these roots; null: a payment is not where it was said to be. */
  prove(proofs: ReadonlyMap<TransactionHash, KeptPayment["proof"]>): void {
    this.together(() => {
      for (const [hash, proof] of proofs) {
        if (proof === null) this.run("UPDATE payment SET block = NULL, i = NULL WHERE hash = ?", hash);
        else {
          const siblings = JSON.stringify(proof.siblings);
          this.run("UPDATE payment SET root = ?, siblings = ? WHERE hash = ?", proof.root, siblings, hash);
        }
      }
    });
  }

  /** Blocks that proofs are of, and their roots. */
  provenBlocks(): { block: number; root: Hex }[] {
    const rows = this.all("SELECT DISTINCT block, root FROM payment WHERE root IS NOT NULL");
    return rows.map((row) => ({ block: row["block"] as number, root: row["root"] as Hex }));
  }

  /** Another root stands in the block's place. */
  disprove(block: number, root: Hex): void {
    this.run("UPDATE payment SET root = NULL, siblings = NULL WHERE block = ? AND root = ?", block, root);
  }

  /**
   * An address's payments in the order of the chain, last those without a place.
   * @param good Payments that rest are left out up to this block
   */
  paymentsOf(owner: Address, good: number): (KeptPayment & { signed: boolean })[] {
    const rows = this.all(
      `SELECT payment.*, party.signed FROM party JOIN payment USING (hash)
       WHERE party.owner = ? AND (party.resting = 0 OR payment.block > ?)
       ORDER BY payment.block IS NULL, payment.block, payment.i`,
      ...[owner, Math.min(good, Number.MAX_SAFE_INTEGER)],
    );
    return rows.map((row) => ({ ...keptOf(row), signed: row["signed"] === 1 }));
  }

  /** What is here of the payments that made what another spends. */
  sourcesOf(hash: TransactionHash): KeptPayment[] {
    const rows = this.all(
      `SELECT payment.* FROM source JOIN payment ON payment.block = source.block AND payment.i = source.i
       WHERE source.hash = ?`,
      hash,
    );
    return rows.map(keptOf);
  }

  /** Guarded addresses that a payment concerns, itself or by what it made. */
  concernedBy(hash: TransactionHash): Address[] {
    const rows = this.all(
      `SELECT owner FROM party WHERE hash = ?1 UNION
       SELECT party.owner FROM payment JOIN source ON source.block = payment.block AND source.i = payment.i
       JOIN party ON party.hash = source.hash WHERE payment.hash = ?1`,
      hash,
    );
    return rows.map((row) => row["owner"] as Address);
  }

  /**
   * Nothing that an address has depends on these payments, unless their block turns out to be bad.
   * @param spent Of what they spend, what is still here as an output
   */
  rest(owner: Address, hashes: readonly TransactionHash[], spent: readonly OutputId[]): void {
    this.together(() => {
      for (const id of spent) this.run("INSERT OR IGNORE INTO gone VALUES (?)", id);
      for (const hash of hashes) this.run("UPDATE party SET resting = 1 WHERE owner = ? AND hash = ?", owner, hash);
    });
  }

  /**
   * Drops what rests of blocks that cannot turn out to be bad any more. What is told of them again, and is not here then, is
   * left out: nothing depends on it.
   */
  forget(owner: Address, settled: number): void {
    const rows = this.all(
      `SELECT payment.* FROM party JOIN payment USING (hash)
       WHERE party.owner = ? AND party.resting = 1 AND payment.block <= ?`,
      ...[owner, settled],
    );
    this.together(() => {
      for (const { hash, transaction } of rows.map(keptOf)) {
        for (const i of transaction.outputs.keys()) this.run("DELETE FROM gone WHERE id = ?", outputId(hash, i));
        this.run("DELETE FROM party WHERE owner = ? AND hash = ?", owner, hash);
      }
      this.run("INSERT OR REPLACE INTO forgotten VALUES (?, ?)", owner, settled);
      // Where it comes from, what a settled block has needs to show to nobody any more.
      this.run(
        "DELETE FROM source WHERE hash IN (SELECT hash FROM payment WHERE root IS NOT NULL AND block <= ?)",
        settled,
      );
      this.run(`DELETE FROM payment WHERE NOT EXISTS (SELECT 1 FROM party WHERE party.hash = payment.hash)
        AND NOT EXISTS (SELECT 1 FROM source WHERE source.block = payment.block AND source.i = payment.i)`);
    });
  }

  /** Whether an output was spent by a payment that rests, or is forgotten. */
  isGone(id: OutputId): boolean {
    return this.all("SELECT 1 FROM gone WHERE id = ?", id).length > 0;
  }

  /** Of two for the same the one that holds longer is kept. */
  authorize(authorizations: readonly SignedAuthorization[]): void {
    this.together(() => {
      for (const { outputId: id, blockNumber, owner, bondOwner, deadline, signature } of authorizations) {
        this.run(
          `INSERT INTO authorization VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
           SET deadline = excluded.deadline, signature = excluded.signature WHERE excluded.deadline > deadline`,
          ...[id, blockNumber, owner, bondOwner, deadline, signature],
        );
      }
    });
  }

  authorization(output: OutputId, block: number, owner: Address, bondOwner: Address): SignedAuthorization | null {
    const [row] = this.all(
      "SELECT * FROM authorization WHERE output = ? AND block = ? AND owner = ? AND bond_owner = ?",
      ...[output, block, owner, bondOwner],
    );
    if (row === undefined) return null;
    return {
      ...{ owner, outputId: output, blockNumber: block, bondOwner },
      ...{ deadline: row["deadline"] as number, signature: row["signature"] as Hex },
    };
  }

  authorizationsOf(owner: Address): number {
    return this.all("SELECT count(*) AS n FROM authorization WHERE owner = ?", owner)[0]?.["n"] as number;
  }

  /** Drops authorizations whose time is over. @param now Seconds */
  expire(now: number): void {
    this.run("DELETE FROM authorization WHERE deadline < ?", now);
  }

  /** Payments of an address that no block is known to have. */
  unplacedOf(owner: Address): number {
    const sql = "SELECT count(*) AS n FROM party JOIN payment USING (hash) WHERE party.owner = ? AND block IS NULL";
    return this.all(sql, owner)[0]?.["n"] as number;
  }

  close(): void {
    this.database.close();
  }

  private takeOne({ hash, transaction, place, inputs, owners: all }: TakenPayment): void {
    const owners = all.filter(({ owner }) => !this.isForgotten(owner, hash, place));
    if (owners.length === 0) return;
    const bytes = encodePayment(transaction);
    const [block, i] = place === null ? [null, null] : [place.blockNumber, place.transactionIndex];
    // What had been there before was streamed, and is in no block after all.
    this.run(
      `UPDATE payment SET block = NULL, i = NULL, root = NULL, siblings = NULL
       WHERE block = ? AND i = ? AND hash <> ?`,
      ...[block, i, hash],
    );
    const deposits = inputs.flatMap(({ depositId, owner, token, amount }) =>
      depositId === null ? [] : [{ id: depositId.toString(), owner, token, amount: amount.toString() }],
    );
    this.run(
      `INSERT INTO payment VALUES (?1, ?2, ?3, ?4, NULL, NULL, ?5) ON CONFLICT (hash) DO UPDATE SET
         root = iif(block IS ?2 AND i IS ?3, root, NULL), siblings = iif(block IS ?2 AND i IS ?3, siblings, NULL),
         block = ?2, i = ?3, bytes = ?4, deposits = ?5 WHERE ?2 IS NOT NULL`,
      ...[hash, block, i, bytes, JSON.stringify(deposits)],
    );
    // Some of its signatures may have been missing before.
    if (block === null && isComplete(transaction)) this.run("UPDATE payment SET bytes = ? WHERE hash = ?", bytes, hash);
    for (const { owner, signed } of owners) {
      this.run(
        "INSERT INTO party VALUES (?, ?, ?, 0) ON CONFLICT DO UPDATE SET signed = max(signed, excluded.signed)",
        ...[owner, hash, signed ? 1 : 0],
      );
    }
    for (const { blockNumber, transactionIndex } of inputs) {
      if (blockNumber === null || transactionIndex === null) continue;
      this.run("INSERT OR IGNORE INTO source VALUES (?, ?, ?)", hash, blockNumber, transactionIndex);
    }
  }

  private isForgotten(owner: Address, hash: TransactionHash, place: Place | null): boolean {
    if (place === null) return false;
    const [settled] = this.all("SELECT 1 FROM forgotten WHERE owner = ? AND block >= ?", owner, place.blockNumber);
    if (settled === undefined) return false;
    return this.all("SELECT 1 FROM party WHERE owner = ? AND hash = ?", owner, hash).length === 0;
  }

  private together(work: () => void): void {
    this.database.exec("BEGIN IMMEDIATE");
    try {
      work();
      this.database.exec("COMMIT");
    } catch (error) {
      // A full disk ends the transaction by itself.
      if (this.database.isTransaction) this.database.exec("ROLLBACK");
      throw error;
    }
  }

  private run(sql: string, ...values: SQLInputValue[]): void {
    this.statement(sql).run(...values);
  }

  private all(sql: string, ...values: SQLInputValue[]): Record<string, unknown>[] {
    return this.statement(sql).all(...values);
  }

  private statement(sql: string): StatementSync {
    let statement = this.statements.get(sql);
    if (statement === undefined) this.statements.set(sql, (statement = this.database.prepare(sql)));
    return statement;
  }
}

function placeOf(row: Record<string, unknown>): Place | null {
  const block = row["block"] as number | null;
  return block === null ? null : { blockNumber: block, transactionIndex: row["i"] as number };
}

function keptOf(row: Record<string, unknown>): KeptPayment {
  const root = row["root"] as Hex | null;
  const deposits = JSON.parse(row["deposits"] as string) as { id: string; owner: Hex; token: Hex; amount: string }[];
  return {
    hash: row["hash"] as TransactionHash,
    transaction: decodePayment(row["bytes"] as Uint8Array),
    place: placeOf(row),
    proof: root === null ? null : { root, siblings: JSON.parse(row["siblings"] as string) as Hex[] },
    deposits: deposits.map(({ id, owner, token, amount }) => ({
      ...{ id: BigInt(id), owner, token, amount: BigInt(amount) },
    })),
  };
}
