// `npm run bench -- memory [--json]`: what an output that is live costs, at 10,000,000 of them. In a process of its own, with
// nothing in it but a ledger, so that all the process has grown by is the outputs'.
import { fork } from "node:child_process";
import { once } from "node:events";
import { LongHistory } from "./operator/history.ts";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import type { Sequencer } from "../operator/sequencer.ts";
import { encodeJsonEntry } from "@plasma-billing/protocol/entryBytes.ts";
import { BENCH_DOMAIN } from "./operator/store.ts";
import { report, scaled } from "./report.ts";

const LIVE = scaled(10_000_000);
const GC_ROUNDS = 5;
const INSIDE = "--inside";

interface Grown {
  live: number;
  process: number;
  table: number;
}

async function inside(): Promise<Grown> {
  const ledger = new Ledger(BENCH_DOMAIN);
  const scratch = Buffer.alloc(64 * 1024);
  const view = new DataView(scratch.buffer, scratch.byteOffset, scratch.byteLength);
  const slot = { view, bytes: scratch, at: 0 };
  const { chainId, verifyingContract: contract } = ledger.domain;
  ledger.apply({ type: "genesis", version: 1, chainId, contract, createdAt: 1 });
  // A journal that keeps nothing: what is measured is the ledger.
  const sequencer = {
    record: async (entries: Parameters<Sequencer["record"]>[0]) => {
      for (const entry of entries) if (encodeJsonEntry(entry).length > 0) ledger.apply(entry);
      await Promise.resolve();
    },
    submit: async ([piece]: Uint8Array[]) => {
      const bytes = piece as Uint8Array;
      const pieces = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let at = 0; at < bytes.length; at += pieces.getUint32(at)) {
        const error = ledger.take(pieces, at, 1, () => slot);
        if (error !== null) throw error;
      }
      return await Promise.resolve([]);
    },
  } as unknown as Sequencer;
  const history = new LongHistory(ledger, sequencer, LIVE);
  const used = async (): Promise<number> => {
    // What a buffer held is given back some turns after it was collected.
    for (let i = 0; i < GC_ROUNDS; i++) {
      (globalThis as { gc?: () => void }).gc?.();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return process.memoryUsage().rss;
  };
  const before = await used();
  const tableBefore = ledger.outputBytes;
  await history.fill(LIVE);
  history.forget();
  return { live: ledger.outputCount, process: (await used()) - before, table: ledger.outputBytes - tableBefore };
}

if (process.argv.includes(INSIDE)) {
  process.send?.(await inside());
} else {
  const child = fork(new URL(import.meta.url), [...process.argv.slice(2), INSIDE], {
    execArgv: ["--no-warnings", "--expose-gc"],
  });
  const [{ live, process: grown, table }] = (await once(child, "message")) as [Grown];
  const plain = { goal: null, peer: null };
  report(
    "memory",
    [
      { id: "bytesPerOutput", value: grown / live, unit: "bytes", goal: 130, peer: null },
      { id: "tableBytesPerOutput", value: table / live, unit: "bytes", ...plain },
      { id: "liveOutputs", value: live, unit: "", ...plain },
    ],
    "bytesPerOutput: what the whole process grew by.",
  );
}
