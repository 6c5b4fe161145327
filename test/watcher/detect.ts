import { expect } from "chai";
import type { OpenExit } from "@plasma-billing/ethereum/challenging/exits.ts";
import type { RootChainEvent } from "@plasma-billing/ethereum/rootChain.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { ETHER, outputId, type OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { SeenSpend } from "../../watcher/chain/childChain.ts";
import type { Finding, FindingDraft } from "../../watcher/findings/finding.ts";
import {
  breachFindings,
  diskFinding,
  lateFinding,
  lostForGood,
  stalledFinding,
  withheldFinding,
} from "../../watcher/detect/blocks.ts";
import { gapFinding, staleFinding, tooSlow } from "../../watcher/detect/ethereum.ts";
import { challengeFindings, unknownExits } from "../../watcher/detect/exits.ts";
import { spansOf } from "../../watcher/detect/exitSpans.ts";
import { spentWhileExiting } from "../../watcher/detect/spentWhileExiting.ts";
import { addressOf } from "../helpers/protocol.ts";

const hash = (n: number): Hex => `0x${n.toString(16).padStart(64, "0")}`;
const W = 800;
const OWNER = addressOf(1);
const [OUTPUT, INPUT] = [hash(11), hash(12)];
const EXITING = hash(13);
const EXITING_OUTPUT = outputId(EXITING, 0);

/** Events one Ethereum block after another; block n has the time 1000 n. */
function history(...fields: object[]): RootChainEvent[] {
  return fields.map((one, i) => {
    const place = { ethereumBlock: i + 1, ethereumBlockHash: hash(i + 1), ethereumTransaction: hash(99), logIndex: 0 };
    return { ...place, ...one } as RootChainEvent;
  });
}
const started = (number: number, id: OutputId): object => ({
  ...{ name: "ExitStarted", number, kind: "standard", outputId: id, owner: OWNER, token: ETHER, amount: 5n },
  ...{ exitableAt: 9, blockNumber: 1, bondOwner: OWNER, depositRecord: 0n },
});
const ended = (number: number, id: OutputId, state: string): object => ({
  ...{ name: "ExitEnded", number, outputId: id, state, paid: state === "finalized" },
});
const flight = (number: number): object => ({
  ...{ name: "InFlightExitStarted", number, transactionHash: EXITING, startedAt: 1, exitableAt: 9, data: "0x" },
  ...{ inputIds: [INPUT], inputs: [{ owner: OWNER, token: ETHER, amount: 5n }], priority: 0n },
  outputs: [{ owner: OWNER, token: ETHER, amount: 5n }],
});
const piggybacked = (number: number, index: number, id: OutputId): object => ({
  ...{ name: "Piggybacked", number, index, outputId: id },
});
const finalized = (number: number, id: OutputId): object => ({ name: "OutputFinalized", number, outputId: id });
const committed = (number: number, timestamp: number): object => ({
  ...{ name: "BlockCommitted", number, transactionsRoot: hash(7), transactionCount: 1, timestamp },
});
const spentIn = (blockNumber: number): SeenSpend =>
  ({ hash: hash(20 + blockNumber), place: { blockNumber, transactionIndex: 3 } }) as SeenSpend;

const timeOf = async ({ number }: { number: number }): Promise<number> => await Promise.resolve(number * 1000);

/** Blocks that broke INPUT_EXITING, when these outputs are spent in these blocks. */
async function broken(events: RootChainEvent[], spends: Record<OutputId, number>): Promise<number[]> {
  const spendsOf = (id: OutputId): SeenSpend[] => (spends[id] === undefined ? [] : [spentIn(spends[id])]);
  const found = await spentWhileExiting(spansOf(events), spendsOf, W, timeOf, () => undefined);
  for (const { finding } of found) expect(finding.evidence["rule"]).to.equal("INPUT_EXITING");
  return found.map(({ blockNumber }) => blockNumber);
}

describe("the watcher's INPUT_EXITING: a block may not spend", () => {
  const begun = 1000;
  const late = begun + W / 8 + 1;

  it("what a standard exit had held for more than W/8", async () => {
    expect(await broken(history(started(1, OUTPUT), committed(1, late)), { [OUTPUT]: 1 })).to.deep.equal([1]);
  });

  it("but may what it had held for W/8, or what began after the commit", async () => {
    expect(await broken(history(started(1, OUTPUT), committed(1, late - 1)), { [OUTPUT]: 1 })).to.deep.equal([]);
    expect(await broken(history(committed(1, late), started(1, OUTPUT)), { [OUTPUT]: 1 })).to.deep.equal([]);
  });

  it("but may what an exit held that was challenged before the commit, however long", async () => {
    const events = history(started(1, OUTPUT), ended(1, OUTPUT, "challenged"), committed(1, 90_000));
    expect(await broken(events, { [OUTPUT]: 1 })).to.deep.equal([]);
  });

  it("what was paid or blocked before the commit, however short before", async () => {
    const events = history(started(1, OUTPUT), finalized(1, OUTPUT), ended(1, OUTPUT, "finalized"), committed(1, 0));
    expect(await broken(events, { [OUTPUT]: 1 })).to.deep.equal([1]);
    const after = history(committed(1, 0), finalized(1, OUTPUT));
    expect(await broken(after, { [OUTPUT]: 1 })).to.deep.equal([]);
  });

  it("an input of an in-flight exit from its start, an output from its piggyback on", async () => {
    const start = history(
      flight(1),
      committed(1, late),
      piggybacked(1, 16, EXITING_OUTPUT),
      committed(2, 3000 + W / 8),
    );
    expect(await broken(start, { [INPUT]: 1 })).to.deep.equal([1]);
    expect(await broken(start, { [EXITING_OUTPUT]: 1 })).to.deep.equal([]);
    expect(await broken(start, { [EXITING_OUTPUT]: 2 })).to.deep.equal([]);
    const later = history(flight(1), piggybacked(1, 16, EXITING_OUTPUT), committed(1, 2001 + W / 8));
    expect(await broken(later, { [EXITING_OUTPUT]: 1 })).to.deep.equal([1]);
  });

  it("the output of an in-flight exit that another exit blocks: it may", async () => {
    const blocked = history(
      ...[flight(1), piggybacked(1, 16, EXITING_OUTPUT), started(2, INPUT), finalized(2, INPUT), committed(1, 90_000)],
    );
    expect(await broken(blocked, { [EXITING_OUTPUT]: 1 })).to.deep.equal([]);
  });

  it("and counts a second exit of the same output from its own start", async () => {
    const again = history(
      ...[started(1, OUTPUT), ended(1, OUTPUT, "challenged"), started(2, OUTPUT), committed(1, 3000 + W / 8)],
    );
    expect(await broken(again, { [OUTPUT]: 1 })).to.deep.equal([]);
    const longer = history(
      ...[started(1, OUTPUT), ended(1, OUTPUT, "challenged"), started(2, OUTPUT), committed(1, 3001 + W / 8)],
    );
    expect(await broken(longer, { [OUTPUT]: 1 })).to.deep.equal([1]);
  });

  it("says nothing new as long as the nodes do not tell when an exit began, and takes nothing back", async () => {
    const spans = spansOf(history(started(1, OUTPUT), committed(1, 90_000)));
    const spendsOf = (): SeenSpend[] => [spentIn(1)];
    const silent = async (): Promise<null> => await Promise.resolve(null);
    expect(await spentWhileExiting(spans, spendsOf, W, silent, () => undefined)).to.deep.equal([]);
    const told = await spentWhileExiting(spans, spendsOf, W, timeOf, () => undefined);
    expect(told).to.have.lengthOf(1);
    const before = (subject: string): FindingDraft | undefined =>
      told.map(({ finding }) => finding).find((finding) => finding.subject === subject);
    expect(await spentWhileExiting(spans, spendsOf, W, silent, before)).to.deep.equal(told);
    // What was paid needs no time.
    const paid = spansOf(
      history(started(1, OUTPUT), finalized(1, OUTPUT), ended(1, OUTPUT, "finalized"), committed(1, 0)),
    );
    expect(await spentWhileExiting(paid, spendsOf, W, silent, () => undefined)).to.have.lengthOf(1);
  });
});

describe("the watcher's findings about blocks", () => {
  const commit = { number: 1, transactionsRoot: hash(7), transactionCount: 2, timestamp: 5000, final: true };
  const commits = [{ ...commit, ethereumTransaction: hash(8) }];
  const missing = { number: 1, reason: "HTTP 404", since: 0, late: false };

  it("a block that is not served: after ten seconds to be looked at, W/8 after its commit unsafe", () => {
    expect(withheldFinding(missing, commits, W, 9_999, 9000)).to.deep.equal([]);
    const [soon] = withheldFinding(missing, commits, W, 20_000, 5000 + W / 8);
    expect(soon).to.include({ name: "withheldBlock", severity: "attention", until: 5000 + W / 8 });
    const [lost] = withheldFinding(missing, commits, W, 20_000, 5001 + W / 8);
    expect(lost).to.include({ name: "withheldBlock", severity: "unsafe", until: 5000 + W });
    expect(lost!.text).to.include("HTTP 404");
    // Ethereum's time may jump; an operator that starts again gets as long as it needs for that.
    expect(withheldFinding(missing, commits, W, 19_999, 9000)[0]).to.include({ severity: "attention" });
    expect(withheldFinding(null, commits, W, 90_000, 9000)).to.deep.equal([]);
    // One that was old when it was first asked for gets W/64, unless W is nearly over.
    const week = 604_800;
    const late = { ...missing, late: true };
    const waited = (week / 64) * 1000;
    expect(withheldFinding(late, commits, week, waited - 1, 5000 + week / 2)[0]).to.include({ severity: "attention" });
    expect(withheldFinding(late, commits, week, waited, 5000 + week / 2)[0]).to.include({ severity: "unsafe" });
    expect(withheldFinding(late, commits, week, 20_000, 5000 + week)[0]).to.include({ severity: "unsafe" });
  });

  it("a block that was not published in time stays lost, until Ethereum has another", () => {
    const draft = withheldFinding(missing, commits, W, 20_000, 5001 + W / 8)[0]!;
    const finding: Finding = {
      ...{ ...draft, id: 1, severity: "unsafe", means: "", todo: "", state: "open", firstSeenAt: 0, overAt: null },
    };
    expect(lostForGood([finding], commits)).to.deep.equal([finding]);
    expect(lostForGood([{ ...finding, severity: "attention" }], commits)).to.deep.equal([]);
    // What was as old when it was first asked for may be there for others.
    expect(lostForGood([{ ...finding, evidence: { ...finding.evidence, late: true } }], commits)).to.deep.equal([]);
    expect(lostForGood([finding], [])).to.deep.equal([]);
    expect(lostForGood([finding], [{ ...commits[0]!, transactionsRoot: hash(9) }])).to.deep.equal([]);
  });

  it("an invalid block names rule, payment and until when to leave; an open one has no time yet", () => {
    const breach = { blockNumber: 1, transactionIndex: 4, rule: "UNBALANCED" as const, hash: hash(5), context: {} };
    const [found] = breachFindings([{ name: "invalidBlock", ...breach }], commits, W);
    expect(found).to.include({ name: "invalidBlock", until: 5000 + W });
    expect(found!.evidence).to.include({ rule: "UNBALANCED", transactionIndex: 4, transactionHash: hash(5) });
    const [open] = breachFindings([{ name: "invalidBlock", ...breach, blockNumber: 2 }], commits, W);
    expect(open).to.include({ until: null });
  });

  it("a commit that is late: an hour and ten minutes after the first payment was seen", () => {
    expect(lateFinding(null, 3600, 1e12)).to.deep.equal([]);
    expect(lateFinding(0, 3600, 4_200_000)).to.deep.equal([]);
    expect(lateFinding(0, 3600, 4_201_000)[0]).to.include({ name: "commitLate" });
  });

  it("an operator that is silent for too long", () => {
    const silence = { since: 1000, problem: "no answer" };
    expect(stalledFinding(silence, 60, 60_999)).to.deep.equal([]);
    expect(stalledFinding(silence, 60, 61_000)[0]).to.include({ name: "operatorStalled" });
    expect(stalledFinding(null, 60, 1e12)).to.deep.equal([]);
  });
});

describe("the watcher's findings about itself and Ethereum", () => {
  const reading = { answeredAt: 0, headAt: 0, head: 7, failure: null, lost: null };

  it("nodes that do not answer, that stand still where blocks come, and those that are lost", () => {
    expect(staleFinding(reading, true, 60, 60_000)).to.deep.equal([]);
    expect(staleFinding(reading, true, 60, 60_001)[0]).to.include({ name: "ethereumStale" });
    expect(staleFinding({ ...reading, answeredAt: 301_000 }, true, 60, 301_000)[0]?.text).to.include("block after 7");
    expect(staleFinding({ ...reading, answeredAt: 301_000 }, false, 60, 301_000)).to.deep.equal([]);
    expect(staleFinding({ ...reading, lost: "gone" }, false, 60, 0)[0]?.text).to.equal("gone");
  });

  it("a pace at which W/4 could be missed", () => {
    const pace = { ethereumPollMs: 2000, operatorPollMs: 1000, blocksCome: true };
    expect(tooSlow(4 * 195, pace)).to.equal(null);
    expect(tooSlow(4 * 195 - 1, pace)).to.include("ETHEREUM_POLL_MS");
    expect(tooSlow(7 * 86_400, { ...pace, ethereumPollMs: 86_400_000 })).to.include("W/4");
    expect(tooSlow(100, { ...pace, blocksCome: false })).to.equal(null);
  });

  it("a time without looking that was longer than W/4, by both clocks", () => {
    const look = (seconds: number): { ethereum: number; ownMs: number } => ({
      ethereum: seconds,
      ownMs: seconds * 1000,
    });
    expect(gapFinding(null, look(1e6), W)).to.deep.equal([]);
    expect(gapFinding(look(0), look(200), W)).to.deep.equal([]);
    expect(gapFinding(look(0), look(201), W)[0]).to.include({ name: "windowTooShort" });
    expect(gapFinding(look(0), { ethereum: 1e6, ownMs: 200_000 }, W)).to.deep.equal([]);
  });
});

describe("the watcher's findings about exits", () => {
  const standard = (blockNumber: number, depositRecord = 0n): OpenExit => ({
    ...{ kind: "standard", number: 1, outputId: OUTPUT, exitableAt: 77, blockNumber },
    terms: { number: 1, owner: OWNER, token: ETHER, amount: 5n, bondOwner: OWNER, depositRecord },
  });
  const chain = (known: { live?: boolean; spent?: boolean } = {}): Parameters<typeof unknownExits>[1] => ({
    height: 4,
    output: () => (known.live === true ? ({} as never) : undefined),
    spendsOf: () => (known.spent === true ? [spentIn(2)] : []),
  });

  it("an output that no block made, once its block was verified", () => {
    expect(unknownExits([standard(4)], chain(), null)[0]).to.include({ name: "exitOfUnknown", until: 77 });
    expect(unknownExits([standard(5)], chain(), null)).to.deep.equal([]);
    expect(unknownExits([standard(4)], chain({ live: true }), null)).to.deep.equal([]);
    expect(unknownExits([standard(4)], chain({ spent: true }), null)).to.deep.equal([]);
    expect(unknownExits([standard(4, 9n)], chain(), null)).to.deep.equal([]);
  });

  it("anything from an invalid block on", () => {
    expect(unknownExits([standard(5)], chain(), 5)).to.have.lengthOf(1);
    expect(unknownExits([standard(4)], chain({ live: true }), 5)).to.deep.equal([]);
  });

  it("each challenge, with the call that makes it", async () => {
    const duty = { exit: 1, until: 50, value: 7n, data: async (): Promise<Hex> => "0x1234" };
    const names = [
      ...["challengeStandardExit", "challengeNonCanonical", "challengeInputSpent", "challengeOutputSpent"],
      "respondCanonical",
    ];
    const found = await challengeFindings(
      names.map((name) => ({ ...duty, key: `${name}:1:${OUTPUT}` })),
      [standard(1)],
      { rootChain: addressOf(9), now: 0, exitPeriod: 80 },
    );
    expect(found.map(({ name }) => name)).to.deep.equal([
      ...["exitOfSpentOutput", "nonCanonicalExit", "piggybackOfSpent", "piggybackOfSpent", "unansweredChallenge"],
    ]);
    for (const { transaction, until } of found) {
      expect(transaction).to.deep.equal({ to: addressOf(9), data: "0x1234", value: 7n });
      expect(until).to.equal(50);
    }
    const terms = { rootChain: addressOf(9), now: 41, exitPeriod: 80 };
    expect(await challengeFindings([{ ...duty, key: "guardExit:1" }], [], terms)).to.deep.equal([]);
    // In the last W/8 nobody is safe any more; what cannot be made ready is told all the same.
    const unready = {
      ...duty,
      key: `respondCanonical:1:${OUTPUT}`,
      data: async (): Promise<Hex> => await Promise.reject(new Error("gone")),
    };
    expect((await challengeFindings([unready], [], terms))[0]).to.include({ severity: "unsafe", transaction: null });
  });
});

describe("the watcher's own disk", () => {
  it("is told as its own fault, and is unsafe only while blocks on Ethereum are not verified", () => {
    expect(diskFinding(null, true)).to.deep.equal([]);
    const [behind] = diskFinding("1 MB are free", true);
    expect(behind).to.include({ name: "diskFull", severity: "unsafe" });
    expect(behind!.text).to.contain("1 MB are free").and.to.contain("not verified");
    expect(diskFinding("1 MB are free", false)[0]).to.include({ severity: "attention" });
  });
});
