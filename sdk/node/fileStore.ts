import { open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { WalletError } from "../errors.ts";
import type { TextStore, WalletStore } from "../store.ts";

const PRIVATE = 0o600;
/** Which store of this process has a file: the last that was opened. */
const holders = new Map<string, object>();

/**
 * Lines in a file, for one process at a time (`<path>.lock`), each on the disk before it counts. A line that a crash tore off is cut before
 * the next is written. Of two stores of one process on one file the later opened one has it.
 * @throws WalletError STORE_IN_USE, at the first look, or when another one of this process took it over
 */
export function fileStore(path: string): WalletStore {
  const file = resolve(path);
  const self = {};
  /** Bytes of whole lines; unknown before the first look. */
  let whole: number | null = null;
  const take = async (): Promise<string> => {
    await lock(`${path}.lock`);
    holders.set(file, self);
    return await read();
  };
  const read = async (): Promise<string> => {
    const text = (await readText(path)) ?? "";
    const lines = text.slice(0, text.lastIndexOf("\n") + 1);
    whole = Buffer.byteLength(lines);
    return lines;
  };
  return {
    load: async () => (await take()).split("\n").slice(0, -1),
    async append(lines) {
      if (lines.length === 0) return;
      if (whole === null) await take();
      if (holders.get(file) !== self) {
        throw new WalletError("STORE_IN_USE", `another wallet of this process has the store: ${path}`, { path });
      }
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
      const opened = await open(path, "a", PRIVATE);
      try {
        // What an attempt before this one left of itself, as on a full disk.
        if ((await opened.stat()).size !== whole) await opened.truncate(whole ?? 0);
        await opened.appendFile(bytes);
        await opened.sync();
        whole = (whole ?? 0) + bytes.length;
      } finally {
        await opened.close();
      }
    },
    async close() {
      if (holders.get(file) !== self) return;
      holders.delete(file);
      await rm(`${path}.lock`, { force: true });
    },
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
