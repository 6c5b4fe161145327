import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { mkdir } from "node:fs/promises";
import { OperatorClient, RootChain, Wallet } from "@plasma-billing/sdk";
import { fileStore, textFile } from "@plasma-billing/sdk/node";
import { ETHER } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import {
  Contract,
  formatUnits,
  getAddress,
  isAddress,
  JsonRpcProvider,
  NonceManager,
  parseUnits,
  type Signer,
} from "ethers";
import { UsageError } from "./errors.ts";
import { openKeystore, readPassword } from "./keys.ts";
import { Output } from "./output.ts";

const ETHER_DECIMALS = 18;
const POLL_MS = 500;
const TOKEN_ABI = ["function decimals() view returns (uint8)", "function symbol() view returns (string)"];

/** What every command takes. */
export interface GlobalOptions {
  operator: string;
  rpc: string;
  keystore?: string;
  passwordFile?: string;
  home: string;
  contract?: string;
  fromBlock: string;
  json?: boolean;
  units?: boolean;
}

interface Token {
  address: Address;
  symbol: string;
  decimals: number;
}

export const DEFAULT_HOME = join(homedir(), ".plasma");

/** One run of a command: settings, the key once it is asked for, and the wallet with its files. */
export class Session {
  readonly options: GlobalOptions;
  readonly out: Output;
  readonly operator: OperatorClient;
  readonly provider: JsonRpcProvider;
  readonly fromBlock: number;
  private readonly tokens = new Map<string, Token>();
  private opened: Wallet | null = null;

  constructor(options: GlobalOptions) {
    this.options = options;
    this.out = new Output(options.json === true);
    for (const [name, url] of [
      ["--operator", options.operator],
      ["--rpc", options.rpc],
    ] as const) {
      if (!URL.canParse(url)) throw new UsageError(`${name} must be a URL: ${url}`);
    }
    if (!/^[0-9]{1,12}$/.test(options.fromBlock)) throw new UsageError("--from-block must be a block number");
    this.fromBlock = Number(options.fromBlock);
    this.operator = new OperatorClient(options.operator);
    this.provider = new JsonRpcProvider(options.rpc, undefined, { pollingInterval: POLL_MS, cacheTimeout: -1 });
  }

  get keystore(): string {
    return resolve(this.options.keystore ?? join(this.options.home, "key.json"));
  }

  async password(twice = false): Promise<string> {
    return await readPassword(this.options.passwordFile ?? null, twice);
  }

  async signer(): Promise<Signer> {
    const key = await openKeystore(this.keystore, await this.password());
    // Counts its own transactions: a node may tell of the last one late.
    return new NonceManager(key.connect(this.provider));
  }

  /** The wallet on its files below the home folder, up to date. */
  async wallet(): Promise<Wallet> {
    const signer = await this.signer();
    const { chainId, contract } = await this.operator.status();
    const folder = join(this.options.home, `${chainId}-${contract}`);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, (await signer.getAddress()).toLowerCase());
    this.opened = await Wallet.open({
      ...{ operator: this.operator, provider: this.provider, signer, fromBlock: this.fromBlock },
      ...(this.options.contract === undefined ? {} : { contract: this.address(this.options.contract) }),
      store: fileStore(`${path}.wallet`),
      kitStore: textFile(`${path}.kit.json`),
    });
    await this.opened.sync();
    return this.opened;
  }

  /** The contract that the options or else the operator names. */
  async rootChain(): Promise<RootChain> {
    const { chainId, contract } = await this.operator.status();
    const pinned = this.options.contract === undefined ? contract : this.address(this.options.contract);
    return await RootChain.connect(this.provider, pinned, chainId);
  }

  async close(): Promise<void> {
    await this.opened?.close();
    this.provider.destroy();
  }

  address(text: string): Address {
    if (!isAddress(text)) throw new UsageError(`no address, or its checksum is wrong: ${String(text)}`);
    return text.toLowerCase() as Address;
  }

  /** `ether`, or a token's address. */
  async token(text: string): Promise<Token> {
    const address = text === "ether" ? ETHER : this.address(text);
    let token = this.tokens.get(address);
    if (token === undefined) {
      token = address === ETHER ? { address, symbol: "ether", decimals: ETHER_DECIMALS } : await this.askToken(address);
      this.tokens.set(address, token);
    }
    return token;
  }

  /** An amount as people write it; with --units in the token's smallest unit. */
  async amount(text: string, token: string): Promise<bigint> {
    const { decimals, symbol } = await this.token(token);
    try {
      const amount = parseUnits(text, this.options.units === true ? 0 : decimals);
      if (amount > 0n) return amount;
    } catch {
      // As an amount that is not above zero.
    }
    const places = this.options.units === true ? "a whole number" : `at most ${decimals} decimal places`;
    throw new UsageError(`no amount of ${symbol}: ${text} (above zero, ${places})`);
  }

  async format(amount: bigint, token: Address): Promise<string> {
    const { decimals, symbol } = await this.token(token);
    return this.options.units === true ? `${amount}` : `${formatUnits(amount, decimals)} ${symbol}`;
  }

  show(address: Address): string {
    return getAddress(address);
  }

  private async askToken(address: Address): Promise<Token> {
    const contract = new Contract(address, TOKEN_ABI, this.provider);
    try {
      const decimals = Number(await contract.getFunction("decimals").staticCall());
      const symbol = String(await contract.getFunction("symbol").staticCall());
      return { address, decimals, symbol };
    } catch {
      throw new UsageError(`${address} is no token on the chain of ${this.options.rpc}`);
    }
  }
}
