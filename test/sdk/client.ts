import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { OperatorClient, OperatorError, WalletError } from "@plasma-billing/sdk";
import { fileStore } from "@plasma-billing/sdk/node";
import { ETHER } from "@plasma-billing/protocol/transaction.ts";
import { MarketStage } from "../helpers/marketStage.ts";

const [ALICE, BOB] = [2, 3] as const;

async function codeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => "none",
    (error: unknown) => (error instanceof OperatorError || error instanceof WalletError ? error.code : String(error)),
  );
}

interface Said {
  status: number;
  body: string;
  headers?: Record<string, string>;
}

describe("sdk: the client of the operator's HTTP API", function () {
  this.timeout(120_000);
  let server: Server;
  /** Answers in their order; the last one again and again; null: the connection is cut. */
  let answers: (Said | null)[];
  let asked: number;

  before(async () => {
    server = createServer((request, response) => {
      request.resume();
      const said = answers[Math.min(asked++, answers.length - 1)];
      if (said === undefined || said === null) return void request.destroy();
      response.writeHead(said.status, { "content-type": "application/json", ...said.headers }).end(said.body);
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  });
  after(() => server.close());
  beforeEach(() => (asked = 0));

  const client = (retries = 3): OperatorClient =>
    new OperatorClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, { retries, timeoutMs: 1_000 });
  const block = { number: 1, state: "sealed", transactionCount: 2, timestamp: null, commitTransaction: null };
  const good = { status: 200, body: JSON.stringify({ ...block, transactionsRoot: `0x${"AB".repeat(32)}` }) };
  const problem = (status: number, code: string, headers = {}): Said => ({
    ...{ status, headers },
    body: JSON.stringify({ status, code, detail: "because", context: { why: 1 } }),
  });

  it("asks again when nothing, or 503, was answered, and no more often than it was told to", async () => {
    answers = [null, problem(503, "PAUSED"), good];
    expect((await client().block(1)).transactionsRoot).to.equal(`0x${"ab".repeat(32)}`);
    expect(asked).to.equal(3);
    asked = 0;
    answers = [null];
    expect(await codeOf(client(2).block(1))).to.equal("UNREACHABLE");
    expect(asked).to.equal(3);
    asked = 0;
    answers = [problem(503, "OVERLOADED")];
    expect(await codeOf(client(1).block(1))).to.equal("OVERLOADED");
    expect(asked).to.equal(2);
  });

  it("waits as long as Retry-After says", async () => {
    answers = [problem(503, "PAUSED", { "retry-after": "1" }), good];
    const start = Date.now();
    await client().block(1);
    expect(Date.now() - start >= 950).to.equal(true);
  });

  it("gives a refusal as it is, at once", async () => {
    answers = [problem(409, "INPUT_SPENT")];
    const error = await client()
      .block(1)
      .catch((caught: unknown) => caught as OperatorError);
    expect(error).to.deep.include({ code: "INPUT_SPENT", status: 409, context: { why: 1 } });
    expect(asked).to.equal(1);
  });

  it("makes an error of its own of whatever is not as documented", async () => {
    const shown = JSON.parse(good.body);
    for (const body of [
      ...["", "null", "[]", "5", "<html>", '{"number":1'],
      ...[
        {},
        { ...shown, number: "1" },
        { ...shown, transactionsRoot: "0x12" },
        { ...shown, transactionCount: 1.5 },
      ].map((one) => JSON.stringify(one)),
    ]) {
      answers = [{ status: 200, body }];
      expect(await codeOf(client(0).block(1)), body).to.equal("BAD_ANSWER");
    }
    for (const items of ["5", "[null]", '[{"id":"0x12"}]', '["text"]']) {
      answers = [{ status: 200, body: `{"items":${items},"nextCursor":null}` }];
      expect(await codeOf(client(0).outputs(ETHER, "available")), items).to.equal("BAD_ANSWER");
    }
    answers = [{ status: 502, body: "<html>bad gateway</html>" }];
    expect(await codeOf(client(0).block(1))).to.equal("BAD_ANSWER");
  });

  it("reads what a real operator tells: blocks, deposits, exits, batches, what an account did", async () => {
    const stage = await MarketStage.start();
    try {
      const alice = await stage.wallet(ALICE);
      await stage.fund(alice, ETHER, 1_000n);
      const to = stage.signer(BOB).address;
      const paid = await alice.transfer({ to: to as typeof ETHER, token: ETHER, amount: 10n });
      const { operator } = alice;
      const unsigned = { ...paid.transaction, outputs: paid.transaction.outputs.toReversed(), signatures: [] };
      const again = await operator.submitBatch([paid.transaction, unsigned]);
      expect(again[0]).to.deep.equal({
        payment: {
          ...{ hash: paid.hash, blockNumber: paid.blockNumber },
          ...{ transactionIndex: paid.transactionIndex, acceptedAt: paid.acceptedAt },
        },
      });
      expect((again[1] as { problem: OperatorError }).problem).to.deep.include({
        code: "WRONG_SIGNATURE_COUNT",
        status: 400,
      });
      expect((await operator.block("open")).transactionCount).to.equal(1);
      await stage.commitHour();
      await alice.sync();
      const blocks = [];
      for await (const one of operator.blocks()) blocks.push(one);
      expect(blocks.map(({ state }) => state)).to.deep.equal(["open", "finalized"]);
      await alice.withdraw({ token: ETHER });
      await stage.chain.mine(2);
      const [deposits, exits] = [[] as unknown[], [] as unknown[]];
      for await (const one of operator.deposits()) deposits.push([one.id, one.owner, one.amount, one.state]);
      expect(deposits).to.deep.equal([[1n, alice.address, 1_000n, "credited"]]);
      for (let tries = 0; exits.length === 0 && tries < 50; tries++) {
        for await (const one of operator.exits()) exits.push([one.kind, one.state, one.output?.amount]);
        await new Promise((done) => setTimeout(done, 100));
      }
      expect(exits).to.deep.equal([["standard", "started", 990n]]);
      expect(alice.history().map(({ hash, status }) => [hash, status])).to.deep.equal([[paid.hash, "accepted"]]);
      expect(alice.outputs()).to.deep.equal([]);
      expect(alice.outputs("all").map(({ amount }) => amount)).to.deep.equal([1_000n, 990n]);
      const { rootChain } = alice;
      expect(await rootChain.nextBlockNumber()).to.equal(2);
      expect(await rootChain.held(ETHER)).to.equal(1_000n);
      expect(await rootChain.queueLength(ETHER)).to.equal(1);
      expect((await rootChain.firstExit(ETHER)) > 0n).to.equal(true);
    } finally {
      await stage.stop();
    }
  });
});

describe("sdk: the wallet's file", () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), "plasma-store-"))));
  afterEach(async () => await rm(folder, { recursive: true }));

  it("is one store's at a time: what another has taken over is not written to, and nothing is lost", async () => {
    const path = join(folder, "wallet");
    const first = fileStore(path);
    await first.load();
    await first.append(["one"]);
    const second = fileStore(join(folder, ".", "wallet"));
    expect(await second.load()).to.deep.equal(["one"]);
    await second.append(["two"]);
    expect(await codeOf(first.append(["three"]))).to.equal("STORE_IN_USE");
    // Whoever lost it does not give it away.
    await first.close?.();
    await second.append(["four"]);
    expect(await readFile(path, "utf8")).to.equal("one\ntwo\nfour\n");
    await second.close?.();
    const third = fileStore(path);
    expect(await third.load()).to.deep.equal(["one", "two", "four"]);
    await third.close?.();
  });
});
