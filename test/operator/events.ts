import { connect, type Socket } from "node:net";
import { Writable } from "node:stream";
import { expect } from "chai";
import { pino } from "pino";
import { EventHub, SUBSCRIBERS_MAX } from "../../operator/events/hub.ts";
import type { EventFilter, EventRow } from "../../operator/events/rows.ts";
import { Slices } from "../../operator/events/slices.ts";
import { Random } from "../adversary/random.ts";
import { EventReader, type ReadEvent } from "../helpers/eventReader.ts";
import { MemoryOperator, signPayment, SPENDERS, type SignedJson } from "../helpers/memoryOperator.ts";

const [alice, bob, carol] = SPENDERS as [(typeof SPENDERS)[0], (typeof SPENDERS)[0], (typeof SPENDERS)[0]];
const ALL: EventFilter = { types: null, address: null };

describe("GET /v1/events", () => {
  let operator: MemoryOperator;
  const readers: EventReader[] = [];
  beforeEach(async () => {
    operator = await MemoryOperator.start();
  });
  afterEach(async () => {
    for (const reader of readers.splice(0)) reader.close();
    await operator.stop();
  });

  const open = async (query = "", lastId: string | null = null): Promise<EventReader> => {
    const reader = await EventReader.open(`${operator.url}/v1/events${query}`, lastId);
    readers.push(reader);
    return reader;
  };
  const shown = async (path: string): Promise<any> => (await operator.get(path)).body;
  const payTo = (input: string, to: string, amount: bigint, by = alice): SignedJson =>
    signPayment([input], [{ owner: to, amount }], [by]);

  it("tells of everything with the shapes of the other routes, each with its position", async () => {
    const reader = await open();
    expect(reader.headers.get("content-type")).to.match(/^text\/event-stream/);
    const position = (): string => String(operator.ledger.position);
    const input = await operator.deposit(alice.address, 1_000n);
    const deposits = await shown("/v1/deposits");
    expect(await reader.take(1)).to.deep.equal([{ event: "deposit", id: position(), data: deposits.items[0] }]);

    const payment = payTo(input, bob.address, 1_000n);
    await operator.pay(payment);
    const accepted = await shown(`/v1/transactions/${payment.hash}`);
    expect(await reader.take(1)).to.deep.equal([{ event: "transaction", id: position(), data: accepted }]);

    await operator.seal();
    expect(await reader.take(1)).to.deep.equal([{ event: "block", id: position(), data: await shown("/v1/blocks/1") }]);
    for (const state of ["committed", "sealed", "finalized"] as const) {
      await operator.commit(1, state);
      expect(await reader.take(1)).to.deep.equal([
        { event: "block", id: position(), data: await shown("/v1/blocks/1") },
      ]);
    }

    await operator.exit(1, payment.outputId(0));
    const { items: exits } = await shown("/v1/exits");
    expect(await reader.take(1)).to.deep.equal([{ event: "exit", id: position(), data: exits[0] }]);
    await operator.exit(1, payment.outputId(0), { state: "removed" });
    expect(await reader.take(1)).to.deep.equal([
      { event: "exit", id: position(), data: { ...exits[0], state: "removed" } },
    ]);

    // What is read later says the same of that time, whatever came of it.
    const [, second] = await (await open("", "0")).take(2);
    expect(second?.data).to.deep.equal(accepted);
  });

  it("puts the id at the last event of an entry only, so that nobody resumes in its middle", async () => {
    const input = await operator.deposit(alice.address, 1_000n);
    const outputs = [bob, alice].map(({ address }) => ({ owner: address, amount: 500n }));
    const payment = signPayment([input], outputs, [alice]);
    await operator.pay(payment);
    const before = String(operator.ledger.position);
    await operator.inFlightExit(1, payment, { 0: "live", 16: "live", 17: "live" });
    const events = await (await open("", before)).take(3);
    expect(events.map(({ event, id }) => [event, id])).to.deep.equal([
      ["exit", undefined],
      ["exit", undefined],
      ["exit", String(operator.ledger.position)],
    ]);
    const { items } = await shown("/v1/exits");
    expect(events.map(({ data }) => data)).to.deep.equal(items);
  });

  it("begins now, or behind the id that is named; the header counts more than the query", async () => {
    let input = await operator.deposit(alice.address, 7n);
    const hashes: string[] = [];
    const pay = async (): Promise<void> => {
      const payment = payTo(input, alice.address, 7n);
      await operator.pay(payment);
      hashes.push(payment.hash);
      input = payment.outputId(0);
    };
    await pay();
    const now = await open();
    const first = String(operator.ledger.position);
    await pay();
    await pay();
    const hashesOf = (events: ReadEvent[]): string[] => events.map(({ data }) => data.hash);
    expect(hashesOf(await now.take(2))).to.deep.equal(hashes.slice(1));
    expect(hashesOf(await (await open("", first)).take(2))).to.deep.equal(hashes.slice(1));
    expect(hashesOf(await (await open(`?lastEventId=${first}`)).take(2))).to.deep.equal(hashes.slice(1));
    const newest = String(operator.ledger.position);
    const both = await open(`?lastEventId=${newest}`, first);
    expect(hashesOf(await both.take(2))).to.deep.equal(hashes.slice(1));
    // Whoever was cut off before the first event knows where it began.
    const fresh = await open();
    await pay();
    await fresh.take(1);
    const resumed = await open("", newest);
    expect(hashesOf(await resumed.take(1))).to.deep.equal([hashes.at(-1)]);
  });

  it("refuses ids that are none, or ahead of the journal, and filters it does not know", async () => {
    const ahead = operator.ledger.position + 1;
    for (const [query, lastId] of [
      ["", "x"],
      ["", "-1"],
      ["", "01"],
      ["", String(ahead)],
      [`?lastEventId=${ahead}`, null],
      ["?types=payment", null],
      ["?types=", null],
      ["?types=block,", null],
      ["?address=0x12", null],
      ["?cursor=1", null],
    ] as const) {
      const { status, body } = await operator.get(
        `/v1/events${query}`,
        lastId === null ? {} : { "last-event-id": lastId },
      );
      expect([status, body.code], `${query} ${lastId}`).to.deep.equal([400, "MALFORMED"]);
    }
  });

  it("leaves out other types, and what an address has no part in", async () => {
    const input = await operator.deposit(alice.address, 7n);
    const toBob = payTo(input, bob.address, 7n);
    await operator.pay(toBob);
    const toCarol = payTo(toBob.outputId(0), carol.address, 7n, bob);
    await operator.pay(toCarol);
    await operator.inFlightExit(1, toBob, { 16: "live" });
    await operator.seal();
    const events = async (query: string, count: number): Promise<string[]> => {
      const found = await (await open(query, "0")).take(count);
      return found.map(({ event, data }) => `${event} ${data.hash ?? data.number ?? data.id}`);
    };
    const [first, second] = [`transaction ${toBob.hash}`, `transaction ${toCarol.hash}`];
    expect(await events("", 5)).to.deep.equal(["deposit 1", first, second, "exit 1", "block 1"]);
    expect(await events("?types=block,deposit", 2)).to.deep.equal(["deposit 1", "block 1"]);
    expect(await events(`?address=${alice.address}`, 4)).to.deep.equal(["deposit 1", first, "exit 1", "block 1"]);
    expect(await events(`?address=${carol.address.toLowerCase()}`, 2)).to.deep.equal([second, "block 1"]);
    expect(await events(`?address=${bob.address}&types=transaction`, 2)).to.deep.equal([first, second]);
  });

  it("tells of nothing before it is on the disk", async () => {
    const input = await operator.deposit(alice.address, 7n);
    const reader = await open();
    const release = operator.holdDisk();
    const paid = operator.pay(payTo(input, bob.address, 7n));
    let told = false;
    const event = reader.take(1).then(([one]) => {
      told = true;
      return one;
    });
    while (operator.ledger.openBlock.transactionCount === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(told).to.equal(false);
    release();
    const { hash } = await paid;
    expect((await event)?.data.hash).to.equal(hash);
  });

  it("gives each payment once and in order to who is cut off again and again, while payments go on", async () => {
    const random = new Random(4711);
    const input = await operator.deposit(alice.address, 1_000n);
    const start = operator.ledger.position;
    const hashes: string[] = [];
    const paying = (async () => {
      let next = input;
      for (let round = 0; round < 25; round++) {
        const batch: SignedJson[] = [];
        for (let i = 0; i < 20; i++) {
          const payment = payTo(next, alice.address, 1_000n);
          next = payment.outputId(0);
          batch.push(payment);
          hashes.push(payment.hash);
        }
        await operator.post("/v1/transactions/batch", { transactions: batch.map(({ json }) => json) });
      }
    })();
    const seen: string[] = [];
    const ids: number[] = [];
    let lastId: string | null = String(start);
    let connections = 0;
    while (seen.length < 500) {
      const reader: EventReader = await open("", lastId);
      connections++;
      const wanted = Math.min(random.between(0, 40), 500 - seen.length);
      for (const { id, data } of await reader.take(wanted)) {
        seen.push(data.hash);
        ids.push(Number(id));
      }
      lastId = reader.lastId ?? lastId;
      reader.close();
    }
    await paying;
    expect(connections).to.be.above(10);
    expect(seen).to.deep.equal(hashes);
    expect(ids).to.deep.equal(Array.from({ length: 500 }, (_, i) => start + 1 + i));
  });

  it("takes so many readers and no more, until one goes", async () => {
    const opened = await Promise.all(Array.from({ length: SUBSCRIBERS_MAX }, async () => await open()));
    const refused = await operator.get("/v1/events");
    expect([refused.status, refused.body.code]).to.deep.equal([503, "OVERLOADED"]);
    expect(refused.headers.get("retry-after")).not.to.equal(null);
    const input = await operator.deposit(alice.address, 7n);
    const events = await Promise.all(opened.map(async (reader) => (await reader.take(1))[0]));
    expect(new Set(events.map((event) => JSON.stringify(event)))).to.have.length(1);
    opened[0]?.close();
    for (let status = 503; status !== 200;) {
      const { lastId } = await open().catch(() => ({ lastId: "none" }));
      if (lastId === null) status = 200;
    }
    await operator.pay(payTo(input, bob.address, 7n));
  });

  it("gathers nothing for who does not read, and gives him all when he does", async () => {
    const DEPOSITS = 20_000;
    const entries = Array.from({ length: DEPOSITS }, (_, i) => {
      const { outputId: _id, ...fields } = operator.pendingDeposit(BigInt(i + 1), alice.address, 7n);
      return { type: "deposit" as const, ...fields, nextBlockNumber: 1 };
    });
    await operator.record(...entries);
    const connections: Socket[] = [];
    operator.server.server.on("connection", (socket: Socket) => connections.push(socket));
    const socket = connect(Number(new URL(operator.url).port), "127.0.0.1");
    socket.pause();
    socket.write("GET /v1/events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 0\r\n\r\n");
    let waiting = 0;
    for (let same = 0; same < 10;) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const now = connections[0]?.writableLength ?? 0;
      same = now > 0 && now === waiting ? same + 1 : 0;
      waiting = now;
    }
    expect(waiting).to.be.below(256 * 1024);
    await operator.deposit(alice.address, 7n);
    let text = "";
    const last = `\nid: ${operator.ledger.position}\ndata`;
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    socket.resume();
    while (!text.slice(-4000).includes(last)) await new Promise((resolve) => setTimeout(resolve, 20));
    socket.destroy();
    // A chunk of HTTP may end anywhere: only its length stands between.
    const ids = [...text.replaceAll(/\r\n[0-9a-f]+\r\n/g, "").matchAll(/\nid: (\d+)\ndata/g)].map(([, id]) =>
      Number(id),
    );
    expect(ids).to.deep.equal(Array.from({ length: DEPOSITS + 1 }, (_, i) => i + 2));
  });

  it("is not gone through for a question about its head, and ends when the operator does", async () => {
    const head = await operator.request("/v1/events", { method: "HEAD" });
    expect([head.status, head.body]).to.deep.equal([200, ""]);
    const reader = await open();
    await operator.server.close();
    expect(await reader.next()).to.equal(null);
  });
});

/** Somebody who reads only when he is told to. */
class SlowReader extends Writable {
  received = "";
  private waiting: (() => void) | null = null;

  constructor(highWaterMark: number) {
    super({ highWaterMark });
  }

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.received += chunk.toString();
    this.waiting = done;
  }

  read(): void {
    const { waiting } = this;
    this.waiting = null;
    waiting?.();
  }

  get ids(): number[] {
    return [...this.received.matchAll(/\nid: (\d+)\ndata/g)].map(([, id]) => Number(id));
  }
}

describe("the hub of events", () => {
  const ENTRIES_A_PIECE = 10;
  const DATA = "x".repeat(1000);
  let durable = 0;
  let reads = 0;
  const hubs: EventHub[] = [];
  const hub = (heartbeatMs = 60_000): EventHub => {
    const made = new EventHub({
      durable: () => durable,
      read: async (from, to) => {
        reads++;
        const count = Math.min(to - from + 1, ENTRIES_A_PIECE);
        return await Promise.resolve(Array.from({ length: count }, () => new Uint8Array(1)));
      },
      rowsOf: (): EventRow[] => [{ type: "transaction", parties: new Set(["0x01"]), data: DATA }],
      log: pino({ level: "silent" }),
      heartbeatMs,
    });
    hubs.push(made);
    return made;
  };
  const settle = async (): Promise<void> => await new Promise((resolve) => setTimeout(resolve, 40));
  const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

  beforeEach(() => {
    durable = 0;
    reads = 0;
  });
  afterEach(() => {
    for (const made of hubs.splice(0)) made.close();
  });

  it("does nothing when nobody reads, and reads once for all who are up to date", async () => {
    const made = hub();
    durable = 100;
    made.tell();
    await settle();
    expect(reads).to.equal(0);
    const all = Array.from({ length: 5 }, () => new SlowReader(1e9));
    for (const stream of all) {
      stream._write = (chunk: Buffer, _: string, done: () => void) => {
        stream.received += chunk.toString();
        done();
      };
      made.subscribe(stream, ALL, durable);
    }
    await settle();
    durable = 100 + 3 * ENTRIES_A_PIECE;
    made.tell();
    await settle();
    expect(reads).to.equal(3);
    for (const stream of all) expect(stream.ids).to.deep.equal(numbers(101, 130));
  });

  it("keeps at most one piece for who does not read, and gives him all of it when he does", async () => {
    const made = hub();
    const slow = new SlowReader(100);
    const quick = new SlowReader(1e9);
    made.subscribe(slow, ALL, 0);
    made.subscribe(quick, ALL, 0);
    for (let round = 0; round < 20; round++) {
      durable += 7;
      made.tell();
      await new Promise((resolve) => setTimeout(resolve, 5));
      quick.read();
      // Each event has about a thousand characters.
      expect(slow.writableLength).to.be.below((ENTRIES_A_PIECE + 1) * 1100);
    }
    expect(slow.ids).to.have.length.below(ENTRIES_A_PIECE + 1);
    const readAll = async (): Promise<void> => {
      for (let turn = 0; (slow.ids.length < durable || slow.writableLength > 0) && turn < 1000; turn++) {
        slow.read();
        quick.read();
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    };
    await readAll();
    expect(slow.ids).to.deep.equal(numbers(1, durable));
    expect(quick.ids).to.deep.equal(numbers(1, durable));
    // Up to date again, with the others.
    await settle();
    const before = reads;
    durable += 3;
    made.tell();
    await readAll();
    expect(slow.ids).to.deep.equal(numbers(1, durable));
    expect(reads).to.equal(before + 1);
  });

  it("says up to where nothing was for the reader while it is silent", async () => {
    const made = hub(20);
    const stream = new SlowReader(1e9);
    stream._write = (chunk: Buffer, _: string, done: () => void) => {
      stream.received += chunk.toString();
      done();
    };
    made.subscribe(stream, { types: new Set(["block"]), address: null }, 0);
    durable = 42;
    made.tell();
    await settle();
    expect(stream.ids).to.deep.equal([]);
    expect(stream.received).to.match(/^retry: \d+\nid: 0\n\n/);
    expect(stream.received).to.match(/:\nid: 42\n\n$/);
  });

  it("cuts the stream where something is missing, instead of leaving it out", async () => {
    const made = new EventHub({
      durable: () => durable,
      read: async () => await Promise.reject(new Error("the disk is gone")),
      rowsOf: () => [],
      log: pino({ level: "silent" }),
    });
    const stream = new SlowReader(1e9);
    made.subscribe(stream, ALL, 0);
    durable = 1;
    made.tell();
    await settle();
    expect(stream.destroyed).to.equal(true);
    expect(stream.writableEnded).to.equal(false);
  });
});

describe("slices of work", () => {
  it("leave three quarters of the time to others, and half of the rest to those who are up to date", async () => {
    const slices = new Slices();
    const WORK_MS = 4;
    const order: string[] = [];
    const began = performance.now();
    let busyMs = 0;
    const work = (name: string): void => {
      const start = performance.now();
      while (performance.now() - start < WORK_MS);
      busyMs += performance.now() - start;
      order.push(name);
    };
    await Promise.all([
      ...Array.from({ length: 6 }, async (_, i) => await slices.run("own", () => work(`own ${i}`))),
      ...Array.from({ length: 3 }, async (_, i) => await slices.run("shared", () => work(`shared ${i}`))),
    ]);
    await slices.run("own", () => undefined);
    expect(order).to.deep.equal([
      ...["own 0", "shared 0", "own 1", "shared 1", "own 2", "shared 2", "own 3", "own 4", "own 5"],
    ]);
    expect(busyMs / (performance.now() - began)).to.be.below(0.3);
  });

  it("go on after one that threw", async () => {
    const slices = new Slices();
    const failed = slices.run("own", () => {
      throw new Error("no");
    });
    const next = slices.run("shared", () => 7);
    expect(await failed.catch((error: unknown) => String(error))).to.equal("Error: no");
    expect(await next).to.equal(7);
  });
});
