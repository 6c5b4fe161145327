import { isHexOfLength, type Hex } from "./hex.ts";
import { ProtocolError } from "./errors.ts";
import {
  MAX_INPUTS,
  MAX_OUTPUTS,
  namesFile,
  PURPOSES,
  SIGNATURE_BYTES,
  ZERO_HASH,
  type Output,
  type Purpose,
  type SignedTransaction,
} from "./transaction.ts";

/** A signed transaction as it travels: amounts are decimal strings. */
export interface TransactionJson {
  purpose: Purpose;
  inputs: Hex[];
  outputs: { owner: Hex; token: Hex; amount: string }[];
  fileHash: Hex;
  signatures: Hex[];
}

const TRANSACTION_FIELDS = ["purpose", "inputs", "outputs", "fileHash", "signatures"];
const OUTPUT_FIELDS = ["owner", "token", "amount"];
const UINT256_DIGITS_MAX = 78;
const SHOWN_CHARACTERS_MAX = 100;

/**
 * Reads what came from outside. Hex of either case is taken and kept in lower case.
 * @throws ProtocolError MALFORMED with the field that is wrong. What the ledger has a code for (zero amounts and owners,
 * repeated inputs, the number of signatures) passes.
 */
export function decodeTransaction(value: unknown): SignedTransaction {
  const fields = object(value, "transaction", TRANSACTION_FIELDS);
  const purpose = fields["purpose"];
  if (typeof purpose !== "string" || !Object.hasOwn(PURPOSES, purpose)) {
    throw malformed("purpose", `one of ${Object.keys(PURPOSES).join(", ")}`, purpose);
  }
  const inputs = array(fields["inputs"], "inputs", 1, MAX_INPUTS).map((input, i) => hex(input, `inputs[${i}]`, 32));
  const outputs = array(fields["outputs"], "outputs", 1, MAX_OUTPUTS).map((output, i) => decodeOutput(output, i));
  const fileHash = hex(fields["fileHash"], "fileHash", 32);
  if ((fileHash !== ZERO_HASH) !== namesFile(purpose as Purpose)) {
    throw malformed("fileHash", `${namesFile(purpose as Purpose) ? "not zero" : "zero"} for ${purpose}`, fileHash);
  }
  const signatures = array(fields["signatures"], "signatures", 0, MAX_INPUTS).map((signature, i) =>
    hex(signature, `signatures[${i}]`, SIGNATURE_BYTES),
  );
  return { purpose: purpose as Purpose, inputs, outputs, fileHash, signatures };
}

export function encodeTransaction(transaction: SignedTransaction): TransactionJson {
  return {
    purpose: transaction.purpose,
    inputs: transaction.inputs,
    outputs: transaction.outputs.map(({ owner, token, amount }) => ({ owner, token, amount: amount.toString() })),
    fileHash: transaction.fileHash,
    signatures: transaction.signatures,
  };
}

function decodeOutput(value: unknown, index: number): Output {
  const field = `outputs[${index}]`;
  const output = object(value, field, OUTPUT_FIELDS);
  const amount = output["amount"];
  if (typeof amount !== "string" || amount.length > UINT256_DIGITS_MAX || !/^(0|[1-9][0-9]*)$/.test(amount)) {
    throw malformed(`${field}.amount`, "a decimal string without sign or leading zeros", amount);
  }
  const units = BigInt(amount);
  if (units >= 2n ** 256n) throw malformed(`${field}.amount`, "below 2^256", amount);
  return {
    owner: hex(output["owner"], `${field}.owner`, 20),
    token: hex(output["token"], `${field}.token`, 20),
    amount: units,
  };
}

function object(value: unknown, field: string, names: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed(field, "an object", value);
  for (const name of Object.keys(value)) {
    if (!names.includes(name)) throw malformed(field, `only the fields ${names.join(", ")}`, name);
  }
  for (const name of names) {
    if (!Object.hasOwn(value, name)) throw malformed(field, `the field ${name}`, undefined);
  }
  return value as Record<string, unknown>;
}

function array(value: unknown, field: string, min: number, max: number): unknown[] {
  if (!Array.isArray(value) || value.length < min || value.length > max) {
    throw malformed(field, `an array of ${min} to ${max}`, Array.isArray(value) ? `${value.length} elements` : value);
  }
  return value;
}

function hex(value: unknown, field: string, bytes: number): Hex {
  if (!isHexOfLength(value, bytes)) throw malformed(field, `0x and ${2 * bytes} hex digits`, value);
  return value.toLowerCase() as Hex;
}

function malformed(field: string, expected: string, value: unknown): ProtocolError {
  const shown = typeof value === "string" ? value : typeof value === "number" ? String(value) : typeof value;
  const short = shown.length > SHOWN_CHARACTERS_MAX ? `${shown.slice(0, SHOWN_CHARACTERS_MAX)}…` : shown;
  return new ProtocolError("MALFORMED", `${field} must be ${expected}`, { field, expected, value: short });
}
