import { EthereumError } from "@plasma-billing/ethereum/errors.ts";
import type { Follower, FollowerUpdate } from "@plasma-billing/ethereum/follower.ts";
import type { Logger } from "pino";
import type { ChainSync } from "./chainSync.ts";
import type { Clock } from "./clock.ts";
import type { Committer } from "./settlement/committer.ts";

/** Without an answer for so long, Ethereum counts as out of reach. */
const HEALTHY_MS = 60_000;

export interface EthereumLoopOptions {
  follower: Follower;
  chainSync: ChainSync;
  committer: Committer;
  /** Told of every update that was taken in; returns at once. */
  onUpdate: (update: FollowerUpdate) => void;
  clock: Clock;
  pollMs: number;
  log: Logger;
}

/** Looks at Ethereum again and again: takes in what it shows, then lets the committer do its next step. */
export class EthereumLoop {
  private readonly options: EthereumLoopOptions;
  private answeredAt: number | null = null;
  private failure: string | null = null;
  private lost: string | null = null;
  private seen: { head: number; finalized: number } | null = null;
  private wakeUp: () => void = () => undefined;

  constructor(options: EthereumLoopOptions) {
    this.options = options;
  }

  get health(): { head: number | null; finalized: number | null; healthy: boolean } {
    const healthy = this.answeredAt !== null && this.options.clock.now() - this.answeredAt < HEALTHY_MS;
    const { head = null, finalized = null } = this.seen ?? {};
    return { head, finalized, healthy: healthy && this.lost === null };
  }

  /** Whether Ethereum was read since the start: before that, exits may be unknown. */
  get synced(): boolean {
    return this.seen !== null;
  }

  /** What is wrong, in words; null when nothing is. */
  get problem(): string | null {
    if (this.lost !== null) return this.lost;
    if (this.seen === null) return `Ethereum was not read yet${this.failure === null ? "" : `: ${this.failure}`}`;
    return this.health.healthy ? null : `Ethereum does not answer: ${this.failure ?? "no reason known"}`;
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
        if (!(error instanceof EthereumError)) throw error;
        if (!error.retryable) this.lost = this.lose(error);
        if (this.failure !== error.message) log.warn({ code: error.code, ...error.context }, error.message);
        this.failure = error.message;
      }
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
    this.seen = { head: update.head.number, finalized: Math.max(update.final.number, 0) };
    this.answeredAt = clock.now();
    await committer.step(update.head, update.final.hash);
  }

  private lose(error: EthereumError): string {
    const lost = `${error.message}: following Ethereum has stopped; check the nodes, then start again`;
    this.options.log.error({ code: error.code, ...error.context }, lost);
    return lost;
  }
}
