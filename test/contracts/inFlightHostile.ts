import { expect } from "chai";
import { id as hashOf, type HDNodeWallet, type ParamType } from "ethers";
import {
  BOUNTY,
  CHALLENGE_BOND,
  ETHER,
  IN_FLIGHT_BOND,
  PIGGYBACK_BOND,
  WEEK,
  type Game,
  type PlainTransaction,
} from "../helpers/game.ts";
import { Flights, OUTPUT, to, type Amount, type Flight, type Funds } from "../helpers/inFlight.ts";

type Changes = Partial<Record<Amount, bigint>>;
type Name = "alice" | "bob" | "carol" | "operator";
/** What makes a push of ether fail. A long answer does not: it is not read. */
const MOODS = { Reverts: 1, BurnsGas: 2 };
const LONG_ANSWER = 3;
const TOKEN_MOODS = { ReturnsFalse: 1, Reverts: 2, BurnsGas: 3, LongAnswer: 4, ShortAnswer: 5, RevertsWithTrue: 7 };
const REENTERED = hashOf("ReentrancyGuardReentrantCall()").slice(0, 10);
const FIRST = PIGGYBACK_BOND - BOUNTY;

// Code stands at a receiver's address, as delegation (EIP-7702) allows.
describe("RootChain: hostile receivers and tokens in an in-flight exit (INV-7)", () => {
  let flights: Flights;
  let game: Game;
  /** Alice's ether. */
  let funds: Funds;
  let flight: Flight;
  let payment: PlainTransaction;
  let competitor: PlainTransaction;
  /** Alice pays 700 of her 1000 ether to Bob; Carol starts the exit. */
  beforeEach(async () => {
    flights = await Flights.fresh();
    ({ game } = flights);
    [funds] = (await flights.funds({ owner: game.alice, amount: 1000n })) as [Funds];
    payment = game.transfer([funds.id], [to(game.bob, 700n), to(game.alice, 300n)]);
    competitor = game.transfer([funds.id], [to(game.alice, 1000n)]);
    flight = await flights.start(game.carol, payment, [funds.source], [game.alice]);
  });

  const putCode = async ({ address }: HDNodeWallet): Promise<any> => {
    const { ethers, networkHelpers } = game.connection;
    const receiver = await ethers.deployContract("HostileReceiver");
    await networkHelpers.setCode(address, await ethers.provider.getCode(await receiver.getAddress()));
    return (await ethers.getContractAt("HostileReceiver", address)) as any;
  };
  /** The receiver's own call of the root chain: an account with code sends no transactions. */
  const callsFrom = async (there: any, name: string, args: unknown[]): Promise<any> =>
    await there
      .connect(game.stranger)
      .execute(game.address, game.rootChain.interface.encodeFunctionData(name as "claim", args as any), {
        gasLimit: 5_000_000n,
      });
  const piggybackOutputs = async (): Promise<void> => {
    await flights.piggyback(game.bob, flight, OUTPUT);
    await flights.piggyback(game.alice, flight, OUTPUT + 1);
  };
  const challenged = async (): Promise<void> => {
    await flights.piggyback(game.alice, flight, 0);
    await flights.challenge(game.operator, flight, competitor, game.alice);
  };
  const own = async () => (await game.commit([payment]))[0]!;

  /** A payment of ether by the contract, the only one to that party in its call. */
  interface Payment {
    to: Name;
    amount: bigint;
    /** What else the call changes. */
    others: Changes;
    arrange(): Promise<unknown>;
    call(there: any): Promise<unknown>;
  }
  const processing = async (): Promise<unknown> => await flights.process(ETHER, flight);
  const closing = async (): Promise<unknown> =>
    await game.as(game.stranger).closeInFlightExit(flight.data, { gasLimit: 1_000_000n });
  const due = async (): Promise<void> => await game.passTo(flight.exitableAt);
  const kept = (bonds: bigint, held = 0n): Changes => ({ bonds: -bonds, held: -held });
  const canonical: Changes = { ...kept(IN_FLIGHT_BOND + 2n * PIGGYBACK_BOND, 1000n), stranger: BOUNTY };
  const alices = 300n + PIGGYBACK_BOND;
  const bobs = 700n + FIRST;
  const notCanonical: Changes = {
    ...kept(IN_FLIGHT_BOND + CHALLENGE_BOND + PIGGYBACK_BOND, 1000n),
    stranger: BOUNTY,
  };
  const both = async (): Promise<void> => {
    await piggybackOutputs();
    await due();
  };
  const standing = async (): Promise<void> => {
    await challenged();
    await due();
  };
  const challengersBonds = IN_FLIGHT_BOND + CHALLENGE_BOND;
  const payments: Record<string, Payment> = {
    "an output's first": {
      ...{ to: "bob", amount: bobs, arrange: both, call: processing },
      others: { ...canonical, alice: alices, carol: IN_FLIGHT_BOND },
    },
    "an output's last": {
      ...{ to: "alice", amount: alices, arrange: both, call: processing },
      others: { ...canonical, bob: bobs, carol: IN_FLIGHT_BOND },
    },
    "the starter's bond": {
      ...{ to: "carol", amount: IN_FLIGHT_BOND, arrange: both, call: processing },
      others: { ...canonical, bob: bobs, alice: alices },
    },
    "an input": {
      ...{ to: "alice", amount: 1000n + FIRST, arrange: standing, call: processing },
      others: { ...notCanonical, operator: challengersBonds },
    },
    "the challenger's bonds": {
      ...{ to: "operator", amount: challengersBonds, arrange: standing, call: processing },
      others: { ...notCanonical, alice: 1000n + FIRST },
    },
    "a losing piggyback's bond": {
      to: "alice",
      amount: PIGGYBACK_BOND,
      others: {
        ...kept(IN_FLIGHT_BOND + 2n * PIGGYBACK_BOND, 700n),
        ...{ bob: bobs, carol: IN_FLIGHT_BOND, stranger: BOUNTY },
      },
      arrange: async () => {
        await flights.piggyback(game.bob, flight, OUTPUT);
        await flights.piggyback(game.alice, flight, 0);
        await due();
      },
      call: processing,
    },
    "a sponsor's bond": {
      to: "operator",
      amount: FIRST,
      others: { ...kept(IN_FLIGHT_BOND + PIGGYBACK_BOND, 700n), bob: 700n, carol: IN_FLIGHT_BOND, stranger: BOUNTY },
      arrange: async () => {
        const id = game.outputId(payment);
        const authorization = flights.authorize(game.bob, id, 0n, game.operator.address, 2n ** 33n);
        const requests = [{ index: OUTPUT, authorization }];
        await game.as(game.carol).piggybacks(flight.data, requests, { value: PIGGYBACK_BOND });
        await due();
      },
      call: processing,
    },
    "the starter's bond at closing": {
      ...{ to: "carol", amount: IN_FLIGHT_BOND, others: kept(IN_FLIGHT_BOND) },
      arrange: async () => await game.pass(WEEK),
      call: closing,
    },
    "the challenger's bonds at closing": {
      ...{ to: "operator", amount: challengersBonds, others: kept(challengersBonds) },
      arrange: async () => {
        await flights.challenge(game.operator, flight, competitor, game.alice);
        await game.pass(WEEK);
      },
      call: closing,
    },
    "the answer's bond": {
      ...{ to: "bob", amount: CHALLENGE_BOND, others: kept(CHALLENGE_BOND) },
      arrange: async () => await flights.challenge(game.operator, flight, competitor, game.alice),
      call: async (there) => await callsFrom(there, "respondCanonical", [flight.hash, 1, await own()]),
    },
    "the bond of an input's piggyback, to a challenger": {
      ...{ to: "bob", amount: FIRST, others: kept(FIRST) },
      arrange: async () => await flights.piggyback(game.alice, flight, 0),
      call: async (there) => {
        const signature = game.sign(game.alice, competitor);
        return await callsFrom(there, "challengeInputSpent", [flight.data, 0, competitor, 0, signature]);
      },
    },
    "the bond of an output's piggyback, to a challenger": {
      ...{ to: "carol", amount: FIRST, others: kept(FIRST) },
      arrange: async () => await flights.piggyback(game.bob, flight, OUTPUT),
      call: async (there) => {
        const spend = game.transfer([game.outputId(payment)], [to(game.carol, 700n)]);
        const signature = game.sign(game.bob, spend);
        const args = [flight.data, 0, await own(), spend, 0, signature];
        return await callsFrom(there, "challengeOutputSpent", args);
      },
    },
    "the bounty": {
      ...{ to: "operator", amount: BOUNTY },
      others: { ...canonical, stranger: 0n, bob: bobs, alice: alices, carol: IN_FLIGHT_BOND },
      arrange: both,
      call: async (there) => await callsFrom(there, "processExits", [ETHER, [flight.data]]),
    },
  };

  for (const [what, paid] of Object.entries(payments)) {
    it(`${what}: credited to a receiver that cannot be paid, and everyone else is paid as otherwise`, async () => {
      await paid.arrange();
      const there = await putCode(game[paid.to]);
      const snapshot = await game.connection.networkHelpers.takeSnapshot();
      for (const mood of Object.values(MOODS)) {
        await there.setMood(mood);
        const credit = { [`${paid.to}Credit`]: paid.amount };
        await flights.expectChanges(async () => await paid.call(there), { ...paid.others, ...credit });
        await snapshot.restore();
      }
      await there.setMood(LONG_ANSWER);
      await flights.expectChanges(async () => await paid.call(there), { ...paid.others, [paid.to]: paid.amount });
      await snapshot.restore();
    });

    it(`${what}: a receiver enters no function of the contract again`, async () => {
      await paid.arrange();
      const there = await putCode(game[paid.to]);
      const snapshot = await game.connection.networkHelpers.takeSnapshot();
      for (const call of guardedCalls()) {
        await there.setCall(game.address, call);
        const before = await game.balance(game[paid.to].address);
        await paid.call(there);
        expect(await game.balance(game[paid.to].address)).to.equal(before + paid.amount);
        expect([await there.callSucceeded(), await there.callAnswer()], call).to.deep.equal([false, REENTERED]);
        await snapshot.restore();
      }
    });
  }

  /** A call of each function that changes something, but for those of the operator, who needs no guard. */
  const guardedCalls = (): string[] => {
    const calls: string[] = [];
    const abi = game.rootChain.interface;
    abi.forEachFunction((fragment) => {
      if (fragment.stateMutability === "view" || /Operator$|^commitBlock$/.test(fragment.name)) return;
      calls.push(abi.encodeFunctionData(fragment.name as "claim", fragment.inputs.map(zero) as [string, string]));
    });
    expect(calls).to.have.length(18);
    return calls;
  };
  const zero = (type: ParamType): unknown => {
    if (type.isArray()) return [];
    if (type.isTuple()) return type.components.map(zero);
    if (type.type === "bytes") return "0x";
    if (type.type === "address") return ETHER;
    return type.type === "bytes32" ? `0x${"00".repeat(32)}` : 0;
  };

  describe("tokens", () => {
    let token: any;
    let address: string;
    /** Bob's two outputs of the token, or Alice's input, and an exit of ether beside it. */
    const arrange = async (name: string): Promise<void> => {
      token = (await game.connection.ethers.deployContract(name)) as any;
      address = await token.getAddress();
      const [made] = (await flights.funds({ owner: game.alice, amount: 500n, token: address })) as [Funds];
      const { alice, bob, carol } = game;
      const toBob = game.transfer([made.id], [to(bob, 200n, address), to(carol, 300n, address)]);
      flight = await flights.start(carol, toBob, [made.source], [alice]);
      await flights.piggyback(alice, flight, 0);
      await flights.piggyback(bob, flight, OUTPUT);
      await flights.piggyback(carol, flight, OUTPUT + 1);
      competitor = game.transfer([made.id], [to(alice, 500n, address)]);
    };
    const bonds: Changes = {
      alice: FIRST,
      bob: PIGGYBACK_BOND,
      carol: PIGGYBACK_BOND + IN_FLIGHT_BOND,
      stranger: BOUNTY,
      bonds: -IN_FLIGHT_BOND - 3n * PIGGYBACK_BOND,
    };
    const expectTokens = async (owed: Partial<Record<Name, bigint>>, paid: boolean): Promise<void> => {
      for (const name of ["alice", "bob", "carol", "operator"] as const) {
        const amount = owed[name] ?? 0n;
        const account = game[name].address;
        expect(await game.rootChain.claimable(address, account), name).to.equal(paid ? 0n : amount);
        expect(await game.balance(account, address), name).to.equal(paid ? amount : 0n);
      }
      expect(await game.rootChain.held(address)).to.equal(0n);
      expect(await flights.slot(flight)).to.equal(0n);
    };

    for (const [mood, number] of Object.entries(TOKEN_MOODS)) {
      it(`one that ${mood}: each output is credited, the bonds in ether are paid`, async () => {
        await arrange("MoodyToken");
        await due();
        await token.setMood(number);
        await flights.expectChanges(async () => await flights.process(address, flight), bonds);
        await expectTokens({ bob: 200n, carol: 300n }, false);
        await token.setMood(0);
        for (const owner of [game.bob, game.carol]) await game.as(owner).claim(address, owner.address);
        await expectTokens({ bob: 200n, carol: 300n }, true);
      });
    }

    it("one that reverts when inputs are paid: each is credited", async () => {
      await arrange("MoodyToken");
      await flights.challenge(game.operator, flight, competitor, game.alice);
      await due();
      await token.setMood(TOKEN_MOODS.Reverts);
      await flights.expectChanges(async () => await flights.process(address, flight), {
        ...bonds,
        carol: PIGGYBACK_BOND,
        operator: challengersBonds,
        bonds: -challengersBonds - 3n * PIGGYBACK_BOND,
      });
      await expectTokens({ alice: 500n }, false);
    });

    it("one that returns nothing is paid", async () => {
      await arrange("SilentToken");
      await due();
      await flights.expectChanges(async () => await flights.process(address, flight), bonds);
      await expectTokens({ bob: 200n, carol: 300n }, true);
    });

    it("one that has one of the owners on its black list: the other is paid", async () => {
      await arrange("BlackListToken");
      await token.setListed(game.bob.address, true);
      await due();
      await flights.expectChanges(async () => await flights.process(address, flight), bonds);
      expect(await game.rootChain.claimable(address, game.bob.address)).to.equal(200n);
      expect(await game.balance(game.carol.address, address)).to.equal(300n);
    });

    it("one that lost a part of what it was given: what cannot be sent is credited", async () => {
      await arrange("VanishingToken");
      await token.vanish(game.address, 250n);
      await due();
      await flights.expectChanges(async () => await flights.process(address, flight), bonds);
      // 200 of the 250 left go to Bob.
      expect(await game.balance(game.bob.address, address)).to.equal(200n);
      expect(await game.rootChain.claimable(address, game.carol.address)).to.equal(300n);
    });

    it("one whose code is gone: credited, not believed", async () => {
      await arrange("TestToken");
      await due();
      await game.connection.networkHelpers.setCode(address, "0x");
      await flights.expectChanges(async () => await flights.process(address, flight), bonds);
      expect(await game.rootChain.claimable(address, game.carol.address)).to.equal(300n);
    });

    it("one that enters no function again while it pays, nor while it is deposited", async () => {
      await arrange("MoodyToken");
      await due();
      const snapshot = await game.connection.networkHelpers.takeSnapshot();
      for (const call of guardedCalls()) {
        await token.setCall(game.address, call);
        await flights.process(address, flight);
        expect([await token.callSucceeded(), await token.callAnswer()], call).to.deep.equal([false, REENTERED]);
        await expectTokens({ bob: 200n, carol: 300n }, true);
        await snapshot.restore();
        await token.setCall(game.address, call);
        await game.deposit(game.operator, 5n, address);
        expect([await token.callSucceeded(), await token.callAnswer()], call).to.deep.equal([false, REENTERED]);
        await snapshot.restore();
      }
    });
  });
});
