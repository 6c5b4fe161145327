// The malicious operator: what it puts into blocks, and when it lets them be read.
import { type Output, type OutputId, type Transaction, DAY, HOUR, PERIOD, TOKENS } from "./book.ts";
import { isExiting } from "./exits.ts";
import type { Random } from "./random.ts";
import { MALICIOUS, OPERATOR, PLAYERS, type World } from "./world.ts";

const BLOCK_MAX = 8;

/** A block that breaks no rule: of the payments it was sent, those it likes, in any order. */
export function commitGood(world: World, random: Random): void {
  const transactions = goodTransactions(world, random);
  if (transactions.length === 0) return;
  const delay = random.chance(0.6) ? 0 : random.chance(0.5) ? PERIOD / 8 : random.int(PERIOD / 8);
  world.act({ kind: "commit", by: OPERATOR, transactions, publishAt: world.now + delay });
}

export function goodTransactions(world: World, random: Random): number[] {
  const chosen = new Set<number>();
  const made = new Set<OutputId>();
  const pool = random.sample([...world.pool], BLOCK_MAX);
  // A payment made ahead needs its parent before it.
  if (random.chance(0.7)) pool.sort((a, b) => a.id - b.id);
  for (const transaction of pool) {
    if (random.chance(0.25) || world.fault(transaction, chosen, made) !== null) continue;
    chosen.add(transaction.id);
    for (const output of world.book.outputIds(transaction)) made.add(output);
  }
  return [...chosen];
}

/** A block that breaks a rule, or is withheld, or both. */
export function commitBad(world: World, random: Random): void {
  const wicked: number[] = [];
  for (let i = random.int(4); i > 0; i--) {
    const kinds = [forge, inflate, steal, repeat, spendTwice, spendExiting];
    const made = kinds[random.weighted([5, 1, 1, 5, 3, 2])]!(world, random);
    if (made !== undefined) wicked.push(made.id);
  }
  const others = random.chance(0.7) ? goodTransactions(world, random) : [];
  // Anything that was signed, in whatever state.
  const pending = random.sample([...world.pool], random.int(4)).map((transaction) => transaction.id);
  const transactions = random.sample([...others, ...pending, ...wicked], BLOCK_MAX);
  if (transactions.length === 0) return;
  const late = random.chance(0.5) ? Infinity : random.chance(0.5) ? PERIOD / 8 + random.int(3 * DAY) + 1 : 0;
  world.act({ kind: "commit", by: OPERATOR, transactions, publishAt: world.now + late });
}

function thief(random: Random): number {
  return random.pick(MALICIOUS)!;
}

/** Outputs made from nothing: as large as all that is held, or in pieces, since what is more than held is not paid. */
function forge(world: World, random: Random): Transaction {
  const outputs: Output[] = [];
  for (const token of random.chance(0.3) ? TOKENS : [random.pick(TOKENS)!]) {
    for (let left = world.chain.held[token], i = 0; left > 0 && i < 5; i++) {
      const amount = random.chance(0.6) ? left : random.between(1, left);
      outputs.push({ owner: thief(random), token, amount });
      if (random.chance(0.7)) left -= amount;
    }
  }
  if (outputs.length === 0) outputs.push({ owner: thief(random), token: 0, amount: 1 });
  const made = world.sign([-1 - world.book.transactions.length], outputs);
  world.forged.push(made);
  return made;
}

/** More out than in. */
function inflate(world: World, random: Random): Transaction | undefined {
  const input = random.pick(world.outputsOf(thief(random)));
  if (input === undefined) return undefined;
  const { token, amount } = world.book.output(input)!;
  return world.sign([input], [{ owner: thief(random), token, amount: amount + world.chain.held[token as 0 | 1] }]);
}

/** A spend of what somebody else owns, not signed. */
function steal(world: World, random: Random): Transaction | undefined {
  const input = random.pick([...world.made]);
  if (input === undefined) return undefined;
  return world.book.add([input], [{ ...world.book.output(input)!, owner: thief(random) }], 0, 0);
}

/** A transaction that stands in a block already: then it has two ages. */
function repeat(world: World, random: Random): Transaction | undefined {
  const wanted = [...world.pool].flatMap((transaction) => transaction.inputs.map((input) => world.book.maker(input)));
  const makers = wanted.filter((maker) => maker !== undefined && maker.inclusions.length > 0);
  const any = world.book.transactions.filter((transaction) => transaction.inclusions.length > 0);
  return random.pick(random.chance(0.7) && makers.length > 0 ? (makers as Transaction[]) : any);
}

function spendTwice(world: World, random: Random): Transaction | undefined {
  const { book } = world;
  return random.pick(
    book.transactions.filter(
      (at) => at.inputs.some((input) => world.spent.has(input)) && at.inclusions.length === 0 && book.fullySigned(at),
    ),
  );
}

function spendExiting(world: World, random: Random): Transaction | undefined {
  const { book, chain } = world;
  const exiting = random.pick(
    MALICIOUS.flatMap((player) => world.outputsOf(player)).filter((output) =>
      isExiting(book, chain.exits, output, world.now),
    ),
  );
  if (exiting === undefined) return undefined;
  return world.sign([exiting], [{ ...book.output(exiting)!, owner: random.int(PLAYERS - 1) }]);
}

/** How long until the next block: often an hour, now and then long enough for what is older to be old. */
export function untilNextBlock(random: Random): number {
  const spans = [0, HOUR, random.int(DAY), random.int(3 * DAY), random.int(2 * PERIOD)];
  return spans[random.weighted([0.6, 3, 3, 2, 0.7])]!;
}
