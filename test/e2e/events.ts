import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Wallet } from "ethers";
import { Chain, ETHER, devKey } from "../helpers/chain.ts";
import { EventReader } from "../helpers/eventReader.ts";
import { type RunningNode, startAnvil } from "../helpers/nodes.ts";
import { type OperatorProcess, eventually, freePort, startOperator } from "../helpers/operatorProcess.ts";

const WAIT_MS = 60_000;
const PAYMENTS = 120;

describe("events of an operator that is killed", function () {
  this.timeout(180_000);
  let node: RunningNode;
  let chain: Chain;
  let dataDir: string;
  let settings: Record<string, string>;
  let operator: OperatorProcess;
  const alice = new Wallet(devKey(2));

  before(async () => {
    node = await startAnvil();
    chain = await Chain.deploy(node.url, { exitPeriodSeconds: 86_400 });
    dataDir = await mkdtemp(join(tmpdir(), "plasma-events-"));
    settings = {
      L1_RPC_URLS: node.url,
      ROOT_CHAIN_ADDRESS: chain.address,
      ROOT_CHAIN_FROM_BLOCK: String(chain.deploymentBlock),
      OPERATOR_PRIVATE_KEY: devKey(1),
      DATA_DIR: dataDir,
      PORT: String(await freePort()),
      DEPOSIT_FINALITY: "1",
      ETHEREUM_POLL_MS: "100",
    };
    operator = await startOperator(settings);
  });
  after(async () => {
    await operator?.kill();
    await node?.stop();
    if (dataDir !== undefined) await rm(dataDir, { recursive: true, force: true });
  });

  it("resume after the start, each payment once and in order, and end with the operator", async () => {
    await chain.rootChain["depositEther"]!(alice.address, { value: 1_000n });
    await chain.mine(3);
    let input = chain.depositOutputId({ id: 1n, owner: alice.address, token: ETHER, amount: 1_000n });
    await eventually("the deposit is credited", WAIT_MS, async () => {
      const { items } = (await operator.get(`/v1/accounts/${alice.address}/outputs`)).body;
      return items.some((item: any) => item.id === input && item.state === "available");
    });
    const open = async (lastId: string | null): Promise<EventReader> =>
      await EventReader.open(`${operator.url}/v1/events?types=transaction`, lastId);
    const hashes: string[] = [];
    const seen: string[] = [];
    const ids: number[] = [];
    let reader = await open(null);
    let reading = true;
    // Reads until it is cut off, whenever that is, and then goes on from its last id.
    const read = (async () => {
      while (reading) {
        const event = await reader.next().catch(() => null);
        if (event !== null) {
          seen.push(event.data.hash);
          ids.push(Number(event.id));
          continue;
        }
        if (!reading) return;
        reader = await open(reader.lastId).catch(() => reader);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    for (let i = 0; i < PAYMENTS; i++) {
      const payment = await chain.payment([input], [{ owner: alice.address, token: ETHER, amount: 1_000n }], [alice]);
      const sent = operator.post("/v1/transactions", payment.json).catch(() => null);
      if (i % 40 === 20) {
        await operator.kill();
        operator = await startOperator(settings);
      }
      // Whether or not it was taken before the kill: it has one effect.
      if ((await sent) === null) await operator.post("/v1/transactions", payment.json);
      hashes.push(payment.hash);
      input = payment.outputId(0);
    }
    await eventually("all events are there", WAIT_MS, async () => await Promise.resolve(seen.length >= PAYMENTS));
    expect(seen).to.deep.equal(hashes);
    expect(ids).to.deep.equal([...new Set(ids)].sort((a, b) => a - b));
    reading = false;
    expect(await operator.interrupt()).to.equal(0);
    await read;
  });
});
