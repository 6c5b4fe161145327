// `npm run bench -- latency [--json]`: single payments at half of what the machine takes, at even times, from the moment
// each is due to its answer, which comes after the disk has it.
import { rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { benchFolder, quantile } from "./operator/store.ts";
import { LoadStage } from "./operator/stage.ts";
import { report, scaled } from "./report.ts";

const CONNECTIONS = 64;
const SECONDS = 10;
/** Enough for the machine's best; what is left over is not sent. */
const RATE_MAX = 20_000;

/** Groups of about this size are what the journal writes at half load. */
const GROUP_BYTES = 8 * 1024;
const SYNCS = 1000;

/** How long the disk alone takes, group after group: what no operator can be faster than. */
async function diskTimes(): Promise<number[]> {
  const path = join(benchFolder(), "syncs");
  const file = await open(path, "w");
  const times: number[] = [];
  const bytes = Buffer.alloc(GROUP_BYTES, 1);
  for (let i = 0; i < SYNCS; i++) {
    const started = performance.now();
    await file.write(bytes, 0, GROUP_BYTES, i * GROUP_BYTES);
    await file.datasync();
    times.push(performance.now() - started);
  }
  await file.close();
  rmSync(dirname(path), { recursive: true });
  return times;
}

const stage = await LoadStage.open({
  warm: { inputs: 1, chained: true, payments: scaled(800), lanes: CONNECTIONS },
  top: { inputs: 1, chained: true, payments: scaled(1_000), lanes: CONNECTIONS },
  half: { inputs: 1, chained: false, payments: scaled((SECONDS * RATE_MAX) / 2 / CONNECTIONS), lanes: CONNECTIONS },
  over: { inputs: 1, chained: false, payments: scaled(2_000), lanes: CONNECTIONS },
});
try {
  const warm = await stage.play("warm", "single", { connections: CONNECTIONS });
  const top = await stage.play("top", "single", { connections: CONNECTIONS });
  const rate = top.payments / top.seconds / 2;
  const half = await stage.play("half", "single", { connections: CONNECTIONS, perSecond: rate });
  const disk = await diskTimes();
  // Far more batches at once than are taken in: whoever is taken shall not wait for those who are not.
  const over = await stage.play("over", "jsonBatch", { connections: CONNECTIONS });
  const errors = warm.errors + top.errors + half.errors + over.errors + warm.refused + top.refused + half.refused;
  for (const { firstError } of [warm, top, half, over]) if (firstError !== null) console.error(firstError);
  const plain = { goal: null, peer: null };
  report(
    "latency",
    [
      { id: "acceptP99Ms", value: half.p99, unit: "ms", goal: 20, peer: null },
      { id: "acceptP50Ms", value: half.p50, unit: "ms", ...plain },
      { id: "acceptMaxMs", value: half.max, unit: "ms", ...plain },
      { id: "diskP99Ms", value: quantile(disk, 0.99), unit: "ms", ...plain },
      { id: "diskP50Ms", value: quantile(disk, 0.5), unit: "ms", ...plain },
      { id: "offeredPerSecond", value: rate, unit: "/s", ...plain },
      { id: "fullLoadP99Ms", value: top.p99, unit: "ms", ...plain },
      { id: "fullLoadP50Ms", value: top.p50, unit: "ms", ...plain },
      { id: "overloadP99Ms", value: over.p99, unit: "ms, batches of 1000", ...plain },
      { id: "overloadP50Ms", value: over.p50, unit: "ms, batches of 1000", ...plain },
      { id: "overloadRefused", value: over.refused, unit: "batches", ...plain },
      { id: "overloadTaken", value: over.payments / 1000, unit: "batches", ...plain },
      { id: "errors", value: errors, unit: "", goal: 0, peer: null },
    ],
    `${CONNECTIONS} connections, single payments of JSON.`,
  );
} finally {
  await stage.close();
}
