// `npm run test:deep -- [--seed N] [--minutes M] [--histories N] [--replay EVERY] [--without RULE]`: histories
// one after another from a seed on, endless by default, one in EVERY (50) on the contract too. Ends with the shortest
// story of the first one that breaks an invariant, or that the contract plays otherwise. With a rule switched off that
// is what is looked for: the seed it prints can be kept in `rules.ts`.
import { parseArgs } from "node:util";
import { play } from "./history.ts";
import { replay } from "./replay.ts";
import { RULES, RULE_NAMES, rulesWithout } from "./rules.ts";
import { shrink, story, thefts } from "./shrink.ts";
import { Stage } from "./stage.ts";

const FIGURES_EVERY_MS = 10_000;

export async function adversaryDeep(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: "string", default: "1" },
      minutes: { type: "string", default: "Infinity" },
      histories: { type: "string", default: "Infinity" },
      replay: { type: "string", default: "50" },
      without: { type: "string" },
    },
  });
  const without = RULE_NAMES.find((name) => name === values.without);
  if (values.without !== undefined && without === undefined) {
    console.error(`${values.without} is no rule; there are ${RULE_NAMES.join(", ")}`);
    return 1;
  }
  const rules = without === undefined ? rulesWithout() : rulesWithout(without);
  if (without !== undefined) console.log(`without: ${RULES[without]}`);
  const first = Number(values.seed);
  const every = Number(values.replay);
  const stage = without === undefined && every > 0 ? await Stage.open() : null;
  const started = performance.now();
  const until = started + Number(values.minutes) * 60_000;
  let shown = started;
  let calls = 0;
  let seed = first;
  const figures = (): void => {
    const seconds = (performance.now() - started) / 1_000;
    const histories = seed - first;
    const rate = Math.round(histories / seconds);
    console.log(`seeds ${first} to ${seed - 1}: ${histories} histories, ${calls} calls, ${rate} histories a second`);
  };
  for (; seed - first < Number(values.histories) && performance.now() < until; seed++) {
    const history = play(seed, rules);
    calls += history.world.played.length;
    const wrong = without === undefined ? history.violations : thefts(history);
    if (wrong.length > 0) {
      const { invariant } = wrong[0]!;
      const shortest = shrink(history, rules, (other) => other.violations.some((at) => at.invariant === invariant));
      console.log(story(shortest));
      return without === undefined ? 1 : 0;
    }
    if (stage !== null && seed % every === 0) {
      const differences = await replay(stage, history.world);
      if (differences.length > 0) {
        console.log([story(history), "on the contract:", ...differences].join("\n"));
        return 1;
      }
    }
    if (performance.now() - shown < FIGURES_EVERY_MS) continue;
    shown = performance.now();
    figures();
  }
  figures();
  return without === undefined ? 0 : 1;
}
