import { recover } from "@plasma-billing/ethereum/verification/recover.ts";
import { DEPOSIT_ORIGIN } from "@plasma-billing/protocol/entryBytes.ts";
import { fromHex, toHex } from "@plasma-billing/protocol/hex.ts";
import type { LiveOutputs } from "@plasma-billing/protocol/liveOutputs.ts";
import type { LedgerOutput } from "@plasma-billing/protocol/output.ts";
import { formFault, inputFault } from "@plasma-billing/protocol/payment.ts";
import {
  countsAt,
  decodePayment,
  HASH_BYTES,
  OUTPUT_BYTES,
  outputAt,
  outputsAt,
  type PaymentCounts,
} from "@plasma-billing/protocol/paymentBytes.ts";
import type { OutputId, SignedTransaction } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { PAYMENT_IN_VERIFIED } from "@plasma-billing/protocol/verifiedPayment.ts";
import { hashIn, paymentIn, type VerifiedRecord } from "./records.ts";
import type { GuardedPayment } from "./types.ts";

/** Of an input: owner, token, amount and origin, as docs/FORMATS.md has them. */
const SPENT_BYTES = OUTPUT_BYTES + 9;
const ADDRESS_BYTES = 20;
/** Block number and transaction index. */
const PLACE_BYTES = 8;

/** Tells of the payments of the guarded. */
export class Guarded {
  readonly owners: ReadonlySet<Address>;
  private readonly onPayment: (payment: GuardedPayment) => void;
  private readonly firstWords: Set<number>;
  private readonly scratch = new DataView(new ArrayBuffer(SPENT_BYTES));
  /** Of one piece: each as place, hash, payment and spent outputs behind each other. */
  private untold: Uint8Array[] = [];

  constructor(owners: ReadonlySet<Address>, onPayment: (payment: GuardedPayment) => void) {
    this.owners = new Set([...owners].map((owner) => owner.toLowerCase() as Address));
    this.onPayment = onPayment;
    this.firstWords = new Set([...this.owners].map((owner) => new DataView(fromHex(owner).buffer).getInt32(0)));
  }

  /** A payment that was screened and is admitted next; it is told of by `tell`, once it is on the disk. */
  look(record: VerifiedRecord, counts: PaymentCounts, outputs: LiveOutputs, inputs: Int32Array, place: number[]): void {
    if (this.owners.size === 0 || !this.concerns(record, counts, outputs, inputs)) return;
    const payment = paymentIn(record, counts);
    const kept = new Uint8Array(PLACE_BYTES + HASH_BYTES + payment.length + counts.inputs * SPENT_BYTES);
    const view = new DataView(kept.buffer);
    const [blockNumber, transactionIndex] = place as [number, number];
    view.setUint32(0, blockNumber);
    view.setUint32(4, transactionIndex);
    kept.set(hashIn(record), PLACE_BYTES);
    kept.set(payment, PLACE_BYTES + HASH_BYTES);
    const spent = PLACE_BYTES + HASH_BYTES + payment.length;
    for (let i = 0; i < counts.inputs; i++) outputs.describe(inputs[i] as number, view, spent + i * SPENT_BYTES);
    this.untold.push(kept);
  }

  /**
   * A payment of a block that is not judged. It is told when it pays somebody guarded and its payers' signatures and sums are right:
   * it may leave in flight, whatever else is in its block.
   * @param outputOf - what blocks of Ethereum before every bad one made
   */
  lookUnjudged(payment: Uint8Array, hash: Uint8Array, outputOf: (id: OutputId) => LedgerOutput | undefined): void {
    if (this.owners.size === 0) return;
    const view = new DataView(payment.buffer, payment.byteOffset, payment.byteLength);
    if (!this.pays(view, 0, countsAt(payment, 0))) return;
    let transaction: SignedTransaction;
    try {
      transaction = decodePayment(payment);
    } catch {
      return;
    }
    const inputs = transaction.inputs.map(outputOf);
    if (!inputs.every((input) => input !== undefined) || formFault(transaction) !== null) return;
    const signers = transaction.signatures.map((signature) => {
      const signer = recover(hash, fromHex(signature));
      return signer === null ? null : toHex(signer);
    });
    if (inputFault(transaction, signers, outputOf) !== null) return;
    this.onPayment({ place: null, hash: toHex(hash), transaction, inputs });
  }

  /** @throws what whoever is told does: it is told again */
  tell(): void {
    for (const kept of this.untold) this.onPayment(decode(kept));
    this.untold = [];
  }

  /** What was not told is gone. */
  forget(): void {
    this.untold = [];
  }

  private concerns(record: VerifiedRecord, counts: PaymentCounts, outputs: LiveOutputs, inputs: Int32Array): boolean {
    const { scratch } = this;
    if (this.pays(record.view, record.at + PAYMENT_IN_VERIFIED, counts)) return true;
    for (let i = 0; i < counts.inputs; i++) {
      outputs.describe(inputs[i] as number, scratch, 0);
      if (this.isGuarded(scratch, 0)) return true;
    }
    return false;
  }

  /** Whether an output of the payment that begins there is somebody's who is guarded. */
  private pays(view: DataView, payment: number, counts: PaymentCounts): boolean {
    for (let i = 0, owner = payment + outputsAt(counts); i < counts.outputs; i++, owner += OUTPUT_BYTES) {
      if (this.isGuarded(view, owner)) return true;
    }
    return false;
  }

  private isGuarded(view: DataView, at: number): boolean {
    // Most are told apart by four bytes.
    if (!this.firstWords.has(view.getInt32(at))) return false;
    return this.owners.has(toHex(new Uint8Array(view.buffer, view.byteOffset + at, ADDRESS_BYTES)));
  }
}

function decode(kept: Uint8Array): GuardedPayment {
  const view = new DataView(kept.buffer, kept.byteOffset, kept.byteLength);
  const payment = PLACE_BYTES + HASH_BYTES;
  // The number of inputs stands in the payment itself.
  const spent = kept.length - (kept[payment + 2] as number) * SPENT_BYTES;
  const transaction = decodePayment(kept, payment, spent);
  return {
    place: { blockNumber: view.getUint32(0), transactionIndex: view.getUint32(4) },
    hash: toHex(kept.subarray(PLACE_BYTES, payment)),
    transaction,
    inputs: transaction.inputs.map((id, i) => spentOutput(id, kept, view, spent + i * SPENT_BYTES)),
  };
}

function spentOutput(id: OutputId, bytes: Uint8Array, view: DataView, at: number): LedgerOutput {
  const origin = at + OUTPUT_BYTES;
  const outputIndex = view.getUint8(origin + 8);
  const isDeposit = outputIndex === DEPOSIT_ORIGIN;
  return {
    id,
    ...outputAt(bytes, at),
    state: "available",
    blockNumber: isDeposit ? null : view.getUint32(origin),
    transactionIndex: isDeposit ? null : view.getUint32(origin + 4),
    outputIndex: isDeposit ? 0 : outputIndex,
    depositId: isDeposit ? view.getBigUint64(origin) : null,
  };
}
