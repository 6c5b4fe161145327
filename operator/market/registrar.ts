import type { MarketEntry, OfferEntry, QuoteEntry, RegistrationEntry } from "@plasma-billing/protocol/entries.ts";
import { ProtocolError } from "@plasma-billing/protocol/errors.ts";
import { fromHex, toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import type { Ledger } from "@plasma-billing/protocol/ledger.ts";
import type { Market, Quote, SwapProposal } from "@plasma-billing/protocol/market/market.ts";
import {
  judgeOffer,
  judgeQuote,
  judgeRegistration,
  judgeSwapProposal,
  type Judged,
} from "@plasma-billing/protocol/market/registry.ts";
import { ROLES, type Role } from "@plasma-billing/protocol/market/roles.ts";
import { storageFee } from "@plasma-billing/protocol/market/shares.ts";
import { encodePayment } from "@plasma-billing/protocol/paymentBytes.ts";
import {
  fileHashOf,
  SIGNATURE_BYTES,
  transactionHash,
  type SignedTransaction,
  type Transaction,
} from "@plasma-billing/protocol/transaction.ts";
import {
  fileOfferDigest,
  registrationDigest,
  storageQuoteDigest,
  type Address,
} from "@plasma-billing/protocol/typedData.ts";
import type { Clock } from "@plasma-billing/ethereum/process/clock.ts";
import type { Sequencer } from "../sequencer.ts";
import { recover } from "@plasma-billing/ethereum/verification/recover.ts";

/** Entries taken at once, and a second in the mean: they are signed by anybody, cost nothing, and stay for ever. */
const ENTRY_LIMITS = { burst: 5_000, perSecond: 100 };
/** Quotes that have not expired, in all and of one validator's file; none is dropped before its time. */
const QUOTES_MAX = 200_000;
const QUOTES_A_FILE_MAX = 1_000;
const SWAPS_MAX = 10_000;
/** How long the operator's own quotes hold. */
const QUOTE_SECONDS = 3_600;
const NO_SIGNATURE: Hex = `0x${"00".repeat(SIGNATURE_BYTES)}`;
const NOBODY: Address = "0x0000000000000000000000000000000000000000";

/** What the operator asks for storage, where it quotes on its own. */
export interface Pricing {
  token: Address;
  pricePerGibDay: bigint;
  /** Signs an EIP-712 digest with the service node's key. */
  sign: (digest: Hex) => Hex;
}

export interface RegistrarOptions {
  ledger: Ledger;
  sequencer: Pick<Sequencer, "record" | "whenDurable" | "overloaded">;
  clock: Pick<Clock, "now">;
  /** Null: quotes come signed from the service node. */
  pricing: Pricing | null;
  /** For tests. */
  limits?: { burst: number; perSecond: number };
}

export type RegistrationRequest = Pick<RegistrationEntry, "account" | "role" | "validator" | "issuedAt"> & {
  signature: Hex;
};
export type OfferRequest = Omit<OfferEntry, "type" | "recordedAt">;
export type QuoteRequest = Pick<QuoteEntry, "fileId" | "validator" | "token" | "sizeBytes" | "days">;
export type SignedQuote = Omit<QuoteEntry, "type" | "recordedAt">;

/** A swap of which some signatures are there; a missing one is null. */
export interface OpenSwap extends Transaction {
  signatures: (Hex | null)[];
}

/** There is too much of this kind at the moment: the same request can be sent again later. */
export class RegistrarBusyError extends Error {}

/** Takes what is signed beside payments: judged by the protocol's rules, journaled, answered when it is on the disk. */
export class Registrar {
  private readonly options: RegistrarOptions;
  private readonly limits: { burst: number; perSecond: number };
  private allowance: number;
  private allowanceAt: number;

  constructor(options: RegistrarOptions) {
    this.options = options;
    this.limits = options.limits ?? ENTRY_LIMITS;
    this.allowance = this.limits.burst;
    this.allowanceAt = options.clock.now();
  }

  get market(): Market {
    return this.options.ledger.market;
  }

  /** @throws ProtocolError as `judgeRegistration`; RegistrarBusyError */
  async register(request: RegistrationRequest): Promise<Judged> {
    const { account, role, validator, issuedAt, signature } = request;
    const terms = { account, role: ROLES[role], validator: validator ?? NOBODY, issuedAt: BigInt(issuedAt) };
    const signer = this.signerOf(registrationDigest(this.separator, terms), signature);
    const entry: RegistrationEntry = { type: "registration", ...request, signedBy: signer, recordedAt: this.now() };
    return await this.take(entry, judgeRegistration(this.market, entry, signer));
  }

  /** @throws ProtocolError as `judgeOffer`; RegistrarBusyError */
  async offer(request: OfferRequest): Promise<Judged> {
    const digest = fileOfferDigest(this.separator, { ...request, version: BigInt(request.version) });
    const entry: OfferEntry = { type: "offer", ...request, recordedAt: this.now() };
    return await this.take(entry, judgeOffer(this.market, entry, this.signerOf(digest, request.signature)));
  }

  /**
   * The operator's own quote for a file. The same request is answered by the same quote for half of its life.
   * @throws ProtocolError NO_QUOTE when this operator gives none, WRONG_TOKEN, and as `judgeQuote`; RegistrarBusyError
   */
  async quote(request: QuoteRequest): Promise<Quote> {
    const { pricing } = this.options;
    const { serviceNode } = this.market;
    if (pricing === null || serviceNode === null) {
      throw new ProtocolError("NO_QUOTE", "this operator gives no quotes: ask the service node for a signed one");
    }
    if (request.token !== pricing.token) {
      const context = { token: request.token, expected: pricing.token };
      throw new ProtocolError("WRONG_TOKEN", "storage is paid for in another token", context);
    }
    const now = this.now();
    const known = this.market
      .quotesFor(fileHashOf(request.fileId), request.validator, now)
      .find((quote) => isFor(quote, request) && quote.expiresAt * 1000 - now > (QUOTE_SECONDS * 1000) / 2);
    if (known !== undefined) {
      await this.options.sequencer.whenDurable();
      return known;
    }
    const { sizeBytes, days } = request;
    const fee = storageFee(sizeBytes, days, pricing.pricePerGibDay);
    const terms = { ...request, serviceNode, fee, expiresAt: Math.floor(now / 1000) + QUOTE_SECONDS };
    const quote = { ...terms, signature: pricing.sign(this.quoteDigest(terms)) };
    await this.takeQuote(quote);
    return { ...quote, recordedAt: now };
  }

  /** A quote that the service node signed itself. @throws ProtocolError as `judgeQuote`; RegistrarBusyError */
  async takeQuote(quote: SignedQuote): Promise<Judged> {
    const entry: QuoteEntry = { type: "quote", ...quote, recordedAt: this.now() };
    const judged = judgeQuote(this.market, entry, this.signerOf(this.quoteDigest(quote), quote.signature));
    const ofFile = this.market.quotesFor(fileHashOf(quote.fileId), quote.validator, entry.recordedAt).length;
    if (judged === "taken" && (this.market.quoteCount >= QUOTES_MAX || ofFile >= QUOTES_A_FILE_MAX)) {
      throw new RegistrarBusyError("too many quotes that have not expired");
    }
    return await this.take(entry, judged);
  }

  /**
   * A swap that one side signed, kept for the other. It must be one that would be accepted with the missing signatures.
   * @throws ProtocolError as for the payment; RegistrarBusyError
   */
  async proposeSwap({ signatures, ...transaction }: OpenSwap, expiresAt: number): Promise<SwapProposal> {
    const hash = transactionHash(this.separator, transaction);
    const signed: SignedTransaction = {
      ...transaction,
      signatures: signatures.map((signature) => signature ?? NO_SIGNATURE),
    };
    const ownerOf = (i: number): Address | null => {
      const input = transaction.inputs[i];
      return input === undefined ? null : (this.options.ledger.output(input)?.owner ?? null);
    };
    const signers = signatures.map((one, i) => (one === null ? ownerOf(i) : this.signerOf(hash, one)));
    const recordedAt = this.now();
    const fault = this.options.ledger.judge({ transaction: signed, hash, signers }, recordedAt);
    if (fault !== null) throw fault;
    if (transaction.purpose !== "swap" || !signatures.includes(null) || signatures.every((one) => one === null)) {
      const signedInputs = signatures.filter((one) => one !== null).length;
      const context = { purpose: transaction.purpose, signatures: signedInputs, inputs: transaction.inputs.length };
      throw new ProtocolError("MALFORMED", "a proposal is a swap with one side's signatures", context);
    }
    const payment = toHex(encodePayment(signed));
    const entry = { type: "swapProposal" as const, hash, payment, expiresAt, recordedAt };
    const judged = judgeSwapProposal(this.market, entry);
    if (judged === "taken" && this.market.swapProposals.size >= SWAPS_MAX) {
      throw new RegistrarBusyError("too many swaps wait for a signature");
    }
    await this.take(entry, judged);
    return { hash, payment, expiresAt, recordedAt };
  }

  private get separator(): Hex {
    return this.options.ledger.separator;
  }

  private now(): number {
    return this.options.clock.now();
  }

  private quoteDigest(quote: Omit<SignedQuote, "signature">): Hex {
    const numbers = { sizeBytes: BigInt(quote.sizeBytes), expiresAt: BigInt(quote.expiresAt) };
    return storageQuoteDigest(this.separator, { ...quote, ...numbers });
  }

  private signerOf(digest: Hex, signature: Hex): Address | null {
    const signer = recover(fromHex(digest), fromHex(signature));
    return signer === null ? null : toHex(signer);
  }

  /** Judging and taking are one step: nothing can come between. */
  private async take(entry: MarketEntry, judged: Judged): Promise<Judged> {
    const { sequencer } = this.options;
    if (judged === "known") await sequencer.whenDurable();
    else {
      if (sequencer.overloaded || !this.allowed()) throw new RegistrarBusyError("too much at once");
      await sequencer.record([entry]);
    }
    return judged;
  }

  private allowed(): boolean {
    const now = this.now();
    const gained = (Math.max(0, now - this.allowanceAt) / 1000) * this.limits.perSecond;
    this.allowance = Math.min(this.limits.burst, this.allowance + gained);
    this.allowanceAt = now;
    if (this.allowance < 1) return false;
    this.allowance--;
    return true;
  }
}

/** The entry that makes an account the service node; null when it is that already. */
export function serviceNodeEntry(market: Market, account: Address, now: number): RegistrationEntry | null {
  if (market.serviceNode === account) return null;
  return {
    type: "registration",
    ...{ account, role: "serviceNode" satisfies Role, validator: null, issuedAt: 0 },
    ...{ signedBy: null, signature: null, recordedAt: now },
  };
}

function isFor(quote: Quote, { fileId, token, sizeBytes, days }: QuoteRequest): boolean {
  return quote.fileId === fileId && quote.token === token && quote.sizeBytes === sizeBytes && quote.days === days;
}
