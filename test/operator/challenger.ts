import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Transaction, Wallet } from "ethers";
import type { SignedAttempt } from "@plasma-billing/ethereum/fees.ts";
import type { EthereumRpc } from "@plasma-billing/ethereum/rpc.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { ChallengerRecords, type Slot } from "../../ethereum/challenging/records.ts";
import { Chain, devKey, type SignedPayment } from "../helpers/chain.ts";
import { ExitsOnNode, type MadeDeposit } from "../helpers/exitsOnNode.ts";
import { LocalOperator, type LocalOptions } from "../helpers/localOperator.ts";
import { type RunningNode, startAnvil } from "../helpers/nodes.ts";

const FINALITY = 4;
/** Development accounts; the operator commits with 1. */
const [ALICE, BOB, CHALLENGER, MALLORY] = [2, 3, 5, 6] as const;
const challenger = new Wallet(devKey(CHALLENGER)).address.toLowerCase() as Address;

interface Spent {
  deposit: MadeDeposit;
  payment: SignedPayment;
}

describe("the challenger", function () {
  this.timeout(60_000);
  let node: RunningNode;
  let chain: Chain;
  let exits: ExitsOnNode;
  let dataDir: string;
  let operator: LocalOperator;
  beforeEach(async () => {
    node = await startAnvil();
    chain = await Chain.deploy(node.url);
    exits = new ExitsOnNode(chain);
    dataDir = await mkdtemp(join(tmpdir(), "plasma-challenger-"));
    await open();
  });
  afterEach(async () => {
    await operator.stop();
    await node.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  const open = async (options: LocalOptions = {}): Promise<void> => {
    operator = await LocalOperator.open(chain, dataDir, {
      ...{ finality: FINALITY, challengerKey: devKey(CHALLENGER) },
      ...options,
    });
  };
  const restart = async (options: LocalOptions = {}): Promise<void> => {
    await operator.stop();
    await open(options);
  };
  const automine = async (on: boolean): Promise<void> => {
    await node.rpc("evm_setAutomine", [on]);
  };
  /** A deposit that an accepted payment spends; it exits when `exitSpent` says so. */
  const spend = async (finality = FINALITY, amount = 10n): Promise<Spent> => {
    const deposit = await exits.deposit(ALICE, amount);
    await chain.mine(finality);
    await operator.turn();
    const payment = await exits.transfer(deposit.outputId, amount, ALICE, BOB);
    expect((await operator.pay(payment)).kind).to.equal("accepted");
    return { deposit, payment };
  };
  /** One that exits, mined, with automine as it was wanted before. */
  const exitSpent = async (finality = FINALITY): Promise<Spent> => {
    const spent = await spend(finality);
    await exits.exitDeposit(ALICE, spent.deposit);
    return spent;
  };
  const turns = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      await operator.turn();
      await chain.mine(1);
    }
  };
  const challenged = async (): Promise<string[]> =>
    (await exits.events("ExitChallenged")).map(({ args }) => args["challenger"].toLowerCase());
  /** What is on the disk, looked at besides the operator. */
  const recorded = (): { slot: Slot; attempts: SignedAttempt[] }[] => {
    const records = new ChallengerRecords(join(dataDir, "challenger.db"));
    const list = records
      .slots(challenger, 0)
      .map((slot) => ({ slot, attempts: records.attempts(challenger, slot.nonce) }));
    records.close();
    return list;
  };

  it("a process that ends at any moment: one challenge lands", async () => {
    class Crash extends Error {}
    const crash = (): never => {
      throw new Crash();
    };
    const breaks: LocalOptions[] = [
      { rpc: (rpc: EthereumRpc) => Object.assign(rpc, { estimateGas: crash }) },
      { rpc: (rpc: EthereumRpc) => Object.assign(rpc, { tip: crash }) },
      { rpc: (rpc: EthereumRpc) => Object.assign(rpc, { sendRawTransaction: crash }) },
      {
        rpc: (rpc: EthereumRpc) => {
          const send = rpc.sendRawTransaction.bind(rpc);
          return Object.assign(rpc, {
            sendRawTransaction: async (raw: `0x${string}`) => {
              await send(raw);
              crash();
            },
          });
        },
      },
    ];
    let exited = 0;
    for (const mining of [true, false]) {
      for (const broken of breaks) {
        await automine(true);
        await exitSpent();
        exited++;
        await automine(mining);
        await restart(broken);
        expect(await operator.turn().catch((caught: unknown) => caught)).to.be.instanceOf(Crash);
        await restart();
        await turns(3);
        expect(await challenged()).to.deep.equal(Array.from({ length: exited }, () => challenger));
        expect(await exits.sentBy(CHALLENGER)).to.equal(exited);
        expect(operator.challenger!.open).to.deep.equal([]);
      }
    }
  });

  it("what started, and ended, while it was down or had no key is known after the start", async () => {
    await operator.stop();
    operator = await LocalOperator.open(chain, dataDir, { finality: FINALITY });
    const over = await exitSpent();
    await challengeAs(MALLORY, over);
    await exitSpent();
    // Final, and taken in by the operator: no update tells of it again.
    await chain.mine(FINALITY);
    await operator.turn();
    await restart();
    await turns(2);
    expect(await challenged()).to.deep.equal([new Wallet(devKey(MALLORY)).address.toLowerCase(), challenger]);
  });

  it("logs that a node leaves out are missed, and read again", async () => {
    await exitSpent();
    await chain.mine(FINALITY);
    await operator.stop();
    // Taken in by an operator without a challenger: only its history tells of the exit.
    operator = await LocalOperator.open(chain, dataDir, { finality: FINALITY });
    await operator.turn();
    let lies = 1;
    await restart({
      rpc: (rpc: EthereumRpc) => {
        const logs = rpc.logs.bind(rpc);
        return Object.assign(rpc, {
          logs: async (...[address, where]: Parameters<EthereumRpc["logs"]>) => {
            const history = "from" in where && where.from === chain.deploymentBlock;
            return history && lies-- > 0 ? [] : await logs(address, where);
          },
        });
      },
    });
    const error = await operator.turn().catch((caught: unknown) => caught);
    expect(String(error)).to.contain("starts of exits are missing");
    await turns(2);
    expect(await challenged()).to.deep.equal([challenger]);
  });

  it("a reorganisation takes the challenge away: the same bytes land again", async () => {
    const finality = 12;
    await restart({ finality });
    await exitSpent(finality);
    await operator.turn();
    await chain.mine(1);
    await operator.turn();
    expect(operator.challenger!.open).to.deep.equal([]);
    const [first] = await exits.events("ExitChallenged");
    const depth = (await chain.provider.getBlockNumber()) - first!.blockNumber + 1;
    await node.rpc("anvil_reorg", [depth, []]);
    expect(await exits.events("ExitChallenged")).to.deep.equal([]);
    await restart({ finality });
    await operator.turn();
    expect(operator.challenger!.open).to.have.length(1);
    await turns(2);
    const again = await exits.events("ExitChallenged");
    expect(again.map(({ transactionHash }) => transactionHash)).to.deep.equal([first!.transactionHash]);
    expect(recorded()).to.have.length(1);
  });

  it("a reorganisation gives the exit another start: what was signed for the former is no use, and frees its nonce", async () => {
    const finality = 12;
    await restart({ finality });
    const { deposit } = await spend(finality);
    const another = await exits.transfer(deposit.outputId, 10n, ALICE, MALLORY);
    const former = await exits.startFlight(ALICE, another, deposit);
    await automine(false);
    await operator.turn();
    await node.rpc("anvil_dropTransaction", [recorded()[0]!.attempts[0]!.hash]);
    await automine(true);
    await node.rpc("anvil_reorg", [1, []]);
    expect(await exits.events("InFlightExitStarted")).to.deep.equal([]);
    const again = await exits.startFlight(ALICE, another, deposit);
    expect([again.number, again.data.id]).to.deep.equal([former.number, former.data.id]);
    expect(again.data.data).to.not.equal(former.data.data);
    await turns(3);
    expect(await exits.events("NonCanonicalChallenged")).to.have.length(1);
    const [first, second] = recorded().map(({ slot }) => slot);
    expect([first!.nonce, second!.nonce, second!.duty]).to.deep.equal([0, 1, first!.duty]);
    expect(operator.challenger!.open).to.deep.equal([]);
  });

  it("a transaction of somebody else with the key takes the nonce: the next one is taken", async () => {
    await exitSpent();
    await automine(false);
    await operator.turn();
    await node.rpc("anvil_dropTransaction", [recorded()[0]!.attempts[0]!.hash]);
    const foreign = new Wallet(devKey(CHALLENGER), chain.provider);
    await foreign.sendTransaction({ to: foreign.address, value: 1n, nonce: 0, maxFeePerGas: 10n ** 11n });
    await chain.mine(1);
    await turns(3);
    expect(await challenged()).to.deep.equal([challenger]);
    expect(recorded().map(({ slot }) => slot.nonce)).to.deep.equal([0, 1]);
  });

  it("somebody else is first: what is under way ends in vain, nothing further is sent, nothing fails", async () => {
    const spent = await spend();
    await exits.exitDeposit(ALICE, spent.deposit);
    await automine(false);
    await operator.turn();
    expect(recorded()).to.have.length(1);
    // The node forgets ours, and mines the other one first.
    await node.rpc("anvil_dropTransaction", [recorded()[0]!.attempts[0]!.hash]);
    await automine(true);
    await challengeAs(MALLORY, spent);
    await operator.turn();
    expect(operator.challenger!.open).to.deep.equal([]);
    await turns(5);
    expect(recorded()[0]!.attempts).to.have.length(1);
    expect(await exits.sentBy(CHALLENGER)).to.equal(0);
    expect(operator.challenger!.warning).to.equal(null);
    // The nonce that was taken goes out when one behind it is needed.
    await exitSpent();
    await turns(5);
    expect((await challenged()).at(-1)).to.equal(challenger);
    expect(await exits.sentBy(CHALLENGER)).to.equal(2);
  });

  it("somebody else is in the same block: ours reverts there, and the duty is over", async () => {
    const spent = await spend();
    await exits.exitDeposit(ALICE, spent.deposit);
    await automine(false);
    await sendChallenge(MALLORY, spent, 10n ** 12n);
    // The estimate is of the latest block: the other one is not in it.
    await operator.turn();
    await chain.mine(1);
    await automine(true);
    const { hash } = recorded()[0]!.attempts[0]!;
    expect((await chain.provider.getTransactionReceipt(hash))!.status).to.equal(0);
    await turns(3);
    expect(recorded()).to.have.length(1);
    expect(operator.challenger!.open).to.deep.equal([]);
    expect(operator.challenger!.warning).to.equal(null);
  });

  it("what would revert is not sent, and is tried again with growing distance", async () => {
    let estimates = 0;
    let refusing = true;
    await exitSpent();
    await restart({
      rpc: (rpc: EthereumRpc) => {
        const estimate = rpc.estimateGas.bind(rpc);
        return Object.assign(rpc, {
          estimateGas: async (call: Parameters<EthereumRpc["estimateGas"]>[0]) => {
            estimates++;
            return await estimate(refusing ? { ...call, data: "0x" } : call);
          },
        });
      },
    });
    await turns(10);
    expect(estimates).to.equal(4);
    expect(recorded()).to.deep.equal([]);
    refusing = false;
    await turns(8);
    expect(await challenged()).to.deep.equal([challenger]);
  });

  it("what waits too long is replaced: the same nonce, both fees up by a tenth at least, up to the limit", async () => {
    const maxFeeGwei = 6;
    await restart({ maxFeeGwei });
    await exitSpent();
    await automine(false);
    for (let i = 0; i < 12; i++) {
      await operator.turn();
      for (const { hash } of recorded()[0]!.attempts) await node.rpc("anvil_dropTransaction", [hash]);
      await chain.mine(1);
    }
    const [{ attempts } = { attempts: [] }] = recorded();
    expect(attempts.length).to.be.within(2, 5);
    for (const [index, { raw }] of attempts.entries()) {
      const signed = Transaction.from(raw);
      expect([signed.nonce, signed.from!.toLowerCase()]).to.deep.equal([0, challenger]);
      expect(signed.maxFeePerGas! <= BigInt(maxFeeGwei) * 10n ** 9n).to.equal(true);
      if (index === 0) continue;
      const before = Transaction.from(attempts[index - 1]!.raw);
      expect(signed.data).to.equal(before.data);
      expect(signed.maxFeePerGas! * 10n >= before.maxFeePerGas! * 11n).to.equal(true);
      expect(signed.maxPriorityFeePerGas! * 10n >= before.maxPriorityFeePerGas! * 11n).to.equal(true);
    }
    await turns(2);
    expect(await challenged()).to.deep.equal([challenger]);
  });

  it("without funds it says how much is missing, also of the bond, and goes on when they come", async () => {
    const { deposit } = await spend();
    const another = await exits.transfer(deposit.outputId, 10n, ALICE, MALLORY);
    await exits.startFlight(ALICE, another, deposit);
    await exits.exitDeposit(ALICE, deposit);
    const balance = await node.rpc<string>("eth_getBalance", [challenger, "latest"]);
    await node.rpc("anvil_setBalance", [challenger, "0x10"]);
    await operator.turn();
    expect(operator.challenger!.warning).to.match(/^0x[0-9a-f]{40} lacks \d{17} wei for challengeNonCanonical:\d+:0x/);
    expect(recorded()).to.deep.equal([]);
    await node.rpc("anvil_setBalance", [challenger, balance]);
    await turns(3);
    expect(operator.challenger!.warning).to.equal(null);
    expect(await challenged()).to.deep.equal([challenger]);
    expect(await exits.events("NonCanonicalChallenged")).to.have.length(1);
  });

  it("more exits at once than it has nonces in use: all are challenged, one row of nonces", async () => {
    const count = 20;
    const spent: Spent[] = [];
    for (let i = 0; i < count; i++) spent.push(await spend());
    for (const { deposit } of spent) await exits.exitDeposit(ALICE, deposit);
    await automine(false);
    await operator.turn();
    expect(recorded()).to.have.length(16);
    await chain.mine(1);
    await turns(3);
    expect(await challenged()).to.have.length(count);
    expect(recorded().map(({ slot }) => slot.nonce)).to.deep.equal(Array.from({ length: count }, (_, i) => i));
    expect(await exits.sentBy(CHALLENGER)).to.equal(count);
  });

  it("nothing that is on the disk can be written again", () => {
    const records = new ChallengerRecords(join(dataDir, "other.db"));
    const slot = { nonce: 1, duty: "a", data: "0x01", value: 2n, gasLimit: 3n } as const;
    const attempt = { index: 0, hash: "0x04", raw: "0x05", maxFeePerGas: 6n, maxPriorityFeePerGas: 7n } as const;
    records.begin(challenger, slot, { ...attempt, ethereumBlock: 8 });
    expect(() => records.begin(challenger, { ...slot, duty: "b" }, { ...attempt, ethereumBlock: 9 })).to.throw(
      "UNIQUE",
    );
    expect(() => records.add(challenger, 1, { ...attempt, ethereumBlock: 9 })).to.throw("UNIQUE");
    expect(records.slots(challenger, 0)).to.deep.equal([slot]);
    expect(records.attempts(challenger, 1)).to.deep.equal([{ ...attempt, ethereumBlock: 8 }]);
    expect(records.slots(challenger, 2)).to.deep.equal([]);
    expect([records.usedFor(challenger, "a", 1, 0), records.usedFor(challenger, "a", 2, 8)]).to.deep.equal([0, 1]);
    // What was in vain long ago does not count for ever.
    expect(records.usedFor(challenger, "a", 2, 9)).to.equal(0);
    records.close();
  });

  /** The same challenge by another account, as it would be made by hand. */
  async function sendChallenge(account: number, { deposit, payment }: Spent, tip: bigint): Promise<{ hash: string }> {
    const started = (await exits.events("ExitStarted")).find(({ args }) => args["outputId"] === deposit.outputId)!;
    const { number, owner, token, amount, bondOwner, depositRecord } = started.args.toObject();
    const exit = { number, owner, token, amount, bondOwner, depositRecord };
    const contract: any = chain.rootChain.connect(chain.wallet(account));
    const fees = { maxPriorityFeePerGas: tip, maxFeePerGas: 2n * tip };
    return await contract.challengeStandardExit(exit, payment.solidity, 0, payment.json.signatures[0], fees);
  }

  async function challengeAs(account: number, spent: Spent): Promise<void> {
    await chain.mined(sendChallenge(account, spent, 10n ** 10n));
  }
});
