/** What became of one villain. */
export interface Row {
  name: string;
  /** Names of findings, in the order in which they came. */
  found: string[];
  /** From the deed to the first finding that names it: of the wall's clock, and of Ethereum's. */
  after: { wallSeconds: number; ethereumSeconds: number } | null;
  /** What of the honest money. */
  saved: string;
  survived: boolean;
  /** Findings that name what nobody did. */
  falseFindings: string[];
  /** What went wrong, and figures worth telling. */
  notes: string[];
  seconds: number;
}

export function table(rows: readonly Row[]): string {
  const cells = rows.map(({ name, found, after, saved, survived, seconds }) => [
    name,
    found.length === 0 ? "nothing" : found.join(", "),
    after === null ? "" : `${after.wallSeconds.toFixed(1)} s, ${duration(after.ethereumSeconds)}`,
    saved,
    survived ? "yes" : "NO",
    `${seconds.toFixed(0)} s`,
  ]);
  const head = ["villain", "found", "after (wall, Ethereum)", "saved of the honest money", "survived", "took"];
  const widths = head.map((title, i) => Math.max(title.length, ...cells.map((row) => row[i]!.length)));
  const line = (row: string[]): string => `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...cells.map(line)].join("\n");
}

/** The line the bench ends with. */
export function lastLine(rows: readonly Row[], falseFindings: number): string {
  const survived = rows.filter((row) => row.survived).length;
  return `${rows.length} villains, ${survived} survived by the honest, ${falseFindings} false findings`;
}

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
