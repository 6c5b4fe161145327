/** All entries an address, a file or a purpose has part in. */
export const SEEN = 0;
/** The outputs an address was given. */
export const RECEIVED = 1;
/** Those of them that were not spent when the generation ended. */
export const LIVE = 2;
export type List = typeof SEEN | typeof RECEIVED | typeof LIVE;

/** What a generation knows of an account. */
export interface Part {
  /** Payments it has part in. */
  seen: number;
  /** By token (40 hex digits) what it got less what it spent. */
  sums: Map<string, bigint>;
}

/**
 * A stretch of the journal, indexed: what came with its entries, and nothing of others'. Whatever is asked is asked of every
 * generation, newest first, and put together.
 */
export interface Generation {
  /** Positions of its first and last entry. */
  readonly first: number;
  readonly last: number;
  /** Positions, newest first, of entries that may have this hash, or spend this output: the record says whether they do. */
  candidates(hash: number): number[];
  /** Places in a key's list, newest first, all below `below`. */
  places(list: List, key: Uint8Array, below: number): Iterable<number>;
  part(key: Uint8Array): Part | null;
}
