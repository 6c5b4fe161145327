import type { ExitEntry, InFlightExitEntry } from "./entries.ts";
import { InvariantError } from "./errors.ts";
import { exitingOutputs, holds } from "./inFlightExits.ts";
import type { OutputId } from "./transaction.ts";

export type AnyExitEntry = ExitEntry | InFlightExitEntry;

/** An exit as Ethereum shows it now, and as it stood when nothing could take that away. */
export interface ExitRecord<E extends AnyExitEntry = ExitEntry> {
  current: E;
  final: E | null;
}

/** The exits on Ethereum, of outputs the ledger knows and of those it does not know (yet). */
export class ExitBook {
  private readonly standard = new Map<number, ExitRecord>();
  private readonly inFlight = new Map<number, ExitRecord<InFlightExitEntry>>();
  private readonly byOutput = new Map<OutputId, Set<AnyExitEntry>>();
  /** First four bytes of all output ids any exit ever named. */
  private readonly idStarts = new Set<number>();
  /** Those that paid or blocked an output: one, but for moments between the entries of one update. */
  private readonly finalizers = new Map<OutputId, Set<AnyExitEntry>>();

  /** Standard exits, of payments' outputs and of deposits. */
  get all(): ReadonlyMap<number, ExitRecord> {
    return this.standard;
  }

  get allInFlight(): ReadonlyMap<number, ExitRecord<InFlightExitEntry>> {
    return this.inFlight;
  }

  /** False for an output no exit ever named, told from its id's first four bytes: so for nearly all of them. */
  mayConcern(idStart: number): boolean {
    return this.idStarts.has(idStart);
  }

  /** Ids of all outputs an exit is about. */
  outputIds(): Iterable<OutputId> {
    return this.byOutput.keys();
  }

  /** Entries that make the same book: of each exit what is final, then what is current. */
  entries(): AnyExitEntry[] {
    const records = [...this.standard.values(), ...this.inFlight.values()];
    const finals = records.flatMap(({ final }) => final ?? []);
    return [...finals, ...records.filter(({ current, final }) => current !== final).map(({ current }) => current)];
  }

  /** Takes the state an exit has now; gives the outputs whose own state may be another one by that. */
  apply(entry: AnyExitEntry): Iterable<OutputId> {
    return entry.type === "exit"
      ? this.take(this.standard, this.inFlight, entry)
      : this.take(this.inFlight, this.standard, entry);
  }

  /** What the exits of an output make of it: taken out, on its way, or neither. */
  stateOf(outputId: OutputId): "withdrawn" | "exiting" | null {
    if (this.finalizers.has(outputId)) return "withdrawn";
    for (const exit of this.byOutput.get(outputId) ?? []) {
      const held = exit.type === "exit" ? exit.state === "started" : holds(exit, outputId, () => this.isBlocked(exit));
      if (held) return "exiting";
    }
    return null;
  }

  private take<E extends AnyExitEntry>(
    records: Map<number, ExitRecord<E>>,
    others: ReadonlyMap<number, ExitRecord<AnyExitEntry>>,
    entry: E,
  ): Iterable<OutputId> {
    const { number } = entry;
    const record = records.get(number);
    const final = record?.final ?? null;
    if (entry.state === "removed") {
      if (record === undefined || final !== null || entry.final) {
        throw new InvariantError("only an exit that is not final can be removed", { number });
      }
    } else {
      if ((final !== null && subjectOf(final) !== subjectOf(entry)) || others.get(number)?.final) {
        throw new InvariantError("an exit's number stands for another", { number });
      }
      if (final !== null && contradicts(final, entry)) {
        throw new InvariantError("what is final of an exit cannot change", { number });
      }
    }
    const touched = new Set<OutputId>();
    if (record !== undefined) this.unlink(record.current, touched);
    if (entry.state === "removed") records.delete(number);
    else {
      this.link(entry, touched);
      records.set(number, { current: entry, final: entry.final ? entry : final });
    }
    return touched;
  }

  private link(entry: AnyExitEntry, touched: Set<OutputId>): void {
    for (const id of idsOf(entry)) {
      add(this.byOutput, id, entry);
      this.idStarts.add(Number(id.slice(0, 10)) | 0);
      touched.add(id);
    }
    for (const id of finalizedBy(entry)) {
      add(this.finalizers, id, entry);
      this.touchSpenders(id, touched);
    }
  }

  private unlink(entry: AnyExitEntry, touched: Set<OutputId>): void {
    for (const id of finalizedBy(entry)) {
      remove(this.finalizers, id, entry);
      this.touchSpenders(id, touched);
    }
    for (const id of idsOf(entry)) {
      remove(this.byOutput, id, entry);
      touched.add(id);
    }
  }

  /** An output that is finalized decides about the outputs of the in-flight exits it is an input of. */
  private touchSpenders(id: OutputId, touched: Set<OutputId>): void {
    for (const exit of this.byOutput.get(id) ?? []) {
      if (exit.type === "inFlightExit") for (const { outputId } of exit.outputs) touched.add(outputId);
    }
  }

  private isBlocked(exit: InFlightExitEntry): boolean {
    return exit.inputs.some(({ outputId }) => [...(this.finalizers.get(outputId) ?? [])].some((by) => by !== exit));
  }
}

/** What an exit's number stands for. */
function subjectOf(entry: AnyExitEntry): string {
  return entry.type === "exit" ? entry.outputId : entry.transactionHash;
}

/** Whether an exit cannot become this after what was final. */
function contradicts(final: AnyExitEntry, entry: AnyExitEntry): boolean {
  if (final.type === "exit" || entry.type === "exit") return final.state !== "started";
  // One that was processed may be in further queues, but what it pays is decided.
  return final.state === "closed" || (final.canonical !== null && entry.canonical !== final.canonical);
}

function idsOf(entry: AnyExitEntry): OutputId[] {
  return entry.type === "exit" ? [entry.outputId] : exitingOutputs(entry).map(({ outputId }) => outputId);
}

/** What an exit paid or blocked. */
function finalizedBy(entry: AnyExitEntry): OutputId[] {
  if (entry.type === "exit") return entry.state === "finalized" && entry.paid ? [entry.outputId] : [];
  return exitingOutputs(entry)
    .filter(({ finalized }) => finalized)
    .map(({ outputId }) => outputId);
}

function add(sets: Map<OutputId, Set<AnyExitEntry>>, id: OutputId, entry: AnyExitEntry): void {
  const set = sets.get(id);
  if (set === undefined) sets.set(id, new Set([entry]));
  else set.add(entry);
}

function remove(sets: Map<OutputId, Set<AnyExitEntry>>, id: OutputId, entry: AnyExitEntry): void {
  const set = sets.get(id);
  set?.delete(entry);
  if (set?.size === 0) sets.delete(id);
}
