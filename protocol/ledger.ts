import { InvariantError, ProtocolError } from "./errors.ts";
import type { CommitEntry, CommitState, DepositEntry, Entry, PaymentEntry, SealEntry } from "./entries.ts";
import { ExitBook } from "./exitBook.ts";
import type { Hex } from "./hex.ts";
import { MAX_TRANSACTIONS_PER_BLOCK, MerkleTree } from "./merkle.ts";
import type { LedgerOutput, OutputState } from "./output.ts";
import { formFault, inputFault, type VerifiedPayment } from "./payment.ts";
import { StateHash } from "./stateHash.ts";
import { depositHash, outputId, type OutputId, type TransactionHash } from "./transaction.ts";
import { domainSeparator, type Address, type Domain } from "./typedData.ts";

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
  /** Where it stands on Ethereum. */
  commit: { readonly state: CommitState } & Omit<CommitEntry, "type" | "number">;
}

/** What moved of a token: deposited = live + withdrawn, always. */
export interface Totals {
  deposited: bigint;
  live: bigint;
  withdrawn: bigint;
}

/**
 * The child chain as a pure state machine: entries in, state out. Nothing here reads a clock, the network or a disk, so the
 * same entries give the same state everywhere. `judge` says whether a payment may become an entry; `apply` takes entries
 * and throws an InvariantError, before changing anything, for one that cannot be.
 */
export class Ledger {
  readonly separator: Hex;
  readonly maxTransactionsPerBlock: number;
  readonly domain: Domain;
  private readonly outputs = new Map<OutputId, LedgerOutput>();
  private readonly positions = new Map<TransactionHash, Position>();
  private readonly exitBook = new ExitBook();
  private readonly sealed: LedgerBlock[] = [];
  private readonly trees: MerkleTree[] = [new MerkleTree()];
  private readonly totalsByToken = new Map<Address, Totals>();
  private readonly hash = new StateHash();
  private depositCount = 0n;
  private openedAt: number | null = null;
  private followed: { number: number; hash: Hex } | null = null;

  constructor(domain: Domain, maxTransactionsPerBlock = MAX_TRANSACTIONS_PER_BLOCK) {
    this.domain = domain;
    this.separator = domainSeparator(domain);
    this.maxTransactionsPerBlock = maxTransactionsPerBlock;
  }

  /** The block that payments go into. */
  get openBlock(): { number: number; transactionCount: number; openedAt: number } {
    return {
      number: this.sealed.length + 1,
      transactionCount: this.openTree.count,
      openedAt: this.openedAt ?? 0,
    };
  }

  get openBlockFull(): boolean {
    return this.openTree.count >= this.maxTransactionsPerBlock;
  }

  /** Root over the open block's payments so far; needs at least one. */
  get openRoot(): Hex {
    return this.openTree.root();
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
    return [...this.totalsByToken.keys()];
  }

  output(id: OutputId): LedgerOutput | undefined {
    return this.outputs.get(id);
  }

  position(hash: TransactionHash): Position | undefined {
    return this.positions.get(hash);
  }

  block(number: number): LedgerBlock | undefined {
    return this.sealed[number - 1];
  }

  totals(token: Address): Readonly<Totals> {
    return this.totalsByToken.get(token) ?? { deposited: 0n, live: 0n, withdrawn: 0n };
  }

  /** The siblings of an accepted payment in its block; they change until the block is sealed. */
  siblings({ blockNumber, transactionIndex }: Pick<Position, "blockNumber" | "transactionIndex">): Hex[] {
    const tree = this.trees[blockNumber - 1];
    if (tree === undefined) throw new InvariantError("no such block", { blockNumber });
    return tree.proof(transactionIndex);
  }

  stateHash(): Hex {
    return this.hash.value(this.openBlock.number);
  }

  /** Why a payment cannot be taken now, or null. One that was taken before is not judged again. */
  judge({ transaction, signers }: VerifiedPayment): ProtocolError | null {
    const fault = formFault(transaction) ?? inputFault(transaction, signers, (id) => this.outputs.get(id));
    if (fault !== null || transaction.purpose === "transfer") return fault;
    const context = { purpose: transaction.purpose };
    return new ProtocolError(
      "WRONG_ROLE",
      "nobody has the role for this purpose: there is no registration yet",
      context,
    );
  }

  apply(entry: Entry): void {
    if (!this.hasGenesis && entry.type !== "genesis") {
      throw new InvariantError("the first entry says for which contract the journal is", { type: entry.type });
    }
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
        return this.applyPayment(entry);
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
    }
  }

  /** Counts every output anew and asserts that, token by token, deposits = live + withdrawn. */
  checkSums(): void {
    const counted = new Map<Address, bigint>();
    for (const { state, token, amount } of this.outputs.values()) {
      if (state === "available" || state === "exiting") counted.set(token, (counted.get(token) ?? 0n) + amount);
    }
    for (const [token, { deposited, live, withdrawn }] of this.totalsByToken) {
      if ((counted.get(token) ?? 0n) !== live || live + withdrawn !== deposited) {
        throw new InvariantError("sums are not kept", {
          token,
          counted: counted.get(token),
          live,
          withdrawn,
          deposited,
        });
      }
    }
  }

  private get openTree(): MerkleTree {
    return this.trees[this.trees.length - 1] as MerkleTree;
  }

  private applyPayment({ transaction, hash, acceptedAt }: PaymentEntry): void {
    if (this.positions.has(hash)) throw new InvariantError("a payment is taken once", { hash });
    if (this.openBlockFull) throw new InvariantError("the open block is full", { number: this.openBlock.number });
    const fault = formFault(transaction) ?? inputFault(transaction, null, (id) => this.outputs.get(id));
    if (fault !== null) throw new InvariantError(`a payment that breaks ${fault.code}`, { hash, ...fault.context });
    const { number: blockNumber, transactionCount: transactionIndex } = this.openBlock;
    for (const id of transaction.inputs) {
      const input = this.outputs.get(id) as LedgerOutput;
      this.setState(input, "spent");
      input.spentBy = hash;
    }
    for (const [outputIndex, { owner, token, amount }] of transaction.outputs.entries()) {
      const id = outputId(hash, outputIndex);
      this.create({ id, owner, token, amount, blockNumber, transactionIndex, outputIndex, depositId: null });
    }
    this.positions.set(hash, { blockNumber, transactionIndex, acceptedAt });
    this.openTree.append(hash);
  }

  private applyDeposit({ id, owner, token, amount }: DepositEntry): void {
    if (id !== this.depositCount + 1n) {
      throw new InvariantError("deposits are credited one after another", { id, credited: this.depositCount });
    }
    if (amount === 0n) throw new InvariantError("a deposit of nothing", { id });
    this.depositCount = id;
    this.totalsOf(token).deposited += amount;
    const output = outputId(depositHash(this.separator, { id, owner, token, amount }), 0);
    const nowhere = { blockNumber: null, transactionIndex: null, outputIndex: 0 };
    this.create({ id: output, owner, token, amount, ...nowhere, depositId: id });
  }

  private applySeal(entry: SealEntry): void {
    const { number, transactionCount, openedAt } = this.openBlock;
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
    this.sealed.push({ number, transactionsRoot, transactionCount, openedAt, sealedAt, commit });
    this.trees.push(new MerkleTree());
    this.openedAt = sealedAt;
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

  private create(output: Omit<LedgerOutput, "state" | "spentBy">): void {
    if (this.outputs.has(output.id)) throw new InvariantError("an output exists once", { id: output.id });
    const created: LedgerOutput = { ...output, state: "available", spentBy: null };
    this.outputs.set(output.id, created);
    this.totalsOf(output.token).live += output.amount;
    this.hash.add(created);
    this.followExits(output.id);
  }

  /** Brings an output's state in line with its exits, which may have come before it. */
  private followExits(id: OutputId): void {
    const output = this.outputs.get(id);
    if (output === undefined || output.state === "spent") return;
    this.setState(output, this.exitBook.stateOf(id) ?? "available");
  }

  private setState(output: LedgerOutput, state: OutputState): void {
    const totals = this.totalsOf(output.token);
    if (output.state === "withdrawn") {
      totals.withdrawn -= output.amount;
      totals.live += output.amount;
    } else {
      this.hash.remove(output);
    }
    output.state = state;
    if (state === "available" || state === "exiting") return this.hash.add(output);
    totals.live -= output.amount;
    if (state === "withdrawn") totals.withdrawn += output.amount;
  }

  private totalsOf(token: Address): Totals {
    let totals = this.totalsByToken.get(token);
    if (totals === undefined) this.totalsByToken.set(token, (totals = { deposited: 0n, live: 0n, withdrawn: 0n }));
    return totals;
  }
}
