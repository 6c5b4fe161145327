import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { EthereumError } from "./errors.ts";

const REQUEST_TIMEOUT_MS = 10_000;
/** Above any answer we ask for; what is longer is not read to the end. */
const ANSWER_CHARACTERS_MAX = 64 * 1024 * 1024;

export interface Header {
  number: number;
  hash: Hex;
  parentHash: Hex;
  /** Seconds. */
  timestamp: number;
  baseFeePerGas: bigint;
}

export interface Log {
  address: Address;
  topics: Hex[];
  data: Hex;
  blockNumber: number;
  blockHash: Hex;
  transactionHash: Hex;
  logIndex: number;
}

export interface Receipt {
  blockHash: Hex;
  blockNumber: number;
  succeeded: boolean;
  gasUsed: bigint;
  /** In wei. */
  fee: bigint;
}

/** What a transaction does, whatever its nonce and fees. */
export interface Call {
  from: Address;
  to: Address;
  data: Hex;
  value: bigint;
}

/** A block by number, hash, or the name a node gives it. */
export type BlockReference = number | Hex | "latest" | "finalized";

/** Ethereum over JSON-RPC, through the first of several nodes that answers. */
export class EthereumRpc {
  private readonly urls: readonly string[];
  private current = 0;
  private requests = 0;

  constructor(urls: readonly string[]) {
    this.urls = urls;
  }

  async chainId(): Promise<bigint> {
    return quantity(await this.send("eth_chainId", []));
  }

  /** The chain id of every node, asked one by one. Nodes that do not answer are left out. */
  async chainIds(): Promise<Map<string, bigint>> {
    const ids = new Map<string, bigint>();
    for (const url of this.urls) {
      try {
        ids.set(new URL(url).host, quantity(await request(url, "eth_chainId", [], ++this.requests)));
      } catch (error) {
        if (!(error instanceof EthereumError)) throw error;
      }
    }
    return ids;
  }

  async block(reference: BlockReference): Promise<Header | null> {
    const byHash = typeof reference === "string" && reference.startsWith("0x");
    const at = typeof reference === "number" ? toQuantity(reference) : reference;
    const block = await this.send(byHash ? "eth_getBlockByHash" : "eth_getBlockByNumber", [at, false]);
    if (block === null) return null;
    const { number, hash, parentHash, timestamp, baseFeePerGas } = fields(block);
    return {
      number: Number(quantity(number)),
      hash: hex(hash),
      parentHash: hex(parentHash),
      timestamp: Number(quantity(timestamp)),
      baseFeePerGas: baseFeePerGas === undefined ? 0n : quantity(baseFeePerGas),
    };
  }

  /** The contract's logs of one block, or of a range that no reorganisation can change. */
  async logs(address: Address, where: { blockHash: Hex } | { from: number; to: number }): Promise<Log[]> {
    const range = "blockHash" in where ? where : { fromBlock: toQuantity(where.from), toBlock: toQuantity(where.to) };
    const logs = await this.send("eth_getLogs", [{ address, ...range }]);
    if (!Array.isArray(logs)) throw badAnswer("eth_getLogs", logs);
    return logs.map((log) => {
      const { topics, data, blockNumber, blockHash, transactionHash, logIndex } = fields(log);
      if (!Array.isArray(topics)) throw badAnswer("eth_getLogs", log);
      return {
        address,
        topics: topics.map(hex),
        data: hex(data),
        blockNumber: Number(quantity(blockNumber)),
        blockHash: hex(blockHash),
        transactionHash: hex(transactionHash),
        logIndex: Number(quantity(logIndex)),
      };
    });
  }

  /** Result of a call in the state of one block, named by its hash: a reorganisation cannot mix two states. */
  async call(to: Address, data: Hex, blockHash: Hex): Promise<Hex> {
    return hex(await this.send("eth_call", [{ to, data }, { blockHash }]));
  }

  /**
   * Gas the transaction takes in the latest state.
   * @throws EthereumError RPC_ERROR when it would revert, or the node refuses for another reason
   */
  async estimateGas({ from, to, data, value }: Call): Promise<bigint> {
    return quantity(await this.send("eth_estimateGas", [{ from, to, data, value: toQuantity(value) }, "latest"]));
  }

  async code(address: Address): Promise<Hex> {
    return hex(await this.send("eth_getCode", [address, "latest"]));
  }

  async balance(address: Address): Promise<bigint> {
    return quantity(await this.send("eth_getBalance", [address, "latest"]));
  }

  /** The nonce of the next transaction in the state of that block; never the node's `pending` one. */
  async nonce(address: Address, blockHash: Hex): Promise<number> {
    return Number(quantity(await this.send("eth_getTransactionCount", [address, { blockHash }])));
  }

  async tip(): Promise<bigint> {
    return quantity(await this.send("eth_maxPriorityFeePerGas", []));
  }

  async receipt(hash: Hex): Promise<Receipt | null> {
    const receipt = await this.send("eth_getTransactionReceipt", [hash]);
    if (receipt === null) return null;
    const { blockHash, blockNumber, status, gasUsed, effectiveGasPrice } = fields(receipt);
    const used = quantity(gasUsed);
    return {
      blockHash: hex(blockHash),
      blockNumber: Number(quantity(blockNumber)),
      succeeded: quantity(status) === 1n,
      gasUsed: used,
      fee: used * quantity(effectiveGasPrice),
    };
  }

  /**
   * Hands the bytes to every node. Resolves when one took them; rejects with the last refusal otherwise, which proves
   * nothing: the transaction may be on its way all the same.
   */
  async sendRawTransaction(raw: Hex): Promise<void> {
    const sent = await Promise.allSettled(
      this.urls.map((url) => request(url, "eth_sendRawTransaction", [raw], ++this.requests)),
    );
    if (sent.some((result) => result.status === "fulfilled")) return;
    throw (sent.at(-1) as PromiseRejectedResult).reason;
  }

  /** Asks the node that answered last; another one when it does not answer. A refusal is an answer. */
  private async send(method: string, params: unknown[]): Promise<unknown> {
    let failure: unknown;
    for (let tried = 0; tried < this.urls.length; tried++) {
      const url = this.urls[this.current % this.urls.length] as string;
      try {
        return await request(url, method, params, ++this.requests);
      } catch (error) {
        if (!(error instanceof EthereumError) || error.code === "RPC_ERROR") throw error;
        failure = error;
        this.current++;
      }
    }
    throw failure;
  }
}

async function request(url: string, method: string, params: unknown[], id: number): Promise<unknown> {
  const { host } = new URL(url);
  let text: string;
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id, method, params }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    text = await response.text();
    if (!response.ok && !text.startsWith("{")) throw new Error(`HTTP ${response.status}`);
  } catch (error) {
    const reason = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new EthereumError("UNREACHABLE", `${host} does not answer ${method}: ${reason}`, { host, method }, error);
  }
  if (text.length > ANSWER_CHARACTERS_MAX) throw badAnswer(method, `${text.length} characters`);
  let answer: Record<string, unknown>;
  try {
    answer = fields(JSON.parse(text));
  } catch (error) {
    throw new EthereumError(
      "BAD_ANSWER",
      `${host} answers ${method} with something else than JSON-RPC`,
      { host },
      error,
    );
  }
  if (answer["error"] !== undefined) {
    const { code, message } = fields(answer["error"]);
    throw new EthereumError("RPC_ERROR", `${host} refuses ${method}: ${String(message)}`, { host, method, code });
  }
  if (answer["id"] !== id || answer["result"] === undefined) throw badAnswer(method, text.slice(0, 200));
  return answer["result"];
}

function fields(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw badAnswer("request", value);
  return value as Record<string, unknown>;
}

function quantity(value: unknown): bigint {
  if (typeof value !== "string" || !/^0x[0-9a-fA-F]{1,64}$/.test(value)) throw badAnswer("a quantity", value);
  return BigInt(value);
}

function hex(value: unknown): Hex {
  if (typeof value !== "string" || !/^0x([0-9a-fA-F]{2})*$/.test(value)) throw badAnswer("hex", value);
  return value.toLowerCase() as Hex;
}

function toQuantity(value: number | bigint): Hex {
  return `0x${value.toString(16)}`;
}

function badAnswer(what: string, value: unknown): EthereumError {
  const shown = JSON.stringify(value)?.slice(0, 200);
  return new EthereumError("BAD_ANSWER", `an Ethereum node answers ${what} with nonsense`, { what, value: shown });
}
