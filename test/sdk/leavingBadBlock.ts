import { expect } from "chai";
import { finishLeaving, leave, leaving, type Wallet } from "@plasma-billing/sdk";
import { ETHER } from "@plasma-billing/protocol/transaction.ts";
import { EXIT_PERIOD_SECONDS, MarketStage } from "../helpers/marketStage.ts";

const [ALICE, BOB, STRANGER] = [2, 3, 8] as const;

describe("sdk: leaving when a block that the kit has proofs of is bad", function () {
  this.timeout(240_000);
  let stage: MarketStage;
  const wallets = new Map<number, Wallet>();

  before(async () => {
    stage = await MarketStage.start();
    const [alice, bob] = [await stage.wallet(ALICE), await stage.wallet(BOB)];
    wallets.set(ALICE, alice).set(BOB, bob);
    await stage.fund(alice, ETHER, 1_000n);
    await alice.transfer({ to: bob.address, token: ETHER, amount: 400n });
    await stage.commitHour();
    await bob.sync();
    await bob.transfer({ to: alice.address, token: ETHER, amount: 150n });
    await stage.commitHour();
    await alice.sync();
    await bob.sync();
    await stage.loseOperator();
  });
  after(async () => await stage?.stop());

  const options = (index: number): Parameters<typeof leave>[0] => ({
    ...{ kit: wallets.get(index)!.kit(), provider: stage.provider, signer: stage.signer(index), firstBadBlock: 2 },
    fromBlock: stage.chain.deploymentBlock,
  });
  const amounts = ({ outputs }: Awaited<ReturnType<typeof leave>>): bigint[] =>
    outputs.map(({ amount }) => amount).sort((a, b) => Number(a - b));

  it("what earlier blocks made leaves by standard exits, what the bad one has in flight; all is paid", async () => {
    const { chain, provider } = stage;
    const exitsOf = async (name: string): Promise<number> =>
      (await chain.rootChain.queryFilter(chain.rootChain.filters[name]!())).length;
    const [alices, bobs] = [await leave(options(ALICE)), await leave(options(BOB))];
    expect([alices.stranded, bobs.stranded]).to.deep.equal([[], []]);
    // Of bob's payment each wants what it has in it; one exit serves both.
    expect([amounts(alices), amounts(bobs)]).to.deep.equal([[150n, 600n], [250n]]);
    expect([await exitsOf("ExitStarted"), await exitsOf("InFlightExitStarted")]).to.deep.equal([1, 1]);
    // Nothing is done twice.
    await leave(options(ALICE));
    expect(await exitsOf("Piggybacked")).to.equal(3);

    await chain.passTime(3 * EXIT_PERIOD_SECONDS);
    await finishLeaving({ ...options(ALICE), signer: stage.signer(STRANGER) });
    const finalized = await chain.rootChain.queryFilter(chain.rootChain.filters["OutputFinalized"]!());
    expect(finalized.length).to.be.greaterThan(0);
    const states = async (index: number): Promise<string[]> =>
      (await leaving(options(index))).outputs.map(({ state }) => state);
    expect([...(await states(ALICE)), ...(await states(BOB))]).to.deep.equal(["finalized", "finalized", "finalized"]);
    expect(await provider.getBalance(chain.address)).to.equal(0n);
  });
});
