import { rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { IndexDamagedError } from "./ports.ts";

const NAME = "index.db";
/** Another form of what is kept: thrown away and made again. */
const SCHEMA_VERSION = 3;
/** With its checksum and a row's header it fills one page of SQLite's. */
export const PAGE_BYTES = 4000;
/** Ids of a generation's pages: the generation, which of its arrays, and which page of that. */
const ARRAYS_MAX = 8;
const ARRAY_PAGES_MAX = 2 ** 24;
const CORRUPT = [11, 26];

/** Up to where the journal is indexed, and the checksum of that entry's bytes. */
export interface IndexedThrough {
  position: number;
  checksum: string;
}

export interface GenerationRow {
  number: number;
  first: number;
  last: number;
  /** What is kept of it in memory. */
  head: Uint8Array;
}

/** The index's file: pages that are written once, and a few rows that say what they are. Everything has a checksum. */
export class PageStore {
  private readonly database: DatabaseSync;
  private readonly statements: Record<"getPage" | "putPage" | "getMarks" | "putMarks", StatementSync>;

  private constructor(database: DatabaseSync) {
    this.database = database;
    this.statements = {
      getPage: database.prepare("SELECT body FROM page WHERE id = ?"),
      putPage: database.prepare("INSERT OR REPLACE INTO page VALUES (?, ?)"),
      getMarks: database.prepare("SELECT body FROM marks WHERE id = ?"),
      putMarks: database.prepare("INSERT OR REPLACE INTO marks VALUES (?, ?)"),
    };
  }

  /** @throws IndexDamagedError when it is of another form, or not what was written. */
  static open(dataDir: string): PageStore {
    const database = new DatabaseSync(join(dataDir, NAME));
    try {
      // It is derived: a power cut may take the last commits, and they are made again.
      database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -8192");
      const version = database.prepare("PRAGMA user_version").get()?.["user_version"];
      if (version !== 0 && version !== SCHEMA_VERSION) throw new IndexDamagedError(`it has version ${String(version)}`);
      database.exec(`
        BEGIN;
        CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
        CREATE TABLE IF NOT EXISTS generation (
          number INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, head BLOB NOT NULL
        ) STRICT;
        CREATE TABLE IF NOT EXISTS page (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
        CREATE TABLE IF NOT EXISTS marks (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
        PRAGMA user_version = ${SCHEMA_VERSION};
        COMMIT;
      `);
      return new PageStore(database);
    } catch (error) {
      database.close();
      throw isCorrupt(error) ? new IndexDamagedError(String(error)) : error;
    }
  }

  static remove(dataDir: string): void {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(join(dataDir, NAME + suffix), { force: true });
  }

  /** Null when it is new. */
  get indexedThrough(): IndexedThrough | null {
    const text = this.meta("indexed");
    return text === null ? null : (JSON.parse(Buffer.from(text).toString()) as IndexedThrough);
  }

  meta(name: string): Uint8Array | null {
    const row = this.guard(() => this.database.prepare("SELECT value FROM meta WHERE name = ?").get(name));
    return row === undefined ? null : checked(row["value"] as Uint8Array, name);
  }

  putMeta(name: string, value: Uint8Array): void {
    this.database.prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)").run(name, withChecksum(value));
  }

  generations(): GenerationRow[] {
    const rows = this.guard(() => this.database.prepare("SELECT * FROM generation ORDER BY number").all());
    return rows.map((row) => ({
      number: row["number"] as number,
      first: row["first"] as number,
      last: row["last"] as number,
      head: checked(row["head"] as Uint8Array, `generation ${String(row["number"])}`),
    }));
  }

  /** Together with what was put since `begin`. */
  finish({ number, first, last, head }: GenerationRow, checksum: string): void {
    this.database.prepare("INSERT INTO generation VALUES (?, ?, ?, ?)").run(number, first, last, withChecksum(head));
    this.putMeta("indexed", Buffer.from(JSON.stringify({ position: last, checksum })));
    this.commit();
  }

  /** A page's bytes. @throws IndexDamagedError */
  page(generation: number, array: number, page: number): Uint8Array {
    const id = pageId(generation, array, page);
    const row = this.guard(() => this.statements.getPage.get(id));
    if (row === undefined) throw new IndexDamagedError(`page ${id} is missing`);
    return checked(row["body"] as Uint8Array, `page ${id}`);
  }

  putPage(generation: number, array: number, page: number, body: Uint8Array): void {
    this.statements.putPage.run(pageId(generation, array, page), withChecksum(body));
  }

  /** Null where nothing is marked. */
  marks(id: number): Uint8Array | null {
    const row = this.guard(() => this.statements.getMarks.get(id));
    return row === undefined ? null : checked(row["body"] as Uint8Array, `marks ${id}`);
  }

  putMarks(id: number, body: Uint8Array): void {
    this.statements.putMarks.run(id, withChecksum(body));
  }

  begin(): void {
    this.database.exec("BEGIN");
  }

  commit(): void {
    this.database.exec("COMMIT");
  }

  /** Takes back what was put since `begin`, if that was called. */
  rollback(): void {
    if (this.database.isTransaction) this.database.exec("ROLLBACK");
  }

  close(): void {
    this.database.close();
  }

  private guard<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw isCorrupt(error) ? new IndexDamagedError(String(error)) : error;
    }
  }
}

export function isCorrupt(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && CORRUPT.includes((error.errcode as number) & 0xff);
}

function pageId(generation: number, array: number, page: number): number {
  return (generation * ARRAYS_MAX + array) * ARRAY_PAGES_MAX + page;
}

function withChecksum(body: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(body.length + 4);
  bytes.set(body);
  bytes.writeUInt32LE(crc32(body), body.length);
  return bytes;
}

function checked(bytes: Uint8Array, name: string): Uint8Array {
  const body = bytes.subarray(0, bytes.length - 4);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4 || crc32(body) !== view.getUint32(body.length, true)) {
    throw new IndexDamagedError(`${name} has a wrong checksum`);
  }
  return body;
}
