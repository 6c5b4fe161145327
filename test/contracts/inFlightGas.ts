import { expect } from "chai";
import type { HDNodeWallet } from "ethers";
import { BOUNTY, CHALLENGE_BOND, ETHER, IN_FLIGHT_BOND, PIGGYBACK_BOND, type Game } from "../helpers/game.ts";
import { Flights, OUTPUT, to, type Flight, type Funds } from "../helpers/inFlight.ts";

/** What a receiver of ether is given, with the 2,300 that come with any value; and a token. */
const ETHER_PUSH_GAS = 52_300;
const TOKEN_PUSH_GAS = 250_000;
/** Gone when a contract has asked how much gas it has, and one more that it must have beyond what it needs. */
const ASKING_GAS = 6;
const BURNS_GAS = "0xfe";

/** Code that answers with true when it is given `gas` at least, and reverts otherwise. */
function needsGas(gas: number): string {
  const word = (gas - ASKING_GAS).toString(16).padStart(6, "0");
  // PUSH3 gas, GAS, GT, PUSH1 12, JUMPI, PUSH0, PUSH0, REVERT, JUMPDEST; return the word 1.
  return `0x62${word}5a11600c575f5ffd5b60015f5260205ff3`;
}

describe("RootChain.processExits: too little gas for an in-flight exit (INV-7)", () => {
  let flights: Flights;
  let game: Game;
  let flight: Flight;
  /** Alice pays 700 of her 1000 ether to Bob; Carol starts the exit. */
  let funds: Funds;
  beforeEach(async () => {
    flights = await Flights.fresh();
    ({ game } = flights);
    [funds] = (await flights.funds({ owner: game.alice, amount: 1000n })) as [Funds];
    const payment = game.transfer([funds.id], [to(game.bob, 700n), to(game.alice, 300n)]);
    flight = await flights.start(game.carol, payment, [funds.source], [game.alice]);
  });

  const parties = (): HDNodeWallet[] => [game.alice, game.bob, game.carol, game.operator];
  const setCodes = async (code: string): Promise<void> => {
    for (const { address } of parties()) await game.connection.networkHelpers.setCode(address, code);
  };
  const credits = async (token: string): Promise<bigint> => {
    let sum = 0n;
    for (const { address } of parties()) {
      sum += await game.rootChain.claimable(token, address);
      if (token !== ETHER) sum += await game.rootChain.claimable(ETHER, address);
    }
    return sum;
  };
  /** What becomes of the exit at a gas limit: all, with this sum credited, or nothing. */
  const outcomeAt = async (token: string, credited: bigint, gasLimit: bigint): Promise<string> => {
    const snapshot = await game.connection.networkHelpers.takeSnapshot();
    const before = [await flights.slot(flight), await game.balance(game.address), await game.rootChain.held(token)];
    const call = game.as(game.stranger).processExits(token, [flight.data], { gasLimit });
    await call.catch(() => null);
    const after = [await flights.slot(flight), await game.balance(game.address), await game.rootChain.held(token)];
    const left = await game.rootChain.queueLength(token);
    const sum = await credits(token);
    await snapshot.restore();
    if (left === 0n && sum === credited && after[0] === 0n) return "all";
    return left === 1n && sum === 0n && after.join() === before.join() ? "nothing" : "something";
  };
  /** Limits on the way to the smallest that does all, then in steps on both sides of it. */
  const searchGas = async (token: string, credited = 0n): Promise<void> => {
    let [nothing, all] = [60_000n, 4_000_000n];
    expect(await outcomeAt(token, credited, all)).to.equal("all");
    while (all - nothing > 1n) {
      const middle = (nothing + all) / 2n;
      const outcome = await outcomeAt(token, credited, middle);
      expect(outcome, `at ${middle}`).to.not.equal("something");
      if (outcome === "all") all = middle;
      else nothing = middle;
    }
    for (let limit = all - 1n; limit > 60_000n; limit -= 17_989n) {
      expect(await outcomeAt(token, credited, limit), `at ${limit}`).to.equal("nothing");
    }
    for (let limit = all; limit < all + 60_000n; limit += 2_999n) {
      expect(await outcomeAt(token, credited, limit), `at ${limit}`).to.equal("all");
    }
  };

  for (const [receivers, code] of [
    ["need all the gas a push has", needsGas(ETHER_PUSH_GAS)],
    ["burn it", BURNS_GAS],
  ] as const) {
    const fails = code === BURNS_GAS;
    it(`of ether, canonical, receivers that ${receivers}: at every limit all is done or nothing`, async () => {
      await flights.piggyback(game.bob, flight, OUTPUT);
      await flights.piggyback(game.alice, flight, OUTPUT + 1);
      await flights.piggyback(game.alice, flight, 0);
      await game.passTo(flight.exitableAt);
      await setCodes(code);
      await searchGas(ETHER, fails ? 1000n + IN_FLIGHT_BOND + 3n * PIGGYBACK_BOND - BOUNTY : 0n);
    });

    it(`of ether, not canonical, receivers that ${receivers}: at every limit all is done or nothing`, async () => {
      await flights.piggyback(game.alice, flight, 0);
      const competitor = game.transfer([funds.id], [to(game.alice, 1000n)]);
      await flights.challenge(game.operator, flight, competitor, game.alice);
      await flights.piggyback(game.bob, flight, OUTPUT);
      await game.passTo(flight.exitableAt);
      await setCodes(code);
      await searchGas(ETHER, fails ? 1000n + IN_FLIGHT_BOND + CHALLENGE_BOND + 2n * PIGGYBACK_BOND - BOUNTY : 0n);
    });

    it(`of a token, it and receivers that ${receivers}: at every limit all is done or nothing`, async () => {
      const { alice, bob, carol } = game;
      const token = await game.token.getAddress();
      const [made] = (await flights.funds({ owner: alice, amount: 500n, token })) as [Funds];
      const toBob = game.transfer([made.id], [to(bob, 200n, token), to(carol, 300n, token)]);
      flight = await flights.start(game.operator, toBob, [made.source], [alice]);
      await flights.piggyback(bob, flight, OUTPUT);
      await flights.piggyback(carol, flight, OUTPUT + 1);
      await game.passTo(flight.exitableAt);
      await setCodes(code);
      await game.connection.networkHelpers.setCode(token, fails ? BURNS_GAS : needsGas(TOKEN_PUSH_GAS));
      await searchGas(token, fails ? 500n + IN_FLIGHT_BOND + 2n * PIGGYBACK_BOND - BOUNTY : 0n);
    });
  }

  it("it does need all of it: with one more it is credited, at any limit", async () => {
    await flights.piggyback(game.bob, flight, OUTPUT);
    await flights.piggyback(game.alice, flight, OUTPUT + 1);
    await game.passTo(flight.exitableAt);
    await game.connection.networkHelpers.setCode(game.bob.address, needsGas(ETHER_PUSH_GAS + 1));
    expect(await outcomeAt(ETHER, 700n + PIGGYBACK_BOND - BOUNTY, 4_000_000n)).to.equal("all");
  });
});
