import { expect } from "chai";
import { Signature, ZeroAddress } from "ethers";
import type { TestToken } from "../../types/contracts/index.ts";
import { ETHER, failure, Game } from "../helpers/game.ts";

describe("RootChain: deposits", () => {
  let game: Game;
  beforeEach(async () => {
    game = await Game.start();
  });

  const deploy = async (name: string): Promise<any> => await game.connection.ethers.deployContract(name);
  const permit = async (token: TestToken, value: bigint, deadline: number): Promise<Signature> => {
    const types = {
      Permit: [
        { name: "owner", type: "address" },
        { name: "spender", type: "address" },
        { name: "value", type: "uint256" },
        { name: "nonce", type: "uint256" },
        { name: "deadline", type: "uint256" },
      ],
    };
    const verifyingContract = await token.getAddress();
    const domain = { name: "Plasma Test Token", version: "1", chainId: game.chainId, verifyingContract };
    const owner = game.alice.address;
    const nonce = await token.nonces(owner);
    return Signature.from(
      await game.alice.signTypedData(domain, types, { owner, spender: game.address, value, nonce, deadline }),
    );
  };

  it("numbers deposits by a counter of their own, and keeps the next block's number and the time in the output's slot", async () => {
    const first = await game.mined(game.as(game.alice).depositEther(game.bob.address, { value: 7n }));
    const at = await game.now();
    expect(game.events(first, "Deposited")[0].toArray()).to.deep.equal([
      1n,
      game.bob.address,
      ETHER,
      7n,
      1n,
      BigInt(at),
    ]);
    const deposit = { id: 1n, owner: game.bob.address, token: ETHER, amount: 7n };
    expect(await game.rootChain.outputRecord(game.depositOutputId(deposit))).to.equal((1n << 64n) | BigInt(at));
    await game.commitLeaves([`0x${"11".repeat(32)}`]);
    const token = await game.token.getAddress();
    const second = await game.deposit(game.alice, 9n, token);
    expect(second.id).to.equal(2n);
    const record = await game.rootChain.outputRecord(game.depositOutputId(second));
    expect(record >> 64n).to.equal(2n);
    expect(await game.rootChain.held(ETHER)).to.equal(7n);
    expect(await game.rootChain.held(token)).to.equal(9n);
    expect(await game.rootChain.nextDepositId()).to.equal(3n);
  });

  it("refuses nothing, nobody, and ether as a token", async () => {
    const alice = game.as(game.alice);
    expect(await failure(game, alice.depositEther(game.alice.address))).to.equal("RootChain_ZeroAmount()");
    expect(await failure(game, alice.depositEther(ZeroAddress, { value: 1n }))).to.equal("RootChain_ZeroAddress()");
    expect(await failure(game, alice.deposit(ETHER, 1n, game.alice.address))).to.equal("RootChain_ZeroAddress()");
    const token = await game.token.getAddress();
    expect(await failure(game, alice.deposit(token, 0n, game.alice.address))).to.equal("RootChain_ZeroAmount()");
    await game.token.mint(game.alice.address, 1n);
    await game.token.connect(game.alice).approve(game.address, 1n);
    expect(await failure(game, alice.deposit(token, 1n, ZeroAddress))).to.equal("RootChain_ZeroAddress()");
    expect(await failure(game, alice.deposit(game.stranger.address, 1n, game.alice.address))).not.to.equal("nothing");
  });

  it("uses only the caller's own allowance", async () => {
    const token = await game.token.getAddress();
    await game.token.mint(game.alice.address, 100n);
    await game.token.connect(game.alice).approve(game.address, 100n);
    expect(await failure(game, game.as(game.bob).deposit(token, 100n, game.bob.address))).to.contain("Insufficient");
    expect(await game.balance(game.alice.address, token)).to.equal(100n);
  });

  it("takes a permit with the deposit, also when somebody used the permit first", async () => {
    const token = await game.token.getAddress();
    await game.token.mint(game.alice.address, 30n);
    const deadline = (await game.now()) + 1000;
    const { v, r, s } = await permit(game.token, 10n, deadline);
    await game.as(game.alice).depositWithPermit(token, 10n, game.alice.address, deadline, v, r, s);
    const seen = await permit(game.token, 20n, deadline);
    await game.token
      .connect(game.stranger)
      .permit(game.alice.address, game.address, 20n, deadline, seen.v, seen.r, seen.s);
    await game.as(game.alice).depositWithPermit(token, 20n, game.alice.address, deadline, seen.v, seen.r, seen.s);
    expect(await game.rootChain.held(token)).to.equal(30n);
    // A permit of somebody else is no allowance of the caller's.
    await game.token.mint(game.alice.address, 5n);
    const hers = await permit(game.token, 5n, deadline);
    expect(
      await failure(
        game,
        game.as(game.bob).depositWithPermit(token, 5n, game.bob.address, deadline, hers.v, hers.r, hers.s),
      ),
    ).to.contain("Insufficient");
  });

  it("refuses a token that delivers less than it is told, whatever it answers", async () => {
    const fee = await deploy("FeeToken");
    await fee.mint(game.alice.address, 100n);
    await fee.connect(game.alice).approve(game.address, 100n);
    const token = await fee.getAddress();
    expect(await failure(game, game.as(game.alice).deposit(token, 100n, game.alice.address))).to.equal(
      `RootChain_WrongAmountArrived(${token}, 99, 100)`,
    );
    expect(await game.rootChain.held(token)).to.equal(0n);
  });

  it("refuses a token that answers false, burns the gas or enters again; takes one that answers nothing", async () => {
    const moody = await deploy("MoodyToken");
    const token = await moody.getAddress();
    await moody.mint(game.alice.address, 100n);
    await moody.connect(game.alice).approve(game.address, 100n);
    const deposit = (): Promise<unknown> =>
      game.as(game.alice).deposit(token, 40n, game.alice.address, { gasLimit: 3_000_000n });
    for (const mood of [1, 2, 3]) {
      await moody.setMood(mood);
      expect(await failure(game, deposit())).not.to.equal("nothing");
    }
    const again = game.rootChain.interface.encodeFunctionData("deposit", [token, 1n, game.bob.address]);
    await moody.setCall(game.address, again);
    await deposit();
    expect(await moody.callSucceeded()).to.equal(false);
    expect(await game.rootChain.held(token)).to.equal(40n);
    expect(await game.rootChain.nextDepositId()).to.equal(2n);

    const silent = await deploy("SilentToken");
    await silent.mint(game.alice.address, 5n);
    await silent.connect(game.alice).approve(game.address, 5n);
    await game.as(game.alice).deposit(await silent.getAddress(), 5n, game.alice.address);
    expect(await game.rootChain.held(await silent.getAddress())).to.equal(5n);
  });
});
