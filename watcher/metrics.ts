import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { ChildChain } from "./chain/childChain.ts";
import type { FindingsBook } from "./findings/book.ts";
import { FINDINGS } from "./findings/finding.ts";
import type { RootChainView } from "./rootChain/view.ts";
import type { Watcher } from "./watcher.ts";

/** What Prometheus reads; each figure is taken when it is asked for. */
export function metricsOf(
  watcher: Watcher,
  view: RootChainView,
  chain: ChildChain,
  book: FindingsBook,
): () => Promise<string> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const gauge = (name: string, help: string, read: () => number | null): void => {
    const metric: Gauge = new Gauge({
      ...{ name: `plasma_watcher_${name}`, help, registers: [registry] },
      collect: () => metric.set(read() ?? NaN),
    });
  };
  gauge("safe", "1 while everything was looked at and nothing is wrong", () => (watcher.reasons.length === 0 ? 1 : 0));
  gauge("height", "Last block verified against Ethereum", () => chain.height);
  gauge("committed_blocks", "Blocks on Ethereum", () => view.commits.length);
  gauge("verified_payments", "Payments verified, streamed ones too", () => chain.verifiedPayments);
  gauge("disk_full", "1 while there is no room for what the operator serves", () => (watcher.hasRoom ? 0 : 1));
  gauge("ethereum_head", "Ethereum block that was seen last", () => view.head?.number ?? null);
  const findings: Gauge = new Gauge({
    ...{ name: "plasma_watcher_findings", help: "Open findings; docs/WATCHING.md says what to do about each" },
    ...{ labelNames: ["name"], registers: [registry] },
    collect: () => {
      const { open } = book;
      for (const name of Object.keys(FINDINGS)) {
        findings.set({ name }, open.filter((finding) => finding.name === name).length);
      }
    },
  });
  return async () => await registry.metrics();
}
