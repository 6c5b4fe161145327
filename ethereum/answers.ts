import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { EthereumError } from "./errors.ts";

// What nodes answer, checked field by field.

export interface Header {
  number: number;
  hash: Hex;
  parentHash: Hex;
  /** Seconds. */
  timestamp: number;
  baseFeePerGas: bigint;
  /** 256 bytes: which addresses and topics the block's logs have. */
  logsBloom: Hex;
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

/** What a transaction in a block is known by. */
export interface SentTransaction {
  hash: Hex;
  from: Address;
  nonce: number;
}

export function readHeader(value: unknown): Header {
  const { number, hash, parentHash, timestamp, baseFeePerGas, logsBloom } = fields(value);
  return {
    number: Number(quantity(number)),
    hash: hash32(hash),
    parentHash: hash32(parentHash),
    timestamp: Number(quantity(timestamp)),
    baseFeePerGas: baseFeePerGas === undefined ? 0n : quantity(baseFeePerGas),
    logsBloom: hex(logsBloom),
  };
}

export function readLogs(value: unknown): Log[] {
  return list(value).map((log) => {
    const { address, topics, data, blockNumber, blockHash, transactionHash, logIndex } = fields(log);
    return {
      address: hex(address),
      topics: list(topics).map(hash32),
      data: hex(data),
      blockNumber: Number(quantity(blockNumber)),
      blockHash: hash32(blockHash),
      transactionHash: hash32(transactionHash),
      logIndex: Number(quantity(logIndex)),
    };
  });
}

export function readReceipt(value: unknown): Receipt {
  const { blockHash, blockNumber, status, gasUsed, effectiveGasPrice } = fields(value);
  const used = quantity(gasUsed);
  return {
    blockHash: hash32(blockHash),
    blockNumber: Number(quantity(blockNumber)),
    succeeded: quantity(status) === 1n,
    gasUsed: used,
    fee: used * quantity(effectiveGasPrice),
  };
}

/** Of a block with its transactions in full. */
export function readTransactions(value: unknown): SentTransaction[] {
  return list(fields(value)["transactions"]).map((transaction) => {
    const { hash, from, nonce } = fields(transaction);
    return { hash: hash32(hash), from: hex(from), nonce: Number(quantity(nonce)) };
  });
}

export function fields(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw badAnswer("an object", value);
  return value as Record<string, unknown>;
}

export function list(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw badAnswer("a list", value);
  return value as unknown[];
}

export function quantity(value: unknown): bigint {
  if (typeof value !== "string" || !/^0x[0-9a-fA-F]{1,64}$/.test(value)) throw badAnswer("a quantity", value);
  return BigInt(value);
}

export function hex(value: unknown): Hex {
  if (typeof value !== "string" || !/^0x([0-9a-fA-F]{2})*$/.test(value)) throw badAnswer("hex", value);
  return value.toLowerCase() as Hex;
}

export function toQuantity(value: number | bigint): Hex {
  return `0x${value.toString(16)}`;
}

function badAnswer(what: string, value: unknown): EthereumError {
  const shown = JSON.stringify(value)?.slice(0, 200);
  const message = `an Ethereum node answers with nonsense where ${what} should be`;
  return new EthereumError("BAD_ANSWER", message, { what, value: shown });
}

function hash32(value: unknown): Hex {
  if (typeof value !== "string" || value.length !== 66) throw badAnswer("a hash", value);
  return hex(value);
}
