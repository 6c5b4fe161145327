import { spawnSync } from "node:child_process";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { Wallet } from "ethers";
import { Chain, devKey, ETHER, outputIdOf } from "../helpers/chain.ts";
import { startAnvil, type RunningNode } from "../helpers/nodes.ts";
import {
  eventually,
  freePort,
  spawnOperator,
  startOperator,
  type OperatorProcess,
} from "../helpers/operatorProcess.ts";
import { startProxy, type RpcProxy } from "../helpers/rpcProxy.ts";

const WAIT_MS = 30_000;
const ADMIN_TOKEN = "an-administrator-of-the-tests";
const MAIN = fileURLToPath(new URL("../../operator/main.ts", import.meta.url));
const alice = new Wallet(devKey(2));

describe("a real operator process on its way to Ethereum", function () {
  this.timeout(180_000);
  let node: RunningNode;
  let chain: Chain;
  let proxy: RpcProxy;
  let dataDir: string;
  let settings: Record<string, string>;
  let operator: OperatorProcess;
  let output = "";
  let acknowledged: string[] = [];

  beforeEach(async () => {
    node = await startAnvil();
    chain = await Chain.deploy(node.url);
    proxy = await startProxy(node.url);
    dataDir = await mkdtemp(join(tmpdir(), "plasma-settle-"));
    acknowledged = [];
    settings = {
      ...{ L1_RPC_URLS: proxy.url, ROOT_CHAIN_ADDRESS: chain.address, OPERATOR_PRIVATE_KEY: devKey(1), ADMIN_TOKEN },
      ...{ ROOT_CHAIN_FROM_BLOCK: String(chain.deploymentBlock), DATA_DIR: dataDir, PORT: String(await freePort()) },
      ...{ DEPOSIT_FINALITY: "6", ETHEREUM_POLL_MS: "60" },
    };
    operator = await startOperator(settings);
    await chain.mined(chain.rootChain["depositEther"]!(alice.address, { value: 10n }));
    await chain.mine(6);
    output = chain.depositOutputId({ id: 1n, owner: alice.address, token: ETHER, amount: 10n });
    await eventually("the deposit is credited", WAIT_MS, async () => {
      return (await operator.get(`/v1/accounts/${alice.address}/outputs?state=available`)).body.items.length === 1;
    });
  });
  afterEach(async () => {
    await operator.kill();
    await proxy.stop();
    await node.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  const pay = async (to: OperatorProcess = operator, remember = true): Promise<void> => {
    const payment = await chain.payment([output], [{ owner: alice.address, token: ETHER, amount: 10n }], [alice]);
    const { status, body } = await to.post("/v1/transactions", payment.json);
    expect([200, 201, 202], JSON.stringify(body)).to.include(status);
    if (!remember) return;
    acknowledged.push(payment.hash);
    output = outputIdOf(payment.hash, 0);
  };
  const seal = async (of: OperatorProcess = operator): Promise<number> => {
    return (await of.post("/v1/admin/commit", {}, { authorization: `Bearer ${ADMIN_TOKEN}` })).body.block
      .number as number;
  };
  const committed = async (number: number): Promise<void> => {
    await eventually(`block ${number} is committed`, WAIT_MS, async () => {
      await chain.mine(1);
      return ["committed", "finalized"].includes((await operator.get(`/v1/blocks/${number}`)).body.state);
    });
  };
  /** Exactly one commit a number, of the sealed root; every acknowledged payment there. */
  const expectSettled = async (blocks: number): Promise<void> => {
    const events = (await chain.rootChain.queryFilter(chain.rootChain.filters["BlockCommitted"]!())) as any[];
    expect(events.map(({ args }) => Number(args.number))).to.deep.equal(
      Array.from({ length: blocks }, (_, i) => i + 1),
    );
    for (const { args } of events) {
      const { body } = await operator.get(`/v1/blocks/${args.number}`);
      expect(body.transactionsRoot).to.equal(args.transactionsRoot);
    }
    for (const hash of acknowledged) expect((await operator.get(`/v1/transactions/${hash}`)).status).to.equal(200);
  };
  const automine = async (enabled: boolean): Promise<void> => void (await node.rpc("evm_setAutomine", [enabled]));

  /** What the process has asked for when it is killed: each is after another record of settlement. */
  const MOMENTS: Record<string, { method: string; time: number; forwarded: boolean; fates: string[] }> = {
    bound: { method: "eth_maxPriorityFeePerGas", time: 1, forwarded: false, fates: ["pending"] },
    numbered: { method: "eth_maxPriorityFeePerGas", time: 2, forwarded: false, fates: ["pending"] },
    signed: { method: "eth_maxPriorityFeePerGas", time: 3, forwarded: false, fates: ["pending"] },
    sending: { method: "eth_sendRawTransaction", time: 1, forwarded: false, fates: ["pending"] },
    sent: {
      method: "eth_sendRawTransaction",
      time: 1,
      forwarded: true,
      fates: ["mined", "pending", "dropped", "reorganised"],
    },
    landed: { method: "eth_getTransactionReceipt", time: 1, forwarded: true, fates: ["mined", "reorganised"] },
  };

  it("fault 10: killed with -9 after every record, with the commit mined, pending, dropped or reorganised while it is down", async () => {
    let number = 0;
    for (const [name, { method, time, forwarded, fates }] of Object.entries(MOMENTS)) {
      for (const fate of fates) {
        await pay();
        await automine(name === "landed");
        let asked = 0;
        const { promise: killed, resolve } = Promise.withResolvers<void>();
        proxy.rule = async (request) => {
          if (request.method !== method || ++asked !== time) return { do: "forward" };
          if (forwarded) await node.rpc(request.method, request.params).catch(() => null);
          await operator.kill();
          resolve();
          return { do: "reset" };
        };
        number = await seal();
        if (name === "landed") await chain.mine(1);
        await killed;
        proxy.rule = null;
        const pool = await node.rpc<{ pending: Record<string, Record<string, { hash: string }>> }>("txpool_content");
        const hashes = Object.values(pool.pending).flatMap((byNonce) => Object.values(byNonce).map(({ hash }) => hash));
        expect(hashes.length, `${name}, ${fate}`).to.equal(name === "sent" ? 1 : 0);
        if (fate === "dropped") for (const hash of hashes) await node.rpc("anvil_dropTransaction", [hash]);
        if (fate === "mined" || fate === "reorganised") await chain.mine(1);
        if (fate === "reorganised") await node.rpc("anvil_reorg", [2, []]);
        await automine(true);
        operator = await startOperator(settings);
        await committed(number);
        await expectSettled(number);
      }
    }
    await pay();
    expect(await seal()).to.equal(number + 1);
    await committed(number + 1);
    await expectSettled(number + 1);
  });

  it("fault 11: settlement.db cannot grow: an alarm, nothing lost, and the commit goes on when there is room", async () => {
    const limitFiles = (bytes: number | "unlimited"): void => {
      const { status, stderr } = spawnSync("prlimit", ["--pid", String(operator.pid), `--fsize=${bytes}:`]);
      if (status !== 0) throw new Error(`prlimit: ${stderr.toString()}`);
    };
    limitFiles(8192);
    await pay();
    const number = await seal();
    await eventually("the alarm is raised", WAIT_MS, async () => {
      const { alarms } = (await operator.get("/v1/status")).body;
      return alarms.some(({ code }: any) => code === "SETTLEMENT_UNWRITABLE");
    });
    await pay();
    expect(await chain.rootChain["nextBlockNumber"]!()).to.equal(1n);
    limitFiles("unlimited");
    await committed(number);
    await expectSettled(number);
    expect((await operator.get("/metrics")).body).to.contain('plasma_alarm{code="SETTLEMENT_UNWRITABLE"} 0');
  });

  it("fault 12: two operators on one folder: the second does not start, though the first is stopped, which goes on when woken", async () => {
    await pay();
    process.kill(operator.pid, "SIGSTOP");
    const second = spawnOperator({ ...settings, PORT: String(await freePort()) });
    expect(await second.exited).to.equal(1);
    expect(second.output()).to.match(/^DATA_DIR_IN_USE: /m);
    process.kill(operator.pid, "SIGCONT");
    const number = await seal();
    await committed(number);
    await expectSettled(number);
  });

  it("fault 12: a copied folder with the same key: one root gets there, the other operator halts, and payments go on", async () => {
    await pay();
    await operator.kill();
    const copy = await mkdtemp(join(tmpdir(), "plasma-copy-"));
    await cp(dataDir, copy, { recursive: true });
    operator = await startOperator(settings);
    const other = await startOperator({ ...settings, DATA_DIR: copy, PORT: String(await freePort()) });
    try {
      await pay(other, false);
      await automine(false);
      const number = await seal();
      expect(await seal(other)).to.equal(number);
      await automine(true);
      const halted = await eventually("one of them has stopped", WAIT_MS, async () => {
        await chain.mine(1);
        const both = [operator, other];
        const codes = await Promise.all(
          both.map(async (one) => (await one.get("/v1/status")).body.alarms.map(({ code }: any) => code as string)),
        );
        return both.find((_, i) => codes[i]?.includes("COMMIT_HALTED") === true);
      });
      const events = await chain.rootChain.queryFilter(chain.rootChain.filters["BlockCommitted"]!());
      expect(events).to.have.length(1);
      expect((await halted.get("/readyz")).status).to.equal(503);
      await eventually("the alarm is in the log", WAIT_MS, async () => {
        return await Promise.resolve(/"level":50.*COMMIT_HALTED/.test(halted.output()));
      });
      // It takes payments, and met again it is the same after a start.
      await chain.mine(8);
      if (halted === other) await pay(other, false).catch(() => undefined);
      else await pay();
    } finally {
      await other.kill();
      await rm(copy, { recursive: true });
    }
  });

  it("fault 12: with another key nothing is sent; with the right one it goes on", async () => {
    await operator.kill();
    operator = spawnOperator({ ...settings, OPERATOR_PRIVATE_KEY: devKey(7) });
    await eventually("the operator answers", WAIT_MS, async () => (await operator.get("/healthz")).status === 200);
    await eventually("payments are taken", WAIT_MS, async () => {
      await pay();
      return true;
    });
    const number = await seal();
    await eventually("the alarm is raised", WAIT_MS, async () => {
      return (await operator.get("/v1/status")).body.alarms.some(({ code }: any) => code === "WRONG_OPERATOR_KEY");
    });
    expect(proxy.asked.get("eth_sendRawTransaction")).to.equal(undefined);
    await operator.kill();
    operator = await startOperator(settings);
    await committed(number);
    await expectSettled(number);
  });

  it("tells how it stands: status and metrics while it runs, `status` also when it is down", async () => {
    await pay();
    await automine(false);
    const number = await seal();
    const { settlement } = await eventually("the commit is sent", WAIT_MS, async () => {
      const { body } = await operator.get("/v1/status");
      return body.settlement.blocks[0]?.state === "sent" ? body : null;
    });
    expect(settlement.blocks).to.have.length(1);
    expect(settlement.blocks[0]).to.include({ number, attempts: 1, nonce: 0, transactionCount: 1 });
    expect(settlement.nodes).to.have.length(1);
    expect(Number(settlement.hoursOfFeesLeft)).to.be.above(1000);
    const metrics = (await operator.get("/metrics")).body as string;
    for (const line of [
      'settlement_blocks{state="sent"} 1',
      "settlement_attempts 1",
      "open_block 2",
      `ethereum_node_up{host="${new URL(proxy.url).host}"} 1`,
    ]) {
      expect(metrics).to.contain(`plasma_${line}`);
    }
    await operator.kill();
    const tell = (): string => {
      const run = spawnSync(process.execPath, ["--no-warnings", MAIN, "status"], {
        // This process, and the proxy with it, waits meanwhile.
        env: { PATH: process.env["PATH"], ...settings, L1_RPC_URLS: node.url },
      });
      expect(run.status, run.stderr.toString()).to.equal(0);
      return run.stdout.toString();
    };
    expect(tell()).to.match(
      new RegExp(`nonce +0 for block ${number}\\n(.*\\n)*next +send attempt 0 of block ${number} again`),
    );
    await automine(true);
    await chain.mine(1);
    expect(tell()).to.match(
      new RegExp(`expects block ${number + 1}\\n(.*\\n)*next +wait: nothing is bound for block ${number + 1} yet`),
    );
    operator = await startOperator(settings);
    await committed(number);
    // One commit's story, by its number.
    const story = operator
      .output()
      .split("\n")
      .filter((line) => line.includes(`"number":${number},`));
    expect(story.join()).to.contain("commit landed");
  });
});
