import { isHexOfLength, toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { hashText } from "@plasma-billing/protocol/words.ts";
import type { Proof } from "../shapes.ts";
import { messageOf, type Fact } from "./checks.ts";
import { UnansweredError } from "./steps.ts";

// Ethereum as the reader sees it: through a node of their own choice, or their wallet's. Never through the operator.

/** One JSON-RPC call; rejects with a message for people, with UnansweredError where nobody answers. */
export type Call = (method: string, params: unknown[]) => Promise<unknown>;

/** A wallet in the browser (EIP-1193). */
export interface WalletProvider {
  request: (request: { method: string; params: unknown[] }) => Promise<unknown>;
}

const ANSWER_MS_MAX = 15_000;
const TOO_MANY_REQUESTS = 429;
const BLOCK_HASHES = selector("blockHashes(uint64)");
const OUTPUT_RECORD = selector("outputRecord(bytes32)");
const FINALIZED_BY = selector("finalizedBy(bytes32)");
const BLOCK_COMMITTED = toHex(hashText("BlockCommitted(uint64,bytes32,uint32,uint64)"));
const NOTHING: Hex = `0x${"0".repeat(64)}`;

/** As of which block of Ethereum's. */
export type Tag = "finalized" | "latest";

function selector(signature: string): Hex {
  return toHex(hashText(signature).subarray(0, 4));
}

/** A node that is reached by HTTP. */
export function nodeCall(url: string, signal: AbortSignal): Call {
  let id = 0;
  return async (method, params) => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: ++id, method, params });
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS_MAX)]);
    const init = { method: "POST", headers: { "content-type": "application/json" }, body, signal: limit };
    const response = await fetch(url, init).catch(() => {
      throw new UnansweredError(
        "the node does not answer this page: it is down, or takes no requests from browsers (CORS)",
      );
    });
    if (response.status === TOO_MANY_REQUESTS || response.status >= 500) {
      throw new UnansweredError(`the node is busy (status ${response.status})`);
    }
    const answer = (await response.json().catch(() => null)) as {
      result?: unknown;
      error?: { message?: unknown };
    } | null;
    if (answer?.error != null) throw new Error(`the node said: ${String(answer.error.message)}`);
    if (answer?.result === undefined) throw new Error(`the node's answer is none (status ${response.status})`);
    return answer.result;
  };
}

export function walletCall(provider: WalletProvider): Call {
  return async (method, params) =>
    await provider.request({ method, params }).catch((error: unknown) => {
      throw new Error(`the wallet said: ${messageOf(error)}`);
    });
}

/** @throws Error with what is wrong with the answer */
export async function chainIdOf(call: Call): Promise<bigint> {
  const answer = await call("eth_chainId", []);
  if (typeof answer !== "string" || !/^0x[0-9a-fA-F]{1,64}$/.test(answer)) throw new Error("the chain id is no number");
  return BigInt(answer);
}

class NoContractError extends Error {}

/** One word that the contract answers. @throws Error with what is wrong with the answer */
async function word(call: Call, contract: string, data: string, tag: Tag): Promise<Hex> {
  const answer = await call("eth_call", [{ to: contract, data }, tag]);
  if (answer === "0x") throw new NoContractError("there is no contract at this address");
  if (!isHexOfLength(answer, 32)) throw new Error("the contract's answer is no hash");
  return answer.toLowerCase() as Hex;
}

export async function blockHashAt(call: Call, contract: string, number: number, tag: Tag): Promise<Hex> {
  return await word(call, contract, `${BLOCK_HASHES}${number.toString(16).padStart(64, "0")}`, tag);
}

/** Whether the contract ever took the deposit that has this output. */
export async function isDeposited(call: Call, contract: string, outputId: Hex, tag: Tag): Promise<boolean> {
  for (const view of [OUTPUT_RECORD, FINALIZED_BY]) {
    if (!isNothing(await word(call, contract, view + outputId.slice(2), tag))) return true;
  }
  return false;
}

/** What the contract holds of a block. */
export interface Held {
  hash: Hex;
  /** Why only the newest block of Ethereum's says so; null: a finalized one does. */
  notFinal: string | null;
}

/** @throws Error with what is wrong with the answer */
export async function heldBlockHash(call: Call, contract: string, number: number): Promise<Held> {
  let notFinal: string;
  try {
    const hash = await blockHashAt(call, contract, number, "finalized");
    if (hash !== NOTHING) return { hash, notFinal: null };
    notFinal = "Ethereum's newest finalized block does not have it yet";
  } catch (error) {
    // A young chain has no finalized block, and some nodes do not know the word.
    notFinal =
      error instanceof NoContractError
        ? "Ethereum's newest finalized block is older than the contract"
        : `the node shows no finalized block (${messageOf(error)})`;
  }
  return { hash: await blockHashAt(call, contract, number, "latest"), notFinal };
}

/** Unix seconds of the newest block that the node has. @throws Error with what is wrong with the answer */
export async function newestTimestamp(call: Call): Promise<number> {
  const block = (await call("eth_getBlockByNumber", ["latest", false])) as { timestamp?: unknown } | null;
  if (typeof block?.timestamp !== "string") throw new Error("the node's newest block has no time");
  return Number(block.timestamp);
}

/**
 * Whether the transaction that is shown as the commit is it; null: it is, or nobody can say. What is found out goes to the facts.
 * @throws Error with what is wrong with the answer
 */
export async function commitFault(
  call: Call,
  contract: string,
  header: Proof["header"],
  shown: string | null,
  facts: Fact[],
): Promise<string | null> {
  if (shown === null) return null;
  const receipt = (await call("eth_getTransactionReceipt", [shown])) as { logs?: unknown } | null;
  if (receipt === null) {
    facts.push(["Commit transaction", "not known to this node"]);
    return null;
  }
  const logs = Array.isArray(receipt.logs)
    ? (receipt.logs as { address?: unknown; topics?: unknown; data?: unknown }[])
    : [];
  const number = `0x${header.number.toString(16).padStart(64, "0")}`;
  const isCommit = logs.some(({ address, topics, data }) => {
    const [name, of] = Array.isArray(topics) ? (topics as unknown[]) : [];
    const root = String(data).slice(0, NOTHING.length).toLowerCase();
    const ours = String(address).toLowerCase() === contract.toLowerCase();
    return ours && name === BLOCK_COMMITTED && of === number && root === header.transactionsRoot.toLowerCase();
  });
  if (!isCommit) return `The transaction shown as the commit (${shown}) did not commit this hour.`;
  facts.push(["Committed by", shown]);
  return null;
}

export function isNothing(hash: Hex): boolean {
  return hash === NOTHING;
}
