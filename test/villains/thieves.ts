import { ETHER, depositHash, outputId, type Deposit, type OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { SignedTransaction } from "@plasma-billing/protocol/transaction.ts";
import { signAuthorization } from "@plasma-billing/sdk";
import { Actor, OUTPUT } from "./actor.ts";
import { addressOf, keyOf, type Name } from "./accounts.ts";
import { hashOf, signedBy } from "./payments.ts";
import type { Stage } from "./stage.ts";

/** Challenges and answers, by the event that shows them. */
export type Answers = Partial<Record<(typeof ANSWERS)[number], number>>;
export const ANSWERS = [
  "ExitChallenged",
  "PiggybackChallenged",
  "NonCanonicalChallenged",
  "CanonicalResponded",
] as const;

/** What a thief did, and what must become of it. */
export interface Theft {
  /** What the watchers must bring about, each once however many they are. */
  answers: Answers;
  /** Outputs that no exit may pay. */
  unpaid: OutputId[];
}

/** A holder that takes out what it has spent, under an honest operator. */
export interface Thief {
  name: string;
  does: string;
  found: string[];
  /** Findings that may come too, since they are true as well. */
  alsoTrue?: string[];
  /** Payments before the theft; of some the hour is committed, of some it is open. */
  prepare(stage: Stage): Promise<() => Promise<Theft>>;
}

const MALLORY = addressOf("mallory");
const MANY_PAYMENTS = 3;
const OUTPUTS_MAX = 16;
const DAY_SECONDS = 86_400;

export const THIEVES: Thief[] = [
  {
    ...{ name: "exits spent", does: "exits an output that a payment of a committed block spends" },
    found: ["exitOfSpentOutput"],
    prepare: async (stage) => {
      const own = await committedOutput(stage, 31n);
      await spend(stage, own, "bob");
      await stage.commitHour();
      return async () => await exitSpent(stage, [own]);
    },
  },
  {
    ...{ name: "exits spent, open", does: "exits an output that only a payment of the open block spends" },
    found: ["exitOfSpentOutput"],
    prepare: async (stage) => {
      const own = await committedOutput(stage, 37n);
      await spend(stage, own, "bob");
      return async () => await exitSpent(stage, [own]);
    },
  },
  {
    ...{ name: "exits spent deposit", does: "exits a deposit that is spent" },
    found: ["exitOfSpentOutput"],
    prepare: async (stage) => {
      const [deposit, id] = await newDeposit(stage, 41n);
      await spend(stage, id, "carol");
      await stage.commitHour();
      return async () => {
        await new Actor(stage, "mallory").exitDeposits([deposit]);
        return { answers: { ExitChallenged: 1 }, unpaid: [id] };
      };
    },
  },
  {
    ...{ name: "exits dust", does: "exits sixteen spent outputs of one wei each" },
    found: ["exitOfSpentOutput"],
    prepare: async (stage) => {
      const dust = await split(stage, 1n, OUTPUTS_MAX);
      await stage.commitHour();
      await spend(stage, dust, "bob");
      return async () => await exitSpent(stage, dust);
    },
  },
  {
    ...{ name: "exits many", does: "exits 48 spent outputs in one transaction" },
    found: ["exitOfSpentOutput"],
    prepare: async (stage) => {
      const many: OutputId[] = [];
      for (let i = 0; i < MANY_PAYMENTS; i++) many.push(...(await split(stage, 2n, OUTPUTS_MAX)));
      await stage.commitHour();
      for (let at = 0; at < many.length; at += OUTPUTS_MAX)
        await spend(stage, many.slice(at, at + OUTPUTS_MAX), "alice");
      return async () => await exitSpent(stage, many);
    },
  },
  {
    ...{
      name: "contradicts",
      does: "starts the in-flight exit of a payment that a committed one contradicts, and asks for both sides",
    },
    ...{ found: ["nonCanonicalExit", "piggybackOfSpent"] },
    prepare: async (stage) => {
      const own = await committedOutput(stage, 43n);
      await spend(stage, own, "bob");
      await stage.commitHour();
      return async () => {
        const thief = new Actor(stage, "mallory");
        const other = signed(stage, [own], MALLORY, 43n);
        const flight = await thief.startFlight(other);
        await thief.piggyback(flight, 0);
        await thief.piggyback(flight, OUTPUT);
        const made = outputId(hashOf(stage.rootChain.separator, other), 0);
        return { answers: { NonCanonicalChallenged: 1, PiggybackChallenged: 1 }, unpaid: [own, made] };
      };
    },
  },
  {
    ...{
      name: "asks for spent input",
      does: "asks the in-flight exit of a payment it never sent for an input that an open payment spends",
    },
    ...{ found: ["nonCanonicalExit", "piggybackOfSpent"] },
    prepare: async (stage) => {
      const [, id] = await newDeposit(stage, 47n);
      await spend(stage, id, "bob");
      return async () => {
        const thief = new Actor(stage, "mallory");
        const flight = await thief.startFlight(signed(stage, [id], MALLORY, 47n));
        await thief.piggyback(flight, 0);
        return { answers: { NonCanonicalChallenged: 1, PiggybackChallenged: 1 }, unpaid: [id] };
      };
    },
  },
  {
    ...{
      name: "asks for spent output",
      does: "asks the in-flight exit of a committed payment for an output that is spent",
    },
    found: ["piggybackOfSpent"],
    prepare: async (stage) => {
      const [, id] = await newDeposit(stage, 53n);
      const payment = await spend(stage, id, "mallory");
      await stage.commitHour();
      const own = outputId(hashOf(stage.rootChain.separator, payment), 0);
      await spend(stage, own, "bob");
      return async () => {
        const thief = new Actor(stage, "mallory");
        const flight = await thief.startFlight(payment);
        await thief.piggyback(flight, OUTPUT);
        return { answers: { PiggybackChallenged: 1 }, unpaid: [own] };
      };
    },
  },
  {
    ...{
      name: "challenges the honest",
      does: "challenges the in-flight exit of what it paid, with a payment it never sent",
    },
    found: ["unansweredChallenge"],
    prepare: async (stage) => {
      const [, id] = await newDeposit(stage, 59n);
      const payment = await spend(stage, id, "alice");
      const alice = new Actor(stage, "alice");
      const flight = await alice.startFlight(payment);
      await alice.piggyback(flight, OUTPUT);
      await stage.commitHour();
      return async () => {
        const competitor = signed(stage, [id], MALLORY, 59n);
        await new Actor(stage, "mallory").challengeNonCanonical(flight, competitor);
        return { answers: { CanonicalResponded: 1 }, unpaid: [] };
      };
    },
  },
  {
    ...{
      name: "challenges itself",
      does: "challenges the in-flight exit of its own committed payment, and asks for the input",
    },
    found: ["unansweredChallenge"],
    prepare: async (stage) => {
      const [, id] = await newDeposit(stage, 61n);
      const payment = await spend(stage, id, "bob");
      await stage.commitHour();
      return async () => {
        const thief = new Actor(stage, "mallory");
        const flight = await thief.startFlight(payment);
        await thief.piggyback(flight, 0);
        await thief.challengeNonCanonical(flight, signed(stage, [id], MALLORY, 61n));
        // The input's piggyback needs no challenge: the exit is canonical again, and pays outputs only.
        return { answers: { CanonicalResponded: 1 }, unpaid: [] };
      };
    },
  },
  {
    ...{
      name: "stale authorization",
      does: "exits, with an authorization that was given before, what its giver has spent since",
    },
    found: ["exitOfSpentOutput"],
    prepare: async (stage) => {
      const { hash, blockNumber } = await stage.pay("dave", "dave", ETHER, 67n, true);
      await stage.commitHour();
      const id = outputId(hash, 0);
      const deadline = (await stage.now()) + DAY_SECONDS;
      const terms = { owner: addressOf("dave"), outputId: id, blockNumber, bondOwner: MALLORY, deadline };
      const authorization = await signAuthorization(stage.signer("dave"), stage.rootChain.domain, terms);
      await spend(stage, id, "bob", "dave");
      return async () => {
        await new Actor(stage, "mallory").exit([id], authorization);
        return { answers: { ExitChallenged: 1 }, unpaid: [id] };
      };
    },
  },
];

async function exitSpent(stage: Stage, ids: OutputId[]): Promise<Theft> {
  await new Actor(stage, "mallory").exit(ids);
  return { answers: { ExitChallenged: ids.length }, unpaid: ids };
}

/** An output of mallory's of exactly that amount, in a committed block. */
async function committedOutput(stage: Stage, amount: bigint): Promise<OutputId> {
  const { hash } = await stage.pay("mallory", "mallory", ETHER, amount, true);
  await stage.commitHour();
  return outputId(hash, 0);
}

async function newDeposit(stage: Stage, amount: bigint): Promise<[Deposit, OutputId]> {
  await stage.deposit("mallory", ETHER, amount);
  await stage.creditedUpTo(stage.truth.deposits.length);
  const deposit = stage.truth.deposits.at(-1)!;
  return [deposit, outputId(depositHash(stage.rootChain.separator, deposit), 0)];
}

/** Mallory's money in equal outputs. */
async function split(stage: Stage, amount: bigint, count: number): Promise<OutputId[]> {
  const [, id] = await newDeposit(stage, amount * BigInt(count));
  const outputs = Array.from({ length: count }, () => ({ owner: MALLORY, token: ETHER, amount }));
  const payment = signedBy(keyOf("mallory"), stage.rootChain.separator, [id], outputs);
  await stage.submit(payment);
  return outputs.map((_, i) => outputId(hashOf(stage.rootChain.separator, payment), i));
}

/** All of these outputs, by their owner, to one of the honest; not by a wallet, so that none knows. */
async function spend(
  stage: Stage,
  ids: OutputId | OutputId[],
  to: Name,
  by: Name = "mallory",
): Promise<SignedTransaction> {
  const live = stage.truth.live(Infinity, () => false);
  const inputs = [ids].flat();
  const amount = inputs.reduce((sum, id) => sum + live.get(id)!.amount, 0n);
  const payment = signed(stage, inputs, addressOf(to), amount, by);
  await stage.submit(payment);
  return payment;
}

function signed(
  stage: Stage,
  inputs: OutputId[],
  owner: string,
  amount: bigint,
  by: Name = "mallory",
): SignedTransaction {
  const outputs = [{ owner: owner as SignedTransaction["outputs"][0]["owner"], token: ETHER, amount }];
  return signedBy(keyOf(by), stage.rootChain.separator, inputs, outputs);
}
