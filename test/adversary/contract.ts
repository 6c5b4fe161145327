// The root-chain contract as PROTOCOL.md, section 5, states it, written for reading: a state machine over actions.
import { type Action, OUTPUT_SLOT } from "./actions.ts";
import { type Book, type OutputId, type Place, type Transaction, ageOf, hasBit, bitOf, NEVER, PERIOD } from "./book.ts";
import {
  type Entry,
  type Exit,
  type InFlightExit,
  type Piggyback,
  type StandardExit,
  goesFirst,
  BONDS,
  isLive,
  isOpen,
  livePiggybacks,
  outputOfSlot,
} from "./exits.ts";

/** Cancelled entries that one call takes out after its last data. */
const TRAILING_ENTRIES_MAX = 16;

export interface Payment {
  output: OutputId;
  to: number;
  token: number;
  amount: number;
  exit: number;
}

interface Processed {
  entry: Entry;
  at: number;
}

class Refusal extends Error {}

function check(holds: boolean, reason: string): asserts holds {
  if (!holds) throw new Refusal(reason);
}

export class RootChainModel {
  readonly book: Book;
  now = 0;
  /** Exit n is at n - 1. */
  readonly exits: Exit[] = [];
  readonly finalizedBy = new Map<OutputId, number>();
  readonly liveStandard = new Map<OutputId, number>();
  /** The latest in-flight exit of a transaction. */
  readonly mainExit = new Map<number, number>();
  readonly queues: [Entry[], Entry[]] = [[], []];
  readonly held: [number, number] = [0, 0];
  /** What each player gave and got, bonds and bounties too: [ether, token]. */
  readonly flows = new Map<number, [number, number]>();
  readonly payments: Payment[] = [];
  /** Ether the contract holds besides `held`: bonds, and bounties that wait. */
  bonds = 0;
  /** Bonds lost by a standard exit or a piggyback. */
  readonly lostBonds: { owner: number; exit: number; output: OutputId; by: number }[] = [];
  /** Per token, what was processed. */
  readonly order: [Processed[], Processed[]] = [[], []];
  private nextDeposit = 1;

  constructor(book: Book) {
    this.book = book;
  }

  /** Plays the action; what is refused changes nothing. */
  apply(action: Action): string | null {
    try {
      this.play(action);
      return null;
    } catch (error) {
      if (error instanceof Refusal) return error.message;
      throw error;
    }
  }

  inFlight(number: number): InFlightExit {
    const exit = this.exits[number - 1];
    check(exit?.kind === "inFlight", "no such exit");
    return exit;
  }

  private play(action: Action): void {
    switch (action.kind) {
      case "deposit":
        return this.deposit(action.by, action.token, action.amount);
      case "commit":
        return this.commit(action.transactions, action.publishAt);
      case "startStandard":
        return this.startStandard(action.by, action.output, action.place);
      case "startInFlight":
        return this.startInFlight(action.by, action.transaction, action.places);
      case "piggyback":
        return this.piggyback(action.by, this.inFlight(action.exit), action.slot);
      case "challengeStandard":
        return this.challengeStandard(action.by, action.exit, action.spend);
      case "challengeNonCanonical":
        return this.challengeNonCanonical(action);
      case "respond":
        return this.respond(action.by, this.inFlight(action.exit), action.place);
      case "challengeInputSpent":
        return this.challengeInputSpent(action.by, this.inFlight(action.exit), action.slot, action.spend);
      case "challengeOutputSpent":
        return this.challengeOutputSpent(action);
      case "close":
        return this.close(this.inFlight(action.exit));
      case "process":
        return this.process(action.by, action.token, action.exits);
    }
  }

  private get rules() {
    return this.book.rules;
  }

  // ------------------------------------------------------------------------------------------ blocks and deposits

  private deposit(by: number, token: number, amount: number): void {
    const nextBlock = this.book.blocks.length + 1;
    this.book.addDeposit({ owner: by, token, amount }, { id: this.nextDeposit++, nextBlock, time: this.now });
    this.move(by, token, -amount);
    this.held[token as 0 | 1] += amount;
  }

  private commit(transactions: number[], publishAt: number): void {
    check(transactions.length > 0, "empty block");
    const number = this.book.blocks.length + 1;
    this.book.commit({ number, transactions, time: this.now, publishAt, valid: true });
  }

  /** Age and time of an output by where its transaction stands. */
  private origin(maker: Transaction, place: Place | null): { age: number; time: number } {
    if (maker.deposit !== null) {
      check(place === null, "a deposit has no place");
      return { age: maker.deposit.nextBlock * 2 ** 23, time: maker.deposit.time };
    }
    check(place !== null && this.book.includes(place, maker.id), "not included");
    const block = this.book.blocks[place.block - 1]!;
    if (place !== null) maker.inclusions.find((at) => ageOf(at) === ageOf(place))!.shown = true;
    return { age: ageOf(place), time: block.time };
  }

  // ------------------------------------------------------------------------------------------------ standard exits

  private startStandard(by: number, output: OutputId, place: Place | null): void {
    const maker = this.book.maker(output);
    const made = this.book.output(output);
    check(maker !== undefined && made !== undefined, "no such output");
    const { age, time } = this.origin(maker, place);
    check(made.owner === by, "not the owner");
    check(!this.finalizedBy.has(output), "finalized");
    check(!this.liveStandard.has(output), "exiting");
    const number = this.exits.length + 1;
    const waits = maker.deposit === null ? this.rules.standardTimestamp : !this.rules.depositWithoutWait;
    const payable = Math.max(this.now + PERIOD, waits ? time + 2 * PERIOD : 0);
    const start = this.now;
    this.exits.push({ kind: "standard", number, output, bondOwner: by, start, cancelled: false, processed: false });
    this.liveStandard.set(output, number);
    this.enqueue(made.token, { time: payable, age, inFlight: false, number });
    this.takeBond(by, BONDS.standardExit);
  }

  private challengeStandard(by: number, number: number, spendId: number): void {
    const exit = this.exits[number - 1];
    check(this.rules.standardSpendChallenge && exit?.kind === "standard", "no such exit");
    check(!exit.cancelled && !exit.processed, "no such exit");
    this.checkSpend(exit.output, this.book.transactions[spendId]);
    exit.cancelled = true;
    this.liveStandard.delete(exit.output);
    this.lostBonds.push({ owner: exit.bondOwner, exit: number, output: exit.output, by: spendId });
    this.giveBond(by, BONDS.standardExit - BONDS.bounty);
  }

  /** That the transaction spends the output, by its owner's signature; Ethereum then shows that signature. */
  private checkSpend(output: OutputId, spend: Transaction | undefined): asserts spend is Transaction {
    const owner = this.book.output(output)?.owner;
    check(spend?.inputs.includes(output) === true && owner !== undefined, "not a spend");
    check(!this.rules.spendSignature || hasBit(spend.signers, owner), "not signed");
    spend.shown |= bitOf(owner) & spend.signers;
  }

  // ----------------------------------------------------------------------------------------------- in-flight exits

  private startInFlight(by: number, id: number, places: (Place | null)[]): void {
    const transaction = this.book.transactions[id];
    check(transaction !== undefined && transaction.inputs.length > 0, "no such transaction");
    const { inputs } = transaction;
    check(inputs.length === places.length && inputs.every((input) => this.book.output(input)), "no such input");
    const origins = inputs.map((input, index) => this.origin(this.book.maker(input)!, places[index]!));
    check(!this.rules.inputsDistinct || new Set(inputs).size === inputs.length, "an input twice");
    check(!this.rules.inFlightSignatures || this.book.fullySigned(transaction), "not signed");
    check(!this.rules.sumsEqual || this.isBalanced(transaction), "sums differ");
    const exiting = inputs.some((input) => this.finalizedBy.has(input) || this.liveStandard.has(input));
    check(this.rules.inputsMayBeExiting || !exiting, "an input is exiting");
    const ages = origins.map((origin) => origin.age);
    const age = this.rules.youngestInput ? Math.max(...ages) : Math.min(...ages);
    // Two deposits can have one age and two times: the later one counts.
    const time = Math.max(...origins.filter((origin) => origin.age === age).map((origin) => origin.time));
    const former = this.exits[(this.mainExit.get(id) ?? 0) - 1] as InFlightExit | undefined;
    if (former !== undefined && isLive(former)) {
      check(isOpen(former), "between its queues");
      check(this.rules.furtherExitWhenOlder && age < former.age, "an exit of it is live");
    }
    const number = this.exits.length + 1;
    const payable = Math.max(this.now + PERIOD, this.rules.inFlightTimestamp ? time + 2 * PERIOD : 0);
    this.exits.push({
      kind: "inFlight",
      number,
      transaction: id,
      starter: by,
      start: this.now,
      time: payable,
      age,
      piggybacks: new Map(),
      queued: new Set(),
      processed: new Set(),
      competitor: null,
      remembered: null,
      canonical: null,
      closed: false,
    });
    this.mainExit.set(id, number);
    transaction.shown |= transaction.signers;
    this.takeBond(by, BONDS.inFlightExit);
  }

  private isBalanced({ inputs, outputs }: Transaction): boolean {
    const sums = [0, 0];
    for (const input of inputs) {
      const { token, amount } = this.book.output(input)!;
      sums[token]! += amount;
    }
    for (const { token, amount } of outputs) sums[token]! -= amount;
    return sums.every((sum) => sum === 0);
  }

  private checkOpen(exit: InFlightExit): void {
    check(!exit.closed, "closed");
    check(exit.canonical === null || (!this.rules.firstProcessingFixes && isLive(exit)), "processed");
  }

  private piggyback(by: number, exit: InFlightExit, slot: number): void {
    this.checkOpen(exit);
    const output = outputOfSlot(this.book, exit, slot);
    check(output !== undefined, "no such slot");
    const { owner, token } = this.book.output(output)!;
    check(owner === by, "not the owner");
    check(!this.rules.piggybackWindow || this.now < exit.start + PERIOD / 2, "too late");
    check(!exit.piggybacks.has(slot), "made before");
    check(!exit.processed.has(token), "processed");
    const first = !exit.queued.has(token);
    exit.piggybacks.set(slot, { slot, output, token, bondOwner: by, time: this.now, live: true, first });
    if (first) {
      exit.queued.add(token);
      this.enqueue(token, { time: exit.time, age: exit.age, inFlight: true, number: exit.number });
    }
    this.takeBond(by, BONDS.piggyback);
  }

  private challengeNonCanonical(action: Action & { kind: "challengeNonCanonical" }): void {
    const exit = this.inFlight(action.exit);
    const competitor = this.book.transactions[action.competitor];
    this.checkOpen(exit);
    check(this.rules.nonCanonicalChallenge, "no such function");
    check(!this.rules.challengeWindow || this.now < exit.start + PERIOD / 2, "too late");
    check(this.book.transactions[exit.transaction]!.inputs.includes(action.input), "not an input");
    check(!this.rules.otherTransaction || action.competitor !== exit.transaction, "the same transaction");
    const { place } = action;
    check(place === null || this.book.includes(place, action.competitor), "not included");
    const age = place === null ? NEVER : ageOf(place);
    const older = exit.remembered === null || age < exit.remembered;
    check(older || !this.rules.challengeStrictlyOlder, "not older");
    this.checkSpend(action.input, competitor);
    if (place !== null) competitor.inclusions.find((at) => ageOf(at) === age)!.shown = true;
    // The bond of the one replaced is credited to its owner.
    if (exit.competitor !== null) this.giveBond(exit.competitor.bondOwner, BONDS.challenge);
    exit.competitor = { transaction: action.competitor, bondOwner: action.by };
    exit.remembered = age;
    this.takeBond(action.by, BONDS.challenge);
  }

  private respond(by: number, exit: InFlightExit, place: Place): void {
    this.checkOpen(exit);
    check(this.rules.canonicalResponse && exit.competitor !== null, "no competitor stands");
    check(this.book.includes(place, exit.transaction), "not included");
    check(!this.rules.respondStrictlyOlder || ageOf(place) < exit.remembered!, "not older");
    const { inclusions } = this.book.transactions[exit.transaction]!;
    inclusions.find((at) => ageOf(at) === ageOf(place))!.shown = true;
    exit.competitor = null;
    exit.remembered = ageOf(place);
    this.giveBond(by, BONDS.challenge);
  }

  private challengeInputSpent(by: number, exit: InFlightExit, slot: number, spendId: number): void {
    this.checkOpen(exit);
    check(this.rules.inputSpendChallenge && slot < OUTPUT_SLOT, "not an input");
    check(!this.rules.otherTransaction || spendId !== exit.transaction, "the same transaction");
    this.cancelPiggyback(by, exit, slot, spendId);
  }

  private challengeOutputSpent(action: Action & { kind: "challengeOutputSpent" }): void {
    const exit = this.inFlight(action.exit);
    this.checkOpen(exit);
    check(this.rules.outputSpendChallenge && action.slot >= OUTPUT_SLOT, "not an output");
    check(this.book.includes(action.place, exit.transaction), "not included");
    this.cancelPiggyback(action.by, exit, action.slot, action.spend);
  }

  private cancelPiggyback(by: number, exit: InFlightExit, slot: number, spendId: number): void {
    const piggyback = exit.piggybacks.get(slot);
    check(piggyback?.live === true && !exit.processed.has(piggyback.token), "no such piggyback");
    this.checkSpend(piggyback.output, this.book.transactions[spendId]);
    piggyback.live = false;
    const { bondOwner: owner, output } = piggyback;
    this.lostBonds.push({ owner, exit: exit.number, output, by: spendId });
    this.giveBond(by, BONDS.piggyback - (piggyback.first ? BONDS.bounty : 0));
  }

  private close(exit: InFlightExit): void {
    check(isOpen(exit), "processed or closed");
    check(!this.rules.closeAfterPeriod || this.now >= exit.start + PERIOD, "too early");
    const live = livePiggybacks(exit);
    check(live.length === 0 || !this.rules.closeWithoutPiggybacks, "a piggyback is live");
    exit.closed = true;
    for (const piggyback of live) this.returnPiggyback(piggyback);
    this.settleChallenge(exit);
  }

  // ---------------------------------------------------------------------------------------------------- processing

  private process(by: number, token: number, numbers: number[]): void {
    const queue = this.queues[token as 0 | 1];
    let removed = 0;
    let next = 0;
    while (next < numbers.length && queue.length > 0) {
      const at = this.rules.queueOrder
        ? 0
        : Math.max(
            0,
            queue.findIndex((entry) => entry.number === numbers[next]),
          );
      const first = queue[at]!;
      const matches = first.number === numbers[next] && !this.isCancelled(first.number);
      const due = !this.rules.notBeforeTime || first.time <= this.now;
      if (matches ? !due : !this.isCancelled(first.number)) break;
      queue.splice(at, 1);
      removed++;
      if (!matches) continue;
      this.order[token as 0 | 1].push({ entry: first, at: this.now });
      this.finish(token, this.exits[first.number - 1]!);
      next++;
    }
    for (let i = 0; i < TRAILING_ENTRIES_MAX && queue.length > 0 && this.isCancelled(queue[0]!.number); i++) {
      queue.shift();
      removed++;
    }
    this.giveBond(by, removed * BONDS.bounty);
  }

  isCancelled(number: number): boolean {
    const exit = this.exits[number - 1]!;
    return exit.kind === "standard" ? exit.cancelled : exit.closed;
  }

  private finish(token: number, exit: Exit): void {
    if (exit.kind === "inFlight") this.finishInFlight(token, exit);
    else this.finishStandard(exit);
  }

  private finishStandard(exit: StandardExit): void {
    exit.processed = true;
    this.liveStandard.delete(exit.output);
    if (this.canPay(exit.output)) this.pay(exit.output, exit.number);
    this.giveBond(exit.bondOwner, BONDS.standardExit - BONDS.bounty);
  }

  private finishInFlight(token: number, exit: InFlightExit): void {
    const { inputs } = this.book.transactions[exit.transaction]!;
    const first = exit.processed.size === 0;
    const isAside = this.mainExit.get(exit.transaction) !== exit.number;
    const byAnother = inputs.some((input) => (this.finalizedBy.get(input) ?? exit.number) !== exit.number);
    if (exit.canonical === null || !this.rules.firstProcessingFixes) {
      const spent = byAnother && this.rules.canonicalInputsUnfinalized;
      exit.canonical = !isAside && exit.competitor === null && !spent;
    }
    exit.processed.add(token);
    if (this.rules.firstProcessingFixes ? first : !isLive(exit)) this.settleChallenge(exit);
    const { canonical } = exit;
    const piggybacks = livePiggybacks(exit).filter((piggyback) => piggyback.token === token);
    if (canonical && (first || !this.rules.firstProcessingFixes)) {
      const live = new Set(livePiggybacks(exit).map((piggyback) => piggyback.output));
      for (const input of inputs) {
        if (!this.rules.canonicalFinalizesAllInputs && !live.has(input)) continue;
        if (!this.finalizedBy.has(input)) this.finalizedBy.set(input, exit.number);
      }
    }
    for (const piggyback of piggybacks.sort((a, b) => a.slot - b.slot)) {
      const isInput = piggyback.slot < OUTPUT_SLOT;
      const favoured = !isAside && (canonical ? !isInput : isInput && this.rules.nonCanonicalPaysInputs);
      if (favoured && this.canPay(piggyback.output)) this.pay(piggyback.output, exit.number);
      this.returnPiggyback(piggyback);
    }
    if (!canonical && !this.rules.nonCanonicalFinalizesPaid) {
      for (const input of inputs) if (!this.finalizedBy.has(input)) this.finalizedBy.set(input, exit.number);
    }
  }

  /** At the end of an in-flight exit: the bonds of its starter and of the standing challenge. */
  private settleChallenge(exit: InFlightExit): void {
    this.giveBond(exit.competitor?.bondOwner ?? exit.starter, BONDS.inFlightExit);
    if (exit.competitor !== null) this.giveBond(exit.competitor.bondOwner, BONDS.challenge);
  }

  private returnPiggyback(piggyback: Piggyback): void {
    this.giveBond(piggyback.bondOwner, BONDS.piggyback - (piggyback.first ? BONDS.bounty : 0));
  }

  private canPay(output: OutputId): boolean {
    if (this.rules.finalizedOnce && this.finalizedBy.has(output)) return false;
    const { token, amount } = this.book.output(output)!;
    return amount <= this.held[token as 0 | 1];
  }

  private pay(output: OutputId, exit: number): void {
    const { owner: to, token, amount } = this.book.output(output)!;
    this.held[token as 0 | 1] -= amount;
    this.finalizedBy.set(output, exit);
    this.payments.push({ output, to, token, amount, exit });
    this.move(to, token, amount);
  }

  // --------------------------------------------------------------------------------------------------------- money

  private enqueue(token: number, entry: Entry): void {
    const queue = this.queues[token as 0 | 1];
    const at = queue.findIndex((other) => goesFirst(entry, other, this.rules.ageOrder));
    queue.splice(at === -1 ? queue.length : at, 0, entry);
  }

  private move(player: number, token: number, amount: number): void {
    const flow = this.flows.get(player) ?? [0, 0];
    flow[token as 0 | 1] += amount;
    this.flows.set(player, flow);
  }

  private takeBond(from: number, amount: number): void {
    this.bonds += amount;
    this.move(from, 0, -amount);
  }

  private giveBond(to: number, amount: number): void {
    this.bonds -= amount;
    this.move(to, 0, amount);
  }
}
