import { parseArgs } from "node:util";
import { playHonest } from "./honest.ts";
import { OPERATOR_VILLAINS } from "./operators.ts";
import { playOperator, playQuiet, playThief } from "./play.ts";
import { QUIET_VILLAINS } from "./quiet.ts";
import { lastLine, table, type Row } from "./report.ts";
import { THIEVES } from "./thieves.ts";

interface Villain {
  name: string;
  does: string;
  play(): Promise<Row>;
}

/** Length of the honest run: each of its turns comes at least once. */
const HONEST_SECONDS = 90;

export const VILLAINS: Villain[] = [
  ...OPERATOR_VILLAINS.map((one) => ({ ...one, play: async () => await playOperator(one) })),
  ...QUIET_VILLAINS.map((one) => ({ ...one, play: async () => await playQuiet(one) })),
  ...THIEVES.map((one) => ({ ...one, play: async () => await playThief(one) })),
];

/** `npm run villains`. Gives the exit code. */
export async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { list: { type: "boolean" }, only: { type: "string", multiple: true }, soak: { type: "string" } },
  });
  if (values.list === true) {
    for (const { name, does } of VILLAINS) console.log(`${name}: ${does}`);
    return 0;
  }
  const only = values.only ?? [];
  const unknown = only.filter((name) => name !== "honest" && VILLAINS.every((villain) => villain.name !== name));
  if (unknown.length > 0) {
    console.error(`no villain is called ${unknown.join(", ")}: see --list`);
    return 2;
  }
  const isMeant = (name: string): boolean => only.length === 0 || only.includes(name);
  const rows: Row[] = [];
  for (const villain of VILLAINS.filter(({ name }) => isMeant(name))) {
    const row = await villain.play();
    rows.push(row);
    console.log(
      `${row.survived ? "survived" : "NOT SURVIVED"}  ${row.name}: ${villain.does} (${row.seconds.toFixed(1)} s)`,
    );
    for (const note of [...row.notes, ...row.falseFindings.map((one) => `false finding: ${one}`)])
      console.log(`  ${note}`);
  }
  let falseFindings = rows.reduce((sum, row) => sum + row.falseFindings.length, 0);
  let failed = rows.some((row) => !row.survived);
  if (isMeant("honest")) {
    const seconds = values.soak === undefined ? HONEST_SECONDS : 60 * Number(values.soak);
    const honest = await playHonest(seconds);
    for (const note of honest.notes) console.log(`  ${note}`);
    for (const finding of honest.falseFindings) console.log(`  false finding: ${finding}`);
    falseFindings += honest.falseFindings.length;
    failed ||= honest.failed;
  }
  console.log(`\n${table(rows)}\n`);
  console.log(lastLine(rows, falseFindings));
  return failed || falseFindings > 0 ? 1 : 0;
}
