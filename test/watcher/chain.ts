import { expect } from "chai";
import { domainSeparator } from "@plasma-billing/protocol/typedData.ts";
import { NaiveLedger } from "../helpers/naiveLedger.ts";
import { DOMAIN } from "../helpers/protocol.ts";
import { ownerOf, type ServedChain } from "../helpers/servedChain.ts";
import { Payers, WatchedChain } from "../helpers/watchedChain.ts";

/** The live outputs by the plainest rules there are. */
function liveOutputs(served: ServedChain): { id: string; owner: string; amount: bigint }[] {
  const naive = new NaiveLedger(domainSeparator(DOMAIN));
  const place = { nextBlockNumber: 1, ethereumBlock: 1, ethereumTransaction: `0x${"00".repeat(32)}` as const };
  for (const deposit of served.deposits.values()) naive.apply({ type: "deposit", ...deposit, ...place });
  for (const { hash, transaction } of served.blocks.flat()) {
    expect(
      naive.judge(
        transaction,
        transaction.inputs.map((id) => naive.outputs.find((one) => one.id === id)!.owner),
      ),
    ).to.equal(null);
    naive.apply({ type: "payment", hash, transaction, blockNumber: 1, transactionIndex: 0, acceptedAt: 1 } as never);
  }
  return naive.outputs.filter(({ spent }) => !spent).map(({ id, owner, amount }) => ({ id, owner, amount }));
}

function expectState({ chain, served }: WatchedChain): void {
  const live = liveOutputs(served);
  for (const { id, owner, amount } of live) {
    const output = chain.output(id as `0x${string}`);
    expect(output, id).to.include({ id, owner, amount, state: "available" });
  }
  const deposits = [...served.deposits.keys()].filter((id) => live.some((one) => one.id === id));
  const spentFirst = live.length - deposits.length;
  expect(chain.outputs.count).to.equal(spentFirst);
}

describe("the watcher's chain", function () {
  this.timeout(60_000);
  let watched: WatchedChain;
  let served: ServedChain;
  beforeEach(async () => {
    watched = await WatchedChain.start();
    served = watched.served;
  });
  afterEach(async () => {
    await watched.stop();
  });

  it("follows an honest chain from its start: streamed, committed, open, as the naive ledger has it", async () => {
    const payers = new Payers(served, 1);
    for (let block = 1; block <= 4; block++) {
      payers.pay(20);
      const streamed = await watched.look();
      expect(streamed).to.deep.include({ breaches: [], missing: null });
      expect(streamed.operator).to.deep.equal({ answered: true, problem: null, openBlock: block });
      expect(watched.chain.streamed).to.deep.equal({ blockNumber: block, transactionCount: 20 });
      expect(streamed.openSince).to.be.a("number");
      expectState(watched);
      payers.pay(7);
      served.sealAndCommit();
      const landed = await watched.look();
      expect(landed).to.deep.include({ breaches: [], missing: null, openSince: null });
      expect([watched.chain.height, watched.chain.streamed, watched.chain.verifiedPayments]).to.deep.equal([
        block,
        null,
        block * 27,
      ]);
      expectState(watched);
    }
    expect(ownerOf(0).address).to.equal(payers.owners[0]!.address);
  });
});
