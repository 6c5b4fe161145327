// `npm run bench -- index [--json]`: what the index costs the rate of batches, how far it lags behind them, and its own rate when
// it is made again at 10,000,000 payments.
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fillFolder, startFrom } from "./operator/longFolder.ts";
import type { ServerJob } from "./operator/serverProcess.ts";
import { DEPOSIT, playWork, signWorks, type Works } from "./operator/stage.ts";
import { BENCH_DOMAIN, benchFolder, quantile } from "./operator/store.ts";
import { report, scaled } from "./report.ts";

const PAYMENTS = scaled(10_000_000);
const LIVE = scaled(1_000_000);
/** What reads from the long history are held against. */
const FEW = 10_000;
const ROUNDS = 5;
const LANES = 4;
const WORKS: Works = {
  warm: { inputs: 1, chained: true, payments: scaled(10_000), lanes: LANES },
  load: { inputs: 1, chained: true, payments: scaled(25_000), lanes: LANES },
};

interface Run {
  perSecond: number;
  lagMs: number;
  errors: number;
}

async function run(folder: string, withIndex: boolean): Promise<Run> {
  const dataDir = mkdtempSync(join(folder, "data-"));
  const child = fork(new URL("operator/serverProcess.ts", import.meta.url), { execArgv: ["--no-warnings"] });
  try {
    const job: ServerJob = { dataDir, lanes: LANES, deposit: String(DEPOSIT), withIndex };
    child.send(job);
    const [port] = (await once(child, "message")) as [number];
    const common = { port, folder, lanes: LANES, form: "jsonBatch" as const, connections: LANES };
    const warm = await playWork({ ...common, work: "warm" });
    const { payments, seconds, errors, refused } = await playWork({ ...common, work: "load" });
    child.send("lag");
    const [lagMs] = (await once(child, "message")) as [number];
    return { perSecond: payments / seconds, lagMs, errors: errors + refused + warm.errors };
  } finally {
    child.kill("SIGKILL");
    await once(child, "close");
    rmSync(dataDir, { recursive: true });
  }
}

const folder = benchFolder();
try {
  await signWorks(folder, BENCH_DOMAIN, WORKS);
  const runs: { with: Run; without: Run }[] = [];
  // In turns: what the machine does besides falls on both.
  for (let i = 0; i < ROUNDS; i++) {
    runs.push(
      i % 2 === 0
        ? { with: await run(folder, true), without: await run(folder, false) }
        : { without: await run(folder, false), with: await run(folder, true) },
    );
  }
  const median = (values: number[]): number => quantile(values, 0.5);
  const withIndex = median(runs.map((one) => one.with.perSecond));
  const without = median(runs.map((one) => one.without.perSecond));
  const lag = Math.max(...runs.map((one) => one.with.lagMs)) / 1000;

  const dataDir = join(folder, "long");
  const filled = await fillFolder({ dataDir, live: LIVE, payments: PAYMENTS, perBlock: Math.ceil(PAYMENTS / 10) });
  for (const name of ["index.db", "index.db-wal", "index.db-shm", "trees"]) {
    rmSync(join(dataDir, name), { recursive: true, force: true });
  }
  const again = await startFrom(dataDir);
  const few = join(folder, "few");
  await fillFolder({ dataDir: few, live: FEW / 10, payments: FEW, perBlock: FEW });
  const { reads } = await startFrom(few);
  const errors = runs.reduce((sum, one) => sum + one.with.errors + one.without.errors, 0);
  const plain = { goal: null, peer: null };
  report(
    "index",
    [
      { id: "indexCostPercent", value: 100 * (1 - withIndex / without), unit: "%", goal: 10, peer: null },
      { id: "indexLagSeconds", value: lag, unit: "s", goal: 2, peer: null },
      {
        ...{ id: "indexPerSecond", value: again.behind / again.indexSeconds, unit: "/s", goal: 60_000, peer: null },
        atLeast: true,
      },
      { id: "batchWithIndexPerSecond", value: withIndex, unit: "/s", ...plain },
      { id: "batchWithoutIndexPerSecond", value: without, unit: "/s", ...plain },
      { id: "indexedEntries", value: again.behind, unit: `of ${filled.position}`, ...plain },
      ...Object.entries(again.reads).map(([id, value]: [string, number]) => ({
        ...{
          id: `${id.replace(/Ms$/, "P99Ms")}`,
          value,
          unit: "ms",
          goal: null,
          peer: reads[id as keyof typeof reads],
        },
      })),
      { id: "errors", value: errors, unit: "", goal: 0, peer: null },
    ],
    `Rates: medians of ${ROUNDS} runs in turns with and without. Reads: at ${PAYMENTS} payments, beside ${FEW} as peer.`,
  );
} finally {
  rmSync(folder, { recursive: true });
}
