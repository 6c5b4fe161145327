import { ProtocolError, type Context, type MarketplaceCode } from "../errors.ts";
import type { Output, Transaction } from "../transaction.ts";
import type { Address } from "../typedData.ts";
import type { Market } from "./market.ts";
import { duesOf } from "./shares.ts";

/**
 * Why the marketplace refuses a payment that the ledger would take, or null: docs/MARKETPLACE.md.
 * @param spent the outputs that its inputs name, in their order
 * @param now Unix milliseconds
 */
export function marketFault(
  market: Market,
  transaction: Transaction,
  spent: readonly Output[],
  now: number,
): ProtocolError | null {
  switch (transaction.purpose) {
    case "transfer":
      return null;
    case "upload":
    case "extension":
      return storageFault(market, transaction, spent, now);
    case "purchase":
      return purchaseFault(market, transaction, spent);
    case "swap":
      return swapFault(market, transaction, spent);
  }
}

/** Validator → service node: the fee of a quote. A quote is a promise until it expires, so any that is met will do. */
function storageFault(
  market: Market,
  { purpose, outputs, fileHash }: Transaction,
  spent: readonly Output[],
  now: number,
): ProtocolError | null {
  const validator = onlyOwner(market, spent, "validator");
  if (validator === null) return wrongRole(market, spent, purpose, "one registered validator");
  const file = market.file(fileHash);
  if (purpose === "extension" && file === null) {
    return fault("UNKNOWN_FILE", "nobody has uploaded this file", { fileHash });
  }
  if (file !== null && file.validator !== validator) {
    const context = { fileHash, fileId: file.fileId, validator: file.validator, payer: validator };
    return fault("WRONG_FILE", "the file is another validator's", context);
  }
  const quotes = market.quotesFor(fileHash, validator, now);
  if (quotes.length === 0) {
    return fault("NO_QUOTE", "there is no quote that has not expired: ask for one", { fileHash, validator });
  }
  const paid = quotes.map(({ serviceNode, token }) => received(outputs, serviceNode, token));
  if (quotes.some(({ fee }, i) => (paid[i] as bigint) >= fee)) return null;
  const nearest = quotes.at(-1) as (typeof quotes)[number];
  const context = { fileHash, serviceNode: nearest.serviceNode, token: nearest.token, fee: nearest.fee.toString() };
  if (paid.every((amount) => amount === 0n)) {
    return fault("WRONG_TOKEN", "the service node gets nothing of the quote's token", context);
  }
  return fault("UNDERPAID", "the service node gets less than the fee", { ...context, paid: String(paid.at(-1)) });
}

/** Mart → validator, owner, service node: exactly what the offer says, beside the mart's own change. */
function purchaseFault(
  market: Market,
  { purpose, outputs, fileHash }: Transaction,
  spent: readonly Output[],
): ProtocolError | null {
  const mart = onlyOwner(market, spent, "mart");
  if (mart === null) return wrongRole(market, spent, purpose, "one registered mart");
  const file = market.file(fileHash);
  const offer = file?.offer ?? null;
  if (offer === null) return fault("UNKNOWN_FILE", "there is no offer of this file", { fileHash });
  const dues = duesOf(offer, market.serviceNode);
  dues.delete(mart);
  const paid = new Map<Address, bigint>();
  for (const { owner, token, amount } of outputs) {
    if (owner === mart) continue;
    if (token !== offer.token) {
      const context = { fileId: offer.fileId, token: offer.token, paidIn: token, owner };
      return fault("WRONG_TOKEN", "the offer is in another token", context);
    }
    paid.set(owner, (paid.get(owner) ?? 0n) + amount);
  }
  const [due, sum] = [total(dues), total(paid)];
  if (sum < due) {
    const context = { fileId: offer.fileId, version: offer.version, due: due.toString(), paid: sum.toString() };
    return fault("UNDERPAID", "less than the offer asks for", context);
  }
  for (const address of new Set([...dues.keys(), ...paid.keys()])) {
    const [share, given] = [dues.get(address) ?? 0n, paid.get(address) ?? 0n];
    if (share !== given) {
      const amounts = { due: share.toString(), paid: given.toString() };
      const context = { fileId: offer.fileId, version: offer.version, owner: address, ...amounts };
      return fault("WRONG_SPLIT", "somebody gets another sum than the offer's share", context);
    }
  }
  return null;
}

/** The service node's token against a storage provider's: each gets the other's, and of its own what it does not give. */
function swapFault(market: Market, { purpose, outputs }: Transaction, spent: readonly Output[]): ProtocolError | null {
  const owners = [...new Set(spent.map(({ owner }) => owner))];
  const serviceNode = owners.find((owner) => market.roleOf(owner) === "serviceNode");
  const storage = owners.find((owner) => market.roleOf(owner) === "storage");
  if (owners.length !== 2 || serviceNode === undefined || storage === undefined) {
    return wrongRole(market, spent, purpose, "the service node and one registered storage provider");
  }
  const tokensOf = (owner: Address): Address[] => [
    ...new Set(spent.filter((output) => output.owner === owner).map(({ token }) => token)),
  ];
  const [given, taken] = [tokensOf(serviceNode), tokensOf(storage)];
  const context = { serviceNode, storage, gives: given.join(" "), takes: taken.join(" ") };
  if (given.length !== 1 || taken.length !== 1 || given[0] === taken[0]) {
    return fault("NOT_A_SWAP", "each side gives one token, and not the other's", context);
  }
  const others = outputs.findIndex(({ owner }) => owner !== serviceNode && owner !== storage);
  if (others !== -1) return fault("NOT_A_SWAP", "somebody else is paid", { ...context, output: others });
  if (received(outputs, storage, given[0]) === 0n || received(outputs, serviceNode, taken[0]) === 0n) {
    return fault("NOT_A_SWAP", "one side gets nothing of the other's token", context);
  }
  return null;
}

/** The one owner of all outputs, if that has the role. */
function onlyOwner(market: Market, spent: readonly Output[], role: "validator" | "mart"): Address | null {
  const { owner } = spent[0] as Output;
  return spent.every((output) => output.owner === owner) && market.roleOf(owner) === role ? owner : null;
}

function wrongRole(market: Market, spent: readonly Output[], purpose: string, expected: string): ProtocolError {
  const payers = [...new Set(spent.map(({ owner }) => owner))].map((owner) => ({ owner, role: market.roleOf(owner) }));
  return fault("WRONG_ROLE", `the inputs of a ${purpose} belong to ${expected}`, { purpose, payers });
}

function received(outputs: readonly Output[], owner: Address, token: Address | undefined): bigint {
  return outputs.reduce((sum, one) => (one.owner === owner && one.token === token ? sum + one.amount : sum), 0n);
}

function total(amounts: ReadonlyMap<Address, bigint>): bigint {
  return [...amounts.values()].reduce((sum, amount) => sum + amount, 0n);
}

function fault(code: MarketplaceCode, message: string, context: Context): ProtocolError {
  return new ProtocolError(code, message, context);
}
