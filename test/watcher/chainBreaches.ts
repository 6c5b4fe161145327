import { expect } from "chai";
import type { PaymentCode } from "@plasma-billing/protocol/errors.ts";
import { outputId, type OutputId, type TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import {
  ether,
  ownerOf,
  rootOf,
  served as servedBytes,
  sign,
  type Owner,
  type Served,
} from "../helpers/servedChain.ts";
import { eventually } from "../helpers/operatorProcess.ts";
import type { ServedChain } from "../helpers/servedChain.ts";
import { Payers, WatchedChain } from "../helpers/watchedChain.ts";

const [alice, bob] = [ownerOf(1), ownerOf(2)];
const NOBODY: Owner = { ...alice, address: "0x0000000000000000000000000000000000000000" };
const NOWHERE = outputId(`0x${"77".repeat(32)}` as TransactionHash, 0);
const RIGHT = 30;

/** A payment that breaks the rule, from a fresh deposit of alice's or what is given. */
type Break = (chain: ServedChain, deposit: OutputId, spent: Served) => Served;

/** A transfer that is a purchase by its second byte, without a file; alice signed just that. */
function malformed(purpose: number): Break {
  return (_, deposit) => {
    const bytes = sign([deposit], [ether(bob, 5n)], [alice]).bytes.slice();
    bytes[1] = purpose;
    const { hash } = servedBytes(bytes);
    const again = sign([deposit], [ether(bob, 5n)], [alice]);
    expect(again.hash).not.to.equal(hash);
    return servedBytes(bytes);
  };
}

const RULES: [PaymentCode, string, Break][] = [
  ["MALFORMED", "a purchase of no file", malformed(4)],
  ["MALFORMED", "a purpose there is not", malformed(77)],
  ["DUPLICATE_INPUT", "one input twice", (_, id) => sign([id, id], [ether(bob, 10n)], [alice, alice])],
  ["ZERO_AMOUNT", "an output of nothing", (_, id) => sign([id], [ether(bob, 5n), ether(bob, 0n)], [alice])],
  ["ZERO_OWNER", "an output of nobody", (_, id) => sign([id], [ether(NOBODY, 5n)], [alice])],
  ["UNKNOWN_INPUT", "an input from nowhere", () => sign([NOWHERE], [ether(bob, 5n)], [alice])],
  [
    "UNKNOWN_INPUT",
    "a spent input and one from nowhere",
    (_, __, spent) => {
      const nowhere = NOWHERE;
      return sign([spent.transaction.inputs[0]!, nowhere], [ether(bob, 5n)], [alice, alice]);
    },
  ],
  ["INPUT_SPENT", "a deposit twice", (_, __, spent) => sign(spent.transaction.inputs, [ether(bob, 7n)], [alice])],
  ["BAD_SIGNATURE", "another owner's signature", (_, id) => sign([id], [ether(bob, 5n)], [bob])],
  [
    "BAD_SIGNATURE",
    "a signature nobody can have made",
    (_, id) => {
      return sign([id], [ether(bob, 5n)], [], { signatures: [`0x${"ff".repeat(65)}`] });
    },
  ],
  ["UNBALANCED", "more out than in", (_, id) => sign([id], [ether(bob, 6n)], [alice])],
  ["UNBALANCED", "another token out", (_, id) => sign([id], [{ ...ether(bob, 5n), token: bob.address }], [alice])],
];

describe("the watcher's chain, breaches", function () {
  this.timeout(60_000);
  let watched: WatchedChain;
  let served: ServedChain;
  let payers: Payers;
  beforeEach(async () => {
    watched = await WatchedChain.start();
    served = watched.served;
    payers = new Payers(served, 5);
  });
  afterEach(async () => {
    await watched.stop();
  });

  for (const [rule, what, broken] of RULES) {
    for (const streamed of [true, false]) {
      it(`${rule}: ${what}, ${streamed ? "streamed and then committed" : "committed at once"}`, async () => {
        const spent = served.pay([served.deposit(alice, 7n)], [ether(alice, 7n)], [alice]);
        served.sealAndCommit();
        if (streamed) await watched.look();
        payers.pay(RIGHT);
        const bad = broken(served, served.deposit(alice, 5n), spent);
        served.open.push(bad);
        payers.pay(5);
        if (streamed) {
          const told = (await watched.look()).breaches;
          // What is unknown may be a deposit that is not seen yet.
          if (rule === "UNKNOWN_INPUT") expect(told).to.deep.equal([]);
          else expect(told).to.have.length(1).and.to.have.nested.property("[0].rule", rule);
          expect(watched.chain.streamed).to.deep.equal({ blockNumber: 2, transactionCount: RIGHT });
        }
        served.sealAndCommit();
        payers.pay(3);
        served.sealAndCommit();
        for (let i = 0; i < (streamed ? 3 : 1); i++) {
          if (streamed && i === 2) await watched.reopen();
          const { breaches, missing } = await watched.look();
          expect(missing).to.equal(null);
          expect(breaches).to.have.length(1);
          const { context, ...breach } = breaches[0] as Extract<(typeof breaches)[0], { name: "invalidBlock" }>;
          expect(breach).to.deep.equal({
            ...{ name: "invalidBlock", blockNumber: 2, transactionIndex: RIGHT, rule, hash: bad.hash },
          });
          expect(context).to.be.an("object");
          expect(watched.chain.height).to.equal(1);
        }
      });
    }
  }

  it("a block of another root is unknown, whatever else it is, until the right one is served", async () => {
    payers.pay(10);
    served.sealAndCommit();
    payers.pay(10);
    const right = [...served.open];
    const wrong = [...right.slice(0, 4), ...right.slice(5)];
    served.blocks[2] = wrong;
    served.seal();
    served.commit({ transactionsRoot: rootOf(right), transactionCount: 9 });
    for (let i = 0; i < 3; i++) {
      const { breaches, missing } = await watched.look();
      expect(missing).to.equal(null);
      const committed = { root: rootOf(right), count: 9 };
      const other = { root: rootOf(wrong), count: 9 };
      expect(breaches).to.deep.equal([{ name: "unknownRoot", blockNumber: 2, committed, served: other }]);
      expect(watched.chain.height).to.equal(1);
      if (i === 1) await watched.reopen();
    }
    served.blocks[2] = right;
    served.committed[1] = { ...served.committed[1]!, transactionCount: 10 };
    let { breaches } = await watched.look();
    // It is asked for again a while after it was another one.
    await eventually("the right one is taken", 5_000, async () => {
      ({ breaches } = await watched.look());
      return watched.chain.height === 2;
    });
    // It was served otherwise before.
    expect(breaches.map(({ name }) => name)).to.deep.equal(["reordered"]);
  });

  it("a streamed position that the committed block has otherwise, and one it has not", async () => {
    const first = served.pay([served.deposit(alice, 7n)], [ether(alice, 7n)], [alice]);
    const second = served.pay([served.deposit(bob, 8n)], [ether(bob, 8n)], [bob]);
    const third = served.pay([second.id(0)], [ether(bob, 8n)], [bob]);
    await watched.look();
    served.seal();
    const next = served.pay([first.id(0)], [ether(bob, 7n)], [alice]);
    await watched.look();
    expect(watched.chain.streamed).to.deep.equal({ blockNumber: 2, transactionCount: 1 });
    served.blocks[1] = [second, first];
    served.commit();
    const { breaches } = await watched.look();
    const told = {
      name: "reordered",
      blockNumber: 1,
      transactionIndex: 0,
      streamed: first.hash,
      committed: second.hash,
    };
    expect(breaches).to.deep.equal([told]);
    expect(watched.chain.height).to.equal(1);
    // What stood on the streamed one is judged anew: the third payment's input is live again.
    expect(watched.chain.output(third.transaction.inputs[0]!)).to.include({ blockNumber: 1, transactionIndex: 0 });
    expect(watched.chain.streamed).to.deep.equal({ blockNumber: 2, transactionCount: 1 });
    expect(watched.chain.output(next.id(0))).to.include({ owner: bob.address });

    const cut = served.pay([third.transaction.inputs[0]!], [ether(bob, 8n)], [bob]);
    await watched.look();
    served.seal();
    served.blocks[2] = [next];
    served.commit();
    await watched.reopen();
    const { breaches: both } = await watched.look();
    const gone = { name: "reordered", blockNumber: 2, transactionIndex: 1, streamed: cut.hash, committed: null };
    expect(both).to.deep.equal([told, gone]);
    expect([watched.chain.height, watched.chain.streamed]).to.deep.equal([2, null]);
  });

  it("behind an invalid block roots go on being compared, and blocks missed", async () => {
    served.open.push(sign([served.deposit(alice, 5n)], [ether(bob, 6n)], [alice]));
    served.sealAndCommit();
    payers.pay(4);
    served.seal();
    served.commit({ transactionsRoot: `0x${"12".repeat(32)}` });
    payers.pay(4);
    served.sealAndCommit();
    const { breaches, missing } = await watched.look();
    expect(breaches.map((breach) => [breach.name, breach.blockNumber])).to.deep.equal([
      ["invalidBlock", 1],
      ["unknownRoot", 2],
    ]);
    expect(missing).to.equal(null);
    served.lie = (number, _, response) => {
      if (number === 4) response.writeHead(503).end();
      return number === 4;
    };
    payers.pay(1);
    served.sealAndCommit();
    expect((await watched.look()).missing).to.deep.equal({ number: 4, reason: "HTTP 503" });
  });

  it("a deposit that is seen only later holds streaming up, and no more", async () => {
    payers.pay(3);
    const late = served.deposit(alice, 9n);
    const deposit = served.deposits.get(late)!;
    served.deposits.delete(late);
    const payment = served.pay([late], [ether(bob, 9n)], [alice]);
    const { breaches, operator } = await watched.look();
    expect(breaches).to.deep.equal([]);
    expect(operator.problem).to.equal("payment 3 of open block 1: UNKNOWN_INPUT");
    served.deposits.set(late, deposit);
    expect(await watched.look()).to.deep.include({ breaches: [] });
    expect(watched.chain.output(payment.id(0))).to.include({ owner: bob.address });
  });

  it("a block that spends a deposit which a reorganisation took away is taken back, after a restart too", async () => {
    const [kept, taken] = [served.deposit(alice, 5n), served.deposit(alice, 9n)];
    const deposit = served.deposits.get(taken)!;
    served.pay([kept], [ether(bob, 5n)], [alice]);
    served.sealAndCommit();
    const payment = served.pay([taken], [ether(bob, 9n)], [alice]);
    served.sealAndCommit();
    await watched.look();
    expect(watched.chain.height).to.equal(2);
    const without = async (): Promise<void> => {
      const { breaches } = await watched.look();
      expect(watched.chain.height).to.equal(1);
      expect(watched.chain.output(payment.id(0))).to.equal(undefined);
      expect(breaches).to.have.length(1);
      expect(breaches[0]).to.deep.include({ name: "invalidBlock", blockNumber: 2, rule: "UNKNOWN_INPUT" });
    };
    served.deposits.delete(taken);
    await without();
    // The place it had is another one's now.
    served.deposits.set(served.deposit(bob, 9n), { ...deposit, owner: bob.address });
    await watched.reopen();
    await without();
    served.deposits.set(taken, deposit);
    expect(await watched.look()).to.deep.include({ breaches: [] });
    expect(watched.chain.height).to.equal(2);
    await watched.chain.close();
    served.deposits.delete(taken);
    await watched.open();
    await without();
  });

  it("a deposit that is final is not looked at again, unless Ethereum is read anew", async () => {
    const taken = served.deposit(alice, 9n);
    const deposit = served.deposits.get(taken)!;
    served.deposits.set(taken, { ...deposit, final: true } as typeof deposit);
    served.pay([taken], [ether(bob, 9n)], [alice]);
    served.sealAndCommit();
    await watched.look();
    await watched.look();
    served.deposits.delete(taken);
    await watched.look();
    expect(watched.chain.height).to.equal(1);
    watched.chain.doubtDeposits();
    await watched.look();
    expect(watched.chain.height).to.equal(0);
  });
});
