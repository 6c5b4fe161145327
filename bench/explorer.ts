// `npm run bench -- explorer [--json]`: what a first visit to the explorer loads, and how soon it shows payments, in a real browser
// beside a real operator with a market on it.
import { firstLoad } from "../test/helpers/explorerPages.ts";
import { ExplorerStage } from "../test/helpers/explorerStage.ts";
import { quantile } from "./operator/store.ts";
import { report } from "./report.ts";

const VISITS = 9;

const stage = await ExplorerStage.open();
try {
  await stage.playMarket();
  const visits = [];
  // Each in a profile of its own, which has nothing yet.
  for (let i = 0; i < VISITS; i++) visits.push(await firstLoad(stage));
  const times = visits.map(({ milliseconds }) => milliseconds);
  report(
    "explorer",
    [
      {
        ...{ id: "explorerFirstLoadKilobytes", unit: "kB", goal: 200, peer: null },
        value: Math.max(...visits.map(({ kilobytes }) => kilobytes)),
      },
      { id: "explorerFirstLoadMs", value: quantile(times, 0.5), unit: "ms", goal: null, peer: null },
      { id: "explorerFirstLoadMaxMs", value: Math.max(...times), unit: "ms", goal: null, peer: null },
    ],
    `Median of ${VISITS} first visits, from the address to payments on the screen; kilobytes with charts and the operator's answers.`,
  );
} finally {
  await stage.close();
}
