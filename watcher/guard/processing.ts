import type { Duty } from "@plasma-billing/ethereum/challenging/planner.ts";
import { encodeProcessExits } from "@plasma-billing/ethereum/exitStarts.ts";
import type { QueueEntry } from "./exitBoard.ts";
import type { PlanContext } from "./plan.ts";

/** Payments of one call, an in-flight exit having up to 32: each may take all the gas that a payment gets. */
const PAYMENTS_A_CALL = 20;
/** Within so many parts of W after its time an exit has to be processed. */
const PROCESSED_PARTS = 4;

/** Has the queues pay what guarded addresses are due, with all that stands before it. */
export function planProcessing({ board, guarded, now, exitPeriod }: PlanContext): Duty[] {
  const duties: Duty[] = [];
  for (const token of board.tokensOf((owner) => guarded.has(owner))) {
    const queue = board.queueOf(token);
    const isDue = ({ owners, exitableAt }: QueueEntry): boolean =>
      exitableAt <= now && owners.some((owner) => guarded.has(owner));
    const first = queue.find(isDue);
    const last = queue.findLastIndex(isDue);
    if (first === undefined) continue;
    const batch = batchOf(queue.slice(0, last + 1));
    const [{ number }] = batch;
    duties.push({
      // Once these are worked off, what is first is another one.
      key: `processExits:${token}:${number}`,
      exit: number,
      until: first.exitableAt + Math.floor(exitPeriod / PROCESSED_PARTS),
      value: 0n,
      data: () => encodeProcessExits(token, batch),
    });
  }
  return duties;
}

function batchOf(entries: readonly QueueEntry[]): [QueueEntry, ...QueueEntry[]] {
  const [first, ...others] = entries as [QueueEntry, ...QueueEntry[]];
  const batch: [QueueEntry, ...QueueEntry[]] = [first];
  let payments = first.owners.length;
  for (const entry of others) {
    payments += Math.max(entry.owners.length, 1);
    if (payments > PAYMENTS_A_CALL) break;
    batch.push(entry);
  }
  return batch;
}
