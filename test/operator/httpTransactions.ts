import { expect } from "chai";
import { toHex } from "@plasma-billing/protocol/hex.ts";
import { MerkleTree } from "@plasma-billing/protocol/merkle.ts";
import { decodePayment, encodePayment, hashPayment } from "@plasma-billing/protocol/paymentBytes.ts";
import { decodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import { MemoryOperator, signPayment, SPENDERS, type SignedJson } from "../helpers/memoryOperator.ts";

const [alice, bob, carol] = SPENDERS as [(typeof SPENDERS)[0], (typeof SPENDERS)[0], (typeof SPENDERS)[0]];
const BYTES = { "content-type": "application/octet-stream" };

function bytesOf({ json }: SignedJson): Uint8Array {
  return encodePayment(decodeTransaction(json));
}

/** The form of a batch and of a block feed: each payment behind its length. */
function batchOf(payments: Uint8Array[]): Uint8Array {
  return Uint8Array.from(payments.flatMap((one) => [one.length >> 8, one.length & 255, ...one]));
}

function paymentsOf(batch: Uint8Array): Uint8Array[] {
  const payments: Uint8Array[] = [];
  for (let at = 0; at < batch.length;) {
    const length = (batch[at]! << 8) | batch[at + 1]!;
    payments.push(batch.slice(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return payments;
}

describe("HTTP API, lists of payments", () => {
  let operator: MemoryOperator;
  /** Hashes in order: two in block 1, which is final, two in block 2, which is committed, one in block 3, one open. */
  const hashes: string[] = [];
  before(async () => {
    operator = await MemoryOperator.start();
    let input = await operator.deposit(alice.address, 100n);
    const pay = async (to: string): Promise<void> => {
      const rest = 100n - BigInt(hashes.length) - 1n;
      const outputs = [
        { owner: alice.address, amount: rest },
        { owner: to, amount: 1n },
      ];
      const payment = signPayment([input], outputs, [alice]);
      await operator.pay(payment);
      hashes.push(payment.hash);
      input = payment.outputId(0);
    };
    await pay(bob.address);
    await pay(carol.address);
    await operator.seal();
    await pay(bob.address);
    await pay(alice.address);
    await operator.seal();
    await pay(carol.address);
    await operator.seal();
    await pay(bob.address);
    await operator.commit(1, "finalized");
    await operator.commit(2, "committed");
  });
  after(async () => await operator.stop());

  /** Places in `hashes` of what a list has, the newest first. */
  const placesOf = async (path: string, limit = 2): Promise<number[]> =>
    (await operator.walk(path, limit)).map(({ hash }) => hashes.indexOf(hash));

  it("has every payment, the newest first, whatever the length of a page", async () => {
    for (const limit of [1, 2, 3, 50])
      expect(await placesOf("/v1/transactions", limit)).to.deep.equal([5, 4, 3, 2, 1, 0]);
  });

  it("chooses by block, by state, by address and by all of them", async () => {
    const lists: [string, number[]][] = [
      ["blockNumber=1", [1, 0]],
      ["blockNumber=4", [5]],
      ["blockNumber=5", []],
      ["state=finalized", [1, 0]],
      ["state=committed", [3, 2]],
      ["state=accepted", [5, 4]],
      [`address=${bob.address}`, [5, 2, 0]],
      [`address=${bob.address.toLowerCase()}&state=accepted`, [5]],
      [`address=${carol.address}&blockNumber=1`, [1]],
      [`address=${carol.address}&blockNumber=2`, []],
      [`address=${operator.url.length.toString().padStart(42, "0x0000000000000000000000000000000000000000")}`, []],
      ["purpose=transfer", [5, 4, 3, 2, 1, 0]],
      ["purpose=upload", []],
      ["fileId=report.pdf", []],
      ["state=finalized&blockNumber=2", []],
    ];
    for (const [query, places] of lists)
      expect(await placesOf(`/v1/transactions?${query}`), query).to.deep.equal(places);
  });

  it("shows in each list what a payment is by itself", async () => {
    const { items } = (await operator.get("/v1/transactions?limit=1")).body;
    expect(items).to.deep.equal([(await operator.get(`/v1/transactions/${hashes[5]}`)).body]);
    const [input] = items[0].inputs;
    expect(input).to.include({
      owner: alice.address,
      amount: "95",
      state: "spent",
      blockNumber: 3,
      transactionIndex: 0,
    });
    const [first, second] = items[0].outputs;
    expect([first.state, second.state]).to.deep.equal(["available", "available"]);
    const oldest = (await operator.get(`/v1/transactions/${hashes[0]}`)).body;
    expect(oldest.inputs[0]).to.include({ depositId: 1, blockNumber: null, transactionIndex: null, outputIndex: 0 });
    expect(oldest.outputs.map(({ state }: any) => state)).to.deep.equal(["spent", "available"]);
  });

  it("an account has its payments on either side, and nobody else's", async () => {
    expect(await placesOf(`/v1/accounts/${bob.address}/transactions`, 1)).to.deep.equal([5, 2, 0]);
    expect(await placesOf(`/v1/accounts/${alice.address}/transactions`)).to.deep.equal([5, 4, 3, 2, 1, 0]);
    expect((await operator.get(`/v1/accounts/${bob.address}`)).body.transactionCount).to.equal(3);
  });

  it("refuses what it does not know", async () => {
    for (const query of [
      "purpose=gift",
      "state=sealed",
      "blockNumber=0",
      "blockNumber=open",
      "address=0x12",
      "hash=0x",
      "limit=1001",
    ]) {
      const { status, body } = await operator.get(`/v1/transactions?${query}`);
      expect([status, body.code], query).to.deep.equal([400, "MALFORMED"]);
    }
  });

  it("a block comes as bytes too, and makes its root", async () => {
    const response = await fetch(`${operator.url}/v1/blocks/2/transactions`, {
      headers: { accept: BYTES["content-type"] },
    });
    expect(response.headers.get("content-type")).to.equal("application/octet-stream");
    const payments = paymentsOf(new Uint8Array(await response.arrayBuffer()));
    const tree = new MerkleTree();
    for (const bytes of payments) tree.append(toHex(hashPayment(operator.ledger.separator, bytes)));
    expect(tree.count).to.equal(2);
    expect(tree.root()).to.equal((await operator.get("/v1/blocks/2")).body.transactionsRoot);
    expect(decodePayment(payments[0]!).signatures).to.have.length(1);
  });
});

describe("HTTP API, payments as bytes", () => {
  let operator: MemoryOperator;
  before(async () => (operator = await MemoryOperator.start()));
  after(async () => await operator.stop());

  const post = async (path: string, body: Uint8Array): Promise<{ status: number; body: any }> => {
    const response = await fetch(operator.url + path, { method: "POST", headers: BYTES, body: Uint8Array.from(body) });
    return { status: response.status, body: await response.json() };
  };

  it("one is taken as its JSON would be, and answered the same when it comes again in the other form", async () => {
    const payment = signPayment(
      [await operator.deposit(alice.address, 5n)],
      [{ owner: bob.address, amount: 5n }],
      [alice],
    );
    const first = await post("/v1/transactions", bytesOf(payment));
    expect([first.status, first.body.hash]).to.deep.equal([201, payment.hash]);
    const again = await operator.post("/v1/transactions", payment.json);
    expect([again.status, again.body]).to.deep.equal([200, first.body]);
    const shown = (await operator.get(`/v1/transactions/${payment.hash}`)).body;
    expect(shown.signatures).to.deep.equal(payment.json.signatures);
  });

  it("a batch is judged one by one, what is malformed at its place", async () => {
    const first = signPayment(
      [await operator.deposit(alice.address, 5n)],
      [{ owner: bob.address, amount: 5n }],
      [alice],
    );
    const second = signPayment([first.outputId(0)], [{ owner: carol.address, amount: 5n }], [bob]);
    const forged = signPayment([second.outputId(0)], [{ owner: bob.address, amount: 5n }], [bob]);
    const bytes = [first, second, forged].map(bytesOf);
    const { status, body } = await post("/v1/transactions/batch", batchOf([...bytes, Uint8Array.of(9, 9), bytes[0]!]));
    expect(status).to.equal(200);
    const codes = body.results.map((result: any) => result.payment?.hash ?? result.problem.code);
    expect(codes).to.deep.equal([first.hash, second.hash, "BAD_SIGNATURE", "MALFORMED", first.hash]);
  });

  it("what is no payment is refused as malformed, with what is wrong", async () => {
    const payment = bytesOf(
      signPayment([await operator.deposit(alice.address, 5n)], [{ owner: bob.address, amount: 5n }], [alice]),
    );
    const wrong: [string, Uint8Array][] = [
      ["/v1/transactions", new Uint8Array()],
      ["/v1/transactions", payment.slice(1)],
      ["/v1/transactions", Uint8Array.from([...payment, 0])],
      ["/v1/transactions", Uint8Array.from([2, ...payment.slice(1)])],
      ["/v1/transactions/batch", new Uint8Array()],
      ["/v1/transactions/batch", batchOf([payment]).slice(0, -1)],
      ["/v1/transactions/batch", batchOf(Array.from({ length: 1001 }, () => Uint8Array.of(1)))],
    ];
    const before = operator.fingerprint();
    for (const [path, body] of wrong) {
      const answer = await post(path, body);
      expect([answer.status, answer.body.code], `${path} ${body.length}`).to.deep.equal([400, "MALFORMED"]);
      expect(answer.body.detail).to.be.a("string").and.not.equal("");
    }
    expect(operator.fingerprint()).to.equal(before);
  });
});
