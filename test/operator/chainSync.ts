import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Wallet } from "ethers";
import { EthereumError } from "@plasma-billing/ethereum/errors.ts";
import type { EthereumRpc } from "@plasma-billing/ethereum/rpc.ts";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import { Chain, ETHER, devKey } from "../helpers/chain.ts";
import { LocalOperator, type LocalOptions } from "../helpers/localOperator.ts";
import { type RunningNode, startAnvil } from "../helpers/nodes.ts";

const FINALITY = 3;
const alice = new Wallet(devKey(2));
const bob = new Wallet(devKey(3));

describe("the operator follows Ethereum by block hash", function () {
  this.timeout(60_000);
  let node: RunningNode;
  let chain: Chain;
  let dataDir: string;
  let operator: LocalOperator;
  beforeEach(async () => {
    node = await startAnvil();
    chain = await Chain.deploy(node.url, { exitPeriodSeconds: 1000 });
    dataDir = await mkdtemp(join(tmpdir(), "plasma-sync-"));
    operator = await LocalOperator.open(chain, dataDir);
  });
  afterEach(async () => {
    await operator.stop();
    await node.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  const restart = async (options: LocalOptions = {}): Promise<void> => {
    await operator.stop();
    operator = await LocalOperator.open(chain, dataDir, options);
  };
  const reorg = async (depth: number): Promise<void> => {
    await node.rpc("anvil_reorg", [depth, []]);
    chain.deployer.reset();
  };
  const deposit = async (amount: bigint): Promise<OutputId> => {
    const id = await chain.rootChain["nextDepositId"]!();
    await chain.mined(chain.rootChain["depositEther"]!(alice.address, { value: amount }));
    return chain.depositOutputId({ id, owner: alice.address, token: ETHER, amount }) as OutputId;
  };
  const startExit = async (amount: bigint, id = 1n): Promise<void> => {
    const rootChain: any = chain.rootChain.connect(chain.wallet(2));
    const terms = { id, owner: alice.address, token: ETHER, amount };
    await chain.mined(rootChain.startDepositExit(terms, { value: await rootChain.standardExitBond() }));
  };
  const stateOf = (id: OutputId): string | undefined => operator.ledger.output(id)?.state;
  const count = (type: string): number => operator.entries.filter((entry) => entry.type === type).length;

  it("credits a deposit when it is final, once, whenever it is restarted", async () => {
    const id = await deposit(5n);
    await operator.turn();
    expect(stateOf(id)).to.equal(undefined);
    expect(operator.chainSync.pendingDeposits.map((pending) => pending.outputId)).to.deep.equal([id]);
    await chain.mine(FINALITY - 2);
    await operator.turn();
    expect(stateOf(id)).to.equal(undefined);
    await restart();
    await chain.mine(1);
    await operator.turn();
    expect(stateOf(id)).to.equal("available");
    expect(operator.chainSync.pendingDeposits).to.deep.equal([]);
    for (let i = 0; i < 3; i++) {
      await restart();
      await operator.turn();
      await chain.mine(1);
      await operator.turn();
    }
    expect(count("deposit")).to.equal(1);
  });

  it("a reorganisation takes a pending deposit away; mined again elsewhere it is credited", async () => {
    await chain.mine(FINALITY);
    await operator.turn();
    const first = await deposit(5n);
    await operator.turn();
    await reorg(1);
    await operator.turn();
    expect(operator.chainSync.pendingDeposits).to.deep.equal([]);
    await chain.mine(FINALITY);
    await operator.turn();
    expect(stateOf(first)).to.equal(undefined);
    const second = await deposit(7n);
    await chain.mine(FINALITY);
    await operator.turn();
    expect(stateOf(second)).to.equal("available");
    expect(operator.ledger.totals(ETHER).deposited).to.equal(7n);
  });

  it("holds an exiting output from the first block that shows the exit; a reorganisation lifts that", async () => {
    const id = await deposit(5n);
    await chain.mine(FINALITY);
    await operator.turn();
    await startExit(5n);
    await operator.turn();
    expect(stateOf(id)).to.equal("exiting");
    const spend = await chain.payment([id], [{ owner: bob.address, token: ETHER, amount: 5n }], [alice]);
    const refused = await operator.pay(spend);
    expect(refused.kind === "refused" && refused.error.code).to.equal("INPUT_EXITING");
    await restart();
    await reorg(1);
    await operator.turn();
    expect(stateOf(id)).to.equal("available");
    expect((await operator.pay(spend)).kind).to.equal("accepted");
    // The exit comes back: what was spent stays spent.
    await startExit(5n);
    await operator.turn();
    expect(operator.ledger.output(id)).to.equal(undefined);
    expect(operator.reads.stateOf(id)).to.equal("spent");
    expect(operator.ledger.exits.get(1)?.current.state).to.equal("started");
  });

  it("a start that is final survives the reorganisation of what came after it", async () => {
    const id = await deposit(5n);
    await startExit(5n);
    await chain.mine(FINALITY);
    await operator.turn();
    expect(operator.ledger.exits.get(1)?.final?.state).to.equal("started");
    await chain.passTime(1001);
    const [event] = (await chain.rootChain.queryFilter(chain.rootChain.filters["ExitStarted"]!())) as any[];
    const { number, owner, token, amount, bondOwner, depositRecord } = event.args;
    const { AbiCoder } = await import("ethers");
    const data = AbiCoder.defaultAbiCoder().encode(
      ["tuple(uint40,address,address,uint256,address,uint216)"],
      [[number, owner, token, amount, bondOwner, depositRecord]],
    );
    await chain.mined(chain.rootChain["processExits"]!(ETHER, [{ id, data }]));
    await operator.turn();
    expect(stateOf(id)).to.equal("withdrawn");
    await restart();
    await reorg(1);
    await operator.turn();
    expect(stateOf(id)).to.equal("exiting");
    await chain.mined(chain.rootChain["processExits"]!(ETHER, [{ id, data }]));
    await chain.mine(FINALITY);
    await operator.turn();
    expect(stateOf(id)).to.equal("withdrawn");
    expect(operator.ledger.exits.get(1)?.final?.state).to.equal("finalized");
    operator.ledger.checkSums();
  });

  it("halts when what was final is no more", async () => {
    await deposit(5n);
    await chain.mine(FINALITY + 2);
    await operator.turn();
    await reorg(FINALITY + 1);
    const error = await operator.turn().catch((caught: unknown) => caught);
    expect(error).to.be.instanceOf(EthereumError);
    expect((error as EthereumError).code).to.equal("REORG_PAST_FINAL");
    expect((error as EthereumError).retryable).to.equal(false);
    await restart();
    const again = await operator.turn().catch((caught: unknown) => caught);
    expect((again as EthereumError).code).to.equal("REORG_PAST_FINAL");
  });

  it("takes in a long past by ranges, and only once", async () => {
    const ids: OutputId[] = [];
    for (let i = 0; i < 4; i++) {
      ids.push(await deposit(BigInt(i + 1)));
      await node.rpc("anvil_mine", ["0x2bc"]);
    }
    await operator.turn();
    expect(ids.map(stateOf)).to.deep.equal(["available", "available", "available", "available"]);
    const before = operator.entries.length;
    await operator.turn();
    expect(operator.entries.length).to.equal(before);
  });

  it("a node that leaves out logs is not believed: the contract's own counters tell", async () => {
    let lying = true;
    const withholding = (rpc: EthereumRpc): EthereumRpc => {
      const logs = rpc.logs.bind(rpc);
      rpc.logs = async (address, where) => (lying ? [] : await logs(address, where));
      return rpc;
    };
    await restart({ rpc: withholding });
    const id = await deposit(5n);
    await startExit(5n);
    await chain.mine(FINALITY);
    const error = await operator.turn().catch((caught: unknown) => caught);
    expect((error as EthereumError).code).to.equal("BAD_ANSWER");
    expect((error as EthereumError).message).to.contain(
      "the contract counts 0 blocks, 1 deposits and 1 exits, the nodes show 0, 0 and 0",
    );
    expect(count("followed")).to.equal(0);
    lying = false;
    await operator.turn();
    expect(stateOf(id)).to.equal("exiting");
  });
});
