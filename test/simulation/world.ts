import { createHash } from "node:crypto";
import secp256k1 from "secp256k1";
import { EthereumError } from "@plasma-billing/ethereum/errors.ts";
import { keySigner } from "@plasma-billing/ethereum/signer.ts";
import { decodeEntryBytes } from "@plasma-billing/protocol/entryBytes.ts";
import { fromHex, toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { keccak256 } from "@plasma-billing/protocol/keccak.ts";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import { encodePayment } from "@plasma-billing/protocol/paymentBytes.ts";
import {
  ETHER,
  depositHash,
  outputId,
  transactionHash,
  ZERO_HASH,
  type OutputId,
  type Transaction,
} from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Logger } from "pino";
import type { JournalGroup } from "../../operator/journal/journal.ts";
import { SettlementRecords } from "../../operator/settlement/records.ts";
import { verifyPayment } from "@plasma-billing/ethereum/verification/recover.ts";
import { Random } from "../adversary/random.ts";
import { VirtualTime } from "./clock.ts";
import {
  CHAIN_ID,
  CONTRACT,
  decodeRaw,
  GWEI,
  SimEthereum,
  SLOT_SECONDS,
  type SimBlock,
  type SimDeposit,
  type SimTransaction,
} from "./ethereum.ts";
import { HEALTHY, SimNode } from "./node.ts";
import { SimOperator, type Disk } from "./operator.ts";

export const START_MS = 1_800_000_000_000;
export const HOUR_MS = 3_600_000;
const MAX_FEE_GWEI = 200;
/** An hour, and what a seal may take. */
const LONGEST_HOUR_MS = HOUR_MS + 60_000;
const TIMEOUT_MS = 10_000;
/** What happened on Ethereum so long ago the operator has seen, when all works. */
const SEEN_MS = 60_000;
const OPERATOR_KEY: Hex = `0x${"11".repeat(32)}`;
const KEYS = [1, 2, 3, 4].map((n) => new Uint8Array(32).fill(n + 32));
const OWNERS = KEYS.map(
  (key) => toHex(keccak256(secp256k1.publicKeyCreate(key, false).subarray(1)).subarray(12)) as Address,
);
const FUNDS = 2n * 10n ** 18n;

/** Something that must never be was. */
export class Violation extends Error {}

/** Figures of a run. */
export interface Figures {
  commits: number;
  attempts: number;
  payments: number;
  deposits: number;
  reorganisations: number;
  deepest: number;
  crashes: number;
  faults: number;
  reverts: number;
  backlog: number;
}

/** Users, Ethereum, its nodes, and the operator's machine, on one virtual clock; everything random comes from the seed. */
export class World {
  readonly time = new VirtualTime(START_MS);
  readonly ethereum: SimEthereum;
  readonly nodes: SimNode[];
  readonly disk: Disk;
  operator: SimOperator;
  readonly figures: Figures = {
    ...{ commits: 0, attempts: 0, payments: 0, deposits: 0, reorganisations: 0, deepest: 0 },
    ...{ crashes: 0, faults: 0, reverts: 0, backlog: 0 },
  };
  readonly random: Random;
  skewMs = 0;
  /** Calls to the outside until the process dies; null: it lives. */
  crashIn: number | null = null;
  /** Whether the miners leave the operator out. */
  censored = false;
  /** Since when Ethereum holds another root, by somebody else; meant to, and null until it does. */
  private foreignMeant = false;
  private foreignSinceMs: number | null = null;
  violation: Violation | null = null;
  readonly tail: string[] = [];
  private readonly digest = createHash("sha256");
  private readonly chance: Random;
  private readonly deposits: SimDeposit[] = [];
  private readonly sealed = new Map<number, Hex>();
  /** Broadcast: by block number, the nonces and what was offered with each. */
  private readonly broadcast = new Map<number, Map<number, Map<Hex, SimTransaction>>>();
  private readonly numberOf = new Map<number, number>();
  private readonly acknowledged = new Map<Hex, string>();
  private readonly acknowledgedMs = new Map<Hex, number>();
  private readonly written = new Map<Hex, string>();
  private readonly spendable: { id: OutputId; owner: number; amount: bigint }[] = [];
  private readonly finalDeposits: SimDeposit[] = [];
  private scannedTo = 0;
  private sealedSoFar = 0;
  private restartMs = 1_000;

  constructor(seed: number, nodes: number) {
    this.random = Random.forked(seed, 1);
    this.chance = Random.forked(seed, 2);
    this.ethereum = new SimEthereum(keySigner(OPERATOR_KEY).address, START_MS, FUNDS);
    this.nodes = Array.from({ length: nodes }, (_, i) => {
      return new SimNode(`http://node${i}`, this.ethereum, Random.forked(seed, 10 + i));
    });
    const writeMs = (): number => this.chance.int(this.disk.slow ? 60_000 : 4);
    const onWrite = (group: JournalGroup): void => this.journaled(group);
    this.disk = { groups: [], onWrite, records: new SettlementRecords(":memory:"), full: false, slow: false, writeMs };
    this.operator = this.start();
    this.nextSlot();
    this.nextUser();
  }

  /** The line of all that happened. */
  get trace(): string {
    return this.digest.copy().digest("hex").slice(0, 16);
  }

  /** Blocks sealed that Ethereum does not hold. */
  get backlog(): number {
    return this.sealedSoFar - this.ethereum.head.state.headers.length;
  }

  tell(text: string): void {
    const seconds = (this.time.now() - START_MS) / 1000;
    const hour = Math.floor(seconds / 3600);
    const line = `${hour}:${String(Math.floor((seconds % 3600) / 60)).padStart(2, "0")}:${(seconds % 60).toFixed(3).padStart(6, "0")} ${text}`;
    this.digest.update(line);
    this.tail.push(line);
    if (this.tail.length > 20_000) this.tail.splice(0, 10_000);
  }

  violate(text: string): void {
    this.violation ??= new Violation(text);
    this.tell(`VIOLATION ${text}`);
  }

  // ---- the operator's machine

  kill(restartMs: number): void {
    this.restartMs = restartMs;
    if (!this.operator.alive) return;
    this.operator.kill();
    this.crashed();
  }

  private crashed(): void {
    this.figures.crashes++;
    this.crashIn = null;
    const after = this.restartMs;
    this.restartMs = 1_000 + this.chance.int(60_000);
    this.tell(`the operator is killed, starts again in ${Math.round(after / 1000)} s`);
    const dead = this.operator;
    this.time.after(after, () => {
      if (this.operator === dead) this.restart();
    });
  }

  /** Now, however long it was meant to be away. */
  restart(): void {
    this.operator = this.start();
  }

  get sealedCount(): number {
    return this.sealedSoFar;
  }

  private start(): SimOperator {
    this.tell("the operator starts");
    return new SimOperator({
      ...{ time: this.time, disk: this.disk, signer: keySigner(OPERATOR_KEY), maxFeeGwei: MAX_FEE_GWEI },
      skewMs: () => this.skewMs,
      urls: this.nodes.map(({ url }) => url),
      transport: async (url, method, params) => await this.request(url, method, params),
      log: this.logger(),
      crashes: () => this.crashIn !== null && --this.crashIn < 0,
      onCrash: () => this.crashed(),
      onFailure: (error) =>
        this.violate(`the operator fails: ${error instanceof Error ? (error.stack ?? "") : String(error)}`),
    });
  }

  private logger(): Logger {
    const line = (level: string) => (what: unknown, text?: string) => {
      if (level === "debug") return;
      const about = typeof what === "string" ? "" : ` ${JSON.stringify(what, plain).slice(0, 300)}`;
      this.tell(`operator ${level}: ${text ?? String(what)}${about}`);
    };
    return { info: line("info"), warn: line("warn"), error: line("error"), debug: line("debug") } as unknown as Logger;
  }

  /** What the process has just put on the disk. */
  private journaled({ entries }: JournalGroup): void {
    for (const bytes of entries) {
      const entry = decodeEntryBytes(bytes);
      if (entry.type === "payment") {
        this.written.set(entry.hash, placeOf(entry));
        for (const [index, { owner, amount }] of entry.transaction.outputs.entries()) {
          this.spendable.push({ id: outputId(entry.hash, index), owner: OWNERS.indexOf(owner), amount });
        }
      } else if (entry.type === "seal") {
        this.sealed.set(entry.number, entry.transactionsRoot);
        this.sealedSoFar = entry.number;
        this.tell(`block ${entry.number} is sealed with ${entry.transactionCount} payments`);
      } else if (entry.type === "deposit") {
        const { owner, amount } = this.finalDeposit(Number(entry.id)) ?? {};
        if (owner !== entry.owner || amount !== entry.amount)
          this.violate(`deposit ${entry.id} is credited, but not final`);
        const { id, token } = entry;
        const hash = depositHash(new Ledger({ chainId: CHAIN_ID, verifyingContract: CONTRACT }).separator, {
          ...{ id, token, owner: entry.owner, amount: entry.amount },
        });
        this.spendable.push({ id: outputId(hash, 0), owner: OWNERS.indexOf(entry.owner), amount: entry.amount });
      } else if (entry.type === "commit" && entry.state === "finalized") {
        if (this.ethereum.final.state.headers.length < entry.number)
          this.violate(`commit ${entry.number} is not final`);
      }
    }
  }

  private finalDeposit(id: number): SimDeposit | undefined {
    const { final } = this.ethereum;
    for (; this.scannedTo < final.number; this.scannedTo++) {
      this.finalDeposits.push(...(this.ethereum.ancestor(final, this.scannedTo + 1)?.deposits ?? []));
    }
    return this.finalDeposits[id - 1];
  }

  // ---- between the operator and the nodes

  private async request(url: string, method: string, params: readonly unknown[]): Promise<unknown> {
    const node = this.nodes.find((one) => one.url === url) as SimNode;
    const sending = method === "eth_sendRawTransaction";
    if (sending) this.checkBroadcast(params[0] as Hex);
    const { down, hangs } = node.faults;
    if (down) throw silence(url, "connection refused");
    // Now and then another thing happens before the answer.
    if (this.chance.chance(0.02)) await this.time.sleep(this.chance.int(3000));
    if (!hangs) return node.answer(method, params);
    const forwarded = sending && this.chance.chance(0.5);
    if (forwarded) {
      try {
        node.answer(method, params);
      } catch {
        // What it would have said nobody hears.
      }
    }
    await this.time.sleep(TIMEOUT_MS);
    throw silence(url, "time-out");
  }

  private checkBroadcast(raw: Hex): void {
    const transaction = decodeRaw(raw);
    const { commit, nonce, hash } = transaction;
    const first =
      this.broadcast
        .get(commit?.number ?? 0)
        ?.get(nonce)
        ?.has(hash) !== true;
    if (commit === null) return this.violate(`${hash} is no commit`);
    const { number } = commit;
    if (this.time.now() - (this.foreignSinceMs ?? Infinity) > SEEN_MS) {
      this.violate(`block ${number} is sent though Ethereum holds another root`);
    }
    if (!first) return;
    this.figures.attempts++;
    this.tell(
      `attempt for block ${number} with nonce ${nonce} and at most ${transaction.maxFeePerGas / GWEI} gwei goes out`,
    );
    if (commit.transactionsRoot !== this.sealed.get(number))
      this.violate(`INV-12: block ${number} goes out with a root that was not sealed`);
    if (!this.disk.records.allAttempts(number).some((attempt) => attempt.hash === hash)) {
      this.violate(`the attempt for block ${number} goes out before it is on the disk`);
    }
    if (transaction.maxFeePerGas > BigInt(MAX_FEE_GWEI) * GWEI)
      this.violate(`${transaction.maxFeePerGas} wei are above the limit`);
    this.checkNonce(transaction, number);
  }

  private checkNonce(transaction: SimTransaction, number: number): void {
    const { nonce, hash, maxFeePerGas, maxPriorityFeePerGas } = transaction;
    const owner = this.numberOf.get(nonce) ?? number;
    if (owner !== number) this.violate(`nonce ${nonce} serves blocks ${owner} and ${number}`);
    this.numberOf.set(nonce, number);
    const nonces = this.broadcast.get(number) ?? new Map<number, Map<Hex, SimTransaction>>();
    this.broadcast.set(number, nonces);
    const { state } = this.ethereum.final;
    for (let other = state.nonce; other < nonce; other++) {
      if (!this.numberOf.has(other))
        this.violate(`block ${number} waits behind nonce ${other}, which somebody else used and may lose`);
    }
    for (const other of nonces.keys()) {
      const over = state.nonce > other && state.headers.length < number;
      if (other !== nonce && !over) this.violate(`block ${number} has two live nonces, ${other} and ${nonce}`);
    }
    const offered = nonces.get(nonce) ?? new Map<Hex, SimTransaction>();
    nonces.set(nonce, offered);
    for (const before of offered.values()) {
      const enough =
        maxFeePerGas * 10n >= before.maxFeePerGas * 11n &&
        maxPriorityFeePerGas * 10n >= before.maxPriorityFeePerGas * 11n;
      if (!enough) this.violate(`a replacement for block ${number} is not a tenth dearer`);
    }
    offered.set(hash, transaction);
  }

  // ---- Ethereum

  private nextSlot(): void {
    this.time.after(SLOT_SECONDS * 1000, () => {
      this.nextSlot();
      this.slot();
    });
  }

  missedSlots = 0.01;
  /** Gwei that the base fee goes to. */
  feeTarget = 20;

  private slot(): void {
    if (this.random.chance(this.missedSlots)) return;
    const { ethereum } = this;
    this.mineOn(ethereum.head, Math.floor(this.time.now() / 1000));
    const gwei = Number(ethereum.head.baseFee / GWEI);
    ethereum.feeDrift = gwei > this.feeTarget ? 890 : gwei < this.feeTarget * 0.8 ? 1125 : 1000;
    this.spread();
  }

  private mineOn(parent: SimBlock, timestamp: number): void {
    const waiting = new Map<number, SimTransaction[]>();
    for (const { mempool } of this.nodes) {
      for (const transaction of mempool.values()) {
        const same = waiting.get(transaction.nonce) ?? [];
        if (!same.some(({ hash }) => hash === transaction.hash)) same.push(transaction);
        waiting.set(transaction.nonce, same);
      }
    }
    const candidates: SimTransaction[] = [];
    for (const nonce of [...waiting.keys()].sort((a, b) => a - b)) {
      const same = waiting.get(nonce) as SimTransaction[];
      same.sort((a, b) => (a.maxFeePerGas < b.maxFeePerGas ? 1 : -1));
      // Now and then an older attempt wins.
      const chosen = this.random.chance(0.8) ? same[0] : this.random.pick(same);
      if (!this.censored && this.random.chance(0.85)) candidates.push(chosen as SimTransaction);
    }
    const taken: SimDeposit[] = [];
    for (const deposit of this.deposits.splice(0)) (this.random.chance(0.9) ? taken : this.deposits).push(deposit);
    const block = this.ethereum.mine(parent, Math.max(timestamp, parent.timestamp + 1), candidates, taken);
    for (const transaction of block.transactions) this.mined(block, transaction);
  }

  private mined(block: SimBlock, { hash, nonce, commit }: SimTransaction): void {
    const succeeded = block.receipts.get(hash)?.succeeded === true;
    this.tell(
      `Ethereum ${block.number}: nonce ${nonce} ${commit === null ? "foreign" : `commits ${commit.number}`}${succeeded ? "" : ", reverted"}`,
    );
    if (!succeeded) this.figures.reverts++;
    if (commit === null || !succeeded) return;
    this.figures.commits++;
    const foreign = commit.transactionsRoot !== this.sealed.get(commit.number);
    if (foreign && this.foreignMeant) this.foreignSinceMs ??= this.time.now();
    else if (foreign) this.violate(`INV-12: Ethereum holds another root for block ${commit.number}`);
  }

  /** The nodes take up what there is, and tell each other what they have. */
  private spread(): void {
    for (const node of this.nodes) if (!this.random.chance(0.05)) node.follow();
    for (const node of this.nodes) {
      for (const transaction of node.mempool.values()) {
        for (const other of this.nodes) {
          const has = [...other.mempool.values()].some(({ nonce }) => nonce === transaction.nonce);
          if (!has && !other.faults.forgets && transaction.nonce >= other.head.state.nonce && this.random.chance(0.7)) {
            other.mempool.set(transaction.hash, transaction);
          }
        }
      }
    }
  }

  /** Replaces the last blocks by others, as many or one more. */
  reorganise(depth: number): void {
    const { ethereum, random } = this;
    const most = ethereum.head.number - ethereum.final.number - 1;
    const count = Math.min(depth, most);
    if (count < 1) return;
    const orphans: SimBlock[] = [];
    for (let block = ethereum.head; orphans.length < count; block = block.parent as SimBlock) orphans.unshift(block);
    this.figures.reorganisations++;
    this.figures.deepest = Math.max(this.figures.deepest, count);
    this.tell(`a reorganisation takes ${count} blocks from ${orphans[0]?.number}`);
    for (const { transactions, deposits } of orphans) {
      for (const deposit of deposits) if (random.chance(0.85)) this.deposits.push(deposit);
      for (const transaction of transactions) {
        for (const node of this.nodes) if (random.chance(0.4)) node.mempool.set(transaction.hash, transaction);
      }
    }
    this.deposits.sort(() => (random.chance(0.5) ? 1 : -1));
    const parent = orphans[0]?.parent as SimBlock;
    let head = parent;
    for (const { timestamp } of orphans) {
      this.mineOn(head, timestamp);
      head = ethereum.head;
    }
    if (random.chance(0.5)) this.mineOn(head, head.timestamp + 1);
    this.spread();
  }

  /** Somebody else who has the key uses the nonce. */
  useNonce(): void {
    const { state } = this.ethereum.head;
    const fees = { maxFeePerGas: 1000n * GWEI, maxPriorityFeePerGas: 10n * GWEI, gasLimit: 21_000n };
    const hash: Hex = `0x${(0xf0_0000_0000 + this.random.int(2 ** 31)).toString(16).padStart(64, "0")}`;
    this.tell(`somebody else uses nonce ${state.nonce}`);
    this.offer({ hash, from: this.ethereum.operator, nonce: state.nonce, ...fees, commit: null });
  }

  /** Somebody else who has the key commits something else. */
  commitForeign(): void {
    const { state } = this.ethereum.head;
    this.foreignMeant = true;
    const number = state.headers.length + 1;
    this.tell(`somebody else commits block ${number}`);
    const fees = { maxFeePerGas: 2000n * GWEI, maxPriorityFeePerGas: 20n * GWEI, gasLimit: 100_000n };
    const commit = { number, transactionsRoot: `0x${"66".repeat(32)}` as const, transactionCount: 1 };
    this.offer({ hash: `0x${"f0".repeat(32)}`, from: this.ethereum.operator, nonce: state.nonce, ...fees, commit });
  }

  private offer(transaction: SimTransaction): void {
    for (const { mempool } of this.nodes) {
      for (const { hash, nonce } of mempool.values()) if (nonce === transaction.nonce) mempool.delete(hash);
      mempool.set(transaction.hash, transaction);
    }
  }

  // ---- users

  private nextUser(): void {
    this.time.after(60_000 + this.chance.int(900_000), () => {
      this.nextUser();
      if (this.chance.chance(0.2) || this.spendable.length === 0) this.deposit();
      else void this.pay();
    });
  }

  private deposit(): void {
    this.figures.deposits++;
    const owner = OWNERS[this.chance.int(OWNERS.length)] as Address;
    this.deposits.push({ owner, amount: BigInt(1 + this.chance.int(1_000_000)) });
  }

  private async pay(): Promise<void> {
    const { chance, operator } = this;
    const at = chance.int(this.spendable.length);
    const { id, owner, amount } = this.spendable[at] as (typeof this.spendable)[number];
    if (operator.ledger.output(id) === undefined) {
      // Spent meanwhile, or the operator is not there: forgotten only when it surely was spent.
      if (operator.sequencer !== null && operator.alive) this.spendable.splice(at, 1);
      return;
    }
    const part = amount > 1n && chance.chance(0.5) ? amount / 2n : 0n;
    const outputs = [part, amount - part]
      .filter((value) => value > 0n)
      .map((value) => {
        return { owner: OWNERS[chance.int(OWNERS.length)] as Address, token: ETHER, amount: value };
      });
    const { separator } = operator.ledger;
    const transaction: Transaction = { purpose: "transfer", inputs: [id], outputs, fileHash: ZERO_HASH };
    const hash = transactionHash(separator, transaction);
    const { signature, recid } = secp256k1.ecdsaSign(fromHex(hash), KEYS[owner] as Uint8Array);
    const signatures: Hex[] = [`${toHex(signature)}${(27 + recid).toString(16)}` as Hex];
    const record = verifyPayment(separator, encodePayment({ ...transaction, signatures }));
    const result = await operator.pay(record);
    if (result.kind === "refused") return this.violate(`a right payment is refused: ${result.error.code}`);
    if (result.kind !== "accepted") return;
    this.figures.payments++;
    this.acknowledged.set(hash, placeOf(result.position));
    this.acknowledgedMs.set(hash, this.time.now());
    if (!this.written.has(hash)) this.violate(`INV-11: payment ${hash} is acknowledged before it is on the disk`);
  }

  /** Whatever was acknowledged is in the journal, and nobody's deposit is forgotten. */
  checkNothingLost(): void {
    for (const [hash, place] of this.acknowledged) {
      if (this.written.get(hash) !== place) this.violate(`INV-11: payment ${hash} was told to be at ${place}`);
    }
  }

  /** How all must stand some time after everything works again. */
  checkProgress(sealedBefore: number, depositsBefore: number): void {
    const { operator, ethereum } = this;
    const { committer, loop } = operator.ethereum ?? {};
    if (committer === undefined || loop === undefined) return this.violate("the operator does not come up");
    if (committer.halted !== null) this.violate(`committing has stopped for no reason: ${committer.halted.reason}`);
    for (const { code, text } of loop.alarms) this.violate(`${code} though all works: ${text}`);
    const final = ethereum.final.state.headers.length;
    if (final < sealedBefore) this.violate(`block ${final + 1} of ${sealedBefore} is not final in time`);
    for (const { number, commit } of operator.ledger.sealedBlocks) {
      if (number <= sealedBefore && commit.state !== "finalized")
        this.violate(`the operator takes block ${number} for ${commit.state}`);
    }
    if (operator.ledger.creditedDeposits < BigInt(depositsBefore)) {
      this.violate(`deposit ${operator.ledger.creditedDeposits + 1n} of ${depositsBefore} is not credited in time`);
    }
    for (const [hash, place] of this.acknowledged) {
      if (Number(place.split("/")[0]) > this.sealedSoFar && this.ackedAt(hash) < this.time.now() - LONGEST_HOUR_MS) {
        this.violate(`payment ${hash} waits for the end of its hour`);
      }
    }
    this.checkNothingLost();
  }

  private ackedAt(hash: Hex): number {
    return this.acknowledgedMs.get(hash) ?? Infinity;
  }

  /** Everything works again. */
  heal(): void {
    this.tell("all faults are over");
    for (const node of this.nodes) node.faults = { ...HEALTHY };
    for (const node of this.nodes) node.tip = GWEI;
    this.ethereum.finalityDelay = 0;
    this.feeTarget = 20;
    this.missedSlots = 0.01;
    this.censored = false;
    this.skewMs = 0;
    this.crashIn = null;
    this.disk.full = false;
    this.disk.slow = false;
    const { balance } = this.ethereum.head.state;
    if (balance < FUNDS) this.ethereum.topUp(FUNDS - balance);
  }
}

function silence(url: string, reason: string): EthereumError {
  return new EthereumError("UNREACHABLE", `${url} does not answer: ${reason}`);
}

function placeOf({ blockNumber, transactionIndex }: { blockNumber: number; transactionIndex: number }): string {
  return `${blockNumber}/${transactionIndex}`;
}

function plain(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
