import { ProtocolError } from "./errors.ts";
import { fromHex, toHex, type Hex } from "./hex.ts";
import { keccak256 } from "./keccak.ts";
import {
  MAX_INPUTS,
  MAX_OUTPUTS,
  namesFile,
  OUTPUT_TYPEHASH,
  PURPOSES,
  SIGNATURE_BYTES,
  TRANSACTION_TYPEHASH,
  type Output,
  type Purpose,
  type SignedTransaction,
} from "./transaction.ts";

// The one binary form of a payment: docs/FORMATS.md.

export const PAYMENT_VERSION = 1;
export const HASH_BYTES = 32;
export const ADDRESS_BYTES = 20;
export const AMOUNT_BYTES = 32;
export const OUTPUT_BYTES = 2 * ADDRESS_BYTES + AMOUNT_BYTES;
/** Version, purpose and three counts; the file hash follows. */
const COUNTS_BYTES = 5;
export const INPUTS_AT = COUNTS_BYTES + HASH_BYTES;
export const PAYMENT_BYTES_MAX = paymentBytes(MAX_INPUTS, MAX_OUTPUTS, MAX_INPUTS);

const PURPOSE_NAMES = Object.keys(PURPOSES) as Purpose[];

/** How many inputs, outputs and signatures the payment has that begins at `start`. */
export interface PaymentCounts {
  inputs: number;
  outputs: number;
  signatures: number;
}

export function paymentBytes(inputs: number, outputs: number, signatures: number): number {
  return INPUTS_AT + HASH_BYTES * inputs + OUTPUT_BYTES * outputs + SIGNATURE_BYTES * signatures;
}

export function countsAt(bytes: Uint8Array, start: number): PaymentCounts {
  return {
    inputs: bytes[start + 2] as number,
    outputs: bytes[start + 3] as number,
    signatures: bytes[start + 4] as number,
  };
}

/** Where its outputs begin, counted from where the payment begins. */
export function outputsAt({ inputs }: PaymentCounts): number {
  return INPUTS_AT + HASH_BYTES * inputs;
}

export function signaturesAt(counts: PaymentCounts): number {
  return outputsAt(counts) + OUTPUT_BYTES * counts.outputs;
}

/** @throws ProtocolError MALFORMED when the bytes from `start` to `end` are not exactly one payment */
export function checkPaymentBytes(bytes: Uint8Array, start = 0, end = bytes.length): PaymentCounts {
  const length = end - start;
  if (length < INPUTS_AT) throw malformed("at least 37 bytes", length);
  if (bytes[start] !== PAYMENT_VERSION) throw malformed(`version ${PAYMENT_VERSION}`, bytes[start]);
  const purpose = PURPOSE_NAMES[(bytes[start + 1] as number) - 1];
  if (purpose === undefined) throw malformed("a purpose from 1 to 5", bytes[start + 1]);
  const counts = countsAt(bytes, start);
  const { inputs, outputs, signatures } = counts;
  if (inputs < 1 || inputs > MAX_INPUTS) throw malformed(`1 to ${MAX_INPUTS} inputs`, inputs);
  if (outputs < 1 || outputs > MAX_OUTPUTS) throw malformed(`1 to ${MAX_OUTPUTS} outputs`, outputs);
  if (signatures > MAX_INPUTS) throw malformed(`at most ${MAX_INPUTS} signatures`, signatures);
  const expected = paymentBytes(inputs, outputs, signatures);
  if (length !== expected) throw malformed(`${expected} bytes`, length);
  let zero = true;
  for (let i = start + COUNTS_BYTES; i < start + INPUTS_AT; i++) if (bytes[i] !== 0) zero = false;
  if (zero === namesFile(purpose)) {
    throw malformed(`a file hash that is ${zero ? "not zero" : "zero"} for ${purpose}`, zero ? "zero" : "not zero");
  }
  return counts;
}

/** A transaction that has the right form (`formFault`), as its bytes. */
export function encodePayment({ purpose, inputs, outputs, fileHash, signatures }: SignedTransaction): Uint8Array {
  const bytes = new Uint8Array(paymentBytes(inputs.length, outputs.length, signatures.length));
  bytes.set([PAYMENT_VERSION, PURPOSES[purpose], inputs.length, outputs.length, signatures.length]);
  bytes.set(fromHex(fileHash), COUNTS_BYTES);
  let at = INPUTS_AT;
  for (const input of inputs) at = put(bytes, at, fromHex(input));
  for (const output of outputs) at = putOutput(bytes, at, output);
  for (const signature of signatures) at = put(bytes, at, fromHex(signature));
  return bytes;
}

/** @throws ProtocolError MALFORMED */
export function decodePayment(bytes: Uint8Array, start = 0, end = bytes.length): SignedTransaction {
  const counts = checkPaymentBytes(bytes, start, end);
  const hex = (at: number, length: number): Hex => toHex(bytes.subarray(start + at, start + at + length));
  const signatures = signaturesAt(counts);
  return {
    purpose: PURPOSE_NAMES[(bytes[start + 1] as number) - 1] as Purpose,
    inputs: Array.from({ length: counts.inputs }, (_, i) => hex(INPUTS_AT + i * HASH_BYTES, HASH_BYTES)),
    outputs: Array.from({ length: counts.outputs }, (_, i) =>
      outputAt(bytes, start + outputsAt(counts) + i * OUTPUT_BYTES),
    ),
    fileHash: hex(COUNTS_BYTES, HASH_BYTES),
    signatures: Array.from({ length: counts.signatures }, (_, i) =>
      hex(signatures + i * SIGNATURE_BYTES, SIGNATURE_BYTES),
    ),
  };
}

// Laid out once: a payment takes nine hashes on its way, and what is made for each of them has to be collected again.
const outputWords = new Uint8Array(4 * HASH_BYTES);
outputWords.set(OUTPUT_TYPEHASH);
const outputHashes = new Uint8Array(MAX_OUTPUTS * HASH_BYTES);
const structWords = new Uint8Array(5 * HASH_BYTES);
structWords.set(TRANSACTION_TYPEHASH);
const digestBytes = new Uint8Array(2 + 2 * HASH_BYTES);
digestBytes.set([0x19, 0x01]);
let digestSeparator: Hex | null = null;
const idWords = new Uint8Array(2 * HASH_BYTES);

/** The transaction hash of a payment that begins at `start`: `transactionHash` without leaving the bytes. */
export function hashPayment(separator: Hex, bytes: Uint8Array, start = 0): Uint8Array {
  const counts = countsAt(bytes, start);
  const outputs = start + outputsAt(counts);
  for (let i = 0, at = outputs; i < counts.outputs; i++, at += OUTPUT_BYTES) {
    copy(bytes, at, outputWords, 44, ADDRESS_BYTES);
    copy(bytes, at + ADDRESS_BYTES, outputWords, 76, ADDRESS_BYTES);
    copy(bytes, at + 2 * ADDRESS_BYTES, outputWords, 96, AMOUNT_BYTES);
    outputHashes.set(keccak256(outputWords), i * HASH_BYTES);
  }
  structWords[63] = bytes[start + 1] as number;
  structWords.set(keccak256(bytes.subarray(start + INPUTS_AT, outputs)), 64);
  structWords.set(keccak256(outputHashes.subarray(0, counts.outputs * HASH_BYTES)), 96);
  copy(bytes, start + COUNTS_BYTES, structWords, 128, HASH_BYTES);
  if (digestSeparator !== separator) {
    digestBytes.set(fromHex(separator), 2);
    digestSeparator = separator;
  }
  digestBytes.set(keccak256(structWords), 2 + HASH_BYTES);
  return keccak256(digestBytes);
}

/** keccak256(abi.encode(hash, index)), as `outputId`. */
export function outputIdBytes(hash: Uint8Array, index: number): Uint8Array {
  idWords.set(hash);
  idWords[63] = index;
  return keccak256(idWords);
}

/** The output whose 72 bytes begin there. */
export function outputAt(bytes: Uint8Array, at: number): Output {
  const hex = (from: number, to: number): Hex => toHex(bytes.subarray(at + from, at + to));
  return { owner: hex(0, 20), token: hex(20, 40), amount: BigInt(hex(40, OUTPUT_BYTES)) };
}

/** Writes an output's 72 bytes; gives where they end. */
export function putOutput(bytes: Uint8Array, at: number, { owner, token, amount }: Output): number {
  const afterToken = put(bytes, put(bytes, at, fromHex(owner)), fromHex(token));
  return put(bytes, afterToken, fromHex(`0x${amount.toString(16).padStart(2 * AMOUNT_BYTES, "0")}`));
}

function copy(from: Uint8Array, at: number, to: Uint8Array, start: number, length: number): void {
  for (let i = 0; i < length; i++) to[start + i] = from[at + i] as number;
}

function put(bytes: Uint8Array, at: number, part: Uint8Array): number {
  bytes.set(part, at);
  return at + part.length;
}

function malformed(expected: string, value: unknown): ProtocolError {
  return new ProtocolError("MALFORMED", `payment must have ${expected}`, { value });
}
