import { parentPort, workerData } from "node:worker_threads";
import { ProtocolError } from "@plasma-billing/protocol/errors.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { MALFORMED, VERDICT_AT } from "@plasma-billing/protocol/verifiedPayment.ts";
import { decodeBody, type IntakeRequest, type Share } from "./bodies.ts";
import { verifyPayment } from "./recover.ts";

/** Some requests to be worked off in their order; with a share, one batch of which this thread does a part. */
export interface Job {
  /** The bodies behind each other: one buffer is handed over where a view would have its whole slab cloned. */
  bodies: Uint8Array;
  requests: (Pick<IntakeRequest, "format" | "kind" | "unsigned"> & { length: number })[];
  part?: Share;
}

/** What a request came to: how many records, in so many bytes, or what is wrong with it as a whole. */
export type Part = { bytes: number; count: number } | { detail: string; context: Record<string, unknown> };

/** What a job came to: the records of all its requests behind each other. */
export interface Done {
  records: Uint8Array<ArrayBuffer>;
  parts: Part[];
}

const { separator } = workerData as { separator: Hex };

parentPort?.on("message", (job: Job | null) => {
  if (job === null) return parentPort?.close();
  const { bodies, requests, part } = job;
  const records: Uint8Array[] = [];
  let at = 0;
  const parts = requests.map(({ length, ...request }): Part => {
    const body = bodies.subarray(at, (at += length));
    return work({ ...request, body }, part, records);
  });
  const done: Done = { records: joined(records), parts };
  parentPort?.postMessage(done, [done.records.buffer]);
});

function work(request: IntakeRequest, part: Share | undefined, records: Uint8Array[]): Part {
  try {
    const decoded = decodeBody(request, part);
    let bytes = 0;
    for (const one of decoded) {
      const record = one instanceof ProtocolError ? malformed(one) : verifyPayment(separator, one, request.unsigned);
      bytes += record.length;
      records.push(record);
    }
    return { bytes, count: decoded.length };
  } catch (error) {
    if (error instanceof ProtocolError) return { detail: error.message, context: error.context };
    throw error;
  }
}

function joined(records: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(records.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const record of records) {
    bytes.set(record, at);
    at += record.length;
  }
  return bytes;
}

function malformed({ message: detail, context }: ProtocolError): Uint8Array {
  const json = Buffer.from(JSON.stringify({ detail, context }));
  const record = new Uint8Array(VERDICT_AT + 1 + json.length);
  new DataView(record.buffer).setUint32(0, record.length);
  record[VERDICT_AT] = MALFORMED;
  record.set(json, VERDICT_AT + 1);
  return record;
}
