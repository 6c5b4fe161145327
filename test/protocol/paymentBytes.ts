import { expect } from "chai";
import fc from "fast-check";
import type { JsonEntry } from "@plasma-billing/protocol/entries.ts";
import {
  checkPaymentEntry,
  decodeEntryBytes,
  decodePaymentEntry,
  encodeJsonEntry,
  PAYMENT_AT,
} from "@plasma-billing/protocol/entryBytes.ts";
import { InvariantError, ProtocolError } from "@plasma-billing/protocol/errors.ts";
import { fromHex, toHex } from "@plasma-billing/protocol/hex.ts";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import {
  decodePayment,
  encodePayment,
  hashPayment,
  outputIdBytes,
  PAYMENT_BYTES_MAX,
  paymentBytes,
} from "@plasma-billing/protocol/paymentBytes.ts";
import { outputId, transactionHash, ZERO_HASH, type SignedTransaction } from "@plasma-billing/protocol/transaction.ts";
import { domainSeparator } from "@plasma-billing/protocol/typedData.ts";
import { verifiedPaymentBytes } from "@plasma-billing/protocol/verifiedPayment.ts";
import { addressOf, anyTransaction, bytes32, CONTRACT, DOMAIN } from "../helpers/protocol.ts";

const SEPARATOR = domainSeparator(DOMAIN);

/** What a decoder may do with bytes it was not made for: refuse, by an error of ours. */
function refusedOrTaken(decode: () => unknown): "taken" | "refused" {
  try {
    decode();
    return "taken";
  } catch (error) {
    if (error instanceof ProtocolError || error instanceof InvariantError) return "refused";
    throw error;
  }
}

/** Bytes that were right, with some changed, cut off or added. */
function damaged(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const change = fc.record({ at: fc.nat(), value: fc.nat(255), cut: fc.nat(40), add: fc.nat(40), twist: fc.nat(3) });
  return fc.tuple(bytes, change).map(([whole, { at, value, cut, add, twist }]) => {
    if (twist === 1) return whole.slice(0, Math.max(0, whole.length - cut));
    if (twist === 2) return Uint8Array.from([...whole, ...new Uint8Array(add).fill(value)]);
    const copy = whole.slice();
    // Mostly among the counts, where it hurts.
    copy[twist === 0 ? at % Math.min(8, copy.length) : at % copy.length] = value;
    return copy;
  });
}

describe("protocol: a payment's bytes", () => {
  it("INV-9: come back as they went, one encoding a payment, with the length of docs/FORMATS.md", () => {
    fc.assert(
      fc.property(anyTransaction, (transaction) => {
        const bytes = encodePayment(transaction);
        const { inputs, outputs, signatures } = transaction;
        expect(bytes.length).to.equal(37 + 32 * inputs.length + 72 * outputs.length + 65 * signatures.length);
        expect(bytes.length).to.equal(paymentBytes(inputs.length, outputs.length, signatures.length));
        expect(decodePayment(bytes)).to.deep.equal(transaction);
        expect(toHex(encodePayment(decodePayment(bytes)))).to.equal(toHex(bytes));
        expect(() => decodePayment(Uint8Array.from([...bytes, 0]))).to.throw(ProtocolError);
        expect(() => decodePayment(bytes.subarray(1))).to.throw(ProtocolError);
      }),
    );
    expect(PAYMENT_BYTES_MAX).to.equal(2741);
  });

  it("INV-10: hash to what the objects hash to, wherever they begin", () => {
    fc.assert(
      fc.property(anyTransaction, fc.nat(50), (transaction, start) => {
        const bytes = encodePayment(transaction);
        const among = new Uint8Array(bytes.length + start + 5).fill(0xaa);
        among.set(bytes, start);
        const hash = hashPayment(SEPARATOR, among, start);
        expect(toHex(hash)).to.equal(transactionHash(SEPARATOR, transaction));
        for (const index of [0, 15]) expect(toHex(outputIdBytes(hash, index))).to.equal(outputId(toHex(hash), index));
      }),
    );
  });

  it("what is damaged is refused, or is another payment in its only form", () => {
    fc.assert(
      fc.property(damaged(anyTransaction.map(encodePayment)), (bytes) => {
        if (refusedOrTaken(() => decodePayment(bytes)) === "taken") {
          expect(toHex(encodePayment(decodePayment(bytes)))).to.equal(toHex(bytes));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("any bytes are refused without a crash", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => {
        refusedOrTaken(() => decodePayment(bytes));
        refusedOrTaken(() => decodeEntryBytes(bytes));
        refusedOrTaken(() => decodePayment(Uint8Array.from([1, 1, ...bytes])));
        refusedOrTaken(() => decodeEntryBytes(Uint8Array.from([1, ...bytes])));
        refusedOrTaken(() => decodeEntryBytes(Uint8Array.from([2, ...bytes])));
      }),
      { numRuns: 2000 },
    );
  });
});

describe("protocol: a journal entry's bytes", () => {
  const owner = addressOf(7);
  const token = addressOf(0);

  function entryOf(): { bytes: Uint8Array; transaction: SignedTransaction; hash: string } {
    const ledger = new Ledger(DOMAIN);
    const { chainId } = DOMAIN;
    ledger.apply({ type: "genesis", version: 1, chainId, contract: CONTRACT, createdAt: 5 });
    const place = { nextBlockNumber: 1, ethereumBlock: 1, ethereumTransaction: ZERO_HASH };
    ledger.apply({ type: "deposit", id: 1n, owner, token, amount: 2n ** 200n, ...place });
    const [input] = ledger.outputIds();
    const transaction: SignedTransaction = {
      purpose: "transfer",
      inputs: [input!],
      outputs: [
        { owner, token, amount: 2n ** 200n - 1n },
        { owner: addressOf(8), token, amount: 1n },
      ],
      fileHash: ZERO_HASH,
      signatures: [`0x${"12".repeat(65)}`],
    };
    const hash = transactionHash(SEPARATOR, transaction);
    const record = verifiedPaymentBytes(transaction, fromHex(hash), [owner]);
    let bytes = new Uint8Array();
    const fault = ledger.take(new DataView(record.buffer), 0, 1_800_000_000_123, (length) => {
      bytes = new Uint8Array(length);
      return { view: new DataView(bytes.buffer), bytes, at: 0 };
    });
    expect(fault).to.equal(null);
    return { bytes, transaction, hash };
  }

  it("of a payment say what it is, where, when, and what its inputs were", () => {
    const { bytes, transaction, hash } = entryOf();
    expect(bytes.length).to.equal(472);
    expect(decodePaymentEntry(bytes)).to.deep.equal({
      ...{ type: "payment", transaction, hash, acceptedAt: 1_800_000_000_123, blockNumber: 1, transactionIndex: 0 },
      outputIds: [0, 1].map((index) => outputId(hash as `0x${string}`, index)),
      spent: [{ owner, token, amount: 2n ** 200n, origin: { depositId: 1n } }],
    });
  });

  it("of everything else are its JSON", () => {
    const entry: JsonEntry = { type: "followed", number: 7, hash: ZERO_HASH };
    expect(decodeEntryBytes(encodeJsonEntry(entry))).to.deep.equal(entry);
    expect(() => decodeEntryBytes(Uint8Array.of(2, 0xff, 0xfe))).to.throw(InvariantError, "UTF-8");
    expect(() => decodeEntryBytes(Uint8Array.of(3))).to.throw(InvariantError, "kind");
    expect(() => decodeEntryBytes(new Uint8Array())).to.throw(InvariantError, "kind");
  });

  it("what is damaged is refused, or has the length its counts say", () => {
    const { bytes } = entryOf();
    fc.assert(
      fc.property(damaged(fc.constant(bytes)), fc.nat(255), fc.nat(5), (entry, value, at) => {
        entry[PAYMENT_AT + at] = value;
        if (refusedOrTaken(() => decodeEntryBytes(entry)) === "taken" && entry[0] === 1) checkPaymentEntry(entry);
      }),
      { numRuns: 2000 },
    );
  });

  it("INV-10: a place that is given is a place that is read", () => {
    fc.assert(
      fc.property(bytes32, (hash) => {
        const { bytes } = entryOf();
        const changed = bytes.slice();
        changed.set(fromHex(hash), 17);
        expect(decodePaymentEntry(changed).hash).to.equal(hash);
      }),
      { numRuns: 20 },
    );
  });
});
