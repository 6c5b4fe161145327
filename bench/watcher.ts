// `npm run bench -- watcher [--json] [--scale 0.1]`: blocks verified by a watcher, over HTTP, beside what the operator took of the
// same payments in the same run.
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CommittedBlock } from "../watcher/chain/childChain.ts";
import { eventually } from "../test/helpers/operatorProcess.ts";
import { rawRecoveries } from "./operator/recovery.ts";
import { DEPOSIT, LoadStage, type Works } from "./operator/stage.ts";
import type { WatchJob, WatchResult } from "./operator/watchProcess.ts";
import { report, scaled } from "./report.ts";

const RAW_SECONDS = 4;
const CONNECTIONS = 4;
const WAIT_MS = 60_000;
const WORKS: Works = {
  warm: { inputs: 1, chained: true, payments: scaled(2_000), lanes: CONNECTIONS },
  batch: { inputs: 1, chained: true, payments: scaled(40_000), lanes: CONNECTIONS },
};

const stage = await LoadStage.open(WORKS);
const folder = mkdtempSync(join(tmpdir(), "plasma-bench-watcher-"));
try {
  const rawBefore = await rawRecoveries(RAW_SECONDS);
  await stage.play("warm", "jsonBatch", { connections: CONNECTIONS });
  const taken = await stage.play("batch", "jsonBatch", { connections: CONNECTIONS });
  if (taken.errors + taken.refused > 0) throw new Error(`the operator did not take all: ${taken.firstError}`);
  const admin = { authorization: "Bearer the-token-of-the-bench" };
  await stage.operator.post("/v1/admin/commit", {}, admin);
  const committed = await eventually("the block is committed", WAIT_MS, async () => {
    const { body } = await stage.operator.get("/v1/blocks/1");
    return body.timestamp === null ? null : [body as CommittedBlock];
  });
  const watch = async (name: string, trustedHeight: number): Promise<WatchResult> => {
    const child = fork(new URL("operator/watchProcess.ts", import.meta.url), { execArgv: ["--no-warnings"] });
    try {
      const { chainId, verifyingContract } = stage.chain.domain();
      const domain = { chainId: String(chainId), verifyingContract: verifyingContract.toLowerCase() as `0x${string}` };
      const job: WatchJob = {
        ...{ dataDir: join(folder, name), operatorUrl: stage.operator.url, domain, committed, trustedHeight },
        ...{ lanes: CONNECTIONS, deposit: String(DEPOSIT) },
      };
      child.send(job);
      const [result] = (await once(child, "message")) as [WatchResult];
      if (result.problem !== null) throw new Error(`the watcher did not take all: ${result.problem}`);
      return result;
    } finally {
      child.kill("SIGKILL");
    }
  };
  const verified = await watch("verified", 0);
  const trusting = await watch("trusting", 1);
  const raw = (rawBefore + (await rawRecoveries(RAW_SECONDS))) / 2;
  const operatorRate = taken.payments / taken.seconds;
  const rate = verified.payments / verified.seconds;
  const plain = { goal: null, peer: null };
  report(
    "watcher",
    [
      { id: "rawRecoveriesPerSecond", value: raw, unit: "/s", ...plain },
      { id: "watcherRatio", value: rate / operatorRate, unit: "of the operator's", goal: 1, peer: null, atLeast: true },
      { id: "watcherPerSecond", value: rate, unit: "/s", goal: null, peer: operatorRate },
      { id: "watcherRawRatio", value: rate / raw, unit: "of raw", ...plain },
      { id: "watcherTrustingPerSecond", value: trusting.payments / trusting.seconds, unit: "/s", ...plain },
      { id: "watcherReopenPerSecond", value: verified.payments / verified.reopenSeconds, unit: "/s", ...plain },
      { id: "watcherMemoryMiB", value: verified.memoryMiB, unit: "MiB", ...plain },
      { id: "verifiedPayments", value: verified.payments, unit: "", ...plain },
      { id: "liveOutputs", value: verified.outputs, unit: "", ...plain },
    ],
    "peer: what the operator took of the same payments, JSON batches of 1000, 4 connections. Operator and watcher on the same cores.",
  );
} finally {
  await stage.close();
  rmSync(folder, { recursive: true, force: true });
}
