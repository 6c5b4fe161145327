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

  /** Takes all that holds now of these kinds: what is new begins, what is not there any more is over. */
  take(names: readonly FindingName[], drafts: readonly FindingDraft[]): void {
    const told = new Set<string>();
    for (const draft of drafts) {
      told.add(keyOf(draft));
      this.hold(draft);
    }
    for (const [key, finding] of this.found) {
      if (names.includes(finding.name) && !told.has(key)) this.end(key, finding);
    }
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

  private hold(draft: FindingDraft): void {
    const { severity, means, todo } = FINDINGS[draft.name];
    const key = keyOf(draft);
    const known = this.found.get(key);
    const now: Omit<Finding, "id"> = {
      ...{ severity, ...draft, means, todo, state: "open", overAt: null },
      firstSeenAt: known?.firstSeenAt ?? this.options.now(),
    };
    if (known !== undefined) {
      const finding = { ...now, id: known.id };
      this.found.set(key, finding);
      if (jsonOf(finding) === jsonOf(known)) return;
      this.write(() =>
        this.database.prepare("UPDATE finding SET json = ? WHERE id = ?").run(jsonOf(finding), known.id),
      );
      if (finding.severity !== known.severity) this.options.onChange(finding);
      return;
    }
    const id = this.write(() => {
      const { lastInsertRowid } = this.database
        .prepare("INSERT INTO finding (name, subject, first_seen, json) VALUES (?, ?, ?, ?)")
        .run(draft.name, draft.subject, now.firstSeenAt, jsonOf(now));
      return Number(lastInsertRowid);
    });
    const finding = { ...now, id: id ?? 0 };
    this.found.set(key, finding);
    this.options.onChange(finding);
  }

  private end(key: string, finding: Finding): void {
    const over: Finding = { ...finding, state: "over", overAt: this.options.now() };
    this.found.delete(key);
    this.write(() => {
      this.database.prepare("UPDATE finding SET over = ? WHERE id = ?").run(over.overAt, finding.id);
      this.database
        .prepare("DELETE FROM finding WHERE over IS NOT NULL AND id <= (SELECT max(id) FROM finding) - ?")
        .run(OVER_MAX);
    });
    this.options.onChange(over);
  }

  /** A full disk keeps nothing from being told. */
  private write<T>(write: () => T): T | null {
    try {
      const done = write();
      this.failure = null;
      return done;
    } catch (error) {
      if (systemCode(error) !== "ERR_SQLITE_ERROR") throw error;
      this.failure = `findings cannot be written (${String(error)})`;
      return null;
    }
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
