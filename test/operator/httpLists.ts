import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect } from "chai";
import { fromHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { MerkleTree } from "@plasma-billing/protocol/merkle.ts";
import { ETHER, outputId, transactionHash, ZERO_HASH } from "@plasma-billing/protocol/transaction.ts";
import { decodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { verifiedPaymentBytes } from "@plasma-billing/protocol/verifiedPayment.ts";
import { MemoryOperator, signPayment, SPENDERS } from "../helpers/memoryOperator.ts";

const [alice, bob] = SPENDERS as [(typeof SPENDERS)[0], (typeof SPENDERS)[0]];
const NDJSON = { accept: "application/x-ndjson" };
/** What the system keeps for a connection on this machine is a few megabytes; a block must be larger to show anything. */
const LARGE_BLOCK_PAYMENTS = 4_500;
const OUTPUTS = 16;

describe("HTTP API, lists", () => {
  let operator: MemoryOperator;
  beforeEach(async () => {
    operator = await MemoryOperator.start();
  });
  afterEach(async () => {
    await operator.stop();
  });

  const outputsOfAlice = `/v1/accounts/${alice.address}/outputs`;
  const ids = (items: any[]): any[] => items.map((item) => item.id ?? item.number ?? item.hash);

  it("takes 50 items a page unless told otherwise, and at most 1000", async () => {
    for (let i = 0; i < 1_050; i++) await operator.deposit(alice.address, 1n);
    for (const [query, count] of [
      ["", 50],
      ["?limit=1", 1],
      ["?limit=1000", 1_000],
    ] as const) {
      const { body } = await operator.get(`/v1/deposits${query}`);
      expect(body).to.have.all.keys("items", "nextCursor");
      expect(body.items).to.have.length(count);
      expect(body.nextCursor).to.be.a("string");
    }
    expect((await operator.walk("/v1/deposits", 1_000)).map((deposit) => deposit.id)).to.deep.equal(
      Array.from({ length: 1_050 }, (_, i) => 1_050 - i),
    );
  });

  it("outputs: nothing is shown twice or left out while others come in, and pending ones become credited", async () => {
    for (let i = 0; i < 5; i++) await operator.deposit(alice.address, 10n);
    operator.pending = [6n, 7n, 8n, 9n].map((id) => operator.pendingDeposit(id, alice.address, 10n));
    const before = ids((await operator.get(outputsOfAlice)).body.items);
    expect(before).to.have.length(9);
    // After each page a pending deposit is credited, in their order, and a payment makes another output.
    const seen = await operator.walk(outputsOfAlice, 2, async () => {
      const next = operator.pending[0];
      if (next === undefined) return;
      const input = await operator.deposit(next.owner, next.amount);
      expect(input).to.equal(next.outputId);
      const unseen = operator.ledger.output(before.at(-1))?.state === "available" ? before.at(-1) : input;
      await operator.pay(signPayment([unseen], [{ owner: alice.address, amount: 10n }], [alice]));
    });
    expect(ids(seen)).to.deep.equal(before);
  });

  it("deposits: the same", async () => {
    for (let i = 0; i < 3; i++) await operator.deposit(alice.address, 10n);
    operator.pending = [4n, 5n, 6n].map((id) => operator.pendingDeposit(id, alice.address, 10n));
    const seen = await operator.walk("/v1/deposits", 1, async () => {
      const next = operator.pending[0];
      if (next === undefined) return;
      await operator.deposit(next.owner, next.amount);
      if (operator.pending.length < 2) operator.pending.push(operator.pendingDeposit(7n, bob.address, 1n));
    });
    expect(ids(seen)).to.deep.equal([6, 5, 4, 3, 2, 1]);
  });

  it("exits: also while a reorganisation takes some away", async () => {
    const outputs: string[] = [];
    for (let number = 1; number <= 6; number++) {
      outputs.push(await operator.deposit(alice.address, 10n));
      await operator.exit(number, outputs[number - 1]!);
    }
    let pages = 0;
    const seen = await operator.walk("/v1/exits", 2, async () => {
      if (++pages !== 1) return;
      await operator.exit(6, outputs[5]!, { state: "removed" });
      await operator.exit(5, outputs[4]!, { state: "removed" });
      await operator.exit(4, outputs[3]!, { state: "removed" });
      await operator.exit(7, await operator.deposit(bob.address, 1n));
    });
    expect(ids(seen)).to.deep.equal([6, 5, 3, 2, 1]);
  });

  it("exits: a page may end within an in-flight exit, which gets a piggyback meanwhile", async () => {
    const input = await operator.deposit(alice.address, 4n);
    const outputs = [1, 2, 3, 4].map(() => ({ owner: alice.address, amount: 1n }));
    const payment = signPayment([input], outputs, [alice]);
    await operator.inFlightExit(1, payment, { 0: "live" });
    await operator.inFlightExit(2, payment, { 0: "live", 16: "live", 19: "live" });
    await operator.exit(3, input);
    await operator.inFlightExit(4, payment);
    for (const limit of [1, 2, 3, 50]) {
      const seen = await operator.walk("/v1/exits", limit, async () => {
        await operator.inFlightExit(4, payment, { 0: "live", 16: "live", 19: "live" });
      });
      const expected = [
        [4, null],
        [3, input],
        [2, input],
        [2, payment.outputId(0)],
        [2, payment.outputId(3)],
        [1, input],
      ];
      expect(seen.map(({ number, outputId: id }) => [number, id])).to.deep.equal(expected);
      await operator.inFlightExit(4, payment);
    }
  });

  it("blocks and their payments: the same, newest first", async () => {
    let input = await operator.deposit(alice.address, 1n);
    const hashes: string[] = [];
    const pay = async (): Promise<void> => {
      const payment = signPayment([input], [{ owner: alice.address, amount: 1n }], [alice]);
      await operator.pay(payment);
      hashes.push(payment.hash);
      input = payment.outputId(0);
    };
    for (let i = 0; i < 5; i++) await pay();
    const newestFirst = hashes.toReversed();
    expect(ids(await operator.walk("/v1/blocks/1/transactions", 2, pay))).to.deep.equal(newestFirst);
    const page = (await operator.get("/v1/blocks/1/transactions?limit=1")).body.items;
    expect(page[0]).to.deep.equal((await operator.get(`/v1/transactions/${hashes.at(-1)}`)).body);

    await operator.seal();
    const sealAnother = async (): Promise<void> => {
      await pay();
      await operator.seal();
    };
    await sealAnother();
    expect(ids(await operator.walk("/v1/blocks", 1, sealAnother))).to.deep.equal([3, 2, 1]);
  });

  describe("a whole block as lines", () => {
    /** A block of large payments; their signer is taken at the test's word. */
    async function fillBlock(payments: number): Promise<void> {
      let input = await operator.deposit(alice.address, BigInt(payments * OUTPUTS));
      const owner = alice.address.toLowerCase() as Address;
      const records: Uint8Array[] = [];
      for (let i = 0; i < payments; i++) {
        const rest = BigInt(payments * OUTPUTS - (i + 1) * (OUTPUTS - 1));
        const outputs = Array.from({ length: OUTPUTS }, (_, index) => ({
          ...{ owner, token: ETHER, amount: index === 0 ? rest : 1n },
        }));
        const signatures: Hex[] = [`0x${"11".repeat(65)}`];
        const transaction = { purpose: "transfer" as const, inputs: [input], outputs, fileHash: ZERO_HASH, signatures };
        const hash = transactionHash(operator.ledger.separator, transaction);
        records.push(verifiedPaymentBytes(transaction, fromHex(hash), [owner]));
        input = outputId(hash, 0);
      }
      while (records.length > 0) {
        const results = await operator.store.sequencer.submit(records.splice(0, 1000));
        expect(results.every(({ kind }) => kind === "accepted")).to.equal(true);
      }
      await operator.seal();
    }

    it("has every payment in order, with signatures and all that its hash covers", async () => {
      await fillBlock(600);
      const { status, type, body } = await operator.get("/v1/blocks/1/transactions", NDJSON);
      expect(status).to.equal(200);
      expect(type).to.match(/^application\/x-ndjson/);
      expect(body.endsWith("\n")).to.equal(true);
      const tree = new MerkleTree();
      for (const [index, text] of body.trimEnd().split("\n").entries()) {
        const line = JSON.parse(text);
        expect(line).to.have.all.keys("blockNumber", "transactionIndex", "hash", "transaction");
        expect([line.blockNumber, line.transactionIndex]).to.deep.equal([1, index]);
        const transaction = decodeTransaction(line.transaction);
        expect(transactionHash(operator.ledger.separator, transaction)).to.equal(line.hash);
        expect(transaction.signatures).to.deep.equal([`0x${"11".repeat(65)}`]);
        expect(line.transaction.outputs[0].owner).to.equal(alice.address);
        tree.append(line.hash);
      }
      expect(tree.count).to.equal(600);
      expect(tree.root()).to.equal((await operator.get("/v1/blocks/1")).body.transactionsRoot);
    });

    it("begins at any of its payments, in the open block too, and is empty behind the last", async () => {
      await fillBlock(5);
      const inputs = [await operator.deposit(alice.address, 5n)];
      const payment = signPayment(inputs, [{ owner: alice.address, token: ETHER, amount: 5n }], [alice]);
      expect((await operator.post("/v1/transactions", payment.json)).status).to.equal(201);
      for (const [block, count] of [
        ["1", 5],
        ["2", 1],
        ["open", 1],
      ] as const) {
        const path = `/v1/blocks/${block}/transactions`;
        const all: string = (await operator.get(path, NDJSON)).body;
        const lines = all.split("\n");
        const bytes = await binary(path);
        for (let from = 0; from <= count + 1; from++) {
          expect((await operator.get(`${path}?from=${from}`, NDJSON)).body).to.equal(lines.slice(from).join("\n"));
          const size = bytes.length / count;
          expect((await binary(`${path}?from=${from}`)).equals(bytes.subarray(from * size))).to.equal(true);
        }
      }
      for (const from of ["-1", "x", "", "12345678", "1&from=2"]) {
        const { status, body } = await operator.get(`/v1/blocks/1/transactions?from=${from}`, NDJSON);
        expect([status, body.code]).to.deep.equal([400, "MALFORMED"]);
      }
      const page = await operator.get("/v1/blocks/1/transactions?from=1");
      expect([page.status, page.body.code]).to.deep.equal([400, "MALFORMED"]);
    });

    async function binary(path: string): Promise<Buffer> {
      const answer = await fetch(operator.url + path, { headers: { accept: "application/octet-stream" } });
      expect(answer.status).to.equal(200);
      return Buffer.from(await answer.arrayBuffer());
    }

    it("is asked for by Accept alone, among others too; a block without payments has no lines", async () => {
      const accept = "text/html, application/x-ndjson;q=0.9, */*;q=0.8";
      const open = await operator.get("/v1/blocks/open/transactions", { accept });
      expect([open.status, open.body]).to.deep.equal([200, ""]);
      expect(open.type).to.match(/^application\/x-ndjson/);
      expect((await operator.get("/v1/blocks/open/transactions", { accept: "*/*" })).body.items).to.deep.equal([]);
      expect((await operator.get("/v1/blocks/2/transactions", NDJSON)).body.code).to.equal("NOT_FOUND");
    });

    it("is written as fast as it is read, whole in the end, and not kept for who went away", async () => {
      await fillBlock(LARGE_BLOCK_PAYMENTS);
      const connections: Socket[] = [];
      operator.server.server.on("connection", (socket: Socket) => connections.push(socket));
      const request =
        "GET /v1/blocks/1/transactions HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\nConnection: close\r\n\r\n";
      const open = async (): Promise<Socket> => {
        const socket = connect(Number(new URL(operator.url).port), "127.0.0.1");
        socket.pause();
        socket.write(request);
        await new Promise((resolve) => setTimeout(resolve, 300));
        return socket;
      };
      const slow = await open();
      const gone = await open();
      for (const socket of connections) expect(socket.writableLength).to.be.within(1, 2 * 1024 * 1024);
      gone.destroy();
      expect((await operator.get("/healthz")).status).to.equal(200);

      let lines = 0;
      let bytes = 0;
      slow.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        for (const byte of chunk) if (byte === 0x0a) lines++;
      });
      slow.resume();
      await once(slow, "close");
      expect(bytes).to.be.above(8 * 1024 * 1024);
      const text = await fetch(`${operator.url}/v1/blocks/1/transactions`, { headers: NDJSON }).then((each) =>
        each.text(),
      );
      expect(text.split("\n")).to.have.length(LARGE_BLOCK_PAYMENTS + 1);
      // Beside the payments' lines, only the header's and those of the chunks.
      expect(lines).to.be.above(LARGE_BLOCK_PAYMENTS);
      expect(operator.errors).to.deep.equal([]);
    });

    it("is not gone through for a question about its head", async () => {
      await fillBlock(1);
      let read = 0;
      const { index } = operator.reads;
      const feed = index.feed.bind(index);
      index.feed = async (...asked) => (read++, await feed(...asked));
      const { status, type } = await operator.request("/v1/blocks/1/transactions", { method: "HEAD", headers: NDJSON });
      expect([status, read]).to.deep.equal([200, 0]);
      expect(type).to.match(/^application\/x-ndjson/);
    });
  });
});
