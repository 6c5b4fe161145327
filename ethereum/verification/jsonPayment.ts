import {
  ADDRESS_BYTES,
  AMOUNT_BYTES,
  encodePayment,
  HASH_BYTES,
  INPUTS_AT,
  PAYMENT_VERSION,
  paymentBytes,
} from "@plasma-billing/protocol/paymentBytes.ts";
import {
  MAX_INPUTS,
  MAX_OUTPUTS,
  namesFile,
  PURPOSES,
  SIGNATURE_BYTES,
  ZERO_HASH,
  type Purpose,
} from "@plasma-billing/protocol/transaction.ts";
import { decodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";

const FIELDS = 5;
const OUTPUT_FIELDS = 3;
/** Decimal digits a number holds exactly. */
const EXACT_DIGITS = 15;
const AMOUNT = /^(0|[1-9][0-9]{0,77})$/;
const MAX_AMOUNT = 2n ** 256n - 1n;

/**
 * The bytes of a payment in JSON. Written straight into them; what does not fit goes the long way, which has the words for it.
 * @throws ProtocolError MALFORMED
 */
export function encodeJsonPayment(value: unknown): Uint8Array {
  return encodeQuickly(value as Json) ?? encodePayment(decodeTransaction(value));
}

interface Json {
  purpose: unknown;
  inputs: unknown;
  outputs: unknown;
  fileHash: unknown;
  signatures: unknown;
}

/** Null for anything that is not at once seen to be right. */
function encodeQuickly(value: Json | null): Uint8Array | null {
  if (typeof value !== "object" || value === null || Object.keys(value).length !== FIELDS) return null;
  const { purpose, inputs, outputs, fileHash, signatures } = value;
  if (typeof purpose !== "string" || !Object.hasOwn(PURPOSES, purpose)) return null;
  if (!Array.isArray(inputs) || !Array.isArray(outputs) || !Array.isArray(signatures)) return null;
  const [n, m, s] = [inputs.length, outputs.length, signatures.length];
  if (n < 1 || n > MAX_INPUTS || m < 1 || m > MAX_OUTPUTS || s > MAX_INPUTS) return null;
  if ((fileHash !== ZERO_HASH) !== namesFile(purpose as Purpose)) return null;
  const bytes = Buffer.alloc(paymentBytes(n, m, s));
  bytes[0] = PAYMENT_VERSION;
  bytes[1] = PURPOSES[purpose as Purpose];
  bytes[2] = n;
  bytes[3] = m;
  bytes[4] = s;
  if (!putHex(bytes, INPUTS_AT - HASH_BYTES, fileHash, HASH_BYTES)) return null;
  let at = INPUTS_AT;
  for (let i = 0; i < n; i++, at += HASH_BYTES) if (!putHex(bytes, at, inputs[i], HASH_BYTES)) return null;
  for (let i = 0; i < m; i++, at += 2 * ADDRESS_BYTES + AMOUNT_BYTES)
    if (!putOutput(bytes, at, outputs[i])) return null;
  for (let i = 0; i < s; i++, at += SIGNATURE_BYTES)
    if (!putHex(bytes, at, signatures[i], SIGNATURE_BYTES)) return null;
  return bytes;
}

function putOutput(bytes: Buffer, at: number, value: unknown): boolean {
  if (typeof value !== "object" || value === null || Object.keys(value).length !== OUTPUT_FIELDS) return false;
  const { owner, token, amount } = value as { owner?: unknown; token?: unknown; amount?: unknown };
  return (
    putHex(bytes, at, owner, ADDRESS_BYTES) &&
    putHex(bytes, at + ADDRESS_BYTES, token, ADDRESS_BYTES) &&
    putAmount(bytes, at + 2 * ADDRESS_BYTES, amount)
  );
}

function putAmount(bytes: Buffer, at: number, amount: unknown): boolean {
  if (typeof amount !== "string" || !AMOUNT.test(amount)) return false;
  const end = at + AMOUNT_BYTES;
  if (amount.length <= EXACT_DIGITS) {
    const units = Number(amount);
    bytes.writeUInt32BE(Math.floor(units / 2 ** 32), end - 8);
    bytes.writeUInt32BE(units % 2 ** 32, end - 4);
    return true;
  }
  let rest = BigInt(amount);
  if (rest > MAX_AMOUNT) return false;
  for (let word = end - 8; rest > 0n; word -= 8, rest >>= 64n) bytes.writeBigUInt64BE(BigInt.asUintN(64, rest), word);
  return true;
}

/** Writes 0x and exactly so many bytes in hex; false for anything else. */
function putHex(bytes: Buffer, at: number, value: unknown, length: number): boolean {
  if (typeof value !== "string" || value.length !== 2 + 2 * length || !value.startsWith("0x")) return false;
  // Of a character that is not ASCII, `write` would take the lower byte. It stops at the first that is no hex digit.
  if (Buffer.byteLength(value) !== value.length) return false;
  return bytes.write(value.slice(2), at, length, "hex") === length;
}
