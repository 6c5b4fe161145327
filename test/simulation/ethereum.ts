import { rootChain } from "@plasma-billing/ethereum/rootChain.ts";
import { blockHash } from "@plasma-billing/protocol/header.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { ETHER, ZERO_HASH } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { Transaction } from "ethers";

export const SLOT_SECONDS = 12;
export const GWEI = 10n ** 9n;
export const CONTRACT: Address = "0x00000000000000000000000000000000000c0ffe";
export const CHAIN_ID = 31_337n;
/** Slots from the head to the finalized block, when all goes well. */
const FINALITY_SLOTS = 64;
const COMMIT_GAS = 53_000n;
const REVERT_GAS = 30_000n;
const BASE_FEE_MIN = GWEI;

/** A transaction of the account that commits: decoded, or of somebody else who has the key. */
export interface SimTransaction {
  hash: Hex;
  from: Address;
  nonce: number;
  maxFeePerGas: bigint;
  maxPriorityFeePerGas: bigint;
  gasLimit: bigint;
  /** Null: it does nothing to the contract. */
  commit: { number: number; transactionsRoot: Hex; transactionCount: number } | null;
}

/** Somebody's deposit, on its way into a block. */
export interface SimDeposit {
  owner: Address;
  amount: bigint;
}

export interface SimLog {
  address: Address;
  topics: readonly string[];
  data: string;
  blockNumber: number;
  blockHash: Hex;
  transactionHash: Hex;
  logIndex: number;
}

/** What a block leaves behind; never changed. */
interface State {
  nonce: number;
  balance: bigint;
  /** Hashes of the headers of the blocks committed, and their roots. */
  headers: readonly Hex[];
  roots: readonly Hex[];
  deposits: number;
}

export interface SimReceipt {
  block: SimBlock;
  succeeded: boolean;
  gasUsed: bigint;
  gasPrice: bigint;
}

export interface SimBlock {
  number: number;
  hash: Hex;
  parent: SimBlock | null;
  timestamp: number;
  baseFee: bigint;
  transactions: readonly SimTransaction[];
  receipts: ReadonlyMap<Hex, Omit<SimReceipt, "block">>;
  deposits: readonly SimDeposit[];
  logs: readonly SimLog[];
  state: State;
}

/** Ethereum as all honest nodes will see it in the end: blocks, fees, finality, and the contract's rules for commits and deposits. */
export class SimEthereum {
  readonly operator: Address;
  readonly blocks = new Map<Hex, SimBlock>();
  head: SimBlock;
  final: SimBlock;
  /** Slots by which finality is behind what is usual. */
  finalityDelay = 0;
  /** Per block, times 1000. */
  feeDrift = 1000;
  private canonical: SimBlock[] = [];
  private hashes = 0;

  constructor(operator: Address, startMs: number, balance: bigint) {
    this.operator = operator;
    const state = { nonce: 3, balance, headers: [], roots: [], deposits: 0 };
    const timestamp = Math.floor(startMs / 1000);
    const nothing = { transactions: [], receipts: new Map(), deposits: [], logs: [] };
    this.head = { number: 1, hash: this.newHash(), parent: null, timestamp, baseFee: 10n * GWEI, ...nothing, state };
    this.final = this.head;
    this.canonical[1] = this.head;
    this.blocks.set(this.head.hash, this.head);
  }

  /** A block of the chain that ends with this one. */
  ancestor(head: SimBlock, number: number): SimBlock | null {
    let block: SimBlock | null = head;
    while (block !== null && block.number > number) {
      if (this.canonical[block.number] === block) return this.canonical[number] ?? null;
      block = block.parent;
    }
    return block?.number === number ? block : null;
  }

  isCanonical(block: SimBlock): boolean {
    return this.canonical[block.number] === block;
  }

  /** Mines a block on another, which makes it the head. */
  mine(
    parent: SimBlock,
    timestamp: number,
    candidates: readonly SimTransaction[],
    deposits: readonly SimDeposit[],
  ): SimBlock {
    const hash = this.newHash();
    const number = parent.number + 1;
    const baseFee = max((parent.baseFee * BigInt(this.feeDrift)) / 1000n, BASE_FEE_MIN);
    const block: SimBlock = {
      ...{ number, hash, parent, timestamp, baseFee, deposits, state: parent.state },
      ...{ transactions: [], receipts: new Map(), logs: [] },
    };
    const transactions: SimTransaction[] = [];
    const receipts = new Map<Hex, Omit<SimReceipt, "block">>();
    const logs: SimLog[] = [];
    for (const transaction of candidates) {
      const receipt = this.execute(block, transaction, logs);
      if (receipt === null) continue;
      transactions.push(transaction);
      receipts.set(transaction.hash, receipt);
    }
    for (const deposit of deposits) this.deposit(block, deposit, logs);
    Object.assign(block, { transactions, receipts, logs });
    this.blocks.set(hash, block);
    this.adopt(block);
    return block;
  }

  topUp(amount: bigint): void {
    this.head.state = { ...this.head.state, balance: this.head.state.balance + amount };
  }

  receipt(head: SimBlock, hash: Hex): SimReceipt | null {
    for (
      let block: SimBlock | null = head;
      block !== null && block.number > this.final.number - 200;
      block = block.parent
    ) {
      const receipt = block.receipts.get(hash);
      if (receipt !== undefined) return { block, ...receipt };
    }
    return null;
  }

  /** Logs of a range of the chain that ends with this block. */
  logs(head: SimBlock, from: number, to: number): SimLog[] {
    const logs: SimLog[] = [];
    for (let number = Math.max(from, 1); number <= Math.min(to, head.number); number++) {
      logs.push(...(this.ancestor(head, number)?.logs ?? []));
    }
    return logs;
  }

  private adopt(head: SimBlock): void {
    for (
      let block: SimBlock | null = head;
      block !== null && this.canonical[block.number] !== block;
      block = block.parent
    ) {
      this.canonical[block.number] = block;
    }
    this.canonical.length = head.number + 1;
    this.head = head;
    const final = this.canonical[head.number - FINALITY_SLOTS - this.finalityDelay];
    if (final !== undefined && final.number > this.final.number) this.final = final;
    // What was orphaned long ago nobody asks for.
    if (head.number % 512 === 0) {
      for (const [hash, block] of this.blocks) {
        if (block.number < this.final.number - 64 && !this.isCanonical(block)) this.blocks.delete(hash);
      }
    }
  }

  /** Null when it cannot be in this block. */
  private execute(block: SimBlock, transaction: SimTransaction, logs: SimLog[]): Omit<SimReceipt, "block"> | null {
    const { nonce, balance } = block.state;
    const { maxFeePerGas, maxPriorityFeePerGas, gasLimit, commit } = transaction;
    if (transaction.nonce !== nonce || maxFeePerGas < block.baseFee || balance < gasLimit * maxFeePerGas) return null;
    const gasPrice = min(maxFeePerGas, block.baseFee + maxPriorityFeePerGas);
    const right = commit?.number === block.state.headers.length + 1;
    const succeeded = commit === null || (right && gasLimit >= COMMIT_GAS);
    const gasUsed = commit === null ? 21_000n : succeeded ? COMMIT_GAS : min(REVERT_GAS, gasLimit);
    block.state = { ...block.state, nonce: nonce + 1, balance: balance - gasUsed * gasPrice };
    if (commit !== null && succeeded) {
      const { transactionsRoot } = commit;
      const header = { ...commit, timestamp: block.timestamp };
      const { headers, roots } = block.state;
      block.state = {
        ...block.state,
        headers: [...headers, blockHash(header)],
        roots: [...roots, transactionsRoot],
      };
      this.log(block, logs, transaction.hash, "BlockCommitted", [
        ...[commit.number, transactionsRoot, commit.transactionCount, block.timestamp],
      ]);
    }
    return { succeeded, gasUsed, gasPrice };
  }

  private deposit(block: SimBlock, { owner, amount }: SimDeposit, logs: SimLog[]): void {
    const id = block.state.deposits + 1;
    block.state = { ...block.state, deposits: id };
    const next = block.state.headers.length + 1;
    this.log(block, logs, this.newHash(), "Deposited", [id, owner, ETHER, amount, next, block.timestamp]);
  }

  private log(block: SimBlock, logs: SimLog[], transactionHash: Hex, name: string, values: unknown[]): void {
    const { data, topics } = rootChain.encodeEventLog(name, values);
    const place = { blockNumber: block.number, blockHash: block.hash, transactionHash, logIndex: logs.length };
    logs.push({ address: CONTRACT, topics, data, ...place });
  }

  private newHash(): Hex {
    return `0x${(++this.hashes).toString(16).padStart(64, "0")}`;
  }
}

const decoded = new Map<Hex, SimTransaction>();

/** @throws when the bytes are no transaction */
export function decodeRaw(raw: Hex): SimTransaction {
  let transaction = decoded.get(raw);
  transaction ??= decode(raw);
  if (decoded.size > 1000) decoded.clear();
  decoded.set(raw, transaction);
  return transaction;
}

function decode(raw: Hex): SimTransaction {
  const { hash, from, nonce, maxFeePerGas, maxPriorityFeePerGas, gasLimit, data } = Transaction.from(raw);
  const call = rootChain.parseTransaction({ data });
  if (hash === null || from === null) throw new Error("the transaction is not signed");
  return {
    hash: hash as Hex,
    ...{ from: from.toLowerCase() as Address, nonce, gasLimit },
    ...{ maxFeePerGas: maxFeePerGas ?? 0n, maxPriorityFeePerGas: maxPriorityFeePerGas ?? 0n },
    commit:
      call?.name === "commitBlock"
        ? {
            number: Number(call.args["number"]),
            transactionsRoot: String(call.args["transactionsRoot"]) as Hex,
            transactionCount: Number(call.args["transactionCount"]),
          }
        : null,
  };
}

export function headerOf(state: State, number: number): Hex {
  return state.headers[number - 1] ?? ZERO_HASH;
}

export function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

export function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
