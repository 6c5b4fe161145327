import { randomBytes } from "node:crypto";
import { ProtocolError } from "@plasma-billing/protocol/errors.ts";
import { toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { LiveOutputs, type Totals } from "@plasma-billing/protocol/liveOutputs.ts";
import { MerkleFrontier } from "@plasma-billing/protocol/merkle.ts";
import type { LedgerOutput } from "@plasma-billing/protocol/output.ts";
import type { TableSecret } from "@plasma-billing/protocol/outputTable.ts";
import { formFault, inputFault } from "@plasma-billing/protocol/payment.ts";
import {
  decodePayment,
  HASH_BYTES,
  INPUTS_AT,
  OUTPUT_BYTES,
  outputsAt,
  type PaymentCounts,
} from "@plasma-billing/protocol/paymentBytes.ts";
import { screens } from "@plasma-billing/protocol/paymentScreen.ts";
import {
  depositHash,
  MAX_INPUTS,
  outputId,
  ZERO_HASH,
  type Deposit,
  type OutputId,
} from "@plasma-billing/protocol/transaction.ts";
import { PAYMENT_IN_VERIFIED, signersOf, verifiedBytes } from "@plasma-billing/protocol/verifiedPayment.ts";
import { Words } from "@plasma-billing/protocol/words.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { DepositBits } from "./depositBits.ts";
import { hashIn, paymentIn, signersIn, type VerifiedRecord } from "./records.ts";
import type { SpentDeposit } from "./store.ts";
import type { RootAndCount } from "./types.ts";

/** The state a snapshot has, and where it is. */
export interface RestoredState {
  blocks: RootAndCount[];
  payments: number;
  totals: [Address, Totals][];
  pages: Int32Array<ArrayBuffer>[];
  taken: Uint8Array<ArrayBuffer>;
}

/** What stands behind an output id, taken in when a payment first spends it; `final` when Ethereum cannot take it back. */
export type DepositOf = (id: OutputId) => (Deposit & { final?: boolean }) | undefined;

/** The outputs behind the payments so far, and the tree of the block they are in. Forgets what is spent. */
export class ChainState {
  readonly outputs: LiveOutputs;
  /** That have ended, from number 1 on. */
  readonly blocks: RootAndCount[];
  /** Of all blocks, the open one included. */
  payments: number;
  /** Numbers of the records of the inputs that were screened last. */
  readonly inputs = new Int32Array(MAX_INPUTS);
  private readonly separator: Hex;
  private readonly depositOf: DepositOf;
  private readonly taken: DepositBits;
  private tree = new MerkleFrontier();
  private chain: Hex = ZERO_HASH;

  constructor(separator: Hex, depositOf: DepositOf, restored?: RestoredState) {
    this.separator = separator;
    this.depositOf = depositOf;
    // Drawn anew: whoever knew it could make ids that stand in each other's way.
    const secret = randomBytes(8);
    const pair: TableSecret = [secret.readInt32LE(0), secret.readInt32LE(4)];
    this.outputs = new LiveOutputs(pair, restored?.totals, restored?.pages);
    this.taken = new DepositBits(restored?.taken);
    this.blocks = restored?.blocks ?? [];
    this.payments = restored?.payments ?? 0;
    for (const block of this.blocks) this.chain = chained(this.chain, block);
  }

  /** Number of the block that the next payment is in. */
  get number(): number {
    return this.blocks.length + 1;
  }

  /** Payments in it. */
  get count(): number {
    return this.tree.count;
  }

  /** Of the payments in it; needs at least one. */
  get root(): Hex {
    return this.tree.root();
  }

  /** A hash over the roots of all blocks that have ended. */
  get basis(): Hex {
    return this.chain;
  }

  /** An output that is not spent, also a deposit that no payment has spent yet. */
  output(id: OutputId): LedgerOutput | undefined {
    const record = this.outputs.findId(id);
    if (record !== -1) return this.outputs.read(record);
    const deposit = this.depositOf(id);
    if (deposit === undefined || this.taken.has(deposit.id)) return undefined;
    const { owner, token, amount } = deposit;
    const nowhere = { blockNumber: null, transactionIndex: null, outputIndex: 0 };
    return { id, owner, token, amount, state: "available", ...nowhere, depositId: deposit.id };
  }

  /** Whether the payment may be; its inputs' records are in `inputs` then. */
  screens({ view, at }: VerifiedRecord, counts: PaymentCounts, signed: boolean): boolean {
    const signers = signed ? signersOf(at, counts) : null;
    return screens(this.outputs, this.inputs, view, at + PAYMENT_IN_VERIFIED, counts, signers);
  }

  /** Takes in deposits that the payment spends first; gives them. */
  takeDeposits({ bytes, at }: VerifiedRecord, counts: PaymentCounts, depositOf = this.depositOf): SpentDeposit[] {
    const taken: SpentDeposit[] = [];
    for (let i = 0; i < counts.inputs; i++) {
      const start = at + PAYMENT_IN_VERIFIED + INPUTS_AT + HASH_BYTES * i;
      const id = toHex(bytes.subarray(start, start + HASH_BYTES));
      if (this.outputs.findId(id) !== -1) continue;
      const deposit = depositOf(id);
      if (deposit === undefined || this.taken.has(deposit.id)) continue;
      if (outputId(depositHash(this.separator, deposit), 0) !== id || deposit.amount === 0n) continue;
      this.taken.add(deposit.id);
      this.outputs.createDeposit(id, deposit.id, deposit, "available");
      const { id: number, owner, token, amount } = deposit;
      taken.push({ ...{ id: number, owner, token, amount }, outputId: id, blockNumber: this.number });
    }
    return taken;
  }

  /** The rule that a payment breaks which was screened out. Inputs that are spent are unknown here. */
  fault(record: VerifiedRecord, counts: PaymentCounts, signed: boolean): ProtocolError {
    const transaction = decodePayment(paymentIn(record, counts));
    const fault =
      formFault(transaction) ??
      inputFault(transaction, signed ? signersIn(record, counts) : null, (id) => {
        const known = this.outputs.findId(id);
        return known === -1 ? undefined : this.outputs.read(known);
      });
    return fault ?? new ProtocolError("MALFORMED", "the payment breaks a rule", { hash: toHex(hashIn(record)) });
  }

  /** Spends and creates, by a payment that was screened just now. */
  admit(record: VerifiedRecord, counts: PaymentCounts): void {
    const { view, at } = record;
    for (let i = 0; i < counts.inputs; i++) this.outputs.spend(this.inputs[i] as number);
    const { number, count } = this;
    const outputs = at + PAYMENT_IN_VERIFIED + outputsAt(counts);
    const ids = at + verifiedBytes(counts) - 20 * counts.signatures - HASH_BYTES * counts.outputs;
    for (let i = 0; i < counts.outputs; i++) {
      this.outputs.create(view, ids + HASH_BYTES * i, outputs + OUTPUT_BYTES * i, [number, count, i], "available");
    }
    this.tree.append(hashIn(record).slice());
    this.payments++;
  }

  /** What the block with this number stands on. */
  basisOf(number: number): Hex {
    return this.blocks.slice(0, number - 1).reduce(chained, ZERO_HASH);
  }

  /** What `basis` would be if the block ended here. */
  basisAfter(): Hex {
    return chained(this.chain, { root: this.root, count: this.count });
  }

  /** Ends the block. */
  seal(): RootAndCount {
    const block = { root: this.tree.root(), count: this.tree.count };
    this.blocks.push(block);
    this.chain = chained(this.chain, block);
    this.tree = new MerkleFrontier();
    return block;
  }

  /** All that a snapshot needs beside the pages. Only between two blocks. */
  export(): Omit<RestoredState, "pages"> & { stateHash: Hex; outputCount: number } {
    return {
      blocks: [...this.blocks],
      payments: this.payments,
      totals: [...this.outputs.totals].map(([token, totals]) => [token, { ...totals }]),
      taken: this.taken.copy(),
      stateHash: this.stateHash(),
      outputCount: this.outputs.size,
    };
  }

  stateHash(): Hex {
    return this.outputs.stateHash(this.number);
  }
}

/** keccak256(abi.encode(before, root, count)) */
function chained(before: Hex, { root, count }: RootAndCount): Hex {
  return toHex(new Words(3).hex(before).hex(root).uint(count).hash());
}
