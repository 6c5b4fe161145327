import { toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { keccak256 } from "@plasma-billing/protocol/keccak.ts";
import {
  depositHash,
  outputId,
  SIGNATURE_BYTES,
  transactionHash,
  type Deposit,
  type Output,
  type OutputId,
  type SignedTransaction,
  type TransactionHash,
} from "@plasma-billing/protocol/transaction.ts";
import {
  decodeTransaction,
  encodeTransaction,
  type TransactionJson,
} from "@plasma-billing/protocol/transactionJson.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { WalletError } from "./errors.ts";
import type { Proof } from "./operatorClient.ts";

/** A payment the wallet signed, received from, or needs to show where an input comes from. */
export interface KnownPayment {
  hash: TransactionHash;
  transaction: SignedTransaction;
  /** This wallet signed it. */
  signed: boolean;
  /** `unsent`: signed, and no answer came yet; `refused` ones stay valid for ever. */
  status: "unsent" | "accepted" | "refused";
  /** Checked against the contract. */
  proof: Proof | null;
}

export interface OwnOutput extends Output {
  id: OutputId;
  /** The payment that made it, or the deposit. */
  source: { hash: TransactionHash; index: number } | { deposit: Deposit };
  /** What the wallet signed that spends it, whatever became of that. */
  spentBy: TransactionHash | null;
  /** On its way out by an exit, or out. */
  leaving: boolean;
}

/** One thing that happened, as a line of the store. */
export type Note =
  | { kind: "wallet"; version: 1; chainId: string; contract: Address; owner: Address }
  | { kind: "deposit"; id: string; token: Address; amount: string; owner: Address }
  | { kind: "payment"; transaction: TransactionJson; signed: boolean }
  | { kind: "answer"; hash: TransactionHash; status: "accepted" | "refused" }
  | { kind: "proof"; hash: TransactionHash; proof: Proof }
  /** Ethereum went another way: the proof holds no more. */
  | { kind: "unproven"; hash: TransactionHash }
  /** `told`: not by this wallet; it may come back. */
  | { kind: "leaving"; id: OutputId; told?: true }
  | { kind: "staying"; id: OutputId }
  /** Paid or blocked on Ethereum for good. */
  | { kind: "left"; id: OutputId };

/** Stands for a signature that is somebody else's to give. */
export const NO_SIGNATURE: Hex = `0x${"00".repeat(SIGNATURE_BYTES)}`;
const CHECK_CHARACTERS = 8;

/** A note with a check of its bytes in front. */
export function writeLine(note: Note): string {
  const text = JSON.stringify(note);
  return `${checkOf(text)} ${text}`;
}

/** @throws WalletError STORE_DAMAGED */
export function readLine(line: string, number: number): Note {
  const text = line.slice(CHECK_CHARACTERS + 1);
  if (line.slice(0, CHECK_CHARACTERS) !== checkOf(text)) {
    throw new WalletError("STORE_DAMAGED", `line ${number} of the wallet's store is not what was written`, { number });
  }
  return JSON.parse(text) as Note;
}

function checkOf(text: string): string {
  return toHex(keccak256(new TextEncoder().encode(text))).slice(2, 2 + CHECK_CHARACTERS);
}

/** All a wallet knows. Changed by notes only, so that the same notes make the same book. */
export class Book {
  readonly payments = new Map<TransactionHash, KnownPayment>();
  readonly deposits = new Map<OutputId, Deposit>();
  readonly outputs = new Map<OutputId, OwnOutput>();
  readonly owner: Address;
  readonly separator: Hex;

  constructor(owner: Address, separator: Hex) {
    this.owner = owner;
    this.separator = separator;
  }

  apply(note: Note): void {
    switch (note.kind) {
      case "wallet":
        return;
      case "deposit": {
        const { owner, token } = note;
        const deposit = { id: BigInt(note.id), owner, token, amount: BigInt(note.amount) };
        const id = outputId(depositHash(this.separator, deposit), 0);
        this.deposits.set(id, deposit);
        if (owner === this.owner) this.add(id, deposit, { deposit });
        return;
      }
      case "payment":
        return this.takePayment(decodeTransaction(note.transaction), note.signed);
      case "answer": {
        const payment = this.payments.get(note.hash);
        // What was accepted once stays so.
        if (payment === undefined || payment.status === "accepted") return;
        payment.status = note.status;
        if (note.status === "accepted") this.settle(payment);
        return;
      }
      case "proof": {
        const payment = this.payments.get(note.hash);
        if (payment === undefined) return;
        payment.proof = note.proof;
        this.withoutProof.delete(payment);
        payment.status = "accepted";
        this.settle(payment);
        return;
      }
      case "unproven": {
        const payment = this.payments.get(note.hash);
        if (payment === undefined) return;
        payment.proof = null;
        this.withoutProof.add(payment);
        return;
      }
      case "leaving": {
        const output = this.outputs.get(note.id);
        if (output === undefined) return;
        output.leaving = true;
        this.live.delete(note.id);
        if (output.spentBy === null) this.away.set(note.id, output);
        if (note.told === true) this.told.add(note.id);
        else this.told.delete(note.id);
        return;
      }
      case "staying": {
        const output = this.outputs.get(note.id);
        if (output === undefined) return;
        output.leaving = false;
        this.away.delete(note.id);
        this.told.delete(note.id);
        if (output.spentBy === null) this.live.set(note.id, output);
        return;
      }
      case "left":
        this.away.delete(note.id);
        this.told.delete(note.id);
    }
  }

  /** Outputs that the wallet has neither signed away nor begun to take out. */
  unspent(token?: Address): OwnOutput[] {
    return [...this.live.values()].filter((output) => token === undefined || output.token === token);
  }

  /** Those on their way out that are not known to be out. Whether their exits were ever started, Ethereum knows. */
  departing(): OwnOutput[] {
    return [...this.away.values()];
  }

  /** Whether it was the operator who told that an output is leaving. */
  wasTold(id: OutputId): boolean {
    return this.told.has(id);
  }

  /** Whose an output is, as far as it is known where it comes from. */
  ownerOf(id: OutputId): Address | null {
    const creator = this.creatorOf(id);
    if (creator === null) return this.deposits.get(id)?.owner ?? null;
    return creator.payment.transaction.outputs[creator.index]?.owner ?? null;
  }

  /** Payments without a proof that Ethereum has them, but for those of which a committed one has taken the place. */
  get unproven(): KnownPayment[] {
    return [...this.withoutProof].filter((payment) => !this.isReplaced(payment));
  }

  /** Proven payments that exits would have to show: what made its outputs, and the inputs of what is in flight. */
  get relied(): KnownPayment[] {
    const ids = [...this.live.keys(), ...this.away.keys(), ...this.unproven.flatMap((one) => one.transaction.inputs)];
    const creators = ids.map((id) => this.creators.get(id)?.payment);
    return [...new Set(creators)].filter((one) => one !== undefined && one.proof !== null) as KnownPayment[];
  }

  /** Those of them that can be spent: not what cancels another payment, before a block has it. */
  free(token?: Address): OwnOutput[] {
    return this.unspent(token).filter(
      (output) => "deposit" in output.source || !this.contested.has(output.source.hash) || this.isCommitted(output),
    );
  }

  /** Whether an exit of it can be shown to Ethereum by itself: a deposit, or of a payment whose proof is there. */
  isCommitted({ source }: OwnOutput): boolean {
    return "deposit" in source || this.payments.get(source.hash)?.proof != null;
  }

  /** Whether it can be shown where an output comes from: what an in-flight exit needs of each input. */
  hasSource(id: OutputId): boolean {
    return this.deposits.has(id) || this.creators.get(id)?.payment.proof != null;
  }

  paysOwner({ transaction }: KnownPayment): boolean {
    return transaction.outputs.some(({ owner }) => owner === this.owner);
  }

  /** The payment that made an output, if it is known. */
  creatorOf(id: OutputId): { payment: KnownPayment; index: number } | null {
    return this.creators.get(id) ?? null;
  }

  private readonly live = new Map<OutputId, OwnOutput>();
  private readonly away = new Map<OutputId, OwnOutput>();
  private readonly told = new Set<OutputId>();
  private readonly withoutProof = new Set<KnownPayment>();
  /** Payments that spend what the wallet had signed away before. */
  private readonly contested = new Set<TransactionHash>();
  private readonly spenders = new Map<OutputId, TransactionHash>();
  /** Of outputs that the wallet signed away more than once: all payments that spend them. */
  private readonly rivals = new Map<OutputId, Set<TransactionHash>>();
  private readonly creators = new Map<OutputId, { payment: KnownPayment; index: number }>();

  private takePayment(transaction: SignedTransaction, signed: boolean): void {
    const hash = transactionHash(this.separator, transaction);
    const known = this.payments.get(hash);
    if (known !== undefined) {
      known.signed ||= signed;
      // Of a swap one side's signatures may have come first.
      if (!isComplete(known.transaction)) known.transaction = transaction;
      if (signed) this.spend(known);
      return;
    }
    const payment: KnownPayment = { hash, transaction, signed, status: signed ? "unsent" : "accepted", proof: null };
    this.payments.set(hash, payment);
    this.withoutProof.add(payment);
    for (const index of transaction.outputs.keys()) this.creators.set(outputId(hash, index), { payment, index });
    if (signed) this.spend(payment);
    else this.addOutputs(payment);
  }

  private spend({ hash, transaction }: KnownPayment): void {
    for (const id of transaction.inputs) {
      const former = this.spenders.get(id);
      if (former !== undefined && former !== hash) {
        this.contested.add(hash);
        this.rivals.set(id, (this.rivals.get(id) ?? new Set()).add(former).add(hash));
      }
      this.spenders.set(id, hash);
      const output = this.outputs.get(id);
      if (output !== undefined) output.spentBy = hash;
      this.live.delete(id);
      this.away.delete(id);
    }
  }

  /** Of two payments that the wallet signed for one output the accepted one counts, whichever was signed later. */
  private settle(payment: KnownPayment): void {
    if (payment.signed) this.spend(payment);
    this.addOutputs(payment);
  }

  /** No block can have it any more: one has another payment of what it spends. */
  private isReplaced({ hash, transaction }: KnownPayment): boolean {
    return transaction.inputs.some((id) =>
      [...(this.rivals.get(id) ?? [])].some(
        (rival) => rival !== hash && (this.payments.get(rival)?.proof ?? null) !== null,
      ),
    );
  }

  private addOutputs({ hash, transaction }: KnownPayment): void {
    for (const [index, output] of transaction.outputs.entries()) {
      if (output.owner === this.owner) this.add(outputId(hash, index), output, { hash, index });
    }
  }

  private add(id: OutputId, { owner, token, amount }: Output, source: OwnOutput["source"]): void {
    if (this.outputs.has(id)) return;
    const spentBy = this.spenders.get(id) ?? null;
    const output: OwnOutput = { id, owner, token, amount, source, spentBy, leaving: false };
    this.outputs.set(id, output);
    if (spentBy === null) this.live.set(id, output);
  }
}

/** Whether all signatures are there. */
export function isComplete({ signatures }: SignedTransaction): boolean {
  return !signatures.includes(NO_SIGNATURE);
}

export function paymentNote(transaction: SignedTransaction, signed: boolean): Note {
  return { kind: "payment", transaction: encodeTransaction(transaction), signed };
}

export function depositNote({ id, owner, token, amount }: Deposit): Note {
  return { kind: "deposit", id: id.toString(), owner, token, amount: amount.toString() };
}
