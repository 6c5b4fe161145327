import { ProtocolError } from "@plasma-billing/protocol/errors.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Market } from "@plasma-billing/protocol/market/market.ts";
import { duesOf } from "@plasma-billing/protocol/market/shares.ts";
import {
  fileHashOf,
  MAX_INPUTS,
  ZERO_HASH,
  type Output,
  type OutputId,
  type Purpose,
  type Transaction,
} from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Reads, ShownOutput } from "../reads.ts";

/** Outputs looked at to find some that suffice. */
const LOOKED_AT_MAX = 10_000;
const PAGE = 1_000;

/** What an account has does not suffice, or not in so few outputs as one payment takes. */
export class InsufficientFundsError extends Error {
  readonly context: Record<string, unknown>;
  constructor(message: string, context: Record<string, unknown>) {
    super(message);
    this.context = context;
  }
}

/** A transaction nobody has signed, and the outputs it would spend. */
export interface Prepared {
  transaction: Transaction;
  inputs: ShownOutput[];
}

/** One side of a payment: what it gives to whom, from outputs it chose or from those that suffice. */
interface Side {
  payer: Address;
  token: Address;
  payments: Output[];
  chosen: readonly OutputId[] | null;
}

export interface SwapIntent {
  storage: Address;
  gives: { token: Address; amount: bigint };
  takes: { token: Address; amount: bigint };
}

/** Makes the transactions of the marketplace's flows for wallets that do not know outputs: docs/MARKETPLACE.md. */
export class Preparation {
  private readonly reads: Pick<Reads, "outputs">;
  private readonly market: Market;

  constructor(reads: Pick<Reads, "outputs">, market: Market) {
    this.reads = reads;
    this.market = market;
  }

  /** @throws ProtocolError NO_QUOTE; InsufficientFundsError. @param now - Unix milliseconds */
  async storage(
    purpose: "upload" | "extension",
    { validator, fileId, inputs }: { validator: Address; fileId: string; inputs: OutputId[] | null },
    now: number,
  ): Promise<Prepared> {
    const fileHash = fileHashOf(fileId);
    const quote = this.market.quotesFor(fileHash, validator, now).at(-1);
    if (quote === undefined) {
      throw new ProtocolError("NO_QUOTE", "there is no quote that has not expired: ask for one", { fileId, validator });
    }
    const { serviceNode: owner, token, fee: amount } = quote;
    const side = { payer: validator, token, payments: [{ owner, token, amount }], chosen: inputs };
    return await this.make(purpose, fileHash, [side]);
  }

  /** @throws ProtocolError UNKNOWN_FILE; InsufficientFundsError */
  async purchase(intent: { mart: Address; fileId: string; inputs: OutputId[] | null }): Promise<Prepared> {
    const { mart, fileId, inputs } = intent;
    const offer = this.market.file(fileHashOf(fileId))?.offer ?? null;
    if (offer === null) throw new ProtocolError("UNKNOWN_FILE", "there is no offer of this file", { fileId });
    const { token } = offer;
    const payments = [...duesOf(offer, this.market.serviceNode)].map(([owner, amount]) => ({ owner, token, amount }));
    return await this.make("purchase", fileHashOf(fileId), [{ payer: mart, token, payments, chosen: inputs }]);
  }

  /** @throws ProtocolError WRONG_ROLE; InsufficientFundsError */
  async swap({ storage, gives, takes }: SwapIntent): Promise<Prepared> {
    const { serviceNode } = this.market;
    if (serviceNode === null) throw new ProtocolError("WRONG_ROLE", "there is no service node");
    return await this.make("swap", ZERO_HASH, [
      { payer: serviceNode, token: gives.token, payments: [{ owner: storage, ...gives }], chosen: null },
      { payer: storage, token: takes.token, payments: [{ owner: serviceNode, ...takes }], chosen: null },
    ]);
  }

  private async make(purpose: Purpose, fileHash: Hex, sides: Side[]): Promise<Prepared> {
    const inputs: ShownOutput[] = [];
    const outputs: Output[] = [];
    for (const side of sides) {
      const { payer, token, payments } = side;
      const due = total(payments);
      const spent = await this.inputsOf(side, due, Math.floor(MAX_INPUTS / sides.length));
      const change = total(spent) - due;
      inputs.push(...spent);
      outputs.push(...payments);
      if (change > 0n) outputs.push({ owner: payer, token, amount: change });
    }
    return { transaction: { purpose, inputs: inputs.map(({ id }) => id), outputs, fileHash }, inputs };
  }

  /** The smallest output that suffices, else the largest ones. */
  private async inputsOf({ payer, token, chosen }: Side, due: bigint, max: number): Promise<ShownOutput[]> {
    const own = (await this.available(payer)).filter((output) => output.token === token);
    const usable = chosen === null ? own : own.filter(({ id }) => chosen.includes(id));
    if (chosen !== null && usable.length !== chosen.length) {
      const missing = chosen.filter((id) => !usable.some((output) => output.id === id));
      throw new InsufficientFundsError("some inputs are not the payer's to spend in this token", { missing });
    }
    usable.sort((a, b) => (a.amount < b.amount ? 1 : a.amount > b.amount ? -1 : 0));
    const single = chosen === null ? usable.findLast(({ amount }) => amount >= due) : undefined;
    const picked = single === undefined ? usable.slice(0, max) : [single];
    while (chosen === null && picked.length > 1 && total(picked.slice(0, -1)) >= due) picked.pop();
    if (total(picked) < due) {
      const context = {
        payer,
        token,
        due: due.toString(),
        available: total(usable).toString(),
        outputs: usable.length,
      };
      const much = total(usable) >= due;
      throw new InsufficientFundsError(
        much ? `merge outputs first: one payment takes ${max}` : "the account has less than that",
        context,
      );
    }
    return picked;
  }

  private async available(owner: Address): Promise<ShownOutput[]> {
    const found: ShownOutput[] = [];
    let from: Parameters<Reads["outputs"]>[2] = null;
    for (let looked = 0; looked < LOOKED_AT_MAX; looked += PAGE) {
      const page: Awaited<ReturnType<Reads["outputs"]>> = await this.reads.outputs(owner, PAGE, from, "available");
      found.push(...page.items);
      if (page.next === null) break;
      from = page.next;
    }
    return found;
  }
}

function total(outputs: readonly { amount: bigint }[]): bigint {
  return outputs.reduce((sum, { amount }) => sum + amount, 0n);
}
