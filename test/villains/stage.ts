import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { JsonRpcProvider, Wallet as Key } from "ethers";
import { ETHER, type SignedTransaction } from "@plasma-billing/protocol/transaction.ts";
import { domainSeparator, type Address } from "@plasma-billing/protocol/typedData.ts";
import { decodeKit, OperatorClient, RootChain, Wallet, type ExitKit } from "@plasma-billing/sdk";
import { Chain } from "../helpers/chain.ts";
import { startAnvil, type RunningNode } from "../helpers/nodes.ts";
import { eventually, freePort, startOperator, type OperatorProcess } from "../helpers/operatorProcess.ts";
import { ACCOUNTS_COUNT, addressOf, GUARDED, type HONEST, keyOf, type Name } from "./accounts.ts";
import { VillainProcess, WatcherProcess } from "./processes.ts";
import { Truth } from "./truth.ts";

export const EXIT_PERIOD_SECONDS = 7 * 86_400;
/** A commit interval, in the watcher's eyes and the operator's, that is not over while a villain plays. */
const NEVER_SECONDS = 86_400;
/** More than a busy machine takes for an answer. */
const STALLED_SECONDS = 20;
const ADMIN_TOKEN = "an-administrator-of-the-tests";
const WAIT_MS = 30_000;
/** Ethereum goes on though nobody sends anything. */
const HEARTBEAT_MS = 1_000;
/** More than an estimate that counted on less gas for calls. */
const MONEY: Record<(typeof HONEST)[number] | "mallory", { ether: bigint; token: bigint }> = {
  alice: { ether: 10_007n, token: 5_003n },
  bob: { ether: 2_011n, token: 7_001n },
  carol: { ether: 3_001n, token: 0n },
  dave: { ether: 4_003n, token: 1_009n },
  erin: { ether: 907n, token: 2_003n },
  mallory: { ether: 1_013n, token: 0n },
};

export interface StageOptions {
  /** Whether a villain stands before the operator. */
  villain: boolean;
  watchers: number;
  /** What the watchers think of the operator's hours, in seconds. */
  commitIntervalSeconds?: number;
  /** Confirmations; of the operator and the watchers. */
  finality?: number;
  /** From when on the watchers call the operator stalled. */
  stalledSeconds?: number;
  anvil?: string[];
}

/** anvil, the contract, an honest operator's process, maybe a villain before it, watchers, and people with wallets. */
export class Stage {
  readonly node: RunningNode;
  readonly chain: Chain;
  readonly provider: JsonRpcProvider;
  readonly rootChain: RootChain;
  readonly truth: Truth;
  readonly client: OperatorClient;
  operator: OperatorProcess;
  readonly villain: VillainProcess | null;
  readonly watchers: WatcherProcess[];
  readonly wallets = new Map<Name, Wallet>();
  private readonly kits = new Map<Name, string>();
  private readonly operatorSettings: Record<string, string>;
  private readonly heart: NodeJS.Timeout;

  private constructor(fields: {
    node: RunningNode;
    chain: Chain;
    provider: JsonRpcProvider;
    rootChain: RootChain;
    operator: OperatorProcess;
    operatorSettings: Record<string, string>;
    villain: VillainProcess | null;
    watchers: WatcherProcess[];
  }) {
    const { node, chain, provider, rootChain, operator, operatorSettings, villain, watchers } = fields;
    this.node = node;
    this.chain = chain;
    this.provider = provider;
    this.rootChain = rootChain;
    this.operator = operator;
    this.operatorSettings = operatorSettings;
    this.villain = villain;
    this.watchers = watchers;
    this.client = new OperatorClient(operator.url);
    this.truth = new Truth(domainSeparator(rootChain.domain));
    this.heart = setInterval(() => void this.node.rpc("evm_mine").catch(() => undefined), HEARTBEAT_MS);
  }

  static async open(options: StageOptions): Promise<Stage> {
    const node = await startAnvil({ args: ["--accounts", String(ACCOUNTS_COUNT), ...(options.anvil ?? [])] });
    const closing: (() => Promise<void>)[] = [async () => await node.stop()];
    try {
      const chain = await Chain.deploy(node.url, { exitPeriodSeconds: EXIT_PERIOD_SECONDS });
      const provider = new JsonRpcProvider(node.url, undefined, { pollingInterval: 50, cacheTimeout: -1 });
      const rootChain = await RootChain.connect(provider, chain.address.toLowerCase() as Address);
      const operatorSettings = await operatorSettingsOf(chain, options);
      closing.push(async () => await rm(operatorSettings["DATA_DIR"]!, { recursive: true, force: true }));
      const operatorUrl = `http://127.0.0.1:${operatorSettings["PORT"]}`;
      const token = chain.tokenAddress.toLowerCase() as Address;
      const { rpcUrl } = chain;
      const behind = { operatorUrl, rpcUrl, contract: rootChain.address, chainId: Number(chain.chainId), token };
      const starting = options.villain ? VillainProcess.start(behind) : null;
      closing.push(async () => await (await starting)?.stop());
      const operator = await startOperator(operatorSettings);
      closing.push(async () => await operator.kill());
      const villain = await starting;
      const watcherSettings = watcherSettingsOf(chain, villain?.url ?? operatorUrl, options);
      const keys = (["watcher", "secondWatcher"] as const).slice(0, options.watchers);
      const watchers = await Promise.all(
        // The first one guards; the others only challenge.
        keys.map(async (name, i) => {
          const guarding = { GUARDED_ADDRESSES: GUARDED.map(addressOf).join(), GUARD_EXITS: "yes" };
          const own = { ...watcherSettings, ...(i === 0 ? guarding : {}), WATCHER_PRIVATE_KEY: keyOf(name) };
          return await WatcherProcess.start(own);
        }),
      );
      return new Stage({ node, chain, provider, rootChain, operator, operatorSettings, villain, watchers });
    } catch (error) {
      for (const close of closing.reverse()) await close();
      throw error;
    }
  }

  async close(): Promise<void> {
    clearInterval(this.heart);
    for (const watcher of this.watchers) await watcher.stop();
    await this.villain?.stop();
    await this.operator.kill();
    this.provider.destroy();
    this.chain.provider.destroy();
    await this.node.stop();
    await rm(this.operatorSettings["DATA_DIR"]!, { recursive: true, force: true });
  }

  get token(): Address {
    return this.chain.tokenAddress.toLowerCase() as Address;
  }

  /** The watcher that guards, and whose findings count. */
  get watcher(): WatcherProcess {
    const [first] = this.watchers;
    if (first === undefined) throw new Error("this stage has no watcher");
    return first;
  }

  /** Seconds, of Ethereum's newest block. */
  async now(): Promise<number> {
    return await this.rootChain.now();
  }

  async passTime(seconds: number): Promise<void> {
    await this.chain.passTime(seconds);
  }

  signer(name: Name): Key {
    return new Key(keyOf(name), this.provider);
  }

  /** The wallet of one of the people, talking to whatever stands for the operator. */
  async wallet(name: Name): Promise<Wallet> {
    const open = this.wallets.get(name);
    if (open !== undefined) return open;
    const guard = (GUARDED as readonly Name[]).includes(name) ? { guard: { watcher: this.watcher.url } } : {};
    const wallet = await Wallet.open({
      ...{
        operator: this.villain?.url ?? this.operator.url,
        provider: this.provider,
        signer: this.signer(name),
        ...guard,
      },
      ...{ contract: this.rootChain.address, fromBlock: this.chain.deploymentBlock },
      kitStore: {
        load: async () => await Promise.resolve(this.kits.get(name) ?? null),
        save: async (text) => await Promise.resolve(void this.kits.set(name, text)),
      },
    });
    this.wallets.set(name, wallet);
    return wallet;
  }

  /** The kit a keeper's wallet wrote last. */
  kit(name: Name): ExitKit {
    const text = this.kits.get(name);
    if (text === undefined) throw new Error(`${name} has no kit`);
    return decodeKit(text);
  }

  /** The kit the watcher keeps for somebody it guards. */
  async guardedKit(name: Name): Promise<ExitKit> {
    return decodeKit(await readFile(join(this.watcher.dataDir, "kits", `${addressOf(name)}.json`), "utf8"));
  }

  /** Deposits for somebody, out of the deployer's pocket. Gives the deposit's number. */
  async deposit(owner: Name, token: Address, amount: bigint): Promise<bigint> {
    const { chain, truth } = this;
    const address = addressOf(owner);
    if (token === ETHER) await chain.mined(chain.rootChain["depositEther"]!(address, { value: amount }));
    else await chain.mined(chain.rootChain["deposit"]!(token, amount, address));
    const id = BigInt(truth.deposits.length + 1);
    truth.deposits.push({ id, owner: address, token, amount });
    return id;
  }

  async pay(
    from: Name,
    to: Name,
    token: Address,
    amount: bigint,
    preferCommitted = false,
  ): Promise<Awaited<ReturnType<Wallet["transfer"]>>> {
    const wallet = await this.wallet(from);
    const paid = await wallet.transfer({ to: addressOf(to), token, amount, preferCommitted });
    this.truth.paid(paid.transaction, paid.blockNumber);
    return paid;
  }

  /** A payment that no wallet knows of, as the operator acknowledges it. */
  async submit(payment: SignedTransaction): Promise<void> {
    const { blockNumber } = await this.client.submit(payment);
    this.truth.paid(payment, blockNumber);
  }

  /** Everybody looks: takes in what they were paid, and the proofs. */
  async syncAll(): Promise<void> {
    await Promise.all([...this.wallets.values()].map(async (wallet) => await wallet.sync()));
  }

  /** The honest operator ends the hour, unless nobody paid; waits until Ethereum has it. */
  async commitHour(): Promise<void> {
    const authorization = `Bearer ${ADMIN_TOKEN}`;
    const { body } = await this.operator.post("/v1/admin/commit", {}, { authorization });
    if (body.block === null) return;
    const { number } = body.block;
    await eventually("the hour is committed", WAIT_MS, async () => {
      return ["committed", "finalized"].includes((await this.operator.get(`/v1/blocks/${number}`)).body.state);
    });
  }

  async killOperator(): Promise<void> {
    await this.operator.kill();
  }

  async restartOperator(): Promise<void> {
    this.operator = await startOperator(this.operatorSettings);
  }

  /** Everybody has deposits, of both tokens, that the operator has credited. */
  async fund(): Promise<void> {
    const { chain } = this;
    const total = Object.values(MONEY).reduce((sum, { token }) => sum + token, 0n);
    await chain.mined(chain.token["mint"]!(await chain.deployer.getAddress(), total));
    await chain.mined(chain.token["approve"]!(chain.address, total));
    for (const [name, { ether, token }] of Object.entries(MONEY) as [Name, { ether: bigint; token: bigint }][]) {
      await this.deposit(name, ETHER, ether);
      if (token > 0n) await this.deposit(name, this.token, token);
    }
    await chain.mine(1);
    await this.creditedUpTo(this.truth.deposits.length);
    for (const name of Object.keys(MONEY) as Name[]) await this.wallet(name);
    await this.syncAll();
  }

  async creditedUpTo(count: number): Promise<void> {
    await eventually("the deposits are credited", WAIT_MS, async () => {
      const { items } = (await this.operator.get("/v1/deposits?limit=1000")).body;
      return items.filter(({ state }: any) => state === "credited").length >= count;
    });
  }
}

async function operatorSettingsOf(chain: Chain, { finality = 1 }: StageOptions): Promise<Record<string, string>> {
  return {
    ...{ L1_RPC_URLS: chain.rpcUrl, ROOT_CHAIN_ADDRESS: chain.address, OPERATOR_PRIVATE_KEY: keyOf("operator") },
    ...{ ROOT_CHAIN_FROM_BLOCK: String(chain.deploymentBlock), PORT: String(await freePort()), ADMIN_TOKEN },
    ...{ DATA_DIR: await mkdtemp(join(tmpdir(), "plasma-villains-")), DEPOSIT_FINALITY: String(finality) },
    ...{ ETHEREUM_POLL_MS: "150", COMMIT_INTERVAL_SECONDS: String(NEVER_SECONDS), VERIFY_THREADS: "1" },
  };
}

function watcherSettingsOf(
  chain: Chain,
  operatorUrl: string,
  { finality = 1, commitIntervalSeconds = NEVER_SECONDS, stalledSeconds = STALLED_SECONDS }: StageOptions,
): Record<string, string> {
  return {
    ...{ L1_RPC_URLS: chain.rpcUrl, ROOT_CHAIN_ADDRESS: chain.address, OPERATOR_URL: operatorUrl },
    ...{ ROOT_CHAIN_FROM_BLOCK: String(chain.deploymentBlock), DEPOSIT_FINALITY: String(finality) },
    ...{ ETHEREUM_POLL_MS: "300", OPERATOR_POLL_MS: "300", VERIFY_THREADS: "1", LOG_LEVEL: "info" },
    ...{
      COMMIT_INTERVAL_SECONDS: String(commitIntervalSeconds),
      STAGGER_SECONDS: "4",
      STALLED_SECONDS: String(stalledSeconds),
    },
  };
}
