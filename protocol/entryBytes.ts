import type { JsonEntry, PaymentEntry } from "./entries.ts";
import { decodeEntry, encodeEntry } from "./entryJson.ts";
import { InvariantError } from "./errors.ts";
import { toHex, type Hex } from "./hex.ts";
import {
  checkPaymentBytes,
  countsAt,
  decodePayment,
  HASH_BYTES,
  OUTPUT_BYTES,
  outputAt,
  paymentBytes,
  type PaymentCounts,
} from "./paymentBytes.ts";
import type { Output, OutputId } from "./transaction.ts";

// A journal entry's bytes: docs/FORMATS.md.

export const PAYMENT_KIND = 1;
export const JSON_KIND = 2;
export const ACCEPTED_AT = 1;
export const BLOCK_AT = 9;
export const INDEX_AT = 13;
export const HASH_AT = 17;
export const PAYMENT_AT = HASH_AT + HASH_BYTES;
/** An output with where it is from. */
export const INPUT_BYTES = OUTPUT_BYTES + 9;
/** In the place of an output index: the origin is a deposit. */
export const DEPOSIT_ORIGIN = 255;

/** Where an output is from. */
export type Origin =
  { depositId: null; blockNumber: number; transactionIndex: number; outputIndex: number } | { depositId: bigint };

/** What stands in an entry of a payment, beside the payment. */
export interface PaymentRecord extends PaymentEntry {
  blockNumber: number;
  transactionIndex: number;
  outputIds: OutputId[];
  /** What the inputs were, in their order. */
  spent: (Output & { origin: Origin })[];
}

export function paymentEntryBytes(counts: PaymentCounts): number {
  const { inputs, outputs, signatures } = counts;
  return PAYMENT_AT + paymentBytes(inputs, outputs, signatures) + HASH_BYTES * outputs + INPUT_BYTES * inputs;
}

/** Where the ids of a payment's outputs begin in its entry. */
export function outputIdsAt({ inputs, outputs, signatures }: PaymentCounts): number {
  return PAYMENT_AT + paymentBytes(inputs, outputs, signatures);
}

/** Where what the inputs were begins. */
export function spentAt(counts: PaymentCounts): number {
  return outputIdsAt(counts) + HASH_BYTES * counts.outputs;
}

const utf8 = { encoder: new TextEncoder(), decoder: new TextDecoder("utf-8", { fatal: true }) };

export function encodeJsonEntry(entry: JsonEntry): Uint8Array {
  const json = utf8.encoder.encode(encodeEntry(entry));
  const bytes = new Uint8Array(1 + json.length);
  bytes[0] = JSON_KIND;
  bytes.set(json, 1);
  return bytes;
}

/** @throws InvariantError or ProtocolError when the bytes are no entry */
export function decodeEntryBytes(bytes: Uint8Array): JsonEntry | PaymentRecord {
  if (bytes[0] === PAYMENT_KIND) return decodePaymentEntry(bytes);
  if (bytes[0] === JSON_KIND) return decodeJsonEntry(bytes);
  throw new InvariantError("an entry of an unknown kind", { kind: bytes[0] });
}

export function decodeJsonEntry(bytes: Uint8Array): JsonEntry {
  let line;
  try {
    line = utf8.decoder.decode(bytes.subarray(1));
  } catch {
    throw new InvariantError("an entry is not UTF-8", { bytes: toHex(bytes.subarray(0, 50)) });
  }
  return decodeEntry(line);
}

/** How many inputs, outputs and signatures; checks that the bytes are exactly an entry of a payment. */
export function checkPaymentEntry(bytes: Uint8Array): PaymentCounts {
  const counts = countsAt(bytes, PAYMENT_AT);
  if (bytes[0] !== PAYMENT_KIND || bytes.length < PAYMENT_AT + 5 || bytes.length !== paymentEntryBytes(counts)) {
    throw new InvariantError("an entry of a payment has the wrong length", { bytes: bytes.length, ...counts });
  }
  return checkPaymentBytes(bytes, PAYMENT_AT, outputIdsAt(counts));
}

export function decodePaymentEntry(bytes: Uint8Array): PaymentRecord {
  const counts = checkPaymentEntry(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const acceptedAt = Number(view.getBigUint64(ACCEPTED_AT));
  if (!Number.isSafeInteger(acceptedAt)) throw new InvariantError("an entry of no time", { acceptedAt });
  const hex = (at: number): Hex => toHex(bytes.subarray(at, at + HASH_BYTES));
  return {
    type: "payment",
    transaction: decodePayment(bytes, PAYMENT_AT, outputIdsAt(counts)),
    hash: hex(HASH_AT),
    acceptedAt,
    blockNumber: view.getUint32(BLOCK_AT),
    transactionIndex: view.getUint32(INDEX_AT),
    outputIds: Array.from({ length: counts.outputs }, (_, i) => hex(outputIdsAt(counts) + i * HASH_BYTES)),
    spent: Array.from({ length: counts.inputs }, (_, i) => {
      const at = spentAt(counts) + i * INPUT_BYTES;
      return { ...outputAt(bytes, at), origin: originAt(view, at + OUTPUT_BYTES) };
    }),
  };
}

function originAt(view: DataView, at: number): Origin {
  const outputIndex = view.getUint8(at + 8);
  if (outputIndex === DEPOSIT_ORIGIN) return { depositId: view.getBigUint64(at) };
  return { depositId: null, blockNumber: view.getUint32(at), transactionIndex: view.getUint32(at + 4), outputIndex };
}
