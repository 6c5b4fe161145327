import type { Clock } from "../../ethereum/process/clock.ts";

interface Alarm {
  atMs: number;
  /** Among alarms of one moment the first set rings first. */
  order: number;
  ring: () => void;
}

/** Time that passes only when nothing is left to do: a queue of what is to happen, by time. */
export class VirtualTime implements Clock {
  private readonly heap: Alarm[] = [];
  private ms: number;
  private orders = 0;

  constructor(startMs: number) {
    this.ms = startMs;
  }

  now(): number {
    return this.ms;
  }

  at(atMs: number, ring: () => void): void {
    this.push({ atMs: Math.max(atMs, this.ms), order: this.orders++, ring });
  }

  after(ms: number, ring: () => void): void {
    this.at(this.ms + ms, ring);
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return;
    await new Promise<void>((resolve) => {
      this.after(ms, resolve);
      signal?.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  /** Lets time pass to the next alarm, and everything it sets off happen. */
  async step(): Promise<void> {
    const next = this.pop();
    if (next === undefined) throw new Error("nothing will ever happen");
    this.ms = next.atMs;
    next.ring();
    // Promises, and what the sequencer puts off to the next turn of the event loop.
    for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve));
  }

  private push(alarm: Alarm): void {
    const { heap } = this;
    let at = heap.push(alarm) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(alarm, heap[parent] as Alarm)) break;
      heap[at] = heap[parent] as Alarm;
      at = parent;
    }
    heap[at] = alarm;
  }

  private pop(): Alarm | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Alarm, heap[child] as Alarm)) child++;
      if (!before(heap[child] as Alarm, last)) break;
      heap[at] = heap[child] as Alarm;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function before(a: Alarm, b: Alarm): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
