import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { StartupError, systemCode } from "./errors.ts";

const SQLITE_BUSY = 5;

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
    mkdirSync(dataDir, { recursive: true });
    database = new DatabaseSync(join(dataDir, "lock.db"));
    // Written once, so that a folder that cannot be written to is found here and not at the first payment.
    database.exec("PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE; CREATE TABLE IF NOT EXISTS held (by_pid INTEGER)");
    database.exec(`DELETE FROM held; INSERT INTO held VALUES (${process.pid}); COMMIT; BEGIN EXCLUSIVE`);
  } catch (error) {
    database?.close();
    if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) {
      const message = `${dataDir} is in use by another operator: stop that one, or set another DATA_DIR`;
      throw new StartupError("DATA_DIR_IN_USE", message, { dataDir }, error);
    }
    throw unusable(dataDir, error);
  }
  const held = database;
  return { release: () => held.close() };
}

/** The folder cannot be made, read or written. */
export function unusable(dataDir: string, error: unknown): StartupError {
  const reason = systemCode(error) ?? String(error);
  const message = `cannot write to ${dataDir} (${reason}): set DATA_DIR to a folder this user can write to`;
  return new StartupError("DATA_DIR_UNUSABLE", message, { dataDir }, error);
}
