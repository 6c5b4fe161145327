import { blockHash } from "@plasma-billing/protocol/header.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import {
  depositHash,
  outputId,
  ZERO_HASH,
  type Deposit,
  type OutputId,
  type SignedTransaction,
  type Transaction,
  type TransactionHash,
} from "@plasma-billing/protocol/transaction.ts";
import { depositNote, paymentNote, type Book, type Note, type OwnOutput } from "./book.ts";
import { checkDeposit, checkOutput, checkPayment, checkProof, signerOf } from "./checks.ts";
import { LyingOperatorError } from "./errors.ts";
import { ExitHistory } from "./exitHistory.ts";
import type { OperatorClient, ShownOutput, ShownPayment } from "./operatorClient.ts";
import type { RootChain } from "./rootChain.ts";

/** What the operator shows, taken into the book once it is checked. */
export class Evidence {
  private readonly operator: OperatorClient;
  private readonly rootChain: RootChain;
  private readonly book: Book;
  private readonly fromBlock: number;
  private readonly note: (note: Note) => Promise<void>;
  /** Blocks of payments, as far as they were told. */
  private readonly told = new Map<TransactionHash, number>();
  /** Hashes of blocks in its proofs that Ethereum cannot undo. */
  private readonly finalBlocks = new Set<Hex>();

  constructor(
    operator: OperatorClient,
    rootChain: RootChain,
    book: Book,
    fromBlock: number,
    note: (note: Note) => Promise<void>,
  ) {
    this.operator = operator;
    this.rootChain = rootChain;
    this.book = book;
    this.fromBlock = fromBlock;
    this.note = note;
  }

  /** In which block a payment will be: before that is sealed there is no proof to ask for. */
  expect(hash: TransactionHash, blockNumber: number): void {
    this.told.set(hash, blockNumber);
  }

  /** Proofs of all it has, of blocks that Ethereum has by now, and again of those that it undid. @throws LyingOperatorError */
  async collectProofs(): Promise<void> {
    await this.dropUndone();
    const { openBlock } = await this.operator.status();
    for (const { hash, transaction, status } of this.book.unproven) {
      if (status !== "accepted" || (this.told.get(hash) ?? 0) >= openBlock) continue;
      await this.prove(hash, transaction);
    }
  }

  /** Makes sure of an output that somebody else has, as far as it can be: its payment, or the deposit. */
  async learnSource(output: ShownOutput): Promise<void> {
    this.checkShown(output);
    if (this.book.hasSource(output.id)) return;
    if (output.depositId !== null) {
      const deposit = depositOf(output, output.depositId);
      await checkDeposit(this.rootChain, deposit);
      const id = outputId(depositHash(this.rootChain.separator, deposit), 0);
      if (id !== output.id) throw new LyingOperatorError("a deposit has another output", output.id, id);
      return await this.note(depositNote(deposit));
    }
    const known = this.book.creatorOf(output.id)?.payment ?? null;
    const { hash, transaction } = known ?? (await this.creator(output));
    if (known === null) await this.learnPayment(transaction, hash);
    await this.prove(hash, transaction);
  }

  /** Takes in an output that the operator shows and the wallet did not know. */
  async learn(output: ShownOutput): Promise<void> {
    if (output.owner !== this.book.owner)
      throw new LyingOperatorError("an output is listed as ours", output, "it is not");
    if (output.depositId !== null) return await this.learnSource(output);
    const shown = await this.creator(output);
    const { hash, transaction, inputs, blockNumber } = shown;
    await this.learnPayment(transaction, hash);
    this.told.set(hash, blockNumber);
    if (shown.state !== "accepted") await this.prove(hash, transaction);
    // As long as no block on Ethereum has it, or that block turns out to be bad, one leaves by showing where its inputs come from.
    for (const input of inputs) await this.learnSource(input);
  }

  /** Whether the operator can prove by now that a block on Ethereum has the payment. */
  private async prove(hash: TransactionHash, transaction: Transaction): Promise<boolean> {
    const proof = await this.operator.proof(hash);
    // A node that is behind, or a commit that Ethereum has just undone: it proves nothing yet, and is no lie.
    if (proof === null || (await this.rootChain.blockHash(proof.header.number)) === ZERO_HASH) return false;
    await checkProof(this.rootChain, transaction, proof);
    await this.note({ kind: "proof", hash, proof });
    return true;
  }

  /** Forgets proofs of commits that a reorganisation took away: the block comes again, with another time. */
  private async dropUndone(): Promise<void> {
    for (const { hash, proof } of this.book.relied) {
      const expected = proof === null ? null : blockHash(proof.header);
      if (proof === null || expected === null || this.finalBlocks.has(expected)) continue;
      const { number } = proof.header;
      if ((await this.rootChain.finalBlockHash(number)) === expected) this.finalBlocks.add(expected);
      else if ((await this.rootChain.blockHash(number)) !== expected) await this.note({ kind: "unproven", hash });
    }
  }

  /** What the wallet knows of an output must be what it is shown. */
  private checkShown({ id, owner, token, amount }: ShownOutput): void {
    const creator = this.book.creatorOf(id);
    const made = creator === null ? this.book.deposits.get(id) : creator.payment.transaction.outputs[creator.index];
    if (made === undefined || (made.owner === owner && made.token === token && made.amount === amount)) return;
    throw new LyingOperatorError("an output is not what it was", { id, owner, token, amount }, made);
  }

  /** The payment that made an output, checked. */
  private async creator(output: ShownOutput): Promise<ShownPayment> {
    const { blockNumber, transactionIndex } = output;
    if (blockNumber === null || transactionIndex === null) {
      throw new LyingOperatorError("an output has no place", output, "it is no deposit's either");
    }
    const shown = await this.operator.paymentAt(blockNumber, transactionIndex);
    checkPayment(this.rootChain.separator, shown);
    checkOutput(this.rootChain.separator, output, shown.transaction);
    return shown;
  }

  /** Takes in an accepted payment; it may be this account's own, of another wallet. */
  private async learnPayment(transaction: SignedTransaction, hash: TransactionHash): Promise<void> {
    const signed = transaction.signatures.some((signature) => signerOf(hash, signature) === this.book.owner);
    await this.note(paymentNote(transaction, signed));
    if (signed) await this.note({ kind: "answer", hash, status: "accepted" });
  }

  /** What the wallet counts on and the operator does not list as available must be leaving, or spent by its own signature. */
  async missing(gone: readonly OwnOutput[]): Promise<void> {
    const isFree = (id: OutputId): boolean => {
      const output = this.book.outputs.get(id);
      return output?.spentBy === null && !output.leaving;
    };
    const unexplained = new Set(gone.map(({ id }) => id).filter(isFree));
    if (unexplained.size === 0) return;
    const history = await ExitHistory.read(this.rootChain, this.fromBlock);
    for (const id of [...unexplained]) {
      if (!history.holds(id)) continue;
      unexplained.delete(id);
      if (isFree(id)) await this.note({ kind: "leaving", id, told: true });
    }
    if (unexplained.size === 0) return;
    for await (const shown of this.operator.payments(this.book.owner)) {
      const spends = shown.transaction.inputs.filter((id) => unexplained.has(id));
      if (spends.length === 0) continue;
      for (const input of shown.inputs) this.checkShown(input);
      checkPayment(this.rootChain.separator, shown);
      await this.note(paymentNote(shown.transaction, true));
      await this.note({ kind: "answer", hash: shown.hash, status: "accepted" });
      for (const id of spends) unexplained.delete(id);
      if (unexplained.size === 0) return;
    }
    const still = [...unexplained].filter(isFree);
    if (still.length > 0)
      throw new LyingOperatorError("outputs of ours are not listed", still, "we signed no spend of them");
  }

  /** What somebody else's exit kept from being spent, and does no more. */
  async returned(available: ReadonlySet<OutputId>): Promise<void> {
    const back = this.book.departing().filter(({ id }) => this.book.wasTold(id) && available.has(id));
    if (back.length === 0) return;
    const history = await ExitHistory.read(this.rootChain, this.fromBlock);
    for (const { id } of back) if (!history.holds(id)) await this.note({ kind: "staying", id });
  }
}

function depositOf({ owner, token, amount }: ShownOutput, id: bigint): Deposit {
  return { id, owner, token, amount };
}
