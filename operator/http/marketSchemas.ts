import { PURPOSES, type Purpose } from "@plasma-billing/protocol/transaction.ts";
import { ROLES, type Role } from "@plasma-billing/protocol/market/roles.ts";
import { Type, type TOptional, type TSchema } from "typebox";
import { Problem } from "./problems.ts";
import { PageQuery, strict } from "./schemas.ts";

// What the marketplace's routes take.

const METADATA_CHARACTERS_MAX = 8_192;
const DAYS_MAX = 2 ** 32 - 1;
const SHARE_BPS_MAX = 10_000;

const AddressText = Type.String({ pattern: "^0x[0-9a-fA-F]{40}$" });
const Bytes32 = Type.String({ pattern: "^0x[0-9a-fA-F]{64}$" });
const Signature = Type.String({ pattern: "^0x[0-9a-fA-F]{130}$" });
const Amount = Type.String({ pattern: "^(0|[1-9][0-9]{0,77})$", description: "decimal, in the token's smallest unit" });
/** How many bytes it may have, the protocol's rules say. */
const FileId = Type.String({ minLength: 1, maxLength: 128 });
const Integer = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const UnixSeconds = Type.Integer({ minimum: 0, maximum: 100_000_000_000, description: "Unix seconds" });
const RoleName = Type.Enum(Object.keys(ROLES) as Role[]);
const nullable = <T extends TSchema>(schema: T): TOptional<TSchema> => Type.Optional(Type.Union([schema, Type.Null()]));

export const AccountsQuery = strict({
  ...PageQuery.properties,
  role: Type.Optional(RoleName),
  validator: Type.Optional(AddressText),
});
export const FilesQuery = strict({
  ...PageQuery.properties,
  validator: Type.Optional(AddressText),
  owner: Type.Optional(AddressText),
});
export const SwapsQuery = strict({ ...PageQuery.properties, address: Type.Optional(AddressText) });
export const FileParams = strict({ id: FileId });

export const RegistrationBody = strict({
  account: AddressText,
  role: RoleName,
  validator: Type.Optional(Type.Union([AddressText, Type.Null()])),
  issuedAt: UnixSeconds,
  signature: Signature,
});
export const OfferBody = strict({
  fileId: FileId,
  validator: AddressText,
  owner: AddressText,
  token: AddressText,
  price: Amount,
  ownerShareBps: Type.Integer({ minimum: 0, maximum: SHARE_BPS_MAX }),
  serviceShareBps: Type.Integer({ minimum: 0, maximum: SHARE_BPS_MAX }),
  version: Integer,
  signature: Signature,
  name: Type.Optional(Type.Union([Type.String({ maxLength: 256 }), Type.Null()])),
  size: Type.Optional(Type.Union([Integer, Type.Null()])),
  extension: Type.Optional(Type.Union([Type.String({ maxLength: 32 }), Type.Null()])),
  mimeType: Type.Optional(Type.Union([Type.String({ maxLength: 128 }), Type.Null()])),
  metadata: nullable(Type.Object({}, { additionalProperties: true, description: "free form, 8 KiB as JSON" })),
});
const quoteTerms = {
  fileId: FileId,
  validator: AddressText,
  token: AddressText,
  sizeBytes: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  days: Type.Integer({ minimum: 1, maximum: DAYS_MAX }),
};
/** With the last four: a quote that the service node signed itself. */
export const QuoteBody = strict({
  ...quoteTerms,
  serviceNode: Type.Optional(AddressText),
  fee: Type.Optional(Amount),
  expiresAt: Type.Optional(UnixSeconds),
  signature: Type.Optional(Signature),
});
const Inputs = Type.Optional(Type.Array(Bytes32, { minItems: 1, maxItems: 16, uniqueItems: true }));
export const StorageIntent = strict({ validator: AddressText, fileId: FileId, inputs: Inputs });
export const PurchaseIntent = strict({ mart: AddressText, fileId: FileId, inputs: Inputs });
const SwapSide = strict({ token: AddressText, amount: Amount });
export const SwapIntentBody = strict({ storage: AddressText, gives: SwapSide, takes: SwapSide });
export const SwapBody = strict({
  transaction: strict({
    purpose: Type.Enum(Object.keys(PURPOSES) as Purpose[]),
    inputs: Type.Array(Bytes32, { minItems: 1, maxItems: 16 }),
    outputs: Type.Array(strict({ owner: AddressText, token: AddressText, amount: Amount }), {
      minItems: 1,
      maxItems: 16,
    }),
    fileHash: Bytes32,
    signatures: Type.Array(Type.Union([Signature, Type.Null()]), { minItems: 1, maxItems: 16 }),
  }),
  expiresAt: UnixSeconds,
});

/** @throws Problem MALFORMED for what no token can have */
export function readAmount(field: string, text: string): bigint {
  const amount = BigInt(text);
  if (amount >= 2n ** 256n) throw new Problem("MALFORMED", `${field} must be below 2^256`, { field, value: text });
  return amount;
}

/** JSON text, or null. @throws Problem MALFORMED when it is too long */
export function readMetadata(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  const text = JSON.stringify(value);
  if (text.length <= METADATA_CHARACTERS_MAX) return text;
  const context = { characters: text.length };
  throw new Problem("MALFORMED", `metadata must have ${METADATA_CHARACTERS_MAX} characters of JSON at most`, context);
}
