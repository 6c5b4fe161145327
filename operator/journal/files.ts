import { readdirSync } from "node:fs";
import { join } from "node:path";
import { StartupError } from "@plasma-billing/ethereum/process/startup.ts";

// Where the journal's files are.

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

export function damaged(path: string, offset: number): StartupError {
  const message = `${path} is damaged at byte ${offset}: restore the folder from a copy, or ask for help before touching it`;
  return new StartupError("JOURNAL_DAMAGED", message, { path, offset });
}
