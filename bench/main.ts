// `npm run bench -- <name> [--json]`: runs bench/<name>.ts, which reads its own arguments.
import { readdir } from "node:fs/promises";

const names = (await readdir(new URL(".", import.meta.url)))
  .flatMap((file) => /^([a-z][\w-]*)\.ts$/.exec(file)?.[1] ?? [])
  .filter((name) => name !== "main" && name !== "report");
const name = process.argv[2];
if (name !== undefined && names.includes(name)) {
  await import(new URL(`${name}.ts`, import.meta.url).href);
} else {
  console.error(`npm run bench -- <name> [--json]: there are ${names.join(", ")}`);
  process.exitCode = 1;
}
