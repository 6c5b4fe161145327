// The faults of settlement that docs/SETTLEMENT.md lists are those the tests inject: each row names tests that exist, and no
// test of a fault stands without a row.
import { readFile, readdir } from "node:fs/promises";

const ROOT = new URL("../../", import.meta.url);
const FOLDERS = ["test/operator/", "test/e2e/", "test/simulation/"];
const FAULTS = 17;

const complaints: string[] = [];
const text = await readFile(new URL("docs/SETTLEMENT.md", ROOT), "utf8");
const rows = [...text.matchAll(/^\| (\d+) +\|.*\|(.*)\|$/gm)].map(([, number = "", tests = ""]) => ({
  number: Number(number),
  tests: [...tests.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name),
}));
const numbers = rows.map(({ number }) => number);
const expected = Array.from({ length: FAULTS }, (_, i) => i + 1);
if (numbers.join() !== expected.join()) complaints.push(`docs/SETTLEMENT.md lists the faults ${numbers.join()}`);

const sources: string[] = [];
for (const folder of FOLDERS) {
  const files = (await readdir(new URL(folder, ROOT))).filter((name) => name.endsWith(".ts"));
  sources.push(...(await Promise.all(files.map((name) => readFile(new URL(folder + name, ROOT), "utf8")))));
}
// Templates that make several tests of one kind are named by what they are filled with.
const titles = sources.flatMap((source) =>
  [...source.matchAll(/\bit\(\s*(["`])(.+?)\1,/g)].flatMap(([, , title = ""]) =>
    title.includes("${kind}") ? ["hang", "reset", "tear"].map((kind) => title.replace("${kind}", kind)) : [title],
  ),
);
const named = rows.flatMap(({ tests }) => tests);
for (const { number, tests } of rows) if (tests.length === 0) complaints.push(`fault ${number} has no test`);
for (const name of named) {
  if (!titles.some((title) => title.startsWith(name)))
    complaints.push(`docs/SETTLEMENT.md names a test nobody has: ${name}`);
}
for (const title of titles.filter((one) => /^fault \d+:/.test(one))) {
  if (!named.some((name) => title.startsWith(name))) complaints.push(`docs/SETTLEMENT.md lacks: ${title}`);
}
for (const complaint of complaints) console.error(complaint);
if (complaints.length === 0) console.log(`${rows.length} faults, each with its tests`);
process.exitCode = complaints.length === 0 ? 0 : 1;
