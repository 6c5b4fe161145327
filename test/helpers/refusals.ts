import { expect } from "chai";
import { LEDGER_CODES } from "@plasma-billing/protocol/errors.ts";
import { type Answer, MemoryOperator, signPayment, SPENDERS } from "./memoryOperator.ts";

const [alice] = SPENDERS as [(typeof SPENDERS)[0]];
export const ADMIN_TOKEN = "an-administrator-of-the-tests";

/** Status of each code, as the design lists them. */
const STATUS: Record<string, number> = {
  ...Object.fromEntries(LEDGER_CODES.map((code) => [code, 422])),
  ...{ MALFORMED: 400, WRONG_SIGNATURE_COUNT: 400, INPUT_SPENT: 409, INPUT_EXITING: 409, WRONG_ROLE: 422 },
  ...{ NOT_FOUND: 404, NOT_COMMITTED: 409, TOO_LARGE: 413, UNSUPPORTED_MEDIA_TYPE: 415, UNAUTHORIZED: 401 },
};

/** An operator to send bad input to, and what its refusals must be like. */
export class Refusals {
  operator!: MemoryOperator;
  /** Outputs of the first spender's, one in each state a payment may not spend, and two it may. */
  readonly outputs = { available: "", other: "", spent: "", exiting: "", withdrawn: "", pending: "" };
  /** Hash of a payment in a sealed block. */
  accepted = "";
  untouched = "";

  /** One operator for the suite this is called in. */
  hooks(): void {
    before(async () => await this.start());
    after(async () => await this.operator.stop());
    beforeEach(() => {
      this.untouched = this.operator.fingerprint();
      this.operator.errors.length = 0;
    });
  }

  /** A whole problem, of this code, which tells nothing of our insides and left everything as it was. */
  expectProblem(answer: Pick<Answer, "status" | "type" | "body">, code: string): void {
    expect([answer.status, answer.body.code], JSON.stringify(answer.body)).to.deep.equal([STATUS[code], code]);
    expect(answer.type).to.match(/^application\/problem\+json(;|$)/);
    this.expectProblemBody(answer.body, code);
    expect(this.operator.fingerprint()).to.equal(this.untouched);
    expect(this.operator.errors).to.deep.equal([]);
  }

  expectProblemBody(body: any, code: string): void {
    expect(body).to.have.all.keys("type", "title", "status", "code", "detail", "context");
    expect(body.status).to.equal(STATUS[code]);
    for (const text of [body.type, body.title, body.detail]) expect(text).to.be.a("string").and.not.equal("");
    expect(body.context).to.be.an("object");
    expect(JSON.stringify(body)).not.to.match(/ at [\w.]+ \(|node_modules|\.ts:|file:/);
    expect(JSON.stringify(body).length, "bad input is not sent back whole").to.be.below(2_000);
  }

  private async start(): Promise<void> {
    const { outputs } = this;
    const operator = (this.operator = await MemoryOperator.start({ adminToken: ADMIN_TOKEN }));
    for (const state of ["available", "other", "spent", "exiting", "withdrawn"] as const) {
      outputs[state] = await operator.deposit(alice.address, 100n);
    }
    const first = signPayment([outputs.spent], [{ owner: alice.address, amount: 100n }], [alice]);
    this.accepted = (await operator.pay(first)).hash;
    await operator.seal();
    await operator.exit(1, outputs.exiting);
    await operator.exit(2, outputs.withdrawn, { state: "finalized", paid: true, final: true });
    const pending = operator.pendingDeposit(6n, alice.address, 100n);
    operator.pending = [pending];
    outputs.pending = pending.outputId;
  }
}
