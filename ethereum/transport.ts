import { fields } from "./answers.ts";
import { EthereumError } from "./errors.ts";

const REQUEST_TIMEOUT_MS = 10_000;
/** Above any answer we ask for; what is longer is not read to the end. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
const TOO_MANY_REQUESTS = 429;

/**
 * One request to one node; gives the answer's `result`.
 * @throws EthereumError UNREACHABLE, BAD_ANSWER, or RPC_ERROR with the node's own code in the context
 */
export type Transport = (url: string, method: string, params: readonly unknown[]) => Promise<unknown>;

let requests = 0;

/** JSON-RPC 2.0 over HTTP. */
export const httpTransport = httpTransportWithin(REQUEST_TIMEOUT_MS);

/** The same with less patience. */
export function httpTransportWithin(timeoutMs: number): Transport {
  return async (url, method, params) => await request(url, method, params, timeoutMs);
}

async function request(url: string, method: string, params: readonly unknown[], timeoutMs: number): Promise<unknown> {
  const { host } = new URL(url);
  const id = ++requests;
  let text: string;
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id, method, params }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    text = await readText(response);
    // What a busy or broken node says about a request is no answer to it.
    const failed = response.status === TOO_MANY_REQUESTS || response.status >= 500;
    if (failed || (!response.ok && !text.startsWith("{"))) throw new Error(`HTTP ${response.status}`);
  } catch (error) {
    const reason = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new EthereumError("UNREACHABLE", `${host} does not answer ${method}: ${reason}`, { host, method }, error);
  }
  const answer = readAnswer(text, host, method);
  if (answer["error"] !== undefined && answer["error"] !== null) {
    const { code, message } = fields(answer["error"]);
    throw new EthereumError("RPC_ERROR", `${host} refuses ${method}: ${String(message)}`, { host, method, code });
  }
  if (answer["id"] !== id || answer["result"] === undefined) throw notJsonRpc(host, method, text);
  return answer["result"];
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += (chunk as Uint8Array).length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`more than ${ANSWER_BYTES_MAX} bytes`);
    text += decoder.decode(chunk as Uint8Array, { stream: true });
  }
  return text + decoder.decode();
}

function readAnswer(text: string, host: string, method: string): Record<string, unknown> {
  try {
    return fields(JSON.parse(text));
  } catch (error) {
    throw notJsonRpc(host, method, text, error);
  }
}

function notJsonRpc(host: string, method: string, text: string, cause?: unknown): EthereumError {
  const message = `${host} answers ${method} with something else than JSON-RPC`;
  return new EthereumError("BAD_ANSWER", message, { host, method, answer: text.slice(0, 200) }, cause);
}
