import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import { Random } from "../adversary/random.ts";
import { ether, ownerOf, type ServedChain } from "../helpers/servedChain.ts";
import { Payers, WatchedChain } from "../helpers/watchedChain.ts";

const [alice, bob] = [ownerOf(1), ownerOf(2)];
/** Restarts, each of a second or less. */
const ROUNDS = 12;

describe("the watcher's chain, restarts and reorganisations", function () {
  this.timeout(120_000);
  let watched: WatchedChain;
  let served: ServedChain;
  let payers: Payers;
  beforeEach(async () => {
    watched = await WatchedChain.start({ snapshotPayments: 50 });
    served = watched.served;
    payers = new Payers(served, 11);
  });
  afterEach(async () => {
    await watched.stop();
  });

  interface State {
    height: number;
    payments: number;
    hash: string;
    outputs: number;
  }
  const state = (): State => {
    const { height, verifiedPayments, outputs } = watched.chain;
    return { height, payments: verifiedPayments, hash: watched.chain.stateHash(), outputs: outputs.count };
  };
  const files = (folder: string): string[] => readdirSync(join(watched.dataDir, folder)).toSorted();

  async function history(blocks: number): Promise<void> {
    for (let i = 0; i < blocks; i++) {
      payers.pay(30);
      await watched.look();
      payers.pay(10);
      served.sealAndCommit();
      await watched.look();
      await watched.chain.settled();
    }
    payers.pay(12);
    await watched.look();
  }

  it("goes on where it was, without loading or verifying anything again", async () => {
    await history(5);
    const before = state();
    expect(files("snapshots").length).to.be.within(2, 3);
    served.requests.length = 0;
    await watched.reopen();
    expect(watched.chain.verifiedPayments).to.equal(before.payments);
    expect(await watched.look()).to.deep.include({ breaches: [], missing: null });
    expect(state()).to.deep.equal(before);
    expect(served.requests).to.deep.equal(["6 12", "7 4194304"]);
  });

  it("killed anywhere: files cut or damaged anywhere end in the same state, and in no breach", async () => {
    await history(5);
    const before = state();
    const random = new Random(77);
    for (let round = 0; round < ROUNDS; round++) {
      await watched.chain.close();
      const harmed = random.chance(0.5) ? cutSomething(random) : damageSomething(random);
      await watched.open();
      const result = await watched.look();
      expect(result, harmed).to.deep.include({ breaches: [], missing: null });
      expect(state(), harmed).to.deep.equal(before);
      // Every payment can be read, or is loaded again and can be read then.
      for (const [number, block] of served.blocks.entries()) {
        for (const [index, { hash }] of block.entries()) {
          if (index % 7 !== round % 7) continue;
          const place = { blockNumber: number, transactionIndex: index };
          const payment = await watched.chain.payment(place).catch(() => null);
          if (payment === null) await watched.look();
          expect((payment ?? (await watched.chain.payment(place))).hash, harmed).to.equal(hash);
        }
      }
    }
  });

  function anyFile(random: Random): string {
    const paths = ["blocks", "snapshots", "."].flatMap((folder) => files(folder).map((name) => join(folder, name)));
    return join(watched.dataDir, random.pick(paths.filter((path) => /\.(index|payments|snapshot|log)$/.test(path)))!);
  }

  function cutSomething(random: Random): string {
    const path = anyFile(random);
    const length = random.between(0, Math.max(0, statSync(path).size - 1));
    if (random.chance(0.2)) rmSync(path);
    else truncateSync(path, length);
    return `${path} cut to ${length}`;
  }

  function damageSomething(random: Random): string {
    const path = anyFile(random);
    const bytes = readFileSync(path);
    if (bytes.length === 0) return `${path} empty`;
    const at = random.between(0, bytes.length - 1);
    bytes[at] = (bytes[at] as number) ^ (1 << random.between(0, 7));
    writeFileSync(path, bytes);
    return `${path} bit at ${at}`;
  }

  it("without room on the disk a step says so, and the next one with room goes on: nothing is lost or told wrongly", async () => {
    payers.pay(20);
    await watched.look();
    // To a write, a limit of the file's size is a disk without room; it is this process's, and lifted at once.
    const limitFiles = (bytes: number | "unlimited"): void => {
      const { status, stderr } = spawnSync("prlimit", ["--pid", String(process.pid), `--fsize=${bytes}:`]);
      if (status !== 0) throw new Error(`prlimit: ${stderr.toString()}`);
    };
    const path = join(watched.dataDir, "blocks", "1.payments");
    const before = statSync(path).size;
    payers.pay(20);
    served.sealAndCommit();
    const failures: unknown[] = [];
    limitFiles(before + 1000);
    try {
      for (let i = 0; i < 3; i++) await watched.look().catch((error: unknown) => failures.push(error));
    } finally {
      limitFiles("unlimited");
    }
    expect(failures.map((error) => (error as NodeJS.ErrnoException).code)).to.deep.equal(["EFBIG", "EFBIG", "EFBIG"]);
    expect(watched.chain.height).to.equal(0);
    expect(await watched.look()).to.deep.include({ breaches: [], missing: null });
    const whole = state();
    expect(whole).to.include({ height: 1, payments: 40 });
    await watched.reopen();
    await watched.look();
    expect(state()).to.deep.equal(whole);
  });

  it("a commit that is taken back, lands again, or is replaced by another", async () => {
    await history(3);
    const whole = state();
    const [, , third] = served.committed;
    served.committed.pop();
    expect(await watched.look()).to.deep.include({ breaches: [], missing: null });
    expect(watched.chain.height).to.equal(2);
    expect(state().hash).to.equal(whole.hash);
    expect((await watched.look()).openSince).to.be.a("number");
    served.committed.push({ ...third!, timestamp: third!.timestamp + 12 });
    await watched.look();
    expect(state()).to.deep.equal(whole);
    const proof = await watched.chain.proofOf({ blockNumber: 3, transactionIndex: 0 });
    expect(proof.header.timestamp).to.equal(third!.timestamp + 12);

    // Another third block, of other payments by the same owners: what was verified is taken back.
    served.committed.pop();
    const old = served.blocks.splice(3);
    served.blocks.push([]);
    const deposit = served.deposit(alice, 5n);
    const other = served.pay([deposit], [ether(bob, 5n)], [alice]);
    served.sealAndCommit();
    const { breaches } = await watched.look();
    expect(breaches).to.deep.equal([
      {
        ...{ name: "reordered", blockNumber: 3, transactionIndex: 0 },
        ...{ streamed: old[0]![0]!.hash, committed: other.hash },
      },
    ]);
    expect(watched.chain.height).to.equal(3);
    expect(watched.chain.output(other.id(0))).to.include({ owner: bob.address, blockNumber: 3 });
    const second = served.blocks[2]!.at(-1)!;
    for (const id of second.transaction.inputs) expect(watched.chain.output(id)).to.equal(undefined);
    expect(files("refused")).to.deep.equal(["3-1.index", "3-1.payments", "4-1.index", "4-1.payments"]);
  });

  it("an invalid block that Ethereum takes back is none", async () => {
    await history(1);
    const bad = payers.pay(1)[0]!;
    const bytes = Uint8Array.from(bad.bytes, (byte, i) => byte ^ Number(i === bad.bytes.length - 5));
    served.open.splice(-1, 1, { ...bad, bytes });
    served.sealAndCommit();
    expect((await watched.look()).breaches)
      .to.have.length(1)
      .and.nested.property("[0].rule", "BAD_SIGNATURE");
    served.committed.pop();
    // It is still what the operator streams.
    expect((await watched.look()).breaches).to.have.length(1);
    served.blocks[2]!.pop();
    served.commit();
    expect((await watched.look()).breaches).to.deep.equal([]);
    expect(watched.chain.height).to.equal(2);
  });

  it("up to a trusted height signatures are not looked at, and everything else is", async () => {
    await watched.stop();
    watched = await WatchedChain.start({ trustedHeight: 1, snapshotPayments: 50 });
    served = watched.served;
    const [first, second] = [served.deposit(alice, 5n), served.deposit(alice, 5n)];
    served.pay([first], [ether(bob, 5n)], [bob]);
    served.sealAndCommit();
    const bad = served.pay([second], [ether(bob, 5n)], [bob]);
    served.sealAndCommit();
    const { breaches } = await watched.look();
    expect(watched.chain.height).to.equal(1);
    expect(breaches).to.have.length(1).and.to.have.nested.property("[0].hash", bad.hash);
    await watched.stop();

    watched = await WatchedChain.start({ trustedHeight: 5 });
    served = watched.served;
    const unbalanced = served.pay([served.deposit(alice, 5n)], [ether(bob, 6n)], [alice]);
    served.sealAndCommit();
    const told = (await watched.look()).breaches[0];
    expect(told).to.deep.include({ name: "invalidBlock", rule: "UNBALANCED", hash: unbalanced.hash });
  });

  it("tells of payments of the guarded as they come, and again after a restart or for one who is new", async () => {
    await watched.stop();
    watched = await WatchedChain.start({ guarded: new Set([alice.address]), snapshotPayments: 2 });
    served = watched.served;
    const carol = ownerOf(9);
    const deposit = served.deposit(alice, 9n);
    const [away, unconcerned] = [
      served.pay([deposit], [ether(bob, 4n), ether(alice, 5n)], [alice]),
      served.pay([served.deposit(carol, 3n)], [ether(bob, 3n)], [carol]),
    ];
    const back = served.pay([away.id(0)], [ether(alice, 4n)], [bob]);
    await watched.look();
    const told = (): unknown[] =>
      watched.told
        .splice(0)
        .map(({ hash, place, inputs }) => [
          ...[hash, place?.blockNumber, place?.transactionIndex],
          ...inputs.map(({ id, owner, amount, depositId, blockNumber }) => [id, owner, amount, depositId, blockNumber]),
        ]);
    const both = [
      [away.hash, 1, 0, [deposit, alice.address, 9n, 1n, null]],
      [back.hash, 1, 2, [away.id(0), bob.address, 4n, null, 1]],
    ];
    expect(told()).to.deep.equal(both);
    await watched.reopen();
    expect(told()).to.deep.equal(both);
    served.seal();
    served.pay([away.id(1)], [ether(carol, 5n)], [alice]);
    await watched.look();
    await watched.chain.settled();
    expect(told().map((row) => (row as unknown[])[0])).to.deep.equal([served.open[0]!.hash]);
    // What is in a snapshot was told, and is not kept to be told again.
    await watched.reopen();
    expect(told().map((row) => (row as unknown[])[0])).to.deep.equal([served.open[0]!.hash]);
    served.commit();
    await watched.look();
    expect(told()).to.deep.equal([]);
    watched.options.guarded = new Set([alice.address, carol.address]);
    await watched.reopen();
    expect(watched.told.map(({ hash }) => hash)).to.deep.equal(
      [away, unconcerned, back, served.open[0]!].map(({ hash }) => hash),
    );
  });

  it("blocks are read ahead of Ethereum up to a bound", async () => {
    await watched.stop();
    watched = await WatchedChain.start({ limits: { blocksAhead: 3 } });
    served = watched.served;
    payers = new Payers(served, 2);
    for (let i = 0; i < 6; i++) {
      payers.pay(3);
      served.seal();
    }
    const { operator, breaches } = await watched.look();
    expect(breaches).to.deep.equal([]);
    expect(operator.problem).to.equal("3 blocks are ahead of Ethereum: no more is read");
    expect(watched.chain.verifiedPayments).to.equal(9);
    for (let i = 0; i < 6; i++) served.commit();
    expect((await watched.look()).operator.problem).to.equal(null);
    expect(watched.chain.height).to.equal(6);
    const ids: OutputId[] = [...payers.live.keys()];
    for (const id of ids) expect(watched.chain.output(id)?.id).to.equal(id);
  });

  it("tells of payments to the guarded behind an invalid one, if they could leave in flight", async () => {
    await watched.stop();
    const [dave, erin] = [ownerOf(8), ownerOf(9)];
    watched = await WatchedChain.start({ guarded: new Set([dave.address]) });
    served = watched.served;
    const [good, twice, another, forged, fourth] = [5n, 6n, 7n, 8n, 9n].map((amount) => served.deposit(alice, amount));
    const before = served.pay([good!], [ether(bob, 5n)], [alice]);
    served.sealAndCommit();
    await watched.look();
    // Nothing is streamed: what is bad comes with its commit.
    served.pay([another!], [ether(bob, 8n)], [alice]);
    const honest = served.pay([before.id(0)], [ether(dave, 5n)], [bob]);
    served.pay([honest.id(0)], [ether(dave, 5n)], [dave]);
    served.pay([forged!], [ether(dave, 8n)], [erin]);
    served.pay([twice!], [ether(dave, 60n)], [alice]);
    served.sealAndCommit();
    const later = served.pay([fourth!], [ether(erin, 4n), ether(dave, 5n)], [alice]);
    served.sealAndCommit();
    const { breaches } = await watched.look();
    expect(breaches[0]).to.deep.include({ name: "invalidBlock", blockNumber: 2, rule: "UNBALANCED" });
    expect(watched.told.map(({ hash, place }) => ({ hash, place }))).to.deep.equal(
      [honest, later].map(({ hash }) => ({ hash, place: null })),
    );
    expect(watched.told[0]!.inputs[0]).to.include({ id: before.id(0), owner: bob.address, blockNumber: 1 });
  });

  it("makes no snapshot behind which what was told of the guarded would be lost", async () => {
    await watched.stop();
    let isKept = false;
    watched = await WatchedChain.start({
      ...{ guarded: new Set([alice.address]), snapshotPayments: 1, isKept: () => isKept },
    });
    served = watched.served;
    const pay = async (): Promise<string> => {
      const { hash } = served.pay([served.deposit(alice, 9n)], [ether(bob, 9n)], [alice]);
      served.sealAndCommit();
      await watched.look();
      await watched.chain.settled();
      watched.told.length = 0;
      await watched.reopen();
      return hash;
    };
    const first = await pay();
    expect(watched.told.map(({ hash }) => hash)).to.deep.equal([first]);
    isKept = true;
    await pay();
    expect(watched.told.map(({ hash }) => hash)).to.not.include(first);
  });
});
