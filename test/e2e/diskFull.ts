import { spawnSync } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import { domainSeparator, type Address } from "@plasma-billing/protocol/typedData.ts";
import { Random } from "../adversary/random.ts";
import { readFolder } from "../crash/folder.ts";
import { Lane } from "../crash/lane.ts";
import { Chain, devKey, ETHER } from "../helpers/chain.ts";
import { startAnvil, type RunningNode } from "../helpers/nodes.ts";
import { eventually, freePort, startOperator, type OperatorProcess } from "../helpers/operatorProcess.ts";

const WAIT_MS = 20_000;
/** Room for some groups, and for a part of the one that no longer fits. */
const ROOM_BYTES = 20_000;

describe("an operator whose disk is full", function () {
  this.timeout(90_000);
  let node: RunningNode;
  let chain: Chain;
  let dataDir: string;
  let operator: OperatorProcess;
  before(async () => {
    node = await startAnvil();
    chain = await Chain.deploy(node.url);
    dataDir = await mkdtemp(join(tmpdir(), "plasma-full-"));
  });
  after(async () => {
    await operator?.kill();
    await node?.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  /** The system refuses to let any file of the process grow beyond this: to a write that is a disk without room. */
  function limitFiles(bytes: number | "unlimited"): void {
    const { status, stderr } = spawnSync("prlimit", ["--pid", String(operator.pid), `--fsize=${bytes}:`]);
    if (status !== 0) throw new Error(`prlimit: ${stderr.toString()}`);
  }

  it("answers 503 OVERLOADED while there is no room, goes on when there is, and lost nothing", async () => {
    const settings = {
      ...{ L1_RPC_URLS: node.url, ROOT_CHAIN_ADDRESS: chain.address, OPERATOR_PRIVATE_KEY: devKey(1) },
      ...{ ROOT_CHAIN_FROM_BLOCK: String(chain.deploymentBlock), DATA_DIR: dataDir, PORT: String(await freePort()) },
      ...{ DEPOSIT_FINALITY: "1", ETHEREUM_POLL_MS: "100" },
    };
    operator = await startOperator(settings);
    const domain = { chainId: chain.chainId, verifyingContract: chain.address.toLowerCase() as Address };
    const lane = new Lane(2, domainSeparator(domain), new Random(1));
    await chain.mined(chain.rootChain["depositEther"]!(lane.address, { value: 1000n }));
    const terms = { id: 1n, owner: lane.address, token: ETHER, amount: 1000n };
    const input = chain.depositOutputId(terms) as OutputId;
    await eventually("the deposit is credited", WAIT_MS, async () => {
      return (await operator.get(`/v1/accounts/${lane.address}/outputs?state=available`)).body.items.length === 1;
    });
    lane.outputs.push({ id: input, amount: 1000n });

    const { size } = await stat(join(dataDir, "journal", "0000000000000001.log"));
    limitFiles(size + ROOM_BYTES);
    const paying = lane.run(operator.url);
    const refusal = await eventually("payments are refused", WAIT_MS, async () => {
      const response = await fetch(`${operator.url}/v1/transactions`, {
        method: "POST",
        body: "{}",
        headers: JSON_TYPE,
        // Taken just before the disk was full, it waits with the group it is in.
        signal: AbortSignal.timeout(1_000),
      });
      return response.status === 503 ? response : null;
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${operator.output()}`, { cause: error });
    });
    expect(Number(refusal.headers.get("retry-after"))).to.be.within(1, 60);
    expect(((await refusal.json()) as any).code).to.equal("OVERLOADED");
    const unready = await operator.get("/readyz");
    expect(unready.status).to.equal(503);
    expect(JSON.stringify(unready.body)).to.contain("cannot be written: make room");
    const told = lane.receipts.length;
    expect(told).to.be.above(5);
    // What was taken and is not on the disk stays unanswered; what was told is still there to be read.
    await sleep(700);
    expect(lane.receipts).to.have.length(told);
    const last = lane.receipts.at(-1)!;
    expect((await operator.get(`/v1/transactions/${last.hash}`)).body).to.include(last);

    limitFiles("unlimited");
    await eventually("payments are taken again", WAIT_MS, async () => lane.receipts.length > told + 20);
    expect((await operator.get("/readyz")).status).to.equal(200);
    await operator.kill();
    await paying;
    const { payments } = await readFolder(dataDir, domain);
    for (const receipt of lane.receipts) expect(payments.get(receipt.hash), receipt.hash).to.deep.equal(receipt);
    operator = await startOperator(settings);
    await lane.repeat(operator.url);
  });
});

const JSON_TYPE = { "content-type": "application/json" };
