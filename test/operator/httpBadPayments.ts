import { expect } from "chai";
import { ETHER } from "../helpers/chain.ts";
import { signPayment, SPENDERS } from "../helpers/memoryOperator.ts";
import { Refusals } from "../helpers/refusals.ts";

const [alice, bob, carol] = SPENDERS as [(typeof SPENDERS)[0], (typeof SPENDERS)[0], (typeof SPENDERS)[0]];
const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const HASH = `0x${"5a".repeat(32)}`;

describe("HTTP API, payments refused, alone and in a batch", () => {
  const fixture = new Refusals();
  fixture.hooks();

  const pay = (state: keyof typeof fixture.outputs, amount = 100n, signer = alice): any =>
    signPayment([fixture.outputs[state]], [{ owner: bob.address, amount }], [signer]).json;
  const change = (fields: Record<string, unknown>): any => ({ ...pay("available"), ...fields });
  const changeOutput = (fields: Record<string, unknown>): any => {
    const json = pay("available");
    return { ...json, outputs: [{ ...json.outputs[0], ...fields }] };
  };
  const without = (field: string): any => {
    const { [field]: _, ...rest } = pay("available");
    return rest;
  };
  const signature = (): string => pay("available").signatures[0];
  /** The same signature as mathematics has it, with s in the upper half. */
  const highS = (): string => {
    const text = signature();
    const s = (CURVE_ORDER - BigInt(`0x${text.slice(66, 130)}`)).toString(16).padStart(64, "0");
    return `${text.slice(0, 66)}${s}${text.endsWith("1b") ? "1c" : "1b"}`;
  };
  const withV = (v: string): string => `${signature().slice(0, 130)}${v}`;
  const owner = bob.address;
  const token = ETHER;

  const cases: [string, string, () => any[]][] = [
    ["fields missing", "MALFORMED", () => ["purpose", "inputs", "outputs", "fileHash", "signatures"].map(without)],
    [
      "fields nobody knows",
      "MALFORMED",
      () => [change({ nonce: 1 }), change({ hash: HASH }), changeOutput({ memo: "" })],
    ],
    [
      "purposes nobody knows",
      "MALFORMED",
      () => ["", "Transfer", "mint", 1, null, "__proto__"].map((purpose) => change({ purpose })),
    ],
    [
      "inputs that are none",
      "MALFORMED",
      () =>
        [
          [],
          null,
          {},
          "0x",
          [1],
          [null],
          [[]],
          [HASH.slice(0, -1)],
          [`${HASH}0`],
          [HASH.slice(2)],
          [`0x${"g".repeat(64)}`],
        ].map((inputs) => change({ inputs })),
    ],
    ["seventeen inputs", "MALFORMED", () => [change({ inputs: Array(17).fill(HASH) })]],
    ["no outputs", "MALFORMED", () => [[], null, {}, [null], [[]], ["x"]].map((list) => change({ outputs: list }))],
    ["seventeen outputs", "MALFORMED", () => [change({ outputs: Array(17).fill({ owner, token, amount: "1" }) })]],
    [
      "amounts that are none",
      "MALFORMED",
      () =>
        [
          1,
          100,
          1e21,
          null,
          true,
          ["100"],
          "",
          "-1",
          "+1",
          "01",
          "1.0",
          "1e2",
          "0x64",
          " 100",
          "100 ",
          "1_000",
          "١",
          "Infinity",
        ]
          .concat([String(2n ** 256n), "9".repeat(100), "9".repeat(5_000)])
          .map((amount) => changeOutput({ amount })),
    ],
    [
      "addresses that are none",
      "MALFORMED",
      () =>
        [
          1,
          null,
          "",
          "0x",
          owner.slice(2),
          `${owner}00`,
          owner.slice(0, -1),
          `0x${"zz".repeat(20)}`,
          "bob.eth",
        ].flatMap((text) => [changeOutput({ owner: text }), changeOutput({ token: text })]),
    ],
    [
      "file hashes that are none",
      "MALFORMED",
      () => [null, "", "0x0", 0, HASH].map((fileHash) => change({ fileHash })),
    ],
    [
      "a file that is not named",
      "MALFORMED",
      () => ["upload", "extension", "purchase"].map((purpose) => change({ purpose })),
    ],
    [
      "signatures of the wrong length or form",
      "MALFORMED",
      () =>
        [
          null,
          {},
          [null],
          [1],
          ["0x"],
          [`${signature()}00`],
          [signature().slice(0, -2)],
          [signature().slice(2)],
          Array(17).fill(signature()),
        ]
          .concat([[`0x${"zz".repeat(65)}`]])
          .map((signatures) => change({ signatures })),
    ],
    [
      "too few or too many signatures",
      "WRONG_SIGNATURE_COUNT",
      () => [[], [signature(), signature()]].map((signatures) => change({ signatures })),
    ],
    [
      "an input twice",
      "DUPLICATE_INPUT",
      () => [
        signPayment([fixture.outputs.available, fixture.outputs.available], [{ owner, amount: 200n }], [alice, alice])
          .json,
      ],
    ],
    ["an amount of zero", "ZERO_AMOUNT", () => [pay("available", 0n)]],
    [
      "an owner of zero",
      "ZERO_OWNER",
      () => [signPayment([fixture.outputs.available], [{ owner: ETHER, amount: 100n }], [alice]).json],
    ],
    [
      "an input nobody knows, or not final yet",
      "UNKNOWN_INPUT",
      () => [signPayment([HASH], [{ owner, amount: 1n }], [alice]).json, pay("pending")],
    ],
    ["an input that is spent", "INPUT_SPENT", () => [pay("spent")]],
    ["an input that is exiting or gone", "INPUT_EXITING", () => [pay("exiting"), pay("withdrawn")]],
    [
      "somebody else's signature",
      "BAD_SIGNATURE",
      () => [pay("available", 100n, carol), change({ signatures: [`0x${"00".repeat(65)}`] })],
    ],
    ["a signature with a high s", "BAD_SIGNATURE", () => [change({ signatures: [highS()] })]],
    [
      "a signature with another v",
      "BAD_SIGNATURE",
      () =>
        ["00", "01", "1a", "1d", "ff", signature().endsWith("1b") ? "1c" : "1b"].map((v) =>
          change({ signatures: [withV(v)] }),
        ),
    ],
    [
      "a signature for something else",
      "BAD_SIGNATURE",
      () => [changeOutput({ owner: carol.address }), changeOutput({ amount: "99" })],
    ],
    ["signatures in another order", "BAD_SIGNATURE", () => [twoOwners()]],
    [
      "more out than in, or less",
      "UNBALANCED",
      () => [pay("available", 101n), pay("available", 99n), pay("available", 2n ** 256n - 1n)],
    ],
    [
      "another token out than in",
      "UNBALANCED",
      () => [signPayment([fixture.outputs.available], [{ owner, token: carol.address, amount: 100n }], [alice]).json],
    ],
    [
      "a purpose without its rules",
      "WRONG_ROLE",
      () => [
        signPayment([fixture.outputs.available], [{ owner, amount: 100n }], [alice], { purpose: "swap" }).json,
        signPayment([fixture.outputs.available], [{ owner, amount: 100n }], [alice], {
          purpose: "purchase",
          fileHash: HASH,
        }).json,
      ],
    ],
  ];
  const twoOwners = (): any => {
    const json = signPayment(
      [fixture.outputs.available, fixture.outputs.other],
      [{ owner, amount: 200n }],
      [alice, carol],
    ).json;
    return { ...json, signatures: [...json.signatures].reverse() };
  };

  for (const [name, code, make] of cases) {
    it(`${name}: ${code}`, async () => {
      const wrong = make();
      for (const each of wrong) fixture.expectProblem(await fixture.operator.post("/v1/transactions", each), code);
      const { status, body: answer } = await fixture.operator.post("/v1/transactions/batch", { transactions: wrong });
      expect(status).to.equal(200);
      expect(answer.results).to.have.length(wrong.length);
      for (const result of answer.results) {
        expect(result).to.have.all.keys("problem");
        expect(result.problem.code).to.equal(code);
        fixture.expectProblemBody(result.problem, code);
      }
      expect(fixture.operator.fingerprint()).to.equal(fixture.untouched);
    });
  }

  it("names what offends, with addresses checksummed as everywhere", async () => {
    const { context } = (await fixture.operator.post("/v1/transactions", pay("available", 100n, carol))).body;
    expect(context).to.deep.include({
      input: fixture.outputs.available,
      index: 0,
      owner: alice.address,
      signer: carol.address,
    });
    const malformed = (await fixture.operator.post("/v1/transactions", changeOutput({ amount: "1.5" }))).body;
    expect(malformed.context).to.deep.include({ field: "outputs[0].amount", value: "1.5" });
  });
});
