// One history from a seed: everything that happens, in the order of its time.
import type { Action } from "./actions.ts";
import { DAY, HOUR, PERIOD } from "./book.ts";
import { deposit, trade } from "./business.ts";
import { look } from "./honest.ts";
import { type Violation, violations } from "./invariants.ts";
import { commitBad, commitGood, untilNextBlock } from "./operator.ts";
import { Random } from "./random.ts";
import { type Rules, rulesWithout } from "./rules.ts";
import { act, nextTime, tastes } from "./thieves.ts";
import { HONEST, MALICIOUS, World } from "./world.ts";

/** From a look to the transaction being mined. */
const MINED_WITHIN = 18 * HOUR;
/** Where all is over unless a queue still waits; and where it is given up. */
const END_AFTER_LAST_BLOCK = 4 * PERIOD;
const THIEVES_TURNS_MAX = 60;

interface Event {
  time: number;
  /** Of two with one time the smaller goes first. */
  order: number;
  run: () => void;
}

export interface History {
  seed: number;
  world: World;
  violations: Violation[];
  /** How many parts of it could be left out (see `omit`). */
  parts: number;
}

/** Plays the history of a seed. Parts in `omit` (a trade, a block, a turn of the thieves) are left out. */
export function play(seed: number, rules: Rules = rulesWithout(), omit: ReadonlySet<number> = new Set()): History {
  const player = new Player(seed, rules, omit);
  player.run();
  return { seed, world: player.world, violations: violations(player.world), parts: player.parts };
}

class Player {
  readonly world: World;
  parts = 0;
  private readonly seed: number;
  private readonly omit: ReadonlySet<number>;
  private readonly events: Event[] = [];
  private readonly random: Random;
  private readonly weights: number[];
  private order = 0;
  private turns = 0;
  private lastPlanned = 0;

  constructor(seed: number, rules: Rules, omit: ReadonlySet<number>) {
    this.seed = seed;
    this.omit = omit;
    this.world = new World(rules);
    this.random = new Random(seed);
    this.weights = tastes(this.random);
  }

  run(): void {
    this.plan();
    for (let event = this.take(); event !== undefined; event = this.take()) {
      this.world.now = Math.max(this.world.now, event.time);
      event.run();
    }
  }

  private get end(): number {
    return Math.max(this.lastPlanned, this.world.book.blocks.at(-1)?.time ?? 0) + END_AFTER_LAST_BLOCK;
  }

  private at(time: number, run: () => void): void {
    this.events.push({ time, order: this.order++, run });
  }

  /** An event that can be left out, with random numbers of its own. */
  private part(time: number, run: (random: Random) => void): void {
    const index = this.parts++;
    const random = Random.forked(this.seed, index);
    if (!this.omit.has(index)) this.at(time, () => run(random));
  }

  private take(): Event | undefined {
    let first = -1;
    for (const [index, event] of this.events.entries()) {
      const best = this.events[first];
      if (best === undefined || event.time < best.time || (event.time === best.time && event.order < best.order)) {
        first = index;
      }
    }
    return first === -1 ? undefined : this.events.splice(first, 1)[0];
  }

  /** Deposits, then blocks with trade between them: good ones, and then what the operator pleases. */
  private plan(): void {
    const { random, world } = this;
    for (const player of [...HONEST, ...MALICIOUS]) {
      for (let i = random.between(1, 2); i > 0; i--) {
        this.part(random.int(HOUR), (own) => deposit(world, own, player));
      }
    }
    let time = HOUR;
    const good = random.between(1, 5);
    const bad = random.chance(0.8) ? random.between(1, 3) : 0;
    for (let block = 0; block < good + bad; block++) {
      const next = time + untilNextBlock(random);
      for (let i = random.int(block === 0 ? 6 : 4); i > 0; i--) {
        this.part(random.between(time, next), (own) => {
          if (!world.mustLeave(world.now)) trade(world, own);
        });
      }
      this.part(next, (own) => (block < good ? commitGood(world, own) : commitBad(world, own)));
      time = next;
    }
    this.at(time, () => (world.operatorStopped = true));
    this.lastPlanned = time;
    for (const player of HONEST) this.look(random.int(DAY), player);
    this.thieves(HOUR);
  }

  private look(time: number, player: number): void {
    const { random, world } = this;
    this.at(time, () => {
      const within = world.book.rules.answersInTime ? MINED_WITHIN : PERIOD;
      const delay = random.chance(0.5) ? within - 1 : random.int(within);
      for (const action of look(world, player, world.now)) this.at(time + delay, () => this.mine(action));
      const waits = world.chain.queues.some((queue) => queue.length > 0);
      if (time < this.end || (waits && time < this.end + 4 * PERIOD)) this.look(time + DAY, player);
    });
  }

  private mine(action: Action): void {
    const { chain } = this.world;
    // The data of what is to be processed is put together at the last moment.
    if (action.kind === "process") {
      const queue = chain.queues[action.token as 0 | 1];
      const entries = queue.filter((entry) => entry.time <= this.world.now && !chain.isCancelled(entry.number));
      this.world.act({ ...action, exits: entries.map((entry) => entry.number) });
    } else {
      this.world.act(action);
    }
  }

  private thieves(time: number): void {
    if (this.turns++ >= THIEVES_TURNS_MAX) return;
    const timing = Random.forked(this.seed, -2 - this.turns);
    const index = this.parts++;
    const random = Random.forked(this.seed, index);
    this.at(time, () => {
      if (!this.omit.has(index)) act(this.world, random, this.weights);
      const next = nextTime(this.world, timing);
      if (next < this.end) this.thieves(next);
    });
  }
}
