import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Deposit, OutputId } from "@plasma-billing/protocol/transaction.ts";
import { domainSeparator, type Address } from "@plasma-billing/protocol/typedData.ts";
import { pino } from "pino";
import { ChildChain, type CommittedBlock, type StepResult } from "../../watcher/chain/childChain.ts";
import { Random } from "../adversary/random.ts";
import { Lane } from "../crash/lane.ts";
import { Chain, devKey, ETHER } from "../helpers/chain.ts";
import { startAnvil, type RunningNode } from "../helpers/nodes.ts";
import { eventually, freePort, startOperator, type OperatorProcess } from "../helpers/operatorProcess.ts";

const WAIT_MS = 60_000;
const ADMIN = { authorization: "Bearer the-token-of-the-test" };

describe("the watcher's chain, with a real operator", function () {
  this.timeout(180_000);
  let node: RunningNode;
  let chain: Chain;
  let folder: string;
  let operator: OperatorProcess;
  let watcher: ChildChain;
  before(async () => {
    node = await startAnvil();
    chain = await Chain.deploy(node.url);
    folder = await mkdtemp(join(tmpdir(), "plasma-chain-"));
  });
  after(async () => {
    await watcher?.close();
    await operator?.kill();
    await node?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function committed(): Promise<CommittedBlock[]> {
    const events = await chain.rootChain.queryFilter("BlockCommitted", chain.deploymentBlock);
    return events.map((event) => {
      const [number, transactionsRoot, transactionCount, timestamp] = (event as unknown as { args: any[] }).args;
      return {
        ...{ number: Number(number), transactionsRoot, transactionCount: Number(transactionCount) },
        timestamp: Number(timestamp),
      };
    });
  }

  it("streams and lands what it takes, through its kill -9 and restart, without a breach", async () => {
    const settings = {
      ...{ L1_RPC_URLS: node.url, ROOT_CHAIN_ADDRESS: chain.address, OPERATOR_PRIVATE_KEY: devKey(1) },
      ...{ ROOT_CHAIN_FROM_BLOCK: String(chain.deploymentBlock), DATA_DIR: join(folder, "operator") },
      ...{ PORT: String(await freePort()), DEPOSIT_FINALITY: "1", ETHEREUM_POLL_MS: "100", LOG_LEVEL: "warn" },
      ADMIN_TOKEN: "the-token-of-the-test",
    };
    const domain = { chainId: chain.chainId, verifyingContract: chain.address.toLowerCase() as Address };
    const lane = new Lane(2, domainSeparator(domain), new Random(4));
    await chain.mined(chain.rootChain["depositEther"]!(lane.address, { value: 1000n }));
    const deposit: Deposit = { id: 1n, owner: lane.address, token: ETHER, amount: 1000n };
    const input = chain.depositOutputId(deposit) as OutputId;
    lane.outputs.push({ id: input, amount: 1000n });
    operator = await startOperator(settings);
    await eventually("the deposit is credited", WAIT_MS, async () => {
      return (await operator.get(`/v1/accounts/${lane.address}/outputs?state=available`)).body.items.length === 1;
    });
    watcher = await ChildChain.open({
      ...{ dataDir: join(folder, "watcher"), domain, operatorUrl: operator.url, threads: 1, trustedHeight: 0 },
      ...{ snapshotPayments: 100, guarded: new Set(), log: pino({ level: "silent" }), onPayment: () => undefined },
      depositOf: (id) => (id === input ? deposit : undefined),
    });
    const problems: StepResult[] = [];
    const look = async (): Promise<StepResult> => {
      let result;
      do {
        result = await watcher.step(await committed());
        if (result.breaches.length > 0 || result.missing !== null) problems.push(result);
      } while (result.more);
      return result;
    };
    for (let round = 1; round <= 3; round++) {
      let paying = lane.run(operator.url);
      const told = lane.receipts.length;
      await eventually("payments are streamed", WAIT_MS, async () => {
        await look();
        return lane.receipts.length > told + 40 && watcher.streamed !== null;
      });
      await operator.kill();
      await paying;
      expect((await look()).operator.answered).to.equal(false);
      operator = await startOperator(settings);
      paying = lane.repeat(operator.url);
      await paying;
      await operator.post("/v1/admin/commit", {}, ADMIN);
      await eventually("the block has landed and is verified", WAIT_MS, async () => {
        await look();
        return watcher.height === round;
      });
    }
    expect(problems).to.deep.equal([]);
    expect(watcher.verifiedPayments).to.equal(lane.receipts.length);
    for (const { id } of lane.outputs) expect(watcher.output(id)?.owner).to.equal(lane.address);
    expect(watcher.outputs.count).to.equal(lane.outputs.length);
    for (const { hash, blockNumber, transactionIndex } of lane.receipts) {
      expect((await watcher.payment({ blockNumber, transactionIndex })).hash).to.equal(hash);
    }
    const { hash } = lane.receipts.at(-1)!;
    const { body: proof } = await operator.get(`/v1/transactions/${hash}/proof`);
    const { blockNumber, transactionIndex } = lane.receipts.at(-1)!;
    expect(await watcher.proofOf({ blockNumber, transactionIndex })).to.deep.equal(proof);
  });
});
