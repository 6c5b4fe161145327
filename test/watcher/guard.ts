import { expect } from "chai";
import { Wallet as Key } from "ethers";
import { decodeKit, finishLeaving, leave, leaving } from "@plasma-billing/sdk";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { ETHER } from "@plasma-billing/protocol/transaction.ts";
import { decodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Problem } from "../../watcher/http/problems.ts";
import { devKey, type SignedPayment } from "../helpers/chain.ts";
import { NO_EXIT } from "../helpers/inFlight.ts";
import { account, GUARD_EXIT_PERIOD, GuardStage } from "../helpers/guardStage.ts";

const [ALICE, BOB, CAROL] = [2, 3, 4] as const;

describe("a watcher guards holders who are asleep", function () {
  this.timeout(180_000);
  let stage: GuardStage;
  let token: Address;
  beforeEach(async () => {
    stage = await GuardStage.start([ALICE]);
    token = stage.chain.tokenAddress.toLowerCase() as Address;
  });
  afterEach(async () => await stage.stop());

  const etherOf = async (index: number): Promise<bigint> => await stage.chain.provider.getBalance(account(index));
  const bond = async (of: string): Promise<bigint> => (await stage.chain.rootChain[`${of}Bond`]!()) as bigint;
  const tokensOf = async (index: number): Promise<bigint> => await stage.chain.token["balanceOf"]!(account(index));

  /**
   * Alice has 50 in a deposit, 600 in committed change, 7,000 of a token, and in the open hour 150 that bob paid her of
   * what a block has, and 90 in change of a payment of 10 to him.
   */
  const liveALittle = async (): Promise<void> => {
    await stage.deposit(ALICE, 50n);
    const large = await stage.deposit(ALICE, 1_000n);
    const tokens = await stage.deposit(ALICE, 7_000n, token);
    const hundred = await stage.deposit(ALICE, 100n);
    const toBob = await stage.pay(
      [large],
      [
        [BOB, 400n],
        [ALICE, 600n],
      ],
      [ALICE],
    );
    await stage.pay([tokens], [[ALICE, 7_000n, token]], [ALICE]);
    await stage.commit();
    await stage.pay(
      [toBob.outputId(0)],
      [
        [ALICE, 150n],
        [BOB, 250n],
      ],
      [BOB],
    );
    await stage.pay(
      [hundred],
      [
        [BOB, 10n],
        [ALICE, 90n],
      ],
      [ALICE],
    );
    await stage.look();
  };
  /** Time passes until all exits are due, and whatever is due is worked off. */
  const finish = async (): Promise<void> => {
    await stage.chain.passTime(3 * GUARD_EXIT_PERIOD);
    await stage.settle();
  };

  it("with her authorizations all she has ends on Ethereum, restarts in between, each exit started once", async () => {
    await liveALittle();
    await stage.authorize(ALICE);
    const [shown] = stage.guard.describe();
    expect(shown).to.include({
      address: account(ALICE),
      outputs: 5,
      authorized: 5,
      unauthorized: 0,
      proven: 3,
      inFlight: 2,
    });
    expect(shown!.value).to.deep.equal({ [ETHER]: "890", [token]: "7000" });
    expect(stage.duties).to.deep.equal([]);
    const before = [await etherOf(ALICE), await tokensOf(ALICE)];

    await stage.commitUnknown();
    await stage.look();
    // Ether first, the larger first.
    const starts = stage.duties.map(({ key }) => key.split(":")[0]);
    expect(starts).to.deep.equal([
      ...["startStandardExit", "startInFlightExit", "startInFlightExit", "startStandardExit", "startStandardExit"],
    ]);
    stage.restart();
    stage.child.tellAgain();
    await stage.look();
    stage.restart();
    await stage.settle();
    expect(stage.named("guardedExitMissing")).to.deep.equal([]);
    expect(stage.named("guardedExit")[0]!.text).to.contain("of 5 exits 5 are started, 0 are to be sent");
    expect(await stage.count("ExitStarted")).to.equal(3);
    expect(await stage.count("InFlightExitStarted")).to.equal(2);
    // Her input and output of her own payment, her output of bob's.
    expect(await stage.count("Piggybacked")).to.equal(3);

    await finish();
    expect([(await etherOf(ALICE)) - before[0]!, (await tokensOf(ALICE)) - before[1]!]).to.deep.equal([890n, 7_000n]);
    expect(stage.guard.describe()[0]).to.include({ outputs: 0 });
    // Bonds come back to the watcher, all but gas and what bounties gave to itself.
    expect(await stage.chain.rootChain["claimable"]!(ETHER, account(ALICE))).to.equal(0n);
  });

  it("without authorizations nothing is sent, and each transaction that is told works when the owner sends it", async () => {
    await liveALittle();
    await stage.commitUnknown();
    await stage.look();
    expect(stage.duties).to.deep.equal([]);
    const missing = stage.named("guardedExitMissing");
    expect(missing.map(({ evidence }) => evidence["amount"])).to.deep.equal(["600", "150", "100", "50", "7000"]);
    expect(
      stage
        .named("guardedExit")
        .map(({ text }) => text)
        .join(),
    ).to.contain("5 lack an authorization");
    const alice = stage.chain.wallet(ALICE);
    for (const { transaction } of missing) await stage.chain.mined(alice.sendTransaction(transaction!));
    await stage.look();
    expect(stage.named("guardedExitMissing")).to.deep.equal([]);
    const piggybacks = stage.named("guardedPiggybackMissing");
    expect(piggybacks).to.have.length(3);
    for (const { transaction } of piggybacks) await stage.chain.mined(alice.sendTransaction(transaction!));
    await stage.look();
    expect(stage.findings.map(({ name }) => name)).to.deep.equal(["guardedExit"]);
    const before = [await etherOf(ALICE), await tokensOf(ALICE)];
    await finish();
    const bonds =
      3n * (await bond("standardExit")) + 2n * (await bond("inFlightExit")) + 3n * (await bond("piggyback"));
    // Three standard exits, and an entry of the queue for each in-flight exit.
    const bounties = 5n * ((await stage.chain.rootChain["bounty"]!()) as bigint);
    expect((await etherOf(ALICE)) - before[0]!).to.equal(890n + bonds - bounties);
    expect((await tokensOf(ALICE)) - before[1]!).to.equal(7_000n);
  });

  it("told not to exit it finds, with the transaction that anybody can send", async () => {
    await stage.stop();
    stage = await GuardStage.start([ALICE], false);
    await liveALittle();
    await stage.authorize(ALICE);
    await stage.commitUnknown();
    await stage.look();
    expect(stage.duties).to.deep.equal([]);
    const told = stage.named("guardedExit").filter(({ transaction }) => transaction !== null);
    expect(told).to.have.length(5);
    const bob = stage.chain.wallet(BOB);
    for (const { transaction } of told) await stage.chain.mined(bob.sendTransaction(transaction!));
    expect(await stage.count("ExitStarted")).to.equal(3);
    expect(await stage.count("InFlightExitStarted")).to.equal(2);
  });

  it("an output that its owner signed away, wherever that was seen, leaves by that payment and by no exit of its own", async () => {
    const spent = await stage.deposit(ALICE, 500n);
    const free = await stage.deposit(ALICE, 20n);
    const other = await stage.deposit(BOB, 1n);
    await stage.pay([other], [[BOB, 1n]], [BOB]);
    await stage.commit();
    await stage.look();
    await stage.authorize(ALICE);
    // Only in the data of the bad block: no verified one has it.
    const payment = await stage.sign(
      [spent],
      [
        [CAROL, 499n],
        [ALICE, 1n],
      ],
      [ALICE],
    );
    stage.child.see(payment);
    await stage.commitUnknown();
    await stage.settle();
    const exited = (await stage.chain.rootChain.queryFilter(stage.chain.rootChain.filters["ExitStarted"]!())) as any[];
    expect(exited.map(({ args }) => args.outputId)).to.deep.equal([free]);
    const flown = (await stage.chain.rootChain.queryFilter(
      stage.chain.rootChain.filters["InFlightExitStarted"]!(),
    )) as any[];
    expect(flown.map(({ args }) => args.transactionHash)).to.deep.equal([payment.hash]);
    // She authorized her deposit; of the payment, which came after, she did not authorize the output.
    const asked = (await stage.chain.rootChain.queryFilter(stage.chain.rootChain.filters["Piggybacked"]!())) as any[];
    expect(asked.map(({ args }) => args.outputId)).to.deep.equal([spent]);
    expect(stage.named("guardedPiggybackMissing").map(({ evidence }) => evidence["outputId"])).to.deep.equal([
      payment.outputId(1),
    ]);
    const kit = decodeKit((await stage.guard.kit(account(ALICE)))!);
    expect(kit.outputs).to.have.members([free, payment.outputId(1)]);
    expect(kit.inFlight).to.deep.equal([payment.hash]);
  });

  it("what she signed and only the operator saw, withheld: she told it, so it leaves by that, and no bond is lost", async () => {
    const spent = await stage.deposit(ALICE, 500n);
    const free = await stage.deposit(ALICE, 20n);
    const other = await stage.deposit(BOB, 7n);
    const bobs = await stage.pay([other], [[BOB, 7n]], [BOB]);
    await stage.commit();
    await stage.look();
    // Given before she paid: the word for an exit of her deposit is here.
    await stage.authorize(ALICE);
    const half = await stage.sign([free, bobs.outputId(0)], [[CAROL, 27n]], [ALICE, BOB]);
    const unsigned = { ...half.json, signatures: [half.json.signatures[0]!, `0x${"00".repeat(65)}`] };
    const payment = await stage.sign(
      [spent],
      [
        [CAROL, 499n],
        [ALICE, 1n],
      ],
      [ALICE],
    );
    const refusal = (...payments: unknown[]): string => {
      try {
        return `taken ${stage.guard.tell(payments).taken}`;
      } catch (error) {
        return (error as Problem).code;
      }
    };
    const forged = await stage.sign([spent], [[BOB, 500n]], [BOB]);
    expect(refusal(payment.json, forged.json)).to.equal("UNAUTHORIZED");
    expect(refusal({ ...payment.json, outputs: [] })).to.equal("MALFORMED");
    expect(refusal(unsigned, payment.json, payment.json)).to.equal("taken 3");
    // Of what nobody has it may be an old one, that anybody sends again.
    const over = await stage.sign([`0x${"77".repeat(32)}`], [[CAROL, 1n]], [ALICE]);
    expect(refusal(over.json)).to.equal("taken 0");
    stage.restart();
    await stage.commitUnknown();
    await stage.settle();
    const { rootChain } = stage.chain;
    const ids = async (event: string, key: string): Promise<string[]> =>
      ((await rootChain.queryFilter(rootChain.filters[event]!())) as any[]).map(({ args }) => args[key] as string);
    expect(await ids("ExitStarted", "outputId")).to.deep.equal([]);
    expect(await ids("InFlightExitStarted", "transactionHash")).to.deep.equal([payment.hash]);
    expect(await ids("Piggybacked", "outputId")).to.deep.equal([spent]);
    // The other payer has what it takes to complete the other one.
    expect(stage.named("guardedExitMissing").map(({ evidence }) => evidence["id"])).to.deep.equal([half.hash]);
    stage.guard.tell([half.json]);
    await stage.settle();
    expect(await ids("InFlightExitStarted", "transactionHash")).to.have.members([payment.hash, half.hash]);
  });

  it("a chain of payments in a block that turns out to be bad after she authorized: by its first she gets its change", async () => {
    const all = await stage.deposit(ALICE, 1_000n);
    await stage.pay([await stage.deposit(BOB, 1n)], [[BOB, 1n]], [BOB]);
    await stage.commit();
    const first = await stage.pay(
      [all],
      [
        [BOB, 100n],
        [ALICE, 900n],
      ],
      [ALICE],
    );
    const second = await stage.pay(
      [first.outputId(1)],
      [
        [CAROL, 200n],
        [ALICE, 700n],
      ],
      [ALICE],
    );
    await stage.commit();
    await stage.look();
    await stage.authorize(ALICE);
    await stage.settle();
    expect(stage.guard.describe()[0]).to.include({ outputs: 1, proven: 1, inFlight: 0 });
    const before = await etherOf(ALICE);
    stage.firstBadBlock = 2;
    await stage.settle();
    const flown = (await stage.chain.rootChain.queryFilter(
      stage.chain.rootChain.filters["InFlightExitStarted"]!(),
    )) as any[];
    expect(flown.map(({ args }) => args.transactionHash)).to.deep.equal([first.hash]);
    const asked = (await stage.chain.rootChain.queryFilter(stage.chain.rootChain.filters["Piggybacked"]!())) as any[];
    expect(asked.map(({ args }) => args.outputId)).to.have.members([all, first.outputId(1)]);
    expect(stage.named("guardedExitMissing").map(({ subject }) => subject)).to.deep.equal([second.hash]);
    await finish();
    expect((await etherOf(ALICE)) - before).to.equal(900n);
  });

  it("what she was paid behind the fault leaves, unless its payer signed something else that comes first", async () => {
    const given = [await stage.deposit(BOB, 31n), await stage.deposit(BOB, 32n), await stage.deposit(BOB, 33n)];
    await stage.deposit(ALICE, 1n);
    await stage.pay([await stage.deposit(CAROL, 1n)], [[CAROL, 1n]], [CAROL]);
    await stage.commit();
    await stage.look();
    const paid: SignedPayment[] = [];
    for (const [i, id] of given.entries()) {
      const payment = await stage.sign([id], [[ALICE, 31n + BigInt(i)]], [BOB]);
      paid.push(payment);
      const transaction = decodeTransaction(payment.json);
      const inputs = transaction.inputs.map((input) => stage.child.output(input)!);
      stage.child.onPayment({ place: null, hash: payment.hash as Hex, transaction, inputs });
    }
    const otherOf = async (i: number): Promise<SignedPayment> =>
      await stage.sign([given[i]!], [[BOB, 31n + BigInt(i)]], [BOB]);
    stage.child.see(paid[0]!, { blockNumber: 2, transactionIndex: 7 });
    stage.child.see(await otherOf(0), { blockNumber: 2, transactionIndex: 5 });
    stage.child.see(paid[1]!, { blockNumber: 2, transactionIndex: 8 });
    stage.child.see(await otherOf(1), { blockNumber: 2, transactionIndex: 9 });
    stage.child.see(paid[2]!, { blockNumber: 2, transactionIndex: 10 });
    await stage.look();
    await stage.authorize(ALICE);
    await stage.commitUnknown();
    await stage.settle();
    const { rootChain } = stage.chain;
    const flown = (await rootChain.queryFilter(rootChain.filters["InFlightExitStarted"]!())) as any[];
    expect(flown.map(({ args }) => args.transactionHash)).to.have.members([paid[1]!.hash, paid[2]!.hash]);
    const [missing, ...more] = stage.named("guardedExitMissing");
    expect(more).to.deep.equal([]);
    expect(missing).to.deep.include({ subject: paid[0]!.hash, severity: "attention" });
  });

  it("what she told before the watcher knew where it comes from leaves once that was told again", async () => {
    const hers = await stage.deposit(ALICE, 20n);
    const bobs = await stage.deposit(BOB, 7n);
    const made = await stage.sign([bobs], [[BOB, 7n]], [BOB]);
    const shared = await stage.sign(
      [hers, made.outputId(0)],
      [
        [CAROL, 26n],
        [ALICE, 1n],
      ],
      [ALICE, BOB],
    );
    await stage.look();
    stage.guard.tell([shared.json]);
    stage.child.stream(made);
    await stage.commit();
    await stage.look();
    await stage.authorize(ALICE);
    stage.guard.tell([shared.json]);
    await stage.commitUnknown();
    await stage.settle();
    const { rootChain } = stage.chain;
    const flown = (await rootChain.queryFilter(rootChain.filters["InFlightExitStarted"]!())) as any[];
    expect(flown.map(({ args }) => args.transactionHash)).to.deep.equal([shared.hash]);
  });

  it("a committed block that ends before what was streamed to her keeps no other proof away", async () => {
    const given = [await stage.deposit(BOB, 5n), await stage.deposit(BOB, 6n), await stage.deposit(BOB, 7n)];
    const first = await stage.pay([given[0]!], [[ALICE, 5n]], [BOB]);
    const dropped = await stage.pay([given[1]!], [[ALICE, 6n]], [BOB]);
    await stage.look();
    stage.child.blocks.at(-1)!.pop();
    await stage.commit();
    await stage.look();
    const later = await stage.pay([given[2]!], [[ALICE, 7n]], [BOB]);
    await stage.commit();
    await stage.look();
    const kit = decodeKit((await stage.guard.kit(account(ALICE)))!);
    const proven = kit.payments.filter(({ proof }) => proof !== null).map(({ transaction }) => transaction.outputs);
    expect(proven).to.deep.equal([first.json.outputs, later.json.outputs]);
    expect(kit.inFlight).to.deep.equal([dropped.hash]);
    // Nor is it asked for again: so many are proved at a look.
    const proofOf = stage.child.proofOf.bind(stage.child);
    let asked = 0;
    stage.child.proofOf = async (place) => {
      asked++;
      return await proofOf(place);
    };
    await stage.look();
    expect(asked).to.equal(0);
  });

  it("an exit that was challenged is not started again", async () => {
    const output = await stage.deposit(ALICE, 500n);
    await stage.look();
    await stage.authorize(ALICE);
    await stage.commitUnknown();
    await stage.settle();
    const [started] = (await stage.chain.rootChain.queryFilter(
      stage.chain.rootChain.filters["ExitStarted"]!(),
    )) as any[];
    const { number, owner, token: paid, amount, bondOwner, depositRecord } = started.args;
    // What she signed was seen by nobody but the operator.
    const spend = await stage.sign([output], [[CAROL, 500n]], [ALICE]);
    const exit = { number, owner, token: paid, amount, bondOwner, depositRecord };
    const operator = stage.chain.rootChain.connect(stage.chain.wallet(1)) as any;
    await stage.chain.mined(operator.challengeStandardExit(exit, spend.solidity, 0, spend.json.signatures[0]));
    await stage.settle();
    expect(await stage.count("ExitStarted")).to.equal(1);
    expect(stage.named("guardedExitMissing").map(({ text, severity }) => [text, severity])).to.deep.equal([
      [`output ${output} of ${account(ALICE)} cannot be taken out: its exit was challenged with a spend`, "attention"],
    ]);
  });

  it("the account that sends lacks ether: what is largest goes first, and the report says how much is missing", async () => {
    const outputs = [await stage.deposit(ALICE, 5n), await stage.deposit(ALICE, 500n), await stage.deposit(ALICE, 50n)];
    await stage.look();
    await stage.authorize(ALICE);
    const amount = (await bond("standardExit")) + 10n ** 15n;
    await stage.node.rpc("anvil_setBalance", [stage.watcher, `0x${amount.toString(16)}`]);
    await stage.commitUnknown();
    await stage.look();
    await stage.look();
    const exited = (await stage.chain.rootChain.queryFilter(stage.chain.rootChain.filters["ExitStarted"]!())) as any[];
    expect(exited.map(({ args }) => args.outputId)).to.deep.equal([outputs[1]]);
    expect(stage.named("guardedExit")[0]!.text).to.match(/1 are started, 2 are to be sent .* wei are missing\)/);
  });

  it("the kit it writes is the holder's: with it, and nobody else, everything leaves", async () => {
    await liveALittle();
    const kit = decodeKit((await stage.guard.kit(account(ALICE)))!);
    const { provider } = stage.chain;
    const options = { kit, provider, signer: new Key(devKey(ALICE), provider), fromBlock: stage.chain.deploymentBlock };
    const gone = await leave(options);
    expect(gone.stranded).to.deep.equal([]);
    expect(
      gone.outputs.map((one) => [one.amount, one.state]).sort((a, b) => Number(a[0]) - Number(b[0])),
    ).to.deep.equal([
      ...[
        [50n, "started"],
        [90n, "started"],
        [150n, "started"],
        [600n, "started"],
        [7_000n, "started"],
      ],
    ]);
    await stage.chain.passTime(3 * GUARD_EXIT_PERIOD);
    await finishLeaving({ ...options, signer: new Key(devKey(CAROL), provider) });
    expect((await leaving(options)).outputs.map(({ state }) => state)).to.deep.equal(Array(5).fill("finalized"));
    expect(await tokensOf(ALICE)).to.equal(7_000n);
  });

  it("a commit that Ethereum undoes: the kit has no proof of it, and the new one when it is there again", async () => {
    const large = await stage.deposit(ALICE, 1_000n);
    await stage.pay([large], [[ALICE, 1_000n]], [ALICE]);
    const times = async (): Promise<(number | undefined)[]> =>
      decodeKit((await stage.guard.kit(account(ALICE)))!).payments.map(({ proof }) => proof?.header.timestamp);
    await stage.look();
    expect(await times()).to.deep.equal([undefined]);
    const before = await stage.node.rpc("evm_snapshot");
    await stage.commit();
    await stage.look();
    const [first] = await times();
    expect(first).to.be.a("number");
    await stage.node.rpc("evm_revert", [before]);
    await stage.chain.passTime(100);
    await stage.chain.mine(3);
    await stage.look();
    expect(await times()).to.deep.equal([undefined]);
    expect(decodeKit((await stage.guard.kit(account(ALICE)))!).deposits.map(({ amount }) => amount)).to.deep.equal([
      "1000",
    ]);
    // The same block again, by the same root, at another time.
    stage.child.blocks.pop();
    await stage.commit();
    await stage.look();
    expect((await times())[0]).to.be.greaterThan(first!);
    await stage.authorize(ALICE);
    await stage.commitUnknown();
    await stage.settle();
    expect(await stage.count("ExitStarted")).to.equal(1);
  });
});

describe("a watcher guards holders in in-flight exits of others", function () {
  this.timeout(120_000);
  let stage: GuardStage;
  beforeEach(async () => {
    stage = await GuardStage.start([ALICE]);
  });
  afterEach(async () => await stage.stop());

  /** Bob starts the exit of a payment that spends his and alice's deposit; gives the exit's number. */
  const fly = async (payment: SignedPayment, deposits: object[]): Promise<void> => {
    const contract = stage.chain.rootChain.connect(stage.chain.wallet(BOB)) as any;
    const shown = deposits.map((deposit) => ({ deposit, exit: NO_EXIT }));
    const value = await stage.chain.rootChain["inFlightExitBond"]!();
    await stage.chain.mined(
      contract.startInFlightExit(payment.solidity, payment.json.signatures, [], shown, "0x", { value }),
    );
  };
  const swap = async (): Promise<{ payment: SignedPayment; deposits: object[] }> => {
    const inputs = [await stage.deposit(ALICE, 70n), await stage.deposit(BOB, 30n)];
    const payment = await stage.pay(
      inputs,
      [
        [BOB, 70n],
        [ALICE, 30n],
      ],
      [ALICE, BOB],
    );
    const deposits = [
      { id: 1n, owner: account(ALICE), token: ETHER, amount: 70n },
      { id: 2n, owner: account(BOB), token: ETHER, amount: 30n },
    ];
    return { payment, deposits };
  };

  it("of what no block has: her input and output are asked for, once, by her authorizations", async () => {
    const { payment, deposits } = await swap();
    await stage.look();
    await stage.authorize(ALICE);
    await fly(payment, deposits);
    await stage.settle();
    const asked = (await stage.chain.rootChain.queryFilter(stage.chain.rootChain.filters["Piggybacked"]!())) as any[];
    expect(asked.map(({ args }) => [Number(args.index), args.bondOwner.toLowerCase()])).to.have.deep.members([
      [0, stage.watcher],
      [17, stage.watcher],
    ]);
    const before = await stage.chain.provider.getBalance(account(ALICE));
    await stage.chain.passTime(3 * GUARD_EXIT_PERIOD);
    await stage.settle();
    expect((await stage.chain.provider.getBalance(account(ALICE))) - before).to.equal(30n);
  });

  it("of what a block has: nothing, since that leaves by itself if it must", async () => {
    const { payment, deposits } = await swap();
    await stage.look();
    await stage.authorize(ALICE);
    await stage.commit();
    await fly(payment, deposits);
    await stage.settle();
    expect(await stage.count("Piggybacked")).to.equal(0);
    expect(stage.findings).to.deep.equal([]);
  });

  it("without her word: it is told until half the exit period, with what she has to send", async () => {
    const { payment, deposits } = await swap();
    await stage.look();
    await fly(payment, deposits);
    await stage.look();
    const missing = stage.named("guardedPiggybackMissing");
    expect(missing.map(({ evidence }) => evidence["index"])).to.deep.equal([0, 17]);
    const start = (await stage.chain.provider.getBlock("latest"))!.timestamp;
    expect(missing[0]!.until).to.be.within(start - 10 + GUARD_EXIT_PERIOD / 2, start + GUARD_EXIT_PERIOD / 2);
    await stage.chain.mined(stage.chain.wallet(ALICE).sendTransaction(missing[1]!.transaction!));
    await stage.look();
    expect(stage.named("guardedPiggybackMissing").map(({ evidence }) => evidence["index"])).to.deep.equal([0]);
    await stage.chain.passTime(GUARD_EXIT_PERIOD / 2);
    await stage.look();
    expect(stage.findings).to.deep.equal([]);
  });

  it("an input of which she signed another spend is not asked for: it would cost the bond", async () => {
    const { payment, deposits } = await swap();
    await stage.look();
    await stage.authorize(ALICE);
    stage.child.see(await stage.sign(payment.json.inputs.slice(0, 1), [[CAROL, 70n]], [ALICE]));
    await fly(payment, deposits);
    await stage.settle();
    const asked = (await stage.chain.rootChain.queryFilter(stage.chain.rootChain.filters["Piggybacked"]!())) as any[];
    expect(asked.map(({ args }) => Number(args.index))).to.deep.equal([17]);
  });
});
