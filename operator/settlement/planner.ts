import { nextAttempt, type AttemptAction, type AttemptsSituation } from "@plasma-billing/ethereum/fees.ts";
import type { Attempt } from "./records.ts";

/** What is known when the next step of a commit is chosen, all of it in the state of one Ethereum block. */
export interface Situation extends AttemptsSituation<Attempt> {
  /** The sender's nonce there, and where nothing changes any more. */
  nonceNow: number;
  nonceFinal: number;
  /** The nonce taken for the commit; the attempts are those with it. */
  nonce: number | null;
}

export type Action =
  | Extract<AttemptAction<Attempt>, { do: "sign" | "send" }>
  | { do: "takeNonce"; nonce: number }
  | { do: "wait"; warning: string | null };

/** The one next action for a block that has not landed. Pure. */
export function plan(situation: Situation): Action {
  const { nonce, nonceNow, nonceFinal, maxFeePerGas } = situation;
  if (nonce === null) return { do: "takeNonce", nonce: nonceNow };
  if (nonceNow > nonce) {
    // Something used the nonce, and the block has not landed: only when that is final another nonce cannot commit twice.
    if (nonceFinal > nonce) return { do: "takeNonce", nonce: nonceNow };
    return { do: "wait", warning: `nonce ${nonce} was used without committing: waiting until that is final` };
  }
  const next = nextAttempt(situation);
  if (next.do !== "wait") return next;
  const warning = `the commit waits at the highest fee allowed, ${maxFeePerGas} wei: raise MAX_FEE_GWEI`;
  return { do: "wait", warning: next.atLimit ? warning : null };
}
