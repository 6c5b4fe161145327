import { expect } from "chai";
import { formatUnits as ethersUnits } from "ethers";
import fc from "fast-check";
import { changes, earnings, paidAmounts, payersOf } from "../../explorer/src/amounts.ts";
import { ago, countdown, exactTime, formatUnits, localTime, shorten } from "../../explorer/src/format.ts";
import type { Output, Payment } from "../../explorer/src/shapes.ts";

const [ALICE, BOB, CAROL] = ["0xA1", "0xB0", "0xC4"] as const;
const [COIN, MONEY] = ["0x01", "0x02"] as const;

function output(owner: string, token: string, amount: bigint): Output {
  const nowhere = { blockNumber: 1, transactionIndex: 0, outputIndex: 0, depositId: null };
  return { id: "0x", owner, token, amount: amount.toString(), state: "spent", ...nowhere };
}

function payment(inputs: Output[], outputs: Output[], parties: Payment["parties"] = []): Payment {
  return { inputs, outputs, parties } as unknown as Payment;
}

describe("the explorer's amounts", () => {
  it("show every unit, as ethers counts them, in groups of three", () => {
    const amounts = fc.bigInt(-(2n ** 256n), 2n ** 256n - 1n);
    fc.assert(
      fc.property(amounts, fc.integer({ min: 0, max: 36 }), (amount, decimals) => {
        const plain = formatUnits(amount.toString(), decimals).replaceAll("\u202f", "").replace("−", "-");
        const expected = decimals === 0 ? amount.toString() : ethersUnits(amount, decimals).replace(/\.0$/, "");
        expect(plain).to.equal(expected);
      }),
    );
    expect(formatUnits("1234567000000000000000001", 18)).to.equal("1\u202f234\u202f567.000000000000000001");
    expect(formatUnits("1000", 0)).to.equal("1\u202f000");
    expect(formatUnits("0", 18)).to.equal("0");
    expect(formatUnits("-1", 6)).to.equal("−0.000001");
  });

  it("say what is paid to others, and leave out change", () => {
    const paid = payment([output(ALICE, COIN, 10n)], [output(BOB, COIN, 3n), output(ALICE, COIN, 7n)]);
    expect(paidAmounts(paid)).to.deep.equal([{ token: COIN, amount: 3n }]);
    expect(payersOf(paid)).to.deep.equal([ALICE]);
    expect(paidAmounts(payment([output(ALICE, COIN, 10n)], [output(ALICE, COIN, 10n)]))).to.deep.equal([]);
    const swap = payment(
      [output(ALICE, COIN, 5n), output(BOB, MONEY, 9n)],
      [output(BOB, COIN, 5n), output(ALICE, MONEY, 8n), output(BOB, MONEY, 1n)],
    );
    expect(paidAmounts(swap)).to.deep.equal([
      { token: COIN, amount: 5n },
      { token: MONEY, amount: 8n },
    ]);
    expect(payersOf(swap)).to.deep.equal([ALICE, BOB]);
  });

  it("give each party its plus and minus, which add up to nothing", () => {
    const owners = fc.constantFrom(ALICE, BOB, CAROL);
    const outputs = fc.array(fc.tuple(owners, fc.constantFrom(COIN, MONEY), fc.bigInt(1n, 2n ** 255n)), {
      maxLength: 16,
    });
    fc.assert(
      fc.property(outputs, outputs, (spent, made) => {
        const rows = changes(
          payment(
            spent.map((of) => output(...of)),
            made.map((of) => output(...of)),
          ),
        );
        const sum = (all: [string, string, bigint][], token: string): bigint =>
          all.reduce((total, [, of, amount]) => total + (of === token ? amount : 0n), 0n);
        for (const token of [COIN, MONEY]) {
          const total = rows.reduce((all, row) => all + (row.token === token ? row.change : 0n), 0n);
          expect(total).to.equal(sum(made, token) - sum(spent, token));
        }
        expect(new Set(rows.map(({ address, token }) => address + token)).size).to.equal(rows.length);
      }),
    );
  });

  it("sum up what purchases bring to whom", () => {
    const parties = [
      { address: ALICE, role: "mart" },
      { address: BOB, role: "validator" },
    ];
    const one = payment([output(ALICE, COIN, 10n)], [output(BOB, COIN, 3n), output(ALICE, COIN, 7n)], parties);
    const two = payment([output(ALICE, COIN, 7n)], [output(BOB, COIN, 6n), output(CAROL, COIN, 1n)], parties);
    expect(earnings([one, two])).to.deep.equal([
      { address: BOB, role: "validator", token: COIN, amount: 9n },
      { address: CAROL, role: null, token: COIN, amount: 1n },
    ]);
    expect(earnings([])).to.deep.equal([]);
  });
});

describe("the explorer's times", () => {
  const now = Date.UTC(2026, 10, 30, 12);

  it("are told in the one unit that fits, before and after", () => {
    const said = [0, 59_000, 60_000, 3_599_000, 3_600_000, 172_799_000, 172_800_000].map((ms) => ago(now - ms, now));
    expect(said).to.deep.equal(["0 s ago", "59 s ago", "1 min ago", "59 min ago", "1 h ago", "47 h ago", "2 days ago"]);
    expect(ago(now + 90_000, now)).to.equal("in 1 min");
  });

  it("run down to nothing, and no further", () => {
    expect([0, 999, 61_000, 3_600_000, 90_061_000, -5_000].map(countdown)).to.deep.equal([
      ...["00:00", "00:01", "01:01", "1:00:00", "1 d 01:01:01", "00:00"],
    ]);
  });

  it("are exact in UTC, also where no calendar reaches", () => {
    expect(exactTime(now)).to.equal("2026-11-30 12:00:00 UTC");
    expect(exactTime(Number.MAX_SAFE_INTEGER)).to.equal("after the end of the calendar");
  });

  it("go into a field of the reader's own time and come out the same", () => {
    for (const time of [now, Date.UTC(2026, 2, 29, 1), Date.UTC(2026, 9, 25, 3, 4, 5)]) {
      expect(new Date(localTime(time)).getTime()).to.equal(time);
    }
    expect(localTime(NaN)).to.equal("");
  });
});

describe("the explorer's hashes", () => {
  it("are shortened to both their ends", () => {
    expect(shorten(`0x${"ab".repeat(31)}cd`)).to.equal("0xabab…abcd");
  });
});
