import { randomBytes } from "node:crypto";
import { expect } from "chai";
import { concat, hexlify, keccak256, type ContractTransactionReceipt } from "ethers";
import { DEAREST_GAS } from "../../scripts/deployment.ts";
import { ETHER, Game, WEEK, type PlainTransaction, type Proof } from "../helpers/game.ts";
import { Flights, NO_PROOF, OUTPUT, fromPayment, type Flight } from "../helpers/inFlight.ts";

const WIDTH = 16;
const DEPTH = 22;
/** What Ethereum takes in one transaction (EIP-7825). */
const TRANSACTION_GAS_MAX = 2n ** 24n;

/** Transactions as wide, and trees as deep, as there can be: random amounts and ids, so no byte is cheap. */
describe("RootChain: the dearest there is", () => {
  let game: Game;
  let flights: Flights;
  let amountBytes: number;
  beforeEach(async () => {
    game = await Game.start();
    flights = new Flights(game);
    amountBytes = 30;
  });

  const random = (): string => hexlify(randomBytes(32));
  const amount = (): bigint => BigInt(hexlify(randomBytes(amountBytes)));
  /** A payment of 16 inputs, some of them given, and 16 outputs of alice's. */
  const wide = (inputs: string[] = [], amounts = Array.from({ length: WIDTH }, amount)): PlainTransaction =>
    game.transfer(
      [...inputs, ...Array.from({ length: WIDTH - inputs.length }, random)],
      amounts.map((each) => ({ owner: game.alice.address, token: ETHER, amount: each })),
    );
  /** In a block of 2^22 transactions. */
  const include = async (transaction: PlainTransaction): Promise<Proof> => {
    const siblings = Array.from({ length: DEPTH }, random);
    const index = randomBytes(4).readUInt32LE() % 2 ** DEPTH;
    const root = siblings.reduce(
      (node, sibling, i) => keccak256(concat(((index >> i) & 1) === 1 ? [sibling, node] : [node, sibling])),
      game.hash(transaction),
    );
    const number = await game.rootChain.nextBlockNumber();
    await game.as(game.operator).commitBlock(number, root, 2 ** DEPTH);
    const timestamp = BigInt(await game.now());
    const header = { number, transactionsRoot: root, transactionCount: 2n ** BigInt(DEPTH), timestamp };
    return { header, index, siblings };
  };
  const gasOf = async (done: Promise<ContractTransactionReceipt>): Promise<bigint> => (await done).gasUsed;

  it("challenge of each kind costs less than its bond pays for at 200 gwei", async () => {
    const { alice, bob, carol } = game;
    const source = wide();
    const standard = await game.startExit(alice, source, await include(source), 15);
    const spend = wide([random(), random(), standard.outputId]);
    const used: Record<string, bigint> = {
      standardExit: await gasOf(game.challenge(carol, standard, spend, game.sign(alice, spend), 2)),
    };

    const { flight, payment, proof } = await startWide();
    const competitor = wide([flight.transaction.inputs[0]!]);
    const competitorProof = await include(competitor);
    const notIncluded = wide([flight.transaction.inputs[0]!]);
    // The one before is credited, which costs more than taking the first.
    await flights.challenge(bob, flight, notIncluded, alice, { proof: NO_PROOF });
    const challenge = flights.challenge(carol, flight, competitor, alice, { proof: competitorProof });
    used["inFlightExit"] = await gasOf(challenge);
    used["challenge"] = await gasOf(flights.respond(carol, flight, proof));
    await flights.piggyback(alice, flight, 0);
    await flights.piggyback(alice, flight, OUTPUT);
    const onward = wide([game.outputId(payment, 0)]);
    const spent = [
      await gasOf(flights.inputSpent(carol, flight, 0, competitor, alice)),
      await gasOf(flights.outputSpent(carol, flight, 0, proof, onward, alice)),
    ];
    used["piggyback"] = spent.reduce((most, gas) => (gas > most ? gas : most));
    console.log(
      `      gas: ${JSON.stringify(used, (_, value) => (typeof value === "bigint" ? Number(value) : value))}`,
    );
    for (const [bond, gas] of Object.entries(DEAREST_GAS)) {
      expect(Number(used[bond]), bond).to.be.within(Number(gas) * 0.7, Number(gas));
    }
  });

  it("in-flight exit, of 16 outputs of 16 payments, starts and is processed within a transaction", async () => {
    // So that all can be paid.
    amountBytes = 8;
    await game.deposit(game.carol, BigInt(WIDTH) << 64n);
    const { flight, gasUsed } = await startWide();
    for (let i = 0; i < WIDTH; i++) {
      await flights.piggyback(game.alice, flight, i);
      await flights.piggyback(game.alice, flight, OUTPUT + i);
    }
    await game.pass(3 * WEEK);
    const receipt = await game.mined(game.as(game.stranger).processExits(ETHER, [flight.data]));
    expect(game.events(receipt, "OutputFinalized")).to.have.length(2 * WIDTH);
    console.log(`      gas: start ${gasUsed}, process ${receipt.gasUsed}`);
    expect(gasUsed < TRANSACTION_GAS_MAX && receipt.gasUsed < TRANSACTION_GAS_MAX).to.equal(true);
  });

  /** An in-flight exit of an included payment of 16 inputs, each made by a payment of 16 outputs, and 16 outputs. */
  async function startWide(): Promise<{ flight: Flight; payment: PlainTransaction; proof: Proof; gasUsed: bigint }> {
    const sources = Array.from({ length: WIDTH }, () => wide());
    const proofs: Proof[] = [];
    for (const source of sources) proofs.push(await include(source));
    const ids = sources.map((source) => game.outputId(source, 15));
    const payment = wide(ids, sources.map((source) => source.outputs[15]!.amount).toReversed());
    const proof = await include(payment);
    const from = sources.map((source, i) => fromPayment(source, proofs[i]!, 15));
    const flight = await flights.start(game.alice, payment, from, Array(WIDTH).fill(game.alice));
    const latest = await game.connection.ethers.provider.getBlock("latest");
    return { flight, payment, proof, gasUsed: latest!.gasUsed };
  }
});
