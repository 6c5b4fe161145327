import { expect } from "chai";
import { keccak256 as ethersKeccak } from "ethers";
import fc from "fast-check";
import { MerkleTree as OracleTree } from "merkletreejs";
import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { MerkleTree, merkleDepth, verifyProof } from "@plasma-billing/protocol/merkle.ts";
import { bytes32 } from "../helpers/protocol.ts";

const ZERO = Buffer.alloc(32);

/** merkletreejs, over the leaves padded with zeros. */
function oracle(leaves: Hex[]): OracleTree {
  const size = 2 ** Math.ceil(Math.log2(leaves.length));
  const padded = [...leaves.map((leaf) => Buffer.from(leaf.slice(2), "hex"))];
  while (padded.length < size) padded.push(ZERO);
  return new OracleTree(padded, (bytes: Buffer) => Buffer.from(ethersKeccak(bytes).slice(2), "hex"));
}
const leaf = (i: number): Hex => ethersKeccak(new Uint8Array([i & 255, i >> 8])) as Hex;
function treeOf(leaves: readonly Hex[]): MerkleTree {
  const tree = new MerkleTree();
  for (const one of leaves) tree.append(one);
  return tree;
}

describe("protocol: the tree of a block", () => {
  it("has merkletreejs' root after every leaf, and its proofs", () => {
    const tree = new MerkleTree();
    const leaves: Hex[] = [];
    for (let count = 1; count <= 130; count++) {
      leaves.push(leaf(count));
      tree.append(leaf(count));
      const expected = oracle(leaves);
      expect(tree.count).to.equal(count);
      expect(tree.root()).to.equal(expected.getHexRoot());
      const index = (count * 7) % count;
      for (const at of [0, index, count - 1]) {
        const siblings = expected.getHexProof(Buffer.from(leaves[at]!.slice(2), "hex"), at);
        expect(tree.proof(at)).to.deep.equal(siblings);
      }
    }
  });

  it("INV-9: a proof verifies at its index and at no other, with its count, length, leaf and root only", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(bytes32, { minLength: 1, maxLength: 40 }),
        fc.nat(),
        fc.nat(100),
        (leaves, pick, other) => {
          const tree = treeOf(leaves);
          const index = pick % leaves.length;
          const siblings = tree.proof(index);
          const root = tree.root();
          const count = leaves.length;
          expect(verifyProof(root, leaves[index]!, index, count, siblings)).to.equal(true);
          if (other !== index) expect(verifyProof(root, leaves[index]!, other, count, siblings)).to.equal(false);
          expect(verifyProof(root, leaves[index]!, index + 2 ** siblings.length, count, siblings)).to.equal(false);
          expect(verifyProof(root, leaves[index]!, index, count, [...siblings, root])).to.equal(false);
          if (siblings.length > 0) {
            expect(verifyProof(root, leaves[index]!, index, count, siblings.slice(0, -1))).to.equal(false);
            expect(verifyProof(root, leaves[index]!, index, count, [...siblings].reverse())).to.equal(
              siblings.length === 1 || [...siblings].reverse().join() === siblings.join(),
            );
          }
          expect(verifyProof(leaves[index]!, leaves[index]!, index, count, siblings)).to.equal(count === 1);
        },
      ),
    );
  });

  it("a padding leaf has no proof, and fractions and negatives are no index", () => {
    const tree = treeOf([leaf(1), leaf(2), leaf(3)]);
    const zero: Hex = `0x${"00".repeat(32)}`;
    const siblings = [leaf(3), tree.proof(0)[1] as Hex];
    for (const index of [3, -1, 0.5, NaN]) expect(verifyProof(tree.root(), zero, index, 3, siblings)).to.equal(false);
    for (const index of [3, -1, 0.5, NaN]) expect(() => tree.proof(index)).to.throw(InvariantError);
    expect(() => new MerkleTree().root()).to.throw(InvariantError);
  });

  it("depth is ceil(log2(count))", () => {
    const known = { 1: 0, 2: 1, 3: 2, 4: 2, 5: 3, 8: 3, 9: 4, 65_536: 16, 65_537: 17, 4_194_304: 22 };
    for (const [count, depth] of Object.entries(known)) expect(merkleDepth(Number(count))).to.equal(depth);
  });
});
