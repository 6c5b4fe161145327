// `npm run examples`: a devnet of its own, the four programs on it as processes of their own, and a balance sheet at the end.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { OperatorClient, processExits, RootChain } from "@plasma-billing/sdk";
import { sharesOf } from "@plasma-billing/protocol/market/shares.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { Contract, ContractFactory, type ContractTransactionResponse, JsonRpcProvider, NonceManager } from "ethers";
import { readArtifact } from "../scripts/deployment.ts";
import { DEVNET_SERVICE_NODE, type Devnet, devnetAccount } from "../scripts/devnetInfo.ts";

const FILES = ["surveys/2026-health.csv", "surveys/2026-mobility.csv", "maps/zürich.json"];
const EXIT_PERIOD_SECONDS = 86_400;
/** Short, so that nobody has to wait for one. */
const HOUR_SECONDS = 3;
const PRICE = 1_001n;
const FEE = 300n;
const RATE = 10n;
const DEPOSITS = { validator: 2_000n, mart: 9_000n, storage: 20_000n };
const READY_MS_MAX = 120_000;
const PROGRAM_MS_MAX = 180_000;
const POLL_MS = 200;

const key = { validator: 2, mart: 3, owner: 4, storage: 5, serviceNode: DEVNET_SERVICE_NODE };
const lower = (text: string): Address => text.toLowerCase() as Address;
const addressOf = (index: number): Address => lower(devnetAccount(index).address);
const running: ChildProcess[] = [];

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const port = (server.address() as { port: number }).port;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Runs a program of this folder, telling what it says; `told` resolves when a line has the text. */
function start(
  name: string,
  env: Record<string, string>,
  file = `${name}.ts`,
): { told(text: string): Promise<void>; ended: Promise<number> } {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, ["--no-warnings", path], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { PATH: process.env["PATH"] ?? "", HARDHAT_DISABLE_TELEMETRY: "true", ...env },
  });
  running.push(child);
  const lines: string[] = [];
  const waiting = new Map<string, () => void>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    if (name !== "devnet") console.log(`${name.padEnd(16)} ${line}`);
    for (const [text, resolve] of waiting) if (line.includes(text)) resolve();
  });
  const ended = new Promise<number>((resolve) => child.once("exit", (code) => resolve(code ?? 1)));
  const told = async (text: string): Promise<void> => {
    if (lines.some((line) => line.includes(text))) return;
    const failed = ended.then((code) => Promise.reject(new Error(`${name} ended with ${code}: ${lines.join("\n")}`)));
    await within(
      name,
      READY_MS_MAX,
      Promise.race([new Promise<void>((resolve) => waiting.set(text, resolve)), failed]),
    );
  };
  return { told, ended };
}

async function within<T>(what: string, ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} is not done after ${ms / 1000} s`)), ms);
  });
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

async function runMarket(devnet: Devnet, provider: JsonRpcProvider): Promise<{ coin: Contract; money: Contract }> {
  const deployer = new NonceManager(devnetAccount(0).connect(provider));
  const { abi, bytecode } = await readArtifact("mocks/TestToken.sol/TestToken");
  const coin = (await (await new ContractFactory(abi, bytecode, deployer).deploy()).waitForDeployment()) as Contract;
  const money = new Contract(devnet.testToken, abi, deployer);
  await money.getFunction("mint")(addressOf(key.validator), DEPOSITS.validator);
  await money.getFunction("mint")(addressOf(key.mart), DEPOSITS.mart);
  const minted = (await coin.getFunction("mint")(
    addressOf(key.storage),
    DEPOSITS.storage,
  )) as ContractTransactionResponse;
  await minted.wait();

  const port = await freePort();
  const common = {
    ...{ OPERATOR_URL: devnet.operatorUrl, L1_RPC_URL: devnet.rpcUrl, MONEY: devnet.testToken },
    ...{ COIN: await coin.getAddress(), SERVICE_URL: `http://127.0.0.1:${port}`, FILES: FILES.join() },
  };
  const keyOf = (index: number): { KEY: string } => ({ KEY: devnetAccount(index).privateKey });
  const serviceNode = start("serviceNode", {
    ...{ ...common, ...keyOf(key.serviceNode), SERVICE_PORT: String(port), STORAGE: addressOf(key.storage) },
    // When all it earns here is committed.
    SWAP_FROM: String(expected().serviceIncome),
  });
  await serviceNode.told("open");
  const storage = start("storageProvider", { ...common, ...keyOf(key.storage), DEPOSIT: String(DEPOSITS.storage) });
  const validator = start("validator", {
    ...{ ...common, ...keyOf(key.validator), DEPOSIT: String(DEPOSITS.validator), OWNER: addressOf(key.owner) },
    ...{ PRICE: String(PRICE), SALES: String(FILES.length) },
  });
  const mart = start("mart", { ...common, ...keyOf(key.mart), DEPOSIT: String(DEPOSITS.mart), MAX_PRICE: "1100" });
  for (const [name, program] of Object.entries({ mart, validator, storage })) {
    const code = await within(name, PROGRAM_MS_MAX, program.ended);
    if (code !== 0) throw new Error(`${name} ended with ${code}`);
  }
  await serviceNode.told("swapped:");
  return { coin, money };
}

/** What everybody must have in the end, from the prices alone. */
function expected(): Record<"validator" | "mart" | "owner" | "serviceIncome", bigint> {
  const sums = { validator: DEPOSITS.validator, mart: DEPOSITS.mart, owner: 0n, serviceIncome: 0n };
  for (const i of FILES.keys()) {
    const price = PRICE + BigInt(i);
    const shares = sharesOf(price, 2_500, 333);
    sums.validator += shares.validator - FEE;
    sums.owner += shares.owner;
    sums.serviceIncome += shares.serviceNode + FEE;
    sums.mart -= price;
  }
  return sums;
}

/** The exit period passes, and anybody, here somebody with no part in all this, works the queues off. */
async function passExitPeriod(devnet: Devnet, provider: JsonRpcProvider): Promise<void> {
  await provider.send("evm_increaseTime", [2 * EXIT_PERIOD_SECONDS + 1]);
  await provider.send("evm_mine", []);
  const rootChain = await RootChain.connect(provider, lower(devnet.rootChain));
  const somebody = new NonceManager(devnetAccount(6).connect(provider));
  const processed = await processExits(rootChain, somebody, lower(devnet.testToken), devnet.fromBlock);
  console.log(`\nthe exit period has passed: ${processed} exits paid`);
  // The operator has to see it, too.
  const operator = new OperatorClient(devnet.operatorUrl);
  const seen = async (): Promise<void> => {
    for (;;) {
      const states = new Set<unknown>();
      for await (const exit of operator.items("/v1/exits")) states.add(exit["state"]);
      if (!states.has("started")) return;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  };
  await within("the operator's view of the exits", READY_MS_MAX, seen());
}

interface Row {
  who: string;
  token: string;
  deposited: bigint;
  childChain: bigint;
  ethereum: bigint;
  expected: bigint;
}

async function balanceSheet(devnet: Devnet, coin: Contract, money: Contract): Promise<boolean> {
  const operator = new OperatorClient(devnet.operatorUrl);
  const { validator, mart, owner, serviceIncome } = expected();
  const swapped = serviceIncome * RATE;
  const lines: [string, number, string, bigint, bigint][] = [
    ["validator", key.validator, "money", DEPOSITS.validator, validator],
    ["mart", key.mart, "money", DEPOSITS.mart, mart],
    ["owner", key.owner, "money", 0n, owner],
    ["service node", key.serviceNode, "money", 0n, 0n],
    ["storage provider", key.storage, "money", 0n, serviceIncome],
    ["service node", key.serviceNode, "coin", 0n, swapped],
    ["storage provider", key.storage, "coin", DEPOSITS.storage, DEPOSITS.storage - swapped],
  ];
  const rows: Row[] = [];
  for (const [who, index, token, deposited, due] of lines) {
    const contract = token === "money" ? money : coin;
    const address = lower(await contract.getAddress());
    const { balances } = await operator.account(addressOf(index));
    const { available, exiting, pending } = balances.find((one) => one.token === address) ?? NOTHING;
    const ethereum = (await contract.getFunction("balanceOf").staticCall(addressOf(index))) as bigint;
    rows.push({ who, token, deposited, childChain: available + exiting + pending, ethereum, expected: due });
  }
  print(rows);
  let right = rows.every((row) => row.childChain + row.ethereum === row.expected);
  for (const token of ["money", "coin"]) {
    const of = rows.filter((row) => row.token === token);
    const sum = (value: (row: Row) => bigint): bigint => of.reduce((all, row) => all + value(row), 0n);
    const [deposited, child, out] = [
      sum((row) => row.deposited),
      sum((row) => row.childChain),
      sum((row) => row.ethereum),
    ];
    const same = deposited === child + out;
    console.log(
      `${token}: ${deposited} deposited ${same ? "=" : "IS NOT"} ${child} on the child chain + ${out} on Ethereum`,
    );
    right &&= same;
  }
  return right;
}

const NOTHING = { available: 0n, exiting: 0n, pending: 0n };

function print(rows: readonly Row[]): void {
  const columns = ["who", "token", "deposited", "childChain", "ethereum", "expected"] as const;
  const heads = ["who", "token", "deposited", "on the child chain", "on Ethereum", "should be"];
  const widths = columns.map((column, i) =>
    Math.max(heads[i]!.length, ...rows.map((row) => String(row[column]).length)),
  );
  const line = (cells: string[]): string =>
    cells.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  ");
  console.log(`\n${line(heads)}`);
  for (const row of rows) console.log(line(columns.map((column) => String(row[column]))));
}

const folder = await mkdtemp(join(tmpdir(), "plasma-examples-"));
let code = 1;
try {
  const devnetProcess = start(
    "devnet",
    {
      ...{ DATA_DIR: folder, DEVNET_PORT: String(await freePort()), PORT: String(await freePort()) },
      ...{ COMMIT_INTERVAL_SECONDS: String(HOUR_SECONDS), EXIT_PERIOD_SECONDS: String(EXIT_PERIOD_SECONDS) },
      // A GiB for 30 days costs 300.
      ...{ STORAGE_PRICE_PER_GIB_DAY: String(FEE / 30n), ETHEREUM_POLL_MS: "100" },
    },
    "../scripts/start.ts",
  );
  console.log("starting a devnet …");
  await devnetProcess.told("Ctrl-C ends everything");
  const devnet = JSON.parse(await readFile(join(folder, "devnet", "devnet.json"), "utf8")) as Devnet;
  const provider = new JsonRpcProvider(devnet.rpcUrl, undefined, { pollingInterval: 100, cacheTimeout: -1 });
  const { coin, money } = await runMarket(devnet, provider);
  await passExitPeriod(devnet, provider);
  const right = await balanceSheet(devnet, coin, money);
  console.log(right ? "The balance sheet adds up." : "The balance sheet does not add up.");
  code = right ? 0 : 1;
  provider.destroy();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
} finally {
  for (const child of running) if (child.exitCode === null) child.kill("SIGTERM");
  await rm(folder, { recursive: true, force: true });
}
process.exit(code);
