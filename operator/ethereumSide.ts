import { Follower, type FollowerUpdate } from "@plasma-billing/ethereum/follower.ts";
import type { EthereumRpc } from "@plasma-billing/ethereum/rpc.ts";
import type { RootChainReader } from "@plasma-billing/ethereum/rootChain.ts";
import type { Signer } from "@plasma-billing/ethereum/signer.ts";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { Logger } from "pino";
import { ChainSync } from "./chainSync.ts";
import type { Clock } from "@plasma-billing/ethereum/process/clock.ts";
import { EthereumLoop } from "./ethereumLoop.ts";
import type { Payment } from "./reads.ts";
import type { Sequencer } from "./sequencer.ts";
import { Committer } from "./settlement/committer.ts";
import { ExitConflicts } from "./settlement/exitConflicts.ts";
import type { SettlementRecords } from "./settlement/records.ts";

export interface EthereumSideOptions {
  sequencer: Sequencer;
  rpc: EthereumRpc;
  rootChain: RootChainReader;
  chainId: bigint;
  /** W, in seconds. */
  exitPeriod: number;
  signer: Signer;
  records: SettlementRecords;
  maxFeeGwei: number;
  finality: "finalized" | number;
  /** The block of the contract's deployment. */
  fromBlock: number;
  pollMs: number;
  /** The accepted payment that spends an output. */
  spendOf: (id: OutputId) => Promise<Payment | null>;
  /** Told of every update that was taken in; returns at once. */
  onUpdate: (update: FollowerUpdate) => void;
  clock: Clock;
  log: Logger;
}

/** What of the operator deals with Ethereum: it follows the contract and commits to it. */
export interface EthereumSide {
  follower: Follower;
  chainSync: ChainSync;
  committer: Committer;
  loop: EthereumLoop;
  /** The block after which updates tell what is final. */
  followedTo: number;
}

export function openEthereumSide(options: EthereumSideOptions): EthereumSide {
  const { sequencer, rpc, rootChain, chainId, signer, records, maxFeeGwei, exitPeriod, clock, log } = options;
  const { ledger } = sequencer;
  const chainSync = new ChainSync({
    ...{ ledger, clock, rootChain },
    record: async (entries) => await sequencer.record(entries),
    receipt: async (hash) => await rpc.receipt(hash),
  });
  const exitConflicts = new ExitConflicts({ ledger, rpc, exitPeriod, spendOf: options.spendOf });
  const committer = new Committer({
    ...{ ledger, rpc, rootChain, chainId, signer, records, maxFeeGwei, log },
    durable: () => sequencer.durable,
    conflict: () => chainSync.conflict,
    exitConflict: async (number, head) => await exitConflicts.of(number, head),
  });
  const from = ledger.lastFollowed ?? { number: options.fromBlock - 1, hash: null };
  const follower = new Follower(rpc, rootChain.address, options.finality, from);
  const loop = new EthereumLoop({
    ...{ follower, chainSync, committer, onUpdate: options.onUpdate, clock, pollMs: options.pollMs, log, exitPeriod },
    blocksCome: options.finality === "finalized",
    nodes: () => rpc.health,
  });
  return { follower, chainSync, committer, loop, followedTo: from.number };
}
