import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { eventually, freePort } from "./operatorProcess.ts";

const BIN = fileURLToPath(new URL("../../node_modules/.bin/", import.meta.url));
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** npm's `anvil` is a program that starts this one: a signal to it would not reach the node. */
const ANVIL = createRequire(import.meta.url).resolve(
  `@foundry-rs/anvil-${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}/bin/anvil`,
);

/** A real Ethereum node in a process of its own. */
export interface RunningNode {
  readonly url: string;
  readonly port: number;
  rpc<T = any>(method: string, params?: unknown[]): Promise<T>;
  /** Ends the process at once. */
  stop(): Promise<void>;
  /** SIGSTOP and SIGCONT: a node that hangs. */
  pause(): void;
  resume(): void;
}

/** anvil: reorganisations, drops, finality tags. */
export async function startAnvil(
  options: { chainId?: number; args?: string[]; port?: number } = {},
): Promise<RunningNode> {
  const port = options.port ?? (await freePort());
  const chainId = String(options.chainId ?? 31_337);
  const args = [
    "--port",
    String(port),
    "--chain-id",
    chainId,
    "--hardfork",
    "prague",
    "--silent",
    ...(options.args ?? []),
  ];
  return await running(spawn(ANVIL, args, { stdio: "ignore" }), port);
}

/** Hardhat's node. */
export async function startHardhatNode(): Promise<RunningNode> {
  const port = await freePort();
  const child = spawn(`${BIN}hardhat`, ["node", "--port", String(port), "--hostname", "127.0.0.1"], {
    cwd: ROOT,
    stdio: "ignore",
  });
  return await running(child, port);
}

async function running(child: ChildProcess, port: number): Promise<RunningNode> {
  const url = `http://127.0.0.1:${port}`;
  let id = 0;
  const rpc = async (method: string, params: unknown[] = []): Promise<any> => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: ++id, method, params }),
    });
    const answer = (await response.json()) as { result?: unknown; error?: { message: string } };
    if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result;
  };
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve()));
  await eventually(`a node on port ${port}`, 60_000, async () => await rpc("eth_chainId"));
  return {
    url,
    port,
    rpc,
    stop: async () => {
      child.kill("SIGKILL");
      await exited;
    },
    pause: () => child.kill("SIGSTOP"),
    resume: () => child.kill("SIGCONT"),
  };
}
