import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Challenger } from "@plasma-billing/ethereum/challenging/challenger.ts";
import type { Duty } from "@plasma-billing/ethereum/challenging/planner.ts";
import { ChallengerRecords } from "@plasma-billing/ethereum/challenging/records.ts";
import { systemClock as clock } from "@plasma-billing/ethereum/process/clock.ts";
import { aborted, stopSignal } from "@plasma-billing/ethereum/process/ending.ts";
import { lockFolder } from "@plasma-billing/ethereum/process/lock.ts";
import { explainEthereum, listen, refuseToStart, StartupError } from "@plasma-billing/ethereum/process/startup.ts";
import { RootChainReader } from "@plasma-billing/ethereum/rootChain.ts";
import { EthereumRpc, type Header } from "@plasma-billing/ethereum/rpc.ts";
import { keySigner, type Signer } from "@plasma-billing/ethereum/signer.ts";
import { keccak256 } from "@plasma-billing/protocol/keccak.ts";
import { domainSeparator, type Address } from "@plasma-billing/protocol/typedData.ts";
import { getAddress } from "ethers";
import { pino, type Logger } from "pino";
import { ChildChain } from "./chain/childChain.ts";
import { DepositCheck } from "./detect/deposits.ts";
import { tooSlow } from "./detect/ethereum.ts";
import { factsOf } from "./facts.ts";
import { FindingsBook } from "./findings/book.ts";
import type { Finding } from "./findings/finding.ts";
import { Webhooks } from "./findings/webhooks.ts";
import { Guard } from "./guard/guard.ts";
import { createServer, type WatcherPort } from "./http/server.ts";
import { FindingStream } from "./http/stream.ts";
import { metricsOf } from "./metrics.ts";
import { EventStore } from "./rootChain/eventStore.ts";
import { RootChainLoop } from "./rootChain/loop.ts";
import { RootChainView } from "./rootChain/view.ts";
import { describeSettings, readSettings, type Settings } from "./settings.ts";
import { Watcher } from "./watcher.ts";

const LOOPS_END_MS = 1_000;
/** A duty that is so close to its time is left to nobody else: W/8. */
const URGENT_PARTS = 8;

const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")) as { version: string };

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const log = pino({ level: settings.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime });
  log.info(describeSettings(settings), "starting");
  const lock = lockFolder(settings.dataDir);
  const parts = await open(settings, log);
  const { chain, challenger, guard, book, store, loop, watcher, webhooks } = parts;
  const server = createServer(portOf(settings, parts));
  await listen(server, settings);
  const { address = null } = parts.signer ?? {};
  log.info({ address: server.addresses()[0], challenger: address, height: chain.height }, "ready");

  const stopping = stopSignal(log);
  const loops = Promise.all([
    ...[loop, watcher, challenger, webhooks].map(async (part) => await part.run(stopping)),
    aborted(stopping),
  ]);
  await Promise.race([loops, aborted(stopping)]);
  await server.close();
  // A node or an operator that hangs does not hold up the end.
  await Promise.race([loops, clock.sleep(LOOPS_END_MS)]);
  await chain.close();
  for (const part of [challenger, guard, book, store]) part.close();
  lock.release();
  log.info("stopped");
  process.exit(0);
}

interface Parts {
  chainId: bigint;
  signer: Signer | null;
  store: EventStore;
  view: RootChainView;
  stream: FindingStream;
  webhooks: Webhooks;
  book: FindingsBook;
  chain: ChildChain;
  guard: Guard;
  challenger: Challenger;
  loop: RootChainLoop;
  watcher: Watcher;
  log: Logger;
}

async function open(settings: Settings, log: Logger): Promise<Parts> {
  const { dataDir, operatorUrl, finality, fromBlock, rootChain: contract } = settings;
  const rpc = new EthereumRpc(settings.rpcUrls);
  const rootChain = new RootChainReader(rpc, contract);
  const { chainId, exitPeriod } = await rootChain.check().catch(explainEthereum);
  refuseSlow(settings, exitPeriod);
  const bonds = await rootChain.exitBonds((await rpc.look()).head.hash);
  const domain = { chainId, verifyingContract: contract };
  const separator = domainSeparator(domain);
  const store = new EventStore(join(dataDir, "ethereum.db"));
  const kept = store.events();
  const view = new RootChainView(separator, kept);
  const signer = settings.watcherKey === null ? null : keySigner(settings.watcherKey);
  const account = signer?.address ?? null;
  const findings = openFindings(settings, chainId, log);
  const { book } = findings;
  // It is told payments while the chain is being opened.
  const guard = Guard.open({
    ...{ dataDir, domain, separator, addresses: settings.guarded, exits: settings.guardExits, log },
    ...{ signerAddress: account, chain: (): ChildChain => chain },
  });
  const chain = await ChildChain.open({
    ...{ dataDir, domain, operatorUrl, threads: settings.verifyThreads, log },
    ...{ trustedHeight: settings.trustedHeight, snapshotPayments: settings.snapshotPayments },
    reserveBytes: settings.reserveMegabytes * 10 ** 6,
    depositOf: (id) => view.depositOf(id),
    guarded: new Set(settings.guarded),
    onPayment: (payment) => guard.take(payment),
    isKept: () => guard.isKept,
  });
  const challenger = new Challenger({
    ...{ rpc, rootChain, chainId, signer, log, maxFeeGwei: settings.maxFeeGwei },
    records: new ChallengerRecords(join(dataDir, "challenger.db")),
    // What is final comes from the store with the first update.
    ...{ fromBlock, followedTo: fromBlock - 1 },
    facts: async (exits) => await factsOf(chain, exits, watcher.firstBad),
    patienceMs: patience(account, settings.staggerSeconds, exitPeriod),
    onDuties: async (duties, exits, head) => await watcher.takeDuties(duties, exits, head),
    furtherDuties: async (_, head) => await watcher.guardedDuties(head),
  });
  let earlier = kept;
  const loop = new RootChainLoop({
    ...{ rpc, rootChain, view, store, finality, clock, log, fromBlock, pollMs: settings.ethereumPollMs },
    onReadAgain: () => chain.doubtDeposits(),
    onUpdate: (update) => {
      challenger.take(earlier.length === 0 ? update : { ...update, finalEvents: [...earlier, ...update.finalEvents] });
      earlier = [];
    },
  });
  const { commitIntervalSeconds, stalledSeconds, operatorPollMs: pollMs } = settings;
  const watcher = new Watcher({
    ...{ rpc, rootChain: contract, account, exitPeriod, bonds, view, store, loop, chain, book, guard, clock, log },
    ...{ deposits: new DepositCheck(operatorUrl), pollMs, commitIntervalSeconds, stalledSeconds },
    blocksCome: finality === "finalized",
  });
  return { chainId, signer, store, view, ...findings, chain, guard, challenger, loop, watcher, log };
}

/** Where findings are kept, and who is told of them. */
function openFindings(
  { dataDir, webhookUrls: urls, rootChain: contract }: Settings,
  chainId: bigint,
  log: Logger,
): Pick<Parts, "book" | "stream" | "webhooks"> {
  const stream = new FindingStream();
  const webhooks = new Webhooks({ urls, chainId, contract, clock, log });
  const book = new FindingsBook({
    path: join(dataDir, "findings.db"),
    now: () => clock.now(),
    onChange: (finding) => {
      tell(log, finding);
      stream.tell(finding);
      webhooks.tell(finding);
    },
  });
  return { book, stream, webhooks };
}

function portOf(settings: Settings, parts: Parts): WatcherPort {
  const { watcher, view, chain, book, challenger, guard, stream, log } = parts;
  return {
    ...{ stream, log, metrics: metricsOf(watcher, view, chain, book) },
    status: () => statusOf(settings, parts),
    unready: () => [watcher.problem, challenger.warning, book.problem].filter((problem) => problem !== null),
    findings: (state, limit, before) => book.list(state, limit, before),
    openFindings: () => book.open,
    guarded: () => guard.describe(),
    kit: async (address) => await guard.kit(address),
    authorize: (authorizations) => guard.authorize(authorizations),
    tell: (payments) => guard.tell(payments),
  };
}

/** @throws StartupError WINDOW_TOO_SHORT */
function refuseSlow({ ethereumPollMs, operatorPollMs, finality }: Settings, exitPeriod: number): void {
  const problem = tooSlow(exitPeriod, { ethereumPollMs, operatorPollMs, blocksCome: finality === "finalized" });
  if (problem !== null)
    throw new StartupError("WINDOW_TOO_SHORT", problem, { exitPeriod, ethereumPollMs, operatorPollMs });
}

/** Of several watchers each waits another time, so that the first one's challenge is seen before the next one sends. */
function patience(
  account: Address | null,
  staggerSeconds: number,
  exitPeriod: number,
): (duty: Duty, head: Header) => number {
  return ({ key, until }, { timestamp }) => {
    const isChallenge = /^(challenge|respond)/.test(key);
    if (!isChallenge || until - timestamp < exitPeriod / URGENT_PARTS) return 0;
    const digest = keccak256(new TextEncoder().encode(`${account} ${key}`));
    return (new DataView(digest.buffer, digest.byteOffset).getUint32(0) / 2 ** 32) * staggerSeconds * 1000;
  };
}

function tell(log: Logger, { id, name, severity, state, text, until, todo, transaction }: Finding): void {
  const about = { finding: id, name, severity, until, transaction };
  if (state === "over") log.info(about, `over: ${text}`);
  else if (severity === "unsafe") log.error(about, `${text}. What to do: ${todo}`);
  else log.warn(about, `${text}. What to do: ${todo}`);
}

function statusOf(
  settings: Settings,
  { chainId, signer, watcher, view, chain, book, loop }: Parts,
): Record<string, unknown> {
  const { reasons } = watcher;
  const { reading } = loop;
  const lastFinal = view.commits.findLast(({ final }) => final);
  return {
    ...{
      version,
      chainId: Number(chainId),
      contract: getAddress(settings.rootChain),
      operatorUrl: settings.operatorUrl,
    },
    ...{ safe: reasons.length === 0, reasons, firstBadBlock: watcher.firstBad },
    ...{ height: chain.height, verifiedPayments: chain.verifiedPayments, streamed: chain.streamed },
    ...{ lastCommitted: view.commits.at(-1)?.number ?? null, lastFinalized: lastFinal?.number ?? null },
    ethereum: { head: view.head?.number ?? null, healthy: reading.failure === null && reading.lost === null },
    openFindings: book.open.length,
    challenger: signer === null ? null : getAddress(signer.address),
    guarded: settings.guarded.map((address) => getAddress(address)),
  };
}

main().catch(refuseToStart);
