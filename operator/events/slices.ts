/** Rest after work, as a multiple of it: events take at most a quarter of the thread that judges payments. */
const REST_FACTOR = 3;
/** Timers are no finer; below it, whatever else is waiting goes first. */
const TIMER_MS = 1;

/** What is for all who are up to date, or for one who is catching up. */
export type SliceKind = "shared" | "own";

/**
 * One piece of work at a time, each followed by a rest; both kinds take turns, so that however many are catching up, those who
 * are up to date get half.
 */
export class Slices {
  private readonly waiting: Record<SliceKind, (() => void)[]> = { shared: [], own: [] };
  private busy = false;

  /** Does the work when it is its turn. Rejects with what it throws. */
  async run<T>(kind: SliceKind, work: () => T): Promise<T> {
    if (this.busy) await new Promise<void>((resolve) => this.waiting[kind].push(resolve));
    this.busy = true;
    const began = performance.now();
    try {
      return work();
    } finally {
      const restMs = REST_FACTOR * (performance.now() - began);
      const next = (): void => this.next(kind);
      if (restMs < TIMER_MS) setImmediate(next);
      else setTimeout(next, restMs);
    }
  }

  private next(last: SliceKind): void {
    const [first, second] =
      last === "shared" ? [this.waiting.own, this.waiting.shared] : [this.waiting.shared, this.waiting.own];
    const go = first.shift() ?? second.shift();
    if (go === undefined) this.busy = false;
    else go();
  }
}
