import type { ExitEntry } from "./entries.ts";
import { InvariantError } from "./errors.ts";
import type { OutputId } from "./transaction.ts";

/** An exit as Ethereum shows it now, and as it stood when nothing could take that away. */
export interface ExitRecord {
  current: ExitEntry;
  final: ExitEntry | null;
}

/** The exits on Ethereum, of outputs the ledger knows and of those it does not know (yet). */
export class ExitBook {
  private readonly records = new Map<number, ExitRecord>();
  private readonly numbersByOutput = new Map<OutputId, number[]>();

  get all(): ReadonlyMap<number, ExitRecord> {
    return this.records;
  }

  /** Takes the state an exit has now. */
  apply(entry: ExitEntry): void {
    const record = this.records.get(entry.number);
    if (record !== undefined && record.current.outputId !== entry.outputId && record.final !== null) {
      throw new InvariantError("an exit's number stands for another output", { number: entry.number });
    }
    if (entry.state === "removed") {
      if (record === undefined || record.final !== null || entry.final) {
        throw new InvariantError("only an exit that is not final can be removed", { number: entry.number });
      }
      this.remove(record.current);
      return;
    }
    if (record?.final && ["challenged", "finalized", "unpayable"].includes(record.final.state)) {
      throw new InvariantError("an exit that ended for good cannot change", { number: entry.number });
    }
    if (record !== undefined) this.remove(record.current);
    this.records.set(entry.number, { current: entry, final: entry.final ? entry : (record?.final ?? null) });
    this.numbersByOutput.set(entry.outputId, [...(this.numbersByOutput.get(entry.outputId) ?? []), entry.number]);
  }

  /** What the exits of an output make of it: taken out, on its way, or neither. */
  stateOf(outputId: OutputId): "withdrawn" | "exiting" | null {
    const exits = (this.numbersByOutput.get(outputId) ?? []).map((number) => this.records.get(number)?.current);
    if (exits.some((exit) => exit?.state === "finalized" && exit.paid)) return "withdrawn";
    return exits.some((exit) => exit?.state === "started") ? "exiting" : null;
  }

  private remove(entry: ExitEntry): void {
    this.records.delete(entry.number);
    const others = (this.numbersByOutput.get(entry.outputId) ?? []).filter((number) => number !== entry.number);
    if (others.length === 0) this.numbersByOutput.delete(entry.outputId);
    else this.numbersByOutput.set(entry.outputId, others);
  }
}
