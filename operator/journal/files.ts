import { readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import type { FileHandle } from "node:fs/promises";
import { StartupError } from "@plasma-billing/ethereum/process/startup.ts";

// Where the journal's files are, and how they are read.

export const FOLDER = "journal";
const DIGITS = 16;

export function segmentPath(folder: string, firstPosition: number): string {
  return join(folder, `${String(firstPosition).padStart(DIGITS, "0")}.log`);
}

/** Of the index of a segment's positions: the offset of each entry, 4 bytes each. */
export function positionsPath(folder: string, firstPosition: number): string {
  return join(folder, `${String(firstPosition).padStart(DIGITS, "0")}.positions`);
}

/** First positions of the segments there are, in order. */
export function listSegments(folder: string): number[] {
  return readdirSync(folder)
    .flatMap((name) => /^([0-9]{16})\.log$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** Bytes from `start` to `end` of a file, fewer where it ends before. */
export function readRange(descriptor: number, start: number, end: number): Buffer {
  const bytes = Buffer.allocUnsafe(Math.max(0, end - start));
  let filled = 0;
  while (filled < bytes.length) {
    const read = readSync(descriptor, bytes, filled, bytes.length - filled, start + filled);
    if (read === 0) break;
    filled += read;
  }
  return bytes.subarray(0, filled);
}

export async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await file.write(bytes, written, bytes.length - written, position + written)).bytesWritten;
  }
}

export function damaged(path: string, offset: number): StartupError {
  const message = `${path} is damaged at byte ${offset}: restore the folder from a copy, or ask for help before touching it`;
  return new StartupError("JOURNAL_DAMAGED", message, { path, offset });
}
