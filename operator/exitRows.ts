import type {
  ExitEntry,
  ExitingOutput,
  ExitState,
  InFlightExitEntry,
  PiggybackState,
} from "@plasma-billing/protocol/entries.ts";
import type { AnyExitEntry } from "@plasma-billing/protocol/exitBook.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { OUTPUTS_FROM } from "@plasma-billing/protocol/inFlightExits.ts";
import type { OutputId, TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";

/** Index of the row of an in-flight exit nobody is to be paid by: after those of all piggybacks there can be. */
const NO_PIGGYBACK = 32;

/** As for a standard exit: `finalized` has left its queue, paid or not. */
const STATES: Record<PiggybackState, ExitRow["state"]> = {
  live: "started",
  cancelled: "challenged",
  paid: "finalized",
  unpaid: "finalized",
  unpayable: "unpayable",
};

/** A standard exit, a piggyback of an in-flight exit, or an in-flight exit that has none. */
export interface ExitRow {
  number: number;
  /** Of the piggyback; 0 of a standard exit. */
  index: number;
  kind: ExitEntry["kind"] | "inFlight";
  /** Null, as owner, token and amount, where there is no piggyback. */
  outputId: OutputId | null;
  /** Of an in-flight exit. */
  transactionHash: TransactionHash | null;
  owner: Address | null;
  token: Address | null;
  amount: bigint | null;
  state: Exclude<ExitState, "removed"> | "closed";
  /** Unix seconds. */
  exitableAt: number;
  /** Of the last thing that happened to the exit. */
  ethereumTransaction: Hex;
}

/** How an exit is shown, in the order of its piggybacks' indices. */
export function exitRows(exit: AnyExitEntry): ExitRow[] {
  const { number, exitableAt, ethereumTransaction } = exit;
  const terms = { number, exitableAt, ethereumTransaction };
  if (exit.type === "exit") {
    const { kind, outputId, owner, token, amount, state } = exit;
    const shown = { outputId, owner, token, amount, state: state as ExitRow["state"] };
    return [{ ...terms, ...shown, index: 0, kind, transactionHash: null }];
  }
  const { transactionHash, inputs, outputs } = exit;
  const rows = [
    ...inputs.flatMap((input, i) => piggybackRow(exit, input, i)),
    ...outputs.flatMap((output, i) => piggybackRow(exit, output, OUTPUTS_FROM + i)),
  ];
  const nothing = { outputId: null, owner: null, token: null, amount: null };
  if (rows.length === 0) rows.push({ ...nothing, index: NO_PIGGYBACK, state: stateWithout(exit) });
  return rows.map((row) => ({ ...terms, ...row, kind: "inFlight", transactionHash }));
}

type PiggybackRow = Pick<ExitRow, "index" | "outputId" | "owner" | "token" | "amount" | "state">;

function piggybackRow(
  { state }: InFlightExitEntry,
  { outputId, owner, token, amount, piggyback }: ExitingOutput,
  index: number,
): PiggybackRow[] {
  if (piggyback === null) return [];
  return [{ index, outputId, owner, token, amount, state: state === "closed" ? state : STATES[piggyback] }];
}

function stateWithout({ state }: InFlightExitEntry): ExitRow["state"] {
  return state === "closed" ? "closed" : "started";
}
