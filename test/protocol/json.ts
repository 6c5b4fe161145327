import { expect } from "chai";
import fc from "fast-check";
import type { JsonEntry } from "@plasma-billing/protocol/entries.ts";
import { decodeEntry, encodeEntry } from "@plasma-billing/protocol/entryJson.ts";
import { InvariantError, ProtocolError } from "@plasma-billing/protocol/errors.ts";
import { decodeTransaction, encodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import { address, anyTransaction, bytes32, uint256 } from "../helpers/protocol.ts";

const example = {
  purpose: "transfer",
  inputs: [`0x${"ab".repeat(32)}`],
  outputs: [{ owner: `0x${"cd".repeat(20)}`, token: `0x${"00".repeat(20)}`, amount: "1" }],
  fileHash: `0x${"00".repeat(32)}`,
  signatures: [`0x${"11".repeat(65)}`],
};

function refusal(value: unknown): string {
  try {
    decodeTransaction(value);
    return "taken";
  } catch (error) {
    if (!(error instanceof ProtocolError) || error.code !== "MALFORMED") throw error;
    return String(error.context["field"]);
  }
}

describe("protocol: JSON of a transaction", () => {
  it("comes back as it went", () => {
    fc.assert(
      fc.property(anyTransaction, (transaction) => {
        const json = JSON.parse(JSON.stringify(encodeTransaction(transaction)));
        expect(decodeTransaction(json)).to.deep.equal(transaction);
      }),
    );
  });

  it("takes hex of either case and keeps it lower", () => {
    const upper = (text: string): string => `0x${text.slice(2).toUpperCase()}`;
    const mixed = {
      ...example,
      inputs: example.inputs.map(upper),
      outputs: [{ ...example.outputs[0], owner: upper(example.outputs[0]!.owner) }],
    };
    expect(decodeTransaction(mixed)).to.deep.equal(decodeTransaction(example));
  });

  it("names the field that is wrong", () => {
    const output = example.outputs[0]!;
    const seventeen = <T>(item: T): T[] => Array.from({ length: 17 }, () => item);
    const wrong: [unknown, string][] = [
      [null, "transaction"],
      [[], "transaction"],
      ["{}", "transaction"],
      [{}, "transaction"],
      [{ ...example, extra: 1 }, "transaction"],
      [{ ...example, purpose: 1 }, "purpose"],
      [{ ...example, purpose: "gift" }, "purpose"],
      [{ ...example, purpose: "toString" }, "purpose"],
      [{ ...example, inputs: [] }, "inputs"],
      [{ ...example, inputs: seventeen(example.inputs[0]) }, "inputs"],
      [{ ...example, inputs: { 0: example.inputs[0], length: 1 } }, "inputs"],
      [{ ...example, inputs: ["0x12"] }, "inputs[0]"],
      [{ ...example, inputs: [`0x${"zz".repeat(32)}`] }, "inputs[0]"],
      [{ ...example, inputs: ["ab".repeat(33)] }, "inputs[0]"],
      [{ ...example, outputs: [] }, "outputs"],
      [{ ...example, outputs: seventeen(output) }, "outputs"],
      [{ ...example, outputs: [null] }, "outputs[0]"],
      [{ ...example, outputs: [{ ...output, memo: "" }] }, "outputs[0]"],
      [{ ...example, outputs: [{ owner: output.owner, token: output.token }] }, "outputs[0]"],
      [{ ...example, outputs: [{ ...output, owner: `0x${"cd".repeat(19)}` }] }, "outputs[0].owner"],
      [{ ...example, outputs: [{ ...output, token: "ether" }] }, "outputs[0].token"],
      ...["", "-1", "+1", "01", "1.0", "1e3", "0x10", " 1", "1 ", "１", `${2n ** 256n}`, "9".repeat(500)].map(
        (amount): [unknown, string] => [{ ...example, outputs: [{ ...output, amount }] }, "outputs[0].amount"],
      ),
      [{ ...example, outputs: [{ ...output, amount: 1 }] }, "outputs[0].amount"],
      [{ ...example, fileHash: `0x${"01".repeat(32)}` }, "fileHash"],
      [{ ...example, purpose: "upload" }, "fileHash"],
      [{ ...example, fileHash: "0x00" }, "fileHash"],
      [{ ...example, signatures: [`0x${"11".repeat(64)}`] }, "signatures[0]"],
      [{ ...example, signatures: seventeen(example.signatures[0]) }, "signatures"],
      [{ ...example, signatures: "0x" }, "signatures"],
    ];
    for (const [value, field] of wrong) expect(refusal(value), JSON.stringify(value)?.slice(0, 200)).to.equal(field);
    expect(refusal(example)).to.equal("taken");
    expect(refusal({ ...example, outputs: [{ ...output, amount: `${2n ** 256n - 1n}` }] })).to.equal("taken");
    // The ledger has codes for these.
    expect(refusal({ ...example, signatures: [], outputs: [{ ...output, amount: "0" }] })).to.equal("taken");
  });

  it("whatever the JSON, it decodes or is MALFORMED, with a context that is short", () => {
    const broken = fc.tuple(anyTransaction, fc.jsonValue(), fc.constantFrom(...Object.keys(example)));
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(refusal(value)).to.be.a("string");
      }),
    );
    fc.assert(
      fc.property(broken, ([transaction, value, field]) => {
        const json: unknown = { ...JSON.parse(JSON.stringify(encodeTransaction(transaction))), [field]: value };
        expect(refusal(json).length).to.be.below(40);
      }),
    );
  });
});

describe("protocol: JSON of journal entries", () => {
  const number = fc.nat();
  const exitingOutput = fc.record({
    outputId: bytes32,
    owner: address,
    token: address,
    amount: uint256,
    piggyback: fc.option(
      fc.constantFrom("live" as const, "cancelled" as const, "paid" as const, "unpaid" as const, "unpayable" as const),
    ),
    finalized: fc.boolean(),
  });
  const entry: fc.Arbitrary<JsonEntry> = fc.oneof(
    fc.record({
      type: fc.constant("genesis" as const),
      version: fc.constant(1 as const),
      chainId: uint256,
      contract: address,
      createdAt: number,
    }),
    fc.record({
      type: fc.constant("deposit" as const),
      id: uint256,
      owner: address,
      token: address,
      amount: uint256,
      nextBlockNumber: number,
      ethereumBlock: number,
      ethereumTransaction: bytes32,
    }),
    fc.record({
      type: fc.constant("exit" as const),
      number,
      kind: fc.constantFrom("standard" as const, "deposit" as const),
      outputId: bytes32,
      owner: address,
      token: address,
      amount: uint256,
      exitableAt: number,
      state: fc.constantFrom("started" as const, "challenged" as const, "finalized" as const, "unpayable" as const),
      paid: fc.boolean(),
      final: fc.boolean(),
      ethereumBlock: number,
      ethereumTransaction: bytes32,
    }),
    fc.record({
      type: fc.constant("inFlightExit" as const),
      number,
      transactionHash: bytes32,
      startedAt: number,
      exitableAt: number,
      inputs: fc.array(exitingOutput, { minLength: 1, maxLength: 16 }),
      outputs: fc.array(exitingOutput, { minLength: 1, maxLength: 16 }),
      state: fc.constantFrom("started" as const, "finalized" as const, "closed" as const, "removed" as const),
      challenged: fc.boolean(),
      canonical: fc.option(fc.boolean()),
      final: fc.boolean(),
      ethereumBlock: number,
      ethereumTransaction: bytes32,
    }),
    fc.record({
      type: fc.constant("commit" as const),
      number,
      state: fc.constantFrom("sealed" as const, "committed" as const, "finalized" as const),
      timestamp: fc.option(number),
      ethereumBlock: fc.option(number),
      ethereumTransaction: fc.option(bytes32),
      gasUsed: fc.option(uint256),
      fee: fc.option(uint256),
      seenAt: number,
    }),
    fc.record({ type: fc.constant("followed" as const), number, hash: bytes32 }),
  );

  it("comes back as it went, on one line", () => {
    fc.assert(
      fc.property(entry, (value) => {
        const line = encodeEntry(value);
        expect(line).to.not.contain("\n");
        expect(decodeEntry(line)).to.deep.equal(value);
      }),
    );
  });

  it("a line with something missing, added or of another kind is refused", () => {
    fc.assert(
      fc.property(entry, fc.nat(), fc.jsonValue(), (value, pick, other) => {
        const fields = JSON.parse(encodeEntry(value));
        const names = Object.keys(fields);
        const name = names[pick % names.length]!;
        const missing = { ...fields };
        delete missing[name];
        const refused = (broken: object): void => {
          expect(() => decodeEntry(JSON.stringify(broken)))
            .to.throw()
            .that.satisfies((error: unknown) => error instanceof InvariantError || error instanceof ProtocolError);
        };
        refused(missing);
        refused({ ...fields, [name]: [other] });
        refused({ ...fields, surprise: 1 });
        if (value.type === "inFlightExit") {
          const [first, ...rest] = fields.inputs;
          for (const inputs of [[], {}, [null], [[]], Array.from({ length: 17 }, () => first)]) {
            refused({ ...fields, inputs });
          }
          for (const change of [{ surprise: 1 }, { piggyback: "lost" }, { amount: 1 }, { finalized: undefined }]) {
            refused({ ...fields, inputs: [{ ...first, ...change }, ...rest] });
          }
        }
        expect(() => decodeEntry(encodeEntry(value).slice(0, -1))).to.throw(InvariantError);
      }),
    );
  });
});
