import { expect } from "chai";
import type { ContractTransactionReceipt, HDNodeWallet } from "ethers";
import {
  BOUNTY,
  CHALLENGE_BOND,
  ETHER,
  failure,
  IN_FLIGHT_BOND,
  PIGGYBACK_BOND,
  WEEK,
  type Game,
  type PlainTransaction,
  type Proof,
} from "../helpers/game.ts";
import {
  CANCELLED,
  Flights,
  LIVE_WITH_BOUNTY,
  NO_PROOF,
  OUTPUT,
  slotOf,
  to,
  type Flight,
  type Swap,
} from "../helpers/inFlight.ts";

const EXIT_PERIOD = BigInt(WEEK);
const FILLER = `0x${"99".repeat(32)}`;

describe("RootChain: piggybacks whose input or output is spent, and closing", () => {
  let flights: Flights;
  let game: Game;
  let swap: Swap;
  let flight: Flight;
  /** Where the exiting transaction is included. */
  let own: Proof;
  beforeEach(async () => {
    flights = await Flights.fresh();
    ({ game } = flights);
    swap = await flights.swap();
    [, own] = (await game.commitLeaves([FILLER, game.hash(swap.payment), FILLER])) as [Proof, Proof];
    flight = await flights.startSwap(swap);
  });

  const refused = async (call: Promise<unknown>, error: string): Promise<void> => {
    expect(await failure(game, call)).to.equal(error);
  };
  const gone = (): string => `RootChain_NoSuchExit(1, ${flight.hash})`;
  const process = async (token: string): Promise<void> => {
    await game.as(game.stranger).processExits(token, [flight.data]);
  };

  interface Change {
    exit?: Flight;
    index?: number;
    transaction?: PlainTransaction;
    spent?: number;
    signer?: HDNodeWallet;
    proof?: Proof;
  }
  interface Side {
    /** Index of a piggyback, and of its side's first. */
    first: number;
    /** Owners of the swap's inputs or outputs. */
    owners: (typeof Game.prototype.alice)[];
    count: number;
    spend: PlainTransaction;
    challenge(change?: Change): Promise<ContractTransactionReceipt>;
  }
  const inputs = (): Side => {
    const spend = game.transfer([FILLER, swap.funds[0]!.id], [to(game.carol, 1000n)]);
    const challenge = async (change: Change = {}): Promise<ContractTransactionReceipt> => {
      const { exit = flight, index = 0, transaction = spend, spent = 1, signer = game.alice } = change;
      const signature = game.sign(signer, transaction);
      const { carol } = game;
      return await game.mined(game.as(carol).challengeInputSpent(exit.data, index, transaction, spent, signature));
    };
    return { first: 0, owners: [game.alice, game.bob], count: 2, spend, challenge };
  };
  const outputs = (): Side => {
    const spend = game.transfer([FILLER, game.outputId(swap.payment, 0)], [to(game.carol, 700n)]);
    const challenge = async (change: Change = {}): Promise<ContractTransactionReceipt> => {
      const { exit = flight, index = 0, transaction = spend, spent = 1, signer = game.bob, proof = own } = change;
      const signature = game.sign(signer, transaction);
      return await game.mined(
        game.as(game.carol).challengeOutputSpent(exit.data, index, proof, transaction, spent, signature),
      );
    };
    return { first: OUTPUT, owners: [game.bob, game.alice, game.alice], count: 3, spend, challenge };
  };

  for (const [name, sideOf] of Object.entries({ challengeInputSpent: inputs, challengeOutputSpent: outputs })) {
    describe(name, () => {
      let side: Side;
      let id: string;
      beforeEach(() => {
        side = sideOf();
        id = side.spend.inputs[1]!;
      });

      it("cancels the piggyback: tells it, and pays its bond less the bounty it bears", async () => {
        const [owner] = side.owners as [HDNodeWallet];
        await flights.piggyback(owner, flight, side.first);
        const before = await game.balance(game.carol.address);
        const receipt = await side.challenge();
        const event = [1n, id, game.carol.address, BigInt(side.first), game.hash(side.spend)];
        expect(game.events(receipt, "PiggybackChallenged")[0].toArray()).to.deep.equal(event);
        expect(await game.balance(game.carol.address)).to.equal(before + PIGGYBACK_BOND - BOUNTY - receipt.fee);
        expect(await flights.slot(flight)).to.equal(slotOf(flight, { [side.first]: CANCELLED }));
        expect(await game.rootChain.isCancelled(1)).to.equal(false);
        expect(await game.rootChain.queueLength(ETHER)).to.equal(1n);
      });

      it("one that was not its token's first: its whole bond, and the others stay as they are", async () => {
        const last = OUTPUT + 2;
        await flights.piggyback(game.alice, flight, last);
        await flights.piggyback(side.owners[0]!, flight, side.first);
        await flights.piggyback(game.alice, flight, OUTPUT + 1);
        const before = await game.balance(game.carol.address);
        const receipt = await side.challenge();
        expect(await game.balance(game.carol.address)).to.equal(before + PIGGYBACK_BOND - receipt.fee);
        const states = { [side.first]: CANCELLED, [last]: LIVE_WITH_BOUNTY, [OUTPUT + 1]: LIVE_WITH_BOUNTY };
        expect(await flights.slot(flight)).to.equal(slotOf(flight, states));
      });

      it("not where no piggyback is live: never made, or cancelled", async () => {
        const none = `RootChain_NotPiggybacked(1, ${side.first})`;
        await refused(side.challenge(), none);
        await flights.piggyback(side.owners[0]!, flight, side.first);
        await side.challenge();
        await refused(side.challenge(), none);
      });

      it("not with what is no spend of it, signed by its owner, in another transaction", async () => {
        await flights.piggyback(side.owners[0]!, flight, side.first);
        const { carol } = game;
        const [owner, other] = side.owners as [HDNodeWallet, HDNodeWallet];
        for (const index of [side.count, 15, 16, side.count + 16]) {
          await refused(side.challenge({ index }), `RootChain_WrongIndex(${index}, ${side.count})`);
        }
        await refused(side.challenge({ spent: 2 }), "RootChain_WrongIndex(2, 2)");
        await refused(side.challenge({ spent: 0 }), `RootChain_NotSpent(${id}, ${FILLER})`);
        const next = side.first === 0 ? swap.funds[1]!.id : game.outputId(swap.payment, 1);
        await refused(side.challenge({ index: 1, signer: other }), `RootChain_NotSpent(${next}, ${id})`);
        for (const signer of [other, carol]) {
          await refused(side.challenge({ signer }), `RootChain_WrongSigner(${signer.address}, ${owner.address})`);
        }
        if (side.first === 0) {
          const same = { transaction: swap.payment, spent: 0 };
          await refused(side.challenge(same), `RootChain_SameTransaction(${flight.hash})`);
        }
      });

      it("not of an exit there is not", async () => {
        const { id: hash, data } = flight.data;
        for (const [exit, number] of [
          [{ id: hash, data: `${data}00` }, 1n],
          [{ id: FILLER, data }, 1n],
          [{ id: hash, data: "0x" }, 0n],
        ] as const) {
          const error = `RootChain_NoSuchExit(${number}, ${exit.id})`;
          await refused(side.challenge({ exit: { ...flight, data: exit } }), error);
        }
      });

      it("after half the time, and when the exit could be paid, but not after a first processing", async () => {
        const [owner] = side.owners as [HDNodeWallet];
        await flights.piggyback(owner, flight, side.first);
        await flights.piggyback(game.bob, flight, 1);
        await game.passTo(flight.exitableAt + EXIT_PERIOD);
        const snapshot = await game.connection.networkHelpers.takeSnapshot();
        await side.challenge();
        await snapshot.restore();
        await process(swap.token);
        await refused(side.challenge(), gone());
      });

      it("not of an exit that is closed", async () => {
        await game.passTo(flight.startedAt + EXIT_PERIOD);
        await flights.close(game.stranger, flight);
        await refused(side.challenge(), gone());
      });
    });
  }

  describe("challengeOutputSpent: the exiting transaction's inclusion", () => {
    it("needs it, in a block that was committed", async () => {
      await flights.piggyback(game.bob, flight, OUTPUT);
      const side = outputs();
      const index = { ...own, index: 0 };
      await refused(side.challenge({ proof: index }), `RootChain_NotIncluded(${flight.hash}, 2, 0)`);
      const none = `RootChain_UnknownBlock(0, ${NO_PROOF.header.transactionsRoot})`;
      await refused(side.challenge({ proof: NO_PROOF }), none);
      const header = { ...own.header, transactionCount: 4n };
      const unknown = `RootChain_UnknownBlock(2, ${header.transactionsRoot})`;
      await refused(side.challenge({ proof: { ...own, header } }), unknown);
    });
  });

  describe("closeInFlightExit", () => {
    it("from W after the start, to the second: tells it, clears its slot, marks its number, returns the bond", async () => {
      const from = flight.startedAt + EXIT_PERIOD;
      await flights.at(from - 1n);
      await refused(flights.close(game.stranger, flight), `RootChain_TooEarly(${from})`);
      await flights.at(from);
      const before = await game.balance(game.carol.address);
      const receipt = await flights.close(game.stranger, flight);
      expect(game.events(receipt, "InFlightExitClosed")[0].toArray()).to.deep.equal([1n, flight.hash]);
      expect(receipt.logs).to.have.length(1);
      expect(await game.balance(game.carol.address)).to.equal(before + IN_FLIGHT_BOND);
      expect(await flights.slot(flight)).to.equal(0n);
      expect(await game.rootChain.isCancelled(1)).to.equal(true);
      for (const { id } of swap.funds) expect(await game.rootChain.finalizedBy(id)).to.equal(0n);
    });

    it("with a challenge standing: its maker gets both bonds, and nothing is remembered", async () => {
      const competitor = game.transfer([swap.funds[0]!.id], [to(game.alice, 1000n)]);
      await flights.challenge(game.bob, flight, competitor, game.alice);
      await game.passTo(flight.startedAt + EXIT_PERIOD);
      const before = await game.balance(game.bob.address);
      await flights.close(game.stranger, flight);
      expect(await game.balance(game.bob.address)).to.equal(before + IN_FLIGHT_BOND + CHALLENGE_BOND);
      expect([...(await game.rootChain.competitor(flight.hash, 1n))]).to.deep.equal([ETHER, 0n]);
    });

    it("not while a piggyback is live, whichever side it is on; when all are cancelled", async () => {
      await flights.piggyback(game.alice, flight, 0);
      await flights.piggyback(game.bob, flight, OUTPUT);
      await game.passTo(flight.startedAt + EXIT_PERIOD);
      const live = "RootChain_StillPiggybacked(1)";
      await refused(flights.close(game.stranger, flight), live);
      await inputs().challenge();
      await refused(flights.close(game.stranger, flight), live);
      await outputs().challenge();
      await flights.close(game.stranger, flight);
      // Its entry goes without its data, and brings the bounty of the bond that made it.
      const before = await game.balance(game.stranger.address);
      const receipt = await game.mined(game.as(game.stranger).processExits(ETHER, []));
      expect(await game.balance(game.stranger.address)).to.equal(before + BOUNTY - receipt.fee);
      expect(await game.rootChain.queueLength(ETHER)).to.equal(0n);
      expect(await game.balance(game.address)).to.equal(await game.rootChain.held(ETHER));
    });

    it("not twice, nor what there is not", async () => {
      await game.passTo(flight.startedAt + EXIT_PERIOD);
      const elsewhere = { ...flight, data: { ...flight.data, id: FILLER } };
      await refused(flights.close(game.stranger, elsewhere), `RootChain_NoSuchExit(1, ${FILLER})`);
      await flights.close(game.stranger, flight);
      await refused(flights.close(game.stranger, flight), gone());
    });

    it("not after a first processing, though no piggyback is left that is live", async () => {
      await flights.piggyback(game.bob, flight, OUTPUT);
      await flights.piggyback(game.bob, flight, 1);
      await game.passTo(flight.exitableAt);
      const spend = game.transfer([swap.funds[1]!.id], [to(game.bob, 500n, swap.token)]);
      await flights.inputSpent(game.carol, flight, 1, spend, game.bob);
      await process(ETHER);
      expect(await flights.slot(flight)).to.not.equal(0n);
      await refused(flights.close(game.stranger, flight), gone());
      await process(swap.token);
      expect(await flights.slot(flight)).to.equal(0n);
    });
  });
});
