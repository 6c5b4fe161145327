// One place where a mutant is tried: a scratch copy of the project, a compiler, and the tests' processes.
import { spawn, type ChildProcess } from "node:child_process";
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { Worker } from "node:worker_threads";
import type { CompileAnswer, CompileRequest, CompilerData } from "./mutationCompiler.ts";

/** `same`: the compiled contracts do not differ. `broken`: the tests could not be run, which says nothing. */
export type Status = "killed" | "survived" | "uncompiled" | "same" | "broken";

export interface Outcome {
  status: Status;
  /** The first failing test, `time-out`, or what is wrong. */
  by: string | null;
  /** The test file of `by`, when it is known. */
  spec: string | null;
}

export interface Project {
  root: string;
  /** The sources below contracts/ by their path, as they were when the run began. */
  sources: Record<string, string>;
  settings: object;
  /** For a source, those that import it, directly or not, and itself. */
  dependents: Map<string, string[]>;
  /** For a source, the Solidity tests that import it without the whole root chain, which would be slow. */
  unitTests: Map<string, string[]>;
  /** Folders of mocha tests that run after all others. */
  lateSpecs: string[];
}

/** Each many times what the tests take as they are: a mutant that runs longer does not end. */
const UNIT_TESTS_MS_MAX = 90_000;
const TESTS_MS_MAX = 900_000;
const MOCKS = "contracts/mocks/";
const COPIED = ["contracts", "test", "scripts", "hardhat.config.ts", "package.json", "tsconfig.json"];
const LINKED = ["node_modules", "protocol", "ethereum", "operator"];

export class Bench {
  readonly #project: Project;
  /** Two copies: Hardhat's own builds, for the Solidity tests, do not see the artifacts written for the others. */
  readonly #mochaFolder: string;
  readonly #solidityFolder: string;
  readonly #compiler: Worker;
  #originals: Record<string, string> = {};
  #child: ChildProcess | null = null;
  #closed = false;

  constructor(project: Project, folder: string) {
    this.#project = project;
    this.#mochaFolder = join(folder, "mocha");
    this.#solidityFolder = join(folder, "solidity");
    for (const copy of [this.#mochaFolder, this.#solidityFolder]) copyProject(project, copy);
    const { root, sources, settings } = project;
    const data: CompilerData = { root, sources, settings };
    this.#compiler = new Worker(new URL("./mutationCompiler.ts", import.meta.url), { workerData: data });
  }

  /** Compiles everything as it is, or takes over what another bench compiled. Throws when that fails. */
  async prepare(first: Bench | null): Promise<void> {
    if (first !== null) {
      this.#originals = first.#originals;
      cpSync(join(first.#mochaFolder, "artifacts"), join(this.#mochaFolder, "artifacts"), { recursive: true });
      return;
    }
    // Of the mocks Hardhat has to know the source, so that a test sees the names of their errors.
    const mocks = Object.keys(this.#project.sources).filter((path) => path.startsWith(MOCKS));
    if (mocks.length > 0) {
      const { code, output } = await this.#run(this.#mochaFolder, ["build", "--no-typechain", ...mocks]);
      if (code !== 0) throw new Error(output);
    }
    const { error, artifacts } = await this.#compile({ changed: {}, wanted: Object.keys(this.#project.sources) });
    if (error !== null) throw new Error(error);
    this.#originals = artifacts;
    this.#writeArtifacts(Object.fromEntries(Object.entries(artifacts).filter(([path]) => !path.startsWith(MOCKS))));
  }

  /** Runs every test on the sources as they are. */
  async tryUnchanged(specs: string[]): Promise<Outcome> {
    return await this.#tryAll(specs);
  }

  /** @param specs The mocha tests, those first that are likely to fail. */
  async try(file: string, mutatedText: string, specs: string[]): Promise<Outcome> {
    const changed = new Set<string>();
    writeFileSync(join(this.#solidityFolder, file), mutatedText);
    try {
      // First what needs no root chain: a library's own tests take seconds, the root chain's compilation many.
      const units = this.#project.unitTests.get(file) ?? [];
      const early = units.length > 0 ? await this.#solidity(units, UNIT_TESTS_MS_MAX) : null;
      if (early?.status === "killed") return early;

      const wanted = this.#project.dependents.get(file) ?? [file];
      const { error, artifacts } = await this.#compile({ changed: { [file]: mutatedText }, wanted });
      if (error !== null) return { status: "uncompiled", by: error.split("\n")[0]!, spec: null };
      for (const [path, text] of Object.entries(artifacts)) if (this.#originals[path] !== text) changed.add(path);
      if (changed.size === 0) return { status: "same", by: null, spec: null };
      this.#writeArtifacts(Object.fromEntries([...changed].map((path) => [path, artifacts[path]!])));
      return await this.#tryAll(specs);
    } finally {
      if (!this.#closed) {
        writeFileSync(join(this.#solidityFolder, file), this.#project.sources[file]!);
        this.#writeArtifacts(Object.fromEntries([...changed].map((path) => [path, this.#originals[path]!])));
      }
    }
  }

  async #tryAll(specs: string[]): Promise<Outcome> {
    const survived: Outcome = { status: "survived", by: null, spec: null };
    return (
      (await this.#mocha(specs)) ??
      (await this.#mocha(this.#project.lateSpecs)) ??
      (await this.#solidity([])) ??
      survived
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#child?.kill("SIGKILL");
    await this.#compiler.terminate();
  }

  async #compile(request: CompileRequest): Promise<CompileAnswer> {
    return await new Promise((resolve, reject) => {
      this.#compiler.once("error", reject);
      this.#compiler.once("message", (answer: CompileAnswer) => {
        this.#compiler.off("error", reject);
        resolve(answer);
      });
      this.#compiler.postMessage(request);
    });
  }

  #writeArtifacts(artifacts: Record<string, string>): void {
    for (const [path, text] of Object.entries(artifacts)) {
      const target = join(this.#mochaFolder, "artifacts", path);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, text);
    }
  }

  async #mocha(specs: string[]): Promise<Outcome | null> {
    if (specs.length === 0) return null;
    return await this.#hardhat(this.#mochaFolder, ["test", "mocha", "--no-compile", "--bail", ...specs]);
  }

  async #solidity(tests: string[], msMax = TESTS_MS_MAX): Promise<Outcome | null> {
    return await this.#hardhat(this.#solidityFolder, ["test", "solidity", ...tests], msMax);
  }

  /** Null when every test passed. */
  async #hardhat(folder: string, words: string[], msMax = TESTS_MS_MAX): Promise<Outcome | null> {
    const { code, output, late } = await this.#run(folder, words, msMax);
    return late ? { status: "killed", by: "time-out", spec: null } : judge(code, output);
  }

  async #run(
    folder: string,
    words: string[],
    msMax = TESTS_MS_MAX,
  ): Promise<{ code: number | null; output: string; late: boolean }> {
    if (this.#closed) return { code: null, output: "stopped", late: false };
    const cli = join(this.#project.root, "node_modules/hardhat/dist/src/cli.js");
    const child = spawn(process.execPath, [cli, ...words], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, HARDHAT_DISABLE_TELEMETRY: "true", NO_COLOR: "1" },
    });
    this.#child = child;
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    }
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, msMax);
    const code = await new Promise<number | null>((resolve) => {
      child.once("error", () => resolve(null));
      child.once("close", resolve);
    });
    clearTimeout(timer);
    this.#child = null;
    return { code, output: stripVTControlCharacters(output), late };
  }
}

/** What a run of the tests says of the mutant: null when all passed. */
function judge(code: number | null, output: string): Outcome | null {
  if (code === 0 && /^\s*\d+ passing/m.test(output)) return null;
  // Of Mocha and of the Solidity tests alike: the list of failures, each with its number, follows the counts.
  const failures = /^\s*\d+ failing\b.*\n([\s\S]*)/m.exec(output)?.[1];
  const lines = (failures ?? "").split("\n").map((line) => line.trim());
  const first = lines.findIndex((line) => /^1\) /.test(line));
  if (first === -1) return { status: "broken", by: output.trim().slice(-600), spec: null };
  // Mocha gives the suites and the test a line each, the last ending with a colon; a Solidity test has one line.
  const isSolidity = /^1\) \w+#/.test(lines[first]!);
  const end = isSolidity ? first : lines.findIndex((line, index) => index >= first && line.endsWith(":"));
  const title = lines.slice(first, Math.max(first, Math.min(end, first + 3)) + 1).join(" ");
  const spec = /\btest\/\w+\/\w+\.ts\b/.exec(lines.slice(first).join("\n"))?.[0] ?? null;
  return { status: "killed", by: title.replace(/^1\) /, "").replace(/:$/, ""), spec };
}

function copyProject(project: Project, folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const name of COPIED) cpSync(join(project.root, name), join(folder, name), { recursive: true });
  for (const name of LINKED) {
    if (existsSync(join(project.root, name))) symlinkSync(join(project.root, name), join(folder, name));
  }
  // Someone may be writing to the project's own: both copies have the sources the mutants are made of.
  for (const [path, text] of Object.entries(project.sources)) writeFileSync(join(folder, path), text);
}
