import type { OutputId, Place } from "./book.ts";

/** Slot of a piggyback: input i is i, output i is 16 + i. */
export const OUTPUT_SLOT = 16;

/** What somebody sends to Ethereum. Exits are named by their number, transactions by their number in the book. */
export type Action =
  | { kind: "deposit"; by: number; token: number; amount: number }
  | { kind: "commit"; by: number; transactions: number[]; publishAt: number }
  /** `place` is null for a deposit. */
  | { kind: "startStandard"; by: number; output: OutputId; place: Place | null }
  /** Where the maker of each input stands; null for a deposit. */
  | { kind: "startInFlight"; by: number; transaction: number; places: (Place | null)[] }
  | { kind: "piggyback"; by: number; exit: number; slot: number }
  | { kind: "challengeStandard"; by: number; exit: number; spend: number }
  | {
      kind: "challengeNonCanonical";
      by: number;
      exit: number;
      competitor: number;
      input: OutputId;
      place: Place | null;
    }
  | { kind: "respond"; by: number; exit: number; place: Place }
  | { kind: "challengeInputSpent"; by: number; exit: number; slot: number; spend: number }
  | { kind: "challengeOutputSpent"; by: number; exit: number; slot: number; spend: number; place: Place }
  | { kind: "close"; by: number; exit: number }
  | { kind: "process"; by: number; token: number; exits: number[] };

/** An action as it was played: when, and why the contract refused it (null: it did not). */
export interface Played {
  time: number;
  action: Action;
  refused: string | null;
  /** Entries of the two queues after it. */
  queued: readonly [number, number];
}

export function describe({ time, action, refused }: Played, start = 0): string {
  const hours = ((time - start) / 3_600).toFixed(2).padStart(8);
  const { kind, by, ...rest } = action;
  const words = Object.entries(rest).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `${hours} h  p${by} ${kind} ${words.join(" ")}${refused === null ? "" : `  (refused: ${refused})`}`;
}
