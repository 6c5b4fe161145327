import { existsSync, mkdirSync, writeSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeAll } from "@plasma-billing/ethereum/process/files.ts";
import { StartupError, systemCode } from "@plasma-billing/ethereum/process/startup.ts";
import { syncFolder, unusable } from "@plasma-billing/ethereum/process/lock.ts";
import { FOLDER, positionsPath, segmentPath } from "./files.ts";
import { encodeSegmentHeader, encodeWatermark, SEGMENT_HEADER_BYTES, type GroupBuffer } from "./groups.ts";
import { completePositions, readJournal, readWatermark, type Segment } from "./read.ts";

/** A new segment is begun when the current one is larger. Offsets in a segment fit into 32 bits, with room. */
export const SEGMENT_BYTES_MAX = 128 * 1024 * 1024;

/** How many bytes at the end were no whole group, and were cut. */
export interface TornTail {
  offset: number;
  bytes: number;
}

/** Entries of a group; views of one buffer, to be used during the call they come with. */
export interface JournalGroup {
  firstPosition: number;
  entries: Uint8Array[];
}

export interface JournalOptions {
  /** Replay begins at this position; what is before is checked to be there, not read. */
  from?: number;
  replay: (group: JournalGroup) => void;
  segmentBytesMax?: number;
}

/** Append-only segments of checksummed groups of entries (README.md): the only source of truth. */
export class Journal {
  private readonly folder: string;
  private readonly segmentBytesMax: number;
  private readonly watermark: FileHandle;
  private file: FileHandle;
  private positions: FileHandle;
  /** Offsets of the segment's last entries that the disk had no room for; a hole in their file would hide those behind it. */
  private unwritten: number[] = [];
  /** Of the segment being written. */
  private segment: Segment;
  private position: number;

  private constructor(
    folder: string,
    files: { file: FileHandle; positions: FileHandle; watermark: FileHandle },
    segment: Segment,
    { position, segmentBytesMax = SEGMENT_BYTES_MAX }: { position: number; segmentBytesMax?: number },
  ) {
    this.folder = folder;
    this.file = files.file;
    this.positions = files.positions;
    this.watermark = files.watermark;
    this.segment = segment;
    this.position = position;
    this.segmentBytesMax = segmentBytesMax;
  }

  /**
   * Opens the journal of a folder, makes it when there is none, and hands every group from `from` on to `replay` in order.
   * @throws StartupError JOURNAL_DAMAGED naming file and offset, JOURNAL_VERSION, DATA_DIR_UNUSABLE
   */
  static async open(
    dataDir: string,
    options: JournalOptions,
  ): Promise<{ journal: Journal; torn: (TornTail & { path: string }) | null }> {
    const old = join(dataDir, "journal.log");
    if (existsSync(old)) {
      const message = `${old} has version 1, this operator knows 2: run the operator that wrote it`;
      throw new StartupError("JOURNAL_VERSION", message, { path: old, version: 1 });
    }
    const folder = join(dataDir, FOLDER);
    const opened: FileHandle[] = [];
    const openFile = async (path: string): Promise<FileHandle> => {
      const file = await openOrCreate(path);
      opened.push(file);
      return file;
    };
    try {
      mkdirSync(folder, { recursive: true });
      const watermark = await openFile(join(folder, "durable"));
      const read = readJournal(folder, await readWatermark(watermark), options);
      const { segment, position, size } = read;
      const path = segmentPath(folder, segment.firstPosition);
      const file = await openFile(path);
      if (size === 0)
        await writeAll(file, encodeSegmentHeader({ ...segment, previousBytes: 0, previousChecksum: 0 }), 0);
      const torn = size > segment.end ? { path, offset: segment.end, bytes: size - segment.end } : null;
      // A process that was killed may have left groups that were written but never reached the disk. From here on they are
      // answered from, so they must be on it.
      if (torn !== null) await file.truncate(segment.end);
      await file.datasync();
      const positions = await openFile(positionsPath(folder, segment.firstPosition));
      await completePositions(positions, read.offsets);
      await writeAll(watermark, encodeWatermark(segment), 0);
      await watermark.datasync();
      syncFolder(folder);
      syncFolder(dataDir);
      const files = { file, positions, watermark };
      return { journal: new Journal(folder, files, segment, { ...options, position }), torn };
    } catch (error) {
      for (const file of opened) await file.close();
      throw error instanceof Error && "syscall" in error ? unusable(dataDir, error) : error;
    }
  }

  /** Position the next entry gets. */
  get nextPosition(): number {
    return this.position;
  }

  /**
   * Writes a group; when this resolves it is on the disk. When it rejects, nothing of it is, and the same group can be tried
   * again.
   */
  async append(group: GroupBuffer): Promise<void> {
    if (group.firstPosition !== this.position)
      throw new RangeError(`a group from ${group.firstPosition} at ${this.position}`);
    const bytes = group.finish();
    if (this.segment.end > this.segmentBytesMax) await this.beginSegment();
    const { end, firstPosition } = this.segment;
    try {
      await writeAll(this.file, bytes, end);
      await this.file.datasync();
    } catch (error) {
      // Best effort: what is left over is overwritten by the next try, or cut at the next start.
      await this.file.truncate(end).catch(() => undefined);
      throw error;
    }
    this.segment.end += bytes.length;
    const written = this.position - firstPosition;
    this.position += group.count;
    // Neither is synced. Positions are made again when they are missing; the watermark only has to outlive this process. A few
    // bytes into the system's memory take less than another thread would, and nobody waits for its turn of the event loop.
    for (const offset of group.offsets) this.unwritten.push(end + offset);
    const offsets = Buffer.allocUnsafe(4 * this.unwritten.length);
    for (const [i, offset] of this.unwritten.entries()) offsets.writeUInt32LE(offset, 4 * i);
    const from = written + group.count - this.unwritten.length;
    if (writeHint(this.positions, offsets, 4 * from)) this.unwritten = [];
    writeHint(this.watermark, encodeWatermark(this.segment), 0);
  }

  async close(): Promise<void> {
    await this.watermark.sync();
    for (const file of [this.file, this.positions, this.watermark]) await file.close();
  }

  /** Nothing of the journal changes before the new segment's header is on the disk. */
  private async beginSegment(): Promise<void> {
    const { checksum, end } = this.segment;
    const firstPosition = this.position;
    const header = encodeSegmentHeader({ firstPosition, previousBytes: end, previousChecksum: checksum });
    const path = segmentPath(this.folder, firstPosition);
    let file: FileHandle | null = null;
    let positions: FileHandle | null = null;
    try {
      file = await open(path, "w+");
      await writeAll(file, header, 0);
      await file.datasync();
      positions = await open(positionsPath(this.folder, firstPosition), "w+");
      syncFolder(this.folder);
    } catch (error) {
      await file?.close();
      await positions?.close();
      await rm(path, { force: true }).catch(() => undefined);
      throw error;
    }
    const before = [this.file, this.positions];
    this.file = file;
    this.positions = positions;
    this.unwritten = [];
    this.segment = {
      firstPosition,
      checksum: header.readUInt32LE(SEGMENT_HEADER_BYTES - 4),
      end: SEGMENT_HEADER_BYTES,
    };
    for (const handle of before) await handle.close();
  }
}

/** What cannot be written is made again at the next start. False when it was not, or not all of it. */
function writeHint({ fd }: FileHandle, bytes: Uint8Array, position: number): boolean {
  try {
    return writeSync(fd, bytes, 0, bytes.length, position) === bytes.length;
  } catch (error) {
    if (systemCode(error) === null) throw error;
    return false;
  }
}

async function openOrCreate(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r+");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return await open(path, "wx+");
    throw error;
  }
}
