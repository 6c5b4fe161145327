import { statfsSync } from "node:fs";

/**
 * Left free for what must never fail: challenges, findings, events, authorizations, kits. The operator decides how much it serves,
 * and must not be able to fill the disk with it.
 */
export const RESERVE_MEGABYTES = 2_000;
/** The disk is looked at so often; meanwhile some tens of megabytes may come. */
const LOOK_MS = 500;

/** Whether there is room for more of what the operator serves. */
export class Room {
  private readonly dataDir: string;
  private readonly reserve: number;
  private readonly freeBytes: (path: string) => number;
  private lookedAt = -Infinity;
  private found: string | null = null;

  /** @param freeBytes - for tests */
  constructor(
    dataDir: string,
    reserve: number = RESERVE_MEGABYTES * 10 ** 6,
    freeBytes: (path: string) => number = freeOn,
  ) {
    this.dataDir = dataDir;
    this.reserve = reserve;
    this.freeBytes = freeBytes;
  }

  /** Why nothing more is stored; null: there is room. */
  get problem(): string | null {
    const now = performance.now();
    if (now - this.lookedAt < LOOK_MS) return this.found;
    this.lookedAt = now;
    const free = this.freeBytes(this.dataDir);
    this.found =
      free >= this.reserve
        ? null
        : `${megabytes(free)} MB are free on the disk of DATA_DIR, and ${megabytes(this.reserve)} MB stay reserved: make room`;
    return this.found;
  }
}

function freeOn(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

function megabytes(bytes: number): number {
  return Math.floor(bytes / 10 ** 6);
}
