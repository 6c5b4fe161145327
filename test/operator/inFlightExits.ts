import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Wallet } from "ethers";
import type { EthereumError } from "@plasma-billing/ethereum/errors.ts";
import type { EthereumRpc, Log } from "@plasma-billing/ethereum/rpc.ts";
import type { InFlightExitEntry } from "@plasma-billing/protocol/entries.ts";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import { Chain, ETHER, ZERO_HASH, devKey, type SignedPayment } from "../helpers/chain.ts";
import { LocalOperator, type LocalOptions } from "../helpers/localOperator.ts";
import { type RunningNode, startAnvil } from "../helpers/nodes.ts";

const FINALITY = 3;
const EXIT_PERIOD_SECONDS = 1000;
const OUTPUT = 16;
const ALICE = 2;
const BOB = 3;
const CAROL = 4;
const alice = new Wallet(devKey(ALICE));
const bob = new Wallet(devKey(BOB));
const NO_EXIT = { number: 0, owner: ETHER, token: ETHER, amount: 0, bondOwner: ETHER, depositRecord: 0 };
const NO_PROOF = {
  header: { number: 0, transactionsRoot: ZERO_HASH, transactionCount: 0, timestamp: 0 },
  ...{ index: 0, siblings: [] },
};

describe("the operator follows in-flight exits", function () {
  this.timeout(60_000);
  let node: RunningNode;
  let chain: Chain;
  let dataDir: string;
  let operator: LocalOperator;
  /** Alice's deposit, and payments of it to bob and to herself. */
  let input: OutputId;
  let toBob: SignedPayment;
  let toSelf: SignedPayment;
  beforeEach(async () => {
    node = await startAnvil();
    chain = await Chain.deploy(node.url, { exitPeriodSeconds: EXIT_PERIOD_SECONDS });
    dataDir = await mkdtemp(join(tmpdir(), "plasma-flight-"));
    operator = await LocalOperator.open(chain, dataDir);
    await chain.mined(chain.rootChain["depositEther"]!(alice.address, { value: 5n }));
    input = chain.depositOutputId(deposit()) as OutputId;
    await chain.mine(FINALITY - 1);
    await operator.turn();
    toBob = await chain.payment([input], [{ owner: bob.address, token: ETHER, amount: 5n }], [alice]);
    toSelf = await chain.payment([input], [{ owner: alice.address, token: ETHER, amount: 5n }], [alice]);
  });
  afterEach(async () => {
    await operator.stop();
    await node.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  const deposit = () => ({ id: 1n, owner: alice.address, token: ETHER, amount: 5n });
  const as = (account: number): any => chain.rootChain.connect(chain.wallet(account));
  const restart = async (options: LocalOptions = {}): Promise<void> => {
    await operator.stop();
    operator = await LocalOperator.open(chain, dataDir, options);
  };
  const reorg = async (depth: number): Promise<void> => {
    await node.rpc("anvil_reorg", [depth, []]);
    chain.deployer.reset();
  };
  /** Gives what is handed in again. */
  const start = async ({ solidity, json }: SignedPayment): Promise<{ id: string; data: string }> => {
    const sources = [[], [{ deposit: deposit(), exit: NO_EXIT }]];
    const value = await chain.rootChain["inFlightExitBond"]!();
    const { logs } = await chain.mined(
      as(CAROL).startInFlightExit(solidity, json.signatures, ...sources, "0x", { value }),
    );
    const { transactionHash, data } = chain.rootChain.interface.parseLog(logs[0]!)!.args;
    return { id: transactionHash, data };
  };
  const piggyback = async (owner: number, exit: object, index: number): Promise<void> => {
    const value = await chain.rootChain["piggybackBond"]!();
    await chain.mined(as(owner).piggyback(exit, index, { value }));
  };
  const process = async (exit: object): Promise<void> => {
    await chain.mined(as(CAROL).processExits(ETHER, [exit]));
  };
  const stateOf = (id: string): string | undefined => operator.ledger.output(id as OutputId)?.state;
  const shown = (number = 1): InFlightExitEntry => operator.ledger.inFlightExits.get(number)!.current;
  const pay = async (payment: SignedPayment): Promise<string> => {
    const answer = await operator.pay(payment);
    return answer.kind === "refused" ? answer.error.code : answer.kind;
  };

  it("holds the inputs from the first block that shows the exit; a reorganisation lifts that", async () => {
    await start(toBob);
    await operator.turn();
    expect(stateOf(input)).to.equal("exiting");
    expect(await pay(toBob)).to.equal("INPUT_EXITING");
    expect(await pay(toSelf)).to.equal("INPUT_EXITING");
    await restart();
    expect(await pay(toSelf)).to.equal("INPUT_EXITING");
    await reorg(1);
    await operator.turn();
    expect(operator.ledger.inFlightExits.size).to.equal(0);
    expect(await pay(toBob)).to.equal("accepted");
  });

  it("holds a piggybacked output of an accepted payment, and has it withdrawn when it is paid", async () => {
    expect(await pay(toBob)).to.equal("accepted");
    const output = toBob.outputId(0);
    const onward = await chain.payment([output], [{ owner: alice.address, token: ETHER, amount: 5n }], [bob]);
    const exit = await start(toBob);
    await operator.turn();
    expect(stateOf(output)).to.equal("available");
    await piggyback(BOB, exit, OUTPUT);
    await operator.turn();
    expect(await pay(onward)).to.equal("INPUT_EXITING");
    // The start is final now, the piggyback is not: what is held stays held.
    await chain.mine(1);
    await operator.turn();
    expect(operator.ledger.inFlightExits.get(1)?.final?.outputs[0]?.piggyback).to.equal(null);
    expect(shown().outputs[0]?.piggyback).to.equal("live");
    expect(await pay(onward)).to.equal("INPUT_EXITING");
    await reorg(2);
    await operator.turn();
    expect(shown().final).to.equal(true);
    expect(stateOf(output)).to.equal("available");

    await piggyback(BOB, exit, OUTPUT);
    await chain.passTime(2 * EXIT_PERIOD_SECONDS);
    await process(exit);
    await operator.turn();
    expect(shown()).to.include({ state: "finalized", canonical: true });
    expect(shown().inputs[0]).to.include({ piggyback: null, finalized: true });
    expect(shown().outputs[0]).to.include({ piggyback: "paid", finalized: true });
    expect([input, output].map((id) => operator.reads.stateOf(id as OutputId))).to.deep.equal(["spent", "withdrawn"]);
    await restart();
    await reorg(1);
    await operator.turn();
    expect(stateOf(output)).to.equal("exiting");
    await process(exit);
    await chain.mine(FINALITY);
    await operator.turn();
    expect(operator.ledger.inFlightExits.get(1)?.final?.state).to.equal("finalized");
    expect(stateOf(output)).to.equal("withdrawn");
    operator.ledger.checkSums();
    await restart();
    expect(stateOf(output)).to.equal("withdrawn");
  });

  it("a challenged exit whose piggyback was cancelled holds its inputs until it is closed", async () => {
    const exit = await start(toBob);
    await piggyback(ALICE, exit, 0);
    const signature = toSelf.json.signatures[0];
    await chain.mined(as(CAROL).challengeInputSpent(exit, 0, toSelf.solidity, 0, signature));
    const value = await chain.rootChain["challengeBond"]!();
    await chain.mined(as(CAROL).challengeNonCanonical(exit, 0, toSelf.solidity, 0, signature, NO_PROOF, { value }));
    await operator.turn();
    expect(shown()).to.include({ state: "started", challenged: true, canonical: null });
    expect(shown().inputs[0]).to.include({ owner: alice.address.toLowerCase(), amount: 5n, piggyback: "cancelled" });
    expect(await pay(toSelf)).to.equal("INPUT_EXITING");
    await chain.passTime(EXIT_PERIOD_SECONDS);
    await chain.mined(as(CAROL).closeInFlightExit(exit));
    await operator.turn();
    expect(shown().state).to.equal("closed");
    expect(await pay(toSelf)).to.equal("accepted");
  });

  it("an exit that ends not canonical pays the input", async () => {
    const exit = await start(toBob);
    await piggyback(ALICE, exit, 0);
    const value = await chain.rootChain["challengeBond"]!();
    const signature = toSelf.json.signatures[0];
    await chain.mined(as(CAROL).challengeNonCanonical(exit, 0, toSelf.solidity, 0, signature, NO_PROOF, { value }));
    await chain.passTime(2 * EXIT_PERIOD_SECONDS);
    await process(exit);
    await operator.turn();
    expect(shown()).to.include({ state: "finalized", canonical: false });
    expect(shown().inputs[0]).to.include({ piggyback: "paid", finalized: true });
    expect(stateOf(input)).to.equal("withdrawn");
  });

  it("what is told again after a crash between two writes changes nothing", async () => {
    const value = await chain.rootChain["standardExitBond"]!();
    await chain.mined(as(ALICE).startDepositExit(deposit(), { value }));
    const terms = (await chain.rootChain.queryFilter(chain.rootChain.filters["ExitStarted"]!()))[0] as any;
    const { number, owner, token, amount, bondOwner, depositRecord } = terms.args;
    const started = [number, owner, token, amount, bondOwner, depositRecord];
    await chain.mined(as(CAROL).challengeStandardExit(started, toBob.solidity, 0, toBob.json.signatures[0]));
    const exit = await start(toBob);
    await piggyback(BOB, exit, OUTPUT);
    await chain.passTime(2 * EXIT_PERIOD_SECONDS);
    await process(exit);
    await chain.mine(FINALITY);
    const update = await operator.follower.poll();
    await operator.chainSync.take(update);
    const before = operator.entries.length;
    expect(operator.ledger.exits.get(1)?.final?.state).to.equal("challenged");
    expect(shown(2)).to.include({ state: "finalized", final: true });
    await operator.chainSync.take(update);
    expect(operator.entries.length).to.equal(before);
    await operator.turn();
    expect(operator.entries.length).to.equal(before);
  });

  it("the contract's counter tells of an in-flight exit that a node leaves out", async () => {
    const topic = chain.rootChain.interface.getEvent("InFlightExitStarted")!.topicHash;
    let lying = true;
    const withholding = (rpc: EthereumRpc): EthereumRpc => {
      const logs = rpc.logs.bind(rpc);
      rpc.logs = async (address, where) => {
        const all = await logs(address, where);
        return all.filter((log: Log) => !lying || log.topics[0] !== topic);
      };
      // Nor do its receipts tell.
      const inReceipts = rpc.logsInReceipts.bind(rpc);
      rpc.logsInReceipts = async (...what) => (lying ? [] : await inReceipts(...what));
      return rpc;
    };
    await restart({ rpc: withholding });
    await start(toBob);
    const error = await operator.turn().catch((caught: unknown) => caught);
    expect((error as EthereumError).code).to.equal("BAD_ANSWER");
    expect((error as EthereumError).message).to.contain("1 deposits and 1 exits, the nodes show 0, 1 and 0");
    lying = false;
    await restart();
    await operator.turn();
    expect(stateOf(input)).to.equal("exiting");
  });
});
