import type { Clock } from "@plasma-billing/ethereum/process/clock.ts";
import type { Logger } from "pino";
import { findingShape, type FindingJson } from "./shape.ts";
import type { Finding } from "./finding.ts";

/** Waiting for one receiver; beyond it the oldest are dropped, and that is said in the log. */
const QUEUE_MAX = 1000;
const TRIES_MAX = 6;
/** Doubles with each try. */
const RETRY_MS = 1_000;
const TIMEOUT_MS = 10_000;

/** What a receiver is sent, as JSON. */
export interface WebhookBody {
  chainId: string;
  contract: string;
  finding: FindingJson;
}

export interface WebhookOptions {
  urls: readonly string[];
  chainId: bigint;
  contract: string;
  clock: Clock;
  log: Logger;
}

/** Tells receivers of findings, each in its order, again until they took it. */
export class Webhooks {
  private readonly receivers: Receiver[];

  constructor(options: WebhookOptions) {
    this.receivers = options.urls.map((url) => new Receiver(url, options));
  }

  tell(finding: Finding): void {
    for (const receiver of this.receivers) receiver.tell(finding);
  }

  /** Sends until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.receivers.map(async (receiver) => await receiver.run(signal)));
  }
}

class Receiver {
  private readonly url: string;
  private readonly options: WebhookOptions;
  private readonly queue: Finding[] = [];
  private wake: () => void = () => undefined;

  constructor(url: string, options: WebhookOptions) {
    this.url = url;
    this.options = options;
  }

  tell(finding: Finding): void {
    this.queue.push(finding);
    if (this.queue.length > QUEUE_MAX) {
      const dropped = this.queue.shift();
      this.options.log.error(
        { host: this.host, finding: dropped?.id },
        "a web hook is too slow: a finding is not sent",
      );
    }
    this.wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.wake(), { once: true });
    while (!signal.aborted) {
      const { promise: woken, resolve } = Promise.withResolvers<void>();
      this.wake = resolve;
      const finding = this.queue.shift();
      if (finding === undefined) await woken;
      else await this.deliver(finding, signal);
    }
  }

  private async deliver(finding: Finding, signal: AbortSignal): Promise<void> {
    const { chainId, contract, clock, log } = this.options;
    const body: WebhookBody = { chainId: chainId.toString(), contract, finding: findingShape(finding) };
    for (let tries = 1; !signal.aborted; tries++) {
      const problem = await this.post(JSON.stringify(body), signal);
      if (problem === null || signal.aborted) return;
      if (tries === TRIES_MAX) {
        log.error({ host: this.host, finding: finding.id, problem }, "a web hook does not take a finding");
        return;
      }
      await clock.sleep(RETRY_MS * 2 ** (tries - 1), signal);
    }
  }

  private async post(body: string, signal: AbortSignal): Promise<string | null> {
    try {
      const response = await fetch(this.url, {
        ...{ method: "POST", headers: { "content-type": "application/json" }, body, redirect: "error" },
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      await response.body?.cancel();
      return response.ok ? null : `HTTP ${response.status}`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** Paths may hold keys. */
  private get host(): string {
    return new URL(this.url).host;
  }
}
