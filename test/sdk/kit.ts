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
import { bookOf, decodeKit, encodeKit, kitOf } from "../../sdk/kit.ts";
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
