import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import { pino } from "pino";
import { systemClock as clock } from "../../ethereum/process/clock.ts";
import { Store } from "../../operator/store.ts";

export const BENCH_DOMAIN = {
  chainId: 31_337n,
  verifyingContract: "0xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0",
} as const;

/** A folder for what a bench writes. */
export function benchFolder(): string {
  return mkdtempSync(join(tmpdir(), "plasma-bench-"));
}

/** The operator's ledger, journal, snapshots and index, without its network. */
export async function openStore(dataDir: string): Promise<{ ledger: Ledger; store: Store }> {
  const ledger = new Ledger(BENCH_DOMAIN);
  const log = pino({ level: "warn" });
  const onFailure = (error: Error): void => {
    throw error;
  };
  return { ledger, store: await Store.open({ dataDir, ledger, clock, log, onFailure }) };
}

/** Resolves when the index has everything. */
export async function indexed({ index }: Store): Promise<void> {
  while (index.progress.indexed < index.progress.durable) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Those of the values that the shares lie below. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}
