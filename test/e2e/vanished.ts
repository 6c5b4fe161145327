import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { Wallet, type BaseWallet, type ContractTransactionResponse, type TransactionReceipt } from "ethers";
import { Chain, ETHER, devKey } from "../helpers/chain.ts";
import { type RunningNode, startAnvil } from "../helpers/nodes.ts";
import { type OperatorProcess, eventually, freePort, startOperator } from "../helpers/operatorProcess.ts";

const WAIT_MS = 60_000;
const EXIT_PERIOD_SECONDS = 86_400;
const ADMIN_TOKEN = "an-administrator-of-the-tests";
/** Index of a piggyback of output 0. */
const OUTPUT = 16;

describe("the operator vanishes before it commits a payment", function () {
  this.timeout(180_000);
  let node: RunningNode;
  let chain: Chain;
  let dataDir: string;
  let operator: OperatorProcess;
  const [alice, bob, carol] = [2, 3, 4].map((index) => new Wallet(devKey(index))) as [Wallet, Wallet, Wallet];

  before(async () => {
    node = await startAnvil();
    chain = await Chain.deploy(node.url, { exitPeriodSeconds: EXIT_PERIOD_SECONDS });
    dataDir = await mkdtemp(join(tmpdir(), "plasma-vanished-"));
    operator = await startOperator({
      L1_RPC_URLS: node.url,
      ROOT_CHAIN_ADDRESS: chain.address,
      ROOT_CHAIN_FROM_BLOCK: String(chain.deploymentBlock),
      OPERATOR_PRIVATE_KEY: devKey(1),
      DATA_DIR: dataDir,
      PORT: String(await freePort()),
      DEPOSIT_FINALITY: "1",
      ETHEREUM_POLL_MS: "100",
      ADMIN_TOKEN,
    });
  });
  after(async () => {
    await operator?.kill();
    await node?.stop();
    if (dataDir !== undefined) await rm(dataDir, { recursive: true, force: true });
  });

  // Not by wait(): anvil answers before it mines, and ethers may miss the only block there is.
  const mined = async (sent: Promise<ContractTransactionResponse>): Promise<TransactionReceipt> => {
    const { hash } = await sent;
    let receipt = await chain.provider.getTransactionReceipt(hash);
    for (; receipt === null; receipt = await chain.provider.getTransactionReceipt(hash)) await setTimeout(5);
    expect(receipt.status).to.equal(1);
    return receipt;
  };
  const pay = async (input: string, owner: Wallet, amount: bigint, signer: BaseWallet): Promise<any> => {
    const payment = await chain.payment([input], [{ owner: owner.address, token: ETHER, amount }], [signer]);
    const { status, body } = await operator.post("/v1/transactions", payment.json);
    expect([200, 201, 202], JSON.stringify(body)).to.include(status);
    return payment;
  };

  it("and the receiver leaves with what the operator had shown: the payment, and the proof of what it spends", async () => {
    await mined(chain.rootChain["depositEther"]!(alice.address, { value: 1_000n }));
    await chain.mine(2);
    const deposit = chain.depositOutputId({ id: 1n, owner: alice.address, token: ETHER, amount: 1_000n });
    await eventually("the deposit is credited", WAIT_MS, async () => {
      const { items } = (await operator.get(`/v1/accounts/${alice.address}/outputs`)).body;
      return items.some((item: any) => item.id === deposit && item.state === "available");
    });
    const toBob = await pay(deposit, bob, 1_000n, alice);
    await operator.post("/v1/admin/commit", {}, { authorization: `Bearer ${ADMIN_TOKEN}` });
    await eventually("the hour is committed", WAIT_MS, async () => {
      await chain.mine();
      return (await operator.get(`/v1/transactions/${toBob.hash}`)).body.state === "finalized";
    });
    const { body: proof } = await operator.get(`/v1/transactions/${toBob.hash}/proof`);
    const toCarol = await pay(toBob.outputId(0), carol, 1_000n, bob);
    const { body: shown } = await operator.get(`/v1/transactions/${toCarol.hash}`);
    expect(shown.state).to.equal("accepted");
    // Killed, and its folder gone: nothing of it is needed from here on.
    await operator.kill();
    await rm(dataDir, { recursive: true, force: true });

    const rootChain: any = chain.rootChain.connect(chain.wallet(4));
    const bonds = {
      inFlightExit: await chain.rootChain["inFlightExitBond"]!(),
      piggyback: await chain.rootChain["piggybackBond"]!(),
    };
    const source = { transaction: toBob.solidity, proof, outputIndex: 0 };
    const start = rootChain.startInFlightExit(toCarol.solidity, shown.signatures, [source], [], "0x", {
      value: bonds.inFlightExit,
    });
    const [log] = (await mined(start)).logs;
    const { data } = chain.rootChain.interface.parseLog(log!)!.args;
    const exit = { id: toCarol.hash, data };
    await mined(rootChain.piggyback(exit, OUTPUT, { value: bonds.piggyback }));
    await chain.passTime(2 * EXIT_PERIOD_SECONDS + 1);
    const before = await chain.provider.getBalance(carol.address);
    await mined(chain.rootChain["processExits"]!(ETHER, [exit]));
    const bounty = (await chain.rootChain["bounty"]!()) as bigint;
    const paid = (await chain.provider.getBalance(carol.address)) - before;
    expect(paid).to.equal(1_000n + bonds.inFlightExit + bonds.piggyback - bounty);
  });
});
