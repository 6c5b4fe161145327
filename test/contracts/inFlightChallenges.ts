import { expect } from "chai";
import { ZeroAddress, type HDNodeWallet } from "ethers";
import { CHALLENGE_BOND, ETHER, failure, WEEK, type Game, type PlainTransaction, type Proof } from "../helpers/game.ts";
import { Flights, NO_PROOF, NOT_INCLUDED, OUTPUT, slotOf, to, type Flight, type Swap } from "../helpers/inFlight.ts";

const HALF_TIME = BigInt(WEEK) / 2n;
const FILLER = `0x${"99".repeat(32)}`;

describe("RootChain: challenges of in-flight exits", () => {
  let flights: Flights;
  let game: Game;
  let swap: Swap;
  let flight: Flight;
  /** Alice spends her ether once more. */
  let competitor: PlainTransaction;
  beforeEach(async () => {
    flights = await Flights.fresh();
    ({ game } = flights);
    swap = await flights.swap();
    flight = await flights.startSwap(swap);
    competitor = game.transfer([swap.funds[0]!.id], [to(game.alice, 1000n)]);
  });

  const refused = async (call: Promise<unknown>, error: string): Promise<void> => {
    expect(await failure(game, call)).to.equal(error);
  };
  const wrongData = (): [Flight, string][] => {
    const { id, data } = flight.data;
    const altered = { ...flight, data: { id, data: `${data.slice(0, -2)}01` } };
    const elsewhere = { ...flight, data: { id: FILLER, data } };
    return [
      [altered, `RootChain_NoSuchExit(1, ${id})`],
      [elsewhere, `RootChain_NoSuchExit(1, ${FILLER})`],
      [{ ...flight, data: { id, data: "0x" } }, `RootChain_NoSuchExit(0, ${id})`],
    ];
  };
  /** Makes the exit be over, in each of the ways it can be. */
  const ends: Record<string, () => Promise<void>> = {
    "processed in one of its queues": async () => {
      await flights.piggyback(game.bob, flight, OUTPUT);
      await flights.piggyback(game.bob, flight, 1);
      await game.passTo(flight.exitableAt);
      await game.as(game.stranger).processExits(ETHER, [flight.data]);
      expect(await flights.slot(flight)).to.not.equal(0n);
    },
    "processed in all of its queues": async () => {
      await flights.piggyback(game.bob, flight, OUTPUT);
      await game.passTo(flight.exitableAt);
      await game.as(game.stranger).processExits(ETHER, [flight.data]);
      expect(await flights.slot(flight)).to.equal(0n);
    },
    closed: async () => {
      await game.passTo(flight.startedAt + BigInt(WEEK));
      await flights.close(game.stranger, flight);
    },
  };
  const gone = (): string => `RootChain_NoSuchExit(1, ${flight.hash})`;
  const standing = async (): Promise<unknown[]> => [...(await game.rootChain.competitor(flight.hash, 1n))];
  const age = (proof: Proof): bigint => (proof.header.number << 23n) | BigInt(proof.index + 1);
  /** In one block: the competitor at `place` of four, and the swap behind or before it. */
  const included = async (place: number, swapPlace: number): Promise<[competitor: Proof, own: Proof]> => {
    const leaves = Array<string>(4).fill(FILLER);
    leaves[place] = game.hash(competitor);
    leaves[swapPlace] = flight.hash;
    const proofs = await game.commitLeaves(leaves);
    return [proofs[place]!, proofs[swapPlace]!];
  };

  describe("challengeNonCanonical", () => {
    type Change = Partial<{
      exit: Flight;
      input: number;
      transaction: PlainTransaction;
      spent: number;
      signer: HDNodeWallet;
      proof: Proof;
      value: bigint;
      by: HDNodeWallet;
    }>;
    const challenge = async (change: Change = {}): Promise<any> => {
      const { exit = flight, input = 0, transaction = competitor, spent = 0, signer = game.alice } = change;
      const { proof = NO_PROOF, value = CHALLENGE_BOND, by = game.carol } = change;
      const signature = game.sign(signer, transaction);
      const call = game.as(by).challengeNonCanonical(exit.data, input, transaction, spent, signature, proof, { value });
      return await game.mined(call);
    };

    it("with a competitor that no block contains: tells it and remembers the challenger", async () => {
      const receipt = await challenge();
      const event = [1n, flight.hash, game.carol.address, game.hash(competitor), NOT_INCLUDED];
      expect(game.events(receipt, "NonCanonicalChallenged")[0].toArray()).to.deep.equal(event);
      expect(await standing()).to.deep.equal([game.carol.address, NOT_INCLUDED]);
      expect(await flights.slot(flight)).to.equal(slotOf(flight));
      expect(game.events(receipt, "PayoutDeferred")).to.deep.equal([]);
    });

    it("with one that is included: its position is remembered", async () => {
      const [proof] = await included(2, 3);
      const receipt = await challenge({ proof });
      const position = (2n << 23n) | 3n;
      expect(game.events(receipt, "NonCanonicalChallenged")[0].position).to.equal(position);
      expect(await standing()).to.deep.equal([game.carol.address, position]);
    });

    it("of any input, found at any place of the competitor's", async () => {
      const { alice, bob, carol } = game;
      const inputs = [FILLER, swap.funds[0]!.id, swap.funds[1]!.id];
      const transaction = game.transfer(inputs, [to(carol, 1000n)]);
      await refused(challenge({ transaction, spent: 1, signer: bob }), wrongSigner(bob, alice));
      await challenge({ transaction, input: 1, spent: 2, signer: bob });
    });
    const wrongSigner = (signer: HDNodeWallet, owner: HDNodeWallet): string =>
      `RootChain_WrongSigner(${signer.address}, ${owner.address})`;

    it("not with another value than the bond", async () => {
      for (const value of [0n, CHALLENGE_BOND - 1n, CHALLENGE_BOND + 1n]) {
        await refused(challenge({ value }), `RootChain_WrongBond(${value}, ${CHALLENGE_BOND})`);
      }
    });

    it("not with what is no spend of that input, signed by its owner, in another transaction", async () => {
      const { alice, bob } = game;
      const [ethers, tokens] = swap.funds.map(({ id }) => id) as [string, string];
      for (const input of [2, 15, 16]) {
        await refused(challenge({ input }), `RootChain_WrongIndex(${input}, 2)`);
      }
      await refused(challenge({ spent: 1 }), "RootChain_WrongIndex(1, 1)");
      await refused(challenge({ input: 1, signer: bob }), `RootChain_NotSpent(${tokens}, ${ethers})`);
      await refused(challenge({ transaction: flight.transaction }), `RootChain_SameTransaction(${flight.hash})`);
      await refused(challenge({ signer: bob }), wrongSigner(bob, alice));
      const empty = { ...competitor, inputs: [] };
      await refused(challenge({ transaction: empty }), "RootChain_WrongIndex(0, 0)");
    });

    it("not with a position it does not have", async () => {
      const [proof, own] = await included(1, 2);
      const hash = game.hash(competitor);
      await refused(challenge({ proof: own }), `RootChain_NotIncluded(${hash}, 2, 2)`);
      await refused(challenge({ proof: { ...proof, index: 0 } }), `RootChain_NotIncluded(${hash}, 2, 0)`);
      const header = { ...proof.header, number: 1n };
      const unknown = `RootChain_UnknownBlock(1, ${header.transactionsRoot})`;
      await refused(challenge({ proof: { ...proof, header } }), unknown);
    });

    it("until W/2 after the start, to the second", async () => {
      const until = flight.startedAt + HALF_TIME;
      const [proof] = await included(0, 1);
      await flights.at(until - 1n);
      await challenge();
      await flights.at(until);
      await refused(challenge({ proof }), `RootChain_TooLate(${until})`);
    });

    it("not of an exit there is not", async () => {
      for (const [exit, error] of wrongData()) await refused(challenge({ exit }), error);
    });
    for (const [state, end] of Object.entries(ends)) {
      it(`not of an exit that is ${state}`, async () => {
        await end();
        await refused(challenge(), gone());
      });
    }

    it("only with a strictly older one than is remembered, whose bond then is credited", async () => {
      const { bob, carol, operator } = game;
      // The same competitor in two blocks has two ages.
      const [old] = await included(1, 0);
      const [young] = await included(1, 0);
      const notOlder = (proof: Proof | null, than: bigint): string =>
        `RootChain_NotOlder(${proof === null ? NOT_INCLUDED : age(proof)}, ${than})`;
      await challenge({ by: carol });
      await refused(challenge({ by: bob }), notOlder(null, NOT_INCLUDED));
      const first = await challenge({ by: bob, proof: young });
      expect(game.events(first, "PayoutDeferred")[0].toArray()).to.deep.equal([ETHER, carol.address, CHALLENGE_BOND]);
      expect(await standing()).to.deep.equal([bob.address, age(young)]);
      for (const proof of [null, young]) {
        await refused(challenge(proof === null ? {} : { proof }), notOlder(proof, age(young)));
      }
      await challenge({ by: operator, proof: old });
      expect(await standing()).to.deep.equal([operator.address, age(old)]);
      for (const proof of [null, young, old]) {
        await refused(challenge(proof === null ? {} : { proof }), notOlder(proof, age(old)));
      }
      expect(await game.rootChain.claimable(ETHER, carol.address)).to.equal(CHALLENGE_BOND);
      expect(await game.rootChain.claimable(ETHER, bob.address)).to.equal(CHALLENGE_BOND);
      expect(await game.rootChain.claimable(ETHER, operator.address)).to.equal(0n);
    });

    it("after an answer only with one older than that, and nobody is credited for it", async () => {
      const [before, own] = await included(0, 1);
      const [after] = await included(2, 3);
      await challenge({ proof: after });
      await flights.respond(game.bob, flight, own);
      await refused(challenge({ proof: after }), `RootChain_NotOlder(${age(after)}, ${age(own)})`);
      await refused(challenge(), `RootChain_NotOlder(${NOT_INCLUDED}, ${age(own)})`);
      const receipt = await challenge({ proof: before });
      expect(game.events(receipt, "PayoutDeferred")).to.deep.equal([]);
      expect(await standing()).to.deep.equal([game.carol.address, age(before)]);
      // Nothing older than that is left to answer with.
      await refused(flights.respond(game.bob, flight, own), `RootChain_NotOlder(${age(own)}, ${age(before)})`);
    });
  });

  describe("respondCanonical", () => {
    const notChallenged = (number = 1n): string => `RootChain_NotChallenged(${number}, ${flight.hash})`;

    for (const counted of [false, true]) {
      it(`with its inclusion before the competitor's, ${counted ? "which is shown" : "which is not"}: tells it, pays the bond, remembers the position`, async () => {
        const [theirs, own] = await included(2, 1);
        await flights.challenge(game.carol, flight, competitor, game.alice, { proof: counted ? theirs : NO_PROOF });
        const before = await game.balance(game.bob.address);
        const receipt = await flights.respond(game.bob, flight, own);
        const event = [1n, flight.hash, game.bob.address, age(own)];
        expect(game.events(receipt, "CanonicalResponded")[0].toArray()).to.deep.equal(event);
        expect(await game.balance(game.bob.address)).to.equal(before + CHALLENGE_BOND - receipt.fee);
        expect(await standing()).to.deep.equal([ZeroAddress, age(own)]);
      });
    }

    it("not where no challenge stands: never made, answered, or of an exit of another number", async () => {
      const [theirs, own] = await included(2, 1);
      await refused(flights.respond(game.bob, flight, own), notChallenged());
      await flights.challenge(game.carol, flight, competitor, game.alice, { proof: theirs });
      await refused(flights.respond(game.bob, { ...flight, number: 2n }, own), notChallenged(2n));
      await refused(flights.respond(game.bob, { ...flight, number: 0n }, own), notChallenged(0n));
      await flights.respond(game.bob, flight, own);
      await refused(flights.respond(game.bob, flight, own), notChallenged());
    });

    it("not with a place it is not at", async () => {
      const [theirs, own] = await included(2, 1);
      await flights.challenge(game.carol, flight, competitor, game.alice);
      await refused(flights.respond(game.bob, flight, theirs), `RootChain_NotIncluded(${flight.hash}, 2, 2)`);
      const header = { ...own.header, timestamp: own.header.timestamp + 1n };
      const unknown = `RootChain_UnknownBlock(2, ${header.transactionsRoot})`;
      await refused(flights.respond(game.bob, flight, { ...own, header }), unknown);
      const none = `RootChain_UnknownBlock(0, ${NO_PROOF.header.transactionsRoot})`;
      await refused(flights.respond(game.bob, flight, NO_PROOF), none);
    });

    it("not behind the competitor, by a place or a block", async () => {
      const [theirs, behind] = await included(1, 2);
      const [, later] = await included(3, 0);
      await flights.challenge(game.carol, flight, competitor, game.alice, { proof: theirs });
      for (const own of [behind, later]) {
        await refused(flights.respond(game.bob, flight, own), `RootChain_NotOlder(${age(own)}, ${age(theirs)})`);
      }
    });

    it("as long as the exit is not over: after its time as well", async () => {
      const [, own] = await included(2, 1);
      await flights.challenge(game.carol, flight, competitor, game.alice);
      await game.passTo(flight.exitableAt + BigInt(WEEK));
      await flights.respond(game.bob, flight, own);
    });
    for (const [state, end] of Object.entries(ends)) {
      it(`not of an exit that is ${state}`, async () => {
        const [, own] = await included(2, 1);
        await flights.challenge(game.carol, flight, competitor, game.alice);
        await end();
        await refused(flights.respond(game.bob, flight, own), notChallenged());
        expect(await standing()).to.deep.equal([ZeroAddress, 0n]);
      });
    }
  });
});
