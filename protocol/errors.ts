/** Why the ledger refuses a payment: checked in this order, the first failure is its one code. */
export const LEDGER_CODES = [
  "MALFORMED",
  "WRONG_SIGNATURE_COUNT",
  "DUPLICATE_INPUT",
  "ZERO_AMOUNT",
  "ZERO_OWNER",
  "UNKNOWN_INPUT",
  "INPUT_SPENT",
  "INPUT_EXITING",
  "BAD_SIGNATURE",
  "UNBALANCED",
] as const;

/** Why the marketplace refuses a payment that the ledger would take, in this order. */
export const MARKETPLACE_CODES = [
  "WRONG_ROLE",
  "UNKNOWN_FILE",
  "WRONG_FILE",
  "NO_QUOTE",
  "WRONG_TOKEN",
  "UNDERPAID",
  "WRONG_SPLIT",
  "NOT_A_SWAP",
] as const;

/** Why a registration or an offer is refused, beside the codes above. */
export const REGISTRY_CODES = ["ROLE_TAKEN", "STALE_VERSION"] as const;

export type MarketplaceCode = (typeof MARKETPLACE_CODES)[number];
export type PaymentCode = (typeof LEDGER_CODES)[number] | MarketplaceCode;
export type ProtocolCode = PaymentCode | (typeof REGISTRY_CODES)[number];
/** The values that offended, fit for JSON. */
export type Context = Record<string, unknown>;

/** What was sent is refused, for the one reason its code names. */
export class ProtocolError extends Error {
  readonly code: ProtocolCode;
  readonly context: Context;

  constructor(code: ProtocolCode, message: string, context: Context = {}) {
    super(message);
    this.name = "ProtocolError";
    this.code = code;
    this.context = context;
  }
}

/** Something that must hold does not. Money code stops here rather than guesses. */
export class InvariantError extends Error {
  readonly context: Context;

  constructor(message: string, context: Context = {}) {
    super(
      `${message} (${Object.entries(context)
        .map(([key, value]) => `${key}: ${shown(value)}`)
        .join(", ")})`,
    );
    this.name = "InvariantError";
    this.context = context;
  }
}

/** What came from outside may have no text: an object with a `toString` of its own, a list nested ten thousand deep. */
function shown(value: unknown): string {
  try {
    return String(value);
  } catch {
    return typeof value;
  }
}
