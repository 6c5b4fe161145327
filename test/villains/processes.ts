import { fork, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually, freePort } from "../helpers/operatorProcess.ts";
import type { Done, Order, VillainSettings } from "./villainOperator.ts";

const VILLAIN = fileURLToPath(new URL("villainOperator.ts", import.meta.url));
const WATCHER = fileURLToPath(new URL("../../watcher/main.ts", import.meta.url));
const READY_MS = 60_000;
const ANSWER_MS = 15_000;
const PAGE = 1000;

/** A finding, as far as the bench looks at it (docs/WATCHING.md). */
export interface Finding {
  id: string;
  name: string;
  severity: "unsafe" | "attention";
  subject: string;
  text: string;
  until: number | null;
  evidence: Record<string, unknown>;
  state: "open" | "over";
  firstSeenAt: number;
}

export interface WatcherStatus {
  safe: boolean;
  reasons: string[];
  /** What Ethereum has from this block on counts for nothing; null while all is valid. */
  firstBadBlock: number | null;
  height: number;
  streamed: { blockNumber: number; transactionCount: number } | null;
}

/** The villain operator's process. */
export class VillainProcess {
  readonly url: string;
  private readonly child: ChildProcess;

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.child = child;
  }

  static async start(settings: VillainSettings): Promise<VillainProcess> {
    const env = { PATH: process.env["PATH"] ?? "", VILLAIN: JSON.stringify(settings) };
    const child = fork(VILLAIN, [], { env, execArgv: ["--no-warnings"] });
    const [{ port }] = (await once(child, "message")) as [{ port: number }];
    return new VillainProcess(`http://127.0.0.1:${port}`, child);
  }

  /** @throws Error when it could not do it */
  async order(order: Order): Promise<Done> {
    const answer = once(this.child, "message") as Promise<[{ done: Done }]>;
    this.child.send(order);
    const [{ done }] = await answer;
    if (done !== null && "failed" in done) throw new Error(`the villain operator failed: ${done.failed}`);
    return done;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill("SIGKILL");
    await once(this.child, "close");
  }
}

/** A watcher's process, on a data folder of its own. */
export class WatcherProcess {
  readonly url: string;
  readonly dataDir: string;
  private readonly settings: Record<string, string>;
  private child!: ChildProcess;
  private exited!: Promise<void>;
  private text = "";

  private constructor(dataDir: string, settings: Record<string, string>) {
    this.url = `http://127.0.0.1:${settings["PORT"]}`;
    this.dataDir = dataDir;
    this.settings = settings;
  }

  static async start(given: Record<string, string>): Promise<WatcherProcess> {
    const dataDir = await mkdtemp(join(tmpdir(), "plasma-watcher-"));
    const settings = { ...given, DATA_DIR: dataDir, PORT: String(await freePort()) };
    const watcher = new WatcherProcess(dataDir, settings);
    await watcher.restart();
    return watcher;
  }

  /** Everything it wrote. */
  output(): string {
    return this.text;
  }

  async restart(): Promise<void> {
    const env = { PATH: process.env["PATH"] ?? "", ...this.settings };
    const child = spawn(process.execPath, ["--no-warnings", WATCHER], { env, stdio: ["ignore", "pipe", "pipe"] });
    this.child = child;
    this.exited = new Promise((resolve) => child.once("close", () => resolve()));
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (this.text += String(chunk)));
    await eventually("the watcher answers", READY_MS, async () => {
      if (child.exitCode !== null) throw new Error(`the watcher ended:\n${this.text}`, { cause: "ended" });
      return (await fetch(`${this.url}/healthz`)).ok;
    });
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.kill();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  async status(): Promise<WatcherStatus> {
    return (await this.get("/v1/status")) as WatcherStatus;
  }

  /** All findings there were, open and over. */
  async findings(): Promise<Finding[]> {
    const pages = await Promise.all(["open", "over"].map(async (state) => await this.list(state)));
    return pages.flat();
  }

  async authorize(authorizations: readonly object[]): Promise<void> {
    const response = await fetch(`${this.url}/v1/authorizations`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ authorizations }),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    if (!response.ok) throw new Error(`POST /v1/authorizations answered ${response.status} ${await response.text()}`);
  }

  /** How much memory it has, in bytes (Linux; 0 elsewhere). */
  async resident(): Promise<number> {
    const { readFile } = await import("node:fs/promises");
    const status = await readFile(`/proc/${this.child.pid}/status`, "utf8").catch(() => "");
    return 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  }

  private async list(state: string): Promise<Finding[]> {
    const found: Finding[] = [];
    for (let cursor: string | null = null; ;) {
      const at: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const page: any = await this.get(`/v1/findings?state=${state}&limit=${PAGE}${at}`);
      found.push(...page.items);
      cursor = page.nextCursor;
      if (cursor === null) return found;
    }
  }

  private async get(path: string): Promise<unknown> {
    const response = await fetch(this.url + path, { signal: AbortSignal.timeout(ANSWER_MS) });
    if (!response.ok) throw new Error(`GET ${path} answered ${response.status} ${await response.text()}`);
    return await response.json();
  }
}
