import { expect } from "chai";
import { TypedDataEncoder } from "ethers";
import fc from "fast-check";
import { network } from "hardhat";
import { blockHash } from "@plasma-billing/protocol/header.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { MerkleTree, verifyProof } from "@plasma-billing/protocol/merkle.ts";
import {
  PURPOSES,
  depositHash,
  outputId,
  transactionHash,
  type Purpose,
} from "@plasma-billing/protocol/transaction.ts";
import { domainSeparator, type Domain } from "@plasma-billing/protocol/typedData.ts";
import { DEPOSIT_TYPES, TRANSACTION_TYPES, outputIdOf } from "../helpers/chain.ts";
import { naiveTree } from "../helpers/game.ts";

const RUNS = { numRuns: 40 };

const hex = (bytes: number): fc.Arbitrary<Hex> =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((value) => `0x${Buffer.from(value).toString("hex")}` as const);
const amount = fc.oneof(fc.bigInt(0n, 2n ** 256n - 1n), fc.constantFrom(0n, 1n, 2n ** 255n, 2n ** 256n - 1n));
const output = fc.record({ owner: hex(20), token: hex(20), amount });
const purposes = Object.keys(PURPOSES) as Purpose[];
const transaction = fc.record({
  purpose: fc.constantFrom(...purposes),
  inputs: fc.array(hex(32), { minLength: 1, maxLength: 16 }),
  outputs: fc.array(output, { minLength: 1, maxLength: 16 }),
  fileHash: hex(32),
});
const uint64 = fc.bigInt(0n, 2n ** 64n - 1n);
const domain: Domain = { chainId: 31337n, verifyingContract: `0x${"b1".repeat(20)}` as const };
const ethersDomain = { name: "Plasma Billing", version: "1", ...domain };
const separator = domainSeparator(domain);

describe("TypeScript, Solidity and ethers agree on whatever they are given (INV-9, INV-10)", () => {
  let harness: any;
  before(async () => {
    const { ethers } = await network.create();
    harness = await ethers.deployContract("ProtocolHarness");
  });

  it("INV-10: hash and output ids of a transaction", async () => {
    await fc.assert(
      fc.asyncProperty(transaction, fc.nat({ max: 15 }), async (value, index) => {
        const solidity = { ...value, purpose: PURPOSES[value.purpose] };
        const hash = transactionHash(separator, value);
        expect(TypedDataEncoder.hash(ethersDomain, TRANSACTION_TYPES, solidity)).to.equal(hash);
        const structHash = await harness.transactionStructHash(solidity);
        expect(await harness.digest(separator, structHash)).to.equal(hash);
        const id = outputId(hash, index);
        expect(outputIdOf(hash, index)).to.equal(id);
        expect(await harness["outputId"](hash, index)).to.equal(id);
      }),
      RUNS,
    );
  });

  it("INV-10: hash of a deposit", async () => {
    await fc.assert(
      fc.asyncProperty(fc.record({ id: uint64, owner: hex(20), token: hex(20), amount }), async (deposit) => {
        const hash = depositHash(separator, deposit);
        expect(TypedDataEncoder.hash(ethersDomain, DEPOSIT_TYPES, deposit)).to.equal(hash);
        expect(await harness.digest(separator, await harness.depositStructHash(deposit))).to.equal(hash);
      }),
      RUNS,
    );
  });

  it("INV-10: hash of a header", async () => {
    const header = fc.record({
      number: fc.nat({ max: 2 ** 30 - 1 }),
      transactionsRoot: hex(32),
      transactionCount: fc.nat({ max: 2 ** 22 }),
      timestamp: fc.integer({ min: 0, max: 2 ** 34 - 1 }),
    });
    await fc.assert(
      fc.asyncProperty(header, async (value) => {
        expect(await harness.blockHash(value)).to.equal(blockHash(value));
      }),
      RUNS,
    );
  });

  it("INV-9, INV-10: root and proof of a tree; both verifiers accept and refuse the same", async () => {
    const tree = fc
      .uniqueArray(hex(32), { minLength: 1, maxLength: 40 })
      .chain((leaves) => fc.tuple(fc.constant(leaves), fc.nat({ max: leaves.length - 1 }), fc.nat({ max: 130 })));
    await fc.assert(
      fc.asyncProperty(tree, async ([leaves, index, other]) => {
        const ours = new MerkleTree();
        for (const leaf of leaves) ours.append(leaf);
        const naive = naiveTree(leaves);
        const root = ours.root();
        const siblings = ours.proof(index);
        expect(root).to.equal(naive.root);
        expect(siblings).to.deep.equal(naive.proof(index));
        for (const at of [index, other]) {
          const accepted = verifyProof(root, leaves[index]!, at, leaves.length, siblings);
          expect(accepted).to.equal(at === index);
          expect(await harness.verifyProof(root, leaves[index], at, leaves.length, siblings)).to.equal(accepted);
        }
      }),
      RUNS,
    );
  });
});
