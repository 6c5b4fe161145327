import { expect } from "chai";
import {
  BOND,
  BOUNTY,
  CHALLENGE_BOND,
  ETHER,
  IN_FLIGHT_BOND,
  PIGGYBACK_BOND,
  WEEK,
  type Game,
  type PlainTransaction,
} from "../helpers/game.ts";
import {
  CANCELLED,
  CANONICAL,
  Flights,
  LIVE,
  LIVE_WITH_BOUNTY,
  NOT_CANONICAL,
  OUTPUT,
  slotOf,
  to,
  type Amount,
  type Flight,
  type PaymentSource,
  type Swap,
} from "../helpers/inFlight.ts";

const FIRST = PIGGYBACK_BOND - BOUNTY;
const NEXT = PIGGYBACK_BOND;
type Changes = Partial<Record<Amount, bigint>>;

describe("RootChain.processExits: in-flight exits", () => {
  let flights: Flights;
  let game: Game;
  let swap: Swap;
  let flight: Flight;
  /** Alice spends her ether once more. */
  let competitor: PlainTransaction;
  /** Ids of the inputs, then of the outputs. */
  let ids: string[];
  beforeEach(async () => {
    flights = await Flights.fresh();
    ({ game } = flights);
    swap = await flights.swap();
    flight = await flights.startSwap(swap);
    competitor = game.transfer([swap.funds[0]!.id], [to(game.alice, 1000n)]);
    ids = [...swap.payment.inputs, ...swap.payment.outputs.map((_, i) => game.outputId(swap.payment, i))];
  });

  /** Of Alice's ether and Bob's token; then of Bob's ether, Alice's token and her change. */
  const piggybackAll = async (): Promise<void> => {
    await flights.piggyback(game.alice, flight, 0);
    await flights.piggyback(game.bob, flight, 1);
    await flights.piggyback(game.bob, flight, OUTPUT);
    await flights.piggyback(game.alice, flight, OUTPUT + 1);
    await flights.piggyback(game.alice, flight, OUTPUT + 2);
  };
  const expectFinalized = async (by: bigint[]): Promise<void> => {
    const found = await Promise.all(ids.map(async (id) => await game.rootChain.finalizedBy(id)));
    expect(found).to.deep.equal(by);
  };
  const finalized = (receipt: any): unknown[] =>
    game.events(receipt, "InFlightExitFinalized").map((event) => event.toArray());
  const process = async (token: string): Promise<any> => await flights.process(token, flight);

  it("not before its time, to the second", async () => {
    await flights.piggyback(game.bob, flight, OUTPUT);
    await flights.at(flight.exitableAt - 1n);
    await flights.expectChanges(async () => await process(ETHER), {});
    await flights.at(flight.exitableAt);
    expect(finalized(await process(ETHER))).to.deep.equal([[1n, flight.hash, ETHER, true]]);
  });

  // What each token's queue pays, by the exit's end. The one processed first also settles the starter's bond.
  const ether: Record<"canonical" | "not canonical", Changes> = {
    canonical: { bob: 700n + NEXT, alice: 300n + FIRST + NEXT, held: -1000n },
    "not canonical": { bob: NEXT, alice: 1000n + FIRST + NEXT, held: -1000n },
  };
  const tokens: typeof ether = {
    canonical: { aliceToken: 500n, heldToken: -500n, alice: NEXT, bob: FIRST },
    "not canonical": { bobToken: 500n, heldToken: -500n, alice: NEXT, bob: FIRST },
  };
  // Who can be paid what in ether beside these: Carol started, the operator challenged.
  const settled: typeof ether = {
    canonical: { carol: IN_FLIGHT_BOND },
    "not canonical": { operator: IN_FLIGHT_BOND + CHALLENGE_BOND },
  };
  for (const end of ["canonical", "not canonical"] as const) {
    for (const order of ["ether", "token"] as const) {
      it(`${end}, the queue of ${order} first: the outcome holds for both, each pays its own, the slot empties`, async () => {
        await piggybackAll();
        const isCanonical = end === "canonical";
        if (!isCanonical) await flights.challenge(game.operator, flight, competitor, game.alice);
        await game.passTo(flight.exitableAt);
        const queues = [
          { token: ETHER, changes: ether[end], bonds: 3n * PIGGYBACK_BOND },
          { token: swap.token, changes: tokens[end], bonds: 2n * PIGGYBACK_BOND },
        ];
        if (order === "token") queues.reverse();
        const [first, second] = queues as [(typeof queues)[0], (typeof queues)[0]];
        const standing = IN_FLIGHT_BOND + (isCanonical ? 0n : CHALLENGE_BOND);
        const receipt = await flights.expectChanges(async () => await process(first.token), {
          ...first.changes,
          ...settled[end],
          stranger: BOUNTY,
          bonds: -first.bonds - standing,
        });
        expect(finalized(receipt)).to.deep.equal([[1n, flight.hash, first.token, isCanonical]]);
        const left = {
          token: { 0: LIVE_WITH_BOUNTY, [OUTPUT]: LIVE, [OUTPUT + 2]: LIVE },
          ether: { 1: LIVE_WITH_BOUNTY, [OUTPUT + 1]: LIVE },
        };
        const outcome = isCanonical ? CANONICAL : NOT_CANONICAL;
        expect(await flights.slot(flight)).to.equal(slotOf(flight, left[order], outcome));
        expect([...(await game.rootChain.competitor(flight.hash, 1n))]).to.deep.equal([ETHER, 0n]);
        const once = {
          canonical: { ether: [1n, 1n, 1n, 0n, 1n], token: [1n, 1n, 0n, 1n, 0n] },
          "not canonical": { ether: [1n, 0n, 0n, 0n, 0n], token: [0n, 1n, 0n, 0n, 0n] },
        };
        await expectFinalized(once[end][order]);
        const again = await flights.expectChanges(async () => await process(second.token), {
          ...second.changes,
          stranger: BOUNTY,
          bonds: -second.bonds,
        });
        expect(finalized(again)).to.deep.equal([[1n, flight.hash, second.token, isCanonical]]);
        await expectFinalized(isCanonical ? [1n, 1n, 1n, 1n, 1n] : [1n, 1n, 0n, 0n, 0n]);
        expect(await flights.slot(flight)).to.equal(0n);
        expect(await game.balance(game.address)).to.equal(0n);
      });
    }
  }

  it("canonical: its inputs are finalized, and the unasked outputs are not, in the inputs' order before any payment", async () => {
    await flights.piggyback(game.alice, flight, OUTPUT + 2);
    await game.passTo(flight.exitableAt);
    const receipt = await process(ETHER);
    expect(game.events(receipt, "OutputFinalized").map((event) => event.toArray())).to.deep.equal(
      [ids[0], ids[1], ids[4]].map((id) => [id, 1n]),
    );
    await expectFinalized([1n, 1n, 0n, 0n, 1n]);
    // What it did not pay is still there for a standard exit, if a block contains it.
    const [proof] = await game.commit([swap.payment]);
    const exit = await game.startExit(game.bob, swap.payment, proof!, 0);
    await game.passTo(exit.exitableAt);
    await flights.expectChanges(async () => await flights.process(ETHER, exit), {
      bob: 700n + BOND - BOUNTY,
      stranger: BOUNTY,
      held: -700n,
      bonds: -BOND,
    });
  });

  it("not canonical: what was not asked for is neither paid nor finalized, and may exit otherwise", async () => {
    await flights.piggyback(game.bob, flight, 1);
    await flights.challenge(game.operator, flight, competitor, game.alice);
    await game.passTo(flight.exitableAt);
    await process(swap.token);
    await expectFinalized([0n, 1n, 0n, 0n, 0n]);
    const { transaction, proof } = swap.funds[0]!.source;
    await game.startExit(game.alice, transaction, proof);
  });

  it("no longer canonical since a standard exit finalized an input: the other input is paid, that one not again", async () => {
    // Enough is held to pay all of it twice.
    await game.deposit(game.operator, 5000n);
    const { transaction, proof } = swap.funds[0]!.source;
    const exit = await game.startExit(game.alice, transaction, proof);
    // An exit that waits for its own W comes after one that waits for its age.
    await game.pass(WEEK + 100);
    flight = await flights.start(game.carol, { ...swap.payment, purpose: 5 }, sources(), [game.alice, game.bob]);
    await piggybackAll();
    await game.passTo(flight.exitableAt);
    await flights.process(ETHER, exit);
    const receipt = await flights.expectChanges(async () => await process(ETHER), {
      alice: FIRST + NEXT,
      bob: NEXT,
      carol: IN_FLIGHT_BOND,
      stranger: BOUNTY,
      bonds: -IN_FLIGHT_BOND - 3n * PIGGYBACK_BOND,
    });
    expect(finalized(receipt)).to.deep.equal([[3n, flight.hash, ETHER, false]]);
    await flights.expectChanges(async () => await process(swap.token), {
      bobToken: 500n,
      heldToken: -500n,
      bob: FIRST,
      alice: NEXT,
      stranger: BOUNTY,
      bonds: -2n * PIGGYBACK_BOND,
    });
    expect(await game.rootChain.finalizedBy(ids[0]!)).to.equal(2n);
    expect(await game.rootChain.finalizedBy(ids[1]!)).to.equal(3n);
  });
  const sources = (): PaymentSource[] => swap.funds.map(({ source }) => source);

  it("an output that a standard exit paid before: not again, its bond returns, the others are paid", async () => {
    // Enough is held to pay all of it twice.
    await game.deposit(game.operator, 5000n);
    const [proof] = await game.commit([swap.payment]);
    const exit = await game.startExit(game.bob, swap.payment, proof!, 0);
    await game.pass(WEEK + 100);
    // Its slot is free for another exit once the first is closed.
    await flights.close(game.carol, flight);
    flight = await flights.startSwap(swap);
    await piggybackAll();
    await game.passTo(flight.exitableAt);
    await flights.process(ETHER, exit);
    await flights.expectChanges(async () => await process(ETHER), {
      alice: 300n + FIRST + NEXT,
      bob: NEXT,
      carol: IN_FLIGHT_BOND,
      held: -300n,
      stranger: BOUNTY,
      bonds: -IN_FLIGHT_BOND - 3n * PIGGYBACK_BOND,
    });
    const { number } = flight;
    await expectFinalized([number, number, exit.exit.number, 0n, number]);
  });

  describe("given less held than it pays", () => {
    // An operator makes 900, 90 and 400 out of nothing, where 1000 are held.
    const forge = async (): Promise<Flight> => {
      const funds = await flights.forged([to(game.alice, 900n), to(game.alice, 90n), to(game.alice, 1400n)]);
      const forgery = game.transfer(
        funds.map(({ id }) => id),
        [to(game.bob, 1390n), to(game.bob, 950n), to(game.bob, 50n)],
      );
      ids = [...forgery.inputs, ...forgery.outputs.map((_, i) => game.outputId(forgery, i))];
      const { alice, carol } = game;
      return await flights.start(
        carol,
        forgery,
        funds.map(({ source }) => source),
        [alice, alice, alice],
      );
    };
    const unpayable = (receipt: any): unknown[] =>
      game.events(receipt, "ExitUnpayable").map((event) => event.toArray());

    it("canonical: each output by itself is paid while enough is held; what is left out is not finalized, its bond returns", async () => {
      flight = await forge();
      for (const index of [0, 1, 2]) await flights.piggyback(game.bob, flight, OUTPUT + index);
      await game.passTo(flight.exitableAt);
      const receipt = await flights.expectChanges(async () => await process(ETHER), {
        bob: 1000n + FIRST + 2n * NEXT,
        carol: IN_FLIGHT_BOND,
        stranger: BOUNTY,
        held: -1000n,
        bonds: -IN_FLIGHT_BOND - 3n * PIGGYBACK_BOND,
      });
      expect(unpayable(receipt)).to.deep.equal([[2n, ids[3], 1390n, 1000n]]);
      await expectFinalized([2n, 2n, 2n, 0n, 2n, 2n]);
      expect(await flights.slot(flight)).to.equal(0n);
    });

    it("not canonical: each input by itself; those behind are paid", async () => {
      flight = await forge();
      for (const index of [0, 1, 2]) await flights.piggyback(game.alice, flight, index);
      const other = game.transfer([flight.transaction.inputs[2]!], [to(game.alice, 1400n)]);
      await flights.challenge(game.operator, flight, other, game.alice, { inputIndex: 2 });
      await game.passTo(flight.exitableAt);
      const receipt = await flights.expectChanges(async () => await process(ETHER), {
        alice: 990n + FIRST + 2n * NEXT,
        operator: IN_FLIGHT_BOND + CHALLENGE_BOND,
        stranger: BOUNTY,
        held: -990n,
        bonds: -IN_FLIGHT_BOND - CHALLENGE_BOND - 3n * PIGGYBACK_BOND,
      });
      expect(unpayable(receipt)).to.deep.equal([[2n, ids[2], 1400n, 10n]]);
      await expectFinalized([2n, 2n, 0n, 0n, 0n, 0n]);
    });

    it("canonical with nothing paid at all: its inputs are finalized still", async () => {
      flight = await forge();
      await flights.piggyback(game.bob, flight, OUTPUT);
      await game.passTo(flight.exitableAt);
      const receipt = await process(ETHER);
      expect(unpayable(receipt)).to.deep.equal([[2n, ids[3], 1390n, 1000n]]);
      await expectFinalized([2n, 2n, 2n, 0n, 0n, 0n]);
    });
  });

  describe("given piggybacks that were cancelled", () => {
    beforeEach(async () => {
      await flights.piggyback(game.alice, flight, 0);
      await flights.inputSpent(game.operator, flight, 0, competitor, game.alice);
    });

    it("its entry is not skipped while the exit is open: it needs the data, and then settles the exit", async () => {
      await game.passTo(flight.exitableAt);
      await flights.expectChanges(async () => await flights.process(ETHER), {});
      expect(await game.rootChain.queueLength(ETHER)).to.equal(1n);
      const receipt = await flights.expectChanges(async () => await process(ETHER), {
        carol: IN_FLIGHT_BOND,
        stranger: BOUNTY,
        bonds: -IN_FLIGHT_BOND - BOUNTY,
      });
      expect(finalized(receipt)).to.deep.equal([[1n, flight.hash, ETHER, true]]);
      await expectFinalized([1n, 1n, 0n, 0n, 0n]);
      expect(await flights.slot(flight)).to.equal(0n);
    });

    it("they are not paid, the live ones of that token and of others are; the slot keeps them until their queue", async () => {
      await flights.piggyback(game.alice, flight, OUTPUT + 2);
      await flights.piggyback(game.alice, flight, OUTPUT + 1);
      await game.passTo(flight.exitableAt);
      await process(swap.token);
      const left = { 0: CANCELLED, [OUTPUT + 2]: LIVE };
      expect(await flights.slot(flight)).to.equal(slotOf(flight, left, CANONICAL));
      await flights.expectChanges(async () => await process(ETHER), {
        alice: 300n + NEXT,
        held: -300n,
        stranger: BOUNTY,
        bonds: -NEXT - BOUNTY,
      });
      expect(await flights.slot(flight)).to.equal(0n);
      expect(await game.balance(game.address)).to.equal(700n);
    });

    it("after closing its entry is skipped, before and behind what is paid, and its data pays nothing", async () => {
      const { transaction, proof } = swap.funds[0]!.source;
      await game.pass(WEEK + 100);
      const behind = await game.startExit(game.alice, transaction, proof);
      await game.passTo(behind.exitableAt);
      await flights.close(game.carol, flight);
      const snapshot = await game.connection.networkHelpers.takeSnapshot();
      for (const data of [[behind], [flight, behind]]) {
        const receipt = await flights.process(ETHER, ...data);
        // The closed one's data takes its entry out, and matches nothing behind it.
        expect(finalized(receipt)).to.deep.equal([]);
        expect(await game.rootChain.queueLength(ETHER)).to.equal(data.length === 1 ? 0n : 1n);
        await snapshot.restore();
      }
    });
  });

  describe("given other data than the first entry's", () => {
    it("garbage, of another exit, id or token, or of the other kind: nothing is taken out, nothing paid", async () => {
      await flights.piggyback(game.bob, flight, OUTPUT);
      const other = await flights.start(game.carol, { ...swap.payment, purpose: 5 }, sources(), [game.alice, game.bob]);
      await flights.piggyback(game.bob, other, OUTPUT);
      await game.pass(WEEK + 100);
      const { transaction, proof } = swap.funds[0]!.source;
      const exit = await game.startExit(game.alice, transaction, proof);
      await game.passTo(exit.exitableAt);
      const { id, data } = flight.data;
      const wrong = [
        { id, data: "0x" },
        { id, data: data.slice(0, 66) },
        { id, data: `${data}00` },
        { id, data: `${data.slice(0, -2)}01` },
        { id, data: `0x${"ff".repeat(192)}` },
        { id: other.hash, data },
        { id, data: other.data.data },
        { id: `0x${"00".repeat(32)}`, data },
        other.data,
        exit.data,
        { id, data: exit.data.data },
      ];
      expect(await game.rootChain.firstExit(ETHER)).to.equal(flight.priority);
      for (const garbage of wrong) {
        await flights.expectChanges(async () => await flights.process(ETHER, { data: garbage }), {});
        expect(await game.rootChain.queueLength(ETHER)).to.equal(3n);
      }
      await flights.expectChanges(async () => await process(swap.token), {});
      // Nor does an in-flight exit's data pass for a standard exit's.
      await flights.process(ETHER, flight, other, flight);
      expect(await game.rootChain.queueLength(ETHER)).to.equal(1n);
      for (const garbage of [flight.data, other.data, { id: exit.outputId, data }]) {
        await flights.expectChanges(async () => await flights.process(ETHER, { data: garbage }), {});
      }
      await flights.process(ETHER, exit);
      expect(await game.rootChain.queueLength(ETHER)).to.equal(0n);
    });
  });
});
