import { expect } from "chai";
import { Wallet as Key } from "ethers";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { MerkleTree } from "@plasma-billing/protocol/merkle.ts";
import { decodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import { decodeKit, encodeKit, finishLeaving, leave, leaving, type ExitKit } from "@plasma-billing/sdk";
import { devKey, type SignedPayment } from "../helpers/chain.ts";
import { NO_EXIT, type PaymentSource } from "../helpers/inFlight.ts";
import type { Proof } from "../helpers/game.ts";
import { account, GUARD_EXIT_PERIOD, GuardStage } from "../helpers/guardStage.ts";

const [ALICE, BOB, CAROL, MALLORY] = [2, 3, 4, 5] as const;
const GOOD = 1;
const BAD = 2;
const [LOOT, AGAIN] = [0, 1] as const;
const CHANGE = 17;

/**
 * Alice's payment spends what a good block made and a later deposit. The bad block has loot of all there is, behind it once
 * more the payment that made alice's input: who starts the exit of hers by that inclusion has it paid behind the loot.
 */
describe("an in-flight exit that a stranger started by a later inclusion of an input", function () {
  this.timeout(180_000);
  let stage: GuardStage;
  let made: SignedPayment;
  let payment: SignedPayment;
  let loot: SignedPayment;
  let deposit: { id: bigint; owner: string; token: string; amount: bigint };

  beforeEach(async () => {
    stage = await GuardStage.start([ALICE]);
    const first = await stage.deposit(ALICE, 60n);
    await stage.deposit(CAROL, 800n);
    made = await stage.pay([first], [[ALICE, 60n]], [ALICE]);
    await stage.commit();
    const second = await stage.deposit(ALICE, 140n);
    deposit = { id: 3n, owner: account(ALICE), token: `0x${"00".repeat(20)}`, amount: 140n };
    await stage.look();
    payment = await stage.pay(
      [made.outputId(0), second],
      [
        [BOB, 150n],
        [ALICE, 50n],
      ],
      [ALICE, ALICE],
    );
    await stage.look();
    await stage.authorize(ALICE);
    loot = await stage.sign([`0x${"66".repeat(32)}`], [[MALLORY, 1_000n]], [MALLORY]);
    const block = [loot, made, payment].map((one) => ({
      ...{ hash: one.hash as Hex, transaction: decodeTransaction(one.json) },
    }));
    stage.child.blocks.splice(-1, 1, block);
    await stage.commit(true);
    stage.firstBadBlock = BAD;
  });
  afterEach(async () => await stage.stop());

  const contractOf = (index: number): any => stage.chain.rootChain.connect(stage.chain.wallet(index));
  const eventsOf = async (name: string): Promise<any[]> =>
    await stage.chain.rootChain.queryFilter(stage.chain.rootChain.filters[name]!());
  const proofOf = async (blockNumber: number, index: number): Promise<Proof> => {
    const tree = new MerkleTree();
    for (const { hash } of stage.child.blocks[blockNumber - 1]!) tree.append(hash);
    const { number, transactionsRoot, transactionCount, timestamp } = (await eventsOf("BlockCommitted"))[
      blockNumber - 1
    ].args;
    return { header: { number, transactionsRoot, transactionCount, timestamp }, index, siblings: tree.proof(index) };
  };
  /** Somebody starts the exit of alice's payment, showing this inclusion of what made her input. */
  const fly = async (blockNumber: number, index: number): Promise<void> => {
    const source: PaymentSource = {
      ...{ transaction: made.solidity, proof: await proofOf(blockNumber, index), outputIndex: 0 },
    };
    const value = await stage.chain.rootChain["inFlightExitBond"]!();
    const shown = [{ deposit, exit: NO_EXIT }];
    await stage.chain.mined(
      contractOf(BOB).startInFlightExit(payment.solidity, payment.json.signatures, [source], shown, "0x", { value }),
    );
  };
  const takeLoot = async (): Promise<void> => {
    const value = await stage.chain.rootChain["standardExitBond"]!();
    const proof = await proofOf(BAD, LOOT);
    await stage.chain.mined(contractOf(MALLORY).startStandardExit(loot.solidity, proof, 0, { value }));
  };
  const kitNow = async (): Promise<ExitKit> => decodeKit((await stage.guard.kit(account(ALICE)))!);
  const options = async (shown?: ExitKit): Promise<Parameters<typeof leave>[0]> => {
    const kit = shown ?? (await kitNow());
    const { provider } = stage.chain;
    const signer = new Key(devKey(ALICE), provider);
    return { kit, provider, signer, fromBlock: stage.chain.deploymentBlock, firstBadBlock: BAD };
  };
  /** Numbers of the exits that were asked for each index. */
  const asked = async (): Promise<[number, number][]> =>
    (await eventsOf("Piggybacked")).map(({ args }) => [Number(args.number), Number(args.index)]);
  /** All that is due is worked off: who gets what of it, as the contract tells it. */
  const finish = async (): Promise<void> => {
    await stage.chain.passTime(3 * GUARD_EXIT_PERIOD);
    await finishLeaving({ ...(await options()), signer: new Key(devKey(CAROL), stage.chain.provider) });
  };
  const expectPaidBeforeTheLoot = async (byExit: number): Promise<void> => {
    await finish();
    const finalized = new Map((await eventsOf("OutputFinalized")).map(({ args }) => [args.outputId, args.number]));
    expect(finalized.get(payment.outputId(1))).to.equal(BigInt(byExit));
    expect((await eventsOf("ExitUnpayable")).map(({ args }) => args.outputId)).to.deep.equal([loot.outputId(0)]);
    expect(await stage.chain.rootChain["held"]!(deposit.token)).to.equal(950n);
    const { outputs, stranded } = await leaving(await options());
    expect([outputs.map(({ amount, state }) => [amount, state]), stranded]).to.deep.equal([[[50n, "finalized"]], []]);
  };

  it("used as it is, it is paid behind the loot: nothing is left for it", async () => {
    await fly(BAD, AGAIN);
    await takeLoot();
    const [{ args }] = (await eventsOf("InFlightExitStarted")) as [any];
    const value = await stage.chain.rootChain["piggybackBond"]!();
    await stage.chain.mined(contractOf(ALICE).piggyback({ id: payment.hash, data: args.data }, CHANGE, { value }));
    await finish();
    expect((await eventsOf("ExitUnpayable")).map(({ args: { outputId } }) => outputId)).to.deep.equal([
      payment.outputId(1),
    ]);
  });

  it("leave moves it aside, and nothing is done twice", async () => {
    await fly(BAD, AGAIN);
    await takeLoot();
    const { outputs, stranded } = await leave(await options());
    expect([outputs.map(({ amount, state }) => [amount, state]), stranded]).to.deep.equal([[[50n, "started"]], []]);
    await leave(await options());
    expect(await stage.count("InFlightExitStarted")).to.equal(2);
    const mine = [0, 1, CHANGE].map((index) => [3, index]);
    expect(await asked()).to.deep.equal(mine);
    await expectPaidBeforeTheLoot(3);
  });

  it("so does leave where the exit of a deposit stands in what tells its age", async () => {
    await fly(BAD, AGAIN);
    await takeLoot();
    const value = await stage.chain.rootChain["standardExitBond"]!();
    await stage.chain.mined(contractOf(ALICE).startDepositExit(deposit, { value }));
    expect((await leave(await options())).stranded).to.deep.equal([]);
    expect(await asked()).to.deep.equal([0, 1, CHANGE].map((index) => [4, index]));
    await stage.settle();
    expect(await stage.count("InFlightExitStarted")).to.equal(2);
  });

  it("a watcher that guards her moves it aside, also when it had asked it already", async () => {
    stage.firstBadBlock = null;
    await fly(BAD, AGAIN);
    await takeLoot();
    await stage.settle();
    expect(await asked()).to.have.deep.members([0, 1, CHANGE].map((index) => [1, index]));
    stage.firstBadBlock = BAD;
    await stage.settle();
    expect(await stage.count("InFlightExitStarted")).to.equal(2);
    expect((await asked()).slice(3)).to.have.deep.members([0, 1, CHANGE].map((index) => [3, index]));
    expect(stage.named("guardedExit")[0]!.text).to.contain("of 1 exits 1 are started");
    await expectPaidBeforeTheLoot(3);
  });

  it("a watcher asks nothing of what it is about to move aside", async () => {
    await fly(BAD, AGAIN);
    await stage.settle();
    expect(await asked()).to.have.deep.members([0, 1, CHANGE].map((index) => [2, index]));
    await takeLoot();
    await expectPaidBeforeTheLoot(2);
  });

  it("what is as old as their own they use, for the price of piggybacks", async () => {
    await fly(GOOD, 0);
    await takeLoot();
    await leave(await options());
    await stage.settle();
    expect(await stage.count("InFlightExitStarted")).to.equal(1);
    expect(await asked()).to.deep.equal([0, 1, CHANGE].map((index) => [1, index]));
    await expectPaidBeforeTheLoot(1);
  });

  it("who cannot show what made its input asks the exit that is there", async () => {
    const kit = await kitNow();
    const payments = kit.payments.map((one) => ({ ...one, proof: null }));
    const blind = await options(decodeKit(encodeKit({ ...kit, payments })));
    expect((await leave(blind)).stranded.map(({ hash }) => hash)).to.include(payment.hash);
    expect(await asked()).to.deep.equal([]);
    await fly(GOOD, 0);
    expect((await leave(blind)).stranded.map(({ hash }) => hash)).to.not.include(payment.hash);
    expect(await stage.count("InFlightExitStarted")).to.equal(1);
    expect((await asked()).map(([, index]) => index)).to.have.members([0, 1, CHANGE]);
  });

  it("what is older, too: the contract would refuse theirs", async () => {
    const kit = await kitNow();
    const { header, index, siblings } = await proofOf(BAD, AGAIN);
    const { number, transactionCount, timestamp } = header;
    const plain = { number: Number(number), transactionCount: Number(transactionCount), timestamp: Number(timestamp) };
    const proof = { header: { ...header, ...plain } as never, index, siblings: siblings as Hex[] };
    const payments = kit.payments.map((one) => (one.proof === null ? one : { ...one, proof }));
    await fly(GOOD, 0);
    const { firstBadBlock: _, ...rest } = await options(decodeKit(encodeKit({ ...kit, payments })));
    const { stranded } = await leave(rest);
    expect(stranded).to.deep.equal([]);
    expect(await stage.count("InFlightExitStarted")).to.equal(1);
    expect(await asked()).to.deep.equal([0, 1, CHANGE].map((i) => [1, i]));
  });

  it("who asks an exit that was moved aside for something gets no answer by that", async () => {
    await fly(BAD, AGAIN);
    await leave(await options());
    const [{ args }] = (await eventsOf("InFlightExitStarted")) as [any];
    const value = await stage.chain.rootChain["piggybackBond"]!();
    await stage.chain.mined(contractOf(ALICE).piggyback({ id: payment.hash, data: args.data }, CHANGE, { value }));
    await takeLoot();
    // What stands is the main exit's.
    const [before] = (await leaving(await options())).outputs;
    const [, main] = (await eventsOf("InFlightExitStarted")).map(
      ({ args: { data } }) => BigInt(data.slice(0, 66)) >> 94n,
    );
    expect(before).to.deep.include({ state: "started", exitableAt: Number(main) });
    await expectPaidBeforeTheLoot(2);
  });
});
