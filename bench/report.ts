import { execFileSync } from "node:child_process";
import { cpus } from "node:os";

/** One measured figure; `goal` and `peer` (what it is measured against) may be unknown. */
export interface Result {
  id: string;
  value: number;
  unit: string;
  goal: number | null;
  peer: number | null;
  /** The goal is a least value; otherwise a largest. */
  atLeast?: boolean;
}

/** Prints a table, or with `--json` one object and nothing else. */
export function report(bench: string, results: Result[], note: string): void {
  if (process.argv.includes("--json")) {
    const machine = { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, node: process.version };
    const rows = results.map(({ id, value, unit, goal, peer }) => ({ id, value, unit, goal, peer }));
    console.log(JSON.stringify({ bench, revision: revision(), machine, results: rows }));
    return;
  }
  const figure = (value: number | null): string => {
    if (value === null) return "–";
    return value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) < 100 ? 2 : 0 });
  };
  const met = (value: number, goal: number, atLeast = false): boolean => (atLeast ? value >= goal : value <= goal);
  const rows = results.map(({ id, value, unit, goal, peer, atLeast }) => [
    id,
    `${figure(value)} ${unit}`,
    goal === null ? "–" : `${figure(goal)}${met(value, goal, atLeast) ? "" : "  MISSED"}`,
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

/** A size of the work, times what `--scale` says: a small run shows that a bench works, not what it measures. */
export function scaled(size: number): number {
  const at = process.argv.indexOf("--scale");
  return Math.max(1, Math.round(size * (at === -1 ? 1 : Number(process.argv[at + 1]))));
}
