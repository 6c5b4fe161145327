import { describe } from "./actions.ts";
import { type History, play } from "./history.ts";
import type { Violation } from "./invariants.ts";
import type { Rules } from "./rules.ts";

/** Violations that cost somebody money; INV-3 alone is an order that was not kept. */
export function thefts({ violations }: History): Violation[] {
  return violations.filter(({ invariant }) => invariant !== "INV-3");
}

/** Leaves out parts of a history, one after another, as long as `fails` still says so. */
export function shrink(history: History, rules: Rules, fails: (history: History) => boolean): History {
  let omit: ReadonlySet<number> = new Set();
  let best = history;
  for (let again = true; again;) {
    again = false;
    for (let part = 0; part < best.parts; part++) {
      if (omit.has(part)) continue;
      const fewer = new Set(omit).add(part);
      const next = play(history.seed, rules, fewer);
      if (!fails(next)) continue;
      [best, omit, again] = [next, fewer, true];
    }
  }
  return best;
}

/** The history for reading: what was sent and accepted, the transactions, the blocks, and what is wrong. */
export function story({ seed, world, violations }: History): string {
  const { book, played } = world;
  const id = (output: number) => (output < 0 ? "nothing" : `${Math.floor(output / 16)}.${output % 16}`);
  return [
    `seed ${seed}`,
    ...played.filter(({ refused }) => refused === null).map(describe),
    ...book.transactions.map(({ id: number, deposit, inputs, outputs, inclusions }) => {
      const made = outputs.map(({ owner, token, amount }, i) => `${number}.${i} p${owner} ${amount} of token ${token}`);
      const where = inclusions.map(({ block, index }) => `${block}/${index}`).join(", ");
      const from = deposit === null ? `(${inputs.map(id).join(", ")})` : "(deposit)";
      return `transaction ${number} ${from} -> ${made.join("; ")}${where === "" ? "" : ` in ${where}`}`;
    }),
    `the first bad block is ${book.firstBad()} of ${book.blocks.length}`,
    ...violations.map(({ invariant, what }) => `${invariant}: ${what}`),
  ].join("\n");
}
