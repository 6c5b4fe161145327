import { createHash } from "node:crypto";
import { checkPaymentEntry, decodeJsonEntry, PAYMENT_KIND } from "@plasma-billing/protocol/entryBytes.ts";
import { SEEN, type Generation } from "./generation.ts";
import { writeGeneration } from "./generationWriter.ts";
import { KeyHash } from "./keyHash.ts";
import { DEPOSITS, OTHERS, SEALS, singleKey } from "./keys.ts";
import { SpentMarks } from "./marks.ts";
import { MemoryGeneration } from "./memoryGeneration.ts";
import type { PageStore } from "./pages.ts";
import { OUTPUTS_MAX, Places } from "./places.ts";
import { IndexDamagedError, type EntrySource, type IndexLimits } from "./ports.ts";
import { Statistics } from "./statistics.ts";
import { StoredGeneration } from "./storedGeneration.ts";

const SECRET_BYTES = 8;
/** Name of what was counted up to where the journal is indexed. */
const STATISTICS = "statistics";

/** The generations of the journal: those on the disk, one that is being written, and the one that new entries go into. */
export class History {
  readonly places = new Places();
  readonly marks: SpentMarks;
  readonly keyHash: KeyHash;
  readonly source: EntrySource;
  readonly limits: IndexLimits;
  readonly statistics: Statistics;
  private readonly store: PageStore;
  private readonly stored: StoredGeneration[] = [];
  private frozen: MemoryGeneration | null = null;
  /** The statistics as they were when the frozen generation ended. */
  private frozenStatistics = new Uint8Array(0);
  private open: MemoryGeneration;
  private writing: Generator<void, void> | null = null;

  /**
   * @param durable - position of the last entry that may be read
   * @throws IndexDamagedError when what is stored is not of this journal, or not what was written
   */
  constructor(store: PageStore, source: EntrySource, durable: number, limits: IndexLimits) {
    this.store = store;
    this.source = source;
    this.limits = limits;
    this.marks = new SpentMarks(store);
    this.keyHash = new KeyHash(secretOf(store));
    const { indexedThrough } = store;
    if (indexedThrough !== null) {
      const { position, checksum } = indexedThrough;
      if (position > durable || checksumOf(source.entry(position)) !== checksum) {
        throw new IndexDamagedError(`it is of another journal, up to entry ${position}`);
      }
    }
    for (const row of store.generations()) {
      if (row.first !== this.storedTo + 1) throw new IndexDamagedError(`entry ${this.storedTo + 1} is missing`);
      this.stored.push(new StoredGeneration(store, row));
    }
    if (this.storedTo !== (indexedThrough?.position ?? 0)) throw new IndexDamagedError(`it ends at ${this.storedTo}`);
    this.statistics = indexedThrough === null ? new Statistics() : Statistics.decode(statisticsOf(store));
    this.loadPlaces();
    this.open = this.newGeneration(this.storedTo + 1);
  }

  /** Position of the last entry taken. */
  get indexed(): number {
    return this.open.last;
  }

  /** Position of the last entry on the disk: a start goes on from there. */
  get storedTo(): number {
    return this.stored.at(-1)?.last ?? 0;
  }

  /** No entry can be taken before `work` has written what is waiting. */
  get blocked(): boolean {
    return this.frozen !== null && this.openIsFull;
  }

  /** Newest first. */
  get generations(): Generation[] {
    const memory = this.frozen === null ? [this.open] : [this.open, this.frozen];
    return [...memory, ...this.stored.toReversed()];
  }

  /** Takes the next entry. Not while it is blocked. */
  take(body: Uint8Array): void {
    if (this.openIsFull) this.freeze();
    if (body[0] === PAYMENT_KIND) {
      const counts = checkPaymentEntry(body);
      this.open.takePayment(body, counts);
      this.statistics.takePayment(body, counts, this.open.last);
    } else this.takeJson(body);
  }

  /**
   * Writes a slice of what is to be written; false when nothing is. When it throws, nothing of the generation is written, and
   * the next call begins again.
   */
  work(): boolean {
    if (this.frozen === null) return false;
    this.writing ??= this.write(this.frozen);
    try {
      if (this.writing.next().done === true) this.writing = null;
    } catch (error) {
      this.writing = null;
      this.store.rollback();
      throw error;
    }
    return true;
  }

  private takeJson(body: Uint8Array): void {
    const entry = decodeJsonEntry(body);
    const { open, places } = this;
    if (entry.type === "deposit") open.takeDeposit(entry);
    else open.takeOther();
    const position = open.last;
    open.list(OTHERS);
    places.takeOther(position);
    if (entry.type === "deposit") {
      open.list(DEPOSITS);
      places.takeDeposit(position);
      this.statistics.takeDeposit(entry);
    }
    if (entry.type === "seal") {
      this.statistics.takeSeal();
      open.list(SEALS);
      places.takeSeal(position);
    }
  }

  private get openIsFull(): boolean {
    const { generationEntries, generationOutputs } = this.limits;
    const { first, last, weight } = this.open;
    return last - first + 1 >= generationEntries || weight >= generationOutputs;
  }

  private freeze(): void {
    this.frozen = this.open;
    this.frozenStatistics = Uint8Array.from(this.statistics.encode());
    this.marks.freeze();
    this.open = this.newGeneration(this.frozen.last + 1);
  }

  private newGeneration(first: number): MemoryGeneration {
    return new MemoryGeneration(first, this.keyHash, this.places, (place) => this.marks.add(place));
  }

  private *write(generation: MemoryGeneration): Generator<void, void> {
    const { store } = this;
    const { first, last } = generation;
    const number = this.stored.length + 1;
    const head = yield* writeGeneration(store, number, generation);
    // Marks change what was written before, so they become valid together with what they are from.
    store.begin();
    yield* this.marks.write();
    store.putMeta(STATISTICS, this.frozenStatistics);
    store.finish({ number, first, last, head }, checksumOf(this.source.entry(last)));
    this.marks.written();
    this.stored.push(new StoredGeneration(store, { number, first, last, head }));
    this.frozen = null;
  }

  private loadPlaces(): void {
    const positions = (generation: StoredGeneration, kind: number): number[] =>
      [...generation.places(SEEN, singleKey(kind), Infinity)].reverse().map((place) => place / OUTPUTS_MAX);
    for (const generation of this.stored) {
      for (const position of positions(generation, OTHERS)) this.places.takeOther(position);
      for (const position of positions(generation, SEALS)) this.places.takeSeal(position);
      for (const position of positions(generation, DEPOSITS)) this.places.takeDeposit(position);
    }
  }
}

function checksumOf(body: Uint8Array): string {
  return createHash("sha256").update(body).digest("hex");
}

function statisticsOf(store: PageStore): Uint8Array {
  const known = store.meta(STATISTICS);
  if (known === null) throw new IndexDamagedError("its statistics are missing");
  return known;
}

function secretOf(store: PageStore): Uint8Array {
  const known = store.meta("secret");
  if (known !== null) return known;
  const secret = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  store.putMeta("secret", secret);
  return secret;
}
