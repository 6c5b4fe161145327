// `npm start`: with no settings a devnet of its own and an operator on it; with L1_RPC_URLS and ROOT_CHAIN_ADDRESS only
// the operator, on that chain.
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { join, relative, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { deployDevnet, isPortFree, reachable, startNode } from "./devnet.ts";
import {
  DEVNET_CHALLENGER,
  DEVNET_HOST,
  DEVNET_MNEMONIC,
  DEVNET_SERVICE_NODE,
  type Devnet,
  devnetAccount,
} from "./devnetInfo.ts";
import { prepareExplorer } from "./explorer.ts";

const OPERATOR_MAIN = fileURLToPath(new URL("../operator/main.ts", import.meta.url));
const DEVNET_PORT_DEFAULT = 8545;
const OPERATOR_PORT_DEFAULT = 3001;
const READY_MS_MAX = 60_000;
const READY_POLL_MS = 100;
/** The operator gets this long to end by itself. */
const SHUTDOWN_MS_MAX = 8_000;
const SERVER_CLOSE_MS_MAX = 500;
const LOG_LEVEL_WARN = 40;
/** Of the devnet's test token, which has 18 decimals: a hundredth of one. */
const DEVNET_PRICE_PER_GIB_DAY = "10000000000000000";

/** Nothing can be started; the message is one line that says what to do. */
class StartError extends Error {}

function get(name: string): string | null {
  const value = process.env[name];
  return value === undefined || value === "" ? null : value;
}

function readPort(name: string, fallback: number): number {
  const text = get(name);
  if (text === null) return fallback;
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new StartError(`${name} must be a port from 1 to 65535`);
  return port;
}

async function needPort(port: number, host: string, setting: string): Promise<void> {
  if (await isPortFree(port, host)) return;
  throw new StartError(
    `port ${port} is in use: end what listens there (another npm start?), or set ${setting} to another`,
  );
}

/** Resolves with the exit code of a process, as a shell tells it. */
function ended(child: ChildProcess): Promise<number> {
  return new Promise((done) => {
    child.once("error", () => done(1));
    child.once("exit", (code, signal) => done(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}

/** Only the operator, with the settings as they are. It tells itself what is wrong with them. */
async function runOperator(): Promise<number> {
  await prepareExplorer();
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", OPERATOR_MAIN], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
  return await ended(child);
}

/** The operator of the devnet: its log goes to a file, what is worth a look to the terminal too. */
function spawnOperator(settings: Record<string, string>, logFile: string): ChildProcess {
  const env: Record<string, string | undefined> = { ...process.env, ...settings };
  for (const name of ["OPERATOR_KEYSTORE", "OPERATOR_KEYSTORE_PASSWORD_FILE", "SIGNER_URL"]) delete env[name];
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", OPERATOR_MAIN], {
    stdio: ["ignore", "pipe", "inherit"],
    env,
  });
  const log = createWriteStream(logFile, { mode: 0o600 });
  child.stdout.pipe(log);
  createInterface({ input: child.stdout }).on("line", (line) => {
    const entry = parseLogLine(line);
    if (entry !== null && entry.level >= LOG_LEVEL_WARN) console.log(`operator: ${entry.msg}`);
  });
  return child;
}

function parseLogLine(line: string): { level: number; msg: string } | null {
  try {
    const { level, msg } = JSON.parse(line) as { level?: unknown; msg?: unknown };
    return typeof level === "number" && typeof msg === "string" ? { level, msg } : null;
  } catch {
    return null;
  }
}

async function waitUntilReady(url: string, isEnding: () => boolean): Promise<void> {
  const end = Date.now() + READY_MS_MAX;
  let reason = "no answer";
  while (!isEnding()) {
    try {
      const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) });
      reason = await response.text();
      if (response.ok) return;
    } catch {
      // Not listening yet.
    }
    if (Date.now() > end) throw new StartError(`the operator is not ready after ${READY_MS_MAX / 1000} s: ${reason}`);
    await new Promise((done) => setTimeout(done, READY_POLL_MS));
  }
}

async function nextCommit(url: string): Promise<string> {
  const status = (await (await fetch(`${url}/v1/status`)).json()) as { nextCommitAt: number };
  const minutes = Math.ceil((status.nextCommitAt - Date.now()) / 60_000);
  return `${new Date(status.nextCommitAt).toISOString()}, in ${minutes} min`;
}

function tell(devnet: Devnet, folder: string, next: string): void {
  const show = (path: string): string => relative(".", join(folder, path));
  console.log(`
Ethereum node   ${devnet.rpcUrl}   chain ${devnet.chainId}, a devnet that ends with this process
  accounts      20 with 10,000 ether each, mnemonic "${DEVNET_MNEMONIC}" (public: for this only)
  account 0     ${devnet.deployer}   deployed the contracts
  account 1     ${devnet.operator}   is the operator
  account ${DEVNET_CHALLENGER}    ${devnetAccount(DEVNET_CHALLENGER).address}   challenges for it
  account ${DEVNET_SERVICE_NODE}    ${devnetAccount(DEVNET_SERVICE_NODE).address}   is the service node; storage costs 0.01 TestToken a GiB and day
  RootChain     ${devnet.rootChain}
  TestToken     ${devnet.testToken}   an ERC-20 that anyone may mint

Operator        ${devnet.operatorUrl}   open it in a browser: the explorer shows every payment
  status        ${devnet.operatorUrl}/v1/status
  admin token   ${devnet.adminToken}
  log           ${show("operator.log")}
  all of this   ${show("devnet.json")}

Next commit     ${next}
  at once       curl -X POST -H "Authorization: Bearer ${devnet.adminToken}" ${devnet.operatorUrl}/v1/admin/commit

npm run demo plays an hour against it. Ctrl-C ends everything.`);
}

async function runDevnet(): Promise<number> {
  const nodePort = readPort("DEVNET_PORT", DEVNET_PORT_DEFAULT);
  const operatorPort = readPort("PORT", OPERATOR_PORT_DEFAULT);
  const host = get("HOST") ?? DEVNET_HOST;
  await needPort(nodePort, host, "DEVNET_PORT");
  await needPort(operatorPort, host, "PORT");

  let ending = false;
  const isEnding = (): boolean => ending;
  let operator: ChildProcess | null = null;
  const interrupted = new Promise<number>((done) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      // A terminal's Ctrl-C comes twice: from it and from the process that started this one.
      process.on(signal, () => {
        ending = true;
        done(0);
      });
    }
  });

  console.log("Compiling and starting the devnet …");
  await prepareExplorer();
  const node = await startNode(nodePort, host);
  try {
    const folder = join(resolve(get("DATA_DIR") ?? "data"), "devnet");
    // The chain is new, so is what the operator keeps of it.
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const adminToken = get("ADMIN_TOKEN") ?? randomBytes(24).toString("base64url");
    const operatorUrl = `http://${reachable(host)}:${operatorPort}`;
    const devnet: Devnet = {
      rpcUrl: node.url,
      ...(await deployDevnet(node.url, process.env)),
      operatorUrl,
      adminToken,
    };
    const settings = {
      L1_RPC_URLS: devnet.rpcUrl,
      ROOT_CHAIN_ADDRESS: devnet.rootChain,
      ROOT_CHAIN_FROM_BLOCK: String(devnet.fromBlock),
      OPERATOR_PRIVATE_KEY: devnetAccount(1).privateKey,
      CHALLENGER_PRIVATE_KEY: devnetAccount(DEVNET_CHALLENGER).privateKey,
      DATA_DIR: join(folder, "operator"),
      HOST: host,
      PORT: String(operatorPort),
      ADMIN_TOKEN: adminToken,
      SERVICE_NODE_ADDRESS: devnetAccount(DEVNET_SERVICE_NODE).address,
      SERVICE_NODE_PRIVATE_KEY: devnetAccount(DEVNET_SERVICE_NODE).privateKey,
      STORAGE_PRICE_PER_GIB_DAY: get("STORAGE_PRICE_PER_GIB_DAY") ?? DEVNET_PRICE_PER_GIB_DAY,
      STORAGE_PRICE_TOKEN: get("STORAGE_PRICE_TOKEN") ?? devnet.testToken,
      DEPOSIT_FINALITY: get("DEPOSIT_FINALITY") ?? "1",
      ETHEREUM_POLL_MS: get("ETHEREUM_POLL_MS") ?? "500",
    };
    if (isEnding()) return 0;
    operator = spawnOperator(settings, join(folder, "operator.log"));
    const operatorEnded = ended(operator).then((code) => {
      if (!ending) console.error(`the operator ended with exit code ${code}: see ${join(folder, "operator.log")}`);
      ending = true;
      return code === 0 ? 1 : code;
    });
    await waitUntilReady(operatorUrl, isEnding);
    if (!isEnding()) {
      await writeFile(join(folder, "devnet.json"), `${JSON.stringify(devnet, null, 2)}\n`, { mode: 0o600 });
      tell(devnet, folder, await nextCommit(operatorUrl));
    }
    return await Promise.race([interrupted, operatorEnded]);
  } finally {
    ending = true;
    await stop(operator);
    await Promise.race([node.stop(), new Promise((done) => setTimeout(done, SERVER_CLOSE_MS_MAX))]);
  }
}

async function stop(operator: ChildProcess | null): Promise<void> {
  if (operator === null || operator.exitCode !== null || operator.signalCode !== null) return;
  const end = ended(operator);
  operator.kill("SIGTERM");
  const timer = setTimeout(() => operator.kill("SIGKILL"), SHUTDOWN_MS_MAX);
  await end;
  clearTimeout(timer);
}

async function start(): Promise<number> {
  const hasUrl = get("L1_RPC_URLS") !== null;
  const hasAddress = get("ROOT_CHAIN_ADDRESS") !== null;
  if (hasUrl && hasAddress) return await runOperator();
  if (hasUrl || hasAddress) {
    const [there, missing] = hasUrl ? ["L1_RPC_URLS", "ROOT_CHAIN_ADDRESS"] : ["ROOT_CHAIN_ADDRESS", "L1_RPC_URLS"];
    throw new StartError(
      `${there} is set and ${missing} is not: set both to run on that chain, or neither for a devnet`,
    );
  }
  return await runDevnet();
}

try {
  process.exit(await start());
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error);
  console.error(`start: ${reason.replaceAll(/\s*\n\s*/g, " ")}`);
  process.exit(1);
}
