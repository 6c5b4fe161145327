// What honest holders do: PROTOCOL.md, sections 1 and 7. Each looks once a day, and what it decides is mined up to 18
// hours later, so that any event is answered within W/4.
import { type Action, OUTPUT_SLOT } from "./actions.ts";
import { type OutputId, type Place, type Transaction, ageOf, DAY, hasBit, NEVER, PERIOD, TOKENS } from "./book.ts";
import { type InFlightExit, isLive, isOpen, livePiggybacks, outputOfSlot, slotsOf } from "./exits.ts";
import type { World } from "./world.ts";

/** Also answers for all to what everybody can know. */
export const WATCHER = 0;
/** Left behind by an exit that could not be paid, an output is not tried for ever. */
const TRIES_MAX = 2;

/** A transaction that spends an output of somebody else's exit, shown with or without its place. */
interface Competitor {
  transaction: Transaction;
  input: OutputId;
  place: Place | null;
  age: number;
}

/** What `player` sends after a look at `now`. */
export function look(world: World, player: number, now: number): Action[] {
  const actions: Action[] = [];
  for (const exit of world.chain.exits) {
    if (exit.kind === "standard") {
      if (exit.cancelled || exit.processed) continue;
      const spend = knownSpend(world, player, exit.output, null, now);
      if (spend !== undefined) {
        actions.push({ kind: "challengeStandard", by: player, exit: exit.number, spend: spend.id });
      }
    } else if (isOpen(exit)) {
      actions.push(...answer(world, player, exit, now), ...piggyback(world, player, exit, now));
    }
  }
  if (world.mustLeave(now)) actions.push(...leave(world, player, now));
  if (player === WATCHER) actions.push(...processDue(world, player, now));
  return actions;
}

/** A spend of the output that this player, and not already everybody, has to show. */
function knownSpend(
  world: World,
  player: number,
  output: OutputId,
  but: number | null,
  now: number,
): Transaction | undefined {
  const { owner } = world.book.output(output)!;
  const spends = world.book.signedSpendsOf(output).filter((spend) => spend.id !== but);
  const known = spends.find((spend) => world.book.isPublic(spend, owner, now));
  if (known !== undefined) return player === WATCHER ? known : undefined;
  return spends.find((spend) => world.book.knows(player, spend, owner, now));
}

/** Challenges of an in-flight exit and answers to them. */
function answer(world: World, player: number, exit: InFlightExit, now: number): Action[] {
  const { book } = world;
  const actions: Action[] = [];
  const transaction = book.transactions[exit.transaction]!;
  const own = book.knownPlace(transaction, now);
  const ownAge = own === undefined ? NEVER : ageOf(own);
  const best = oldestCompetitor(world, player, transaction, now);
  const [by, number] = [player, exit.number];
  const beats = best !== undefined && (best.age < ownAge || ownAge === NEVER);
  if (beats && now < exit.start + PERIOD / 2) {
    const mayReplace = book.rules.replacesYounger && exit.remembered !== null && best.age < exit.remembered;
    if (exit.remembered === null || mayReplace) {
      const { place, input } = best;
      const competitor = best.transaction.id;
      actions.push({ kind: "challengeNonCanonical", by, exit: number, competitor, input, place });
    }
  }
  const mayAnswer = player === WATCHER || world.takesPart(player, transaction);
  if (own !== undefined && exit.competitor !== null && ownAge < exit.remembered! && !beats && mayAnswer) {
    actions.push({ kind: "respond", by, exit: number, place: own });
  }
  for (const { slot, output } of livePiggybacks(exit)) {
    const spend = knownSpend(world, player, output, exit.transaction, now);
    if (spend === undefined) continue;
    if (slot < OUTPUT_SLOT) {
      actions.push({ kind: "challengeInputSpent", by, exit: number, slot, spend: spend.id });
    } else if (own !== undefined) {
      actions.push({ kind: "challengeOutputSpent", by, exit: number, slot, spend: spend.id, place: own });
    }
  }
  const over = now >= exit.start + PERIOD && livePiggybacks(exit).length === 0;
  if (over && (player === WATCHER || exit.starter === player)) actions.push({ kind: "close", by, exit: number });
  return actions;
}

function oldestCompetitor(world: World, player: number, transaction: Transaction, now: number): Competitor | undefined {
  let best: Competitor | undefined;
  for (const input of transaction.inputs) {
    const owner = world.book.output(input)!.owner;
    for (const other of world.book.signedSpendsOf(input)) {
      if (other === transaction || !world.book.knows(player, other, owner, now)) continue;
      if (player !== WATCHER && world.book.isPublic(other, owner, now)) continue;
      const place = world.book.knownPlace(other, now) ?? null;
      const age = place === null ? NEVER : ageOf(place);
      if (best === undefined || age < best.age) best = { transaction: other, input, place, age };
    }
  }
  return best;
}

/** All inputs and outputs of its own, but what it spent elsewhere. */
function piggyback(world: World, player: number, exit: InFlightExit, now: number): Action[] {
  const { book } = world;
  if (now >= exit.start + PERIOD / 2) return [];
  const transaction = book.transactions[exit.transaction]!;
  // What a good block holds needs no in-flight exit: its outputs are taken out by themselves.
  if (world.isSettled(transaction, now)) return [];
  const actions: Action[] = [];
  for (const slot of slotsOf(book, exit)) {
    if (slot < OUTPUT_SLOT && !book.rules.piggybackBothSides) continue;
    const output = outputOfSlot(book, exit, slot)!;
    if (book.output(output)!.owner !== player || exit.piggybacks.has(slot)) continue;
    const others = book.signedSpendsOf(output).filter((spend) => spend !== transaction);
    if (others.length === 0) actions.push({ kind: "piggyback", by: player, exit: exit.number, slot });
  }
  return actions;
}

/** Takes out everything, by the exit that fits. */
function leave(world: World, player: number, now: number): Action[] {
  const actions: Action[] = [];
  const bad = world.firstBadSeen(now);
  const signed = new Set<Transaction>();
  for (const output of world.outputsOf(player)) {
    const maker = world.book.maker(output)!;
    if (!world.book.isCommittedBefore(maker, bad)) continue;
    const spends = world.book.signedSpendsOf(output);
    for (const spend of spends) signed.add(spend);
    if (spends.length === 0) actions.push(...exitOf(world, player, output, now));
  }
  for (const transaction of signed) actions.push(...inFlightExitOf(world, player, transaction, bad, now));
  return actions;
}

export function exitOf(world: World, player: number, output: OutputId, now: number): Action[] {
  const { chain, book } = world;
  if (chain.finalizedBy.has(output) || chain.liveStandard.has(output)) return [];
  const tried = chain.exits.filter((exit) => exit.kind === "standard" && exit.output === output).length;
  if (tried >= TRIES_MAX) return [];
  const maker = book.maker(output)!;
  const place = maker.deposit === null ? book.knownPlace(maker, now) : null;
  if (place === undefined) return [];
  return [{ kind: "startStandard", by: player, output, place }];
}

/** Of a transaction it signed that no good block holds, if it can show all that is needed. */
function inFlightExitOf(world: World, player: number, transaction: Transaction, bad: number, now: number): Action[] {
  const { chain, book } = world;
  if (!hasBit(transaction.holders, player) || !book.fullySigned(transaction)) return [];
  if (transaction.inclusions.some(({ block }) => block < bad)) return [];
  const makers = transaction.inputs.map((input) => book.maker(input)!);
  const places = makers.map((maker) => (maker.deposit === null ? book.knownPlace(maker, now) : null));
  if (places.includes(undefined)) return [];
  const ages = makers.map((maker, i) =>
    maker.deposit === null ? ageOf(places[i]!) : maker.deposit.nextBlock * 2 ** 23,
  );
  const former = chain.exits[(chain.mainExit.get(transaction.id) ?? 0) - 1] as InFlightExit | undefined;
  const isOlder = former !== undefined && Math.max(...ages) < former.age && book.rules.startsOlder;
  if (former !== undefined && isLive(former) && !isOlder) return [];
  const own = [...transaction.inputs, ...book.outputIds(transaction)].filter(
    (output) => book.output(output)!.owner === player && !chain.finalizedBy.has(output),
  );
  if (own.length === 0 || transaction.inputs.every((input) => chain.finalizedBy.has(input))) return [];
  const tried = chain.exits.filter((exit) => exit.kind === "inFlight" && exit.transaction === transaction.id);
  if (tried.filter((exit) => exit.kind === "inFlight" && exit.starter === player).length >= TRIES_MAX) return [];
  return [{ kind: "startInFlight", by: player, transaction: transaction.id, places: places as (Place | null)[] }];
}

/** With the data of everything that may be due once it is mined. */
function processDue(world: World, player: number, now: number): Action[] {
  const actions: Action[] = [];
  for (const token of TOKENS) {
    const due = world.chain.queues[token].filter((entry) => entry.time <= now + DAY);
    const exits = due.filter((entry) => !world.chain.isCancelled(entry.number)).map((entry) => entry.number);
    if (due.length > 0) actions.push({ kind: "process", by: player, token, exits });
  }
  return actions;
}
