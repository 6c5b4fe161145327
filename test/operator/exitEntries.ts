import { expect } from "chai";
import type { RootChainEvent } from "@plasma-billing/ethereum/rootChain.ts";
import type { ExitingOutput, InFlightExitEntry } from "@plasma-billing/protocol/entries.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { outputId } from "@plasma-billing/protocol/transaction.ts";
import { inFlightExitAfter, sameExit } from "../../ethereum/exitEntries.ts";
import { addressOf } from "../helpers/protocol.ts";

const HASH: Hex = `0x${"ab".repeat(32)}`;
const [A, B] = [addressOf(0), addressOf(9)];
const INPUTS: Hex[] = [`0x${"01".repeat(32)}`, `0x${"02".repeat(32)}`];
const FIRST = outputId(HASH, 0);
const SECOND = outputId(HASH, 1);
const THIRD = outputId(HASH, 2);

let block = 0;
function event(fields: object): RootChainEvent {
  block++;
  const place = { ethereumBlock: block, ethereumBlockHash: HASH, ethereumTransaction: HASH, logIndex: 0 };
  return { ...place, number: 1, transactionHash: HASH, ...fields } as RootChainEvent;
}
const moved = (token: Hex, amount: bigint): object => ({ owner: addressOf(1), token, amount });
/** Input 0 and outputs 0 and 2 are in token A, the others in B. */
const started = event({
  ...{ name: "InFlightExitStarted", startedAt: 5, exitableAt: 9, data: "0x", inputIds: INPUTS },
  inputs: [moved(A, 3n), moved(B, 2n)],
  outputs: [moved(A, 1n), moved(B, 2n), moved(A, 2n)],
});
const piggybacked = (index: number, id: Hex): RootChainEvent => event({ name: "Piggybacked", index, outputId: id });
const all = [
  ...[piggybacked(0, INPUTS[0]!), piggybacked(1, INPUTS[1]!)],
  ...[piggybacked(16, FIRST), piggybacked(17, SECOND), piggybacked(18, THIRD)],
];
const processed = (token: Hex, canonical: boolean): RootChainEvent =>
  event({ name: "InFlightExitFinalized", token, canonical });
const finalized = (id: Hex): RootChainEvent => event({ name: "OutputFinalized", outputId: id });
const unpayable = (id: Hex): RootChainEvent =>
  event({ name: "ExitEnded", outputId: id, state: "unpayable", paid: false });

/** The exit after these events, each taken in turn. */
function after(events: RootChainEvent[], from?: InFlightExitEntry): InFlightExitEntry {
  let exit = from;
  for (const each of events) exit = inFlightExitAfter(each, () => exit, false) ?? exit;
  return exit!;
}
const states = ({ inputs, outputs }: InFlightExitEntry): string[] =>
  [...inputs, ...outputs].map((one: ExitingOutput) => `${one.piggyback}${one.finalized ? " finalized" : ""}`);

describe("an in-flight exit, event by event", () => {
  const canonicalInA = [processed(A, true), finalized(INPUTS[0]!), finalized(INPUTS[1]!), finalized(FIRST)];

  it("starts with what the transaction moves, and nobody to be paid", () => {
    const exit = after([started]);
    expect(exit).to.include({ type: "inFlightExit", number: 1, transactionHash: HASH, startedAt: 5, exitableAt: 9 });
    expect(exit).to.include({ state: "started", canonical: null, challenged: false });
    expect([...exit.inputs, ...exit.outputs].map((one) => one.outputId)).to.deep.equal([
      ...INPUTS,
      ...[FIRST, SECOND, THIRD],
    ]);
    expect(states(exit)).to.deep.equal(["null", "null", "null", "null", "null"]);
  });

  it("processed as canonical in one token, it still owes the outputs in the other", () => {
    const exit = after([started, ...all, ...canonicalInA, unpayable(THIRD)]);
    expect(exit).to.include({ state: "finalized", canonical: true });
    const inA = ["unpaid finalized", "live finalized", "paid finalized", "live", "unpayable"];
    expect(states(exit)).to.deep.equal(inA);
    const done = after([processed(B, true), finalized(SECOND)], exit);
    expect(states(done)).to.deep.equal([
      ...["unpaid finalized", "unpaid finalized", "paid finalized", "paid finalized", "unpayable"],
    ]);
  });

  it("processed as not canonical it pays inputs; an input that another exit finalized is not paid", () => {
    const exit = after([started, ...all, processed(B, false), processed(A, false), finalized(INPUTS[0]!)]);
    expect(exit).to.include({ state: "finalized", canonical: false });
    expect(states(exit)).to.deep.equal(["paid finalized", "unpaid", "unpaid", "unpaid", "unpaid"]);
  });

  it("challenges come and go", () => {
    const challenge = event({ name: "NonCanonicalChallenged", competitorHash: HASH, position: 7n });
    expect(after([started, challenge]).challenged).to.equal(true);
    const answer = event({ name: "CanonicalResponded", position: 3n });
    expect(after([started, challenge, answer]).challenged).to.equal(false);
    const cancelled = event({ name: "PiggybackChallenged", index: 17, outputId: SECOND });
    const exit = after([started, ...all, cancelled]);
    expect(states(exit)).to.deep.equal(["live", "live", "live", "cancelled", "live"]);
    expect(exit.ethereumBlock).to.equal(cancelled.ethereumBlock);
  });

  it("is what it was when the last of its events are told again", () => {
    const cancelled = event({ name: "PiggybackChallenged", index: 17, outputId: SECOND });
    const history = [started, ...all, cancelled, ...canonicalInA, unpayable(THIRD), processed(B, true)];
    const exit = after(history);
    for (let from = 0; from < history.length; from++) {
      expect(sameExit(after(history.slice(from), exit), exit), `from ${from}`).to.equal(true);
    }
  });

  it("events of others are none of its", () => {
    const exit = after([started]);
    for (const other of [
      event({ name: "BlockCommitted" }),
      event({ name: "Piggybacked", number: 2, index: 0 }),
      event({ name: "OutputFinalized", number: 2, outputId: FIRST }),
    ]) {
      expect(inFlightExitAfter(other, (number) => (number === 1 ? exit : undefined), false)).to.equal(null);
    }
  });
});
