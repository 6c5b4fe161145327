import { expect } from "chai";
import { pino } from "pino";
import type { Entry } from "@plasma-billing/protocol/entries.ts";
import { decodeEntry, encodeEntry } from "@plasma-billing/protocol/entryJson.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import type { VerifiedPayment } from "@plasma-billing/protocol/payment.ts";
import {
  ZERO_HASH,
  depositHash,
  outputId,
  transactionHash,
  type OutputId,
  type SignedTransaction,
} from "@plasma-billing/protocol/transaction.ts";
import { StartupError } from "../../operator/errors.ts";
import type { Group } from "../../operator/journal/groups.ts";
import type { Journal } from "../../operator/journal/journal.ts";
import { GROUP_CHARACTERS_MAX, Sequencer, WAITING_MAX, type SubmitResult } from "../../operator/sequencer.ts";
import { CONTRACT, DOMAIN, addressOf } from "../helpers/protocol.ts";

const ALICE = addressOf(1);
const TOKEN = addressOf(0);
const SIGNATURE: Hex = `0x${"11".repeat(65)}`;
const log = pino({ level: "silent" });

/** A disk that writes when it is told to, and fails when it is told to. */
class Disk {
  groups: string[][] = [];
  failing = false;
  attempts = 0;
  private held: (() => void)[] | null = null;

  get lines(): string[] {
    return this.groups.flat();
  }

  hold(): void {
    this.held = [];
  }

  release(): void {
    const { held } = this;
    this.held = null;
    for (const go of held ?? []) go();
  }

  get journal(): Journal {
    const append = async (lines: readonly string[]): Promise<void> => {
      this.attempts++;
      if (this.held !== null) await new Promise<void>((resolve) => this.held!.push(resolve));
      if (this.failing) throw Object.assign(new Error("no space"), { code: "ENOSPC" });
      this.groups.push([...lines]);
    };
    return { append, close: async () => undefined, nextPosition: this.lines.length + 1 } as unknown as Journal;
  }
}

describe("the sequencer", () => {
  let disk: Disk;
  let ledger: Ledger;
  let sequencer: Sequencer;
  let told: [Entry, number][];
  let now = 1000;

  const open = async (max?: number): Promise<void> => {
    ledger = new Ledger(DOMAIN, max);
    told = [];
    const clock = { now: () => now++, sleep: async () => await new Promise<void>((resolve) => setTimeout(resolve, 1)) };
    const options = {
      ledger,
      clock,
      log,
      onDurable: (entry: Entry, position: number) => void told.push([entry, position]),
    };
    sequencer = await Sequencer.open(options, async (replay: (group: Group) => void) => {
      let firstPosition = 1;
      for (const lines of disk.groups) {
        replay({ firstPosition, lines });
        firstPosition += lines.length;
      }
      return disk.journal;
    });
  };
  beforeEach(async () => {
    disk = new Disk();
    await open();
  });

  const deposit = async (amount = 10n): Promise<OutputId> => {
    const id = ledger.creditedDeposits + 1n;
    const terms = { id, owner: ALICE, token: TOKEN, amount };
    const place = { nextBlockNumber: 1, ethereumBlock: 1, ethereumTransaction: ZERO_HASH };
    await sequencer.record([{ type: "deposit", ...terms, ...place }]);
    return outputId(depositHash(ledger.separator, terms), 0);
  };
  const payment = (input: OutputId, amount = 10n, signer = ALICE): VerifiedPayment => {
    const transaction: SignedTransaction = {
      purpose: "transfer",
      inputs: [input],
      outputs: [{ owner: ALICE, token: TOKEN, amount }],
      fileHash: ZERO_HASH,
      signatures: [SIGNATURE],
    };
    return { transaction, hash: transactionHash(ledger.separator, transaction), signers: [signer] };
  };
  const settled = async (promise: Promise<unknown>): Promise<boolean> => {
    const turn = new Promise((resolve) => setTimeout(() => resolve("not yet"), 15));
    return (await Promise.race([promise, turn])) !== "not yet";
  };
  const outcome = (result: SubmitResult): string => (result.kind === "refused" ? result.error.code : result.kind);

  it("INV-11: answers only when the payment is on the disk, at the position it tells", async () => {
    const first = await deposit();
    disk.hold();
    const one = payment(first);
    const answer = sequencer.submit(one);
    expect(await settled(answer)).to.equal(false);
    expect(told.some(([entry]) => entry.type === "payment")).to.equal(false);
    disk.release();
    const result = await answer;
    expect(result).to.deep.include({ kind: "accepted", hash: one.hash, repeated: false });
    const line = disk.lines.at(-1)!;
    expect(decodeEntry(line)).to.deep.include({ type: "payment", hash: one.hash });
    expect(result.kind === "accepted" && result.position).to.include({ blockNumber: 1, transactionIndex: 0 });
    expect(told.at(-1)![1]).to.equal(disk.lines.length);
  });

  it("gathers what comes while the disk is busy into one write, in order of arrival, chains included", async () => {
    const first = await deposit();
    const groups = disk.groups.length;
    disk.hold();
    const chain: VerifiedPayment[] = [payment(first)];
    for (let i = 0; i < 50; i++) chain.push(payment(outputId(chain.at(-1)!.hash, 0)));
    const answers = [sequencer.submit(chain[0]!)];
    await settled(answers[0]!);
    for (const one of chain.slice(1)) answers.push(sequencer.submit(one));
    disk.release();
    const results = await Promise.all(answers);
    expect(
      results.map((result) => (result.kind === "accepted" ? result.position.transactionIndex : null)),
    ).to.deep.equal(chain.map((_, index) => index));
    expect(disk.groups.length).to.equal(groups + 2);
    expect(disk.groups.at(-1)).to.have.length(50);
  });

  it("the same payment again gets its first answer, also while the first is being written", async () => {
    const first = await deposit();
    disk.hold();
    const one = payment(first);
    const answers = [sequencer.submit(one), sequencer.submit(one)];
    await settled(answers[0]!);
    answers.push(sequencer.submit({ ...one, signers: [null] }));
    expect(await settled(Promise.race(answers))).to.equal(false);
    disk.release();
    const results = await Promise.all(answers);
    expect(results.map((result) => result.kind === "accepted" && result.repeated)).to.deep.equal([false, true, true]);
    const positions = results.map((result) => (result.kind === "accepted" ? result.position : null));
    expect(positions[1]).to.deep.equal(positions[0]);
    expect(positions[2]).to.deep.equal(positions[0]);
    expect(disk.lines.filter((line) => line.includes(one.hash))).to.have.length(1);
  });

  it("a refusal that rests on something not yet written waits for it; a refusal alone is answered too", async () => {
    const first = await deposit();
    expect(outcome(await sequencer.submit(payment(first, 11n)))).to.equal("UNBALANCED");
    disk.hold();
    const good = sequencer.submit(payment(first));
    const spent = sequencer.submit(payment(first, 9n));
    expect(await settled(spent)).to.equal(false);
    disk.release();
    expect(outcome(await spent)).to.equal("INPUT_SPENT");
    expect(outcome(await good)).to.equal("accepted");
  });

  it("a full disk: what was taken is kept and written when there is room, new payments are refused meanwhile", async () => {
    const [first, second] = [await deposit(), await deposit()];
    disk.failing = true;
    const one = payment(first);
    const answer = sequencer.submit(one);
    await settled(answer);
    expect(sequencer.stalled).to.equal(true);
    expect(outcome(await sequencer.submit(payment(second)))).to.equal("overloaded");
    expect(disk.attempts).to.be.above(2);
    disk.failing = false;
    expect(outcome(await answer)).to.equal("accepted");
    expect(sequencer.stalled).to.equal(false);
    expect(outcome(await sequencer.submit(payment(second)))).to.equal("accepted");
    expect(disk.lines.filter((line) => line.includes(one.hash))).to.have.length(1);
  });

  it("keeps a bounded number waiting, and refuses beyond it", async () => {
    const first = await deposit();
    disk.hold();
    const bad = payment(first, 11n);
    const waiting: Promise<SubmitResult>[] = [sequencer.submit(payment(first))];
    for (let i = 1; i < WAITING_MAX; i++) waiting.push(sequencer.submit(bad));
    expect(outcome(await sequencer.submit(bad))).to.equal("overloaded");
    disk.release();
    await Promise.all(waiting);
    expect(outcome(await sequencer.submit(bad))).to.equal("INPUT_SPENT");
  });

  it("entries that are too much for one group come in several, in order; payments wait until they are written", async () => {
    const first = await deposit();
    const groups = disk.groups.length;
    const place = { nextBlockNumber: 1, ethereumBlock: 1, ethereumTransaction: ZERO_HASH };
    const terms = (index: number): Extract<Entry, { type: "deposit" }> => {
      return { type: "deposit", id: BigInt(index + 2), owner: ALICE, token: TOKEN, amount: 1n, ...place };
    };
    const entries = Array.from(
      { length: Math.ceil((2.5 * GROUP_CHARACTERS_MAX) / encodeEntry(terms(0)).length) },
      (_, i) => terms(i),
    );
    disk.hold();
    const recorded = sequencer.record(entries);
    expect(outcome(await sequencer.submit(payment(first)))).to.equal("overloaded");
    expect(await settled(recorded)).to.equal(false);
    disk.release();
    await recorded;
    expect(disk.groups.length).to.equal(groups + 3);
    for (const group of disk.groups) expect(group.join("").length).to.be.at.most(GROUP_CHARACTERS_MAX);
    expect(told.map(([, position]) => position)).to.deep.equal(disk.lines.map((_, index) => index + 1));
    expect(told.slice(2).map(([entry]) => entry)).to.deep.equal(entries);
    expect(outcome(await sequencer.submit(payment(first)))).to.equal("accepted");
  }).timeout(30_000);

  it("a full block is sealed, and the payment goes into the next one", async () => {
    await open(2);
    let input = await deposit();
    for (const expected of [
      [1, 0],
      [1, 1],
      [2, 0],
      [2, 1],
      [3, 0],
    ]) {
      const one = payment(input);
      const result = await sequencer.submit(one);
      const position = result.kind === "accepted" ? result.position : null;
      expect([position?.blockNumber, position?.transactionIndex]).to.deep.equal(expected);
      input = outputId(one.hash, 0);
    }
    expect(ledger.sealedBlocks).to.have.length(2);
  });

  it("seals what there is, and nothing when there is nothing", async () => {
    expect(await sequencer.seal()).to.equal(null);
    await sequencer.submit(payment(await deposit()));
    expect(await sequencer.seal()).to.equal(1);
    expect(await sequencer.seal()).to.equal(null);
    expect(disk.lines.filter((line) => line.includes('"seal"'))).to.have.length(1);
  });

  it("replays to the same state; positions of entries go on", async () => {
    const one = payment(await deposit());
    await sequencer.submit(one);
    await sequencer.seal();
    const before = { hash: ledger.stateHash(), position: ledger.position(one.hash), lines: disk.lines.length };
    await open();
    expect(ledger.stateHash()).to.equal(before.hash);
    expect(ledger.position(one.hash)).to.deep.equal(before.position);
    expect(told.map(([, position]) => position)).to.deep.equal(disk.lines.map((_, index) => index + 1));
    expect(disk.lines.length).to.equal(before.lines);
    const again = await sequencer.submit(one);
    expect(again).to.deep.equal({ kind: "accepted", hash: one.hash, repeated: true, position: before.position });
  });

  it("refuses a journal that does not add up, naming the entry, and one of another contract", async () => {
    await sequencer.submit(payment(await deposit()));
    await sequencer.seal();
    const good = disk.groups;
    const lines = disk.lines;
    const broken: [string, string[]][] = [
      ["entry 4", lines.map((line) => line.replace(/"stateHash":"0x..../, '"stateHash":"0x1234'))],
      [
        "entry 3",
        lines.map((line) => (line.includes('"payment"') ? line.replace('"amount":"10"', '"amount":"11"') : line)),
      ],
      ["entry 2", lines.filter((line) => !line.includes('"deposit"'))],
      ["entry 5", [...lines, "{}"]],
      ["entry 1", lines.slice(1)],
    ];
    for (const [where, damaged] of broken) {
      disk.groups = [damaged];
      const error = await open().catch((caught: unknown) => caught);
      expect(error, where).to.be.instanceOf(StartupError);
      expect((error as StartupError).code).to.equal("JOURNAL_DAMAGED");
      expect((error as StartupError).message).to.contain(where);
      expect((error as StartupError).message).to.not.contain("\n");
    }
    const genesis = { type: "genesis" as const, version: 1 as const, chainId: 1n, contract: CONTRACT, createdAt: 1 };
    disk.groups = [[encodeEntry(genesis)]];
    const error = await open().catch((caught: unknown) => caught);
    expect((error as StartupError).code).to.equal("WRONG_JOURNAL");
    disk.groups = good;
    await open();
  });

  it("closing waits for what was taken, and takes nothing more", async () => {
    const first = await deposit();
    disk.hold();
    const answer = sequencer.submit(payment(first));
    const closed = sequencer.close();
    expect(await settled(closed)).to.equal(false);
    expect(outcome(await sequencer.submit(payment(first)))).to.equal("overloaded");
    disk.release();
    await closed;
    expect(outcome(await answer)).to.equal("accepted");
  });
});
