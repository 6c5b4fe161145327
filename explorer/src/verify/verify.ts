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
  type Creators,
  type Fact,
} from "./checks.ts";
import { chainIdOf, commitFault, heldBlockHash, isNothing, newestTimestamp, type Call, type Tag } from "./ethereum.ts";
import { checkOrigin } from "./origin.ts";
import {
  attempt,
  failure,
  found,
  impossible,
  STEPS,
  waiting,
  type Done,
  type Step,
  type StepName,
  type Steps,
} from "./steps.ts";

export interface Verification {
  /** From the page's address. */
  asked: string;
  /** As it is shown to the reader. */
  payment: Payment;
  /** Which contract on which chain, as the reader says. */
  domain: Domain;
  /** What the operator shows beside the payment; it is not believed either. Rejects with UnansweredError where it is not there. */
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
const NO_NODE = "Choose an Ethereum node or your wallet.";
const NOT_COMMITTED = "The hour is not on Ethereum yet: its commit brings it there.";

export function unstarted(): Steps {
  return Object.fromEntries((Object.keys(STEPS) as StepName[]).map((name) => [name, running])) as Steps;
}

/** Does every step, telling each as it is done; one that fails does not keep those from running that do not need it. */
export async function verify(of: Verification, tell: (name: StepName, step: Step) => void): Promise<Steps> {
  const steps = unstarted();
  const done: Done = (name, step) => {
    steps[name] = step;
    tell(name, step);
    return step;
  };
  const [contract, creators] = await Promise.all([heldByContract(of, done), consistent(of, done)]);
  done("origin", await origin(of, contract, creators));
  return steps;
}

/** What a payment is by itself: content, inputs, signatures, balance. Null: its inputs are not what is shown. */
async function consistent({ asked, payment, domain, operator }: Verification, done: Done): Promise<Creators | null> {
  const hash = asked.toLowerCase() as Hex;
  const separator = domainSeparator(domain);
  const content = checkContent(separator, hash, payment);
  done("content", found(content));
  const { transaction } = content;
  if (transaction === null) {
    for (const name of ["inputs", "signatures", "balance"] as const) done(name, impossible("content"));
    return null;
  }
  let creators: Creators = new Map();
  const inputs = await attempt(async () => {
    const made = payment.inputs.filter(({ depositId }) => depositId === null);
    creators = new Map(await Promise.all(made.map(async ({ id }) => [id, await operator.creator(id)] as const)));
    return checkInputs(separator, payment, creators);
  });
  done("inputs", inputs);
  if (inputs.state !== "ok") {
    for (const name of ["signatures", "balance"] as const) done(name, impossible("inputs"));
    return null;
  }
  done("signatures", await attempt(() => checkSignatures(hash, transaction, payment.inputs)));
  done("balance", await attempt(() => checkBalance(transaction, payment.inputs)));
  return creators;
}

/** The way from the hash to Ethereum: path, header, contract. */
async function heldByContract(of: Verification, done: Done): Promise<Step> {
  const { asked, payment, operator, ethereum } = of;
  const hash = asked.toLowerCase() as Hex;
  const chain = rightChain(of, done);
  let proof: Proof | null = null;
  let path: Step;
  try {
    proof = await operator.proof(hash);
    path = proof === null ? waiting(NOT_COMMITTED) : found(checkPath(hash, payment, proof));
  } catch (error) {
    path = failure(error);
  }
  done("path", path);
  const onChain = await chain;
  if (path.state === "failed") return done("contract", impossible("path"));
  if (proof === null) return done("contract", { ...path, facts: [] });
  const computed = headerHash(proof);
  const facts: Fact[] = [["Computed from the header", computed]];
  if (ethereum === null) return done("contract", waiting(NO_NODE, facts));
  if (onChain.state !== "ok") return done("contract", { ...unlike(onChain, "chain"), facts });
  return done("contract", await comparedWith(of, ethereum, proof, computed, facts));
}

/** Of a step that needs another which did not succeed: it waits where that waits. */
function unlike(other: Step, name: StepName): Step {
  return other.state === "waiting" ? waiting(other.why ?? "") : impossible(name);
}

async function rightChain({ ethereum, domain }: Verification, done: Done): Promise<Step> {
  if (ethereum === null) return done("chain", waiting(NO_NODE));
  const step = await attempt(async () => {
    const chainId = await chainIdOf(ethereum);
    const facts: Fact[] = [["Chain id of the node", chainId.toString()]];
    return { facts, fault: chainId === domain.chainId ? null : `The contract is on chain ${domain.chainId}.` };
  });
  return done("chain", step);
}

async function comparedWith(
  { domain: { verifyingContract: contract }, payment }: Verification,
  ethereum: Call,
  { header }: Proof,
  computed: Hex,
  facts: Fact[],
): Promise<Step> {
  let undoable = false;
  const step = await attempt(async () => {
    const held = await heldBlockHash(ethereum, contract, header.number);
    undoable = held.notFinal !== null;
    facts.push(["Held by the contract", held.hash]);
    facts.push([
      "As of",
      held.notFinal === null ? "a finalized block of Ethereum" : `the newest block: ${held.notFinal}`,
    ]);
    if (!isNothing(held.hash)) {
      if (held.hash !== computed) return { facts, fault: "The contract holds another hash for this hour." };
      return { facts, fault: await commitFault(ethereum, contract, header, payment.commitTransaction, facts) };
    }
    return { facts, fault: `The contract holds nothing for hour ${header.number}.` };
  });
  if (step.state !== "failed" || !facts.some(([, value]) => isNothing(value as Hex))) return { ...step, undoable };
  // A node that is a block or two behind has not seen the commit.
  const newest = await newestTimestamp(ethereum).catch(() => null);
  if (newest === null || newest >= header.timestamp) return { ...step, undoable };
  return waiting("Your node has not seen that block of Ethereum yet: compare again in a moment.", facts);
}

async function origin(
  { operator, ethereum, domain, payment }: Verification,
  contract: Step,
  creators: Creators | null,
): Promise<Step> {
  if (creators === null) return impossible("inputs");
  if (ethereum === null) return waiting(NO_NODE);
  if (contract.state !== "ok") return unlike(contract, "contract");
  const tag: Tag = contract.undoable === true ? "latest" : "finalized";
  return await attempt(
    async () => await checkOrigin({ payment, creators, proof: operator.proof, ethereum, domain, tag }),
  );
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
