import { recover } from "@plasma-billing/ethereum/verification/recover.ts";
import { fromHex, toHex } from "@plasma-billing/protocol/hex.ts";
import { countsAt, decodePayment, HASH_BYTES, INPUTS_AT } from "@plasma-billing/protocol/paymentBytes.ts";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { firstWordOf } from "./records.ts";
import type { Place, SeenSpend } from "./types.ts";

/** Of one output, all signed by its owner. Those that were verified come first, last those in no block. */
const SPENDS_MAX = 16;

/** Where a payment was seen; null for data that Ethereum contradicts. */
export interface Seen extends Place {
  source: "blocks" | "unjudged";
}

interface Known {
  spend: Omit<SeenSpend, "place">;
  seen: Seen | null;
}

interface Watched {
  /** Null: not known here. Then only verified payments count: data that nobody judged may have any number of worthless spends. */
  owner: Address | null;
  known: Known[];
}

/** The payments that spend outputs which somebody watches. */
export class Spends {
  private readonly watched = new Map<OutputId, Watched>();
  private readonly firstWords = new Set<number>();

  get size(): number {
    return this.watched.size;
  }

  /** False when it was watched before, with its owner unless that is null now. */
  watch(id: OutputId, owner: Address | null): boolean {
    const known = this.watched.get(id);
    if (known !== undefined && (known.owner !== null || owner === null)) return false;
    this.watched.set(id, { owner, known: known?.known ?? [] });
    this.firstWords.add(firstWordOf(id));
    return true;
  }

  /** Whether a payment that begins there may spend a watched output; told by four bytes of each input. */
  mayConcern(view: DataView, payment: number): boolean {
    if (this.watched.size === 0) return false;
    const inputs = view.getUint8(payment + 2);
    for (let i = 0, at = payment + INPUTS_AT; i < inputs; i++, at += HASH_BYTES) {
      if (this.firstWords.has(view.getInt32(at))) return true;
    }
    return false;
  }

  /** Remembers a payment for every watched output it spends. What decodes to no transaction is no spend. */
  add(payment: Uint8Array, hash: Uint8Array, seen: Seen | null): void {
    const ids = inputsOf(payment);
    if (!ids.some((id) => this.watched.has(id))) return;
    let transaction: SeenSpend["transaction"];
    try {
      transaction = decodePayment(payment);
    } catch {
      return;
    }
    for (const [i, id] of ids.entries()) {
      const watched = this.watched.get(id);
      if (watched === undefined) continue;
      const { owner, known } = watched;
      const isVerified = seen?.source === "blocks";
      if (owner === null && !isVerified) continue;
      const signature = transaction.signatures[i];
      const signer = signature === undefined ? null : recover(hash, fromHex(signature));
      const spend = { hash: toHex(hash), transaction, signer: signer === null ? null : toHex(signer) };
      if (spend.signer !== owner && !isVerified) continue;
      const same = known.find((one) => one.spend.hash === spend.hash && one.spend.signer === spend.signer);
      if (same !== undefined) {
        // That a bad block has it too takes nothing from the place it has in a good one.
        const worse = same.seen?.source === "blocks" && seen?.source === "unjudged";
        if (seen !== null && !worse) same.seen = seen;
      } else keep(known, { spend, seen });
    }
  }

  /** What was seen there from this block on was taken back. */
  forgetPlaces(from: number): void {
    for (const { known } of this.watched.values()) {
      for (const one of known) if (one.seen !== null && one.seen.blockNumber >= from) one.seen = null;
    }
  }

  /** A block that was not judged is not the committed one. */
  forgetUnjudged(number: number): void {
    for (const { known } of this.watched.values()) {
      for (const one of known) if (one.seen?.source === "unjudged" && one.seen.blockNumber === number) one.seen = null;
    }
  }

  of(id: OutputId, holds: (seen: Seen) => boolean): SeenSpend[] {
    return (this.watched.get(id)?.known ?? []).map(({ spend, seen }) => {
      if (seen === null || !holds(seen)) return { ...spend, place: null };
      const { blockNumber, transactionIndex } = seen;
      return { ...spend, place: { blockNumber, transactionIndex } };
    });
  }
}

function keep(known: Known[], one: Known): void {
  if (known.length < SPENDS_MAX) {
    known.push(one);
    return;
  }
  const ranks = known.map(rankOf);
  const worst = Math.max(...ranks);
  if (rankOf(one) < worst) known[ranks.indexOf(worst)] = one;
}

function rankOf({ seen }: Known): number {
  return seen === null ? 2 : seen.source === "unjudged" ? 1 : 0;
}

function inputsOf(payment: Uint8Array): OutputId[] {
  const { inputs } = countsAt(payment, 0);
  return Array.from({ length: inputs }, (_, i) => {
    const at = INPUTS_AT + HASH_BYTES * i;
    return toHex(payment.subarray(at, at + HASH_BYTES));
  });
}
