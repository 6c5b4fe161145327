// The trade of honest holders, while they see nothing wrong: deposits, payments, swaps; now and then an exit, or the
// cancelling of a payment that the operator does not include.
import { type Output, type OutputId, type Transaction, bitOf, TOKENS } from "./book.ts";
import { exitOf } from "./honest.ts";
import type { Random } from "./random.ts";
import { HONEST, MALICIOUS, type World } from "./world.ts";

const AMOUNT_MAX = 100;
const HONEST_BITS = HONEST.map(bitOf).reduce((bits, bit) => bits | bit);
const EVERYBODY = [...HONEST, ...MALICIOUS];
const isHonest = (player: number): boolean => (HONEST as readonly number[]).includes(player);

export function deposit(world: World, random: Random, by: number): void {
  world.act({ kind: "deposit", by, token: random.int(TOKENS.length), amount: random.between(10, AMOUNT_MAX) });
}

export function trade(world: World, random: Random): void {
  const player = random.pick(HONEST)!;
  const kinds = [
    () => deposit(world, random, player),
    () => pay(world, random, player),
    () => swap(world, random, player),
    () => cancel(world, random, player),
    () => exit(world, random, player),
    () => payAhead(world, random, player),
  ];
  kinds[random.weighted([2, 6, 6, 0.5, 0.7, 0.7])]!();
}

/** What a careful holder may spend: in a good block it has read, not exiting, of which it signed no spend. */
function spendable(world: World, player: number): OutputId[] {
  return world.outputsOf(player).filter((output) => {
    if (!world.isSpendable(output, world.now) || !world.isSeen(output, world.now)) return false;
    const spends = world.book.signedSpendsOf(output);
    return isHonest(player)
      ? spends.length === 0
      : spends.every((spend) => !world.book.isPublic(spend, player, world.now));
  });
}

/** Splits what the inputs bring: a part to `to`, the rest back to `from`. */
function split(random: Random, { token, amount }: Output, to: number, from: number): Output[] {
  const part = random.chance(0.4) ? amount : random.between(1, amount);
  const outputs = [{ owner: to, token, amount: part }];
  if (part < amount) outputs.push({ owner: from, token, amount: amount - part });
  return outputs;
}

function send(world: World, transaction: Transaction): void {
  for (const { owner } of transaction.outputs) transaction.holders |= bitOf(owner);
  world.pool.add(transaction);
}

function pay(world: World, random: Random, player: number): void {
  const inputs = random.sample(spendable(world, player), random.between(1, 2));
  if (inputs.length === 0) return;
  const to = random.pick(EVERYBODY)!;
  const outputs = inputs.flatMap((input) => split(random, world.book.output(input)!, to, player));
  send(world, world.sign(inputs, outputs));
}

/** Of two or three, each with something of its own, which goes round to the next. */
function swap(world: World, random: Random, player: number): void {
  const others = random.sample(
    EVERYBODY.filter((at) => at !== player),
    random.chance(0.8) ? 1 : 2,
  );
  const parties = [player, ...others].flatMap((owner) => {
    const input = random.pick(spendable(world, owner));
    return input === undefined ? [] : [{ owner, input }];
  });
  if (parties.length < 2 || parties[0]!.owner !== player) return;
  const outputs = parties.flatMap(({ owner, input }, i) => {
    const next = parties[(i + 1) % parties.length]!.owner;
    return split(random, world.book.output(input)!, next, owner);
  });
  const inputs = random.sample(
    parties.map(({ input }) => input),
    parties.length,
  );
  // A malicious partner may keep its signature to itself: then the honest one signed first.
  const first = others.some((other) => !isHonest(other)) && random.chance(0.05);
  const transaction = world.sign(inputs, outputs, first ? HONEST_BITS : 0);
  if (first) world.pool.add(transaction);
  else send(world, transaction);
}

function waiting(world: World, player: number): Transaction[] {
  return [...world.pool].filter((at) => at.inputs.some((input) => world.book.output(input)?.owner === player));
}

/** Pays itself with the inputs of a payment that the operator has not included. */
function cancel(world: World, random: Random, player: number): void {
  const stale = random.pick(waiting(world, player));
  const own = stale?.inputs.filter((input) => world.book.output(input)!.owner === player) ?? [];
  const inputs = own.filter((input) => world.isSpendable(input, world.now));
  if (inputs.length === 0) return;
  const outputs = inputs.map((input) => ({ ...world.book.output(input)!, owner: player }));
  send(world, world.sign(inputs, outputs));
}

function exit(world: World, random: Random, player: number): void {
  const output = random.pick(spendable(world, player));
  if (output === undefined) return;
  for (const action of exitOf(world, player, output, world.now)) world.act(action);
}

/** Pays with an output of a payment that no block holds yet. */
function payAhead(world: World, random: Random, player: number): void {
  const outputs = [...world.pool].flatMap((transaction) => world.book.outputIds(transaction));
  const own = outputs.filter((output) => world.book.output(output)!.owner === player);
  const input = random.pick(own.filter((output) => world.book.signedSpendsOf(output).length === 0));
  if (input === undefined) return;
  send(world, world.sign([input], split(random, world.book.output(input)!, random.pick(EVERYBODY)!, player)));
}
