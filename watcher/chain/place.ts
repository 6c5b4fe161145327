import type { Place } from "./types.ts";

/** A block has fewer payments. */
const BLOCK_FACTOR = 2 ** 23;

/** The order of the chain, smaller is earlier; what is in no block comes last. */
export function rankOf(place: Place | null): number {
  return place === null ? Infinity : place.blockNumber * BLOCK_FACTOR + place.transactionIndex;
}
