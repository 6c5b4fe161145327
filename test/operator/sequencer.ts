import { expect } from "chai";
import { pino } from "pino";
import type { DepositEntry } from "@plasma-billing/protocol/entries.ts";
import {
  decodeEntryBytes,
  decodePaymentEntry,
  encodeJsonEntry,
  PAYMENT_KIND,
} from "@plasma-billing/protocol/entryBytes.ts";
import { fromHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import {
  ZERO_HASH,
  depositHash,
  outputId,
  transactionHash,
  type OutputId,
  type SignedTransaction,
} from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { MALFORMED, verifiedPaymentBytes } from "@plasma-billing/protocol/verifiedPayment.ts";
import { StartupError } from "../../ethereum/process/startup.ts";
import { IndexBehindError } from "../../operator/index/ports.ts";
import { ENTRY_HEADER_BYTES, GROUP_HEADER_BYTES, type GroupBuffer } from "../../operator/journal/groups.ts";
import type { Journal, JournalGroup } from "../../operator/journal/journal.ts";
import type { History } from "../../operator/refusals.ts";
import { GROUP_BYTES_MAX, Sequencer, WAITING_MAX, type SubmitResult } from "../../operator/sequencer.ts";
import { CONTRACT, DOMAIN, addressOf } from "../helpers/protocol.ts";

const ALICE = addressOf(1);
const TOKEN = addressOf(0);
const SIGNATURE: Hex = `0x${"11".repeat(65)}`;
const log = pino({ level: "silent" });

/** A disk that writes when it is told to, and fails when it is told to; history goes through it from the start each time. */
class Disk implements History {
  groups: Uint8Array[][] = [];
  failing = false;
  attempts = 0;
  behind = false;
  /** Ids that history was asked for. */
  asked = 0;
  private held: (() => void)[] | null = null;

  get entries(): Uint8Array[] {
    return this.groups.flat();
  }

  get payments(): ReturnType<typeof decodePaymentEntry>[] {
    return this.entries.filter((entry) => entry[0] === PAYMENT_KIND).map(decodePaymentEntry);
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
    const append = async (group: GroupBuffer): Promise<void> => {
      this.attempts++;
      if (this.held !== null) await new Promise<void>((resolve) => this.held!.push(resolve));
      if (this.failing) throw Object.assign(new Error("no space"), { code: "ENOSPC" });
      expect(group.firstPosition).to.equal(this.entries.length + 1);
      this.groups.push(entriesOf(group));
    };
    return { append, close: async () => undefined, nextPosition: this.entries.length + 1 } as unknown as Journal;
  }

  async resolve(hash: string, outputIds: readonly string[], upTo: number): ReturnType<History["resolve"]> {
    this.asked += outputIds.length;
    if (this.behind) throw new IndexBehindError(400_000);
    expect(upTo).to.be.at.most(this.entries.length);
    const entries = this.entries.slice(0, upTo).filter((entry) => entry[0] === PAYMENT_KIND);
    const found = entries.find((entry) => decodePaymentEntry(entry).hash === hash);
    const spender = (id: string): Hex | null =>
      this.payments.find(({ transaction }) => (transaction.inputs as string[]).includes(id))?.hash ?? null;
    return { payment: found === undefined ? null : { bytes: found }, spentBy: outputIds.map(spender) };
  }
}

/** The bodies in a finished group. */
function entriesOf(group: GroupBuffer): Uint8Array[] {
  const bytes = group.finish();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries: Uint8Array[] = [];
  for (let at = GROUP_HEADER_BYTES; at < bytes.length;) {
    const length = view.getUint32(at, true);
    entries.push(Uint8Array.from(bytes.subarray(at + ENTRY_HEADER_BYTES, at + ENTRY_HEADER_BYTES + length)));
    at += ENTRY_HEADER_BYTES + length;
  }
  expect(entries).to.have.length(group.count);
  return entries;
}

/** What a verifying thread says of a payment. */
interface Verified {
  record: Uint8Array;
  hash: Hex;
  transaction: SignedTransaction;
}

describe("the sequencer", () => {
  let disk: Disk;
  let ledger: Ledger;
  let sequencer: Sequencer;
  let told: number[];
  let failures: Error[];
  let now = 1000;

  const open = async (max?: number): Promise<void> => {
    ledger = new Ledger(DOMAIN, max);
    told = [];
    failures = [];
    const clock = { now: () => now++, sleep: async () => await new Promise<void>((resolve) => setTimeout(resolve, 1)) };
    const options = {
      ...{ ledger, clock, log, history: disk },
      onDurable: (position: number) => {
        told.push(position);
        // What is on the disk is told as of one moment: the open block is the one behind the last seal there.
        const seals = disk.entries.slice(0, position).filter((entry) => Buffer.from(entry).includes('"type":"seal"'));
        const { openBlock } = sequencer?.ledger === ledger ? sequencer.durable : { openBlock: null };
        const right = position === disk.entries.length && (openBlock?.number ?? seals.length + 1) === seals.length + 1;
        if (!right) failures.push(new Error(`told position ${position}, open block ${openBlock?.number}`));
      },
      onFailure: (error: Error) => void failures.push(error),
    };
    sequencer = await Sequencer.open(options, async (replay: (group: JournalGroup) => void) => {
      let firstPosition = 1;
      for (const entries of disk.groups) {
        replay({ firstPosition, entries });
        firstPosition += entries.length;
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
  const signed = (transaction: SignedTransaction, signers: (Address | null)[]): Verified => {
    const hash = transactionHash(ledger.separator, transaction);
    return { record: verifiedPaymentBytes(transaction, fromHex(hash), signers), hash, transaction };
  };
  const payment = (input: OutputId, amount = 10n, signer: Address | null = ALICE): Verified => {
    const outputs = [{ owner: ALICE, token: TOKEN, amount }];
    const fields = { purpose: "transfer" as const, fileHash: ZERO_HASH, signatures: [SIGNATURE] };
    return signed({ ...fields, inputs: [input], outputs }, [signer]);
  };
  const submit = async ({ record }: Verified): Promise<SubmitResult> => (await sequencer.submit([record]))[0]!;
  const settled = async (promise: Promise<unknown>): Promise<boolean> => {
    const turn = new Promise((resolve) => setTimeout(() => resolve("not yet"), 15));
    return (await Promise.race([promise, turn])) !== "not yet";
  };
  const outcome = (result: SubmitResult): string => (result.kind === "refused" ? result.error.code : result.kind);

  it("INV-11: answers only when the payment is on the disk, at the position it tells", async () => {
    const first = await deposit();
    disk.hold();
    const one = payment(first);
    const answer = submit(one);
    expect(await settled(answer)).to.equal(false);
    expect(told.at(-1)).to.equal(2);
    expect(sequencer.durable).to.deep.include({ position: 2 });
    expect(sequencer.durable.openBlock.transactionCount).to.equal(0);
    disk.release();
    const result = await answer;
    expect(result).to.deep.include({ kind: "accepted", hash: one.hash, repeated: false });
    expect(disk.payments.at(-1)).to.deep.include({ hash: one.hash, blockNumber: 1, transactionIndex: 0 });
    expect(result.kind === "accepted" && result.position).to.deep.equal({
      ...{ blockNumber: 1, transactionIndex: 0, acceptedAt: disk.payments.at(-1)!.acceptedAt },
    });
    expect(told.at(-1)).to.equal(3);
    expect(sequencer.durable.openBlock.transactionCount).to.equal(1);
  });

  it("gathers what comes while the disk is busy into one write, in order of arrival, chains included", async () => {
    const first = await deposit();
    const groups = disk.groups.length;
    disk.hold();
    const chain: Verified[] = [payment(first)];
    for (let i = 0; i < 50; i++) chain.push(payment(outputId(chain.at(-1)!.hash, 0)));
    const answers = [submit(chain[0]!)];
    await settled(answers[0]!);
    for (const one of chain.slice(1)) answers.push(submit(one));
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
    const answers = [submit(one), submit(one)];
    await settled(answers[0]!);
    answers.push(submit(signed(one.transaction, [null])));
    answers.push(submit(signed({ ...one.transaction, signatures: [] }, [])));
    expect(await settled(Promise.race(answers))).to.equal(false);
    disk.release();
    const results = await Promise.all(answers);
    expect(results.map((result) => result.kind === "accepted" && result.repeated)).to.deep.equal([
      false,
      true,
      true,
      true,
    ]);
    const positions = results.map((result) => (result.kind === "accepted" ? result.position : null));
    expect(positions[1]).to.deep.equal(positions[0]);
    expect(positions[2]).to.deep.equal(positions[0]);
    expect(positions[3]).to.deep.equal(positions[0]);
    expect(disk.payments.filter(({ hash }) => hash === one.hash)).to.have.length(1);
  });

  it("a refusal that rests on something not yet written waits for it; a refusal alone is answered too", async () => {
    const first = await deposit();
    expect(outcome(await submit(payment(first, 11n)))).to.equal("UNBALANCED");
    disk.hold();
    const good = submit(payment(first));
    const spent = submit(payment(first, 9n));
    expect(await settled(spent)).to.equal(false);
    disk.release();
    expect(outcome(await spent)).to.equal("INPUT_SPENT");
    expect(outcome(await good)).to.equal("accepted");
  });

  it("a full disk: what was taken is kept and written when there is room, new payments are refused meanwhile", async () => {
    const [first, second] = [await deposit(), await deposit()];
    disk.failing = true;
    const one = payment(first);
    const answer = submit(one);
    await settled(answer);
    expect(sequencer.stalled).to.equal(true);
    expect(outcome(await submit(payment(second)))).to.equal("overloaded");
    expect(disk.attempts).to.be.above(2);
    disk.failing = false;
    expect(outcome(await answer)).to.equal("accepted");
    expect(sequencer.stalled).to.equal(false);
    expect(outcome(await submit(payment(second)))).to.equal("accepted");
    expect(disk.payments.filter(({ hash }) => hash === one.hash)).to.have.length(1);
  });

  it("keeps a bounded number waiting, and refuses beyond it", async () => {
    const first = await deposit();
    disk.hold();
    const bad = payment(first, 11n);
    const waiting: Promise<SubmitResult>[] = [submit(payment(first))];
    for (let i = 1; i < WAITING_MAX; i++) waiting.push(submit(bad));
    expect(outcome(await submit(bad))).to.equal("overloaded");
    disk.release();
    await Promise.all(waiting);
    expect(outcome(await submit(bad))).to.equal("INPUT_SPENT");
  });

  it("entries that are too much for one group come in several, in order; payments wait until they are written", async () => {
    const first = await deposit();
    const groups = disk.groups.length;
    const place = { nextBlockNumber: 1, ethereumBlock: 1, ethereumTransaction: ZERO_HASH };
    const terms = (index: number): DepositEntry => {
      return { type: "deposit", id: BigInt(index + 2), owner: ALICE, token: TOKEN, amount: 1n, ...place };
    };
    const count = Math.ceil((2.5 * GROUP_BYTES_MAX) / encodeJsonEntry(terms(0)).length);
    const entries = Array.from({ length: count }, (_, i) => terms(i));
    disk.hold();
    const recorded = sequencer.record(entries);
    expect(outcome(await submit(payment(first)))).to.equal("overloaded");
    expect(await settled(recorded)).to.equal(false);
    disk.release();
    await recorded;
    expect(disk.groups.length).to.equal(groups + 3);
    for (const group of disk.groups) {
      expect(group.reduce((sum, { length }) => sum + length, 0)).to.be.at.most(GROUP_BYTES_MAX);
    }
    expect(told.at(-1)).to.equal(disk.entries.length);
    expect(disk.entries.slice(2).map((entry) => decodeEntryBytes(entry))).to.deep.equal(entries);
    expect(outcome(await submit(payment(first)))).to.equal("accepted");
  }).timeout(30_000);

  it("a group that ends because another part's entry does not fit tells the open block as of its own end", async () => {
    const first = await deposit();
    disk.hold();
    const paying = submit(payment(first));
    const sealing = sequencer.seal();
    const place = { nextBlockNumber: 1, ethereumBlock: 1, ethereumTransaction: ZERO_HASH };
    const terms = { type: "deposit", owner: ALICE, token: TOKEN, amount: 1n, ...place } as const;
    const count = Math.ceil((1.2 * GROUP_BYTES_MAX) / encodeJsonEntry({ ...terms, id: 2n }).length);
    const recorded = sequencer.record(Array.from({ length: count }, (_, i) => ({ ...terms, id: BigInt(i + 2) })));
    disk.release();
    await Promise.all([paying, sealing, recorded]);
    expect(failures).to.deep.equal([]);
    expect(sequencer.durable.openBlock.number).to.equal(2);
  }).timeout(30_000);

  it("asks history of no ids where only the number of signatures is wrong", async () => {
    const one = payment(await deposit());
    const bad = { ...one.transaction, signatures: [] };
    const hash = one.record.subarray(5, 37);
    const [result] = await sequencer.submit([verifiedPaymentBytes(bad, hash, [])]);
    expect(outcome(result!)).to.equal("WRONG_SIGNATURE_COUNT");
    const unknown = {
      ...bad,
      inputs: Array.from({ length: 16 }, (_, i) => `0x${String(i).padStart(64, "9")}` as const),
    };
    const [other] = await sequencer.submit([
      verifiedPaymentBytes(
        unknown,
        hash.map((byte) => byte ^ 1),
        [],
      ),
    ]);
    expect(outcome(other!)).to.equal("WRONG_SIGNATURE_COUNT");
    expect(disk.asked).to.equal(0);
    // One that was taken gets its first answer all the same.
    await submit(one);
    const [again] = await sequencer.submit([verifiedPaymentBytes(bad, hash, [])]);
    expect(again?.kind === "accepted" && again.repeated).to.equal(true);
  });

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
      const result = await submit(one);
      const position = result.kind === "accepted" ? result.position : null;
      expect([position?.blockNumber, position?.transactionIndex]).to.deep.equal(expected);
      input = outputId(one.hash, 0);
    }
    expect(ledger.sealedBlocks).to.have.length(2);
  });

  it("seals what there is, and nothing when there is nothing", async () => {
    expect(await sequencer.seal()).to.equal(null);
    await submit(payment(await deposit()));
    expect(await sequencer.seal()).to.equal(1);
    expect(await sequencer.seal()).to.equal(null);
    expect(disk.entries.filter((entry) => decodeEntryBytes(entry).type === "seal")).to.have.length(1);
  });

  it("replays to the same state; positions of entries go on", async () => {
    const one = payment(await deposit());
    await submit(one);
    await sequencer.seal();
    const before = { hash: ledger.stateHash(), position: ledger.position, entries: disk.entries.length };
    const { blockNumber, transactionIndex, acceptedAt } = disk.payments[0]!;
    await open();
    expect(ledger.stateHash()).to.equal(before.hash);
    expect(ledger.position).to.equal(before.position);
    expect(sequencer.durable.position).to.equal(before.entries);
    expect(disk.entries.length).to.equal(before.entries);
    const position = { blockNumber, transactionIndex, acceptedAt };
    expect(await submit(one)).to.deep.equal({ kind: "accepted", hash: one.hash, repeated: true, position });
  });

  it("says of an input whether it was spent, and by what, or never was; chains of refusals keep their order", async () => {
    const [first, second] = [await deposit(), await deposit()];
    const spender = payment(first);
    await submit(spender);
    const spent = await submit(payment(first, 9n));
    expect(spent.kind === "refused" && spent.error).to.include({ code: "INPUT_SPENT" });
    expect(spent.kind === "refused" && spent.error.context).to.deep.equal({
      input: first,
      index: 0,
      spentBy: spender.hash,
    });
    const unknown: Hex = `0x${"ab".repeat(32)}`;
    const outputs = [{ owner: ALICE, token: TOKEN, amount: 30n }];
    const signatures = [SIGNATURE, SIGNATURE, SIGNATURE];
    const both = signed(
      { purpose: "transfer", fileHash: ZERO_HASH, signatures, inputs: [second, first, unknown], outputs },
      [ALICE, ALICE, ALICE],
    );
    const mixed = await submit(both);
    expect(mixed.kind === "refused" && mixed.error).to.include({ code: "UNKNOWN_INPUT" });
    expect(mixed.kind === "refused" && mixed.error.context).to.deep.equal({ input: unknown, index: 2 });
    disk.behind = true;
    expect(outcome(await submit(payment(first, 9n)))).to.equal("overloaded");
  });

  it("judges several records at once, one by one, those that are malformed at their place", async () => {
    const first = await deposit();
    const one = payment(first);
    const two = payment(outputId(one.hash, 0));
    const problem = new TextEncoder().encode(
      JSON.stringify({ detail: "purpose must be …", context: { purpose: "x" } }),
    );
    const malformed = Uint8Array.from([0, 0, 0, 5 + problem.length, MALFORMED, ...problem]);
    const joined = Uint8Array.from([...one.record, ...malformed]);
    const results = await sequencer.submit([joined, two.record, one.record]);
    expect(results.map(outcome)).to.deep.equal(["accepted", "MALFORMED", "accepted", "accepted"]);
    const [, refused, , again] = results;
    expect(refused?.kind === "refused" && refused.error.context).to.deep.equal({ purpose: "x" });
    expect(again?.kind === "accepted" && again.repeated).to.equal(true);
  });

  it("what cannot be stops everything: nothing of it reaches the disk, nobody is answered", async () => {
    const first = await deposit();
    const groups = disk.groups.length;
    const { outputs } = ledger as unknown as { outputs: { create: () => void } };
    outputs.create = () => {
      throw new Error("memory is broken");
    };
    const answer = submit(payment(first)).catch((error: unknown) => error);
    expect(await answer).to.be.instanceOf(Error);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(failures.map(({ message }) => message)).to.deep.equal(["memory is broken"]);
    expect(disk.groups.length).to.equal(groups);
    expect(outcome(await submitted(payment(first)))).to.equal("overloaded");
  });
  /** Does not wait for the disk, to which nothing comes any more. */
  const submitted = async (one: Verified): Promise<SubmitResult> =>
    await Promise.race([
      submit(one),
      new Promise<SubmitResult>((resolve) => setTimeout(() => resolve({ kind: "overloaded" }), 50)),
    ]);

  it("refuses a journal that does not add up, naming the entry, and one of another contract", async () => {
    await submit(payment(await deposit()));
    await sequencer.seal();
    const good = disk.groups;
    const { entries } = disk;
    const changed = (kind: string, change: (entry: any) => object): Uint8Array[] =>
      entries.map((bytes) => {
        const entry = decodeEntryBytes(bytes);
        return entry.type === kind ? encodeJsonEntry(change(entry) as Parameters<typeof encodeJsonEntry>[0]) : bytes;
      });
    const overpaid = entries.map((bytes) => {
      const copy = bytes.slice();
      // The amount's last byte of the only output.
      if (copy[0] === PAYMENT_KIND) copy[17 + 32 + 37 + 32 + 71]! += 1;
      return copy;
    });
    const broken: [string, Uint8Array[]][] = [
      ["entry 4", changed("seal", (seal) => ({ ...seal, stateHash: ZERO_HASH }))],
      ["entry 3", overpaid],
      ["entry 2", entries.filter((entry) => decodeEntryBytes(entry).type !== "deposit")],
      ["entry 5", [...entries, Uint8Array.of(2, 0x7b, 0x7d)]],
      ["entry 1", entries.slice(1)],
    ];
    for (const [where, damaged] of broken) {
      disk.groups = [damaged];
      const error = await open().catch((caught: unknown) => caught);
      expect(error, where).to.be.instanceOf(StartupError);
      expect((error as StartupError).code).to.equal("JOURNAL_DAMAGED");
      expect((error as StartupError).message, (error as StartupError).message).to.contain(where);
      expect((error as StartupError).message).to.not.contain("\n");
    }
    const genesis = { type: "genesis" as const, version: 1 as const, chainId: 1n, contract: CONTRACT, createdAt: 1 };
    disk.groups = [[encodeJsonEntry(genesis)]];
    const error = await open().catch((caught: unknown) => caught);
    expect((error as StartupError).code).to.equal("WRONG_JOURNAL");
    disk.groups = good;
    await open();
  });

  it("closing waits for what was taken, and takes nothing more", async () => {
    const first = await deposit();
    disk.hold();
    const answer = submit(payment(first));
    const closed = sequencer.close();
    expect(await settled(closed)).to.equal(false);
    expect(outcome(await submit(payment(first)))).to.equal("overloaded");
    disk.release();
    await closed;
    expect(outcome(await answer)).to.equal("accepted");
  });
});
