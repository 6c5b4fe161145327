import { ProtocolError } from "@plasma-billing/protocol/errors.ts";
import { checkPaymentBytes } from "@plasma-billing/protocol/paymentBytes.ts";
import { isDeeper } from "./jsonDepth.ts";
import { encodeJsonPayment } from "./jsonPayment.ts";

// From the body of a request to payments' bytes.

export const BATCH_PAYMENTS_MAX = 1000;
/** The deepest right body, a batch, has five levels; what is somewhat deeper is wrong at its place only. */
const DEPTH_MAX = 32;

/** What was sent. */
export interface IntakeRequest {
  format: "json" | "binary";
  kind: "single" | "batch";
  body: Uint8Array;
  /** Signers are not recovered, and stand as nobody: for what was verified before. */
  unsigned?: true;
}

/** A payment's bytes, or what is wrong with it. */
export type Decoded = Uint8Array | ProtocolError;

/** A part of a batch: the share-th of so many. */
export interface Share {
  share: number;
  of: number;
}

const ALL: Share = { share: 0, of: 1 };

/**
 * The payments of a body, or of a share of a batch.
 * @throws ProtocolError MALFORMED when the body is wrong as a whole
 */
export function decodeBody({ format, kind, body }: IntakeRequest, part = ALL): Decoded[] {
  if (format === "binary") return kind === "single" ? [checked(body)] : binaryBatch(body, part);
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString();
  if (kind === "single") return [attempt(() => encodeJsonPayment(parse(text)))];
  return jsonBatch(text, part);
}

/** Each thread parses all of it: that is cheaper than to look for where its own payments begin. */
function jsonBatch(text: string, part: Share): Decoded[] {
  return shareOf(batchOf(parse(text)), part).map((value) => attempt(() => encodeJsonPayment(value)));
}

function shareOf<T>(items: readonly T[], { share, of }: Share): T[] {
  return items.slice(Math.floor((share * items.length) / of), Math.floor(((share + 1) * items.length) / of));
}

function binaryBatch(body: Uint8Array, part: Share): Decoded[] {
  const starts: number[] = [];
  let at = 0;
  for (; at + 2 <= body.length; at += 2 + lengthAt(body, at)) starts.push(at);
  if (at !== body.length || starts.length < 1 || starts.length > BATCH_PAYMENTS_MAX) {
    const detail = `the body must be 1 to ${BATCH_PAYMENTS_MAX} payments, each behind its length in two bytes, and nothing else`;
    throw new ProtocolError("MALFORMED", detail, { bytes: body.length, payments: starts.length });
  }
  return shareOf(starts, part).map((start) => checked(body.subarray(start + 2, start + 2 + lengthAt(body, start))));
}

function lengthAt(body: Uint8Array, at: number): number {
  return ((body[at] as number) << 8) | (body[at + 1] as number);
}

function checked(bytes: Uint8Array): Decoded {
  return attempt(() => {
    checkPaymentBytes(bytes);
    return bytes;
  });
}

/** Only what is malformed is refused here; anything else is a fault of ours. */
function attempt(decode: () => Uint8Array): Decoded {
  try {
    return decode();
  } catch (error) {
    if (error instanceof ProtocolError) return error;
    throw error;
  }
}

function parse(text: string): unknown {
  if (isDeeper(text, DEPTH_MAX)) throw new ProtocolError("MALFORMED", `nested more than ${DEPTH_MAX} deep`);
  try {
    return JSON.parse(text);
  } catch {
    const detail = text === "" ? "the body is empty" : "the body is not JSON";
    throw new ProtocolError("MALFORMED", detail);
  }
}

function batchOf(body: unknown): unknown[] {
  const fields = typeof body === "object" && body !== null ? Object.keys(body) : [];
  const transactions = fields.length === 1 ? (body as { transactions?: unknown }).transactions : undefined;
  if (!Array.isArray(transactions) || transactions.length < 1 || transactions.length > BATCH_PAYMENTS_MAX) {
    const detail = `the body must be {"transactions": […]} with 1 to ${BATCH_PAYMENTS_MAX} of them, and nothing else`;
    const count = Array.isArray(transactions) ? transactions.length : null;
    throw new ProtocolError("MALFORMED", detail, { fields: fields.slice(0, 10), count });
  }
  return transactions as unknown[];
}
