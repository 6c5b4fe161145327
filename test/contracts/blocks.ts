import { expect } from "chai";
import { ZeroAddress, ZeroHash, keccak256, toBeHex, toUtf8Bytes } from "ethers";
import { blockHash } from "@plasma-billing/protocol/header.ts";
import { failure, Game, BONDS, BOUNTY, WEEK } from "../helpers/game.ts";

const ROOT = keccak256(toUtf8Bytes("a root"));

describe("RootChain: blocks", () => {
  let game: Game;
  beforeEach(async () => {
    game = await Game.start();
  });

  it("INV-8: commits blocks in order, each once, and keeps the hash of the header with Ethereum's time", async () => {
    for (const number of [1, 2, 3]) {
      const receipt = await game.mined(game.as(game.operator).commitBlock(number, ROOT, 5));
      const timestamp = await game.now();
      const [event] = game.events(receipt, "BlockCommitted");
      expect(event.toArray()).to.deep.equal([BigInt(number), ROOT, 5n, BigInt(timestamp)]);
      const header = { number, transactionsRoot: ROOT as `0x${string}`, transactionCount: 5, timestamp };
      expect(await game.rootChain.blockHashes(number)).to.equal(blockHash(header));
      expect(await game.rootChain.nextBlockNumber()).to.equal(number + 1);
    }
  });

  it("INV-8: a number sent twice, skipped or from the past reverts and changes nothing", async () => {
    const operator = game.as(game.operator);
    await operator.commitBlock(1, ROOT, 1);
    const before = await game.rootChain.blockHashes(1);
    for (const number of [0, 1, 3, 2n ** 40n]) {
      expect(await failure(game, operator.commitBlock(number, ROOT, 1))).to.equal(
        `RootChain_WrongBlockNumber(${number}, 2)`,
      );
    }
    expect(await game.rootChain.blockHashes(1)).to.equal(before);
    expect(await game.rootChain.nextBlockNumber()).to.equal(2n);
  });

  it("refuses another sender, a zero root, no transactions and too many", async () => {
    const commit = (wallet: typeof game.operator, root: string, count: number): Promise<unknown> =>
      game.as(wallet).commitBlock(1, root, count);
    expect(await failure(game, commit(game.alice, ROOT, 1))).to.equal(`RootChain_NotOperator(${game.alice.address})`);
    expect(await failure(game, commit(game.operator, ZeroHash, 1))).to.equal("RootChain_ZeroRoot()");
    expect(await failure(game, commit(game.operator, ROOT, 0))).to.equal("RootChain_WrongTransactionCount(0)");
    const tooMany = 2 ** 22 + 1;
    expect(await failure(game, commit(game.operator, ROOT, tooMany))).to.equal(
      `RootChain_WrongTransactionCount(${tooMany})`,
    );
    await commit(game.operator, ROOT, 2 ** 22);
  });

  it("commits no block whose number, or the next one, would not fit its 30 bits", async () => {
    const { networkHelpers } = game.connection;
    // Operator, next block number and next deposit id share a slot; no test commits a billion blocks.
    const index = 2;
    const slot = BigInt(await networkHelpers.getStorageAt(game.address, index));
    expect(slot & (2n ** 160n - 1n)).to.equal(BigInt(game.operator.address));
    expect((slot >> 160n) & 0xffff_ffffn).to.equal(1n);
    const last = 2n ** 30n - 2n;
    await networkHelpers.setStorageAt(game.address, index, toBeHex(slot + ((last - 1n) << 160n), 32));
    await game.as(game.operator).commitBlock(last, ROOT, 1);
    expect(await failure(game, game.as(game.operator).commitBlock(last + 1n, ROOT, 1))).to.equal(
      `RootChain_TooManyBlocks(${last + 1n})`,
    );
  });

  it("hands the operator over in two steps, by the operator itself", async () => {
    const { operator, alice, bob } = game;
    expect(await failure(game, game.as(alice).proposeOperator(alice.address))).to.equal(
      `RootChain_NotOperator(${alice.address})`,
    );
    const proposed = await game.mined(game.as(operator).proposeOperator(alice.address));
    expect(game.events(proposed, "OperatorProposed")[0].toArray()).to.deep.equal([operator.address, alice.address]);
    expect(await game.rootChain.operator()).to.equal(operator.address);
    expect(await game.rootChain.proposedOperator()).to.equal(alice.address);
    expect(await failure(game, game.as(bob).acceptOperator())).to.equal(
      `RootChain_NotProposedOperator(${bob.address})`,
    );
    const accepted = await game.mined(game.as(alice).acceptOperator());
    expect(game.events(accepted, "OperatorChanged")[0].toArray()).to.deep.equal([operator.address, alice.address]);
    expect(await failure(game, game.as(operator).commitBlock(1, ROOT, 1))).to.equal(
      `RootChain_NotOperator(${operator.address})`,
    );
    await game.as(alice).commitBlock(1, ROOT, 1);
    expect(await failure(game, game.as(alice).acceptOperator())).to.equal(
      `RootChain_NotProposedOperator(${alice.address})`,
    );
    // A proposal that is taken back cannot be accepted.
    await game.as(alice).proposeOperator(bob.address);
    await game.as(alice).proposeOperator(ZeroAddress);
    expect(await failure(game, game.as(bob).acceptOperator())).to.equal(
      `RootChain_NotProposedOperator(${bob.address})`,
    );
  });

  it("is not deployed with parameters that make no sense, and shows those it was deployed with", async () => {
    const { ethers } = game.connection;
    const deploy = (...args: unknown[]): Promise<unknown> => ethers.deployContract("RootChain", args);
    expect(await failure(game, deploy(ZeroAddress, WEEK, BONDS))).to.contain("RootChain_ZeroAddress()");
    expect(await failure(game, deploy(game.operator.address, 0, BONDS))).to.contain("RootChain_WrongExitPeriod(0)");
    const long = 366 * 86_400;
    expect(await failure(game, deploy(game.operator.address, long, BONDS))).to.contain("RootChain_WrongExitPeriod");
    for (const bond of ["standardExit", "piggyback"] as const) {
      const upsideDown = { ...BONDS, [bond]: BOUNTY - 1n };
      expect(await failure(game, deploy(game.operator.address, WEEK, upsideDown))).to.contain(
        `RootChain_BountyAboveBond(${BOUNTY}, ${BOUNTY - 1n})`,
      );
    }
    expect(await game.rootChain.exitPeriod()).to.equal(BigInt(WEEK));
    expect(await game.rootChain.standardExitBond()).to.equal(BONDS.standardExit);
    expect(await game.rootChain.inFlightExitBond()).to.equal(BONDS.inFlightExit);
    expect(await game.rootChain.piggybackBond()).to.equal(BONDS.piggyback);
    expect(await game.rootChain.challengeBond()).to.equal(BONDS.challenge);
    expect(await game.rootChain.bounty()).to.equal(BOUNTY);
  });

  it("fits into one contract, with no other beside it", async () => {
    const code = await game.connection.ethers.provider.getCode(game.address);
    expect((code.length - 2) / 2).to.be.at.most(24_576);
  });
});
