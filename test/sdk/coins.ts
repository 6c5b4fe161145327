import { expect } from "chai";
import fc from "fast-check";
import { chooseCoins, partsOf, type Coin } from "../../sdk/coins.ts";

const coins = fc
  .array(fc.record({ amount: fc.bigInt({ min: 1n, max: 1_000n }), committed: fc.boolean() }), { maxLength: 40 })
  .map((list) => list.map((coin, i): Coin => ({ ...coin, id: String(i) })));
const sum = (list: readonly Coin[]): bigint => list.reduce((all, { amount }) => all + amount, 0n);

describe("sdk: choosing inputs", () => {
  it("suffices with the exact change, with no input too many, at most 16, and says what is missing", () => {
    fc.assert(
      fc.property(coins, fc.bigInt({ min: 1n, max: 20_000n }), fc.boolean(), (all, amount, preferCommitted) => {
        const choice = chooseCoins(all, amount, preferCommitted);
        if (choice.kind === "insufficient") {
          expect(sum(all) < amount).to.equal(true);
          expect(choice.available).to.equal(sum(all));
          return;
        }
        const { inputs } = choice;
        expect(new Set(inputs.map(({ id }) => id)).size).to.equal(inputs.length);
        expect(inputs.every((coin) => all.includes(coin))).to.equal(true);
        expect(inputs.length <= 16).to.equal(true);
        if (choice.kind === "merge") {
          // Even the 16 largest do not suffice.
          expect(inputs).to.have.length(16);
          expect(sum(inputs) < amount).to.equal(true);
          return;
        }
        expect(choice.change).to.equal(sum(inputs) - amount);
        for (const coin of inputs) expect(sum(inputs) - coin.amount < amount).to.equal(true);
        const committed = all.filter((coin) => coin.committed);
        const few = [...committed].sort((a, b) => Number(b.amount - a.amount)).slice(0, 16);
        if (preferCommitted && sum(few) >= amount) {
          expect(inputs.every((coin) => coin.committed)).to.equal(true);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("takes the smallest single output that suffices", () => {
    const all = [5n, 100n, 20n, 19n].map((amount, i) => ({ id: String(i), amount, committed: true }));
    expect(chooseCoins(all, 19n)).to.deep.include({ kind: "inputs", change: 0n });
    const choice = chooseCoins(all, 20n);
    expect(choice.kind === "inputs" && choice.inputs.map(({ amount }) => amount)).to.deep.equal([20n]);
  });

  it("splits an amount into parts that add up and differ by one unit at most", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 10n ** 20n }), fc.integer({ min: 1, max: 16 }), (amount, count) => {
        const parts = partsOf(amount, count);
        expect(parts.reduce((a, b) => a + b, 0n)).to.equal(amount);
        expect(
          parts.every((part) => part > 0n && part >= (parts[0] as bigint) - 1n && part <= (parts[0] as bigint)),
        ).to.equal(true);
      }),
    );
  });
});
