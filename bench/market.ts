// `npm run bench -- market [--json]`: payments in a market's shape, of 1000 validators, 100 marts and 10,000 owners with 10,000
// files, beside plain ones of the same payers: verification, ledger with the marketplace's rules, journal, index and HTTP.
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { domainSeparator } from "@plasma-billing/protocol/typedData.ts";
import type { Form, LoadResult } from "./operator/load.ts";
import { FILES, MARTS, MarketLoad, OWNERS, VALIDATORS } from "./operator/marketLoad.ts";
import { rawRecoveries } from "./operator/recovery.ts";
import type { ServerJob } from "./operator/serverProcess.ts";
import { DEPOSIT, runLoad } from "./operator/stage.ts";
import { BENCH_DOMAIN, benchFolder } from "./operator/store.ts";
import { report, scaled, type Result } from "./report.ts";

const RAW_SECONDS = 3;
/** Both go into the numbers of marts and of validators. */
const BATCH_CONNECTIONS = 4;
const SINGLE_CONNECTIONS = 50;
const BATCHED = scaled(60_000);
const SINGLE = scaled(20_000);

const folder = benchFolder();
const load = new MarketLoad(domainSeparator(BENCH_DOMAIN), DEPOSIT);
const child = fork(new URL("operator/serverProcess.ts", import.meta.url), { execArgv: ["--no-warnings"] });
try {
  mkdirSync(join(folder, "data"));
  const job: ServerJob = {
    dataDir: join(folder, "data"),
    lanes: MARTS + VALIDATORS,
    deposit: String(DEPOSIT),
    withIndex: true,
  };
  child.send(job);
  const [port] = (await once(child, "message")) as [number];
  const tell = async (entries: string[]): Promise<number> => {
    const started = performance.now();
    child.send({ entries });
    await once(child, "message");
    return entries.length / ((performance.now() - started) / 1000);
  };
  let errors = 0;
  const play = async (files: string[], form: Form): Promise<LoadResult> => {
    const result = await runLoad({ port, form, connections: files.length, files, batch: 1000, perSecond: null });
    errors += result.errors + result.refused;
    if (result.firstError !== null) console.error(result.firstError);
    return result;
  };
  const rate = ({ payments, seconds }: LoadResult): number => payments / seconds;

  const entries = await tell(load.people);
  const uploads = await play(load.uploads(folder, BATCH_CONNECTIONS), "binaryBatch");
  await tell(load.offers);
  await play(load.transfers(folder, "warm", BATCH_CONNECTIONS, scaled(20_000)), "jsonBatch");
  const rawBefore = await rawRecoveries(RAW_SECONDS);
  const forms: [string, Form, number, number][] = [
    ["JsonBatch", "jsonBatch", BATCH_CONNECTIONS, BATCHED],
    ["BinaryBatch", "binaryBatch", BATCH_CONNECTIONS, BATCHED],
    ["Single", "single", SINGLE_CONNECTIONS, SINGLE],
  ];
  const measured: [string, LoadResult, LoadResult][] = [];
  for (const [name, form, connections, count] of forms) {
    const plain = await play(load.transfers(folder, `plain${name}`, connections, count), form);
    const market = await play(load.business(folder, `market${name}`, connections, count), form);
    measured.push([name, market, plain]);
  }
  const raw = (rawBefore + (await rawRecoveries(RAW_SECONDS))) / 2;
  const none = { goal: null, peer: null };
  const results: Result[] = [{ id: "rawRecoveriesPerSecond", value: raw, unit: "/s", ...none }];
  for (const [name, market, plain] of measured) {
    results.push(
      { id: `market${name}PerSecond`, value: rate(market), unit: "/s", goal: null, peer: rate(plain) },
      { id: `market${name}Ratio`, value: rate(market) / raw, unit: "of raw", goal: null, peer: rate(plain) / raw },
      { id: `market${name}P50Ms`, value: market.p50, unit: "ms", goal: null, peer: plain.p50 },
      { id: `market${name}P99Ms`, value: market.p99, unit: "ms", goal: null, peer: plain.p99 },
    );
  }
  results.push(
    { id: "uploadsPerSecond", value: rate(uploads), unit: "/s", ...none },
    { id: "registrationsPerSecond", value: entries, unit: "/s", ...none },
    { id: "errors", value: errors, unit: "", goal: 0, peer: null },
  );
  report(
    "market",
    results,
    `peer: plain transfers of the same payers in turn. ${VALIDATORS} validators, ${MARTS} marts, ${OWNERS} owners, ${FILES} files; 85 % purchases, 10 % extensions, 5 % transfers.`,
  );
} finally {
  child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
