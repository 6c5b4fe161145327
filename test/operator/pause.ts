import { expect } from "chai";
import { MemoryOperator, signPayment, SPENDERS, type SignedJson } from "../helpers/memoryOperator.ts";

const [alice, bob] = SPENDERS as [(typeof SPENDERS)[0], (typeof SPENDERS)[0]];
const ADMIN_TOKEN = "an-administrator-of-the-tests";
const ADMIN = { authorization: `Bearer ${ADMIN_TOKEN}` };

describe("POST /v1/admin/pause and resume", () => {
  let operator: MemoryOperator;
  let before: SignedJson;
  let next: SignedJson;
  beforeEach(async () => {
    operator = await MemoryOperator.start({ adminToken: ADMIN_TOKEN });
    const input = await operator.deposit(alice.address, 7n);
    before = signPayment([input], [{ owner: bob.address, amount: 7n }], [alice]);
    next = signPayment([before.outputId(0)], [{ owner: alice.address, amount: 7n }], [bob]);
  });
  afterEach(async () => {
    await operator.stop();
  });

  const admin = async (path: string): Promise<any> => (await operator.post(`/v1/admin/${path}`, {}, ADMIN)).body;
  const paused = async (): Promise<boolean> => (await operator.get("/v1/status")).body.paused;

  it("refuses new payments, and takes them again", async () => {
    expect(await paused()).to.equal(false);
    expect(await admin("pause")).to.deep.equal({ paused: true });
    expect(await admin("pause")).to.deep.equal({ paused: true });
    expect(await paused()).to.equal(true);
    for (const [path, body] of [
      ["/v1/transactions", before.json],
      ["/v1/transactions/batch", { transactions: [before.json, next.json] }],
    ] as const) {
      const answer = await operator.post(path, body);
      expect([answer.status, answer.body.code]).to.deep.equal([503, "PAUSED"]);
      expect(Number(answer.headers.get("retry-after"))).to.be.at.least(1);
    }
    expect(operator.ledger.openBlock.transactionCount).to.equal(0);
    expect(await admin("resume")).to.deep.equal({ paused: false });
    expect(await paused()).to.equal(false);
    await operator.pay(before);
  });

  it("refuses nothing else: what was taken before gets its answer, reads, deposits and hours go on", async () => {
    const receipt = await operator.pay(before);
    await admin("pause");
    const again = await operator.post("/v1/transactions", before.json);
    expect([again.status, again.body]).to.deep.equal([200, receipt]);
    const { status, body } = await operator.post("/v1/transactions/batch", {
      transactions: [next.json, before.json, { nonsense: true }],
    });
    expect(status).to.equal(200);
    const codes = body.results.map((result: any) => result.problem?.code ?? result.payment.hash);
    expect(codes).to.deep.equal(["PAUSED", before.hash, "MALFORMED"]);
    expect((await operator.get(`/v1/transactions/${before.hash}`)).status).to.equal(200);
    await operator.deposit(bob.address, 5n);
    expect((await admin("commit")).block.number).to.equal(1);
  });

  it("is for the administrator only", async () => {
    for (const path of ["pause", "resume"]) {
      const { status, body } = await operator.post(`/v1/admin/${path}`, {}, { authorization: "Bearer wrong" });
      expect([status, body.code]).to.deep.equal([401, "UNAUTHORIZED"]);
      expect((await operator.post(`/v1/admin/${path}`, { paused: 1 }, ADMIN)).body.code).to.equal("MALFORMED");
    }
    expect(await paused()).to.equal(false);
  });
});
