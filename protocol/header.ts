import { toHex, type Hex } from "./hex.ts";
import { Words } from "./words.ts";

/** A committed block; `timestamp` is the committing Ethereum block's, in seconds. */
export interface BlockHeader {
  number: number;
  transactionsRoot: Hex;
  transactionCount: number;
  timestamp: number;
}

/** keccak256(abi.encode(header)): what the contract keeps of a block. */
export function blockHash({ number, transactionsRoot, transactionCount, timestamp }: BlockHeader): Hex {
  return toHex(new Words(4).uint(number).hex(transactionsRoot).uint(transactionCount).uint(timestamp).hash());
}
