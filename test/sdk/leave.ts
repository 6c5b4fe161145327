import { expect } from "chai";
import fc from "fast-check";
import {
  decodeKit,
  encodeKit,
  finishLeaving,
  leave,
  leaving,
  WalletError,
  type ExitKit,
  type Wallet,
} from "@plasma-billing/sdk";
import { ETHER } from "@plasma-billing/protocol/transaction.ts";
import { EXIT_PERIOD_SECONDS, MarketStage } from "../helpers/marketStage.ts";

const [ALICE, BOB, STRANGER] = [2, 3, 8] as const;

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof WalletError) return error.code;
    throw error;
  }
  return "none";
}

describe("sdk: leaving with an exit kit, the operator and its data gone", function () {
  this.timeout(240_000);
  let stage: MarketStage;
  /** What each wallet's kit store got last. */
  const kits = new Map<number, string>();
  const wallets = new Map<number, Wallet>();

  before(async () => {
    stage = await MarketStage.start();
    for (const index of [ALICE, BOB]) {
      const kitStore = {
        load: async () => await Promise.resolve(kits.get(index) ?? null),
        save: async (text: string) => await Promise.resolve(void kits.set(index, text)),
      };
      wallets.set(index, await stage.wallet(index, { kitStore }));
    }
    const [alice, bob] = [wallets.get(ALICE)!, wallets.get(BOB)!];
    await stage.fund(alice, ETHER, 1_000n);
    await stage.fund(alice, ETHER, 50n);
    await stage.fund(alice, stage.token, 7_000n);
    // Committed: of the 1000, alice has 600 in change, bob 400; of the tokens 2000 are bob's.
    await alice.transfer({ to: bob.address, token: ETHER, amount: 400n });
    await alice.transfer({ to: bob.address, token: stage.token, amount: 2_000n });
    await stage.commitHour();
    await alice.sync();
    await bob.sync();
    // In no block: of the committed 400, bob pays alice 150.
    await bob.transfer({ to: alice.address, token: ETHER, amount: 150n });
    await alice.sync();
    await bob.sync();
    await stage.loseOperator();
  });
  after(async () => await stage?.stop());

  const kitOf = (index: number): ExitKit => decodeKit(kits.get(index)!);
  const options = (index: number): Parameters<typeof leave>[0] => ({
    ...{ kit: kitOf(index), provider: stage.provider, signer: stage.signer(index) },
    fromBlock: stage.chain.deploymentBlock,
  });

  it("the kit is a file that comes back as it was written, and whatever else it is, it is refused", () => {
    const text = kits.get(ALICE)!;
    expect(encodeKit(decodeKit(text))).to.equal(text);
    const kit = kitOf(ALICE);
    expect(kit.outputs).to.have.length(4);
    expect(kit.inFlight).to.have.length(1);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom("0", "f", "x", '"', "}", " "), (at, by) => {
        const changed = text.slice(0, at) + by + text.slice(at + 1);
        fc.pre(changed !== text);
        const code = codeOf(() => decodeKit(changed));
        // White space between values means nothing.
        if (code === "none") expect(JSON.stringify(JSON.parse(changed))).to.equal(JSON.stringify(JSON.parse(text)));
        else expect(["KIT_DAMAGED", "KIT_VERSION"]).to.include(code);
      }),
      { numRuns: 400 },
    );
    expect(codeOf(() => decodeKit(text.slice(0, text.length / 2)))).to.equal("KIT_DAMAGED");
    expect(codeOf(() => decodeKit(text.replace('"version": 1', '"version": 2')))).to.equal("KIT_VERSION");
    expect(codeOf(() => decodeKit("[]"))).to.equal("KIT_DAMAGED");
    const { outputs: _, ...less } = kit;
    expect(codeOf(() => decodeKit(encodeKit({ ...less, outputs: [`0x${"12".repeat(32)}`] } as ExitKit)))).to.equal(
      "KIT_DAMAGED",
    );
  });

  it("is the owner's alone", async () => {
    const error = await leave({ ...options(ALICE), signer: stage.signer(STRANGER) }).catch((caught: unknown) => caught);
    expect((error as WalletError).code).to.equal("WRONG_SIGNER");
  });

  it("takes out every output, in flight too, in few transactions; interrupted anywhere it goes on", async () => {
    const { chain, provider } = stage;
    const before = await provider.getTransactionCount(stage.signer(ALICE).address);
    // The first attempt is cut off after each transaction in turn: standard exits of payments, of deposits, in flight, piggybacks.
    for (let allowed = 1; allowed < 4; allowed++) {
      const signer = stage.signer(ALICE);
      const send = signer.sendTransaction.bind(signer);
      let sent = 0;
      signer.sendTransaction = async (request) => {
        if (sent++ >= 1) throw new Error("the power is cut");
        return await send(request);
      };
      const cut = await leave({ ...options(ALICE), signer }).catch((error: unknown) => error);
      expect(String(cut)).to.contain("the power is cut");
    }
    const gone = await leave(options(ALICE));
    expect(gone.stranded).to.deep.equal([]);
    expect(
      gone.outputs.map(({ amount, state }) => [amount, state]).sort((a, b) => Number(a[0]) - Number(b[0])),
    ).to.deep.equal([
      [50n, "started"],
      [150n, "started"],
      [600n, "started"],
      [5_000n, "started"],
    ]);
    expect((await provider.getTransactionCount(stage.signer(ALICE).address)) - before).to.equal(4);
    // Again: nothing is left to do.
    await leave(options(ALICE));
    expect((await provider.getTransactionCount(stage.signer(ALICE).address)) - before).to.equal(4);

    const bobs = await leave(options(BOB));
    expect(bobs.stranded).to.deep.equal([]);
    await chain.passTime(EXIT_PERIOD_SECONDS / 2);
    expect(await finishLeaving(options(ALICE))).to.equal(0);
    await chain.passTime(2 * EXIT_PERIOD_SECONDS);

    // Who is paid is not who processes: a stranger does it.
    const people = [stage.signer(ALICE).address, stage.signer(BOB).address];
    const tokensOf = async (address: string): Promise<bigint> => (await chain.token["balanceOf"]!(address)) as bigint;
    const bonds = {
      standard: await chain.rootChain["standardExitBond"]!(),
      inFlight: await chain.rootChain["inFlightExitBond"]!(),
    };
    const piggyback = (await chain.rootChain["piggybackBond"]!()) as bigint;
    const bounty = (await chain.rootChain["bounty"]!()) as bigint;
    const ether = await Promise.all(people.map(async (address) => await provider.getBalance(address)));
    expect(await finishLeaving({ ...options(ALICE), signer: stage.signer(STRANGER) })).to.be.greaterThan(0);
    const [alice, bob] = (await Promise.all(
      people.map(async (address, i) => (await provider.getBalance(address)) - ether[i]!),
    )) as [bigint, bigint];
    // alice: 600 and 50 and the 150 in flight; three standard bonds less bounties, the exit's bond, one piggyback whose bond
    // bore the entry's bounty. bob: his change of 250, and both his piggybacks' bonds back, of
    // the input too; his tokens by a standard exit.
    expect(alice).to.equal(800n + 3n * (bonds.standard - bounty) + bonds.inFlight + piggyback - bounty);
    expect(bob).to.equal(250n + (bonds.standard - bounty) + 2n * piggyback);
    expect(await Promise.all(people.map(tokensOf))).to.deep.equal([5_000n, 2_000n]);
    const end = await leaving(options(ALICE));
    expect(end.outputs.map(({ state }) => state)).to.deep.equal(["finalized", "finalized", "finalized", "finalized"]);
    expect(await finishLeaving(options(ALICE))).to.equal(0);
  });
});
