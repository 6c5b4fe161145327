import { expect } from "chai";
import { Wallet } from "ethers";
import { encodePayment, hashPayment } from "@plasma-billing/protocol/paymentBytes.ts";
import { toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { ZERO_HASH, type SignedTransaction } from "@plasma-billing/protocol/transaction.ts";
import { encodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import { domainSeparator } from "@plasma-billing/protocol/typedData.ts";
import { MALFORMED, VERDICT_AT } from "@plasma-billing/protocol/verifiedPayment.ts";
import { VerificationPool, type IntakeRequest, type Verified } from "@plasma-billing/ethereum/verification/pool.ts";
import { verifyPayment } from "@plasma-billing/ethereum/verification/recover.ts";
import { addressOf, DOMAIN } from "../helpers/protocol.ts";

const separator = domainSeparator(DOMAIN);
const signer = new Wallet(`0x${"07".repeat(32)}`);

function payment(amount: number): SignedTransaction {
  const unsigned = {
    ...{ purpose: "transfer" as const, inputs: [ZERO_HASH], fileHash: ZERO_HASH },
    outputs: [{ owner: addressOf(1), token: addressOf(0), amount: BigInt(amount) }],
  };
  const hash = toHex(hashPayment(separator, encodePayment({ ...unsigned, signatures: [] })));
  return { ...unsigned, signatures: [signer.signingKey.sign(hash).serialized as Hex] };
}

const PAYMENTS = Array.from({ length: 300 }, (_, i) => payment(1 + i));

function request(payments: readonly SignedTransaction[], format: IntakeRequest["format"]): IntakeRequest {
  const [first] = payments;
  if (payments.length === 1 && first !== undefined) {
    const body = format === "json" ? Buffer.from(JSON.stringify(encodeTransaction(first))) : encodePayment(first);
    return { format, kind: "single", body };
  }
  if (format === "json") {
    return {
      format,
      kind: "batch",
      body: Buffer.from(JSON.stringify({ transactions: payments.map(encodeTransaction) })),
    };
  }
  const framed = payments.flatMap((one) => {
    const bytes = encodePayment(one);
    return [Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes];
  });
  return { format, kind: "batch", body: Buffer.concat(framed) };
}

function recordsOf(verified: Verified): string {
  if (verified.kind === "malformed") throw new Error(verified.problem.detail);
  return Buffer.concat(verified.records).toString("hex");
}

function expected(payments: readonly SignedTransaction[]): string {
  return Buffer.concat(payments.map((one) => verifyPayment(separator, encodePayment(one)))).toString("hex");
}

describe("the threads that verify", () => {
  let pool: VerificationPool;
  before(async () => (pool = await VerificationPool.start({ separator, threads: 3 })));
  after(async () => await pool.close());

  it("give the same for a payment alone, in a small batch and in one split among them, as JSON and as bytes", async () => {
    for (const format of ["json", "binary"] as const) {
      for (const count of [1, 2, 3, 7, 299, 300]) {
        const payments = PAYMENTS.slice(0, count);
        const verified = (await pool.verify(request(payments, format)))!;
        expect(recordsOf(verified), `${count} as ${format}`).to.equal(expected(payments));
        expect(verified.kind === "verified" && verified.count).to.equal(count);
      }
    }
  });

  it("answer in the order of the requests, however long each takes", async () => {
    const order: number[] = [];
    const requests = Array.from({ length: 60 }, (_, i) => {
      const payments = i % 7 === 0 ? PAYMENTS.slice(0, 250) : i % 3 === 0 ? PAYMENTS.slice(i, i + 12) : [PAYMENTS[i]!];
      return request(payments, i % 2 === 0 ? "json" : "binary");
    });
    await Promise.all(
      requests.map(async (one, i) => {
        await pool.verify(one);
        order.push(i);
      }),
    );
    expect(order).to.deep.equal(requests.map((_, i) => i));
  });

  it("put what is malformed at its place, and say of a body that is wrong as a whole what is wrong", async () => {
    const transactions = PAYMENTS.slice(0, 90).map(encodeTransaction) as unknown[];
    transactions[40] = { purpose: "gift" };
    const body = Buffer.from(JSON.stringify({ transactions }));
    const verified = (await pool.verify({ format: "json", kind: "batch", body }))!;
    const bytes = Buffer.from(recordsOf(verified), "hex");
    const verdicts: number[] = [];
    for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at)) verdicts.push(bytes[at + VERDICT_AT]!);
    expect(verdicts).to.have.length(90);
    expect(verdicts.flatMap((verdict, i) => (verdict === MALFORMED ? [i] : []))).to.deep.equal([40]);

    for (const format of ["json", "binary"] as const) {
      for (const length of [10, 40_000]) {
        const wrong = (await pool.verify({ format, kind: "batch", body: Buffer.alloc(length, "[") }))!;
        expect(wrong.kind).to.equal("malformed");
      }
    }
    expect(recordsOf((await pool.verify(request(PAYMENTS.slice(0, 2), "json")))!)).to.equal(
      expected(PAYMENTS.slice(0, 2)),
    );
  });

  it("refuse what is too much, and answer all that they took", async () => {
    const one = request([PAYMENTS[0]!], "binary");
    const answers = Array.from({ length: 10_000 }, () => pool.verify(one));
    const taken = answers.filter((answer) => answer !== null);
    expect(taken.length).to.be.within(1_000, 9_999);
    expect(answers.findIndex((answer) => answer === null)).to.equal(taken.length);
    const all = await Promise.all(taken.map(async (answer) => await answer));
    expect(all.every((verified) => recordsOf(verified) === expected([PAYMENTS[0]!]))).to.equal(true);
    expect(pool.verify(one)).not.to.equal(null);
  });

  it("one that dies fails all that waits, and everything behind it, rather than leave somebody waiting", async () => {
    const doomed = await VerificationPool.start({ separator, threads: 2 });
    const waiting = Array.from({ length: 20 }, () => doomed.verify(request(PAYMENTS, "json")));
    const { threads } = doomed as unknown as { threads: { worker: { postMessage: (message: null) => void } }[] };
    const settled = Promise.allSettled(waiting.map(async (answer) => await answer));
    threads[0]!.worker.postMessage(null);
    const failure = await doomed.failed.catch((error: unknown) => String(error));
    expect(failure).to.contain("a thread that verifies has ended");
    expect((await settled).some(({ status }) => status === "rejected")).to.equal(true);
    expect(doomed.verify(request([PAYMENTS[0]!], "json"))).to.equal(null);
    await doomed.close();
  });
});
