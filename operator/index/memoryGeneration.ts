import { DEPOSIT_ORIGIN, HASH_AT, INPUT_BYTES, PAYMENT_AT, spentAt } from "@plasma-billing/protocol/entryBytes.ts";
import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import {
  ADDRESS_BYTES,
  HASH_BYTES,
  INPUTS_AT,
  OUTPUT_BYTES,
  outputsAt,
  putOutput,
  type PaymentCounts,
} from "@plasma-billing/protocol/paymentBytes.ts";
import { PURPOSES, type Output } from "@plasma-billing/protocol/transaction.ts";
import { LIVE, SEEN, type Generation, type List, type Part } from "./generation.ts";
import { Column, WideColumn } from "./growing.ts";
import type { KeyHash } from "./keyHash.ts";
import { ACCOUNT, Directory, FILE, PURPOSE, TOKEN } from "./keys.ts";
import { OUTPUTS_MAX, placeOf, type Places } from "./places.ts";
import { Sums } from "./sums.ts";

const NONE = -1;
/** In the list of what is live, of an output that is not in it any more. */
const SPENT = -2;
/** A key's value: its hash (32 bits), and the entry's place in the generation (20). */
export const ENTRIES_MAX = 2 ** 20;
const BUCKETS = 2 ** 16;
const PURPOSE_AT = PAYMENT_AT + 1;
const FILE_AT = PAYMENT_AT + 5;
const AMOUNT_AT = 2 * ADDRESS_BYTES;
const ORIGIN_AT = OUTPUT_BYTES;

/**
 * The newest entries, in flat columns: lists are linked through them, newest first, so that an entry is taken in two to
 * three microseconds and nothing is ever moved.
 */
export class MemoryGeneration implements Generation {
  readonly first: number;
  last: number;
  readonly directory = new Directory();
  readonly sums = new Sums();
  /** Hashes of payments and spent outputs, each with its entry. */
  readonly keys = new WideColumn();
  /** By slot of the directory. */
  readonly seenCount = new Column();
  readonly receivedCount = new Column();
  readonly liveCount = new Column();
  readonly seenHead = new Column();
  readonly receivedHead = new Column();
  readonly liveHead = new Column();
  /** Of each element of a list of entries: its entry, and the element before. */
  readonly seenEntry = new Column();
  readonly seenOlder = new Column();
  /** Of each output: its place in the generation, and its neighbours in both lists of its owner. */
  readonly outputPlace = new Column();
  readonly receivedOlder = new Column();
  readonly liveOlder = new Column();
  private readonly liveNewer = new Column();
  private readonly outputOwner = new Column();
  /** Of each entry: its first output. */
  private readonly firstOutput = new Column();
  private readonly buckets = new Int32Array(BUCKETS).fill(NONE);
  private readonly keyOlder = new Column();
  private readonly keyHash: KeyHash;
  private readonly journalPlaces: Places;
  private readonly spendOlder: (place: number) => void;
  private readonly scratch = new DataView(new ArrayBuffer(OUTPUT_BYTES));

  /** @param spendOlder - is told of spent outputs that are from before the generation */
  constructor(first: number, keyHash: KeyHash, places: Places, spendOlder: (place: number) => void) {
    this.first = first;
    this.last = first - 1;
    this.keyHash = keyHash;
    this.journalPlaces = places;
    this.spendOlder = spendOlder;
  }

  /** Outputs and keys it holds, whichever are more: what its memory grows with. */
  get weight(): number {
    return Math.max(this.outputPlace.length, this.keys.length);
  }

  /** Takes the entry of a payment, the next in order; `counts` is how many inputs and outputs it has. */
  takePayment(body: Uint8Array, counts: PaymentCounts): void {
    const entry = this.begin();
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    this.addKey(view, HASH_AT, entry);
    const purpose = view.getUint8(PURPOSE_AT);
    this.see(this.slotOf(PURPOSE, this.keyView(purpose), 0), entry);
    if (purpose !== PURPOSES.transfer && purpose !== PURPOSES.swap) this.see(this.slotOf(FILE, view, FILE_AT), entry);
    let at = spentAt(counts);
    for (let i = 0; i < counts.inputs; i++, at += INPUT_BYTES) {
      this.addKey(view, PAYMENT_AT + INPUTS_AT + HASH_BYTES * i, entry);
      const owner = this.slotOf(ACCOUNT, view, at);
      this.see(owner, entry);
      this.sums.add(owner, this.slotOf(TOKEN, view, at + ADDRESS_BYTES), view, at + AMOUNT_AT, -1);
      this.spend(this.originPlace(view, at + ORIGIN_AT));
    }
    at = PAYMENT_AT + outputsAt(counts);
    for (let i = 0; i < counts.outputs; i++, at += OUTPUT_BYTES) {
      this.see(this.receive(view, at, placeOf(entry, i)), entry);
    }
  }

  /** Takes the entry of a deposit, the next in order. */
  takeDeposit(output: Output): void {
    const entry = this.begin();
    putOutput(new Uint8Array(this.scratch.buffer), 0, output);
    this.receive(this.scratch, 0, placeOf(entry, 0));
  }

  /** Takes any other entry, the next in order. */
  takeOther(): void {
    this.begin();
  }

  /** Puts the last entry into the list of a kind that has one key only. */
  list(kind: number): void {
    this.see(this.slotOf(kind, this.keyView(0), 0), this.last - this.first);
  }

  candidates(hash: number): number[] {
    const found: number[] = [];
    for (let key = this.buckets[hash % BUCKETS] as number; key !== NONE; key = this.keyOlder.at(key)) {
      const value = this.keys.at(key);
      if (Math.floor(value / ENTRIES_MAX) === hash) found.push(this.first + (value % ENTRIES_MAX));
    }
    return found;
  }

  *places(list: List, key: Uint8Array, below: number): Iterable<number> {
    const slot = this.directory.find(key);
    if (slot === NONE) return;
    const start = placeOf(this.first, 0);
    if (list === SEEN) {
      for (let n = this.seenHead.at(slot); n !== NONE; n = this.seenOlder.at(n)) {
        const place = start + OUTPUTS_MAX * this.seenEntry.at(n);
        if (place < below) yield place;
      }
      return;
    }
    const [heads, older] = list === LIVE ? [this.liveHead, this.liveOlder] : [this.receivedHead, this.receivedOlder];
    for (let n = heads.at(slot); n !== NONE; n = older.at(n)) {
      const place = start + this.outputPlace.at(n);
      if (place < below) yield place;
    }
  }

  part(key: Uint8Array): Part | null {
    const slot = this.directory.find(key);
    if (slot === NONE) return null;
    return { seen: this.seenCount.at(slot), sums: this.sums.of(slot, this.directory) };
  }

  private begin(): number {
    const entry = ++this.last - this.first;
    if (entry >= ENTRIES_MAX) throw new InvariantError("a generation holds no more entries", { first: this.first });
    this.firstOutput.push(this.outputPlace.length);
    return entry;
  }

  private keyView(byte: number): DataView {
    const { scratch } = this;
    for (let i = 0; i < ADDRESS_BYTES; i += 4) scratch.setUint32(i, 0);
    scratch.setUint8(0, byte);
    return scratch;
  }

  private slotOf(kind: number, view: DataView, at: number): number {
    const slot = this.directory.take(kind, view, at);
    if (slot === this.seenHead.length) {
      this.seenCount.push(0);
      this.receivedCount.push(0);
      this.liveCount.push(0);
      this.seenHead.push(NONE);
      this.receivedHead.push(NONE);
      this.liveHead.push(NONE);
      this.sums.takeSlot();
    }
    return slot;
  }

  private addKey(view: DataView, at: number, entry: number): void {
    const hash = this.keyHash.of(view, at);
    const bucket = hash % BUCKETS;
    this.keyOlder.push(this.buckets[bucket] as number);
    this.buckets[bucket] = this.keys.push(hash * ENTRIES_MAX + entry);
  }

  /** Puts an entry into a list, once. */
  private see(slot: number, entry: number): void {
    const head = this.seenHead.at(slot);
    if (head !== NONE && this.seenEntry.at(head) === entry) return;
    this.seenOlder.push(head);
    this.seenHead.values[slot] = this.seenEntry.push(entry);
    (this.seenCount.values[slot] as number)++;
  }

  /** Gives the slot of the owner. */
  private receive(view: DataView, at: number, place: number): number {
    const owner = this.slotOf(ACCOUNT, view, at);
    const token = this.slotOf(TOKEN, view, at + ADDRESS_BYTES);
    this.sums.add(owner, token, view, at + AMOUNT_AT, 1);
    const output = this.outputPlace.push(place);
    this.outputOwner.push(owner);
    this.receivedOlder.push(this.receivedHead.at(owner));
    this.receivedHead.values[owner] = output;
    (this.receivedCount.values[owner] as number)++;
    const newest = this.liveHead.at(owner);
    this.liveOlder.push(newest);
    this.liveNewer.push(NONE);
    if (newest !== NONE) this.liveNewer.values[newest] = output;
    this.liveHead.values[owner] = output;
    (this.liveCount.values[owner] as number)++;
    return owner;
  }

  private originPlace(view: DataView, at: number): number {
    const index = view.getUint8(at + 8);
    if (index === DEPOSIT_ORIGIN) return placeOf(this.journalPlaces.ofDeposit(Number(view.getBigUint64(at))), 0);
    return placeOf(this.journalPlaces.ofPayment(view.getUint32(at), view.getUint32(at + 4)), index);
  }

  private spend(place: number): void {
    const inside = place - placeOf(this.first, 0);
    if (inside < 0) return this.spendOlder(place);
    const output = this.firstOutput.at(Math.floor(inside / OUTPUTS_MAX)) + (inside % OUTPUTS_MAX);
    const older = this.liveOlder.at(output);
    if (output >= this.outputPlace.length || this.outputPlace.at(output) !== inside || older === SPENT) {
      throw new InvariantError("what is spent is not there", { position: this.last, place });
    }
    const owner = this.outputOwner.at(output);
    const newer = this.liveNewer.at(output);
    if (newer === NONE) this.liveHead.values[owner] = older;
    else this.liveOlder.values[newer] = older;
    if (older !== NONE) this.liveNewer.values[older] = newer;
    this.liveOlder.values[output] = SPENT;
    (this.liveCount.values[owner] as number)--;
  }
}
