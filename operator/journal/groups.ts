import { crc32 } from "node:zlib";

// The bytes of the journal's files (README.md), without any I/O.

export const JOURNAL_VERSION = 1;
export const FILE_HEADER_BYTES = 16;
export const WATERMARK_BYTES = 12;
/** No group's payload is larger: what claims to be is damage. */
export const GROUP_BYTES_MAX = 64 * 1024 * 1024;
export const GROUP_HEADER_BYTES = 24;

const MAGIC = Buffer.from("PLASMAJ\n");
const PAYLOAD_CRC_AT = 16;
const HEADER_CRC_AT = 20;
/** The least a disk writes at once; what it did not write of a grown file reads as zeros, which no payload holds. */
const SECTOR_BYTES = 512;

export interface Group {
  /** Position of its first entry; entries are counted from 1. */
  firstPosition: number;
  lines: string[];
}

export function encodeFileHeader(): Buffer {
  const header = Buffer.alloc(FILE_HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32LE(JOURNAL_VERSION, 8);
  header.writeUInt32LE(crc32(header.subarray(0, 12)), 12);
  return header;
}

/** The version a file header tells; null when it is none of a journal. */
export function decodeFileHeader(header: Buffer): number | null {
  if (!header.subarray(0, 8).equals(MAGIC) || header.readUInt32LE(12) !== crc32(header.subarray(0, 12))) return null;
  return header.readUInt32LE(8);
}

/** @throws RangeError when the lines are no group: none, too many bytes, or a line break or zero in one */
export function encodeGroup(firstPosition: number, lines: readonly string[]): Buffer {
  const payload = Buffer.from(lines.join("\n"));
  if (lines.length === 0 || payload.length > GROUP_BYTES_MAX) {
    throw new RangeError(`a group of ${lines.length} lines, ${payload.length} bytes`);
  }
  if (lines.some((line) => line.includes("\n") || line.includes("\0"))) {
    throw new RangeError("a line of the journal holds a line break or a zero");
  }
  return Buffer.concat([encodeGroupHeader(firstPosition, lines.length, payload), payload]);
}

function encodeGroupHeader(firstPosition: number, lineCount: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(GROUP_HEADER_BYTES);
  header.writeUInt32LE(payload.length, 0);
  header.writeUInt32LE(lineCount, 4);
  header.writeBigUInt64LE(BigInt(firstPosition), 8);
  header.writeUInt32LE(crc32(payload), PAYLOAD_CRC_AT);
  header.writeUInt32LE(crc32(header.subarray(0, HEADER_CRC_AT)), HEADER_CRC_AT);
  return header;
}

/** The group that begins at `offset` of the bytes, or null where no whole one does. */
export function decodeGroup(bytes: Buffer, offset: number): (Group & { bytes: number }) | null {
  const length = payloadLength(bytes, offset);
  if (length === null || offset + GROUP_HEADER_BYTES + length > bytes.length) return null;
  const header = bytes.subarray(offset, offset + GROUP_HEADER_BYTES);
  const payload = bytes.subarray(offset + GROUP_HEADER_BYTES, offset + GROUP_HEADER_BYTES + length);
  if (crc32(payload) !== header.readUInt32LE(PAYLOAD_CRC_AT)) return null;
  const lines = payload.toString().split("\n");
  if (lines.length !== header.readUInt32LE(4)) return null;
  return { firstPosition: Number(header.readBigUInt64LE(8)), lines, bytes: GROUP_HEADER_BYTES + length };
}

/** The payload's length by a sound group header at `offset`; null where none stands. */
function payloadLength(bytes: Buffer, offset: number): number | null {
  if (offset + GROUP_HEADER_BYTES > bytes.length) return null;
  const length = bytes.readUInt32LE(offset);
  if (length > GROUP_BYTES_MAX) return null;
  const header = bytes.subarray(offset, offset + GROUP_HEADER_BYTES);
  return crc32(header.subarray(0, HEADER_CRC_AT)) === header.readUInt32LE(HEADER_CRC_AT) ? length : null;
}

/**
 * Whether bytes that begin with no whole group are what an unfinished write may leave at the end of the file, rather than
 * damage to what was written.
 * @param tail - the file from `offset` to its end
 * @param position - of the entry that would come next
 */
export function isTorn(tail: Buffer, offset: number, position: number): boolean {
  if (tail.length > GROUP_HEADER_BYTES + GROUP_BYTES_MAX) return false;
  for (let at = 1; at + GROUP_HEADER_BYTES <= tail.length; at++) {
    if (decodeGroup(tail, at) !== null) return false;
  }
  if (tail.length <= GROUP_HEADER_BYTES) return true;
  const payload = tail.subarray(GROUP_HEADER_BYTES);
  const length = payloadLength(tail, 0);
  // All there and wrong: written, then changed. More than all: the next group was begun, so this one was on the disk.
  if (length !== null) return payload.length < length || (payload.length === length && lacksSector(tail, offset));
  // The header is wrong. If one of its checksums fits the rest of the file, all of the group was written.
  const lineCount = payload.toString("latin1").split("\n").length;
  const whole = encodeGroupHeader(position, lineCount, payload);
  const fits = [PAYLOAD_CRC_AT, HEADER_CRC_AT].some((at) => tail.readUInt32LE(at) === whole.readUInt32LE(at));
  return !fits || lacksSector(tail, offset);
}

/** Whether a sector of the file, as far as the tail has it, reads as if it was never written. */
function lacksSector(tail: Buffer, offset: number): boolean {
  for (let start = 0, end = 0; start < tail.length; start = end) {
    end = start + SECTOR_BYTES - ((offset + start) % SECTOR_BYTES);
    if (tail.subarray(start, end).every((byte) => byte === 0)) return true;
  }
  return false;
}

export function encodeWatermark(end: number): Buffer {
  const bytes = Buffer.alloc(WATERMARK_BYTES);
  bytes.writeBigUInt64LE(BigInt(end));
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 8)), 8);
  return bytes;
}

/** Up to where the journal was once known to be on the disk; 0 when that cannot be told. */
export function decodeWatermark(bytes: Buffer): number {
  if (bytes.length !== WATERMARK_BYTES || crc32(bytes.subarray(0, 8)) !== bytes.readUInt32LE(8)) return 0;
  return Number(bytes.readBigUInt64LE());
}
