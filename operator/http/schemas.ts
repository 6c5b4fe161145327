import { isHexOfLength, type Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { Type, type TObject, type TProperties } from "typebox";
import { EVENT_TYPES } from "../events/rows.ts";
import { Problem } from "./problems.ts";

const LIMIT_MAX = 1000;
const LIMIT_DEFAULT = 50;

/** An object that has these fields and no others: unknown ones are refused. */
export function strict<T extends TProperties>(properties: T): TObject<T> {
  return Type.Object(properties, { additionalProperties: false });
}

export const NoQuery = strict({});
/** Lists: how many items, and where the page before ended. */
export const PageQuery = strict({
  limit: Type.Optional(Type.String({ pattern: "^[1-9][0-9]{0,3}$" })),
  cursor: Type.Optional(Type.String({ pattern: "^[A-Za-z0-9_-]{1,44}$" })),
});
/** Feeds begin at a payment's index; pages at a cursor. */
export const BlockPaymentsQuery = strict({
  ...PageQuery.properties,
  from: Type.Optional(Type.String({ pattern: "^(0|[1-9][0-9]{0,6})$" })),
});
export const OutputsQuery = strict({
  ...PageQuery.properties,
  state: Type.Optional(Type.Enum(["pending", "available", "exiting", "spent", "withdrawn"])),
});
export const PaymentsQuery = strict({
  ...PageQuery.properties,
  address: Type.Optional(Type.String({ pattern: "^0x[0-9a-fA-F]{40}$" })),
  purpose: Type.Optional(Type.Enum(["transfer", "upload", "extension", "purchase", "swap"])),
  fileId: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
  blockNumber: Type.Optional(Type.String({ pattern: "^[1-9][0-9]{0,9}$" })),
  state: Type.Optional(Type.Enum(["accepted", "committed", "finalized"])),
  since: Type.Optional(Type.String({ pattern: "^(0|[1-9][0-9]{0,14})$" })),
  until: Type.Optional(Type.String({ pattern: "^(0|[1-9][0-9]{0,14})$" })),
});
export const ExitsQuery = strict({ ...PageQuery.properties, address: PaymentsQuery.properties.address });
export const SearchQuery = strict({ q: Type.String({ minLength: 1, maxLength: 128 }) });
const EVENT = `(${EVENT_TYPES.join("|")})`;
export const EventsQuery = strict({
  types: Type.Optional(Type.String({ pattern: `^${EVENT}(,${EVENT}){0,${EVENT_TYPES.length - 1}}$` })),
  address: Type.Optional(Type.String({ pattern: "^0x[0-9a-fA-F]{40}$" })),
  lastEventId: Type.Optional(Type.String({ maxLength: 100 })),
});
export const StatisticsQuery = strict({ limit: PageQuery.properties.limit });
export const HashParams = strict({ hash: Type.String({ pattern: "^0x[0-9a-fA-F]{64}$" }) });
export const OutputParams = strict({ id: HashParams.properties.hash });
export const AddressParams = strict({ address: Type.String({ pattern: "^0x[0-9a-fA-F]{40}$" }) });
/** Where a payment is. */
export const PlaceParams = strict({
  number: Type.String({ pattern: "^(open|0|[1-9][0-9]{0,9})$" }),
  index: Type.String({ pattern: "^(0|[1-9][0-9]{0,6})$" }),
});
export const BlockParams = strict({ number: Type.String({ pattern: "^(open|0|[1-9][0-9]{0,9})$" }) });

/**
 * @param cursorNumbers How many numbers the list's cursors hold.
 * @param limitDefault How many items without a limit.
 * @throws Problem MALFORMED for a limit above the largest, or a cursor that is none of ours.
 */
export function readPage(
  query: { limit?: string; cursor?: string },
  cursorNumbers = 1,
  limitDefault = LIMIT_DEFAULT,
): { limit: number; from: number[] | null } {
  const limit = query.limit === undefined ? limitDefault : Number(query.limit);
  if (limit > LIMIT_MAX) throw new Problem("MALFORMED", `limit must be at most ${LIMIT_MAX}`, { limit });
  if (query.cursor === undefined) return { limit, from: null };
  const numbers = Buffer.from(query.cursor, "base64url").toString().split(":");
  if (numbers.length !== cursorNumbers || !numbers.every((text) => /^(0|[1-9][0-9]{0,14})$/.test(text))) {
    throw new Problem("MALFORMED", "cursor must be the nextCursor of an answer", { cursor: query.cursor });
  }
  return { limit, from: numbers.map(Number) };
}

/** A list's answer; the cursor is opaque to clients. */
export function pageShape(items: unknown[], next: number[] | null): { items: unknown[]; nextCursor: string | null } {
  return { items, nextCursor: next === null ? null : Buffer.from(next.join(":")).toString("base64url") };
}

/** Lower-case hex of a parameter whose form the schema made sure of. */
export function lower<T extends Hex | Address>(text: string): T {
  const hex = text.toLowerCase();
  if (!isHexOfLength(hex, (hex.length - 2) / 2)) throw new Problem("MALFORMED", "not hex", { value: text });
  return hex as T;
}
