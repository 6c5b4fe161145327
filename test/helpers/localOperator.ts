import { join } from "node:path";
import { pino } from "pino";
import { Follower } from "@plasma-billing/ethereum/follower.ts";
import { RootChainReader } from "@plasma-billing/ethereum/rootChain.ts";
import { EthereumRpc } from "@plasma-billing/ethereum/rpc.ts";
import { keySigner, type Signer } from "@plasma-billing/ethereum/signer.ts";
import type { Entry } from "@plasma-billing/protocol/entries.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import { decodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { ChainSync } from "../../operator/chainSync.ts";
import { Challenger } from "../../operator/challenger/challenger.ts";
import { factsOf } from "../../operator/challenger/facts.ts";
import { ChallengerRecords } from "../../operator/challenger/records.ts";
import { systemClock } from "../../operator/clock.ts";
import { Journal } from "../../operator/journal/journal.ts";
import { Sequencer, type SubmitResult } from "../../operator/sequencer.ts";
import { Committer } from "../../operator/settlement/committer.ts";
import { SettlementRecords } from "../../operator/settlement/records.ts";
import { verifyPayment } from "../../operator/verify.ts";
import { Views } from "../../operator/views.ts";
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
  /** Every entry on the disk, replayed ones too. */
  readonly entries: Entry[];

  private constructor(parts: Omit<LocalOperator, "turn" | "pay" | "stop">) {
    this.ledger = parts.ledger;
    this.sequencer = parts.sequencer;
    this.follower = parts.follower;
    this.chainSync = parts.chainSync;
    this.committer = parts.committer;
    this.records = parts.records;
    this.challenger = parts.challenger;
    this.entries = parts.entries;
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
    const entries: Entry[] = [];
    const views: Views = new Views(ledger, () => chainSync.pendingDeposits);
    const onDurable = (entry: Entry): void => {
      entries.push(entry);
      views.apply(entry);
    };
    const sequencer = await Sequencer.open(
      { ledger, clock: systemClock, log, onDurable },
      async (replay) => (await Journal.open(dataDir, replay)).journal,
    );
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
    const committer = new Committer({ ledger, rpc, rootChain, chainId, signer, records, maxFeeGwei, log, conflict });
    const from = ledger.lastFollowed ?? { number: chain.deploymentBlock - 1, hash: null };
    const follower = new Follower(rpc, address, options.finality ?? 3, from);
    let challenger: Challenger | null = null;
    if (options.challengerKey !== undefined) {
      challenger = new Challenger({
        ...{ facts: factsOf(ledger, views), rpc, rootChain, chainId, maxFeeGwei, log },
        signer: keySigner(options.challengerKey as Hex),
        records: new ChallengerRecords(join(dataDir, "challenger.db")),
        fromBlock: chain.deploymentBlock,
        followedTo: from.number,
      });
    }
    return new LocalOperator({ ledger, sequencer, follower, chainSync, committer, records, challenger, entries });
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
    return await this.sequencer.submit(verifyPayment(this.ledger.separator, decodeTransaction(json)));
  }

  /** Lets go of the folder, as a process that ends does. */
  async stop(): Promise<void> {
    await this.sequencer.close();
    this.records.close();
    this.challenger?.close();
  }
}
