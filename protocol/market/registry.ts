import { ProtocolError } from "../errors.ts";
import type { OfferEntry, QuoteEntry, RegistrationEntry, SwapProposalEntry } from "../entries.ts";
import { fileHashOf, ZERO_HASH } from "../transaction.ts";
import type { Address } from "../typedData.ts";
import { lives, type Market } from "./market.ts";
import { BPS } from "./shares.ts";

// Who may become what, offer what, promise what. All but payments.

export const FILE_ID_BYTES_MAX = 128;
/** Signed times may be so much ahead of ours; further ahead they could keep others from ever being newer. */
export const CLOCK_SKEW_SECONDS = 600;

/** `taken`: an entry to be journaled. `known`: this was answered before, nothing changes. */
export type Judged = "taken" | "known";

/**
 * Whether a registration may be taken.
 * @param signer who signed it; null for nobody
 * @throws ProtocolError MALFORMED, BAD_SIGNATURE, WRONG_ROLE, ROLE_TAKEN
 */
export function judgeRegistration(market: Market, entry: RegistrationEntry, signer: Address | null): Judged {
  const { account, role, validator, issuedAt, recordedAt } = entry;
  if (role === "serviceNode") {
    throw new ProtocolError("WRONG_ROLE", "the service node is the one in the operator's settings", { account });
  }
  if ((role === "owner") !== (validator !== null)) {
    throw malformed("validator", role === "owner" ? "the owner's validator" : "the zero address", validator);
  }
  if (issuedAt * 1000 > recordedAt + CLOCK_SKEW_SECONDS * 1000) {
    throw malformed("issuedAt", "the time of signing, in Unix seconds", issuedAt);
  }
  const byItself = signer === account;
  const byValidator = role === "owner" && signer !== null && signer === validator;
  if (!byItself && !byValidator) {
    const context = { account, validator, signer };
    throw new ProtocolError("BAD_SIGNATURE", "signed neither by the account nor by its validator", context);
  }
  if (validator !== null && market.roleOf(validator) !== "validator") {
    const context = { account, validator, role: market.roleOf(validator) };
    throw new ProtocolError("WRONG_ROLE", "the owner's validator is not registered as one", context);
  }
  const known = market.registration(account);
  if (known === null) return "taken";
  const mayReplace = byItself && known.signedBy !== null && known.signedBy !== account && issuedAt > known.issuedAt;
  if (mayReplace) return "taken";
  if (known.role === role && known.validator === validator) return "known";
  const context = { account, role: known.role, validator: known.validator, issuedAt: known.issuedAt };
  throw new ProtocolError("ROLE_TAKEN", `the account is registered as ${known.role}`, context);
}

/** @throws ProtocolError MALFORMED, BAD_SIGNATURE, WRONG_ROLE, UNKNOWN_FILE, WRONG_FILE, STALE_VERSION */
export function judgeOffer(market: Market, entry: OfferEntry, signer: Address | null): Judged {
  const { fileId, validator, owner, price, ownerShareBps, serviceShareBps, version } = entry;
  checkFileId(fileId);
  if (price === 0n) throw malformed("price", "above zero", "0");
  if (ownerShareBps + serviceShareBps > BPS) {
    throw malformed("shares", `${BPS} basis points at most together`, ownerShareBps + serviceShareBps);
  }
  if (owner === ZERO_HASH.slice(0, 42)) throw malformed("owner", "an address that is not zero", owner);
  if (signer !== validator) throw badSignature("the validator", validator, signer);
  if (market.roleOf(validator) !== "validator") throw notRegistered(market, validator, "validator");
  const ownersRole = market.roleOf(owner);
  if (ownersRole !== null && ownersRole !== "owner" && owner !== validator) {
    throw new ProtocolError("WRONG_ROLE", `the owner is registered as ${ownersRole}`, { owner, role: ownersRole });
  }
  if (serviceShareBps > 0 && market.serviceNode === null) {
    throw new ProtocolError("WRONG_ROLE", "there is no service node to share with", { serviceShareBps });
  }
  const file = market.file(fileHashOf(fileId));
  if (file === null) {
    throw new ProtocolError("UNKNOWN_FILE", "nobody has uploaded this file", { fileId });
  }
  if (file.validator !== validator) {
    throw new ProtocolError("WRONG_FILE", "the file is another validator's", { fileId, validator: file.validator });
  }
  const { offer } = file;
  if (offer === null || version > offer.version) return "taken";
  if (sameOffer(offer, entry)) return "known";
  throw new ProtocolError("STALE_VERSION", "the file has an offer of that version or a newer one", {
    fileId,
    version,
    newest: offer.version,
  });
}

/** @throws ProtocolError MALFORMED, BAD_SIGNATURE, WRONG_ROLE, WRONG_FILE */
export function judgeQuote(market: Market, entry: QuoteEntry, signer: Address | null): Judged {
  const { fileId, validator, serviceNode, fee, recordedAt } = entry;
  checkFileId(fileId);
  if (fee === 0n) throw malformed("fee", "above zero", "0");
  if (!lives(entry, recordedAt)) throw malformed("expiresAt", "in the future, in Unix seconds", entry.expiresAt);
  if (market.serviceNode === null || serviceNode !== market.serviceNode) {
    const context = { serviceNode, expected: market.serviceNode };
    throw new ProtocolError("WRONG_ROLE", "quotes are the service node's to give", context);
  }
  if (signer !== serviceNode) throw badSignature("the service node", serviceNode, signer);
  if (market.roleOf(validator) !== "validator") throw notRegistered(market, validator, "validator");
  const file = market.file(fileHashOf(fileId));
  if (file !== null && file.validator !== validator) {
    throw new ProtocolError("WRONG_FILE", "the file is another validator's", { fileId, validator: file.validator });
  }
  const known = market.quotesFor(fileHashOf(fileId), validator, recordedAt);
  return known.some((quote) => quote.signature === entry.signature) ? "known" : "taken";
}

/** @throws ProtocolError MALFORMED when it has expired */
export function judgeSwapProposal(market: Market, entry: SwapProposalEntry): Judged {
  if (!lives(entry, entry.recordedAt)) throw malformed("expiresAt", "in the future, in Unix seconds", entry.expiresAt);
  return market.swap(entry.hash)?.payment === entry.payment ? "known" : "taken";
}

/** @throws ProtocolError MALFORMED unless it is 1 to 128 bytes of UTF-8 */
export function checkFileId(fileId: string): void {
  const bytes = new TextEncoder().encode(fileId).length;
  // A lone surrogate is no UTF-8: two such ids would have one hash.
  if (bytes < 1 || bytes > FILE_ID_BYTES_MAX || !fileId.isWellFormed()) {
    throw malformed("fileId", `1 to ${FILE_ID_BYTES_MAX} bytes of UTF-8`, `${bytes} bytes`);
  }
}

/** The same terms; a validator may sign them twice with other bytes. */
function sameOffer(a: OfferEntry, b: OfferEntry): boolean {
  const termsOf = (offer: OfferEntry): string =>
    JSON.stringify([
      ...[offer.version, offer.owner, offer.token, offer.price.toString(), offer.ownerShareBps, offer.serviceShareBps],
      ...[offer.name, offer.size, offer.extension, offer.mimeType, offer.metadata],
    ]);
  return termsOf(a) === termsOf(b);
}

function malformed(field: string, expected: string, value: unknown): ProtocolError {
  return new ProtocolError("MALFORMED", `${field} must be ${expected}`, { field, expected, value });
}

function badSignature(who: string, expected: Address, signer: Address | null): ProtocolError {
  return new ProtocolError("BAD_SIGNATURE", `not signed by ${who}`, { expected, signer });
}

function notRegistered(market: Market, address: Address, role: string): ProtocolError {
  const context = { address, role: market.roleOf(address) };
  return new ProtocolError("WRONG_ROLE", `the account is not registered as ${role}`, context);
}
