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
  type Started,
} from "../helpers/game.ts";
import {
  Flights,
  fromPayment,
  NO_PROOF,
  OUTPUT,
  to,
  type Amount,
  type Authorization,
  type Flight,
  type Funds,
  type Swap,
} from "../helpers/inFlight.ts";

type Changes = Partial<Record<Amount, bigint>>;
/** A step, and all that it changes: what each has, what is held and credited, and the bonds and bounties kept. */
type Step = [action: () => Promise<unknown>, changes: Changes];
type Rows = Record<string, () => Step[]>;

/** A bond less the bounty it bears. */
const BOND_BACK = BOND - BOUNTY;
const FIRST_BACK = PIGGYBACK_BOND - BOUNTY;

// Every bond in every end of what it was given for. After each step each party's balance, the credits and what the
// contract holds changed by exactly what the step says, so what the contract has beyond is bonds and waiting bounties;
// at the end of each row none is left.
describe("RootChain: bonds to the wei (INV-6)", () => {
  let flights: Flights;
  let game: Game;
  let swap: Swap;
  let exit: Started;
  let flight: Flight;
  beforeEach(async () => {
    flights = await Flights.fresh();
    ({ game } = flights);
    swap = await flights.swap();
    // Enough to pay twice what must be paid once.
    await game.deposit(game.operator, 3000n);
  });

  const table = (title: string, rows: Rows): void => {
    describe(title, () => {
      for (const [name, steps] of Object.entries(rows)) {
        it(name, async () => {
          for (const [action, changes] of steps()) await flights.expectChanges(action, changes);
          let kept = await game.rootChain.held(ETHER);
          for (const { address } of [game.operator, game.alice, game.bob, game.carol, game.stranger]) {
            kept += await game.rootChain.claimable(ETHER, address);
          }
          expect(await game.balance(game.address), "bonds left").to.equal(kept);
        });
      }
    });
  };

  // ------------------------------------------------------------------------------------------------------- steps

  const waits = (until: () => bigint): Step => [async () => await game.passTo(until()), {}];
  const passes = (seconds: number): Step => [async () => await game.pass(seconds), {}];
  const alices = (): Funds => swap.funds[0]!;
  /** Alice spends her ether once more. */
  const competitor = (): PlainTransaction => game.transfer([alices().id], [to(game.alice, 1000n)]);

  /** Alice's ether, by a standard exit. */
  const starts = (): Step => [
    async () => (exit = await game.startExit(game.alice, alices().source.transaction, alices().source.proof)),
    { alice: -BOND, bonds: BOND },
  ];
  const challenges = (by: "alice" | "carol"): Step => [
    async () => await game.challenge(game[by], exit, swap.payment, game.sign(game.alice, swap.payment)),
    { [by]: BOND_BACK, bonds: -BOND_BACK },
  ];
  const processes = (token: () => string, what: () => (Started | Flight)[], changes: Changes): Step => [
    async () => await flights.process(token(), ...what()),
    changes,
  ];
  const ether = (): string => ETHER;
  const takenOut: Step = processes(ether, () => [], { stranger: BOUNTY, bonds: -BOUNTY });

  /** The swap, by Carol. */
  const flies = (): Step => [
    async () => (flight = await flights.startSwap(swap)),
    { carol: -IN_FLIGHT_BOND, bonds: IN_FLIGHT_BOND },
  ];
  const piggybacks = (by: "alice" | "bob", index: number, of = () => flight): Step => [
    async () => await flights.piggyback(game[by], of(), index),
    { [by]: -PIGGYBACK_BOND, bonds: PIGGYBACK_BOND },
  ];
  /** The operator pays the bond of a piggyback, with the owner's authorization. */
  const sponsors = (owner: "alice" | "bob", index: number, id: () => string): Step => [
    async () => {
      const authorization = flights.authorize(game[owner], id(), 0n, game.operator.address, 2n ** 33n);
      const { operator } = game;
      const requests = [{ index, authorization }];
      await game.mined(game.as(operator).piggybacks(flight.data, requests, { value: PIGGYBACK_BOND }));
    },
    { operator: -PIGGYBACK_BOND, bonds: PIGGYBACK_BOND },
  ];
  const cancelsInput = (index: number, owner: "alice" | "bob", bond: bigint): Step => [
    async () => {
      const { id, output } = swap.funds[index]!;
      const spend = game.transfer([id], [to(game[owner], output.amount, output.token)]);
      await flights.inputSpent(game.stranger, flight, index, spend, game[owner]);
    },
    { stranger: bond, bonds: -bond },
  ];
  const disputes = (by: "operator" | "bob" | "carol", changes: Changes = {}, included = false): Step => [
    async () => {
      const proof = included ? (await game.commit([competitor()]))[0]! : NO_PROOF;
      await flights.challenge(game[by], flight, competitor(), game.alice, { proof });
    },
    { [by]: -CHALLENGE_BOND, bonds: CHALLENGE_BOND, ...changes },
  ];
  const answers = (by: "bob" | "carol" | "operator"): Step => [
    async () => {
      const [own] = await game.commit([swap.payment]);
      await flights.respond(game[by], flight, own!);
    },
    { [by]: CHALLENGE_BOND, bonds: -CHALLENGE_BOND },
  ];
  const due = (): Step => waits(() => flight.exitableAt);
  const afterPeriod = (): Step => waits(() => flight.startedAt + BigInt(WEEK));
  const closes = (changes: Changes): Step => [async () => await flights.close(game.stranger, flight), changes];
  const inEther = (changes: Changes): Step => processes(ether, () => [flight], { stranger: BOUNTY, ...changes });
  const inToken = (changes: Changes): Step =>
    processes(
      () => swap.token,
      () => [flight],
      { stranger: BOUNTY, ...changes },
    );

  // -------------------------------------------------------------------------------------------------------- rows

  table("of a standard exit", {
    "paid: back to its owner but for the bounty": () => [
      starts(),
      waits(() => exit.exitableAt),
      processes(ether, () => [exit], { alice: 1000n + BOND_BACK, held: -1000n, stranger: BOUNTY, bonds: -BOND }),
    ],
    "challenged: to the challenger but for the bounty, which waits": () => [starts(), challenges("carol"), takenOut],
    "challenged by its owner: the bounty is lost": () => [starts(), challenges("alice"), takenOut],
    "challenged, started again, challenged again: each time": () => [
      starts(),
      challenges("carol"),
      starts(),
      challenges("carol"),
      processes(ether, () => [], { stranger: 2n * BOUNTY, bonds: -2n * BOUNTY }),
    ],
    "more than is held: back, nothing paid": () => [
      [
        async () => {
          const [forged] = (await flights.forged([to(game.alice, 5000n)])) as [Funds];
          exit = await game.startExit(game.alice, forged.source.transaction, forged.source.proof);
        },
        { alice: -BOND, bonds: BOND },
      ],
      waits(() => exit.exitableAt),
      processes(ether, () => [exit], { alice: BOND_BACK, stranger: BOUNTY, bonds: -BOND }),
    ],
    "of an output that an in-flight exit finalized: back, nothing paid": () => [
      flies(),
      piggybacks("bob", OUTPUT),
      passes(WEEK + 100),
      starts(),
      due(),
      inEther({ bob: 700n + FIRST_BACK, carol: IN_FLIGHT_BOND, held: -700n, bonds: -IN_FLIGHT_BOND - PIGGYBACK_BOND }),
      waits(() => exit.exitableAt),
      processes(ether, () => [exit], { alice: BOND_BACK, stranger: BOUNTY, bonds: -BOND }),
    ],
    "started with the owner's authorization: back to whom that names": () => [
      [async () => (exit = await startFor()), { carol: -BOND, bonds: BOND }],
      waits(() => exit.exitableAt),
      processes(ether, () => [exit], {
        alice: 1000n,
        operator: BOND_BACK,
        held: -1000n,
        stranger: BOUNTY,
        bonds: -BOND,
      }),
    ],
    "started with the owner's authorization and challenged: lost": () => [
      [async () => (exit = await startFor()), { carol: -BOND, bonds: BOND }],
      challenges("carol"),
      takenOut,
    ],
  });
  const startFor = async (): Promise<Started> => {
    const { operator, carol, alice } = game;
    const { id, source } = alices();
    const authorization: Authorization = flights.authorize(
      alice,
      id,
      source.proof.header.number,
      operator.address,
      2n ** 33n,
    );
    return await game.started(game.as(carol).startStandardExits([{ output: source, authorization }], { value: BOND }));
  };

  const bobsPaid: Changes = { bob: 700n + FIRST_BACK, held: -700n };
  table("of an in-flight exit", {
    "canonical: back to who started it": () => [
      flies(),
      piggybacks("bob", OUTPUT),
      due(),
      inEther({ ...bobsPaid, carol: IN_FLIGHT_BOND, bonds: -IN_FLIGHT_BOND - PIGGYBACK_BOND }),
    ],
    "canonical, of two queues: at the first, once": () => [
      flies(),
      piggybacks("bob", OUTPUT),
      piggybacks("alice", OUTPUT + 1),
      due(),
      inToken({
        aliceToken: 500n,
        heldToken: -500n,
        alice: FIRST_BACK,
        carol: IN_FLIGHT_BOND,
        bonds: -IN_FLIGHT_BOND - PIGGYBACK_BOND,
      }),
      inEther({ ...bobsPaid, bonds: -PIGGYBACK_BOND }),
    ],
    "not canonical by a challenge: to the challenger, with its own": () => [
      flies(),
      piggybacks("bob", OUTPUT),
      disputes("operator"),
      due(),
      inEther({
        bob: FIRST_BACK,
        operator: IN_FLIGHT_BOND + CHALLENGE_BOND,
        bonds: -IN_FLIGHT_BOND - CHALLENGE_BOND - PIGGYBACK_BOND,
      }),
    ],
    "not canonical since another exit finalized an input: back": () => [
      starts(),
      passes(WEEK + 100),
      flies(),
      piggybacks("bob", OUTPUT),
      due(),
      processes(ether, () => [exit, flight], {
        alice: 1000n + BOND_BACK,
        bob: FIRST_BACK,
        carol: IN_FLIGHT_BOND,
        held: -1000n,
        stranger: 2n * BOUNTY,
        bonds: -BOND - IN_FLIGHT_BOND - PIGGYBACK_BOND,
      }),
    ],
    "not canonical by both: to the challenger": () => [
      starts(),
      passes(WEEK + 100),
      flies(),
      piggybacks("bob", OUTPUT),
      disputes("operator"),
      due(),
      processes(ether, () => [exit, flight], {
        alice: 1000n + BOND_BACK,
        bob: FIRST_BACK,
        operator: IN_FLIGHT_BOND + CHALLENGE_BOND,
        held: -1000n,
        stranger: 2n * BOUNTY,
        bonds: -BOND - IN_FLIGHT_BOND - CHALLENGE_BOND - PIGGYBACK_BOND,
      }),
    ],
    "closed: back": () => [flies(), afterPeriod(), closes({ carol: IN_FLIGHT_BOND, bonds: -IN_FLIGHT_BOND })],
    "closed with a challenge standing: to the challenger, with its own": () => [
      flies(),
      disputes("operator"),
      afterPeriod(),
      closes({ operator: IN_FLIGHT_BOND + CHALLENGE_BOND, bonds: -IN_FLIGHT_BOND - CHALLENGE_BOND }),
    ],
    "closed after an answer: back": () => [
      flies(),
      disputes("operator"),
      answers("bob"),
      afterPeriod(),
      closes({ carol: IN_FLIGHT_BOND, bonds: -IN_FLIGHT_BOND }),
    ],
    "moved aside by an older one: each its own, whichever pays": () => {
      let older: Flight;
      let first: Flight;
      return [
        [
          async () => {
            // The operator includes what made the inputs again, so that they have a younger age as well.
            const made = swap.funds.map(({ source }) => source.transaction);
            const again = await game.commit(made);
            const sources = made.map((transaction, i) => fromPayment(transaction, again[i]!));
            first = await flights.start(game.carol, swap.payment, sources, [game.alice, game.bob]);
          },
          { carol: -IN_FLIGHT_BOND, bonds: IN_FLIGHT_BOND },
        ],
        [
          async () => {
            const sources = swap.funds.map(({ source }) => source);
            const former = { former: first };
            older = await flights.start(game.operator, swap.payment, sources, [game.alice, game.bob], former);
          },
          { operator: -IN_FLIGHT_BOND, bonds: IN_FLIGHT_BOND },
        ],
        piggybacks("bob", OUTPUT, () => first),
        piggybacks("bob", OUTPUT, () => older),
        waits(() => first.exitableAt),
        processes(ether, () => [older], {
          ...bobsPaid,
          operator: IN_FLIGHT_BOND,
          stranger: BOUNTY,
          bonds: -IN_FLIGHT_BOND - PIGGYBACK_BOND,
        }),
        processes(ether, () => [first], {
          bob: FIRST_BACK,
          carol: IN_FLIGHT_BOND,
          stranger: BOUNTY,
          bonds: -IN_FLIGHT_BOND - PIGGYBACK_BOND,
        }),
      ];
    },
  });

  const carols: Changes = { carol: IN_FLIGHT_BOND };
  table("of a piggyback", {
    "paid, first of its token and not: only the first bears the bounty": () => [
      flies(),
      piggybacks("alice", OUTPUT + 2),
      piggybacks("bob", OUTPUT),
      due(),
      inEther({
        alice: 300n + FIRST_BACK,
        bob: 700n + PIGGYBACK_BOND,
        ...carols,
        held: -1000n,
        bonds: -IN_FLIGHT_BOND - 2n * PIGGYBACK_BOND,
      }),
    ],
    "on the side that lost: back": () => [
      flies(),
      piggybacks("alice", 0),
      piggybacks("bob", OUTPUT),
      due(),
      inEther({
        alice: FIRST_BACK,
        bob: 700n + PIGGYBACK_BOND,
        ...carols,
        held: -700n,
        bonds: -IN_FLIGHT_BOND - 2n * PIGGYBACK_BOND,
      }),
    ],
    "cancelled, first of its token: to the challenger but for the bounty, which waits": () => [
      flies(),
      piggybacks("alice", 0),
      cancelsInput(0, "alice", FIRST_BACK),
      piggybacks("bob", OUTPUT),
      due(),
      inEther({
        bob: 700n + PIGGYBACK_BOND,
        ...carols,
        held: -700n,
        bonds: -IN_FLIGHT_BOND - PIGGYBACK_BOND - BOUNTY,
      }),
    ],
    "cancelled, not first: all of it to the challenger": () => [
      flies(),
      piggybacks("bob", OUTPUT),
      piggybacks("alice", 0),
      cancelsInput(0, "alice", PIGGYBACK_BOND),
      due(),
      inEther({ ...bobsPaid, ...carols, bonds: -IN_FLIGHT_BOND - PIGGYBACK_BOND }),
    ],
    "cancelled, and the exit closed: the bounty waits on for the entry": () => [
      flies(),
      piggybacks("alice", 0),
      cancelsInput(0, "alice", FIRST_BACK),
      afterPeriod(),
      closes({ ...carols, bonds: -IN_FLIGHT_BOND }),
      takenOut,
    ],
    "cancelled in two tokens: a bounty each": () => [
      flies(),
      piggybacks("alice", 0),
      piggybacks("bob", 1),
      cancelsInput(0, "alice", FIRST_BACK),
      cancelsInput(1, "bob", FIRST_BACK),
      due(),
      inToken({ ...carols, bonds: -IN_FLIGHT_BOND - BOUNTY }),
      inEther({ bonds: -BOUNTY }),
    ],
    "of more than is held: back": () => [
      [
        async () => {
          const [forged] = (await flights.forged([to(game.alice, 5000n)])) as [Funds];
          const payment = game.transfer([forged.id], [to(game.bob, 5000n)]);
          flight = await flights.start(game.carol, payment, [forged.source], [game.alice]);
        },
        { carol: -IN_FLIGHT_BOND, bonds: IN_FLIGHT_BOND },
      ],
      piggybacks("bob", OUTPUT),
      due(),
      inEther({ bob: FIRST_BACK, ...carols, bonds: -IN_FLIGHT_BOND - PIGGYBACK_BOND }),
    ],
    "of an input that another exit finalized: back": () => [
      starts(),
      passes(WEEK + 100),
      flies(),
      piggybacks("alice", 0),
      due(),
      processes(ether, () => [exit, flight], {
        alice: 1000n + BOND_BACK + FIRST_BACK,
        ...carols,
        held: -1000n,
        stranger: 2n * BOUNTY,
        bonds: -BOND - IN_FLIGHT_BOND - PIGGYBACK_BOND,
      }),
    ],
    "made with an authorization, paid: back to its sponsor, the output to the owner": () => [
      flies(),
      sponsors("bob", OUTPUT, () => game.outputId(swap.payment)),
      sponsors("alice", OUTPUT + 1, () => game.outputId(swap.payment, 1)),
      due(),
      inEther({
        bob: 700n,
        operator: FIRST_BACK,
        ...carols,
        held: -700n,
        bonds: -IN_FLIGHT_BOND - PIGGYBACK_BOND,
      }),
      inToken({ aliceToken: 500n, heldToken: -500n, operator: FIRST_BACK, bonds: -PIGGYBACK_BOND }),
    ],
    "made with an authorization beside one that was not, on the side that lost: each to its own": () => [
      flies(),
      sponsors("alice", 0, () => alices().id),
      piggybacks("bob", OUTPUT),
      due(),
      inEther({
        bob: 700n + PIGGYBACK_BOND,
        operator: FIRST_BACK,
        ...carols,
        held: -700n,
        bonds: -IN_FLIGHT_BOND - 2n * PIGGYBACK_BOND,
      }),
    ],
    "made with an authorization, cancelled: its sponsor loses it": () => [
      flies(),
      sponsors("alice", 0, () => alices().id),
      cancelsInput(0, "alice", FIRST_BACK),
      due(),
      inEther({ ...carols, bonds: -IN_FLIGHT_BOND - BOUNTY }),
    ],
  });

  table("of a challenge that an exit is not canonical", {
    "standing at the end: back, with the exit's": () => [
      flies(),
      piggybacks("alice", 0),
      disputes("operator"),
      due(),
      inEther({
        alice: 1000n + FIRST_BACK,
        operator: IN_FLIGHT_BOND + CHALLENGE_BOND,
        held: -1000n,
        bonds: -IN_FLIGHT_BOND - CHALLENGE_BOND - PIGGYBACK_BOND,
      }),
    ],
    "answered: to who answers, be it who made it": () => [
      flies(),
      disputes("operator"),
      answers("operator"),
      piggybacks("bob", OUTPUT),
      due(),
      inEther({ ...bobsPaid, ...carols, bonds: -IN_FLIGHT_BOND - PIGGYBACK_BOND }),
    ],
    "replaced by an older one: credited at once, and can be claimed": () => [
      flies(),
      disputes("bob"),
      disputes("operator", { bobCredit: CHALLENGE_BOND, bonds: 0n }, true),
      [
        async () => await game.mined(game.as(game.bob).claim(ETHER, game.bob.address)),
        { bob: CHALLENGE_BOND, bobCredit: -CHALLENGE_BOND },
      ],
      afterPeriod(),
      closes({ operator: IN_FLIGHT_BOND + CHALLENGE_BOND, bonds: -IN_FLIGHT_BOND - CHALLENGE_BOND }),
    ],
    "replaced by one's own older one: credited as well": () => [
      flies(),
      disputes("bob"),
      disputes("bob", { bobCredit: CHALLENGE_BOND, bonds: 0n }, true),
      afterPeriod(),
      closes({ bob: IN_FLIGHT_BOND + CHALLENGE_BOND, bonds: -IN_FLIGHT_BOND - CHALLENGE_BOND }),
    ],
    "made by who started the exit: both bonds back": () => [
      flies(),
      disputes("carol"),
      afterPeriod(),
      closes({ carol: IN_FLIGHT_BOND + CHALLENGE_BOND, bonds: -IN_FLIGHT_BOND - CHALLENGE_BOND }),
    ],
    "after an answer by an older one: the first went to the answer, the second returns": () => {
      let older: Funds["source"]["proof"];
      return [
        flies(),
        [async () => ([older] = (await game.commit([competitor()])) as [typeof older]), {}],
        disputes("bob"),
        answers("carol"),
        [
          async () => await flights.challenge(game.operator, flight, competitor(), game.alice, { proof: older }),
          { operator: -CHALLENGE_BOND, bonds: CHALLENGE_BOND },
        ],
        afterPeriod(),
        closes({ operator: IN_FLIGHT_BOND + CHALLENGE_BOND, bonds: -IN_FLIGHT_BOND - CHALLENGE_BOND }),
      ];
    },
  });
});
