import type { ExitingOutput, InFlightExitEntry, PiggybackState } from "@plasma-billing/protocol/entries.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import { addressOf } from "./protocol.ts";

/** An input or output of an in-flight exit, of no matter whom. */
export function exiting(
  outputId: OutputId,
  piggyback: PiggybackState | null = null,
  fields: Partial<ExitingOutput> = {},
): ExitingOutput {
  return { outputId, owner: addressOf(1), token: addressOf(0), amount: 1n, piggyback, finalized: false, ...fields };
}

/** An in-flight exit as it starts, but for `fields`. */
export function inFlightEntry(
  number: number,
  inputs: ExitingOutput[],
  outputs: ExitingOutput[],
  fields: Partial<InFlightExitEntry> = {},
): InFlightExitEntry {
  const hash = (kind: string): Hex => `0x${kind.repeat(8)}${number.toString(16).padStart(56, "0")}`;
  return {
    ...{ type: "inFlightExit", number, transactionHash: hash("f"), inputs, outputs },
    ...{ startedAt: 1_800_000_000, exitableAt: 1_800_900_000, state: "started", challenged: false, canonical: null },
    ...{ final: false, ethereumBlock: 600 + number, ethereumTransaction: hash("e") },
    ...fields,
  };
}
