import { crc32 } from "node:zlib";
import { expect } from "chai";
import fc from "fast-check";
import type { ExitingOutput, JsonEntry } from "@plasma-billing/protocol/entries.ts";
import {
  decodeEntryBytes,
  encodeJsonEntry,
  type Origin,
  type PaymentRecord,
} from "@plasma-billing/protocol/entryBytes.ts";
import { decodeEntry, encodeEntry } from "@plasma-billing/protocol/entryJson.ts";
import { InvariantError, ProtocolError } from "@plasma-billing/protocol/errors.ts";
import { fromHex, toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { readHead, writeHead, type LedgerHead } from "@plasma-billing/protocol/ledgerHead.ts";
import { checkPaymentBytes, decodePayment, encodePayment, putOutput } from "@plasma-billing/protocol/paymentBytes.ts";
import { outputId, transactionHash, type SignedTransaction } from "@plasma-billing/protocol/transaction.ts";
import { decodeTransaction, encodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import { domainSeparator } from "@plasma-billing/protocol/typedData.ts";
import { checksummed } from "../../operator/http/addresses.ts";
import { isDeeper } from "@plasma-billing/ethereum/verification/jsonDepth.ts";
import { Problem } from "../../operator/http/problems.ts";
import { pageShape, readPage } from "../../operator/http/schemas.ts";
import { decodeTreeHeader, encodeTreeHeader } from "../../operator/index/treeFile.ts";
import {
  decodeGroup,
  decodeSegmentHeader,
  decodeWatermark,
  encodeSegmentHeader,
  encodeWatermark,
  GroupBuffer,
  isTorn,
  type Group,
} from "../../operator/journal/groups.ts";
import { decodeBody, type Decoded, type IntakeRequest } from "@plasma-billing/ethereum/verification/bodies.ts";
import { verifyPayment } from "@plasma-billing/ethereum/verification/recover.ts";
import { address, anyTransaction, bytes32, DOMAIN, uint256 } from "../helpers/protocol.ts";

/** Something that reads bytes others may have made. What it gives for a refusal is an error of `refusals`, or null. */
export interface Decoder {
  name: string;
  valid: fc.Arbitrary<Uint8Array>;
  decode: (bytes: Uint8Array) => unknown;
  /** What must hold of what was taken; `right`: the bytes are from `valid`. */
  check: (result: any, bytes: Uint8Array, right: boolean) => void;
  refusals: (new (...args: never[]) => Error)[];
  /** Makes checksums fit again, so that what is behind them is reached. */
  mend?: (bytes: Uint8Array) => Uint8Array;
  /** Takes everything. */
  total?: true;
}

const SEPARATOR = domainSeparator(DOMAIN);
const UINT256_MAX = 2n ** 256n - 1n;
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));

// Entries.

const whole = fc.maxSafeNat();
const oneOf = <T>(...values: T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const exitingOutput: fc.Arbitrary<ExitingOutput> = fc.record({
  ...{ outputId: bytes32, owner: address, token: address, amount: uint256 },
  piggyback: oneOf(null, "live", "cancelled", "paid", "unpaid", "unpayable"),
  finalized: fc.boolean(),
});
const place = { ethereumBlock: whole, ethereumTransaction: bytes32 };
const exitEntry = fc.record({
  ...{ type: fc.constant("exit" as const), number: whole, kind: oneOf("standard", "deposit") },
  ...{ outputId: bytes32, owner: address, token: address, amount: uint256, exitableAt: whole },
  ...{ state: oneOf("started", "challenged", "finalized", "unpayable", "removed"), paid: fc.boolean() },
  ...{ final: fc.boolean(), ...place },
});
const inFlightEntry = fc.record({
  ...{ type: fc.constant("inFlightExit" as const), number: whole, transactionHash: bytes32 },
  ...{ startedAt: whole, exitableAt: whole },
  inputs: fc.array(exitingOutput, { minLength: 1, maxLength: 16 }),
  outputs: fc.array(exitingOutput, { minLength: 1, maxLength: 16 }),
  ...{ state: oneOf("started", "finalized", "closed", "removed"), challenged: fc.boolean() },
  ...{ canonical: oneOf(null, true, false), final: fc.boolean(), ...place },
});
const nullable = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary);
const jsonEntry = fc.oneof(
  fc.record({
    ...{ type: fc.constant("genesis"), version: fc.constant(1), chainId: uint256 },
    ...{ contract: address, createdAt: whole },
  }),
  fc.record({
    ...{ type: fc.constant("deposit"), id: uint256, owner: address, token: address, amount: uint256 },
    ...{ nextBlockNumber: whole, ...place },
  }),
  exitEntry,
  inFlightEntry,
  fc.record({
    ...{ type: fc.constant("seal"), number: whole, transactionsRoot: bytes32, transactionCount: whole },
    ...{ sealedAt: whole, stateHash: bytes32 },
  }),
  fc.record({
    ...{ type: fc.constant("commit"), number: whole, state: oneOf("sealed", "committed", "finalized") },
    ...{ timestamp: nullable(whole), ethereumBlock: nullable(whole), ethereumTransaction: nullable(bytes32) },
    ...{ gasUsed: nullable(uint256), fee: nullable(uint256), seenAt: whole },
  }),
  fc.record({ type: fc.constant("followed"), number: whole, hash: bytes32 }),
) as fc.Arbitrary<JsonEntry>;

const word = fc.nat(0xffffffff);
const origin: fc.Arbitrary<Origin> = fc.oneof(
  fc.record({ depositId: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }),
  fc.record({
    ...{ depositId: fc.constant(null), blockNumber: word, transactionIndex: word },
    outputIndex: fc.nat(254),
  }),
);
const paymentRecord: fc.Arbitrary<PaymentRecord> = anyTransaction.chain((transaction) => {
  const hash = transactionHash(SEPARATOR, transaction);
  const { length } = transaction.inputs;
  const spent = fc.record({ owner: address, token: address, amount: uint256, origin });
  return fc.record({
    ...{ type: fc.constant("payment" as const), transaction: fc.constant(transaction), hash: fc.constant(hash) },
    ...{ acceptedAt: whole, blockNumber: word, transactionIndex: word },
    outputIds: fc.constant(transaction.outputs.map((_, i) => outputId(hash, i))),
    spent: fc.array(spent, { minLength: length, maxLength: length }),
  });
});

/** As docs/FORMATS.md lays it out; the operator writes it in pieces. */
function encodePaymentEntry(record: PaymentRecord): Uint8Array {
  const head = Buffer.alloc(17);
  head[0] = 1;
  head.writeBigUInt64BE(BigInt(record.acceptedAt), 1);
  head.writeUInt32BE(record.blockNumber, 9);
  head.writeUInt32BE(record.transactionIndex, 13);
  const spent = record.spent.map((output) => {
    const bytes = Buffer.alloc(81);
    putOutput(bytes, 0, output);
    const from = output.origin;
    if (from.depositId !== null) bytes.writeBigUInt64BE(from.depositId, 72);
    else {
      bytes.writeUInt32BE(from.blockNumber, 72);
      bytes.writeUInt32BE(from.transactionIndex, 76);
    }
    bytes[80] = from.depositId === null ? from.outputIndex : 255;
    return bytes;
  });
  const parts = [head, fromHex(record.hash), encodePayment(record.transaction), ...record.outputIds.map(fromHex)];
  return Uint8Array.from(Buffer.concat([...parts, ...spent]));
}

/** Nothing in it is more than what it may be counted with, and it is written as it was read. */
function checkJsonEntry(entry: JsonEntry, text: string, right: boolean): void {
  const again = encodeEntry(entry);
  if (right) expect(again).to.equal(text);
  expect(encodeEntry(decodeEntry(again))).to.equal(again);
  for (const value of numbersOf(entry)) expect(value >= 0n && value <= UINT256_MAX, `${value}`).to.equal(true);
}

function numbersOf(value: unknown): bigint[] {
  if (typeof value === "bigint") return [value];
  if (typeof value === "number") return [BigInt(value)];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(numbersOf) : [];
}

const total = fc.record({ deposited: uint256, withdrawn: uint256, live: uint256 });
const head = fc
  .record({
    ...{ chainId: uint256, verifyingContract: address, position: whole, openedAt: nullable(whole) },
    ...{ firstAcceptedAt: nullable(whole), firstEntry: whole },
    followed: nullable(fc.record({ number: whole, hash: bytes32 })),
    blocks: fc.constant([]),
    depositCount: uint256,
    totals: fc.array(fc.tuple(address, total), { maxLength: 3 }),
    tree: fc.record({ count: whole, peaks: fc.array(bytes32, { maxLength: 3 }) }),
    ...{ outputCount: whole, stateHash: bytes32 },
    exits: fc.array(fc.oneof(exitEntry, inFlightEntry), { maxLength: 3 }),
  })
  .map((value) => bytesOf(writeHead(value as unknown as LedgerHead)));

// Bodies of requests.

const jsonPayment = (transaction: SignedTransaction): string => JSON.stringify(encodeTransaction(transaction));
const batch = fc.array(anyTransaction, { minLength: 1, maxLength: 4 });

function binaryBatch(payments: readonly Uint8Array[]): Uint8Array {
  const parts = payments.flatMap((payment) => [Uint8Array.of(payment.length >> 8, payment.length & 255), payment]);
  return Uint8Array.from(Buffer.concat(parts));
}

/** Every payment is one whole or a refusal; shares of a batch are the batch; JSON is what the long way makes of it. */
function checkBody({ format, kind }: Omit<IntakeRequest, "body">): Decoder["check"] {
  return (decoded: Decoded[], body, right) => {
    if (kind === "single") expect(decoded).to.have.length(1);
    const shown = (list: Decoded[]): string[] =>
      list.map((one) => (one instanceof ProtocolError ? `${one.message} ${JSON.stringify(one.context)}` : toHex(one)));
    for (const one of decoded) {
      if (right) expect(one).not.to.be.instanceOf(Error);
      if (one instanceof ProtocolError) expect(JSON.stringify([one.message, one.context]).length).to.be.below(1_500);
      else checkPaymentBytes(one);
    }
    if (kind === "batch") {
      const shares = [0, 1, 2].flatMap((share) => decodeBody({ format, kind, body }, { share, of: 3 }));
      expect(shown(shares)).to.deep.equal(shown(decoded));
    }
    if (format === "binary") {
      const all = decoded.every((one) => !(one instanceof ProtocolError)) ? (decoded as Uint8Array[]) : null;
      if (all !== null) expect(toHex(kind === "single" ? all[0]! : binaryBatch(all))).to.equal(toHex(body));
      return;
    }
    const value = JSON.parse(textOf(body)) as { transactions: unknown[] };
    const values = kind === "single" ? [value] : value.transactions;
    expect(shown(decoded)).to.deep.equal(shown(values.map(theLongWay)));
  };
}

function theLongWay(value: unknown): Decoded {
  try {
    return encodePayment(decodeTransaction(value));
  } catch (error) {
    return error as ProtocolError;
  }
}

function bodies(format: IntakeRequest["format"], kind: IntakeRequest["kind"]): Decoder {
  const single = anyTransaction.map((each) => (format === "json" ? bytesOf(jsonPayment(each)) : encodePayment(each)));
  const many = batch.map((list) =>
    format === "json"
      ? bytesOf(`{"transactions":[${list.map(jsonPayment).join(",")}]}`)
      : binaryBatch(list.map(encodePayment)),
  );
  return {
    name: `body-${format}-${kind}`,
    valid: kind === "single" ? single : many,
    decode: (body) => {
      const decoded = decodeBody({ format, kind, body });
      // The refusal of the only one is the refusal of the body.
      if (kind === "single" && decoded[0] instanceof ProtocolError) throw decoded[0];
      return decoded;
    },
    check: checkBody({ format, kind }),
    refusals: [ProtocolError],
  };
}

// Headers and groups of files.

/** Sets the checksum over the first `end` bytes right. */
function sealed(bytes: Uint8Array, end: number): Uint8Array {
  if (bytes.length < end + 4) return bytes;
  const copy = Buffer.from(bytes);
  copy.writeUInt32LE(crc32(copy.subarray(0, end)), end);
  return Uint8Array.from(copy);
}

function mendGroup(bytes: Uint8Array): Uint8Array {
  if (bytes.length < 24) return bytes;
  const copy = Buffer.from(bytes);
  copy.writeUInt32LE(crc32(copy.subarray(24, 24 + copy.readUInt32LE(0))), 16);
  return sealed(copy, 20);
}

const group = fc
  .tuple(
    fc.integer({ min: 1, max: 2 ** 40 }),
    fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { minLength: 1 }),
  )
  .map(([firstPosition, entries]) => groupOf(firstPosition, entries));

export function groupOf(firstPosition: number, entries: readonly Uint8Array[]): Uint8Array {
  const buffer = new GroupBuffer(firstPosition);
  for (const entry of entries) buffer.append(entry);
  return Uint8Array.from(buffer.finish());
}

/** Depth by counting, of a text that is JSON. */
function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Object.values(value).reduce((most: number, each) => Math.max(most, depthOf(each)), 0);
}

const cursor = fc.array(fc.nat({ max: 999_999_999_999_999 }), { minLength: 3, maxLength: 3 });

export const DECODERS: readonly Decoder[] = [
  {
    name: "payment",
    valid: anyTransaction.map(encodePayment),
    decode: (bytes) => decodePayment(bytes),
    check: (payment: SignedTransaction, bytes) => expect(toHex(encodePayment(payment))).to.equal(toHex(bytes)),
    refusals: [ProtocolError],
  },
  {
    name: "verifiedPayment",
    valid: anyTransaction.map(encodePayment),
    decode: (bytes) => verifyPayment(SEPARATOR, bytes),
    check: (record: Uint8Array, bytes) => {
      const { inputs: _, outputs, signatures } = decodePayment(bytes);
      expect(record.length).to.equal(37 + bytes.length + 32 * outputs.length + 20 * signatures.length);
      expect(Buffer.from(record).readUInt32BE()).to.equal(record.length);
      expect(toHex(record.subarray(37, 37 + bytes.length))).to.equal(toHex(bytes));
      const hash = transactionHash(SEPARATOR, decodePayment(bytes));
      expect(toHex(record.subarray(5, 37))).to.equal(hash);
      expect(toHex(record.subarray(37 + bytes.length, 69 + bytes.length))).to.equal(outputId(hash, 0));
    },
    refusals: [ProtocolError],
  },
  {
    name: "entry",
    valid: fc.oneof(jsonEntry.map(encodeJsonEntry), paymentRecord.map(encodePaymentEntry)),
    decode: decodeEntryBytes,
    check: (entry: JsonEntry | PaymentRecord, bytes, right) => {
      if (entry.type === "payment") expect(toHex(encodePaymentEntry(entry))).to.equal(toHex(bytes));
      else checkJsonEntry(entry, textOf(bytes.subarray(1)), right);
    },
    refusals: [ProtocolError, InvariantError],
  },
  {
    name: "entryJson",
    valid: jsonEntry.map((entry) => bytesOf(encodeEntry(entry))),
    decode: (bytes) => decodeEntry(textOf(bytes)),
    check: (entry: JsonEntry, bytes, right) => checkJsonEntry(entry, textOf(bytes), right),
    refusals: [InvariantError],
  },
  {
    name: "head",
    valid: head,
    decode: (bytes) => readHead(textOf(bytes)),
    check: (value: LedgerHead, bytes, right) => {
      if (right) expect(writeHead(value)).to.equal(textOf(bytes));
      readHead(writeHead(value));
    },
    refusals: [InvariantError],
  },
  bodies("json", "single"),
  bodies("json", "batch"),
  bodies("binary", "single"),
  bodies("binary", "batch"),
  {
    name: "jsonDepth",
    valid: fc.jsonValue({ maxDepth: 6 }).map((value) => bytesOf(JSON.stringify(value))),
    decode: (bytes) => (isDeeper(textOf(bytes), 4) ? null : { deeper: false }),
    check: (_, bytes) => {
      let value: unknown;
      try {
        value = JSON.parse(textOf(bytes));
      } catch {
        return;
      }
      expect(depthOf(value)).to.be.at.most(4);
    },
    refusals: [],
  },
  {
    name: "segmentHeader",
    valid: fc
      .record({ firstPosition: whole, previousBytes: whole, previousChecksum: word })
      .map((header) => Uint8Array.from(encodeSegmentHeader(header))),
    decode: (bytes) => decodeSegmentHeader(Buffer.from(bytes)),
    check: ({ version, checksum, ...header }: any, bytes, right) => {
      expect(checksum).to.equal(crc32(bytes.subarray(0, 44)));
      if (right) expect(version).to.equal(2);
      if (right) expect(toHex(encodeSegmentHeader(header))).to.equal(toHex(bytes));
    },
    refusals: [],
    mend: (bytes) => sealed(bytes, 44),
  },
  {
    name: "watermark",
    valid: fc
      .record({ firstPosition: whole, end: whole })
      .map((watermark) => Uint8Array.from(encodeWatermark(watermark))),
    decode: (bytes) => {
      const watermark = decodeWatermark(Buffer.from(bytes));
      return watermark.firstPosition === 0 && watermark.end === 0 ? null : watermark;
    },
    check: (watermark: { firstPosition: number; end: number }, bytes, right) => {
      if (right) expect(toHex(encodeWatermark(watermark))).to.equal(toHex(bytes));
    },
    refusals: [],
    mend: (bytes) => sealed(bytes, 16),
  },
  {
    name: "group",
    valid: group,
    decode: (bytes) => decodeGroup(Buffer.from(bytes), 0),
    check: ({ firstPosition, entries, byteLength }: Group, bytes, right) => {
      expect(byteLength).to.be.at.most(bytes.length);
      expect(entries.reduce((sum, { length }) => sum + 8 + length, 24)).to.equal(byteLength);
      if (right) expect(toHex(groupOf(firstPosition, entries))).to.equal(toHex(bytes));
    },
    refusals: [],
    mend: mendGroup,
  },
  {
    name: "tornTail",
    // What is left of a group that was not written to its end.
    valid: fc.tuple(group, fc.nat()).map(([bytes, cut]) => bytes.slice(0, cut % bytes.length)),
    decode: (bytes) => (isTorn(Buffer.from(bytes), 48, 1) ? { torn: true } : null),
    check: (_, bytes) => expect(decodeGroup(Buffer.from(bytes), 0)).to.equal(null),
    refusals: [],
    mend: (bytes) => sealed(bytes, 20),
  },
  {
    name: "treeHeader",
    valid: fc
      .record({ number: word, count: word, root: bytes32 })
      .map((header) => Uint8Array.from(encodeTreeHeader(header))),
    decode: (bytes) => decodeTreeHeader(Buffer.from(bytes)),
    check: (header: { number: number; count: number; root: Hex }, bytes, right) => {
      if (right) expect(toHex(encodeTreeHeader(header))).to.equal(toHex(bytes));
      expect(decodeTreeHeader(encodeTreeHeader(header))).to.deep.equal(header);
    },
    refusals: [],
    mend: (bytes) => sealed(bytes, 60),
  },
  {
    name: "cursor",
    valid: cursor.map((numbers) => bytesOf(pageShape([], numbers).nextCursor as string)),
    decode: (bytes) => readPage({ cursor: textOf(bytes) }, 3).from,
    check: (from: number[], bytes, right) => {
      for (const each of from) expect(Number.isSafeInteger(each) && each >= 0).to.equal(true);
      const { nextCursor } = pageShape([], from);
      if (right) expect(nextCursor).to.equal(textOf(bytes));
      expect(readPage({ cursor: nextCursor as string }, 3).from).to.deep.equal(from);
    },
    refusals: [Problem],
  },
  {
    name: "context",
    valid: address.map(bytesOf),
    decode: (bytes) => checksummed({ value: textOf(bytes), __proto__: null })["value"],
    check: (value: string, bytes) => expect(value.toLowerCase()).to.equal(textOf(bytes).toLowerCase()),
    refusals: [],
    total: true,
  },
];
