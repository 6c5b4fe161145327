import { mkdtemp, rm } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { expect } from "chai";
import { pino } from "pino";
import type { DepositEntry } from "@plasma-billing/protocol/entries.ts";
import { decodeEntryBytes } from "@plasma-billing/protocol/entryBytes.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { PURPOSES, ZERO_HASH, type Purpose } from "@plasma-billing/protocol/transaction.ts";
import { PaymentIndex } from "../../operator/index/client.ts";
import type { StatisticsView } from "../../operator/index/ports.ts";
import { HOURS_MAX } from "../../operator/index/statistics.ts";
import type { Volume } from "../../operator/index/volumes.ts";
import { JournalReader } from "../../operator/journal/reader.ts";
import { Random } from "../adversary/random.ts";
import { TestHistory, type TestOutput } from "../helpers/indexHistory.ts";
import { MemoryOperator, signPayment, SPENDERS, START_MS } from "../helpers/memoryOperator.ts";
import { addressOf } from "../helpers/protocol.ts";
import { ETHER } from "../helpers/chain.ts";

const HOUR_MS = 3_600_000;
const OWNERS = [1, 2, 3].map((each) => addressOf(each));
const TOKENS = [addressOf(0), addressOf(500), addressOf(501)];
const PURPOSE_NAMES = Object.keys(PURPOSES) as Purpose[];
const LIMITS = { generationEntries: 40, generationOutputs: 90 };
const FILE: Hex = `0x${"f1".repeat(32)}`;
const SEED = 20_261_123;

/** Counts the journal from its beginning, the plain way. */
function recount(dataDir: string, last: number): Omit<StatisticsView, "hours"> & { hours: Map<number, Volume[]> } {
  const reader = new JournalReader(dataDir);
  const entries = reader.read(1, last, Infinity).map(({ body }) => decodeEntryBytes(body));
  reader.close();
  const deposits = new Map<string, { token: `0x${string}`; count: number; amount: bigint }>();
  const rows = new Map<string, Volume & { hour: number }>();
  let payments = 0;
  for (const entry of entries) {
    if (entry.type === "deposit") {
      const { token, amount }: DepositEntry = entry;
      const known = deposits.get(token) ?? { token, count: 0, amount: 0n };
      deposits.set(token, { token, count: known.count + 1, amount: known.amount + amount });
    }
    if (entry.type !== "payment" || !("spent" in entry)) continue;
    payments++;
    const payers = new Set(entry.spent.map(({ owner, token }) => `${owner} ${token}`));
    const { outputs, purpose } = entry.transaction;
    for (const token of new Set(outputs.map((output) => output.token))) {
      const given = outputs.filter((output) => output.token === token && !payers.has(`${output.owner} ${token}`));
      const hour = Math.floor(entry.acceptedAt / HOUR_MS) * HOUR_MS;
      const key = `${hour} ${purpose} ${token}`;
      const row = rows.get(key) ?? { hour, purpose: PURPOSES[purpose], token, count: 0, volume: 0n };
      row.count++;
      row.volume += given.reduce((sum, { amount }) => sum + amount, 0n);
      rows.set(key, row);
    }
  }
  const hours = new Map<number, Volume[]>();
  const totals = new Map<string, Volume>();
  for (const { hour, ...row } of rows.values()) {
    hours.set(hour, [...(hours.get(hour) ?? []), row]);
    const key = `${row.purpose} ${row.token}`;
    const total = totals.get(key) ?? { ...row, count: 0, volume: 0n };
    totals.set(key, { ...total, count: total.count + row.count, volume: total.volume + row.volume });
  }
  const blocks = entries.filter(({ type }) => type === "seal").length;
  return { payments, blocks, deposits: [...deposits.values()], totals: sorted([...totals.values()]), hours };
}

function sorted(volumes: Volume[]): Volume[] {
  return volumes.sort((a, b) => (a.purpose === b.purpose ? (a.token < b.token ? -1 : 1) : a.purpose - b.purpose));
}

async function check(index: PaymentIndex, dataDir: string, last: number, limit: number): Promise<void> {
  const { hours, ...totals } = recount(dataDir, last);
  const newest = [...hours.keys()].sort((a, b) => b - a).slice(0, limit);
  expect(await index.statistics(limit)).to.deep.equal({
    ...totals,
    hours: newest.map((hour) => ({ hour, volumes: sorted(hours.get(hour) ?? []) })),
  });
}

/** Adds random entries; the clock goes on, sometimes for hours, and is set back now and then. */
class Spender {
  readonly live: TestOutput[] = [];
  private readonly history: TestHistory;
  private readonly random: Random;

  constructor(history: TestHistory, random: Random) {
    this.history = history;
    this.random = random;
  }

  spend(entries: number): void {
    const { history, random, live } = this;
    for (let i = 0; i < entries; i++) {
      if (random.chance(0.05)) history.passMs(random.between(0, 3) * HOUR_MS + random.int(HOUR_MS));
      if (random.chance(0.02)) history.passMs(-random.between(0, 2) * HOUR_MS);
      const kind = random.weighted([2, 12, 1]);
      if (kind === 0 || live.length === 0) {
        const amount = random.chance(0.1) ? 2n ** 255n - 1n : 10n ** BigInt(random.between(0, 40));
        live.push(history.deposit(random.pick(OWNERS)!, random.pick(TOKENS)!, amount));
      } else if (kind === 1) this.pay();
      else if (history.openCount > 0) history.seal();
    }
  }

  private pay(): void {
    const { random, live } = this;
    const inputs = Array.from({ length: random.between(1, Math.min(3, live.length)) }, () => {
      return live.splice(random.int(live.length), 1)[0]!;
    });
    const outputs = inputs.flatMap(({ token, amount }) => {
      const owner = (): `0x${string}` => random.pick(OWNERS)!;
      if (amount < 2n || random.chance(0.3)) return [{ owner: owner(), token, amount }];
      return [amount - amount / 2n, amount / 2n].map((part) => ({ owner: owner(), token, amount: part }));
    });
    const purpose = random.pick(PURPOSE_NAMES)!;
    const fileHash = purpose === "transfer" || purpose === "swap" ? ZERO_HASH : FILE;
    live.push(...this.history.pay(inputs, outputs, { purpose, fileHash }));
  }
}

/** As the index keeps a value: its bytes and their CRC-32, as hex. */
function withChecksum(text: string): string {
  const bytes = Buffer.from(text);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32LE(crc32(bytes));
  return Buffer.concat([bytes, checksum]).toString("hex");
}

describe("statistics", function () {
  this.timeout(120_000);

  it("are what a plain count of the journal gives, while entries come, and after every start", async () => {
    for (let round = 0; round < 4; round++) {
      const dataDir = await mkdtemp(join(tmpdir(), "plasma-statistics-"));
      const random = new Random(SEED + round);
      const history = await TestHistory.begin(dataDir);
      const spender = new Spender(history, random);
      const failures: Error[] = [];
      const options = { dataDir, log: pino({ level: "silent" }), limits: LIMITS };
      const open = async (durable: number): Promise<PaymentIndex> =>
        await PaymentIndex.open({ ...options, durable, onFailure: (error) => failures.push(error) });
      let index = await open(await history.flush());
      for (let step = 0; step < 12; step++) {
        spender.spend(random.between(1, 120));
        const last = await history.flush();
        index.durable(last);
        await check(index, dataDir, last, random.pick([1, 3, 1000])!);
        if (!random.chance(0.4)) continue;
        await index.close();
        index = await open(last);
        await check(index, dataDir, last, 1000);
      }
      await index.close();
      await history.close();
      expect(failures).to.deep.equal([]);
      await rm(dataDir, { recursive: true });
    }
  });

  it("that are damaged, or of another form, are made again from the journal", async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "plasma-statistics-"));
    const history = await TestHistory.begin(dataDir);
    const spender = new Spender(history, new Random(SEED));
    const warnings: string[] = [];
    const log = pino({ level: "warn" }, { write: (line: string) => void warnings.push(line) });
    const onFailure = (error: Error): never => {
      throw error;
    };
    spender.spend(200);
    const last = await history.flush();
    const options = { dataDir, log, limits: LIMITS, durable: last, onFailure };
    const open = async (): Promise<PaymentIndex> => await PaymentIndex.open(options);
    let index = await open();
    await check(index, dataDir, last, 1000);
    while (index.progress.indexed < last) await new Promise((resolve) => setTimeout(resolve, 5));
    await index.close();
    for (const change of [
      "DELETE FROM meta WHERE name = 'statistics'",
      "UPDATE meta SET value = substr(value, 2) WHERE name = 'statistics'",
      `UPDATE meta SET value = x'${withChecksum("{}")}' WHERE name = 'statistics'`,
    ]) {
      const database = new DatabaseSync(join(dataDir, "index.db"));
      expect(database.prepare(change).run().changes).to.equal(1);
      database.close();
      warnings.length = 0;
      index = await open();
      expect(warnings.join(), change).to.include("made again");
      await check(index, dataDir, last, 1000);
      await index.close();
    }
    await history.close();
    await rm(dataDir, { recursive: true });
  });

  it("keep so many hours, and what was before them in the totals, also when the clock goes back to it", async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "plasma-statistics-"));
    const history = await TestHistory.begin(dataDir);
    const [payer, payee, token] = [OWNERS[0]!, OWNERS[1]!, TOKENS[0]!];
    let output = history.deposit(payer, token, 10_000n);
    const pay = (): void => {
      const amount = output.amount - 1n;
      [output] = history.pay(
        [output],
        [
          { owner: payer, token, amount },
          { owner: payee, token, amount: 1n },
        ],
      ) as [TestOutput];
    };
    for (let hour = 0; hour < HOURS_MAX + 50; hour++) {
      pay();
      history.passMs(HOUR_MS);
    }
    history.passMs(-(HOURS_MAX + 50) * HOUR_MS);
    pay();
    const last = await history.flush();
    const options = { dataDir, log: pino({ level: "silent" }), limits: LIMITS, durable: last };
    const onFailure = (error: Error): never => {
      throw error;
    };
    for (let start = 0; start < 2; start++) {
      const index = await PaymentIndex.open({ ...options, onFailure });
      const { payments, totals, hours } = await index.statistics(HOURS_MAX + 50);
      const all = HOURS_MAX + 51;
      expect([payments, totals]).to.deep.equal([all, [{ purpose: 1, token, count: all, volume: BigInt(all) }]]);
      expect(hours).to.have.length(HOURS_MAX);
      expect(new Set(hours.map(({ volumes }) => volumes[0]?.count))).to.deep.equal(new Set([1]));
      await index.close();
    }
    await history.close();
    await rm(dataDir, { recursive: true });
  });

  it("are shown with what the ledger holds: deposited = live + withdrawn", async () => {
    const operator = await MemoryOperator.start();
    const [alice, bob] = SPENDERS as [(typeof SPENDERS)[0], (typeof SPENDERS)[0]];
    const input = await operator.deposit(alice.address, 1_000n);
    await operator.deposit(bob.address, 5n);
    const outputs = [bob, alice].map(({ address }, i) => ({ owner: address, amount: [400n, 600n][i]! }));
    const payment = signPayment([input], outputs, [alice]);
    await operator.pay(payment);
    await operator.seal();
    await operator.exit(1, payment.outputId(0), { state: "finalized", paid: true, final: true });
    const hour = Math.floor(START_MS / HOUR_MS) * HOUR_MS;
    const purposes = [{ purpose: "transfer", token: ETHER, count: 1, volume: "400" }];
    expect((await operator.get("/v1/statistics")).body).to.deep.equal({
      ...{ payments: 1, blocks: 1, deposits: 2, liveOutputs: 2 },
      tokens: [{ token: ETHER, deposits: 2, deposited: "1005", live: "605", withdrawn: "400" }],
      purposes,
      hours: [{ hour, purposes }],
    });
    for (const [query, status] of [
      ["limit=1", 200],
      ["limit=1000", 200],
      ["limit=1001", 400],
      ["limit=0", 400],
      ["cursor=x", 400],
    ] as const) {
      expect((await operator.get(`/v1/statistics?${query}`)).status, query).to.equal(status);
    }
    await operator.stop();
  });
});
