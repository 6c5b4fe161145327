import { expect } from "chai";
import { AbiCoder, toBeHex, ZeroAddress } from "ethers";
import {
  ETHER,
  failure,
  IN_FLIGHT_BOND,
  WEEK,
  type Game,
  type PlainDeposit,
  type PlainTransaction,
} from "../helpers/game.ts";
import {
  Flights,
  fromDeposit,
  LIVE,
  LIVE_WITH_BOUNTY,
  NO_EXIT,
  OUTPUT,
  slotOf,
  to,
  type Flight,
  type Funds,
  type Source,
  type Swap,
} from "../helpers/inFlight.ts";

const MAX = 2n ** 256n - 1n;
const DATA = [
  ...["uint128", "uint64", "uint64", "address", "bytes32[]"],
  ...["tuple(address,address,uint256)[]", "tuple(address,address,uint256)[]"],
];
const EXIT_PERIOD = BigInt(WEEK);

describe("RootChain.startInFlightExit", () => {
  let flights: Flights;
  let game: Game;
  let swap: Swap;
  beforeEach(async () => {
    flights = await Flights.fresh();
    ({ game } = flights);
    swap = await flights.swap();
  });

  const refused = async (call: Promise<unknown>, error: string): Promise<void> => {
    expect(await failure(game, call)).to.equal(error);
  };
  const sourcesOf = (funds: Funds[]): Source[] => funds.map(({ source }) => source);
  /** The swap with other outputs, signed by both. */
  const startWith = async (change: Partial<PlainTransaction>, sources?: Source[]): Promise<Flight> =>
    await flights.start(game.carol, { ...swap.payment, ...change }, sources ?? sourcesOf(swap.funds), [
      game.alice,
      game.bob,
    ]);

  describe("given a payment that could be included", () => {
    it("tells all of it, keeps one slot, and queues nothing", async () => {
      const { payment, funds } = swap;
      const { alice, bob, carol } = game;
      const signatures = [alice, bob].map((signer) => game.sign(signer, payment));
      const sources = funds.map(({ source }) => source);
      const receipt = await game.mined(
        game.as(carol).startInFlightExit(payment, signatures, sources, [], "0x", { value: IN_FLIGHT_BOND }),
      );
      const [event] = game.events(receipt, "InFlightExitStarted");
      const block = await game.connection.ethers.provider.send("eth_getBlockByNumber", ["latest", false]);
      const time = sources[0]!.proof.header.timestamp + 2n * EXIT_PERIOD;
      const priority = (time << 94n) | (1n << 64n) | (2n << 41n) | (1n << 40n) | 1n;
      const salt = BigInt(block.mixHash) % 2n ** 64n;
      const outputs = (list: { owner: string; token: string; amount: bigint }[]) =>
        list.map(({ owner, token, amount }) => [owner, token, amount]);
      const inputs = outputs(funds.map(({ output }) => output));
      const members = [priority, BigInt(block.timestamp), salt, carol.address, payment.inputs, inputs];
      const data = AbiCoder.defaultAbiCoder().encode(DATA, [...members, outputs(payment.outputs)]);
      expect(event.toArray()).to.deep.equal([1n, game.hash(payment), carol.address, data]);
      const flight = { number: 1n, hash: game.hash(payment), data: { id: game.hash(payment), data } } as Flight;
      expect(await flights.slot(flight)).to.equal(slotOf(flight));
      expect(await flights.slot(flight, 1n)).to.equal(0n);
      expect(await game.rootChain.competitor(flight.hash, 1n)).to.deep.equal([ETHER, 0n]);
      expect(await game.rootChain.nextExitNumber()).to.equal(2n);
      expect(await game.rootChain.queueLength(ETHER)).to.equal(0n);
      expect(await game.rootChain.queueLength(swap.token)).to.equal(0n);
    });

    for (const value of [0n, IN_FLIGHT_BOND - 1n, IN_FLIGHT_BOND + 1n]) {
      it(`not with ${value} wei as its bond`, async () => {
        const { payment, funds } = swap;
        const options = { overrides: { value } };
        const start = flights.start(game.carol, payment, sourcesOf(funds), [game.alice, game.bob], options);
        await refused(start, `RootChain_WrongBond(${value}, ${IN_FLIGHT_BOND})`);
      });
    }
  });

  describe("given its inputs and outputs in number", () => {
    const all = (count: number, owner = game.alice): ReturnType<typeof to>[] =>
      Array.from({ length: count }, () => to(owner, 16n));

    for (const [inputs, outputs] of [
      [1, 16],
      [16, 1],
      [16, 16],
    ] as const) {
      it(`${inputs} and ${outputs}: it starts, and the last of each can be piggybacked`, async () => {
        const funds = await flights.forged(all(inputs));
        const rest = 16n * BigInt(inputs) - BigInt(outputs - 1);
        const made = Array.from({ length: outputs }, (_, i) => to(game.bob, i === 0 ? rest : 1n));
        const ids = funds.map(({ id }) => id);
        const signers = funds.map(() => game.alice);
        const flight = await flights.start(game.bob, game.transfer(ids, made), sourcesOf(funds), signers);
        expect(flight.inputs).to.deep.equal(funds.map(({ output }) => output));
        await flights.piggyback(game.bob, flight, OUTPUT + outputs - 1);
        await flights.piggyback(game.alice, flight, inputs - 1);
        const states = { [OUTPUT + outputs - 1]: LIVE_WITH_BOUNTY, [inputs - 1]: LIVE };
        expect(await flights.slot(flight)).to.equal(slotOf(flight, states));
      });
    }

    it("not 0 or 17 inputs", async () => {
      await refused(startWith({ inputs: [] }, []), "RootChain_WrongCount(0)");
      const funds = await flights.forged(all(17));
      const payment = game.transfer(
        funds.map(({ id }) => id),
        [to(game.bob, 17n * 16n)],
      );
      const signers = funds.map(() => game.alice);
      await refused(flights.start(game.bob, payment, sourcesOf(funds), signers), "RootChain_WrongCount(17)");
    });

    it("not 0 or 17 outputs", async () => {
      for (const count of [0, 17]) await refused(startWith({ outputs: all(count) }), `RootChain_WrongCount(${count})`);
    });

    it("not with a signature or a source too few or too many", async () => {
      const { payment, funds } = swap;
      const signature = game.sign(game.alice, payment);
      for (const count of [0, 1, 3]) {
        const signatures = Array<string>(count).fill(signature);
        const start = flights.start(game.carol, payment, sourcesOf(funds), [], { signatures });
        await refused(start, `RootChain_WrongCount(${count})`);
      }
      const sources = sourcesOf(funds);
      const deposit = fromDeposit({ id: 1n, owner: game.alice.address, token: ETHER, amount: 1000n });
      const wrong = [[], sources.slice(1), [...sources, sources[0]!], [...sources, deposit], [deposit]];
      for (const some of wrong) await refused(startWith({}, some), `RootChain_WrongCount(${some.length})`);
    });

    it("not one input twice, next to itself or apart", async () => {
      const [first, second] = swap.funds.map(({ id }) => id) as [string, string];
      const [one, other] = sourcesOf(swap.funds) as [Source, Source];
      await refused(startWith({ inputs: [first, first] }, [one, one]), `RootChain_DuplicateInput(${first})`);
      const { alice, bob } = game;
      const apart = game.transfer([first, second, first], [to(bob, 2000n), to(alice, 500n, swap.token)]);
      const start = flights.start(game.carol, apart, [one, other, one], [alice, bob, alice]);
      await refused(start, `RootChain_DuplicateInput(${first})`);
    });
  });

  describe("given a payment's output as an input", () => {
    const changed = async (change: (source: Funds["source"]) => Partial<Funds["source"]>): Promise<Flight> => {
      const [first, second] = swap.funds as [Funds, Funds];
      return await startWith({}, [{ ...first.source, ...change(first.source) }, second.source]);
    };

    it("not another output than the transaction names, nor the sources in another order", async () => {
      const [first, second] = swap.funds as [Funds, Funds];
      const unknown = `RootChain_UnknownInput(${first.id})`;
      await refused(startWith({}, [second.source, second.source]), unknown);
      await refused(startWith({}, [second.source, first.source]), unknown);
      const other = `0x${"12".repeat(32)}`;
      await refused(startWith({ inputs: [first.id, other] }), `RootChain_UnknownInput(${other})`);
    });

    it("not with an output that the transaction does not have", async () => {
      await refused(
        changed(() => ({ outputIndex: 1 })),
        "RootChain_WrongIndex(1, 1)",
      );
      const huge = changed(() => ({ outputIndex: MAX as unknown as number }));
      await refused(huge, `RootChain_WrongIndex(${MAX}, 1)`);
    });

    it("INV-9: not without its inclusion in a block that was committed", async () => {
      const { transaction, proof } = swap.funds[0]!.source;
      const hash = game.hash(transaction);
      const { header } = proof;
      await refused(
        changed(() => ({ proof: { ...proof, index: 1 } })),
        `RootChain_NotIncluded(${hash}, 1, 1)`,
      );
      await refused(
        changed(() => ({ proof: { ...proof, siblings: [] } })),
        `RootChain_NotIncluded(${hash}, 1, 0)`,
      );
      for (const number of [0n, 2n]) {
        const wrong = changed(() => ({ proof: { ...proof, header: { ...header, number } } }));
        await refused(wrong, `RootChain_UnknownBlock(${number}, ${header.transactionsRoot})`);
      }
      const forgery = { ...transaction, outputs: [to(game.alice, 9000n)] };
      const wrong = changed(() => ({ transaction: forgery }));
      await refused(wrong, `RootChain_NotIncluded(${game.hash(forgery)}, 1, 0)`);
    });
  });

  describe("given a deposit as an input", () => {
    let deposit: PlainDeposit;
    let payment: PlainTransaction;
    beforeEach(async () => {
      deposit = await game.deposit(game.alice, 1000n);
      payment = game.transfer([game.depositOutputId(deposit)], [to(game.bob, 1000n)]);
    });
    const start = async (exit = NO_EXIT, made = deposit): Promise<Flight> =>
      await flights.start(game.bob, payment, [fromDeposit(made, exit)], [game.alice]);

    it("as its owner left it: it starts with what the deposit is", async () => {
      expect((await start()).inputs).to.deep.equal([to(game.alice, 1000n)]);
    });

    it("not one that nobody made, nor without its data", async () => {
      const lie = { ...deposit, amount: 5000n };
      const lies = game.transfer([game.depositOutputId(lie)], [to(game.bob, 5000n)]);
      const forged = flights.start(game.bob, lies, [fromDeposit(lie)], [game.alice]);
      await refused(forged, `RootChain_UnknownDeposit(${deposit.id})`);
      await refused(start(NO_EXIT, lie), `RootChain_UnknownInput(${payment.inputs[0]})`);
    });

    // What the slot of a deposit's output holds while a standard exit stands in it, and after.
    const states: Record<string, () => Promise<[typeof NO_EXIT, boolean]>> = {
      "that is exiting": async () => [(await game.startDepositExit(game.alice, deposit)).exit, true],
      "that was paid": async () => {
        const exit = await game.startDepositExit(game.alice, deposit);
        await game.passTo(exit.exitableAt);
        await game.process(ETHER, [exit]);
        return [exit.exit, true];
      },
      "whose exit was challenged": async () => {
        const exit = await game.startDepositExit(game.alice, deposit);
        await game.challenge(game.carol, exit, payment, game.sign(game.alice, payment));
        return [exit.exit, false];
      },
      "that another exit blocked while it was exiting": async () => {
        const exit = await block(async () => (await game.startDepositExit(game.alice, deposit)).exit);
        expect(await game.rootChain.finalizedBy(payment.inputs[0]!)).to.equal(1n);
        return [exit, true];
      },
      "that another exit blocked": async () => {
        await block(async () => NO_EXIT);
        expect(await game.rootChain.finalizedBy(payment.inputs[0]!)).to.equal(1n);
        return [NO_EXIT, false];
      },
    };
    /** An in-flight exit of another payment of the deposit ends canonical, and meanwhile something else goes on. */
    const block = async <T>(meanwhile: () => Promise<T>): Promise<T> => {
      const other = game.transfer(payment.inputs, [to(game.carol, 1000n)]);
      const flight = await flights.start(game.carol, other, [fromDeposit(deposit)], [game.alice]);
      await flights.piggyback(game.carol, flight, OUTPUT);
      await game.passTo(flight.exitableAt);
      const result = await meanwhile();
      await game.as(game.stranger).processExits(ETHER, [flight.data]);
      return result;
    };
    for (const [state, reach] of Object.entries(states)) {
      it(`${state}: with its exit's data exactly when that stands in its slot`, async () => {
        const record = await game.rootChain.outputRecord(payment.inputs[0]!);
        const [exit, stands] = await reach();
        const unknown = `RootChain_UnknownDeposit(${deposit.id})`;
        if (stands) {
          await refused(start(), unknown);
          await refused(start({ ...exit, depositRecord: exit.depositRecord + 1n }), unknown);
          await refused(start({ ...exit, number: exit.number + 1n }), unknown);
        }
        const flight = await start(exit);
        const age = (record >> 64n) << 23n;
        expect((flight.priority >> 41n) % 2n ** 53n).to.equal(age);
      });
    }

    it("beside payments' outputs, in any order of both kinds", async () => {
      const [ethers, tokens] = swap.funds as [Funds, Funds];
      const inputs = [ethers.id, payment.inputs[0]!, tokens.id];
      const mixed = game.transfer(inputs, [to(game.bob, 2000n), to(game.carol, 500n, swap.token)]);
      const { alice, bob } = game;
      const all = [ethers.source, fromDeposit(deposit), tokens.source];
      const flight = await flights.start(game.carol, mixed, all, [alice, alice, bob]);
      expect(flight.inputs.map(({ amount }) => amount)).to.deep.equal([1000n, 1000n, 500n]);
      const turned = { ...mixed, inputs: [inputs[1]!, inputs[2]!, inputs[0]!] };
      const again = await flights.start(game.carol, turned, [all[1]!, all[2]!, all[0]!], [alice, bob, alice]);
      expect(again.inputs.map(({ token }) => token)).to.deep.equal([ETHER, swap.token, ETHER]);
    });
  });

  describe("given owners and amounts", () => {
    it("not nobody and not nothing, in an output or in what an invalid block made", async () => {
      const outputs = swap.payment.outputs;
      for (const index of outputs.keys()) {
        const nobody = outputs.with(index, { ...outputs[index]!, owner: ZeroAddress });
        await refused(startWith({ outputs: nobody }), "RootChain_ZeroAddress()");
        await refused(startWith({ outputs: [...outputs, to(game.bob, 0n)] }), "RootChain_ZeroAmount()");
      }
      const bad = await flights.forged([{ owner: ZeroAddress, token: ETHER, amount: 5n }, to(game.alice, 0n)]);
      for (const [index, error] of ["RootChain_ZeroAddress()", "RootChain_ZeroAmount()"].entries()) {
        const payment = game.transfer([bad[index]!.id], [to(game.bob, 5n)]);
        await refused(flights.start(game.bob, payment, [bad[index]!.source], [game.alice]), error);
      }
    });

    it("each input signed for by its own owner, in the inputs' order", async () => {
      const { payment, funds } = swap;
      const { alice, bob, carol } = game;
      const start = async (signers: (typeof alice)[]): Promise<Flight> =>
        await flights.start(carol, payment, sourcesOf(funds), signers);
      const wrong = (signer: string, owner: string): string => `RootChain_WrongSigner(${signer}, ${owner})`;
      await refused(start([carol, bob]), wrong(carol.address, alice.address));
      await refused(start([alice, carol]), wrong(carol.address, bob.address));
      await refused(start([bob, alice]), wrong(bob.address, alice.address));
      const good = [alice, bob].map((signer) => game.sign(signer, payment));
      for (const bytes of ["0x", good[1]!.slice(0, -2), `${good[1]!}00`, `0x${"00".repeat(65)}`]) {
        const bad = flights.start(carol, payment, sourcesOf(funds), [], { signatures: [good[0]!, bytes] });
        await refused(bad, wrong(ZeroAddress, bob.address));
      }
    });
  });

  describe("given sums", () => {
    const A = ZeroAddress;
    const B = "0x0000000000000000000000000000000000000bBB";
    type Side = [token: string, amount: bigint][];
    const rows: [title: string, inputs: Side, outputs: Side, unbalanced: string | null][] = [
      ["one token, one wei too much", [[A, 10n]], [[A, 11n]], A],
      ["one token, one wei too little", [[A, 10n]], [[A, 9n]], A],
      ["one token, several of each", [[A, 10n], [A, 5n]], [[A, 1n], [A, 14n]], null], // prettier-ignore
      ["two tokens, each equal", [[A, 10n], [B, 5n]], [[B, 2n], [A, 10n], [B, 3n]], null], // prettier-ignore
      ["two tokens with their amounts exchanged", [[A, 10n], [B, 5n]], [[A, 5n], [B, 10n]], A], // prettier-ignore
      ["two tokens, the second not equal", [[A, 10n], [B, 5n]], [[A, 10n], [B, 6n]], B], // prettier-ignore
      ["a token in the inputs only", [[A, 10n], [B, 5n]], [[A, 10n]], B], // prettier-ignore
      ["a token in the outputs only", [[A, 10n]], [[A, 10n], [B, 5n]], B], // prettier-ignore
      ["another token altogether", [[B, 10n]], [[A, 10n]], B],
      ["the largest amount", [[A, MAX]], [[A, 1n], [A, MAX - 1n]], null], // prettier-ignore
      ["inputs whose sum is above 2^256 by as much as is taken", [[A, MAX], [A, 11n]], [[A, 10n]], A], // prettier-ignore
      ["outputs whose sum is above 2^256 by as much as is brought", [[A, 10n]], [[A, MAX], [A, 11n]], A], // prettier-ignore
      ["inputs of a second token above 2^256", [[A, 1n], [B, MAX], [B, 2n]], [[A, 1n], [B, 1n]], B], // prettier-ignore
      ["outputs of a second token above 2^256", [[A, 1n], [B, 1n]], [[A, 1n], [B, MAX], [B, 2n]], B], // prettier-ignore
      ["both above 2^256, by the same", [[A, MAX], [A, 3n]], [[A, 3n], [A, MAX]], A], // prettier-ignore
    ];
    for (const [title, inputs, outputs, unbalanced] of rows) {
      it(`${title}: ${unbalanced === null ? "starts" : "not"}`, async () => {
        // Only an invalid block makes as much as some of these.
        const funds = await flights.forged(inputs.map(([token, amount]) => to(game.alice, amount, token)));
        const payment = game.transfer(
          funds.map(({ id }) => id),
          outputs.map(([token, amount]) => to(game.bob, amount, token)),
        );
        const signers = funds.map(() => game.alice);
        const start = flights.start(game.bob, payment, sourcesOf(funds), signers);
        await refused(start, unbalanced === null ? "nothing" : `RootChain_Unbalanced(${unbalanced})`);
      });
    }
  });

  describe("given the ages of its inputs", () => {
    /** Time, block and place of an exit of these, all Alice's ether. */
    const keyOf = async (sources: Source[], ids: string[], sum: bigint): Promise<bigint[]> => {
      const payment = game.transfer(ids, [to(game.bob, sum)]);
      const signers = ids.map(() => game.alice);
      const { priority, exitableAt } = await flights.start(game.bob, payment, sources, signers);
      return [exitableAt, (priority >> 64n) % 2n ** 30n, (priority >> 41n) % 2n ** 23n];
    };

    it("it counts as its youngest one: in whatever order, and whatever kind", async () => {
      const old = swap.funds[0]!;
      await game.pass(1000);
      const waiting = await game.deposit(game.alice, 10n);
      const depositTime = BigInt(await game.now());
      const [filler, young] = (await flights.funds(
        { owner: game.bob, amount: 1n },
        { owner: game.alice, amount: 20n },
      )) as [Funds, Funds];
      expect(filler.source.proof.index).to.equal(0);
      const late = await game.deposit(game.alice, 30n);
      const lateTime = BigInt(await game.now());
      const first = [old.source.proof.header.timestamp + 2n * EXIT_PERIOD, 1n, 1n];
      // The deposit before block 2 is older than all of block 2, younger than all of block 1.
      const second = [depositTime + 2n * EXIT_PERIOD, 2n, 0n];
      const third = [young.source.proof.header.timestamp + 2n * EXIT_PERIOD, 2n, 2n];
      const fourth = [lateTime + 2n * EXIT_PERIOD, 3n, 0n];
      const waitingId = game.depositOutputId(waiting);
      const lateId = game.depositOutputId(late);
      expect(await keyOf([old.source], [old.id], 1000n)).to.deep.equal(first);
      expect(await keyOf([old.source, fromDeposit(waiting)], [old.id, waitingId], 1010n)).to.deep.equal(second);
      expect(await keyOf([fromDeposit(waiting), old.source], [waitingId, old.id], 1010n)).to.deep.equal(second);
      const three = [fromDeposit(waiting), young.source, old.source];
      expect(await keyOf(three, [waitingId, young.id, old.id], 1030n)).to.deep.equal(third);
      const both = [fromDeposit(late), young.source];
      expect(await keyOf(both, [lateId, young.id], 50n)).to.deep.equal(fourth);
    });

    it("of deposits before the same block the later one's time counts, in whatever order", async () => {
      const deposits = [await game.deposit(game.alice, 10n)];
      await game.pass(1000);
      deposits.push(await game.deposit(game.alice, 20n));
      const key = [BigInt(await game.now()) + 2n * EXIT_PERIOD, 2n, 0n];
      for (const made of [deposits, deposits.toReversed()]) {
        const ids = made.map((deposit) => game.depositOutputId(deposit));
        const sources = made.map((deposit) => fromDeposit(deposit));
        expect(await keyOf(sources, ids, 30n)).to.deep.equal(key);
      }
    });

    it("it can be paid at max(now + W, the youngest one's time + 2W), to the second", async () => {
      const { timestamp } = swap.funds[0]!.source.proof.header;
      for (const [after, waits] of [
        [EXIT_PERIOD - 1n, EXIT_PERIOD + 1n],
        [EXIT_PERIOD, EXIT_PERIOD],
        [EXIT_PERIOD + 1n, EXIT_PERIOD],
      ] as const) {
        await flights.at(timestamp + after);
        const flight = await startWith({ fileHash: toBeHex(after, 32) });
        expect(flight.startedAt).to.equal(timestamp + after);
        expect(flight.exitableAt - flight.startedAt).to.equal(waits);
      }
    });
  });
});
