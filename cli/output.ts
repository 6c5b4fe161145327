/** Where results go: tables for people, one JSON document for programs. Progress goes to standard error. */
export class Output {
  private readonly json: boolean;

  constructor(json: boolean) {
    this.json = json;
  }

  /** @param text what people read; left out, the values as lines */
  show(value: Record<string, unknown>, text?: string): void {
    if (this.json) return write(toJson(value));
    write(
      text ??
        Object.entries(value)
          .map(([name, one]) => `${name.padEnd(20)} ${shown(one)}`)
          .join("\n"),
    );
  }

  /** A list: each item's values in columns. */
  list(items: readonly Record<string, unknown>[], columns: Record<string, string>, empty: string): void {
    if (this.json) return write(toJson({ items }));
    write(items.length === 0 ? empty : table(items, columns));
  }

  /** Says what takes long; programs see it as well, on standard error. */
  progress(text: string): void {
    process.stderr.write(`${text}\n`);
  }
}

function write(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Amounts as strings, as everywhere in JSON. */
function toJson(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => (typeof one === "bigint" ? one.toString() : one), 2);
}

function table(items: readonly Record<string, unknown>[], columns: Record<string, string>): string {
  const names = Object.keys(columns);
  const rows = [Object.values(columns), ...items.map((item) => names.map((name) => shown(item[name])))];
  const widths = names.map((_, i) => Math.max(...rows.map((row) => (row[i] as string).length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] as number))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return "-";
  return typeof value === "string" ? value : toJson(value).replaceAll('"', "");
}
