import { expect } from "chai";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import {
  ETHER,
  outputId,
  transactionHash,
  ZERO_HASH,
  depositHash,
  type Deposit,
  type Output,
  type SignedTransaction,
} from "@plasma-billing/protocol/transaction.ts";
import { domainSeparator } from "@plasma-billing/protocol/typedData.ts";
import { Book, depositNote, NO_SIGNATURE, paymentNote } from "../../sdk/book.ts";
import { cannotFly } from "../../sdk/exits.ts";
import { bookOf, decodeKit, encodeKit, kitOf, type ExitKit } from "../../sdk/kit.ts";
import type { Proof } from "../../sdk/operatorClient.ts";
import { addressOf, CONTRACT, DOMAIN } from "../helpers/protocol.ts";

const [OWNER, OTHER] = [addressOf(1), addressOf(2)];
const SIGNATURE: Hex = `0x${"11".repeat(65)}`;
const SEPARATOR = domainSeparator(DOMAIN);

describe("sdk: what an exit kit says of payments that compete or are not all signed", () => {
  const deposit = (id: bigint): Deposit => ({ id, owner: OWNER, token: ETHER, amount: 100n });
  const outputOf = (id: bigint): Hex => outputId(depositHash(SEPARATOR, deposit(id)), 0);
  const payment = (input: Hex, outputs: Output[], signatures = [SIGNATURE]): SignedTransaction => ({
    ...{ purpose: "transfer", inputs: [input], outputs, fileHash: ZERO_HASH, signatures },
  });
  const to = (owner: typeof OWNER): Output[] => [{ owner, token: ETHER, amount: 100n }];
  const bookWith = (...payments: SignedTransaction[]): Book => {
    const book = new Book(OWNER, SEPARATOR);
    for (const id of [1n, 2n]) book.apply(depositNote(deposit(id)));
    for (const one of payments) book.apply(paymentNote(one, true));
    return book;
  };
  const flights = (book: Book): (string | null)[] => {
    const read = bookOf(decodeKit(encodeKit(kitOf(book, 31_337n, CONTRACT, 1))));
    return [...read.payments.values()].map((one) => cannotFly(read, one));
  };

  it("of two payments signed for one output only the later may leave: both would lose their bonds to each other", () => {
    const refused = payment(outputOf(1n), to(OTHER));
    const cancels = payment(outputOf(1n), to(OWNER));
    const book = bookWith(refused, cancels);
    const hash = transactionHash(SEPARATOR, cancels);
    book.apply({ kind: "answer", hash: transactionHash(SEPARATOR, refused), status: "refused" });
    book.apply({ kind: "answer", hash, status: "accepted" });
    expect(book.free().map(({ id }) => id)).to.deep.equal([outputOf(2n)]);
    expect(kitOf(book, 31_337n, CONTRACT, 1).inFlight).to.have.length(2);
    expect(flights(book)).to.deep.equal([`payment ${hash} was signed later for what it spends`, null]);
  });

  it("what lacks a signature cannot leave; it is whole when the other side's is seen", () => {
    const half = payment(outputOf(1n), to(OWNER), [NO_SIGNATURE]);
    const book = bookWith(half);
    expect(flights(book)).to.deep.equal(["not all of its payers have signed it"]);
    expect(kitOf(book, 31_337n, CONTRACT, 1).outputs).to.deep.equal([outputOf(2n)]);
    book.apply(paymentNote({ ...half, signatures: [SIGNATURE] }, true));
    expect(flights(book)).to.deep.equal([null]);
  });

  it("a payment chained on one that no block has waits for that", () => {
    const first = payment(outputOf(1n), to(OWNER));
    const id = outputId(transactionHash(SEPARATOR, first), 0);
    const book = bookWith(first, payment(id, to(OWNER)));
    const [one, two] = flights(book);
    expect(one).to.equal(null);
    expect(two).to.contain("its block must land first");
  });
});

describe("sdk: what an exit kit keeps because a block may turn out to be bad", () => {
  const HOUR = 3_600;
  const START = 1_700_000_000;
  const deposit: Deposit = { id: 1n, owner: OWNER, token: ETHER, amount: 1_000n };
  const ofDeposit = outputId(depositHash(SEPARATOR, deposit), 0);
  const proofIn = (number: number): Proof => ({
    ...{ header: { number, transactionsRoot: ZERO_HASH, transactionCount: 1, timestamp: START + number * HOUR } },
    ...{ index: 0, siblings: [] },
  });
  /** A chain of payments to others, each from the change of the one before, in these blocks; null: in none. */
  class Chained {
    readonly book = new Book(OWNER, SEPARATOR);
    readonly hashes: Hex[] = [];
    private change: Hex = ofDeposit;
    private amount = deposit.amount;

    constructor(blocks: readonly (number | null)[]) {
      this.book.apply(depositNote(deposit));
      for (const block of blocks) this.pay(block);
    }

    pay(block: number | null, payer = OWNER): void {
      const outputs = [
        { owner: OTHER, token: ETHER, amount: 1n },
        { owner: OWNER, token: ETHER, amount: --this.amount },
      ];
      const inputs = [this.change];
      const transaction = {
        ...{ purpose: "transfer" as const, inputs, outputs, fileHash: ZERO_HASH, signatures: [SIGNATURE] },
      };
      const hash = transactionHash(SEPARATOR, transaction);
      this.book.apply(paymentNote(transaction, payer === OWNER));
      this.book.apply({ kind: "answer", hash, status: "accepted" });
      if (block !== null) this.book.apply({ kind: "proof", hash, proof: proofIn(block) });
      this.hashes.push(hash);
      this.change = outputId(hash, 1);
    }

    kit(hour: number): ExitKit {
      return decodeKit(encodeKit(kitOf(this.book, 31_337n, CONTRACT, (START + hour * HOUR) * 1_000)));
    }

    /** Which of the payments can leave in flight, by the kit of that hour, when this block is the first bad one. */
    flying(hour: number, firstBadBlock: number): number[] {
      const read = bookOf(this.kit(hour));
      for (const { hash, proof } of [...read.payments.values()]) {
        if (proof !== null && proof.header.number >= firstBadBlock) read.apply({ kind: "unproven", hash });
      }
      return read.unproven.filter((one) => cannotFly(read, one) === null).map(({ hash }) => this.hashes.indexOf(hash));
    }
  }

  it("the first payment of a chain, whichever block turns out to be bad", () => {
    const chain = new Chained([1, 1, 2, 2, 2, 3, null]);
    expect([1, 2, 3, 4].map((bad) => chain.flying(3, bad))).to.deep.equal([[0], [2], [5], [6]]);
    // What is kept of it says nothing about what the account has.
    expect(chain.kit(3).outputs).to.have.length(1);
    expect(chain.kit(3).inFlight).to.deep.equal([chain.hashes[6]]);
    // What stands behind another in its block could never leave by itself.
    expect(chain.kit(3).payments).to.have.length(6);
  });

  it("two months, and the newest", () => {
    const chain = new Chained([1, 2, 3]);
    const days = (count: number): number => count * 24;
    expect(chain.flying(days(59), 1)).to.deep.equal([0]);
    expect(chain.flying(days(61), 1)).to.deep.equal([]);
    expect(chain.kit(days(61)).payments).to.have.length(1);
    const long = new Chained(Array.from({ length: 300 }, (_, i) => i + 1));
    // With where the oldest that is kept comes from.
    expect(long.kit(300).payments).to.have.length(241);
    expect([60, 61, 300].map((bad) => long.flying(300, bad))).to.deep.equal([[], [60], [299]]);
  });

  it("what was paid in a withheld block, though a later one has what the account paid of it", () => {
    const chain = new Chained([]);
    chain.pay(null, OTHER);
    chain.pay(2);
    expect(chain.kit(3).inFlight).to.deep.equal([chain.hashes[0]]);
    expect(chain.flying(3, 1)).to.deep.equal([0]);
    expect(chain.kit(61 * 24).inFlight).to.deep.equal([]);
  });
});
