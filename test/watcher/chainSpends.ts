import { mkdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { MerkleTree as ReferenceTree } from "merkletreejs";
import { fromHex, toHex } from "@plasma-billing/protocol/hex.ts";
import { keccak256 } from "@plasma-billing/protocol/keccak.ts";
import { verifyProof } from "@plasma-billing/protocol/merkle.ts";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { ether, ownerOf, rootOf, sign, type Owner, type Served, type ServedChain } from "../helpers/servedChain.ts";
import { Payers, WatchedChain } from "../helpers/watchedChain.ts";

const [alice, bob] = [ownerOf(1), ownerOf(2)];

describe("the watcher's chain, spends and proofs", function () {
  this.timeout(60_000);
  let watched: WatchedChain;
  let served: ServedChain;
  let payers: Payers;
  beforeEach(async () => {
    watched = await WatchedChain.start();
    served = watched.served;
    payers = new Payers(served, 21);
  });
  afterEach(async () => {
    await watched.stop();
  });

  const spends = (id: OutputId): unknown[] => {
    return watched.chain
      .spendsOf(id)
      .map(({ hash, place, signer }) => [
        hash,
        place === null ? null : [place.blockNumber, place.transactionIndex],
        signer,
      ]);
  };

  it("finds spends in history, in the open block, as they come, and none of what is live", async () => {
    const id = served.deposit(alice, 5n);
    const first = served.pay([id], [ether(alice, 5n)], [alice]);
    payers.pay(30);
    served.sealAndCommit();
    const second = served.pay([first.id(0)], [ether(bob, 5n)], [alice]);
    payers.pay(30);
    await watched.look();
    await watched.chain.watch(ownedBy(alice, id, first.id(0)));
    await watched.chain.watch(ownedBy(bob, second.id(0)));
    expect(spends(id)).to.deep.equal([[first.hash, [1, 0], alice.address]]);
    expect(spends(first.id(0))).to.deep.equal([[second.hash, [2, 0], alice.address]]);
    expect(spends(second.id(0))).to.deep.equal([]);
    expect(watched.chain.spendsOf(id)[0]!.transaction).to.deep.equal(first.transaction);
    const third = served.pay([second.id(0)], [ether(bob, 5n)], [bob]);
    await watched.look();
    expect(spends(second.id(0))).to.deep.equal([[third.hash, [2, 60 - 30 + 1], bob.address]]);
    await watched.reopen();
    expect(spends(id)).to.deep.equal([]);
    await watched.look();
    await watched.chain.watch(new Map([...ownedBy(bob, second.id(0)), ...ownedBy(alice, id)]));
    expect(spends(second.id(0))).to.deep.equal([[third.hash, [2, 31], bob.address]]);
    expect(spends(id)).to.deep.equal([[first.hash, [1, 0], alice.address]]);
  });

  for (const before of [null, alice.address]) {
    const whose = before === null ? "the owner not known" : "the owner known";
    it(`worthless spends in data that nobody judged hide none that the owner signed, ${whose} as it comes`, async () => {
      const id = served.deposit(alice, 100n);
      payers.pay(2);
      served.sealAndCommit();
      await watched.look();
      served.pay([served.deposit(bob, 1n)], [ether(bob, 2n)], [bob]);
      // Signed by nobody.
      served.open.push(sign([id], [ether(bob, 50n)], [], { signatures: [`0x${"00".repeat(65)}`] }));
      for (let i = 1; i <= 80; i++) {
        served.pay([id], [ether(bob, BigInt(i)), ether(bob, 100n - BigInt(i))], [ownerOf(100 + i)]);
      }
      const signed = served.pay([id], [ether(bob, 100n)], [alice]);
      served.sealAndCommit();
      const expected = [[signed.hash, [2, 82], alice.address]];
      await watched.chain.watch(new Map([[id, before]]));
      expect((await watched.look()).breaches[0]).to.deep.include({ name: "invalidBlock", rule: "UNBALANCED" });
      expect(spends(id)).to.deep.equal(before === null ? [] : expected);
      await watched.chain.watch(ownedBy(alice, id));
      expect(spends(id)).to.deep.equal(expected);
      await watched.chain.watch(new Map([[id, null]]));
      expect(spends(id)).to.deep.equal(expected);
      await watched.reopen();
      await watched.chain.watch(ownedBy(alice, id));
      await watched.look();
      expect(spends(id)).to.deep.equal(expected);
    });
  }

  it("a search that failed is made again for the owner it was asked with, whoever asks next", async () => {
    const id = served.deposit(alice, 5n);
    served.pay([served.deposit(bob, 1n)], [ether(bob, 2n)], [bob]);
    const signed = served.pay([id], [ether(bob, 5n)], [alice]);
    served.sealAndCommit();
    await watched.look();
    await watched.reopen();
    await watched.look();
    // Not to be read, as on a disk that fails.
    const unreadable = ["9.index", "9.payments"].map((name) => join(watched.dataDir, "unjudged", name));
    for (const path of unreadable) await mkdir(path);
    const failed = await watched.chain.watch(ownedBy(alice, id)).catch((error: unknown) => String(error));
    expect(failed).to.contain("EISDIR");
    for (const path of unreadable) await rmdir(path);
    await watched.chain.watch(new Map([[id, null]]));
    await watched.chain.watch(ownedBy(alice, id));
    expect(spends(id)).to.deep.equal([[signed.hash, [1, 1], alice.address]]);
  });

  it("whoever asks for an output that is being looked for waits until it was", async () => {
    const id = served.deposit(alice, 5n);
    const payment = served.pay([id], [ether(bob, 5n)], [alice]);
    served.sealAndCommit();
    await watched.look();
    const first = watched.chain.watch(ownedBy(alice, id));
    await watched.chain.watch(ownedBy(alice, id));
    expect(spends(id)).to.deep.equal([[payment.hash, [1, 0], alice.address]]);
    await first;
  });

  it("of what Ethereum contradicts, refuses or cannot be judged: without a place, unless it is provable", async () => {
    const [one, two, three, four] = [1n, 2n, 3n, 4n].map((amount) => served.deposit(alice, amount));
    const streamed = served.pay([one!], [ether(bob, 1n)], [alice]);
    await watched.look();
    await watched.chain.watch(ownedBy(alice, one!));
    expect(spends(one!)).to.deep.equal([[streamed.hash, [1, 0], alice.address]]);
    const instead = sign([one!], [ether(alice, 1n)], [alice]);
    served.blocks[1] = [instead];
    served.sealAndCommit();
    await watched.look();
    expect(spends(one!)).to.deep.equal([
      [streamed.hash, null, alice.address],
      [instead.hash, [1, 0], alice.address],
    ]);
    // An invalid block, and what is behind it: included, though not valid.
    const invalid = served.pay([two!], [ether(bob, 20n)], [alice]);
    served.sealAndCommit();
    const behind = served.pay([three!], [ether(bob, 3n)], [alice]);
    served.sealAndCommit();
    served.pay([four!], [ether(bob, 4n)], [bob]);
    served.seal();
    served.commit({ transactionsRoot: `0x${"ab".repeat(32)}` });
    expect((await watched.look()).breaches.map(({ name }) => name)).to.deep.equal([
      "reordered",
      "invalidBlock",
      "unknownRoot",
    ]);
    for (const again of [false, true]) {
      if (again) {
        await watched.reopen();
        await watched.look();
      }
      await watched.chain.watch(ownedBy(alice, one!, two!, three!, four!));
      expect(spends(one!)).to.have.deep.members([
        [streamed.hash, null, alice.address],
        [instead.hash, [1, 0], alice.address],
      ]);
      expect(spends(two!)).to.deep.equal([[invalid.hash, [2, 0], alice.address]]);
      expect(spends(three!)).to.deep.equal([[behind.hash, [3, 0], alice.address]]);
      // Signed by somebody else it is no spend.
      expect(spends(four!)).to.deep.equal([]);
    }
    const place = { blockNumber: 3, transactionIndex: 0 };
    expect((await watched.chain.payment(place)).hash).to.equal(behind.hash);
    const proof = await watched.chain.proofOf(place);
    expect(verifyProof(rootOf([behind]), behind.hash, 0, 1, proof.siblings)).to.equal(true);
  });

  it("proofs are those of merkletreejs, for every payment of blocks of all sizes", async () => {
    const sizes = [1, 2, 3, 7, 8, 33, 300];
    for (const size of sizes) {
      payers.pay(size);
      served.sealAndCommit();
    }
    await watched.look();
    for (const [i, size] of sizes.entries()) {
      const block = served.blocks[i + 1]!;
      const leaves = block.map(({ hash }) => Buffer.from(fromHex(hash)));
      const width = 2 ** Math.ceil(Math.log2(size));
      const padded = [...leaves, ...Array.from({ length: width - size }, () => Buffer.alloc(32))];
      const reference = new ReferenceTree(padded, (bytes: Buffer) => Buffer.from(keccak256(bytes)));
      for (let index = 0; index < size; index += size > 100 ? 37 : 1) {
        const { header, ...proof } = await watched.chain.proofOf({ blockNumber: i + 1, transactionIndex: index });
        expect(header).to.deep.equal({ ...served.committed[i]! });
        expect(toHex(reference.getRoot())).to.equal(header.transactionsRoot);
        const expected = size === 1 ? [] : reference.getProof(leaves[index]!, index).map(({ data }) => toHex(data));
        expect(proof).to.deep.equal({ index, siblings: expected });
        expect(verifyProof(header.transactionsRoot, block[index]!.hash, index, size, proof.siblings)).to.equal(true);
      }
    }
  });

  it("says where there is no payment, or no proof", async () => {
    payers.pay(2);
    served.sealAndCommit();
    payers.pay(2);
    await watched.look();
    const failure = async (promise: Promise<unknown>): Promise<string> =>
      await promise.then(
        () => "none",
        (error: unknown) => (error as Error).message,
      );
    const at = (blockNumber: number, transactionIndex: number): { blockNumber: number; transactionIndex: number } => ({
      ...{ blockNumber, transactionIndex },
    });
    expect(await failure(watched.chain.payment(at(1, 2)))).to.equal("block 1, payment 2: of 2");
    expect(await failure(watched.chain.payment(at(3, 0)))).to.equal("block 3, payment 0: the block is not here");
    expect((await watched.chain.payment(at(2, 1))).hash).to.equal((served.open[1] as Served).hash);
    expect(await failure(watched.chain.proofOf(at(2, 0)))).to.match(/not on Ethereum/);
    expect(await failure(watched.chain.proofOf(at(1, 2)))).to.match(/of 2$/);
  });
});

function ownedBy(owner: Owner, ...ids: OutputId[]): Map<OutputId, Address> {
  return new Map(ids.map((id) => [id, owner.address]));
}
