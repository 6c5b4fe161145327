// The attacks that docs/PROTOCOL.md lists are those the tests make: each row names tests that exist, and no test of an
// attack stands without a row.
import { readFile, readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import Mocha from "mocha";

const ROOT = new URL("../../", import.meta.url);
const TESTS = new URL("test/contracts/", ROOT);
/** Files whose every test is an attack. */
const ATTACKS = /^(attacks\w*|moreVp|authorizations|adversaries)\.ts$/;

const complaints: string[] = [];

/** The titles of a file's tests. */
async function titles(file: string): Promise<string[]> {
  const mocha = new Mocha();
  mocha.addFile(fileURLToPath(new URL(file, TESTS)));
  await mocha.loadFilesAsync();
  const found: string[] = [];
  mocha.suite.eachTest((test) => found.push(test.title));
  return found;
}

const text = await readFile(new URL("docs/PROTOCOL.md", ROOT), "utf8");
const [, section = ""] = /\n## Attacks\n([^]*?)\n## /.exec(text) ?? [];
const rows = section.split("\n").filter((line) => line.startsWith("| ") && !/^\| (attack|---)/.test(line));
const named = rows.flatMap((row) => {
  const names = [...(row.split("|")[3] ?? "").matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
  if (names.length === 0) complaints.push(`docs/PROTOCOL.md names no test for: ${row.split("|")[1]?.trim() ?? row}`);
  return names;
});

const files = (await readdir(TESTS)).filter((name) => name.endsWith(".ts") && !name.endsWith(".t.ts"));
const all: string[] = [];
for (const file of files) {
  const found = await titles(file);
  all.push(...found);
  if (!ATTACKS.test(file)) continue;
  for (const title of found) {
    if (!named.some((name) => title.startsWith(name))) complaints.push(`docs/PROTOCOL.md lacks ${file}: ${title}`);
  }
}
for (const name of named) {
  if (!all.some((title) => title.startsWith(name)))
    complaints.push(`docs/PROTOCOL.md names a test nobody has: ${name}`);
}
for (const complaint of complaints) console.error(complaint);
if (complaints.length === 0) console.log(`${rows.length} attacks, each with its tests`);
process.exit(complaints.length === 0 ? 0 : 1);
