import { EthereumError } from "../errors.ts";
import { finalLogs, RANGE_BLOCKS, type FollowerUpdate } from "../follower.ts";
import { decodeLogs, type GameTerms, type RootChainEvent, type RootChainReader } from "../rootChain.ts";
import type { EthereumRpc, Header } from "../rpc.ts";
import type { Signer } from "../signer.ts";
import type { Logger } from "pino";
import { OpenExits, type OpenExit } from "./exits.ts";
import { plan, type Duty, type Facts } from "./planner.ts";
import type { ChallengerRecords } from "./records.ts";
import { Sender, type SenderOptions } from "./sender.ts";

/** Final events kept while what came before them is being read; beyond it all is read from the nodes. */
const QUEUED_MAX = 100_000;
/** Looks in a row that nodes made fail before somebody is told: most of it goes away by itself. */
const FAILURES_QUIET = 30;

export interface ChallengerOptions {
  /** What is known of these exits. */
  facts: (exits: readonly OpenExit[]) => Promise<Facts>;
  rpc: EthereumRpc;
  rootChain: RootChainReader;
  chainId: bigint;
  /** Null: duties are told, nothing is sent. */
  signer: Signer | null;
  records: ChallengerRecords;
  maxFeeGwei: number;
  patienceMs?: SenderOptions["patienceMs"];
  /** Further calls of the contract to be sent by the same account. */
  furtherDuties?: (exits: readonly OpenExit[], head: Header, terms: GameTerms) => Promise<Duty[]>;
  /** Told of the challenges there are to be made, at each look. */
  onDuties?: (duties: readonly Duty[], exits: readonly OpenExit[], head: Header) => Promise<void>;
  /** The block of the contract's deployment. */
  fromBlock: number;
  /** The block after which updates tell what is final. */
  followedTo: number;
  log: Logger;
}

/**
 * Challenges every exit of an output that an accepted payment spends, and answers for included payments. What there is to
 * do follows anew at each look from the contract's events and the ledger; README.md has the states.
 */
export class Challenger {
  private readonly options: ChallengerOptions;
  private readonly sender: Sender | null;
  private exits = new OpenExits();
  /** What is final and not read yet; the queue begins behind it. */
  private unread: { from: number; to: number };
  private queue: RootChainEvent[] = [];
  /** Whether the contract counts as many exits as were read. */
  private complete = false;
  private latest: FollowerUpdate | null = null;
  private terms: GameTerms | null = null;
  private duties = new Set<string>();
  private failure: string | null = null;
  private failures = 0;
  private wake: () => void = () => undefined;

  constructor(options: ChallengerOptions) {
    const { rootChain, fromBlock, followedTo } = options;
    this.options = options;
    const { signer } = options;
    this.sender = signer === null ? null : new Sender({ ...options, signer, rootChain: rootChain.address });
    this.unread = { from: fromBlock, to: followedTo };
  }

  /** What somebody must mend, in words; null when nothing is wrong. */
  get warning(): string | null {
    return this.failure ?? this.sender?.problem ?? null;
  }

  /** Keys of what there is to do, as of the last look. */
  get open(): readonly string[] {
    return [...this.duties];
  }

  /** Takes what Ethereum shows now; each accepted update once, in order. Returns at once. */
  take(update: FollowerUpdate): void {
    this.latest = update;
    for (const event of update.finalEvents) this.queue.push(event);
    if (this.queue.length > QUEUED_MAX) this.unread = { from: this.unread.from, to: this.dropQueue(update) };
    this.wake();
  }

  /** One look at what was taken last, and what can be done about it. */
  async step(): Promise<void> {
    await this.readUnread();
    const update = this.latest;
    // An update may have come between the last range and now.
    if (update === null || this.unread.from <= this.unread.to) return;
    await this.follow(update);
    const { facts, rootChain, onDuties, furtherDuties } = this.options;
    const { head } = update;
    this.terms ??= await rootChain.gameTerms(head.hash);
    const exits = this.exits.current;
    const challenges = plan(exits, await facts(exits), this.terms, head.timestamp);
    const terms = this.terms;
    const told = await this.aside(async () => await onDuties?.(challenges, exits, head));
    const further = await this.aside(async () => (await furtherDuties?.(exits, head, terms)) ?? []);
    const duties = [...challenges, ...(further.done ?? [])];
    this.tell(new Set(duties.map(({ key }) => key)));
    // Challenges come first, whatever else there is to send, and whatever of it failed.
    await this.sender?.work(head, duties);
    if (told.error !== null) throw told.error;
    if (further.error !== null) throw further.error;
  }

  /** Work whose failure is told after challenges were sent. */
  private async aside<T>(work: () => Promise<T>): Promise<{ done: T | null; error: Error | null }> {
    try {
      return { done: await work(), error: null };
    } catch (error) {
      return { done: null, error: error instanceof Error ? error : new Error(String(error)) };
    }
  }

  private tell(keys: Set<string>): void {
    const { log } = this.options;
    for (const duty of keys) if (!this.duties.has(duty)) log.info({ duty }, "something is to be done on Ethereum");
    for (const duty of this.duties) if (!keys.has(duty)) log.info({ duty }, "it is done, or over");
    this.duties = keys;
  }

  /** Steps at each update until the signal. Whatever fails here is tried again, and touches nothing else. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.wake(), { once: true });
    while (!signal.aborted) {
      const { promise: woken, resolve } = Promise.withResolvers<void>();
      this.wake = resolve;
      try {
        await this.step();
        this.failure = null;
        this.failures = 0;
      } catch (error) {
        // At the end the records are closed, and a node that hangs is not waited for.
        if (signal.aborted) return;
        this.fail(error);
      }
      if (!signal.aborted) await woken;
    }
  }

  /** Closes the records: nothing can be sent any more. */
  close(): void {
    this.options.records.close();
  }

  private fail(error: unknown): void {
    const { log } = this.options;
    const failure = `challenges wait: ${error instanceof Error ? error.message : String(error)}`;
    if (error instanceof EthereumError && ++this.failures < FAILURES_QUIET) {
      if (this.failures === 1) log.warn({ code: error.code, ...error.context }, failure);
      return;
    }
    if (this.failure !== failure) log.error({ err: error }, failure);
    this.failure = failure;
  }

  /** What was final before the first update, in ranges; what was read stays read when a node fails in between. */
  private async readUnread(): Promise<void> {
    const { rpc, rootChain } = this.options;
    while (this.unread.from <= this.unread.to) {
      const { from } = this.unread;
      const to = Math.min(this.unread.to, from + RANGE_BLOCKS - 1);
      const events = decodeLogs(await finalLogs(rpc, rootChain.address, from, to));
      if (!this.exits.settle(events)) this.readAgain();
      else this.unread = { from: to + 1, to: this.unread.to };
    }
  }

  private async follow({ head, windowEvents }: FollowerUpdate): Promise<void> {
    const queued = this.queue;
    this.queue = [];
    if (!this.exits.settle(queued) || !this.exits.show(windowEvents)) this.readAgain();
    if (this.complete) return;
    // Updates were checked when they were taken in; what was read here was not.
    const { count } = this.exits;
    const { nextExitNumber } = await this.options.rootChain.counters(head.hash);
    if (nextExitNumber !== count + 1) this.readAgain();
    this.complete = true;
  }

  /** @throws EthereumError BAD_ANSWER always: exits are missing, so all is read anew at the next look. */
  private readAgain(): never {
    this.exits = new OpenExits();
    this.complete = false;
    this.unread = { from: this.options.fromBlock, to: this.unread.to };
    if (this.latest !== null) this.unread.to = this.dropQueue(this.latest);
    throw new EthereumError(
      "BAD_ANSWER",
      "starts of exits are missing: the nodes leave out logs, or ROOT_CHAIN_FROM_BLOCK is after the deployment",
    );
  }

  private dropQueue({ final }: FollowerUpdate): number {
    this.queue = [];
    return final.number;
  }
}
