import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { Payers, WatchedChain } from "../helpers/watchedChain.ts";
import { ether, ownerOf, type ServedChain } from "../helpers/servedChain.ts";

const RESERVE = 1_000_000_000;
/** Longer than a look at the disk counts. */
const SEEN_MS = 600;

describe("the watcher's chain, when its disk fills", function () {
  this.timeout(60_000);
  let watched: WatchedChain;
  let served: ServedChain;
  let payers: Payers;
  let free: number;
  beforeEach(async () => {
    free = 2 * RESERVE;
    watched = await WatchedChain.start({ reserveBytes: RESERVE, freeBytes: () => free });
    served = watched.served;
    payers = new Payers(served, 5);
  });
  afterEach(async () => {
    await watched.stop();
  });
  const stored = (folder: string): number =>
    readdirSync(join(watched.dataDir, folder)).reduce(
      (sum, name) => sum + statSync(join(watched.dataDir, folder, name)).size,
      0,
    );
  const setFree = async (bytes: number): Promise<void> => {
    free = bytes;
    await sleep(SEEN_MS);
  };

  it("keeps its reserve: nothing of the operator's is stored, which is nobody's fault but its own", async () => {
    payers.pay(10);
    served.sealAndCommit();
    await watched.look();
    const before = stored("blocks");
    await setFree(RESERVE - 1);
    payers.pay(10);
    // Streamed, committed, and what was ended behind it.
    expect((await watched.look()).room).to.match(/^999 MB are free .* 1000 MB stay reserved/);
    served.sealAndCommit();
    payers.pay(10);
    for (let i = 0; i < 3; i++) {
      const { breaches, missing, operator, more, room } = await watched.look();
      expect({ breaches, missing, more, problem: operator.problem }).to.deep.equal({
        ...{ breaches: [], missing: null, more: false, problem: null },
      });
      expect(room).to.be.a("string");
    }
    expect([watched.chain.height, stored("blocks"), stored("unjudged")]).to.deep.equal([1, before, 0]);
    // After a restart it is the same.
    await watched.reopen();
    expect((await watched.look()).room).to.be.a("string");
    expect(watched.chain.height).to.equal(1);
    await setFree(RESERVE);
    expect(await watched.look()).to.deep.include({ breaches: [], missing: null, room: null });
    expect(watched.chain.height).to.equal(2);
    expect(watched.chain.streamed).to.deep.equal({ blockNumber: 3, transactionCount: 10 });
  });

  it("behind an invalid block stores no more than its bound of what nobody judges", async () => {
    await watched.stop();
    watched = await WatchedChain.start({ limits: { unjudgedBytes: 20_000 } });
    served = watched.served;
    payers = new Payers(served, 6);
    const owner = ownerOf(7);
    served.pay([served.deposit(owner, 5n)], [ether(owner, 6n)], [owner]);
    served.sealAndCommit();
    for (let i = 0; i < 12; i++) {
      payers.pay(20);
      served.sealAndCommit();
    }
    const { breaches, room } = await watched.look();
    expect(breaches[0]).to.include({ name: "invalidBlock", blockNumber: 1 });
    expect(room).to.match(/blocks that nobody can judge/);
    const bytes = stored("unjudged");
    // Up to the end of the block with which it was reached.
    expect(bytes).to.be.within(20_000, 32_000);
    // The first ones are there: what stands nearest behind the bad block is of those who could not know of it.
    const numbers = readdirSync(join(watched.dataDir, "unjudged")).map((name) => Number(name.split(".")[0]));
    expect(Math.min(...numbers)).to.be.at.most(2);
    expect(Math.max(...numbers)).to.be.below(13);
    expect((await watched.look()).room).to.be.a("string");
    expect(stored("unjudged")).to.equal(bytes);
    // What is there stays of use after a restart.
    await watched.reopen();
    await watched.look();
    expect(stored("unjudged")).to.equal(bytes);
    const { transactionIndex, blockNumber } = { transactionIndex: 0, blockNumber: Math.max(...numbers) };
    expect((await watched.chain.proofOf({ transactionIndex, blockNumber })).header.number).to.equal(blockNumber);
  });
});
