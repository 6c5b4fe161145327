import type { HDNodeWallet } from "ethers";
import { ETHER, ZERO_HASH } from "../../test/helpers/chain.ts";
import { EXIT_PERIOD_SECONDS, QUEUED, SAMPLES, randomAmount, type Entry, type Payment, type Stage } from "./stage.ts";

/** Index of a piggyback of output i. */
const OUTPUT = 16;
const NOT_INCLUDED = {
  header: { number: 0, transactionsRoot: ZERO_HASH, transactionCount: 0, timestamp: 0 },
  index: 0,
  siblings: [],
};

interface Plan {
  payment: Payment;
  /** What made its inputs: output 0 of each. */
  sources: Payment[];
}
interface Flight extends Entry, Plan {
  number: bigint;
}

/** In-flight exits, while `QUEUED` exits of younger outputs stand behind theirs in ether's queue. */
export async function measureInFlightExits(stage: Stage): Promise<void> {
  const [paid, answered, unanswered] = [await plan(stage, 1, 2), await plan(stage, 1, 2), await plan(stage, 1, 2)];
  const wide = [await plan(stage, 2, 2), await plan(stage, 4, 4)];
  await stage.commit(answered.map(({ payment }) => payment));
  const competitors = await stage.commit(answered.map((one) => competitorOf(stage, one)));
  await stage.chain.passTime(2 * EXIT_PERIOD_SECONDS);
  const young = await stage.commit(Array.from({ length: QUEUED }, () => stage.payment(ETHER)));
  for (const payment of young) await stage.startStandardExit(payment);

  const flights: Flight[] = [];
  for (const one of paid) {
    const flight = await start(stage, one, "startInFlightExit1x2");
    await piggyback(stage, flight, OUTPUT, "piggybackFirst");
    await piggyback(stage, flight, OUTPUT + 1, "piggybackLater");
    flights.push(flight);
  }
  for (const one of wide[0]!) await start(stage, one, "startInFlightExit2x2");
  for (const one of wide[1]!) await start(stage, one, "startInFlightExit4x4");
  for (const one of unanswered) {
    const competitor = competitorOf(stage, one);
    await challenge(stage, await start(stage, one), competitor, NOT_INCLUDED, "nonCanonicalNotIncluded");
  }
  for (const [i, one] of answered.entries()) await measureAnswers(stage, await start(stage, one), competitors[i]!);
  await stage.chain.passTime(EXIT_PERIOD_SECONDS);
  await stage.process(ETHER, flights, "InFlightExitFinalized", "processInFlightExit", SAMPLES, 1);
}

/** An included competitor, its answer, and piggybacks that are spent. */
async function measureAnswers(stage: Stage, flight: Flight, competitor: Payment): Promise<void> {
  await challenge(stage, flight, competitor, stage.proof(competitor), "nonCanonicalIncluded");
  const by = stage.as(stage.owner(3));
  const proof = stage.proof(flight.payment);
  await stage.mined(by.respondCanonical(flight.payment.hash, flight.number, proof), "respondCanonical");
  await piggyback(stage, flight, 0);
  await piggyback(stage, flight, OUTPUT);
  const signature = stage.sign(inputOwner(stage, flight), competitor);
  await stage.mined(by.challengeInputSpent(flight.data, 0, competitor.transaction, 0, signature), "inputSpent");
  const spend = stage.payment(ETHER, [stage.outputId(flight.payment, 0)]);
  const spendSignature = stage.sign(stage.ownerOf(flight.payment.transaction.outputs[0]!), spend);
  const call = by.challengeOutputSpent(flight.data, 0, proof, spend.transaction, 0, spendSignature);
  await stage.mined(call, "outputSpent");
}

/** Payments of so many inputs and outputs, that no block contains; what made their inputs is committed. */
async function plan(stage: Stage, inputs: number, outputs: number): Promise<Plan[]> {
  const sources = await stage.commit(Array.from({ length: SAMPLES * inputs }, () => stage.payment(ETHER)));
  return Array.from({ length: SAMPLES }, (_, i) => {
    const made = sources.slice(i * inputs, (i + 1) * inputs);
    const sum = made.reduce((total, { transaction }) => total + transaction.outputs[0]!.amount, 0n);
    const amounts = Array.from({ length: outputs - 1 }, () => sum / BigInt(outputs) - (randomAmount() % 1000n));
    amounts.push(sum - amounts.reduce((total, amount) => total + amount, 0n));
    const ids = made.map((source) => stage.outputId(source, 0));
    return { payment: stage.payment(ETHER, ids, amounts), sources: made };
  });
}

function inputOwner(stage: Stage, { sources }: Plan): HDNodeWallet {
  return stage.ownerOf(sources[0]!.transaction.outputs[0]!);
}

/** Another payment, of two outputs, that spends the first input. */
function competitorOf(stage: Stage, { payment }: Plan): Payment {
  return stage.payment(ETHER, [payment.transaction.inputs[0]!]);
}

async function start(stage: Stage, { payment, sources }: Plan, id?: string): Promise<Flight> {
  const signatures = sources.map(({ transaction }) => stage.sign(stage.ownerOf(transaction.outputs[0]!), payment));
  const proven = sources.map((source) => ({
    transaction: source.transaction,
    proof: stage.proof(source),
    outputIndex: 0,
  }));
  const value = stage.bonds.inFlightExit;
  // By whom it pays, as it mostly is.
  const starter = stage.ownerOf(payment.transaction.outputs[0]!);
  const call = stage.as(starter).startInFlightExit(payment.transaction, signatures, proven, [], "0x", { value });
  const { number, data } = stage.event(await stage.mined(call, id), "InFlightExitStarted");
  // The priority is the first word.
  const priority = BigInt(data.slice(0, 66));
  return { payment, sources, number, priority, data: { id: payment.hash, data } };
}

async function piggyback(stage: Stage, flight: Flight, index: number, id?: string): Promise<void> {
  const output =
    index < OUTPUT
      ? flight.sources[index]!.transaction.outputs[0]!
      : flight.payment.transaction.outputs[index - OUTPUT]!;
  const call = stage.as(stage.ownerOf(output)).piggyback(flight.data, index, { value: stage.bonds.piggyback });
  await stage.mined(call, id);
}

async function challenge(stage: Stage, flight: Flight, competitor: Payment, proof: object, id: string): Promise<void> {
  const signature = stage.sign(inputOwner(stage, flight), competitor);
  const call = stage
    .as(stage.owner(2))
    .challengeNonCanonical(flight.data, 0, competitor.transaction, 0, signature, proof, {
      value: stage.bonds.challenge,
    });
  await stage.mined(call, id);
}
