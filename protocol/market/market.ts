import { InvariantError } from "../errors.ts";
import type { MarketEntry, OfferEntry, QuoteEntry, RegistrationEntry, SwapProposalEntry } from "../entries.ts";
import type { Hex } from "../hex.ts";
import { fileHashOf, type TransactionHash } from "../transaction.ts";
import type { Address } from "../typedData.ts";
import type { Role } from "./roles.ts";

/** A file that was paid for. */
export interface MarketFile {
  readonly fileHash: Hex;
  /** Null where no quote told it. */
  readonly fileId: string | null;
  /** Who paid for its first upload. */
  readonly validator: Address;
  /** The one with the highest version. */
  readonly offer: OfferEntry | null;
}

export type Registered = Omit<RegistrationEntry, "type">;
export type Quote = Omit<QuoteEntry, "type">;
export type SwapProposal = Omit<SwapProposalEntry, "type">;

/** One thing of a market, as a snapshot keeps it. */
export type MarketRecord = MarketEntry | BoundFile;

export interface BoundFile {
  type: "file";
  fileHash: Hex;
  validator: Address;
  fileId: string | null;
}

/**
 * Who is what, whose file is which, what it costs: the part of the state that the marketplace's rules need. Records are
 * replaced, never changed, so whoever holds one may read it while the market goes on.
 */
export class Market {
  private readonly registrations = new Map<Address, Registered>();
  private readonly filesByHash = new Map<Hex, MarketFile>();
  /** Oldest first; all have much the same life, so the first are the first to expire. */
  private readonly quotes = new Set<Quote>();
  private readonly quotesByKey = new Map<string, Quote[]>();
  private readonly swaps = new Map<TransactionHash, SwapProposal>();
  private node: Address | null = null;

  get serviceNode(): Address | null {
    return this.node;
  }

  roleOf(address: Address): Role | null {
    return this.registrations.get(address)?.role ?? null;
  }

  registration(address: Address): Registered | null {
    return this.registrations.get(address) ?? null;
  }

  /** In the order of the first registration of each. */
  get accounts(): ReadonlyMap<Address, Registered> {
    return this.registrations;
  }

  file(fileHash: Hex): MarketFile | null {
    return this.filesByHash.get(fileHash) ?? null;
  }

  /** In the order in which they became known. */
  get files(): ReadonlyMap<Hex, MarketFile> {
    return this.filesByHash;
  }

  /** Quotes for a validator's file that have not expired. @param now - Unix milliseconds */
  quotesFor(fileHash: Hex, validator: Address, now: number): Quote[] {
    return (this.quotesByKey.get(keyOf(fileHash, validator)) ?? []).filter((quote) => lives(quote, now));
  }

  get quoteCount(): number {
    return this.quotes.size;
  }

  swap(hash: TransactionHash): SwapProposal | null {
    return this.swaps.get(hash) ?? null;
  }

  /** Swaps waiting for a signature, oldest first; some may have expired. */
  get swapProposals(): ReadonlyMap<TransactionHash, SwapProposal> {
    return this.swaps;
  }

  apply(entry: MarketEntry): void {
    switch (entry.type) {
      case "registration": {
        const { type: _, ...registered } = entry;
        if (entry.role === "serviceNode") {
          if (this.node !== null) this.registrations.delete(this.node);
          this.node = entry.account;
        }
        this.registrations.set(entry.account, registered);
        return;
      }
      case "offer": {
        const file = this.file(fileHashOf(entry.fileId));
        if (file === null) throw new InvariantError("an offer of a file nobody uploaded", { fileId: entry.fileId });
        this.filesByHash.set(file.fileHash, { ...file, fileId: entry.fileId, offer: entry });
        return;
      }
      case "quote":
        return this.takeQuote(entry);
      case "swapProposal": {
        const { type: _, ...proposal } = entry;
        this.dropExpired(this.swaps, entry.recordedAt);
        this.swaps.set(entry.hash, proposal);
        return;
      }
    }
  }

  /** A paid upload: the first binds the file to who paid. */
  bind(fileHash: Hex, validator: Address): void {
    if (this.filesByHash.has(fileHash)) return;
    const fileId = this.quotesByKey.get(keyOf(fileHash, validator))?.[0]?.fileId ?? null;
    this.filesByHash.set(fileHash, { fileHash, fileId, validator, offer: null });
  }

  /** A payment was taken: what waited for it to be signed does no more. */
  settle(hash: TransactionHash): void {
    this.swaps.delete(hash);
  }

  /** All there is, so that taking each in its order makes the same market. The list is a copy, its records are not. */
  records(): MarketRecord[] {
    const files = [...this.filesByHash.values()].flatMap(({ fileHash, validator, fileId, offer }): MarketRecord[] => [
      { type: "file", fileHash, validator, fileId },
      ...(offer === null ? [] : [offer]),
    ]);
    return [
      ...[...this.registrations.values()].map((one): MarketRecord => ({ type: "registration", ...one })),
      ...files,
      ...[...this.quotes].map((one): MarketRecord => ({ type: "quote", ...one })),
      ...[...this.swaps.values()].map((one): MarketRecord => ({ type: "swapProposal", ...one })),
    ];
  }

  /** Takes over a record of a snapshot. */
  restore(record: MarketRecord): void {
    if (record.type !== "file") return this.apply(record);
    const { fileHash, fileId, validator } = record;
    this.filesByHash.set(fileHash, { fileHash, fileId, validator, offer: null });
  }

  private takeQuote({ type: _, ...quote }: QuoteEntry): void {
    for (const old of this.quotes) {
      if (lives(old, quote.recordedAt)) break;
      this.quotes.delete(old);
      const key = keyOf(fileHashOf(old.fileId), old.validator);
      const rest = (this.quotesByKey.get(key) ?? []).filter((one) => one !== old);
      if (rest.length === 0) this.quotesByKey.delete(key);
      else this.quotesByKey.set(key, rest);
    }
    const key = keyOf(fileHashOf(quote.fileId), quote.validator);
    this.quotes.add(quote);
    this.quotesByKey.set(key, [...(this.quotesByKey.get(key) ?? []), quote]);
  }

  private dropExpired(swaps: Map<TransactionHash, SwapProposal>, now: number): void {
    for (const [hash, proposal] of swaps) if (!lives(proposal, now)) swaps.delete(hash);
  }
}

/** Whether it has not expired. @param now - Unix milliseconds */
export function lives({ expiresAt }: { expiresAt: number }, now: number): boolean {
  return expiresAt * 1000 > now;
}

function keyOf(fileHash: Hex, validator: Address): string {
  return fileHash + validator;
}
