import { OUTPUTS_MAX } from "./places.ts";
import { PAGE_BYTES, type PageStore } from "./pages.ts";

/** Sixteen bits an entry, one an output. */
const ENTRIES_A_PAGE = PAGE_BYTES / 2;
/** Pages kept: 2 MB, a million entries' marks. */
const PAGES_KEPT_MAX = 512;
/** Pages written between two looks at what else there is to do. */
const PAGES_A_SLICE = 128;

/** Which outputs of earlier generations are spent: two bytes an entry, written when a generation ends. */
export class SpentMarks {
  private readonly store: PageStore;
  /** Places spent by the entries of the generation in memory, and of the one being written. */
  private open = new Set<number>();
  private frozen = new Set<number>();
  private readonly kept = new Map<number, Uint8Array | null>();

  constructor(store: PageStore) {
    this.store = store;
  }

  add(place: number): void {
    this.open.add(place);
  }

  has(place: number): boolean {
    if (this.open.has(place) || this.frozen.has(place)) return true;
    const { page, byte, bit } = bitOf(place);
    const body = this.page(page);
    return body !== null && ((body[byte] as number) & bit) !== 0;
  }

  /** The generation in memory has ended. */
  freeze(): void {
    this.frozen = this.open;
    this.open = new Set();
  }

  /** Writes what was spent by the generation that ended. */
  *write(): Generator<void, void> {
    const places = Float64Array.from(this.frozen).sort();
    let pages = 0;
    for (let i = 0; i < places.length;) {
      const { page } = bitOf(places[i] as number);
      const body = Uint8Array.from(this.store.marks(page) ?? new Uint8Array(PAGE_BYTES));
      for (; i < places.length && bitOf(places[i] as number).page === page; i++) {
        const { byte, bit } = bitOf(places[i] as number);
        (body[byte] as number) |= bit;
      }
      this.store.putMarks(page, body);
      if (++pages % PAGES_A_SLICE === 0) yield;
    }
  }

  /** What was written is there for good. */
  written(): void {
    this.frozen = new Set();
    this.kept.clear();
  }

  private page(id: number): Uint8Array | null {
    let body = this.kept.get(id);
    if (body === undefined) {
      body = this.store.marks(id);
      if (this.kept.size >= PAGES_KEPT_MAX) this.kept.clear();
      this.kept.set(id, body);
    }
    return body;
  }
}

function bitOf(place: number): { page: number; byte: number; bit: number } {
  const index = place % OUTPUTS_MAX;
  const position = (place - index) / OUTPUTS_MAX;
  const page = Math.floor(position / ENTRIES_A_PAGE);
  return { page, byte: 2 * (position % ENTRIES_A_PAGE) + (index >> 3), bit: 1 << (index & 7) };
}
