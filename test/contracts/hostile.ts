import { expect } from "chai";
import type { HDNodeWallet } from "ethers";
import { BOND, BOUNTY, ETHER, Game, WEEK, type Started } from "../helpers/game.ts";

// Code stands at an exiting owner's address, as delegation (EIP-7702) allows.
const TOKEN_MOODS = { ReturnsFalse: 1, Reverts: 2, BurnsGas: 3, LongAnswer: 4, ShortAnswer: 5, RevertsWithTrue: 7 };
const RECEIVER_MOODS = { Reverts: 1, BurnsGas: 2, LongAnswer: 3 };

describe("RootChain: hostile tokens and receivers (INV-7)", () => {
  let game: Game;
  beforeEach(async () => {
    game = await Game.start();
  });

  const putCode = async (account: string, mood: number): Promise<any> => {
    const { ethers, networkHelpers } = game.connection;
    const receiver = (await ethers.deployContract("HostileReceiver")) as any;
    await networkHelpers.setCode(account, await ethers.provider.getCode(await receiver.getAddress()));
    const there = (await ethers.getContractAt("HostileReceiver", account)) as any;
    await there.setMood(mood);
    return there;
  };
  const removeCode = async (account: string): Promise<void> => {
    await game.connection.networkHelpers.setCode(account, "0x");
  };
  /** Each owner deposits and starts to leave; gives the exits in their order, due. */
  const leaving = async (token: string, owners: HDNodeWallet[], amount = 100n): Promise<Started[]> => {
    const exits: Started[] = [];
    for (const owner of owners)
      exits.push(await game.startDepositExit(owner, await game.deposit(owner, amount, token)));
    await game.pass(WEEK + 1);
    return exits;
  };

  for (const [mood, number] of Object.entries(TOKEN_MOODS)) {
    it(`a token that ${mood} when it pays: the queue goes on, each is credited and can claim later`, async () => {
      const token = (await game.connection.ethers.deployContract("MoodyToken")) as any;
      const address = await token.getAddress();
      const exits = await leaving(address, [game.alice, game.bob]);
      await token.setMood(number);
      const receipt = await game.process(address, exits, { gasLimit: 5_000_000n });
      expect(game.events(receipt, "ExitFinalized").map((event) => event.number)).to.deep.equal([1n, 2n]);
      for (const owner of [game.alice, game.bob]) {
        expect(await game.rootChain.claimable(address, owner.address)).to.equal(100n);
        await token.setMood(0);
        await game.as(owner).claim(address, owner.address);
        expect(await game.balance(owner.address, address)).to.equal(100n);
        await token.setMood(number);
      }
      expect(await game.rootChain.held(address)).to.equal(0n);
    });
  }

  for (const [mood, number] of Object.entries(RECEIVER_MOODS)) {
    it(`a receiver that ${mood}: its ether is credited (or taken), those behind it are paid`, async () => {
      const exits = await leaving(ETHER, [game.alice, game.bob]);
      const there = await putCode(game.alice.address, number);
      const before = await game.balance(game.bob.address);
      const alices = await game.balance(game.alice.address);
      const receipt = await game.process(ETHER, exits, { gasLimit: 5_000_000n });
      expect(game.events(receipt, "ExitFinalized")).to.have.length(2);
      expect(await game.balance(game.bob.address)).to.equal(before + 100n + BOND - BOUNTY);
      const credited = await game.rootChain.claimable(ETHER, game.alice.address);
      const pushed = (await game.balance(game.alice.address)) - alices;
      expect(credited + pushed).to.equal(100n + BOND - BOUNTY);
      expect(credited === 0n).to.equal(mood === "LongAnswer");
      expect(receipt.gasUsed < 600_000n).to.equal(true);
      await there.setMood(0);
      await removeCode(game.alice.address);
      if (credited > 0n) await game.as(game.alice).claim(ETHER, game.carol.address);
      expect(await game.balance(game.address)).to.equal(0n);
    });
  }

  it("a receiver that enters again, into every function, changes nothing", async () => {
    const { interface: abi } = game.rootChain;
    const [exit, second] = await leaving(ETHER, [game.alice, game.bob]);
    const there = await putCode(game.alice.address, 0);
    const calls = [
      abi.encodeFunctionData("processExits", [ETHER, [second!.data]]),
      abi.encodeFunctionData("depositEther", [game.carol.address]),
      abi.encodeFunctionData("claim", [ETHER, game.carol.address]),
      abi.encodeFunctionData("startDepositExit", [{ id: 1, owner: game.alice.address, token: ETHER, amount: 100n }]),
    ];
    for (const call of calls) {
      const snapshot = await game.connection.networkHelpers.takeSnapshot();
      await there.setCall(game.address, call);
      const receipt = await game.process(ETHER, [exit!], { gasLimit: 5_000_000n });
      expect(await there.callSucceeded()).to.equal(false);
      expect(game.events(receipt, "ExitFinalized").map((event) => event.number)).to.deep.equal([1n]);
      expect(await game.rootChain.queueLength(ETHER)).to.equal(1n);
      expect(await game.balance(game.address)).to.equal(
        (await game.rootChain.held(ETHER)) + BOND + (await game.rootChain.claimable(ETHER, game.alice.address)),
      );
      await snapshot.restore();
    }
  });

  it("a token that enters again when it pays changes nothing", async () => {
    const token = (await game.connection.ethers.deployContract("MoodyToken")) as any;
    const address = await token.getAddress();
    const [exit, second] = await leaving(address, [game.alice, game.bob]);
    await token.setCall(
      game.address,
      game.rootChain.interface.encodeFunctionData("processExits", [address, [second!.data]]),
    );
    await game.process(address, [exit!], { gasLimit: 5_000_000n });
    expect(await token.callSucceeded()).to.equal(false);
    expect(await game.rootChain.queueLength(address)).to.equal(1n);
    expect(await game.balance(game.alice.address, address)).to.equal(100n);
  });

  it("a token whose code is gone is credited, not believed", async () => {
    const token = await game.token.getAddress();
    const [exit] = await leaving(token, [game.alice]);
    const { networkHelpers, ethers } = game.connection;
    const code = await ethers.provider.getCode(token);
    await networkHelpers.setCode(token, "0x");
    await game.process(token, [exit!]);
    expect(await game.rootChain.claimable(token, game.alice.address)).to.equal(100n);
    await networkHelpers.setCode(token, code);
    await game.as(game.alice).claim(token, game.alice.address);
    expect(await game.balance(game.alice.address, token)).to.equal(100n);
  });

  it("a token that lost what it was given: its holders are credited what cannot be sent, no other token is touched", async () => {
    const token = (await game.connection.ethers.deployContract("VanishingToken")) as any;
    const address = await token.getAddress();
    const bad = await leaving(address, [game.alice, game.bob]);
    const good = await leaving(ETHER, [game.carol]);
    await token.vanish(game.address, 150n);
    await game.process(address, bad);
    expect(await game.rootChain.claimable(address, game.alice.address)).to.equal(100n);
    expect(await game.rootChain.claimable(address, game.bob.address)).to.equal(100n);
    const before = await game.balance(game.carol.address);
    await game.process(ETHER, good);
    expect(await game.balance(game.carol.address)).to.equal(before + 100n + BOND - BOUNTY);
  });

  it("a challenger who cannot be paid is credited", async () => {
    const deposit = await game.deposit(game.alice, 100n);
    const exit = await game.startDepositExit(game.alice, deposit);
    const spend = game.transfer([exit.outputId], [{ owner: game.bob.address, token: ETHER, amount: 100n }]);
    const there = await putCode(game.carol.address, RECEIVER_MOODS.Reverts);
    const signature = game.sign(game.alice, spend);
    const call = game.rootChain.interface.encodeFunctionData("challengeStandardExit", [exit.exit, spend, 0, signature]);
    await there.connect(game.stranger).execute(game.address, call);
    expect(await game.rootChain.claimable(ETHER, game.carol.address)).to.equal(BOND - BOUNTY);
    expect(await game.rootChain.isCancelled(1)).to.equal(true);
  });

  it("a caller whose gas is too little burns nobody's exit: at every limit all is paid, or all is undone", async function () {
    this.timeout(120_000);
    const token = (await game.connection.ethers.deployContract("MoodyToken")) as any;
    const address = await token.getAddress();
    const exits = await leaving(address, [game.alice, game.bob]);
    let reverted = 0;
    let paid = 0;
    for (let gasLimit = 60_000n; gasLimit <= 900_000n; gasLimit += 7_000n) {
      const snapshot = await game.connection.networkHelpers.takeSnapshot();
      const done = await game.process(address, exits, { gasLimit }).then(
        () => true,
        () => false,
      );
      // A well-behaved token's holder is never put off with a credit, whatever the caller brings.
      expect(await game.rootChain.claimable(address, game.alice.address)).to.equal(0n);
      expect(await game.rootChain.claimable(address, game.bob.address)).to.equal(0n);
      const left = await game.rootChain.queueLength(address);
      expect(await game.balance(game.alice.address, address)).to.equal(left === 0n ? 100n : 0n);
      expect(left).to.equal(done ? 0n : 2n);
      if (done) paid++;
      else reverted++;
      await snapshot.restore();
    }
    expect(reverted).to.be.above(10);
    expect(paid).to.be.above(10);
  });
});
