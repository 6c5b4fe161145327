import { expect } from "chai";
import { getAddress } from "ethers";
import { blockHash } from "@plasma-billing/protocol/header.ts";
import { merkleDepth, verifyProof } from "@plasma-billing/protocol/merkle.ts";
import { ETHER, ZERO_HASH } from "../helpers/chain.ts";
import { MemoryOperator, signPayment, SPENDERS, START_MS, type SignedJson } from "../helpers/memoryOperator.ts";

const [alice, bob, carol] = SPENDERS as [(typeof SPENDERS)[0], (typeof SPENDERS)[0], (typeof SPENDERS)[0]];
const TOKEN = getAddress(`0x${"ab".repeat(20)}`);
const ADMIN_TOKEN = "an-administrator-of-the-tests";
const RECEIPT_KEYS = ["hash", "blockNumber", "transactionIndex", "state", "acceptedAt"];
const OUTPUT_KEYS = "id owner token amount state blockNumber transactionIndex outputIndex depositId".split(" ");

describe("HTTP API", () => {
  let operator: MemoryOperator;
  beforeEach(async () => {
    operator = await MemoryOperator.start({ adminToken: ADMIN_TOKEN });
  });
  afterEach(async () => {
    await operator.stop();
  });

  /** Bob gets 400 of a deposit of 1000, the rest goes back to Alice. */
  const firstPayment = async (): Promise<SignedJson & { input: string }> => {
    const input = await operator.deposit(alice.address, 1_000n);
    const outputs = [
      { owner: bob.address, amount: 400n },
      { owner: alice.address, amount: 600n },
    ];
    return { input, ...signPayment([input], outputs, [alice]) };
  };

  describe("POST /v1/transactions", () => {
    it("answers 201 with the position, and 200 with the same body to the same hash again", async () => {
      const payment = await firstPayment();
      const first = await operator.post("/v1/transactions", payment.json);
      expect(first.status).to.equal(201);
      expect(first.body).to.have.all.keys(RECEIPT_KEYS);
      const place = { hash: payment.hash, blockNumber: 1, transactionIndex: 0, state: "accepted" };
      expect(first.body).to.include(place);
      expect(first.body.acceptedAt).to.be.above(START_MS);
      const again = await operator.post("/v1/transactions", payment.json);
      expect(again.status).to.equal(200);
      expect(again.body).to.deep.equal(first.body);
    });

    it("gives the first answer again whatever the signature bytes, and also once the block is final", async () => {
      const payment = await firstPayment();
      const first = await operator.pay(payment);
      await operator.seal();
      await operator.commit(1, "finalized");
      const otherBytes = { ...payment.json, signatures: [`0x${"11".repeat(65)}`] };
      for (const json of [payment.json, otherBytes]) {
        const again = await operator.post("/v1/transactions", json);
        expect(again.status).to.equal(200);
        expect(again.body).to.deep.equal(first);
      }
      expect(operator.ledger.block(1)?.transactionCount).to.equal(1);
      expect(operator.ledger.openBlock.transactionCount).to.equal(0);
    });

    it("takes hex of either case and names it in lower case", async () => {
      const { json, hash, input } = await firstPayment();
      const upper = (hex: string): string => `0x${hex.slice(2).toUpperCase()}`;
      const answer = await operator.post("/v1/transactions", {
        ...json,
        inputs: [upper(input)],
        outputs: json.outputs.map((output) => ({ ...output, owner: upper(output.owner) })),
        signatures: json.signatures.map(upper),
      });
      expect(answer.status).to.equal(201);
      expect(answer.body.hash).to.equal(hash);
      expect((await operator.get(`/v1/transactions/${upper(hash)}`)).body.inputs[0].id).to.equal(input);
    });

    it("answers and shows a payment only once it is on the disk", async () => {
      const payment = await firstPayment();
      const release = operator.holdDisk();
      let answered = false;
      const sent = operator.post("/v1/transactions", payment.json).finally(() => (answered = true));
      while (operator.submitted === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(answered).to.equal(false);
      expect((await operator.get(`/v1/transactions/${payment.hash}`)).status).to.equal(404);
      expect((await operator.get("/v1/blocks/open")).body.transactionCount).to.equal(0);
      expect((await operator.get("/v1/blocks/open/transactions")).body.items).to.deep.equal([]);
      release();
      expect((await sent).status).to.equal(201);
      expect((await operator.get(`/v1/transactions/${payment.hash}`)).status).to.equal(200);
      expect((await operator.get("/v1/blocks/open")).body.transactionCount).to.equal(1);
    });

    it("answers 503 with Retry-After when it is too much", async () => {
      const payment = await firstPayment();
      operator.answer = async () => ({ kind: "overloaded" });
      for (const [path, body] of [
        ["/v1/transactions", payment.json],
        ["/v1/transactions/batch", { transactions: [payment.json, payment.json] }],
      ] as const) {
        const { status, headers, body: problem } = await operator.post(path, body);
        expect(status).to.equal(503);
        expect(problem.code).to.equal("OVERLOADED");
        expect(Number(headers.get("retry-after"))).to.be.at.least(1);
      }
    });

    it("keeps what went wrong inside from the client, and in the log", async () => {
      const payment = await firstPayment();
      operator.answer = async () => {
        throw new Error("ENOENT /home/somebody/secret");
      };
      for (const [path, body] of [
        ["/v1/transactions", payment.json],
        ["/v1/transactions/batch", { transactions: [payment.json] }],
      ] as const) {
        operator.errors.length = 0;
        const answer = await operator.post(path, body);
        expect(answer.status).to.equal(500);
        expect(answer.type).to.match(/^application\/problem\+json/);
        expect(answer.body.code).to.equal("INTERNAL");
        expect(JSON.stringify(answer.body)).not.to.match(/secret|ENOENT|\.ts|stack/);
        expect(operator.errors.join()).to.include("ENOENT /home/somebody/secret");
      }
    });
  });

  describe("POST /v1/transactions/batch", () => {
    it("judges one by one, in order: what is wrong is a problem at its place, and the others go on", async () => {
      const payment = await firstPayment();
      const chained = signPayment([payment.outputId(0)], [{ owner: carol.address, amount: 400n }], [bob]);
      const early = signPayment([chained.outputId(0)], [{ owner: bob.address, amount: 400n }], [carol]);
      const twice = signPayment([payment.input], [{ owner: alice.address, amount: 1_000n }], [alice]);
      const transactions = [early.json, payment.json, { nonsense: true }, chained.json, null, twice.json, payment.json];
      const { status, body } = await operator.post("/v1/transactions/batch", { transactions });
      expect(status).to.equal(200);
      const codes = body.results.map((result: any) => result.problem?.code ?? result.payment.transactionIndex);
      expect(codes).to.deep.equal(["UNKNOWN_INPUT", 0, "MALFORMED", 1, "MALFORMED", "INPUT_SPENT", 0]);
      for (const result of body.results) {
        expect(Object.keys(result)).to.have.length(1);
        if (result.payment !== undefined) expect(result.payment).to.have.all.keys(RECEIPT_KEYS);
        else expect(result.problem).to.have.all.keys("type", "title", "status", "code", "detail", "context");
      }
      expect(body.results[5].problem.status).to.equal(409);
      expect(body.results[6].payment).to.deep.equal(body.results[1].payment);
    });

    it("has room for a thousand of the largest payments", async () => {
      const largest = {
        purpose: "extension",
        inputs: Array.from({ length: 16 }, (_, i) => `0x${i.toString(16).repeat(64)}`),
        outputs: Array.from({ length: 16 }, () => ({
          owner: bob.address,
          token: TOKEN,
          amount: String(2n ** 256n - 1n),
        })),
        fileHash: `0x${"ff".repeat(32)}`,
        signatures: Array.from({ length: 16 }, () => `0x${"ff".repeat(65)}`),
      };
      const answer = await operator.post("/v1/transactions/batch", { transactions: Array(1000).fill(largest) });
      expect(answer.status).to.equal(200);
      expect(answer.body.results).to.have.length(1000);
      expect(answer.body.results[999].problem.code).to.equal("UNKNOWN_INPUT");
      expect((await operator.post("/v1/transactions", largest)).body.code).to.equal("UNKNOWN_INPUT");
    });
  });

  describe("GET /v1/transactions/{hash}", () => {
    it("shows the payment with its outputs, and its state on the way to final", async () => {
      const payment = await firstPayment();
      const { acceptedAt } = await operator.pay(payment);
      const show = async (): Promise<any> => (await operator.get(`/v1/transactions/${payment.hash}`)).body;
      const accepted = await show();
      const unchanging = {
        hash: payment.hash,
        purpose: "transfer",
        ...{ fileHash: ZERO_HASH, fileId: null, signatures: payment.json.signatures },
        ...{ blockNumber: 1, transactionIndex: 0, acceptedAt },
        parties: [alice, bob].map(({ address }) => ({ address, role: null })),
      };
      const input = { id: payment.input, owner: alice.address, token: ETHER, amount: "1000", state: "spent" };
      const outputs = [bob, alice].map((owner, outputIndex) => ({
        id: payment.outputId(outputIndex),
        ...{ owner: owner.address, token: ETHER, amount: ["400", "600"][outputIndex], state: "available" },
        ...{ blockNumber: 1, transactionIndex: 0, outputIndex, depositId: null },
      }));
      const nowhere = { committedAt: null, finalizedAt: null, commitTransaction: null };
      expect(accepted).to.deep.equal({
        ...unchanging,
        inputs: [{ ...input, blockNumber: null, transactionIndex: null, outputIndex: 0, depositId: 1 }],
        outputs,
        state: "accepted",
        ...nowhere,
      });

      await operator.seal();
      expect(await show()).to.deep.equal(accepted);
      const { timestamp, ethereumTransaction } = await operator.commit(1, "committed");
      const committedAt = (timestamp as number) * 1000;
      const committed = { ...accepted, state: "committed", committedAt, commitTransaction: ethereumTransaction };
      expect(await show()).to.deep.equal(committed);
      await operator.commit(1, "sealed");
      expect(await show()).to.deep.equal(accepted);
      await operator.commit(1, "finalized", START_MS + 77_000);
      expect(await show()).to.deep.equal({ ...committed, state: "finalized", finalizedAt: START_MS + 77_000 });
    });
  });

  describe("GET /v1/transactions/{hash}/proof", () => {
    it("gives a proof from landing on, 409 before, and 409 again when the commit is reorganised away", async () => {
      const payment = await firstPayment();
      const chained = signPayment([payment.outputId(0)], [{ owner: carol.address, amount: 400n }], [bob]);
      const third = signPayment([chained.outputId(0)], [{ owner: bob.address, amount: 400n }], [carol]);
      for (const each of [payment, chained, third]) await operator.pay(each);
      const ask = async (): Promise<any> => await operator.get(`/v1/transactions/${third.hash}/proof`);
      const refused = async (): Promise<void> => {
        const { status, body } = await ask();
        expect(status).to.equal(409);
        expect(body.code).to.equal("NOT_COMMITTED");
      };
      await refused();
      await operator.seal();
      await refused();
      const { timestamp } = await operator.commit(1, "committed");
      const { status, body } = await ask();
      expect(status).to.equal(200);
      expect(body).to.have.all.keys("header", "index", "siblings");
      const { transactionsRoot } = (await operator.get("/v1/blocks/1")).body;
      expect(body.header).to.deep.equal({ number: 1, transactionsRoot, transactionCount: 3, timestamp });
      expect(blockHash(body.header)).to.match(/^0x[0-9a-f]{64}$/);
      expect(body.index).to.equal(2);
      expect(body.siblings).to.have.length(merkleDepth(3));
      expect(verifyProof(transactionsRoot, third.hash as `0x${string}`, 2, 3, body.siblings)).to.equal(true);
      await operator.commit(1, "sealed");
      await refused();
    });
  });

  describe("GET /v1/blocks", () => {
    it("shows a block in every state", async () => {
      const show = async (number: number | string): Promise<any> => (await operator.get(`/v1/blocks/${number}`)).body;
      await operator.pay(await firstPayment());
      const open = await show("open");
      const nowhere = { timestamp: null, commitTransaction: null, gasUsed: null, fee: null };
      expect(open).to.deep.equal({
        ...{ number: 1, state: "open", transactionCount: 1, transactionsRoot: null },
        ...{ openedAt: open.openedAt, sealedAt: null, ...nowhere },
      });
      expect(open.openedAt).to.be.at.least(START_MS);
      expect(await show(1)).to.deep.equal(open);

      await operator.seal();
      const sealed = await show(1);
      const { transactionsRoot } = operator.ledger.block(1)!;
      expect(sealed).to.deep.equal({ ...open, state: "sealed", transactionsRoot, sealedAt: sealed.sealedAt });
      expect(sealed.sealedAt).to.be.above(open.openedAt);
      for (const state of ["sent", "halted"] as const) {
        operator.settlement = state;
        expect(await show(1)).to.deep.equal({ ...sealed, state });
      }
      const { timestamp, ethereumTransaction: commitTransaction } = await operator.commit(1, "committed");
      const cost = { gasUsed: 52_376, fee: "1000000000000000007" };
      expect(await show(1)).to.deep.equal({ ...sealed, state: "committed", timestamp, commitTransaction, ...cost });
      await operator.commit(1, "finalized");
      expect((await show(1)).state).to.equal("finalized");
      expect((await show("open")).number).to.equal(2);
    });

    it("lists them newest first, the open one on top, page after page", async () => {
      let input = await operator.deposit(alice.address, 5n);
      for (let number = 1; number <= 5; number++) {
        const payment = signPayment([input], [{ owner: alice.address, amount: 5n }], [alice]);
        await operator.pay(payment);
        await operator.seal();
        input = payment.outputId(0);
      }
      const numbers = (await operator.walk("/v1/blocks", 2)).map((block) => block.number);
      expect(numbers).to.deep.equal([6, 5, 4, 3, 2, 1]);
      const { body } = await operator.get("/v1/blocks");
      expect(body.items.map((block: any) => block.state)).to.deep.equal(["open", ...Array(5).fill("sealed")]);
      expect(body.nextCursor).to.equal(null);
    });

    it("is never ahead of the disk: an hour's end shows when it is written", async () => {
      await operator.pay(await firstPayment());
      const release = operator.holdDisk();
      const sealing = operator.seal();
      const block = await operator.get("/v1/blocks/open");
      expect(block.body).to.include({ number: 1, state: "open", transactionCount: 1 });
      expect((await operator.get("/v1/blocks/open/transactions")).body.items).to.have.length(1);
      expect((await operator.get("/v1/blocks")).body.items.map((item: any) => item.state)).to.deep.equal(["open"]);
      release();
      await sealing;
      expect((await operator.get("/v1/blocks/1")).body.state).to.equal("sealed");
    });
  });

  describe("accounts, deposits, exits", () => {
    it("shows what an account has: available, exiting, pending; in no case of the address", async () => {
      const first = await operator.deposit(alice.address, 1_000n);
      await operator.deposit(alice.address, 2n ** 256n - 1n, TOKEN);
      const second = await operator.deposit(alice.address, 30n);
      operator.pending = [operator.pendingDeposit(4n, alice.address, 7n), operator.pendingDeposit(5n, bob.address, 9n)];
      await operator.pay(signPayment([first], [{ owner: alice.address, amount: 1_000n }], [alice]));
      await operator.exit(1, second);
      for (const path of [alice.address, alice.address.toLowerCase(), `0x${alice.address.slice(2).toUpperCase()}`]) {
        const { status, body } = await operator.get(`/v1/accounts/${path}`);
        expect(status).to.equal(200);
        expect(body).to.have.all.keys("address", "role", "validator", "balances", "transactionCount");
        expect(body).to.include({ address: alice.address, role: null, validator: null, transactionCount: 1 });
        expect(body.balances).to.have.deep.members([
          { token: ETHER, available: "1000", exiting: "30", pending: "7" },
          { token: TOKEN, available: String(2n ** 256n - 1n), exiting: "0", pending: "0" },
        ]);
      }
      const nobody = (await operator.get(`/v1/accounts/${carol.address}`)).body;
      expect(nobody).to.deep.equal({ ...nobody, address: carol.address, balances: [], transactionCount: 0 });
    });

    it("lists outputs in each of their five states, and by state", async () => {
      const spent = await operator.deposit(alice.address, 10n);
      const exiting = await operator.deposit(alice.address, 20n);
      const withdrawn = await operator.deposit(alice.address, 30n);
      const pending = operator.pendingDeposit(4n, alice.address, 40n, TOKEN);
      operator.pending = [pending];
      const payment = signPayment([spent], [{ owner: alice.address, amount: 10n }], [alice]);
      await operator.pay(payment);
      await operator.exit(1, exiting);
      await operator.exit(2, withdrawn, { state: "finalized", paid: true });
      const path = `/v1/accounts/${alice.address}/outputs`;
      const { body } = await operator.get(path);
      const shown = body.items.map(({ id, state }: any) => [id, state]);
      const expected = [
        [pending.outputId, "pending"],
        [payment.outputId(0), "available"],
        [withdrawn, "withdrawn"],
        [exiting, "exiting"],
        [spent, "spent"],
      ];
      expect(shown).to.deep.equal(expected);
      for (const item of body.items) expect(item).to.have.all.keys(OUTPUT_KEYS);
      expect(body.items[0]).to.deep.equal({
        ...{ id: pending.outputId, owner: alice.address, token: TOKEN, amount: "40", state: "pending" },
        ...{ blockNumber: null, transactionIndex: null, outputIndex: 0, depositId: 4 },
      });
      for (const [id, state] of expected) {
        expect((await operator.walk(`${path}?state=${state}`, 1)).map((item) => item.id)).to.deep.equal([id]);
      }
    });

    it("lists deposits, pending ones on top, each in one state only", async () => {
      await operator.deposit(alice.address, 10n);
      const output = await operator.deposit(bob.address, 20n, TOKEN);
      const third = operator.pendingDeposit(3n, alice.address, 30n);
      operator.pending = [third, operator.pendingDeposit(4n, alice.address, 40n)];
      const states = async (): Promise<any[]> =>
        (await operator.walk("/v1/deposits", 1)).map(({ id, state }) => [id, state]);
      expect(await states()).to.deep.equal([
        [4, "pending"],
        [3, "pending"],
        [2, "credited"],
        [1, "credited"],
      ]);
      // The follower's list may be a moment older than the journal.
      const { outputId: _, ...fields } = third;
      await operator.record({ type: "deposit", ...fields, nextBlockNumber: 1 });
      expect((await states())[1]).to.deep.equal([3, "credited"]);
      const second = (await operator.get("/v1/deposits")).body.items[2];
      expect(second).to.deep.equal({
        ...{ id: 2, owner: bob.address, token: TOKEN, amount: "20", outputId: output, state: "credited" },
        ...{ ethereumBlock: second.ethereumBlock, ethereumTransaction: second.ethereumTransaction },
      });
      expect(second.ethereumTransaction).to.match(/^0x[0-9a-f]{64}$/);
    });

    it("lists exits with the state they have now; one that a reorganisation took away is gone", async () => {
      const outputs = [];
      for (const amount of [1n, 2n, 3n, 4n]) outputs.push(await operator.deposit(alice.address, amount));
      for (const [index, output] of outputs.entries()) await operator.exit(index + 1, output);
      await operator.exit(2, outputs[1]!, { state: "challenged", final: true });
      await operator.exit(3, outputs[2]!, { state: "removed" });
      const exits = await operator.walk("/v1/exits", 2);
      expect(exits.map(({ number, state }) => [number, state])).to.deep.equal([
        [4, "started"],
        [2, "challenged"],
        [1, "started"],
      ]);
      expect(exits[0]).to.deep.equal({
        ...{ number: 4, kind: "deposit", outputId: outputs[3], transactionHash: null, owner: alice.address },
        ...{ token: ETHER, amount: "4", state: "started", exitableAt: 1_800_900_000 },
        ethereumTransaction: exits[0].ethereumTransaction,
      });
      expect(exits[0].ethereumTransaction).to.match(/^0x[0-9a-f]{64}$/);
    });

    it("lists an in-flight exit by its piggybacks, or by itself when it has none", async () => {
      const first = await operator.deposit(alice.address, 10n);
      const outputs = [
        { owner: bob.address, amount: 6n },
        { owner: alice.address, amount: 4n },
      ];
      const payment = signPayment([first], outputs, [alice]);
      await operator.pay(payment);
      await operator.inFlightExit(1, payment);
      const rows = async (): Promise<any[]> => (await operator.get("/v1/exits")).body.items;
      const { ethereumTransaction } = (await rows())[0];
      const exit = { number: 1, kind: "inFlight", transactionHash: payment.hash, exitableAt: 1_800_900_000 };
      const nothing = { outputId: null, owner: null, token: null, amount: null };
      expect(ethereumTransaction).to.match(/^0x[0-9a-f]{64}$/);
      expect(await rows()).to.deep.equal([{ ...exit, ...nothing, state: "started", ethereumTransaction }]);

      await operator.inFlightExit(1, payment, { 0: "live", 16: "live", 17: "cancelled" });
      const ofAlice = { owner: alice.address, token: ETHER, ethereumTransaction };
      const ofBob = { ...ofAlice, owner: bob.address, outputId: payment.outputId(0), amount: "6" };
      expect(await rows()).to.deep.equal([
        { ...exit, ...ofAlice, outputId: first, amount: "10", state: "started" },
        { ...exit, ...ofBob, state: "started" },
        { ...exit, ...ofAlice, outputId: payment.outputId(1), amount: "4", state: "challenged" },
      ]);
      const states = async (): Promise<any[]> =>
        (await operator.get(`/v1/transactions/${payment.hash}`)).body.outputs.map((output: any) => output.state);
      expect(await states()).to.deep.equal(["exiting", "available"]);
      const account = (await operator.get(`/v1/accounts/${bob.address}`)).body;
      expect(account.balances).to.deep.equal([{ token: ETHER, available: "0", exiting: "6", pending: "0" }]);

      const decided = { state: "finalized" as const, canonical: true };
      await operator.inFlightExit(1, payment, { 0: "unpaid", 16: "paid", 17: "unpayable" }, decided);
      expect((await rows()).map(({ state }) => state)).to.deep.equal(["finalized", "finalized", "unpayable"]);
      await operator.inFlightExit(1, payment, { 16: "cancelled" }, { state: "closed" });
      expect((await rows()).map(({ state }) => state)).to.deep.equal(["closed"]);
      expect(await states()).to.deep.equal(["available", "available"]);
      await operator.inFlightExit(1, payment, {}, { state: "closed" });
      expect(await rows()).to.deep.equal([{ ...exit, ...nothing, state: "closed", ethereumTransaction }]);
      await operator.inFlightExit(1, payment, {}, { state: "removed" });
      expect(await rows()).to.deep.equal([]);
    });
  });

  describe("status and administration", () => {
    it("tells that it is alive, and whether it is ready", async () => {
      expect((await operator.get("/healthz")).status).to.equal(200);
      const ready = await operator.get("/readyz");
      expect([ready.status, ready.body.reasons]).to.deep.equal([200, []]);
      operator.unready = ["Ethereum does not answer"];
      const unready = await operator.get("/readyz");
      expect([unready.status, unready.body.reasons]).to.deep.equal([503, ["Ethereum does not answer"]]);
      expect((await operator.get("/healthz")).status).to.equal(200);
    });

    it("answers /v1/status with the operator's own words", async () => {
      const { status, body } = await operator.get("/v1/status");
      expect(status).to.equal(200);
      expect(body).to.have.all.keys(
        ...["chainId", "contract", "version", "operator", "openBlock", "nextCommitAt", "lastCommitted"],
        ...["lastFinalized", "backlog", "ethereum", "paused", "warnings", "alarms", "settlement"],
      );
      expect(body.ethereum).to.have.all.keys("head", "finalized", "healthy");
    });

    it("ends the hour for the administrator only", async () => {
      await operator.pay(await firstPayment());
      const before = operator.fingerprint();
      const wrong = ["", "Bearer", "Bearer ", `Bearer ${ADMIN_TOKEN}x`, `Bearer ${ADMIN_TOKEN.slice(1)}x`, ADMIN_TOKEN];
      for (const authorization of [...wrong, `Basic ${Buffer.from(`a:${ADMIN_TOKEN}`).toString("base64")}`]) {
        // The body is not even looked at.
        for (const body of ["{}", "{nonsense"]) {
          const { status, headers, body: problem } = await operator.post("/v1/admin/commit", body, { authorization });
          expect(status).to.equal(401);
          expect(problem.code).to.equal("UNAUTHORIZED");
          expect(headers.get("www-authenticate")).to.match(/^Bearer/);
        }
      }
      expect(operator.fingerprint()).to.equal(before);
      const authorization = `Bearer ${ADMIN_TOKEN}`;
      const { status, body } = await operator.post("/v1/admin/commit", {}, { authorization });
      expect(status).to.equal(200);
      expect(body.block).to.deep.equal((await operator.get("/v1/blocks/1")).body);
      expect(body.block.state).to.equal("sealed");
      const nothing = await operator.request("/v1/admin/commit", { method: "POST", headers: { authorization } });
      expect([nothing.status, nothing.body.block]).to.deep.equal([200, null]);
    });

    it("has no administration without a token", async () => {
      const other = await MemoryOperator.start();
      try {
        for (const authorization of ["Bearer null", "Bearer ", "Bearer undefined"]) {
          const { status, body } = await other.post("/v1/admin/commit", {}, { authorization });
          expect([status, body.code]).to.deep.equal([404, "NOT_FOUND"]);
        }
      } finally {
        await other.stop();
      }
    });
  });
});
