import { nextAttempt, type AttemptsSituation, type Fees } from "@plasma-billing/ethereum/fees.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Alarm } from "../alarms.ts";
import type { Attempt } from "./records.ts";

/** A commit takes about 53,000 gas; after each one that was mined without effect twice as much is allowed. */
const COMMIT_GAS_LIMIT = 100_000n;
/** Nonces used up for one block before a person must look. */
const FRUITLESS_MAX = 4;

/** What a block's way to Ethereum is made of, and what may be done in each state; README.md says the same in words. */
export const STATES = {
  open: ["seal"],
  sealed: ["bind", "wait", "halt"],
  bound: ["takeNonce", "wait", "halt"],
  numbered: ["sign", "takeNonce", "wait", "halt"],
  signed: ["send", "sign", "takeNonce", "wait", "halt"],
  sent: ["send", "sign", "takeNonce", "wait", "halt"],
  landed: ["wait", "halt"],
  final: [],
  halted: [],
} as const;

export type SettlementState = keyof typeof STATES;

/** How the block that Ethereum expects next stands, in the state of one Ethereum block. */
export interface Standing {
  /** Of the block that the contract expects next. */
  number: number;
  /** How many blocks are sealed, and how many of them no crash can take back. */
  sealed: number;
  durable: number;
  /** The highest number something was ever bound for. */
  highestBound: number;
  /** Whether this number's root, count and calldata are on the disk. */
  bound: boolean;
  /** Whether the contract was seen to hold our root of the block before. */
  previousIsOurs: boolean;
  /** What Ethereum or the records hold against the journal. */
  conflict: string | null;
}

/** What else has to be known to send; all of it in the state of the same Ethereum block. */
export interface Sending extends AttemptsSituation<Attempt> {
  operator: Address;
  key: Address;
  /** The sender's nonce there, and where nothing changes any more. */
  nonceNow: number;
  nonceFinal: number;
  /** Whether every nonce between the two was used by a commit of ours. */
  nonceIsOurs: boolean;
  /** The nonces taken for the commit, in order; the attempts are those with the last one. */
  nonces: readonly number[];
  /** What used the last of them without committing, when that is known. */
  usedBy: string | null;
  /** In wei. */
  balance: bigint;
  /** An exit that would make the block invalid if it were committed now. */
  exit: { text: string; curable: boolean } | null;
}

export type Action =
  | { do: "wait" | "bind" }
  | { do: "takeNonce"; nonce: number }
  | { do: "sign"; index: number; fees: Fees; gasLimit: bigint }
  | { do: "send"; attempt: Attempt }
  | { do: "halt"; reason: string };

export interface Plan {
  action: Action;
  alarm: Alarm | null;
}

const WAIT: Plan = { action: { do: "wait" }, alarm: null };

/** What to do before anything is known of the sender: null when the block is to be sent. Pure. */
export function planStanding(standing: Standing): Plan | null {
  const { number, sealed, durable, highestBound, bound, previousIsOurs, conflict } = standing;
  if (conflict !== null) return halt(conflict);
  if (number > sealed + 1) {
    return halt(`Ethereum expects block ${number}, the journal has sealed ${sealed} only: ${OLDER_COPY}`);
  }
  if (highestBound > sealed) {
    return halt(`block ${highestBound} was bound for Ethereum, the journal has sealed ${sealed} only: ${OLDER_COPY}`);
  }
  if (!previousIsOurs) return halt(`Ethereum holds a block ${number - 1} with another root than was sealed`);
  if (number > durable) return WAIT;
  return bound ? null : act({ do: "bind" });
}

const OLDER_COPY = "an older copy of the folder? Restore the newest one";

/** The one next action for a bound block that has not landed. Pure. */
export function planSending(situation: Sending): Plan {
  const { operator, key, nonces, nonceNow, nonceFinal, exit } = situation;
  if (operator !== key) {
    return wait(
      "WRONG_OPERATOR_KEY",
      `the contract's operator is ${operator}, this key is ${key}: set the operator's key`,
    );
  }
  const nonce = nonces.at(-1);
  if (nonce !== undefined && nonceNow > nonce) {
    // Something used the nonce, and the block has not landed: only when that is final another nonce cannot commit twice.
    const text = `nonce ${nonce} was used without committing${situation.usedBy === null ? "" : ` by ${situation.usedBy}`}`;
    if (nonces.length >= FRUITLESS_MAX) return halt(`${text}, as were ${nonces.length - 1} before: look at them`);
    if (nonceFinal <= nonce) return wait("NONCE_TAKEN", `${text}: waiting until that is final`);
  }
  if (nonce === undefined || nonceNow > nonce) {
    // Else a reorganisation could take what used the nonce before, and this one would wait for it forever.
    if (situation.nonceIsOurs) return act({ do: "takeNonce", nonce: nonceNow });
    const text = `something else than the operator uses ${key}: the commit waits until that is final`;
    return wait("NONCE_TAKEN", text);
  }
  if (exit !== null) return exit.curable ? wait("COMMIT_BLOCKED_BY_EXIT", exit.text) : halt(exit.text);
  return planAttempt(situation);
}

/** Gas allowed for the commit with the last of these nonces. */
export function gasLimit(nonces: readonly number[]): bigint {
  return COMMIT_GAS_LIMIT << BigInt(Math.max(nonces.length - 1, 0));
}

function planAttempt(situation: Sending): Plan {
  const { maxFeePerGas: limit, balance, key, nonces, attempts, baseFeePerGas, tip } = situation;
  const gas = gasLimit(nonces);
  const wanted = nextAttempt(situation);
  if (wanted.do === "send") return act(wanted);
  if (wanted.do === "wait") {
    if (!wanted.atLimit) return WAIT;
    return wait("FEE_LIMIT", `the commit waits at the highest fee allowed, ${limit} wei: raise MAX_FEE_GWEI`);
  }
  const missing = gas * wanted.fees.maxFeePerGas - balance;
  if (missing <= 0n) return act({ ...wanted, gasLimit: gas });
  const alarm: Alarm = { code: "FUNDS_MISSING", text: `${key} lacks ${missing} wei for the commit: send it that much` };
  // What there is may do.
  const least = nextAttempt({ ...situation, maxFeePerGas: balance / gas });
  const enough = balance / gas >= baseFeePerGas + tip;
  if (least.do === "sign" && enough && gas * least.fees.maxFeePerGas <= balance) {
    return { action: { ...least, gasLimit: gas }, alarm };
  }
  const last = attempts.at(-1);
  const unsent = last !== undefined && (situation.sentAt === null || situation.sentAt < situation.ethereumBlock);
  return { action: unsent ? { do: "send", attempt: last } : { do: "wait" }, alarm };
}

function act(action: Action): Plan {
  return { action, alarm: null };
}

function wait(code: Alarm["code"], text: string): Plan {
  return { action: { do: "wait" }, alarm: { code, text } };
}

function halt(reason: string): Plan {
  return {
    action: { do: "halt", reason },
    alarm: { code: "COMMIT_HALTED", text: `committing has stopped: ${reason}` },
  };
}
