import { EthereumError } from "@plasma-billing/ethereum/errors.ts";
import { Follower, type Cursor, type FollowerUpdate } from "@plasma-billing/ethereum/follower.ts";
import type { Clock } from "@plasma-billing/ethereum/process/clock.ts";
import type { RootChainReader } from "@plasma-billing/ethereum/rootChain.ts";
import type { EthereumRpc } from "@plasma-billing/ethereum/rpc.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Logger } from "pino";
import type { Reading } from "../detect/ethereum.ts";
import type { EventStore } from "./eventStore.ts";
import type { RootChainView } from "./view.ts";

/** Looks in a row whose events do not add up before all is read anew: a node may only have been behind. */
const MISMATCHES_MAX = 5;

export interface RootChainLoopOptions {
  rpc: EthereumRpc;
  rootChain: RootChainReader;
  view: RootChainView;
  store: EventStore;
  /** The block of the contract's deployment. */
  fromBlock: number;
  finality: "finalized" | number;
  pollMs: number;
  clock: Clock;
  /** All that was read before is forgotten, what was final too. */
  onReadAgain: () => void;
  /** Told of every update that was taken in; returns at once. */
  onUpdate: (update: FollowerUpdate) => void;
  log: Logger;
}

/** Looks at the contract again and again, and takes in only what adds up with its counters. */
export class RootChainLoop {
  readonly reading: Reading;
  private readonly options: RootChainLoopOptions;
  private follower: Follower;
  private mismatches = 0;
  private checked: Hex | null = null;

  constructor(options: RootChainLoopOptions) {
    this.options = options;
    this.follower = this.follow(options.store.cursor);
    const now = options.clock.now();
    this.reading = { answeredAt: now, headAt: now, head: null, failure: null, lost: null };
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, pollMs } = this.options;
    while (!signal.aborted) {
      await this.turn(signal);
      await clock.sleep(pollMs, signal);
    }
  }

  /** One look. Whatever nodes do wrong is tried again. */
  async turn(signal?: AbortSignal): Promise<void> {
    const { reading } = this;
    // What was lost stays lost until somebody looked at it.
    if (reading.lost !== null) return;
    try {
      await this.look();
      reading.failure = null;
      reading.answeredAt = this.options.clock.now();
    } catch (error) {
      if (signal?.aborted === true) return;
      this.fail(error);
    }
  }

  private async look(): Promise<void> {
    const { view, store, clock, onUpdate } = this.options;
    const update = await this.follower.poll();
    await this.compare(update);
    store.append(update.finalEvents, update.final);
    view.take(update);
    update.accept();
    const { number } = update.head;
    if (number !== this.reading.head) this.reading.headAt = clock.now();
    this.reading.head = number;
    onUpdate(update);
  }

  /** @throws EthereumError BAD_ANSWER when events are missing, or are too many */
  private async compare(update: FollowerUpdate): Promise<void> {
    const { rootChain, view, log } = this.options;
    const { hash } = update.head;
    if (this.checked === hash) return;
    const counted = view.countsWith(update);
    const actual = await rootChain.counters(hash);
    const agree =
      counted?.nextBlockNumber === actual.nextBlockNumber &&
      counted.nextDepositId === actual.nextDepositId &&
      counted.nextExitNumber === actual.nextExitNumber;
    if (agree) {
      this.checked = hash;
      this.mismatches = 0;
      return;
    }
    if (++this.mismatches >= MISMATCHES_MAX) {
      log.error({ counted, actual }, "the contract's events do not add up: all of them are read anew");
      this.readAgain();
    }
    throw new EthereumError(
      "BAD_ANSWER",
      "the contract's events do not add up: the nodes leave out logs, or ROOT_CHAIN_FROM_BLOCK is after the deployment",
      { counted, actual },
    );
  }

  private readAgain(): void {
    const { store, view } = this.options;
    this.mismatches = 0;
    this.checked = null;
    store.clear();
    view.clear();
    this.options.onReadAgain();
    this.follower = this.follow(null);
  }

  private follow(cursor: Cursor | null): Follower {
    const { rpc, rootChain, finality, fromBlock } = this.options;
    return new Follower(rpc, rootChain.address, finality, cursor ?? { number: fromBlock - 1, hash: null });
  }

  private fail(error: unknown): void {
    const { log } = this.options;
    const { reading } = this;
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof EthereumError && error.code === "REORG_PAST_FINAL") {
      // A watcher has nothing that rests on what was final: it reads what is there now.
      log.error({ ...error.context }, `${message}: all events are read anew`);
      this.readAgain();
    } else if (error instanceof EthereumError && !error.retryable) {
      reading.lost = `${message}: following Ethereum has stopped; check the nodes, then start again`;
      log.error({ err: error, ...error.context }, reading.lost);
    } else if (reading.failure !== message) {
      log.warn({ err: error }, message);
    }
    reading.failure = message;
  }
}
