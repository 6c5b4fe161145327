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
  type Proof,
  type Started,
} from "../helpers/game.ts";
import { fromDeposit, OUTPUT, type Flight, type PaymentSource } from "../helpers/inFlight.ts";

describe("RootChain: attacks by exiting twice", () => {
  let attack: Attack;
  beforeEach(async () => {
    attack = await Attack.startWithOthers();
  });

  // An in-flight exit is as old as its inputs, so one of an output that is paid at its age comes before any standard
  // exit of that output. Only where both wait for their own W does the start decide.
  for (const [which, old, order] of [
    ["the standard one first, of an old output", true, ["standard", "in-flight"]],
    ["the in-flight one first, of an old output", true, ["in-flight", "standard"]],
    ["the standard one first, of a fresh output", false, ["standard", "in-flight"]],
    ["the in-flight one first, of a fresh output", false, ["in-flight", "standard"]],
    ["both in one Ethereum block", true, ["together"]],
  ] as const) {
    it(`INV-2: exits the same output by a standard and an in-flight exit, ${which}`, async () => {
      const { game, flights } = attack;
      const input = await attack.funds(game.alice);
      const payment = attack.pay(input.id, game.bob);
      const [proof] = await game.commit([payment]);
      const output = attack.included(payment, proof!);
      if (old) await game.pass(2 * WEEK);
      const exits: Exiting[] = [];
      const standard = async () => await attack.startExit(game.bob, output);
      const inFlight = async () =>
        await flights.start(game.carol, payment, [input.source], [game.alice], { overrides: { gasLimit: 500_000n } });
      for (const kind of order) {
        if (kind === "standard") exits.push(await standard());
        if (kind === "in-flight") exits.push(await inFlight());
        if (kind === "together") {
          for (const result of await attack.inOneBlock(standard, inFlight)) {
            if (result.status === "fulfilled") exits.push(result.value);
          }
        }
      }
      const flight = exits.find((exit) => "hash" in exit)!;
      await flights.piggyback(game.bob, flight, OUTPUT);
      const left = await attack.drain(ETHER, exits);
      expect(left).to.have.length(2);
      const standardFirst = old && order[0] === "standard";
      expect(left[0] === flight.number).to.equal(!standardFirst);
      expect(await game.rootChain.finalizedBy(output.id)).to.equal(left[0]);
      await attack.expectNets({ alice: -1000n, bob: 1000n - 2n * BOUNTY, stranger: 2n * BOUNTY });
    });
  }

  for (const [which, youngest, order] of [
    ["the standard one first", "hers", ["standard", "in-flight"]],
    ["the in-flight one first", "hers", ["in-flight", "standard"]],
    ["the standard one first, the other input being younger", "the other", ["standard", "in-flight"]],
    ["the in-flight one first, the other input being younger", "the other", ["in-flight", "standard"]],
  ] as const) {
    it(`INV-2: exits the same input by a standard and an in-flight exit, ${which}`, async () => {
      const { game, flights, mallory } = attack;
      const owners = youngest === "hers" ? [mallory, game.alice] : [game.alice, mallory];
      const made: Funds[] = [];
      for (const owner of owners) made.push(await attack.funds(owner));
      const [hers, other] = youngest === "hers" ? [made[1]!, made[0]!] : [made[0]!, made[1]!];
      // Nobody shows her own spend to her standard exit here, and Mallory's double spend makes the exit pay inputs.
      const payment = attack.pay([hers.id, other.id], game.bob, 2000n);
      const doubleSpend = attack.pay(other.id, mallory);
      if (youngest === "hers") await game.pass(2 * WEEK);
      const exits: Exiting[] = [];
      for (const kind of order) {
        if (kind === "standard") exits.push(await attack.startExit(game.alice, hers));
        else {
          const signers = [game.alice, mallory];
          const flight = await flights.start(game.alice, payment, [hers.source, other.source], signers);
          await flights.piggyback(game.alice, flight, 0);
          await flights.challenge(attack.watcher, flight, doubleSpend, mallory, { inputIndex: 1 });
          exits.push(flight);
        }
      }
      const [first] = await attack.drain(ETHER, exits);
      // Of a younger other input the in-flight exit is younger than the standard one, whenever it starts.
      const standardFirst = youngest === "the other" || order[0] === "standard";
      expect(first).to.equal("exit" in exits[0]! === standardFirst ? 1n : 2n);
      expect(await game.rootChain.finalizedBy(hers.id)).to.equal(first);
      await attack.expectNets({
        alice: -IN_FLIGHT_BOND - 2n * BOUNTY,
        mallory: -1000n,
        watcher: IN_FLIGHT_BOND,
        stranger: 2n * BOUNTY,
        left: 1000n,
      });
    });
  }

  for (const [which, old, order, challenged] of [
    ["processed before it and not challenged", true, ["standard", "in-flight"], "never"],
    ["processed after it and not challenged", true, ["in-flight", "standard"], "never"],
    ["due in the same second and not challenged", false, ["in-flight", "standard"], "never"],
    ["which would be processed before it, but is challenged", true, ["standard", "in-flight"], "at once"],
    ["which would be processed after it, but is challenged", true, ["in-flight", "standard"], "at once"],
    ["challenged when that has blocked the input", true, ["in-flight", "standard"], "late"],
  ] as const) {
    it(`INV-13: exits an input by a standard exit while its spend exits in flight, ${which}`, async () => {
      const { game, flights, mallory } = attack;
      const input = await attack.funds(mallory);
      const payment = attack.pay(input.id, game.bob);
      if (old) await game.pass(2 * WEEK);
      const exits: Exiting[] = [];
      for (const kind of order) {
        if (kind === "standard") {
          const exit = await attack.startExit(mallory, input);
          if (challenged === "at once") await attack.cancel(exit, payment, mallory);
          exits.push(exit);
        } else {
          const flight = await flights.start(game.bob, payment, [input.source], [mallory]);
          await flights.piggyback(game.bob, flight, OUTPUT);
          // She asks for her input there as well.
          await flights.piggyback(mallory, flight, 0);
          exits.push(flight);
        }
      }
      const flight = exits.find((exit) => "hash" in exit)!;
      if (challenged === "late") {
        await game.passTo(flight.exitableAt);
        await game.as(game.stranger).processExits(ETHER, [flight.data]);
        await attack.cancel(
          exits.find((exit) => "exit" in exit)!,
          payment,
          mallory,
        );
      }
      await attack.drain(ETHER, exits);
      const stolen = challenged === "never" && (order[0] === "standard" || !old);
      expect((await game.rootChain.finalizedBy(input.id)) === flight.number).to.equal(!stolen);
      expect(await game.rootChain.finalizedBy(game.outputId(payment))).to.equal(stolen ? 0n : flight.number);
      const lost = challenged === "never" ? BOUNTY : BOND;
      await attack.expectNets({
        bob: (stolen ? 0n : 1000n) - BOUNTY,
        mallory: (stolen ? 0n : -1000n) - lost,
        watcher: challenged === "never" ? 0n : BOND - BOUNTY,
        stranger: 2n * BOUNTY,
      });
    });
  }

  /** Mallory paid Alice in a block, and herself with the same output in a bad one after it. */
  const doubleSpend = async (): Promise<{ input: Funds; hers: Funds; theft: Funds; third: PlainTransaction }> => {
    const { game, mallory } = attack;
    const input = await attack.funds(mallory);
    const payments = [attack.pay(input.id, game.alice), attack.pay(input.id, mallory)] as const;
    const [proof] = await game.commit([payments[0]]);
    const [late] = await game.commit([payments[1]]);
    const [hers, theft] = [attack.included(payments[0], proof!), attack.included(payments[1], late!)];
    return { input, hers, theft, third: attack.pay(input.id, game.carol) };
  };

  // A third spend that no block contains challenges both; the input's piggybacks are cancelled by the other spend.
  for (const [answered, paid] of [
    ["both answered", "the first"],
    ["only the older payment's answered", "the older"],
    ["only the younger payment's answered", "the younger"],
    ["neither answered", "none"],
    ["both answered and the older payment shown to the younger's", "the older"],
  ] as const) {
    for (const olderFirst of [true, false]) {
      const first = olderFirst ? "older" : "younger";
      it(`INV-2: two in-flight exits share an input, ${answered}, the ${first} payment's started first`, async () => {
        const { game, flights, mallory, watcher } = attack;
        const { alice, operator } = game;
        const { input, hers, theft, third } = await doubleSpend();
        const start = async (owner: typeof alice, { transaction }: Funds, other: Funds): Promise<Flight> => {
          const flight = await flights.start(owner, transaction, [input.source], [mallory]);
          await flights.piggyback(owner, flight, OUTPUT);
          await flights.piggyback(mallory, flight, 0);
          await flights.inputSpent(watcher, flight, 0, other.transaction, mallory);
          return flight;
        };
        const starts = [
          async () => await start(alice, hers, theft),
          async () => await start(mallory, theft, hers),
        ] as const;
        const exits: Flight[] = [];
        for (const one of olderFirst ? starts : starts.toReversed()) exits.push(await one());
        const [older, younger] = (olderFirst ? exits : exits.toReversed()) as [Flight, Flight];
        await flights.challenge(mallory, older, third, mallory);
        await flights.challenge(watcher, younger, third, mallory);
        const both = answered.startsWith("both");
        const olderAnswered = both || answered.includes("older");
        const youngerAnswered = both || answered.includes("younger");
        if (olderAnswered) await flights.respond(watcher, older, hers.proof);
        if (youngerAnswered) await flights.respond(operator, younger, theft.proof);
        const shown = answered.includes("shown");
        if (shown) {
          await flights.challenge(watcher, younger, hers.transaction, mallory, { proof: hers.proof });
          expect(await failure(game, flights.respond(operator, younger, theft.proof))).to.contain("RootChain_NotOlder");
        }
        expect(await attack.drain(ETHER, exits)).to.deep.equal([1n, 2n]);
        const paysOlder = paid === "the older" || (paid === "the first" && olderFirst);
        const paysYounger = paid === "the younger" || (paid === "the first" && !olderFirst);
        const youngerStands = !youngerAnswered || shown;
        expect(await game.rootChain.finalizedBy(hers.id)).to.equal(paysOlder ? older.number : 0n);
        expect(await game.rootChain.finalizedBy(theft.id)).to.equal(paysYounger ? younger.number : 0n);
        await attack.expectNets({
          operator: youngerAnswered ? CHALLENGE_BOND : 0n,
          alice: (paysOlder ? 1000n : 0n) - BOUNTY - (olderAnswered ? 0n : IN_FLIGHT_BOND),
          mallory:
            (paysYounger ? 0n : -1000n) -
            BOUNTY -
            2n * PIGGYBACK_BOND +
            (olderAnswered ? -CHALLENGE_BOND : IN_FLIGHT_BOND) -
            (youngerStands ? IN_FLIGHT_BOND : 0n),
          watcher:
            2n * PIGGYBACK_BOND +
            (olderAnswered ? CHALLENGE_BOND : 0n) -
            (youngerAnswered ? CHALLENGE_BOND : 0n) +
            (youngerStands ? IN_FLIGHT_BOND : 0n),
          stranger: 2n * BOUNTY,
          left: paid === "none" ? 1000n : 0n,
        });
      });
    }
  }

  for (const [when, inTime] of [
    ["early", true],
    ["late, in the last second", true],
    ["in the processing's own block, before it", true],
    ["in the processing's own block, after it", false],
  ] as const) {
    it(`challenges an included payment with a spend of its input, answered ${when}`, async () => {
      const { game, flights, mallory, watcher } = attack;
      const { input, hers, theft } = await doubleSpend();
      const flight = await flights.start(game.alice, hers.transaction, [input.source], [mallory]);
      await flights.piggyback(game.alice, flight, OUTPUT);
      await flights.challenge(mallory, flight, theft.transaction, mallory);
      const gasLimit = 1_000_000n;
      const respond = async (): Promise<unknown> =>
        await game.mined(game.as(watcher).respondCanonical(flight.hash, flight.number, hers.proof, { gasLimit }));
      const process = async (): Promise<unknown> =>
        await game.mined(game.as(game.stranger).processExits(ETHER, [flight.data], { gasLimit }));
      if (when === "early") await respond();
      if (when.startsWith("late")) {
        await game.connection.networkHelpers.time.setNextBlockTimestamp(flight.exitableAt - 1n);
        await respond();
      }
      if (when.includes("own block")) {
        await game.passTo(flight.exitableAt);
        const [first, second] = inTime ? [respond, process] : [process, respond];
        const done = await attack.inOneBlock(first, second);
        expect(done.map(({ status }) => status)).to.deep.equal(["fulfilled", inTime ? "fulfilled" : "rejected"]);
        expect(await failure(game, respond())).to.contain("RootChain_NotChallenged");
      }
      await attack.drain(ETHER, [flight]);
      // Too late an answer loses the bond and the time; the included output is there for a standard exit.
      if (!inTime) {
        const rescue = await attack.startExit(game.alice, hers);
        await attack.drain(ETHER, [rescue]);
        expect(await game.rootChain.finalizedBy(hers.id)).to.equal(rescue.exit.number);
      }
      await attack.expectNets({
        alice: 1000n - BOUNTY - (inTime ? 0n : IN_FLIGHT_BOND + BOUNTY),
        mallory: -1000n + (inTime ? -CHALLENGE_BOND : IN_FLIGHT_BOND),
        watcher: inTime ? CHALLENGE_BOND : 0n,
        stranger: inTime ? BOUNTY : 2n * BOUNTY,
      });
    });
  }

  /** Alice gives tokens for Mallory's ether, in a block that only Mallory and the operator know. */
  const swap = async (): Promise<{
    token: string;
    flight: Flight;
    proof: Proof;
    ids: string[];
    sources: PaymentSource[];
    spend: PlainTransaction;
  }> => {
    const { game, flights, mallory } = attack;
    const token = await game.token.getAddress();
    const [hers, other] = [await attack.funds(game.alice, 500n, token), await attack.funds(mallory, 1000n)];
    const payment = game.transfer(
      [hers.id, other.id],
      [
        { owner: game.alice.address, token: ETHER, amount: 1000n },
        { owner: mallory.address, token, amount: 500n },
      ],
    );
    const [proof] = await game.commit([payment]);
    const sources = [hers.source, other.source];
    const flight = await flights.start(game.alice, payment, sources, [game.alice, mallory]);
    for (const index of [0, OUTPUT]) await flights.piggyback(game.alice, flight, index);
    for (const index of [1, OUTPUT + 1]) await flights.piggyback(mallory, flight, index);
    const ids = [hers.id, other.id, game.outputId(payment, 0), game.outputId(payment, 1)];
    return { token, flight, proof: proof!, ids, sources, spend: attack.pay(other.id, mallory) };
  };

  for (const etherFirst of [true, false]) {
    for (const answered of ["before both", "between them", "never"] as const) {
      const queues = etherFirst ? "ether's queue first" : "the token's queue first";
      it(`INV-13: a swap is challenged and its two queues processed, ${queues}, answered ${answered}`, async () => {
        const { game, flights, mallory, watcher } = attack;
        const { token, flight, proof, ids, spend } = await swap();
        await flights.challenge(mallory, flight, spend, mallory, { inputIndex: 1 });
        await flights.inputSpent(watcher, flight, 1, spend, mallory);
        const [first, second] = etherFirst ? [ETHER, token] : [token, ETHER];
        if (answered === "before both") await flights.respond(watcher, flight, proof);
        await attack.drain(first, [flight]);
        if (answered === "between them") {
          expect(await failure(game, flights.respond(watcher, flight, proof))).to.equal(
            `RootChain_NotChallenged(${flight.number}, ${flight.hash})`,
          );
        }
        // The first queue has decided for both; between them nothing is taken about it, and no further one starts.
        expect(await failure(game, flights.piggyback(mallory, flight, 1))).to.contain("RootChain_NoSuchExit");
        const late = flights.inputSpent(watcher, flight, 1, spend, mallory);
        expect(await failure(game, late)).to.contain("RootChain_NoSuchExit");
        await attack.drain(second, [flight]);
        const canonical = answered === "before both";
        const finalizers = [];
        for (const id of ids) finalizers.push(await game.rootChain.finalizedBy(id));
        const number = flight.number;
        expect(finalizers).to.deep.equal(canonical ? [number, number, number, number] : [number, 0n, 0n, 0n]);
        expect(await game.balance(game.alice.address, token)).to.equal(canonical ? 0n : 500n);
        expect(await game.balance(mallory.address, token)).to.equal(canonical ? 500n : 0n);
        expect(await game.balance(game.address, token)).to.equal(0n);
        await attack.expectNets({
          alice: canonical ? 1000n - 2n * BOUNTY : -IN_FLIGHT_BOND - 2n * BOUNTY,
          mallory: -1000n - PIGGYBACK_BOND + (canonical ? -CHALLENGE_BOND : IN_FLIGHT_BOND),
          watcher: PIGGYBACK_BOND + (canonical ? CHALLENGE_BOND : 0n),
          stranger: 2n * BOUNTY,
          left: canonical ? 0n : 1000n,
        });
      });
    }
  }

  it("starts a standard exit again after it was paid, and hands its stale data in again", async () => {
    const { game, mallory } = attack;
    await game.deposit(game.alice, 1000n);
    const input = await attack.funds(mallory);
    const exit = await attack.startExit(mallory, input);
    await attack.drain(ETHER, [exit]);
    expect(await failure(game, attack.startExit(mallory, input))).to.equal(
      `RootChain_AlreadyFinalized(${input.id}, ${exit.exit.number})`,
    );
    await game.process(ETHER, [exit, exit]);
    await attack.expectNets({ alice: -1000n, mallory: -BOUNTY, stranger: BOUNTY, left: 1000n });
  });

  it("INV-5: starts a standard exit of a spent output again and again, each time challenged", async () => {
    const { game, mallory } = attack;
    const input = await attack.funds(mallory);
    const payment = attack.pay(input.id, game.alice);
    const [proof] = await game.commit([payment]);
    const exits = [];
    for (let i = 0; i < 3; i++) {
      const exit = await attack.startExit(mallory, input);
      expect(await failure(game, attack.startExit(mallory, input))).to.contain("RootChain_AlreadyExiting");
      await attack.cancel(exit, payment, mallory);
      // The first spend shown twice earns one bond.
      expect(await failure(game, attack.cancel(exit, payment, mallory))).to.contain("RootChain_NoSuchExit");
      exits.push(exit);
    }
    exits.push(await attack.startExit(game.alice, attack.included(payment, proof!)));
    expect(await attack.drain(ETHER, exits)).to.deep.equal([4n]);
    await attack.expectNets({
      alice: 1000n - BOUNTY,
      mallory: -1000n - 3n * BOND,
      watcher: 3n * (BOND - BOUNTY),
      stranger: 4n * BOUNTY,
    });
  });

  for (const outcome of ["paid its outputs", "paid its inputs"] as const) {
    it(`INV-2: starts an in-flight exit again after it ${outcome}`, async () => {
      const { game, flights, mallory, watcher } = attack;
      await game.deposit(game.alice, 5000n);
      const [input, other] = [await attack.funds(mallory), await attack.funds(mallory)];
      const payment = attack.pay([input.id, other.id], mallory, 2000n);
      const spend = attack.pay(other.id, game.carol);
      const start = async (): Promise<Flight> => {
        const flight = await flights.start(mallory, payment, [input.source, other.source], [mallory, mallory]);
        for (const index of [0, OUTPUT]) await flights.piggyback(mallory, flight, index);
        return flight;
      };
      const first = await start();
      const challenged = outcome === "paid its inputs";
      if (challenged) await flights.challenge(watcher, first, spend, mallory, { inputIndex: 1 });
      await attack.drain(ETHER, [first]);
      expect(await flights.slot(first)).to.equal(0n);
      const again = await start();
      await attack.drain(ETHER, [again]);
      // The stale data is nothing any more.
      expect(await failure(game, flights.close(mallory, first))).to.contain("RootChain_NoSuchExit");
      expect(await game.rootChain.finalizedBy(input.id)).to.equal(first.number);
      expect(await game.rootChain.finalizedBy(game.outputId(payment))).to.equal(challenged ? 0n : first.number);
      await attack.expectNets({
        alice: -5000n,
        mallory: (challenged ? -1000n - IN_FLIGHT_BOND : 0n) - 2n * BOUNTY,
        watcher: challenged ? IN_FLIGHT_BOND : 0n,
        stranger: 2n * BOUNTY,
        left: challenged ? 6000n : 5000n,
      });
    });
  }

  it("starts an in-flight exit again between its two queues", async () => {
    const { game, flights, mallory } = attack;
    const { token, flight, sources } = await swap();
    await attack.drain(ETHER, [flight]);
    const start = async (former?: Flight): Promise<unknown> =>
      await flights.start(mallory, flight.transaction, sources, [game.alice, mallory], former ? { former } : {});
    for (const former of [undefined, flight]) {
      expect(await failure(game, start(former))).to.equal(`RootChain_AlreadyExiting(${flight.hash})`);
    }
    await attack.drain(token, [flight]);
    await start();
    expect(await game.balance(mallory.address, token)).to.equal(500n);
  });

  it("starts an in-flight exit again after its piggyback was challenged and it was closed; its stale entry pays nobody", async () => {
    const { game, flights, mallory, watcher } = attack;
    const input = await attack.funds(game.alice);
    const payment = attack.pay(input.id, mallory);
    const [proof] = await game.commit([payment]);
    const spend = attack.pay(game.outputId(payment), game.bob);
    const exits: Flight[] = [];
    for (let i = 0; i < 2; i++) {
      const flight = await flights.start(mallory, payment, [input.source], [game.alice]);
      await flights.piggyback(mallory, flight, OUTPUT);
      expect(await failure(game, flights.close(mallory, flight))).to.contain("RootChain_TooEarly");
      await flights.outputSpent(watcher, flight, 0, proof!, spend, mallory);
      expect(await failure(game, flights.piggyback(mallory, flight, OUTPUT))).to.equal(
        `RootChain_AlreadyPiggybacked(${flight.number}, ${OUTPUT})`,
      );
      exits.push(flight);
      if (i === 1) break;
      await game.passTo(flight.startedAt + BigInt(WEEK));
      await flights.close(mallory, flight);
      expect(await failure(game, flights.close(mallory, flight))).to.contain("RootChain_NoSuchExit");
    }
    const [stale, again] = exits as [Flight, Flight];
    await game.passTo(again.exitableAt);
    // The stale data takes its own entry out, and is no key to the next one.
    await game.as(game.stranger).processExits(ETHER, [stale.data, stale.data, again.data]);
    expect(await game.rootChain.queueLength(ETHER)).to.equal(1n);
    await attack.drain(ETHER, [again]);
    // Nothing was left to pay, but the exit was canonical: its input is blocked.
    expect(await game.rootChain.finalizedBy(input.id)).to.equal(again.number);
    await attack.expectNets({
      alice: -1000n,
      mallory: -2n * PIGGYBACK_BOND,
      watcher: 2n * (PIGGYBACK_BOND - BOUNTY),
      stranger: 2n * BOUNTY,
      left: 1000n,
    });
  });

  /** A transaction that a bad operator put into two blocks, and a payment of its output. */
  const twice = async (): Promise<{ sources: PaymentSource[]; payment: PlainTransaction }> => {
    const { game } = attack;
    const input = await attack.funds(game.alice);
    const [again] = await game.commit([input.transaction]);
    const sources = [input.source, attack.included(input.transaction, again!).source];
    return { sources, payment: attack.pay(input.id, game.bob) };
  };

  it("starts a second in-flight exit with a younger proof, the creating transaction being included twice", async () => {
    const { game, flights, mallory } = attack;
    const { sources, payment } = await twice();
    const [older, younger] = sources as [PaymentSource, PaymentSource];
    const first = await flights.start(game.bob, payment, [older], [game.alice]);
    for (const source of [younger, older]) {
      const again = flights.start(mallory, payment, [source], [game.alice], { former: first });
      expect(await failure(game, again)).to.contain("RootChain_NotOlder");
    }
    // Nor as if there were none before.
    const alone = flights.start(mallory, payment, [older], [game.alice]);
    expect(await failure(game, alone)).to.equal(`RootChain_AlreadyExiting(${first.hash})`);
    await flights.piggyback(game.bob, first, OUTPUT);
    await attack.drain(ETHER, [first]);
    await attack.expectNets({ alice: -1000n, bob: 1000n - BOUNTY, stranger: BOUNTY });
  });

  for (const processedFirst of ["the older", "the younger"] as const) {
    it(`INV-2: starts a second in-flight exit with an older proof beside the first, ${processedFirst} processed first`, async () => {
      const { game, flights, mallory } = attack;
      await game.deposit(game.carol, 1000n);
      const { sources, payment } = await twice();
      const [older, younger] = sources as [PaymentSource, PaymentSource];
      if (processedFirst === "the younger") await game.pass(2 * WEEK);
      const first = await flights.start(mallory, payment, [younger], [game.alice]);
      await flights.piggyback(game.bob, first, OUTPUT);
      const second = await flights.start(game.bob, payment, [older], [game.alice], { former: first });
      expect(await flights.slot(first, first.number)).to.not.equal(0n);
      // What was moved aside can be piggybacked, and pays nothing.
      await flights.piggyback(game.alice, first, 0);
      await flights.piggyback(game.bob, second, OUTPUT);
      const left = await attack.drain(ETHER, [first, second]);
      expect(left).to.deep.equal(processedFirst === "the younger" ? [1n, 2n] : [2n, 1n]);
      expect(await game.rootChain.finalizedBy(game.outputId(payment))).to.equal(second.number);
      expect(await flights.slot(first, first.number)).to.equal(0n);
      await attack.expectNets({
        alice: -1000n,
        bob: 1000n - 2n * BOUNTY,
        carol: -1000n,
        stranger: 2n * BOUNTY,
        left: 1000n,
      });
    });
  }

  it("starts an in-flight exit of a transaction that spends one output twice", async () => {
    const { game, flights, mallory } = attack;
    const input = await attack.funds(mallory);
    const payment = attack.pay([input.id, input.id], mallory, 2000n);
    const start = flights.start(mallory, payment, [input.source, input.source], [mallory, mallory]);
    expect(await failure(game, start)).to.equal(`RootChain_DuplicateInput(${input.id})`);
  });

  it("starts and cancels the standard exit of a deposit ahead of each start of its spend in flight, at a bounty each", async () => {
    const { game, flights, mallory } = attack;
    const deposit = await game.deposit(mallory, 1000n);
    const payment = attack.pay(game.depositOutputId(deposit), game.bob);
    const start = async (exit?: Started): Promise<Flight> =>
      await flights.start(game.bob, payment, [fromDeposit(deposit, exit?.exit)], [mallory]);
    const exits: Started[] = [];
    for (let i = 0; i < 3; i++) {
      // Whoever starts names the exit that stands in the deposit's slot, and she changes it just before.
      const exit = await game.startDepositExit(mallory, deposit);
      for (const stale of [undefined, ...exits]) {
        expect(await failure(game, start(stale))).to.equal(`RootChain_UnknownDeposit(${deposit.id})`);
      }
      exits.push(exit);
      if (i < 2) await game.challenge(mallory, exit, payment, game.sign(mallory, payment));
    }
    const flight = await start(exits[2]);
    await flights.piggyback(game.bob, flight, OUTPUT);
    await attack.cancel(exits[2]!, payment, mallory);
    await attack.drain(ETHER, [flight]);
    await attack.expectNets({
      bob: 1000n - BOUNTY,
      mallory: -1000n - 2n * BOUNTY - BOND,
      watcher: BOND - BOUNTY,
      stranger: 4n * BOUNTY,
    });
  });
});
