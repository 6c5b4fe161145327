// `npm run bench -- latency [--json]`: single payments at half of what the machine takes, at even times, from the moment
// each is due to its answer, which comes after the disk has it.
import { LoadStage } from "./operator/stage.ts";
import { report, scaled } from "./report.ts";

const CONNECTIONS = 64;
const SECONDS = 10;
/** Enough for the machine's best; what is left over is not sent. */
const RATE_MAX = 20_000;

const stage = await LoadStage.open({
  warm: { inputs: 1, chained: true, payments: scaled(800), lanes: CONNECTIONS },
  top: { inputs: 1, chained: true, payments: scaled(1_000), lanes: CONNECTIONS },
  half: { inputs: 1, chained: false, payments: scaled((SECONDS * RATE_MAX) / 2 / CONNECTIONS), lanes: CONNECTIONS },
});
try {
  const warm = await stage.play("warm", "single", { connections: CONNECTIONS });
  const top = await stage.play("top", "single", { connections: CONNECTIONS });
  const rate = top.payments / top.seconds / 2;
  const half = await stage.play("half", "single", { connections: CONNECTIONS, perSecond: rate });
  const errors = warm.errors + top.errors + half.errors;
  for (const { firstError } of [warm, top, half]) if (firstError !== null) console.error(firstError);
  const plain = { goal: null, peer: null };
  report(
    "latency",
    [
      { id: "acceptP99Ms", value: half.p99, unit: "ms", goal: 20, peer: null },
      { id: "acceptP50Ms", value: half.p50, unit: "ms", ...plain },
      { id: "acceptMaxMs", value: half.max, unit: "ms", ...plain },
      { id: "offeredPerSecond", value: rate, unit: "/s", ...plain },
      { id: "fullLoadP99Ms", value: top.p99, unit: "ms", ...plain },
      { id: "fullLoadP50Ms", value: top.p50, unit: "ms", ...plain },
      { id: "errors", value: errors, unit: "", goal: 0, peer: null },
    ],
    `${CONNECTIONS} connections, single payments of JSON.`,
  );
} finally {
  await stage.close();
}
