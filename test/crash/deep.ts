// `npm run test:deep -- crash [--rounds N] [--seed N]`: an operator is killed with -9 over and over, endless by default.
import { parseArgs } from "node:util";
import { CrashRounds } from "./rounds.ts";

export async function crashDeep(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { seed: { type: "string", default: "1" }, rounds: { type: "string", default: "Infinity" } },
  });
  const rounds = await CrashRounds.open(Number(values.seed));
  try {
    while (rounds.figures.rounds < Number(values.rounds)) {
      await rounds.play();
      if (rounds.figures.rounds % 25 === 0) console.log(JSON.stringify(rounds.figures));
    }
    await rounds.settle();
    console.log(JSON.stringify(rounds.figures));
    return 0;
  } catch (error) {
    console.error(`seed ${values.seed}, round ${rounds.figures.rounds + 1}:`, error);
    return 1;
  } finally {
    await rounds.close();
  }
}
