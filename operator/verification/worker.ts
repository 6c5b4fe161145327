import { parentPort, workerData } from "node:worker_threads";
import { ProtocolError } from "@plasma-billing/protocol/errors.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { MALFORMED, VERDICT_AT } from "@plasma-billing/protocol/verifiedPayment.ts";
import { decodeBody, type Decoded, type IntakeRequest, type Share } from "./bodies.ts";
import { verifyPayment } from "./recover.ts";

/** Some requests to be worked off in their order; with a share, one batch of which this thread does a part. */
export interface Job {
  requests: IntakeRequest[];
  part?: Share;
}
/** What a request came to: its records behind each other, or what is wrong with it as a whole. */
export type Part = { records: Uint8Array; count: number } | { detail: string; context: Record<string, unknown> };

const { separator } = workerData as { separator: Hex };

parentPort?.on("message", ({ requests, part }: Job) => {
  const parts = requests.map((request) => work(request, part));
  const transfer = parts.flatMap((one) => ("records" in one ? [one.records.buffer as ArrayBuffer] : []));
  parentPort?.postMessage(parts, transfer);
});

function work(request: IntakeRequest, part: Share | undefined): Part {
  try {
    return verifyAll(decodeBody(request, part));
  } catch (error) {
    if (error instanceof ProtocolError) return { detail: error.message, context: error.context };
    throw error;
  }
}

function verifyAll(decoded: readonly Decoded[]): Part {
  const records = decoded.map((one) => (one instanceof ProtocolError ? malformed(one) : verifyPayment(separator, one)));
  const joined = new Uint8Array(records.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const record of records) {
    joined.set(record, at);
    at += record.length;
  }
  return { records: joined, count: records.length };
}

function malformed({ message: detail, context }: ProtocolError): Uint8Array {
  const json = Buffer.from(JSON.stringify({ detail, context }));
  const record = new Uint8Array(VERDICT_AT + 1 + json.length);
  new DataView(record.buffer).setUint32(0, record.length);
  record[VERDICT_AT] = MALFORMED;
  record.set(json, VERDICT_AT + 1);
  return record;
}
