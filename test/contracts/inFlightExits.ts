import { expect } from "chai";
import { BOND, BOUNTY, CHALLENGE_BOND, ETHER, Game, IN_FLIGHT_BOND, PIGGYBACK_BOND, WEEK } from "../helpers/game.ts";
import { Flights, OUTPUT, fromDeposit, fromPayment } from "../helpers/inFlight.ts";

describe("RootChain: in-flight exits", () => {
  let game: Game;
  let flights: Flights;
  beforeEach(async () => {
    game = await Game.start();
    flights = new Flights(game);
  });

  it("pays the piggybacked outputs of a payment that no block contains, and finalizes its inputs", async () => {
    const { alice, bob, carol, stranger } = game;
    const deposit = await game.deposit(alice, 1000n);
    const payment = game.transfer(
      [game.depositOutputId(deposit)],
      [
        { owner: bob.address, token: ETHER, amount: 600n },
        { owner: alice.address, token: ETHER, amount: 400n },
      ],
    );
    const flight = await flights.start(bob, payment, [fromDeposit(deposit)], [alice]);
    await flights.piggyback(bob, flight, OUTPUT);
    await flights.piggyback(alice, flight, OUTPUT + 1);
    await game.passTo(flight.exitableAt);
    const before = await Promise.all([alice, bob, stranger].map(async ({ address }) => await game.balance(address)));
    const receipt = await game.mined(game.as(carol).processExits(ETHER, [flight.data]));
    expect(game.events(receipt, "InFlightExitFinalized")[0].canonical).to.equal(true);
    const after = await Promise.all([alice, bob, stranger].map(async ({ address }) => await game.balance(address)));
    expect(after.map((wei, i) => wei - before[i]!)).to.deep.equal([
      400n + PIGGYBACK_BOND,
      600n + PIGGYBACK_BOND - BOUNTY + IN_FLIGHT_BOND,
      0n,
    ]);
    expect(await game.rootChain.finalizedBy(game.depositOutputId(deposit))).to.equal(flight.number);
    expect(await game.rootChain.finalizedBy(game.outputId(payment, 0))).to.equal(flight.number);
    expect(await flights.slot(flight)).to.equal(0n);
    expect(await game.balance(game.address)).to.equal(0n);
  });

  it("pays the piggybacked inputs when a competitor stands, and the challenger gets the exit's bond", async () => {
    const { alice, bob, carol } = game;
    const deposit = await game.deposit(alice, 1000n);
    const made = game.transfer([game.depositOutputId(deposit)], [{ owner: alice.address, token: ETHER, amount: 1000n }]);
    const [proof] = await game.commit([made]);
    const toBob = game.transfer([game.outputId(made)], [{ owner: bob.address, token: ETHER, amount: 1000n }]);
    const toSelf = game.transfer([game.outputId(made)], [{ owner: alice.address, token: ETHER, amount: 1000n }]);
    const flight = await flights.start(bob, toBob, [fromPayment(made, proof!)], [alice]);
    await flights.piggyback(bob, flight, OUTPUT);
    await flights.piggyback(alice, flight, 0);
    await flights.challenge(carol, flight, toSelf, alice);
    await flights.inputSpent(carol, flight, 0, toSelf, alice);
    const before = await game.balance(carol.address);
    await game.passTo(flight.exitableAt);
    await game.mined(game.as(game.stranger).processExits(ETHER, [flight.data]));
    expect((await game.balance(carol.address)) - before).to.equal(IN_FLIGHT_BOND + CHALLENGE_BOND);
    expect(await game.balance(game.address)).to.equal(1000n);
  });

  it("becomes canonical again by its own inclusion, and can be closed when nobody is left to pay", async () => {
    const { alice, bob, carol } = game;
    const deposit = await game.deposit(alice, 1000n);
    const id = game.depositOutputId(deposit);
    const toBob = game.transfer([id], [{ owner: bob.address, token: ETHER, amount: 1000n }]);
    const toSelf = game.transfer([id], [{ owner: alice.address, token: ETHER, amount: 1000n }]);
    const [proof] = await game.commit([toBob]);
    const exit = await game.startDepositExit(alice, deposit);
    const flight = await flights.start(bob, toBob, [fromDeposit(deposit, exit.exit)], [alice]);
    await flights.piggyback(bob, flight, OUTPUT);
    await flights.challenge(alice, flight, toSelf, alice);
    await flights.respond(carol, flight, proof!);
    const onward = game.transfer([game.outputId(toBob)], [{ owner: carol.address, token: ETHER, amount: 1000n }]);
    await flights.outputSpent(carol, flight, 0, proof!, onward, bob);
    await game.passTo(flight.startedAt + BigInt(WEEK));
    await flights.close(carol, flight);
    expect(await flights.slot(flight)).to.equal(0n);
    await game.challenge(carol, exit, toBob, game.sign(alice, toBob));
    await game.mined(game.as(game.stranger).processExits(ETHER, []));
    expect(await game.balance(game.address)).to.equal(1000n);
    expect(BOND).to.be.greaterThan(0n);
  });
});
