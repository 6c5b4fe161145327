import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { FindingJson } from "../../watcher/findings/shape.ts";
import { Chain, devKey, type SignedPayment } from "../helpers/chain.ts";
import { ExitsOnNode, type MadeDeposit } from "../helpers/exitsOnNode.ts";
import { type RunningNode, startAnvil } from "../helpers/nodes.ts";
import {
  type OperatorProcess,
  eventually,
  freePort,
  spawnWatcher,
  startOperator,
  startWatcher,
} from "../helpers/operatorProcess.ts";

const WAIT_MS = 60_000;
const ADMIN_TOKEN = "an-administrator-of-the-tests";
/** Development accounts; the operator commits with 1. */
const [ALICE, BOB, CAROL, WATCHER, STRANGER] = [2, 3, 4, 5, 6] as const;

describe("a watcher beside an operator that challenges nothing", function () {
  this.timeout(180_000);
  let node: RunningNode;
  let chain: Chain;
  let exits: ExitsOnNode;
  let folder: string;
  let operator: OperatorProcess;
  let watcher: OperatorProcess;
  let settings: Record<string, string>;
  let receiver: Server | undefined;

  before(async () => {
    node = await startAnvil();
    chain = await Chain.deploy(node.url);
    exits = new ExitsOnNode(chain);
    folder = await mkdtemp(join(tmpdir(), "plasma-watcher-"));
    const ethereum = {
      ...{ L1_RPC_URLS: node.url, ROOT_CHAIN_ADDRESS: chain.address, DEPOSIT_FINALITY: "1", ETHEREUM_POLL_MS: "100" },
      ROOT_CHAIN_FROM_BLOCK: String(chain.deploymentBlock),
    };
    operator = await startOperator({
      ...{ ...ethereum, OPERATOR_PRIVATE_KEY: devKey(1), DATA_DIR: join(folder, "operator"), ADMIN_TOKEN },
      PORT: String(await freePort()),
    });
    settings = {
      ...{ ...ethereum, OPERATOR_URL: operator.url, DATA_DIR: join(folder, "watcher"), OPERATOR_POLL_MS: "100" },
      ...{ PORT: String(await freePort()), STAGGER_SECONDS: "1" },
    };
    watcher = await startWatcher(settings);
  });
  after(async () => {
    receiver?.close();
    await watcher?.kill();
    await operator?.kill();
    await node?.stop();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  const credited = async (amount: bigint): Promise<MadeDeposit> => {
    const deposit = await exits.deposit(ALICE, amount);
    await eventually("the deposit is credited", WAIT_MS, async () => {
      return (await operator.get(`/v1/outputs/${deposit.outputId}`)).body.output?.state === "available";
    });
    return deposit;
  };
  const pay = async (input: string, amount: bigint, from: number, to: number): Promise<SignedPayment> => {
    const payment = await exits.transfer(input, amount, from, to);
    expect((await operator.post("/v1/transactions", payment.json)).status).to.equal(201);
    return payment;
  };
  const commit = async (): Promise<number> => {
    const { body } = await operator.post("/v1/admin/commit", {}, { authorization: `Bearer ${ADMIN_TOKEN}` });
    await eventually("the watcher verified the block", WAIT_MS, async () => {
      return (await watcher.get("/v1/status")).body.height >= body.block.number;
    });
    return body.block.number as number;
  };
  const findings = async (state: string): Promise<FindingJson[]> =>
    (await watcher.get(`/v1/findings?state=${state}`)).body.items;
  const found = async (name: string): Promise<FindingJson> =>
    await eventually(`the finding ${name}`, WAIT_MS, async () =>
      (await findings("open")).find((finding) => finding.name === name),
    );

  it("verifies payments as they stream and their block when Ethereum has it, and calls the chain safe", async () => {
    const deposit = await credited(500n);
    const payment = await pay(deposit.outputId, 500n, ALICE, BOB);
    await eventually("the payment is seen", WAIT_MS, async () => {
      return (await watcher.get("/v1/status")).body.verifiedPayments === 1;
    });
    await pay(payment.outputId(0), 500n, BOB, CAROL);
    const number = await commit();
    const { body } = await watcher.get("/v1/status");
    expect(body).to.include({
      safe: true,
      height: number,
      verifiedPayments: 2,
      lastCommitted: number,
      openFindings: 0,
    });
    expect((await watcher.get("/metrics")).body).to.match(/^plasma_watcher_safe 1$/m);
  });

  it("with less free than its reserve stores nothing of the operator's, says so, and blames nobody else", async () => {
    const dataDir = join(folder, "full");
    // As no disk has it.
    const full = { ...settings, DATA_DIR: dataDir, PORT: String(await freePort()), DISK_RESERVE_MB: "1000000000" };
    const second = spawnWatcher(full);
    try {
      const { reasons } = await eventually("it is not ready", WAIT_MS, async () => {
        const { status, body } = await second.get("/readyz");
        return status === 503 ? (body as { reasons: string[] }) : null;
      });
      expect(reasons[0]).to.contain("make room");
      const status = await eventually("that is all there is to say", WAIT_MS, async () => {
        const { body } = await second.get("/v1/status");
        return (body as { reasons: string[] }).reasons.length === 1 ? body : null;
      });
      expect(status).to.include({ safe: false, height: 0 });
      expect(status.reasons[0]).to.match(/^diskFull: .*blocks on Ethereum are not verified/);
      expect((await second.get("/metrics")).body).to.match(/^plasma_watcher_disk_full 1$/m);
      expect(await readdir(join(dataDir, "blocks"))).to.deep.equal([]);
    } finally {
      await second.kill();
    }
  });

  it("without a key tells what to send, by stream and web hook, and is content when a stranger sends it", async () => {
    const told: FindingJson[] = [];
    receiver = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        told.push((JSON.parse(body) as { finding: FindingJson }).finding);
        response.end();
      });
    }).listen(0, "127.0.0.1");
    await once(receiver, "listening");
    await watcher.kill();
    const hook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
    watcher = await startWatcher({ ...settings, WEBHOOK_URLS: hook });

    const deposit = await credited(700n);
    await pay(deposit.outputId, 700n, ALICE, BOB);
    await exits.exitDeposit(ALICE, deposit);
    const finding = await found("exitOfSpentOutput");
    expect(finding.evidence).to.include({ outputId: deposit.outputId, amount: "700" });
    expect(watcher.output()).to.include(finding.transaction!.data);
    const { to, data, value } = finding.transaction!;
    await chain.wallet(STRANGER).sendTransaction({ to, data, value: BigInt(value) });
    await eventually("the finding is over", WAIT_MS, async () => (await findings("open")).length === 0);
    expect(await exits.events("ExitChallenged")).to.have.lengthOf(1);
    await eventually("the hook was told both", WAIT_MS, async () => told.length === 2);
    expect(told.map(({ name, state }) => `${name} ${state}`)).to.deep.equal([
      ...["exitOfSpentOutput open", "exitOfSpentOutput over"],
    ]);
  });

  it("killed with -9 goes on where it was; with a key it challenges what happened meanwhile", async () => {
    await watcher.kill();
    const deposit = await credited(900n);
    await pay(deposit.outputId, 900n, ALICE, BOB);
    await exits.exitDeposit(ALICE, deposit);
    watcher = await startWatcher({ ...settings, WATCHER_PRIVATE_KEY: devKey(WATCHER) });
    await eventually("the exit is challenged", WAIT_MS, async () => {
      const challenged = await exits.events("ExitChallenged");
      return challenged.some(({ args }) => args["outputId"] === deposit.outputId);
    });
    await commit();
    await eventually("the chain is safe", WAIT_MS, async () => (await watcher.get("/v1/status")).body.safe === true);
    expect(await findings("open")).to.deep.equal([]);
    expect(watcher.output()).not.to.include(devKey(WATCHER).slice(2));
  });

  it("does not start at a pace at which it could miss W/4, and says what to set", async () => {
    const slow = spawnWatcher({
      ...{ ...settings, DATA_DIR: join(folder, "slow"), PORT: String(await freePort()) },
      ETHEREUM_POLL_MS: "86400000",
    });
    expect(await slow.exited).to.equal(1);
    expect(slow.output()).to.match(/^WINDOW_TOO_SHORT: .*ETHEREUM_POLL_MS/m);
  });

  it("ends with Ctrl-C, and refuses a folder that another one has", async () => {
    const second = spawnWatcher({ ...settings, PORT: String(await freePort()) });
    expect(await second.exited).to.equal(1);
    expect(second.output()).to.match(/DATA_DIR_IN_USE: .* is in use by another process/);
    expect(await watcher.interrupt()).to.equal(0);
  });
});
