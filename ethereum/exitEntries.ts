import type { ExitEntry, ExitingOutput, InFlightExitEntry } from "@plasma-billing/protocol/entries.ts";
import { encodeEntry } from "@plasma-billing/protocol/entryJson.ts";
import type { AnyExitEntry } from "@plasma-billing/protocol/exitBook.ts";
import { OUTPUTS_FROM } from "@plasma-billing/protocol/inFlightExits.ts";
import { outputId, type OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { RootChainEvent } from "./rootChain.ts";

/** The standard exit an event makes of the one with its number before it; null for other events. */
export function standardExitAfter(
  event: RootChainEvent,
  before: (number: number) => ExitEntry | undefined,
  final: boolean,
): ExitEntry | null {
  const { ethereumBlock, ethereumTransaction } = event;
  if (event.name === "ExitStarted") {
    const { number, kind, outputId: id, owner, token, amount, exitableAt } = event;
    const place = { final, ethereumBlock, ethereumTransaction };
    const terms = { number, kind, outputId: id, owner, token, amount, exitableAt };
    return { type: "exit", ...terms, state: "started", paid: false, ...place };
  }
  if (event.name !== "ExitEnded") return null;
  const started = before(event.number);
  if (started === undefined) return null;
  return { ...started, state: event.state, paid: event.paid, final, ethereumBlock, ethereumTransaction };
}

/** The same of an in-flight exit. */
export function inFlightExitAfter(
  event: RootChainEvent,
  before: (number: number) => InFlightExitEntry | undefined,
  final: boolean,
): InFlightExitEntry | null {
  const { ethereumBlock, ethereumTransaction } = event;
  const place = { final, ethereumBlock, ethereumTransaction };
  if (event.name === "InFlightExitStarted") return { ...startedExit(event), ...place };
  if (!("number" in event)) return null;
  const exit = before(event.number);
  if (exit === undefined) return null;
  const change = changeOf(exit, event);
  return change === null ? null : { ...exit, ...change, ...place };
}

/** Whether two states of an exit say the same, except whether it is final. */
export function sameExit(a: AnyExitEntry, b: AnyExitEntry | null | undefined): boolean {
  if (b === null || b === undefined) return false;
  return a === b || encodeEntry({ ...a, final: true }) === encodeEntry({ ...b, final: true });
}

function startedExit(
  event: RootChainEvent & { name: "InFlightExitStarted" },
): Omit<InFlightExitEntry, "final" | "ethereumBlock" | "ethereumTransaction"> {
  const { number, transactionHash, startedAt, exitableAt, inputIds, inputs, outputs } = event;
  const untouched = { piggyback: null, finalized: false };
  return {
    ...{ type: "inFlightExit", number, transactionHash, startedAt, exitableAt },
    inputs: inputs.map((input, i) => ({ outputId: inputIds[i] as OutputId, ...input, ...untouched })),
    outputs: outputs.map((output, i) => ({ outputId: outputId(transactionHash, i), ...output, ...untouched })),
    ...{ state: "started", challenged: false, canonical: null },
  };
}

function changeOf(exit: InFlightExitEntry, event: RootChainEvent): Partial<InFlightExitEntry> | null {
  switch (event.name) {
    case "Piggybacked":
      return atIndex(exit, event.index, "live");
    case "PiggybackChallenged":
      return atIndex(exit, event.index, "cancelled");
    case "NonCanonicalChallenged":
      return { challenged: true };
    case "CanonicalResponded":
      return { challenged: false };
    case "InFlightExitFinalized": {
      // The events behind it, in the same call, say which of them it paid.
      const worked = (one: ExitingOutput): ExitingOutput =>
        one.token === event.token && one.piggyback === "live" ? { ...one, piggyback: "unpaid" } : one;
      return { state: "finalized", canonical: event.canonical, ...each(exit, worked) };
    }
    case "InFlightExitClosed":
      return { state: "closed" };
    case "OutputFinalized":
      return each(exit, (one, isOutput) => {
        if (one.outputId !== event.outputId) return one;
        const paid = one.piggyback === "unpaid" && isOutput === exit.canonical;
        return { ...one, finalized: true, piggyback: paid ? "paid" : one.piggyback };
      });
    case "ExitEnded":
      return each(exit, (one) => (one.outputId === event.outputId ? { ...one, piggyback: "unpayable" } : one));
    default:
      return null;
  }
}

function atIndex(
  exit: InFlightExitEntry,
  index: number,
  piggyback: ExitingOutput["piggyback"],
): Partial<InFlightExitEntry> {
  const at = (one: ExitingOutput, i: number): ExitingOutput => (i === index ? { ...one, piggyback } : one);
  return { inputs: exit.inputs.map(at), outputs: exit.outputs.map((one, i) => at(one, OUTPUTS_FROM + i)) };
}

function each(
  { inputs, outputs }: InFlightExitEntry,
  change: (one: ExitingOutput, isOutput: boolean) => ExitingOutput,
): Pick<InFlightExitEntry, "inputs" | "outputs"> {
  return { inputs: inputs.map((one) => change(one, false)), outputs: outputs.map((one) => change(one, true)) };
}
