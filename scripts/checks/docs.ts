// What the documents list is what the code has: error codes with their status, settings, the contract's errors. Routes are
// compared in test/operator/openapi.ts.
import { readFile } from "node:fs/promises";
import { LEDGER_CODES, MARKETPLACE_CODES, REGISTRY_CODES } from "@plasma-billing/protocol/errors.ts";
import { STARTUP_CODES } from "../../ethereum/process/startup.ts";
import { ALARM_CODES } from "../../operator/alarms.ts";
import { STATES } from "../../operator/settlement/planner.ts";
import { Problem, ROUTE_CODES, problemJson } from "../../operator/http/problems.ts";
import { FINDINGS } from "../../watcher/findings/finding.ts";

const ROOT = new URL("../../", import.meta.url);
const complaints: string[] = [];

async function read(path: string): Promise<string> {
  return await readFile(new URL(path, ROOT), "utf8");
}

/** The cells of the rows of a document's tables whose first cell is code. */
function rows(text: string): string[][] {
  return text
    .split("\n")
    .filter((line) => /^\| `[^`]+`/.test(line))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

function firstCells(text: string): string[] {
  return rows(text).map(([cell = ""]) => /^`([^`]+)`/.exec(cell)?.[1] ?? "");
}

/** The part of a document under a heading, up to the next of its level or above. */
function section(text: string, heading: string): string {
  const level = heading.indexOf(" ");
  const start = text.indexOf(`\n${heading}\n`);
  if (start === -1) {
    complaints.push(`no heading "${heading}"`);
    return "";
  }
  const rest = text.slice(start + heading.length + 2);
  const end = rest.search(new RegExp(`^#{1,${level}} `, "m"));
  return end === -1 ? rest : rest.slice(0, end);
}

function compare(what: string, document: string, documented: readonly string[], actual: readonly string[]): void {
  for (const name of actual) if (!documented.includes(name)) complaints.push(`${document} lacks the ${what} ${name}`);
  for (const name of documented)
    if (!actual.includes(name)) complaints.push(`${document} has the ${what} ${name}: nothing else has`);
}

async function checkErrors(): Promise<void> {
  const document = "docs/ERRORS.md";
  const text = await read(document);
  const sections: [string, readonly string[]][] = [
    ["## Payments", LEDGER_CODES],
    ["## The marketplace's", MARKETPLACE_CODES],
    ["## Requests", [...REGISTRY_CODES, ...ROUTE_CODES]],
    ["## Operator or watcher does not start", STARTUP_CODES],
  ];
  for (const [heading, codes] of sections) {
    const documented = firstCells(section(text, heading));
    compare("code", document, documented, codes);
    // The order is the precedence.
    const ordered = codes === LEDGER_CODES || codes === MARKETPLACE_CODES;
    if (ordered && documented.join() !== codes.join())
      complaints.push(`${document}: "${heading}" is not in the code's order`);
  }
  for (const [code = "", status = ""] of rows(text)) {
    const problem = [...LEDGER_CODES, ...MARKETPLACE_CODES, ...REGISTRY_CODES, ...ROUTE_CODES].find(
      (known) => code === `\`${known}\``,
    );
    if (problem === undefined) continue;
    const actual = problemJson(new Problem(problem, "")).status;
    if (status !== String(actual)) complaints.push(`${document} has status ${status} for ${problem}: it is ${actual}`);
  }
  const abi = JSON.parse(await read("protocol/RootChain.abi.json")) as { type: string; name?: string }[];
  const errors = abi.flatMap(({ type, name }) =>
    type === "error" && name?.startsWith("RootChain_") === true ? [name] : [],
  );
  compare("contract's error", document, firstCells(section(text, "## The contract reverts")), errors);
}

async function checkSettings(path: string, document: string): Promise<void> {
  const source = await read(path);
  const codes: readonly string[] = STARTUP_CODES;
  const names = [...source.matchAll(/"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)"/g)].map(([, name = ""]) => name);
  const settings = [...new Set(names)].filter((name) => !codes.includes(name));
  compare("setting", document, firstCells(section(await read(document), "## Settings")), settings);
}

async function checkFindings(): Promise<void> {
  const document = "docs/WATCHING.md";
  compare("finding", document, firstCells(section(await read(document), "## Runbooks")), Object.keys(FINDINGS));
}

/** Alarms have a line each on what to do; a block's states are those the planner knows, with their actions. */
async function checkSettlement(): Promise<void> {
  const operating = "docs/OPERATING.md";
  compare("alarm", operating, firstCells(section(await read(operating), "## Watching it")), ALARM_CODES);
  const document = "operator/settlement/README.md";
  const documented = rows(await read(document)).map(([state = "", , actions = ""]) => `${state}: ${actions}`);
  const actual = Object.entries(STATES).map(
    ([state, actions]) => `\`${state}\`: ${actions.map((action) => `\`${action}\``).join(", ")}`,
  );
  compare("state", document, documented, actual);
}

await checkErrors();
await checkSettlement();
await checkSettings("operator/settings.ts", "docs/OPERATING.md");
await checkSettings("watcher/settings.ts", "docs/WATCHING.md");
await checkFindings();
for (const complaint of complaints) console.error(complaint);
if (complaints.length === 0) console.log("codes and settings stand in the documents");
process.exitCode = complaints.length === 0 ? 0 : 1;
