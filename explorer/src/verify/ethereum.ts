import { isHexOfLength, toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { hashText } from "@plasma-billing/protocol/words.ts";
import { messageOf } from "./checks.ts";

// Ethereum as the reader sees it: through a node of their own choice, or their wallet's. Never through the operator.

/** One JSON-RPC call; rejects with a message for people. */
export type Call = (method: string, params: unknown[]) => Promise<unknown>;

/** A wallet in the browser (EIP-1193). */
export interface WalletProvider {
  request: (request: { method: string; params: unknown[] }) => Promise<unknown>;
}

const ANSWER_MS_MAX = 15_000;
const BLOCK_HASHES = toHex(hashText("blockHashes(uint64)").subarray(0, 4));
const NOTHING: Hex = `0x${"0".repeat(64)}`;

/** A node that is reached by HTTP. */
export function nodeCall(url: string, signal: AbortSignal): Call {
  let id = 0;
  return async (method, params) => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: ++id, method, params });
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS_MAX)]);
    const init = { method: "POST", headers: { "content-type": "application/json" }, body, signal: limit };
    const response = await fetch(url, init).catch(() => {
      throw new Error("the node does not answer this page: it is down, or takes no requests from browsers (CORS)");
    });
    const answer = (await response.json().catch(() => null)) as {
      result?: unknown;
      error?: { message?: unknown };
    } | null;
    if (answer?.error != null) throw new Error(`the node said: ${String(answer.error.message)}`);
    if (answer?.result == null) throw new Error(`the node's answer is none (status ${response.status})`);
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

/** What the contract holds of a block, and as of when: a finalized block of Ethereum's, or only its newest. */
export interface Held {
  hash: Hex;
  at: "finalized" | "latest";
  /** Why not as of a finalized block; null: it is. */
  notFinal: string | null;
}

/** @throws Error with what is wrong with the answer */
export async function heldBlockHash(call: Call, contract: string, number: number): Promise<Held> {
  const data = `${BLOCK_HASHES}${number.toString(16).padStart(64, "0")}`;
  const ask = async (tag: string): Promise<Hex> => {
    const answer = await call("eth_call", [{ to: contract, data }, tag]);
    if (answer === "0x") throw new Error("there is no contract at this address");
    if (!isHexOfLength(answer, 32)) throw new Error("the contract's answer is no hash");
    return answer.toLowerCase() as Hex;
  };
  let notFinal: string;
  try {
    const hash = await ask("finalized");
    if (hash !== NOTHING) return { hash, at: "finalized", notFinal: null };
    notFinal = "Ethereum's newest finalized block does not have it yet";
  } catch (error) {
    // A young chain has no finalized block, some nodes do not know the word, and a contract may be younger than it.
    notFinal = `as of a finalized block there is no answer (${messageOf(error)})`;
  }
  return { hash: await ask("latest"), at: "latest", notFinal };
}

export function isNothing(hash: Hex): boolean {
  return hash === NOTHING;
}
