// `npm run mutate [-- options]`: breaks each check of the contracts in turn, and shows that a test fails.
//   --file <path>      only this source, may be given more than once    --lines <from-to>  only these lines
//   --checks, --all    the checks and modifiers (as is), or also every effect
//   --sample <n>       n mutants, the same ones for the same --seed <s>
//   --keep-kills       what was killed stays so when only tests were changed
//   --equivalent       also what is listed as equivalent, which is not tried else
//   --jobs <n>         mutants tried at once (2)                        --json             a line of JSON a mutant
// Works in a temporary folder; what was found is kept in cache/mutations.json, so a run that was ended goes on.
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setPriority, tmpdir } from "node:os";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import config from "../hardhat.config.ts";
import { Bench, type Outcome, type Project } from "./mutationBench.ts";
import { EQUIVALENT, mutantsOf, type Mutant } from "./mutations.ts";
import { importsOf } from "./solidityTree.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CACHE = join(ROOT, "cache", "mutations.json");
/** Not the project's own behaviour. */
const LEFT_OUT = /^contracts\/(mocks|interfaces)\//;
/** What decides which tests run and what they say. */
const TEST_FILES = [
  "test/contracts/**",
  "test/adversary/**",
  "test/helpers/**",
  "test/vectors/**",
  "hardhat.config.ts",
];
const NICENESS = 10;

/** Of a mutant that was tried: the key is the hash of all sources with the mutant among them. */
interface Kept extends Outcome {
  tests: string;
  /** `file: function`. */
  place: string;
}

const { values: options } = parseArgs({
  options: {
    file: { type: "string", multiple: true },
    lines: { type: "string" },
    checks: { type: "boolean" },
    all: { type: "boolean", default: false },
    sample: { type: "string" },
    seed: { type: "string", default: "1" },
    equivalent: { type: "boolean", default: false },
    "keep-kills": { type: "boolean", default: false },
    jobs: { type: "string", default: "2" },
    json: { type: "boolean", default: false },
  },
});

function hash(...texts: string[]): string {
  const digest = createHash("sha256");
  for (const text of texts) digest.update(`${text.length}:`).update(text);
  return digest.digest("hex");
}

function readTexts(patterns: string[]): Record<string, string> {
  const found = patterns.flatMap((pattern) => globSync(pattern, { cwd: ROOT, withFileTypes: true }));
  const paths = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(paths.sort().map((path) => [posix.relative(ROOT, path), readFileSync(path, "utf8")]));
}

/** The mocha tests of a folder, which may hold their helpers too. */
function specsOf(folder: string): string[] {
  const texts = Object.entries(readTexts([`${folder}/*.ts`]));
  return texts.filter(([, text]) => /^describe\(/m.test(text)).map(([path]) => path);
}

/** For each source, itself and what it imports, directly or not; packages are left out. */
function closures(sources: Record<string, string>): Map<string, Set<string>> {
  const direct = new Map(
    Object.entries(sources).map(([path, text]) => [
      path,
      importsOf(text)
        .map((imported) => posix.join(dirname(path), imported))
        .filter((imported) => imported in sources),
    ]),
  );
  const reach = (path: string, into: Set<string>): Set<string> => {
    if (!into.has(path)) {
      into.add(path);
      for (const imported of direct.get(path) ?? []) reach(imported, into);
    }
    return into;
  };
  return new Map(Object.keys(sources).map((path) => [path, reach(path, new Set())]));
}

function readProject(): Project {
  const { solidity } = config;
  if (typeof solidity !== "object" || !("settings" in solidity)) throw new Error("hardhat.config.ts has no settings");
  const sources = readTexts(["contracts/**/*.sol"]);
  const reached = [...closures({ ...sources, ...readTexts(["test/contracts/**/*.sol"]) })];
  const importers = (path: string): string[] => reached.filter(([, into]) => into.has(path)).map(([from]) => from);
  const slow = new Set(importers("contracts/RootChain.sol"));
  const paths = Object.keys(sources);
  const isUnitTest = (path: string): boolean => path.endsWith(".t.sol") && !slow.has(path);
  return {
    root: ROOT,
    sources,
    settings: solidity.settings as object,
    dependents: new Map(paths.map((path) => [path, importers(path).filter((from) => from in sources)])),
    unitTests: new Map(paths.map((path) => [path, importers(path).filter(isUnitTest)])),
    lateSpecs: specsOf("test/adversary"),
  };
}

function chooseMutants(sources: Record<string, string>): Mutant[] {
  const [from, to] = (options.lines ?? "0-Infinity").split("-").map(Number);
  const files = options.file ?? Object.keys(sources).filter((path) => !LEFT_OUT.test(path));
  const chosen = files
    .flatMap((file) => {
      const text = sources[file];
      if (text === undefined) throw new Error(`no source ${file}`);
      return mutantsOf(file, text);
    })
    .filter(({ group, line }) => (options.all || group !== "effect") && line >= from! && line <= (to ?? from!));
  if (options.sample === undefined) return chosen;
  const rank = new Map(chosen.map((mutant) => [mutant, hash(options.seed, mutant.file, mutant.description)]));
  const sample = chosen.toSorted((a, b) => rank.get(a)!.localeCompare(rank.get(b)!)).slice(0, Number(options.sample));
  return chosen.filter((mutant) => sample.includes(mutant));
}

/** What is known from earlier runs, and of this one as it goes on. */
class Results {
  readonly #kept: Record<string, Kept>;
  readonly #tests = hash(...Object.entries(readTexts(TEST_FILES)).flat());
  readonly #specs = readTexts(["test/contracts/*.ts"]);
  readonly #sources: Record<string, string>;

  constructor(sources: Record<string, string>) {
    this.#sources = sources;
    this.#kept = existsSync(CACHE) ? (JSON.parse(readFileSync(CACHE, "utf8")) as Record<string, Kept>) : {};
  }

  find(mutant: Mutant | null): Outcome | null {
    const kept = this.#kept[this.#key(mutant)];
    if (kept === undefined || kept.status === "broken") return null;
    const holds = kept.tests === this.#tests || kept.status === "same" || kept.status === "uncompiled";
    return holds || (options["keep-kills"] && kept.status === "killed") ? kept : null;
  }

  keep(mutant: Mutant | null, outcome: Outcome): void {
    this.#kept[this.#key(mutant)] = { ...outcome, tests: this.#tests, place: mutant === null ? "" : placeOf(mutant) };
    mkdirSync(dirname(CACHE), { recursive: true });
    // Whole, or as it was: a run may be ended at any time.
    writeFileSync(`${CACHE}.new`, JSON.stringify(this.#kept, null, 1));
    renameSync(`${CACHE}.new`, CACHE);
  }

  /** The specs, first those that killed mutants of the same function or name it, then those of the same source. */
  order(specs: string[], mutant: Mutant): string[] {
    const place = placeOf(mutant);
    const scores = new Map(
      specs.map((spec) => [spec, mutant.words.filter((word) => this.#specs[spec]!.includes(word)).length]),
    );
    for (const { spec, place: other } of Object.values(this.#kept)) {
      if (spec === null || !scores.has(spec)) continue;
      const weight = other === place ? 1 : other.startsWith(`${mutant.file}:`) ? 1e-3 : 1e-6;
      scores.set(spec, scores.get(spec)! + weight);
    }
    return specs.toSorted((a, b) => scores.get(b)! - scores.get(a)!);
  }

  #key(mutant: Mutant | null): string {
    const sources = mutant === null ? this.#sources : { ...this.#sources, [mutant.file]: mutant.mutatedText };
    return hash(...Object.entries(sources).flat());
  }
}

function placeOf(mutant: Mutant): string {
  return `${mutant.file}: ${mutant.description.split(":")[0]}`;
}

function reasonOf(mutant: Mutant): string | null {
  const known = EQUIVALENT.find(({ file, text }) => file === mutant.file && text === mutant.description);
  return known?.reason ?? null;
}

function print(mutant: Mutant, outcome: Outcome): void {
  const { file, line, group, description } = mutant;
  if (options.json) {
    console.log(JSON.stringify({ file, line, group, description, ...outcome, equivalent: reasonOf(mutant) }));
    return;
  }
  const reason = outcome.status === "survived" ? reasonOf(mutant) : null;
  const status = reason !== null ? "equivalent" : outcome.status === "survived" ? "SURVIVED" : outcome.status;
  const by = reason ?? outcome.by;
  console.log(`${status.padEnd(10)} ${file}:${line} ${description}${by === null ? "" : `  [${by}]`}`);
}

/** The last line, and whether every mutant was killed or is known to do the same. */
function summarize(mutants: Mutant[], outcomes: Map<Mutant, Outcome>): boolean {
  const of = (status: Outcome["status"]): Mutant[] =>
    mutants.filter((mutant) => outcomes.get(mutant)?.status === status);
  const survivors = of("survived").filter((mutant) => reasonOf(mutant) === null);
  const wronglyListed = of("killed").filter((mutant) => reasonOf(mutant) !== null);
  const [killed, broken] = [of("killed").length, of("broken").length];
  const equivalent = of("survived").length - survivors.length + of("same").length;
  const score = killed + survivors.length === 0 ? 100 : (100 * killed) / (killed + survivors.length);
  const counts = { killed, survived: survivors.length, uncompiled: of("uncompiled").length, equivalent, broken };
  if (options.json) {
    console.log(JSON.stringify({ ...counts, score }));
  } else {
    if (survivors.length > 0) console.log("\nsurvived, so no test guards them:");
    for (const { file, line, description } of survivors) console.log(`  ${file}:${line} ${description}`);
    for (const { description } of wronglyListed) console.log(`killed, though listed as equivalent: ${description}`);
    for (const group of ["check", "guard", "effect"] as const) {
      const own = mutants.filter((mutant) => mutant.group === group);
      const done = own.filter((mutant) => outcomes.get(mutant)?.status === "killed").length;
      if (own.length > 0) console.log(`${group}s: ${done} of ${own.length} killed`);
    }
    const rest = `${equivalent} equivalent${broken > 0 ? `, ${broken} could not be tried` : ""}`;
    console.log(
      `mutants: ${killed} killed, ${survivors.length} survived, ${counts.uncompiled} not compiled, ${rest}; ` +
        `score ${score.toFixed(1)} %`,
    );
  }
  return survivors.length === 0 && broken === 0 && wronglyListed.length === 0;
}

async function main(): Promise<boolean> {
  const project = readProject();
  const mutants = chooseMutants(project.sources);
  const results = new Results(project.sources);
  const outcomes = new Map<Mutant, Outcome>();
  const settle = (mutant: Mutant, outcome: Outcome): void => {
    outcomes.set(mutant, outcome);
    print(mutant, outcome);
  };
  const open: Mutant[] = [];
  for (const mutant of mutants) {
    const skipped = reasonOf(mutant) !== null && !options.equivalent;
    const known = skipped ? { status: "survived" as const, by: null, spec: null } : results.find(mutant);
    if (known === null) open.push(mutant);
    else settle(mutant, known);
  }
  if (open.length === 0) return summarize(mutants, outcomes);

  const scratch = mkdtempSync(join(tmpdir(), "plasma-billing-mutate-"));
  const jobs = Math.min(Number(options.jobs), open.length);
  const benches = Array.from({ length: jobs }, (_, index) => new Bench(project, join(scratch, String(index))));
  const close = async (): Promise<void> => {
    await Promise.all(benches.map(async (bench) => await bench.close()));
    rmSync(scratch, { recursive: true, force: true });
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => void close().finally(() => process.exit(1)));
  }
  try {
    const specs = specsOf("test/contracts");
    for (const bench of benches) await bench.prepare(bench === benches[0] ? null : benches[0]!);
    if (results.find(null)?.status !== "survived") {
      const outcome = await benches[0]!.tryUnchanged(specs);
      if (outcome.status !== "survived") throw new Error(`the tests fail without any mutant: ${outcome.by}`);
      results.keep(null, outcome);
    }
    const work = async (bench: Bench): Promise<void> => {
      for (let mutant = open.shift(); mutant !== undefined; mutant = open.shift()) {
        const outcome = await bench.try(mutant.file, mutant.mutatedText, results.order(specs, mutant));
        results.keep(mutant, outcome);
        settle(mutant, outcome);
      }
    };
    await Promise.all(benches.map(work));
  } finally {
    await close();
  }
  return summarize(mutants, outcomes);
}

setPriority(NICENESS);
process.exitCode = (await main()) ? 0 : 1;
