import type { FollowerUpdate } from "@plasma-billing/ethereum/follower.ts";
import type { Counters, RootChainEvent } from "@plasma-billing/ethereum/rootChain.ts";
import type { Header } from "@plasma-billing/ethereum/rpc.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { depositHash, outputId, type Deposit, type OutputId } from "@plasma-billing/protocol/transaction.ts";

export interface SeenCommit {
  number: number;
  transactionsRoot: Hex;
  transactionCount: number;
  /** Seconds. */
  timestamp: number;
  ethereumTransaction: Hex;
  final: boolean;
}

export interface SeenDeposit extends Deposit {
  outputId: OutputId;
  /** Seconds. */
  timestamp: number;
  final: boolean;
}

const NO_COUNTS: Counters = { nextBlockNumber: 1, nextDepositId: 1n, nextExitNumber: 1 };

/** The contract as Ethereum shows it now: what is final, and on top what is not. */
export class RootChainView {
  private readonly separator: Hex;
  private readonly final: RootChainEvent[] = [];
  private finalCounts = NO_COUNTS;
  private shown: readonly RootChainEvent[] = [];
  private seenHead: Header | null = null;
  private readonly finalCommits: SeenCommit[] = [];
  private allCommits: readonly SeenCommit[] = [];
  private readonly finalDeposits: SeenDeposit[] = [];
  private allDeposits: readonly SeenDeposit[] = [];
  /** How many of them were shown last. */
  private shownDeposits = { final: 0, window: 0 };
  private byOutput = new Map<OutputId, SeenDeposit>();

  /** @param separator - EIP-712 domain separator of the contract */
  constructor(separator: Hex, events: readonly RootChainEvent[] = []) {
    this.separator = separator;
    this.settle(events);
    this.show([]);
  }

  /** Null before the first update. */
  get head(): Header | null {
    return this.seenHead;
  }

  /** Blocks on Ethereum, in order. */
  get commits(): readonly SeenCommit[] {
    return this.allCommits;
  }

  /** In order of their ids. */
  get deposits(): readonly SeenDeposit[] {
    return this.allDeposits;
  }

  /** All events there are, in order: what is final, and what is not. */
  get events(): Iterable<RootChainEvent> {
    return this.eachEvent();
  }

  depositOf(id: OutputId): SeenDeposit | undefined {
    return this.byOutput.get(id);
  }

  /** Counters the contract must show if no event is missing; null when a number is left out or comes twice. */
  countsWith({ finalEvents, windowEvents }: FollowerUpdate): Counters | null {
    const final = countAll(this.finalCounts, finalEvents);
    return final === null ? null : countAll(final, windowEvents);
  }

  take(update: FollowerUpdate): void {
    this.settle(update.finalEvents);
    this.show(update.windowEvents);
    this.seenHead = update.head;
  }

  /** Forgets all, to be told anew. */
  clear(): void {
    this.final.length = 0;
    this.finalCommits.length = 0;
    this.finalDeposits.length = 0;
    this.finalCounts = NO_COUNTS;
    this.shownDeposits = { final: -1, window: 0 };
    this.show([]);
    this.seenHead = null;
  }

  private *eachEvent(): Generator<RootChainEvent> {
    yield* this.final;
    yield* this.shown;
  }

  private settle(events: readonly RootChainEvent[]): void {
    for (const event of events) {
      this.final.push(event);
      if (event.name === "BlockCommitted") this.finalCommits.push(commitOf(event, true));
      if (event.name === "Deposited") this.finalDeposits.push(this.seenDeposit(event, true));
    }
    this.finalCounts = countAll(this.finalCounts, events) ?? this.finalCounts;
  }

  private show(events: readonly RootChainEvent[]): void {
    this.shown = events;
    const commits = events.filter((event) => event.name === "BlockCommitted");
    const deposits = events.filter((event) => event.name === "Deposited");
    this.allCommits = [...this.finalCommits, ...commits.map((event) => commitOf(event, false))];
    const unchanged = this.shownDeposits.final === this.finalDeposits.length && this.shownDeposits.window === 0;
    if (deposits.length === 0 && unchanged) return;
    this.shownDeposits = { final: this.finalDeposits.length, window: deposits.length };
    this.allDeposits = [...this.finalDeposits, ...deposits.map((event) => this.seenDeposit(event, false))];
    this.byOutput = new Map(this.allDeposits.map((deposit) => [deposit.outputId, deposit]));
  }

  private seenDeposit(event: RootChainEvent & { name: "Deposited" }, final: boolean): SeenDeposit {
    const { id, owner, token, amount, timestamp } = event;
    const deposit = { id, owner, token, amount };
    return { ...deposit, outputId: outputId(depositHash(this.separator, deposit), 0), timestamp, final };
  }
}

function commitOf(event: RootChainEvent & { name: "BlockCommitted" }, final: boolean): SeenCommit {
  const { number, transactionsRoot, transactionCount, timestamp, ethereumTransaction } = event;
  return { number, transactionsRoot, transactionCount, timestamp, ethereumTransaction, final };
}

/** Blocks, deposits and exits are numbered without gaps: null when the events have one. */
function countAll(before: Counters, events: readonly RootChainEvent[]): Counters | null {
  const counts = { ...before };
  for (const event of events) {
    if (event.name === "BlockCommitted" && event.number !== counts.nextBlockNumber++) return null;
    if (event.name === "Deposited" && event.id !== counts.nextDepositId++) return null;
    const starts = event.name === "ExitStarted" || event.name === "InFlightExitStarted";
    if (starts && event.number !== counts.nextExitNumber++) return null;
  }
  return counts;
}
