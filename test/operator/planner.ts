import { expect } from "chai";
import fc from "fast-check";
import {
  gasLimit,
  planSending,
  planStanding,
  type Plan,
  type Sending,
  type Standing,
} from "../../operator/settlement/planner.ts";
import type { Attempt } from "../../operator/settlement/records.ts";

const GWEI = 10n ** 9n;
const ETHER = 10n ** 18n;

function attempt(changes: Partial<Attempt> = {}): Attempt {
  return {
    ...{ number: 1, nonce: 7, index: 0, hash: "0x01", raw: "0x02", ethereumBlock: 100, gasLimit: 100_000n },
    ...{ maxFeePerGas: 80n * GWEI, maxPriorityFeePerGas: GWEI },
    ...changes,
  };
}

const standing: Standing = {
  ...{ number: 3, sealed: 3, durable: 3, highestBound: 3, bound: true, previousIsOurs: true, conflict: null },
};
const fresh: Sending = {
  ...{ operator: "0xaa", key: "0xaa", nonceNow: 7, nonceFinal: 7, nonceIsOurs: true, nonces: [7], usedBy: null },
  ...{ ethereumBlock: 100, baseFeePerGas: 10n * GWEI, tip: GWEI, maxFeePerGas: 200n * GWEI },
  ...{ attempts: [], sentAt: null, balance: ETHER, exit: null },
};

describe("what to do about a block, from what is known (pure)", () => {
  const stand = (changes: Partial<Standing>): Plan | null => planStanding({ ...standing, ...changes });
  const send = (changes: Partial<Sending>): Plan => planSending({ ...fresh, ...changes });

  it("halts on whatever cannot be right, and on nothing else", () => {
    const halts: [Partial<Standing>, string][] = [
      [{ conflict: "Ethereum holds something else" }, "something else"],
      [{ number: 5 }, "expects block 5, the journal has sealed 3 only"],
      [{ highestBound: 4 }, "block 4 was bound for Ethereum, the journal has sealed 3 only"],
      [{ previousIsOurs: false }, "holds a block 2 with another root"],
    ];
    for (const [changes, reason] of halts) {
      const plan = stand(changes);
      expect(plan?.action.do === "halt" && plan.action.reason).to.contain(reason);
      expect(plan?.alarm?.code).to.equal("COMMIT_HALTED");
    }
  });

  it("waits without an alarm when there is nothing to commit, or a crash could still take it back", () => {
    for (const changes of [{ number: 4 }, { durable: 2 }]) {
      expect(stand(changes)).to.deep.equal({ action: { do: "wait" }, alarm: null });
    }
  });

  it("binds before anything is sent", () => {
    expect(stand({ bound: false, highestBound: 2 })?.action).to.deep.equal({ do: "bind" });
    expect(stand({})).to.equal(null);
  });

  it("takes a nonce, signs, sends, and sends the same again at each new block", () => {
    expect(send({ nonces: [] }).action).to.deep.equal({ do: "takeNonce", nonce: 7 });
    const fees = { maxFeePerGas: 41n * GWEI, maxPriorityFeePerGas: GWEI };
    expect(send({}).action).to.deep.equal({ do: "sign", index: 0, fees, gasLimit: 100_000n });
    const first = attempt();
    const sent = { attempts: [first], sentAt: 100 };
    expect(send({ attempts: [first] }).action).to.deep.equal({ do: "send", attempt: first });
    expect(send(sent).action).to.deep.equal({ do: "wait" });
    expect(send({ ...sent, ethereumBlock: 101 }).action).to.deep.equal({ do: "send", attempt: first });
  });

  it("replaces after three blocks; at the limit it keeps sending, and raises an alarm", () => {
    const later = { ethereumBlock: 103, attempts: [attempt()], sentAt: 102 };
    expect(send(later).action.do).to.equal("sign");
    const dear = attempt({ maxFeePerGas: 190n * GWEI });
    expect(send({ ...later, attempts: [dear] }).action).to.deep.equal({ do: "send", attempt: dear });
    expect(send({ ...later, attempts: [dear], sentAt: 103 }).alarm?.code).to.equal("FEE_LIMIT");
  });

  it("takes another nonce only when the used one is final and nothing landed; a person looks after four", () => {
    const used = { attempts: [attempt()], nonceNow: 8, nonceFinal: 7 };
    expect(send(used).alarm?.code).to.equal("NONCE_TAKEN");
    expect(send({ ...used, nonceFinal: 8 }).action).to.deep.equal({ do: "takeNonce", nonce: 8 });
    expect(send({ ...used, usedBy: "the foreign transaction 0x12" }).alarm?.text).to.contain(
      "by the foreign transaction 0x12",
    );
    expect(send({ nonces: [4, 5, 6, 7], nonceNow: 8, nonceFinal: 8 }).action.do).to.equal("halt");
    expect(gasLimit([4, 5, 6])).to.equal(400_000n);
  });

  it("takes no nonce behind a foreign one that a reorganisation could take away", () => {
    const plan = send({ nonces: [], nonceIsOurs: false });
    expect(plan.action.do).to.equal("wait");
    expect(plan.alarm?.code).to.equal("NONCE_TAKEN");
  });

  it("waits for the operator's key, and for an exit to be challenged; halts for one that cannot be", () => {
    expect(send({ key: "0xbb" }).alarm?.code).to.equal("WRONG_OPERATOR_KEY");
    expect(send({ exit: { text: "an exit", curable: true } }).alarm?.code).to.equal("COMMIT_BLOCKED_BY_EXIT");
    expect(send({ exit: { text: "an exit", curable: false } }).action.do).to.equal("halt");
  });

  it("says what is missing; goes on with what there is, and keeps sending what was signed", () => {
    const poor = send({ balance: 0n });
    expect(poor.action).to.deep.equal({ do: "wait" });
    expect(poor.alarm?.text).to.contain(`lacks ${41n * GWEI * 100_000n} wei`);
    const some = send({ balance: 20n * GWEI * 100_000n });
    expect(some.action.do === "sign" && some.action.fees.maxFeePerGas).to.equal(20n * GWEI);
    expect(some.alarm?.code).to.equal("FUNDS_MISSING");
    const first = attempt();
    const later = send({ balance: 0n, attempts: [first], ethereumBlock: 103, sentAt: 102 });
    expect(later.action).to.deep.equal({ do: "send", attempt: first });
  });

  it("offers the usual tip for what waited, whatever nodes suggest, as far as the limit goes", () => {
    const low = attempt({ maxFeePerGas: 40n * GWEI, maxPriorityFeePerGas: 1n, ethereumBlock: 90 });
    const replaced = (maxFeePerGas: bigint): bigint | null => {
      const { action } = send({ tip: 1n, attempts: [low], sentAt: 99, maxFeePerGas });
      return action.do === "sign" ? action.fees.maxPriorityFeePerGas : null;
    };
    expect([replaced(200n * GWEI), replaced(41n * GWEI)]).to.deep.equal([GWEI, null]);
  });

  it("never offers more than the limit or the balance, and a replacement is a tenth dearer in both fees", () => {
    const wei = fc.bigInt({ min: 0n, max: 10_000n * GWEI });
    const limits = fc.bigInt({ min: 1n, max: 1000n });
    fc.assert(
      fc.property(wei, wei, wei, wei, limits, wei, fc.boolean(), (fee, tip, lastFee, lastTip, limit, purse, again) => {
        const maxFeePerGas = limit * GWEI;
        fc.pre(lastTip <= lastFee && lastFee <= maxFeePerGas);
        const last = attempt({ maxFeePerGas: lastFee, maxPriorityFeePerGas: lastTip, ethereumBlock: 90 });
        const balance = purse * 1000n;
        const fees = { baseFeePerGas: fee, tip, maxFeePerGas, balance };
        const { action } = send({ ...fees, attempts: again ? [last] : [], sentAt: 99 });
        if (action.do !== "sign") return;
        expect(action.fees.maxFeePerGas <= maxFeePerGas).to.equal(true);
        expect(action.fees.maxFeePerGas * action.gasLimit <= balance).to.equal(true);
        expect(action.fees.maxPriorityFeePerGas <= action.fees.maxFeePerGas).to.equal(true);
        if (!again) return;
        expect(action.fees.maxFeePerGas * 10n >= lastFee * 11n).to.equal(true);
        expect(action.fees.maxPriorityFeePerGas * 10n >= lastTip * 11n).to.equal(true);
      }),
    );
  });
});
