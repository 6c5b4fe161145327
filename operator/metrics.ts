import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { Ledger } from "@plasma-billing/protocol/ledger.ts";
import { ALARM_CODES } from "./alarms.ts";
import type { Health } from "./health.ts";
import { STATES } from "./settlement/planner.ts";

const ETHER = 1e18;

/** What Prometheus reads; each figure is taken when it is asked for. */
export function metricsOf(ledger: Ledger, health: Health): () => Promise<string> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const gauge = (name: string, help: string, read: () => number | null): void => {
    const metric: Gauge = new Gauge({
      ...{ name: `plasma_${name}`, help, registers: [registry] },
      collect: () => metric.set(read() ?? NaN),
    });
  };
  const labelled = (name: string, help: string, label: string, read: () => [string, number][]): void => {
    const metric: Gauge = new Gauge({
      ...{ name: `plasma_${name}`, help, labelNames: [label], registers: [registry] },
      collect: () => {
        metric.reset();
        for (const [value, figure] of read()) metric.set({ [label]: value }, figure);
      },
    });
  };
  gauge("journal_entries", "Entries taken", () => ledger.position);
  gauge("live_outputs", "Outputs that are not spent", () => ledger.outputCount);
  gauge("open_block", "Number of the open block", () => ledger.openBlock.number);
  gauge("open_block_payments", "Payments in the open block", () => ledger.openBlock.transactionCount);
  labelled("settlement_blocks", "Sealed blocks that are not final on Ethereum, by state", "state", () => {
    const { blocks } = health.settlement;
    return Object.keys(STATES).map((state) => [state, blocks.filter((block) => block.state === state).length]);
  });
  gauge(
    "settlement_unlanded_age_seconds",
    "Since the end of the oldest hour that Ethereum does not hold; 0 without one",
    () => {
      return health.settlement.oldestUnlandedSeconds ?? 0;
    },
  );
  gauge("settlement_attempts", "Commits signed for the blocks that are not final", () => {
    return health.settlement.blocks.reduce((sum, { attempts }) => sum + attempts, 0);
  });
  gauge("settlement_fees_paid_ether", "Fees of all commits so far", () => Number(health.settlement.feesPaid) / ETHER);
  gauge("settlement_balance_ether", "Of the account that commits", () => {
    const { balance } = health.settlement;
    return balance === null ? null : Number(balance) / ETHER;
  });
  gauge("settlement_fee_hours_left", "Hours the balance pays for at the fees of now", () => {
    return health.settlement.hoursOfFeesLeft;
  });
  labelled("ethereum_node_up", "Whether the node is asked", "host", () => {
    return health.settlement.nodes.map(({ host, problem }) => [host, problem === null ? 1 : 0]);
  });
  labelled("ethereum_node_head", "Block the node was at", "host", () => {
    return health.settlement.nodes.flatMap(({ host, head }) => (head === null ? [] : [[host, head]]));
  });
  labelled("alarm", "1 while somebody must look; docs/OPERATING.md says at what", "code", () => {
    const active = new Set(health.alarms.map(({ code }) => code));
    return ALARM_CODES.map((code) => [code, active.has(code) ? 1 : 0]);
  });
  return async () => await registry.metrics();
}
