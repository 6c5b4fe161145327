import { expect } from "chai";
import type { HDNodeWallet } from "ethers";
import { BOND, BONDS, BOUNTY, ETHER, Game, WEEK, type PlainTransaction, type Started } from "../helpers/game.ts";

const MAX_UINT256 = 2n ** 256n - 1n;
/** What a receiver of ether is given, with the 2,300 that come with any value, and a token. */
const ETHER_PUSH_GAS = 52_300;
const TOKEN_PUSH_GAS = 250_000;
/** What is gone when a contract has asked for the first time how much gas it has. */
const ASKING_GAS = 5;

/** Code that answers with true when it has more than `gas` left, and reverts otherwise. */
function needsGas(gas: number): string {
  const word = gas.toString(16).padStart(6, "0");
  // PUSH3 gas, GAS, GT, PUSH1 12, JUMPI, PUSH0, PUSH0, REVERT, JUMPDEST; return the word 1.
  return `0x62${word}5a11600c575f5ffd5b60015f5260205ff3`;
}

describe("RootChain: what somebody might try", () => {
  let game: Game;
  beforeEach(async () => {
    game = await Game.start();
  });

  const setCode = async (account: string, code: string): Promise<void> => {
    await game.connection.networkHelpers.setCode(account, code);
  };
  const hostile = async (account: string): Promise<any> => {
    const { ethers } = game.connection;
    const receiver = (await ethers.deployContract("HostileReceiver")) as any;
    await setCode(account, await ethers.provider.getCode(await receiver.getAddress()));
    return (await ethers.getContractAt("HostileReceiver", account)) as any;
  };
  const leaving = async (token: string, owners: HDNodeWallet[]): Promise<Started[]> => {
    const exits: Started[] = [];
    for (const owner of owners) exits.push(await game.startDepositExit(owner, await game.deposit(owner, 100n, token)));
    await game.pass(WEEK + 1);
    return exits;
  };
  /** Started by Bob, of outputs an operator made from nothing, all due. */
  const forged = async (outputs: { token: string; amount: bigint }[]): Promise<Started[]> => {
    const owner = game.bob.address;
    const payment = game.transfer(
      [`0x${"77".repeat(32)}`],
      outputs.map((output) => ({ owner, ...output })),
    );
    return await exitAll(payment);
  };
  const exitAll = async (payment: PlainTransaction): Promise<Started[]> => {
    const [proof] = await game.commit([payment]);
    const exits: Started[] = [];
    for (const index of payment.outputs.keys()) exits.push(await game.startExit(game.bob, payment, proof!, index));
    await game.passTo(exits.at(-1)!.exitableAt);
    return exits;
  };
  const cancel = async (exit: Started): Promise<void> => {
    const spend = game.transfer([exit.outputId], [{ owner: game.carol.address, token: ETHER, amount: 1n }]);
    await game.challenge(game.carol, exit, spend, game.sign(game.bob, spend));
  };

  /** What becomes of the exits at a gas limit: paid, undone, or credited to their owners, as a push that failed is. */
  const outcomeAt = async (
    token: string,
    exits: Started[],
    gasLimit: bigint,
  ): Promise<"paid" | "undone" | "burned"> => {
    const snapshot = await game.connection.networkHelpers.takeSnapshot();
    await game.process(token, exits, { gasLimit }).catch(() => null);
    const left = await game.rootChain.queueLength(token);
    let credited = 0n;
    for (const { exit } of exits) {
      credited += await game.rootChain.claimable(token, exit.owner);
      credited += await game.rootChain.claimable(ETHER, exit.owner);
    }
    await snapshot.restore();
    if (credited !== 0n || (left !== 0n && left !== BigInt(exits.length))) return "burned";
    return left === 0n ? "paid" : "undone";
  };
  /** Every limit tried on the way to the smallest that pays, and many on both sides of it. */
  const searchGas = async (token: string, exits: Started[]): Promise<void> => {
    let [undone, paid] = [60_000n, 3_000_000n];
    expect(await outcomeAt(token, exits, undone)).to.equal("undone");
    expect(await outcomeAt(token, exits, paid)).to.equal("paid");
    while (paid - undone > 1n) {
      const middle = (undone + paid) / 2n;
      const outcome = await outcomeAt(token, exits, middle);
      expect(outcome, `at ${middle}`).to.not.equal("burned");
      if (outcome === "paid") paid = middle;
      else undone = middle;
    }
    for (let step = 1n; step <= 40n; step++) {
      expect(await outcomeAt(token, exits, paid - step * 4_999n), `${step} steps below`).to.equal("undone");
      expect(await outcomeAt(token, exits, paid + step * 997n), `${step} steps above`).to.equal("paid");
    }
  };

  it("INV-7: no gas limit burns the exit of a receiver that needs all the gas a push has", async () => {
    const exits = await leaving(ETHER, [game.alice, game.bob]);
    for (const owner of [game.alice, game.bob]) await setCode(owner.address, needsGas(ETHER_PUSH_GAS - ASKING_GAS - 1));
    await searchGas(ETHER, exits);
    // It does need all of it: with one more it is credited, at any limit.
    await setCode(game.alice.address, needsGas(ETHER_PUSH_GAS - ASKING_GAS));
    await game.process(ETHER, exits, { gasLimit: 3_000_000n });
    expect(await game.rootChain.claimable(ETHER, game.alice.address)).to.equal(100n + BOND - BOUNTY);
    expect(await game.rootChain.claimable(ETHER, game.bob.address)).to.equal(0n);
  });

  it("INV-7: no gas limit burns the exit of a token that needs all the gas a push has", async () => {
    const token = await game.token.getAddress();
    const exits = await leaving(token, [game.alice, game.bob]);
    await setCode(token, needsGas(TOKEN_PUSH_GAS - ASKING_GAS - 1));
    await searchGas(token, exits);
    await setCode(token, needsGas(TOKEN_PUSH_GAS - ASKING_GAS));
    await game.process(token, exits, { gasLimit: 3_000_000n });
    expect(await game.rootChain.claimable(token, game.alice.address)).to.equal(100n);
  });

  it("INV-7: whoever processes and cannot be paid is credited the bounty", async () => {
    const [exit] = await leaving(ETHER, [game.alice]);
    const there = await hostile(game.carol.address);
    await there.setMood(1);
    const call = game.rootChain.interface.encodeFunctionData("processExits", [ETHER, [exit!.data]]);
    await there.connect(game.stranger).execute(game.address, call);
    expect(await game.rootChain.claimable(ETHER, game.carol.address)).to.equal(BOUNTY);
    expect(await game.rootChain.finalizedBy(exit!.outputId)).to.equal(1n);
    expect(await game.balance(game.address)).to.equal(BOUNTY);
  });

  it("INV-1: a claim that enters again takes its credit once", async () => {
    const exits = await leaving(ETHER, [game.alice, game.bob]);
    const there = await hostile(game.alice.address);
    await there.setMood(1);
    await game.process(ETHER, [exits[0]!]);
    const credit = 100n + BOND - BOUNTY;
    expect(await game.rootChain.claimable(ETHER, game.alice.address)).to.equal(credit);
    const call = game.rootChain.interface.encodeFunctionData("claim", [ETHER, game.alice.address]);
    await there.setCall(game.address, call);
    const before = await game.balance(game.alice.address);
    await there.connect(game.stranger).execute(game.address, call);
    expect(await there.callSucceeded()).to.equal(false);
    expect(await game.balance(game.alice.address)).to.equal(before + credit);
    // What is left is Bob's deposit and his bond.
    expect(await game.balance(game.address)).to.equal(100n + BOND);
  });

  it("INV-1: outputs made from nothing, of any size and of what is no token, take nothing and hold nobody up", async () => {
    const deposit = await game.deposit(game.alice, 100n);
    const tokens = [ETHER, game.address, "0x0000000000000000000000000000000000000002", game.stranger.address];
    const exits = await forged(
      tokens.flatMap((token) => [1n + 100n, MAX_UINT256].map((amount) => ({ token, amount }))),
    );
    for (const token of tokens) {
      const its = exits.filter(({ exit }) => exit.token === token);
      expect(its).to.have.length(2);
      const receipt = await game.process(token, its, { gasLimit: 3_000_000n });
      expect(game.events(receipt, "ExitUnpayable").map(({ amount, held }) => [amount, held])).to.deep.equal([
        [101n, token === ETHER ? 100n : 0n],
        [MAX_UINT256, token === ETHER ? 100n : 0n],
      ]);
      expect(await game.rootChain.claimable(token, game.bob.address)).to.equal(0n);
    }
    const hers = await game.startDepositExit(game.alice, deposit);
    await game.passTo(hers.exitableAt);
    const receipt = await game.process(ETHER, [hers]);
    expect(game.events(receipt, "ExitFinalized")[0].toArray()).to.deep.equal([hers.exit.number, hers.outputId, true]);
    expect(await game.balance(game.address)).to.equal(0n);
  });

  it("INV-7: a queue stuffed with cancelled entries is worked off, each with its bounty, 16 a call or all before a live one", async () => {
    const exits = await forged(Array.from({ length: 40 }, () => ({ token: ETHER, amount: 1n })));
    await game.deposit(game.alice, 100n);
    for (const exit of exits.slice(0, 39)) await cancel(exit);
    const before = await game.balance(game.stranger.address);
    const receipt = await game.process(ETHER, []);
    expect(await game.rootChain.queueLength(ETHER)).to.equal(40n - 16n);
    expect(await game.balance(game.stranger.address)).to.equal(before + 16n * BOUNTY - receipt.fee);
    const all = await game.process(ETHER, [exits[39]!]);
    expect(await game.rootChain.queueLength(ETHER)).to.equal(0n);
    expect(game.events(all, "ExitFinalized").map(({ number }) => number)).to.deep.equal([40n]);
    expect(await game.balance(game.stranger.address)).to.equal(before + 40n * BOUNTY - receipt.fee - all.fee);
    expect(await game.balance(game.address)).to.equal(99n);
  });

  it("INV-2: one exit's data does not pass for another's, in whatever slot, before and after it was paid", async () => {
    const [first, second] = await leaving(ETHER, [game.alice, game.bob]);
    const mixed = [
      { id: first!.data.id, data: second!.data.data },
      { id: second!.data.id, data: first!.data.data },
      game.exitData(first!.outputId, { ...first!.exit, number: second!.exit.number }),
      game.exitData(second!.outputId, { ...second!.exit, number: first!.exit.number }),
    ];
    for (const data of mixed) await game.as(game.stranger).processExits(ETHER, [data]);
    expect(await game.rootChain.queueLength(ETHER)).to.equal(2n);
    await game.process(ETHER, [first!]);
    // The data of what was paid is no key to the entry behind it.
    for (const data of [...mixed, first!.data]) await game.as(game.stranger).processExits(ETHER, [data]);
    expect(await game.rootChain.queueLength(ETHER)).to.equal(1n);
    expect(await game.rootChain.held(ETHER)).to.equal(100n);
    await game.process(ETHER, [second!, second!, first!]);
    expect(await game.rootChain.held(ETHER)).to.equal(0n);
    expect(await game.balance(game.address)).to.equal(0n);
  });

  for (const [bond, bounty] of [
    [0n, 0n],
    [BOND, BOND],
    [BOND, 0n],
  ] as const) {
    it(`bond ${bond} and bounty ${bounty}: a challenged and a paid exit leave nothing behind`, async () => {
      const bonds = { ...BONDS, standardExit: bond, piggyback: bond, bounty };
      const other = await game.connection.ethers.deployContract("RootChain", [game.operator.address, WEEK, bonds]);
      const address = await other.getAddress();
      const domain = { ...game.domain, verifyingContract: address };
      const alice = other.connect(game.alice);
      const start = async (): Promise<{ outputId: string; exit: Started["exit"] }> => {
        const receipt = await game.mined(
          alice.startDepositExit({ id: 1, owner: game.alice.address, token: ETHER, amount: 9n }, { value: bond }),
        );
        const { outputId, ...args } = other.interface.parseLog(receipt.logs[0]!)!.args.toObject();
        const { number, owner, token, amount, bondOwner, depositRecord } = args;
        return { outputId, exit: { number, owner, token, amount, bondOwner, depositRecord } };
      };
      await alice.depositEther(game.alice.address, { value: 9n });
      const first = await start();
      const spend = game.transfer([first.outputId], [{ owner: game.bob.address, token: ETHER, amount: 9n }]);
      const signature = game.sign(game.alice, spend, domain);
      await other.connect(game.carol).challengeStandardExit(first.exit, spend, 0, signature);
      expect(await game.balance(address)).to.equal(9n + bounty);
      const second = await start();
      await game.pass(WEEK);
      await other.connect(game.stranger).processExits(ETHER, [game.exitData(second.outputId, second.exit)]);
      expect(await game.balance(address)).to.equal(0n);
      expect(await other.queueLength(ETHER)).to.equal(0n);
    });
  }
});
