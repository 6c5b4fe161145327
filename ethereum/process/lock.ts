import { closeSync, fsyncSync, mkdirSync, openSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { StartupError, systemCode } from "./startup.ts";

const SQLITE_BUSY = 5;
/** Holds the databases: one that nothing refers to is collected, closed, and its folder free for a second operator. */
const locks = new Set<DatabaseSync>();

/** Holds a data folder for one process; the system lets go of it when the process dies, however it dies. */
export interface FolderLock {
  release(): void;
}

/**
 * Makes the folder if need be, and takes it.
 * @throws StartupError DATA_DIR_IN_USE, DATA_DIR_UNUSABLE
 */
export function lockFolder(dataDir: string): FolderLock {
  let database: DatabaseSync | undefined;
  try {
    makeFolder(resolve(dataDir));
    database = new DatabaseSync(join(dataDir, "lock.db"));
    // Written once, so that a folder that cannot be written to is found here and not at the first payment.
    database.exec("PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE; CREATE TABLE IF NOT EXISTS held (by_pid INTEGER)");
    database.exec(`DELETE FROM held; INSERT INTO held VALUES (${process.pid}); COMMIT; BEGIN EXCLUSIVE`);
  } catch (error) {
    database?.close();
    if (
      error instanceof Error &&
      "errcode" in error &&
      typeof error.errcode === "number" &&
      (error.errcode & 0xff) === SQLITE_BUSY
    ) {
      const message = `${dataDir} is in use by another process: stop that one, or set another DATA_DIR`;
      throw new StartupError("DATA_DIR_IN_USE", message, { dataDir }, error);
    }
    throw unusable(dataDir, error);
  }
  const held = database;
  locks.add(held);
  return {
    release: () => {
      locks.delete(held);
      held.close();
    },
  };
}

/** The folder cannot be made, read or written. */
export function unusable(dataDir: string, error: unknown): StartupError {
  const code = systemCode(error);
  // SQLite has one code for everything, and says in words what it is.
  const reason =
    code !== "ERR_SQLITE_ERROR" && code !== null ? code : error instanceof Error ? error.message : String(error);
  const message = `cannot write to ${dataDir} (${reason}): set DATA_DIR to a folder this user can write to`;
  return new StartupError("DATA_DIR_UNUSABLE", message, { dataDir }, error);
}

/** Puts a folder's list of names on the disk: without it a power cut may take away a new file, however well synced. */
export function syncFolder(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function makeFolder(path: string): void {
  const first = mkdirSync(path, { recursive: true });
  if (first === undefined) return;
  for (let made = path; ; made = dirname(made)) {
    syncFolder(dirname(made));
    if (made === first) return;
  }
}
