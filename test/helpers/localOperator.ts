import { join } from "node:path";
import { pino } from "pino";
import { Follower } from "@plasma-billing/ethereum/follower.ts";
import { RootChainReader } from "@plasma-billing/ethereum/rootChain.ts";
import { EthereumRpc } from "@plasma-billing/ethereum/rpc.ts";
import { keySigner, type Signer } from "@plasma-billing/ethereum/signer.ts";
import type { Entry } from "@plasma-billing/protocol/entries.ts";
import { decodeEntryBytes } from "@plasma-billing/protocol/entryBytes.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import { encodePayment } from "@plasma-billing/protocol/paymentBytes.ts";
import { decodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { ChainSync } from "../../operator/chainSync.ts";
import { Challenger } from "../../operator/challenger/challenger.ts";
import { factsOf } from "../../operator/challenger/facts.ts";
import { ChallengerRecords } from "../../operator/challenger/records.ts";
import { systemClock } from "../../operator/clock.ts";
import { JournalReader } from "../../operator/journal/reader.ts";
import { Reads } from "../../operator/reads.ts";
import type { Sequencer, SubmitResult } from "../../operator/sequencer.ts";
import { Committer } from "../../operator/settlement/committer.ts";
import { SettlementRecords } from "../../operator/settlement/records.ts";
import { Store } from "../../operator/store.ts";
import { verifyPayment } from "../../operator/verification/recover.ts";
import { type Chain, devKey, type SignedPayment } from "./chain.ts";

export interface LocalOptions {
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
  private readonly dataDir: string;

  private constructor(dataDir: string, parts: Omit<LocalOperator, "turn" | "pay" | "stop" | "entries" | "sequencer">) {
    this.dataDir = dataDir;
    this.store = parts.store;
    this.reads = parts.reads;
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
    const plain = new EthereumRpc([chain.rpcUrl]);
    const rpc = options.rpc?.(plain) ?? plain;
    const own = keySigner((options.key ?? devKey(1)) as Hex);
    const signer = options.signer?.(own) ?? own;
    const address = chain.address.toLowerCase() as Address;
    const rootChain = new RootChainReader(rpc, address);
    const { chainId } = chain;
    const ledger = new Ledger({ chainId, verifyingContract: address });
    const onFailure = (error: Error): never => {
      throw error;
    };
    const store = await Store.open({ dataDir, ledger, clock: systemClock, log, onFailure });
    const { sequencer, index } = store;
    const durable = (): Sequencer["durable"] => sequencer.durable;
    const reads: Reads = new Reads({ ledger, index, durable, pendingDeposits: () => chainSync.pendingDeposits });
    const records = new SettlementRecords(join(dataDir, "settlement.db"));
    const chainSync = new ChainSync({
      ledger,
      clock: systemClock,
      record: async (list) => await sequencer.record(list),
      receipt: async (hash) => await rpc.receipt(hash),
      counters: async (blockHash) => await rootChain.counters(blockHash),
    });
    const conflict = (): ChainSync["conflict"] => chainSync.conflict;
    const { maxFeeGwei = 200 } = options;
    const settling = { ledger, durable, rpc, rootChain, chainId, signer, records };
    const committer = new Committer({ ...settling, maxFeeGwei, log, conflict });
    const from = ledger.lastFollowed ?? { number: chain.deploymentBlock - 1, hash: null };
    const follower = new Follower(rpc, address, options.finality ?? 3, from);
    let challenger: Challenger | null = null;
    if (options.challengerKey !== undefined) {
      challenger = new Challenger({
        ...{ facts: async (exits) => await factsOf(reads, exits), rpc, rootChain, chainId, maxFeeGwei, log },
        signer: keySigner(options.challengerKey as Hex),
        records: new ChallengerRecords(join(dataDir, "challenger.db")),
        fromBlock: chain.deploymentBlock,
        followedTo: from.number,
      });
    }
    return new LocalOperator(dataDir, { ledger, store, reads, follower, chainSync, committer, records, challenger });
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
    await this.committer.step(update.head, update.final.hash);
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
