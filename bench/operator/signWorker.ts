// Signs some lanes' work in a thread, into a folder: `<work>.<lane>.ready` and `<work>.<lane>.load`.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { depositHash, outputId } from "@plasma-billing/protocol/transaction.ts";
import { frame } from "./framing.ts";
import { BenchLane, type Work } from "./lanes.ts";

export interface SignJob {
  folder: string;
  separator: Hex;
  /** Lane `i` has deposit `i + 1`. */
  lanes: number[];
  deposit: bigint;
  works: Record<string, Work & { lanes: number }>;
}

if (parentPort !== null) {
  const { folder, separator, lanes, deposit, works } = workerData as SignJob;
  for (const index of lanes) {
    const lane = new BenchLane(index, separator, (owner) => {
      const terms = { id: BigInt(index + 1), owner, token: `0x${"00".repeat(20)}` as const, amount: deposit };
      return { id: outputId(depositHash(separator, terms), 0), amount: deposit };
    });
    for (const [name, work] of Object.entries(works)) {
      if (index >= work.lanes) continue;
      const { ready, load } = lane.sign(work);
      writeFileSync(join(folder, `${name}.${index}.ready`), frame(ready));
      writeFileSync(join(folder, `${name}.${index}.load`), frame(load));
    }
  }
  parentPort.postMessage("done");
}
