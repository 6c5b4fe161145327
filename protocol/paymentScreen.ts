import type { LiveOutputs } from "./liveOutputs.ts";
import { ADDRESS_BYTES, HASH_BYTES, INPUTS_AT, OUTPUT_BYTES, outputsAt, type PaymentCounts } from "./paymentBytes.ts";

/**
 * Whether a payment breaks none of the ledger's rules, told from its bytes without an object or a string. It says no more:
 * which rule it is, `formFault` and `inputFault` find out, in their order, and must agree.
 * @param records gets the numbers of the inputs' records
 * @param payment where the payment begins
 * @param signers where the recovered signers begin; null: what was journaled is applied again
 */
export function screens(
  outputs: LiveOutputs,
  records: Int32Array,
  view: DataView,
  payment: number,
  counts: PaymentCounts,
  signers: number | null,
): boolean {
  if (counts.signatures !== counts.inputs) return false;
  for (let i = 0; i < counts.inputs; i++) {
    const record = outputs.find(view, payment + INPUTS_AT + HASH_BYTES * i);
    if (record === -1) return false;
    for (let j = 0; j < i; j++) if (records[j] === record) return false;
    if (signers === null) {
      if (outputs.state(record) === "withdrawn") return false;
    } else {
      if (outputs.state(record) !== "available") return false;
      if (!outputs.ownerIs(record, view, signers + ADDRESS_BYTES * i)) return false;
    }
    records[i] = record;
  }
  const first = payment + outputsAt(counts);
  for (let i = 0, at = first; i < counts.outputs; i++, at += OUTPUT_BYTES) {
    if (isZero(view, at, ADDRESS_BYTES) || isZero(view, at + 2 * ADDRESS_BYTES, HASH_BYTES)) return false;
  }
  return outputs.balances(records, counts.inputs, view, first, counts.outputs);
}

function isZero(view: DataView, at: number, length: number): boolean {
  for (let i = length - 4; i >= 0; i -= 4) if (view.getInt32(at + i) !== 0) return false;
  return true;
}
