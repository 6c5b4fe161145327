import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setImmediate } from "node:timers/promises";
import { expect } from "chai";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { MerkleTree } from "@plasma-billing/protocol/merkle.ts";
import type { LedgerOutput } from "@plasma-billing/protocol/output.ts";
import {
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
import { Guard } from "../../watcher/guard/guard.ts";
import type { GuardedChain, GuardView } from "../../watcher/guard/ports.ts";
import type { SeenCommit } from "../../watcher/rootChain/view.ts";

import { addressOf, DOMAIN } from "../helpers/protocol.ts";

const [ALICE, BOB, TOKEN] = [1, 2, 3].map((n) => addressOf(n)) as [Address, Address, Address];
const SEPARATOR = domainSeparator(DOMAIN);
const W = 1_000;
/** More of them for a measurement by hand. */
const DUST = Number(process.env["DUST_PAYMENTS"] ?? 4_000);

interface Paid {
  hash: Hex;
  place: Place;
  id: OutputId;
}

/** Blocks of payments to one address, and of what it pays, with signatures that nobody made: the chain has checked them. */
class Payments implements GuardedChain {
  height = 0;
  readonly commits: SeenCommit[] = [];
  /** Places that were proved. */
  readonly proved: Place[] = [];
  private open = new MerkleTree();
  private readonly trees: MerkleTree[] = [];
  private readonly known = new Map<OutputId, LedgerOutput>();
  private made = 0;
  guard!: Guard;

  /** Somebody pays the address. */
  pay(amount: bigint, token: Address = ETHER): Paid {
    const input: Hex = `0x${(++this.made).toString(16).padStart(64, "0")}`;
    const spent = { id: input, owner: BOB, token, amount, outputIndex: 0, depositId: BigInt(this.made) };
    return this.take(
      [{ ...spent, blockNumber: null, transactionIndex: null, state: "available" }],
      ALICE,
      token,
      amount,
    );
  }

  /** Somebody pays the address in data that nobody judged, of an output that it pays away in each of them. @param part Another each time */
  payAgain(amount: bigint, part: bigint): OutputId {
    const id: Hex = `0x${"ee".repeat(32)}`;
    const input: LedgerOutput = {
      ...{
        id,
        owner: BOB,
        token: ETHER,
        amount: amount + part,
        state: "available",
        outputIndex: 0,
        depositId: 9n ** 9n,
      },
      ...{ blockNumber: null, transactionIndex: null },
    };
    const outputs = [
      { owner: ALICE, token: ETHER, amount },
      { owner: BOB, token: ETHER, amount: part },
    ];
    const signatures: Hex[] = [`0x${"11".repeat(65)}`];
    const transaction: SignedTransaction = {
      ...{ purpose: "transfer", inputs: [id], outputs, fileHash: ZERO_HASH, signatures },
    };
    const hash = transactionHash(SEPARATOR, transaction);
    this.guard.take({ place: null, hash, transaction, inputs: [input] });
    return outputId(hash, 0);
  }

  /** The address pays somebody all that these have. */
  spend(paid: readonly Paid[]): Paid {
    const inputs = paid.map(({ id }) => this.known.get(id)!);
    return this.take(
      inputs,
      BOB,
      inputs[0]!.token,
      inputs.reduce((sum, { amount }) => sum + amount, 0n),
    );
  }

  /** Tells no more than comes at a time before others get their turn. */
  async flood(count: number, amount = 1n): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.pay(amount);
      if (i % 500 === 499) await setImmediate();
    }
    await setImmediate();
  }

  commit(final = true): void {
    const number = this.trees.push(this.open);
    const root = { transactionsRoot: this.open.root(), transactionCount: this.open.count };
    this.open = new MerkleTree();
    this.commits.push({ number, ...root, timestamp: 1_000 + number, ethereumTransaction: ZERO_HASH, final });
    this.height = number;
  }

  output(id: OutputId): LedgerOutput | undefined {
    return this.known.get(id);
  }

  async watch(): Promise<void> {
    return await Promise.resolve();
  }

  spendsOf(): [] {
    return [];
  }

  async payment(): Promise<never> {
    return await Promise.reject(new Error("nothing of it is needed"));
  }

  async proofOf(place: Place): ReturnType<GuardedChain["proofOf"]> {
    const { number, transactionsRoot, transactionCount, timestamp } = this.commits[
      place.blockNumber - 1
    ] as CommittedBlock;
    this.proved.push(place);
    const siblings = this.trees[place.blockNumber - 1]!.proof(place.transactionIndex);
    const header = { number, transactionsRoot, transactionCount, timestamp };
    return await Promise.resolve({ header, index: place.transactionIndex, siblings });
  }

  private take(inputs: LedgerOutput[], owner: Address, token: Address, amount: bigint): Paid {
    const transaction: SignedTransaction = {
      ...{ purpose: "transfer", inputs: inputs.map(({ id }) => id), outputs: [{ owner, token, amount }] },
      ...{ fileHash: ZERO_HASH, signatures: inputs.map((): Hex => `0x${"11".repeat(65)}`) },
    };
    const hash = transactionHash(SEPARATOR, transaction);
    const place = { blockNumber: this.trees.length + 1, transactionIndex: this.open.count };
    this.open.append(hash);
    const id = outputId(hash, 0);
    const made = { id, owner, token, amount, outputIndex: 0, depositId: null, ...place };
    this.known.set(id, { ...made, state: "available" });
    for (const { id: spent } of inputs) this.known.delete(spent);
    const payment: GuardedPayment = { place, hash, transaction, inputs };
    this.guard.take(payment);
    return { hash, place, id };
  }
}

describe("guard: dust", function () {
  this.timeout(600_000);
  let folder: string;
  let chain: Payments;
  const open = (outputsMax: number): void => {
    chain.guard = Guard.open({
      ...{ dataDir: folder, domain: DOMAIN, separator: SEPARATOR, addresses: [ALICE], exits: true, chain: () => chain },
      // Time stands still, so that no kit has to wait.
      ...{ signerAddress: BOB, log: pino({ level: "silent" }), now: () => 5, outputsMax },
    });
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "plasma-dust-"));
    chain = new Payments();
  });
  afterEach(() => {
    chain.guard.close();
    rmSync(folder, { recursive: true });
  });
  const look = async (changes: Partial<GuardView> = {}): ReturnType<Guard["look"]> =>
    await chain.guard.look({
      ...{ head: { timestamp: 1_100 }, commits: chain.commits, deposits: [], events: [], firstBadBlock: null },
      ...{ terms: { exitPeriod: W, standardExit: 1n, inFlightExit: 1n, piggyback: 1n }, balance: 10n, ...changes },
    });
  const kit = async (): Promise<ExitKit> => decodeKit((await chain.guard.kit(ALICE))!);
  const shown = (): object => chain.guard.describe()[0]!;

  it("pushes out nothing larger: the largest of each token are kept and proved, the rest is counted", async () => {
    open(10);
    await chain.flood(300);
    const large = [50n, 70n, 60n].map((amount) => chain.pay(amount));
    const tokens = [2n, 3n].map((amount) => chain.pay(amount, TOKEN));
    await chain.flood(300);
    chain.commit();
    await look();
    const { outputs, payments } = await kit();
    expect(outputs)
      .to.have.length(10)
      .and.to.include.members([...large, ...tokens].map(({ id }) => id));
    expect(payments.map(({ proof }) => proof?.header.number)).to.deep.equal(Array<number>(10).fill(1));
    expect(shown()).to.include({ outputs: 10, leftOut: 595, proven: 10 });
    // Nothing is proved, or looked for, that is left out.
    expect(chain.proved).to.have.length(10);
    // What is larger takes the place of what is smaller.
    const larger = Array.from({ length: 8 }, () => chain.pay(9n));
    chain.commit();
    await look();
    const after = (await kit()).outputs;
    expect(after)
      .to.have.length(10)
      .and.to.include.members([...large, ...tokens].map(({ id }) => id));
    expect(larger.filter(({ id }) => after.includes(id))).to.have.length(5);
    expect(shown()).to.include({ outputs: 10, leftOut: 603 });
  });

  it("what a payer signs over and over in a bad block counts once, and pushes out nothing that is there", async () => {
    open(10);
    const large = Array.from({ length: 9 }, () => chain.pay(50n));
    chain.commit();
    await look();
    const again = Array.from({ length: 40 }, (_, i) => chain.payAgain(1_000n, BigInt(i + 1)));
    await setImmediate();
    await look();
    const expected = [...large.map(({ id }) => id), again[0]!].toSorted();
    expect((await kit()).outputs.toSorted()).to.deep.equal(expected);
    // As it is told after a restart.
    chain.guard.close();
    open(10);
    for (let i = 40; i > 0; i--) chain.payAgain(1_000n, BigInt(i));
    await setImmediate();
    await look();
    expect((await kit()).outputs.toSorted()).to.deep.equal(expected);
  });

  it("of many tokens leaves half of the room to ether", async () => {
    open(10);
    const ether = Array.from({ length: 6 }, (_, i) => chain.pay(BigInt(i + 1)));
    for (let i = 0; i < 40; i++) chain.pay(10n ** 30n, addressOf(100 + i));
    chain.commit();
    await look();
    const { outputs } = await kit();
    expect(outputs)
      .to.have.length(10)
      .and.to.include.members(ether.slice(1).map(({ id }) => id));
    expect(shown()).to.include({ leftOut: 36 });
  });

  it("that was left out and then spent stays spent, whatever comes in for what was larger", async () => {
    open(4);
    const small = Array.from({ length: 6 }, () => chain.pay(1n));
    const large = Array.from({ length: 4 }, (_, i) => chain.pay(100n + BigInt(i)));
    chain.commit();
    await look();
    expect((await kit()).outputs.toSorted()).to.deep.equal(large.map(({ id }) => id).toSorted());
    // Two that nobody looked at are spent, and then all that is large.
    chain.spend(small.slice(0, 2));
    chain.commit();
    await look();
    expect(shown()).to.include({ outputs: 4, leftOut: 4 });
    chain.spend(large);
    chain.commit();
    await look();
    expect((await kit()).outputs.toSorted()).to.deep.equal(
      small
        .slice(2)
        .map(({ id }) => id)
        .toSorted(),
    );
    expect(shown()).to.include({ outputs: 4, leftOut: 0 });
    // The next one as well, after a restart and a fault: no exit of what is spent is started.
    chain.guard.close();
    open(4);
    await look();
    const { findings } = await look({ firstBadBlock: 4 });
    const exits = findings.find(({ subject }) => subject === ALICE)!;
    expect(exits.evidence).to.include({ exits: 4 });
  });

  it("makes room when what is kept was paid out by Ethereum", async () => {
    open(1_100);
    const large = Array.from({ length: 1_100 }, () => chain.pay(100n));
    chain.commit();
    for (let i = 0; i < 2; i++) await look();
    const small = [1n, 2n].map((amount) => chain.pay(amount));
    chain.commit();
    await look();
    expect(shown()).to.include({ outputs: 1_100, leftOut: 2 });
    const paid = large.map(({ id }, i) => ({
      ...{ name: "OutputFinalized", outputId: id, ethereumBlock: 1, ethereumBlockHash: ZERO_HASH },
      ...{ ethereumTransaction: ZERO_HASH, logIndex: i, number: 1, amount: 100n },
    })) as unknown as Parameters<Guard["look"]>[0]["events"];
    for (let i = 0; i < 2; i++) await look({ events: paid });
    expect((await kit()).outputs.toSorted()).to.deep.equal(small.map(({ id }) => id).toSorted());
  });

  it(`of ${DUST} payments keeps what is large, and is described once a look`, async () => {
    const most = Math.min(10_000, DUST / 8);
    open(most);
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    const started = performance.now();
    await chain.flood(DUST);
    const told = performance.now() - started;
    const stallTold = delay.max / 1e6;
    const large = chain.pay(1_000n);
    chain.commit();
    delay.reset();
    const times: number[] = [];
    for (let i = 0; i < 3; i++) {
      const begun = performance.now();
      await look();
      times.push(Math.round(performance.now() - begun));
    }
    const stall = delay.max / 1e6;
    delay.disable();
    if (process.env["DUST_PAYMENTS"] !== undefined)
      process.stdout.write(`${JSON.stringify({ told, stallTold, times, stall })}\n`);
    expect((await kit()).outputs).to.include(large.id);
    // Whoever asks again does not have it made again.
    const described = chain.guard.describe();
    expect(chain.guard.describe()).to.equal(described);
    await look();
    expect(chain.guard.describe()).to.not.equal(described);
  });
});
