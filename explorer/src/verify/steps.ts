import { messageOf, type Fact, type Finding } from "./checks.ts";

/** In their order, with what each claims. */
export const STEPS = {
  content: "The payment's content gives the hash that you asked for",
  inputs: "Each input's id is made of the owner, token and amount shown",
  signatures: "Every input's owner signed this payment",
  balance: "Of every token as much goes out as comes in",
  path: "A path of hashes leads from the payment to its hour's root",
  chain: "Your Ethereum node is on the right chain",
  contract: "The contract on Ethereum holds this hour",
  origin: "Each input stands on Ethereum: a deposit, or a payment in an hour that the contract holds",
} as const;
export type StepName = keyof typeof STEPS;

/**
 * `waiting`: nothing is wrong, but it cannot be said yet. `impossible`: another step failed that it needs. Only `ok` is a yes.
 */
export type StepState = "running" | "ok" | "failed" | "waiting" | "impossible";
export interface Step {
  state: StepState;
  facts: Fact[];
  why: string | null;
  /** Only the newest block of Ethereum says so, not a finalized one. */
  undoable?: boolean;
}
export type Steps = Record<StepName, Step>;

/** Tells a step as it is done. */
export type Done = (name: StepName, step: Step) => Step;

/** Nothing was said, right or wrong: somebody could not be asked, or is behind. */
export class UnansweredError extends Error {}

export function found({ facts, fault }: Finding): Step {
  return { state: fault === null ? "ok" : "failed", facts, why: fault };
}

export function waiting(why: string, facts: Fact[] = []): Step {
  return { state: "waiting", facts, why };
}

export function impossible(because: StepName, facts: Fact[] = []): Step {
  return { state: "impossible", facts, why: `It needs a step that did not succeed: “${STEPS[because]}”.` };
}

/** What throws, fails: an answer of the wrong form. Where there is no answer nothing is wrong yet. */
export async function attempt(check: () => Finding | Promise<Finding>): Promise<Step> {
  try {
    return found(await check());
  } catch (error) {
    return failure(error);
  }
}

export function failure(error: unknown): Step {
  const why = sentence(messageOf(error));
  return error instanceof UnansweredError ? waiting(why) : { state: "failed", facts: [], why };
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;
}
