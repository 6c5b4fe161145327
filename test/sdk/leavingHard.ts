import { expect } from "chai";
import { JsonRpcProvider, NonceManager } from "ethers";
import {
  decodeKit,
  finishLeaving,
  leave,
  memoryStore,
  type ExitKit,
  type Wallet,
  type WalletError,
} from "@plasma-billing/sdk";
import { ETHER } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { readLine, writeLine } from "../../sdk/book.ts";
import { encodeKit } from "../../sdk/kit.ts";
import { EXIT_PERIOD_SECONDS, MarketStage } from "../helpers/marketStage.ts";

const [ALICE, BOB, CAROL, DAVE] = [2, 3, 4, 5] as const;
const BLOCKS_A_QUERY = 20;

/** A public node: events of few blocks at a time only. */
class StingyProvider extends JsonRpcProvider {
  refused = 0;
  override async send(method: string, params: any): Promise<any> {
    if (method === "eth_getLogs" && Number(params[0].toBlock) - Number(params[0].fromBlock) >= BLOCKS_A_QUERY) {
      this.refused++;
      throw Object.assign(new Error("query exceeds the range limit"), { code: -32005 });
    }
    return await super.send(method, params);
  }
}

describe("sdk: leaving when something is in the way", function () {
  this.timeout(240_000);
  let stage: MarketStage;
  const kits = new Map<number, string>();
  const kitOf = (index: number): ExitKit => decodeKit(kits.get(index)!);
  const options = (index: number): Parameters<typeof leave>[0] => ({
    ...{ kit: kitOf(index), provider: stage.provider, signer: stage.signer(index) },
    fromBlock: stage.chain.deploymentBlock,
  });
  const open = async (index: number): Promise<Wallet> => {
    const kitStore = {
      load: async () => await Promise.resolve(null),
      save: async (text: string) => await Promise.resolve(void kits.set(index, text)),
    };
    return await stage.wallet(index, { kitStore, fromBlock: stage.chain.deploymentBlock });
  };
  const to = (index: number): Address => stage.signer(index).address as Address;
  const amounts = (outputs: { amount: bigint; state: string }[]): [bigint, string][] =>
    outputs.map(({ amount, state }): [bigint, string] => [amount, state]).sort((a, b) => Number(a[0] - b[0]));

  before(async () => {
    stage = await MarketStage.start();
    const [alice, bob, carol, dave] = [await open(ALICE), await open(BOB), await open(CAROL), await open(DAVE)];
    // Bob pays alice out of his deposit; dave has several committed outputs; carol's are paid in a block.
    for (const wallet of [bob, carol]) await stage.fund(wallet, ETHER, 1_000n);
    for (const amount of [11n, 12n, 13n, 14n]) await stage.fund(dave, ETHER, amount);
    await carol.transfer({ to: to(CAROL), token: ETHER, amount: 400n });
    await stage.commitHour();
    await carol.sync();
    await bob.transfer({ to: to(ALICE), token: ETHER, amount: 300n });
    for (const wallet of [alice, bob, dave]) await wallet.sync();
  });
  after(async () => await stage?.stop());

  it("a proof of a commit that Ethereum undid is taken anew", async () => {
    const lines: string[] = [];
    const first = await stage.wallet(CAROL, { store: memoryStore(lines) });
    await first.sync();
    const undone = lines.map((line, i) => {
      const note = readLine(line, i);
      if (note.kind !== "proof") return line;
      const { proof } = note;
      return writeLine({ ...note, proof: { ...proof, header: { ...proof.header, timestamp: 1 } } });
    });
    expect(undone).to.not.deep.equal(lines);
    const wallet = await stage.wallet(CAROL, { store: memoryStore(undone) });
    const times = (): number[] => wallet.kit().payments.flatMap(({ proof }) => proof?.header.timestamp ?? []);
    expect(times()).to.deep.equal([1]);
    await wallet.sync();
    const [time] = times();
    expect(time).to.be.greaterThan(1);
    expect(first.kit().payments.map(({ proof }) => proof?.header.timestamp)).to.deep.equal([time]);
  });

  it("with a kit whose block Ethereum has not: the payment leaves in flight", async () => {
    await stage.loseOperator();
    const kit = kitOf(CAROL);
    const payments = kit.payments.map((payment) => {
      const { proof } = payment;
      return { ...payment, proof: proof && { ...proof, header: { ...proof.header, timestamp: 1 } } };
    });
    // It says where the payment's input comes from, as the kit of that hour did.
    const deposit = { id: "2", owner: kit.owner, token: ETHER, amount: "1000" };
    const stale = decodeKit(encodeKit({ ...kit, payments, deposits: [deposit] }));
    const { outputs, stranded } = await leave({ ...options(CAROL), kit: stale });
    expect(stranded).to.deep.equal([]);
    expect(amounts(outputs)).to.deep.equal([
      [400n, "started"],
      [600n, "started"],
    ]);
  });

  it("from a payer who began to take out what it paid with", async () => {
    const bob = stage.signer(BOB);
    // Bob's deposit exit: without the exit's data nobody could start the exit of his payment.
    const contract = stage.chain.rootChain.connect(bob) as any;
    const bond = await contract.standardExitBond();
    const authorization = { bondOwner: ETHER, deadline: 0, signature: "0x" };
    const deposit = { id: 1n, owner: bob.address, token: ETHER, amount: 1_000n };
    const sent = await contract.startDepositExits([{ deposit, authorization }], { value: bond });
    await stage.chain.mined(Promise.resolve(sent));
    const { outputs, stranded } = await leave(options(ALICE));
    expect(stranded).to.deep.equal([]);
    expect(amounts(outputs)).to.deep.equal([[300n, "started"]]);
  });

  it("with a node that tells the events of few blocks only, and a signer that counts its transactions", async () => {
    await stage.chain.mine(100);
    const provider = new StingyProvider(stage.node.url, undefined, { pollingInterval: 50, cacheTimeout: -1 });
    try {
      const signer = new NonceManager(stage.signer(DAVE).connect(provider));
      // Another program of dave's starts one of the exits after the plan was made.
      const contract = stage.chain.rootChain.connect(stage.signer(DAVE)) as any;
      const bond = await contract.standardExitBond();
      const { id, ...deposit } = kitOf(DAVE).deposits[1]!;
      const authorization = { bondOwner: ETHER, deadline: 0, signature: "0x" };
      let started = false;
      const estimate = signer.estimateGas.bind(signer);
      signer.estimateGas = async (request) => {
        if (!started) {
          started = true;
          const requests = [{ deposit: { ...deposit, id: BigInt(id), amount: BigInt(deposit.amount) }, authorization }];
          await stage.chain.mined(contract.startDepositExits(requests, { value: bond }));
          signer.reset();
        }
        return await estimate(request);
      };
      const { outputs, stranded } = await leave({ ...options(DAVE), provider, signer });
      expect(stranded.map(({ reason }) => reason).join()).to.contain("RootChain_AlreadyExiting");
      expect(amounts(outputs)).to.deep.equal([11n, 12n, 13n, 14n].map((amount) => [amount, "started"]));
      expect(provider.refused).to.be.greaterThan(0);
    } finally {
      provider.destroy();
    }
  });

  it("without ether for the bonds: it says so before it sends anything, and asks for nothing that is paid already", async () => {
    const { provider } = stage;
    const address = stage.signer(BOB).address;
    await provider.send("anvil_setBalance", [address, "0x100"]);
    const count = await provider.getTransactionCount(address);
    const error = (await leave(options(BOB)).catch((caught: unknown) => caught)) as WalletError;
    expect(error.code).to.equal("INSUFFICIENT_FUNDS");
    expect(await provider.getTransactionCount(address)).to.equal(count);
    // Dave's exits run: to ask how far they are takes nothing.
    await provider.send("anvil_setBalance", [stage.signer(DAVE).address, "0x100"]);
    await leave(options(DAVE));
  });

  it("everybody is paid", async () => {
    await stage.chain.passTime(2 * EXIT_PERIOD_SECONDS + 1);
    await finishLeaving({ ...options(DAVE), signer: stage.signer(8) });
    expect(amounts((await leave(options(DAVE))).outputs).map(([, state]) => state)).to.deep.equal(
      Array(4).fill("finalized"),
    );
  });
});
