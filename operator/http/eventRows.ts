import type { CommitEntry, ExitEntry, InFlightExitEntry } from "@plasma-billing/protocol/entries.ts";
import { decodeJsonEntry, decodePaymentEntry, PAYMENT_KIND } from "@plasma-billing/protocol/entryBytes.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { EventRow, EventType } from "../events/rows.ts";
import { exitRows } from "../exitRows.ts";
import type { Reads } from "../reads.ts";
import type { OperatorPort } from "./ports.ts";
import { blockShape, depositShape, exitShape, paymentShape } from "./shapes.ts";

/**
 * Gives the events of a journal entry, in the shapes of the other routes, as things stood with that entry: the same whenever
 * they are read (but for a file's name and the parties' roles, which may be told later), and nothing that a crash could take
 * back. None of an entry that only the operator itself has to do with.
 */
export function eventShaper(operator: OperatorPort): (position: number, bytes: Uint8Array) => EventRow[] {
  const past = asAccepted(operator);
  return (position, bytes) => eventRows(operator, past, position, bytes);
}

function eventRows(operator: OperatorPort, past: OperatorPort, position: number, bytes: Uint8Array): EventRow[] {
  if (bytes[0] === PAYMENT_KIND) {
    const payment = { ...decodePaymentEntry(bytes), position };
    const parties = [...payment.spent, ...payment.transaction.outputs].map(({ owner }) => owner);
    return [row("transaction", paymentShape(past, payment), parties)];
  }
  const entry = decodeJsonEntry(bytes);
  switch (entry.type) {
    case "deposit": {
      const outputId = operator.reads.depositOutputId(entry);
      return [row("deposit", depositShape({ deposit: entry, outputId, state: "credited" }), [entry.owner])];
    }
    case "exit":
      return exitEvents(entry, [entry.owner]);
    case "inFlightExit":
      return exitEvents(
        entry,
        [...entry.inputs, ...entry.outputs].map(({ owner }) => owner),
      );
    case "seal":
      return [row("block", { ...blockShape(operator, entry.number), state: "sealed", ...NO_COMMIT }, null)];
    case "commit":
      return [row("block", { ...blockShape(operator, entry.number), ...commitShape(entry) }, null)];
    default:
      return [];
  }
}

const NO_COMMIT = { timestamp: null, commitTransaction: null, gasUsed: null, fee: null };

function row(type: EventType, shape: object, parties: readonly Address[] | null): EventRow {
  return { type, parties: parties === null ? null : new Set(parties), data: JSON.stringify(shape) };
}

/** Of an in-flight exit one a piggyback, for all who have part in its payment: they may have to act. */
function exitEvents(exit: ExitEntry | InFlightExitEntry, parties: readonly Address[]): EventRow[] {
  // A list leaves out what a reorganisation took away; here it has to be told.
  const removed = exit.state === "removed" ? { state: "removed" } : {};
  return exitRows(exit).map((each) => row("exit", { ...exitShape(each), ...removed }, parties));
}

/** Fields of a block's shape, as blockShape has them. */
function commitShape({ state, timestamp, ethereumTransaction, gasUsed, fee }: CommitEntry): object {
  return {
    ...{ state, timestamp, commitTransaction: ethereumTransaction },
    gasUsed: gasUsed === null ? null : Number(gasUsed),
    fee: fee?.toString() ?? null,
  };
}

/** The operator as it was when it accepted a payment: nothing spends its outputs, nothing commits its block. */
function asAccepted(operator: OperatorPort): OperatorPort {
  const reads = Object.create(operator.reads, {
    block: { value: () => undefined },
    stateOf: { value: () => "available" },
  }) as Reads;
  return Object.create(operator, { reads: { value: reads } }) as OperatorPort;
}
