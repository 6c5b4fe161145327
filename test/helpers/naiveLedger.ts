import { PURPOSES, depositHash, outputId, type SignedTransaction } from "@plasma-billing/protocol/transaction.ts";
import type { Entry, InFlightExitEntry } from "@plasma-billing/protocol/entries.ts";

interface NaiveOutput {
  id: string;
  owner: string;
  token: string;
  amount: bigint;
  spent: boolean;
}

/**
 * The ledger's rules written in the most obvious way: lists, searched from the start each time, and the rules in the order
 * of the design's list. Shares nothing with the real one but the ids of outputs, which have an oracle of their own.
 */
export class NaiveLedger {
  readonly outputs: NaiveOutput[] = [];
  readonly blocks: string[][] = [[]];
  /** The last state told of each exit, in the order of their numbers' first appearance. */
  exits: { number: number; outputId: string; state: string; paid: boolean }[] = [];
  /** The same of in-flight exits. */
  flights: InFlightExitEntry[] = [];
  private readonly separator: `0x${string}`;

  constructor(separator: `0x${string}`) {
    this.separator = separator;
  }

  stateOf(id: string): string {
    const output = this.outputs.find((one) => one.id === id);
    if (output === undefined) return "unknown";
    if (output.spent) return "spent";
    const exits = this.exits.filter((exit) => exit.outputId === id);
    if (exits.some((exit) => exit.state === "finalized" && exit.paid)) return "withdrawn";
    if (this.flights.some((flight) => this.finalizedBy(flight).includes(id))) return "withdrawn";
    if (exits.some((exit) => exit.state === "started")) return "exiting";
    if (this.flights.some((flight) => this.heldBy(flight).includes(id))) return "exiting";
    return "available";
  }

  judge(transaction: SignedTransaction, signers: (string | null)[]): string | null {
    const { purpose, inputs, outputs, signatures, fileHash } = transaction;
    const file = ["upload", "extension", "purchase"].includes(purpose);
    if (!(purpose in PURPOSES) || inputs.length < 1 || inputs.length > 16) return "MALFORMED";
    if (outputs.length < 1 || outputs.length > 16) return "MALFORMED";
    if (file === /^0x0*$/.test(fileHash)) return "MALFORMED";
    if (signatures.length !== inputs.length) return "WRONG_SIGNATURE_COUNT";
    if (new Set(inputs).size !== inputs.length) return "DUPLICATE_INPUT";
    if (outputs.some((output) => output.amount === 0n)) return "ZERO_AMOUNT";
    if (outputs.some((output) => /^0x0*$/.test(output.owner))) return "ZERO_OWNER";
    if (inputs.some((id) => this.stateOf(id) === "unknown")) return "UNKNOWN_INPUT";
    if (inputs.some((id) => this.stateOf(id) === "spent")) return "INPUT_SPENT";
    if (inputs.some((id) => this.stateOf(id) !== "available")) return "INPUT_EXITING";
    const owners = inputs.map((id) => this.outputs.find((output) => output.id === id)?.owner);
    if (owners.some((owner, i) => owner !== signers[i])) return "BAD_SIGNATURE";
    const tokens = [...new Set([...outputs.map((output) => output.token), ...inputs.map((id) => this.tokenOf(id))])];
    for (const token of tokens) {
      const sum = (amounts: bigint[]): bigint => amounts.reduce((a, b) => a + b, 0n);
      const ins = this.outputs.filter((output) => (inputs as string[]).includes(output.id) && output.token === token);
      const outs = outputs.filter((output) => output.token === token);
      if (sum(ins.map((output) => output.amount)) !== sum(outs.map((output) => output.amount))) return "UNBALANCED";
    }
    return purpose === "transfer" ? null : "WRONG_ROLE";
  }

  apply(entry: Entry): void {
    if (entry.type === "payment") {
      for (const output of this.outputs)
        if ((entry.transaction.inputs as string[]).includes(output.id)) output.spent = true;
      for (const [index, { owner, token, amount }] of entry.transaction.outputs.entries()) {
        this.outputs.push({ id: outputId(entry.hash, index), owner, token, amount, spent: false });
      }
      this.blocks.at(-1)!.push(entry.hash);
    }
    if (entry.type === "deposit") {
      const { id, owner, token, amount } = entry;
      const hash = depositHash(this.separator, { id, owner, token, amount });
      this.outputs.push({ id: outputId(hash, 0), owner, token, amount, spent: false });
    }
    if (entry.type === "exit") {
      this.exits = this.exits.filter((exit) => exit.number !== entry.number);
      if (entry.state !== "removed") this.exits.push(entry);
    }
    if (entry.type === "inFlightExit") {
      this.flights = this.flights.filter((flight) => flight.number !== entry.number);
      if (entry.state !== "removed") this.flights.push(entry);
    }
    if (entry.type === "seal") this.blocks.push([]);
  }

  private finalizedBy({ inputs, outputs }: InFlightExitEntry): string[] {
    return [...inputs, ...outputs].filter((one) => one.finalized).map((one) => one.outputId);
  }

  /** Any input of an exit that can be challenged, and whatever is piggybacked and may still be paid. */
  private heldBy(flight: InFlightExitEntry): string[] {
    const { state, canonical, inputs, outputs } = flight;
    if (state === "closed") return [];
    const ids = inputs.map((input) => input.outputId);
    const decidedOtherwise =
      this.exits.some((exit) => exit.paid && ids.some((id) => id === exit.outputId)) ||
      this.flights.some((other) => other !== flight && ids.some((id) => this.finalizedBy(other).includes(id)));
    const inputsMayBePaid = state === "started" || canonical === false;
    const outputsMayBePaid = state === "started" ? !decidedOtherwise : canonical === true;
    return [
      ...(state === "started" ? ids : []),
      ...inputs.filter((one) => one.piggyback === "live" && inputsMayBePaid).map((one) => one.outputId),
      ...outputs.filter((one) => one.piggyback === "live" && outputsMayBePaid).map((one) => one.outputId),
    ];
  }

  private tokenOf(id: string): string {
    return this.outputs.find((output) => output.id === id)!.token;
  }
}
