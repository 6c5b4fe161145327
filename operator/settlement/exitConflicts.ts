import type { EthereumRpc, Header } from "@plasma-billing/ethereum/rpc.ts";
import type { Ledger } from "@plasma-billing/protocol/ledger.ts";
import { exitingOutputs, holds } from "@plasma-billing/protocol/inFlightExits.ts";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import { IndexBehindError } from "../index/ports.ts";
import type { Payment } from "../reads.ts";
import type { Sending } from "./planner.ts";

/** A block may spend what has been exiting for W/8; it is not sent when half of that has passed, for it takes time to land. */
const SLACK = 16;

export interface ExitConflictOptions {
  ledger: Ledger;
  rpc: Pick<EthereumRpc, "block">;
  /** W, in seconds. */
  exitPeriod: number;
  /** The accepted payment that spends an output. */
  spendOf: (id: OutputId) => Promise<Payment | null>;
}

/** An output that an exit keeps from being spent. */
interface Exiting {
  outputId: OutputId;
  exit: number;
  /** Where the exit began: an Ethereum block, or seconds. */
  begun: { block: number } | { at: number };
  /** What a challenge with the spend does not end. */
  stays: boolean;
}

/**
 * Finds whether a block spends what has been exiting for so long that it would be invalid (PROTOCOL, "Ledger rules"): such a
 * block waits until the exit was challenged with the spend, or stays where it is when that ends nothing.
 */
export class ExitConflicts {
  private readonly options: ExitConflictOptions;
  private number = 0;
  /** Of the block looked at: what is sealed does not change. */
  private spends = new Map<OutputId, Payment | null>();

  constructor(options: ExitConflictOptions) {
    this.options = options;
  }

  /** The conflict of a sealed block, as Ethereum was when this was its head. */
  async of(number: number, head: Header): Promise<Sending["exit"]> {
    try {
      return await this.find(number, head);
    } catch (error) {
      if (!(error instanceof IndexBehindError)) throw error;
      return { text: `${error.message}: block ${number} waits until exits can be compared with it`, curable: true };
    }
  }

  private async find(number: number, head: Header): Promise<Sending["exit"]> {
    const { ledger, rpc, exitPeriod } = this.options;
    let curable: Sending["exit"] = null;
    for (const { outputId, exit, begun, stays } of exiting(ledger)) {
      const spend = await this.spendIn(number, outputId);
      if (spend === null) continue;
      const began = "at" in begun ? begun.at : ((await rpc.block(begun.block))?.timestamp ?? 0);
      if (head.timestamp - began <= exitPeriod / SLACK) continue;
      const what = `payment ${spend.hash} of block ${number} spends ${outputId}, which exit ${exit}`;
      if (stays) {
        const text = `${what} has taken out or may take out: committed, the block would be invalid`;
        return { text, curable: false };
      }
      const text = `${what} has begun to take out: the block waits until that exit is challenged with the payment`;
      curable ??= { text, curable: true };
    }
    return curable;
  }

  private async spendIn(number: number, id: OutputId): Promise<Payment | null> {
    if (number !== this.number) this.spends = new Map();
    this.number = number;
    let spend = this.spends.get(id);
    if (spend === undefined) {
      spend = await this.options.spendOf(id);
      this.spends.set(id, spend);
    }
    return spend?.blockNumber === number ? spend : null;
  }
}

function* exiting({ exits, inFlightExits }: Ledger): Iterable<Exiting> {
  for (const [number, { current }] of exits) {
    const { outputId, state, paid, ethereumBlock } = current;
    const taken = state === "finalized" && paid;
    if (!taken && state !== "started") continue;
    yield { outputId, exit: number, begun: taken ? { at: 0 } : { block: ethereumBlock }, stays: taken };
  }
  for (const [number, { current }] of inFlightExits) {
    for (const output of exitingOutputs(current)) {
      const { outputId, finalized } = output;
      if (!finalized && !holds(current, outputId, () => false)) continue;
      // A spent piggyback of an output can be challenged away, that an input is one of the exit's cannot.
      const stays = finalized || current.inputs.includes(output);
      yield { outputId, exit: number, begun: { at: finalized ? 0 : current.startedAt }, stays };
    }
  }
}
