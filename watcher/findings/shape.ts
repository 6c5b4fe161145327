import type { Finding } from "./finding.ts";

/** A finding as it goes out: `value` in wei as a decimal string, as are amounts in the evidence. */
export type FindingJson = Omit<Finding, "transaction"> & {
  transaction: { to: string; data: string; value: string } | null;
};

export function findingShape(finding: Finding): FindingJson {
  const { id, name, severity, subject, text, means, todo, until, evidence, transaction, state } = finding;
  const shown = { id, name, severity, subject, text, means, todo, until, evidence, transaction, state };
  const { firstSeenAt, overAt } = finding;
  return JSON.parse(JSON.stringify({ ...shown, firstSeenAt, overAt }, bigintToText)) as FindingJson;
}

function bigintToText(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
