import { closeSync, fstatSync, fsyncSync, openSync, readSync, readFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { StartupError } from "../errors.ts";
import { unusable } from "../lock.ts";

export const JOURNAL_VERSION = 1;
/** No group is larger: what claims to be is damage. */
export const GROUP_BYTES_MAX = 64 * 1024 * 1024;
const MAGIC = Buffer.from("PLASMAJ\n");
const FILE_HEADER_BYTES = 16;
const GROUP_HEADER_BYTES = 24;
const WATERMARK_BYTES = 12;

export interface Group {
  /** Position of its first entry; entries are counted from 1. */
  firstPosition: number;
  lines: string[];
}

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
    let file: FileHandle;
    let watermark: FileHandle;
    try {
      file = await openOrCreate(path);
      watermark = await openOrCreate(join(dataDir, "journal.durable"));
      syncFolder(dirname(path));
    } catch (error) {
      throw unusable(dataDir, error);
    }
    const { size } = await file.stat();
    if (size < FILE_HEADER_BYTES) await writeFileHeader(file, path);
    else await checkFileHeader(file, path);
    const read = readGroups(path, Math.max(size, FILE_HEADER_BYTES), readWatermark(dataDir), replay);
    const torn = read.end < size ? { offset: read.end, bytes: size - read.end } : null;
    if (torn !== null) {
      await file.truncate(read.end);
      await file.datasync();
    }
    return { journal: new Journal(file, watermark, read.end, read.position), torn };
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

function encodeGroup(firstPosition: number, lines: readonly string[]): Buffer {
  const payload = Buffer.from(lines.join("\n"));
  if (payload.length > GROUP_BYTES_MAX) throw new RangeError(`a group of ${payload.length} bytes`);
  const group = Buffer.alloc(GROUP_HEADER_BYTES + payload.length);
  group.writeUInt32LE(payload.length, 0);
  group.writeUInt32LE(lines.length, 4);
  group.writeBigUInt64LE(BigInt(firstPosition), 8);
  group.writeUInt32LE(crc32(payload), 16);
  group.writeUInt32LE(crc32(group.subarray(0, 20)), 20);
  payload.copy(group, GROUP_HEADER_BYTES);
  return group;
}

/** The group that begins at `offset` of the bytes, or null where no whole one does. */
function decodeGroup(bytes: Buffer, offset: number): (Group & { bytes: number }) | null {
  if (offset + GROUP_HEADER_BYTES > bytes.length) return null;
  const header = bytes.subarray(offset, offset + GROUP_HEADER_BYTES);
  if (crc32(header.subarray(0, 20)) !== header.readUInt32LE(20)) return null;
  const length = header.readUInt32LE(0);
  if (length > GROUP_BYTES_MAX || offset + GROUP_HEADER_BYTES + length > bytes.length) return null;
  const payload = bytes.subarray(offset + GROUP_HEADER_BYTES, offset + GROUP_HEADER_BYTES + length);
  if (crc32(payload) !== header.readUInt32LE(16)) return null;
  const lines = payload.toString().split("\n");
  if (lines.length !== header.readUInt32LE(4)) return null;
  return { firstPosition: Number(header.readBigUInt64LE(8)), lines, bytes: GROUP_HEADER_BYTES + length };
}

/**
 * Reads group after group. What follows the last whole group is torn, and cut, only if it was never known as durable and
 * no whole group comes after it; else the file is damaged.
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
      window = readRange(descriptor, end, Math.min(size, end + GROUP_HEADER_BYTES + GROUP_BYTES_MAX));
      windowStart = end;
    };
    while (end < size) {
      let group = decodeGroup(window, end - windowStart);
      if (group === null) {
        fill();
        group = decodeGroup(window, 0);
      }
      if (group === null) {
        if (end < durableEnd || holdsGroup(window)) throw damaged(path, end);
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

function holdsGroup(window: Buffer): boolean {
  for (let offset = 1; offset + GROUP_HEADER_BYTES <= window.length; offset++) {
    if (decodeGroup(window, offset) !== null) return true;
  }
  return false;
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

async function writeFileHeader(file: FileHandle, path: string): Promise<void> {
  const header = Buffer.alloc(FILE_HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32LE(JOURNAL_VERSION, 8);
  header.writeUInt32LE(crc32(header.subarray(0, 12)), 12);
  try {
    await writeAll(file, header, 0);
    await file.sync();
  } catch (error) {
    throw unusable(dirname(path), error);
  }
}

async function checkFileHeader(file: FileHandle, path: string): Promise<void> {
  const header = Buffer.alloc(FILE_HEADER_BYTES);
  await file.read(header, 0, FILE_HEADER_BYTES, 0);
  if (!header.subarray(0, 8).equals(MAGIC) || header.readUInt32LE(12) !== crc32(header.subarray(0, 12))) {
    throw damaged(path, 0);
  }
  const version = header.readUInt32LE(8);
  if (version !== JOURNAL_VERSION) {
    const message = `${path} has version ${version}, this operator knows ${JOURNAL_VERSION}: run the operator that wrote it`;
    throw new StartupError("JOURNAL_VERSION", message, { path, version });
  }
}

function encodeWatermark(end: number): Buffer {
  const bytes = Buffer.alloc(WATERMARK_BYTES);
  bytes.writeBigUInt64LE(BigInt(end));
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 8)), 8);
  return bytes;
}

/** Up to where the journal was once known to be on the disk; 0 when that cannot be told. */
function readWatermark(dataDir: string): number {
  const bytes = readFileSync(join(dataDir, "journal.durable"));
  if (bytes.length !== WATERMARK_BYTES || crc32(bytes.subarray(0, 8)) !== bytes.readUInt32LE(8)) return 0;
  return Number(bytes.readBigUInt64LE());
}

async function openOrCreate(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r+");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return await open(path, "wx+");
    throw error;
  }
}

/** So that the new files' names are on the disk too. */
function syncFolder(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    if (fstatSync(descriptor).isDirectory()) fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await file.write(bytes, written, bytes.length - written, position + written)).bytesWritten;
  }
}
