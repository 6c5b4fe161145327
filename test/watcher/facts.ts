import { expect } from "chai";
import type { LiveStandardExit, OpenInFlightExit } from "@plasma-billing/ethereum/challenging/exits.ts";
import { plan, type Facts, type Place } from "@plasma-billing/ethereum/challenging/planner.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import {
  ETHER,
  outputId,
  ZERO_HASH,
  type OutputId,
  type SignedTransaction,
} from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { SeenSpend } from "../../watcher/chain/childChain.ts";
import { factsOf } from "../../watcher/facts.ts";
import { addressOf } from "../helpers/protocol.ts";

const hash = (n: number): Hex => `0x${n.toString(16).padStart(64, "0")}`;
const [ALICE, BOB] = [addressOf(1), addressOf(2)];
const [INPUT, EXITING, SPEND, OTHER] = [hash(1), hash(2), hash(3), hash(4)];
const OUTPUT = outputId(EXITING, 0);
const TERMS = { exitPeriod: 1000, challengeBond: 1n };

const standard = (id: OutputId): LiveStandardExit => ({
  ...{ kind: "standard", number: 1, outputId: id, exitableAt: 900, blockNumber: 1 },
  terms: { number: 1, owner: ALICE, token: ETHER, amount: 1n, bondOwner: ALICE, depositRecord: 0n },
});
const flight: OpenInFlightExit = {
  ...{ kind: "inFlight", number: 2, transactionHash: EXITING, data: "0x12", startedAt: 100, exitableAt: 900 },
  ...{ inputIds: [INPUT], inputs: [{ owner: ALICE, token: ETHER, amount: 1n }] },
  ...{ outputs: [{ owner: BOB, token: ETHER, amount: 1n }], remembered: null },
  piggybacks: new Map([
    [0, INPUT],
    [16, OUTPUT],
  ]),
};
const at = (blockNumber: number): Place => ({ blockNumber, transactionIndex: 0 });
const spend = (of: Hex, input: OutputId, place: Place | null, signer: Address = ALICE): [OutputId, SeenSpend] => {
  const transaction: SignedTransaction = {
    ...{ purpose: "transfer", inputs: [input], outputs: [], fileHash: ZERO_HASH },
    signatures: [`0x${"11".repeat(65)}`],
  };
  return [input, { hash: of, transaction, place, signer }];
};

async function known(spends: [OutputId, SeenSpend][], height: number, firstBad: number | null = null): Promise<Facts> {
  const chain = {
    height,
    watch: async () => undefined,
    spendsOf: (id: OutputId) => spends.filter(([input]) => input === id).map(([, seen]) => seen),
    proofOf: async (place: Place) => ({
      header: { number: place.blockNumber, transactionsRoot: hash(9), transactionCount: 1, timestamp: 5 },
      ...{ index: place.transactionIndex, siblings: [] },
    }),
  };
  return await factsOf(chain, [standard(INPUT), flight], firstBad);
}
const duties = (facts: Facts, ...exits: Parameters<typeof plan>[0][number][]): string[] =>
  plan(exits, facts, TERMS, 200).map(({ key }) => key.split(":")[0]!);

describe("what the watcher holds against exits", () => {
  it("a spend counts wherever it was seen, when the output's owner signed it", async () => {
    for (const place of [at(1), at(9), null]) {
      expect(duties(await known([spend(SPEND, INPUT, place)], 1), standard(INPUT))).to.deep.equal([
        "challengeStandardExit",
      ]);
    }
    const forged = await known([spend(SPEND, INPUT, null, BOB)], 1);
    expect(duties(forged, standard(INPUT), flight)).to.deep.equal([]);
  });

  it("of several spends the first in the chain is shown", async () => {
    const facts = await known([spend(OTHER, INPUT, null), spend(SPEND, INPUT, at(3)), spend(hash(7), INPUT, at(2))], 9);
    expect(facts.spendOf(INPUT)?.hash).to.equal(hash(7));
    expect(facts.spendOf(INPUT, hash(7))?.hash).to.equal(SPEND);
  });

  it("the exiting payment is no spend against itself; in a block it is answered for", async () => {
    const facts = await known([spend(EXITING, INPUT, at(1))], 1);
    expect(duties(facts, flight)).to.deep.equal([]);
    const remembered = { position: 2n ** 53n - 1n, competitorStands: true };
    expect(duties(facts, { ...flight, remembered })).to.deep.equal(["respondCanonical"]);
    // A block that was streamed only cannot be shown to Ethereum.
    expect(duties(await known([spend(EXITING, INPUT, at(2))], 1), { ...flight, remembered })).to.deep.equal([]);
  });

  it("a payment in no block that contradicts one of the chain is challenged, and its input's piggyback", async () => {
    const facts = await known([spend(SPEND, INPUT, at(1))], 1);
    expect(duties(facts, flight).sort()).to.deep.equal(["challengeInputSpent", "challengeNonCanonical"]);
  });

  it("a double spend that only a bad block has is challenged, unless its own place is the older one", async () => {
    const exit = { ...flight, piggybacks: new Map() };
    const spends = [spend(SPEND, INPUT, at(1)), spend(EXITING, INPUT, at(3))];
    expect(duties(await known(spends, 2, 3), exit)).to.deep.equal(["challengeNonCanonical"]);
    const unplaced = [spend(SPEND, INPUT, null), spend(EXITING, INPUT, at(3))];
    expect(duties(await known(unplaced, 2, 3), exit)).to.deep.equal([]);
    const younger = [spend(SPEND, INPUT, at(4)), spend(EXITING, INPUT, at(3))];
    expect(duties(await known(younger, 4, 3), exit)).to.deep.equal([]);
  });

  it("the spent output of a payment in a block is challenged, but not when only a bad block has that payment", async () => {
    const spends = [spend(EXITING, INPUT, at(3)), spend(SPEND, OUTPUT, at(3), BOB)];
    expect(duties(await known(spends, 3), flight)).to.deep.equal(["challengeOutputSpent"]);
    expect(duties(await known(spends, 3, 4), flight)).to.deep.equal(["challengeOutputSpent"]);
    expect(duties(await known(spends, 3, 3), flight)).to.deep.equal([]);
  });
});
