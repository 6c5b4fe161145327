import { expect } from "chai";
import { toBeHex } from "ethers";
import { Attack, OWNER_CALLS, type Exiting, type Funds } from "../helpers/attacks.ts";
import {
  BOND,
  BOUNTY,
  CHALLENGE_BOND,
  ETHER,
  failure,
  IN_FLIGHT_BOND,
  WEEK,
  type PlainTransaction,
  type Proof,
  type Started,
} from "../helpers/game.ts";
import { fromPayment, NO_PROOF, OUTPUT, type Flight } from "../helpers/inFlight.ts";

const NOTHING = `0x${"77".repeat(32)}`;
const DAY = 86_400;

describe("RootChain: attacks by the operator and against proofs", () => {
  let attack: Attack;
  beforeEach(async () => {
    attack = await Attack.start();
  });

  /** Commits a bad block; gives how the operator then exits what it made. */
  type BadBlock = (all: bigint, victim: Funds) => Promise<() => Promise<Exiting[]>>;
  const exitOf = (transaction: PlainTransaction, proof: Proof): (() => Promise<Exiting[]>) => {
    return async () => [await attack.startExit(attack.game.operator, attack.included(transaction, proof))];
  };
  const badBlocks: Record<string, BadBlock> = {
    "makes all the money from nothing": async (all) => {
      const forged = attack.pay(NOTHING, attack.game.operator, all);
      const [proof] = await attack.game.commit([forged]);
      return exitOf(forged, proof!);
    },
    "makes all the money from nothing, in small pieces": async (all, victim) => {
      const { game } = attack;
      const amounts = Array.from({ length: 10 }, (_, i) => (i === 0 ? all - 9n * (all / 10n) : all / 10n));
      const forged = game.transfer(
        [victim.id],
        amounts.map((amount) => ({ owner: game.operator.address, token: ETHER, amount })),
      );
      const [proof] = await game.commit([forged]);
      return async () => {
        const exits: Exiting[] = [];
        for (const index of amounts.keys())
          exits.push(await attack.startExit(game.operator, attack.included(forged, proof!, index)));
        return exits;
      };
    },
    "makes all the money from nothing, and exits a spend of it in flight": async (all) => {
      const { game, flights } = attack;
      const { operator } = game;
      const forged = attack.pay(NOTHING, operator, all);
      const [proof] = await game.commit([forged]);
      const { id, source } = attack.included(forged, proof!);
      return async () => {
        const flight = await flights.start(operator, attack.pay(id, operator, all), [source], [operator]);
        await flights.piggyback(operator, flight, OUTPUT);
        return [flight];
      };
    },
    "spends a holder's output without a signature": async (_all, victim) => {
      const { amount } = victim.transaction.outputs[0]!;
      const theft = attack.pay(victim.id, attack.game.operator, amount);
      const [proof] = await attack.game.commit([theft]);
      return exitOf(theft, proof!);
    },
    "withholds the block, and shows what it made a week later": async (all) => {
      const forged = attack.pay(NOTHING, attack.game.operator, all);
      const [proof] = await attack.game.commit([forged]);
      return async () => {
        await attack.game.pass(WEEK);
        return await exitOf(forged, proof!)();
      };
    },
  };

  for (const [title, badBlock] of Object.entries(badBlocks)) {
    it(`INV-4: the operator ${title}; everyone else leaves in time and is paid in full`, async () => {
      const { game, flights } = attack;
      const { alice, bob, carol } = game;
      const deposit = await game.deposit(alice, 1000n);
      const funds = await attack.funds(bob, 2000n);
      const pending = await attack.funds(alice, 500n);
      const toCarol = attack.pay(pending.id, carol, 500n);
      const steal = await badBlock(3800n, funds);
      const committed = BigInt(await game.now());
      await game.pass(DAY);
      const late = await game.deposit(alice, 300n);
      // The thief is first to start, or starts only when it sees them go.
      const withheld = title.includes("withholds");
      const thefts: Exiting[] = withheld ? [] : await steal();
      await game.passTo(committed + BigInt(WEEK - 100));
      const exits: Exiting[] = [
        await game.startDepositExit(alice, deposit),
        await attack.startExit(bob, funds),
        await game.startDepositExit(alice, late),
      ];
      const flight = await flights.start(carol, toCarol, [pending.source], [alice]);
      await flights.piggyback(carol, flight, OUTPUT);
      exits.push(flight);
      if (withheld) thefts.push(...(await steal()));
      const left = await attack.drain(ETHER, [...exits, ...thefts]);
      expect(left).to.have.length(exits.length + thefts.length);
      await attack.expectNets({
        operator: BigInt(-thefts.length) * BOUNTY,
        alice: -500n - 2n * BOUNTY,
        bob: -BOUNTY,
        carol: 500n - BOUNTY,
        stranger: BigInt(left.length) * BOUNTY,
      });
    });
  }

  for (const row of ["an output twice", "an output that is exiting", "an output that was paid"] as const) {
    it(`INV-4: the operator spends ${row} in a bad block; everyone else leaves in time, and it gets its own once`, async () => {
      const { game } = attack;
      const { operator, alice } = game;
      const own = await attack.funds(operator);
      const hers = await attack.funds(alice);
      const exits: Exiting[] = [];
      if (row === "an output twice") {
        const once = attack.pay(own.id, operator);
        const [proof] = await game.commit([once]);
        exits.push(await attack.startExit(operator, attack.included(once, proof!)));
      } else {
        exits.push(await attack.startExit(operator, own));
        if (row === "an output that was paid") await attack.drain(ETHER, exits);
        else await game.pass(2 * DAY);
      }
      const again = game.transfer([own.id], [{ owner: operator.address, token: ETHER, amount: 1000n }]);
      again.fileHash = NOTHING;
      const [proof] = await game.commit([again]);
      exits.push(await attack.startExit(operator, attack.included(again, proof!)));
      await game.pass(WEEK - 100);
      exits.push(await attack.startExit(alice, hers));
      await attack.drain(ETHER, exits);
      expect(await game.rootChain.finalizedBy(game.outputId(again))).to.equal(0n);
      await attack.expectNets({ operator: -2n * BOUNTY, alice: -BOUNTY, stranger: 3n * BOUNTY });
    });
  }

  for (const challenged of [true, false]) {
    // The exit of a spent input is not about its amount: it makes the payment look like a double spend.
    it(`exits a spent dust input and then the payment's other input in flight, the dust ${challenged ? "challenged: nothing is lost" : "unchallenged: the whole payment is lost"}`, async () => {
      const { game, flights, mallory } = attack;
      const [dust, rest] = [await attack.funds(mallory, 1n), await attack.funds(mallory, 999n)];
      const payment = attack.pay([dust.id, rest.id], game.alice);
      const [proof] = await game.commit([payment]);
      const exits: Exiting[] = [];
      const exit = await attack.startExit(mallory, dust);
      if (challenged) await attack.cancel(exit, payment, mallory);
      await attack.drain(ETHER, [exit]);
      const flight = await flights.start(mallory, payment, [dust.source, rest.source], [mallory, mallory]);
      await flights.piggyback(mallory, flight, 1);
      // The payment itself is no spend that would cancel that.
      const same = flights.inputSpent(attack.watcher, flight, 1, payment, mallory);
      expect(await failure(game, same)).to.equal(`RootChain_SameTransaction(${flight.hash})`);
      exits.push(flight, await attack.startExit(game.alice, attack.included(payment, proof!)));
      await attack.drain(ETHER, exits);
      await attack.expectNets({
        alice: (challenged ? 1000n : 0n) - BOUNTY,
        mallory: challenged ? -1000n - BOND - BOUNTY : -2n * BOUNTY,
        watcher: challenged ? BOND - BOUNTY : 0n,
        stranger: 3n * BOUNTY,
      });
    });
  }

  it("the operator steals from the first signer of a payment whose other payer keeps its signature back", async () => {
    const { game, flights, mallory } = attack;
    const { alice, operator } = game;
    const [hers, other] = [await attack.funds(alice), await attack.funds(mallory)];
    const payment = attack.pay([hers.id, other.id], alice, 2000n);
    const forged = attack.pay(NOTHING, operator);
    const [proof] = await game.commit([forged]);
    // What Alice signed is enough to cancel her exit, and not enough to exit what she signed.
    const exit = await attack.startExit(alice, hers);
    await game.challenge(mallory, exit, payment, game.sign(alice, payment));
    const start = flights.start(alice, payment, [hers.source, other.source], [alice, alice]);
    expect(await failure(game, start)).to.contain("RootChain_WrongSigner");
    const mine = await attack.startExit(mallory, other);
    const theft = await attack.startExit(operator, attack.included(forged, proof!));
    await attack.drain(ETHER, [mine, theft]);
    await attack.expectNets({
      operator: 1000n - BOUNTY,
      alice: -1000n - BOND,
      mallory: BOND - 2n * BOUNTY,
      stranger: 3n * BOUNTY,
    });
  });

  it("INV-7: floods a queue with self-cancelled exits, more than a block's gas can take out; it is worked off over calls, each with its bounties", async () => {
    const { game, mallory } = attack;
    const { stranger, alice } = game;
    const count = 64;
    const outputs = Array.from({ length: 16 }, () => ({ owner: mallory.address, token: ETHER, amount: 1n }));
    const pieces = Array.from({ length: count / 16 }, (_, i) => game.transfer([NOTHING, toBeHex(i + 1, 32)], outputs));
    const hers = await attack.funds(alice);
    const proofs = await game.commit(pieces);
    await game.pass(2 * WEEK);
    const started: Started[] = [];
    for (const [i, transaction] of pieces.entries()) {
      const requests = outputs.map((_, outputIndex) => ({
        output: { transaction, proof: proofs[i]!, outputIndex },
        authorization: OWNER_CALLS,
      }));
      const sent = game.as(mallory).startStandardExits(requests, { value: BOND * 16n });
      started.push(...(await attack.startedAll(sent)));
    }
    for (const [i, transaction] of pieces.entries()) {
      const ids = outputs.map((_, index) => game.outputId(transaction, index));
      const spend = attack.pay(ids, mallory, 16n);
      const signature = game.sign(mallory, spend);
      for (const [index] of ids.entries())
        await game.as(mallory).challengeStandardExit(started[16 * i + index]!.exit, spend, index, signature);
    }
    const rescue = await attack.startExit(alice, hers);
    await game.passTo(rescue.exitableAt);
    await game.connection.networkHelpers.setBlockGasLimit(480_000n);
    const gasLimit = 480_000n;
    // With her data all of them would go in one call, which no block can hold.
    const whole = game.as(stranger).processExits(ETHER, [rescue.data], { gasLimit });
    expect(
      await failure(
        game,
        whole.then(async (sent) => await sent.wait()),
      ),
    ).to.not.equal("nothing");
    expect(await game.rootChain.queueLength(ETHER)).to.equal(BigInt(count) + 1n);
    const before = await game.balance(stranger.address);
    let fees = 0n;
    for (let calls = 1n; calls <= 4n; calls++) {
      fees += (await game.mined(game.as(stranger).processExits(ETHER, [], { gasLimit }))).fee;
      expect((await game.balance(stranger.address)) - before + fees).to.equal(16n * calls * BOUNTY);
    }
    await game.mined(game.as(stranger).processExits(ETHER, [rescue.data], { gasLimit }));
    await attack.expectNets({
      alice: -BOUNTY,
      mallory: BigInt(-count) * BOUNTY,
      stranger: BigInt(count + 1) * BOUNTY,
    });
  });

  for (const side of ["outputs", "inputs"] as const) {
    it(`INV-7: an in-flight exit's ${side} larger than what is held: the large one is left out, the others and those behind are paid`, async () => {
      const { game, flights } = attack;
      const { operator, alice } = game;
      await game.deposit(operator, 300n);
      const parts = [1200n, 300n].map((amount) => ({ owner: operator.address, token: ETHER, amount }));
      const forged = game.transfer([NOTHING], parts);
      const [proof] = await game.commit([forged]);
      const sources = [0, 1].map((index) => fromPayment(forged, proof!, index));
      const ids = [0, 1].map((index) => game.outputId(forged, index));
      const payment = game.transfer(ids, parts);
      const flight = await flights.start(operator, payment, sources, [operator, operator]);
      if (side === "inputs") await flights.challenge(operator, flight, attack.pay(ids[0]!, operator), operator);
      for (const index of [0, 1]) await flights.piggyback(operator, flight, side === "inputs" ? index : OUTPUT + index);
      await game.passTo(flight.exitableAt);
      const receipt = await game.mined(game.as(game.stranger).processExits(ETHER, [flight.data]));
      const large = side === "inputs" ? ids[0]! : game.outputId(payment, 0);
      expect(game.events(receipt, "ExitUnpayable").map((event) => event.toArray())).to.deep.equal([
        [flight.number, large, 1200n, 300n],
      ]);
      expect(await game.rootChain.claimable(ETHER, operator.address)).to.equal(0n);
      // It can try again, and is left out again.
      const hers = await game.deposit(alice, 700n);
      const next = [await game.startDepositExit(alice, hers)];
      if (side === "inputs") next.push(await game.startExit(operator, forged, proof!, 0));
      else
        await game.commit([payment]).then(async ([late]) => next.push(await game.startExit(operator, payment, late!)));
      await attack.drain(ETHER, next);
      expect(await game.rootChain.finalizedBy(large)).to.equal(0n);
      await attack.expectNets({ operator: -2n * BOUNTY, alice: -BOUNTY, stranger: 3n * BOUNTY });
    });
  }

  /** Each function that takes a proof, asked with it and not sent. */
  const askers = async (): Promise<Record<string, { proof: Proof; ask: (proof: Proof) => Promise<unknown> }>> => {
    const { game, flights, mallory, watcher } = attack;
    const [filler, other] = [attack.pay(NOTHING, game.carol), attack.pay(NOTHING, game.carol, 7n)];
    const deposit = await game.deposit(mallory, 1000n);
    const made = attack.pay(game.depositOutputId(deposit), mallory);
    // Three of four leaves: the fourth is padding.
    const [, madeProof] = await game.commit([filler, made, other]);
    const input = attack.included(made, madeProof!);
    const payment = attack.pay(input.id, game.alice);
    const competitor = attack.pay(input.id, mallory);
    const onward = attack.pay(game.outputId(payment), game.bob);
    const [, paymentProof] = await game.commit([filler, payment, other]);
    const [, competitorProof] = await game.commit([filler, competitor, other]);
    const flight = await flights.start(mallory, payment, [input.source], [mallory]);
    await flights.piggyback(game.alice, flight, OUTPUT);
    const second = await flights.start(mallory, competitor, [input.source], [mallory]);
    await flights.challenge(watcher, flight, attack.pay(input.id, game.carol), mallory);
    const as = game.as(watcher);
    const third = attack.pay(input.id, game.bob);
    const signed = (transaction: PlainTransaction, signer = mallory): string => game.sign(signer, transaction);
    return {
      "a standard exit": {
        proof: paymentProof!,
        ask: async (proof) =>
          await game.as(game.alice).startStandardExit.staticCall(payment, proof, 0, { value: BOND }),
      },
      "an in-flight exit's input": {
        proof: madeProof!,
        ask: async (proof) =>
          await as.startInFlightExit.staticCall(third, [signed(third)], [fromPayment(made, proof)], [], "0x", {
            value: IN_FLIGHT_BOND,
          }),
      },
      "a competitor": {
        proof: paymentProof!,
        ask: async (proof) =>
          await as.challengeNonCanonical.staticCall(second.data, 0, payment, 0, signed(payment), proof, {
            value: CHALLENGE_BOND,
          }),
      },
      "a competitor, while a younger one stands": {
        proof: competitorProof!,
        ask: async (proof) =>
          await as.challengeNonCanonical.staticCall(flight.data, 0, competitor, 0, signed(competitor), proof, {
            value: CHALLENGE_BOND,
          }),
      },
      "an answer": {
        proof: paymentProof!,
        ask: async (proof) => await as.respondCanonical.staticCall(flight.hash, flight.number, proof),
      },
      "a spent output": {
        proof: paymentProof!,
        ask: async (proof) =>
          await as.challengeOutputSpent.staticCall(flight.data, 0, proof, onward, 0, signed(onward, game.alice)),
      },
    };
  };
  const NOT_INCLUDED = "RootChain_NotIncluded";
  const UNKNOWN_BLOCK = "RootChain_UnknownBlock";
  const header = (proof: Proof, change: Partial<Proof["header"]>): Proof => ({
    ...proof,
    header: { ...proof.header, ...change },
  });
  const forgeries: [string, string, (proof: Proof) => Proof][] = [
    ["a neighbour's index", NOT_INCLUDED, (proof) => ({ ...proof, index: 0 })],
    ["the padding's index", NOT_INCLUDED, (proof) => ({ ...proof, index: 3 })],
    ["an index beyond the tree, the same in its low bits", NOT_INCLUDED, (proof) => ({ ...proof, index: 5 })],
    ["the largest index", NOT_INCLUDED, (proof) => ({ ...proof, index: 2 ** 32 - 1 })],
    ["a path too short", NOT_INCLUDED, (proof) => ({ ...proof, siblings: proof.siblings.slice(0, 1) })],
    ["a path too long", NOT_INCLUDED, (proof) => ({ ...proof, siblings: [...proof.siblings, NOTHING] })],
    ["no path", NOT_INCLUDED, (proof) => ({ ...proof, siblings: [] })],
    ["a path in the wrong order", NOT_INCLUDED, (proof) => ({ ...proof, siblings: proof.siblings.toReversed() })],
    ["another block's number", UNKNOWN_BLOCK, (proof) => header(proof, { number: proof.header.number + 1n })],
    ["the number of a block to come", UNKNOWN_BLOCK, (proof) => header(proof, { number: 99n })],
    ["another count", UNKNOWN_BLOCK, (proof) => header(proof, { transactionCount: 4n })],
    ["an older timestamp", UNKNOWN_BLOCK, (proof) => header(proof, { timestamp: proof.header.timestamp - 1n })],
    ["a root of its own making", UNKNOWN_BLOCK, (proof) => header(proof, { transactionsRoot: NOTHING })],
  ];
  it("hands in a proof with a wrong index, depth, header or count, wherever a proof is taken", async () => {
    const { game } = attack;
    for (const [what, { proof, ask }] of Object.entries(await askers())) {
      for (const [wrong, error, forge] of forgeries) {
        expect(await failure(game, ask(forge(proof))), `${what}, ${wrong}`).to.contain(error);
      }
      expect(await failure(game, ask(proof)), what).to.equal("nothing");
    }
  });

  it("shows as included what is not: a competitor's proof for an answer, an answer's for a competitor", async () => {
    const { game } = attack;
    const all = await askers();
    const [answer, competitor] = [all["an answer"]!, all["a competitor, while a younger one stands"]!];
    expect(await failure(game, answer.ask(competitor.proof))).to.contain(NOT_INCLUDED);
    expect(await failure(game, competitor.ask(answer.proof))).to.contain(NOT_INCLUDED);
    // Block 0 says "not included" of a competitor, which here is no older; of all others it is no block.
    expect(await failure(game, competitor.ask(NO_PROOF))).to.contain("RootChain_NotOlder");
    for (const what of ["a standard exit", "an in-flight exit's input", "an answer", "a spent output"]) {
      expect(await failure(game, all[what]!.ask(NO_PROOF)), what).to.contain(UNKNOWN_BLOCK);
    }
  });

  for (const elsewhere of ["contract", "chain"] as const) {
    it(`INV-6: challenges with a spend signed for another ${elsewhere}, in every challenge and start`, async () => {
      const { game, flights, mallory, watcher } = attack;
      const domain =
        elsewhere === "contract"
          ? { ...game.domain, verifyingContract: mallory.address }
          : { ...game.domain, chainId: game.chainId + 1n };
      const input = await attack.funds(game.alice);
      const payment = attack.pay(input.id, game.bob);
      const [proof] = await game.commit([payment]);
      const [spend, onward] = [attack.pay(input.id, game.alice), attack.pay(game.outputId(payment), game.bob)];
      const exit = await attack.startExit(game.alice, input);
      const flight: Flight = await flights.start(game.bob, payment, [input.source], [game.alice]);
      await flights.piggyback(game.alice, flight, 0);
      await flights.piggyback(game.bob, flight, OUTPUT);
      const as = game.as(watcher);
      const { alice, bob } = game;
      const calls: Record<string, (signedFor: object) => Promise<unknown>> = {
        challengeStandardExit: async (signedFor) =>
          await as.challengeStandardExit.staticCall(exit.exit, spend, 0, game.sign(alice, spend, signedFor)),
        challengeNonCanonical: async (signedFor) =>
          await as.challengeNonCanonical.staticCall(
            flight.data,
            0,
            spend,
            0,
            game.sign(alice, spend, signedFor),
            NO_PROOF,
            { value: CHALLENGE_BOND },
          ),
        challengeInputSpent: async (signedFor) =>
          await as.challengeInputSpent.staticCall(flight.data, 0, spend, 0, game.sign(alice, spend, signedFor)),
        challengeOutputSpent: async (signedFor) =>
          await as.challengeOutputSpent.staticCall(
            flight.data,
            0,
            proof!,
            onward,
            0,
            game.sign(bob, onward, signedFor),
          ),
        startInFlightExit: async (signedFor) =>
          await as.startInFlightExit.staticCall(spend, [game.sign(alice, spend, signedFor)], [input.source], [], "0x", {
            value: IN_FLIGHT_BOND,
          }),
      };
      for (const [name, call] of Object.entries(calls)) {
        expect(await failure(game, call(domain)), name).to.contain("RootChain_WrongSigner");
        expect(await failure(game, call(game.domain)), name).to.equal("nothing");
      }
    });
  }

  it("INV-4: a younger exit of the same transaction overtakes the older one in a queue that this is not in", async () => {
    const { game, flights, mallory } = attack;
    const { alice, carol, operator } = game;
    const token = await game.token.getAddress();
    const funds = await attack.funds(alice);
    const own = await attack.funds(mallory, 5n, token);
    // Never in a block: alice pays carol, and beside it mallory pays herself in a token.
    const payment = game.transfer(
      [funds.id, own.id],
      [
        { owner: carol.address, token: ETHER, amount: 1000n },
        { owner: mallory.address, token, amount: 5n },
      ],
    );
    const forged = attack.pay(NOTHING, operator);
    const [mint, again] = await game.commit([forged, funds.transaction]);
    const younger = attack.included(funds.transaction, again!).source;
    const aside = await flights.start(mallory, payment, [younger, own.source], [alice, mallory]);
    const older = [funds.source, own.source];
    const flight = await flights.start(carol, payment, older, [alice, mallory], { former: aside });
    for (const exit of [aside, flight]) {
      await flights.piggyback(carol, exit, OUTPUT);
      await flights.piggyback(alice, exit, 0);
    }
    await flights.piggyback(mallory, aside, OUTPUT + 1);
    const theft = await attack.startExit(operator, attack.included(forged, mint!));
    await game.passTo(aside.exitableAt);
    await game.process(token, [aside as unknown as Started]);
    await attack.drain(ETHER, [flight, theft, aside]);
    expect(await game.rootChain.finalizedBy(game.outputId(payment))).to.equal(flight.number);
    expect(await game.rootChain.finalizedBy(attack.included(forged, mint!).id)).to.equal(0n);
    const nets = { alice: -1000n, carol: 1000n - 2n * BOUNTY, operator: -BOUNTY, mallory: -BOUNTY };
    await attack.expectNets({ ...nets, stranger: 4n * BOUNTY, left: 0n });
  });
});
