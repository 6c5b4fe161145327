import { randomBytes, randomFillSync } from "node:crypto";
import { HASH_BYTES, INPUTS_AT, OUTPUT_BYTES, outputsAt, paymentBytes } from "@plasma-billing/protocol/paymentBytes.ts";
import { toHex } from "@plasma-billing/protocol/hex.ts";
import { depositHash, outputId, ZERO_HASH } from "@plasma-billing/protocol/transaction.ts";
import type { Ledger } from "@plasma-billing/protocol/ledger.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import {
  HASH_IN_VERIFIED,
  PAYMENT_IN_VERIFIED,
  signersOf,
  verifiedPaymentBytes,
} from "@plasma-billing/protocol/verifiedPayment.ts";
import type { Sequencer } from "../../operator/sequencer.ts";

const ETHER: Address = "0x0000000000000000000000000000000000000000";
const ACCOUNTS = 10_000;
const BATCH = 1000;
const MADE_MAX = 15;
const AMOUNT = 2n ** 80n;

/**
 * A long history in little time: what is taken are verified payments, as the threads hand them over, made from two patterns.
 * Hashes and ids are random: whoever takes them has them checked already. So nothing is measured here but what is behind.
 */
export class LongHistory {
  readonly ledger: Ledger;
  private readonly sequencer: Sequencer;
  private readonly owners = randomBytes(20 * ACCOUNTS);
  /** Live outputs of one unit: id and owner. */
  private ids: Buffer;
  private ownerOf: Int32Array;
  private count = 0;
  private main: { id: Buffer; amount: bigint } | null = null;
  private next = 0;

  constructor(ledger: Ledger, sequencer: Sequencer, liveMax: number) {
    this.ledger = ledger;
    this.sequencer = sequencer;
    this.ids = Buffer.alloc(HASH_BYTES * (liveMax + MADE_MAX));
    this.ownerOf = new Int32Array(liveMax + MADE_MAX);
  }

  /** Has so many outputs live, from one deposit. */
  async fill(live: number): Promise<void> {
    const owner = this.owner(0);
    const terms = { id: 1n, owner, token: ETHER, amount: AMOUNT };
    const place = { nextBlockNumber: 1, ethereumBlock: 1, ethereumTransaction: ZERO_HASH };
    await this.sequencer.record([{ type: "deposit", ...terms, ...place }]);
    const id = outputId(depositHash(this.ledger.separator, terms), 0);
    this.main = { id: Buffer.from(id.slice(2), "hex"), amount: AMOUNT };
    const pattern = new Pattern(1, 1 + MADE_MAX, owner);
    while (this.count < live) {
      const pieces: Uint8Array[] = [];
      for (let i = 0; i < BATCH && this.count < live; i++) pieces.push(this.split(pattern));
      await this.submit([Buffer.concat(pieces)]);
    }
  }

  /** Gives up what it knows of the live outputs; it can do nothing behind that. */
  forget(): void {
    this.ids = Buffer.alloc(0);
    this.ownerOf = new Int32Array(0);
  }

  /** That many payments, each spending an output that is live and making one for somebody. */
  async move(payments: number): Promise<void> {
    const pattern = new Pattern(1, 1, this.owner(0));
    let waiting: Promise<void>[] = [];
    for (let done = 0; done < payments;) {
      const size = Math.min(BATCH, payments - done);
      const piece = Buffer.alloc(size * pattern.bytes.length);
      for (let i = 0; i < size; i++) this.moveOne(pattern, piece, i * pattern.bytes.length);
      waiting.push(this.submit([piece]));
      done += size;
      if (waiting.length === 4) {
        await Promise.all(waiting);
        waiting = [];
      }
    }
    await Promise.all(waiting);
  }

  private split(pattern: Pattern): Uint8Array {
    const main = this.main as NonNullable<typeof this.main>;
    main.amount -= BigInt(MADE_MAX);
    const bytes = pattern.drawn(main.id);
    pattern.setOutput(bytes, 0, this.owners.subarray(0, 20), main.amount);
    for (let i = 1; i <= MADE_MAX; i++, this.count++) {
      const account = this.count % ACCOUNTS;
      pattern.setOutput(bytes, i, this.owners.subarray(20 * account, 20 * account + 20), 1n);
      bytes.copy(this.ids, HASH_BYTES * this.count, pattern.idAt(i), pattern.idAt(i) + HASH_BYTES);
      this.ownerOf[this.count] = account;
    }
    bytes.copy(main.id, 0, pattern.idAt(0), pattern.idAt(0) + HASH_BYTES);
    bytes.set(this.owners.subarray(0, 20), pattern.signerAt);
    return bytes;
  }

  private moveOne(pattern: Pattern, into: Buffer, at: number): void {
    // A step that has no factor in common with most counts: neighbours are not spent one after the other.
    this.next = (this.next + 611_953) % this.count;
    const idAt = HASH_BYTES * this.next;
    const bytes = pattern.drawn(this.ids.subarray(idAt, idAt + HASH_BYTES));
    const [from, to] = [this.ownerOf[this.next] as number, Math.floor(Math.random() * ACCOUNTS)];
    pattern.setOutput(bytes, 0, this.owners.subarray(20 * to, 20 * to + 20), 1n);
    bytes.set(this.owners.subarray(20 * from, 20 * from + 20), pattern.signerAt);
    bytes.copy(this.ids, idAt, pattern.idAt(0), pattern.idAt(0) + HASH_BYTES);
    this.ownerOf[this.next] = to;
    bytes.copy(into, at);
  }

  private async submit(pieces: Uint8Array[]): Promise<void> {
    const results = await this.sequencer.submit(pieces);
    const refused = results.find(({ kind }) => kind !== "accepted");
    if (refused !== undefined) throw new Error(JSON.stringify(refused));
  }

  private owner(account: number): Address {
    return toHex(this.owners.subarray(20 * account, 20 * account + 20));
  }
}

/** The record of a verified payment, with the places that change from one to the next. */
class Pattern {
  readonly bytes: Buffer;
  readonly signerAt: number;
  private readonly idsAt: number;
  private readonly outputsAt: number;
  private readonly inputs: number;

  constructor(inputs: number, outputs: number, owner: Address) {
    const counts = { inputs, outputs, signatures: inputs };
    const transaction = {
      ...{ purpose: "transfer" as const, inputs: Array(inputs).fill(ZERO_HASH), fileHash: ZERO_HASH },
      outputs: Array.from({ length: outputs }, () => ({ owner, token: ETHER, amount: 1n })),
      signatures: Array.from({ length: inputs }, () => toHex(randomBytes(65))),
    };
    this.bytes = Buffer.from(verifiedPaymentBytes(transaction, randomBytes(HASH_BYTES), Array(inputs).fill(owner)));
    this.signerAt = signersOf(0, counts);
    this.idsAt = PAYMENT_IN_VERIFIED + paymentBytes(inputs, outputs, inputs);
    this.outputsAt = PAYMENT_IN_VERIFIED + outputsAt(counts);
    this.inputs = PAYMENT_IN_VERIFIED + INPUTS_AT;
  }

  idAt(output: number): number {
    return this.idsAt + HASH_BYTES * output;
  }

  /** One with another hash, other ids and this input; good until the next, when it has one output. */
  drawn(input: Uint8Array): Buffer {
    const bytes = this.signerAt - this.idsAt === HASH_BYTES ? this.bytes : Buffer.from(this.bytes);
    randomFillSync(bytes, HASH_IN_VERIFIED, HASH_BYTES);
    randomFillSync(bytes, this.idsAt, this.signerAt - this.idsAt);
    bytes.set(input, this.inputs);
    return bytes;
  }

  setOutput(bytes: Buffer, output: number, owner: Uint8Array, amount: bigint): void {
    const at = this.outputsAt + OUTPUT_BYTES * output;
    bytes.set(owner, at);
    bytes.writeBigUInt64BE(amount >> 64n, at + 56);
    bytes.writeBigUInt64BE(amount & 0xffff_ffff_ffff_ffffn, at + 64);
  }
}
