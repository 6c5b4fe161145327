import { EthereumError } from "@plasma-billing/ethereum/errors.ts";
import type { Follower, FollowerUpdate } from "@plasma-billing/ethereum/follower.ts";
import type { NodeHealth } from "@plasma-billing/ethereum/nodes.ts";
import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import type { Logger } from "pino";
import type { Alarm } from "./alarms.ts";
import type { ChainSync } from "./chainSync.ts";
import type { Clock } from "@plasma-billing/ethereum/process/clock.ts";
import type { Committer } from "./settlement/committer.ts";

/** Without an answer for so long, Ethereum counts as out of reach. */
const HEALTHY_MS = 60_000;
/** Without a new block for so long, it counts as standing still. */
const STALE_MS = 300_000;
/** A node that is left out for so long does not come back by itself. */
const NODE_MS = 300_000;
/**
 * An exit that is not seen for W/8 may make the block invalid that spends its output. Payments are refused when half of
 * that has passed without news from Ethereum.
 */
const BLIND_PARTS = 16;

export interface EthereumLoopOptions {
  follower: Follower;
  chainSync: ChainSync;
  committer: Committer;
  /** Told of every update that was taken in; returns at once. */
  onUpdate: (update: FollowerUpdate) => void;
  clock: Clock;
  pollMs: number;
  /** W, in seconds. */
  exitPeriod: number;
  /** Whether blocks come all the time, as they do not on development chains. */
  blocksCome: boolean;
  nodes: () => readonly NodeHealth[];
  log: Logger;
}

/** Looks at Ethereum again and again: takes in what it shows, then lets the committer do its next step. */
export class EthereumLoop {
  private readonly options: EthereumLoopOptions;
  private answeredAt: number | null = null;
  /** When the newest block was seen first. */
  private headAt: number | null = null;
  private readonly leftOutAt = new Map<string, number>();
  private failure: string | null = null;
  private lost: string | null = null;
  private seen: { head: number; finalized: number } | null = null;
  private wakeUp: () => void = () => undefined;

  constructor(options: EthereumLoopOptions) {
    this.options = options;
  }

  get health(): { head: number | null; finalized: number | null; healthy: boolean } {
    const { head = null, finalized = null } = this.seen ?? {};
    return { head, finalized, healthy: this.lost === null && this.silentMs < HEALTHY_MS };
  }

  /** Whether exits can be unknown that would make a block invalid: before the first look, and after long silence. */
  get blind(): boolean {
    const sinceMs = this.options.blocksCome ? Math.max(this.stillMs, this.silentMs) : this.silentMs;
    return this.seen === null || sinceMs > (this.options.exitPeriod * 1000) / BLIND_PARTS;
  }

  get alarms(): Alarm[] {
    if (this.lost !== null) return [{ code: "ETHEREUM_LOST", text: this.lost }];
    const found: Alarm[] = [];
    const refused = this.blind ? "; payments are refused meanwhile" : "";
    const why = this.failure === null ? "" : `: ${this.failure}`;
    if (this.seen === null) found.push({ code: "ETHEREUM_UNREAD", text: `Ethereum was not read yet${why}${refused}` });
    else if (!this.health.healthy) {
      found.push({ code: "ETHEREUM_UNREAD", text: `Ethereum does not answer${why}${refused}` });
    } else if (this.options.blocksCome && this.stillMs > STALE_MS) {
      const text = `no new Ethereum block for ${Math.round(this.stillMs / 1000)} s, the last is ${this.seen.head}${refused}`;
      found.push({ code: "ETHEREUM_STALE", text });
    }
    const { clock, nodes } = this.options;
    const out = nodes().filter(({ host }) => clock.now() - (this.leftOutAt.get(host) ?? Infinity) > NODE_MS);
    if (out.length > 0) found.push({ code: "NODE_LEFT_OUT", text: out.map(nodeProblem).join("; ") });
    return found;
  }

  /** Has the loop look at once. */
  wake(): void {
    this.wakeUp();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, pollMs, log } = this.options;
    while (!signal.aborted) {
      const { promise: woken, resolve } = Promise.withResolvers<void>();
      this.wakeUp = resolve;
      try {
        await this.turn();
        if (this.failure !== null) log.info("Ethereum answers again");
        this.failure = null;
      } catch (error) {
        // At the end the journal is closed, and a turn may be under way.
        if (signal.aborted) return;
        this.fail(error);
      }
      this.watchNodes();
      const timer = new AbortController();
      await Promise.race([woken, clock.sleep(pollMs, AbortSignal.any([signal, timer.signal]))]);
      timer.abort();
    }
  }

  private async turn(): Promise<void> {
    const { follower, chainSync, committer, onUpdate, clock } = this.options;
    // What was lost stays lost until somebody looked at it: payments go on, nothing else does.
    if (this.lost !== null) return;
    const update = await follower.poll();
    await chainSync.take(update);
    onUpdate(update);
    if (update.head.number !== this.seen?.head) this.headAt = clock.now();
    this.seen = { head: update.head.number, finalized: Math.max(update.final.number, 0) };
    this.answeredAt = clock.now();
    await committer.step(update);
  }

  private fail(error: unknown): void {
    const { log } = this.options;
    const contradicts = error instanceof InvariantError;
    if (!contradicts && !(error instanceof EthereumError)) throw error;
    const { message } = error;
    if (contradicts || !error.retryable) {
      this.lost = `${message}: following Ethereum has stopped; check the nodes, then start again`;
      log.error({ err: error, ...error.context }, this.lost);
    } else if (this.failure !== message) {
      log.warn({ code: error.code, ...error.context }, message);
    }
    this.failure = message;
  }

  private watchNodes(): void {
    const { nodes, clock, log } = this.options;
    for (const node of nodes()) {
      const { host, problem } = node;
      const since = this.leftOutAt.get(host);
      if (problem === null) {
        if (since !== undefined) log.info({ host }, "the Ethereum node is asked again");
        this.leftOutAt.delete(host);
      } else if (since === undefined) {
        log.warn({ host, problem }, "an Ethereum node is left out for now");
        this.leftOutAt.set(host, clock.now());
      }
    }
  }

  private get silentMs(): number {
    return this.answeredAt === null ? Infinity : this.options.clock.now() - this.answeredAt;
  }

  private get stillMs(): number {
    return this.headAt === null ? Infinity : this.options.clock.now() - this.headAt;
  }
}

function nodeProblem({ host, problem }: NodeHealth): string {
  return `the Ethereum node ${host} is left out: ${String(problem)}`;
}
