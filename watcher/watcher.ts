import type { OpenExit } from "@plasma-billing/ethereum/challenging/exits.ts";
import type { Duty } from "@plasma-billing/ethereum/challenging/planner.ts";
import type { Clock } from "@plasma-billing/ethereum/process/clock.ts";
import { systemCode } from "@plasma-billing/ethereum/process/startup.ts";
import type { ExitBonds } from "@plasma-billing/ethereum/rootChain.ts";
import type { EthereumRpc, Header } from "@plasma-billing/ethereum/rpc.ts";
import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Logger } from "pino";
import type { ChildChain, StepResult } from "./chain/childChain.ts";
import {
  breachFindings,
  lateFinding,
  stalledFinding,
  withheldFinding,
  type Missing,
  type Silence,
} from "./detect/blocks.ts";
import type { DepositCheck } from "./detect/deposits.ts";
import { gapFinding, staleFinding } from "./detect/ethereum.ts";
import { challengeFindings, unknownExits } from "./detect/exits.ts";
import { spansOf } from "./detect/exitSpans.ts";
import { spentWhileExiting, type SpentWhileExiting } from "./detect/spentWhileExiting.ts";
import type { FindingsBook } from "./findings/book.ts";
import type { FindingDraft } from "./findings/finding.ts";
import type { Guard } from "./guard/guard.ts";
import type { EventStore } from "./rootChain/eventStore.ts";
import type { RootChainLoop } from "./rootChain/loop.ts";
import type { RootChainView } from "./rootChain/view.ts";

const GUARD_FINDINGS = ["guardedPiggybackMissing", "guardedExitMissing", "guardedExit"] as const;
const DEPOSITS_MS = 5_000;
/** A disk write each time: no more than a crash may make of it. */
const LOOKED_MS = 10_000;
/** Times of Ethereum blocks kept: one for each exit that a block spent from. */
const TIMES_MAX = 10_000;

export interface WatcherOptions {
  rpc: Pick<EthereumRpc, "block" | "balance">;
  rootChain: Address;
  bonds: ExitBonds;
  /** That sends; null: what is to be sent is only told. */
  account: Address | null;
  /** W, in seconds. */
  exitPeriod: number;
  view: RootChainView;
  store: EventStore;
  loop: RootChainLoop;
  chain: ChildChain;
  book: FindingsBook;
  guard: Guard;
  deposits: DepositCheck;
  clock: Clock;
  pollMs: number;
  commitIntervalSeconds: number;
  stalledSeconds: number;
  /** Whether Ethereum blocks come all the time, as they do not on development chains. */
  blocksCome: boolean;
  log: Logger;
}

/** Holds what the operator serves against what Ethereum shows, and keeps the findings. */
export class Watcher {
  private readonly options: WatcherOptions;
  private missing: Missing | null = null;
  private silence: Silence | null = null;
  private depositsAt = -Infinity;
  private depositProblem: string | null = null;
  private ignored: FindingDraft[] = [];
  private gap: FindingDraft[] | null = null;
  private lookedMs = -Infinity;
  private readonly times = new Map<number, number>();
  private badBlock: number | null = null;
  private synced = false;
  private exitsSeen = false;
  private failure: string | null = null;
  private lost = false;

  constructor(options: WatcherOptions) {
    this.options = options;
  }

  /** The first block that is invalid, or unknown for good; null as long as all are right. */
  get firstBad(): number | null {
    return this.badBlock;
  }

  /** Why the chain cannot be called safe now; empty: it is. */
  get reasons(): string[] {
    const { book } = this.options;
    const unsafe = book.open
      .filter(({ severity }) => severity === "unsafe")
      .map(({ name, text }) => `${name}: ${text}`);
    if (this.failure !== null) unsafe.push(this.failure);
    if (!this.synced || !this.exitsSeen) unsafe.push("not everything was looked at yet");
    return unsafe;
  }

  /** Why the operator's blocks are not verified now; null: they are. */
  get problem(): string | null {
    return this.failure;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, pollMs } = this.options;
    while (!signal.aborted) {
      try {
        if (!this.lost) await this.turn(signal);
        if (!this.lost) this.failure = null;
      } catch (error) {
        if (signal.aborted) return;
        this.fail(error);
      }
      await clock.sleep(pollMs, signal);
    }
  }

  /** Nothing ends the watcher: what fails is tried again, what cannot be right stops the verification, and challenges go on. */
  private fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof InvariantError) this.lost = true;
    const text = this.lost
      ? `verification has stopped (${message}): start again, with an empty DATA_DIR if that does not help`
      : `the operator's blocks cannot be looked at (${message})`;
    if (this.failure !== text) this.options.log.error({ err: error }, text);
    this.failure = text;
  }

  /** One look at the operator, and at both together. */
  async turn(signal?: AbortSignal): Promise<void> {
    const { view, chain, book, loop, clock, blocksCome, stalledSeconds } = this.options;
    book.take(["ethereumStale"], staleFinding(loop.reading, blocksCome, stalledSeconds, clock.now()));
    if (view.head === null) return;
    let result = await chain.step(view.commits);
    while (result.more && signal?.aborted !== true) result = await chain.step(view.commits);
    if (signal?.aborted === true) return;
    await this.detect(result, view.head);
    if (chain.height === view.commits.length) this.synced = true;
    if (this.badBlock !== null || this.missing !== null) this.synced = true;
  }

  /** What there is to challenge now, as findings. */
  async takeDuties(duties: readonly Duty[], exits: readonly OpenExit[], head: Header): Promise<void> {
    const { book, chain, rootChain } = this.options;
    const found = [
      ...(await challengeFindings(duties, exits, rootChain)),
      ...unknownExits(exits, chain, this.badBlock),
    ];
    book.take(
      ["exitOfSpentOutput", "nonCanonicalExit", "piggybackOfSpent", "unansweredChallenge", "exitOfUnknown"],
      found,
    );
    this.exitsSeen = true;
    this.looked(head);
  }

  /** What is to be sent for those it guards. */
  async guardedDuties(head: Header): Promise<Duty[]> {
    const { book, guard, view, bonds, exitPeriod, rpc, account } = this.options;
    const { commits, deposits, events } = view;
    const balance = account === null ? null : await rpc.balance(account, head.hash);
    const terms = { ...bonds, exitPeriod };
    const { duties, findings } = await guard.look({
      ...{ head, commits, deposits, events, firstBadBlock: this.badBlock, terms, balance },
    });
    book.take(GUARD_FINDINGS, findings);
    return duties;
  }

  private async detect(result: StepResult, head: Header): Promise<void> {
    const { view, book, exitPeriod, commitIntervalSeconds, stalledSeconds, clock } = this.options;
    const nowMs = clock.now();
    const exiting = await this.exitRule();
    const breaches = breachFindings(result.breaches, view.commits, exitPeriod);
    // The operator broke its word: that does not become untrue.
    const broken = book.open.filter(({ name }) => name === "reordered");
    const rules = [...breaches, ...exiting.map(({ finding }) => finding), ...broken];
    book.take(["invalidBlock", "unknownRoot", "reordered"], rules);

    this.missing = result.missing === null ? null : { ...result.missing, since: this.missingSince(result, nowMs) };
    const withheld = withheldFinding(this.missing, view.commits, exitPeriod, nowMs, head.timestamp);
    book.take(["withheldBlock"], withheld);

    const lost = withheld.some(({ severity }) => severity === "unsafe") ? this.missing : null;
    const bad = result.breaches.filter(({ name }) => name !== "reordered").map(({ blockNumber }) => blockNumber);
    const numbers = [...bad, ...exiting.map(({ blockNumber }) => blockNumber), ...(lost === null ? [] : [lost.number])];
    this.badBlock = numbers.length === 0 ? null : Math.min(...numbers);

    await this.checkDeposits(head, nowMs);
    book.take(["depositIgnored"], this.ignored);
    this.listen(result, nowMs);
    book.take(["operatorStalled"], stalledFinding(this.silence, stalledSeconds, nowMs));
    book.take(["commitLate"], lateFinding(result.openSince, commitIntervalSeconds, nowMs));
  }

  /** A restart does not make it new: what was found before goes on. */
  private missingSince({ missing }: StepResult, nowMs: number): number {
    if (this.missing !== null && this.missing.number === missing?.number) return this.missing.since;
    const found = this.options.book.open.find(
      ({ name, evidence }) => name === "withheldBlock" && evidence["blockNumber"] === missing?.number,
    );
    return found?.firstSeenAt ?? nowMs;
  }

  private async exitRule(): Promise<SpentWhileExiting[]> {
    const { view, chain, exitPeriod } = this.options;
    const spans = spansOf(view.events);
    if (spans.spans.length === 0) return [];
    await chain.watch(new Set(spans.spans.map(({ outputId }) => outputId)));
    return await spentWhileExiting(
      spans,
      (id) => chain.spendsOf(id),
      exitPeriod,
      async (number) => await this.timeOf(number),
    );
  }

  private async timeOf(ethereumBlock: number): Promise<number | null> {
    const known = this.times.get(ethereumBlock);
    if (known !== undefined) return known;
    const header = await this.options.rpc.block(ethereumBlock).catch(() => null);
    if (header === null) return null;
    if (this.times.size >= TIMES_MAX) this.times.clear();
    this.times.set(ethereumBlock, header.timestamp);
    return header.timestamp;
  }

  private async checkDeposits({ timestamp }: Header, nowMs: number): Promise<void> {
    const { deposits, view } = this.options;
    if (nowMs - this.depositsAt < DEPOSITS_MS) return;
    this.depositsAt = nowMs;
    try {
      this.ignored = await deposits.look(view.deposits, timestamp, nowMs);
      this.depositProblem = null;
    } catch (error) {
      this.depositProblem = error instanceof Error ? error.message : String(error);
    }
  }

  private listen({ operator }: StepResult, nowMs: number): void {
    const problem = operator.problem ?? (operator.answered ? this.depositProblem : "no answer");
    if (problem === null) this.silence = null;
    else this.silence = { since: this.silence?.since ?? nowMs, problem };
  }

  private looked({ timestamp }: Header): void {
    const { store, book, clock, exitPeriod, log } = this.options;
    const now = { ethereum: timestamp, ownMs: clock.now() };
    this.gap ??= gapFinding(store.lookedAt, now, exitPeriod);
    book.take(["windowTooShort"], this.gap);
    if (now.ownMs - this.lookedMs < LOOKED_MS) return;
    this.lookedMs = now.ownMs;
    try {
      store.lookedAt = now;
    } catch (error) {
      // A full disk must not keep a challenge from being sent.
      if (systemCode(error) !== "ERR_SQLITE_ERROR") throw error;
      log.error({ err: error }, "when everything was looked at cannot be written");
    }
  }
}
