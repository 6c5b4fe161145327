import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Wallet } from "ethers";
import { EthereumError } from "@plasma-billing/ethereum/errors.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Attempt, Sender } from "../../operator/settlement/records.ts";
import { Chain, devKey, ETHER, outputIdOf } from "./chain.ts";
import { LocalOperator, type LocalOptions } from "./localOperator.ts";
import { startAnvil, type RunningNode } from "./nodes.ts";

const FINALITY = 4;
const alice = new Wallet(devKey(2));

/** A real node, a contract on it, and the operator's parts in a folder: a test takes each turn itself. */
export class SettlementStage {
  readonly node: RunningNode;
  readonly chain: Chain;
  readonly dataDir: string;
  operator!: LocalOperator;
  /** What alice has to spend. */
  output = "";
  private readonly acknowledged = new Set<string>();
  private deposited = 0;
  private running = false;
  private options: LocalOptions;

  private constructor(node: RunningNode, chain: Chain, dataDir: string, options: LocalOptions) {
    this.node = node;
    this.chain = chain;
    this.dataDir = dataDir;
    this.options = { finality: FINALITY, ...options };
  }

  static async open(
    options: LocalOptions = {},
    start: () => Promise<RunningNode> = startAnvil,
  ): Promise<SettlementStage> {
    const node = await start();
    const chain = await Chain.deploy(node.url);
    const stage = new SettlementStage(node, chain, await mkdtemp(join(tmpdir(), "plasma-commit-")), options);
    await stage.restart();
    return stage;
  }

  async close(): Promise<void> {
    await this.stop();
    await this.node.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  async stop(): Promise<void> {
    if (this.running) await this.operator.stop();
    this.running = false;
  }

  /** Opens the folder anew, or another one; what is given stays for later restarts too. */
  async restart(options: LocalOptions = {}, dataDir = this.dataDir): Promise<void> {
    await this.stop();
    this.options = { ...this.options, ...options };
    this.operator = await LocalOperator.open(this.chain, dataDir, this.options);
    this.running = true;
  }

  get sender(): Sender {
    return { chainId: this.chain.chainId, address: new Wallet(devKey(1)).address.toLowerCase() as Address };
  }

  /** A deposit that is credited. */
  async deposit(): Promise<void> {
    const { node, chain, operator } = this;
    this.deposited++;
    const automine = await node
      .rpc<boolean>("hardhat_getAutomine")
      .catch(async () => await node.rpc<boolean>("anvil_getAutomine"));
    if (!automine) await node.rpc("evm_setAutomine", [true]);
    chain.deployer.reset();
    await chain.mined(chain.rootChain["depositEther"]!(alice.address, { value: 10n }));
    await chain.mine(this.options.finality === "finalized" ? 1 : (this.options.finality ?? FINALITY));
    if (!automine) await node.rpc("evm_setAutomine", [false]);
    await operator.turn();
    this.output = chain.depositOutputId({
      id: BigInt(this.deposited),
      owner: alice.address,
      token: ETHER,
      amount: 10n,
    });
  }

  /** Alice pays herself, again and again if need be. */
  async pay(): Promise<void> {
    const { chain, operator } = this;
    const payment = await chain.payment([this.output], [{ owner: alice.address, token: ETHER, amount: 10n }], [alice]);
    expect((await operator.pay(payment)).kind).to.equal("accepted");
    this.acknowledged.add(payment.hash);
    this.output = outputIdOf(payment.hash, 0);
  }

  /** A payment, sealed: one more block to commit. Needs Ethereum only for the first one's deposit. */
  async sealBlock(): Promise<number> {
    if (this.output === "") await this.deposit();
    await this.pay();
    return (await this.operator.sequencer.seal()) as number;
  }

  /** A turn in which nodes may fail. */
  async tryTurn(): Promise<EthereumError | null> {
    try {
      await this.operator.turn();
      return null;
    } catch (error) {
      if (!(error instanceof EthereumError)) throw error;
      return error;
    }
  }

  async turns(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await this.tryTurn();
      await this.chain.mine(1);
    }
  }

  attempts(number: number): Attempt[] {
    return this.operator.records.allAttempts(number);
  }

  stateOf(number: number): string {
    const { ledger, committer } = this.operator;
    const { state } = ledger.block(number)!.commit;
    return state === "sealed" ? committer.stateOf(number) : state;
  }

  /**
   * What holds at the end of every fault: one commit a number, of the sealed root, in order; one nonce at a time; all that was
   * acknowledged is in the journal; and the next block goes the same way.
   */
  async expectSettled(): Promise<void> {
    await this.turns(3);
    await this.expectCommitted();
    await this.sealBlock();
    await this.turns(4);
    await this.expectCommitted();
  }

  async expectCommitted(): Promise<void> {
    const { chain, operator, acknowledged } = this;
    const filter = chain.rootChain.filters["BlockCommitted"]!();
    const events = (await chain.rootChain.queryFilter(filter)) as any[];
    const { sealedBlocks } = operator.ledger;
    expect(events.map(({ args }) => Number(args.number))).to.deep.equal(sealedBlocks.map(({ number }) => number));
    expect(events.map(({ args }) => args.transactionsRoot)).to.deep.equal(
      sealedBlocks.map(({ transactionsRoot }) => transactionsRoot),
    );
    for (const { number, transactionsRoot } of sealedBlocks) {
      expect(operator.records.block(number)?.transactionsRoot).to.equal(transactionsRoot);
    }
    expect(operator.committer.halted).to.equal(null);
    const written = new Set(operator.entries.flatMap((entry) => (entry.type === "payment" ? [entry.hash] : [])));
    for (const hash of acknowledged) expect(written.has(hash as `0x${string}`), hash).to.equal(true);
  }
}
