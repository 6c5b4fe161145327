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
  /** All inputs are known, and their owners' signatures were checked. */
  isSigned: boolean;
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
  PRAGMA cache_size = -65536;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS payment (
    hash TEXT PRIMARY KEY, block INTEGER, i INTEGER, bytes BLOB NOT NULL, root TEXT, siblings TEXT, deposits TEXT NOT NULL,
    sources TEXT NOT NULL, wanted INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS payment_place ON payment (block, i);
  CREATE INDEX IF NOT EXISTS payment_unproven ON payment (block, i) WHERE root IS NULL AND wanted = 1;
  CREATE INDEX IF NOT EXISTS payment_proven ON payment (block, root) WHERE root IS NOT NULL;
  CREATE INDEX IF NOT EXISTS payment_wanted ON payment (block, i) WHERE wanted = 1;
  CREATE TABLE IF NOT EXISTS party (
    owner TEXT NOT NULL, hash TEXT NOT NULL, signed INTEGER NOT NULL, resting INTEGER NOT NULL, kept INTEGER NOT NULL,
    PRIMARY KEY (owner, hash)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS party_hash ON party (hash);
  CREATE INDEX IF NOT EXISTS party_kept ON party (owner, kept, hash) WHERE kept > 0;
  CREATE TABLE IF NOT EXISTS own (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, token TEXT NOT NULL, amount TEXT NOT NULL, hash TEXT NOT NULL,
    spent INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS own_largest ON own (owner, spent, token, amount DESC);
  CREATE TABLE IF NOT EXISTS signed_away (id TEXT NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (id, owner)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS tally (owner TEXT PRIMARY KEY, unspent INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TRIGGER IF NOT EXISTS own_made AFTER INSERT ON own WHEN NEW.spent = 0 BEGIN
    INSERT INTO tally VALUES (NEW.owner, 1) ON CONFLICT DO UPDATE SET unspent = unspent + 1;
  END;
  CREATE TRIGGER IF NOT EXISTS own_spent AFTER UPDATE OF spent ON own WHEN OLD.spent = 0 AND NEW.spent = 1 BEGIN
    UPDATE tally SET unspent = unspent - 1 WHERE owner = NEW.owner;
  END;
  CREATE TRIGGER IF NOT EXISTS own_gone AFTER DELETE ON own WHEN OLD.spent = 0 BEGIN
    UPDATE tally SET unspent = unspent - 1 WHERE owner = OLD.owner;
  END;
  CREATE TABLE IF NOT EXISTS claim (id TEXT PRIMARY KEY, hash TEXT NOT NULL) STRICT, WITHOUT ROWID;
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

/** Whether what an address is paid by is one of its largest, or needed whatever it is worth: the address signed it, or spent it. */
const [LEFT_OUT, LARGE, NEEDED] = [0, 1, 2];
/** Amounts below 2^256 in the order of their texts. */
const AMOUNT_DIGITS = 64;

/**
 * What the guard must not lose, in a file of its own with full synchronisation. Of what addresses are only paid by, the largest
 * outputs count (largest.ts): of the others there is nothing but the payment itself, so that dust costs no more than its room.
 */
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
      `INSERT INTO payment VALUES (?, ?, ?, ?, NULL, NULL, '[]', '[]', 1)
       ON CONFLICT (hash) DO UPDATE SET block = excluded.block, i = excluded.i, wanted = 1`,
      ...[hash, blockNumber, transactionIndex, bytes],
    );
  }

  /** Payments of blocks up to this one that count, and have no proof. */
  unproven(upToBlock: number, limit: number): { hash: TransactionHash; place: Place }[] {
    const rows = this.all(
      "SELECT hash, block, i FROM payment WHERE root IS NULL AND wanted = 1 AND block <= ? ORDER BY block, i LIMIT ?",
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

  /** There is no payment at this place after all. */
  dropSource({ blockNumber, transactionIndex }: Place): void {
    this.run("DELETE FROM source WHERE block = ? AND i = ?", blockNumber, transactionIndex);
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
   * Those of an address's payments that count, in the order of the chain, last those without a place.
   * @param good Payments that rest are left out up to this block
   */
  paymentsOf(owner: Address, good: number): { hash: TransactionHash; signed: boolean }[] {
    const rows = this.all(
      `SELECT hash, signed FROM party INDEXED BY party_kept JOIN payment USING (hash)
       WHERE party.owner = ? AND party.kept > 0 AND (party.resting = 0 OR payment.block > ?)
       ORDER BY payment.block IS NULL, payment.block, payment.i`,
      ...[owner, Math.min(good, Number.MAX_SAFE_INTEGER)],
    );
    return rows.map((row) => ({ hash: row["hash"] as TransactionHash, signed: row["signed"] === 1 }));
  }

  /** @returns null when it was forgotten */
  payment(hash: TransactionHash): KeptPayment | null {
    const [row] = this.all("SELECT * FROM payment WHERE hash = ?", hash);
    return row === undefined ? null : keptOf(row);
  }

  /** The token behind another one, in no order that matters, of which an address has something unspent. */
  nextToken(owner: Address, after: string): Address | null {
    const [row] = this.all(
      "SELECT min(token) AS token FROM own WHERE owner = ? AND spent = 0 AND token > ?",
      owner,
      after,
    );
    return row?.["token"] as Address | null;
  }

  /** Payments that made the largest unspent outputs of a token, one for each output, from a rank on. */
  largestOf(owner: Address, token: Address, from: number, count: number): TransactionHash[] {
    const rows = this.all(
      `SELECT hash FROM own WHERE owner = ? AND spent = 0 AND token = ? ORDER BY amount DESC, rowid LIMIT ? OFFSET ?`,
      ...[owner, token, count, from],
    );
    return rows.map((row) => row["hash"] as TransactionHash);
  }

  /** How many unspent outputs of payments an address has. */
  unspentOf(owner: Address): number {
    return (this.all("SELECT unspent FROM tally WHERE owner = ?", owner)[0]?.["unspent"] as number | undefined) ?? 0;
  }

  /** Payments that count because an output of them was large. */
  largeOf(owner: Address): TransactionHash[] {
    const rows = this.all(
      `SELECT hash FROM party INDEXED BY party_kept WHERE owner = ? AND kept > 0 AND kept = ${LARGE} AND resting = 0`,
      owner,
    );
    return rows.map((row) => row["hash"] as TransactionHash);
  }

  /** What counts from now on of what an address is paid by, and what no longer does. */
  rank(owner: Address, large: readonly TransactionHash[], leftOut: readonly TransactionHash[]): void {
    this.together(() => {
      for (const hash of large) {
        this.run(`UPDATE party SET kept = max(kept, ${LARGE}) WHERE owner = ? AND hash = ?`, owner, hash);
        this.want(hash);
      }
      for (const hash of leftOut) {
        this.run(`UPDATE party SET kept = ${LEFT_OUT} WHERE owner = ? AND hash = ? AND kept = ${LARGE}`, owner, hash);
        this.run(
          `UPDATE payment SET wanted = 0 WHERE hash = ?1 AND
             NOT EXISTS (SELECT 1 FROM party WHERE party.hash = ?1 AND kept > 0) AND
             NOT EXISTS (SELECT 1 FROM source WHERE source.block = payment.block AND source.i = payment.i)`,
          hash,
        );
        this.run(
          "DELETE FROM source WHERE hash = ?1 AND (SELECT wanted FROM payment WHERE payment.hash = ?1) = 0",
          hash,
        );
      }
    });
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
      `SELECT owner FROM party WHERE kept > 0 AND hash = ?1 UNION
       SELECT party.owner FROM payment JOIN source ON source.block = payment.block AND source.i = payment.i
       JOIN party ON party.hash = source.hash WHERE party.kept > 0 AND payment.hash = ?1`,
      hash,
    );
    return rows.map((row) => row["owner"] as Address);
  }

  /**
   * Nothing that an address has depends on these payments, unless their block turns out to be bad.
   * @param spent Of what they spend, what is still here as an output
   * @param made What they made
   */
  rest(
    owner: Address,
    hashes: readonly TransactionHash[],
    { spent, made }: { spent: readonly OutputId[]; made: Iterable<OutputId> },
  ): void {
    this.together(() => {
      for (const id of spent) this.run("INSERT OR IGNORE INTO gone VALUES (?)", id);
      for (const id of made) this.run("UPDATE own SET spent = 1 WHERE id = ? AND owner = ?", id, owner);
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
        for (const i of transaction.outputs.keys()) {
          const id = outputId(hash, i);
          this.run("DELETE FROM gone WHERE id = ?", id);
          this.run("DELETE FROM own WHERE id = ? AND owner = ?", id, owner);
        }
        for (const id of transaction.inputs) this.run("DELETE FROM signed_away WHERE id = ? AND owner = ?", id, owner);
        this.run("DELETE FROM party WHERE owner = ? AND hash = ?", owner, hash);
      }
      this.run("INSERT OR REPLACE INTO forgotten VALUES (?, ?)", owner, settled);
      // Where it comes from, what a settled block has needs to show to nobody any more.
      this.run(
        "DELETE FROM source WHERE hash IN (SELECT hash FROM payment WHERE root IS NOT NULL AND block <= ?)",
        settled,
      );
      this
        .run(`DELETE FROM payment WHERE wanted = 1 AND NOT EXISTS (SELECT 1 FROM party WHERE party.hash = payment.hash)
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

  /** Whether a payment is here, or an output of a guarded address. */
  isKept(hash: TransactionHash, id: OutputId): boolean {
    const sql = "SELECT 1 FROM payment WHERE hash = ? UNION ALL SELECT 1 FROM own WHERE id = ? LIMIT 1";
    return this.all(sql, hash, id).length > 0;
  }

  /** Payments that an address signed and no block is known to have. */
  unplacedOf(owner: Address): number {
    const sql =
      "SELECT count(*) AS n FROM party JOIN payment USING (hash) WHERE party.owner = ? AND signed = 1 AND block IS NULL";
    return this.all(sql, owner)[0]?.["n"] as number;
  }

  close(): void {
    this.database.close();
  }

  private takeOne({ hash, transaction, place, inputs, owners: all, isSigned }: TakenPayment): void {
    const first = place !== null || !isSigned || this.claim(hash, transaction.inputs);
    const owners = all.filter(({ owner, signed }) => (signed || first) && !this.isForgotten(owner, hash, place));
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
    const sources = inputs.flatMap(({ blockNumber, transactionIndex }) =>
      blockNumber === null || transactionIndex === null ? [] : [[blockNumber, transactionIndex]],
    );
    this.run(
      `INSERT INTO payment VALUES (?1, ?2, ?3, ?4, NULL, NULL, ?5, ?6,
         EXISTS (SELECT 1 FROM source WHERE block = ?2 AND i = ?3)) ON CONFLICT (hash) DO UPDATE SET
         root = iif(block IS ?2 AND i IS ?3, root, NULL), siblings = iif(block IS ?2 AND i IS ?3, siblings, NULL),
         block = ?2, i = ?3, bytes = ?4, deposits = ?5, sources = ?6, wanted = max(wanted, excluded.wanted) WHERE ?2 IS NOT NULL`,
      ...[hash, block, i, bytes, JSON.stringify(deposits), JSON.stringify(sources)],
    );
    // Some of its signatures, or where it comes from, may have been missing before.
    if (block === null && isComplete(transaction)) this.run("UPDATE payment SET bytes = ? WHERE hash = ?", bytes, hash);
    if (block === null) {
      const shown = [JSON.stringify(deposits), JSON.stringify(sources)] as const;
      this.run(
        `UPDATE payment SET deposits = ?, sources = ?
         WHERE hash = ? AND block IS NULL AND length(deposits) + length(sources) < ?`,
        ...[...shown, hash, shown.join("").length],
      );
    }
    for (const party of owners) this.takeParty(party, hash, transaction);
    if (this.all("SELECT wanted FROM payment WHERE hash = ?", hash)[0]?.["wanted"] === 1) this.want(hash);
  }

  private takeParty(
    { owner, signed }: TakenPayment["owners"][number],
    hash: TransactionHash,
    { inputs, outputs }: SignedTransaction,
  ): void {
    let kept = signed ? NEEDED : LEFT_OUT;
    for (const [i, output] of outputs.entries()) {
      if (output.owner !== owner) continue;
      const id = outputId(hash, i);
      const spent = this.all("SELECT 1 FROM signed_away WHERE id = ? AND owner = ?", id, owner).length;
      if (spent > 0) kept = NEEDED;
      const amount = output.amount.toString(16).padStart(AMOUNT_DIGITS, "0");
      this.run("INSERT OR IGNORE INTO own VALUES (?, ?, ?, ?, ?, ?)", id, owner, output.token, amount, hash, spent);
    }
    this.run(
      `INSERT INTO party VALUES (?, ?, ?, 0, ?) ON CONFLICT DO UPDATE
       SET signed = max(signed, excluded.signed), kept = max(kept, excluded.kept)`,
      ...[owner, hash, signed ? 1 : 0, kept],
    );
    if (kept > LEFT_OUT) this.run("UPDATE payment SET wanted = 1 WHERE hash = ?", hash);
    if (!signed) return;
    // What it spends counts with it, whatever that was worth: it is not unspent again.
    for (const id of inputs) {
      const [own] = this.all("SELECT hash, owner FROM own WHERE id = ?", id);
      if (own !== undefined && own["owner"] !== owner) continue;
      this.run("INSERT OR IGNORE INTO signed_away VALUES (?, ?)", id, owner);
      if (own === undefined) continue;
      const creator = own["hash"] as TransactionHash;
      this.run("UPDATE own SET spent = 1 WHERE id = ?", id);
      this.run(`UPDATE party SET kept = ${NEEDED} WHERE owner = ? AND hash = ?`, owner, creator);
      this.want(creator);
    }
  }

  /** A payment counts: what it needs to be shown to Ethereum is looked for. */
  private want(hash: TransactionHash): void {
    this.run("UPDATE payment SET wanted = 1 WHERE hash = ? AND wanted = 0", hash);
    const sources = this.all("SELECT sources FROM payment WHERE hash = ?", hash)[0]?.["sources"] as string | undefined;
    for (const [block, i] of JSON.parse(sources ?? "[]") as [number, number][]) {
      this.run("INSERT OR IGNORE INTO source VALUES (?, ?, ?)", hash, block, i);
      this.run("UPDATE payment SET wanted = 1 WHERE block = ? AND i = ? AND wanted = 0", block, i);
    }
  }

  /**
   * Of payments in no verified block that spend one output only the first pays anybody: a payer who signs many of them could fill
   * the room for what an address has with money that is there once.
   */
  private claim(hash: TransactionHash, inputs: readonly OutputId[]): boolean {
    const claimed = inputs.some((id) => {
      const [other] = this.all("SELECT hash FROM claim WHERE id = ?", id);
      return other !== undefined && other["hash"] !== hash;
    });
    if (!claimed) for (const id of inputs) this.run("INSERT OR IGNORE INTO claim VALUES (?, ?)", id, hash);
    return !claimed;
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
