import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { expect } from "chai";
import { pino } from "pino";
import { fromHex } from "@plasma-billing/protocol/hex.ts";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import type { MarketRecord } from "@plasma-billing/protocol/market/market.ts";
import {
  depositHash,
  outputId,
  transactionHash,
  ZERO_HASH,
  type OutputId,
  type TransactionHash,
} from "@plasma-billing/protocol/transaction.ts";
import { verifiedPaymentBytes } from "@plasma-billing/protocol/verifiedPayment.ts";
import { systemClock as clock } from "../../ethereum/process/clock.ts";
import { StartupError } from "../../ethereum/process/startup.ts";
import { Store } from "../../operator/store.ts";
import { addressOf, DOMAIN } from "../helpers/protocol.ts";

const ALICE = addressOf(1);
const ETHER = addressOf(0);
const SNAPSHOT_ENTRIES = 300;

/** A store in a folder, and what was paid into it: each payment spends the one before and leaves one unit behind. */
class Paid {
  readonly hashes: TransactionHash[] = [];
  /** What the start said. */
  read: { entries?: number; snapshotAt?: number; replayed?: number } = {};
  readonly failures: Error[] = [];
  readonly ledger = new Ledger(DOMAIN);
  store!: Store;
  input: OutputId | null = null;
  rest = 1_000_000n;

  static async open(dataDir: string): Promise<Paid> {
    const paid = new Paid();
    const write = (line: string): void => {
      const said = JSON.parse(line) as Paid["read"] & { msg: string };
      if (said.msg === "ledger read") paid.read = said;
    };
    const log = pino({ level: "info" }, { write });
    const onFailure = (error: Error): void => void paid.failures.push(error);
    const { ledger } = paid;
    paid.store = await Store.open({ dataDir, ledger, clock, log, onFailure, snapshotEntries: SNAPSHOT_ENTRIES });
    return paid;
  }

  async deposit(): Promise<void> {
    const terms = { id: 1n, owner: ALICE, token: ETHER, amount: this.rest };
    const place = { nextBlockNumber: 1, ethereumBlock: 1, ethereumTransaction: ZERO_HASH };
    await this.store.sequencer.record([{ type: "deposit", ...terms, ...place }]);
    this.input = outputId(depositHash(this.ledger.separator, terms), 0);
  }

  /** Something of each kind that the marketplace has. */
  async openMarket(): Promise<void> {
    const [account, file] = [
      { account: ALICE, validator: null, signature: null, signedBy: null },
      "a file\nof two lines",
    ];
    const signature = `0x${"22".repeat(65)}` as const;
    const who = { validator: ALICE, token: ETHER, signature, recordedAt: 1 };
    await this.store.sequencer.record([
      { type: "registration", ...account, role: "validator", issuedAt: 1, recordedAt: 1 },
      ...Array.from({ length: 5_000 }, (_, i) => ({
        ...{ type: "registration" as const, ...account, account: addressOf(1_000 + i), role: "mart" as const },
        ...{ issuedAt: i, recordedAt: 1 },
      })),
      {
        type: "quote",
        ...who,
        fileId: file,
        serviceNode: ALICE,
        fee: 10n ** 30n,
        sizeBytes: 1,
        days: 1,
        expiresAt: 9e9,
      },
      { type: "swapProposal", hash: ZERO_HASH, payment: "0x0102", expiresAt: 9e9, recordedAt: 1 },
    ]);
  }

  async pay(count: number): Promise<void> {
    const results = await this.store.sequencer.submit(Array.from({ length: count }, () => this.next()));
    const refused = results.find(({ kind }) => kind !== "accepted");
    if (refused !== undefined) throw new Error(JSON.stringify(refused));
  }

  private next(): Uint8Array {
    this.rest -= 1n;
    const outputs = [this.rest, 1n].map((amount) => ({ owner: ALICE, token: ETHER, amount }));
    const signatures = [`0x${"11".repeat(65)}` as const];
    const inputs = [this.input as OutputId];
    const transaction = { purpose: "transfer" as const, inputs, outputs, fileHash: ZERO_HASH, signatures };
    const hash = transactionHash(this.ledger.separator, transaction);
    this.hashes.push(hash);
    this.input = outputId(hash, 0);
    return verifiedPaymentBytes(transaction, fromHex(hash), [ALICE]);
  }

  async snapshots(dataDir: string, count: number): Promise<void> {
    for (const end = Date.now() + 10_000; (await listSnapshots(dataDir)).length < count;) {
      if (Date.now() > end) throw new Error(`not ${count} snapshots: ${(await listSnapshots(dataDir)).join()}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

async function listSnapshots(dataDir: string): Promise<string[]> {
  const names = await readdir(join(dataDir, "snapshots")).catch(() => []);
  return names.filter((name) => name.endsWith(".snapshot")).sort();
}

describe("the store", () => {
  let dataDir: string;
  let copy: string;
  /** What stood in the folder at its end. */
  let stateHash: string;
  let market: MarketRecord[];
  let entries: number;
  let hashes: TransactionHash[];

  before(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "plasma-store-"));
    const paid = await Paid.open(dataDir);
    await paid.deposit();
    await paid.openMarket();
    for (let i = 0; i < 10; i++) {
      await paid.pay(SNAPSHOT_ENTRIES / 2);
      await paid.store.sequencer.seal();
      if (i === 3) await paid.snapshots(dataDir, 1);
    }
    await paid.snapshots(dataDir, 2);
    await paid.pay(20);
    stateHash = paid.ledger.stateHash();
    market = paid.ledger.market.records();
    entries = paid.ledger.position;
    ({ hashes } = paid);
    await paid.store.close();
    expect(paid.failures).to.deep.equal([]);
  });
  after(async () => await rm(dataDir, { recursive: true, force: true }));
  beforeEach(async () => {
    copy = await mkdtemp(join(tmpdir(), "plasma-store-copy-"));
    await cp(dataDir, copy, { recursive: true });
  });
  afterEach(async () => await rm(copy, { recursive: true, force: true }));

  /** Opens the copy, which must hold everything and answer for it. */
  async function expectWhole(): Promise<Paid> {
    const paid = await Paid.open(copy);
    try {
      expect(paid.ledger.position).to.equal(entries);
      expect(paid.ledger.stateHash()).to.equal(stateHash);
      expect(paid.ledger.market.records()).to.deep.equal(market);
      paid.ledger.checkSums();
      const { index } = paid.store;
      for (const hash of [hashes[0]!, hashes[700]!, hashes.at(-1)!]) {
        expect((await index.payment(hash))?.bytes.length).to.be.above(0);
      }
      const { items } = await index.payments({ address: ALICE }, 2000, null);
      expect(items).to.have.length(hashes.length);
      const account = await index.account(ALICE);
      expect(account).to.deep.equal({
        transactionCount: hashes.length,
        unspent: [{ token: ETHER, amount: 1_000_000n }],
      });
      expect(paid.failures).to.deep.equal([]);
    } finally {
      await paid.store.close();
    }
    return paid;
  }

  async function refusal(): Promise<StartupError> {
    const opened = await Paid.open(copy).catch((error: unknown) => error);
    if (opened instanceof Paid) await opened.store.close();
    expect(opened).to.be.instanceOf(StartupError);
    return opened as StartupError;
  }

  it("starts from the newest snapshot, replaying what stands behind it, with the state it had", async () => {
    const newest = Number(/^\d+/.exec((await listSnapshots(copy)).at(-1)!));
    const paid = await expectWhole();
    expect(newest).to.be.within(2 * SNAPSHOT_ENTRIES, entries);
    expect(paid.read).to.include({ entries, snapshotAt: newest, replayed: entries - newest });
  });

  it("starts from an older snapshot with a newer journal, and from none", async () => {
    const [older, newest] = await listSnapshots(copy);
    await rm(join(copy, "snapshots", newest!));
    await expectWhole();
    for (const name of await listSnapshots(copy)) await rm(join(copy, "snapshots", name));
    expect(older).to.be.a("string");
    await expectWhole();
  });

  it("refuses a journal that ends before its snapshot", async () => {
    await rm(join(copy, "journal"), { recursive: true });
    const empty = await mkdtemp(join(tmpdir(), "plasma-store-empty-"));
    const paid = await Paid.open(empty);
    await paid.store.close();
    await cp(join(empty, "journal"), join(copy, "journal"), { recursive: true });
    await rm(empty, { recursive: true });
    const { code, message } = await refusal();
    expect(code).to.equal("JOURNAL_DAMAGED");
    expect(message).to.match(/journal.*snapshot/);
  });

  it("a snapshot of another ledger than the journal's is noticed by the first seal behind it", async () => {
    const other = await mkdtemp(join(tmpdir(), "plasma-store-other-"));
    const paid = await Paid.open(other);
    // The same entries but for one amount: positions and counts are right, the state is not.
    paid.rest -= 1n;
    await paid.deposit();
    for (let i = 0; i < 4; i++) {
      await paid.pay(SNAPSHOT_ENTRIES / 2);
      await paid.store.sequencer.seal();
    }
    await paid.snapshots(other, 1);
    await paid.store.close();
    const [foreign] = await listSnapshots(other);
    await rm(join(copy, "snapshots"), { recursive: true });
    await cp(join(other, "snapshots"), join(copy, "snapshots"), { recursive: true });
    await rm(other, { recursive: true });
    expect(foreign).to.be.a("string");
    expect((await refusal()).code).to.equal("JOURNAL_DAMAGED");
  });

  it("a flipped bit in any file is refused with file and offset, or found and mended: it never starts with another state", async function () {
    this.timeout(120_000);
    const files = (await readdir(dataDir, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    const seen = new Set<string>();
    for (const file of files) {
      const original = join(file.parentPath, file.name);
      const path = join(copy, relative(dataDir, original));
      const bytes = await readFile(original);
      if (bytes.length === 0) continue;
      seen.add(file.name.replace(/^[\d]+/, ""));
      for (const part of [0.01, 0.37, 0.62, 0.99]) {
        const at = Math.floor(part * bytes.length);
        const damaged = Buffer.from(bytes);
        damaged[at]! ^= 1 << (at % 8);
        await rm(copy, { recursive: true });
        await cp(dataDir, copy, { recursive: true });
        await writeFile(path, damaged);
        const what = `${file.name}, byte ${at}`;
        const error = await expectWhole().then(
          () => null,
          (failure: unknown) => failure,
        );
        if (error === null) continue;
        expect(error, `${what}: ${String((error as Error).stack)}`).to.be.instanceOf(StartupError);
        const { message } = error as StartupError;
        expect(message, what)
          .to.contain(path)
          .and.to.match(/byte \d+|does not add up/);
        expect(file.name, message).to.match(/\.(log|snapshot)$/);
      }
    }
    const kinds = [".log", ".positions", "durable", ".snapshot", "index.db", ".tree"];
    for (const kind of kinds)
      expect(
        [...seen].some((name) => name.includes(kind)),
        `${kind} of ${[...seen].join()}`,
      ).to.equal(true);
  });
});
