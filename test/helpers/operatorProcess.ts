import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../operator/main.ts", import.meta.url));
const WATCHER_MAIN = fileURLToPath(new URL("../../watcher/main.ts", import.meta.url));
const READY_TIMEOUT_MS = 60_000;

/** A real operator process with its answers over HTTP. */
export interface OperatorProcess {
  readonly url: string;
  readonly pid: number;
  /** Everything the process wrote, standard output and error. */
  output(): string;
  /** Resolves with the exit code (null when a signal ended it). */
  readonly exited: Promise<number | null>;
  kill(): Promise<void>;
  /** Ctrl-C; resolves with the exit code. */
  interrupt(): Promise<number | null>;
  get<T = any>(path: string, init?: RequestInit): Promise<{ status: number; body: T }>;
  post<T = any>(path: string, body: unknown, headers?: Record<string, string>): Promise<{ status: number; body: T }>;
}

/** A port free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Starts `operator/main.ts` with exactly these settings (and the PATH); does not wait for it. */
export function spawnOperator(settings: Record<string, string>, options: { uid?: number } = {}): OperatorProcess {
  return spawnMain(MAIN, settings, options);
}

/** The same of `watcher/main.ts`. */
export function spawnWatcher(settings: Record<string, string>): OperatorProcess {
  return spawnMain(WATCHER_MAIN, settings);
}

function spawnMain(main: string, settings: Record<string, string>, options: { uid?: number } = {}): OperatorProcess {
  const child: ChildProcess = spawn(process.execPath, ["--no-warnings", main], {
    env: { PATH: process.env["PATH"] ?? "", ...settings },
    stdio: ["ignore", "pipe", "pipe"],
    ...options,
  });
  let output = "";
  child.stdout?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const exited = new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)));
  const url = `http://127.0.0.1:${settings["PORT"]}`;
  const request = async (path: string, init?: RequestInit): Promise<{ status: number; body: any }> => {
    const response = await fetch(url + path, { ...init, signal: AbortSignal.timeout(30_000) });
    const text = await response.text();
    return { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : text };
  };
  return {
    url,
    pid: child.pid ?? 0,
    exited,
    output: () => output,
    kill: async () => {
      child.kill("SIGKILL");
      await exited;
    },
    interrupt: async () => {
      child.kill("SIGINT");
      return await exited;
    },
    get: request,
    post: (path, body, headers = {}) =>
      request(path, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body),
      }),
  };
}

/** Starts an operator and waits until `/readyz` says it is ready. */
export async function startOperator(settings: Record<string, string>): Promise<OperatorProcess> {
  return await ready("operator", spawnOperator(settings));
}

/** The same of a watcher. */
export async function startWatcher(settings: Record<string, string>): Promise<OperatorProcess> {
  return await ready("watcher", spawnWatcher(settings));
}

async function ready(name: string, started: OperatorProcess): Promise<OperatorProcess> {
  let ended = false;
  void started.exited.then(() => (ended = true));
  await eventually(`the ${name} is ready`, READY_TIMEOUT_MS, async () => {
    if (ended) throw new Error(`the ${name} ended:\n${started.output()}`, { cause: "ended" });
    return (await started.get("/readyz")).status === 200;
  }).catch(async (error: unknown) => {
    await started.kill();
    throw new Error(`${String(error)}\n${started.output()}`, { cause: error });
  });
  return started;
}

/** Asks until the answer is truthy, and gives it. */
export async function eventually<T>(what: string, timeoutMs: number, ask: () => Promise<T>): Promise<NonNullable<T>> {
  const end = Date.now() + timeoutMs;
  let last: unknown;
  while (Date.now() < end) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== null && answer !== false) return answer;
      last = answer;
    } catch (error) {
      if (error instanceof Error && error.cause === "ended") throw error;
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`not within ${timeoutMs} ms: ${what} (last: ${String(last)})`);
}
