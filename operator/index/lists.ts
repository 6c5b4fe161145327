/** A place that all lists have; or, at the end of the budget, the place that the search came to. */
export interface CommonPlace {
  at: number;
  common: boolean;
}

/**
 * What falling lists have in common, newest first. Every element that is looked at is taken from the budget; when it is
 * used up, the last thing given is a place that everything above was looked at.
 */
export function* commonPlaces(lists: Iterable<number>[], budget: { left: number }): Iterable<CommonPlace> {
  const iterators = lists.map((list): Iterator<number, unknown> => list[Symbol.iterator]());
  const heads: number[] = [];
  for (const iterator of iterators) {
    const first = iterator.next();
    if (first.done === true) return;
    heads.push(first.value);
  }
  for (;;) {
    const lowest = Math.min(...heads);
    if (budget.left <= 0) {
      yield { at: lowest, common: false };
      return;
    }
    let common = true;
    for (const [i, iterator] of iterators.entries()) {
      // One that is not above the lowest is the lowest.
      if ((heads[i] as number) === lowest) continue;
      common = false;
      const next = iterator.next();
      budget.left--;
      if (next.done === true) return;
      heads[i] = next.value;
    }
    if (!common) continue;
    yield { at: lowest, common: true };
    for (const [i, iterator] of iterators.entries()) {
      const next = iterator.next();
      budget.left--;
      if (next.done === true) return;
      heads[i] = next.value;
    }
  }
}
