import { execFileSync } from "node:child_process";
import { cpus } from "node:os";

/** One measured figure; `goal` and `peer` (what it is measured against) may be unknown. */
export interface Result {
  id: string;
  value: number;
  unit: string;
  goal: number | null;
  peer: number | null;
}

/** Prints a table, or with `--json` one object and nothing else. */
export function report(bench: string, results: Result[], note: string): void {
  if (process.argv.includes("--json")) {
    const machine = { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, node: process.version };
    console.log(JSON.stringify({ bench, revision: revision(), machine, results }));
    return;
  }
  const figure = (value: number | null): string => (value === null ? "–" : value.toLocaleString("en"));
  const rows = results.map(({ id, value, unit, goal, peer }) => [
    id,
    `${figure(value)} ${unit}`,
    goal === null ? "–" : `${figure(goal)}${value <= goal ? "" : "  MISSED"}`,
    figure(peer),
    peer === null ? "–" : (value / peer).toFixed(2),
  ]);
  const table = [["", "ours", "goal", "peer", "ours ÷ peer"], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  for (const row of table) console.log(row.map((cell, column) => cell.padEnd(widths[column]!)).join("  "));
  console.log(`\n${note}`);
}

function revision(): string {
  return execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
}
