import { join } from "node:path";
import { pino } from "pino";
import type { Follower } from "@plasma-billing/ethereum/follower.ts";
import { RootChainReader } from "@plasma-billing/ethereum/rootChain.ts";
import { EthereumRpc } from "@plasma-billing/ethereum/rpc.ts";
import { httpTransportWithin } from "@plasma-billing/ethereum/transport.ts";
import { keySigner, type Signer } from "@plasma-billing/ethereum/signer.ts";
import type { Entry } from "@plasma-billing/protocol/entries.ts";
import { decodeEntryBytes } from "@plasma-billing/protocol/entryBytes.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import { encodePayment } from "@plasma-billing/protocol/paymentBytes.ts";
import { decodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { ChainSync } from "../../operator/chainSync.ts";
import { Challenger } from "../../ethereum/challenging/challenger.ts";
import { factsOf } from "../../operator/challengerFacts.ts";
import { ChallengerRecords } from "../../ethereum/challenging/records.ts";
import { systemClock } from "../../ethereum/process/clock.ts";
import { openEthereumSide } from "../../operator/ethereumSide.ts";
import { JournalReader } from "../../operator/journal/reader.ts";
import { Reads } from "../../operator/reads.ts";
import type { Sequencer, SubmitResult } from "../../operator/sequencer.ts";
import type { Committer } from "../../operator/settlement/committer.ts";
import { SettlementRecords } from "../../operator/settlement/records.ts";
import { Store } from "../../operator/store.ts";
import { verifyPayment } from "@plasma-billing/ethereum/verification/recover.ts";
import { type Chain, devKey, type SignedPayment } from "./chain.ts";

export interface LocalOptions {
  /** Instead of the chain's own node. */
  urls?: string[];
  /** How long a node may take to answer. */
  timeoutMs?: number;
  /** How far the machine's clock is off. */
  skewMs?: number;
  finality?: "finalized" | number;
  maxFeeGwei?: number;
  key?: string;
  /** Without it nothing is challenged. */
  challengerKey?: string;
  /** To put something in the way of what would go to Ethereum or be signed. */
  rpc?: (rpc: EthereumRpc) => EthereumRpc;
  signer?: (signer: Signer) => Signer;
}

/** The operator's parts on a real node and a real folder, without its loops: a test takes each turn itself. */
export class LocalOperator {
  readonly ledger: Ledger;
  readonly sequencer: Sequencer;
  readonly follower: Follower;
  readonly chainSync: ChainSync;
  readonly committer: Committer;
  readonly records: SettlementRecords;
  readonly challenger: Challenger | null;
  readonly store: Store;
  readonly reads: Reads;
  readonly rpc: EthereumRpc;
  private readonly dataDir: string;

  private constructor(dataDir: string, parts: Omit<LocalOperator, "turn" | "pay" | "stop" | "entries" | "sequencer">) {
    this.dataDir = dataDir;
    this.store = parts.store;
    this.reads = parts.reads;
    this.rpc = parts.rpc;
    this.sequencer = parts.store.sequencer;
    this.ledger = parts.ledger;
    this.follower = parts.follower;
    this.chainSync = parts.chainSync;
    this.committer = parts.committer;
    this.records = parts.records;
    this.challenger = parts.challenger;
  }

  static async open(chain: Chain, dataDir: string, options: LocalOptions = {}): Promise<LocalOperator> {
    const log = pino({ level: "silent" });
    const plain = new EthereumRpc(options.urls ?? [chain.rpcUrl], httpTransportWithin(options.timeoutMs ?? 10_000));
    const rpc = options.rpc?.(plain) ?? plain;
    const own = keySigner((options.key ?? devKey(1)) as Hex);
    const signer = options.signer?.(own) ?? own;
    const address = chain.address.toLowerCase() as Address;
    const rootChain = new RootChainReader(rpc, address);
    // Before anything is opened that would have to be closed when it fails.
    const { exitPeriod } = await rootChain.check();
    const { chainId } = chain;
    const ledger = new Ledger({ chainId, verifyingContract: address });
    const onFailure = (error: Error): never => {
      throw error;
    };
    const clock = { ...systemClock, now: () => Date.now() + (options.skewMs ?? 0) };
    const store = await Store.open({ dataDir, ledger, clock, log, onFailure });
    const { sequencer, index } = store;
    const durable = (): Sequencer["durable"] => sequencer.durable;
    const reads: Reads = new Reads({ ledger, index, durable, pendingDeposits: () => chainSync.pendingDeposits });
    const records = new SettlementRecords(join(dataDir, "settlement.db"));
    const { maxFeeGwei = 200, finality = 3 } = options;
    const { chainSync, committer, follower, followedTo } = openEthereumSide({
      ...{ sequencer, rpc, rootChain, chainId, exitPeriod, signer, records, maxFeeGwei, finality, pollMs: 100, log },
      ...{ fromBlock: chain.deploymentBlock, spendOf: async (id) => await reads.spendOf(id), clock },
      onUpdate: () => undefined,
    });
    let challenger: Challenger | null = null;
    if (options.challengerKey !== undefined) {
      challenger = new Challenger({
        ...{ facts: async (exits) => await factsOf(reads, exits), rpc, rootChain, chainId, maxFeeGwei, log },
        signer: keySigner(options.challengerKey as Hex),
        records: new ChallengerRecords(join(dataDir, "challenger.db")),
        fromBlock: chain.deploymentBlock,
        followedTo,
      });
    }
    return new LocalOperator(dataDir, {
      ledger,
      store,
      reads,
      rpc,
      follower,
      chainSync,
      committer,
      records,
      challenger,
    });
  }

  /** Every entry on the disk, replayed ones too. */
  get entries(): Entry[] {
    const reader = new JournalReader(this.dataDir);
    try {
      const { position } = this.sequencer.durable;
      return reader.read(1, position, Infinity).map(({ body }) => decodeEntryBytes(body));
    } finally {
      reader.close();
    }
  }

  /** One look at Ethereum, and one step of the committer and of the challenger. */
  async turn(): Promise<void> {
    const update = await this.follower.poll();
    await this.chainSync.take(update);
    await this.committer.step(update);
    this.challenger?.take(update);
    await this.challenger?.step();
  }

  async pay({ json }: SignedPayment): Promise<SubmitResult> {
    const payment = encodePayment(decodeTransaction(json));
    const [result] = await this.sequencer.submit([verifyPayment(this.ledger.separator, payment)]);
    return result as SubmitResult;
  }

  /** Lets go of the folder, as a process that ends does. */
  async stop(): Promise<void> {
    await this.store.close();
    this.records.close();
    this.challenger?.close();
  }
}
