import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { readRange } from "@plasma-billing/ethereum/process/files.ts";
import { FOLDER, listSegments, positionsPath, segmentPath } from "./files.ts";
import { ENTRY_HEADER_BYTES, GROUP_BYTES_MAX, GROUP_HEADER_BYTES, SEGMENT_HEADER_BYTES } from "./groups.ts";
import { scanOffsets } from "./read.ts";

/** Segments kept open; long reads go through them in order. */
const OPEN_MAX = 32;
/** Entries looked up at a time in a long read. */
const OFFSETS_MAX = 8192;
const READ_BYTES_MAX = 4 * 1024 * 1024;

/** The journal's files are not what was written to them. */
export class JournalDamagedError extends Error {
  readonly path: string;
  readonly offset: number;

  constructor(path: string, offset: number) {
    super(`${path} is damaged at byte ${offset}: restore the folder from a copy`);
    this.name = "JournalDamagedError";
    this.path = path;
    this.offset = offset;
  }
}

export interface ReadEntry {
  position: number;
  body: Uint8Array;
}

interface OpenSegment {
  firstPosition: number;
  path: string;
  descriptor: number;
  positions: number;
  /** Instead of the index of positions, where that was wrong. */
  scanned: number[] | null;
}

/** Reads the journal's files while another thread writes them; only ever what is on the disk already. */
export class JournalReader {
  private readonly folder: string;
  private segments: number[] = [];
  private readonly open = new Map<number, OpenSegment>();

  constructor(dataDir: string) {
    this.folder = join(dataDir, FOLDER);
  }

  /** One entry. @throws JournalDamagedError */
  entry(position: number): Uint8Array {
    return (this.read(position, position, 1)[0] as ReadEntry).body;
  }

  /** Entries in order from `first` to `last`, not more than that many bytes of them, at least one. @throws JournalDamagedError */
  read(first: number, last: number, bytesMax: number): ReadEntry[] {
    const entries: ReadEntry[] = [];
    let bytes = 0;
    for (let position = first; position <= last && (bytes < bytesMax || entries.length === 0);) {
      const piece = this.readPiece(position, last, bytesMax - bytes);
      for (const entry of piece) {
        if (entries.length > 0 && bytes + entry.body.length > bytesMax) return entries;
        entries.push(entry);
        bytes += entry.body.length;
      }
      position += piece.length;
    }
    return entries;
  }

  close(): void {
    for (const { descriptor, positions } of this.open.values()) {
      closeSync(descriptor);
      closeSync(positions);
    }
    this.open.clear();
  }

  /** Some entries from `first` on, of one segment. */
  private readPiece(first: number, last: number, bytesMax: number): ReadEntry[] {
    const segment = this.segmentOf(first);
    const offsets = this.offsetsOf(segment, first, Math.min(last, first + OFFSETS_MAX - 1));
    const [start] = offsets as [number];
    const wanted = Math.min(READ_BYTES_MAX, Math.max(bytesMax, 1) + ENTRY_HEADER_BYTES);
    // The last offset's entry has a length only it knows; one alone is read by its header.
    const guess = offsets.length === 1 ? 0 : (offsets.at(-1) as number) - start;
    const bytes = readRange(segment.descriptor, start, start + Math.max(Math.min(guess, wanted), ENTRY_HEADER_BYTES));
    const entries: ReadEntry[] = [];
    for (const [i, offset] of offsets.entries()) {
      const body = this.bodyAt(segment, bytes, start, offset, entries.length === 0);
      if (body === null) break;
      entries.push({ position: first + i, body });
    }
    return entries;
  }

  /** The body of the entry at `offset`, from bytes that begin at `start`; null when they end before it, unless it is needed. */
  private bodyAt(
    segment: OpenSegment,
    bytes: Buffer,
    start: number,
    offset: number,
    needed: boolean,
  ): Uint8Array | null {
    let at = offset - start;
    let source = bytes;
    const whole = (): boolean => at + ENTRY_HEADER_BYTES + source.readUInt32LE(at) <= source.length;
    if (at + ENTRY_HEADER_BYTES > source.length || !whole()) {
      if (!needed) return null;
      const head = readRange(segment.descriptor, offset, offset + ENTRY_HEADER_BYTES);
      const length = head.length === ENTRY_HEADER_BYTES ? head.readUInt32LE(0) : GROUP_BYTES_MAX + 1;
      if (length > GROUP_BYTES_MAX) throw new JournalDamagedError(segment.path, offset);
      source = readRange(segment.descriptor, offset, offset + ENTRY_HEADER_BYTES + length);
      at = 0;
      if (source.length < ENTRY_HEADER_BYTES + length) throw new JournalDamagedError(segment.path, offset);
    }
    const body = source.subarray(at + ENTRY_HEADER_BYTES, at + ENTRY_HEADER_BYTES + source.readUInt32LE(at));
    if (body.length === 0 || crc32(body) !== source.readUInt32LE(at + 4)) {
      throw new JournalDamagedError(segment.path, offset);
    }
    return body;
  }

  /** Where the entries begin; at least of the first. */
  private offsetsOf(segment: OpenSegment, first: number, last: number): number[] {
    const from = first - segment.firstPosition;
    if (segment.scanned === null) {
      const bytes = readRange(segment.positions, 4 * from, 4 * (last - segment.firstPosition + 1));
      const offsets = Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => bytes.readUInt32LE(4 * i));
      if (offsets.length > 0 && this.isEntry(segment, offsets)) return offsets;
      segment.scanned = scanOffsets(segment.path, segment.firstPosition);
    }
    const offsets = segment.scanned.slice(from, last - segment.firstPosition + 1);
    if (offsets.length > 0) return offsets;
    // Written since it was scanned.
    segment.scanned = scanOffsets(segment.path, segment.firstPosition);
    if (from >= segment.scanned.length) throw new JournalDamagedError(segment.path, fstatSync(segment.descriptor).size);
    return segment.scanned.slice(from, last - segment.firstPosition + 1);
  }

  /** Whether the offsets, which are not protected by a checksum, go from entry to entry. */
  private isEntry({ descriptor }: OpenSegment, offsets: readonly number[]): boolean {
    for (let i = 1; i < offsets.length; i++) {
      if ((offsets[i] as number) <= (offsets[i - 1] as number) + ENTRY_HEADER_BYTES) return false;
    }
    const head = Buffer.allocUnsafe(ENTRY_HEADER_BYTES);
    const [offset, next] = offsets as [number, number | undefined];
    if (offset < SEGMENT_HEADER_BYTES + GROUP_HEADER_BYTES) return false;
    if (readSync(descriptor, head, 0, ENTRY_HEADER_BYTES, offset) < ENTRY_HEADER_BYTES) return false;
    const end = offset + ENTRY_HEADER_BYTES + head.readUInt32LE(0);
    return next === undefined || end === next || end + GROUP_HEADER_BYTES === next;
  }

  private segmentOf(position: number): OpenSegment {
    let first = lastBelow(this.segments, position);
    const known = first === undefined ? undefined : this.open.get(first);
    // The last one known may have got a successor.
    if (first === undefined || (first === this.segments.at(-1) && !holds(known, position))) {
      this.segments = listSegments(this.folder);
      first = lastBelow(this.segments, position);
    }
    if (first === undefined) throw new JournalDamagedError(segmentPath(this.folder, 1), 0);
    let segment = this.open.get(first);
    if (segment === undefined) {
      if (this.open.size >= OPEN_MAX) this.close();
      const path = segmentPath(this.folder, first);
      const positions = openSync(positionsPath(this.folder, first), "a+");
      segment = { firstPosition: first, path, descriptor: openSync(path, "r"), positions, scanned: null };
      this.open.set(first, segment);
    }
    return segment;
  }
}

/** Whether the segment's index of positions goes so far. */
function holds(segment: OpenSegment | undefined, position: number): boolean {
  return segment !== undefined && fstatSync(segment.positions).size > 4 * (position - segment.firstPosition);
}

/** The largest of ascending numbers that is not above the limit. */
function lastBelow(numbers: readonly number[], limit: number): number | undefined {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((numbers[middle] as number) <= limit) low = middle + 1;
    else high = middle;
  }
  return numbers[low - 1];
}
