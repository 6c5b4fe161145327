import type { FindingDraft } from "../findings/finding.ts";

/** Every event on Ethereum has to be answered within W/4. */
const ANSWER_PARTS = 4;
/** A transaction may need so long to be mined at a fee that rises: a replacement every three blocks, five times. */
const MINING_SECONDS = 180;
/** On a development chain a transaction makes its own block. */
const MINING_AT_ONCE_SECONDS = 10;
/** Looks that may fail one after another. */
const LOOKS = 5;
/** Without a new block for so long, Ethereum stands still. */
const STANDING_MS = 300_000;

export interface Pace {
  ethereumPollMs: number;
  operatorPollMs: number;
  /** Whether blocks come all the time, as they do not on development chains. */
  blocksCome: boolean;
}

/** Why a watcher of this pace could miss the time to answer; null when it cannot. @param exitPeriod - seconds */
export function tooSlow(exitPeriod: number, { ethereumPollMs, operatorPollMs, blocksCome }: Pace): string | null {
  const mining = blocksCome ? MINING_SECONDS : MINING_AT_ONCE_SECONDS;
  const needed = (LOOKS * (ethereumPollMs + operatorPollMs)) / 1000 + mining;
  const window = exitPeriod / ANSWER_PARTS;
  if (needed <= window) return null;
  return `it could need ${needed} s to see and answer an event, and W/4 is ${window} s: set smaller ETHEREUM_POLL_MS and OPERATOR_POLL_MS`;
}

/** When everything was looked at: Ethereum's time in seconds, and our own clock in milliseconds. */
export interface Look {
  ethereum: number;
  ownMs: number;
}

/** Ethereum's time alone jumps on development chains, our own clock when somebody sets it. */
export function gapFinding(before: Look | null, now: Look, exitPeriod: number): FindingDraft[] {
  if (before === null) return [];
  const gap = Math.min(now.ethereum - before.ethereum, (now.ownMs - before.ownMs) / 1000);
  if (gap <= exitPeriod / ANSWER_PARTS) return [];
  return [
    {
      ...{ name: "windowTooShort", subject: `since ${before.ethereum}`, until: null, transaction: null },
      text: `nothing was looked at for ${Math.floor(gap)} s, until ${now.ethereum}; W/4 is ${exitPeriod / ANSWER_PARTS} s`,
      evidence: { before, now, exitPeriod },
    },
  ];
}

/** How reading Ethereum goes, by our own clock in milliseconds. */
export interface Reading {
  /** Of the last whole look; of the start before the first. */
  answeredAt: number;
  /** Of the last new block. */
  headAt: number;
  head: number | null;
  failure: string | null;
  /** Why following has stopped for good. */
  lost: string | null;
}

/** @param blocksCome - whether blocks come all the time, as they do not on development chains */
export function staleFinding(
  { answeredAt, headAt, head, failure, lost }: Reading,
  blocksCome: boolean,
  stalledSeconds: number,
  nowMs: number,
): FindingDraft[] {
  const finding = (subject: string, text: string): FindingDraft[] => [
    { name: "ethereumStale", subject, text, until: null, evidence: { head, failure }, transaction: null },
  ];
  if (lost !== null) return finding("lost", lost);
  if (nowMs - answeredAt > stalledSeconds * 1000) {
    return finding(`since ${answeredAt}`, `Ethereum gives no right answer: ${failure ?? "none yet"}`);
  }
  if (!blocksCome || nowMs - headAt <= STANDING_MS) return [];
  return finding(`at block ${head}`, `no new Ethereum block after ${head} for more than ${STANDING_MS / 1000} s`);
}
