import { toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import {
  countsAt,
  HASH_BYTES,
  hashPayment,
  paymentBytes,
  PAYMENT_VERSION,
  type PaymentCounts,
} from "@plasma-billing/protocol/paymentBytes.ts";
import { MAX_INPUTS, MAX_OUTPUTS, type OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import {
  hashOf,
  MALFORMED,
  PAYMENT_IN_VERIFIED,
  signersOf,
  VERDICT_AT,
} from "@plasma-billing/protocol/verifiedPayment.ts";

/** A record of a verified payment (docs/FORMATS.md) where it stands in its buffer. */
export interface VerifiedRecord {
  bytes: Uint8Array;
  view: DataView;
  at: number;
  /** Null when it is malformed: then nothing else is known of it. */
  counts: PaymentCounts | null;
}

/** Goes over records one by one; the same object is given each time. */
export function* recordsOf(parts: readonly Uint8Array[]): Generator<VerifiedRecord> {
  const record: VerifiedRecord = {
    bytes: new Uint8Array(0),
    view: new DataView(new ArrayBuffer(0)),
    at: 0,
    counts: null,
  };
  for (const bytes of parts) {
    record.bytes = bytes;
    record.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at < bytes.length; at += record.view.getUint32(at)) {
      record.at = at;
      record.counts = bytes[at + VERDICT_AT] === MALFORMED ? null : countsAt(bytes, at + PAYMENT_IN_VERIFIED);
      yield record;
    }
  }
}

export function hashIn({ bytes, at }: VerifiedRecord): Uint8Array {
  return bytes.subarray(hashOf(at), hashOf(at) + HASH_BYTES);
}

export function paymentIn({ bytes, at }: VerifiedRecord, { inputs, outputs, signatures }: PaymentCounts): Uint8Array {
  const start = at + PAYMENT_IN_VERIFIED;
  return bytes.subarray(start, start + paymentBytes(inputs, outputs, signatures));
}

/** Who signed, null where nobody can have. */
export function signersIn({ bytes, at }: VerifiedRecord, counts: PaymentCounts): (Address | null)[] {
  const start = signersOf(at, counts);
  return Array.from({ length: counts.signatures }, (_, i) => {
    const signer = bytes.subarray(start + 20 * i, start + 20 * i + 20);
    return signer.every((byte) => byte === 0) ? null : toHex(signer);
  });
}

/** What the thread said of a malformed payment. */
export function problemIn({ bytes, view, at }: VerifiedRecord): { detail: string; context: Record<string, unknown> } {
  const json = bytes.subarray(at + VERDICT_AT + 1, at + view.getUint32(at));
  return JSON.parse(Buffer.from(json).toString()) as { detail: string; context: Record<string, unknown> };
}

/**
 * The hash of a payment with a wrong purpose or file hash, which can stand in a tree all the same; null for what has no hash,
 * and can only be garbled.
 */
export function hashOfMalformed(separator: Hex, payment: Uint8Array): Uint8Array | null {
  const counts = countsAt(payment, 0);
  const { inputs, outputs, signatures } = counts;
  const sound =
    payment[0] === PAYMENT_VERSION &&
    inputs >= 1 &&
    inputs <= MAX_INPUTS &&
    outputs >= 1 &&
    outputs <= MAX_OUTPUTS &&
    signatures <= MAX_INPUTS &&
    payment.length === paymentBytes(inputs, outputs, signatures);
  return sound ? hashPayment(separator, payment) : null;
}

/** By which most payments are told not to spend an output. */
export function firstWordOf(id: OutputId): number {
  return Number.parseInt(id.slice(2, 10), 16) | 0;
}
