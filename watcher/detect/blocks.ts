import type { Breach, MissingBlock } from "../chain/childChain.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Finding, FindingDraft } from "../findings/finding.ts";
import type { SeenCommit } from "../rootChain/view.ts";

/** A block that is not published W/8 after its commit counts as invalid. */
const PUBLISH_PARTS = 8;
/** Asked for so long, by our own clock, before a block counts as withheld: an operator may be starting again. */
const MISSING_MS = 10_000;
const MISSING_UNSAFE_MS = 20_000;

/** What is wrong with what the operator serves, told as long as it holds. */
export function breachFindings(
  breaches: readonly Breach[],
  commits: readonly SeenCommit[],
  exitPeriod: number,
): FindingDraft[] {
  const untilOf = (number: number): number | null => {
    const commit = commits[number - 1];
    return commit === undefined ? null : commit.timestamp + exitPeriod;
  };
  return breaches.map((breach): FindingDraft => {
    const { blockNumber } = breach;
    const until = untilOf(blockNumber);
    switch (breach.name) {
      case "invalidBlock": {
        const { transactionIndex, rule, hash, context } = breach;
        const where = until === null ? "of the open block" : "on Ethereum";
        return {
          ...{ name: "invalidBlock", subject: `block ${blockNumber} ${rule} ${hash}`, until, transaction: null },
          text: `payment ${transactionIndex} of block ${blockNumber} ${where} breaks ${rule}`,
          evidence: { blockNumber, transactionIndex, rule, transactionHash: hash, context },
        };
      }
      case "unknownRoot": {
        const { committed, served } = breach;
        return {
          ...{ name: "unknownRoot", subject: `block ${blockNumber} ${committed.root}`, until, transaction: null },
          text: `block ${blockNumber} is committed as ${committed.root} with ${committed.count} payments, served as ${served.root} with ${served.count}`,
          evidence: { blockNumber, committed, served },
        };
      }
      case "reordered": {
        const { transactionIndex, streamed, committed } = breach;
        const now = committed ?? "nothing";
        return {
          ...{ name: "reordered", subject: `block ${blockNumber} ${transactionIndex} ${streamed}`, transaction: null },
          ...{
            until: null,
            text: `payment ${streamed}, told as ${transactionIndex} of block ${blockNumber}, is not there: ${now} is`,
          },
          evidence: { blockNumber, transactionIndex, streamed, committed },
        };
      }
    }
  });
}

/** A block that was old already when it was first found missing gets this part of W: the operator may only be starting again. */
const LATE_WAIT_PARTS = 64;

/** A committed block that is not served. */
export interface Missing extends MissingBlock {
  /** Since when by our own clock (milliseconds). */
  since: number;
  /** It was older than W/8 by then. */
  late: boolean;
}

/**
 * @param nowMs - our own clock
 * @param now - Ethereum's, seconds
 */
export function withheldFinding(
  missing: Missing | null,
  commits: readonly SeenCommit[],
  exitPeriod: number,
  nowMs: number,
  now: number,
): FindingDraft[] {
  const commit = missing === null ? undefined : commits[missing.number - 1];
  if (missing === null || commit === undefined || nowMs - missing.since < MISSING_MS) return [];
  const { number, reason, since, late } = missing;
  const age = now - commit.timestamp;
  const hurry = exitPeriod - age < exitPeriod / PUBLISH_PARTS;
  const waitMs =
    late && !hurry ? Math.max(MISSING_UNSAFE_MS, (exitPeriod * 1000) / LATE_WAIT_PARTS) : MISSING_UNSAFE_MS;
  const lost = isUnpublished(age, exitPeriod) && nowMs - since >= waitMs;
  return [
    {
      ...{ name: "withheldBlock", subject: subjectOf(number, commit.transactionsRoot) },
      severity: lost ? "unsafe" : "attention",
      text: `block ${number}, ${age} s on Ethereum, is not served (${reason})${lost ? ": it counts as invalid" : ""}`,
      until: lost ? commit.timestamp + exitPeriod : commit.timestamp + Math.floor(exitPeriod / PUBLISH_PARTS),
      evidence: { blockNumber: number, reason, commit: commit.ethereumTransaction, late },
      transaction: null,
    },
  ];
}

/**
 * What was not published in time counts as invalid for good: it stays when it is served later, since nobody could challenge with it
 * meanwhile. As long as Ethereum has it; and not what was older than that when it was first asked for, as others may have had it.
 */
export function lostForGood(open: readonly Finding[], commits: readonly SeenCommit[]): Finding[] {
  return open.filter(({ name, severity, subject, evidence }) => {
    const number = evidence["blockNumber"] as number;
    const root = commits[number - 1]?.transactionsRoot;
    return (
      name === "withheldBlock" &&
      severity === "unsafe" &&
      evidence["late"] === false &&
      root !== undefined &&
      subject === subjectOf(number, root)
    );
  });
}

function subjectOf(number: number, root: Hex): string {
  return `block ${number} ${root}`;
}

/** @param room - why this side stores nothing more; `behind`: there are blocks on Ethereum that are not verified */
export function diskFinding(room: string | null, behind: boolean): FindingDraft[] {
  if (room === null) return [];
  return [
    {
      ...{
        name: "diskFull",
        subject: "disk",
        severity: behind ? "unsafe" : "attention",
        until: null,
        transaction: null,
      },
      text: `nothing more of the operator's is stored${behind ? ", and blocks on Ethereum are not verified" : ""}: ${room}`,
      evidence: { behind },
    },
  ];
}

/** Whether a block of this age (seconds) had to be published. */
export function isUnpublished(age: number, exitPeriod: number): boolean {
  return age > exitPeriod / PUBLISH_PARTS;
}

/** The hour may end late by this much before somebody is told. */
const LATE_SECONDS = 600;

/** @param openSince - when the oldest payment was seen that no block on Ethereum has, in milliseconds */
export function lateFinding(openSince: number | null, commitIntervalSeconds: number, nowMs: number): FindingDraft[] {
  if (openSince === null) return [];
  const waited = Math.floor((nowMs - openSince) / 1000);
  if (waited <= commitIntervalSeconds + Math.min(LATE_SECONDS, commitIntervalSeconds)) return [];
  return [
    {
      ...{ name: "commitLate", subject: `since ${openSince}`, until: null, transaction: null },
      text: `payments wait for Ethereum for more than ${commitIntervalSeconds} s`,
      evidence: { openSince, commitIntervalSeconds },
    },
  ];
}

/** Since when the operator gives no right answer, in milliseconds, and what it does instead. */
export interface Silence {
  since: number;
  problem: string;
}

export function stalledFinding(silence: Silence | null, stalledSeconds: number, nowMs: number): FindingDraft[] {
  if (silence === null || nowMs - silence.since < stalledSeconds * 1000) return [];
  return [
    {
      ...{ name: "operatorStalled", subject: `since ${silence.since}`, until: null, transaction: null },
      text: `the operator gives no right answer for more than ${stalledSeconds} s: ${silence.problem}`,
      evidence: { since: silence.since, problem: silence.problem },
    },
  ];
}
