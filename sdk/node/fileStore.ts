import { open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { WalletError } from "../errors.ts";
import type { TextStore, WalletStore } from "../store.ts";

const PRIVATE = 0o600;

/**
 * Lines in a file, for one process at a time (`<path>.lock`), each on the disk before it counts. A line that a crash tore off is cut before
 * the next is written.
 * @throws WalletError STORE_IN_USE, at the first look
 */
export function fileStore(path: string): WalletStore {
  /** Bytes of whole lines; unknown before the first look. */
  let whole: number | null = null;
  const read = async (): Promise<string> => {
    const text = (await readText(path)) ?? "";
    const lines = text.slice(0, text.lastIndexOf("\n") + 1);
    whole = Buffer.byteLength(lines);
    return lines;
  };
  return {
    async load() {
      await lock(`${path}.lock`);
      return (await read()).split("\n").slice(0, -1);
    },
    async append(lines) {
      if (lines.length === 0) return;
      if (whole === null) await read();
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
      const file = await open(path, "a", PRIVATE);
      try {
        // What an attempt before this one left of itself, as on a full disk.
        if ((await file.stat()).size !== whole) await file.truncate(whole ?? 0);
        await file.appendFile(bytes);
        await file.sync();
        whole = (whole ?? 0) + bytes.length;
      } finally {
        await file.close();
      }
    },
    close: async () => await rm(`${path}.lock`, { force: true }),
  };
}

/** Holds a process's number; one of a process that is gone, or this one's own, is taken over. */
async function lock(path: string): Promise<void> {
  for (;;) {
    try {
      return await writeFile(path, String(process.pid), { flag: "wx", mode: PRIVATE });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = Number(await readText(path));
    if (holder === process.pid) return;
    if (holder > 0 && isAlive(holder)) {
      const message = `the wallet's store is in use by process ${holder}: wait until it has ended (${path})`;
      throw new WalletError("STORE_IN_USE", message, { path, process: holder });
    }
    await rm(path, { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process is alive, too.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** A file that is replaced as a whole: written beside, synced, renamed. */
export function textFile(path: string): TextStore {
  return {
    load: async () => await readText(path),
    async save(text) {
      const beside = `${path}.new`;
      const file = await open(beside, "w", PRIVATE);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(beside, path);
      const folder = await open(dirname(path), "r");
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    },
  };
}

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
