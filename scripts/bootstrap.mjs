// Runs a script of the project on the Node it is made for, after installing what it needs:
//   node scripts/bootstrap.mjs <file.ts | command of node_modules/.bin> [arguments]
// It works on a clone with nothing installed and on Node 20.20, so it imports nothing but Node itself.
// Everything it says goes to standard error: standard output belongs to the command.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The Node everything runs on; package.json's devDependency `node` is the same. */
const NODE_VERSION = "24.21.0";
/** Under an older one npm leaves Hardhat's native package out without an error. */
const OLDEST_INSTALLING = [22, 13];

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const MODULES = join(ROOT, "node_modules");
const LOCK = join(ROOT, "package-lock.json");
const INSTALLED_LOCK = join(MODULES, ".package-lock.json");
const STAMP = join(MODULES, ".bootstrap.json");
const LOCAL_NODE = join(MODULES, "node", "bin", process.platform === "win32" ? "node.exe" : "node");
const PARENT_POLL_MS = 250;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

class BootstrapError extends Error {}

function say(message) {
  process.stderr.write(`bootstrap: ${message}\n`);
}

function isOld(version) {
  const [major, minor] = version.split(".").map(Number);
  return major < OLDEST_INSTALLING[0] || (major === OLDEST_INSTALLING[0] && minor < OLDEST_INSTALLING[1]);
}

/** npm's own script, so that it runs on the Node chosen here whatever its first line or its launcher would choose. */
function findNpm() {
  const given = process.env.npm_execpath;
  const candidates = given !== undefined && /npm-cli\.[cm]?js$/.test(given) ? [given] : [];
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const launcher = join(folder, "npm");
    if (!isAbsolute(folder) || !existsSync(launcher)) continue;
    candidates.push(realpathSync(launcher));
    candidates.push(join(folder, "node_modules", "npm", "bin", "npm-cli.js"));
    candidates.push(join(folder, "..", "lib", "node_modules", "npm", "bin", "npm-cli.js"));
  }
  const found = candidates.find((path) => /npm-cli\.[cm]?js$/.test(path) && existsSync(path));
  if (found === undefined) throw new BootstrapError("npm is not on the PATH: install npm 10 or newer");
  return found;
}

/** The environment of a child whose `node` shall be the one at `nodePath`. */
function environment(nodePath) {
  const env = { ...process.env, PATH: `${dirname(nodePath)}${delimiter}${process.env.PATH ?? ""}` };
  // npm hands its own options down as environment; these would change what a nested npm does.
  for (const name of ["npm_config_package", "npm_config_call", "npm_config_yes", "npm_node_execpath"]) delete env[name];
  return env;
}

/** A Node that may install: this one, or version 24 from the registry where this one is too old. */
function installingNode() {
  if (!isOld(process.versions.node)) return process.execPath;
  say(`Node ${process.versions.node} is too old to install with; fetching Node ${NODE_VERSION}`);
  const npx = join(dirname(findNpm()), "npx-cli.js");
  const print = ["node", "-p", "'path:' + process.execPath"];
  const found = spawnSync(process.execPath, [npx, "-y", "-p", `node@${NODE_VERSION}`, ...print], {
    cwd: ROOT,
    env: environment(process.execPath),
    stdio: ["ignore", "pipe", 2],
    encoding: "utf8",
  });
  const path = /^path:(.+)$/m.exec(found.stdout ?? "")?.[1];
  if (found.status !== 0 || path === undefined) {
    throw new BootstrapError(`Node ${NODE_VERSION} could not be fetched: check that the npm registry can be reached`);
  }
  return path;
}

function sha256(path) {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

function fingerprint() {
  return JSON.stringify({ lock: sha256(LOCK), installed: sha256(INSTALLED_LOCK) });
}

/** Whether every package of the lock file that this machine needs is there, in its version. */
function agreesWithLock() {
  const wanted = JSON.parse(readFileSync(LOCK, "utf8")).packages;
  const installed = JSON.parse(readFileSync(INSTALLED_LOCK, "utf8")).packages;
  return Object.entries(wanted).every(([path, entry]) => {
    if (!path.startsWith("node_modules/")) return true;
    const there = installed[path];
    if (there === undefined) return entry.optional === true;
    return there.version === entry.version && there.integrity === entry.integrity;
  });
}

/** Whether what an old Node or a forbidden install script would have left out is there, and runs. */
function nativePartsRun() {
  if (!existsSync(LOCAL_NODE)) return false;
  const load = 'await import("@nomicfoundation/edr"); await import("secp256k1"); process.stdout.write(process.version)';
  const probe = spawnSync(LOCAL_NODE, ["--input-type=module", "-e", load], { cwd: ROOT, encoding: "utf8" });
  return probe.status === 0 && probe.stdout === `v${NODE_VERSION}`;
}

function isInstalled() {
  if (!existsSync(INSTALLED_LOCK) || !existsSync(LOCAL_NODE)) return false;
  if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === fingerprint()) return true;
  // Installed by hand, perhaps: look once, then remember.
  if (!agreesWithLock() || !nativePartsRun()) return false;
  writeFileSync(STAMP, fingerprint());
  return true;
}

function install() {
  say("installing what package-lock.json names (npm ci)");
  const node = installingNode();
  const done = spawnSync(node, [findNpm(), "ci", "--no-audit", "--no-fund"], {
    cwd: ROOT,
    env: environment(node),
    stdio: ["ignore", 2, 2],
  });
  if (done.signal !== null) process.kill(process.pid, done.signal);
  if (done.status !== 0) throw new BootstrapError("npm ci failed: see its message above");
  if (!nativePartsRun()) {
    throw new BootstrapError("the installation is not complete: delete node_modules and run this again");
  }
  writeFileSync(STAMP, fingerprint());
}

/** The command's script: a file of the project, or what a name in node_modules/.bin stands for. */
function commandScript(command) {
  if (/\.[cm]?[jt]s$/.test(command)) return resolve(ROOT, command);
  const bin = join(MODULES, ".bin", command);
  if (!existsSync(bin)) throw new BootstrapError(`${command} is neither a script nor a command of node_modules/.bin`);
  return realpathSync(bin);
}

function run(script, args) {
  const child = spawn(LOCAL_NODE, ["--disable-warning=ExperimentalWarning", script, ...args], {
    cwd: ROOT,
    env: environment(join(MODULES, ".bin", "node")),
    stdio: "inherit",
  });
  // A terminal sends its Ctrl-C to the child too; a signal sent to this process alone must reach it as well.
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  // npm's signals end at the shell between it and this process: when that is gone, the command ends too.
  if (process.env.npm_lifecycle_event !== undefined) {
    const parent = process.ppid;
    const watch = () => process.ppid === parent || child.kill("SIGTERM");
    setInterval(watch, PARENT_POLL_MS).unref();
  }
  child.once("error", (error) => {
    say(`could not start ${LOCAL_NODE}: ${error.message}`);
    process.exit(1);
  });
  child.once("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}

const [command, ...args] = process.argv.slice(2);
try {
  if (command === undefined) throw new BootstrapError("usage: node scripts/bootstrap.mjs <script> [arguments]");
  if (!isInstalled()) install();
  run(commandScript(command), args);
} catch (error) {
  if (!(error instanceof BootstrapError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
