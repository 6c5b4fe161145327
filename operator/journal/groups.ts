import { crc32 } from "node:zlib";

// The bytes of the journal's segments (README.md), without any I/O.

export const JOURNAL_VERSION = 2;
export const SEGMENT_HEADER_BYTES = 48;
export const WATERMARK_BYTES = 20;
/** No group's payload is larger: what claims to be is damage. */
export const GROUP_BYTES_MAX = 64 * 1024 * 1024;
export const GROUP_HEADER_BYTES = 24;
/** Length and checksum of the body. */
export const ENTRY_HEADER_BYTES = 8;

const MAGIC = Buffer.from("PLASMAJ\n");
const PAYLOAD_CRC_AT = 16;
const HEADER_CRC_AT = 20;
/** The least a disk writes at once; what it did not write of a grown file reads as zeros, which no payload holds so many of. */
const SECTOR_BYTES = 512;
const INITIAL_BYTES = 16 * 1024;

/** What a segment begins with; of the segment before it, how it ended. */
export interface SegmentHeader {
  version: number;
  firstPosition: number;
  /** Zero for the first segment. */
  previousBytes: number;
  previousChecksum: number;
  /** Of this header. */
  checksum: number;
}

export interface Group {
  /** Position of its first entry; entries are counted from 1. */
  firstPosition: number;
  /** Views of the bodies. */
  entries: Uint8Array[];
  /** Of the whole group. */
  byteLength: number;
}

/** The bytes of a group while it is made: bodies are written where they will stay. */
export class GroupBuffer {
  readonly firstPosition: number;
  /** Where each entry begins, its own header included. */
  readonly offsets: number[] = [];
  private buffer: Buffer;
  private end = GROUP_HEADER_BYTES;

  /** @param before - a group that is written and looked at no more: its memory is used again */
  constructor(firstPosition: number, before: GroupBuffer | null = null) {
    this.firstPosition = firstPosition;
    this.buffer = before?.buffer ?? Buffer.allocUnsafe(INITIAL_BYTES);
  }

  get count(): number {
    return this.offsets.length;
  }

  get byteLength(): number {
    return this.end;
  }

  /** Where bodies are written; another one after `reserve` has made it larger. */
  get bytes(): Buffer {
    return this.buffer;
  }

  /** Room for an entry's body: gives where it begins in `bytes`. It must be filled before `finish`. */
  reserve(length: number): number {
    const end = this.end + ENTRY_HEADER_BYTES + length;
    if (length === 0 || end > GROUP_BYTES_MAX) throw new RangeError(`an entry of ${length} bytes in a group of ${end}`);
    if (end > this.buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, 2 * this.buffer.length));
      this.buffer.copy(larger, 0, 0, this.end);
      this.buffer = larger;
    }
    this.offsets.push(this.end);
    this.buffer.writeUInt32LE(length, this.end);
    this.end = end;
    return end - length;
  }

  append(body: Uint8Array): void {
    const at = this.reserve(body.length);
    this.buffer.set(body, at);
  }

  /** The finished group; the same bytes each time. */
  finish(): Buffer {
    if (this.count === 0) throw new RangeError("a group of no entries");
    for (const [i, at] of this.offsets.entries()) {
      const end = this.offsets[i + 1] ?? this.end;
      this.buffer.writeUInt32LE(crc32(this.buffer.subarray(at + ENTRY_HEADER_BYTES, end)), at + 4);
    }
    const group = this.buffer.subarray(0, this.end);
    encodeGroupHeader(this.firstPosition, this.count, group.subarray(GROUP_HEADER_BYTES)).copy(group);
    return group;
  }
}

export function encodeSegmentHeader({
  firstPosition,
  previousBytes,
  previousChecksum,
}: Omit<SegmentHeader, "version" | "checksum">): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32LE(JOURNAL_VERSION, 8);
  header.writeBigUInt64LE(BigInt(firstPosition), 16);
  header.writeBigUInt64LE(BigInt(previousBytes), 24);
  header.writeUInt32LE(previousChecksum, 32);
  header.writeUInt32LE(crc32(header.subarray(0, SEGMENT_HEADER_BYTES - 4)), SEGMENT_HEADER_BYTES - 4);
  return header;
}

/** Null when the bytes are no header of a segment. */
export function decodeSegmentHeader(header: Buffer): SegmentHeader | null {
  if (header.length !== SEGMENT_HEADER_BYTES || !header.subarray(0, 8).equals(MAGIC)) return null;
  const checksum = header.readUInt32LE(SEGMENT_HEADER_BYTES - 4);
  if (checksum !== crc32(header.subarray(0, SEGMENT_HEADER_BYTES - 4))) return null;
  return {
    version: header.readUInt32LE(8),
    firstPosition: Number(header.readBigUInt64LE(16)),
    previousBytes: Number(header.readBigUInt64LE(24)),
    previousChecksum: header.readUInt32LE(32),
    checksum,
  };
}

function encodeGroupHeader(firstPosition: number, count: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(GROUP_HEADER_BYTES);
  header.writeUInt32LE(payload.length, 0);
  header.writeUInt32LE(count, 4);
  header.writeBigUInt64LE(BigInt(firstPosition), 8);
  header.writeUInt32LE(crc32(payload), PAYLOAD_CRC_AT);
  header.writeUInt32LE(crc32(header.subarray(0, HEADER_CRC_AT)), HEADER_CRC_AT);
  return header;
}

/** The group that begins at `offset` of the bytes, or null where no whole one does. */
export function decodeGroup(bytes: Buffer, offset: number): Group | null {
  const length = payloadLength(bytes, offset);
  if (length === null || offset + GROUP_HEADER_BYTES + length > bytes.length) return null;
  const header = bytes.subarray(offset, offset + GROUP_HEADER_BYTES);
  const payload = bytes.subarray(offset + GROUP_HEADER_BYTES, offset + GROUP_HEADER_BYTES + length);
  if (crc32(payload) !== header.readUInt32LE(PAYLOAD_CRC_AT)) return null;
  const entries = bodiesOf(payload);
  if (entries?.length !== header.readUInt32LE(4)) return null;
  return { firstPosition: Number(header.readBigUInt64LE(8)), entries, byteLength: GROUP_HEADER_BYTES + length };
}

/** The bodies of a payload that is entries and nothing else; null of any other. */
function bodiesOf(payload: Buffer): Uint8Array[] | null {
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at + ENTRY_HEADER_BYTES <= payload.length) {
    const length = payload.readUInt32LE(at);
    const start = at + ENTRY_HEADER_BYTES;
    at = start + length;
    if (length === 0 || at > payload.length) return null;
    entries.push(payload.subarray(start, at));
  }
  return at === payload.length && entries.length > 0 ? entries : null;
}

/** The payload's length by a sound group header at `offset`; null where none stands. */
function payloadLength(bytes: Buffer, offset: number): number | null {
  if (offset + GROUP_HEADER_BYTES > bytes.length) return null;
  const length = bytes.readUInt32LE(offset);
  if (length === 0 || length > GROUP_BYTES_MAX) return null;
  const header = bytes.subarray(offset, offset + GROUP_HEADER_BYTES);
  return crc32(header.subarray(0, HEADER_CRC_AT)) === header.readUInt32LE(HEADER_CRC_AT) ? length : null;
}

/**
 * Whether bytes that begin with no whole group are what an unfinished write may leave at the end of the last segment, rather
 * than damage to what was written.
 * @param tail - the segment from `offset` to its end
 * @param position - of the entry that would come next
 */
export function isTorn(tail: Buffer, offset: number, position: number): boolean {
  if (tail.length > GROUP_HEADER_BYTES + GROUP_BYTES_MAX) return false;
  const length = payloadLength(tail, 0);
  // Not in the payload a sound header tells of: entries hold what payers chose, also what looks like a group.
  for (let at = 1; length === null && at + GROUP_HEADER_BYTES <= tail.length; at++) {
    if (decodeGroup(tail, at) !== null) return false;
  }
  if (tail.length <= GROUP_HEADER_BYTES) return true;
  const payload = tail.subarray(GROUP_HEADER_BYTES);
  // All there and wrong: written, then changed. More than all: the next group was begun, so this one was on the disk.
  if (length !== null) return payload.length < length || (payload.length === length && lacksSector(tail, offset));
  // The header is wrong. If one of its checksums fits the rest of the file, all of the group was written.
  const whole = encodeGroupHeader(position, bodiesOf(payload)?.length ?? 0, payload);
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

/** Up to which byte of which segment the journal is known to be on the disk. */
export interface Watermark {
  firstPosition: number;
  end: number;
}

export function encodeWatermark({ firstPosition, end }: Watermark): Buffer {
  const bytes = Buffer.alloc(WATERMARK_BYTES);
  bytes.writeBigUInt64LE(BigInt(firstPosition));
  bytes.writeBigUInt64LE(BigInt(end), 8);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 16)), 16);
  return bytes;
}

/** Zeros when it cannot be told. */
export function decodeWatermark(bytes: Buffer): Watermark {
  if (bytes.length !== WATERMARK_BYTES || crc32(bytes.subarray(0, 16)) !== bytes.readUInt32LE(16)) {
    return { firstPosition: 0, end: 0 };
  }
  return { firstPosition: Number(bytes.readBigUInt64LE()), end: Number(bytes.readBigUInt64LE(8)) };
}
