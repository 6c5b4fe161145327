// `npm run simulate -- [--seed N] [--hours H] [--minutes M] [--trace] [--break NAME]`: the operator, Ethereum and its nodes on one virtual
// clock, everything from one seed, with every fault that has a name. Ends with a line of figures; one seed after the other for
// as many minutes as are given. A violation ends it with its seed and the shortest tail of events that leads to it. With --break
// the operator is broken in a way that must be found (`simulation/sabotage.ts`).
import { parseArgs } from "node:util";
import { sabotage } from "./simulation/sabotage.ts";

const TAIL = 60;

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: "string", default: "1" },
      hours: { type: "string", default: "240" },
      minutes: { type: "string" },
      trace: { type: "boolean", default: false },
      break: { type: "string" },
    },
  });
  if (values.break !== undefined) sabotage(values.break);
  const { lineOf, shortest, simulate } = await import("./simulation/run.ts");
  const started = performance.now();
  const endless = values.minutes !== undefined;
  const until = started + Number(values.minutes ?? 0) * 60_000;
  const hours = Number(values.hours);
  let simulated = 0;
  for (let seed = Number(values.seed); ; seed++) {
    const run = await simulate(seed, hours);
    simulated += hours;
    if (values.trace) console.log(run.tail.join("\n"));
    if (run.violation !== null) {
      console.log(lineOf(run));
      if (values.break !== undefined) return 1;
      const { run: short, quietHours } = await shortest(run);
      console.log(`the same without a fault for the first ${quietHours} hours:`);
      console.log(short.tail.slice(-TAIL).join("\n"));
      console.log(`npm run simulate -- --seed ${seed} --hours ${hours}`);
      return 1;
    }
    console.log(lineOf(run));
    if (!endless || performance.now() >= until) break;
  }
  const seconds = (performance.now() - started) / 1000;
  console.error(`${simulated} hours in ${seconds.toFixed(1)} s, ${Math.round(simulated / seconds)} hours a second`);
  return 0;
}

// Mocha loads every file under test/; only as a script of its own does it run.
if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
