import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { rootChain, type RootChainEvent } from "@plasma-billing/ethereum/rootChain.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { MerkleTree } from "@plasma-billing/protocol/merkle.ts";
import {
  depositHash,
  ETHER,
  outputId,
  transactionHash,
  ZERO_HASH,
  type OutputId,
  type SignedTransaction,
} from "@plasma-billing/protocol/transaction.ts";
import { domainSeparator, type Address } from "@plasma-billing/protocol/typedData.ts";
import { decodeKit, type ExitKit } from "@plasma-billing/sdk";
import { pino } from "pino";
import type { CommittedBlock, GuardedPayment, Place } from "../../watcher/chain/childChain.ts";
import { ExitBoard } from "../../watcher/guard/exitBoard.ts";
import { Guard } from "../../watcher/guard/guard.ts";
import type { PlanContext } from "../../watcher/guard/plan.ts";
import type { GuardedChain, GuardView } from "../../watcher/guard/ports.ts";
import { planProcessing } from "../../watcher/guard/processing.ts";
import type { SeenCommit, SeenDeposit } from "../../watcher/rootChain/view.ts";
import { addressOf, DOMAIN } from "../helpers/protocol.ts";

const [ALICE, BOB, TOKEN] = [1, 2, 3].map((n) => addressOf(n)) as [Address, Address, Address];
const SEPARATOR = domainSeparator(DOMAIN);
const W = 1_000;

const idOf = (n: number): Hex => `0x${n.toString(16).padStart(64, "0")}`;
let logIndex = 0;
const event = (fields: object): RootChainEvent =>
  ({
    ...{ ethereumBlock: 1, ethereumBlockHash: idOf(1), ethereumTransaction: idOf(2), logIndex: logIndex++ },
    ...fields,
  }) as RootChainEvent;
const started = (number: number, exitableAt: number, owner: Address, token: Address = ETHER): RootChainEvent =>
  event({
    ...{ name: "ExitStarted", number, kind: "standard", outputId: idOf(number), owner, token, amount: 5n, exitableAt },
    ...{ blockNumber: 1, priority: (BigInt(exitableAt) << 94n) | BigInt(number), bondOwner: owner, depositRecord: 0n },
  });
const flight = (number: number, exitableAt: number): RootChainEvent =>
  event({
    ...{ name: "InFlightExitStarted", number, transactionHash: idOf(100 + number), startedAt: 1, exitableAt },
    ...{ priority: (BigInt(exitableAt) << 94n) | BigInt(number), inputIds: [idOf(50)], data: "0x1234" },
    inputs: [{ owner: BOB, token: ETHER, amount: 3n }],
    outputs: [
      { owner: ALICE, token: TOKEN, amount: 2n },
      { owner: BOB, token: ETHER, amount: 1n },
    ],
  });
const about = (name: string, number: number, fields: object = {}): RootChainEvent => event({ name, number, ...fields });
const ended = (number: number, state: string): RootChainEvent =>
  about("ExitEnded", number, { outputId: idOf(number), state, paid: state === "finalized" });

describe("guard: queues as the contract's events tell them", () => {
  const numbers = (events: RootChainEvent[], token: Address = ETHER): number[] =>
    new ExitBoard(events).queueOf(token).map(({ number }) => number);

  it("are in the order of their keys, without what was cancelled or worked off", () => {
    const exits = [started(1, 300, BOB), started(2, 100, ALICE), started(3, 200, BOB), started(4, 150, BOB, TOKEN)];
    expect(numbers(exits)).to.deep.equal([2, 3, 1]);
    expect(numbers(exits, TOKEN)).to.deep.equal([4]);
    for (const state of ["challenged", "finalized", "unpayable"]) {
      expect(numbers([...exits, ended(3, state)])).to.deep.equal([2, 1]);
    }
  });

  it("have an in-flight exit in each token that it was ever piggybacked in, until it has left it or is closed", () => {
    const made = [flight(1, 100), about("Piggybacked", 1, { index: 16, outputId: idOf(7) })];
    expect([numbers(made), numbers(made, TOKEN)]).to.deep.equal([[], [1]]);
    const cancelled = [...made, about("PiggybackChallenged", 1, { index: 16, outputId: idOf(7) })];
    // Its data is needed all the same.
    expect(numbers(cancelled, TOKEN)).to.deep.equal([1]);
    expect(new ExitBoard(cancelled).queueOf(TOKEN)[0]!.owners).to.deep.equal([]);
    expect(numbers([...made, about("InFlightExitClosed", 1)], TOKEN)).to.deep.equal([]);
    const both = [...made, about("Piggybacked", 1, { index: 0, outputId: idOf(50) })];
    const left = [...both, about("InFlightExitFinalized", 1, { token: TOKEN, canonical: true })];
    expect([numbers(left), numbers(left, TOKEN)]).to.deep.equal([[1], []]);
    expect(new ExitBoard(left).openFlights).to.deep.equal([]);
    expect(new ExitBoard(both).openFlights).to.have.length(1);
  });

  it("know what was finalized, and whose input an in-flight exit spends", () => {
    const board = new ExitBoard([flight(1, 100), about("OutputFinalized", 1, { outputId: idOf(9) })]);
    expect([board.isFinalized(idOf(9)), board.isFinalized(idOf(8))]).to.deep.equal([true, false]);
    expect([board.isSpentInFlight(idOf(50)), board.isSpentInFlight(idOf(50), idOf(101))]).to.deep.equal([true, false]);
  });
});

describe("guard: what is due is processed", () => {
  const planAt = (now: number, events: RootChainEvent[]): { key: string; until: number; exits: number }[] => {
    const context = { board: new ExitBoard(events), guarded: new Set([ALICE]), now, exitPeriod: W };
    return planProcessing(context as unknown as PlanContext).map(({ key, until, data }) => ({
      ...{ key, until },
      exits: rootChain.decodeFunctionData("processExits", data() as string)[1].length as number,
    }));
  };

  it("with all that stands before the address's own, and nothing behind", () => {
    const events = [started(1, 300, BOB), started(2, 100, BOB), started(3, 200, ALICE)];
    expect(planAt(199, events)).to.deep.equal([]);
    expect(planAt(200, events)).to.deep.equal([{ key: `processExits:${ETHER}:2`, until: 450, exits: 2 }]);
    expect(planAt(500, events)).to.deep.equal([{ key: `processExits:${ETHER}:2`, until: 450, exits: 2 }]);
    // Others' exits are others' business.
    expect(planAt(500, [started(1, 300, BOB)])).to.deep.equal([]);
  });

  it("in calls that fit into a block: an in-flight exit counts for each that it pays", () => {
    const many = Array.from({ length: 45 }, (_, i) => started(i + 1, 100, i === 44 ? ALICE : BOB));
    expect(planAt(100, many)).to.deep.equal([{ key: `processExits:${ETHER}:1`, until: 350, exits: 20 }]);
    const rest = many.map((one) => ("number" in one && one.number <= 20 ? [one, ended(one.number, "finalized")] : one));
    expect(planAt(100, rest.flat())).to.deep.equal([{ key: `processExits:${ETHER}:21`, until: 350, exits: 20 }]);
    const flights = Array.from({ length: 30 }, (_, i) => [
      flight(i + 1, 100),
      ...[0, 17].map((index) => about("Piggybacked", i + 1, { index, outputId: idOf(900 + 2 * i + index) })),
    ]).flat();
    expect(planAt(100, [...flights, started(31, 100, ALICE)])[0]!.exits).to.equal(10);
  });
});

/** Many payments of one address, with signatures that nobody made: the chain has checked them. */
class Row implements GuardedChain {
  height = 0;
  readonly deposit: SeenDeposit;
  readonly commits: SeenCommit[] = [];
  readonly told: GuardedPayment[] = [];
  private readonly trees: MerkleTree[] = [];
  private last: OutputId;
  private lastPlace: Place | null = null;

  constructor() {
    const deposit = { id: 1n, owner: ALICE, token: ETHER, amount: 100n };
    this.last = outputId(depositHash(SEPARATOR, deposit), 0);
    this.deposit = { ...deposit, outputId: this.last, timestamp: 1, final: true };
  }

  /** A block in which the one output is moved that often. */
  add(count: number, final = true): void {
    const number = this.trees.length + 1;
    const tree = new MerkleTree();
    for (let transactionIndex = 0; transactionIndex < count; transactionIndex++) {
      const transaction = pays(this.last);
      const hash = transactionHash(SEPARATOR, transaction);
      const { blockNumber = null, transactionIndex: index = null } = this.lastPlace ?? {};
      const origin = { blockNumber, transactionIndex: index, depositId: this.lastPlace === null ? 1n : null };
      const input = { id: this.last, owner: ALICE, token: ETHER, amount: 100n, outputIndex: 0, ...origin };
      const place = { blockNumber: number, transactionIndex };
      this.told.push({ place, hash, transaction, inputs: [{ ...input, state: "available" }] });
      this.last = outputId(hash, 0);
      this.lastPlace = place;
      tree.append(hash);
    }
    this.trees.push(tree);
    const root = { transactionsRoot: tree.root(), transactionCount: count };
    this.commits.push({ number, ...root, timestamp: 1_000 + number, ethereumTransaction: ZERO_HASH, final });
    this.height = number;
  }

  output(): undefined {
    return undefined;
  }

  async watch(): Promise<void> {
    return await Promise.resolve();
  }

  spendsOf(): [] {
    return [];
  }

  async payment(): Promise<never> {
    return await Promise.reject(new Error("all payments are the address's own"));
  }

  async proofOf({ blockNumber, transactionIndex: index }: Place): ReturnType<GuardedChain["proofOf"]> {
    const { number, transactionsRoot, transactionCount, timestamp } = this.commits[blockNumber - 1] as CommittedBlock;
    const tree = this.trees[blockNumber - 1]!;
    const header = { number, transactionsRoot, transactionCount, timestamp };
    return await Promise.resolve({ header, index, siblings: tree.proof(index) });
  }
}

describe("guard: what it keeps", function () {
  this.timeout(120_000);
  let folder: string;
  let row: Row;
  let guard: Guard;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "plasma-guard-"));
    row = new Row();
    guard = open();
  });
  afterEach(() => {
    guard.close();
    rmSync(folder, { recursive: true });
  });
  const open = (): Guard =>
    Guard.open({
      ...{ dataDir: folder, domain: DOMAIN, separator: SEPARATOR, addresses: [ALICE], exits: true, chain: () => row },
      // Time stands still, so that no kit has to wait.
      ...{ signerAddress: BOB, log: pino({ level: "silent" }), now: () => 5 },
    });
  const look = async (changes: Partial<GuardView> = {}): Promise<string[]> => {
    const { duties } = await guard.look({
      ...{ head: { timestamp: 2_000 }, commits: row.commits, deposits: [row.deposit], events: [], firstBadBlock: null },
      ...{ terms: { exitPeriod: W, standardExit: 1n, inFlightExit: 1n, piggyback: 1n }, balance: 10n, ...changes },
    });
    return duties.map(({ key }) => key);
  };
  const kit = async (): Promise<ExitKit> => decodeKit((await guard.kit(ALICE))!);

  it("is bounded by what the address has: what it spent long ago is forgotten, and does not come back", async () => {
    for (const count of [700, 700, 700]) row.add(count);
    for (const payment of row.told) guard.take(payment);
    // A thousand proofs a look.
    for (let i = 0; i < 3; i++) await look();
    const { payments, outputs, deposits } = await kit();
    // With, perhaps, the one it came from, and the first of its block, with where that came from.
    expect(payments.length).to.be.within(1, 4);
    expect(payments.at(-1)!.proof!.header.number).to.equal(3);
    const { hash } = row.told.at(-1)!;
    expect(outputs).to.deep.equal([outputId(hash, 0)]);
    expect(deposits).to.deep.equal([]);
    await look();
    expect(guard.describe()[0]).to.deep.include({ outputs: 1, proven: 1, inFlight: 0, value: { [ETHER]: "100" } });
    // All is told again, as after a restart without a snapshot; the deposit looks unspent to whoever forgot its spender.
    guard.close();
    guard = open();
    for (const payment of row.told.slice(0, 1_500)) guard.take(payment);
    await look();
    expect((await kit()).outputs).to.deep.equal([outputId(hash, 0)]);
    expect(guard.describe()[0]).to.include({ outputs: 1 });
  });

  it("what rests since its output was spent comes back when its block turns out to be bad, with where it comes from", async () => {
    for (const count of [1_500, 2, 1_000]) row.add(count);
    for (const payment of row.told) guard.take(payment);
    // The blocks are young: whether they are good is not certain yet.
    const young = { head: { timestamp: 1_100 } };
    for (let i = 0; i < 5; i++) await look(young);
    expect((await kit()).outputs).to.deep.equal([outputId(row.told.at(-1)!.hash, 0)]);
    const view = { ...young, firstBadBlock: 2 };
    const { duties, findings } = await guard.look({
      ...{ commits: row.commits, deposits: [row.deposit], events: [], balance: 10n, ...view },
      terms: { exitPeriod: W, standardExit: 1n, inFlightExit: 1n, piggyback: 1n },
    });
    expect(duties).to.deep.equal([]);
    // Of 1,002 payments of bad blocks, the first spends what a good one made.
    const [possible, ...others] = findings.filter(({ transaction }) => transaction !== null);
    expect([possible!.subject, others]).to.deep.equal([row.told[1_500]!.hash, []]);
    const call = rootChain.parseTransaction({ data: possible!.transaction!.data })!;
    expect(call.name).to.equal("startInFlightExit");
    expect(call.args[2][0].proof.header.number).to.equal(1n);
    expect(findings.find(({ subject }) => subject === ALICE)!.text).to.contain("of 1002 exits 0 are started");
    // Not so bad after all.
    await look(young);
    expect((await kit()).outputs).to.deep.equal([outputId(row.told.at(-1)!.hash, 0)]);
  });

  it("is not gone by while the chain reads again what it knew: what was spent would look unspent", async () => {
    row.add(3);
    for (const payment of row.told) guard.take(payment);
    await look();
    const before = (await kit()).outputs;
    row.height = 0;
    expect(await look({ firstBadBlock: 2 })).to.deep.equal([]);
    row.add(1);
    row.height = 0;
    await look();
    expect((await kit()).outputs).to.deep.equal(before);
  });

  it("a payment that was streamed to one place and is in no block after all is in flight", async () => {
    row.add(2);
    const [first, second] = row.told as [GuardedPayment, GuardedPayment];
    guard.take(first);
    // Another one was said to stand where the second is.
    const other = pays(outputId(first.hash, 0), BOB);
    const hash = transactionHash(SEPARATOR, other);
    guard.take({ ...second, transaction: other, hash });
    await look();
    expect((await kit()).inFlight).to.deep.equal([hash]);
    guard.take(second);
    await look();
    // The one in the block counts: what stands against it can never be.
    expect((await kit()).inFlight).to.deep.equal([]);
    expect((await kit()).outputs).to.deep.equal([outputId(second.hash, 0)]);
  });

  it("is on the disk before whoever tells it goes on", async () => {
    row.add(1);
    guard.take(row.told[0]!);
    await Promise.resolve();
    // Another process would find it: nothing was closed.
    const other = open();
    const { height } = row;
    await other.look({
      ...{ head: { timestamp: 2_000 }, commits: row.commits, deposits: [row.deposit], events: [], firstBadBlock: null },
      ...{ terms: { exitPeriod: W, standardExit: 1n, inFlightExit: 1n, piggyback: 1n }, balance: 10n },
    });
    other.close();
    expect(height).to.equal(1);
    expect((await kit()).outputs).to.deep.equal([outputId(row.told[0]!.hash, 0)]);
  });
});

function pays(input: OutputId, owner: Address = ALICE): SignedTransaction {
  const outputs = [{ owner, token: ETHER, amount: 100n }];
  return { purpose: "transfer", inputs: [input], outputs, fileHash: ZERO_HASH, signatures: [`0x${"11".repeat(65)}`] };
}
