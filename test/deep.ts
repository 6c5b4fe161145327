// `npm run test:deep -- [crash | adversary] [options]`: what is played for as long as one lets it.
import { adversaryDeep } from "./adversary/deep.ts";
import { crashDeep } from "./crash/deep.ts";

async function main([what, ...rest]: string[]): Promise<number> {
  if (what === "crash") return await crashDeep(rest);
  return await adversaryDeep(what === "adversary" ? rest : process.argv.slice(2));
}

// Mocha loads every file under test/; only as a script of its own does it run.
if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
