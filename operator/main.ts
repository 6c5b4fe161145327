import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EthereumError } from "@plasma-billing/ethereum/errors.ts";
import { Follower, type FollowerUpdate } from "@plasma-billing/ethereum/follower.ts";
import { EthereumRpc } from "@plasma-billing/ethereum/rpc.ts";
import { RootChainReader } from "@plasma-billing/ethereum/rootChain.ts";
import { keySigner, keystoreSigner, type Signer } from "@plasma-billing/ethereum/signer.ts";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import type { TableSecret } from "@plasma-billing/protocol/outputTable.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { getAddress } from "ethers";
import { pino, type Logger } from "pino";
import { Challenger, type ChallengerOptions } from "./challenger/challenger.ts";
import type { OpenExit } from "./challenger/exits.ts";
import { factsOf } from "./challenger/facts.ts";
import type { Facts } from "./challenger/planner.ts";
import { ChallengerRecords } from "./challenger/records.ts";
import { ChainSync } from "./chainSync.ts";
import { systemClock as clock } from "./clock.ts";
import { StartupError, systemCode } from "./errors.ts";
import { EthereumLoop } from "./ethereumLoop.ts";
import { nextHourEnd, runHours, sealNow } from "./hours.ts";
import type { OperatorPort, Status } from "./http/ports.ts";
import { createServer, type Server } from "./http/server.ts";
import { lockFolder } from "./lock.ts";
import { Reads } from "./reads.ts";
import type { Sequencer } from "./sequencer.ts";
import { describeSettings, readSettings, type KeySource, type Settings } from "./settings.ts";
import { Committer } from "./settlement/committer.ts";
import { SettlementRecords } from "./settlement/records.ts";
import { Store } from "./store.ts";
import { VerificationPool } from "./verification/pool.ts";

/** After Ctrl-C everything taken is written; what hangs longer than this is left behind. */
const SHUTDOWN_MS = 4_000;
const LOOPS_END_MS = 1_000;

const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")) as { version: string };

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const log = pino({ level: settings.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime });
  log.info(describeSettings(settings), "starting");

  const lock = lockFolder(settings.dataDir);
  const signer = await openKey(settings.key);
  const rpc = new EthereumRpc(settings.rpcUrls);
  const rootChain = new RootChainReader(rpc, settings.rootChain);
  const chainId = await rootChain.check().catch(explainEthereum);

  const failed = Promise.withResolvers<never>();
  const ledger = new Ledger({ chainId, verifyingContract: settings.rootChain }, undefined, tableSecret());
  const { dataDir, snapshotEntries, verifyThreads: threads } = settings;
  const store = await Store.open({ dataDir, ledger, clock, log, snapshotEntries, onFailure: failed.reject });
  const { sequencer, index } = store;
  const reads = new Reads({
    ...{ ledger, index },
    durable: () => sequencer.durable,
    pendingDeposits: () => chainSync.pendingDeposits,
  });
  const pool = await VerificationPool.start({ separator: ledger.separator, threads });
  pool.failed.catch(failed.reject);
  const records = openRecords(settings, "settlement.db", (path) => new SettlementRecords(path));
  const chainSync = openChainSync(ledger, sequencer, rpc, rootChain);
  const { maxFeeGwei, commitIntervalSeconds: intervalSeconds, ethereumPollMs: pollMs } = settings;
  const committer = new Committer({
    ...{ ledger, rpc, rootChain, chainId, signer, records, maxFeeGwei, log },
    durable: () => sequencer.durable,
    conflict: () => chainSync.conflict,
  });
  const from = ledger.lastFollowed ?? { number: settings.fromBlock - 1, hash: null };
  const follower = new Follower(rpc, settings.rootChain, settings.depositFinality, from);
  const known = { rpc, rootChain, chainId, followedTo: from.number, log };
  const challenger = openChallenger(settings, signer.address, reads, known);
  const onUpdate = (update: FollowerUpdate): void => challenger?.take(update);
  const loop = new EthereumLoop({ follower, chainSync, committer, onUpdate, clock, pollMs, log });
  const hours = { sequencer, clock, intervalSeconds, log, onSealed: () => loop.wake() };

  const warnings = (): string[] => {
    const found = [committerProblem(committer), loop.problem, challenger?.warning ?? null];
    if (sequencer.stalled) found.push(`the journal in ${settings.dataDir} cannot be written: make room`);
    return found.filter((text) => text !== null);
  };
  const port: OperatorPort = {
    ...{ reads, log, adminToken: settings.adminToken, unready: warnings },
    submit: submitting(loop, pool, sequencer),
    status: () => statusOf(ledger, settings, chainId, signer, loop, warnings()),
    settlementState: (number) => committer.stateOf(number),
    commitNow: async () => await sealNow(hours),
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

function openChainSync(ledger: Ledger, sequencer: Sequencer, rpc: EthereumRpc, rootChain: RootChainReader): ChainSync {
  return new ChainSync({
    ...{ ledger, clock },
    record: async (entries) => await sequencer.record(entries),
    receipt: async (hash) => await rpc.receipt(hash),
    counters: async (blockHash) => await rootChain.counters(blockHash),
  });
}

/** A payment's way: verified in another thread, then judged and written. */
function submitting(loop: EthereumLoop, pool: VerificationPool, sequencer: Sequencer): OperatorPort["submit"] {
  return async (request) => {
    // An exit that started while this process was down must be known before its output can be judged.
    if (!loop.synced || sequencer.overloaded) return { kind: "overloaded" };
    const verified = await pool.verify(request);
    if (verified === null) return { kind: "overloaded" };
    if (verified.kind === "malformed") return verified;
    return { kind: "judged", results: await sequencer.submit(verified.records) };
  };
}

/** Aborts at Ctrl-C and at SIGTERM. */
function stopSignal(log: Logger): AbortSignal {
  const controller = new AbortController();
  const stop = (name: string): void => {
    if (controller.signal.aborted) return;
    log.info({ signal: name }, "stopping");
    setTimeout(() => process.exit(1), SHUTDOWN_MS).unref();
    controller.abort();
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  return controller.signal;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

async function listen(server: Server, { host, port }: Settings): Promise<void> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    const message = `cannot listen on ${host}:${port} (${systemCode(error) ?? String(error)}): set another PORT or HOST`;
    throw new StartupError("PORT_UNUSABLE", message, { host, port }, error);
  }
}

/** Nobody can make output ids that are slow to look up. */
function tableSecret(): TableSecret {
  const bytes = randomBytes(8);
  return [bytes.readInt32LE(0), bytes.readInt32LE(4)];
}

function committerProblem({ halted, warning }: Committer): string | null {
  return halted === null ? warning : `committing has stopped: ${halted.reason}`;
}

function statusOf(
  ledger: Ledger,
  settings: Settings,
  chainId: bigint,
  signer: Signer,
  loop: EthereumLoop,
  warnings: string[],
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
    paused: false,
    warnings,
  };
}

function openRecords<T>({ dataDir }: Settings, file: string, open: (path: string) => T): T {
  const path = join(dataDir, file);
  try {
    return open(path);
  } catch (error) {
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

async function openKey(key: KeySource): Promise<Signer> {
  if (key.kind === "privateKey") return keySigner(key.privateKey);
  try {
    return await keystoreSigner(key.path, key.passwordFile);
  } catch (error) {
    const reason = systemCode(error) ?? String(error);
    const message = `cannot open the keystore ${key.path} with the password in ${key.passwordFile} (${reason})`;
    throw new StartupError("WRONG_SETTINGS", message, { path: key.path }, error);
  }
}

function explainEthereum(error: unknown): never {
  if (!(error instanceof EthereumError)) throw error;
  const { message, context } = error;
  switch (error.code) {
    case "WRONG_CHAIN":
      throw new StartupError("WRONG_CHAIN", `${message}: set L1_RPC_URLS to nodes of one chain`, context, error);
    case "WRONG_CONTRACT":
      throw new StartupError(
        "WRONG_CONTRACT",
        `${message}: set ROOT_CHAIN_ADDRESS to the address that the deployment printed`,
        context,
        error,
      );
    default:
      throw new StartupError("ETHEREUM_UNREACHABLE", `${message}: set L1_RPC_URLS to a node that runs`, context, error);
  }
}

main().catch((error: unknown) => {
  // One line for what somebody can mend; a stack for what is a fault of ours.
  if (error instanceof StartupError) process.stderr.write(`${error.code}: ${error.message}\n`);
  else process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
});
