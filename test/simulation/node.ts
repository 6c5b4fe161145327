import { EthereumError } from "@plasma-billing/ethereum/errors.ts";
import { rootChain } from "@plasma-billing/ethereum/rootChain.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { AbiCoder } from "ethers";
import type { Random } from "../adversary/random.ts";
import {
  CHAIN_ID,
  CONTRACT,
  decodeRaw,
  GWEI,
  headerOf,
  type SimBlock,
  type SimEthereum,
  type SimLog,
  type SimTransaction,
} from "./ethereum.ts";

const NO_BLOOM = `0x${"00".repeat(256)}`;
const FULL_BLOOM = `0x${"ff".repeat(256)}`;
const EXIT_PERIOD = 604_800;

/** What can be wrong with a node. */
export interface NodeFaults {
  /** No answer at all. */
  down: boolean;
  /** Answers only after the caller has given up; what is sent to it may get through all the same. */
  hangs: boolean;
  /** Blocks behind the others. */
  lag: number;
  /** Its head does not move. */
  frozen: boolean;
  /** Takes transactions and forgets them. */
  forgets: boolean;
  /** Refuses every transaction, with this text. */
  refuses: string | null;
  /** What it answers falsely. */
  lies: Lie | null;
  otherChain: boolean;
  /** Knows no receipts. */
  noReceipts: boolean;
  /** Answers with nonsense. */
  nonsense: boolean;
}

export const LIES = [
  "noLogs",
  "fakeDeposit",
  "nonceAhead",
  "nonceBehind",
  "blocksAhead",
  "blocksBehind",
  "richer",
  "farAhead",
] as const;
export type Lie = (typeof LIES)[number];

export const HEALTHY: NodeFaults = {
  ...{ down: false, hangs: false, lag: 0, frozen: false, forgets: false, refuses: null, lies: null },
  ...{ otherChain: false, noReceipts: false, nonsense: false },
};

/** One node's view of Ethereum, over JSON-RPC. */
export class SimNode {
  readonly url: string;
  faults: NodeFaults = { ...HEALTHY };
  head: SimBlock;
  readonly mempool = new Map<Hex, SimTransaction>();
  private readonly ethereum: SimEthereum;
  private readonly random: Random;

  constructor(url: string, ethereum: SimEthereum, random: Random) {
    this.url = url;
    this.ethereum = ethereum;
    this.random = random;
    this.head = ethereum.head;
  }

  /** Takes up the chain as far as its faults let it. */
  follow(): void {
    const { head } = this.ethereum;
    if (!this.faults.frozen)
      this.head = this.ethereum.ancestor(head, Math.max(1, head.number - this.faults.lag)) ?? head;
    for (const [hash, { nonce }] of this.mempool) if (nonce < this.head.state.nonce) this.mempool.delete(hash);
  }

  /** @throws EthereumError RPC_ERROR */
  answer(method: string, params: readonly unknown[]): unknown {
    if (this.faults.nonsense) return this.random.pick([null, "0xzz", 42, {}, [], "<html>"]);
    const [first, second] = params as [any, any];
    switch (method) {
      case "eth_chainId":
        return quantity(this.faults.otherChain ? CHAIN_ID + 1n : CHAIN_ID);
      case "eth_getBlockByNumber":
        return this.blockByNumber(String(first));
      case "eth_getBlockByHash":
        return this.shown(this.known(first as Hex));
      case "eth_getLogs":
        return this.logs(first);
      case "eth_getBlockReceipts": {
        const block = this.known(first as Hex);
        return block === null ? null : [{ logs: this.tell(block.logs) }];
      }
      case "eth_getTransactionReceipt":
        return this.receipt(first as Hex);
      case "eth_call":
        return this.call(first.data as Hex, this.at(second));
      case "eth_getCode":
        return "0x60";
      case "eth_getBalance":
        return quantity(this.at(second).state.balance * (this.faults.lies === "richer" ? 1000n : 1n));
      case "eth_getTransactionCount": {
        const { nonce } = this.at(second).state;
        const shift = this.faults.lies === "nonceAhead" ? 2 : this.faults.lies === "nonceBehind" ? -2 : 0;
        return quantity(Math.max(0, nonce + shift));
      }
      case "eth_maxPriorityFeePerGas":
        return quantity(this.tip);
      case "eth_sendRawTransaction":
        return this.take(first as Hex);
      default:
        throw refusal(-32601, `the method ${method} does not exist`);
    }
  }

  tip = GWEI;

  private blockByNumber(at: string): unknown {
    if (at === "latest") {
      if (this.faults.lies === "farAhead")
        return { ...this.shown(this.head), number: quantity(this.head.number + 1000) };
      return this.shown(this.head);
    }
    if (at === "finalized") {
      const { final } = this.ethereum;
      return this.shown(final.number <= this.head.number ? final : this.head);
    }
    return this.shown(this.ethereum.ancestor(this.head, Number(at)));
  }

  private shown(block: SimBlock | null): Record<string, unknown> | null {
    if (block === null) return null;
    return {
      ...{ number: quantity(block.number), hash: block.hash, timestamp: quantity(block.timestamp) },
      parentHash: block.parent?.hash ?? `0x${"00".repeat(32)}`,
      baseFeePerGas: quantity(block.baseFee),
      logsBloom: block.logs.length > 0 || block.number % 40 === 0 ? FULL_BLOOM : NO_BLOOM,
      transactions: block.transactions.map(({ hash, from, nonce }) => ({ hash, from, nonce: quantity(nonce) })),
    };
  }

  /** A block the node has: of its own chain, or of one that was orphaned. */
  private known(hash: Hex): SimBlock | null {
    const block = this.ethereum.blocks.get(hash);
    return block === undefined || block.number > this.head.number ? null : block;
  }

  private at(reference: { blockHash: Hex } | string): SimBlock {
    const block =
      typeof reference === "string"
        ? this.ethereum.ancestor(this.head, Number(reference))
        : this.known(reference.blockHash);
    if (block === null) throw refusal(-32000, "header not found");
    return block;
  }

  private logs(filter: { blockHash: Hex } | { fromBlock: string; toBlock: string }): unknown {
    if (!("blockHash" in filter)) {
      return this.tell(this.ethereum.logs(this.head, Number(filter.fromBlock), Number(filter.toBlock)));
    }
    const block = this.known(filter.blockHash);
    // Some nodes have no error for what they do not know.
    if (block === null && this.random.chance(0.5)) return [];
    return this.tell(this.at(filter).logs);
  }

  private tell(logs: readonly SimLog[]): unknown[] {
    if (this.faults.lies === "noLogs") return [];
    const told = logs.map((log) => ({
      ...log,
      blockNumber: quantity(log.blockNumber),
      logIndex: quantity(log.logIndex),
    }));
    if (this.faults.lies !== "fakeDeposit" || told.length === 0) return told;
    const { data, topics } = rootChain.encodeEventLog("Deposited", [
      ...[this.head.state.deposits + 1, `0x${"66".repeat(20)}`, `0x${"00".repeat(20)}`, 10n ** 24n, 1, 1],
    ]);
    return [...told, { ...told[0], data, topics, logIndex: quantity(99) }];
  }

  private receipt(hash: Hex): unknown {
    const receipt = this.faults.noReceipts ? null : this.ethereum.receipt(this.head, hash);
    if (receipt === null) return null;
    const { block, succeeded, gasUsed, gasPrice } = receipt;
    return {
      ...{ blockHash: block.hash, blockNumber: quantity(block.number), status: succeeded ? "0x1" : "0x0" },
      ...{ gasUsed: quantity(gasUsed), effectiveGasPrice: quantity(gasPrice) },
    };
  }

  private call(data: Hex, { state }: SimBlock): string {
    const call = VIEWS.get(data.slice(0, 10));
    const shift = this.faults.lies === "blocksAhead" ? 1 : this.faults.lies === "blocksBehind" ? -1 : 0;
    switch (call) {
      case "nextBlockNumber":
        return word(Math.max(1, state.headers.length + 1 + shift));
      case "nextDepositId":
        return word(state.deposits + 1);
      case "nextExitNumber":
        return word(1);
      case "exitPeriod":
        return word(EXIT_PERIOD);
      case "challengeBond":
        return word(1);
      case "operator":
        return word(BigInt(this.ethereum.operator));
      case "blockHashes":
        return headerOf(state, Number(`0x${data.slice(10)}`));
      case "eip712Domain":
        return AbiCoder.defaultAbiCoder().encode(
          ["bytes1", "string", "string", "uint256", "address", "bytes32", "uint256[]"],
          ["0x0f", "Plasma Billing", "1", CHAIN_ID, CONTRACT, `0x${"00".repeat(32)}`, []],
        );
      default:
        throw refusal(3, "execution reverted");
    }
  }

  /** By geth's rules. */
  private take(raw: Hex): Hex {
    if (this.faults.refuses !== null) throw refusal(-32000, this.faults.refuses);
    const transaction = decodeRaw(raw);
    const { hash, nonce, maxFeePerGas, maxPriorityFeePerGas, gasLimit } = transaction;
    if (this.mempool.has(hash)) throw refusal(-32000, "already known");
    const { state } = this.head;
    if (nonce < state.nonce) throw refusal(-32000, `nonce too low: next nonce ${state.nonce}, tx nonce ${nonce}`);
    if (state.balance < gasLimit * maxFeePerGas) throw refusal(-32000, "insufficient funds for gas * price + value");
    for (const other of this.mempool.values()) {
      if (other.nonce !== nonce) continue;
      const enough =
        maxFeePerGas * 10n >= other.maxFeePerGas * 11n &&
        maxPriorityFeePerGas * 10n >= other.maxPriorityFeePerGas * 11n;
      if (!enough) throw refusal(-32000, "replacement transaction underpriced");
      this.mempool.delete(other.hash);
    }
    if (!this.faults.forgets) this.mempool.set(hash, transaction);
    return hash;
  }
}

const VIEWS = new Map<string, string>();
rootChain.forEachFunction(({ selector, name }) => VIEWS.set(selector, name));

function refusal(code: number, message: string): EthereumError {
  return new EthereumError("RPC_ERROR", `the node refuses: ${message}`, { code });
}

function word(value: bigint | number): Hex {
  return `0x${value.toString(16).padStart(64, "0")}`;
}

function quantity(value: bigint | number): Hex {
  return `0x${value.toString(16)}`;
}
