import { toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { keccak256 } from "@plasma-billing/protocol/keccak.ts";
import { outputId, ZERO_HASH, type OutputId, type TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import {
  decodeTransaction,
  encodeTransaction,
  type TransactionJson,
} from "@plasma-billing/protocol/transactionJson.ts";
import { domainSeparator, type Address } from "@plasma-billing/protocol/typedData.ts";
import { Book, type KnownPayment } from "./book.ts";
import { WalletError } from "./errors.ts";
import type { Proof } from "./operatorClient.ts";

const KIT_FORMAT = "plasma-billing-exit-kit";
const KIT_VERSION = 1;
/** Who has to leave because of a bad block does so within one exit period of its commit: some days, never two months. */
const SOURCES_KEPT_SECONDS = 60 * 86_400;
/** First payments of chains: one in each hour of ten days. The kit is written after every payment. */
const CHAINS_MAX = 240;

/** All that is needed to take out everything an account has, with any Ethereum node and nothing else: docs/EXIT_KIT.md. */
export interface ExitKit {
  format: typeof KIT_FORMAT;
  version: typeof KIT_VERSION;
  chainId: string;
  contract: Address;
  owner: Address;
  /** Unix milliseconds. */
  createdAt: number;
  payments: { transaction: TransactionJson; signed: boolean; proof: Proof | null }[];
  deposits: { id: string; owner: Address; token: Address; amount: string }[];
  /** The account's outputs that it has not signed away; those whose exits were asked for too, until they are paid. */
  outputs: OutputId[];
  /** Payments that no block is known to have, and that the account signed or is paid by. */
  inFlight: TransactionHash[];
}

/**
 * What the book has to say to Ethereum, and no more: where its outputs come from, what no block has, and, should a recent block
 * turn out to be bad, the first payment of each chain in it with where that comes from.
 * @param createdAt - Unix milliseconds
 */
export function kitOf(book: Book, chainId: bigint, contract: Address, createdAt: number): ExitKit {
  const unspent = [...book.unspent(), ...book.departing()];
  const payments = new Map<TransactionHash, KnownPayment>();
  const deposits = new Set<OutputId>();
  const needSource = (id: OutputId): void => {
    const creator = book.creatorOf(id);
    if (creator !== null) payments.set(creator.payment.hash, creator.payment);
    else if (book.deposits.has(id)) deposits.add(id);
  };
  for (const { id, source } of unspent) {
    needSource(id);
    // Should its block be found to be bad, it leaves in flight.
    const made = "hash" in source ? book.payments.get(source.hash) : undefined;
    if (made !== undefined && isRecent(made, createdAt)) made.transaction.inputs.forEach(needSource);
  }
  for (const payment of firstOfChains(book, createdAt)) {
    payments.set(payment.hash, payment);
    payment.transaction.inputs.forEach(needSource);
  }
  // What it was paid counts while no block is known to have it, even if it has signed that away: until a block that cannot
  // turn out to be bad any more has the spend.
  const paysOwner = ({ hash, transaction }: KnownPayment): boolean =>
    transaction.outputs.some(({ owner }, i) => {
      const spentBy = owner === book.owner ? book.outputs.get(outputId(hash, i))?.spentBy : undefined;
      const spender = spentBy == null ? undefined : book.payments.get(spentBy);
      return spentBy !== undefined && (spender?.proof == null || isRecent(spender, createdAt));
    });
  const inFlight = book.unproven.filter((payment) => payment.signed || paysOwner(payment));
  for (const payment of inFlight) {
    payments.set(payment.hash, payment);
    for (const id of payment.transaction.inputs) needSource(id);
    // Which of its outputs were spent in a block, a reader has to know.
    for (const i of payment.transaction.outputs.keys()) {
      const spender = book.payments.get(book.outputs.get(outputId(payment.hash, i))?.spentBy ?? ZERO_HASH);
      if (spender !== undefined) payments.set(spender.hash, spender);
    }
  }
  // In the order in which they came, but of those that were signed for one output the one that counts last.
  const counts = ({ hash, transaction }: KnownPayment): boolean =>
    transaction.inputs.every((id) => (book.outputs.get(id)?.spentBy ?? hash) === hash);
  const there = [...book.payments.values()].filter(({ hash }) => payments.has(hash));
  const inOrder = [...there.filter((payment) => !counts(payment)), ...there.filter(counts)];
  return {
    ...{
      format: KIT_FORMAT,
      version: KIT_VERSION,
      chainId: chainId.toString(),
      contract,
      owner: book.owner,
      createdAt,
    },
    payments: inOrder.map(({ transaction, signed, proof }) => ({
      transaction: encodeTransaction(transaction),
      signed,
      proof,
    })),
    deposits: [...deposits].map((output) => {
      const { id, owner, token, amount } = book.deposits.get(output) as NonNullable<
        ReturnType<typeof book.deposits.get>
      >;
      return { id: id.toString(), owner, token, amount: amount.toString() };
    }),
    outputs: unspent.map(({ id }) => id),
    inFlight: inFlight.map(({ hash }) => hash),
  };
}

function isRecent({ proof }: KnownPayment, createdAt: number): boolean {
  return proof !== null && createdAt / 1000 - proof.header.timestamp < SOURCES_KEPT_SECONDS;
}

/**
 * Recent payments that pay the owner and spend nothing that their own block made, whatever became of what they paid; the newest.
 * If their block is the first bad one, they leave in flight, and nothing that was paid on from them can: what it spends is of no
 * good block. Of a payment that pays others only they have what it takes to leave with it.
 */
export function firstOfChains(book: Book, createdAt: number): KnownPayment[] {
  const blockOf = ({ proof }: KnownPayment): number => proof?.header.number ?? Infinity;
  const isFirst = (payment: KnownPayment): boolean =>
    payment.transaction.inputs.every((id) => {
      const creator = book.creatorOf(id);
      return creator === null ? book.deposits.has(id) : blockOf(creator.payment) < blockOf(payment);
    });
  const newest: KnownPayment[] = [];
  for (const payment of [...book.payments.values()].reverse()) {
    if (newest.length === CHAINS_MAX) break;
    if (isRecent(payment, createdAt) && book.paysOwner(payment) && isFirst(payment)) newest.push(payment);
  }
  return newest;
}

/** JSON with a checksum, for people to look at and for `decodeKit`. */
export function encodeKit(kit: ExitKit): string {
  return `${JSON.stringify({ ...kit, checksum: checksumOf(kit) }, null, 1)}\n`;
}

/** @throws WalletError KIT_VERSION for a kit of another version, KIT_DAMAGED for anything that `encodeKit` did not make */
export function decodeKit(text: string): ExitKit {
  const { checksum, ...kit } = parse(text);
  if (kit["format"] !== KIT_FORMAT) throw damaged("it is no exit kit", { format: kit["format"] });
  if (kit["version"] !== KIT_VERSION) {
    const context = { version: kit["version"], known: KIT_VERSION };
    throw new WalletError(
      "KIT_VERSION",
      `the kit has version ${String(kit["version"])}: use the software that wrote it`,
      context,
    );
  }
  const counted = checksumOf(kit as unknown as ExitKit);
  if (checksum !== counted) throw damaged("its checksum is another", { checksum, counted });
  try {
    bookOf(kit as unknown as ExitKit);
  } catch (error) {
    throw damaged(error instanceof Error ? error.message : String(error), {});
  }
  return kit as unknown as ExitKit;
}

/** The kit's knowledge as a book. What was signed is spent in it. */
export function bookOf(kit: ExitKit): Book {
  const separator = domainSeparator({ chainId: BigInt(kit.chainId), verifyingContract: kit.contract });
  const book = new Book(kit.owner, separator);
  for (const deposit of kit.deposits) book.apply({ kind: "deposit", ...deposit });
  for (const { transaction, signed } of kit.payments) {
    book.apply({ kind: "payment", transaction: encodeTransaction(decodeTransaction(transaction)), signed });
  }
  for (const payment of book.payments.values()) book.apply({ kind: "answer", hash: payment.hash, status: "accepted" });
  const proofs = new Map(kit.payments.map(({ transaction, proof }) => [JSON.stringify(transaction), proof]));
  for (const { hash, transaction } of book.payments.values()) {
    const proof = proofs.get(JSON.stringify(encodeTransaction(transaction))) ?? null;
    if (proof !== null) book.apply({ kind: "proof", hash, proof });
  }
  for (const id of kit.outputs) {
    if (!book.outputs.has(id))
      throw new WalletError("KIT_DAMAGED", `output ${id} has no payment and no deposit in it`, { id });
  }
  return book;
}

function parse(text: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // As anything else that is no object.
  }
  throw damaged("it is not JSON of an object", { characters: text.length });
}

function checksumOf(kit: ExitKit): Hex {
  return toHex(keccak256(new TextEncoder().encode(JSON.stringify(kit))));
}

function damaged(reason: string, context: Record<string, unknown>): WalletError {
  return new WalletError("KIT_DAMAGED", `the exit kit cannot be used: ${reason}`, context);
}
