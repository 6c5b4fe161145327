import { expect } from "chai";
import type { RootChainEvent } from "@plasma-billing/ethereum/rootChain.ts";
import { ETHER, ZERO_HASH, type SignedTransaction } from "@plasma-billing/protocol/transaction.ts";
import {
  OpenExits,
  type LiveStandardExit,
  type OpenExit,
  type OpenInFlightExit,
} from "../../ethereum/challenging/exits.ts";
import { plan, type Facts, type Place } from "../../ethereum/challenging/planner.ts";
import { addressOf } from "../helpers/protocol.ts";

type Hex = `0x${string}`;
const NOT_INCLUDED = 2n ** 53n - 1n;
const TERMS = { exitPeriod: 1_000, challengeBond: 13n };
const NOW = 10_000;
const id = (number: number): Hex => `0x${number.toString(16).padStart(64, "0")}`;
const [INPUT, OTHER_INPUT, OUTPUT, EXITING, REAL, LATER] = [1, 2, 3, 101, 102, 103].map(id) as [
  Hex,
  Hex,
  Hex,
  Hex,
  Hex,
  Hex,
];
const age = (blockNumber: number, index: number): bigint => (BigInt(blockNumber) << 23n) | BigInt(index + 1);

const standard: LiveStandardExit = {
  ...{ kind: "standard", number: 1, outputId: INPUT, exitableAt: NOW + 500, blockNumber: 1 },
  terms: { number: 1, owner: addressOf(1), token: ETHER, amount: 1n, bondOwner: addressOf(1), depositRecord: 0n },
};
const inFlight = (change: Partial<OpenInFlightExit> = {}): OpenInFlightExit => ({
  ...{
    kind: "inFlight",
    number: 2,
    transactionHash: EXITING,
    data: "0x12",
    inputs: [],
    outputs: [],
    startedAt: NOW - 100,
  },
  ...{ exitableAt: NOW + 900, inputIds: [INPUT, OTHER_INPUT], piggybacks: new Map(), remembered: null },
  ...change,
});
const spends = (...inputs: Hex[]): SignedTransaction => ({
  ...{ purpose: "transfer", inputs, outputs: [{ owner: addressOf(2), token: ETHER, amount: 1n }], fileHash: ZERO_HASH },
  signatures: inputs.map(() => `0x${"11".repeat(65)}` as const),
});

/** What the operator knows: which payment spends what, and where payments are; null: accepted, in no block on Ethereum. */
function knows(spent: Record<Hex, Hex> = {}, places: Record<Hex, Place | null> = {}): Facts {
  const accepted = new Set([...Object.values(spent), ...Object.keys(places)]);
  return {
    spendOf: (output, other) => {
      const hash = spent[output];
      return hash === undefined || hash === other ? null : { hash, transaction: spends(output) };
    },
    accepted: (hash) => accepted.has(hash),
    badPlaceOf: () => null,
    placeOf: (hash) => places[hash as Hex] ?? null,
    proofOf: async ({ blockNumber, transactionIndex }) => ({
      header: { number: blockNumber, transactionsRoot: id(9), transactionCount: 8, timestamp: NOW },
      ...{ index: transactionIndex, siblings: [id(8)] },
    }),
  };
}

const at = (blockNumber: number, transactionIndex: number): Place => ({ blockNumber, transactionIndex });
const piggybacks = (...list: [number, Hex][]): { piggybacks: Map<number, Hex> } => ({ piggybacks: new Map(list) });
const stands = (position: bigint): Partial<OpenInFlightExit> => ({ remembered: { position, competitorStands: true } });
const answered = (position: bigint): Partial<OpenInFlightExit> => ({
  remembered: { position, competitorStands: false },
});

/** In words: the exits, what is known, and what has to be done. */
const CASES: [string, OpenExit[], Facts, string[], number?][] = [
  ["an exit of what nobody spent", [standard], knows(), []],
  ["an exit of what is spent", [standard], knows({ [INPUT]: REAL }), [`challengeStandardExit:1:${INPUT}`]],
  [
    "an exit whose time has come, but is not processed",
    [standard],
    knows({ [INPUT]: REAL }),
    [`challengeStandardExit:1:${INPUT}`],
    NOW + 9_000,
  ],
  [
    "a payment of ours in flight",
    [inFlight(piggybacks([0, INPUT]))],
    knows({ [INPUT]: EXITING, [OTHER_INPUT]: EXITING }),
    [],
  ],
  ["an unknown payment of unspent outputs", [inFlight(piggybacks([0, INPUT], [16, OUTPUT]))], knows(), []],
  [
    "the piggyback of an input another payment spends",
    [inFlight(piggybacks([0, INPUT]))],
    knows({ [INPUT]: REAL }),
    [`challengeNonCanonical:2:${EXITING}`, `challengeInputSpent:2:${EXITING}:0`],
  ],
  [
    "that long after half the period",
    [inFlight(piggybacks([0, INPUT]))],
    knows({ [INPUT]: REAL }),
    [`challengeInputSpent:2:${EXITING}:0`],
    NOW + 400,
  ],
  [
    "the piggyback of a spent output, its payment in no block",
    [inFlight(piggybacks([17, OUTPUT]))],
    knows({ [OUTPUT]: LATER }, { [EXITING]: null }),
    [],
  ],
  [
    "the piggyback of a spent output of an included payment",
    [inFlight(piggybacks([17, OUTPUT]))],
    knows({ [OUTPUT]: LATER }, { [EXITING]: at(3, 0) }),
    [`challengeOutputSpent:2:${EXITING}:1`],
  ],
  [
    "the piggyback of an unspent output of an included payment",
    [inFlight(piggybacks([16, OUTPUT]))],
    knows({}, { [EXITING]: at(3, 0) }),
    [],
  ],
  [
    "a competitor of an included payment",
    [inFlight(stands(NOT_INCLUDED))],
    knows({}, { [EXITING]: at(3, 0) }),
    [`respondCanonical:2:${EXITING}`],
  ],
  [
    "the same, in a later place of the block",
    [inFlight(stands(age(3, 1)))],
    knows({}, { [EXITING]: at(3, 0) }),
    [`respondCanonical:2:${EXITING}`],
  ],
  ["a competitor at the very place", [inFlight(stands(age(3, 0)))], knows({}, { [EXITING]: at(3, 0) }), []],
  ["an older competitor", [inFlight(stands(age(2, 5)))], knows({}, { [EXITING]: at(3, 0) }), []],
  [
    "a competitor of a payment that is in no block yet",
    [inFlight(stands(NOT_INCLUDED))],
    knows({ [INPUT]: EXITING }, { [EXITING]: null }),
    [],
  ],
  ["a competitor that was answered", [inFlight(answered(age(3, 0)))], knows({}, { [EXITING]: at(3, 0) }), []],
  [
    "an input spent by an accepted payment, a competitor stands",
    [inFlight(stands(NOT_INCLUDED))],
    knows({ [INPUT]: REAL }, { [REAL]: at(1, 0) }),
    [],
  ],
  [
    "the same, answered with an older place",
    [inFlight(answered(age(1, 0)))],
    knows({ [INPUT]: REAL }, { [REAL]: at(1, 1) }),
    [],
  ],
  [
    "the same, answered with a younger place",
    [inFlight(answered(age(1, 2)))],
    knows({ [INPUT]: REAL }, { [REAL]: at(1, 1) }),
    [`challengeNonCanonical:2:${EXITING}`],
  ],
  ["the same, after half the period", [inFlight()], knows({ [INPUT]: REAL }, { [REAL]: at(1, 1) }), [], NOW + 400],
  [
    "the most urgent comes first",
    [standard, inFlight()],
    knows({ [INPUT]: REAL }),
    [`challengeNonCanonical:2:${EXITING}`, `challengeStandardExit:1:${INPUT}`],
  ],
];

describe("the challenger's planner", () => {
  for (const [what, exits, facts, expected, now = NOW] of CASES) {
    it(`${what}: ${expected.length === 0 ? "nothing" : expected.map((key) => key.split(":")[0]).join(", ")}`, () => {
      expect(plan(exits, facts, TERMS, now).map(({ key }) => key)).to.deep.equal(expected);
    });
  }

  it("shows the oldest competitor it knows, and brings the bond for it only", async () => {
    const spent = { [INPUT]: REAL, [OTHER_INPUT]: LATER };
    const [duty] = plan([inFlight()], knows(spent, { [LATER]: at(5, 1) }), TERMS, NOW);
    expect(duty!.value).to.equal(TERMS.challengeBond);
    // The second input's spend, with its header, and not the first one's, which no block has.
    expect(await duty!.data())
      .to.contain(OTHER_INPUT.slice(2))
      .and.to.contain(id(9).slice(2));
    expect(plan([standard], knows(spent), TERMS, NOW)[0]!.value).to.equal(0n);
  });

  it("an exit with the same number of another output is another duty", () => {
    const spent = knows({ [INPUT]: REAL, [OUTPUT]: REAL });
    const keys = plan([standard, { ...standard, outputId: OUTPUT }], spent, TERMS, NOW).map(({ key }) => key);
    expect(new Set(keys).size).to.equal(2);
  });
});

describe("the exits the challenger follows", () => {
  const place = { ethereumBlock: 1, ethereumBlockHash: id(7), ethereumTransaction: id(6), logIndex: 0 };
  const started = (number: number): RootChainEvent => ({
    ...{ ...place, name: "ExitStarted", kind: "standard", ...standard.terms, number },
    ...{ outputId: INPUT, exitableAt: NOW, priority: 1n, blockNumber: 1 },
  });
  const flight = (number: number): RootChainEvent => ({
    ...{ ...place, name: "InFlightExitStarted", number, transactionHash: EXITING, startedAt: NOW, exitableAt: NOW },
    ...{ priority: 1n, inputIds: [INPUT], inputs: [], outputs: [], data: "0x12" },
  });
  const about = (name: string, number: number, more: object = {}): RootChainEvent =>
    ({ ...place, name, number, ...more }) as RootChainEvent;

  it("are those of final blocks, and what the window changes of them until it shows otherwise", () => {
    const exits = new OpenExits();
    expect(exits.settle([started(1), flight(2)])).to.equal(true);
    const ended = about("ExitEnded", 1, { outputId: INPUT, state: "challenged", paid: false });
    const made = about("Piggybacked", 2, { index: 16, outputId: OUTPUT });
    expect(exits.show([ended, made, started(3)])).to.equal(true);
    expect(exits.current.map(({ number }) => number)).to.deep.equal([2, 3]);
    expect((exits.current[0] as OpenInFlightExit).piggybacks.get(16)).to.equal(OUTPUT);
    exits.show([]);
    expect(exits.current.map(({ number }) => number)).to.deep.equal([1, 2]);
    expect((exits.current[1] as OpenInFlightExit).piggybacks.size).to.equal(0);
  });

  it("of an in-flight exit: piggybacks, challenges and answers, until its first processing or closing", () => {
    const exits = new OpenExits();
    const made = about("Piggybacked", 1, { index: 0, outputId: INPUT });
    const challenged = about("NonCanonicalChallenged", 1, { position: NOT_INCLUDED });
    exits.settle([flight(1), made, challenged]);
    const shown = (...events: RootChainEvent[]): OpenInFlightExit | undefined => {
      exits.show(events);
      return exits.current[0] as OpenInFlightExit | undefined;
    };
    expect(shown()?.remembered).to.deep.equal({ position: NOT_INCLUDED, competitorStands: true });
    const responded = about("CanonicalResponded", 1, { position: 5n });
    expect(shown(responded)?.remembered).to.deep.equal({ position: 5n, competitorStands: false });
    expect(shown(about("PiggybackChallenged", 1, { index: 0, outputId: INPUT }))?.piggybacks.size).to.equal(0);
    // One of its outputs could not be paid: that ends no standard exit.
    expect(shown(about("ExitEnded", 1, { outputId: INPUT, state: "unpayable" }))).to.not.equal(undefined);
    for (const name of ["InFlightExitFinalized", "InFlightExitClosed"])
      expect(shown(about(name, 1))).to.equal(undefined);
  });

  it("are taken only when no start is missing", () => {
    const exits = new OpenExits();
    expect(exits.settle([started(2)])).to.equal(false);
    expect(exits.settle([started(1)])).to.equal(true);
    expect(exits.show([started(3)])).to.equal(false);
    expect(exits.show([started(2)])).to.equal(true);
    expect(exits.count).to.equal(2);
  });
});
