import { expect } from "chai";
import { decodeKit, encodeKit, finishLeaving, leave, leaving, type Wallet } from "@plasma-billing/sdk";
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

describe("sdk: leaving when the bad block has chains of payments", function () {
  this.timeout(240_000);
  let stage: MarketStage;
  const wallets = new Map<number, Wallet>();
  const hashes: Record<string, string> = {};
  const [CAROL, DAVE, ERIN] = [4, 5, 6] as const;

  before(async () => {
    stage = await MarketStage.start();
    for (const index of [ALICE, BOB, CAROL, DAVE, ERIN]) wallets.set(index, await stage.wallet(index));
    const pay = async (from: number, to: number, amount: bigint): Promise<string> =>
      (await wallets.get(from)!.transfer({ to: wallets.get(to)!.address, token: ETHER, amount })).hash;
    await stage.fund(wallets.get(ALICE)!, ETHER, 1_000n);
    await pay(ALICE, BOB, 400n);
    await stage.commitHour();
    for (const wallet of wallets.values()) await wallet.sync();
    // In the bad block: alice pays carol, and dave from the change; bob pays erin, who pays dave from that.
    hashes["alice-carol"] = await pay(ALICE, CAROL, 100n);
    hashes["alice-dave"] = await pay(ALICE, DAVE, 200n);
    hashes["bob-erin"] = await pay(BOB, ERIN, 400n);
    await wallets.get(ERIN)!.sync();
    hashes["erin-dave"] = await pay(ERIN, DAVE, 400n);
    await stage.commitHour();
    for (const wallet of wallets.values()) await wallet.sync();
    // And one more, before anybody knows.
    hashes["alice-carol-later"] = await pay(ALICE, CAROL, 50n);
    await stage.commitHour();
    for (const wallet of wallets.values()) await wallet.sync();
    await stage.loseOperator();
  });
  after(async () => await stage?.stop());

  const options = (index: number): Parameters<typeof leave>[0] => {
    const kit = decodeKit(encodeKit(wallets.get(index)!.kit()));
    const { provider, chain } = stage;
    return { kit, provider, signer: stage.signer(index), firstBadBlock: 2, fromBlock: chain.deploymentBlock };
  };
  const asked = async (index: number): Promise<{ outputs: [bigint, string][]; stranded: string[] }> => {
    const { outputs, stranded } = await leave(options(index));
    return {
      outputs: outputs
        .map(({ amount, state }): [bigint, string] => [amount, state])
        .sort((a, b) => Number(b[0] - a[0])),
      stranded: stranded.map(({ hash }) => hash),
    };
  };

  it("the first payment of each, which spends what is good, leaves with the newest kit; what is chained on it is stranded", async () => {
    const later = [hashes["alice-dave"], hashes["alice-carol-later"]];
    const alice = await asked(ALICE);
    expect(alice.outputs).to.deep.equal([
      [500n, "started"],
      [250n, "none"],
    ]);
    expect(alice.stranded).to.have.members(later);
    // She has nothing left of what bob paid her: nobody else could take it out.
    expect(await asked(ERIN)).to.deep.equal({ outputs: [[400n, "started"]], stranded: [] });
    const carol = await asked(CAROL);
    expect(carol.outputs).to.deep.equal([
      [100n, "started"],
      [50n, "none"],
    ]);
    expect(carol.stranded).to.deep.equal([hashes["alice-carol-later"]]);
    expect((await asked(DAVE)).stranded).to.have.members([hashes["alice-dave"], hashes["erin-dave"]]);
    const flown = (await stage.chain.rootChain.queryFilter(
      stage.chain.rootChain.filters["InFlightExitStarted"]!(),
    )) as any[];
    expect(flown.map(({ args }) => args.transactionHash)).to.have.members([hashes["alice-carol"], hashes["bob-erin"]]);
  });

  it("all that was good is paid to those whom its first payment pays", async () => {
    await stage.chain.passTime(3 * EXIT_PERIOD_SECONDS);
    await finishLeaving({ ...options(ALICE), signer: stage.signer(STRANGER) });
    for (const [index, amount] of [
      [ALICE, 500n],
      [CAROL, 100n],
      [ERIN, 400n],
    ] as const) {
      const { outputs } = await leaving(options(index));
      expect(outputs.filter(({ state }) => state === "finalized").map((one) => one.amount)).to.deep.equal([amount]);
    }
    expect(await stage.provider.getBalance(stage.chain.address)).to.equal(0n);
  });
});
