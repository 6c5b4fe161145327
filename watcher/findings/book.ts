import { DatabaseSync } from "node:sqlite";
import { systemCode } from "@plasma-billing/ethereum/process/startup.ts";
import { FINDINGS, type Finding, type FindingDraft, type FindingName, type Severity } from "./finding.ts";

/** What is over is kept for whoever looks back; the oldest go first. */
const OVER_MAX = 100_000;

export interface BookOptions {
  path: string;
  /** Unix milliseconds. */
  now: () => number;
  /** Told of each finding that begins, changes its severity, or is over. */
  onChange: (finding: Finding) => void;
}

interface Changes {
  begun: Finding[];
  changed: Finding[];
  over: Finding[];
  /** Of those that are open: what is new, or of another severity. */
  told: Finding[];
}

/** All that was found, in a file of its own: a restart neither forgets a finding nor tells it again. */
export class FindingsBook {
  private readonly options: BookOptions;
  private readonly database: DatabaseSync;
  private readonly found = new Map<string, Finding>();
  private failure: string | null = null;

  constructor(options: BookOptions) {
    this.options = options;
    this.database = new DatabaseSync(options.path);
    this.database.exec(`
      PRAGMA journal_mode = DELETE;
      PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS finding (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, subject TEXT NOT NULL, first_seen INTEGER NOT NULL,
        over INTEGER, json TEXT NOT NULL
      ) STRICT;
      CREATE INDEX IF NOT EXISTS finding_over ON finding (over, id);
    `);
    for (const row of this.database.prepare("SELECT * FROM finding WHERE over IS NULL").all()) {
      const finding = findingOf(row);
      this.found.set(keyOf(finding), finding);
    }
  }

  /** Those that hold now, the worst first. */
  get open(): Finding[] {
    const inOrder = [...this.found.values()].sort((a, b) => a.id - b.id);
    const of = (wanted: Severity): Finding[] => inOrder.filter(({ severity }) => severity === wanted);
    return [...of("unsafe"), ...of("attention")];
  }

  /** Why what is found is not on the disk; it is told all the same. */
  get problem(): string | null {
    return this.failure;
  }

  /** Takes all that holds now of these kinds: what is new begins, what is not there any more is over. Written as one. */
  take(names: readonly FindingName[], drafts: readonly FindingDraft[]): void {
    const changes: Changes = { begun: [], changed: [], over: [], told: [] };
    const told = new Map(drafts.map((draft) => [keyOf(draft), draft]));
    for (const draft of told.values()) this.hold(draft, changes);
    for (const [key, finding] of this.found) {
      if (!names.includes(finding.name) || told.has(key)) continue;
      this.found.delete(key);
      changes.over.push({ ...finding, state: "over", overAt: this.options.now() });
    }
    const { begun, changed, over } = changes;
    if (begun.length + changed.length + over.length > 0) this.write(changes);
    for (const finding of [...changes.told, ...over]) this.options.onChange(finding);
  }

  /** The newest first; `before`: those with a smaller id. */
  list(state: Finding["state"] | null, limit: number, before: number | null): Finding[] {
    const where = state === null ? "" : state === "open" ? "AND over IS NULL" : "AND over IS NOT NULL";
    const rows = this.database
      .prepare(`SELECT * FROM finding WHERE id < ? ${where} ORDER BY id DESC LIMIT ?`)
      .all(before ?? Number.MAX_SAFE_INTEGER, limit);
    return rows.map((row) => this.found.get(keyOf(findingOf(row))) ?? findingOf(row));
  }

  close(): void {
    this.database.close();
  }

  private hold(draft: FindingDraft, { begun, changed, told }: Changes): void {
    const { severity, means, todo } = FINDINGS[draft.name];
    const key = keyOf(draft);
    const known = this.found.get(key);
    const finding: Finding = {
      ...{ severity, ...draft, means, todo, state: "open", overAt: null },
      ...{ id: known?.id ?? 0, firstSeenAt: known?.firstSeenAt ?? this.options.now() },
    };
    this.found.set(key, finding);
    // Without a number it could not be written before.
    if (finding.id === 0) begun.push(finding);
    else if (known !== undefined && jsonOf(finding) !== jsonOf(known)) changed.push(finding);
    if (known?.severity !== finding.severity) told.push(finding);
  }

  /** A full disk keeps nothing from being told. */
  private write(changes: Changes): void {
    try {
      this.writeAll(changes);
      this.failure = null;
    } catch (error) {
      if (this.database.isTransaction) this.database.exec("ROLLBACK");
      if (systemCode(error) !== "ERR_SQLITE_ERROR") throw error;
      // Numbers that are not on the disk are given again.
      for (const finding of changes.begun) finding.id = 0;
      this.failure = `findings cannot be written (${String(error)})`;
    }
  }

  private writeAll({ begun, changed, over }: Changes): void {
    this.database.exec("BEGIN IMMEDIATE");
    const insert = this.database.prepare("INSERT INTO finding (name, subject, first_seen, json) VALUES (?, ?, ?, ?)");
    for (const finding of begun) {
      const { name, subject, firstSeenAt } = finding;
      finding.id = Number(insert.run(name, subject, firstSeenAt, jsonOf(finding)).lastInsertRowid);
    }
    const update = this.database.prepare("UPDATE finding SET json = ? WHERE id = ?");
    for (const finding of changed) update.run(jsonOf(finding), finding.id);
    const end = this.database.prepare("UPDATE finding SET over = ? WHERE id = ?");
    for (const { overAt, id } of over) end.run(overAt, id);
    if (over.length > 0) {
      this.database
        .prepare("DELETE FROM finding WHERE over IS NOT NULL AND id <= (SELECT max(id) FROM finding) - ?")
        .run(OVER_MAX);
    }
    this.database.exec("COMMIT");
  }
}

function keyOf({ name, subject }: Pick<FindingDraft, "name" | "subject">): string {
  return `${name} ${subject}`;
}

/** What changes of a finding while it is open. */
function jsonOf({ severity, text, until, evidence, transaction }: Omit<Finding, "id">): string {
  return JSON.stringify({ severity, text, until, evidence, transaction }, (_, value: unknown) =>
    typeof value === "bigint" ? value.toString() : value,
  );
}

function findingOf(row: Record<string, unknown>): Finding {
  const name = row["name"] as FindingName;
  const kept = JSON.parse(row["json"] as string) as Omit<Finding, "transaction"> & {
    transaction: { to: Finding["subject"]; data: string; value: string } | null;
  };
  const { means, todo } = FINDINGS[name];
  const over = row["over"] as number | null;
  const transaction = kept.transaction === null ? null : { ...kept.transaction, value: BigInt(kept.transaction.value) };
  return {
    ...{ ...kept, id: row["id"] as number, name, subject: row["subject"] as string, means, todo },
    transaction: transaction as Finding["transaction"],
    ...{ state: over === null ? "open" : "over", firstSeenAt: row["first_seen"] as number, overAt: over },
  };
}
