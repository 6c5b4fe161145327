import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import {
  hex,
  list,
  quantity,
  readHeader,
  readLogs,
  readReceipt,
  readTransactions,
  toQuantity,
  fields,
  type Header,
  type Log,
  type Receipt,
  type SentTransaction,
} from "./answers.ts";
import { EthereumError } from "./errors.ts";
import { Nodes, type NodeHealth, type NodeRefusal, type View } from "./nodes.ts";
import type { Transport } from "./transport.ts";
import { USUAL_TIP } from "./fees.ts";

export type { Header, Log, Receipt } from "./answers.ts";

/** A hundredth of what is usual: below it a node says what keeps a transaction from being mined. */
const TIP_MIN = USUAL_TIP / 100n;
/** No call of ours takes so much: whoever says so is wrong. */
const GAS_MAX = 5_000_000n;

/** What a transaction does, whatever its nonce and fees. */
export interface Call {
  from: Address;
  to: Address;
  data: Hex;
  value: bigint;
}

/** A block by number, hash, or the name a node gives it. */
export type BlockReference = number | Hex | "latest";

/** Ethereum over JSON-RPC: what several nodes agree on (`Nodes` has the rule). */
export class EthereumRpc {
  private readonly nodes: Nodes;

  constructor(urls: readonly string[], transport?: Transport) {
    this.nodes = new Nodes(urls, transport);
  }

  get health(): NodeHealth[] {
    return this.nodes.health;
  }

  /** From now on nodes of another chain are left out. */
  expectChain(chainId: bigint): void {
    this.nodes.expectChain(chainId);
  }

  /** The highest block that the nodes share, and what is final. */
  async look(): Promise<View> {
    return await this.nodes.look();
  }

  /** The chain id of every node, asked one by one. Nodes that do not answer are left out. */
  async chainIds(): Promise<Map<string, bigint>> {
    return await this.nodes.chainIds();
  }

  /** Null when no node has it. */
  async block(reference: BlockReference): Promise<Header | null> {
    const byHash = typeof reference === "string" && reference.startsWith("0x");
    const at = typeof reference === "number" ? toQuantity(reference) : reference;
    const method = byHash ? "eth_getBlockByHash" : "eth_getBlockByNumber";
    return await orNull(this.nodes.agreed(method, [at, false], known(method, readHeader)));
  }

  /** What a block's transactions are known by. */
  async transactions(blockHash: Hex): Promise<SentTransaction[]> {
    return await this.nodes.agreed("eth_getBlockByHash", [blockHash, true], readTransactions);
  }

  /** The contract's logs of one block, or of a range that no reorganisation can change. */
  async logs(address: Address, where: { blockHash: Hex } | { from: number; to: number }): Promise<Log[]> {
    const range = "blockHash" in where ? where : { fromBlock: toQuantity(where.from), toBlock: toQuantity(where.to) };
    return await this.nodes.agreed("eth_getLogs", [{ address, ...range }], readLogs);
  }

  /** The same of one block by way of its receipts; null where nodes do not tell them. */
  async logsInReceipts(address: Address, blockHash: Hex): Promise<Log[] | null> {
    const method = "eth_getBlockReceipts";
    const read = (receipts: unknown): Log[] => list(receipts).flatMap((receipt) => readLogs(fields(receipt)["logs"]));
    try {
      const logs = await this.nodes.agreed(method, [blockHash], known(method, read));
      return logs.filter((log) => log.address === address);
    } catch (error) {
      if (error instanceof EthereumError && error.code === "RPC_ERROR") return null;
      throw error;
    }
  }

  /** Result of a call in the state of one block, named by its hash: a reorganisation cannot mix two states. */
  async call(to: Address, data: Hex, blockHash: Hex): Promise<Hex> {
    return await this.nodes.agreed("eth_call", [{ to, data }, { blockHash }], hex);
  }

  /**
   * Gas the transaction takes in the latest state: the most that a node says, since one of them may be wrong. A node that says it
   * reverts is outweighed by one that says it does not.
   * @throws EthereumError RPC_ERROR when it would revert, or the node refuses for another reason
   */
  async estimateGas({ from, to, data, value }: Call): Promise<bigint> {
    const call = { from, to, data, value: toQuantity(value) };
    const estimates = await this.nodes.each("eth_estimateGas", [call, "latest"], quantity);
    const likely = estimates.filter((gas) => gas <= GAS_MAX);
    if (likely.length > 0) return likely.reduce((most, gas) => (gas > most ? gas : most));
    return quantity(await this.nodes.any("eth_estimateGas", [call, "latest"]));
  }

  async code(address: Address, blockHash: Hex): Promise<Hex> {
    return await this.nodes.agreed("eth_getCode", [address, { blockHash }], hex);
  }

  async balance(address: Address, blockHash: Hex): Promise<bigint> {
    return await this.nodes.agreed("eth_getBalance", [address, { blockHash }], quantity);
  }

  /** The nonce of the next transaction in the state of that block; never the node's `pending` one. */
  async nonce(address: Address, at: Hex | number): Promise<number> {
    const block = typeof at === "number" ? toQuantity(at) : { blockHash: at };
    return Number(await this.nodes.agreed("eth_getTransactionCount", [address, block], quantity));
  }

  /**
   * What nodes suggest as a tip: the lower one of the middle, since it is paid whatever it is; not all nodes do. Of two nodes one
   * could keep everything from being mined by suggesting none: there is a floor.
   */
  async tip(): Promise<bigint> {
    const tips = await this.nodes.each("eth_maxPriorityFeePerGas", [], quantity);
    tips.sort((a, b) => (a < b ? -1 : 1));
    const tip = tips[Math.floor((tips.length - 1) / 2)] ?? USUAL_TIP;
    return tip > TIP_MIN ? tip : TIP_MIN;
  }

  /** Null when no node has it. */
  async receipt(hash: Hex): Promise<Receipt | null> {
    const method = "eth_getTransactionReceipt";
    return await orNull(this.nodes.agreed(method, [hash], known(method, readReceipt)));
  }

  /** Hands the bytes to every node. What they refuse proves nothing: the transaction may be on its way all the same. */
  async sendRawTransaction(raw: Hex): Promise<{ taken: number; refusals: NodeRefusal[] }> {
    return await this.nodes.toAll("eth_sendRawTransaction", [raw]);
  }
}

/** A node that does not have what it is asked for gives no answer to it. */
function known<T>(method: string, read: (result: unknown) => T): (result: unknown) => T {
  return (result) => {
    if (result === null) throw new EthereumError("NODE_BEHIND", `a node does not have what ${method} asks for`);
    return read(result);
  };
}

async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof EthereumError && error.code === "NODE_BEHIND") return null;
    throw error;
  }
}
