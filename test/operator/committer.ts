import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Transaction, Wallet } from "ethers";
import type { EthereumRpc } from "@plasma-billing/ethereum/rpc.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Signer } from "@plasma-billing/ethereum/signer.ts";
import { SettlementRecords } from "../../operator/settlement/records.ts";
import { Chain, ETHER, devKey } from "../helpers/chain.ts";
import { LocalOperator, type LocalOptions } from "../helpers/localOperator.ts";
import { type RunningNode, startAnvil } from "../helpers/nodes.ts";

const FINALITY = 4;
const alice = new Wallet(devKey(2));
const operatorAddress = new Wallet(devKey(1)).address;

describe("the committer (INV-12)", function () {
  this.timeout(60_000);
  let node: RunningNode;
  let chain: Chain;
  let dataDir: string;
  let operator: LocalOperator;
  let output: string;
  let deposited = 0;
  beforeEach(async () => {
    node = await startAnvil();
    chain = await Chain.deploy(node.url);
    dataDir = await mkdtemp(join(tmpdir(), "plasma-commit-"));
    deposited = 0;
    await open();
  });
  afterEach(async () => {
    await operator.stop();
    await node.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  const open = async (options: LocalOptions = {}): Promise<void> => {
    operator = await LocalOperator.open(chain, dataDir, { finality: FINALITY, ...options });
  };
  const restart = async (options: LocalOptions = {}): Promise<void> => {
    await operator.stop();
    await open(options);
  };
  /** A payment of a fresh deposit, sealed: one more block to commit. */
  const sealBlock = async (finality = FINALITY): Promise<number> => {
    deposited++;
    const deposit = { id: BigInt(deposited), owner: alice.address, token: ETHER, amount: 10n };
    const automine = await node.rpc<boolean>("anvil_getAutomine");
    await node.rpc("evm_setAutomine", [true]);
    chain.deployer.reset();
    await chain.mined(chain.rootChain["depositEther"]!(alice.address, { value: 10n }));
    await chain.mine(finality);
    await node.rpc("evm_setAutomine", [automine]);
    await operator.turn();
    output = chain.depositOutputId(deposit);
    const payment = await chain.payment([output], [{ owner: alice.address, token: ETHER, amount: 10n }], [alice]);
    expect((await operator.pay(payment)).kind).to.equal("accepted");
    return (await operator.sequencer.seal()) as number;
  };
  /** What always holds in the end: one commit a number, of the sealed root, in order. */
  const expectCommitted = async (blocks: number): Promise<void> => {
    const events = (await chain.rootChain.queryFilter(chain.rootChain.filters["BlockCommitted"]!())) as any[];
    expect(events.map((event) => Number(event.args.number))).to.deep.equal(
      Array.from({ length: blocks }, (_, i) => i + 1),
    );
    expect(events.map((event) => event.args.transactionsRoot)).to.deep.equal(
      operator.ledger.sealedBlocks.map((block) => block.transactionsRoot),
    );
    expect(operator.committer.halted).to.equal(null);
  };
  const turns = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      await operator.turn();
      await chain.mine(1);
    }
  };
  const lastAttempts = (): ReturnType<SettlementRecords["attempts"]> => {
    const number = operator.ledger.sealedBlocks.length;
    const sender = { chainId: chain.chainId, address: operatorAddress.toLowerCase() as Address };
    return operator.records.attempts(sender, operator.records.nonces(number, sender).at(-1) as number);
  };
  const stateOf = (number: number): string => {
    const { state } = operator.ledger.block(number)!.commit;
    return state === "sealed" ? operator.committer.stateOf(number) : state;
  };

  it("sealed → sent → committed → finalized, with gas and fee of the receipt", async () => {
    await node.rpc("evm_setAutomine", [false]);
    const number = await sealBlock();
    expect(stateOf(number)).to.equal("sealed");
    await operator.turn();
    expect(stateOf(number)).to.equal("sent");
    await chain.mine(1);
    await operator.turn();
    expect(stateOf(number)).to.equal("committed");
    const { gasUsed, fee, timestamp } = operator.ledger.block(number)!.commit;
    expect(Number(gasUsed)).to.be.within(40_000, 60_000);
    expect(fee! > 0n && timestamp! > 0).to.equal(true);
    await chain.mine(FINALITY);
    await operator.turn();
    expect(stateOf(number)).to.equal("finalized");
    await expectCommitted(1);
  });

  it("a process that ends at any moment: the frozen block is committed once", async () => {
    // Each of these ends the step that reaches it, before or after it took effect.
    class Crash extends Error {}
    const crash = (): never => {
      throw new Crash();
    };
    const breaks: LocalOptions[] = [
      { signer: (signer: Signer) => ({ ...signer, signTransaction: crash }) },
      {
        signer: (signer: Signer) => ({
          ...signer,
          signTransaction: async (transaction) => {
            await signer.signTransaction(transaction);
            return crash();
          },
        }),
      },
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
      { rpc: (rpc: EthereumRpc) => Object.assign(rpc, { balance: crash }) },
      { rpc: (rpc: EthereumRpc) => Object.assign(rpc, { nonce: crash }) },
      { rpc: (rpc: EthereumRpc) => Object.assign(rpc, { tip: crash }) },
    ];
    for (const automine of [true, false]) {
      for (const broken of breaks) {
        const number = await sealBlock();
        await node.rpc("evm_setAutomine", [automine]);
        await restart(broken);
        const error = await operator.turn().catch((caught: unknown) => caught);
        expect(error).to.be.instanceOf(Crash);
        await restart();
        await turns(3);
        await node.rpc("evm_setAutomine", [true]);
        await turns(1);
        expect(stateOf(number)).to.be.oneOf(["committed", "finalized"]);
        await expectCommitted(number);
      }
    }
  });

  it("a reorganisation that takes the commit away sends it back, and the same root is committed again", async () => {
    const finality = 12;
    await restart({ finality });
    await chain.mine(finality);
    const first = await sealBlock(finality);
    await turns(2);
    for (const above of [1, 2, 4]) {
      expect(stateOf(first)).to.equal("committed");
      await chain.mine(above);
      await operator.turn();
      const depth = (await chain.provider.getBlockNumber()) - operator.ledger.block(first)!.commit.ethereumBlock! + 1;
      await node.rpc("anvil_reorg", [depth, []]);
      expect(await chain.rootChain["nextBlockNumber"]!()).to.equal(1n);
      await restart({ finality });
      await operator.turn();
      expect(operator.ledger.block(first)!.commit.state).to.equal("sealed");
      await turns(2);
      const hashes = lastAttempts().map((attempt) => attempt.hash);
      expect(hashes).to.include(operator.ledger.block(first)!.commit.ethereumTransaction);
      await expectCommitted(1);
    }
    await turns(finality + 1);
    expect(stateOf(first)).to.equal("finalized");
    await expectCommitted(1);
  });

  it("what the node forgot is sent again, the same bytes", async () => {
    await node.rpc("evm_setAutomine", [false]);
    await sealBlock();
    await operator.turn();
    const [attempt] = lastAttempts();
    await node.rpc("anvil_dropTransaction", [attempt!.hash]);
    await chain.mine(1);
    await operator.turn();
    expect(lastAttempts()).to.have.length(1);
    await chain.mine(1);
    await operator.turn();
    await expectCommitted(1);
  });

  it("what waits too long is replaced: the same nonce, both fees up by a tenth at least, up to the limit", async () => {
    await node.rpc("evm_setAutomine", [false]);
    const number = await sealBlock();
    await operator.turn();
    for (let i = 0; i < 7; i++) {
      // Nothing of the operator's is mined while fees are what they are.
      for (const attempt of lastAttempts()) await node.rpc("anvil_dropTransaction", [attempt.hash]);
      await chain.mine(1);
      await operator.turn();
    }
    const attempts = lastAttempts();
    expect(attempts.length).to.be.above(1);
    for (const [index, attempt] of attempts.entries()) {
      const signed = Transaction.from(attempt.raw);
      expect(signed.nonce).to.equal(attempts[0]!.nonce);
      expect(signed.data).to.equal(operator.records.block(number)!.calldata);
      if (index === 0) continue;
      const before = Transaction.from(attempts[index - 1]!.raw);
      expect(signed.maxFeePerGas! * 10n >= before.maxFeePerGas! * 11n).to.equal(true);
      expect(signed.maxPriorityFeePerGas! * 10n >= before.maxPriorityFeePerGas! * 11n).to.equal(true);
      expect(signed.maxFeePerGas! <= 200n * 10n ** 9n).to.equal(true);
    }
    await turns(2);
    await expectCommitted(1);
  });

  it("without funds it says how much is missing, and goes on when they come", async () => {
    await sealBlock();
    const balance = await node.rpc<string>("eth_getBalance", [operatorAddress, "latest"]);
    await node.rpc("anvil_setBalance", [operatorAddress, "0x10"]);
    await operator.turn();
    expect(operator.committer.alarm?.text).to.match(/^0x[0-9a-f]{40} lacks \d+ wei for the commit: send it that much$/);
    expect(operator.committer.stateOf(1)).to.equal("sealed");
    await node.rpc("anvil_setBalance", [operatorAddress, balance]);
    await turns(2);
    expect(operator.committer.alarm).to.equal(null);
    await expectCommitted(1);
  });

  it("a transaction of somebody else with the key takes the nonce: another one only when that is final", async () => {
    await node.rpc("evm_setAutomine", [false]);
    await sealBlock();
    await operator.turn();
    const [attempt] = lastAttempts();
    await node.rpc("anvil_dropTransaction", [attempt!.hash]);
    const foreign = new Wallet(devKey(1), chain.provider);
    await foreign.sendTransaction({ to: alice.address, value: 1n, nonce: attempt!.nonce, maxFeePerGas: 10n ** 11n });
    await chain.mine(1);
    await operator.turn();
    expect(operator.committer.alarm?.text).to.contain(`nonce ${attempt!.nonce} was used without committing`);
    expect(lastAttempts()).to.have.length(1);
    await chain.mine(FINALITY);
    await turns(2);
    expect(lastAttempts()[0]!.nonce).to.equal(attempt!.nonce + 1);
    await expectCommitted(1);
  });

  it("with a key that is not the contract's operator nothing is signed", async () => {
    await sealBlock();
    await restart({ key: devKey(7) });
    await operator.turn();
    expect(operator.committer.alarm?.text).to.match(
      /^the contract's operator is 0x[0-9a-f]{40}, this key is 0x[0-9a-f]{40}/,
    );
    await restart();
    await turns(2);
    await expectCommitted(1);
  });

  it("a backlog goes out one after another as each lands, without waiting for finality", async () => {
    for (let i = 0; i < 4; i++) {
      // Sealed while nothing is committed: the operator takes no turn between.
      const number = await sealBlockUnseen();
      expect(number).to.equal(i + 1);
    }
    await turns(9);
    await expectCommitted(4);
  });

  it("another root under the number halts the committer, loudly, and payments go on", async () => {
    const number = await sealBlock();
    const foreign: any = chain.rootChain.connect(chain.wallet(1));
    await chain.mined(foreign.commitBlock(number, `0x${"66".repeat(32)}`, 1));
    await operator.turn();
    expect(operator.committer.halted?.reason).to.contain("Ethereum holds block 1 with root 0x6666");
    expect(operator.committer.stateOf(number)).to.equal("halted");
    const again = await chain.payment([output], [{ owner: alice.address, token: ETHER, amount: 10n }], [alice]);
    expect((await operator.pay(again)).kind).to.equal("accepted");
    await turns(3);
    expect(await chain.rootChain["nextBlockNumber"]!()).to.equal(2n);
  });

  it("a contract that is ahead of the journal halts it too", async () => {
    const foreign: any = chain.rootChain.connect(chain.wallet(1));
    await chain.mined(foreign.commitBlock(1, `0x${"66".repeat(32)}`, 1));
    await operator.turn();
    expect(operator.committer.halted?.reason).to.match(/Ethereum holds block 1|Ethereum expects block 2/);
    await restart();
    await operator.turn();
    expect(operator.committer.halted).to.not.equal(null);
  });

  it("what is frozen for a number cannot be frozen again otherwise", () => {
    const records = new SettlementRecords(join(dataDir, "other.db"));
    const block = {
      number: 1,
      transactionsRoot: `0x${"11".repeat(32)}` as const,
      transactionCount: 1,
      calldata: "0x01" as const,
    };
    records.freeze(block);
    records.freeze(block);
    expect(() => records.freeze({ ...block, calldata: "0x02" })).to.throw("another commit is frozen for the block");
    expect(records.block(1)).to.deep.equal(block);
    records.close();
  });

  async function sealBlockUnseen(): Promise<number> {
    if (operator.ledger.sealedBlocks.length === 0) return await sealBlock();
    const last = operator.ledger.sealedBlocks.length;
    const hash = operator.entries.findLast((entry) => entry.type === "payment")!.hash;
    const { outputIdOf } = await import("../helpers/chain.ts");
    const input = outputIdOf(hash, 0);
    const payment = await chain.payment([input], [{ owner: alice.address, token: ETHER, amount: 10n }], [alice]);
    expect((await operator.pay(payment)).kind).to.equal("accepted");
    expect(await operator.sequencer.seal()).to.equal(last + 1);
    return last + 1;
  }
});
