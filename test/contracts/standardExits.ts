import { expect } from "chai";
import { Signature, toBeHex } from "ethers";
import {
  BOND,
  BOUNTY,
  ETHER,
  failure,
  Game,
  WEEK,
  type PlainDeposit,
  type PlainTransaction,
  type Proof,
} from "../helpers/game.ts";

const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

describe("RootChain: standard exits", () => {
  let game: Game;
  let deposit: PlainDeposit;
  /** Alice pays Bob 400 of her 1000. */
  let payment: PlainTransaction;
  let proof: Proof;
  beforeEach(async () => {
    game = await Game.start();
    deposit = await game.deposit(game.alice, 1000n);
    payment = game.transfer(
      [game.depositOutputId(deposit)],
      [
        { owner: game.bob.address, token: ETHER, amount: 400n },
        { owner: game.alice.address, token: ETHER, amount: 600n },
      ],
    );
    const others = Array.from({ length: 4 }, (_, i) => `0x${String(i + 1).repeat(64)}`);
    proof = (await game.commitLeaves([...others.slice(0, 2), game.hash(payment), ...others.slice(2)]))[2]!;
  });

  describe("start", () => {
    it("of a payment's output, by its owner with the exact bond: an event that says everything", async () => {
      const receipt = await game.mined(game.as(game.bob).startStandardExit(payment, proof, 0, { value: BOND }));
      const [event] = game.events(receipt, "ExitStarted");
      const time = proof.header.timestamp + 2n * BigInt(WEEK);
      const priority = (time << 94n) | (1n << 64n) | (3n << 41n) | 1n;
      const { bob } = game;
      const id = game.outputId(payment, 0);
      expect(event.toArray()).to.deep.equal([1n, id, bob.address, ETHER, 400n, bob.address, 0n, priority]);
      expect(await game.rootChain.firstExit(ETHER)).to.equal(priority);
      expect(await game.rootChain.queueLength(ETHER)).to.equal(1n);
      expect(await game.rootChain.nextExitNumber()).to.equal(2n);
    });

    it("can be paid at max(now + W, block timestamp + 2W), a deposit's at now + W, the older output first", async () => {
      const young = await game.startExit(game.bob, payment, proof);
      expect(young.exitableAt).to.equal(proof.header.timestamp + 2n * BigInt(WEEK));
      await game.pass(3 * WEEK);
      const old = await game.startExit(game.alice, payment, proof, 1);
      expect(old.exitableAt).to.equal(BigInt((await game.now()) + WEEK));
      const fresh = await game.deposit(game.carol, 5n);
      const started = await game.startDepositExit(game.carol, fresh);
      expect(started.exitableAt).to.equal(BigInt((await game.now()) + WEEK));
    });

    it("only by the owner, with exactly the bond", async () => {
      const start = (wallet: typeof game.bob, value: bigint): Promise<unknown> =>
        game.as(wallet).startStandardExit(payment, proof, 0, { value });
      const notOwner = `RootChain_NotOwner(${game.alice.address}, ${game.bob.address})`;
      expect(await failure(game, start(game.alice, BOND))).to.equal(notOwner);
      for (const value of [0n, BOND - 1n, BOND + 1n]) {
        expect(await failure(game, start(game.bob, value))).to.equal(`RootChain_WrongBond(${value}, ${BOND})`);
      }
      const alice = game.as(game.alice);
      expect(await failure(game, game.as(game.bob).startDepositExit(deposit, { value: BOND }))).to.equal(
        `RootChain_NotOwner(${game.bob.address}, ${game.alice.address})`,
      );
      expect(await failure(game, alice.startDepositExit(deposit, { value: BOND - 1n }))).to.equal(
        `RootChain_WrongBond(${BOND - 1n}, ${BOND})`,
      );
    });

    it("not of a deposit nobody made: another amount, owner, token or number", async () => {
      const lies = [
        { ...deposit, amount: 1001n },
        { ...deposit, id: 2n },
        { ...deposit, token: await game.token.getAddress() },
        { ...deposit, owner: game.bob.address },
      ];
      for (const lie of lies) {
        const caller = lie.owner === game.bob.address ? game.bob : game.alice;
        expect(await failure(game, game.as(caller).startDepositExit(lie, { value: BOND }))).to.equal(
          `RootChain_UnknownDeposit(${lie.id})`,
        );
      }
    });

    it("INV-9: not with a wrong index, depth, header or count, nor for another transaction or output", async () => {
      const start = (transaction: PlainTransaction, wrong: Proof, index = 0): Promise<string> =>
        failure(game, game.as(game.bob).startStandardExit(transaction, wrong, index, { value: BOND }));
      const { header, siblings } = proof;
      const hash = game.hash(payment);
      for (const index of [0, 1, 3, 4]) {
        expect(await start(payment, { ...proof, index })).to.equal(`RootChain_NotIncluded(${hash}, 1, ${index})`);
      }
      for (const index of [5, 7, 10, 2 + 8]) {
        expect(await start(payment, { ...proof, index })).to.equal(`RootChain_NotIncluded(${hash}, 1, ${index})`);
      }
      for (const wrong of [siblings.slice(1), siblings.slice(0, -1), [...siblings, siblings[0]!], []]) {
        expect(await start(payment, { ...proof, siblings: wrong })).to.equal(`RootChain_NotIncluded(${hash}, 1, 2)`);
      }
      for (const change of [
        { transactionCount: 3n },
        { timestamp: header.timestamp - 1n },
        { number: 2n },
        { number: 0n },
      ]) {
        const wrong = { ...header, ...change };
        expect(await start(payment, { ...proof, header: wrong })).to.equal(
          `RootChain_UnknownBlock(${wrong.number}, ${header.transactionsRoot})`,
        );
      }
      const dearer = { ...payment, outputs: [{ ...payment.outputs[0]!, amount: 401n }] };
      expect(await start(dearer, proof)).to.contain("RootChain_NotIncluded");
      expect(await start(payment, proof, 2)).to.not.equal("nothing");
    });

    it("not twice at once, and not of what was paid", async () => {
      const first = await game.startExit(game.bob, payment, proof);
      const again = (): Promise<string> =>
        failure(game, game.as(game.bob).startStandardExit(payment, proof, 0, { value: BOND }));
      expect(await again()).to.equal(`RootChain_AlreadyExiting(${first.outputId})`);
      await game.passTo(first.exitableAt);
      await game.process(ETHER, [first]);
      expect(await again()).to.equal(`RootChain_AlreadyFinalized(${first.outputId}, 1)`);

      const fresh = await game.deposit(game.alice, 50n);
      const started = await game.startDepositExit(game.alice, fresh);
      const deposits = (): Promise<string> =>
        failure(game, game.as(game.alice).startDepositExit(fresh, { value: BOND }));
      expect(await deposits()).to.equal(`RootChain_AlreadyExiting(${started.outputId})`);
      await game.passTo(started.exitableAt);
      await game.process(ETHER, [started]);
      expect(await deposits()).to.equal(`RootChain_AlreadyFinalized(${started.outputId}, 2)`);
    });

    it("not of an output of nothing", async () => {
      const nothing = game.transfer([game.outputId(payment)], [{ owner: game.bob.address, token: ETHER, amount: 0n }]);
      const [included] = await game.commit([nothing]);
      expect(await failure(game, game.as(game.bob).startStandardExit(nothing, included!, 0, { value: BOND }))).to.equal(
        "RootChain_ZeroAmount()",
      );
    });
  });

  describe("challenge (INV-5)", () => {
    it("with any signed spend, included nowhere: the challenger gets the bond less the bounty", async () => {
      const exit = await game.startDepositExit(game.alice, deposit);
      const before = await game.balance(game.carol.address);
      const receipt = await game.challenge(game.carol, exit, payment, game.sign(game.alice, payment));
      const [event] = game.events(receipt, "ExitChallenged");
      expect(event.toArray()).to.deep.equal([1n, exit.outputId, game.carol.address, game.hash(payment)]);
      expect(await game.balance(game.carol.address)).to.equal(before + BOND - BOUNTY - receipt.fee);
      expect(await game.rootChain.isCancelled(1)).to.equal(true);
      expect(await game.rootChain.finalizedBy(exit.outputId)).to.equal(0n);
    });

    it("puts the deposit's record back, so that the deposit can be exited again", async () => {
      const record = await game.rootChain.outputRecord(game.depositOutputId(deposit));
      const exit = await game.startDepositExit(game.alice, deposit);
      expect(await game.rootChain.outputRecord(exit.outputId)).to.not.equal(record);
      await game.challenge(game.carol, exit, payment, game.sign(game.alice, payment));
      expect(await game.rootChain.outputRecord(exit.outputId)).to.equal(record);
      const again = await game.startDepositExit(game.alice, deposit);
      expect(again.exit.number).to.equal(2n);
      expect(again.exit.depositRecord).to.equal(record);
    });

    it("a challenged exit is not challenged twice, nor after its output was paid", async () => {
      const exit = await game.startDepositExit(game.alice, deposit);
      const signature = game.sign(game.alice, payment);
      await game.challenge(game.carol, exit, payment, signature);
      const gone = `RootChain_NoSuchExit(1, ${exit.outputId})`;
      expect(await failure(game, game.challenge(game.carol, exit, payment, signature))).to.equal(gone);
      const second = await game.startDepositExit(game.alice, deposit);
      expect(await failure(game, game.challenge(game.carol, exit, payment, signature))).to.equal(gone);
      await game.passTo(second.exitableAt);
      await game.process(ETHER, [second]);
      expect(await failure(game, game.challenge(game.carol, second, payment, signature))).to.equal(
        `RootChain_NoSuchExit(2, ${exit.outputId})`,
      );
    });

    it("INV-6: not with a spend of another output, nor one the owner did not sign", async () => {
      const exit = await game.startExit(game.bob, payment, proof);
      const other = game.transfer(
        [game.outputId(payment, 1)],
        [{ owner: game.bob.address, token: ETHER, amount: 600n }],
      );
      expect(await failure(game, game.challenge(game.carol, exit, other, game.sign(game.bob, other)))).to.equal(
        `RootChain_NoSuchExit(1, ${game.outputId(payment, 1)})`,
      );
      const spend = game.transfer([exit.outputId], [{ owner: game.carol.address, token: ETHER, amount: 400n }]);
      expect(await failure(game, game.challenge(game.carol, exit, spend, game.sign(game.carol, spend)))).to.equal(
        `RootChain_WrongSigner(${game.carol.address}, ${game.bob.address})`,
      );
      const dearer = { ...exit, exit: { ...exit.exit, amount: 1n } };
      expect(await failure(game, game.challenge(game.carol, dearer, spend, game.sign(game.bob, spend)))).to.equal(
        `RootChain_NoSuchExit(1, ${exit.outputId})`,
      );
      expect(await failure(game, game.challenge(game.carol, exit, spend, game.sign(game.bob, spend), 1))).to.not.equal(
        "nothing",
      );
    });

    it("not with a spend signed for another contract or another chain", async () => {
      const exit = await game.startExit(game.bob, payment, proof);
      const spend = game.transfer([exit.outputId], [{ owner: game.carol.address, token: ETHER, amount: 400n }]);
      const foreign = [
        { ...game.domain, chainId: 1n },
        { ...game.domain, verifyingContract: game.stranger.address },
        { ...game.domain, version: "2" },
        { ...game.domain, name: "Plasma" },
      ];
      for (const domain of foreign) {
        const signature = game.sign(game.bob, spend, domain);
        expect(await failure(game, game.challenge(game.carol, exit, spend, signature))).to.contain(
          "RootChain_WrongSigner",
        );
      }
    });

    it("not with a signature in another form: s in the upper half, v not 27 or 28, 64 or 66 bytes", async () => {
      const exit = await game.startExit(game.bob, payment, proof);
      const spend = game.transfer([exit.outputId], [{ owner: game.carol.address, token: ETHER, amount: 400n }]);
      const good = Signature.from(game.sign(game.bob, spend));
      const highS = `${good.r}${toBeHex(CURVE_ORDER - BigInt(good.s), 32).slice(2)}${good.v === 27 ? "1c" : "1b"}`;
      const wrong = [
        highS,
        `${good.serialized.slice(0, -2)}0${good.v - 27}`,
        `${good.serialized.slice(0, -2)}1d`,
        good.compactSerialized,
        `${good.serialized}00`,
        "0x",
      ];
      for (const signature of wrong) {
        expect(await failure(game, game.challenge(game.carol, exit, spend, signature))).to.contain(
          "RootChain_WrongSigner",
        );
      }
      await game.challenge(game.carol, exit, spend, good.serialized);
    });

    it("finds the output at any place of the spend's inputs", async () => {
      const exit = await game.startExit(game.bob, payment, proof);
      const spend = game.transfer(
        [game.outputId(payment, 1), exit.outputId],
        [{ owner: game.carol.address, token: ETHER, amount: 1000n }],
      );
      await game.challenge(game.carol, exit, spend, game.sign(game.bob, spend), 1);
      expect(await game.rootChain.isCancelled(1)).to.equal(true);
    });
  });
});
