// `npm run bench -- throughput [--json] [--scale 0.1]`: signed payments accepted and durable, over HTTP, by a real operator.
import { rawRecoveries } from "./operator/recovery.ts";
import { LoadStage, type Works } from "./operator/stage.ts";
import type { Form, LoadResult } from "./operator/load.ts";
import { report, scaled, type Result } from "./report.ts";

const RAW_SECONDS = 4;
const BATCH_CONNECTIONS = 4;
const SINGLE_CONNECTIONS = 64;

/** Chained: 1, 2 and 4 inputs; independent; each as one client after the other would send them. */
const WORKS: Works = {
  // The naive pipeline gets these too, as its first and only ones.
  warm: { inputs: 1, chained: true, payments: scaled(60), lanes: SINGLE_CONNECTIONS },
  single: { inputs: 1, chained: true, payments: scaled(1_600), lanes: SINGLE_CONNECTIONS },
  singleBinary: { inputs: 1, chained: true, payments: scaled(1_600), lanes: SINGLE_CONNECTIONS },
  singleIndependent: { inputs: 1, chained: false, payments: scaled(800), lanes: SINGLE_CONNECTIONS },
  jsonBatch: { inputs: 1, chained: true, payments: scaled(40_000), lanes: 4 },
  binaryBatch: { inputs: 1, chained: true, payments: scaled(40_000), lanes: 4 },
  independentBatch: { inputs: 1, chained: false, payments: scaled(25_000), lanes: 4 },
  twoInputsBatch: { inputs: 2, chained: true, payments: scaled(15_000), lanes: 4 },
  fourInputsBatch: { inputs: 4, chained: true, payments: scaled(8_000), lanes: 4 },
};

const stage = await LoadStage.open(WORKS);
try {
  const rawBefore = await rawRecoveries(RAW_SECONDS);
  const results: Result[] = [];
  let errors = 0;
  const play = async (work: string, form: Form, connections: number): Promise<LoadResult> => {
    const result = await stage.play(work, form, { connections });
    errors += result.errors + result.refused;
    if (result.firstError !== null) console.error(`${work}: ${result.firstError}`);
    if (result.refused > 0) console.error(`${work}: ${result.refused} refused as too much`);
    return result;
  };
  await play("warm", "single", SINGLE_CONNECTIONS);
  const runs: [string, Form, number, number][] = [
    ["single", "single", SINGLE_CONNECTIONS, 1],
    ["singleBinary", "singleBinary", SINGLE_CONNECTIONS, 1],
    ["singleIndependent", "single", SINGLE_CONNECTIONS, 1],
    ["jsonBatch", "jsonBatch", BATCH_CONNECTIONS, 1],
    ["binaryBatch", "binaryBatch", BATCH_CONNECTIONS, 1],
    ["independentBatch", "jsonBatch", BATCH_CONNECTIONS, 1],
    ["twoInputsBatch", "jsonBatch", BATCH_CONNECTIONS, 2],
    ["fourInputsBatch", "jsonBatch", BATCH_CONNECTIONS, 4],
  ];
  const measured = new Map<string, { rate: number; signatures: number; result: LoadResult }>();
  for (const [work, form, connections, signatures] of runs) {
    const result = await play(work, form, connections);
    measured.set(work, { rate: result.payments / result.seconds, signatures, result });
  }
  const naive = await stage.playNaive("warm");
  if (naive.errors + naive.refused > 0) throw new Error(`the naive pipeline: ${naive.firstError}`);
  const raw = (rawBefore + (await rawRecoveries(RAW_SECONDS))) / 2;
  const naiveRate = naive.payments / naive.seconds;

  const rateOf = (work: string): number => measured.get(work)!.rate;
  const row = (id: string, value: number, unit: string, more: Partial<Result> = {}): void => {
    if (results.some((known) => known.id === id)) return;
    results.push({ id, value, unit, goal: null, peer: null, ...more });
  };
  row("rawRecoveriesPerSecond", raw, "/s");
  row("batchRatio", rateOf("jsonBatch") / raw, "of raw", { goal: 0.6, atLeast: true });
  row("singleRatio", rateOf("single") / raw, "of raw", { goal: 0.3, atLeast: true });
  row("batchPerSecond", rateOf("jsonBatch"), "/s", { peer: naiveRate });
  row("singlePerSecond", rateOf("single"), "/s", { peer: naiveRate });
  for (const [work, { rate, signatures, result }] of measured) {
    row(`${work}PerSecond`, rate, "/s", { peer: naiveRate });
    row(`${work}Ratio`, (rate * signatures) / raw, "signatures of raw");
    row(`${work}P50Ms`, result.p50, "ms");
    row(`${work}P99Ms`, result.p99, "ms");
  }
  row("naivePerSecond", naiveRate, "/s");
  row("errors", errors, "", { goal: 0 });
  report(
    "throughput",
    results,
    "peer: ethers to recover and a database transaction a payment, in the same run. Batches of 1000, 4 connections; single ones, 64.",
  );
} finally {
  await stage.close();
}
