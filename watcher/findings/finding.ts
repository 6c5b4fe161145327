import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";

/** `unsafe`: money can be lost by who does nothing; `attention`: somebody should look, or this watcher acts on it. */
export type Severity = "unsafe" | "attention";

interface Kind {
  severity: Severity;
  /** What it means, to somebody who holds money on the chain. */
  means: string;
  /** What to do about it. */
  todo: string;
}

const LEAVE = "leave before the time named: `npx plasma exit --kit FILE --first-bad-block N`, or the SDK's leave()";

/** All there is to be found; docs/WATCHING.md has a runbook for each. */
export const FINDINGS = {
  invalidBlock: {
    severity: "unsafe",
    means:
      "A block on Ethereum breaks the ledger's rules: what it makes out of nothing can be taken out of the contract.",
    todo: LEAVE,
  },
  withheldBlock: {
    severity: "unsafe",
    means: "A block is on Ethereum and the operator does not publish all of it: it may hold anything.",
    todo: `${LEAVE}, unless it is published until then`,
  },
  reordered: {
    severity: "unsafe",
    means:
      "The operator put another payment where it had told one: its word on what no block has yet is worth nothing.",
    todo: "do not rely on payments that no block has; leave if you do not want to stay with this operator",
  },
  unknownRoot: {
    severity: "unsafe",
    means: "The root on Ethereum is not that of the payments the operator serves: the block committed is another one.",
    todo: LEAVE,
  },
  exitOfSpentOutput: {
    severity: "attention",
    means: "Somebody takes out what was spent already.",
    todo: "send the challenge named here before the exit can be paid; with a key this watcher does it",
  },
  nonCanonicalExit: {
    severity: "attention",
    means: "An in-flight exit is of a payment that contradicts one of the chain.",
    todo: "send the challenge named here in the first half of the exit period; with a key this watcher does it",
  },
  piggybackOfSpent: {
    severity: "attention",
    means: "Somebody asks an in-flight exit to pay what was spent already.",
    todo: "send the challenge named here before the exit can be paid; with a key this watcher does it",
  },
  unansweredChallenge: {
    severity: "attention",
    means: "An in-flight exit of a payment that a block has was challenged with a later one.",
    todo: "send the answer named here before the exit can be paid; with a key this watcher does it",
  },
  exitOfUnknown: {
    severity: "unsafe",
    means: "An exit is of an output that no valid block made: an invalid or withheld block is being cashed.",
    todo: LEAVE,
  },
  depositIgnored: {
    severity: "attention",
    means: "A deposit is final on Ethereum and the operator does not credit it, or as another one.",
    todo: "its owner takes it back by startDepositExit, with the values in the evidence",
  },
  commitLate: {
    severity: "attention",
    means:
      "Payments wait for Ethereum longer than an hour: until then they are worth the operator's and the payers' word.",
    todo: "ask the operator; take no large payments meanwhile",
  },
  operatorStalled: {
    severity: "attention",
    means: "The operator does not answer, or with something that is no answer.",
    todo: "ask the operator; committed funds can be taken out without it",
  },
  ethereumStale: {
    severity: "unsafe",
    means: "Ethereum cannot be read or stands still: nothing that happens there is seen, nobody is protected.",
    todo: "mend the nodes in L1_RPC_URLS, or set others",
  },
  diskFull: {
    severity: "unsafe",
    means:
      "This watcher has no room for what the operator serves, so not everything is verified. Nobody else is at fault.",
    todo: "make room on the disk of DATA_DIR; ask another watcher meanwhile",
  },
  windowTooShort: {
    severity: "attention",
    means:
      "This watcher did not look for so long, or looks so seldom, that it may have missed the time to answer (W/4).",
    todo: "keep it running; look through the exits that were paid meanwhile",
  },
  guardedPiggybackMissing: {
    severity: "attention",
    means: "An in-flight exit is of a payment of a guarded address, which has not authorized a piggyback of its part.",
    todo: "the address piggybacks by itself in the first half of the exit period, or authorizes it: `npx plasma guard`",
  },
  guardedExitMissing: {
    severity: "unsafe",
    means: "The chain is not safe, and a guarded address has not authorized an exit of what it has.",
    todo: LEAVE,
  },
  guardedExit: {
    severity: "attention",
    means: "The chain is not safe: what a guarded address has is being taken out for it.",
    todo: "nothing with a key and GUARD_EXITS=yes; else send the transaction named here",
  },
} as const satisfies Record<string, Kind>;

export type FindingName = keyof typeof FINDINGS;

/** What has to be sent to the contract about a finding, by whoever has a key. */
export interface ContractCall {
  to: Address;
  data: Hex;
  /** In wei. */
  value: bigint;
}

/** Something found, as long as it holds. */
export interface FindingDraft {
  name: FindingName;
  /** What of its kind it is about; with the name it tells findings apart. */
  subject: string;
  /** The kind's, unless it is named here. */
  severity?: Severity;
  /** One sentence with the values. */
  text: string;
  /** Unix seconds, Ethereum's: until then something can be done; null: there is no such time. */
  until: number | null;
  /** Fit for JSON. */
  evidence: Record<string, unknown>;
  transaction: ContractCall | null;
}

export interface Finding extends FindingDraft {
  id: number;
  severity: Severity;
  means: string;
  todo: string;
  state: "open" | "over";
  /** Unix milliseconds. */
  firstSeenAt: number;
  overAt: number | null;
}
