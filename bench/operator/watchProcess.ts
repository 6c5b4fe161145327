// A watcher's chain in a process of its own: takes committed blocks of an operator, and tells how long that took.
import { pino } from "pino";
import { depositHash, ETHER, outputId, type Deposit } from "@plasma-billing/protocol/transaction.ts";
import { domainSeparator, type Domain } from "@plasma-billing/protocol/typedData.ts";
import { availableParallelism } from "node:os";
import { ChildChain, type CommittedBlock } from "../../watcher/chain/childChain.ts";
import { laneAddress } from "./lanes.ts";

export interface WatchJob {
  dataDir: string;
  operatorUrl: string;
  domain: { chainId: string; verifyingContract: Domain["verifyingContract"] };
  lanes: number;
  /** Of each lane, as decimal digits. */
  deposit: string;
  committed: CommittedBlock[];
  trustedHeight: number;
}

export interface WatchResult {
  payments: number;
  seconds: number;
  /** From the same folder again, without the network. */
  reopenSeconds: number;
  memoryMiB: number;
  outputs: number;
  problem: string | null;
}

/** What the process holds is looked at so often. */
const LOOK_MS = 50;

async function watch(job: WatchJob): Promise<WatchResult> {
  const { committed, dataDir, operatorUrl, trustedHeight } = job;
  const domain = { ...job.domain, chainId: BigInt(job.domain.chainId) };
  const separator = domainSeparator(domain);
  const deposits = new Map<string, Deposit>();
  for (let i = 0; i < job.lanes; i++) {
    const deposit = { id: BigInt(i + 1), owner: laneAddress(i), token: ETHER, amount: BigInt(job.deposit) };
    deposits.set(outputId(depositHash(separator, deposit), 0), deposit);
  }
  const open = async (): Promise<ChildChain> =>
    await ChildChain.open({
      ...{ dataDir, domain, operatorUrl, trustedHeight, threads: availableParallelism(), snapshotPayments: 1_000_000 },
      ...{ guarded: new Set(), log: pino({ level: "warn" }), onPayment: () => undefined },
      depositOf: (id) => deposits.get(id),
    });
  let largest = 0;
  const looking = setInterval(() => (largest = Math.max(largest, process.memoryUsage().rss)), LOOK_MS);
  const chain = await open();
  const started = performance.now();
  let result = await chain.step(committed);
  while (result.more) result = await chain.step(committed);
  const seconds = (performance.now() - started) / 1000;
  clearInterval(looking);
  const { verifiedPayments: payments, outputs, height } = chain;
  const wrong = height !== committed.length || result.breaches.length > 0;
  await chain.close();
  const again = performance.now();
  await (await open()).close();
  return {
    ...{ payments, seconds, reopenSeconds: (performance.now() - again) / 1000, outputs: outputs.count },
    memoryMiB: largest / 2 ** 20,
    problem: wrong ? JSON.stringify({ height, ...result }) : null,
  };
}

process.once("message", (job: WatchJob) => {
  void watch(job).then((result) => process.send?.(result));
});
