// Verification, ledger, journal and HTTP without Ethereum, with an index or without one: what an index costs is the difference.
import type { AddressInfo } from "node:net";
import { createServer } from "node:http";
import { decodeEntry } from "@plasma-billing/protocol/entryJson.ts";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import { ZERO_HASH } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { pino } from "pino";
import { systemClock as clock } from "../../ethereum/process/clock.ts";
import { createIntake } from "../../operator/http/intake.ts";
import { PaymentIndex } from "../../operator/index/client.ts";
import { Journal } from "../../operator/journal/journal.ts";
import { Sequencer } from "../../operator/sequencer.ts";
import { VerificationPool } from "@plasma-billing/ethereum/verification/pool.ts";
import { laneAddress } from "./lanes.ts";
import { BENCH_DOMAIN } from "./store.ts";

export interface ServerJob {
  dataDir: string;
  lanes: number;
  /** As decimal digits. */
  deposit: string;
  withIndex: boolean;
}

const LOOK_MS = 5;

/** How long the oldest entry that is on the disk and not in the index has been there: the longest of all looks. */
class Lag {
  longestMs = 0;
  private readonly seen: { at: number; position: number }[] = [];

  look({ durable, indexed }: { durable: number; indexed: number }): void {
    const now = performance.now();
    if (this.seen.at(-1)?.position !== durable) this.seen.push({ at: now, position: durable });
    while (this.seen.length > 0 && (this.seen[0]?.position ?? 0) <= indexed) this.seen.shift();
    const [oldest] = this.seen;
    if (oldest !== undefined) this.longestMs = Math.max(this.longestMs, now - oldest.at);
  }
}

async function serve({ dataDir, lanes, deposit, withIndex }: ServerJob): Promise<void> {
  const ledger = new Ledger(BENCH_DOMAIN);
  const log = pino({ level: "warn" });
  const onFailure = (error: Error): void => {
    throw error;
  };
  let index: PaymentIndex | null = null;
  const sequencer = await Sequencer.open(
    {
      ...{ ledger, clock, log, onFailure },
      onDurable: (position) => index?.durable(position),
      history: {
        resolve: async () => await Promise.reject(new Error("no payment of the load is refused")),
      },
    },
    async (replay) => (await Journal.open(dataDir, { replay })).journal,
  );
  for (let i = 0; i < lanes; i++) {
    const terms = { id: BigInt(i + 1), owner: laneAddress(i), token: TOKEN, amount: BigInt(deposit) };
    const place = { nextBlockNumber: 1, ethereumBlock: 1, ethereumTransaction: ZERO_HASH };
    await sequencer.record([{ type: "deposit", ...terms, ...place }]);
  }
  if (withIndex) index = await PaymentIndex.open({ dataDir, log, durable: sequencer.durable.position, onFailure });
  const lag = new Lag();
  setInterval(() => {
    if (index !== null) lag.look(index.progress);
  }, LOOK_MS);
  const pool = await VerificationPool.start({ separator: ledger.separator });
  const intake = createIntake({
    log,
    submit: async (request) => {
      const verified = await pool.verify(request);
      if (verified === null) return { kind: "overloaded" };
      if (verified.kind === "malformed") return verified;
      return { kind: "judged", results: await sequencer.submit(verified.records) };
    },
  });
  const server = createServer((request, response) => {
    if (!intake(request, response)) response.writeHead(404).end();
  });
  server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
  process.on("message", (message: "lag" | { entries: string[] }) => {
    if (message === "lag") process.send?.(lag.longestMs);
    else void sequencer.record(message.entries.map(decodeEntry)).then(() => process.send?.("recorded"));
  });
}

const TOKEN: Address = "0x0000000000000000000000000000000000000000";

process.once("message", (job: ServerJob) => void serve(job));
