// `npm run bench -- proofs [--json]`: proofs from a block of 4,000,000 payments, one after the other, at random.
import { rmSync } from "node:fs";
import { verifyProof } from "@plasma-billing/protocol/merkle.ts";
import { toHex } from "@plasma-billing/protocol/hex.ts";
import { HASH_AT } from "@plasma-billing/protocol/entryBytes.ts";
import { LongHistory } from "./operator/history.ts";
import { benchFolder, indexed, openStore, quantile } from "./operator/store.ts";
import { report, scaled } from "./report.ts";

const PAYMENTS = scaled(4_000_000);
const LIVE = 100_000;
const PROOFS = 5000;
const CHECKED = 200;

const dataDir = benchFolder();
const { ledger, store } = await openStore(dataDir);
try {
  const history = new LongHistory(ledger, store.sequencer, LIVE);
  await history.fill(LIVE);
  await store.sequencer.seal();
  await history.move(PAYMENTS);
  const number = (await store.sequencer.seal()) as number;
  const sealedAt = performance.now();
  await store.index.siblings(number, 0);
  const firstProof = performance.now() - sealedAt;
  await indexed(store);

  const { transactionsRoot, transactionCount, firstEntry } = ledger.block(number)!;
  const times: number[] = [];
  let errors = 0;
  for (let i = 0; i < PROOFS; i++) {
    const index = Math.floor(Math.random() * transactionCount);
    const started = performance.now();
    const siblings = await store.index.siblings(number, index);
    times.push(performance.now() - started);
    if (i >= CHECKED) continue;
    const page = await store.index.payments({ from: firstEntry + index, to: firstEntry + index }, 1, null);
    const hash = toHex(page.items[0]!.bytes.subarray(HASH_AT, HASH_AT + 32));
    if (!verifyProof(transactionsRoot, hash, index, transactionCount, siblings)) errors++;
  }
  const plain = { goal: null, peer: null };
  report(
    "proofs",
    [
      { id: "proofP99Ms", value: quantile(times, 0.99), unit: "ms", goal: 2, peer: null },
      { id: "proofP50Ms", value: quantile(times, 0.5), unit: "ms", ...plain },
      { id: "firstProofMs", value: firstProof, unit: "ms behind the seal", ...plain },
      { id: "payments", value: transactionCount, unit: "in the block", ...plain },
      { id: "errors", value: errors, unit: `of ${CHECKED} checked`, goal: 0, peer: null },
    ],
    "Each asked of the index's thread by the operator's.",
  );
} finally {
  await store.close();
  rmSync(dataDir, { recursive: true });
}
