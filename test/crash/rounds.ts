import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import { domainSeparator, type Address, type Domain } from "@plasma-billing/protocol/typedData.ts";
import { Random } from "../adversary/random.ts";
import { Chain, devKey, ETHER } from "../helpers/chain.ts";
import { startAnvil, type RunningNode } from "../helpers/nodes.ts";
import { eventually, freePort, type OperatorProcess, spawnOperator } from "../helpers/operatorProcess.ts";
import { readFolder } from "./folder.ts";
import { Lane, type Receipt } from "./lane.ts";

const LANES = 6;
const DEPOSIT = 10n ** 6n;
const DEPOSITS_MAX = 3 * LANES;
const WAIT_MS = 30_000;
/** Asked for again after each start, beside the last of each lane. */
const SAMPLE = 10;

/** What the rounds met, for whoever wants to know whether they met enough. */
export interface Figures {
  rounds: number;
  acknowledged: number;
  /** Payments in the journal whose answer nobody got. */
  unanswered: number;
  torn: number;
  fromSnapshot: number;
  killedAtStart: number;
  sealedBlocks: number;
}

/**
 * A real operator is loaded and killed with -9 at random moments, over and over, on one folder. After each kill all that it
 * acknowledged must be in its files, where it said, once; and after each start it must say the same again.
 */
export class CrashRounds {
  readonly figures: Figures = {
    ...{ rounds: 0, acknowledged: 0, unanswered: 0, torn: 0, fromSnapshot: 0, killedAtStart: 0, sealedBlocks: 0 },
  };
  private readonly node: RunningNode;
  private readonly chain: Chain;
  private readonly domain: Domain;
  private readonly dataDir: string;
  private readonly settings: Record<string, string>;
  private readonly random: Random;
  private readonly lanes: Lane[];
  private deposits = 0;
  /** Not seen as credited yet. */
  private readonly depositing: { lane: Lane; id: OutputId }[] = [];

  private constructor(node: RunningNode, chain: Chain, dataDir: string, port: number, random: Random) {
    this.node = node;
    this.chain = chain;
    this.domain = { chainId: chain.chainId, verifyingContract: chain.address.toLowerCase() as Address };
    this.dataDir = dataDir;
    this.random = random;
    const separator = domainSeparator(this.domain);
    this.lanes = Array.from({ length: LANES }, (_, i) => new Lane(2 + i, separator, Random.forked(random.next(), i)));
    this.settings = {
      ...{ L1_RPC_URLS: node.url, ROOT_CHAIN_ADDRESS: chain.address, OPERATOR_PRIVATE_KEY: devKey(1) },
      ...{ ROOT_CHAIN_FROM_BLOCK: String(chain.deploymentBlock), DATA_DIR: dataDir, PORT: String(port) },
      // Blocks are sealed and snapshots written all the time, so that kills fall into both.
      ...{ DEPOSIT_FINALITY: "1", COMMIT_INTERVAL_SECONDS: "1", ETHEREUM_POLL_MS: "100", SNAPSHOT_ENTRIES: "300" },
    };
  }

  static async open(seed: number): Promise<CrashRounds> {
    const node = await startAnvil();
    const chain = await Chain.deploy(node.url);
    const dataDir = await mkdtemp(join(tmpdir(), "plasma-crash-"));
    return new CrashRounds(node, chain, dataDir, await freePort(), new Random(seed));
  }

  async close(): Promise<void> {
    await this.node.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  /** One start, load, kill, and the checks. */
  async play(): Promise<void> {
    const operator = spawnOperator(this.settings);
    try {
      if (this.random.chance(0.2)) {
        await sleep(this.random.int(1_200));
        this.figures.killedAtStart++;
      } else {
        await this.ready(operator);
        await this.fund(operator);
        await this.checkAnswers(operator);
        const paying = this.lanes.filter(({ outputs }) => outputs.length > 0).map((lane) => lane.run(operator.url));
        await Promise.race([sleep(this.random.between(20, 600)), Promise.all(paying)]);
        await operator.kill();
        await Promise.all(paying);
      }
    } finally {
      await operator.kill();
    }
    this.figures.rounds++;
    await this.checkFiles();
  }

  /** A last start: what was left unanswered is answered, and every account is what its owner thinks. */
  async settle(): Promise<void> {
    const operator = spawnOperator(this.settings);
    try {
      await this.ready(operator);
      await this.fund(operator);
      await this.checkAnswers(operator);
      await Promise.all(this.lanes.map((lane) => lane.repeat(operator.url)));
      for (const { address, outputs } of this.lanes) {
        const shown = await walk(operator, `/v1/accounts/${address}/outputs?state=available&`);
        const ids = outputs.map(({ id }) => id);
        const waited = this.depositing.filter(({ lane }) => lane.address === address).map(({ id }) => id);
        const got = shown.map(({ id }) => id).filter((id) => !waited.includes(id));
        expect(got.sort(), address).to.deep.equal(ids.sort());
      }
      const payments = await walk(operator, "/v1/transactions?");
      const receipts = this.lanes.flatMap((lane) => lane.receipts).sort(byPosition);
      expect(payments.reverse().map(receiptOf)).to.deep.equal(receipts.map(receiptOf));
      this.figures.sealedBlocks = (await walk(operator, "/v1/blocks?")).length;
    } finally {
      await operator.kill();
    }
    await this.checkFiles();
  }

  private async ready(operator: OperatorProcess): Promise<void> {
    let ended = false;
    void operator.exited.then(() => (ended = true));
    await eventually("the operator is ready", WAIT_MS, async () => {
      if (ended) throw new Error(`the operator ended:\n${operator.output()}`, { cause: "ended" });
      return (await operator.get("/readyz")).status === 200;
    });
  }

  /** Lanes get what was deposited for them before the last kill; the next deposits are credited while this one comes. */
  private async fund(operator: OperatorProcess): Promise<void> {
    for (const { lane, id } of this.depositing.splice(0)) {
      await eventually("a deposit is credited", WAIT_MS, async () => {
        const shown = await walk(operator, `/v1/accounts/${lane.address}/outputs?state=available&`);
        return shown.some((output) => output.id === id);
      });
      lane.outputs.push({ id, amount: DEPOSIT });
    }
    for (let i = 0; i < 2 && this.deposits < DEPOSITS_MAX; i++) {
      const lane = this.lanes[this.deposits % LANES]!;
      await this.chain.mined(this.chain.rootChain["depositEther"]!(lane.address, { value: DEPOSIT }));
      const terms = { id: BigInt(++this.deposits), owner: lane.address, token: ETHER, amount: DEPOSIT };
      this.depositing.push({ lane, id: this.chain.depositOutputId(terms) as OutputId });
    }
    await this.chain.mine();
  }

  /** What it told before the kill, it tells again: of the last payments, and of some from any time. */
  private async checkAnswers(operator: OperatorProcess): Promise<void> {
    const all = this.lanes.flatMap(({ receipts }) => receipts);
    const last = this.lanes.flatMap(({ receipts }) => receipts.slice(-3));
    for (const receipt of [...last, ...this.random.sample(all.slice(-2_000), SAMPLE)]) {
      const { status, body } = await operator.get(`/v1/transactions/${receipt.hash}`);
      expect(status, receipt.hash).to.equal(200);
      expect(receiptOf(body)).to.deep.equal(receipt);
    }
  }

  private async checkFiles(): Promise<void> {
    const { payments, tornBytes, snapshotAt } = await readFolder(this.dataDir, this.domain);
    const receipts = this.lanes.flatMap((lane) => lane.receipts);
    for (const receipt of receipts) expect(payments.get(receipt.hash), receipt.hash).to.deep.equal(receipt);
    this.figures.acknowledged = receipts.length;
    this.figures.unanswered += payments.size - receipts.length;
    if (tornBytes > 0) this.figures.torn++;
    if (snapshotAt > 0) this.figures.fromSnapshot++;
  }
}

function receiptOf({ hash, blockNumber, transactionIndex, acceptedAt }: Receipt): Receipt {
  return { hash, blockNumber, transactionIndex, acceptedAt };
}

function byPosition(a: Receipt, b: Receipt): number {
  return (a.blockNumber - b.blockNumber) * 2 ** 32 + (a.transactionIndex - b.transactionIndex);
}

async function walk(operator: OperatorProcess, path: string): Promise<any[]> {
  const items: any[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const from: string = cursor === "" ? "" : `&cursor=${cursor}`;
    const { status, body } = await operator.get(`${path}limit=1000${from}`);
    if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
    items.push(...body.items);
    cursor = body.nextCursor;
  }
  return items;
}
