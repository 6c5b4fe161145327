import { expect } from "chai";
import { Attack, type Exiting, type Funds } from "../helpers/attacks.ts";
import {
  BOND,
  BOUNTY,
  CHALLENGE_BOND,
  ETHER,
  failure,
  IN_FLIGHT_BOND,
  PIGGYBACK_BOND,
  WEEK,
  type PlainTransaction,
} from "../helpers/game.ts";
import { OUTPUT, type Flight } from "../helpers/inFlight.ts";

const NOTHING = `0x${"77".repeat(32)}`;

// The scenarios that the paper "More Viable Plasma" walks through, by its names for them.
describe("RootChain: the scenarios of More Viable Plasma", () => {
  let attack: Attack;
  beforeEach(async () => {
    attack = await Attack.startWithOthers();
  });

  /** Alice and Mallory pay Bob together. */
  const together = async (): Promise<{
    hers: Funds;
    other: Funds;
    payment: PlainTransaction;
    spend: PlainTransaction;
  }> => {
    const { game, mallory } = attack;
    const [hers, other] = [await attack.funds(game.alice), await attack.funds(mallory)];
    const payment = attack.pay([hers.id, other.id], game.bob, 2000n);
    return { hers, other, payment, spend: attack.pay(other.id, mallory) };
  };
  const startTogether = async (
    by: typeof attack.mallory,
    { hers, other, payment }: { hers: Funds; other: Funds; payment: PlainTransaction },
  ): Promise<Flight> => {
    const signers = [attack.game.alice, attack.mallory];
    return await attack.flights.start(by, payment, [hers.source, other.source], signers);
  };

  it("Alice and Bob cooperating: a payment whose block is withheld is paid out to its receiver", async () => {
    const { game, flights } = attack;
    const input = await attack.funds(game.alice);
    const payment = attack.pay(input.id, game.bob);
    await game.commit([payment]);
    const flight = await flights.start(game.alice, payment, [input.source], [game.alice]);
    await flights.piggyback(game.bob, flight, OUTPUT);
    await flights.piggyback(game.alice, flight, 0);
    await attack.drain(ETHER, [flight]);
    await attack.expectNets({ alice: -1000n, bob: 1000n - BOUNTY, stranger: BOUNTY });
  });

  for (const [how, kind] of [
    ["by a standard exit", "standard"],
    ["in flight, as an output", "output"],
    ["in flight, as an input", "input"],
  ] as const) {
    it(`INV-5: Mallory exits a spent output, ${how}`, async () => {
      const { game, flights, mallory, watcher } = attack;
      const input = await attack.funds(game.alice);
      const toMallory = attack.pay(input.id, mallory);
      const onward = attack.pay(game.outputId(toMallory), game.bob);
      const [proof] = await game.commit([toMallory]);
      const hers = attack.included(toMallory, proof!);
      const [onwardProof] = await game.commit([onward]);
      const exits: Exiting[] = [];
      if (kind === "standard") {
        const exit = await attack.startExit(mallory, hers);
        await attack.cancel(exit, onward, mallory);
        exits.push(exit);
      } else if (kind === "output") {
        const flight = await flights.start(mallory, toMallory, [input.source], [game.alice]);
        await flights.piggyback(mallory, flight, OUTPUT);
        await flights.outputSpent(watcher, flight, 0, proof!, onward, mallory);
        exits.push(flight);
      } else {
        // She signs a second spend, to get her input out of its exit; the first cancels that.
        const again = attack.pay(hers.id, mallory);
        const flight = await flights.start(mallory, again, [hers.source], [mallory]);
        await flights.piggyback(mallory, flight, 0);
        await flights.challenge(watcher, flight, onward, mallory, { proof: onwardProof! });
        await flights.inputSpent(watcher, flight, 0, onward, mallory);
        exits.push(flight);
      }
      exits.push(await attack.startExit(game.bob, attack.included(onward, onwardProof!)));
      await attack.drain(ETHER, exits);
      const lost = { standard: BOND, output: PIGGYBACK_BOND, input: PIGGYBACK_BOND + IN_FLIGHT_BOND }[kind];
      await attack.expectNets({
        alice: -1000n,
        bob: 1000n - BOUNTY,
        mallory: -lost,
        watcher: lost - BOUNTY,
        stranger: 2n * BOUNTY,
      });
    });
  }

  it("Mallory double-spends her input: Alice gets hers back, and Mallory has what she spent it for", async () => {
    const { game, flights, mallory, watcher } = attack;
    const all = await together();
    const [proof] = await game.commit([all.spend]);
    const flight = await startTogether(game.alice, all);
    for (const [owner, index] of [
      [game.alice, 0],
      [mallory, 1],
      [game.bob, OUTPUT],
    ] as const)
      await flights.piggyback(owner, flight, index);
    await flights.challenge(watcher, flight, all.spend, mallory, { inputIndex: 1, proof: proof! });
    await flights.inputSpent(watcher, flight, 1, all.spend, mallory);
    const exit = await attack.startExit(mallory, attack.included(all.spend, proof!));
    await attack.drain(ETHER, [flight, exit]);
    await attack.expectNets({
      alice: -IN_FLIGHT_BOND - BOUNTY,
      mallory: -PIGGYBACK_BOND - BOUNTY,
      watcher: IN_FLIGHT_BOND + PIGGYBACK_BOND,
      stranger: 2n * BOUNTY,
    });
  });

  for (const included of [true, false]) {
    it(`Mallory spends her input again later, ${included ? "in a block after" : "in no block"}: the payment that was first stays canonical`, async () => {
      // Whoever stayed behind would pay for the later one's exit: nobody does, all leave.
      attack = await Attack.start();
      const { game, flights, mallory, watcher } = attack;
      const all = await together();
      const [proof] = await game.commit([all.payment]);
      const later = included ? (await game.commit([all.spend]))[0]! : undefined;
      const flight = await startTogether(mallory, all);
      for (const [owner, index] of [
        [mallory, 1],
        [game.alice, 0],
        [game.bob, OUTPUT],
      ] as const)
        await flights.piggyback(owner, flight, index);
      await flights.challenge(mallory, flight, all.spend, mallory, { inputIndex: 1, ...(later && { proof: later }) });
      await flights.respond(watcher, flight, proof!);
      // What has been answered is not heard again, nor is the same transaction.
      const again = flights.challenge(mallory, flight, all.spend, mallory, {
        inputIndex: 1,
        ...(later && { proof: later }),
      });
      expect(await failure(game, again)).to.contain("RootChain_NotOlder");
      const itself = flights.challenge(mallory, flight, all.payment, mallory, { inputIndex: 1, proof: proof! });
      expect(await failure(game, itself)).to.equal(`RootChain_SameTransaction(${flight.hash})`);
      const exits: Exiting[] = [flight];
      if (later !== undefined) exits.push(await attack.startExit(mallory, attack.included(all.spend, later)));
      await attack.drain(ETHER, exits);
      await attack.expectNets({
        alice: -1000n,
        bob: 2000n,
        mallory: -1000n - CHALLENGE_BOND - BOUNTY * BigInt(exits.length),
        watcher: CHALLENGE_BOND,
        stranger: BOUNTY * BigInt(exits.length),
      });
    });
  }

  for (const [from, inFlight, several] of [
    ["an included transaction", false, false],
    ["one in flight", true, false],
    ["one in flight with several inputs, one of them double-spent", true, true],
  ] as const) {
    it(`INV-4: the operator steals from ${from}: it is paid last, out of nothing`, async () => {
      // Nobody stays behind here, whom it could steal from.
      attack = await Attack.start();
      const { game, flights, mallory } = attack;
      const { alice, bob, operator } = game;
      const all = await together();
      if (!several) all.payment = attack.pay(all.hers.id, bob);
      const proof = inFlight ? undefined : (await game.commit([all.payment]))[0]!;
      const forged = attack.pay(NOTHING, operator, 2000n);
      const [forgedProof] = await game.commit([forged]);
      const { id, source } = attack.included(forged, forgedProof!);
      const theft = await flights.start(operator, attack.pay(id, operator, 2000n), [source], [operator]);
      await flights.piggyback(operator, theft, OUTPUT);
      await game.pass(WEEK - 1000);
      const exits: Exiting[] = [theft];
      if (proof !== undefined) exits.push(await attack.startExit(bob, attack.included(all.payment, proof)));
      else if (several) {
        const flight = await startTogether(bob, all);
        await flights.piggyback(alice, flight, 0);
        await flights.piggyback(bob, flight, OUTPUT);
        await flights.challenge(mallory, flight, all.spend, mallory, { inputIndex: 1 });
        exits.push(flight);
      } else {
        const flight = await flights.start(bob, all.payment, [all.hers.source], [alice]);
        await flights.piggyback(bob, flight, OUTPUT);
        exits.push(flight);
      }
      const left = await attack.drain(ETHER, exits);
      expect(left.at(-1)).to.equal(theft.number);
      // Mallory's thousand is hers, and she has not come for it.
      await attack.expectNets({
        operator: -BOUNTY,
        alice: several ? -BOUNTY : -1000n,
        bob: several ? -IN_FLIGHT_BOND : 1000n - BOUNTY,
        mallory: -1000n + (several ? IN_FLIGHT_BOND : 0n),
        stranger: 2n * BOUNTY,
        left: 1000n,
      });
    });
  }

  it("an honest receiver should not need to start: what a block paid it leaves by a standard exit, whatever its payer does in flight", async () => {
    const { game, flights, mallory, watcher } = attack;
    const input = await attack.funds(mallory);
    const payment = attack.pay(input.id, game.bob);
    const [proof] = await game.commit([payment]);
    const spend = attack.pay(input.id, mallory);
    const flight = await flights.start(mallory, payment, [input.source], [mallory]);
    await flights.piggyback(mallory, flight, 0);
    // Her own challenge is left unanswered; the spend she showed cancels her own piggyback.
    await flights.challenge(mallory, flight, spend, mallory);
    await flights.inputSpent(watcher, flight, 0, spend, mallory);
    const exit = await attack.startExit(game.bob, attack.included(payment, proof!));
    await attack.drain(ETHER, [flight, exit]);
    await attack.expectNets({
      bob: 1000n - BOUNTY,
      mallory: -1000n - PIGGYBACK_BOND,
      watcher: PIGGYBACK_BOND - BOUNTY,
      stranger: 2n * BOUNTY,
    });
  });

  it("an honest receiver should not need to start: whoever else started, its own piggyback is enough", async () => {
    const { game, flights, mallory } = attack;
    const all = await together();
    const flight = await startTogether(mallory, all);
    await flights.piggyback(game.bob, flight, OUTPUT);
    await attack.drain(ETHER, [flight]);
    await attack.expectNets({ alice: -1000n, bob: 2000n - BOUNTY, mallory: -1000n, stranger: BOUNTY });
  });

  for (const answered of [true, false]) {
    it(`honest exit bond slashing: the starter loses ${answered ? "nothing when the payment's inclusion is shown" : "the bond of its start to a co-signer's double spend, and nothing else"}`, async () => {
      const { game, flights, mallory, watcher } = attack;
      const all = await together();
      const flight = await startTogether(game.alice, all);
      for (const [owner, index] of [
        [game.alice, 0],
        [game.bob, OUTPUT],
      ] as const)
        await flights.piggyback(owner, flight, index);
      await flights.challenge(mallory, flight, all.spend, mallory, { inputIndex: 1 });
      const [proof] = await game.commit([all.payment]);
      if (answered) await flights.respond(watcher, flight, proof!);
      // A spend of her input is none when another signed it: she signed once, and her piggyback stays.
      for (const spend of [all.payment, all.spend]) {
        const call = flights.inputSpent(mallory, flight, 0, { ...spend, inputs: [all.hers.id] }, mallory);
        expect(await failure(game, call)).to.contain("RootChain_WrongSigner");
      }
      await attack.drain(ETHER, [flight]);
      await attack.expectNets({
        alice: answered ? -1000n - BOUNTY : -IN_FLIGHT_BOND - BOUNTY,
        bob: answered ? 2000n : 0n,
        mallory: -1000n + (answered ? -CHALLENGE_BOND : IN_FLIGHT_BOND),
        watcher: answered ? CHALLENGE_BOND : 0n,
        stranger: BOUNTY,
        left: answered ? 0n : 1000n,
      });
    });
  }

  it("retries of a failed transaction: the same bytes again are no competitor of themselves", async () => {
    const { game, flights, mallory } = attack;
    const input = await attack.funds(game.alice);
    const [payment, retry] = [attack.pay(input.id, game.bob), attack.pay(input.id, game.bob)];
    const flight = await flights.start(game.alice, payment, [input.source], [game.alice]);
    await flights.piggyback(game.alice, flight, 0);
    await flights.piggyback(game.bob, flight, OUTPUT);
    const calls = [
      async () => await flights.challenge(mallory, flight, retry, game.alice),
      async () => await flights.inputSpent(mallory, flight, 0, retry, game.alice),
    ];
    for (const call of calls) {
      expect(await failure(game, call())).to.equal(`RootChain_SameTransaction(${flight.hash})`);
    }
    await attack.drain(ETHER, [flight]);
    await attack.expectNets({ alice: -1000n - BOUNTY, bob: 1000n, stranger: BOUNTY });
  });

  it("retries of a failed transaction: another one for the same output leaves neither input nor outputs to exit in flight", async () => {
    const { game, flights, mallory } = attack;
    const input = await attack.funds(game.alice);
    const [payment, retry] = [attack.pay(input.id, game.bob, 1000n), attack.pay(input.id, game.carol, 1000n)];
    const exits: Flight[] = [];
    for (const [transaction, other, receiver] of [
      [payment, retry, game.bob],
      [retry, payment, game.carol],
    ] as const) {
      const flight = await flights.start(game.alice, transaction, [input.source], [game.alice]);
      await flights.piggyback(game.alice, flight, 0);
      await flights.piggyback(receiver, flight, OUTPUT);
      await flights.challenge(mallory, flight, other, game.alice);
      await flights.inputSpent(mallory, flight, 0, other, game.alice);
      exits.push(flight);
    }
    await attack.drain(ETHER, exits);
    await attack.expectNets({
      alice: -1000n - 2n * (IN_FLIGHT_BOND + PIGGYBACK_BOND),
      mallory: 2n * (IN_FLIGHT_BOND + PIGGYBACK_BOND - BOUNTY),
      stranger: 2n * BOUNTY,
      left: 1000n,
    });
  });

  it("retries of a failed transaction: a payment to oneself in a block takes the old one back", async () => {
    // Whoever stayed behind would pay for the late one's exit: nobody does, all leave.
    attack = await Attack.start();
    const { game, flights, mallory, watcher } = attack;
    const input = await attack.funds(game.alice);
    const [failed, toSelf] = [attack.pay(input.id, mallory), attack.pay(input.id, game.alice)];
    const [proof] = await game.commit([toSelf]);
    // Mallory, whom the failed one would have paid, has kept it; the operator even includes it too late.
    const [late] = await game.commit([failed]);
    const flight = await flights.start(mallory, failed, [input.source], [game.alice]);
    await flights.piggyback(mallory, flight, OUTPUT);
    await flights.challenge(watcher, flight, toSelf, game.alice, { proof: proof! });
    expect(await failure(game, flights.respond(mallory, flight, late!))).to.contain("RootChain_NotOlder");
    const exit = await attack.startExit(game.alice, attack.included(toSelf, proof!));
    // The failed payment spends what the exit's payment spent, not what the exit is of.
    expect(await failure(game, game.challenge(mallory, exit, failed, game.sign(game.alice, failed)))).to.contain(
      "RootChain_NoSuchExit",
    );
    const theft = await attack.startExit(mallory, attack.included(failed, late!));
    await attack.drain(ETHER, [flight, exit, theft]);
    await attack.expectNets({
      alice: -BOUNTY,
      mallory: -IN_FLIGHT_BOND - 2n * BOUNTY,
      watcher: IN_FLIGHT_BOND,
      stranger: 3n * BOUNTY,
    });
  });
});
