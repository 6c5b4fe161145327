import { ETHER } from "@plasma-billing/protocol/transaction.ts";
import { Actor } from "./actor.ts";
import type { Stage, StageOptions } from "./stage.ts";

/** An operator that breaks no block: it leaves out what it should do. */
export interface QuietVillain {
  name: string;
  does: string;
  found: string[];
  alsoTrue: string[];
  options?: Partial<StageOptions>;
  /** Gives what those it hurts do about it, beside leaving with their kits. */
  deed(stage: Stage): Promise<() => Promise<void>>;
}

const COMMIT_INTERVAL_SECONDS = 5;
const STALLED_SECONDS = 3;
const IGNORED = 127n;
/** More than the watcher gives an operator for a final deposit. */
const CREDIT_SECONDS = 3_600;

export const QUIET_VILLAINS: QuietVillain[] = [
  {
    ...{ name: "ignores a deposit", does: "credits a deposit to nobody" },
    ...{ found: ["depositIgnored"], alsoTrue: [] },
    deed: async (stage) => {
      await stage.villain!.order({ do: "hideDeposits", from: stage.truth.deposits.length + 1 });
      await stage.deposit("bob", ETHER, IGNORED);
      const deposit = stage.truth.deposits.at(-1)!;
      await stage.passTime(CREDIT_SECONDS);
      return async () => await new Actor(stage, "bob").exitDeposits([deposit]);
    },
  },
  {
    ...{ name: "falls silent", does: "answers nobody any more" },
    ...{ found: ["operatorStalled"], alsoTrue: [] },
    options: { stalledSeconds: STALLED_SECONDS },
    deed: async (stage) => {
      await stage.villain!.order({ do: "fallSilent" });
      return async () => await Promise.resolve();
    },
  },
  {
    ...{ name: "never commits", does: "takes payments and never commits them" },
    ...{ found: ["commitLate"], alsoTrue: [] },
    options: { commitIntervalSeconds: COMMIT_INTERVAL_SECONDS },
    deed: async () => async () => await Promise.resolve(),
  },
];
