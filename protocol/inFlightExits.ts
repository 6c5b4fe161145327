import type { ExitingOutput, InFlightExitEntry } from "./entries.ts";
import type { OutputId } from "./transaction.ts";

/** The contract's index of output 0's piggyback; input i has index i. */
export const OUTPUTS_FROM = 16;

/** Of a queue's key, lowest first: 40 bits the exit's number, one its kind, then the age. */
const AGE_SHIFT = 41n;
const AGE_MASK = 2n ** 53n - 1n;
const POSITION_BITS = 23n;

/**
 * Where something stands among all that was ever committed, smaller is older.
 * @param position Index of the transaction in its block + 1; 0 for a deposit made before that block
 */
export function ageOf(blockNumber: number, position: number): bigint {
  return (BigInt(blockNumber) << POSITION_BITS) | BigInt(position);
}

/** The age in an exit's key; an in-flight exit's is that of its youngest input, by what was shown at its start. */
export function ageIn(priority: bigint): bigint {
  return (priority >> AGE_SHIFT) & AGE_MASK;
}

/** Inputs and outputs, in this order. */
export function exitingOutputs({ inputs, outputs }: InFlightExitEntry): ExitingOutput[] {
  return [...inputs, ...outputs];
}

/**
 * Whether an in-flight exit keeps an output from being spent: every input while it can still be challenged, and what is
 * piggybacked as long as it can be paid. What the exit finalized is no question here: that is withdrawn.
 * @param blocked Whether another exit finalized an input, so that this one cannot end canonical any more.
 */
export function holds(exit: InFlightExitEntry, id: OutputId, blocked: () => boolean): boolean {
  const lives = ({ outputId, piggyback }: ExitingOutput): boolean => outputId === id && piggyback === "live";
  switch (exit.state) {
    case "started":
      return exit.inputs.some(({ outputId }) => outputId === id) || (exit.outputs.some(lives) && !blocked());
    case "finalized":
      return (exit.canonical === true ? exit.outputs : exit.inputs).some(lives);
    case "closed":
    case "removed":
      return false;
  }
}
