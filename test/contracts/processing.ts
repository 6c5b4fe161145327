import { expect } from "chai";
import {
  BOND,
  BOUNTY,
  ETHER,
  failure,
  Game,
  WEEK,
  type PlainTransaction,
  type Proof,
  type Started,
} from "../helpers/game.ts";

describe("RootChain: processing exits", () => {
  let game: Game;
  beforeEach(async () => {
    game = await Game.start();
  });

  /** A payment of `amounts` to Bob, made from a deposit of Alice's, and its proof. */
  const paidTo = async (
    amounts: bigint[],
    token: string = ETHER,
  ): Promise<{ payment: PlainTransaction; proof: Proof }> => {
    const total = amounts.reduce((sum, amount) => sum + amount);
    const deposit = await game.deposit(game.alice, total, token);
    const outputs = amounts.map((amount) => ({ owner: game.bob.address, token, amount }));
    const payment = game.transfer([game.depositOutputId(deposit)], outputs);
    const [proof] = await game.commit([payment]);
    return { payment, proof: proof! };
  };
  const startAll = async (payment: PlainTransaction, proof: Proof): Promise<Started[]> => {
    const exits: Started[] = [];
    for (const index of payment.outputs.keys()) exits.push(await game.startExit(game.bob, payment, proof, index));
    return exits;
  };

  it("pays ether with the bond back to its owner, the bounty to whoever processes; held goes down", async () => {
    const { payment, proof } = await paidTo([400n, 600n]);
    const [exit] = await startAll(payment, proof);
    await game.passTo(exit!.exitableAt);
    const [bob, stranger] = [await game.balance(game.bob.address), await game.balance(game.stranger.address)];
    const receipt = await game.process(ETHER, [exit!]);
    expect(await game.balance(game.bob.address)).to.equal(bob + 400n + BOND - BOUNTY);
    expect(await game.balance(game.stranger.address)).to.equal(stranger + BOUNTY - receipt.fee);
    expect(await game.rootChain.held(ETHER)).to.equal(600n);
    expect(await game.rootChain.finalizedBy(exit!.outputId)).to.equal(1n);
    expect(game.events(receipt, "OutputFinalized")[0].toArray()).to.deep.equal([exit!.outputId, 1n]);
    expect(game.events(receipt, "ExitFinalized")[0].toArray()).to.deep.equal([1n, exit!.outputId, true]);
    expect(await game.rootChain.queueLength(ETHER)).to.equal(1n);
  });

  it("pays a token, and the bond in ether", async () => {
    const token = await game.token.getAddress();
    const { payment, proof } = await paidTo([400n], token);
    const [exit] = await startAll(payment, proof);
    await game.passTo(exit!.exitableAt);
    const bob = await game.balance(game.bob.address);
    await game.process(token, [exit!]);
    expect(await game.balance(game.bob.address, token)).to.equal(400n);
    expect(await game.balance(game.bob.address)).to.equal(bob + BOND - BOUNTY);
    expect(await game.rootChain.held(token)).to.equal(0n);
    expect(await game.balance(game.address)).to.equal(0n);
  });

  it("INV-3: pays no exit before its time, to the second", async () => {
    const { payment, proof } = await paidTo([400n]);
    const [exit] = await startAll(payment, proof);
    const { networkHelpers } = game.connection;
    await networkHelpers.time.setNextBlockTimestamp(exit!.exitableAt - 1n);
    await game.process(ETHER, [exit!]);
    expect(await game.rootChain.queueLength(ETHER)).to.equal(1n);
    await networkHelpers.time.setNextBlockTimestamp(exit!.exitableAt);
    await game.process(ETHER, [exit!]);
    expect(await game.rootChain.queueLength(ETHER)).to.equal(0n);
  });

  it("INV-3: the older output goes first, in whatever order exits started, and whoever hands in the younger is held up", async () => {
    const first = await paidTo([1n, 2n]);
    const second = await paidTo([3n]);
    const young = await game.startExit(game.bob, second.payment, second.proof, 0);
    const old = await game.startExit(game.bob, first.payment, first.proof, 1);
    const oldest = await game.startExit(game.bob, first.payment, first.proof, 0);
    await game.passTo(young.exitableAt);
    // The data of one that is not first ends the call, having removed nothing.
    for (const wrong of [[young], [oldest], [old, young, oldest].slice(1)]) {
      await game.process(ETHER, wrong);
      expect(await game.rootChain.queueLength(ETHER)).to.equal(3n);
    }
    // Of one transaction's outputs the exit started first has the smaller number.
    const receipt = await game.process(ETHER, [old, oldest, young]);
    expect(game.events(receipt, "ExitFinalized").map((event) => event.number)).to.deep.equal([2n, 3n, 1n]);
  });

  it("a deposit ages with the block that followed it, before that block's transactions", async () => {
    await game.commitLeaves([`0x${"11".repeat(32)}`]);
    const before = await game.deposit(game.alice, 10n);
    const { payment, proof } = await paidTo([5n]);
    const after = await game.deposit(game.carol, 20n);
    await game.pass(3 * WEEK);
    // Exits started in one Ethereum block have the same time: age alone decides.
    await game.connection.ethers.provider.send("evm_setAutomine", [false]);
    const sent = [
      game.as(game.carol).startDepositExit(after, { value: BOND, gasLimit: 500_000n }),
      game.as(game.bob).startStandardExit(payment, proof, 0, { value: BOND, gasLimit: 500_000n }),
      game.as(game.alice).startDepositExit(before, { value: BOND, gasLimit: 500_000n }),
    ];
    await Promise.all(sent);
    await game.connection.networkHelpers.mine();
    await game.connection.ethers.provider.send("evm_setAutomine", [true]);
    const started = await Promise.all(sent.map((one) => game.started(one)));
    await game.passTo(started[0]!.exitableAt);
    const byAge = [started[2]!, started[1]!, started[0]!];
    const receipt = await game.process(ETHER, byAge);
    expect(game.events(receipt, "ExitFinalized").map((event) => event.outputId)).to.deep.equal(
      byAge.map((exit) => exit.outputId),
    );
  });

  it("takes out a cancelled entry that stands first, or behind the last data, and pays its waiting bounty", async () => {
    const { payment, proof } = await paidTo([1n, 2n, 3n]);
    const exits = await startAll(payment, proof);
    for (const index of [0, 2]) {
      const spend = game.transfer([exits[index]!.outputId], [{ owner: game.carol.address, token: ETHER, amount: 1n }]);
      await game.challenge(game.carol, exits[index]!, spend, game.sign(game.bob, spend));
    }
    await game.passTo(exits[2]!.exitableAt);
    const before = await game.balance(game.stranger.address);
    const receipt = await game.process(ETHER, [exits[1]!]);
    expect(game.events(receipt, "ExitFinalized").map((event) => event.number)).to.deep.equal([2n]);
    expect(await game.rootChain.queueLength(ETHER)).to.equal(0n);
    expect(await game.balance(game.stranger.address)).to.equal(before + 3n * BOUNTY - receipt.fee);
    expect(await game.balance(game.address)).to.equal(await game.rootChain.held(ETHER));
  });

  it("the data of a cancelled exit takes its entry out and pays nothing; a call without data cleans up too", async () => {
    const { payment, proof } = await paidTo([1n, 2n]);
    const exits = await startAll(payment, proof);
    const spend = game.transfer([exits[0]!.outputId], [{ owner: game.carol.address, token: ETHER, amount: 1n }]);
    await game.challenge(game.carol, exits[0]!, spend, game.sign(game.bob, spend));
    await game.passTo(exits[1]!.exitableAt);
    const receipt = await game.process(ETHER, []);
    expect(game.events(receipt, "ExitFinalized")).to.deep.equal([]);
    expect(await game.rootChain.queueLength(ETHER)).to.equal(1n);
    await game.process(ETHER, [exits[0]!]);
    expect(await game.rootChain.queueLength(ETHER)).to.equal(1n);
    expect(await game.rootChain.finalizedBy(exits[0]!.outputId)).to.equal(0n);
  });

  it("an output exited anew after a challenge is not paid by the stale entry's data", async () => {
    const deposit = await game.deposit(game.alice, 100n);
    const stale = await game.startDepositExit(game.alice, deposit);
    const spend = game.transfer([stale.outputId], [{ owner: game.bob.address, token: ETHER, amount: 100n }]);
    await game.challenge(game.carol, stale, spend, game.sign(game.alice, spend));
    const again = await game.startDepositExit(game.alice, deposit);
    await game.passTo(again.exitableAt);
    const receipt = await game.process(ETHER, [stale, again]);
    // The stale data removed its own entry, matched nothing after it, and ended the call there.
    expect(game.events(receipt, "ExitFinalized")).to.deep.equal([]);
    expect(await game.rootChain.queueLength(ETHER)).to.equal(1n);
    const paid = await game.process(ETHER, [again]);
    expect(game.events(paid, "ExitFinalized")[0].toArray()).to.deep.equal([2n, stale.outputId, true]);
  });

  it("garbage, short, long or altered data ends the call and keeps what was done before it", async () => {
    const { payment, proof } = await paidTo([1n, 2n]);
    const [first, second] = await startAll(payment, proof);
    await game.passTo(second!.exitableAt);
    const { id, data } = second!.data;
    const wrong = [
      { id, data: "0x" },
      { id, data: `${data}00` },
      { id, data: `${data.slice(0, -2)}01` },
      { id, data: `0x${"ff".repeat(192)}` },
      { id: first!.data.id, data },
      { id: `0x${"00".repeat(32)}`, data },
      game.exitData(id, { ...second!.exit, amount: 2n ** 200n }),
      game.exitData(id, { ...second!.exit, owner: game.carol.address }),
      game.exitData(id, { ...second!.exit, bondOwner: game.carol.address }),
    ];
    for (const garbage of wrong) {
      await game.as(game.stranger).processExits(ETHER, [garbage]);
      expect(await game.rootChain.queueLength(ETHER)).to.equal(2n);
    }
    await game.as(game.stranger).processExits(ETHER, [first!.data, wrong[3]!, second!.data]);
    expect(await game.rootChain.queueLength(ETHER)).to.equal(1n);
    expect(await game.rootChain.finalizedBy(first!.outputId)).to.equal(1n);
  });

  it("an exit stands in its own token's queue only", async () => {
    const token = await game.token.getAddress();
    const { payment, proof } = await paidTo([5n], token);
    await game.deposit(game.carol, 1000n);
    const [exit] = await startAll(payment, proof);
    await game.passTo(exit!.exitableAt);
    await game.process(ETHER, [exit!]);
    expect(await game.rootChain.held(ETHER)).to.equal(1000n);
    expect(await game.rootChain.queueLength(token)).to.equal(1n);
  });

  it("leaves out what is larger than held: unpaid, not finalized, the bond back, and it can exit again", async () => {
    // An operator that makes 1,000 from nothing, where 300 are held.
    const forged = game.transfer([`0x${"77".repeat(32)}`], [{ owner: game.bob.address, token: ETHER, amount: 1_000n }]);
    const honest = await game.deposit(game.alice, 300n);
    const [proof] = await game.commit([forged]);
    const exit = await game.startExit(game.bob, forged, proof!);
    await game.passTo(exit.exitableAt);
    const before = await game.balance(game.bob.address);
    const receipt = await game.process(ETHER, [exit]);
    expect(game.events(receipt, "ExitUnpayable")[0].toArray()).to.deep.equal([1n, exit.outputId, 1_000n, 300n]);
    expect(await game.balance(game.bob.address)).to.equal(before + BOND - BOUNTY);
    expect(await game.rootChain.held(ETHER)).to.equal(300n);
    expect(await game.rootChain.finalizedBy(exit.outputId)).to.equal(0n);
    expect(await game.rootChain.outputRecord(exit.outputId)).to.equal(0n);
    expect(await game.rootChain.claimable(ETHER, game.bob.address)).to.equal(0n);
    const again = await game.startExit(game.bob, forged, proof!);
    const hers = await game.startDepositExit(game.alice, honest);
    await game.passTo(hers.exitableAt);
    const paid = await game.process(ETHER, [again, hers]);
    expect(game.events(paid, "ExitUnpayable").map((event) => event.number)).to.deep.equal([2n]);
    expect(game.events(paid, "ExitFinalized")[0].toArray()).to.deep.equal([3n, hers.outputId, true]);
  });

  it("INV-4 in small: what a bad block makes from nothing is paid after everything older whose owner leaves in time", async () => {
    const alices = await game.deposit(game.alice, 1_000n);
    const forged = game.transfer(
      [`0x${"77".repeat(32)}`],
      [{ owner: game.carol.address, token: ETHER, amount: 1_000n }],
    );
    const [proof] = await game.commit([forged]);
    const theft = await game.startExit(game.carol, forged, proof!);
    await game.pass(WEEK - 100);
    const rescue = await game.startDepositExit(game.alice, alices);
    await game.passTo(theft.exitableAt + BigInt(WEEK));
    await game.process(ETHER, [theft]);
    expect(await game.rootChain.held(ETHER)).to.equal(1_000n);
    const receipt = await game.process(ETHER, [rescue, theft]);
    expect(game.events(receipt, "ExitFinalized").map((event) => event.number)).to.deep.equal([2n]);
    expect(game.events(receipt, "ExitUnpayable").map((event) => event.number)).to.deep.equal([1n]);
  });

  it("pays a long queue, ten at a time", async () => {
    const { payment, proof } = await paidTo(Array.from({ length: 16 }, (_, i) => BigInt(i + 1)));
    const exits: Started[] = [];
    for (const index of [7, 3, 15, 0, 1, 12, 2, 9, 4, 14, 5, 6, 13, 8, 11, 10]) {
      exits.push(await game.startExit(game.bob, payment, proof, index));
    }
    await game.passTo(exits[0]!.exitableAt);
    for (let start = 0; start < exits.length; start += 10) await game.process(ETHER, exits.slice(start, start + 10));
    expect(await game.rootChain.queueLength(ETHER)).to.equal(0n);
    expect(await game.rootChain.held(ETHER)).to.equal(0n);
  });

  it("claim pays a credit once, to where its owner says", async () => {
    const token = (await game.connection.ethers.deployContract("BlackListToken")) as any;
    const address = await token.getAddress();
    const { payment, proof } = await paidTo([50n], address);
    const [exit] = await startAll(payment, proof);
    await token.setListed(game.bob.address, true);
    await game.passTo(exit!.exitableAt);
    const receipt = await game.process(address, [exit!]);
    expect(game.events(receipt, "PayoutDeferred")[0].toArray()).to.deep.equal([address, game.bob.address, 50n]);
    expect(await game.rootChain.claimable(address, game.bob.address)).to.equal(50n);
    expect(await game.rootChain.held(address)).to.equal(0n);
    const bob = game.as(game.bob);
    expect(await failure(game, bob.claim(address, game.bob.address))).to.contain("listed");
    expect(await failure(game, bob.claim(address, ETHER))).to.equal(`RootChain_WrongReceiver(${ETHER})`);
    expect(await failure(game, bob.claim(address, game.address))).to.equal(`RootChain_WrongReceiver(${game.address})`);
    expect(await failure(game, game.as(game.carol).claim(address, game.carol.address))).to.equal(
      `RootChain_NothingToClaim(${address}, ${game.carol.address})`,
    );
    const claimed = await game.mined(bob.claim(address, game.carol.address));
    expect(game.events(claimed, "Claimed")[0].toArray()).to.deep.equal([
      address,
      game.bob.address,
      game.carol.address,
      50n,
    ]);
    expect(await game.balance(game.carol.address, address)).to.equal(50n);
    expect(await failure(game, bob.claim(address, game.carol.address))).to.contain("RootChain_NothingToClaim");
  });
});
