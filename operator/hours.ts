import type { Logger } from "pino";
import type { Clock } from "@plasma-billing/ethereum/process/clock.ts";
import type { Sequencer } from "./sequencer.ts";

/** The next end of an hour, in Unix milliseconds: hours are aligned to the clock. */
export function nextHourEnd(now: number, intervalSeconds: number): number {
  const intervalMs = intervalSeconds * 1000;
  return (Math.floor(now / intervalMs) + 1) * intervalMs;
}

export interface HoursOptions {
  sequencer: Sequencer;
  clock: Clock;
  intervalSeconds: number;
  log: Logger;
  /** Called when a block was sealed. */
  onSealed: () => void;
}

const STEP_MS = 60_000;

/** Seals the open block at the end of every hour, and at the start one whose hour ended while nobody was there. */
export async function runHours(options: HoursOptions, signal: AbortSignal): Promise<void> {
  const { sequencer, clock, intervalSeconds } = options;
  const { firstAcceptedAt } = sequencer.ledger.openBlock;
  if (firstAcceptedAt !== null && nextHourEnd(firstAcceptedAt, intervalSeconds) <= clock.now()) await sealNow(options);
  let end = nextHourEnd(clock.now(), intervalSeconds);
  while (!signal.aborted) {
    // In steps: a clock set forward is noticed, and no timer takes more than 24 days.
    await clock.sleep(Math.min(end - clock.now(), STEP_MS), signal);
    if (signal.aborted) return;
    const next = nextHourEnd(clock.now(), intervalSeconds);
    if (clock.now() >= end) await sealNow(options);
    // Not later than the clock says now: one that was set back would make the hour as much longer.
    if (clock.now() >= end || next < end) end = next;
  }
}

/** Seals the open block, unless it is empty. Gives its number. */
export async function sealNow({ sequencer, log, onSealed }: HoursOptions): Promise<number | null> {
  const number = await sequencer.seal();
  if (number === null) return null;
  const block = sequencer.ledger.block(number);
  const { transactionCount, transactionsRoot } = block ?? {};
  log.info({ number, transactionCount, transactionsRoot }, "block sealed");
  onSealed();
  return number;
}
