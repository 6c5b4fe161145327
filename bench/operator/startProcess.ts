// Opens the store of a folder, and tells what it found and how long that took, and how long reads take.
import { decodePaymentEntry, PAYMENT_KIND } from "@plasma-billing/protocol/entryBytes.ts";
import type { PaymentIndex } from "../../operator/index/client.ts";
import { indexed, openStore, quantile } from "./store.ts";

const READS = 2000;
/** Of them not counted: what they run through is not compiled yet. */
const WARM = 200;
const PAGE = 50;
const SETTLE_MS = 5000;

/** 99 % of reads are no slower, in milliseconds. */
export interface ReadTimes {
  /** A page of all payments, and of one account's, from anywhere in their lists. */
  pageMs: number;
  accountPageMs: number;
  /** A payment by its hash, and what an account has. */
  hashMs: number;
  accountMs: number;
}

async function timed(times: number[], read: () => Promise<unknown>): Promise<void> {
  const started = performance.now();
  await read();
  times.push(performance.now() - started);
}

async function readTimes(index: PaymentIndex, position: number): Promise<ReadTimes> {
  const times = { page: [] as number[], accountPage: [] as number[], hash: [] as number[], account: [] as number[] };
  for (let i = 0; i < READS; i++) {
    const before = 1 + Math.floor(Math.random() * position);
    const [entry] = (await index.payments({}, 1, before)).items;
    if (entry?.bytes[0] !== PAYMENT_KIND) continue;
    const { hash, transaction } = decodePaymentEntry(entry.bytes);
    const address = transaction.outputs[0]?.owner as NonNullable<(typeof transaction.outputs)[0]>["owner"];
    await timed(times.page, async () => await index.payments({}, PAGE, before));
    await timed(times.accountPage, async () => await index.payments({ address }, PAGE, before));
    await timed(times.hash, async () => await index.payment(hash));
    await timed(times.account, async () => await index.account(address));
  }
  const p99 = (values: number[]): number => quantile(values.slice(WARM), 0.99);
  return {
    ...{ pageMs: p99(times.page), accountPageMs: p99(times.accountPage) },
    ...{ hashMs: p99(times.hash), accountMs: p99(times.account) },
  };
}

process.on("message", (dataDir: string) => {
  void (async () => {
    const { ledger, store } = await openStore(dataDir);
    // From the process's beginning: who waits for the operator waits for that as well.
    const seconds = performance.now() / 1000;
    const { indexed: before } = store.index.progress;
    await indexed(store);
    const indexSeconds = performance.now() / 1000 - seconds;
    const { position } = ledger;
    // What was read last is still being written.
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const reads = await readTimes(store.index, position);
    const found = { position, stateHash: ledger.stateHash(), behind: position - before };
    process.send?.({ ...found, seconds, indexSeconds, reads });
  })();
});
