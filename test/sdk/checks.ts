import { expect } from "chai";
import { Wallet } from "ethers";
import {
  checkPayment,
  checkPrepared,
  LyingOperatorError,
  typedDataOf,
  type Intent,
  type ShownPayment,
} from "@plasma-billing/sdk";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import {
  ETHER,
  fileHashOf,
  outputId,
  transactionHash,
  type Output,
  type Transaction,
} from "@plasma-billing/protocol/transaction.ts";
import { domainSeparator, type Address } from "@plasma-billing/protocol/typedData.ts";
import { devKey } from "../helpers/chain.ts";
import { addressOf, DOMAIN } from "../helpers/protocol.ts";

const SEPARATOR = domainSeparator(DOMAIN);
const [MINE, ALSO_MINE, STRANGE, UNKNOWN] = [1, 2, 3, 9].map((n): Hex => `0x${String(n).repeat(64)}`) as [
  ...[Hex, Hex, Hex, Hex],
];
const [MART, VALIDATOR, NODE, THIEF, TOKEN] = [1, 2, 3, 4, 5].map(addressOf) as [
  Address,
  Address,
  Address,
  Address,
  Address,
];

describe("sdk: what the operator made ready is signed only if it is what was meant", () => {
  const pays: Output[] = [
    { owner: VALIDATOR, token: TOKEN, amount: 70n },
    { owner: NODE, token: TOKEN, amount: 30n },
  ];
  const intent: Intent = { purpose: "purchase", fileHash: fileHashOf("a file"), pays, payer: MART };
  const own = new Map<string, Output>([
    [MINE, { owner: MART, token: TOKEN, amount: 150n }],
    [ALSO_MINE, { owner: MART, token: ETHER, amount: 5n }],
    [STRANGE, { owner: VALIDATOR, token: TOKEN, amount: 1_000n }],
  ]);
  const change: Output = { owner: MART, token: TOKEN, amount: 50n };
  const good: Transaction = {
    ...{ purpose: "purchase", inputs: [MINE], outputs: [...pays, change], fileHash: intent.fileHash },
  };
  const verdict = (changed: Partial<Transaction>, hash?: Hex): string => {
    const transaction = { ...good, ...changed };
    try {
      checkPrepared(SEPARATOR, intent, { transaction, hash: hash ?? transactionHash(SEPARATOR, transaction) }, own);
      return "signed";
    } catch (error) {
      if (error instanceof LyingOperatorError) return error.message;
      throw error;
    }
  };

  it("and else it is a lie, whatever was changed", () => {
    expect(verdict({})).to.equal("signed");
    expect(verdict({ outputs: [change, ...[...pays].reverse()] })).to.equal("signed");
    expect(verdict({ inputs: [MINE, ALSO_MINE], outputs: [...pays, change, own.get(ALSO_MINE)!] })).to.equal("signed");
    const [first, second] = pays as [Output, Output];
    for (const [what, changed] of Object.entries<Partial<Transaction>>({
      "has another hash": {},
      "is for something else": { purpose: "upload" },
      "for something else": { fileHash: fileHashOf("another file") },
      "spends what is not the payer's": { inputs: [STRANGE] },
      "is not the payer's": { inputs: [UNKNOWN] },
      "pays others than was meant": { outputs: [{ ...first, owner: THIEF }, second, change] },
      "others than was meant": { outputs: [{ ...first, amount: 71n }, second, { ...change, amount: 49n }] },
      "others than": { outputs: [...pays, { ...change, owner: THIEF }] },
      "pays others": { outputs: [first, change] },
      "does not give back the change": { outputs: pays },
      "not give back the change": { outputs: [...pays, { ...change, amount: 51n }] },
      "give back the change": { inputs: [MINE, ALSO_MINE] },
      "back the change": { outputs: [...pays, { ...change, token: ETHER }] },
    })) {
      const hash = what === "has another hash" ? (`0x${"ab".repeat(32)}` as const) : undefined;
      expect(verdict(changed, hash), what).to.contain(what);
    }
  });

  it("a payment is taken in only with its own hash, its outputs' ids and its payers' signatures", async () => {
    const payer = new Wallet(devKey(2));
    const owner = payer.address.toLowerCase() as Address;
    const hash = transactionHash(SEPARATOR, good);
    const signature = (await payer.signTypedData(...typedDataOf(DOMAIN, good))) as Hex;
    const nowhere = {
      state: "spent" as const,
      blockNumber: null,
      transactionIndex: null,
      outputIndex: 0,
      depositId: 1n,
    };
    const shown: ShownPayment = {
      ...{ hash, transaction: { ...good, signatures: [signature] }, fileId: null, state: "accepted", blockNumber: 1 },
      inputs: [{ id: MINE, owner, token: TOKEN, amount: 150n, ...nowhere }],
      outputs: good.outputs.map((output, i) => ({ ...output, id: outputId(hash, i), ...nowhere, outputIndex: i })),
      ...{ transactionIndex: 0, acceptedAt: 0, commitTransaction: null },
    };
    checkPayment(SEPARATOR, shown);
    const [input] = shown.inputs;
    const other = (await new Wallet(devKey(3)).signTypedData(...typedDataOf(DOMAIN, good))) as Hex;
    for (const [what, changed] of Object.entries<Partial<ShownPayment>>({
      "another hash": { hash: UNKNOWN },
      "has another hash": { transaction: { ...shown.transaction, outputs: [change] } },
      "another id": { outputs: shown.outputs.toReversed() },
      "did not sign": { transaction: { ...shown.transaction, signatures: [other] } },
      "owner did not sign": { inputs: [{ ...input!, owner: THIEF }] },
      "lacks signatures": { transaction: { ...shown.transaction, signatures: [] } },
    })) {
      expect(
        () => checkPayment(SEPARATOR, { ...shown, ...changed }, changed.hash === undefined ? hash : undefined),
        what,
      ).to.throw(LyingOperatorError, what);
    }
  });
});
