import { closeSync, openSync, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { StartupError, systemCode } from "../errors.ts";
import { syncFolder, unusable } from "../lock.ts";
import {
  FILE_HEADER_BYTES,
  GROUP_BYTES_MAX,
  GROUP_HEADER_BYTES,
  JOURNAL_VERSION,
  WATERMARK_BYTES,
  decodeFileHeader,
  decodeGroup,
  decodeWatermark,
  encodeFileHeader,
  encodeGroup,
  encodeWatermark,
  isTorn,
  type Group,
} from "./groups.ts";

/** How many bytes at the end were no whole group, and were cut. */
export interface TornTail {
  offset: number;
  bytes: number;
}

/** Append-only file of checksummed groups of lines (README.md): the only source of truth. */
export class Journal {
  private readonly file: FileHandle;
  private readonly watermark: FileHandle;
  private end: number;
  private position: number;

  private constructor(file: FileHandle, watermark: FileHandle, end: number, position: number) {
    this.file = file;
    this.watermark = watermark;
    this.end = end;
    this.position = position;
  }

  /**
   * Opens the journal of a folder, makes it when there is none, and hands every group to `replay` in order.
   * @throws StartupError JOURNAL_DAMAGED naming file and offset, JOURNAL_VERSION, DATA_DIR_UNUSABLE
   */
  static async open(
    dataDir: string,
    replay: (group: Group) => void,
  ): Promise<{ journal: Journal; torn: TornTail | null }> {
    const path = join(dataDir, "journal.log");
    let file: FileHandle | null = null;
    let watermark: FileHandle | null = null;
    try {
      file = await openOrCreate(path);
      watermark = await openOrCreate(join(dataDir, "journal.durable"));
      syncFolder(dataDir);
      const { end, position, torn } = await readFile(file, path, await readWatermark(watermark), replay);
      // A process that was killed may have left groups that were written but never reached the disk. From here on they are
      // answered from, so they must be on it.
      if (torn !== null) await file.truncate(end);
      await file.datasync();
      await writeAll(watermark, encodeWatermark(end), 0);
      await watermark.datasync();
      return { journal: new Journal(file, watermark, end, position), torn };
    } catch (error) {
      await file?.close();
      await watermark?.close();
      throw error instanceof Error && "syscall" in error ? unusable(dataDir, error) : error;
    }
  }

  /** Position the next entry gets. */
  get nextPosition(): number {
    return this.position;
  }

  /**
   * Writes the lines as one group; when this resolves they are on the disk. When it rejects, nothing of them is, and the
   * same lines can be tried again.
   */
  async append(lines: readonly string[]): Promise<void> {
    const group = encodeGroup(this.position, lines);
    try {
      await writeAll(this.file, group, this.end);
      await this.file.datasync();
    } catch (error) {
      // Best effort: what is left over is overwritten by the next try, or cut at the next start.
      await this.file.truncate(this.end).catch(() => undefined);
      throw error;
    }
    this.end += group.length;
    this.position += lines.length;
    // Not synced: it only has to outlive this process, to tell a torn group from a damaged one.
    await writeAll(this.watermark, encodeWatermark(this.end), 0).catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.watermark.sync();
    await this.file.close();
    await this.watermark.close();
  }
}

/** Reads the whole file, or begins a new one. Changes nothing in a file it refuses. */
async function readFile(
  file: FileHandle,
  path: string,
  durableEnd: number,
  replay: (group: Group) => void,
): Promise<{ end: number; position: number; torn: TornTail | null }> {
  const { size } = await file.stat();
  if (size < FILE_HEADER_BYTES) {
    // A crash at the very start; but not when groups were known to be there.
    if (durableEnd > FILE_HEADER_BYTES) throw damaged(path, size);
    await writeAll(file, encodeFileHeader(), 0);
    await file.sync();
  } else {
    await checkFileHeader(file, path);
  }
  const { end, position } = readGroups(path, Math.max(size, FILE_HEADER_BYTES), durableEnd, replay);
  return { end, position, torn: end < size ? { offset: end, bytes: size - end } : null };
}

/**
 * Reads group after group. What follows the last whole group is torn, and cut, only if it was never known as durable and
 * looks like an unfinished write; else the file is damaged.
 */
function readGroups(
  path: string,
  size: number,
  durableEnd: number,
  replay: (group: Group) => void,
): { end: number; position: number } {
  const descriptor = openSync(path, "r");
  try {
    let end = FILE_HEADER_BYTES;
    let position = 1;
    let window: Buffer = Buffer.alloc(0);
    let windowStart = end;
    const fill = (): void => {
      // One byte more than a group can have: a tail of that size is not torn.
      window = readRange(descriptor, end, Math.min(size, end + GROUP_HEADER_BYTES + GROUP_BYTES_MAX + 1));
      windowStart = end;
    };
    while (end < size) {
      let group = decodeGroup(window, end - windowStart);
      if (group === null) {
        fill();
        group = decodeGroup(window, 0);
      }
      if (group === null) {
        if (end < durableEnd || !isTorn(window, end, position)) throw damaged(path, end);
        break;
      }
      if (group.firstPosition !== position) throw damaged(path, end);
      replay(group);
      position += group.lines.length;
      end += group.bytes;
    }
    if (end < durableEnd) throw damaged(path, end);
    return { end, position };
  } finally {
    closeSync(descriptor);
  }
}

function readRange(descriptor: number, start: number, end: number): Buffer {
  const bytes = Buffer.alloc(end - start);
  let filled = 0;
  while (filled < bytes.length) {
    const read = readSync(descriptor, bytes, filled, bytes.length - filled, start + filled);
    if (read === 0) break;
    filled += read;
  }
  return bytes.subarray(0, filled);
}

function damaged(path: string, offset: number): StartupError {
  const message = `${path} is damaged at byte ${offset}: restore the folder from a copy, or ask for help before touching it`;
  return new StartupError("JOURNAL_DAMAGED", message, { path, offset });
}

async function checkFileHeader(file: FileHandle, path: string): Promise<void> {
  const header = Buffer.alloc(FILE_HEADER_BYTES);
  await file.read(header, 0, FILE_HEADER_BYTES, 0);
  const version = decodeFileHeader(header);
  if (version === null) throw damaged(path, 0);
  if (version !== JOURNAL_VERSION) {
    const message = `${path} has version ${version}, this operator knows ${JOURNAL_VERSION}: run the operator that wrote it`;
    throw new StartupError("JOURNAL_VERSION", message, { path, version });
  }
}

async function readWatermark(watermark: FileHandle): Promise<number> {
  const bytes = Buffer.alloc(WATERMARK_BYTES);
  const { bytesRead } = await watermark.read(bytes, 0, WATERMARK_BYTES, 0);
  return decodeWatermark(bytes.subarray(0, bytesRead));
}

async function openOrCreate(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r+");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return await open(path, "wx+");
    throw error;
  }
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await file.write(bytes, written, bytes.length - written, position + written)).bytesWritten;
  }
}
