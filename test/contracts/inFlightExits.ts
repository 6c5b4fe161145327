import { expect } from "chai";
import { ZeroAddress } from "ethers";
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
  CANONICAL,
  Flights,
  fromPayment,
  LIVE,
  LIVE_WITH_BOUNTY,
  NOT_INCLUDED,
  OUTPUT,
  slotOf,
  to,
  type Flight,
} from "../helpers/inFlight.ts";

const EXIT_PERIOD = BigInt(WEEK);
const FILLER = `0x${"99".repeat(32)}`;

// Alice's ether and Bob's token were made by transactions that an operator included again and again, so each inclusion
// shows another age of the same inputs.
describe("RootChain: several in-flight exits of one transaction", () => {
  let flights: Flights;
  let game: Game;
  let token: string;
  let made: PlainTransaction;
  let payment: PlainTransaction;
  /** Oldest first. */
  let proofs: Proof[];
  beforeEach(async () => {
    flights = await Flights.fresh();
    ({ game } = flights);
    const { alice, bob } = game;
    token = await game.token.getAddress();
    const deposits = [await game.deposit(alice, 1000n), await game.deposit(bob, 500n, token)];
    made = game.transfer(
      deposits.map((deposit) => game.depositOutputId(deposit)),
      [to(alice, 1000n), to(bob, 500n, token)],
    );
    payment = game.transfer([game.outputId(made, 0), game.outputId(made, 1)], [to(bob, 1000n), to(alice, 500n, token)]);
    proofs = [];
    for (let i = 0; i < 3; i++) proofs.push((await game.commitLeaves([FILLER, game.hash(made)]))[1]!);
  });

  const start = async (which: number, former?: Flight, transaction = payment): Promise<Flight> =>
    await flights.start(
      game.carol,
      transaction,
      [fromPayment(made, proofs[which]!, 0), fromPayment(made, proofs[which]!, 1)],
      [game.alice, game.bob],
      former === undefined ? {} : { former },
    );
  const refused = async (call: Promise<unknown>, error: string): Promise<void> => {
    expect(await failure(game, call)).to.equal(error);
  };
  const exiting = (): string => `RootChain_AlreadyExiting(${game.hash(payment)})`;
  const age = (which: number): bigint => (proofs[which]!.header.number << 23n) | 2n;
  const process = async (queue: string, ...data: Flight[]): Promise<any> =>
    await game.mined(
      game.as(game.stranger).processExits(
        queue,
        data.map((flight) => flight.data),
      ),
    );
  const remembered = async (flight: Flight): Promise<unknown[]> => [
    ...(await game.rootChain.competitor(flight.hash, flight.number)),
  ];

  describe("given one that is live", () => {
    it("not without its data, nor with other data", async () => {
      const first = await start(1);
      await refused(start(0), exiting());
      const other = await start(1, undefined, { ...payment, fileHash: FILLER });
      await refused(start(0, other), exiting());
      const altered = { ...first, data: { ...first.data, data: `${first.data.data}00` } };
      await refused(start(0, altered), exiting());
    });

    it("not with the same age, nor a younger one", async () => {
      const first = await start(1);
      await refused(start(1, first), `RootChain_NotOlder(${age(1)}, ${age(1)})`);
      await refused(start(2, first), `RootChain_NotOlder(${age(2)}, ${age(1)})`);
    });

    it("not with one input older and the youngest as it was", async () => {
      const first = await start(1);
      const sources = [fromPayment(made, proofs[0]!, 0), fromPayment(made, proofs[1]!, 1)];
      const again = flights.start(game.carol, payment, sources, [game.alice, game.bob], { former: first });
      await refused(again, `RootChain_NotOlder(${age(1)}, ${age(1)})`);
    });

    it("with an older one: the former goes on beside it, under its number, as it was", async () => {
      const first = await start(2);
      await flights.piggyback(game.bob, first, OUTPUT);
      const second = await start(1, first);
      const third = await start(0, second);
      expect([first, second, third].map(({ number }) => number)).to.deep.equal([1n, 2n, 3n]);
      expect(await flights.slot(first, 1n)).to.equal(slotOf(first, { [OUTPUT]: LIVE_WITH_BOUNTY }));
      expect(await flights.slot(second, 2n)).to.equal(slotOf(second));
      expect(await flights.slot(third)).to.equal(slotOf(third));
      expect(await flights.slot(third, 3n)).to.equal(0n);
      // One that was moved aside is none to follow.
      await refused(start(0, second), exiting());
      await refused(start(0, first), exiting());
    });
  });

  describe("given one that was moved aside", () => {
    let first: Flight;
    let second: Flight;
    let competitor: PlainTransaction;
    beforeEach(async () => {
      first = await start(2);
      second = await start(1, first);
      competitor = game.transfer([payment.inputs[0]!], [to(game.alice, 1000n)]);
    });

    it("each is piggybacked, challenged and answered by itself", async () => {
      const { alice, bob, carol, operator } = game;
      await flights.piggyback(bob, first, OUTPUT);
      await flights.piggyback(alice, second, OUTPUT + 1);
      await flights.piggyback(bob, second, OUTPUT);
      await flights.piggyback(alice, first, 0);
      const states = { [OUTPUT]: LIVE_WITH_BOUNTY, 0: LIVE };
      expect(await flights.slot(first, 1n)).to.equal(slotOf(first, states));
      const others = { [OUTPUT]: LIVE_WITH_BOUNTY, [OUTPUT + 1]: LIVE_WITH_BOUNTY };
      expect(await flights.slot(second)).to.equal(slotOf(second, others));
      expect(await game.rootChain.queueLength(ETHER)).to.equal(2n);
      // The one with the older age comes first.
      expect(await game.rootChain.firstExit(ETHER)).to.equal(second.priority);

      await flights.challenge(carol, first, competitor, alice);
      expect(await remembered(first)).to.deep.equal([carol.address, NOT_INCLUDED]);
      expect(await remembered(second)).to.deep.equal([ZeroAddress, 0n]);
      await flights.challenge(operator, second, competitor, alice);
      const [own] = await game.commit([payment]);
      await flights.respond(bob, first, own!);
      expect(await remembered(first)).to.deep.equal([ZeroAddress, (own!.header.number << 23n) | 1n]);
      expect(await remembered(second)).to.deep.equal([operator.address, NOT_INCLUDED]);
    });

    it("its piggybacks are cancelled, and it is closed, beside the main one", async () => {
      const { alice, bob, carol, stranger } = game;
      for (const flight of [first, second]) {
        await flights.piggyback(alice, flight, 0);
        await flights.piggyback(bob, flight, OUTPUT);
      }
      await flights.inputSpent(carol, first, 0, competitor, alice);
      const [own] = await game.commit([payment]);
      const spend = game.transfer([game.outputId(payment)], [to(carol, 1000n)]);
      await flights.outputSpent(carol, first, 0, own!, spend, bob);
      expect(await flights.slot(first, 1n)).to.equal(slotOf(first, { 0: CANCELLED, [OUTPUT]: CANCELLED }));
      const live = { 0: LIVE_WITH_BOUNTY, [OUTPUT]: LIVE };
      expect(await flights.slot(second)).to.equal(slotOf(second, live));
      await game.passTo(first.startedAt + EXIT_PERIOD);
      await flights.close(stranger, first);
      expect(await flights.slot(first, 1n)).to.equal(0n);
      expect(await game.rootChain.isCancelled(1)).to.equal(true);
      expect(await game.rootChain.isCancelled(2)).to.equal(false);
      expect(await flights.slot(second)).to.equal(slotOf(second, live));
    });

    it("INV-2: the older one pays, and the other, no longer canonical, pays nothing of the same and returns its bonds", async () => {
      const { alice, bob, carol, operator } = game;
      await game.deposit(operator, 5000n);
      for (const flight of [first, second]) {
        await flights.piggyback(alice, flight, 0);
        await flights.piggyback(bob, flight, OUTPUT);
      }
      await game.passTo(first.exitableAt);
      // The main one is first, though it started later.
      await process(ETHER, first);
      expect(await game.rootChain.queueLength(ETHER)).to.equal(2n);
      const paid = await process(ETHER, second);
      expect(game.events(paid, "InFlightExitFinalized")[0].canonical).to.equal(true);
      const before = await Promise.all([alice, bob, carol].map(async ({ address }) => await game.balance(address)));
      const receipt = await process(ETHER, first);
      const event = [1n, first.hash, ETHER, false];
      expect(game.events(receipt, "InFlightExitFinalized")[0].toArray()).to.deep.equal(event);
      expect(game.events(receipt, "OutputFinalized")).to.deep.equal([]);
      const after = await Promise.all([alice, bob, carol].map(async ({ address }) => await game.balance(address)));
      const won = after.map((wei, i) => wei - before[i]!);
      expect(won).to.deep.equal([PIGGYBACK_BOND - BOUNTY, PIGGYBACK_BOND, IN_FLIGHT_BOND]);
      expect(await flights.slot(first, 1n)).to.equal(0n);
      expect(await game.rootChain.finalizedBy(game.outputId(payment))).to.equal(2n);
      expect(await game.rootChain.held(ETHER)).to.equal(5000n);
    });

    it("when the main one is over another starts, of any age, and the one aside goes on, paying nothing", async () => {
      await flights.piggyback(game.bob, first, OUTPUT);
      await game.passTo(second.startedAt + EXIT_PERIOD);
      await flights.close(game.stranger, second);
      // Older or not: the slot is free. The one aside keeps its own.
      const third = await start(2);
      expect(third.number).to.equal(3n);
      expect(await flights.slot(third)).to.equal(slotOf(third));
      expect(await flights.slot(first, 1n)).to.equal(slotOf(first, { [OUTPUT]: LIVE_WITH_BOUNTY }));
      await flights.piggyback(game.bob, third, OUTPUT);
      await game.passTo(third.exitableAt);
      await process(ETHER, first, third);
      expect(await game.rootChain.finalizedBy(game.outputId(payment))).to.equal(3n);
      expect(await flights.slot(first, 1n)).to.equal(0n);
      expect(await flights.slot(third)).to.equal(0n);
    });

    it("with a challenge standing when it was moved: it goes with it", async () => {
      await flights.challenge(game.operator, second, competitor, game.alice);
      const third = await start(0, second);
      expect(await remembered(second)).to.deep.equal([game.operator.address, NOT_INCLUDED]);
      expect(await remembered(third)).to.deep.equal([ZeroAddress, 0n]);
      await flights.piggyback(game.alice, second, 0);
      await game.passTo(second.exitableAt);
      const before = await game.balance(game.operator.address);
      const receipt = await process(ETHER, second);
      expect(game.events(receipt, "InFlightExitFinalized")[0].canonical).to.equal(false);
      expect(await game.balance(game.operator.address)).to.equal(before + IN_FLIGHT_BOND + CHALLENGE_BOND);
    });
  });

  describe("given one that was processed or closed", () => {
    it("between its first queue and its last: not with its data either, older or not", async () => {
      const first = await start(1);
      await flights.piggyback(game.bob, first, OUTPUT);
      await flights.piggyback(game.alice, first, OUTPUT + 1);
      await game.passTo(first.exitableAt);
      await process(ETHER, first);
      expect(await flights.slot(first)).to.equal(slotOf(first, { [OUTPUT + 1]: LIVE_WITH_BOUNTY }, CANONICAL));
      for (const former of [undefined, first]) {
        for (const which of [0, 1, 2]) await refused(start(which, former), exiting());
      }
      await process(token, first);
      expect(await flights.slot(first)).to.equal(0n);
      expect((await start(2)).number).to.equal(2n);
    });

    it("closed: again, with the same age, under a new number; the old data opens nothing", async () => {
      const first = await start(1);
      await game.passTo(first.startedAt + EXIT_PERIOD);
      await flights.close(game.stranger, first);
      const second = await start(1);
      expect(second.number).to.equal(2n);
      expect(await flights.slot(second)).to.equal(slotOf(second));
      const gone = `RootChain_NoSuchExit(1, ${first.hash})`;
      await refused(flights.piggyback(game.bob, first, OUTPUT), gone);
      await refused(flights.close(game.stranger, first), gone);
      await flights.piggyback(game.bob, second, OUTPUT);
    });
  });
});
