import { closeSync, mkdirSync, openSync, readdirSync, rmSync, statSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { readRange, writeAll } from "../process/files.ts";
import { syncFolder, unusable } from "../process/lock.ts";
import { StartupError } from "../process/startup.ts";

// The container of a snapshot (operator/journal/README.md); what its sections mean is for whoever writes it.

const SNAPSHOT_VERSION = 1;
const FOLDER = "snapshots";
const MAGIC = Buffer.from("PLASMAS\n");
const DIGITS = 16;
const HEADER_BYTES = 24;
const SECTION_HEADER_BYTES = 20;
/** Kind of the mark behind the last section. */
const END = 0;
/** No section is larger: what claims to be is damage. */
const SECTION_BYTES_MAX = 1024 * 1024 * 1024;

export interface Section {
  /** From 1. */
  kind: number;
  bytes: Uint8Array;
}

/** Writes a snapshot beside the others; it is one of them only once `finish` has resolved. */
export class SnapshotWriter {
  private readonly file: FileHandle;
  private readonly folder: string;
  private readonly temporary: string;
  private readonly path: string;
  private end = HEADER_BYTES;
  private sections = 0;
  /** Over all sections' checksums, in order. */
  private checksum = 0;

  private constructor(file: FileHandle, folder: string, path: string) {
    this.file = file;
    this.folder = folder;
    this.path = path;
    this.temporary = `${path}.part`;
  }

  static async create(dataDir: string, position: number): Promise<SnapshotWriter> {
    const folder = join(dataDir, FOLDER);
    mkdirSync(folder, { recursive: true });
    const path = pathOf(folder, position);
    const file = await open(`${path}.part`, "w");
    const writer = new SnapshotWriter(file, folder, path);
    await writeAll(file, encodeHeader(position), 0);
    return writer;
  }

  async section(kind: number, bytes: Uint8Array): Promise<void> {
    if (kind === END || bytes.length > SECTION_BYTES_MAX)
      throw new RangeError(`a section ${kind} of ${bytes.length} bytes`);
    const header = encodeSectionHeader(kind, bytes.length, crc32(bytes));
    await writeAll(this.file, header, this.end);
    await writeAll(this.file, bytes, this.end + header.length);
    this.end += header.length + bytes.length;
    this.sections++;
    this.checksum = addToChecksum(this.checksum, header);
  }

  async finish(): Promise<void> {
    await writeAll(this.file, encodeSectionHeader(END, this.sections, this.checksum), this.end);
    await this.file.sync();
    await this.file.close();
    await rename(this.temporary, this.path);
    syncFolder(this.folder);
  }

  /** Leaves nothing behind. */
  async abort(): Promise<void> {
    await this.file.close().catch(() => undefined);
    await rm(this.temporary, { force: true });
  }
}

export interface SnapshotFile {
  path: string;
  position: number;
  /** One after another, each checked as it is read; to be gone through to the end. @throws StartupError SNAPSHOT_DAMAGED */
  sections(): Iterable<Section>;
}

/**
 * The newest snapshot, or null. Removes what a crash left half written.
 * @throws StartupError SNAPSHOT_DAMAGED naming file and offset, SNAPSHOT_VERSION, DATA_DIR_UNUSABLE
 */
export function openNewestSnapshot(dataDir: string): SnapshotFile | null {
  const newest = snapshotPositions(dataDir).at(-1);
  return newest === undefined ? null : openSnapshot(dataDir, newest);
}

/**
 * Positions of the snapshots there are, ascending. Removes what a crash left half written.
 * @throws StartupError DATA_DIR_UNUSABLE
 */
export function snapshotPositions(dataDir: string): number[] {
  const folder = join(dataDir, FOLDER);
  try {
    mkdirSync(folder, { recursive: true });
    for (const name of readdirSync(folder)) if (name.endsWith(".part")) rmSync(join(folder, name));
    return listSnapshots(folder).map((name) => Number(name.slice(0, DIGITS)));
  } catch (error) {
    throw unusable(dataDir, error);
  }
}

/** @throws StartupError SNAPSHOT_DAMAGED naming file and offset, SNAPSHOT_VERSION */
export function openSnapshot(dataDir: string, position: number): SnapshotFile {
  const path = pathOf(join(dataDir, FOLDER), position);
  checkHeader(path, position);
  return { path, position, sections: () => readSections(path) };
}

export function removeSnapshot(dataDir: string, position: number): void {
  rmSync(pathOf(join(dataDir, FOLDER), position), { force: true });
}

function pathOf(folder: string, position: number): string {
  return join(folder, `${String(position).padStart(DIGITS, "0")}.snapshot`);
}

/** Keeps the newest so many. */
export function removeOldSnapshots(dataDir: string, keep: number): void {
  const folder = join(dataDir, FOLDER);
  for (const name of listSnapshots(folder).slice(0, -keep)) rmSync(join(folder, name));
}

function listSnapshots(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /^[0-9]{16}\.snapshot$/.test(name))
    .sort();
}

function encodeHeader(position: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32LE(SNAPSHOT_VERSION, 8);
  header.writeBigUInt64LE(BigInt(position), 12);
  header.writeUInt32LE(crc32(header.subarray(0, HEADER_BYTES - 4)), HEADER_BYTES - 4);
  return header;
}

function encodeSectionHeader(kind: number, length: number, checksum: number): Buffer {
  const header = Buffer.alloc(SECTION_HEADER_BYTES);
  header.writeUInt32LE(kind, 0);
  header.writeBigUInt64LE(BigInt(length), 4);
  header.writeUInt32LE(checksum, 12);
  header.writeUInt32LE(crc32(header.subarray(0, SECTION_HEADER_BYTES - 4)), SECTION_HEADER_BYTES - 4);
  return header;
}

/** Without the header's own checksum: a CRC over what ends in its CRC is the same whatever it is over. */
function addToChecksum(checksum: number, header: Buffer): number {
  return crc32(header.subarray(0, SECTION_HEADER_BYTES - 4), checksum);
}

function checkHeader(path: string, position: number): void {
  const descriptor = openSync(path, "r");
  try {
    const header = readRange(descriptor, 0, HEADER_BYTES);
    const sound =
      header.length === HEADER_BYTES &&
      header.subarray(0, 8).equals(MAGIC) &&
      header.readUInt32LE(HEADER_BYTES - 4) === crc32(header.subarray(0, HEADER_BYTES - 4));
    if (!sound) throw damaged(path, 0);
    const version = header.readUInt32LE(8);
    if (version !== SNAPSHOT_VERSION) {
      const message =
        `${path} has version ${version}, this operator knows ${SNAPSHOT_VERSION}: run the operator that wrote it, or remove ` +
        "the file to start from an older one or from the journal";
      throw new StartupError("SNAPSHOT_VERSION", message, { path, version });
    }
    if (Number(header.readBigUInt64LE(12)) !== position) throw damaged(path, 12);
  } finally {
    closeSync(descriptor);
  }
}

function* readSections(path: string): Generator<Section> {
  const descriptor = openSync(path, "r");
  try {
    const { size } = statSync(path);
    let checksum = 0;
    let at = HEADER_BYTES;
    for (let sections = 0; ; sections++) {
      const header = readRange(descriptor, at, at + SECTION_HEADER_BYTES);
      const ownChecksum =
        header.length === SECTION_HEADER_BYTES ? crc32(header.subarray(0, SECTION_HEADER_BYTES - 4)) : -1;
      if (
        ownChecksum !== (header.length === SECTION_HEADER_BYTES ? header.readUInt32LE(SECTION_HEADER_BYTES - 4) : 0)
      ) {
        throw damaged(path, at);
      }
      const kind = header.readUInt32LE(0);
      const length = Number(header.readBigUInt64LE(4));
      if (kind === END) {
        const whole = length === sections && header.readUInt32LE(12) === checksum && at + SECTION_HEADER_BYTES === size;
        if (!whole) throw damaged(path, at);
        return;
      }
      if (length > SECTION_BYTES_MAX || at + SECTION_HEADER_BYTES + length > size) throw damaged(path, at);
      const bytes = readRange(descriptor, at + SECTION_HEADER_BYTES, at + SECTION_HEADER_BYTES + length);
      if (bytes.length !== length || crc32(bytes) !== header.readUInt32LE(12)) throw damaged(path, at);
      yield { kind, bytes };
      checksum = addToChecksum(checksum, header);
      at += SECTION_HEADER_BYTES + length;
    }
  } finally {
    closeSync(descriptor);
  }
}

function damaged(path: string, offset: number): StartupError {
  const message = `${path} is damaged at byte ${offset}: remove it to start from an older one or from the journal alone`;
  return new StartupError("SNAPSHOT_DAMAGED", message, { path, offset });
}
