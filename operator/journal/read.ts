import { closeSync, openSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { StartupError } from "@plasma-billing/ethereum/process/startup.ts";
import { readRange, writeAll } from "@plasma-billing/ethereum/process/files.ts";
import { damaged, listSegments, positionsPath, segmentPath } from "./files.ts";
import {
  decodeGroup,
  decodeSegmentHeader,
  decodeWatermark,
  ENTRY_HEADER_BYTES,
  encodeSegmentHeader,
  GROUP_BYTES_MAX,
  GROUP_HEADER_BYTES,
  isTorn,
  JOURNAL_VERSION,
  SEGMENT_HEADER_BYTES,
  WATERMARK_BYTES,
  type SegmentHeader,
  type Watermark,
} from "./groups.ts";
import type { JournalGroup, JournalOptions } from "./journal.ts";

/** Read at a time; a group that does not fit is read with as much as one can have. */
const WINDOW_BYTES = 8 * 1024 * 1024;

/** A segment, and up to which byte it holds whole groups. */
export interface Segment {
  firstPosition: number;
  end: number;
  /** Of its header. */
  checksum: number;
}

export interface JournalRead {
  /** The last one. */
  segment: Segment;
  /** Of its file; zero when there is none yet. */
  size: number;
  /** Where each of its entries begins. */
  offsets: number[];
  /** That the next entry gets. */
  position: number;
}

/** Reads what there is, in order. Changes nothing in a folder it refuses. */
export function readJournal(folder: string, watermark: Watermark, { from = 1, replay }: JournalOptions): JournalRead {
  const segments = withoutUnbegun(folder, listSegments(folder), watermark);
  const last = segments.at(-1);
  if (last === undefined || last < watermark.firstPosition) {
    if (watermark.firstPosition > 0) throw damaged(segmentPath(folder, watermark.firstPosition), 0);
    return begun(from);
  }
  if (segments[0] !== 1) throw damaged(segmentPath(folder, 1), 0);
  let before: { path: string; size: number; checksum: number } | null = null;
  let position = 1;
  for (const [i, firstPosition] of segments.entries()) {
    const path = segmentPath(folder, firstPosition);
    const { size } = statSync(path);
    const header = readHeader(path, firstPosition);
    if (before !== null && (header.previousBytes !== before.size || header.previousChecksum !== before.checksum)) {
      throw damaged(before.path, Math.min(before.size, header.previousBytes));
    }
    before = { path, size, checksum: header.checksum };
    if (firstPosition !== position) throw damaged(path, 16);
    const next = segments[i + 1];
    if (next !== undefined && next <= from && positionsAreThere(folder, firstPosition, next)) {
      position = next;
      continue;
    }
    const durable = watermark.firstPosition === firstPosition ? watermark.end : SEGMENT_HEADER_BYTES;
    const read = readSegment(path, { size, position, durable: next === undefined ? durable : size }, from, replay);
    ({ position } = read);
    if (next !== undefined) {
      if (position !== next) throw damaged(path, read.end);
      if (!positionsAreThere(folder, firstPosition, next)) {
        writeFileSync(positionsPath(folder, firstPosition), encodeOffsets(read.offsets));
      }
      continue;
    }
    if (from > position) throw endsEarly(path, position, from);
    return {
      segment: { firstPosition, end: read.end, checksum: header.checksum },
      size,
      offsets: read.offsets,
      position,
    };
  }
  throw damaged(folder, 0);
}

export async function readWatermark(watermark: FileHandle): Promise<Watermark> {
  const bytes = Buffer.alloc(WATERMARK_BYTES);
  const { bytesRead } = await watermark.read(bytes, 0, WATERMARK_BYTES, 0);
  return decodeWatermark(bytes.subarray(0, bytesRead));
}

/** Has the index of positions be that of these offsets. */
export async function completePositions(file: FileHandle, offsets: readonly number[]): Promise<void> {
  const bytes = encodeOffsets(offsets);
  await writeAll(file, bytes, 0);
  await file.truncate(bytes.length);
}

/** Where entries begin, by walking over the groups of a segment. */
export function scanOffsets(path: string, firstPosition: number): number[] {
  const { size } = statSync(path);
  const durable = SEGMENT_HEADER_BYTES;
  return readSegment(path, { size, position: firstPosition, durable }, Infinity, () => undefined).offsets;
}

function encodeOffsets(offsets: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(4 * offsets.length);
  for (const [i, offset] of offsets.entries()) bytes.writeUInt32LE(offset, 4 * i);
  return bytes;
}

/** A crash may have left the next segment without a whole header: nothing was ever in it. */
function withoutUnbegun(folder: string, segments: number[], watermark: Watermark): number[] {
  const last = segments.at(-1);
  if (last === undefined || watermark.firstPosition >= last) return segments;
  const path = segmentPath(folder, last);
  const { size } = statSync(path);
  if (size > SEGMENT_HEADER_BYTES) return segments;
  // A whole header with nothing behind it may stay; less than that, or what was never written, goes.
  if (size === SEGMENT_HEADER_BYTES && headerIn(path) !== null) return segments;
  rmSync(path);
  return segments.slice(0, -1);
}

function begun(from: number): JournalRead {
  if (from > 1) throw endsEarly("the journal", 1, from);
  const header = encodeSegmentHeader({ firstPosition: 1, previousBytes: 0, previousChecksum: 0 });
  const checksum = header.readUInt32LE(SEGMENT_HEADER_BYTES - 4);
  return { segment: { firstPosition: 1, end: SEGMENT_HEADER_BYTES, checksum }, size: 0, offsets: [], position: 1 };
}

function endsEarly(path: string, position: number, from: number): StartupError {
  const message =
    `${path} ends at entry ${position - 1}, but a snapshot knows of entry ${from - 1}: the end of the journal is missing, ` +
    "restore the folder from the newest copy";
  return new StartupError("JOURNAL_DAMAGED", message, { path, position, from });
}

function headerIn(path: string): SegmentHeader | null {
  const descriptor = openSync(path, "r");
  try {
    return decodeSegmentHeader(readRange(descriptor, 0, SEGMENT_HEADER_BYTES));
  } finally {
    closeSync(descriptor);
  }
}

function readHeader(path: string, firstPosition: number): SegmentHeader {
  const header = headerIn(path);
  if (header === null) throw damaged(path, Math.min(statSync(path).size, SEGMENT_HEADER_BYTES) % SEGMENT_HEADER_BYTES);
  if (header.version !== JOURNAL_VERSION) {
    const { version } = header;
    const message = `${path} has version ${version}, this operator knows ${JOURNAL_VERSION}: run the operator that wrote it`;
    throw new StartupError("JOURNAL_VERSION", message, { path, version });
  }
  if (header.firstPosition !== firstPosition) throw damaged(path, 16);
  return header;
}

function positionsAreThere(folder: string, firstPosition: number, next: number): boolean {
  const found = statSync(positionsPath(folder, firstPosition), { throwIfNoEntry: false });
  return found?.size === 4 * (next - firstPosition);
}

/**
 * Reads group after group. What follows the last whole group is torn only if it was never known as durable and looks like an
 * unfinished write; else the file is damaged.
 */
function readSegment(
  path: string,
  { size, position: first, durable }: { size: number; position: number; durable: number },
  from: number,
  replay: (group: JournalGroup) => void,
): { end: number; position: number; offsets: number[] } {
  const descriptor = openSync(path, "r");
  try {
    const offsets: number[] = [];
    let end = SEGMENT_HEADER_BYTES;
    let position = first;
    let window: Buffer = Buffer.alloc(0);
    let windowStart = end;
    const decode = (bytes: number) => {
      if (bytes > 0) {
        window = readRange(descriptor, end, Math.min(size, end + bytes));
        windowStart = end;
      }
      return decodeGroup(window, end - windowStart);
    };
    while (end < size) {
      // The last reads one byte more than a group can have: a tail of that size is not torn.
      const group = decode(0) ?? decode(WINDOW_BYTES) ?? decode(GROUP_HEADER_BYTES + GROUP_BYTES_MAX + 1);
      if (group === null) {
        if (end < durable || !isTorn(window, end, position)) throw damaged(path, end);
        break;
      }
      if (group.firstPosition !== position) throw damaged(path, end);
      let at = end + GROUP_HEADER_BYTES;
      for (const { length } of group.entries) {
        offsets.push(at);
        at += ENTRY_HEADER_BYTES + length;
      }
      const skipped = Math.max(0, Math.min(from - position, group.entries.length));
      const entries = skipped === 0 ? group.entries : group.entries.slice(skipped);
      if (entries.length > 0) replay({ firstPosition: position + skipped, entries });
      position += group.entries.length;
      end += group.byteLength;
    }
    if (end < durable) throw damaged(path, end);
    return { end, position, offsets };
  } finally {
    closeSync(descriptor);
  }
}
