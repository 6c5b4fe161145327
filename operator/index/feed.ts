import {
  HASH_AT,
  BLOCK_AT,
  checkPaymentEntry,
  INDEX_AT,
  outputIdsAt,
  PAYMENT_AT,
  PAYMENT_KIND,
} from "@plasma-billing/protocol/entryBytes.ts";
import { keccak256 } from "@plasma-billing/protocol/keccak.ts";
import {
  ADDRESS_BYTES,
  AMOUNT_BYTES,
  HASH_BYTES,
  INPUTS_AT,
  OUTPUT_BYTES,
  outputsAt,
  signaturesAt,
} from "@plasma-billing/protocol/paymentBytes.ts";
import { PURPOSES, SIGNATURE_BYTES } from "@plasma-billing/protocol/transaction.ts";
import type { EntrySource, FeedFormat, FeedPiece } from "./ports.ts";

/** Of the journal, read for one piece; a line of JSON is about three times as long. Entries are shaped in the main thread. */
const PIECE_BYTES = { ndjson: 96 * 1024, binary: 256 * 1024, entries: 16 * 1024 };
const LENGTH_BYTES = 4;
/** Checksums of addresses kept: working one out takes longer than the rest of the line. */
const CHECKSUMS_MAX = 50_000;
const PURPOSE_NAMES = Object.keys(PURPOSES);
const checksums = new Map<string, string>();

/** The payments, or all entries, of positions `from` to `to`, as many as a piece has. */
export function feedPiece(source: EntrySource, format: FeedFormat, from: number, to: number): FeedPiece {
  const entries = source.read(from, to, PIECE_BYTES[format]);
  const next = from + entries.length;
  return { bytes: bytesOf(entries, format), next: next > to ? null : next };
}

/** The entries of a piece, in their order. */
export function entriesIn(piece: Uint8Array): Uint8Array[] {
  const view = new DataView(piece.buffer, piece.byteOffset, piece.byteLength);
  const entries: Uint8Array[] = [];
  for (let at = 0; at < piece.length;) {
    const start = at + LENGTH_BYTES;
    at = start + view.getUint32(at);
    entries.push(piece.subarray(start, at));
  }
  return entries;
}

function bytesOf(entries: readonly { body: Uint8Array }[], format: FeedFormat): Buffer {
  const bodies = entries.map(({ body }) => body);
  if (format === "entries") return lengthed(bodies);
  const payments = bodies.filter((body) => body[0] === PAYMENT_KIND);
  return format === "ndjson" ? Buffer.from(payments.map(lineOf).join("")) : framed(payments);
}

function lengthed(bodies: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.allocUnsafe(bodies.reduce((sum, body) => sum + LENGTH_BYTES + body.length, 0));
  let at = 0;
  for (const body of bodies) {
    at = bytes.writeUInt32BE(body.length, at);
    bytes.set(body, at);
    at += body.length;
  }
  return bytes;
}

/** Lengths and payments: docs/FORMATS.md, batch. */
function framed(payments: readonly Uint8Array[]): Buffer {
  const parts = payments.map((body) => body.subarray(PAYMENT_AT, outputIdsAt(checkPaymentEntry(body))));
  const bytes = Buffer.allocUnsafe(parts.reduce((sum, part) => sum + 2 + part.length, 0));
  let at = 0;
  for (const part of parts) {
    at = bytes.writeUInt16BE(part.length, at);
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** A payment's entry as a line of JSON, written by hand: taking it apart into objects costs four times as much. */
function lineOf(entry: Uint8Array): string {
  const counts = checkPaymentEntry(entry);
  const bytes = Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength);
  const hex = (at: number, length: number): string => bytes.toString("hex", at, at + length);
  const list = (count: number, one: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => one(i)).join(",");
  const outputs = PAYMENT_AT + outputsAt(counts);
  const signatures = PAYMENT_AT + signaturesAt(counts);
  const output = (at: number): string => {
    const amount = BigInt(`0x${hex(at + 2 * ADDRESS_BYTES, AMOUNT_BYTES)}`);
    const [owner, token] = [checksummed(hex(at, ADDRESS_BYTES)), checksummed(hex(at + ADDRESS_BYTES, ADDRESS_BYTES))];
    return `{"owner":"${owner}","token":"${token}","amount":"${amount}"}`;
  };
  return (
    `{"blockNumber":${bytes.readUInt32BE(BLOCK_AT)},"transactionIndex":${bytes.readUInt32BE(INDEX_AT)},` +
    `"hash":"0x${hex(HASH_AT, HASH_BYTES)}","transaction":{"purpose":"${PURPOSE_NAMES[bytes.readUInt8(PAYMENT_AT + 1) - 1]}",` +
    `"inputs":[${list(counts.inputs, (i) => `"0x${hex(PAYMENT_AT + INPUTS_AT + HASH_BYTES * i, HASH_BYTES)}"`)}],` +
    `"outputs":[${list(counts.outputs, (i) => output(outputs + OUTPUT_BYTES * i))}],` +
    `"fileHash":"0x${hex(PAYMENT_AT + INPUTS_AT - HASH_BYTES, HASH_BYTES)}",` +
    `"signatures":[${list(counts.signatures, (i) => `"0x${hex(signatures + SIGNATURE_BYTES * i, SIGNATURE_BYTES)}"`)}]}}\n`
  );
}

/** ERC-55: a letter is large where the hash of the digits has 8 or more in its place. */
function checksummed(digits: string): string {
  let text = checksums.get(digits);
  if (text === undefined) {
    const hash = Buffer.from(keccak256(Buffer.from(digits, "latin1"))).toString("hex");
    text = "0x";
    for (let i = 0; i < digits.length; i++) {
      const digit = digits.charAt(i);
      text += hash.charCodeAt(i) >= "8".charCodeAt(0) ? digit.toUpperCase() : digit;
    }
    if (checksums.size >= CHECKSUMS_MAX) checksums.clear();
    checksums.set(digits, text);
  }
  return text;
}
