// `npm run bench -- seal [--json]`: how long the sequencer takes nothing else while an hour of 1,000,000 payments is sealed,
// and the longest the thread is held up by anything in the seconds behind it.
import { rmSync } from "node:fs";
import { LongHistory } from "./operator/history.ts";
import { benchFolder, indexed, openStore } from "./operator/store.ts";
import { report, scaled } from "./report.ts";

const PAYMENTS = scaled(1_000_000);
const LIVE = scaled(1_000_000);
const WATCHED_MS = 3000;

const dataDir = benchFolder();
const { ledger, store } = await openStore(dataDir);
try {
  const history = new LongHistory(ledger, store.sequencer, LIVE);
  await history.fill(LIVE);
  await store.sequencer.seal();
  await history.move(PAYMENTS);
  await indexed(store);
  const { transactionCount } = ledger.openBlock;

  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last - 1);
    last = now;
  }, 1);
  const started = performance.now();
  const sealed = store.sequencer.seal();
  // Up to its first wait nothing else could happen.
  const pause = performance.now() - started;
  await sealed;
  const durable = performance.now() - started;
  await new Promise((resolve) => setTimeout(resolve, WATCHED_MS));
  clearInterval(timer);
  const plain = { goal: null, peer: null };
  report(
    "seal",
    [
      { id: "sealPauseMs", value: pause, unit: "ms", goal: 10, peer: null },
      { id: "longestPauseAroundMs", value: longest, unit: "ms", ...plain },
      { id: "sealDurableMs", value: durable, unit: "ms", ...plain },
      { id: "payments", value: transactionCount, unit: "in the block", ...plain },
    ],
    `With ${LIVE.toLocaleString("en")} outputs live.`,
  );
} finally {
  await store.close();
  rmSync(dataDir, { recursive: true });
}
