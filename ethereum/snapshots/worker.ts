import { parentPort, workerData } from "node:worker_threads";
import { systemCode } from "../process/startup.ts";
import { SnapshotWriter } from "./file.ts";

export type SnapshotRequest =
  | { do: "begin"; position: number }
  | { do: "section"; kind: number; bytes: Uint8Array }
  | { do: "finish" }
  | { do: "abort" };
/** Of each section how many bytes were written, one answer to `finish`, or the first failure since `begin`. */
export type SnapshotReply = { written: number } | { finished: true } | { failed: string; code: string | null };

const { dataDir } = workerData as { dataDir: string };
let writer: SnapshotWriter | null = null;
let last: Promise<void> = Promise.resolve();

async function handle(request: SnapshotRequest): Promise<SnapshotReply | null> {
  if (request.do === "begin") {
    await writer?.abort();
    writer = await SnapshotWriter.create(dataDir, request.position);
    return null;
  }
  if (writer === null) return null;
  if (request.do === "section") {
    await writer.section(request.kind, request.bytes);
    return { written: request.bytes.length };
  }
  const ended = writer;
  writer = null;
  if (request.do === "abort") {
    await ended.abort();
    return null;
  }
  try {
    await ended.finish();
  } catch (error) {
    await ended.abort();
    throw error;
  }
  return { finished: true };
}

parentPort?.on("message", (request: SnapshotRequest | null) => {
  // One after another: what is written stands in the order in which it came.
  last = last.then(async () => {
    try {
      if (request === null) {
        await writer?.abort();
        return parentPort?.close();
      }
      const reply = await handle(request);
      if (reply !== null) parentPort?.postMessage(reply);
    } catch (error) {
      await writer?.abort().catch(() => undefined);
      writer = null;
      parentPort?.postMessage({ failed: String(error), code: systemCode(error) } satisfies SnapshotReply);
    }
  });
});
