import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { domainSeparator, type Domain } from "@plasma-billing/protocol/typedData.ts";
import type { Payment, Proof } from "../shapes.ts";
import {
  checkBalance,
  checkContent,
  checkInputs,
  checkPath,
  checkSignatures,
  headerHash,
  messageOf,
  type Fact,
  type Finding,
} from "./checks.ts";
import { chainIdOf, heldBlockHash, isNothing, type Call } from "./ethereum.ts";

/** In their order, with what each claims. */
export const STEPS = {
  content: "The payment's content gives the hash that you asked for",
  inputs: "Each input's id is made of the owner, token and amount shown",
  signatures: "Every input's owner signed this payment",
  balance: "Of every token as much goes out as comes in",
  path: "A path of hashes leads from the payment to its hour's root",
  chain: "Your Ethereum node is on the right chain",
  contract: "The contract on Ethereum holds this hour",
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

export interface Verification {
  /** From the page's address. */
  asked: string;
  /** As it is shown to the reader. */
  payment: Payment;
  /** Which contract on which chain, as the reader says. */
  domain: Domain;
  /** What the operator shows beside the payment; it is not believed either. */
  operator: {
    /** The payment that made an output. */
    creator: (outputId: string) => Promise<Payment>;
    /** Null while the payment's hour is not on Ethereum. */
    proof: (hash: string) => Promise<Proof | null>;
  };
  /** Null: the reader has not said through what. */
  ethereum: Call | null;
}

const running: Step = { state: "running", facts: [], why: null };
const names = Object.keys(STEPS) as StepName[];

export function unstarted(): Steps {
  return Object.fromEntries(names.map((name) => [name, running])) as Steps;
}

/** Does every step, telling each as it is done; one that fails does not keep those from running that do not need it. */
export async function verify(of: Verification, tell: (name: StepName, step: Step) => void): Promise<Steps> {
  const steps = unstarted();
  const done = (name: StepName, step: Step): Step => {
    steps[name] = step;
    tell(name, step);
    return step;
  };
  const [held] = await Promise.all([heldByContract(of, done), consistent(of, done)]);
  done("contract", held);
  return steps;
}

type Done = (name: StepName, step: Step) => Step;

/** What a payment is by itself: content, inputs, signatures, balance. */
async function consistent({ asked, payment, domain, operator }: Verification, done: Done): Promise<void> {
  const hash = asked.toLowerCase() as Hex;
  const separator = domainSeparator(domain);
  const content = checkContent(separator, hash, payment);
  done("content", found(content));
  const { transaction } = content;
  if (transaction === null) {
    for (const name of ["inputs", "signatures", "balance"] as const) done(name, impossible("content"));
    return;
  }
  const inputs = await attempt(async () => {
    const made = payment.inputs.filter(({ depositId }) => depositId === null);
    const creators = await Promise.all(made.map(async ({ id }) => [id, await operator.creator(id)] as const));
    return checkInputs(separator, payment, new Map(creators));
  });
  done("inputs", inputs);
  if (inputs.state !== "ok") {
    for (const name of ["signatures", "balance"] as const) done(name, impossible("inputs"));
    return;
  }
  done("signatures", await attempt(() => checkSignatures(hash, transaction, payment.inputs)));
  done("balance", await attempt(() => checkBalance(transaction, payment.inputs)));
}

/** The way from the hash to Ethereum: path, header, contract. */
async function heldByContract(of: Verification, done: Done): Promise<Step> {
  const { asked, payment, operator, ethereum } = of;
  const hash = asked.toLowerCase() as Hex;
  const chain = rightChain(of, done);
  const { proof, step: path } = await pathTo(hash, payment, operator);
  done("path", path);
  const onChain = await chain;
  if (path.state === "failed") return impossible("path");
  if (proof === null) return path;
  const computed = headerHash(proof);
  const facts: Fact[] = [["Computed from the header", computed]];
  if (ethereum === null) return { ...waiting("Choose an Ethereum node or your wallet."), facts };
  if (onChain.state !== "ok") return { ...impossible("chain"), facts };
  return await comparedWith(of, ethereum, proof, computed, facts);
}

async function pathTo(
  hash: Hex,
  payment: Payment,
  operator: Verification["operator"],
): Promise<{ proof: Proof | null; step: Step }> {
  try {
    const proof = await operator.proof(hash);
    if (proof === null) return { proof, step: waiting("The hour is not on Ethereum yet: its commit brings it there.") };
    return { proof, step: found(checkPath(hash, payment, proof)) };
  } catch (error) {
    return { proof: null, step: { state: "failed", facts: [], why: sentence(messageOf(error)) } };
  }
}

async function rightChain({ ethereum, domain }: Verification, done: Done): Promise<Step> {
  if (ethereum === null) return done("chain", waiting("Choose an Ethereum node or your wallet."));
  const step = await attempt(async () => {
    const chainId = await chainIdOf(ethereum);
    const facts: Fact[] = [["Chain id of the node", chainId.toString()]];
    return { facts, fault: chainId === domain.chainId ? null : `The contract is on chain ${domain.chainId}.` };
  });
  return done("chain", step);
}

async function comparedWith(
  { domain }: Verification,
  ethereum: Call,
  { header }: Proof,
  computed: Hex,
  facts: Fact[],
): Promise<Step> {
  let undoable = false;
  const step = await attempt(async () => {
    const held = await heldBlockHash(ethereum, domain.verifyingContract, header.number);
    undoable = held.notFinal !== null;
    facts.push(["Held by the contract", held.hash]);
    facts.push([
      "As of",
      held.notFinal === null ? "a finalized block of Ethereum" : `the newest block: ${held.notFinal}`,
    ]);
    if (isNothing(held.hash)) return { facts, fault: `The contract holds nothing for hour ${header.number}.` };
    return { facts, fault: held.hash === computed ? null : "The contract holds another hash for this hour." };
  });
  return { ...step, undoable };
}

function found({ facts, fault }: Finding): Step {
  return { state: fault === null ? "ok" : "failed", facts, why: fault };
}

function waiting(why: string): Step {
  return { state: "waiting", facts: [], why };
}

function impossible(because: StepName): Step {
  return { state: "impossible", facts: [], why: `It needs a step that did not succeed: “${STEPS[because]}”.` };
}

/** What throws, fails: an answer of the wrong form, or none. */
async function attempt(check: () => Finding | Promise<Finding>): Promise<Step> {
  try {
    return found(await check());
  } catch (error) {
    return { state: "failed", facts: [], why: sentence(messageOf(error)) };
  }
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;
}

/** What all steps together say. Only `final` and `landed` say that Ethereum holds the payment. */
export type Verdict = "running" | "failed" | "waiting" | "landed" | "final";

export function verdictOf(steps: Steps): Verdict {
  const states = Object.values(steps).map(({ state }) => state);
  if (states.includes("failed")) return "failed";
  if (states.includes("running")) return "running";
  if (!states.every((state) => state === "ok")) return "waiting";
  return steps.contract.undoable === true ? "landed" : "final";
}
