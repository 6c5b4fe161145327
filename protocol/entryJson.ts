import { InvariantError } from "./errors.ts";
import type { Entry } from "./entries.ts";
import { isHexOfLength } from "./hex.ts";
import { decodeTransaction, encodeTransaction } from "./transactionJson.ts";

type Kind = "number" | "bigint" | "bytes32" | "address" | "boolean" | "transaction" | readonly string[];
/** A field's kind; with `null` where it may be absent. */
type Field = Kind | { nullable: Kind };

const FIELDS: { [T in Entry["type"]]: Record<Exclude<keyof Extract<Entry, { type: T }>, "type">, Field> } = {
  genesis: { version: "number", chainId: "bigint", contract: "address", createdAt: "number" },
  payment: { transaction: "transaction", hash: "bytes32", acceptedAt: "number" },
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
};

/** One line of JSON; integers that may be large are decimal strings. */
export function encodeEntry(entry: Entry): string {
  const plain = entry.type === "payment" ? { ...entry, transaction: encodeTransaction(entry.transaction) } : entry;
  return JSON.stringify(plain, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value));
}

/** @throws InvariantError or ProtocolError when the line is not exactly what `encodeEntry` makes of an entry. */
export function decodeEntry(line: string): Entry {
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
  const fields = Object.entries(FIELDS[type as Entry["type"]]);
  if (Object.keys(rest).length !== fields.length) {
    throw new InvariantError("an entry with fields missing or unknown", { type, fields: Object.keys(rest).join(" ") });
  }
  const entry: Record<string, unknown> = { type };
  for (const [name, field] of fields) entry[name] = decodeField(`${type}.${name}`, field, rest[name]);
  return entry as unknown as Entry;
}

function decodeField(name: string, field: Field, value: unknown): unknown {
  if (typeof field === "object" && "nullable" in field) {
    return value === null ? null : decodeField(name, field.nullable, value);
  }
  if (Array.isArray(field)) {
    if (field.includes(value)) return value;
  } else {
    switch (field as Exclude<Kind, readonly string[]>) {
      case "number":
        if (Number.isSafeInteger(value) && (value as number) >= 0) return value;
        break;
      case "bigint":
        if (typeof value === "string" && /^(0|[1-9][0-9]{0,77})$/.test(value)) return BigInt(value);
        break;
      case "bytes32":
        if (isHexOfLength(value, 32)) return value;
        break;
      case "address":
        if (isHexOfLength(value, 20)) return value;
        break;
      case "boolean":
        if (typeof value === "boolean") return value;
        break;
      case "transaction":
        return decodeTransaction(value);
    }
  }
  throw new InvariantError("a field of an entry is wrong", { name, value: JSON.stringify(value)?.slice(0, 100) });
}
