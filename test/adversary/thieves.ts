// What the malicious players can do on Ethereum and among themselves: one random move at a time, most of which the
// contract accepts, some on the edge of what it should.
import { type Action, OUTPUT_SLOT } from "./actions.ts";
import { type Output, type OutputId, type Place, type Transaction, NEVER, PERIOD, TOKENS } from "./book.ts";
import { type InFlightExit, isLive, isOpen, livePiggybacks, outputOfSlot, slotsOf } from "./exits.ts";
import { goodTransactions } from "./operator.ts";
import type { Random } from "./random.ts";
import { HONEST, MALICIOUS, OPERATOR, type World } from "./world.ts";

type Move = (world: World, random: Random) => Action | undefined;

const MOVES: Record<string, Move> = {
  signSecret,
  startStandard,
  startInFlight,
  piggyback,
  challengeNonCanonical,
  respond,
  challengeStandard,
  challengePiggyback,
  close,
  process,
  deposit,
  commit,
};
const BASE_WEIGHTS = [4, 4, 6, 9, 4, 4, 1, 1, 1.5, 4, 0.3, 0.7];

/** How this history's thieves like each kind of move: some not at all, so that others come to their own. */
export function tastes(random: Random): number[] {
  return BASE_WEIGHTS.map((weight) => weight * random.pick([0.2, 1, 1, 3])!);
}

export function act(world: World, random: Random, weights: readonly number[]): void {
  const moves = Object.values(MOVES);
  for (let i = random.between(1, 5); i > 0; i--) {
    const action = moves[random.weighted(weights)]!(world, random);
    if (action === undefined || !world.act(action)) continue;
    // What was kept back until an exit was through the first of its queues.
    const late = action.kind === "process" && random.chance(0.5) ? respond(world, random) : undefined;
    if (late !== undefined) world.act(late);
  }
}

function isMalicious(player: number | undefined): boolean {
  return (MALICIOUS as readonly (number | undefined)[]).includes(player);
}

/** One of the items of a kind that is not empty, the kinds by their weights. */
function pickOf<T>(random: Random, kinds: readonly T[][], weights: readonly number[]): T | undefined {
  const kind = random.weighted(weights.map((weight, i) => (kinds[i]!.length === 0 ? 0 : weight)));
  return kind === -1 ? undefined : random.pick(kinds[kind]!);
}

function owned(world: World): OutputId[] {
  return MALICIOUS.flatMap((player) => world.outputsOf(player));
}

function openExits(world: World): InFlightExit[] {
  return world.chain.exits.filter((exit) => exit.kind === "inFlight" && isOpen(exit)) as InFlightExit[];
}

/** Where a transaction is shown to stand: null for a deposit, undefined if it stands nowhere. */
function anyPlace(
  random: Random,
  maker: Transaction | undefined,
  which: "first" | "last" | "any" = "any",
): Place | null | undefined {
  if (maker?.deposit != null) return null;
  const { inclusions } = maker ?? { inclusions: [] };
  const at = which === "first" ? inclusions[0] : which === "last" ? inclusions.at(-1) : random.pick(inclusions);
  return at === undefined ? undefined : { block: at.block, index: at.index };
}

/** A transaction among themselves, or to an honest holder, of outputs in whatever state; sometimes not a sound one. */
function signSecret(world: World, random: Random): undefined {
  const { book } = world;
  const own = owned(world);
  const fresh = own.filter((output) => world.made.has(output));
  const inputs = random.sample(random.chance(0.6) && fresh.length > 0 ? fresh : own, random.between(1, 2));
  const forged = random.pick(world.forged.filter((at) => at.inclusions.length > 0));
  if (forged !== undefined && random.chance(0.5)) inputs.push(random.pick(book.outputIds(forged))!);
  if (inputs.length === 0) return;
  const outputs: Output[] = [];
  for (const input of new Set(inputs)) {
    const { token, amount } = book.output(input)!;
    const part = random.chance(0.6) ? amount : random.between(1, amount);
    outputs.push({ owner: receiver(random), token, amount: part });
    if (part < amount) outputs.push({ owner: receiver(random), token, amount: amount - part });
  }
  const flaw = random.int(40);
  if (flaw === 0) {
    inputs.push(inputs[0]!);
    outputs.push({ ...book.output(inputs[0]!)! });
  } else if (flaw === 1) {
    outputs[0]!.amount += random.between(1, 200);
  } else if (flaw === 2) {
    const victim = random.pick(HONEST.flatMap((player) => world.outputsOf(player)));
    if (victim === undefined) return;
    const signers = world.sign(inputs, outputs).signers;
    book.add([...inputs, victim], [...outputs, { ...book.output(victim)!, owner: receiver(random) }], signers, signers);
    return;
  }
  const made = world.sign(inputs, outputs);
  if (random.chance(0.5)) world.pool.add(made);
}

function receiver(random: Random): number {
  return random.chance(0.8) ? random.pick(MALICIOUS)! : random.pick(HONEST)!;
}

function startStandard(world: World, random: Random): Action | undefined {
  const { chain, book } = world;
  const free = owned(world).filter((output) => !chain.liveStandard.has(output) && !chain.finalizedBy.has(output));
  const kinds = [
    free.filter((output) => world.spent.has(output)),
    free.filter((output) => book.signedSpendsOf(output).length > 0),
    free.filter((output) => world.isSpendable(output, world.now)),
    free.filter((output) => world.forged.includes(book.maker(output)!)),
    owned(world),
  ];
  const output = pickOf(random, kinds, [2, 2, 2, 3, 0.3]);
  if (output === undefined) return undefined;
  const place = anyPlace(random, book.maker(output));
  if (place === undefined) return undefined;
  return { kind: "startStandard", by: book.output(output)!.owner, output, place };
}

function startInFlight(world: World, random: Random): Action | undefined {
  const { book, chain } = world;
  const ready = book.transactions.filter(
    ({ inputs }) =>
      inputs.length > 0 &&
      inputs.every((input) => {
        const maker = input < 0 ? undefined : book.maker(input);
        return maker !== undefined && (maker.deposit !== null || maker.inclusions.length > 0);
      }),
  );
  const kinds = [
    ready.filter(({ id, inputs, outputs }) => {
      const owners = [...inputs.map((input) => book.output(input)?.owner), ...outputs.map((output) => output.owner)];
      return !chain.mainExit.has(id) && owners.some(isMalicious);
    }),
    ready.filter(({ id }) => chain.mainExit.has(id)),
    ready,
  ];
  const transaction = pickOf(random, kinds, [4, 2, 1]);
  if (transaction === undefined) return undefined;
  // Where its inputs' makers stand more than once, the exit can be made younger or older.
  const which = random.pick(["first", "last", "any"] as const)!;
  const places = transaction.inputs.map((input) => anyPlace(random, book.maker(input), which)!);
  return { kind: "startInFlight", by: random.pick(MALICIOUS)!, transaction: transaction.id, places };
}

function piggyback(world: World, random: Random): Action | undefined {
  const exits = openExits(world);
  const soon = exits.filter((exit) => world.now < exit.start + PERIOD / 2 || random.chance(0.2));
  const exit = random.pick(soon);
  if (exit === undefined) return undefined;
  const slots = slotsOf(world.book, exit).filter((slot) => {
    const { owner } = world.book.output(outputOfSlot(world.book, exit, slot)!)!;
    return isMalicious(owner) && (!exit.piggybacks.has(slot) || random.chance(0.1));
  });
  const slot = random.pick(slots);
  if (slot === undefined) return undefined;
  const by = world.book.output(outputOfSlot(world.book, exit, slot)!)!.owner;
  return { kind: "piggyback", by, exit: exit.number, slot };
}

function challengeNonCanonical(world: World, random: Random): Action | undefined {
  const exit = random.pick(openExits(world));
  if (exit === undefined) return undefined;
  const transaction = world.book.transactions[exit.transaction]!;
  const input = random.pick(transaction.inputs);
  if (input === undefined) return undefined;
  const spends = random.chance(0.95) ? world.book.signedSpendsOf(input) : world.book.spendsOf(input);
  const competitor = random.pick(spends.filter((at) => at !== transaction || random.chance(0.05)));
  if (competitor === undefined) return undefined;
  const place = (random.chance(0.5) ? anyPlace(random, competitor) : null) ?? null;
  return {
    kind: "challengeNonCanonical",
    by: random.pick(MALICIOUS)!,
    exit: exit.number,
    competitor: competitor.id,
    input,
    place,
  };
}

function respond(world: World, random: Random): Action | undefined {
  const challenged = world.chain.exits.filter((at) => at.kind === "inFlight" && isLive(at) && at.competitor !== null);
  const exit = random.pick(challenged as InFlightExit[]);
  const place = exit && anyPlace(random, world.book.transactions[exit.transaction]);
  if (exit === undefined || place == null) return undefined;
  return { kind: "respond", by: random.pick(MALICIOUS)!, exit: exit.number, place };
}

function challengeStandard(world: World, random: Random): Action | undefined {
  const { book } = world;
  const exit = random.pick(world.chain.exits.filter((at) => at.kind === "standard" && !at.cancelled && !at.processed));
  if (exit?.kind !== "standard") return undefined;
  const spend = random.pick(random.chance(0.8) ? book.signedSpendsOf(exit.output) : book.spendsOf(exit.output));
  if (spend === undefined) return undefined;
  return { kind: "challengeStandard", by: random.pick(MALICIOUS)!, exit: exit.number, spend: spend.id };
}

function challengePiggyback(world: World, random: Random): Action | undefined {
  const { book } = world;
  const exit = random.pick(openExits(world).filter((at) => livePiggybacks(at).length > 0));
  if (exit === undefined) return undefined;
  const { slot, output } = random.pick(livePiggybacks(exit))!;
  const spends = random.chance(0.8) ? book.signedSpendsOf(output) : book.spendsOf(output);
  const spend = random.pick(spends.filter((at) => at.id !== exit.transaction || random.chance(0.2)));
  if (spend === undefined) return undefined;
  const by = random.pick(MALICIOUS)!;
  if (slot < OUTPUT_SLOT) return { kind: "challengeInputSpent", by, exit: exit.number, slot, spend: spend.id };
  const place = anyPlace(random, book.transactions[exit.transaction]);
  if (place == null) return undefined;
  return { kind: "challengeOutputSpent", by, exit: exit.number, slot, spend: spend.id, place };
}

function close(world: World, random: Random): Action | undefined {
  const over = openExits(world).filter((exit) => world.now >= exit.start + PERIOD || random.chance(0.2));
  const exit = random.pick(over);
  return exit && { kind: "close", by: random.pick(MALICIOUS)!, exit: exit.number };
}

/** The first entries, or not the first. */
function process(world: World, random: Random): Action | undefined {
  const token = random.pick(TOKENS)!;
  const entries = world.chain.queues[token].filter((entry) => !world.chain.isCancelled(entry.number));
  if (entries.length === 0) return undefined;
  const due = entries.filter((entry) => entry.time <= world.now);
  const some = random.chance(0.9) ? due : random.sample(entries, 3);
  const count = random.chance(0.6) ? some.length : random.between(1, 3);
  const exits = some.slice(0, count).map((entry) => entry.number);
  return exits.length === 0 ? undefined : { kind: "process", by: random.pick(MALICIOUS)!, token, exits };
}

function deposit(_world: World, random: Random): Action {
  return { kind: "deposit", by: random.pick(MALICIOUS)!, token: random.pick(TOKENS)!, amount: random.between(1, 100) };
}

/** A block at the moment that suits them, as late to be read as may be. */
function commit(world: World, random: Random): Action | undefined {
  const transactions = goodTransactions(world, random);
  if (transactions.length === 0) return undefined;
  return { kind: "commit", by: OPERATOR, transactions, publishAt: world.now + PERIOD / 8 };
}

/** When to act next: soon, at leisure, or on an edge of what runs. */
export function nextTime(world: World, random: Random): number {
  const { now } = world;
  const edges: number[] = [];
  for (const exit of world.chain.exits) {
    if (exit.kind === "standard") {
      if (!exit.cancelled && !exit.processed) edges.push(exit.start + PERIOD / 8);
      continue;
    }
    if (isOpen(exit)) edges.push(exit.start + PERIOD / 2, exit.start + PERIOD, exit.time, exit.start + PERIOD / 8);
    for (const { time, live } of exit.piggybacks.values()) if (live) edges.push(time + PERIOD / 8);
  }
  for (const token of TOKENS) for (const entry of world.chain.queues[token]) edges.push(entry.time);
  for (const block of world.book.blocks) edges.push(block.time, block.time + PERIOD / 8);
  const coming = edges.filter((edge) => edge > now + 1 && edge < NEVER);
  const edge = random.pick(coming);
  if (edge !== undefined && random.chance(0.45)) return edge + random.pick([-1, 0, 0, 1, -600])!;
  return now + random.pick([0, 1, random.int(3_600), random.int(86_400), random.int(3 * 86_400)])!;
}
