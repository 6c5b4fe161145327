/** Ethereum blocks an attempt may wait before it is replaced by a dearer one. */
const REPLACE_AFTER_BLOCKS = 3;
/** Nodes take a replacement when both fees are up by a tenth; an eighth leaves no doubt about rounding. */
const REPLACEMENT_NUMERATOR = 9n;
const REPLACEMENT_DENOMINATOR = 8n;
/** The fee a transaction may cost is a ceiling: set at several times what blocks cost now, it survives a rise. */
const BASE_FEE_MULTIPLE = 4n;
/** One gwei: what waited at a smaller tip is offered this much, whatever nodes suggest. */
export const USUAL_TIP = 1_000_000_000n;

export interface Fees {
  maxFeePerGas: bigint;
  maxPriorityFeePerGas: bigint;
}

/** What blocks cost now, and the most that may be offered. */
export interface Prices {
  baseFeePerGas: bigint;
  /** What nodes suggest as a tip. */
  tip: bigint;
  maxFeePerGas: bigint;
}

/** A signed transaction, one of those with its nonce. */
export interface SignedAttempt extends Fees {
  /** Counted from 0 within the nonce. */
  index: number;
  hash: `0x${string}`;
  raw: `0x${string}`;
  /** Ethereum's height when it was signed. */
  ethereumBlock: number;
}

export interface AttemptsSituation<A> extends Prices {
  ethereumBlock: number;
  /** With one nonce that is not used yet, oldest first. */
  attempts: readonly A[];
  /** The height at which the last attempt was sent by this process, null when it was not. */
  sentAt: number | null;
}

export type AttemptAction<A> =
  { do: "sign"; index: number; fees: Fees } | { do: "send"; attempt: A } | { do: "wait"; atLimit: boolean };

/** What to do next so that a transaction lands: sign, send, send again, replace by a dearer one, or wait. Pure. */
export function nextAttempt<A extends SignedAttempt>(situation: AttemptsSituation<A>): AttemptAction<A> {
  const { attempts, sentAt, ethereumBlock, maxFeePerGas } = situation;
  const last = attempts.at(-1);
  const fees = currentFees(situation);
  if (last === undefined) return { do: "sign", index: 0, fees };
  // After a start, or at each new block: nodes forget.
  const unsent = sentAt === null || sentAt < ethereumBlock;
  if (ethereumBlock - last.ethereumBlock < REPLACE_AFTER_BLOCKS) {
    return unsent ? { do: "send", attempt: last } : { do: "wait", atLimit: false };
  }
  const usual = { ...situation, tip: situation.tip > USUAL_TIP ? situation.tip : USUAL_TIP };
  const dearer = replacementFees(last, currentFees(usual));
  if (dearer.maxFeePerGas <= maxFeePerGas) return { do: "sign", index: attempts.length, fees: dearer };
  return unsent ? { do: "send", attempt: last } : { do: "wait", atLimit: true };
}

/** What a first attempt offers. */
export function currentFees({ baseFeePerGas, tip, maxFeePerGas }: Prices): Fees {
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
