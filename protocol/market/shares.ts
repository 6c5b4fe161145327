import { InvariantError } from "../errors.ts";
import type { Address } from "../typedData.ts";

/** Basis points of a whole. */
export const BPS = 10_000;
const GIB = 2n ** 30n;

/** What a purchase pays each of the three; it adds up to the price, whatever that is. */
export interface Shares {
  owner: bigint;
  serviceNode: bigint;
  validator: bigint;
}

/** Owner's and service node's shares are floored, the validator gets the rest. */
export function sharesOf(price: bigint, ownerShareBps: number, serviceShareBps: number): Shares {
  const owner = (price * BigInt(ownerShareBps)) / BigInt(BPS);
  const serviceNode = (price * BigInt(serviceShareBps)) / BigInt(BPS);
  return { owner, serviceNode, validator: price - owner - serviceNode };
}

/** Who is due what for a file: no address twice, none with nothing. */
export function duesOf(
  offer: { price: bigint; ownerShareBps: number; serviceShareBps: number; owner: Address; validator: Address },
  serviceNode: Address | null,
): Map<Address, bigint> {
  const shares = sharesOf(offer.price, offer.ownerShareBps, offer.serviceShareBps);
  const dues = new Map<Address, bigint>();
  const add = (address: Address, amount: bigint): void => {
    if (amount > 0n) dues.set(address, (dues.get(address) ?? 0n) + amount);
  };
  add(offer.validator, shares.validator);
  add(offer.owner, shares.owner);
  if (shares.serviceNode > 0n && serviceNode === null) {
    throw new InvariantError("an offer has a share for a service node, and there is none", { price: offer.price });
  }
  if (serviceNode !== null) add(serviceNode, shares.serviceNode);
  return dues;
}

/** ceil(sizeBytes × days × price ÷ 2^30), for a price per GiB and day, all in the token's smallest unit. */
export function storageFee(sizeBytes: number, days: number, pricePerGibDay: bigint): bigint {
  return (BigInt(sizeBytes) * BigInt(days) * pricePerGibDay + GIB - 1n) / GIB;
}
