// `npm run bench -- recovery [--json]`: the start of an operator killed with -9 that has more than 10,000,000 payments in its journal
// and 1,000,000 outputs live, at the worst moment: right before the next snapshot.
import { rmSync, statSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fillFolder, startFrom } from "./operator/longFolder.ts";
import { benchFolder, quantile } from "./operator/store.ts";
import { report, scaled } from "./report.ts";

/** So many that the next snapshot is near, and there is as much to replay as there can be. */
const PAYMENTS = scaled(10_900_000);
const LIVE = scaled(1_000_000);
const STARTS = 3;

const dataDir = benchFolder();
try {
  const perBlock = Math.ceil(PAYMENTS / 10);
  const filled = await fillFolder({ dataDir, live: LIVE, payments: PAYMENTS, perBlock });
  const seconds: number[] = [];
  let errors = 0;
  let behind = 0;
  for (let i = 0; i < STARTS; i++) {
    const started = await startFrom(dataDir);
    seconds.push(started.seconds);
    behind = Math.max(behind, started.indexSeconds);
    if (started.position !== filled.position || started.stateHash !== filled.stateHash) errors++;
  }
  const folder = join(dataDir, "journal");
  const bytes = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  const newest = Math.max(0, ...readdirSync(join(dataDir, "snapshots")).map((name) => parseInt(name, 10)));
  const plain = { goal: null, peer: null };
  report(
    "recovery",
    [
      { id: "recoverySeconds", value: quantile(seconds, 0.5), unit: "s", goal: 6, peer: null },
      { id: "indexReadySeconds", value: behind, unit: "s more", ...plain },
      { id: "replayedEntries", value: filled.position - newest, unit: "", ...plain },
      { id: "entries", value: filled.position, unit: "", ...plain },
      { id: "liveOutputs", value: filled.live, unit: "", ...plain },
      { id: "journalBytesPerEntry", value: bytes / filled.position, unit: "bytes", ...plain },
      { id: "errors", value: errors, unit: `of ${STARTS} starts`, goal: 0, peer: null },
    ],
    "From the beginning of the process to an operator that could answer; the state hash is that of the one killed.",
  );
} finally {
  rmSync(dataDir, { recursive: true });
}
