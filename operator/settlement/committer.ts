import type { FollowerUpdate } from "@plasma-billing/ethereum/follower.ts";
import { encodeCommit } from "@plasma-billing/ethereum/rootChain.ts";
import { signExactly } from "@plasma-billing/ethereum/sending.ts";
import type { Signer } from "@plasma-billing/ethereum/signer.ts";
import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Ledger } from "@plasma-billing/protocol/ledger.ts";
import type { Logger } from "pino";
import type { Alarm } from "../alarms.ts";
import type { Conflict } from "../chainSync.ts";
import { systemCode } from "@plasma-billing/ethereum/process/startup.ts";
import type { Durable } from "../sequencer.ts";
import { planSending, planStanding, type Action, type Plan, type SettlementState } from "./planner.ts";
import type { Attempt } from "./records.ts";
import { readAccount, readSending, type Account, type SituationOptions } from "./situation.ts";

/** More steps than one block's commit has between two looks at Ethereum. */
const STEPS_MAX = 8;

/** Ethereum blocks between two looks at the balance while there is nothing to commit. */
const ACCOUNT_BLOCKS = 25;

export interface CommitterOptions extends SituationOptions {
  ledger: Ledger;
  signer: Signer;
  log: Logger;
  conflict: () => Conflict | null;
  /** What is on the disk: what a crash could take back is not committed. */
  durable: () => Durable;
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
  private found: Alarm | null = null;
  private accountSeen: Account | null = null;
  private refusals: string[] = [];

  constructor(options: CommitterOptions) {
    this.options = options;
  }

  /** Why nothing is committed any more; only an operator's decision helps. */
  get halted(): Conflict | null {
    return this.stopped;
  }

  /** What the last look at the account that commits showed. */
  get account(): Account | null {
    return this.accountSeen;
  }

  /** What keeps a commit waiting, for whoever can mend it. */
  get alarm(): Alarm | null {
    return this.found;
  }

  /** What nodes said of the attempt sent last; they may be wrong. */
  get lastRefusals(): readonly string[] {
    return this.refusals;
  }

  /** The state of a block that is not committed: `sent` once a node may have seen it. */
  stateOf(number: number): "sealed" | "sent" | "halted" {
    if (this.stopped !== null) return "halted";
    return this.inFlight === number ? "sent" : "sealed";
  }

  /** The same in all its steps, of any block. */
  detailOf(number: number): SettlementState {
    const { ledger, records, signer, chainId } = this.options;
    const block = ledger.block(number);
    if (block === undefined) return "open";
    if (block.commit.state === "finalized") return "final";
    if (block.commit.state === "committed") return "landed";
    if (this.stopped !== null) return "halted";
    if (records.block(number) === null) return "sealed";
    const sender = { chainId, address: signer.address };
    const nonce = records.nonces(number, sender).at(-1);
    if (nonce === undefined) return "bound";
    if (records.attempts(sender, nonce).length === 0) return "numbered";
    return this.inFlight === number ? "sent" : "signed";
  }

  /** Does what can be done for the next block, as this update shows Ethereum. */
  async step(update: FollowerUpdate): Promise<void> {
    if (this.stopped !== null) return;
    try {
      this.see(update);
      for (let steps = 0; steps < STEPS_MAX; steps++) {
        const { number, action, alarm } = await this.plan(update);
        this.found = alarm;
        if (!(await this.act(number, action, update.head.number))) break;
      }
      const { height = -Infinity } = this.accountSeen ?? {};
      if (update.head.number - height >= ACCOUNT_BLOCKS)
        this.accountSeen = await readAccount(this.options, update.head);
    } catch (error) {
      if (systemCode(error) !== "ERR_SQLITE_ERROR") throw error;
      const text = `settlement.db cannot be written (${(error as Error).message}): make room, the commit waits`;
      this.found = { code: "SETTLEMENT_UNWRITABLE", text };
    }
  }

  /** Keeps where commits are seen, and that they are gone. */
  private see({ finalEvents, windowEvents }: FollowerUpdate): void {
    const { ledger, records, log } = this.options;
    const landed = new Set<number>();
    const look = (events: FollowerUpdate["finalEvents"], status: "landed" | "final"): void => {
      for (const event of events) {
        if (event.name !== "BlockCommitted") continue;
        const { number, ethereumTransaction: transaction, ethereumBlockHash: blockHash, ethereumBlock: height } = event;
        landed.add(number);
        const last = records.lastSeen(number);
        if (last?.status === "final" || (last?.status === status && last.blockHash === blockHash)) continue;
        records.see({ number, status, transaction, blockHash, height });
        log.info({ number, hash: transaction, ethereumBlock: height }, `commit ${status}`);
      }
    };
    look(finalEvents, "final");
    look(windowEvents, "landed");
    for (const { number, commit } of ledger.sealedBlocks.toReversed()) {
      // Commits become final in their order.
      if (commit.state === "finalized") break;
      const last = records.lastSeen(number);
      if (last?.status !== "landed" || landed.has(number)) continue;
      records.see({ number, status: "gone", transaction: last.transaction, blockHash: last.blockHash, height: null });
      log.warn({ number, hash: last.transaction }, "a reorganisation took the commit away: it is sent again");
    }
  }

  private async plan(update: FollowerUpdate): Promise<Plan & { number: number }> {
    const { ledger, rootChain, records, conflict, durable } = this.options;
    const { head } = update;
    const number = await rootChain.nextBlockNumber(head.hash);
    const block = ledger.block(number);
    const frozen = records.block(number);
    const standing = {
      ...{ number, sealed: ledger.sealedBlocks.length, durable: durable().openBlock.number - 1 },
      ...{ highestBound: records.highest, bound: frozen !== null },
      previousIsOurs: number === 1 || (ledger.block(number - 1)?.commit.state ?? "sealed") !== "sealed",
      conflict: conflict()?.reason ?? null,
    };
    if (frozen !== null && block !== undefined && frozen.transactionsRoot !== block.transactionsRoot) {
      standing.conflict ??= `block ${number} was bound with root ${frozen.transactionsRoot}, the journal has ${block.transactionsRoot}`;
    }
    const plan = planStanding(standing);
    if (plan !== null) {
      if (plan.action.do === "wait") this.inFlight = null;
      return { number, ...plan };
    }
    const sending = await readSending(this.options, number, update, this.sent);
    if (sending.attempts.length > 0) this.inFlight = number;
    return { number, ...planSending(sending) };
  }

  /** True when the next step may follow at once. */
  private async act(number: number, action: Action, ethereumBlock: number): Promise<boolean> {
    const { records, signer, chainId, log } = this.options;
    switch (action.do) {
      case "wait":
        return false;
      case "halt":
        this.stopped = { number, reason: action.reason };
        log.error(this.stopped, "committing has stopped: an operator must decide; payments go on");
        return false;
      case "bind":
        this.bind();
        return true;
      case "takeNonce":
        records.takeNonce(number, { chainId, address: signer.address }, action.nonce);
        log.info({ number, nonce: action.nonce }, "commit has its nonce");
        return true;
      case "sign":
        return await this.sign(number, action, ethereumBlock);
      case "send":
        await this.send(action.attempt, ethereumBlock);
        return false;
    }
  }

  /** Fixes for every sealed block on the disk what is committed for it. */
  private bind(): void {
    const { ledger, records, durable, log } = this.options;
    for (let number = records.highest + 1; number < durable().openBlock.number; number++) {
      const block = ledger.block(number);
      if (block === undefined) throw new InvariantError("a sealed block is missing", { number });
      const { transactionsRoot, transactionCount } = block;
      const calldata = encodeCommit(number, transactionsRoot, transactionCount);
      records.freeze({ number, transactionsRoot, transactionCount, calldata });
      log.info({ number, transactionsRoot, transactionCount }, "commit bound");
    }
  }

  private async sign(
    number: number,
    { index, fees, gasLimit }: Extract<Action, { do: "sign" }>,
    ethereumBlock: number,
  ): Promise<boolean> {
    const { signer, rootChain, chainId, records, log } = this.options;
    const sender = { chainId, address: signer.address };
    const frozen = records.block(number);
    const nonce = records.nonces(number, sender).at(-1);
    if (frozen === null || nonce === undefined) throw new InvariantError("signed before it is bound", { number });
    const to = rootChain.address;
    const signed = await signExactly(signer, {
      chainId,
      nonce,
      to,
      data: frozen.calldata,
      value: 0n,
      gasLimit,
      ...fees,
    });
    if ("problem" in signed) {
      this.found = { code: "SIGNER_FAILED", text: `block ${number} waits: ${signed.problem}` };
      // What was signed before goes on being sent.
      const last = records.attempts(sender, nonce).at(-1);
      if (last !== undefined) await this.send(last, ethereumBlock);
      return false;
    }
    const { hash, raw } = signed;
    records.add(sender, { number, nonce, index, hash, raw, ...fees, gasLimit, ethereumBlock });
    log.info({ number, nonce, attempt: index, hash, maxFeePerGas: fees.maxFeePerGas.toString() }, "commit signed");
    return true;
  }

  /** A refusal says nothing about whether the transaction is on its way: the contract is asked again, the bytes stay. */
  private async send(attempt: Attempt, ethereumBlock: number): Promise<void> {
    const { rpc, log } = this.options;
    const { number, hash } = attempt;
    this.inFlight = number;
    const { taken, refusals } = await rpc.sendRawTransaction(attempt.raw);
    this.refusals = refusals.map(({ reason }) => reason);
    if (refusals.length > 0)
      log.debug({ number, hash, refusals }, "a node did not take the commit, which proves nothing");
    if (taken > 0 && !this.sent.has(hash)) log.info({ number, hash, nodes: taken }, "commit sent");
    this.sent.set(hash, ethereumBlock);
  }
}
