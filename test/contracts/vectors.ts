import { readFileSync } from "node:fs";
import { expect } from "chai";
import { network } from "hardhat";
import { naiveTree } from "../helpers/game.ts";

const vectors = JSON.parse(readFileSync(new URL("../vectors/protocol.json", import.meta.url), "utf8"));

describe("the Solidity libraries give the vectors' hashes, roots and proofs (INV-9, INV-10)", () => {
  let harness: any;
  before(async () => {
    const { ethers } = await network.create();
    harness = await ethers.deployContract("ProtocolHarness");
  });

  it("transactions: hash and output ids", async () => {
    expect(vectors.transactions).to.have.length.above(5);
    for (const { transaction, structHash, transactionHash, outputIds } of vectors.transactions) {
      expect(await harness.transactionStructHash(transaction)).to.equal(structHash);
      expect(await harness.digest(vectors.domainSeparator, structHash)).to.equal(transactionHash);
      for (const [index, id] of outputIds.entries()) {
        expect(await harness["outputId"](transactionHash, index)).to.equal(id);
      }
    }
  });

  it("deposits: hash and output id", async () => {
    for (const { deposit, depositHash, outputId } of vectors.deposits) {
      const structHash = await harness.depositStructHash(deposit);
      expect(await harness.digest(vectors.domainSeparator, structHash)).to.equal(depositHash);
      expect(await harness["outputId"](depositHash, 0)).to.equal(outputId);
    }
  });

  it("blocks: header hash, and each proof at its index and no other", async () => {
    for (const { header, blockHash, proofs } of vectors.blocks) {
      expect(await harness.blockHash(header)).to.equal(blockHash);
      const { transactionsRoot: root, transactionCount: count } = header;
      for (const { index, leaf, siblings } of proofs) {
        expect(await harness.verifyProof(root, leaf, index, count, siblings)).to.equal(true);
        for (let other = 0; other < Math.min(count + 2, 12); other++) {
          if (other === index) continue;
          expect(await harness.verifyProof(root, leaf, other, count, siblings)).to.equal(false);
        }
        expect(await harness.verifyProof(root, leaf, index + 2 ** siblings.length, count, siblings)).to.equal(false);
        expect(await harness.verifyProof(root, leaf, index, count, [...siblings, root])).to.equal(false);
        if (siblings.length > 0) {
          expect(await harness.verifyProof(root, leaf, index, count, siblings.slice(1))).to.equal(false);
          expect(await harness.verifyProof(root, leaf, index, 1, siblings)).to.equal(false);
        }
      }
    }
  });

  it("a padding leaf is nobody's: no proof at an index from the count on", async () => {
    const leaves = ["11", "22", "33"].map((byte) => `0x${byte.repeat(32)}`);
    const tree = naiveTree(leaves);
    const zero = `0x${"00".repeat(32)}`;
    expect(await harness.verifyProof(tree.root, leaves[2], 2, 3, tree.proof(2))).to.equal(true);
    expect(await harness.verifyProof(tree.root, zero, 3, 3, tree.proof(3))).to.equal(false);
  });
});
