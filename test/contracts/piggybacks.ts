import { expect } from "chai";
import { ZeroAddress, ZeroHash, type HDNodeWallet } from "ethers";
import { ETHER, failure, PIGGYBACK_BOND, WEEK, type Game } from "../helpers/game.ts";
import {
  CANCELLED,
  CANONICAL,
  Flights,
  LIVE,
  LIVE_WITH_BOUNTY,
  OUTPUT,
  slotOf,
  SPONSORED,
  to,
  type Authorization,
  type Flight,
  type Swap,
} from "../helpers/inFlight.ts";

const HALF_TIME = BigInt(WEEK) / 2n;
/** Where the owner itself calls. */
const OWN: Authorization = { bondOwner: ZeroAddress, deadline: 0n, signature: "0x" };
type Data = Flight["data"];

describe("RootChain: piggybacks", () => {
  let flights: Flights;
  let game: Game;
  let swap: Swap;
  let flight: Flight;
  beforeEach(async () => {
    flights = await Flights.fresh();
    ({ game } = flights);
    swap = await flights.swap();
    flight = await flights.startSwap(swap);
  });

  const refused = async (call: Promise<unknown>, error: string): Promise<void> => {
    expect(await failure(game, call)).to.equal(error);
  };
  const expectSlot = async (states: Record<number, bigint>, flags = 0n): Promise<void> => {
    expect(await flights.slot(flight)).to.equal(slotOf(flight, states, flags));
  };
  const process = async (token: string, by = game.stranger): Promise<void> => {
    await game.as(by).processExits(token, [flight.data]);
  };
  /** Whoever signed the input or output's spend cancels its piggyback. */
  const cancelInput = async (index: number, owner: HDNodeWallet): Promise<void> => {
    const { output, id } = swap.funds[index]!;
    const spend = game.transfer([id], [to(owner, output.amount, output.token)]);
    await flights.inputSpent(game.stranger, flight, index, spend, owner);
  };

  // Both ways to make one must hold to the same rules.
  type Way = (by: HDNodeWallet, data: Data, index: number | bigint, value?: bigint) => Promise<unknown>;
  const ways: Record<string, Way> = {
    piggyback: async (by, data, index, value = PIGGYBACK_BOND) =>
      await game.mined(game.as(by).piggyback(data, index, { value })),
    piggybacks: async (by, data, index, value = PIGGYBACK_BOND) =>
      await game.mined(game.as(by).piggybacks(data, [{ index, authorization: OWN }], { value })),
  };
  for (const [name, make] of Object.entries(ways)) {
    describe(name, () => {
      it("of each input and output by its owner: tells it, sets its bits, and queues the exit once a token", async () => {
        const { alice, bob } = game;
        const ids = [0, 1, 2].map((index) => game.outputId(flight.transaction, index));
        const [ethers, tokens] = swap.funds.map(({ id }) => id);
        const states: Record<number, bigint> = {};
        const rows = [
          [0, alice, ethers, LIVE_WITH_BOUNTY, 1n, 0n],
          [OUTPUT + 1, alice, ids[1], LIVE_WITH_BOUNTY, 1n, 1n],
          [1, bob, tokens, LIVE, 1n, 1n],
          [OUTPUT, bob, ids[0], LIVE, 1n, 1n],
          [OUTPUT + 2, alice, ids[2], LIVE, 1n, 1n],
        ] as const;
        for (const [index, owner, id, state, inEther, inToken] of rows) {
          const receipt: any = await make(owner, flight.data, index);
          const event = [1n, id, owner.address, BigInt(index), owner.address];
          expect(game.events(receipt, "Piggybacked").map((args) => args.toArray())).to.deep.equal([event]);
          states[index] = state;
          await expectSlot(states);
          expect(await game.rootChain.queueLength(ETHER)).to.equal(inEther);
          expect(await game.rootChain.queueLength(swap.token)).to.equal(inToken);
          expect(await game.rootChain.firstExit(ETHER)).to.equal(flight.priority);
        }
        expect(await game.rootChain.firstExit(swap.token)).to.equal(flight.priority);
        expect(await game.balance(game.address)).to.equal(
          (await game.rootChain.held(ETHER)) + 200_000_000_000_000_000n + 5n * PIGGYBACK_BOND,
        );
      });

      for (const value of [0n, PIGGYBACK_BOND - 1n, PIGGYBACK_BOND + 1n]) {
        it(`not with ${value} wei as its bond`, async () => {
          const error = `RootChain_WrongBond(${value}, ${PIGGYBACK_BOND})`;
          await refused(make(game.bob, flight.data, OUTPUT, value), error);
        });
      }

      it("not by anyone else, be it the other side's owner or who started the exit", async () => {
        const { alice, bob, carol } = game;
        for (const [index, owner] of [
          [0, alice],
          [1, bob],
          [OUTPUT, bob],
          [OUTPUT + 1, alice],
        ] as const) {
          for (const by of [owner === alice ? bob : alice, carol]) {
            await refused(make(by, flight.data, index), `RootChain_NotOwner(${by.address}, ${owner.address})`);
          }
        }
      });

      it("not where there is no input or output", async () => {
        for (const index of [2, 3, 15]) {
          await refused(make(game.alice, flight.data, index), `RootChain_WrongIndex(${index}, 2)`);
        }
        for (const index of [19n, 31n, 32n, 2n ** 128n, 2n ** 256n - 1n]) {
          await refused(make(game.alice, flight.data, index), `RootChain_WrongIndex(${index}, 19)`);
        }
      });

      it("until W/2 after the start, to the second", async () => {
        const until = flight.startedAt + HALF_TIME;
        await flights.at(until - 1n);
        await make(game.bob, flight.data, OUTPUT);
        await expectSlot({ [OUTPUT]: LIVE_WITH_BOUNTY });
        await flights.at(until);
        await refused(make(game.alice, flight.data, 0), `RootChain_TooLate(${until})`);
      });

      it("not twice, live or cancelled", async () => {
        const { alice } = game;
        await make(alice, flight.data, 0);
        await refused(make(alice, flight.data, 0), "RootChain_AlreadyPiggybacked(1, 0)");
        await cancelInput(0, alice);
        await expectSlot({ 0: CANCELLED });
        await refused(make(alice, flight.data, 0), "RootChain_AlreadyPiggybacked(1, 0)");
      });

      it("after the token's first one was cancelled: no second entry, and its bond bears no bounty", async () => {
        await make(game.alice, flight.data, 0);
        await cancelInput(0, game.alice);
        await make(game.bob, flight.data, OUTPUT);
        await expectSlot({ 0: CANCELLED, [OUTPUT]: LIVE });
        expect(await game.rootChain.queueLength(ETHER)).to.equal(1n);
      });

      it("not of an exit there is not: other data, another transaction, none", async () => {
        const { data, id } = flight.data;
        const flip = (byte: number): string => {
          const at = 2 + 2 * byte;
          return data.slice(0, at) + (data.slice(at, at + 2) === "00" ? "01" : "00") + data.slice(at + 2);
        };
        const last = data.length / 2 - 2;
        // Byte 31 is the lowest of the number.
        const wrong: [Data, bigint][] = [
          [{ id, data: flip(31) }, 0n],
          [{ id, data: flip(32 + 31) }, 1n],
          [{ id, data: flip(last) }, 1n],
          [{ id, data: `${data}00` }, 1n],
          [{ id, data: data.slice(0, -2) }, 1n],
          [{ id, data: data.slice(0, 2 + 62) }, 0n],
          [{ id, data: "0x" }, 0n],
          [{ id: ZeroHash, data }, 1n],
          [{ id: game.outputId(flight.transaction), data }, 1n],
        ];
        for (const [exit, number] of wrong) {
          await refused(make(game.bob, exit, OUTPUT), `RootChain_NoSuchExit(${number}, ${exit.id})`);
        }
      });

      it("not of an exit that is closed", async () => {
        await game.passTo(flight.startedAt + BigInt(WEEK));
        await flights.close(game.stranger, flight);
        await refused(make(game.bob, flight.data, OUTPUT), `RootChain_NoSuchExit(1, ${flight.hash})`);
      });

      it("not of an exit that was processed, through all its queues or not", async () => {
        await make(game.bob, flight.data, OUTPUT);
        await make(game.alice, flight.data, OUTPUT + 1);
        await game.passTo(flight.exitableAt);
        await process(ETHER);
        await expectSlot({ [OUTPUT + 1]: LIVE_WITH_BOUNTY }, CANONICAL);
        await refused(make(game.bob, flight.data, 1), `RootChain_NoSuchExit(1, ${flight.hash})`);
        await process(swap.token);
        await refused(make(game.bob, flight.data, 1), `RootChain_NoSuchExit(1, ${flight.hash})`);
      });
    });
  }

  describe("piggybacks: many, each by its owner or with its authorization", () => {
    const make = async (
      requests: { index: number; authorization: Authorization }[],
      by = game.carol,
      value = BigInt(requests.length) * PIGGYBACK_BOND,
    ): Promise<any> => await game.mined(game.as(by).piggybacks(flight.data, requests, { value }));
    const output = (index: number): string => game.outputId(flight.transaction, index);
    const authorized = (
      owner: HDNodeWallet,
      id: string,
      { bondOwner = game.carol.address, deadline = 2n ** 33n, block = 0n, domain = game.domain } = {},
    ): Authorization => flights.authorize(owner, id, block, bondOwner, deadline, domain);

    it("makes all, with a flag and the bonds' owner where that is not the owner", async () => {
      const { alice, bob, carol, operator } = game;
      const requests = [
        { index: OUTPUT + 1, authorization: authorized(alice, output(1), { bondOwner: operator.address }) },
        { index: 0, authorization: authorized(alice, swap.funds[0]!.id) },
        { index: OUTPUT, authorization: authorized(bob, output(0), { bondOwner: bob.address }) },
      ];
      const receipt = await make(requests);
      expect(game.events(receipt, "Piggybacked").map((event) => event.toArray())).to.deep.equal([
        [1n, output(1), alice.address, 17n, operator.address],
        [1n, swap.funds[0]!.id, alice.address, 0n, carol.address],
        [1n, output(0), bob.address, 16n, bob.address],
      ]);
      await expectSlot({ 0: LIVE_WITH_BOUNTY, [OUTPUT]: LIVE, [OUTPUT + 1]: LIVE_WITH_BOUNTY }, SPONSORED);
    });

    it("no flag while each bond belongs to its owner", async () => {
      const { bob, alice } = game;
      await make([{ index: OUTPUT, authorization: authorized(bob, output(0), { bondOwner: bob.address }) }]);
      const own = { index: 0, authorization: OWN };
      await make([own, { index: OUTPUT + 2, authorization: OWN }], alice);
      await expectSlot({ 0: LIVE, [OUTPUT]: LIVE_WITH_BOUNTY, [OUTPUT + 2]: LIVE });
    });

    it("not none; not with another value than one bond for each", async () => {
      await refused(make([]), "RootChain_WrongCount(0)");
      const one = { index: OUTPUT, authorization: authorized(game.bob, output(0)) };
      const other = { index: 0, authorization: authorized(game.alice, swap.funds[0]!.id) };
      for (const value of [0n, PIGGYBACK_BOND, 2n * PIGGYBACK_BOND - 1n, 2n * PIGGYBACK_BOND + 1n]) {
        const error = `RootChain_WrongBond(${value}, ${2n * PIGGYBACK_BOND})`;
        await refused(make([one, other], game.carol, value), error);
      }
    });

    it("one that cannot be made undoes all: the same again, another's, one out of range", async () => {
      const one = { index: OUTPUT, authorization: authorized(game.bob, output(0)) };
      await refused(make([one, one]), "RootChain_AlreadyPiggybacked(1, 16)");
      const anothers = { index: 0, authorization: OWN };
      await refused(make([one, anothers]), `RootChain_NotOwner(${game.carol.address}, ${game.alice.address})`);
      await refused(make([one, { ...one, index: 2 }]), "RootChain_WrongIndex(2, 2)");
      await expectSlot({});
      expect(await game.rootChain.queueLength(ETHER)).to.equal(0n);
      await make([one]);
    });

    it("an authorization holds until its deadline, to the second", async () => {
      const deadline = flight.startedAt + 1000n;
      const first = { index: OUTPUT, authorization: authorized(game.bob, output(0), { deadline }) };
      const second = { index: 0, authorization: authorized(game.alice, swap.funds[0]!.id, { deadline }) };
      await flights.at(deadline);
      await make([first]);
      await flights.at(deadline + 1n);
      await refused(make([second]), `RootChain_AuthorizationExpired(${deadline})`);
    });

    it("not with an authorization for another output, block, bond owner, deadline or contract, nor another's", async () => {
      const { bob, carol } = game;
      const good = authorized(bob, output(0));
      const wrong = [
        authorized(bob, output(1)),
        authorized(bob, output(0), { block: 1n }),
        authorized(bob, output(0), { domain: { ...game.domain, verifyingContract: carol.address } }),
        authorized(bob, output(0), { domain: { ...game.domain, chainId: 1n } }),
        { ...good, bondOwner: bob.address },
        { ...good, deadline: good.deadline + 1n },
        { ...good, signature: good.signature.slice(0, -2) },
        // The owner is part of what is signed, so another's signature is nobody's.
        authorized(carol, output(0)),
      ];
      for (const authorization of wrong) {
        const error = await failure(game, make([{ index: OUTPUT, authorization }]));
        expect(error).to.match(new RegExp(`^RootChain_WrongSigner\\(0x\\w{40}, ${bob.address}\\)$`));
      }
      const nobody = authorized(bob, output(0), { bondOwner: ZeroAddress });
      await refused(make([{ index: OUTPUT, authorization: nobody }]), "RootChain_ZeroAddress()");
    });
  });
});
