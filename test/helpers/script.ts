import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export interface ScriptRun {
  /** Resolves with the exit code (null when a signal ended it). */
  readonly exited: Promise<number | null>;
  stdout(): string;
  stderr(): string;
  signal(name: NodeJS.Signals): void;
}

/** Runs a script of the project with exactly these settings (and the PATH). */
export function runScript(args: string[], settings: Record<string, string> = {}): ScriptRun {
  const child = spawn(process.execPath, ["--no-warnings", ...args], {
    cwd: ROOT,
    env: { PATH: process.env["PATH"] ?? "", HARDHAT_DISABLE_TELEMETRY: "true", ...settings },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return {
    exited: new Promise((resolve) => child.once("close", (code) => resolve(code))),
    stdout: () => stdout,
    stderr: () => stderr,
    signal: (name) => child.kill(name),
  };
}
