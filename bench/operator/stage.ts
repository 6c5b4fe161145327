import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { domainSeparator, type Address, type Domain } from "@plasma-billing/protocol/typedData.ts";
import { Chain, devKey, ETHER } from "../../test/helpers/chain.ts";
import { startAnvil, type RunningNode } from "../../test/helpers/nodes.ts";
import { eventually, freePort, startOperator, type OperatorProcess } from "../../test/helpers/operatorProcess.ts";
import type { Work } from "./lanes.ts";
import type { Form, LoadJob, LoadResult } from "./load.ts";
import { laneAddress } from "./lanes.ts";
import type { SignJob } from "./signWorker.ts";

export const DEPOSIT = 10n ** 18n;
const BATCH = 1000;
const WAIT_MS = 120_000;

export type Works = Record<string, Work & { lanes: number }>;

/** A real operator on a real node, and work for it, signed beforehand. */
export class LoadStage {
  readonly chain: Chain;
  readonly operator: OperatorProcess;
  private readonly node: RunningNode;
  private readonly folder: string;
  private readonly works: Works;

  private constructor(node: RunningNode, chain: Chain, operator: OperatorProcess, folder: string, works: Works) {
    this.node = node;
    this.chain = chain;
    this.operator = operator;
    this.folder = folder;
    this.works = works;
  }

  static async open(works: Works, settings: Record<string, string> = {}): Promise<LoadStage> {
    const folder = mkdtempSync(join(tmpdir(), "plasma-bench-"));
    const node = await startAnvil();
    const chain = await Chain.deploy(node.url);
    const domain = { chainId: chain.chainId, verifyingContract: chain.address.toLowerCase() as Address };
    const lanes = await signWorks(folder, domain, works);
    for (let i = 0; i < lanes; i++) {
      await chain.mined(chain.rootChain["depositEther"]!(laneAddress(i), { value: DEPOSIT }));
    }
    await chain.mine(2);
    const operator = await startOperator({
      ...{ L1_RPC_URLS: node.url, ROOT_CHAIN_ADDRESS: chain.address, OPERATOR_PRIVATE_KEY: devKey(1) },
      ...{ ROOT_CHAIN_FROM_BLOCK: String(chain.deploymentBlock), DATA_DIR: join(folder, "data") },
      ...{
        PORT: String(await freePort()),
        DEPOSIT_FINALITY: "1",
        LOG_LEVEL: "warn",
        ADMIN_TOKEN: "the-token-of-the-bench",
        ...settings,
      },
    });
    await eventually("the deposits are credited", WAIT_MS, async () => {
      const { body } = await operator.get("/v1/deposits?limit=1");
      return body.items[0]?.id === lanes && body.items[0].state === "credited";
    });
    return new LoadStage(node, chain, operator, folder, works);
  }

  async close(): Promise<void> {
    await this.operator.interrupt();
    await this.node.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Makes the outputs of a work ready, and then plays it. */
  async play(work: string, form: Form, options: PlayOptions): Promise<LoadResult> {
    const port = Number(new URL(this.operator.url).port);
    return await playWork({ port, folder: this.folder, work, lanes: this.works[work]!.lanes, form, ...options });
  }

  /** The payments of a work against another server, which knows the deposits. */
  async playNaive(work: string): Promise<LoadResult> {
    const child = fork(new URL("naive.ts", import.meta.url), { execArgv: ["--no-warnings"] });
    try {
      const deposits = Array.from({ length: this.works[work]!.lanes }, (_, i) => {
        const terms = { id: BigInt(i + 1), owner: laneAddress(i), token: ETHER, amount: DEPOSIT };
        return { id: this.chain.depositOutputId(terms), owner: terms.owner, amount: String(DEPOSIT) };
      });
      child.send({ domain: { ...this.chain.domain(), chainId: Number(this.chain.chainId) }, deposits });
      const [port] = (await once(child, "message")) as [number];
      const files = deposits.map((_, lane) => join(this.folder, "signed", `${work}.${lane}.load`));
      const ready = files.map((file) => file.replace(/load$/, "ready"));
      const common = { port, form: "single" as const, connections: deposits.length, batch: 1, perSecond: null };
      await runLoad({ ...common, files: ready });
      return await runLoad({ ...common, files });
    } finally {
      child.kill("SIGKILL");
    }
  }
}

export interface PlayOptions {
  connections: number;
  perSecond?: number | null;
}

/** Plays a work that was signed into a folder against the server on a port. */
export async function playWork({
  port,
  folder,
  work,
  lanes,
  form,
  connections,
  perSecond = null,
}: PlayOptions & { port: number; folder: string; work: string; lanes: number; form: Form }): Promise<LoadResult> {
  const files = (kind: string): string[] =>
    Array.from({ length: lanes }, (_, lane) => join(folder, "signed", `${work}.${lane}.${kind}`));
  const common = { port, batch: BATCH, perSecond: null };
  const ready = await runLoad({ ...common, form: "binaryBatch", connections: 1, files: files("ready") });
  if (ready.errors + ready.refused > 0) throw new Error(`the outputs could not be made ready: ${ready.firstError}`);
  return await runLoad({ ...common, form, connections, files: files("load"), perSecond });
}

/** Signs works for a contract into a folder; lane `i` is to have deposit `i + 1` of so much. */
export async function signWorks(folder: string, domain: Domain, works: Works): Promise<number> {
  mkdirSync(join(folder, "signed"));
  const lanes = Math.max(...Object.values(works).map((work) => work.lanes));
  const separator = domainSeparator(domain);
  await signAll({ folder: join(folder, "signed"), separator, deposit: DEPOSIT, works }, lanes);
  return lanes;
}

export async function runLoad(job: LoadJob): Promise<LoadResult> {
  const child = fork(new URL("load.ts", import.meta.url), { execArgv: ["--no-warnings"] });
  try {
    child.send(job);
    const [result] = (await Promise.race([
      once(child, "message"),
      once(child, "exit").then(([code]) => {
        throw new Error(`the load generator ended with ${String(code)}`);
      }),
    ])) as [LoadResult];
    return result;
  } finally {
    child.kill("SIGKILL");
  }
}

async function signAll(job: Omit<SignJob, "lanes">, lanes: number): Promise<void> {
  const threads = availableParallelism();
  const all = Array.from({ length: lanes }, (_, i) => i);
  await Promise.all(
    Array.from({ length: threads }, async (_, thread) => {
      const workerData: SignJob = { ...job, lanes: all.filter((lane) => lane % threads === thread) };
      const worker = new Worker(new URL("signWorker.ts", import.meta.url), { workerData });
      await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    }),
  );
}
