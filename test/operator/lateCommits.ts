import { expect } from "chai";
import { Wallet } from "ethers";
import { IndexBehindError } from "../../operator/index/ports.ts";
import { devKey, ETHER, type SignedPayment } from "../helpers/chain.ts";
import { SettlementStage } from "../helpers/settlementStage.ts";

/** A sixteenth of the exit period of the tests' contract, and a minute. */
const LATE_SECONDS = 86_400 / 16 + 60;
const alice = new Wallet(devKey(2));
const NO_EXIT = { number: 0, exitableAt: 0, owner: ETHER, token: ETHER, amount: 0, bondOwner: ETHER, depositRecord: 0 };

describe("a block committed late, and the exits of what it spends", function () {
  this.timeout(60_000);
  let stage: SettlementStage;
  beforeEach(async () => (stage = await SettlementStage.open({ finality: 2 })));
  afterEach(async () => await stage.close());

  const deposit = (): object => ({ id: 1n, owner: alice.address, token: ETHER, amount: 10n });
  /** A payment of the deposit, sealed and not committed. */
  const sealPayment = async (): Promise<SignedPayment> => {
    await stage.deposit();
    const payment = await stage.chain.payment(
      [stage.output],
      [{ owner: alice.address, token: ETHER, amount: 10n }],
      [alice],
    );
    expect((await stage.operator.pay(payment)).kind).to.equal("accepted");
    expect(await stage.operator.sequencer.seal()).to.equal(1);
    stage.output = payment.outputId(0);
    return payment;
  };
  const exitDeposit = async (): Promise<void> => {
    const rootChain: any = stage.chain.rootChain.connect(stage.chain.wallet(2));
    await stage.chain.mined(rootChain.startDepositExit(deposit(), { value: await rootChain.standardExitBond() }));
  };

  it("an exit that is young holds nothing up", async () => {
    await sealPayment();
    await exitDeposit();
    await stage.turns(2);
    await stage.expectCommitted();
  });

  it("while the index is made again nothing is sent that exits could contradict, and nothing fails", async () => {
    await sealPayment();
    await exitDeposit();
    const { reads } = stage.operator;
    Object.assign(reads, { spendOf: () => Promise.reject(new IndexBehindError(400_000)) });
    await stage.turns(2);
    expect(stage.operator.committer.alarm?.text).to.contain("the index is 400000 entries behind");
    expect(stage.attempts(1)).to.deep.equal([]);
    Reflect.deleteProperty(reads, "spendOf");
    await stage.turns(2);
    await stage.expectCommitted();
  });

  it("one that is old holds it up, naming the payment, until it is challenged with that", async () => {
    const payment = await sealPayment();
    await exitDeposit();
    await stage.chain.passTime(LATE_SECONDS);
    await stage.turns(3);
    const { alarm } = stage.operator.committer;
    expect(alarm?.code).to.equal("COMMIT_BLOCKED_BY_EXIT");
    expect(alarm?.text).to.contain(`payment ${payment.hash} of block 1 spends`);
    expect(stage.attempts(1)).to.deep.equal([]);
    await stage.restart({ challengerKey: devKey(6) });
    await stage.turns(4);
    expect([...stage.operator.ledger.exits.values()].map(({ current }) => current.state)).to.deep.equal(["challenged"]);
    await stage.expectSettled();
  });

  it("one that no challenge ends stops committing, naming the payment; payments go on", async () => {
    const payment = await sealPayment();
    const rootChain: any = stage.chain.rootChain.connect(stage.chain.wallet(2));
    const sources = [[], [{ deposit: deposit(), exit: NO_EXIT }]];
    const value = await rootChain.inFlightExitBond();
    await stage.chain.mined(
      rootChain.startInFlightExit(payment.solidity, payment.json.signatures, ...sources, "0x", { value }),
    );
    await stage.chain.passTime(LATE_SECONDS);
    await stage.turns(2);
    expect(stage.operator.committer.halted?.reason).to.contain(`payment ${payment.hash} of block 1 spends`);
    expect(stage.attempts(1)).to.deep.equal([]);
    await stage.pay();
    // It is met again after a start.
    await stage.restart();
    await stage.turns(2);
    expect(stage.operator.committer.halted?.reason).to.contain("the block would be invalid");
  });
});
