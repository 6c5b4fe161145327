// `npm run check [-- <names>]`: everything a machine can say about the code without running it.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const LAYERS = ["protocol", "ethereum", "operator", "watcher", "sdk", "cli", "explorer"];
const FOLDERS = [...LAYERS, "examples", "scripts", "test", "bench"].filter((folder) => existsSync(join(ROOT, folder)));

interface Check {
  name: string;
  what: string;
  command: string[];
}

const CHECKS: Check[] = [
  { name: "build", what: "the contracts compile; TypeChain's types", command: [bin("hardhat"), "build", "--quiet"] },
  { name: "format", what: "prettier", command: [bin("prettier"), "--check", "."] },
  { name: "eslint", what: "type-aware rules of the TypeScript", command: [bin("eslint"), "--max-warnings", "0", "."] },
  {
    name: "solhint",
    what: "rules of the Solidity",
    command: [
      bin("solhint"),
      ...["--disc", "--noPoster", "--max-warnings", "0", "contracts/**/*.sol", "test/contracts/**/*.sol"],
    ],
  },
  {
    name: "layers",
    what: "who may import whom",
    command: [bin("dependency-cruiser", "depcruise"), "--config", ".dependency-cruiser.js", ...FOLDERS],
  },
  { name: "knip", what: "nothing unused, nothing undeclared", command: [bin("knip"), "--no-progress"] },
  { name: "types", what: "the sources' types", command: [bin("typescript", "tsc"), "-p", "tsconfig.json"] },
  {
    name: "types-tests",
    what: "the types of tests, scripts and benches",
    command: [bin("typescript", "tsc"), "-p", "tsconfig.tests.json"],
  },
  {
    name: "types-explorer",
    what: "the explorer's types",
    command: [bin("typescript", "tsc"), "-p", "explorer/tsconfig.json"],
  },
  { name: "explorer", what: "the explorer's files build, and are small", command: ["scripts/checks/explorer.ts"] },
  { name: "abi", what: "the ABI the processes load", command: ["scripts/checks/abi.ts"] },
  {
    name: "gas",
    what: "the committed gas snapshots, within 1 %",
    command: [
      bin("hardhat"),
      ...["test", "solidity", "test/contracts/Gas.t.sol", "--snapshot-check", "--tolerance", "1"],
    ],
  },
  { name: "attacks", what: "the documented attacks are the tests'", command: ["scripts/checks/attacks.ts"] },
  { name: "faults", what: "the documented faults are the tests'", command: ["scripts/checks/faults.ts"] },
  { name: "docker", what: "the images and compose.yaml", command: ["scripts/checks/docker.ts"] },
  { name: "docs", what: "codes and settings stand in the documents", command: ["scripts/checks/docs.ts"] },
];

/** The script behind a command of a package. */
function bin(packageName: string, command = packageName): string {
  const folder = join(ROOT, "node_modules", packageName);
  const { bin: bins } = createRequire(import.meta.url)(join(folder, "package.json")) as {
    bin: string | Record<string, string>;
  };
  const path = typeof bins === "string" ? bins : bins[command];
  if (path === undefined) throw new Error(`${packageName} has no command ${command}`);
  return join(relative(ROOT, dirname(join(folder, "package.json"))), path);
}

/** Runs one check to its end; its words are shown only when it fails. */
async function run(check: Check): Promise<boolean> {
  const started = performance.now();
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...check.command], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, HARDHAT_DISABLE_TELEMETRY: "true" },
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
  const passed = await new Promise<boolean>((resolve) => {
    child.once("error", (error) => {
      output += error.message;
      resolve(false);
    });
    child.once("close", (code) => resolve(code === 0));
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${passed ? "ok    " : "FAILED"} ${check.name.padEnd(14)} ${check.what} (${seconds} s)`);
  if (!passed) console.log(`${output.trimEnd().replaceAll(/^/gm, "       ")}\n`);
  return passed;
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !CHECKS.some((check) => check.name === name));
if (unknown.length > 0) {
  console.error(`no check ${unknown.join(", ")}: there are ${CHECKS.map((check) => check.name).join(", ")}`);
  process.exit(1);
}
let failed = 0;
const chosen = CHECKS.filter((check) => wanted.length === 0 || wanted.includes(check.name));
for (const check of chosen) if (!(await run(check))) failed++;
console.log(`${chosen.length - failed} checks passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
