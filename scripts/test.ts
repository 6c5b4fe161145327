// `npm test [-- <arguments of hardhat test>]`: compiles, runs every Solidity and mocha test, and counts.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { countTests } from "./testSummary.ts";

const HARDHAT = fileURLToPath(new URL("../node_modules/hardhat/dist/src/cli.js", import.meta.url));
/** A process a test left behind may hold the pipe open for ever; its words are not waited for longer than this. */
const DRAIN_MS_MAX = 3_000;

const colour = process.stdout.isTTY && process.env["NO_COLOR"] === undefined ? { FORCE_COLOR: "1" } : {};
const child = spawn(process.execPath, [HARDHAT, "test", ...process.argv.slice(2)], {
  stdio: ["ignore", "pipe", "inherit"],
  env: { ...process.env, ...colour, HARDHAT_DISABLE_TELEMETRY: "true" },
});
// What ends this process ends the run, and the run then tells how far it came.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));

let output = "";
child.stdout.setEncoding("utf8").on("data", (text: string) => {
  output += text;
  process.stdout.write(text);
});

const exitCode = await new Promise<number>((resolve) => {
  child.once("error", (error) => {
    console.error(`hardhat could not be started: ${error.message}`);
    resolve(1);
  });
  child.once("exit", (code, signal) => {
    const ended = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
    child.once("close", () => resolve(ended));
    setTimeout(() => resolve(ended), DRAIN_MS_MAX);
  });
});

const counts = countTests(output, exitCode);
if (counts.complaint !== null) console.log(`${counts.complaint}: counted as one failure`);
if (counts.skipped > 0) console.log(`${counts.skipped} skipped`);
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed === 0 ? 0 : exitCode === 0 ? 1 : exitCode);
