import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EthereumRpc } from "@plasma-billing/ethereum/rpc.ts";
import { RootChainReader } from "@plasma-billing/ethereum/rootChain.ts";
import { externalSigner, keySigner, keystoreSigner, type Signer } from "@plasma-billing/ethereum/signer.ts";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import type { TableSecret } from "@plasma-billing/protocol/outputTable.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { getAddress, SigningKey } from "ethers";
import { pino, type Logger } from "pino";
import { AlarmLog } from "./alarms.ts";
import { Challenger, type ChallengerOptions } from "@plasma-billing/ethereum/challenging/challenger.ts";
import type { OpenExit } from "@plasma-billing/ethereum/challenging/exits.ts";
import { factsOf } from "./challengerFacts.ts";
import type { Facts } from "@plasma-billing/ethereum/challenging/planner.ts";
import { ChallengerRecords } from "@plasma-billing/ethereum/challenging/records.ts";
import { systemClock as clock } from "@plasma-billing/ethereum/process/clock.ts";
import { aborted, stopSignal } from "@plasma-billing/ethereum/process/ending.ts";
import {
  explainEthereum,
  listen,
  refuseToStart,
  StartupError,
  systemCode,
} from "@plasma-billing/ethereum/process/startup.ts";
import type { EthereumLoop } from "./ethereumLoop.ts";
import { openEthereumSide } from "./ethereumSide.ts";
import { Health } from "./health.ts";
import { nextHourEnd, runHours, sealNow } from "./hours.ts";
import type { OperatorPort, Status } from "./http/ports.ts";
import { createServer } from "./http/server.ts";
import { lockFolder } from "@plasma-billing/ethereum/process/lock.ts";
import { Preparation } from "./market/prepare.ts";
import { Registrar, serviceNodeEntry, type Pricing } from "./market/registrar.ts";
import { metricsOf } from "./metrics.ts";
import { Reads } from "./reads.ts";
import type { Sequencer } from "./sequencer.ts";
import { describeSettings, readSettings, type KeySource, type Settings } from "./settings.ts";
import { SettlementRecords } from "./settlement/records.ts";
import { settlementStatus } from "./settlement/status.ts";
import { Store } from "./store.ts";
import { Tokens } from "./tokens.ts";
import { VerificationPool } from "@plasma-billing/ethereum/verification/pool.ts";

const LOOPS_END_MS = 1_000;
const ALARMS_MS = 1_000;

const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")) as { version: string };

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  switch (process.argv[2]) {
    case undefined:
      return await run(settings);
    case "status":
      return await tellStatus(settings);
    default:
      throw new StartupError("WRONG_SETTINGS", `no command ${process.argv[2]}: there is status, or none to run`);
  }
}

async function run(settings: Settings): Promise<void> {
  const log = pino({ level: settings.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime });
  log.info(describeSettings(settings), "starting");

  const lock = lockFolder(settings.dataDir);
  const rpc = new EthereumRpc(settings.rpcUrls);
  const rootChain = new RootChainReader(rpc, settings.rootChain);
  const { chainId, operator, exitPeriod } = await rootChain.check().catch(explainEthereum);
  const signer = await openKey(settings.key, operator);

  const failed = Promise.withResolvers<never>();
  const ledger = new Ledger({ chainId, verifyingContract: settings.rootChain }, undefined, tableSecret());
  const { dataDir, snapshotEntries, verifyThreads: threads } = settings;
  const store = await Store.open({ dataDir, ledger, clock, log, snapshotEntries, onFailure: failed.reject });
  const { sequencer, index } = store;
  const reads = new Reads({
    ...{ ledger, index },
    durable: () => sequencer.durable,
    pendingDeposits: () => ethereum.chainSync.pendingDeposits,
  });
  const pool = await VerificationPool.start({ separator: ledger.separator, threads });
  pool.failed.catch(failed.reject);
  const records = openRecords(settings, "settlement.db", (path) => new SettlementRecords(path));
  const { maxFeeGwei, commitIntervalSeconds: intervalSeconds, ethereumPollMs: pollMs, fromBlock } = settings;
  const ethereum = openEthereumSide({
    ...{ sequencer, rpc, rootChain, chainId, exitPeriod, signer, records, maxFeeGwei, fromBlock, pollMs, clock, log },
    finality: settings.depositFinality,
    spendOf: async (id) => await reads.spendOf(id),
    onUpdate: (update) => challenger?.take(update),
  });
  const { loop, committer, followedTo } = ethereum;
  const challenger = openChallenger(settings, signer.address, reads, { rpc, rootChain, chainId, followedTo, log });
  const hours = { sequencer, clock, intervalSeconds, log, onSealed: () => loop.wake() };
  const parts = { ledger, sequencer, rpc, loop, committer, records, challenger, clock, dataDir };
  const health = new Health({ ...parts, operator: signer.address });
  const market = await openMarket(settings, ledger, sequencer, reads);
  const tokens = new Tokens(rpc, clock);
  const port: OperatorPort = {
    ...{ reads, log, ...market, adminToken: settings.adminToken, now: () => clock.now() },
    unready: () => health.unready,
    metrics: metricsOf(ledger, health),
    submit: submitting(loop, pool, sequencer),
    status: () => statusOf(sequencer, settings, chainId, signer, loop, health),
    tokens: async (addresses) => await tokens.view(addresses),
    settlementState: (number) => committer.stateOf(number),
    commitNow: async () => await sealNow(hours),
    pause: (paused) => pause(sequencer, log, paused),
    onDurable: (listener) => store.onDurable(listener),
  };
  const server = createServer(port);
  await listen(server, settings);
  log.info({ address: server.addresses()[0], openBlock: ledger.openBlock.number, operator: signer.address }, "ready");

  const stopping = stopSignal(log);
  const loops = Promise.all([
    failed.promise,
    loop.run(stopping),
    challenger?.run(stopping),
    runHours(hours, stopping),
    watchAlarms(health, log, stopping),
    aborted(stopping),
  ]);
  await Promise.race([loops, aborted(stopping)]);
  await server.close();
  // A node that hangs does not hold up the end: what it would have answered is asked again at the next start.
  await Promise.race([loops, clock.sleep(LOOPS_END_MS)]);
  await pool.close();
  await store.close();
  records.close();
  challenger?.close();
  lock.release();
  log.info("stopped");
  process.exit(0);
}

function pause(sequencer: Sequencer, log: Logger, paused: boolean): void {
  sequencer.paused = paused;
  log.warn({ paused }, paused ? "new payments are refused until somebody resumes" : "new payments are taken again");
}

/** Journals who the service node is, when the settings name another than before. */
async function openMarket(
  settings: Settings,
  ledger: Ledger,
  sequencer: Sequencer,
  reads: Reads,
): Promise<Pick<OperatorPort, "registrar" | "preparation">> {
  const { market } = ledger;
  const { serviceNode } = settings;
  const role = serviceNode === null ? null : market.roleOf(serviceNode);
  if (role !== null && role !== "serviceNode") {
    const message = `SERVICE_NODE_ADDRESS ${serviceNode} is registered as ${role}: set an address of its own`;
    throw new StartupError("WRONG_SETTINGS", message, { serviceNode, role });
  }
  const entry = serviceNode === null ? null : serviceNodeEntry(market, serviceNode, clock.now());
  if (entry !== null) await sequencer.record([entry]);
  const registrar = new Registrar({ ledger, sequencer, clock, pricing: pricingOf(settings) });
  return { registrar, preparation: new Preparation(reads, market) };
}

function pricingOf({ serviceNodeKey, storagePrice }: Settings): Pricing | null {
  if (serviceNodeKey === null || storagePrice === null) return null;
  const key = new SigningKey(serviceNodeKey);
  return { ...storagePrice, sign: (digest) => key.sign(digest).serialized as Hex };
}

/** A payment's way: verified in another thread, then judged and written. */
function submitting(loop: EthereumLoop, pool: VerificationPool, sequencer: Sequencer): OperatorPort["submit"] {
  return async (request) => {
    // An exit that started while this process was down must be known before its output can be judged.
    if (loop.blind || sequencer.overloaded) return { kind: "overloaded" };
    const verified = await pool.verify(request);
    if (verified === null) return { kind: "overloaded" };
    if (verified.kind === "malformed") return verified;
    return { kind: "judged", results: await sequencer.submit(verified.records) };
  };
}

/** Nobody can make output ids that are slow to look up. */
function tableSecret(): TableSecret {
  const bytes = randomBytes(8);
  return [bytes.readInt32LE(0), bytes.readInt32LE(4)];
}

async function watchAlarms(health: Health, log: Logger, signal: AbortSignal): Promise<void> {
  const alarms = new AlarmLog(log);
  while (!signal.aborted) {
    await clock.sleep(ALARMS_MS, signal);
    alarms.take(health.alarms);
  }
}

function statusOf(
  { ledger, paused }: Sequencer,
  settings: Settings,
  chainId: bigint,
  signer: Signer,
  loop: EthereumLoop,
  health: Health,
): Status {
  const numbersIn = (...states: string[]): number[] =>
    ledger.sealedBlocks.filter((block) => states.includes(block.commit.state)).map((block) => block.number);
  return {
    chainId: Number(chainId),
    contract: getAddress(settings.rootChain),
    version,
    operator: getAddress(signer.address),
    openBlock: ledger.openBlock.number,
    nextCommitAt: nextHourEnd(clock.now(), settings.commitIntervalSeconds),
    lastCommitted: numbersIn("committed", "finalized").at(-1) ?? null,
    lastFinalized: numbersIn("finalized").at(-1) ?? null,
    backlog: numbersIn("sealed").length,
    ethereum: loop.health,
    paused,
    warnings: health.alarms.map(({ text }) => text),
    alarms: health.alarms,
    settlement: health.settlement,
  };
}

/** Tells how settlement stands, whether or not an operator runs on the folder. */
async function tellStatus(settings: Settings): Promise<void> {
  const rpc = new EthereumRpc(settings.rpcUrls);
  const rootChain = new RootChainReader(rpc, settings.rootChain);
  const { chainId, operator } = await rootChain.check().catch(explainEthereum);
  const { address } = await openKey(settings.key, operator);
  const records = openRecords(settings, "settlement.db", (path) => new SettlementRecords(path, { readOnly: true }));
  const { maxFeeGwei } = settings;
  const lines = await settlementStatus({ rpc, rootChain, chainId, address, records, maxFeeGwei });
  process.stdout.write(`${lines.join("\n")}\n`);
  records.close();
}

function openRecords<T>({ dataDir }: Settings, file: string, open: (path: string) => T): T {
  const path = join(dataDir, file);
  try {
    return open(path);
  } catch (error) {
    if (error instanceof StartupError) throw error;
    const message = `${path} cannot be used (${String(error)}): restore the folder from a copy`;
    throw new StartupError("SETTLEMENT_DAMAGED", message, { path }, error);
  }
}

/** Null without a key of its own: it must not share the nonces of the account that commits. */
function openChallenger(
  settings: Settings,
  committing: Address,
  reads: Reads,
  known: Pick<ChallengerOptions, "rpc" | "rootChain" | "chainId" | "followedTo" | "log">,
): Challenger | null {
  const { challengerKey, maxFeeGwei, fromBlock } = settings;
  if (challengerKey === null) {
    const missing = "set CHALLENGER_PRIVATE_KEY or run a watcher";
    known.log.warn(`exits of spent outputs are not challenged by this operator: ${missing}`);
    return null;
  }
  const signer = keySigner(challengerKey);
  if (signer.address === committing) {
    const message = `CHALLENGER_PRIVATE_KEY is the key that commits (${committing}): set one of another account`;
    throw new StartupError("WRONG_SETTINGS", message, { address: committing });
  }
  const records = openRecords(settings, "challenger.db", (path) => new ChallengerRecords(path));
  const facts = async (exits: readonly OpenExit[]): Promise<Facts> => await factsOf(reads, exits);
  return new Challenger({ ...known, facts, signer, records, maxFeeGwei, fromBlock });
}

async function openKey(key: KeySource, operator: Address): Promise<Signer> {
  if (key.kind === "privateKey") return keySigner(key.privateKey);
  if (key.kind === "external") {
    try {
      return await externalSigner(key.url, operator);
    } catch (error) {
      const { host } = new URL(key.url);
      const message = `the signer at ${host} cannot be used (${String(error)}): check SIGNER_URL and the signer's accounts`;
      throw new StartupError("SIGNER_UNREACHABLE", message, { host }, error);
    }
  }
  try {
    return await keystoreSigner(key.path, key.passwordFile);
  } catch (error) {
    const reason = systemCode(error) ?? String(error);
    const message = `cannot open the keystore ${key.path} with the password in ${key.passwordFile} (${reason})`;
    throw new StartupError("WRONG_SETTINGS", message, { path: key.path }, error);
  }
}

main().catch(refuseToStart);
