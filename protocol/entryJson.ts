import { InvariantError } from "./errors.ts";
import type { ExitingOutput, JsonEntry } from "./entries.ts";
import { isHexOfLength } from "./hex.ts";
import { ROLES } from "./market/roles.ts";
import { MAX_INPUTS, MAX_OUTPUTS, SIGNATURE_BYTES } from "./transaction.ts";

type Kind =
  "number" | "bigint" | "bytes32" | "address" | "signature" | "bytes" | "text" | "boolean" | readonly string[];
/** A field's kind; with `null` where it may be absent; or a list, not empty, of objects with such fields. */
type Field = Kind | { nullable: Kind } | { listOf: Record<string, Field>; max: number };

const EXITING_OUTPUT: Record<keyof ExitingOutput, Field> = {
  outputId: "bytes32",
  owner: "address",
  token: "address",
  amount: "bigint",
  piggyback: { nullable: ["live", "cancelled", "paid", "unpaid", "unpayable"] },
  finalized: "boolean",
};

const FIELDS: { [T in JsonEntry["type"]]: Record<Exclude<keyof Extract<JsonEntry, { type: T }>, "type">, Field> } = {
  genesis: { version: "number", chainId: "bigint", contract: "address", createdAt: "number" },
  deposit: {
    id: "bigint",
    owner: "address",
    token: "address",
    amount: "bigint",
    nextBlockNumber: "number",
    ethereumBlock: "number",
    ethereumTransaction: "bytes32",
  },
  exit: {
    number: "number",
    kind: ["standard", "deposit"],
    outputId: "bytes32",
    owner: "address",
    token: "address",
    amount: "bigint",
    exitableAt: "number",
    state: ["started", "challenged", "finalized", "unpayable", "removed"],
    paid: "boolean",
    final: "boolean",
    ethereumBlock: "number",
    ethereumTransaction: "bytes32",
  },
  inFlightExit: {
    number: "number",
    transactionHash: "bytes32",
    startedAt: "number",
    exitableAt: "number",
    inputs: { listOf: EXITING_OUTPUT, max: MAX_INPUTS },
    outputs: { listOf: EXITING_OUTPUT, max: MAX_OUTPUTS },
    state: ["started", "finalized", "closed", "removed"],
    challenged: "boolean",
    canonical: { nullable: "boolean" },
    final: "boolean",
    ethereumBlock: "number",
    ethereumTransaction: "bytes32",
  },
  seal: {
    number: "number",
    transactionsRoot: "bytes32",
    transactionCount: "number",
    sealedAt: "number",
    stateHash: "bytes32",
  },
  commit: {
    number: "number",
    state: ["sealed", "committed", "finalized"],
    timestamp: { nullable: "number" },
    ethereumBlock: { nullable: "number" },
    ethereumTransaction: { nullable: "bytes32" },
    gasUsed: { nullable: "bigint" },
    fee: { nullable: "bigint" },
    seenAt: "number",
  },
  followed: { number: "number", hash: "bytes32" },
  registration: {
    account: "address",
    role: Object.keys(ROLES),
    validator: { nullable: "address" },
    issuedAt: "number",
    signedBy: { nullable: "address" },
    signature: { nullable: "signature" },
    recordedAt: "number",
  },
  offer: {
    fileId: "text",
    validator: "address",
    owner: "address",
    token: "address",
    price: "bigint",
    ownerShareBps: "number",
    serviceShareBps: "number",
    version: "number",
    signature: "signature",
    name: { nullable: "text" },
    size: { nullable: "number" },
    extension: { nullable: "text" },
    mimeType: { nullable: "text" },
    metadata: { nullable: "text" },
    recordedAt: "number",
  },
  quote: {
    fileId: "text",
    validator: "address",
    serviceNode: "address",
    token: "address",
    fee: "bigint",
    sizeBytes: "number",
    days: "number",
    expiresAt: "number",
    signature: "signature",
    recordedAt: "number",
  },
  swapProposal: { hash: "bytes32", payment: "bytes", expiresAt: "number", recordedAt: "number" },
};

/** One line of JSON; integers that may be large are decimal strings. */
export function encodeEntry(entry: JsonEntry): string {
  return JSON.stringify(entry, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value));
}

/** @throws InvariantError when the line is not exactly what `encodeEntry` makes of an entry. */
export function decodeEntry(line: string): JsonEntry {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new InvariantError("an entry is not JSON", { line: line.slice(0, 100), error });
  }
  if (typeof value !== "object" || value === null || !("type" in value)) {
    throw new InvariantError("an entry has no type", { line: line.slice(0, 100) });
  }
  const { type, ...rest } = value as Record<string, unknown>;
  if (typeof type !== "string" || !Object.hasOwn(FIELDS, type)) {
    throw new InvariantError("an entry of an unknown type", { type });
  }
  return { type, ...decodeFields(type, FIELDS[type as JsonEntry["type"]], rest) } as unknown as JsonEntry;
}

function decodeFields(name: string, fields: Record<string, Field>, value: object): Record<string, unknown> {
  const names = Object.keys(value);
  if (names.length !== Object.keys(fields).length) {
    throw new InvariantError("an entry with fields missing or unknown", { name, fields: names.join(" ") });
  }
  const given = value as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(fields).map(([key, field]) => [key, decodeField(`${name}.${key}`, field, given[key])]),
  );
}

function decodeField(name: string, field: Field, value: unknown): unknown {
  if (typeof field === "object" && "nullable" in field) {
    return value === null ? null : decodeField(name, field.nullable, value);
  }
  if (typeof field === "object" && "listOf" in field) {
    if (Array.isArray(value) && value.length >= 1 && value.length <= field.max) {
      return value.map((item: unknown, i) => {
        if (typeof item !== "object" || item === null) throw wrongField(`${name}[${i}]`, item);
        return decodeFields(`${name}[${i}]`, field.listOf, item);
      });
    }
  } else if (Array.isArray(field)) {
    if (field.includes(value)) return value;
  } else {
    switch (field as Exclude<Kind, readonly string[]>) {
      case "number":
        if (Number.isSafeInteger(value) && (value as number) >= 0) return value;
        break;
      case "bigint":
        if (typeof value === "string" && /^(0|[1-9][0-9]{0,77})$/.test(value) && BigInt(value) < 2n ** 256n) {
          return BigInt(value);
        }
        break;
      case "bytes32":
        if (isHexOfLength(value, 32)) return value;
        break;
      case "address":
        if (isHexOfLength(value, 20)) return value;
        break;
      case "signature":
        if (isHexOfLength(value, SIGNATURE_BYTES)) return value;
        break;
      case "bytes":
        if (typeof value === "string" && /^0x([0-9a-f]{2})*$/.test(value)) return value;
        break;
      case "text":
        if (typeof value === "string") return value;
        break;
      case "boolean":
        if (typeof value === "boolean") return value;
        break;
    }
  }
  throw wrongField(name, value);
}

function wrongField(name: string, value: unknown): InvariantError {
  // To show an object could take more stack than there is.
  const shown = typeof value === "object" && value !== null ? "an object" : JSON.stringify(value)?.slice(0, 100);
  return new InvariantError("a field of an entry is wrong", { name, value: shown });
}
