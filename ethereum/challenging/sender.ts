import { EthereumError } from "../errors.ts";
import { currentFees, nextAttempt, type Prices, type SignedAttempt } from "../fees.ts";
import type { EthereumRpc, Header } from "../rpc.ts";
import { signExactly } from "../sending.ts";
import type { Signer } from "../signer.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Logger } from "pino";
import type { Duty } from "./planner.ts";
import type { ChallengerRecords, Slot } from "./records.ts";

/** Nonces in use at once: nodes keep at least that many transactions of an account that waits for blocks. */
const NONCES_MAX = 16;
/** Duties asked for between two looks at Ethereum; the others come with the next one. */
const TRIED_MAX = 64;
/** Mined so often without effect, though each was found to work before: a person must look, and it is tried again after a while. */
const FRUITLESS_MAX = 5;
/** What was mined longer ago counts no more, a day of Ethereum's: reorganisations and wrong nodes may have spoilt it. */
const FRUITLESS_BLOCKS = 7_200;
/** A duty Ethereum refuses is tried again after 1, 2, 4, … blocks, at most this many. */
const REFUSED_BLOCKS_MAX = 64;
/** More gas than any challenge takes, where it cannot be estimated for lack of funds. */
const GAS_ENOUGH = 500_000n;
/** Gas above the estimate, in percent: the state it was made in is not the one it is mined in. */
const GAS_MARGIN_PERCENT = 30n;

export interface SenderOptions {
  rpc: EthereumRpc;
  rootChain: Address;
  chainId: bigint;
  signer: Signer;
  records: ChallengerRecords;
  maxFeeGwei: number;
  /** Milliseconds a duty is left to others before this account tries it; none when there is nobody else. */
  patienceMs?: ((duty: Duty, head: Header) => number) | undefined;
  log: Logger;
}

/** One look at Ethereum: all of it in the state of the same block. */
interface Look extends Prices {
  head: Header;
  nonceNow: number;
  balance: bigint;
}

interface Refusal {
  data: Hex;
  times: number;
  /** The height from which it is tried again. */
  from: number;
}

/**
 * Sends what duties need, each signed transaction on the disk before a node sees it, in one row of nonces. A nonce that was
 * taken keeps its transaction, dearer if need be, until it is used; that a challenge is sent in vain costs gas, no more.
 */
export class Sender {
  private readonly options: SenderOptions;
  private readonly sent = new Map<Hex, number>();
  private readonly refused = new Map<string, Refusal>();
  /** When each open duty was seen first, in milliseconds. */
  private readonly seenAt = new Map<string, number>();
  private found: { kind: string; text: string } | null = null;
  private before: string | null = null;
  private estimates = 0;

  constructor(options: SenderOptions) {
    this.options = options;
  }

  /** What somebody must mend, in words. */
  get problem(): string | null {
    return this.found?.text ?? null;
  }

  /** Does what can be done for these duties, which are as this block shows them. */
  async work(head: Header, duties: readonly Duty[]): Promise<void> {
    this.before = this.found?.kind ?? null;
    this.found = null;
    const open = new Map(duties.map((duty) => [duty.key, duty]));
    for (const key of this.refused.keys()) if (!open.has(key)) this.refused.delete(key);
    for (const key of this.seenAt.keys()) if (!open.has(key)) this.seenAt.delete(key);
    for (const key of open.keys()) if (!this.seenAt.has(key)) this.seenAt.set(key, performance.now());
    if (open.size === 0) return;
    const look = await this.look(head);
    const slots = this.options.records.slots(this.options.signer.address, look.nonceNow);
    const served = await this.servedBy(slots, open);
    const full = await this.beginAll(duties, look, slots, served);
    // What nobody needs any more goes out only to free its nonce, for those behind it.
    const lastNeeded = full ? Infinity : Math.max(-1, ...served.keys());
    for (const [index, slot] of slots.entries()) if (slot.nonce <= lastNeeded) await this.push(slot, look, index === 0);
  }

  /** Takes nonces for what no transaction serves yet. True when more are needed than there may be. */
  private async beginAll(
    duties: readonly Duty[],
    look: Look,
    slots: Slot[],
    served: Map<number, string>,
  ): Promise<boolean> {
    this.estimates = 0;
    for (const duty of duties) {
      if ([...served.values()].includes(duty.key) || this.isLeftToOthers(duty, look.head)) continue;
      if (slots.length >= NONCES_MAX) return true;
      // What is refused for now, or lacks funds, is not asked for: it keeps nobody else waiting.
      if (this.estimates >= TRIED_MAX) return false;
      const slot = await this.begin(duty, look, slots);
      if (slot === null) continue;
      slots.push(slot);
      slots.sort((a, b) => a.nonce - b.nonce);
      served.set(slot.nonce, duty.key);
    }
    return false;
  }

  private isLeftToOthers(duty: Duty, head: Header): boolean {
    const patienceMs = this.options.patienceMs?.(duty, head) ?? 0;
    return patienceMs > 0 && performance.now() - (this.seenAt.get(duty.key) ?? -Infinity) < patienceMs;
  }

  private async look(head: Header): Promise<Look> {
    const { rpc, signer, maxFeeGwei } = this.options;
    return {
      head,
      nonceNow: await rpc.nonce(signer.address, head.hash),
      balance: await rpc.balance(signer.address, head.hash),
      baseFeePerGas: head.baseFeePerGas,
      tip: await rpc.tip(),
      maxFeePerGas: BigInt(maxFeeGwei) * 10n ** 9n,
    };
  }

  /** Keys of the duties by the nonces whose transactions do what they need. */
  private async servedBy(slots: readonly Slot[], open: ReadonlyMap<string, Duty>): Promise<Map<number, string>> {
    const served = new Map<number, string>();
    for (const slot of slots) {
      const duty = open.get(slot.duty);
      if (duty === undefined || [...served.values()].includes(slot.duty)) continue;
      // Made for another fork, or before a block was committed, it may still do, or not.
      const works = slot.data === (await this.dataOf(duty)) || typeof (await this.estimate(slot)) === "bigint";
      if (works) served.set(slot.nonce, slot.duty);
    }
    return served;
  }

  /** Takes a nonce for a duty and signs; null when that cannot be now. */
  private async begin(duty: Duty, look: Look, slots: readonly Slot[]): Promise<Slot | null> {
    const { records, signer, log } = this.options;
    const { key, value } = duty;
    const data = await this.dataOf(duty);
    if (data === null) return null;
    const refusal = this.refused.get(key);
    if (refusal?.data === data && look.head.number < refusal.from) return null;
    const from = look.head.number - FRUITLESS_BLOCKS;
    if (records.usedFor(signer.address, key, look.nonceNow, from) >= FRUITLESS_MAX) {
      return this.complain("fruitless", `${key} was mined ${FRUITLESS_MAX} times without effect: look at that exit`);
    }
    const fees = currentFees(look);
    const committed = slots.reduce((sum, slot) => sum + this.costOf(slot), 0n);
    const left = look.balance - committed;
    if (left < value) return this.lack(value + GAS_ENOUGH * fees.maxFeePerGas - left, committed, key);
    const gas = await this.estimate({ data, value });
    if (typeof gas === "string") return this.refuse(key, data, gas, look.head.number);
    const gasLimit = (gas * (100n + GAS_MARGIN_PERCENT)) / 100n;
    const cost = value + gasLimit * fees.maxFeePerGas;
    if (left < cost) return this.lack(cost - left, committed, key);
    let nonce = look.nonceNow;
    for (const slot of slots) if (slot.nonce === nonce) nonce++;
    const slot = { nonce, duty: key, data, value, gasLimit };
    const attempt = await this.sign(slot, 0, fees, look.head.number);
    if (attempt === null) return null;
    records.begin(signer.address, slot, attempt);
    this.refused.delete(key);
    log.info({ duty: key, nonce, hash: attempt.hash, maxFeePerGas: String(fees.maxFeePerGas) }, "challenge signed");
    return slot;
  }

  /** Sends the nonce's transaction, or a dearer one; only the first in the row is what keeps the others waiting. */
  private async push(slot: Slot, look: Look, first: boolean): Promise<void> {
    const { records, signer, log } = this.options;
    const attempts = records.attempts(signer.address, slot.nonce);
    const last = attempts.at(-1) as SignedAttempt;
    const sentAt = this.sent.get(last.hash) ?? null;
    const { head, ...prices } = look;
    const action = nextAttempt({ ...prices, ethereumBlock: head.number, attempts, sentAt });
    if (first && action.do === "sign") {
      const missing = slot.value + slot.gasLimit * action.fees.maxFeePerGas - look.balance;
      if (missing > 0n) this.lack(missing, 0n, slot.duty);
      const dearer = missing > 0n ? null : await this.sign(slot, action.index, action.fees, head.number);
      if (dearer !== null) {
        records.add(signer.address, slot.nonce, dearer);
        log.info(
          { duty: slot.duty, nonce: slot.nonce, attempt: dearer.index, hash: dearer.hash },
          "challenge replaced",
        );
        return await this.send(slot, dearer, head.number);
      }
    }
    if (first && action.do === "wait" && action.atLimit) {
      this.complain("limit", `${slot.duty} waits at the highest fee allowed: raise MAX_FEE_GWEI`);
    }
    if (sentAt === null || sentAt < head.number) await this.send(slot, last, head.number);
  }

  private async sign(
    { nonce, data, value, gasLimit }: Slot,
    index: number,
    fees: SignedAttempt | ReturnType<typeof currentFees>,
    ethereumBlock: number,
  ): Promise<SignedAttempt | null> {
    const { signer, chainId, rootChain: to } = this.options;
    const signed = await signExactly(signer, { chainId, nonce, to, data, value, gasLimit, ...fees });
    if ("problem" in signed) return this.complain("signer", signed.problem);
    return { index, ...signed, ...fees, ethereumBlock };
  }

  private async send({ duty, nonce }: Slot, { raw, hash }: SignedAttempt, ethereumBlock: number): Promise<void> {
    const { rpc, log } = this.options;
    const { taken, refusals } = await rpc.sendRawTransaction(raw);
    if (refusals.length > 0)
      log.debug({ duty, hash, refusals }, "a node did not take the challenge, which proves nothing");
    if (taken > 0 && !this.sent.has(hash)) log.info({ duty, nonce, hash }, "challenge sent");
    this.sent.set(hash, ethereumBlock);
  }

  /** Null when it cannot be made now, which keeps no other duty from being done. */
  private async dataOf(duty: Duty): Promise<Hex | null> {
    try {
      return await duty.data();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return this.complain("data", `${duty.key} cannot be made ready: ${reason}`);
    }
  }

  /** Gas of a transaction in the latest state, or the reason why it would do nothing. */
  private async estimate({ data, value }: Pick<Slot, "data" | "value">): Promise<bigint | string> {
    const { rpc, signer, rootChain } = this.options;
    this.estimates++;
    try {
      return await rpc.estimateGas({ from: signer.address, to: rootChain, data, value });
    } catch (error) {
      if (!(error instanceof EthereumError) || error.code !== "RPC_ERROR") throw error;
      return error.message;
    }
  }

  /** Somebody else was first, or it is not the time yet: tried again later, if it is still there to be done. */
  private refuse(key: string, data: Hex, reason: string, height: number): null {
    const before = this.refused.get(key);
    const times = before?.data === data ? before.times + 1 : 1;
    const from = height + Math.min(2 ** (times - 1), REFUSED_BLOCKS_MAX);
    this.refused.set(key, { data, times, from });
    this.options.log[times === 1 ? "info" : "warn"]({ duty: key, reason, times }, "a challenge is not possible now");
    return null;
  }

  private costOf({ nonce, value, gasLimit }: Slot): bigint {
    const last = this.options.records.attempts(this.options.signer.address, nonce).at(-1);
    return value + gasLimit * (last?.maxFeePerGas ?? 0n);
  }

  /** What waits for blocks frees most of what it holds back; only without it somebody must send more. */
  private lack(missing: bigint, committed: bigint, key: string): null {
    if (committed > 0n) return null;
    const text = `${this.options.signer.address} lacks ${missing} wei for ${key}: send it that much`;
    return this.complain("funds", text);
  }

  private complain(kind: string, text: string): null {
    if (this.found === null && this.before !== kind) this.options.log.error(text);
    this.found ??= { kind, text };
    return null;
  }
}
