import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface RpcRequest {
  id: unknown;
  method: string;
  params: any[];
}

/** What becomes of a request on its way to the node. */
export type Fate =
  | { do: "forward" }
  /** Nothing is answered; with `forwarded` the node had it all the same. */
  | { do: "hang" | "reset" | "tear"; forwarded?: boolean }
  | { do: "answer"; status?: number; body: string; forwarded?: boolean }
  | { do: "result"; result: unknown }
  | { do: "error"; code?: number; message: string; forwarded?: boolean }
  /** The node's own result, changed. */
  | { do: "change"; change: (result: any) => unknown };

export type Rule = (request: RpcRequest) => Fate | Promise<Fate> | null;

/** A JSON-RPC node in front of a real one, that answers as a test has it. */
export interface RpcProxy {
  readonly url: string;
  /** Null: everything is forwarded. */
  rule: Rule | null;
  /** How often each method was asked for. */
  readonly asked: Map<string, number>;
  stop(): Promise<void>;
}

export async function startProxy(target: string): Promise<RpcProxy> {
  const asked = new Map<string, number>();
  const forward = async (body: string): Promise<string> => {
    const headers = { "content-type": "application/json" };
    return await (await fetch(target, { method: "POST", headers, body })).text();
  };
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    // As nodes do that browsers may ask.
    response.setHeader("access-control-allow-origin", "*").setHeader("access-control-allow-headers", "*");
    if (request.method === "OPTIONS") {
      response.end();
      return;
    }
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const parsed = JSON.parse(body) as RpcRequest;
    asked.set(parsed.method, (asked.get(parsed.method) ?? 0) + 1);
    const fate = (await proxy.rule?.(parsed)) ?? { do: "forward" as const };
    if ("forwarded" in fate && fate.forwarded === true) await forward(body);
    const answer = (fields: object): void => {
      response.end(JSON.stringify({ jsonrpc: "2.0", id: parsed.id, ...fields }));
    };
    switch (fate.do) {
      case "forward":
        response.end(await forward(body));
        return;
      case "hang":
        return;
      case "reset":
        response.socket?.destroy();
        return;
      case "tear":
        response.writeHead(200, { "content-length": "1000" });
        response.write('{"jsonrpc":"2.0","id":', () => response.socket?.destroy());
        return;
      case "answer":
        response.writeHead(fate.status ?? 200).end(fate.body);
        return;
      case "result":
        answer({ result: fate.result });
        return;
      case "error":
        answer({ error: { code: fate.code ?? -32_000, message: fate.message } });
        return;
      case "change": {
        const { result, error } = JSON.parse(await forward(body)) as { result?: unknown; error?: unknown };
        answer(error === undefined ? { result: fate.change(result) } : { error });
      }
    }
  };
  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.socket?.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy: RpcProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    rule: null,
    asked,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return proxy;
}
