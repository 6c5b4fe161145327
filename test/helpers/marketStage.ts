import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { JsonRpcProvider, Wallet as EthersWallet } from "ethers";
import { Wallet, type WalletOptions } from "@plasma-billing/sdk";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { Chain, devKey } from "./chain.ts";
import { startAnvil, type RunningNode } from "./nodes.ts";
import { eventually, freePort, startOperator, type OperatorProcess } from "./operatorProcess.ts";

const ADMIN_TOKEN = "an-administrator-of-the-tests";
export const EXIT_PERIOD_SECONDS = 86_400;
const WAIT_MS = 60_000;
/** Accounts of the node: 0 deploys, 1 commits, this one is the service node. */
const SERVICE_NODE = 9;

/** anvil, the contract, a token and a real operator process that quotes for a service node. */
export class MarketStage {
  readonly node: RunningNode;
  readonly chain: Chain;
  readonly dataDir: string;
  readonly provider: JsonRpcProvider;
  operator: OperatorProcess;
  private readonly settings: Record<string, string>;

  private constructor(
    node: RunningNode,
    chain: Chain,
    dataDir: string,
    operator: OperatorProcess,
    settings: Record<string, string>,
  ) {
    this.node = node;
    this.chain = chain;
    this.dataDir = dataDir;
    this.operator = operator;
    this.settings = settings;
    this.provider = new JsonRpcProvider(node.url, undefined, { pollingInterval: 50, cacheTimeout: -1 });
  }

  /** `more`: other settings of the operator, where a test needs them; what they name can be deployed there. */
  static async start(more?: (chain: Chain) => Promise<Record<string, string>>): Promise<MarketStage> {
    const node = await startAnvil();
    const chain = await Chain.deploy(node.url, { exitPeriodSeconds: EXIT_PERIOD_SECONDS });
    const dataDir = await mkdtemp(join(tmpdir(), "plasma-market-"));
    const settings = {
      L1_RPC_URLS: node.url,
      ROOT_CHAIN_ADDRESS: chain.address,
      ROOT_CHAIN_FROM_BLOCK: String(chain.deploymentBlock),
      OPERATOR_PRIVATE_KEY: devKey(1),
      SERVICE_NODE_ADDRESS: new EthersWallet(devKey(SERVICE_NODE)).address,
      SERVICE_NODE_PRIVATE_KEY: devKey(SERVICE_NODE),
      STORAGE_PRICE_PER_GIB_DAY: "1000",
      STORAGE_PRICE_TOKEN: chain.tokenAddress,
      DATA_DIR: dataDir,
      PORT: String(await freePort()),
      DEPOSIT_FINALITY: "1",
      ETHEREUM_POLL_MS: "100",
      ADMIN_TOKEN,
      ...(await more?.(chain)),
    };
    return new MarketStage(node, chain, dataDir, await startOperator(settings), settings);
  }

  async stop(): Promise<void> {
    this.provider.destroy();
    await this.operator.kill();
    await this.node.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  get token(): Address {
    return this.chain.tokenAddress.toLowerCase() as Address;
  }

  signer(index: number): EthersWallet {
    return new EthersWallet(devKey(index), this.provider);
  }

  /** A wallet of an account of the node. */
  async wallet(index: number, options: Partial<WalletOptions> = {}): Promise<Wallet> {
    const { operator, provider } = this;
    return await Wallet.open({ operator: operator.url, provider, signer: this.signer(index), ...options });
  }

  async serviceNode(options: Partial<WalletOptions> = {}): Promise<Wallet> {
    return await this.wallet(SERVICE_NODE, options);
  }

  /** Tokens of anyone's own making, on Ethereum. */
  async mint(owner: string, amount: bigint): Promise<void> {
    await this.chain.mined(this.chain.token["mint"]!(owner, amount));
  }

  /** Deposits what is minted before, and waits until it can be spent. */
  async fund(wallet: Wallet, token: Address, amount: bigint): Promise<void> {
    if (token === this.token) await this.mint(wallet.address, amount);
    const deposited = await wallet.deposit({ token, amount });
    await this.chain.mine(2);
    await wallet.credited(deposited, WAIT_MS);
  }

  /** Ends the hour; gives its number, null when there was nothing in it. */
  async endHour(): Promise<number | null> {
    const authorization = `Bearer ${ADMIN_TOKEN}`;
    const { body } = await this.operator.post("/v1/admin/commit", {}, { authorization });
    return body.block === null ? null : body.block.number;
  }

  /** Ends the hour and waits until Ethereum has it. */
  async commitHour(): Promise<void> {
    const number = await this.endHour();
    if (number === null) return;
    await eventually("the hour is final", WAIT_MS, async () => {
      await this.chain.mine();
      return (await this.operator.get(`/v1/blocks/${number}`)).body.state === "finalized";
    });
  }

  /** Starts the operator again on the same folder and port. */
  async restart(): Promise<void> {
    await this.operator.kill();
    this.operator = await startOperator(this.settings);
  }

  /** The operator and all its data are gone. */
  async loseOperator(): Promise<void> {
    await this.operator.kill();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}
