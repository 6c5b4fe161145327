import { expect } from "chai";
import fc from "fast-check";
import { plan, type Situation } from "../../operator/settlement/planner.ts";
import type { Attempt } from "../../operator/settlement/records.ts";

const GWEI = 10n ** 9n;
const base: Situation = {
  ethereumBlock: 100,
  baseFeePerGas: 10n * GWEI,
  tip: GWEI,
  nonceNow: 7,
  nonceFinal: 7,
  nonce: 7,
  attempts: [],
  sentAt: null,
  maxFeePerGas: 200n * GWEI,
};
const attempt = (change: Partial<Attempt> = {}): Attempt => ({
  ...{ number: 1, nonce: 7, index: 0, hash: "0x01", raw: "0x02", ethereumBlock: 100 },
  ...{ maxFeePerGas: 41n * GWEI, maxPriorityFeePerGas: GWEI },
  ...change,
});

describe("the planner of a commit", () => {
  it("takes the nonce of the pinned block, then signs, then sends", () => {
    expect(plan({ ...base, nonce: null })).to.deep.equal({ do: "takeNonce", nonce: 7 });
    const fees = { maxFeePerGas: 41n * GWEI, maxPriorityFeePerGas: GWEI };
    expect(plan(base)).to.deep.equal({ do: "sign", index: 0, fees });
    const [first] = [attempt()];
    expect(plan({ ...base, attempts: [first] })).to.deep.equal({ do: "send", attempt: first });
    expect(plan({ ...base, attempts: [first], sentAt: 100 })).to.deep.equal({ do: "wait", warning: null });
    expect(plan({ ...base, ethereumBlock: 101, attempts: [first], sentAt: 100 }).do).to.equal("send");
  });

  it("replaces after three blocks; at the limit it keeps sending, and says so", () => {
    const first = attempt();
    const later = { ...base, ethereumBlock: 103, attempts: [first], sentAt: 102 };
    expect(plan(later).do).to.equal("sign");
    const dear = attempt({ maxFeePerGas: 190n * GWEI });
    const limited = { ...later, attempts: [dear] };
    expect(plan(limited)).to.deep.equal({ do: "send", attempt: dear });
    const waiting = plan({ ...limited, sentAt: 103 });
    expect(waiting.do === "wait" && waiting.warning).to.contain("raise MAX_FEE_GWEI");
  });

  it("takes another nonce only when the used one is final and nothing landed", () => {
    const used = { ...base, attempts: [attempt()], nonceNow: 8 };
    expect(plan(used).do).to.equal("wait");
    expect(plan({ ...used, nonceFinal: 8 })).to.deep.equal({ do: "takeNonce", nonce: 8 });
  });

  it("never offers more than the limit, and a replacement is a tenth dearer in both fees", () => {
    const wei = fc.bigInt({ min: 0n, max: 10_000n * GWEI });
    fc.assert(
      fc.property(
        wei,
        wei,
        wei,
        wei,
        fc.bigInt({ min: 1n, max: 1000n }),
        fc.boolean(),
        (fee, tip, lastFee, lastTip, limit, again) => {
          const maxFeePerGas = limit * GWEI;
          fc.pre(lastTip <= lastFee && lastFee <= maxFeePerGas);
          const last = attempt({ maxFeePerGas: lastFee, maxPriorityFeePerGas: lastTip, ethereumBlock: 90 });
          const action = plan({
            ...base,
            baseFeePerGas: fee,
            tip,
            maxFeePerGas,
            attempts: again ? [last] : [],
            sentAt: 99,
          });
          if (action.do !== "sign") return;
          expect(action.fees.maxFeePerGas <= maxFeePerGas).to.equal(true);
          expect(action.fees.maxPriorityFeePerGas <= action.fees.maxFeePerGas).to.equal(true);
          if (!again) return;
          expect(action.fees.maxFeePerGas * 10n >= lastFee * 11n).to.equal(true);
          expect(action.fees.maxPriorityFeePerGas * 10n >= lastTip * 11n).to.equal(true);
        },
      ),
    );
  });
});
