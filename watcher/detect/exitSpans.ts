import { inFlightExitAfter, standardExitAfter } from "@plasma-billing/ethereum/exitEntries.ts";
import type { RootChainEvent } from "@plasma-billing/ethereum/rootChain.ts";
import type { ExitEntry, InFlightExitEntry } from "@plasma-billing/protocol/entries.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { exitingOutputs, holds } from "@plasma-billing/protocol/inFlightExits.ts";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";

export interface EthereumBlock {
  number: number;
  hash: Hex;
}

/** A time in the order of the contract's events in which an exit held an output, or from which on it had paid or blocked it. */
export interface ExitSpan {
  outputId: OutputId;
  /** Number of the exit. */
  exit: number;
  finalized: boolean;
  /** Place among the events; `to` is the first that it does not reach, Infinity while it goes on. */
  from: number;
  to: number;
  /** Ethereum block that it began in. */
  ethereumBlock: EthereumBlock;
}

/** When a block was committed. */
export interface CommitPoint {
  number: number;
  transactionsRoot: Hex;
  /** Place among the events. */
  at: number;
  /** Seconds. */
  timestamp: number;
}

export interface Spans {
  spans: ExitSpan[];
  commits: Map<number, CommitPoint>;
}

type AnyExit = ExitEntry | InFlightExitEntry;

/** Folds the contract's events, from the first, into what exits held and when blocks were committed. Pure. */
export function spansOf(events: Iterable<RootChainEvent>): Spans {
  const fold = new Fold();
  let at = 0;
  for (const event of events) fold.take(event, at++);
  return { spans: fold.spans, commits: fold.commits };
}

class Fold {
  readonly spans: ExitSpan[] = [];
  readonly commits = new Map<number, CommitPoint>();
  private readonly exits = new Map<number, AnyExit>();
  /** Numbers of in-flight exits. */
  private readonly byInput = new Map<OutputId, Set<number>>();
  private readonly finalizedBy = new Map<OutputId, number>();
  /** Spans that go on, by exit and output. */
  private readonly open = new Map<string, ExitSpan>();

  take(event: RootChainEvent, at: number): void {
    if (event.name === "BlockCommitted") {
      const { number, transactionsRoot, timestamp } = event;
      this.commits.set(number, { number, transactionsRoot, timestamp, at });
      return;
    }
    if (event.name === "Deposited") return;
    const ethereumBlock = { number: event.ethereumBlock, hash: event.ethereumBlockHash };
    if (event.name === "OutputFinalized" && !this.finalizedBy.has(event.outputId)) {
      this.finalizedBy.set(event.outputId, event.number);
      const { outputId, number: exit } = event;
      this.spans.push({ outputId, exit, finalized: true, from: at, to: Infinity, ethereumBlock });
    }
    const exit = this.after(event);
    if (exit !== null) this.exits.set(exit.number, exit);
    if (event.name === "InFlightExitStarted") {
      for (const id of event.inputIds) this.byInput.set(id, (this.byInput.get(id) ?? new Set()).add(event.number));
    }
    const touched = exit === null ? [] : [exit];
    // An input that is finalized decides about the outputs of the in-flight exits that spend it.
    if (event.name === "OutputFinalized") touched.push(...this.spending(event.outputId));
    for (const each of touched) for (const id of outputsOf(each)) this.follow(each, id, at, ethereumBlock);
  }

  private spending(id: OutputId): InFlightExitEntry[] {
    return [...(this.byInput.get(id) ?? [])].map((number) => this.exits.get(number) as InFlightExitEntry);
  }

  private after(event: RootChainEvent): AnyExit | null {
    const standard = (number: number): ExitEntry | undefined => {
      const exit = this.exits.get(number);
      return exit?.type === "exit" ? exit : undefined;
    };
    const inFlight = (number: number): InFlightExitEntry | undefined => {
      const exit = this.exits.get(number);
      return exit?.type === "inFlightExit" ? exit : undefined;
    };
    return standardExitAfter(event, standard, false) ?? inFlightExitAfter(event, inFlight, false);
  }

  private follow(exit: AnyExit, outputId: OutputId, at: number, ethereumBlock: EthereumBlock): void {
    const key = `${exit.number}:${outputId}`;
    const span = this.open.get(key);
    const held = exit.type === "exit" ? exit.state === "started" : holds(exit, outputId, () => this.isBlocked(exit));
    if (held && span === undefined) {
      const begun = { outputId, exit: exit.number, finalized: false, from: at, to: Infinity, ethereumBlock };
      this.open.set(key, begun);
      this.spans.push(begun);
    } else if (!held && span !== undefined) {
      span.to = at;
      this.open.delete(key);
    }
  }

  /** Another exit finalized an input: this one cannot end canonical. */
  private isBlocked({ number, inputs }: InFlightExitEntry): boolean {
    return inputs.some(({ outputId }) => (this.finalizedBy.get(outputId) ?? number) !== number);
  }
}

function outputsOf(exit: AnyExit): OutputId[] {
  return exit.type === "exit" ? [exit.outputId] : exitingOutputs(exit).map(({ outputId }) => outputId);
}
