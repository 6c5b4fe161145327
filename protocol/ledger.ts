import { InvariantError, type ProtocolError } from "./errors.ts";
import type { CommitEntry, CommitState, DepositEntry, Entry, SealEntry } from "./entries.ts";
import {
  ACCEPTED_AT,
  BLOCK_AT,
  checkPaymentEntry,
  HASH_AT,
  INDEX_AT,
  INPUT_BYTES,
  outputIdsAt,
  PAYMENT_AT,
  PAYMENT_KIND,
  paymentEntryBytes,
  spentAt,
} from "./entryBytes.ts";
import { ExitBook } from "./exitBook.ts";
import { fromHex, toHex, type Hex } from "./hex.ts";
import { readHead, writeHead } from "./ledgerHead.ts";
import { LiveOutputs, type Totals } from "./liveOutputs.ts";
import { MAX_TRANSACTIONS_PER_BLOCK, MerkleFrontier } from "./merkle.ts";
import type { LedgerOutput } from "./output.ts";
import { KNOWN_SECRET, type TableCopy, type TableSecret } from "./outputTable.ts";
import { marketFault } from "./market/flows.ts";
import { Market, type MarketRecord } from "./market/market.ts";
import { formFault, inputFault, type VerifiedPayment } from "./payment.ts";
import {
  countsAt,
  decodePayment,
  HASH_BYTES,
  INPUTS_AT,
  OUTPUT_BYTES,
  outputsAt,
  type PaymentCounts,
} from "./paymentBytes.ts";
import { screens } from "./paymentScreen.ts";
import {
  depositHash,
  MAX_INPUTS,
  outputId,
  PURPOSES,
  type OutputId,
  type SignedTransaction,
  type Transaction,
} from "./transaction.ts";
import { domainSeparator, type Address, type Domain } from "./typedData.ts";
import { hashOf, PAYMENT_IN_VERIFIED, signersOf, verifiedPaymentBytes } from "./verifiedPayment.ts";

/** Where a payment is, and when it was taken (Unix milliseconds). */
export interface Position {
  blockNumber: number;
  transactionIndex: number;
  acceptedAt: number;
}

export interface LedgerBlock {
  readonly number: number;
  readonly transactionsRoot: Hex;
  readonly transactionCount: number;
  /** Unix milliseconds. */
  readonly openedAt: number;
  readonly sealedAt: number;
  /** Journal positions of the first entry it can have a payment in, and of its seal. */
  readonly firstEntry: number;
  readonly sealEntry: number;
  /** Where it stands on Ethereum. */
  commit: { readonly state: CommitState } & Omit<CommitEntry, "type" | "number">;
}

/** Where an entry is to be written. */
export interface EntrySlot {
  view: DataView;
  bytes: Uint8Array;
  at: number;
}

/** Room for the entry of a payment of that many bytes. */
export type Reserve = (length: number) => EntrySlot;

const NO_TOTALS: Readonly<Totals> = { deposited: 0n, live: 0n, withdrawn: 0n };

/**
 * The child chain as a pure state machine: entries in, state out. Nothing here reads a clock, the network or a disk, so the
 * same entries give the same state everywhere. It keeps what is not spent and forgets the rest: history is the journal's.
 * `take` judges a payment and, if it may be, makes it an entry; `apply` and `applyPayment` take entries and throw an
 * InvariantError, before changing anything, for one that cannot be.
 */
export class Ledger {
  readonly separator: Hex;
  readonly maxTransactionsPerBlock: number;
  readonly domain: Domain;
  private readonly secret: TableSecret;
  private outputs: LiveOutputs;
  private readonly exitBook = new ExitBook();
  readonly market = new Market();
  private sealed: LedgerBlock[] = [];
  private tree = new MerkleFrontier();
  private depositCount = 0n;
  private openedAt: number | null = null;
  private firstAcceptedAt: number | null = null;
  private firstEntry = 1;
  private entryCount = 0;
  private followed: { number: number; hash: Hex } | null = null;
  /** Records of the inputs of the payment that was screened last. */
  private readonly inputs = new Int32Array(MAX_INPUTS);

  /** @param secret to be drawn anew by whoever takes payments from others */
  constructor(domain: Domain, maxTransactionsPerBlock = MAX_TRANSACTIONS_PER_BLOCK, secret = KNOWN_SECRET) {
    this.secret = secret;
    this.outputs = new LiveOutputs(secret);
    this.domain = domain;
    this.separator = domainSeparator(domain);
    this.maxTransactionsPerBlock = maxTransactionsPerBlock;
  }

  /** How many entries it has taken: the journal position of the last. */
  get position(): number {
    return this.entryCount;
  }

  /** The block that payments go into; `firstAcceptedAt` is null while it is empty. */
  get openBlock(): {
    number: number;
    transactionCount: number;
    openedAt: number;
    firstAcceptedAt: number | null;
    firstEntry: number;
  } {
    return {
      number: this.sealed.length + 1,
      transactionCount: this.tree.count,
      openedAt: this.openedAt ?? 0,
      firstAcceptedAt: this.firstAcceptedAt,
      firstEntry: this.firstEntry,
    };
  }

  get openBlockFull(): boolean {
    return this.tree.count >= this.maxTransactionsPerBlock;
  }

  /** Root over the open block's payments so far; needs at least one. */
  get openRoot(): Hex {
    return this.tree.root();
  }

  get hasGenesis(): boolean {
    return this.openedAt !== null;
  }

  /** Standard exits by their numbers. */
  get exits(): ExitBook["all"] {
    return this.exitBook.all;
  }

  get inFlightExits(): ExitBook["allInFlight"] {
    return this.exitBook.allInFlight;
  }

  get sealedBlocks(): readonly LedgerBlock[] {
    return this.sealed;
  }

  /** How many deposits were credited: their ids are 1 to this. */
  get creditedDeposits(): bigint {
    return this.depositCount;
  }

  /** The Ethereum block up to which everything final was taken in. */
  get lastFollowed(): { readonly number: number; readonly hash: Hex } | null {
    return this.followed;
  }

  get tokens(): Address[] {
    return [...this.outputs.totals.keys()];
  }

  /** How many outputs it holds, and the bytes of their memory. */
  get outputCount(): number {
    return this.outputs.size;
  }

  get outputBytes(): number {
    return this.outputs.bytes;
  }

  /** An output that is not spent. */
  output(id: OutputId): LedgerOutput | undefined {
    const record = this.outputs.findId(id);
    return record === -1 ? undefined : this.outputs.read(record);
  }

  /** Ids of all outputs it has, in no order that means anything. */
  outputIds(): OutputId[] {
    return this.outputs.ids();
  }

  /** Outputs that an exit holds or has paid: few, since each costs gas. */
  exitingOutputs(): LedgerOutput[] {
    return [...this.exitBook.outputIds()]
      .map((id) => this.output(id))
      .filter((output) => output !== undefined && output.state !== "available") as LedgerOutput[];
  }

  block(number: number): LedgerBlock | undefined {
    return this.sealed[number - 1];
  }

  totals(token: Address): Readonly<Totals> {
    return this.outputs.totals.get(token) ?? NO_TOTALS;
  }

  stateHash(): Hex {
    return this.outputs.stateHash(this.sealed.length + 1);
  }

  /** Why a payment cannot be taken at a time (Unix milliseconds), or null. */
  judge({ transaction, signers }: VerifiedPayment, now: number): ProtocolError | null {
    return (
      formFault(transaction) ??
      inputFault(transaction, signers, (id) => this.output(id)) ??
      this.marketFault(transaction, now)
    );
  }

  /**
   * Takes a verified payment (docs/FORMATS.md) that begins at `at`: writes its entry into the slot it asks for, and applies
   * it. Or says why not, with nothing changed.
   */
  take(view: DataView, at: number, acceptedAt: number, reserve: Reserve): ProtocolError | null {
    const payment = at + PAYMENT_IN_VERIFIED;
    const counts = countsAt(bytesOf(view), payment);
    if (!screens(this.outputs, this.inputs, view, payment, counts, signersOf(at, counts)))
      return this.refuse(view, at, counts, acceptedAt);
    if (view.getUint8(payment + 1) !== PURPOSES.transfer) {
      const fault = this.marketFault(this.transactionAt(view, payment, counts), acceptedAt);
      if (fault !== null) return fault;
    }
    const slot = reserve(paymentEntryBytes(counts));
    this.writeEntry(slot, view, hashOf(at), counts, acceptedAt);
    this.admit(slot.view, slot.at, counts, acceptedAt);
    return null;
  }

  /** Applies a payment's entry again; its signatures, exits and marketplace rules were judged when it was taken. */
  applyPayment(entry: Uint8Array): void {
    this.checkStarted("payment");
    const counts = checkPaymentEntry(entry);
    const view = new DataView(entry.buffer, entry.byteOffset, entry.byteLength);
    const acceptedAt = Number(view.getBigUint64(ACCEPTED_AT));
    const place = { blockNumber: view.getUint32(BLOCK_AT), transactionIndex: view.getUint32(INDEX_AT) };
    const { number, transactionCount } = this.openBlock;
    if (place.blockNumber !== number || place.transactionIndex !== transactionCount) {
      throw new InvariantError("a payment is not at its place", { ...place, number, transactionCount });
    }
    if (!screens(this.outputs, this.inputs, view, PAYMENT_AT, counts, null)) {
      const transaction = decodePayment(entry, PAYMENT_AT, outputIdsAt(counts));
      const fault = formFault(transaction) ?? inputFault(transaction, null, (id) => this.output(id));
      const hash = toHex(entry.subarray(HASH_AT, PAYMENT_AT));
      throw new InvariantError(`a payment that breaks ${fault?.code ?? "a rule"}`, { hash, ...fault?.context });
    }
    this.admit(view, 0, counts, acceptedAt);
  }

  apply(entry: Entry): void {
    this.checkStarted(entry.type);
    this.applyEntry(entry);
    if (entry.type !== "payment") this.entryCount++;
  }

  /** Counts every output anew and asserts that, token by token, deposits = live + withdrawn. */
  checkSums(): void {
    this.outputs.checkSums();
  }

  /** The state as it is now: a head of JSON, and pages of outputs to be fetched while the ledger goes on. */
  beginSnapshot(): { head: string; market: MarketRecord[]; pages: TableCopy } {
    const { domain, sealed, openedAt, firstAcceptedAt, firstEntry, followed, exitBook } = this;
    const market = this.market.records();
    const head = writeHead({
      ...{ ...domain, position: this.entryCount, openedAt, firstAcceptedAt, firstEntry, followed, blocks: sealed },
      ...{ depositCount: this.depositCount, totals: [...this.outputs.totals], exits: exitBook.entries() },
      ...{ tree: this.tree.export(), outputCount: this.outputs.size, stateHash: this.stateHash() },
      marketRecords: market.length,
    });
    return { head, market, pages: this.outputs.beginCopy() };
  }

  /**
   * Takes over the state of a snapshot; the pages become the ledger's. Only at the very start.
   * @throws InvariantError when it does not add up, or is for another contract
   */
  restore(headText: string, market: readonly MarketRecord[], pages: readonly Int32Array<ArrayBuffer>[]): void {
    if (this.entryCount > 0) throw new InvariantError("a snapshot comes first", { entries: this.entryCount });
    const head = readHead(headText);
    const { chainId, verifyingContract } = this.domain;
    if (head.chainId !== chainId || head.verifyingContract !== verifyingContract) {
      throw new InvariantError("the snapshot is for another contract", {
        chainId: head.chainId,
        contract: head.verifyingContract,
      });
    }
    this.outputs = new LiveOutputs(this.secret, head.totals, pages);
    for (const entry of head.exits) this.exitBook.apply(entry);
    if (market.length !== head.marketRecords) {
      const counts = { head: head.marketRecords, read: market.length };
      throw new InvariantError("the snapshot has not all of its market", counts);
    }
    for (const record of market) this.market.restore(record);
    this.sealed = head.blocks;
    this.tree = MerkleFrontier.of(head.tree);
    this.depositCount = head.depositCount;
    this.openedAt = head.openedAt;
    this.firstAcceptedAt = head.firstAcceptedAt;
    this.firstEntry = head.firstEntry;
    this.entryCount = head.position;
    this.followed = head.followed;
    if (this.stateHash() !== head.stateHash || this.outputs.size !== head.outputCount) {
      throw new InvariantError("the snapshot's outputs are not those it was made of", {
        outputs: `${head.outputCount} ${head.stateHash}`,
        rebuilt: `${this.outputs.size} ${this.stateHash()}`,
      });
    }
  }

  private checkStarted(type: string): void {
    if (!this.hasGenesis && type !== "genesis") {
      throw new InvariantError("the first entry says for which contract the journal is", { type });
    }
  }

  private applyEntry(entry: Entry): void {
    switch (entry.type) {
      case "genesis":
        if (this.hasGenesis) throw new InvariantError("a journal begins once");
        if ((entry.version as number) !== 1) throw new InvariantError("an unknown version", { version: entry.version });
        if (entry.chainId !== this.domain.chainId || entry.contract !== this.domain.verifyingContract) {
          throw new InvariantError("the journal is for another contract", {
            chainId: entry.chainId,
            contract: entry.contract,
          });
        }
        this.openedAt = entry.createdAt;
        return;
      case "payment":
        return this.takeUnsigned(entry);
      case "deposit":
        return this.applyDeposit(entry);
      case "exit":
      case "inFlightExit":
        for (const id of this.exitBook.apply(entry)) this.followExits(id);
        return;
      case "seal":
        return this.applySeal(entry);
      case "commit":
        return this.applyCommit(entry);
      case "followed":
        if (this.followed !== null && entry.number < this.followed.number) {
          throw new InvariantError("what is final goes forward", { from: this.followed.number, to: entry.number });
        }
        this.followed = { number: entry.number, hash: entry.hash };
        return;
      default:
        this.market.apply(entry);
    }
  }

  /** A payment that comes as an object: as if its entry had been read. */
  private takeUnsigned({ transaction, hash, acceptedAt }: Extract<Entry, { type: "payment" }>): void {
    const fault = formFault(transaction) ?? inputFault(transaction, null, (id) => this.output(id));
    if (fault !== null) throw new InvariantError(`a payment that breaks ${fault.code}`, { hash, ...fault.context });
    const verified = verifiedPaymentBytes(transaction, fromHex(hash), []);
    const view = new DataView(verified.buffer);
    const counts = countsAt(verified, PAYMENT_IN_VERIFIED);
    const bytes = new Uint8Array(paymentEntryBytes(counts));
    const slot = { view: new DataView(bytes.buffer), bytes, at: 0 };
    if (!screens(this.outputs, this.inputs, view, PAYMENT_IN_VERIFIED, counts, null)) {
      throw new InvariantError("a payment that breaks a rule", { hash });
    }
    this.writeEntry(slot, view, hashOf(0), counts, acceptedAt);
    this.admit(slot.view, 0, counts, acceptedAt);
  }

  /** The one reason a payment is refused for; the slow way, since refusals are rare. */
  private refuse(view: DataView, at: number, counts: PaymentCounts, now: number): ProtocolError {
    const bytes = bytesOf(view);
    const transaction = this.transactionAt(view, at + PAYMENT_IN_VERIFIED, counts);
    const signersAt = signersOf(at, counts);
    const signers = transaction.signatures.map((_, i): Address | null => {
      const signer = bytes.subarray(signersAt + 20 * i, signersAt + 20 * i + 20);
      return signer.every((byte) => byte === 0) ? null : toHex(signer);
    });
    const hash = toHex(bytes.subarray(hashOf(at), hashOf(at) + HASH_BYTES));
    const fault = this.judge({ transaction, hash, signers }, now);
    if (fault === null) throw new InvariantError("a payment is refused for no reason", { hash });
    return fault;
  }

  private transactionAt(view: DataView, payment: number, counts: PaymentCounts): SignedTransaction {
    return decodePayment(bytesOf(view), payment, payment + outputIdsAt(counts) - PAYMENT_AT);
  }

  /** Of a payment whose inputs are there. */
  private marketFault(transaction: Transaction, now: number): ProtocolError | null {
    if (transaction.purpose === "transfer") return null;
    const spent = transaction.inputs.map((id) => this.output(id) as LedgerOutput);
    return marketFault(this.market, transaction, spent, now);
  }

  private writeEntry(slot: EntrySlot, from: DataView, hashAt: number, counts: PaymentCounts, acceptedAt: number): void {
    const { view, bytes, at } = slot;
    view.setUint8(at, PAYMENT_KIND);
    view.setBigUint64(at + ACCEPTED_AT, BigInt(acceptedAt));
    view.setUint32(at + BLOCK_AT, this.sealed.length + 1);
    view.setUint32(at + INDEX_AT, this.tree.count);
    // Hash, payment and ids stand together in both.
    bytes.set(bytesOf(from).subarray(hashAt, hashAt + spentAt(counts) - HASH_AT), at + HASH_AT);
    const spent = at + spentAt(counts);
    for (let i = 0; i < counts.inputs; i++)
      this.outputs.describe(this.inputs[i] as number, view, spent + i * INPUT_BYTES);
  }

  /** Spends and creates, by an entry whose payment was screened just now. */
  private admit(view: DataView, at: number, counts: PaymentCounts, acceptedAt: number): void {
    if (this.openBlockFull) throw new InvariantError("the open block is full", { number: this.openBlock.number });
    if (view.getUint8(at + PAYMENT_AT + 1) !== PURPOSES.transfer) this.tellMarket(view, at);
    for (let i = 0; i < counts.inputs; i++) this.outputs.spend(this.inputs[i] as number);
    const blockNumber = this.sealed.length + 1;
    const transactionIndex = this.tree.count;
    const ids = at + outputIdsAt(counts);
    const outputs = at + PAYMENT_AT + outputsAt(counts);
    for (let i = 0; i < counts.outputs; i++) {
      const idAt = ids + HASH_BYTES * i;
      const state = this.exitBook.mayConcern(view.getInt32(idAt)) ? this.stateByExits(idIn(view, idAt)) : "available";
      this.outputs.create(view, idAt, outputs + OUTPUT_BYTES * i, [blockNumber, transactionIndex, i], state);
    }
    this.firstAcceptedAt ??= acceptedAt;
    this.tree.append(bytesOf(view).slice(at + HASH_AT, at + PAYMENT_AT));
    this.entryCount++;
  }

  /** What a payment means to the market, before its inputs are spent. */
  private tellMarket(view: DataView, at: number): void {
    const purpose = view.getUint8(at + PAYMENT_AT + 1);
    if (purpose === PURPOSES.swap) this.market.settle(toHex(bytesOf(view).subarray(at + HASH_AT, at + PAYMENT_AT)));
    if (purpose !== PURPOSES.upload) return;
    const fileHash = idIn(view, at + PAYMENT_AT + INPUTS_AT - HASH_BYTES);
    this.market.bind(fileHash, this.outputs.read(this.inputs[0] as number).owner);
  }

  private applyDeposit({ id, owner, token, amount }: DepositEntry): void {
    if (id !== this.depositCount + 1n) {
      throw new InvariantError("deposits are credited one after another", { id, credited: this.depositCount });
    }
    if (amount === 0n) throw new InvariantError("a deposit of nothing", { id });
    this.depositCount = id;
    const output = outputId(depositHash(this.separator, { id, owner, token, amount }), 0);
    this.outputs.createDeposit(output, id, { owner, token, amount }, this.stateByExits(output));
  }

  private applySeal(entry: SealEntry): void {
    const { number, transactionCount, openedAt, firstEntry } = this.openBlock;
    const stateHash = this.stateHash();
    const matches =
      transactionCount > 0 &&
      entry.number === number &&
      entry.transactionCount === transactionCount &&
      entry.transactionsRoot === this.openRoot &&
      entry.stateHash === stateHash;
    if (!matches) {
      throw new InvariantError("the state is not the one that was sealed", {
        sealed: `${entry.number} ${entry.transactionCount} ${entry.transactionsRoot} ${entry.stateHash}`,
        rebuilt: `${number} ${transactionCount} ${transactionCount > 0 ? this.openRoot : "-"} ${stateHash}`,
      });
    }
    const { transactionsRoot, sealedAt } = entry;
    const nowhere = { timestamp: null, ethereumBlock: null, ethereumTransaction: null, gasUsed: null, fee: null };
    const commit = { state: "sealed" as const, ...nowhere, seenAt: sealedAt };
    const sealEntry = this.entryCount + 1;
    this.sealed.push({
      ...{ number, transactionsRoot, transactionCount, openedAt, sealedAt, firstEntry, sealEntry, commit },
    });
    this.tree = new MerkleFrontier();
    this.openedAt = sealedAt;
    this.firstAcceptedAt = null;
    this.firstEntry = sealEntry + 1;
  }

  private applyCommit({ type: _, number, ...commit }: CommitEntry): void {
    const block = this.block(number);
    if (block === undefined) throw new InvariantError("a commit of a block that was not sealed", { number });
    if (block.commit.state === "finalized") throw new InvariantError("a final commit cannot change", { number });
    if ((commit.state === "sealed") !== (commit.timestamp === null)) {
      throw new InvariantError("a commit has a timestamp exactly when it is on Ethereum", { number });
    }
    block.commit = commit;
  }

  /** Brings an output's state in line with its exits; they may have come before it, or after it was spent. */
  private followExits(id: OutputId): void {
    const record = this.outputs.findId(id);
    if (record !== -1) this.outputs.setState(record, this.stateByExits(id));
  }

  private stateByExits(id: OutputId): LedgerOutput["state"] {
    return this.exitBook.stateOf(id) ?? "available";
  }
}

function idIn(view: DataView, at: number): OutputId {
  return toHex(bytesOf(view).subarray(at, at + HASH_BYTES));
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
