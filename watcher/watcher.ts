import type { OpenExit } from "@plasma-billing/ethereum/challenging/exits.ts";
import type { Duty } from "@plasma-billing/ethereum/challenging/planner.ts";
import type { Clock } from "@plasma-billing/ethereum/process/clock.ts";
import { systemCode } from "@plasma-billing/ethereum/process/startup.ts";
import type { ExitBonds } from "@plasma-billing/ethereum/rootChain.ts";
import type { EthereumRpc, Header } from "@plasma-billing/ethereum/rpc.ts";
import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Logger } from "pino";
import type { ChildChain, StepResult } from "./chain/childChain.ts";
import {
  breachFindings,
  diskFinding,
  isUnpublished,
  lostForGood,
  lateFinding,
  stalledFinding,
  withheldFinding,
  type Missing,
  type Silence,
} from "./detect/blocks.ts";
import type { DepositCheck } from "./detect/deposits.ts";
import { gapFinding, staleFinding, type Look } from "./detect/ethereum.ts";
import { challengeFindings, unknownExits } from "./detect/exits.ts";
import { spansOf, type EthereumBlock, type Spans } from "./detect/exitSpans.ts";
import { spentWhileExiting, type SpentWhileExiting } from "./detect/spentWhileExiting.ts";
import type { FindingsBook } from "./findings/book.ts";
import type { Finding, FindingDraft, FindingName } from "./findings/finding.ts";
import type { Guard } from "./guard/guard.ts";
import type { EventStore } from "./rootChain/eventStore.ts";
import type { RootChainLoop } from "./rootChain/loop.ts";
import type { RootChainView } from "./rootChain/view.ts";

const GUARD_FINDINGS = ["guardedPiggybackMissing", "guardedExitMissing", "guardedExit"] as const;
/** Findings that name a block nobody should stay behind. */
const BAD_BLOCKS: readonly FindingName[] = ["invalidBlock", "unknownRoot", "withheldBlock"];
/** Times STALLED_SECONDS without a look at exits. */
const EXITS_STALLED = 2;
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
  private lastLook: Look | null;
  private writtenMs = -Infinity;
  /** By the hash of an Ethereum block, in seconds. */
  private readonly times = new Map<Hex, number>();
  private badBlock: number | null = null;
  private synced = false;
  /** By our own clock, in milliseconds; null before the first time. */
  private exitsSeenAt: number | null = null;
  /** The block that is to be verified next, and since when by our own clock. */
  private next: { number: number; since: number } | null = null;
  private spans: { head: Header; of: Spans } | null = null;
  private failure: string | null = null;
  private lost = false;
  /** Why nothing more is stored here. */
  private room: string | null = null;

  constructor(options: WatcherOptions) {
    this.options = options;
    this.lastLook = options.store.lookedAt;
    // Until it was looked at again, what was bad is bad.
    const bad = options.book.open.filter(({ name, severity }) => BAD_BLOCKS.includes(name) && severity === "unsafe");
    if (bad.length > 0) this.badBlock = Math.min(...bad.map(blockOf));
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
    const { clock, stalledSeconds } = this.options;
    if (!this.synced || this.exitsSeenAt === null) unsafe.push("not everything was looked at yet");
    else if (clock.now() - this.exitsSeenAt > EXITS_STALLED * stalledSeconds * 1000)
      unsafe.push("exits are not looked at");
    return unsafe;
  }

  /** Why the operator's blocks are not verified now; null: they are. */
  get problem(): string | null {
    return this.failure ?? this.room;
  }

  /** Whether the disk has room for what the operator serves. */
  get hasRoom(): boolean {
    return this.room === null;
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
    const stale = (): FindingDraft[] => staleFinding(loop.reading, blocksCome, stalledSeconds, clock.now());
    book.take(["ethereumStale"], stale());
    for (let more = true; more && view.head !== null;) {
      const result = await chain.step(view.commits);
      const { head } = this.options.view;
      // When Ethereum is being read anew, what was judged without its deposits counts for nothing.
      if (signal?.aborted === true || head === null) return;
      // After each step: an operator that lets its data trickle must not keep anything from being found.
      book.take(["ethereumStale"], stale());
      await this.detect(result, head);
      more = result.more;
    }
    if (view.head === null) return;
    if (chain.height === view.commits.length || this.badBlock !== null || this.missing !== null || this.room !== null)
      this.synced = true;
  }

  /** What there is to challenge now, as findings. */
  async takeDuties(duties: readonly Duty[], exits: readonly OpenExit[], head: Header): Promise<void> {
    const { book, chain, rootChain, exitPeriod, clock } = this.options;
    const found = [
      ...(await challengeFindings(duties, exits, { rootChain, now: head.timestamp, exitPeriod })),
      ...unknownExits(exits, chain, this.badBlock),
    ];
    book.take(
      ["exitOfSpentOutput", "nonCanonicalExit", "piggybackOfSpent", "unansweredChallenge", "exitOfUnknown"],
      found,
    );
    this.exitsSeenAt = clock.now();
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
    const broken = book.open.filter((finding) => this.stays(finding));
    const rules = [...breaches, ...exiting.map(({ finding }) => finding), ...broken];
    book.take(["invalidBlock", "unknownRoot", "reordered"], rules);

    this.room = result.room;
    book.take(["diskFull"], diskFinding(result.room, view.commits.length > this.options.chain.height));
    this.missing = this.missingNow(result, head, nowMs);
    // What is lost already is taken first: of the same block a later one replaces it.
    const withheld = [
      ...lostForGood(book.open, view.commits),
      ...withheldFinding(this.missing, view.commits, exitPeriod, nowMs, head.timestamp),
    ];
    book.take(["withheldBlock"], withheld);

    const lost = withheld.filter(({ severity }) => severity === "unsafe").map(blockOf);
    const bad = [...breaches, ...broken].filter(({ name }) => name !== "reordered").map(blockOf);
    const numbers = [...bad, ...exiting.map(({ blockNumber }) => blockNumber), ...lost];
    this.badBlock = numbers.length === 0 ? null : Math.min(...numbers);

    await this.checkDeposits(head, nowMs);
    book.take(["depositIgnored"], this.ignored);
    this.listen(result, nowMs);
    book.take(["operatorStalled"], stalledFinding(this.silence, stalledSeconds, nowMs));
    book.take(["commitLate"], lateFinding(result.openSince, commitIntervalSeconds, nowMs));
  }

  /**
   * What does not become untrue because it is not told again: that the operator broke its word; and that a block is bad which is not
   * verified now, when the data that shows it has to be loaded again after a restart.
   */
  private stays(finding: Finding): boolean {
    const { chain, view } = this.options;
    if (finding.name === "reordered") return true;
    if (finding.name !== "invalidBlock" && finding.name !== "unknownRoot") return false;
    const number = blockOf(finding);
    return finding.until !== null && number > chain.height && number <= view.commits.length;
  }

  /** The committed block that is not served, or of which not all has come for too long. */
  private missingNow({ missing, room }: StepResult, head: Header, nowMs: number): Missing | null {
    const { chain, view, exitPeriod, book } = this.options;
    const number = chain.height + 1;
    if (room !== null && missing === null) {
      // Without room here nothing was asked for: what is lost stays lost, all else is nobody's fault.
      this.next = null;
      const lost = book.open.find(({ name, severity }) => name === "withheldBlock" && severity === "unsafe");
      if (lost === undefined || blockOf(lost) < number) return null;
      return {
        number: blockOf(lost),
        reason: String(lost.evidence["reason"]),
        since: lost.firstSeenAt,
        late: isLate(lost),
      };
    }
    if (this.next?.number !== number || number > view.commits.length) this.next = { number, since: nowMs };
    // What was verified before cannot be withheld any more, whatever happened to its files here.
    let found = missing !== null && missing.number >= number ? missing : null;
    if (number <= view.commits.length && isUnpublished((nowMs - this.next.since) / 1000, exitPeriod)) {
      found ??= { number, reason: "not all of it came in time" };
    }
    if (found === null) return null;
    if (this.missing?.number === found.number) return { ...this.missing, ...found };
    // A restart does not make it new: what was lost stays lost, what was missing is asked for a while again.
    const { number: wanted } = found;
    const known = book.open.find((finding) => finding.name === "withheldBlock" && blockOf(finding) === wanted);
    if (known !== undefined) {
      return { ...found, since: known.severity === "unsafe" ? known.firstSeenAt : nowMs, late: isLate(known) };
    }
    const age = head.timestamp - (view.commits[found.number - 1]?.timestamp ?? head.timestamp);
    return { ...found, since: nowMs, late: isUnpublished(age, exitPeriod) };
  }

  private async exitRule(): Promise<SpentWhileExiting[]> {
    const { view, chain, book, exitPeriod } = this.options;
    const { head } = view;
    if (head === null) return [];
    if (this.spans?.head !== head) this.spans = { head, of: spansOf(view.events) };
    const spans = this.spans.of;
    if (spans.spans.length === 0) return [];
    await chain.watch(new Map(spans.spans.map(({ outputId }) => [outputId, null])));
    return await spentWhileExiting(
      spans,
      (id) => chain.spendsOf(id),
      exitPeriod,
      async (block) => await this.timeOf(block),
      (subject) => book.open.find((finding) => finding.subject === subject),
    );
  }

  private async timeOf({ number, hash }: EthereumBlock): Promise<number | null> {
    const known = this.times.get(hash);
    if (known !== undefined) return known;
    const header = await this.options.rpc.block(number).catch(() => null);
    if (header?.hash !== hash) return null;
    if (this.times.size >= TIMES_MAX) this.times.clear();
    this.times.set(hash, header.timestamp);
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
    // For a period what went by unseen may still be on its way.
    const before = book.open.filter(
      ({ name, evidence }) => name === "windowTooShort" && timestamp < (evidence["now"] as Look).ethereum + exitPeriod,
    );
    book.take(["windowTooShort"], [...before, ...gapFinding(this.lastLook, now, exitPeriod)]);
    this.lastLook = now;
    if (now.ownMs - this.writtenMs < LOOKED_MS) return;
    this.writtenMs = now.ownMs;
    try {
      store.lookedAt = now;
    } catch (error) {
      // A full disk must not keep a challenge from being sent.
      if (systemCode(error) !== "ERR_SQLITE_ERROR") throw error;
      log.error({ err: error }, "when everything was looked at cannot be written");
    }
  }
}

function isLate({ evidence }: FindingDraft): boolean {
  return evidence["late"] === true;
}

function blockOf({ evidence }: FindingDraft): number {
  return evidence["blockNumber"] as number;
}
