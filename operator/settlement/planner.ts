import type { Attempt } from "./records.ts";

/** Ethereum blocks an attempt may wait before it is replaced by a dearer one. */
const REPLACE_AFTER_BLOCKS = 3;
/** Nodes take a replacement when both fees are up by a tenth; an eighth leaves no doubt about rounding. */
const REPLACEMENT_NUMERATOR = 9n;
const REPLACEMENT_DENOMINATOR = 8n;
/** The fee a transaction may cost is a ceiling: set at several times what blocks cost now, it survives a rise. */
const BASE_FEE_MULTIPLE = 4n;

export interface Fees {
  maxFeePerGas: bigint;
  maxPriorityFeePerGas: bigint;
}

/** What is known when the next step of a commit is chosen, all of it in the state of one Ethereum block. */
export interface Situation {
  /** Height and base fee of that block. */
  ethereumBlock: number;
  baseFeePerGas: bigint;
  /** What nodes suggest as a tip. */
  tip: bigint;
  /** The sender's nonce there, and where nothing changes any more. */
  nonceNow: number;
  nonceFinal: number;
  /** The nonce taken for the commit, and the attempts with it. */
  nonce: number | null;
  attempts: readonly Attempt[];
  /** The height at which the last attempt was sent by this process, null when it was not. */
  sentAt: number | null;
  maxFeePerGas: bigint;
}

export type Action =
  | { do: "takeNonce"; nonce: number }
  | { do: "sign"; index: number; fees: Fees }
  | { do: "send"; attempt: Attempt }
  | { do: "wait"; warning: string | null };

/** The one next action for a block that has not landed. Pure. */
export function plan(situation: Situation): Action {
  const { nonce, nonceNow, nonceFinal, attempts, sentAt, ethereumBlock } = situation;
  if (nonce === null) return { do: "takeNonce", nonce: nonceNow };
  if (nonceNow > nonce) {
    // Something used the nonce, and the block has not landed: only when that is final another nonce cannot commit twice.
    if (nonceFinal > nonce) return { do: "takeNonce", nonce: nonceNow };
    return { do: "wait", warning: `nonce ${nonce} was used without committing: waiting until that is final` };
  }
  const last = attempts.at(-1);
  const fees = currentFees(situation);
  if (last === undefined) return { do: "sign", index: 0, fees };
  // After a start, or at each new block: nodes forget.
  const unsent = sentAt === null || sentAt < ethereumBlock;
  if (ethereumBlock - last.ethereumBlock < REPLACE_AFTER_BLOCKS) {
    return unsent ? { do: "send", attempt: last } : { do: "wait", warning: null };
  }
  const dearer = replacementFees(last, fees);
  if (dearer.maxFeePerGas <= situation.maxFeePerGas) return { do: "sign", index: attempts.length, fees: dearer };
  const warning = `the commit waits at the highest fee allowed, ${situation.maxFeePerGas} wei: raise MAX_FEE_GWEI`;
  return unsent ? { do: "send", attempt: last } : { do: "wait", warning };
}

function currentFees({ baseFeePerGas, tip, maxFeePerGas }: Situation): Fees {
  const wanted = baseFeePerGas * BASE_FEE_MULTIPLE + tip;
  const fee = wanted < maxFeePerGas ? wanted : maxFeePerGas;
  return { maxFeePerGas: fee, maxPriorityFeePerGas: tip < fee ? tip : fee };
}

/** Both fees up by an eighth at least, and to what is usual now if that is more. */
function replacementFees(last: Fees, now: Fees): Fees {
  const raise = (fee: bigint): bigint => (fee * REPLACEMENT_NUMERATOR) / REPLACEMENT_DENOMINATOR + 1n;
  const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
  const maxPriorityFeePerGas = larger(raise(last.maxPriorityFeePerGas), now.maxPriorityFeePerGas);
  const maxFeePerGas = larger(larger(raise(last.maxFeePerGas), now.maxFeePerGas), maxPriorityFeePerGas);
  return { maxFeePerGas, maxPriorityFeePerGas };
}
