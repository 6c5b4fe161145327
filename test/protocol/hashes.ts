import { readFileSync } from "node:fs";
import { expect } from "chai";
import { AbiCoder, TypedDataEncoder, keccak256 as ethersKeccak } from "ethers";
import fc from "fast-check";
import { blockHash } from "@plasma-billing/protocol/header.ts";
import { fromHex, toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { keccak256 } from "@plasma-billing/protocol/keccak.ts";
import {
  PURPOSES,
  depositHash,
  fileHashOf,
  outputId,
  transactionHash,
  transactionStructHash,
  type Purpose,
  type Transaction,
} from "@plasma-billing/protocol/transaction.ts";
import {
  TYPES,
  domainSeparator,
  exitAuthorizationDigest,
  fileOfferDigest,
  registrationDigest,
  storageQuoteDigest,
} from "@plasma-billing/protocol/typedData.ts";
import { DOMAIN, address, anyTransaction, bytes32, uint256, uint64 } from "../helpers/protocol.ts";

const vectors = JSON.parse(readFileSync(new URL("../vectors/protocol.json", import.meta.url), "utf8"));
const coder = AbiCoder.defaultAbiCoder();
const separator = domainSeparator(DOMAIN);
const domain = { name: "Plasma Billing", version: "1", ...DOMAIN };
const byNumber = Object.fromEntries(Object.entries(PURPOSES).map(([name, number]) => [number, name as Purpose]));

/** ethers' encoder, with only the types it is to use. */
function oracle(name: keyof typeof TYPES, value: object): string {
  const types =
    name === "Transaction" ? { Transaction: TYPES.Transaction, Output: TYPES.Output } : { [name]: TYPES[name] };
  return TypedDataEncoder.hash(domain, types as unknown as Record<string, { name: string; type: string }[]>, value);
}
const asBigints = (value: any): any =>
  Object.fromEntries(
    Object.entries(value).map(([key, field]) => [
      key,
      /^[0-9]+$/.test(String(field)) ? BigInt(field as string) : field,
    ]),
  );

describe("protocol: hashes are those of the vectors (INV-9, INV-10)", () => {
  it("domain separator", () => {
    const { chainId, verifyingContract } = vectors.domain;
    expect(domainSeparator({ chainId: BigInt(chainId), verifyingContract })).to.equal(vectors.domainSeparator);
  });

  it("transactions and their outputs", () => {
    expect(vectors.transactions).to.have.length.above(5);
    for (const vector of vectors.transactions) {
      const { purpose, inputs, outputs, fileHash } = vector.transaction;
      const transaction: Transaction = {
        purpose: byNumber[purpose]!,
        inputs,
        outputs: outputs.map((output: any) => ({ ...output, amount: BigInt(output.amount) })),
        fileHash,
      };
      expect(toHex(transactionStructHash(transaction))).to.equal(vector.structHash);
      expect(transactionHash(vectors.domainSeparator, transaction)).to.equal(vector.transactionHash);
      expect(outputs.map((_: unknown, i: number) => outputId(vector.transactionHash, i))).to.deep.equal(
        vector.outputIds,
      );
    }
  });

  it("deposits", () => {
    for (const { deposit, depositHash: hash, outputId: id } of vectors.deposits) {
      const { owner, token } = deposit;
      const ours = depositHash(vectors.domainSeparator, {
        id: BigInt(deposit.id),
        owner,
        token,
        amount: BigInt(deposit.amount),
      });
      expect(ours).to.equal(hash);
      expect(outputId(hash, 0)).to.equal(id);
    }
  });

  it("headers", () => {
    for (const { header, blockHash: hash } of vectors.blocks) {
      const { number, timestamp, ...rest } = header;
      expect(blockHash({ ...rest, number: Number(number), timestamp: Number(timestamp) })).to.equal(hash);
    }
  });

  it("authorizations, registrations, offers and quotes", () => {
    const digests: Record<string, (value: any) => Hex> = {
      ExitAuthorization: (value) => exitAuthorizationDigest(vectors.domainSeparator, asBigints(value)),
      Registration: (value) => registrationDigest(vectors.domainSeparator, asBigints(value)),
      FileOffer: (value) => fileOfferDigest(vectors.domainSeparator, { ...asBigints(value), fileId: value.fileId }),
      StorageQuote: (value) =>
        storageQuoteDigest(vectors.domainSeparator, { ...asBigints(value), fileId: value.fileId }),
    };
    for (const { type, value, digest } of vectors.other) expect(digests[type]!(value), type).to.equal(digest);
    expect(new Set(vectors.other.map((other: any) => other.type)).size).to.equal(4);
  });
});

describe("protocol: hashes are those of ethers' encoder", () => {
  it("any transaction", () => {
    fc.assert(
      fc.property(anyTransaction, (transaction) => {
        const value = { ...transaction, purpose: PURPOSES[transaction.purpose] };
        expect(transactionHash(separator, transaction)).to.equal(oracle("Transaction", value));
      }),
    );
  });

  it("any deposit, output id, header and authorization", () => {
    const deposit = fc.record({ id: uint64, owner: address, token: address, amount: uint256 });
    fc.assert(
      fc.property(deposit, fc.nat(2 ** 32), bytes32, (value, index, root) => {
        const hash = depositHash(separator, value);
        expect(hash).to.equal(oracle("Deposit", value));
        expect(outputId(hash, index)).to.equal(ethersKeccak(coder.encode(["bytes32", "uint256"], [hash, index])));
        const header = { number: index, transactionsRoot: root, transactionCount: index % 1000, timestamp: index };
        expect(blockHash(header)).to.equal(
          ethersKeccak(coder.encode(["uint64", "bytes32", "uint32", "uint64"], Object.values(header))),
        );
        const authorization = {
          owner: value.owner,
          outputId: root,
          blockNumber: value.id,
          bondOwner: value.token,
          deadline: value.id,
        };
        expect(exitAuthorizationDigest(separator, authorization)).to.equal(oracle("ExitAuthorization", authorization));
      }),
    );
  });

  it("keccak of any bytes, file ids in any script, hex of either case", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), fc.string({ unit: "grapheme" }), (bytes, text) => {
        expect(toHex(keccak256(bytes))).to.equal(ethersKeccak(bytes));
        expect(fileHashOf(text)).to.equal(ethersKeccak(new TextEncoder().encode(text)));
        const hex = toHex(bytes);
        expect(fromHex(hex)).to.deep.equal(bytes);
        expect(fromHex(`0x${hex.slice(2).toUpperCase()}`)).to.deep.equal(bytes);
      }),
    );
  });

  it("the domain of another chain, another contract, gives other hashes", () => {
    fc.assert(
      fc.property(anyTransaction, fc.bigInt({ min: 1n, max: 2n ** 64n }), address, (transaction, chainId, contract) => {
        const other = domainSeparator({ chainId, verifyingContract: contract });
        fc.pre(other !== separator);
        expect(transactionHash(other, transaction)).to.not.equal(transactionHash(separator, transaction));
      }),
    );
  });
});
