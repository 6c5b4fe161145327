import {
  ACCEPTED_AT,
  BLOCK_AT,
  checkPaymentEntry,
  decodeJsonEntry,
  HASH_AT,
  INDEX_AT,
  outputIdsAt,
  PAYMENT_AT,
  PAYMENT_KIND,
} from "@plasma-billing/protocol/entryBytes.ts";
import type { DepositEntry } from "@plasma-billing/protocol/entries.ts";
import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import { fromHex, toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { HASH_BYTES, INPUTS_AT, OUTPUT_BYTES, outputAt, outputsAt } from "@plasma-billing/protocol/paymentBytes.ts";
import { depositHash, outputId } from "@plasma-billing/protocol/transaction.ts";
import { domainSeparator, type Address } from "@plasma-billing/protocol/typedData.ts";
import { LIVE, RECEIVED, SEEN } from "./generation.ts";
import type { History } from "./history.ts";
import { accountKey, fileKey, purposeKey } from "./keys.ts";
import { commonPlaces } from "./lists.ts";
import { OUTPUTS_MAX, placeOf } from "./places.ts";
import type {
  AccountSummary,
  IndexedOutput,
  IndexedPayment,
  IndexFilter,
  OutputPlace,
  OutputsPage,
  PaymentsPage,
  Resolution,
} from "./ports.ts";

/** Entries read at a time where a list is the journal itself. */
const READ_ENTRIES = 256;
const READ_BYTES_MAX = 1024 * 1024;

/** Answers from the history and the journal's records. */
export class Queries {
  private readonly history: History;
  private separator: Hex | null = null;

  constructor(history: History) {
    this.history = history;
  }

  payment(hash: Hex, upTo = Infinity): IndexedPayment | null {
    return this.find(hash, upTo, (bytes, id) => standsAt(bytes, HASH_AT, id));
  }

  paymentAt(blockNumber: number, transactionIndex: number): IndexedPayment | null {
    const { places, indexed, source } = this.history;
    if (blockNumber < 1 || blockNumber > places.openBlock) return null;
    const position = places.ofPayment(blockNumber, transactionIndex);
    if (position >= (places.sealOf(blockNumber) ?? indexed + 1)) return null;
    return { position, bytes: source.entry(position) };
  }

  spendOf(outputIdHex: Hex, upTo = Infinity): IndexedPayment | null {
    return this.find(outputIdHex, upTo, (bytes, id) => {
      const { inputs } = checkPaymentEntry(bytes);
      for (let i = 0, at = PAYMENT_AT + INPUTS_AT; i < inputs; i++, at += HASH_BYTES) {
        if (standsAt(bytes, at, id)) return true;
      }
      return false;
    });
  }

  resolve(hash: Hex, outputIds: readonly Hex[], upTo: number): Resolution {
    const payment = this.payment(hash, upTo);
    const spentBy: (Hex | null)[] = [];
    // With the payment known nothing else matters, nor does anything behind an input that nobody spent.
    for (const id of payment === null ? outputIds : []) {
      const spend = this.spendOf(id, upTo);
      spentBy.push(spend === null ? null : toHex(spend.bytes.subarray(HASH_AT, HASH_AT + HASH_BYTES)));
      if (spend === null) break;
    }
    return { payment, spentBy };
  }

  payments(filter: IndexFilter, limit: number, before: number | null): PaymentsPage {
    const { address, purpose, fileHash, since, until } = filter;
    const from = Math.max(filter.from ?? 1, since === undefined ? 1 : this.acceptedFrom(since));
    const last = until === undefined ? Infinity : this.acceptedFrom(until) - 1;
    const top = Math.min(filter.to ?? Infinity, (before ?? Infinity) - 1, last, this.history.indexed);
    const keys = [];
    if (fileHash !== undefined) keys.push(fileKey(fileHash));
    if (address !== undefined) keys.push(accountKey(address));
    if (purpose !== undefined) keys.push(purposeKey(purpose));
    const positions = keys.length === 0 ? this.allPayments(from, top) : this.listed(keys, from, top);
    const items: IndexedPayment[] = [];
    for (const found of positions) {
      if ("lookedUpTo" in found) return { items, next: found.lookedUpTo };
      if (items.length === limit) return { items, next: (items.at(-1) as IndexedPayment).position };
      items.push({ position: found.position, bytes: found.bytes ?? this.history.source.entry(found.position) });
    }
    return { items, next: null };
  }

  account(address: Address): AccountSummary {
    const key = accountKey(address);
    let transactionCount = 0;
    const sums = new Map<string, bigint>();
    for (const generation of this.history.generations) {
      const part = generation.part(key);
      if (part === null) continue;
      transactionCount += part.seen;
      for (const [token, sum] of part.sums) sums.set(token, (sums.get(token) ?? 0n) + sum);
    }
    const unspent = [];
    for (const [token, amount] of sums) {
      if (amount < 0n) throw new InvariantError("an account spent more than it got", { address, token, amount });
      if (amount > 0n) unspent.push({ token: `0x${token}` as Address, amount });
    }
    return { transactionCount, unspent };
  }

  outputs(owner: Address, unspentOnly: boolean, limit: number, before: OutputPlace | null): OutputsPage {
    const key = accountKey(owner);
    const below = before === null ? Infinity : placeOf(before.position, before.index);
    const items: IndexedOutput[] = [];
    let looked = 0;
    for (const generation of this.history.generations) {
      if (placeOf(generation.first, 0) >= below) continue;
      for (const place of generation.places(unspentOnly ? LIVE : RECEIVED, key, below)) {
        if (looked++ === this.history.limits.lookedAtMax) return { items, next: outputPlace(place + 1) };
        if (unspentOnly && this.history.marks.has(place)) continue;
        if (items.length === limit) {
          const { position, outputIndex: index } = items.at(-1) as IndexedOutput;
          return { items, next: { position, index } };
        }
        items.push(this.output(outputPlace(place)));
      }
    }
    return { items, next: null };
  }

  deposits(limit: number, belowId: bigint | null): DepositEntry[] {
    const { places, source } = this.history;
    const count = BigInt(places.depositCount);
    const newest = Number(belowId === null || belowId > count ? count : belowId - 1n);
    const deposits: DepositEntry[] = [];
    for (let id = newest; id > 0 && deposits.length < limit; id--) {
      deposits.push(decodeJsonEntry(source.entry(places.ofDeposit(id))) as DepositEntry);
    }
    return deposits;
  }

  private find(id: Hex, upTo: number, is: (bytes: Uint8Array, id: Uint8Array) => boolean): IndexedPayment | null {
    const bytes = fromHex(id);
    const hash = this.history.keyHash.of(new DataView(bytes.buffer), 0);
    for (const generation of this.history.generations) {
      if (generation.first > upTo) continue;
      for (const position of generation.candidates(hash)) {
        const body = this.history.source.entry(position);
        if (is(body, bytes)) return position <= upTo ? { position, bytes: body } : null;
      }
    }
    return null;
  }

  /** Positions that all the keys' lists have, newest first; at the end of what may be looked at, how far that was. */
  private *listed(keys: Uint8Array[], from: number, top: number): Iterable<Found> {
    const budget = { left: this.history.limits.lookedAtMax };
    for (const generation of this.history.generations) {
      if (generation.first > top) continue;
      if (generation.last < from) return;
      const lists = keys.map((key) => generation.places(SEEN, key, placeOf(top + 1, 0)));
      for (const place of commonPlaces(lists, budget)) {
        const position = Math.floor(place.at / OUTPUTS_MAX);
        if (position < from) return;
        if (!place.common) {
          yield { lookedUpTo: position + 1 };
          return;
        }
        yield { position };
      }
    }
  }

  /** All payments of a range, newest first. */
  private *allPayments(from: number, top: number): Iterable<Found> {
    const { source, limits } = this.history;
    let looked = 0;
    for (let last = top; last >= from;) {
      const first = Math.max(from, last - READ_ENTRIES + 1);
      const entries = readAll(first, last);
      for (const { position, body } of entries.reverse()) {
        if (body[0] === PAYMENT_KIND) yield { position, bytes: body };
        else if (looked++ === limits.lookedAtMax) {
          yield { lookedUpTo: position };
          return;
        }
      }
      last = first - 1;
    }

    function readAll(first: number, last: number): { position: number; body: Uint8Array }[] {
      const entries: { position: number; body: Uint8Array }[] = [];
      while (entries.length < last - first + 1) {
        entries.push(...source.read(first + entries.length, last, READ_BYTES_MAX));
      }
      return entries;
    }
  }

  /** Position of the first payment accepted at a time or later, in Unix milliseconds; behind the last where there is none. */
  private acceptedFrom(time: number): number {
    let [low, high] = [1, this.history.indexed + 1];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const found = this.nextPayment(middle, high);
      if (found === null || found.acceptedAt >= time) high = middle;
      else low = found.position + 1;
    }
    return low;
  }

  /** The first payment of positions from `from` to before `to`. */
  private nextPayment(from: number, to: number): { position: number; acceptedAt: number } | null {
    for (let next = from; next < to;) {
      const entries = this.history.source.read(next, Math.min(to - 1, next + READ_ENTRIES - 1), READ_BYTES_MAX);
      for (const { position, body } of entries) {
        if (body[0] !== PAYMENT_KIND) continue;
        const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
        return { position, acceptedAt: Number(view.getBigUint64(ACCEPTED_AT)) };
      }
      next += entries.length;
    }
    return null;
  }

  private output({ position, index }: OutputPlace): IndexedOutput {
    const bytes = this.history.source.entry(position);
    if (bytes[0] !== PAYMENT_KIND) return this.depositOutput(position, decodeJsonEntry(bytes) as DepositEntry);
    const counts = checkPaymentEntry(bytes);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const idAt = outputIdsAt(counts) + HASH_BYTES * index;
    return {
      id: toHex(bytes.subarray(idAt, idAt + HASH_BYTES)),
      ...outputAt(bytes, PAYMENT_AT + outputsAt(counts) + OUTPUT_BYTES * index),
      blockNumber: view.getUint32(BLOCK_AT),
      transactionIndex: view.getUint32(INDEX_AT),
      outputIndex: index,
      depositId: null,
      position,
    };
  }

  private depositOutput(position: number, { id: depositId, owner, token, amount }: DepositEntry): IndexedOutput {
    const id = outputId(depositHash(this.domain(), { id: depositId, owner, token, amount }), 0);
    const nowhere = { blockNumber: null, transactionIndex: null, outputIndex: 0 };
    return { id, owner, token, amount, ...nowhere, depositId, position };
  }

  /** The separator of the contract that the journal is for. */
  private domain(): Hex {
    if (this.separator === null) {
      const genesis = decodeJsonEntry(this.history.source.entry(1));
      if (genesis.type !== "genesis")
        throw new InvariantError("a journal begins with its genesis", { type: genesis.type });
      this.separator = domainSeparator({ chainId: genesis.chainId, verifyingContract: genesis.contract });
    }
    return this.separator;
  }
}

type Found = { position: number; bytes?: Uint8Array } | { lookedUpTo: number };

function outputPlace(place: number): OutputPlace {
  const index = place % OUTPUTS_MAX;
  return { position: (place - index) / OUTPUTS_MAX, index };
}

function standsAt(bytes: Uint8Array, at: number, part: Uint8Array): boolean {
  return part.every((byte, i) => bytes[at + i] === byte);
}
