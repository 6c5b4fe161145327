import { Random } from "../adversary/random.ts";
import { Faults } from "./faults.ts";
import { HOUR_MS, START_MS, World, type Figures } from "./world.ts";

/** Every so many hours everything works again for the last of them. */
const ROUND_HOURS = 12;
const CALM_HOURS = 2;

export interface Run {
  seed: number;
  hours: number;
  figures: Figures;
  /** Stands for every event of the run: the same for the same seed. */
  trace: string;
  violation: string | null;
  tail: readonly string[];
}

/**
 * Simulated hours from a seed, until the first violation.
 * @param quietHours without a fault at the beginning
 */
export async function simulate(seed: number, hours: number, quietHours = 0): Promise<Run> {
  const random = Random.forked(seed, 0);
  const world = new World(seed, random.pick([1, 2, 3, 3, 3]) as number);
  const faults = new Faults(world, seed, START_MS + quietHours * HOUR_MS);
  const until = async (ms: number): Promise<void> => {
    while (world.violation === null && world.time.now() < ms) await world.time.step();
  };
  for (let hour = ROUND_HOURS; hour <= hours && world.violation === null; hour += ROUND_HOURS) {
    const endMs = START_MS + hour * HOUR_MS;
    await until(endMs - CALM_HOURS * HOUR_MS);
    faults.stop();
    // What takes long to come back is back now.
    await until(endMs - CALM_HOURS * HOUR_MS + 1);
    if (!world.operator.alive) world.restart();
    const sealed = world.sealedCount;
    world.figures.backlog = Math.max(world.figures.backlog, world.backlog);
    const { deposits } = world.ethereum.final.state;
    await until(endMs - 1);
    world.checkProgress(sealed, deposits);
    faults.resume();
  }
  await until(START_MS + hours * HOUR_MS);
  world.checkNothingLost();
  if (random.chance(0.3) && world.violation === null) await foreign(world, faults, until);
  world.operator.kill();
  const { figures, trace, tail, violation } = world;
  return { seed, hours, figures, trace, violation: violation?.message ?? null, tail };
}

/** Somebody with the key commits something else: committing stops, also after a restart, and payments go on. */
async function foreign(world: World, faults: Faults, until: (ms: number) => Promise<void>): Promise<void> {
  faults.stop();
  if (!world.operator.alive) world.restart();
  await until(world.time.now() + HOUR_MS);
  world.commitForeign();
  for (const restarts of [0, 1]) {
    if (restarts > 0) world.kill(1000);
    const before = world.figures.payments;
    await until(world.time.now() + 3 * HOUR_MS);
    if (world.violation !== null) return;
    if (world.operator.ethereum?.committer.halted == null)
      world.violate("Ethereum holds another root, and committing does not stop");
    if (world.figures.payments === before) world.violate("payments do not go on while committing has stopped");
  }
  world.checkNothingLost();
}

/** The same failure with as long a quiet beginning as it still needs none of: what is left is its story. */
export async function shortest(run: Run): Promise<{ run: Run; quietHours: number }> {
  let best = { run, quietHours: 0 };
  let [low, high] = [0, run.hours];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const other = await simulate(run.seed, run.hours, middle);
    if (other.violation === null) high = middle;
    else {
      low = middle;
      best = { run: other, quietHours: middle };
    }
  }
  return best;
}

export function lineOf({ seed, hours, figures, trace, violation }: Run): string {
  const { commits, attempts, payments, deposits, reorganisations, deepest, crashes, faults, reverts, backlog } =
    figures;
  return (
    `seed ${seed}: ${hours} hours, ${commits} commits mined of ${attempts} attempts, ${payments} payments, ${deposits} deposits, ` +
    `${faults} faults, ${reorganisations} reorganisations up to ${deepest} deep, ${crashes} kills, ${reverts} reverts, ` +
    `backlog up to ${backlog}, trace ${trace}, ${violation === null ? "all invariants held" : `BROKEN: ${violation}`}`
  );
}
