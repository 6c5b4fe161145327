// What a wallet needs to live on the child chain: an Ethereum node, the operator's HTTP API, and the protocol.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type BaseWallet,
  Contract,
  type ContractTransactionReceipt,
  type ContractTransactionResponse,
  JsonRpcProvider,
} from "ethers";
import { type TransactionJson, encodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import { PURPOSES, type Transaction, ZERO_HASH, transactionHash } from "@plasma-billing/protocol/transaction.ts";
import {
  type Address,
  DOMAIN_NAME,
  DOMAIN_VERSION,
  TYPES,
  domainSeparator,
} from "@plasma-billing/protocol/typedData.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { type Devnet, devnetAccount } from "./devnetInfo.ts";
import { readArtifact } from "./deployment.ts";

const REQUEST_MS_MAX = 30_000;
const POLL_MS = 200;

/** The demo cannot go on; the message is one line that says what to do. */
export class DemoError extends Error {}

export interface DemoSettings {
  operatorUrl: string;
  rpcUrl: string;
  testToken: string | null;
  adminToken: string | null;
  funderKey: string;
}

/** From the environment, and for what is not set there from what `npm start` wrote down. */
export async function readDemoSettings(env: NodeJS.ProcessEnv): Promise<DemoSettings> {
  const get = (name: string): string | null => (env[name] === undefined || env[name] === "" ? null : env[name]);
  const file = join(get("DATA_DIR") ?? "data", "devnet", "devnet.json");
  const text = await readFile(file, "utf8").catch(() => null);
  const operatorUrl = get("OPERATOR_URL");
  if (text === null && operatorUrl === null) {
    throw new DemoError(`no ${file}: run npm start in another terminal first, or set OPERATOR_URL`);
  }
  const devnet = text === null ? null : (JSON.parse(text) as Devnet);
  // The devnet's values go with the devnet's operator only.
  const own = devnet !== null && (operatorUrl === null || operatorUrl === devnet.operatorUrl) ? devnet : null;
  const rpcUrl = get("L1_RPC_URLS")?.split(",")[0] ?? own?.rpcUrl ?? null;
  const funderKey = get("FUNDER_PRIVATE_KEY") ?? (own === null ? null : devnetAccount(2).privateKey);
  if (rpcUrl === null || funderKey === null) {
    throw new DemoError(
      "with OPERATOR_URL set, L1_RPC_URLS and FUNDER_PRIVATE_KEY (an account with some ether) are needed",
    );
  }
  return {
    operatorUrl: (operatorUrl ?? own?.operatorUrl ?? "").replace(/\/+$/, ""),
    rpcUrl,
    testToken: get("TEST_TOKEN_ADDRESS") ?? own?.testToken ?? null,
    adminToken: get("ADMIN_TOKEN") ?? own?.adminToken ?? null,
    funderKey,
  };
}

/** An answer of the operator, as JSON. */
export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

export class Operator {
  readonly url: string;
  constructor(url: string) {
    this.url = url;
  }

  async request(path: string, init: RequestInit = {}): Promise<Answer> {
    let response: Response;
    try {
      response = await fetch(this.url + path, { ...init, signal: AbortSignal.timeout(REQUEST_MS_MAX) });
    } catch (error) {
      throw new DemoError(`no operator answers at ${this.url}: is npm start running?`, { cause: error });
    }
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  async get(path: string): Promise<Record<string, unknown>> {
    const { status, body } = await this.request(path);
    if (status !== 200) throw new DemoError(`GET ${path}: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  async post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return await this.request(path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  }

  async items(path: string): Promise<Record<string, unknown>[]> {
    return (await this.get(path))["items"] as Record<string, unknown>[];
  }
}

export interface Payment {
  hash: Hex;
  json: TransactionJson;
  /** As the contract takes it. */
  solidity: { purpose: number; inputs: Hex[]; outputs: Transaction["outputs"]; fileHash: Hex };
}

export class Chain {
  readonly provider: JsonRpcProvider;
  readonly chainId: bigint;
  readonly address: Address;
  readonly rootChain: Contract;
  readonly separator: Hex;

  private constructor(provider: JsonRpcProvider, chainId: bigint, address: Address, rootChain: Contract) {
    this.provider = provider;
    this.chainId = chainId;
    this.address = address;
    this.rootChain = rootChain;
    this.separator = domainSeparator({ chainId, verifyingContract: address });
  }

  /** Connects to the chain and the contract which the operator names. */
  static async connect(rpcUrl: string, status: Record<string, unknown>): Promise<Chain> {
    const provider = new JsonRpcProvider(rpcUrl, undefined, { pollingInterval: POLL_MS, cacheTimeout: -1 });
    const chainId = BigInt((await provider.send("eth_chainId", [])) as string);
    if (Number(chainId) !== status["chainId"]) {
      throw new DemoError(`the operator is on chain ${String(status["chainId"])}, the node on ${chainId}`);
    }
    const { abi } = await readArtifact("RootChain.sol/RootChain");
    const contract = status["contract"] as string;
    return new Chain(provider, chainId, contract.toLowerCase() as Address, new Contract(contract, abi, provider));
  }

  /** Asks a view of the contract. */
  async view<T>(name: string, ...args: unknown[]): Promise<T> {
    return (await this.rootChain.getFunction(name).staticCall(...args)) as T;
  }

  /** Sends a transaction to the contract (or another one) and waits until it is mined. */
  async send(
    wallet: BaseWallet,
    name: string,
    args: unknown[],
    to: Contract = this.rootChain,
  ): Promise<ContractTransactionReceipt> {
    const contract = to.connect(wallet) as Contract;
    const sent = (await contract.getFunction(name)(...args)) as ContractTransactionResponse;
    const receipt = await sent.wait();
    if (receipt === null) throw new DemoError(`${name} was not mined`);
    return receipt;
  }

  /** The arguments of the receipt's event of that name. */
  event(receipt: ContractTransactionReceipt, name: string): Record<string, unknown> {
    for (const log of receipt.logs) {
      const parsed = this.rootChain.interface.parseLog(log);
      if (parsed?.name === name) return parsed.args.toObject() as Record<string, unknown>;
    }
    throw new DemoError(`no event ${name} in ${receipt.hash}`);
  }

  /** A transfer, signed as any wallet signs typed data, one signature an input. */
  async pay(inputs: Hex[], outputs: Transaction["outputs"], signers: BaseWallet[]): Promise<Payment> {
    const transaction: Transaction = { purpose: "transfer", inputs, outputs, fileHash: ZERO_HASH };
    const solidity = { purpose: PURPOSES.transfer, inputs, outputs, fileHash: ZERO_HASH };
    const domain = {
      name: DOMAIN_NAME,
      version: DOMAIN_VERSION,
      chainId: this.chainId,
      verifyingContract: this.address,
    };
    const types = { Transaction: [...TYPES.Transaction], Output: [...TYPES.Output] };
    const signatures = await Promise.all(
      signers.map(async (signer) => (await signer.signTypedData(domain, types, solidity)) as Hex),
    );
    return {
      hash: transactionHash(this.separator, transaction),
      json: encodeTransaction({ ...transaction, signatures }),
      solidity,
    };
  }
}

/** Asks until the answer is there. */
export async function eventually<T>(what: string, msMax: number, ask: () => Promise<T | null>): Promise<T> {
  const end = Date.now() + msMax;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (Date.now() > end) throw new DemoError(`not within ${msMax / 1000} s: ${what}`);
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}
