import type { ExitingOutput, InFlightExitEntry } from "./entries.ts";
import type { OutputId } from "./transaction.ts";

/** The contract's index of output 0's piggyback; input i has index i. */
export const OUTPUTS_FROM = 16;

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
