import { fork } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { pino } from "pino";
import { decodePayment } from "@plasma-billing/protocol/paymentBytes.ts";
import { verifyProof } from "@plasma-billing/protocol/merkle.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { PURPOSES, ZERO_HASH, type Purpose } from "@plasma-billing/protocol/transaction.ts";
import { encodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import { PaymentIndex } from "../../operator/index/client.ts";
import { IndexBehindError, type IndexFilter, type IndexLimits } from "../../operator/index/ports.ts";
import { Random } from "../adversary/random.ts";
import { TestHistory, type TestOutput, type TestPayment } from "../helpers/indexHistory.ts";
import { addressOf } from "../helpers/protocol.ts";

const OWNERS = [1, 2, 3, 4].map((each) => addressOf(each));
const STRANGER = addressOf(99);
const TOKENS = [addressOf(0), addressOf(500)];
const FILES: Hex[] = [`0x${"f1".repeat(32)}`, `0x${"f2".repeat(32)}`];
const NOWHERE: Hex = `0x${"ee".repeat(32)}`;
const PURPOSE_NAMES = Object.keys(PURPOSES) as Purpose[];
const ofFile = (purpose: Purpose): boolean => purpose !== "transfer" && purpose !== "swap";
/** Small: every history has many generations, and pages end within them. */
const LIMITS: Partial<IndexLimits> = { generationEntries: 40, generationOutputs: 90 };

/** Adds random entries to a history; nothing is on the disk before it is flushed. */
class Grower {
  readonly history: TestHistory;
  private readonly random: Random;
  private readonly live: TestOutput[] = [];

  constructor(history: TestHistory, random: Random) {
    this.history = history;
    this.random = random;
  }

  grow(entries: number): void {
    const { random, history } = this;
    for (let i = 0; i < entries; i++) {
      const kind = random.weighted([2, 12, 1, 1]);
      if (kind === 0 || this.live.length === 0) {
        const amount = 10n ** BigInt(random.between(0, 40));
        this.live.push(history.deposit(random.pick(OWNERS)!, random.pick(TOKENS)!, amount));
      } else if (kind === 1) this.pay();
      else if (kind === 2 && history.openCount > 0) history.seal();
      else history.other();
    }
  }

  private pay(): void {
    const { random, live } = this;
    const inputs = Array.from({ length: random.between(1, Math.min(4, live.length)) }, () => {
      return live.splice(random.int(live.length), 1)[0]!;
    });
    const sums = new Map<string, bigint>();
    for (const { token, amount } of inputs) sums.set(token, (sums.get(token) ?? 0n) + amount);
    const outputs = [...sums].flatMap(([token, sum]) => {
      const parts = sum > 3n ? random.between(1, 3) : 1;
      return Array.from({ length: parts }, (_, i) => ({
        ...{ owner: random.pick(OWNERS)!, token: token as Hex },
        amount: i === 0 ? sum - BigInt(parts - 1) : 1n,
      }));
    });
    const purpose = random.pick(PURPOSE_NAMES)!;
    live.push(
      ...this.history.pay(inputs, outputs, { purpose, fileHash: ofFile(purpose) ? random.pick(FILES)! : ZERO_HASH }),
    );
  }
}

function newestFirst<T extends { position: number }>(items: T[]): T[] {
  return [...items].sort((a, b) => b.position - a.position);
}

/** What a list is, from the plain ones. */
function chosen(
  payments: TestPayment[],
  { address, purpose, fileHash, from = 1, to = Infinity }: IndexFilter,
): number[] {
  const fits = (payment: TestPayment): boolean =>
    (address === undefined || payment.parties.has(address)) &&
    (purpose === undefined || payment.purpose === purpose) &&
    (fileHash === undefined || payment.fileHash === fileHash) &&
    payment.position >= from &&
    payment.position <= to;
  return newestFirst(payments.filter(fits)).map(({ position }) => position);
}

async function walkPayments(index: PaymentIndex, filter: IndexFilter, limit: number): Promise<number[]> {
  const positions: number[] = [];
  for (let before: number | null = null; ;) {
    const page = await index.payments(filter, limit, before);
    expect(page.items.length).to.be.at.most(limit);
    positions.push(...page.items.map(({ position }) => position));
    if (page.next === null) return positions;
    before = page.next;
  }
}

async function checkPayments(index: PaymentIndex, { payments, position }: TestHistory, random: Random): Promise<void> {
  for (const payment of random.sample(payments, 20)) {
    const found = await index.payment(payment.hash);
    expect(found?.position).to.equal(payment.position);
    expect(Buffer.from(found!.bytes).equals(payment.body)).to.equal(true);
    const { payment: early } = await index.resolve(payment.hash, [], payment.position - 1);
    expect(early).to.equal(null);
  }
  expect(await index.payment(NOWHERE)).to.equal(null);
  for (let i = 0; i < 25; i++) {
    const filter: IndexFilter = {
      ...(random.chance(0.6) ? { address: random.pick([...OWNERS, STRANGER])! } : {}),
      ...(random.chance(0.4) ? { purpose: random.between(1, 5) } : {}),
      ...(random.chance(0.4) ? { fileHash: random.pick([...FILES, NOWHERE])! } : {}),
      ...(random.chance(0.3) ? { from: random.between(1, position) } : {}),
      ...(random.chance(0.3) ? { to: random.between(1, position) } : {}),
    };
    const found = await walkPayments(index, filter, random.pick([3, 20, 1000])!);
    expect(found, JSON.stringify(filter)).to.deep.equal(chosen(payments, filter));
  }
}

async function checkOutputs(index: PaymentIndex, { outputs }: TestHistory, random: Random): Promise<void> {
  const some = random.sample(outputs, 20);
  for (const { id, spentBy } of some) {
    const spend = await index.spendOf(id);
    expect(spend === null ? null : `0x${Buffer.from(spend.bytes.subarray(17, 49)).toString("hex")}`).to.equal(spentBy);
  }
  const ids = some.map(({ id }) => id);
  const { spentBy } = await index.resolve(NOWHERE, [...ids, NOWHERE], Number.MAX_SAFE_INTEGER);
  // Up to the first that nobody spent.
  const spenders = [...some.map((output) => output.spentBy), null];
  expect(spentBy).to.deep.equal(spenders.slice(0, spenders.indexOf(null) + 1));
  for (const owner of [...OWNERS, STRANGER]) {
    for (const unspentOnly of [false, true]) {
      const mine = outputs.filter((output) => output.owner === owner && (!unspentOnly || output.spentBy === null));
      const expected = mine.sort((a, b) => 16 * (b.position - a.position) + (b.outputIndex - a.outputIndex));
      const found = [];
      const limit = random.pick([3, 20, 1000])!;
      for (let before: { position: number; index: number } | null = null; ;) {
        const page = await index.outputs(owner, unspentOnly, limit, before);
        found.push(...page.items);
        if (page.next === null) break;
        before = page.next;
      }
      expect(found).to.deep.equal(expected.map(({ spentBy: _, ...output }) => output));
    }
  }
}

async function checkAccounts(index: PaymentIndex, { outputs, payments, deposits }: TestHistory): Promise<void> {
  for (const owner of [...OWNERS, STRANGER]) {
    const unspent = new Map<string, bigint>();
    for (const { owner: by, token, amount, spentBy } of outputs) {
      if (by === owner && spentBy === null) unspent.set(token, (unspent.get(token) ?? 0n) + amount);
    }
    const account = await index.account(owner);
    expect(account.transactionCount).to.equal(payments.filter(({ parties }) => parties.has(owner)).length);
    expect(new Map(account.unspent.map(({ token, amount }) => [token, amount]))).to.deep.equal(unspent);
  }
  const shown = await index.deposits(1000, null);
  expect(shown).to.deep.equal(deposits.toReversed());
  const below = BigInt(Math.ceil(deposits.length / 2));
  expect(await index.deposits(3, below)).to.deep.equal(
    deposits
      .filter(({ id }) => id < below)
      .toReversed()
      .slice(0, 3),
  );
}

async function checkBlocks(index: PaymentIndex, { blocks, payments }: TestHistory, random: Random): Promise<void> {
  for (const [i, { hashes, root, first, seal }] of blocks.entries()) {
    for (const at of new Set([0, hashes.length - 1, random.int(hashes.length)])) {
      const siblings = await index.siblings(i + 1, at);
      expect(verifyProof(root, hashes[at]!, at, hashes.length, siblings), `${at} of block ${i + 1}`).to.equal(true);
    }
    const mine = payments.filter((payment) => payment.blockNumber === i + 1);
    let text = "";
    const bytes: Uint8Array[] = [];
    for (const format of ["ndjson", "binary"] as const) {
      for (let from: number | null = first; from !== null;) {
        const piece = await index.feed(format, from, seal);
        if (format === "ndjson") text += Buffer.from(piece.bytes).toString();
        else bytes.push(piece.bytes);
        from = piece.next;
      }
    }
    const lines = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ hash }) => hash)).to.deep.equal(mine.map(({ hash }) => hash));
    const framed = Buffer.concat(bytes);
    let at = 0;
    for (const [n, line] of lines.entries()) {
      const end = at + 2 + framed.readUInt16BE(at);
      const transaction = encodeTransaction(decodePayment(framed.subarray(at + 2, end)));
      expect(JSON.stringify(line.transaction).toLowerCase()).to.equal(JSON.stringify(transaction).toLowerCase());
      expect([line.blockNumber, line.transactionIndex]).to.deep.equal([i + 1, n]);
      at = end;
    }
    expect(at).to.equal(framed.length);
  }
}

async function check(index: PaymentIndex, history: TestHistory, random: Random): Promise<void> {
  await checkPayments(index, history, random);
  await checkOutputs(index, history, random);
  await checkAccounts(index, history);
  await checkBlocks(index, history, random);
}

describe("the index of payments", function () {
  this.timeout(60_000);
  let dataDir: string;
  const warnings: string[] = [];
  const failures: Error[] = [];
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "plasma-index-"));
    warnings.length = failures.length = 0;
  });
  afterEach(async () => await rm(dataDir, { recursive: true, force: true }));

  async function open(durable: number, limits = LIMITS, folder = dataDir): Promise<PaymentIndex> {
    const log = pino({ level: "warn" }, { write: (line: string) => void warnings.push(line) });
    const onFailure = (error: Error): void => void failures.push(error);
    return await PaymentIndex.open({ dataDir: folder, log, durable, onFailure, limits });
  }

  async function written(seed: number, entries: number): Promise<TestHistory> {
    const history = await TestHistory.begin(dataDir);
    new Grower(history, new Random(seed)).grow(entries);
    await history.flush();
    return history;
  }

  /** An index that was opened before, with all of the history in it, and nothing of it open. */
  async function indexed(history: TestHistory): Promise<void> {
    const index = await open(history.position);
    await index.account(STRANGER);
    await index.close();
  }

  it("finds each of many addresses that begin alike, in generations of many pages", async () => {
    const alike = Array.from({ length: 400 }, (_, i): Hex => `0xabababab${i.toString(16).padStart(32, "0")}`);
    const folder = join(dataDir, "alike");
    const history = await TestHistory.begin(folder);
    for (const [i, owner] of alike.entries()) history.deposit(owner, TOKENS[0]!, BigInt(i + 1));
    const limits = { generationEntries: 300, generationOutputs: 300 };
    let index = await open(await history.flush(), limits, folder);
    await index.account(STRANGER);
    await index.close();
    index = await open(history.position, limits, folder);
    for (const [i, owner] of alike.entries()) {
      const { unspent } = await index.account(owner);
      expect(unspent.map(({ amount }) => amount)).to.deep.equal([BigInt(i + 1)]);
    }
    expect((await index.account("0xabababab00000000000000000000000000ffffff")).unspent).to.deep.equal([]);
    expect((await index.account("0xababababffffffffffffffffffffffffffffffff")).unspent).to.deep.equal([]);
    await index.close();
    await history.close();
  });

  it("answers every question as plain lists do, while entries come, closed and opened again (6 histories)", async () => {
    const start = Math.floor(Math.random() * 2 ** 32);
    for (let i = 0; i < 6; i++) {
      const seed = i < 3 ? i : start + i;
      const random = new Random(seed);
      const folder = join(dataDir, String(i));
      const history = await TestHistory.begin(folder);
      const grower = new Grower(history, random);
      let index = await open(await history.flush(), LIMITS, folder);
      try {
        for (let piece = 0; piece < 5; piece++) {
          grower.grow(random.pick([1, 20, 90, 200])!);
          index.durable(await history.flush());
          await check(index, history, random);
          if (random.chance(0.5)) continue;
          await index.close();
          index = await open(history.position, LIMITS, folder);
          await check(index, history, random);
        }
        expect(index.progress).to.deep.equal({ durable: history.position, indexed: history.position });
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      } finally {
        await index.close();
        await history.close();
      }
    }
    expect(warnings).to.deep.equal([]);
    expect(failures).to.deep.equal([]);
  });

  it("goes on from what it stored, and reads only what came behind", async () => {
    const history = await written(1, 400);
    await indexed(history);
    const index = await open(history.position);
    // The rest is read by the thread itself; what it began with is what is stored.
    expect(index.progress.indexed).to.be.above(300);
    await check(index, history, new Random(1));
    await index.close();
    await history.close();
  });

  it("killed with -9 while it writes, again and again, it goes on from what it had, and has everything in the end", async () => {
    const history = await written(12, 6000);
    const stored: number[] = [];
    for (let i = 0; i < 8; i++) {
      const child = fork(new URL("../helpers/indexProcess.ts", import.meta.url), { execArgv: ["--no-warnings"] });
      child.send({ dataDir, durable: history.position, limits: LIMITS });
      stored.push(((await once(child, "message")) as [number])[0]);
      await new Promise((resolve) => setTimeout(resolve, 2 + 10 * i));
      child.kill("SIGKILL");
      await once(child, "close");
    }
    expect(stored.at(-1)).to.be.above(0);
    expect(stored).to.deep.equal(stored.toSorted((a, b) => a - b));
    const index = await open(history.position);
    await check(index, history, new Random(13));
    // A tree may be caught before it has its name; the index itself loses nothing.
    expect(warnings.filter((line) => !line.includes("the tree of a block"))).to.deep.equal([]);
    await index.close();
    await history.close();
  });

  it("made with a wrong page, marks, head or schema, of another journal, or cut, it is made again: never a wrong answer", async () => {
    const history = await written(2, 500);
    await indexed(history);
    const whole = `${dataDir}-whole`;
    await cp(dataDir, whole, { recursive: true });
    const path = join(dataDir, "index.db");
    const sql = (text: string): void => {
      const database = new DatabaseSync(path);
      database.exec(text);
      database.close();
    };
    const flip = (table: string, column: string): string =>
      `UPDATE ${table} SET ${column} = CAST(substr(${column}, 1, 5) || x'A7' || substr(${column}, 7) AS BLOB)`;
    const damages: [string, () => unknown][] = [
      ["pages", () => sql(flip("page", "body"))],
      ["one page missing", () => sql("DELETE FROM page WHERE id = (SELECT max(id) FROM page)")],
      ["marks", () => sql(flip("marks", "body"))],
      ["heads", () => sql(flip("generation", "head"))],
      ["a generation missing", () => sql("DELETE FROM generation WHERE number = 2")],
      ["what is indexed", () => sql(flip("meta", "value"))],
      ["another version", () => sql("PRAGMA user_version = 7")],
      ["cut", () => truncate(path, 20_000)],
      ["no database", () => writeFile(path, "not a database, but long enough to be looked at as one would be")],
      ["gone", () => rm(path)],
    ];
    for (const [what, damage] of damages) {
      await rm(dataDir, { recursive: true });
      await cp(whole, dataDir, { recursive: true });
      await damage();
      warnings.length = 0;
      const index = await open(history.position);
      await check(index, history, new Random(3));
      await index.close();
      expect(failures, what).to.deep.equal([]);
      if (what !== "gone") expect(warnings.join(), what).to.match(/made again from the journal/);
    }
    await rm(whole, { recursive: true });
    await history.close();
  });

  it("an index that knows more than the journal, or another one, is made again", async () => {
    const history = await written(4, 300);
    await indexed(history);
    await history.close();
    const other = `${dataDir}-other`;
    for (const entries of [20, 600]) {
      const shorter = await TestHistory.begin(other);
      new Grower(shorter, new Random(5)).grow(entries);
      await shorter.flush();
      for (const name of await readdir(dataDir)) {
        if (name.startsWith("index.db")) await cp(join(dataDir, name), join(other, name));
      }
      await cp(join(dataDir, "trees"), join(other, "trees"), { recursive: true });
      warnings.length = 0;
      const index = await open(shorter.position, LIMITS, other);
      await check(index, shorter, new Random(6));
      expect(warnings.join()).to.match(/of another journal.*made again/);
      await index.close();
      await shorter.close();
      await rm(other, { recursive: true });
    }
  });

  it("proves from blocks of every shape, and makes a tree again that is damaged, cut or gone", async () => {
    const history = await TestHistory.begin(dataDir);
    let [last] = [history.deposit(OWNERS[0]!, TOKENS[0]!, 10n ** 9n)];
    const sizes = [1, 2, 3, 4, 5, 7, 8, 9, 31, 64, 1000];
    for (const size of sizes) {
      for (let i = 0; i < size; i++) {
        const outputs = [{ owner: OWNERS[0]!, token: TOKENS[0]!, amount: last.amount }];
        last = history.pay([last], outputs)[0]!;
      }
      history.seal();
    }
    const index = await open(await history.flush());
    const all = async (): Promise<void> => {
      for (const [i, { hashes, root }] of history.blocks.entries()) {
        for (let at = 0; at < hashes.length; at += hashes.length > 100 ? 37 : 1) {
          const siblings = await index.siblings(i + 1, at);
          expect(verifyProof(root, hashes[at]!, at, hashes.length, siblings), `${at} of ${hashes.length}`).to.equal(
            true,
          );
        }
      }
    };
    await all();
    const path = join(dataDir, "trees", "11.tree");
    const bytes = await readFile(path);
    for (const at of [3, 20, 70, 64 + 32 * 5, bytes.length - 20]) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 4;
      await writeFile(path, damaged);
      await all();
    }
    await truncate(path, 500);
    await all();
    for (let i = 1; i <= sizes.length; i++) await rm(join(dataDir, "trees", `${i}.tree`));
    await index.close();
    const again = await open(history.position);
    const { hashes, root } = history.blocks[10]!;
    expect(verifyProof(root, hashes[999]!, 999, 1000, await again.siblings(11, 999))).to.equal(true);
    const unsealed = await again.siblings(12, 0).then(String, String);
    expect(unsealed).to.contain("not sealed");
    expect(await again.siblings(1, 1).then(String, String)).to.contain("no such payment");
    await again.close();
    await history.close();
  });

  it("says that it is behind instead of making anybody wait, and answers when it is not", async () => {
    const history = await written(7, 3000);
    const index = await open(history.position, { ...LIMITS, behindMax: 100 });
    const first = await index.account(OWNERS[0]!).catch((error: unknown) => error);
    expect(first).to.be.instanceOf(IndexBehindError);
    expect((first as IndexBehindError).behind).to.be.above(100);
    while (index.progress.indexed < history.position - 100) await new Promise((resolve) => setTimeout(resolve, 5));
    await check(index, history, new Random(8));
    await index.close();
    await history.close();
  });

  it("a page of a rare combination may be short, but leads on to all that there is", async () => {
    const history = await written(9, 600);
    const index = await open(history.position, { ...LIMITS, lookedAtMax: 10 });
    for (const fileHash of FILES) {
      const filter = { address: OWNERS[1]!, purpose: 2, fileHash };
      expect(await walkPayments(index, filter, 50)).to.deep.equal(chosen(history.payments, filter));
    }
    await checkOutputs(index, history, new Random(10));
    await index.close();
    await history.close();
  });

  it("a journal that cannot be read ends the process, and nobody waits for ever", async () => {
    const history = await written(11, 300);
    await history.close();
    const path = join(dataDir, "journal", "0000000000000001.log");
    const bytes = await readFile(path);
    bytes[Math.floor(bytes.length / 2)]! ^= 1;
    await writeFile(path, bytes);
    const index = await open(history.position);
    const answer = await index.account(OWNERS[0]!).then(String, String);
    expect(answer).to.match(/damaged at byte|ended|failed/);
    while (failures.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(String(failures[0])).to.contain(`${path} is damaged at byte`);
    await index.close();
  });
});
