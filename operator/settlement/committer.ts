import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Ledger } from "@plasma-billing/protocol/ledger.ts";
import type { Fees } from "@plasma-billing/ethereum/fees.ts";
import { encodeCommit, type RootChainReader } from "@plasma-billing/ethereum/rootChain.ts";
import type { EthereumRpc, Header } from "@plasma-billing/ethereum/rpc.ts";
import { offer, signExactly } from "@plasma-billing/ethereum/sending.ts";
import type { Signer } from "@plasma-billing/ethereum/signer.ts";
import type { Logger } from "pino";
import type { Conflict } from "../chainSync.ts";
import { systemCode } from "../errors.ts";
import type { Durable } from "../sequencer.ts";
import { plan } from "./planner.ts";
import type { Attempt, SettlementRecords } from "./records.ts";

/** A commit takes about 53,000 gas. */
const COMMIT_GAS_LIMIT = 100_000n;
/** More steps than one block's commit has between two looks at Ethereum. */
const STEPS_MAX = 8;

export interface CommitterOptions {
  ledger: Ledger;
  rpc: EthereumRpc;
  rootChain: RootChainReader;
  chainId: bigint;
  signer: Signer;
  records: SettlementRecords;
  maxFeeGwei: number;
  log: Logger;
  conflict: () => Conflict | null;
  /** What is on the disk: what a crash could take back is not committed. */
  durable?: () => Durable;
}

/**
 * Brings each sealed block to Ethereum, in order. It asks the contract first, writes everything before it acts on it, and
 * repeats itself until the contract has the block; README.md has the states.
 */
export class Committer {
  private readonly options: CommitterOptions;
  private readonly sent = new Map<Hex, number>();
  private inFlight: number | null = null;
  private stopped: Conflict | null = null;
  private problem: string | null = null;

  constructor(options: CommitterOptions) {
    this.options = options;
  }

  /** Why nothing is committed any more; only an operator's decision helps. */
  get halted(): Conflict | null {
    return this.stopped;
  }

  /** What keeps a commit waiting, for whoever can mend it. */
  get warning(): string | null {
    return this.problem;
  }

  /** The state of a block that is not committed: `sent` once a node may have seen it. */
  stateOf(number: number): "sealed" | "sent" | "halted" {
    if (this.stopped !== null) return "halted";
    return this.inFlight === number ? "sent" : "sealed";
  }

  /** Does what can be done for the next block, seen from this head and this final block. */
  async step(head: Header, finalHash: Hex | null): Promise<void> {
    if (this.stopped !== null) return;
    const conflict = this.options.conflict();
    if (conflict !== null) {
      this.halt(conflict);
      return;
    }
    const before = this.problem;
    this.problem = null;
    try {
      for (let steps = 0; steps < STEPS_MAX; steps++) if (!(await this.next(head, finalHash))) break;
    } catch (error) {
      if (systemCode(error) !== "ERR_SQLITE_ERROR") throw error;
      this.problem = `settlement.db cannot be written (${(error as Error).message}): make room, the commit waits`;
    }
    if (this.problem !== null && this.problem !== before) this.options.log.warn(this.problem);
  }

  private async next(head: Header, finalHash: Hex | null): Promise<boolean> {
    const { ledger, rpc, rootChain, records, signer } = this.options;
    const number = await rootChain.nextBlockNumber(head.hash);
    if (number > ledger.sealedBlocks.length + 1) {
      const reason = `Ethereum expects block ${number}, the journal has sealed ${ledger.sealedBlocks.length} only`;
      return this.halt({ number, reason: `${reason}: an older copy of the folder? Restore the newest one` });
    }
    const block = ledger.block(number);
    if (block === undefined) {
      this.inFlight = null;
      return false;
    }
    if (number >= (this.options.durable?.().openBlock.number ?? Infinity)) {
      return this.wait(`block ${number} is sealed but not on the disk yet: its commit waits`);
    }
    const { transactionsRoot, transactionCount } = block;
    const calldata = encodeCommit(number, transactionsRoot, transactionCount);
    try {
      records.freeze({ number, transactionsRoot, transactionCount, calldata });
    } catch (error) {
      if (!(error instanceof InvariantError)) throw error;
      return this.halt({ number, reason: error.message });
    }
    const operator = await rootChain.operator(head.hash);
    if (operator !== signer.address) {
      return this.wait(`the contract's operator is ${operator}, this key is ${signer.address}: set the operator's key`);
    }
    const nonce = records.nonce(number, signer.address);
    const attempts = nonce === null ? [] : records.attempts(number, nonce);
    const last = attempts.at(-1);
    const nonceNow = await rpc.nonce(signer.address, head.hash);
    const action = plan({
      ethereumBlock: head.number,
      baseFeePerGas: head.baseFeePerGas,
      tip: await rpc.tip(),
      nonceNow,
      nonceFinal: finalHash === null ? 0 : await rpc.nonce(signer.address, finalHash),
      nonce,
      attempts,
      sentAt: last === undefined ? null : (this.sent.get(last.hash) ?? null),
      maxFeePerGas: BigInt(this.options.maxFeeGwei) * 10n ** 9n,
    });
    if (last !== undefined) this.inFlight = number;
    switch (action.do) {
      case "takeNonce":
        records.takeNonce(number, signer.address, action.nonce);
        return true;
      case "sign":
        return await this.sign(number, nonce as number, action.index, action.fees, calldata, head.number);
      case "send":
        await this.send(action.attempt, head.number);
        return false;
      case "wait":
        return this.wait(action.warning);
    }
  }

  private async sign(
    number: number,
    nonce: number,
    index: number,
    fees: Fees,
    calldata: Hex,
    ethereumBlock: number,
  ): Promise<boolean> {
    const { rpc, signer, rootChain, chainId, records, log } = this.options;
    const missing = COMMIT_GAS_LIMIT * fees.maxFeePerGas - (await rpc.balance(signer.address));
    if (missing > 0n) return this.wait(`${signer.address} lacks ${missing} wei for the commit: send it that much`);
    const to = rootChain.address;
    const request = { chainId, nonce, to, data: calldata, value: 0n, gasLimit: COMMIT_GAS_LIMIT, ...fees };
    const signed = await signExactly(signer, request);
    if (signed === null) return this.wait("the signer signed something else than it was asked to");
    const { hash, raw } = signed;
    records.add({ number, nonce, index, hash, raw, ...fees, ethereumBlock });
    log.info({ number, nonce, attempt: index, hash, maxFeePerGas: fees.maxFeePerGas.toString() }, "commit signed");
    return true;
  }

  /** A refusal says nothing about whether the transaction is on its way: the contract is asked again, the bytes stay. */
  private async send(attempt: Attempt, ethereumBlock: number): Promise<void> {
    const { rpc, log } = this.options;
    const { number, hash } = attempt;
    this.inFlight = number;
    const reason = await offer(rpc, attempt.raw);
    if (reason !== null) log.debug({ number, hash, reason }, "a node did not take the commit, which proves nothing");
    else if (!this.sent.has(hash)) log.info({ number, hash }, "commit sent");
    this.sent.set(hash, ethereumBlock);
  }

  private wait(warning: string | null): false {
    this.problem = warning;
    return false;
  }

  private halt(conflict: Conflict): false {
    this.stopped = conflict;
    this.options.log.error(conflict, "committing has stopped: an operator must decide; payments go on");
    return false;
  }
}
