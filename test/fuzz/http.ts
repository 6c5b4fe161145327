import { connect } from "node:net";
import { expect } from "chai";
import fc from "fast-check";
import { encodePayment } from "@plasma-billing/protocol/paymentBytes.ts";
import { decodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import { MemoryOperator, signPayment, SPENDERS } from "../helpers/memoryOperator.ts";
import { corpus } from "./corpus.ts";
import { mutate, mutations, type Mutation } from "./mutations.ts";
import { FUZZ_RUNS } from "./runs.ts";

const [alice, bob, carol] = SPENDERS as [(typeof SPENDERS)[0], (typeof SPENDERS)[0], (typeof SPENDERS)[0]];
const ANSWER_MS_MAX = 2_000;
const STATUS = [200, 400, 401, 404, 409, 413, 415, 417, 422, 431];
const HASH = `0x${"5a".repeat(32)}`;
const cursor = (text: string): string => Buffer.from(text).toString("base64url");

const METHODS = [
  "GET",
  "POST",
  "HEAD",
  "PUT",
  "DELETE",
  "OPTIONS",
  "PATCH",
  "TRACE",
  "CONNECT",
  "PRI",
  "get",
  "",
  "G@T",
];
const PATHS = [
  ...[
    "/v1/transactions",
    "/v1/transactions/batch",
    "/v1/transactions",
    "/v1/transactions/batch",
    "/healthz",
    "/readyz",
  ],
  ...[`/v1/transactions/${HASH}`, `/v1/transactions/${HASH}/proof`, "/v1/blocks", "/v1/blocks/1", "/v1/blocks/open"],
  ...["/v1/blocks/1/transactions", "/v1/blocks/open/transactions", "/v1/blocks/9999999999/transactions", "/v1/status"],
  ...["/v1/accounts", "/v1/files", "/v1/files/%F0%9F%92%BE", "/v1/quotes", "/v1/swaps", "/v1/purchases/prepare"],
  ...[`/v1/accounts/${alice.address}`, `/v1/accounts/${alice.address}/outputs`, "/v1/deposits", "/v1/exits"],
  ...[
    `/v1/accounts/${alice.address}/transactions`,
    "/v1/admin/commit",
    "/__proto__",
    "/constructor",
    "/%00",
    "/%",
    "*",
  ],
  ...[
    "http://x/healthz",
    "//healthz",
    "/../healthz",
    "/healthz/",
    "/v1/blocks/1e3",
    "/v1/blocks/%ED%A0%80",
    "healthz",
    "",
  ],
  ...[
    `/${"a".repeat(9_000)}`,
    "/v1/blocks/-1",
    "/v1/transactions/0x",
    "/v1/transactions?",
    "/v1/transactions#x",
    "/\u00ff",
  ],
];
const NUMBERS = [
  "0",
  "1",
  "2",
  "-1",
  "01",
  "1e3",
  "999999999999999",
  "9007199254740993",
  "NaN",
  "__proto__",
  "",
  "4294967296",
];
const QUERIES = [
  ...[
    "limit=0",
    "limit=1",
    "limit=1000",
    "limit=1001",
    "limit=1e2",
    "limit=1&limit=2",
    "limit[]=1",
    "limit=%31",
    "limit=",
  ],
  ...[
    "__proto__=1",
    "constructor=1",
    "state=spent",
    "state=__proto__",
    "purpose=upload",
    "fileId=%F0%9F%8D%95",
    "fileId=%ff",
  ],
  ...[
    "fileId=%ED%A0%80",
    "blockNumber=1",
    "blockNumber=9999999999",
    `address=${bob.address}`,
    "address=0x",
    "&&&",
    "=",
    "%",
  ],
  ...[
    `cursor=${"A".repeat(44)}`,
    `cursor=${"A".repeat(45)}`,
    "cursor=%00",
    "state=accepted",
    "state=finalized",
    "a".repeat(9_000),
  ],
];
const HEADERS = [
  ...["Content-Type: application/json", "Content-Type: application/octet-stream", "Content-Type: application/json"],
  ...["Content-Type: application/octet-stream", "content-type: APPLICATION/JSON ; charset=utf-16", "Content-Type:"],
  ...[
    "Content-Type: constructor",
    "Content-Type: __proto__",
    "Content-Type: toString",
    "Content-Type: ;",
    "Content-Type: a/b",
  ],
  ...["Content-Type: application/json, application/octet-stream", "Content-Type: application/octet-stream;a=\u00ff"],
  ...["Content-Length: 0", "Content-Length: 5", "Content-Length: -1", "Content-Length: +5", "Content-Length: 5, 5"],
  ...[
    "Content-Length: 99999999999999999999",
    "Content-Length: 9000000",
    "Content-Length: 0x10",
    "Content-Length:",
    "Content-Length: 1e3",
  ],
  ...[
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: xchunked",
  ],
  ...[
    "Transfer-Encoding:\tchunked",
    "Content-Encoding: gzip",
    "Content-Encoding: identity",
    "Content-Encoding: constructor",
  ],
  ...[
    "Accept: application/octet-stream",
    "Accept: application/x-ndjson",
    "Accept: */*;q=x",
    "Expect: 100-continue",
    "Expect: tea",
  ],
  ...[
    "Connection: upgrade\r\nUpgrade: websocket",
    "Upgrade: h2c",
    "Connection: close",
    "Connection: keep-alive",
    "Range: bytes=0-1",
  ],
  ...[
    "Authorization: Bearer no",
    "Authorization:",
    `Authorization: Bearer ${"x".repeat(4_000)}`,
    "Host: y",
    "Host:",
    "__proto__: 1",
  ],
  ...[
    `X: ${"y".repeat(20_000)}`,
    Array.from({ length: 2_500 }, (_, i) => `X${i}: 1`).join("\r\n"),
    " folded",
    "no colon",
    "X: \u0000",
    ": x",
  ],
];

interface Request {
  method: string;
  path: string;
  query: string[];
  version: string;
  headers: string[];
  body: number;
  /** How the body's length is told. */
  framing: "length" | "chunked" | "none";
  onBody: Mutation[];
  onAll: Mutation[];
}
const cursorOf = fc
  .array(fc.constantFrom(...NUMBERS), { minLength: 1, maxLength: 4 })
  .map((n) => `cursor=${cursor(n.join(":"))}`);
const usually = <T>(...values: [T, ...T[]]): fc.Arbitrary<T> =>
  fc.oneof({ arbitrary: fc.constant(values[0]), weight: 8 }, { arbitrary: fc.constantFrom(...values), weight: 1 });
const request: fc.Arbitrary<Request> = fc.record({
  method: fc.oneof(fc.constant("GET"), fc.constant("POST"), fc.constantFrom(...METHODS)),
  path: fc.constantFrom(...PATHS),
  query: fc.oneof(
    fc.constant<string[]>([]),
    fc.array(fc.oneof(fc.constantFrom(...QUERIES), cursorOf), { maxLength: 3 }),
  ),
  version: usually("HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "", "http/1.1"),
  headers: fc.array(fc.constantFrom(...HEADERS), { maxLength: 4 }),
  body: fc.nat(),
  framing: fc.constantFrom("length", "length", "chunked", "none"),
  onBody: fc.oneof(fc.constant<Mutation[]>([]), mutations),
  onAll: fc.oneof(fc.constant<Mutation[]>([]), fc.constant<Mutation[]>([]), mutations),
});

describe("fuzz: HTTP", () => {
  let operator: MemoryOperator;
  let bodies: Uint8Array[];
  let untouched = "";
  const crashes: unknown[] = [];
  let listeners: NodeJS.UncaughtExceptionListener[] = [];
  const onCrash = (error: unknown): void => void crashes.push(error);

  before(async () => {
    operator = await MemoryOperator.start({ adminToken: "an-administrator-of-the-tests" });
    const spent = await operator.deposit(alice.address, 100n);
    const open = await operator.deposit(alice.address, 100n);
    const taken = signPayment([spent], [{ owner: bob.address, amount: 100n }], [alice]);
    await operator.pay(taken);
    await operator.seal();
    // None can be taken, however it is changed: not signed by the owner, spent, or there already.
    const foreign = signPayment([open], [{ owner: carol.address, amount: 100n }], [carol]);
    const again = signPayment([spent], [{ owner: carol.address, amount: 100n }], [alice]);
    const payments = [taken, foreign, again].map(({ json }) => json);
    const binary = payments.map((json) => encodePayment(decodeTransaction(json)));
    const behindLength = binary.map((bytes) =>
      Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 255), bytes]),
    );
    bodies = [
      ...payments.map((json) => Uint8Array.from(Buffer.from(JSON.stringify(json)))),
      ...binary,
      Uint8Array.from(Buffer.from(JSON.stringify({ transactions: payments }))),
      Uint8Array.from(Buffer.concat(behindLength)),
      Uint8Array.from(Buffer.from('{"transactions":[')),
      new Uint8Array(),
      new Uint8Array(3_000).fill(0x5b),
    ];
    untouched = operator.fingerprint();
    // What would end the operator's process is an answer of its own here.
    listeners = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", onCrash);
  });
  after(async () => {
    process.off("uncaughtException", onCrash);
    for (const listener of listeners) process.on("uncaughtException", listener);
    await operator.stop();
  });

  function bytesOf({ method, path, query, version, headers, body, framing, onBody, onAll }: Request): Buffer {
    const payload = mutate(bodies[body % bodies.length] as Uint8Array, onBody);
    const url = query.length === 0 ? path : `${path}?${query.join("&")}`;
    const chunks = Buffer.concat([
      Buffer.from(`${payload.length.toString(16)};x=y\r\n`),
      payload,
      Buffer.from("\r\n0\r\nTrailer: 1\r\n\r\n"),
    ]);
    const length = { length: [`Content-Length: ${payload.length}`], chunked: ["Transfer-Encoding: chunked"], none: [] };
    const head = [`${method} ${url} ${version}`, "Host: x", ...headers, ...length[framing]].join("\r\n");
    const whole = Buffer.concat([Buffer.from(`${head}\r\n\r\n`, "latin1"), framing === "chunked" ? chunks : payload]);
    return Buffer.from(mutate(whole, onAll));
  }

  /**
   * Sends the bytes in two pieces and gives what comes back until the server ends it. The own end follows when something came,
   * or nothing for a while: whoever ends it before is not answered.
   */
  async function send(bytes: Buffer, patienceMs: number): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const socket = connect(Number(new URL(operator.url).port), "127.0.0.1");
    let text = "";
    const late = setTimeout(() => {
      socket.destroy();
      reject(new Error(`neither answered nor closed after ${ANSWER_MS_MAX} ms`));
    }, ANSWER_MS_MAX);
    let patience: NodeJS.Timeout | undefined;
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      socket.end();
    });
    // The server may close while there is more to come.
    socket.on("error", () => undefined);
    socket.once("close", () => {
      clearTimeout(late);
      clearTimeout(patience);
      resolve(text);
    });
    const middle = bytes.length >> 1;
    socket.write(bytes.subarray(0, middle));
    setImmediate(() => {
      socket.write(bytes.subarray(middle));
      patience = setTimeout(() => socket.end(), patienceMs);
    });
    return await promise;
  }

  /** The status of the first answer, 0 when there is none; everything that must hold of it does. */
  async function judge(bytes: Buffer, patienceMs = 10): Promise<number> {
    try {
      const text = await send(bytes, patienceMs);
      expect(
        crashes.splice(0).map((error) => (error as Error).stack),
        "the process would have ended",
      ).to.deep.equal([]);
      expect(operator.errors.splice(0), "the log").to.deep.equal([]);
      expect(text).not.to.match(/ at [\w.]+ \(|node_modules|\.ts:|file:\/\//);
      const [head = "", ...rest] = text.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, "").split("\r\n\r\n");
      const status = head === "" ? 0 : Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
      expect(status).to.be.oneOf([0, ...STATUS]);
      const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
      const payload = rest.join("\r\n\r\n");
      // Without one: to HEAD, and what Node says by itself of an expectation nobody knows and of a missing Host.
      const bare = payload === "" || payload.startsWith("HTTP/1.1 ") || payload.startsWith("0\r\n\r\n");
      if (status >= 400 && !bare) {
        expect(head).to.match(/^content-type: application\/problem\+json/im);
        const body = JSON.parse(Buffer.from(payload.slice(0, length), "latin1").toString());
        expect(body.status).to.equal(status);
        expect(body.code).to.be.a("string").and.not.equal("INTERNAL");
        expect(length, "bad input is not sent back whole").to.be.below(3_000);
      }
      const healthy = await send(
        Buffer.from("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        ANSWER_MS_MAX,
      );
      expect(healthy).to.match(/^HTTP\/1\.1 200 /);
      expect(operator.fingerprint()).to.equal(untouched);
      return status;
    } catch (error) {
      throw new Error(`${String(error)}\n${JSON.stringify(bytes.toString("latin1").slice(0, 4_000))}`, {
        cause: error,
      });
    }
  }

  it("INV-10: answers what is kept", async () => {
    for (const { name, taken, bytes } of corpus("http")) {
      const lines = JSON.parse(Buffer.from(bytes).toString()) as string[];
      const status = await judge(Buffer.from(lines.join("\r\n"), "latin1"), taken ? ANSWER_MS_MAX : 20);
      expect(status >= 200 && status < 300, `${name}: ${status}`).to.equal(taken);
    }
  });

  it("INV-10: requests with wrong lengths, types, cursors, bodies, and bytes changed: a problem or the end, and it lives on", async () => {
    const seen = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(request, async (each) => {
        const status = await judge(bytesOf(each));
        seen.set(status, (seen.get(status) ?? 0) + 1);
      }),
      { numRuns: 800 * FUZZ_RUNS },
    );
    for (const status of [200, 400, 404, 415]) expect([...seen.keys()], "kinds of answers").to.include(status);
  });

  it("INV-10: bodies that are right but for some bytes", async () => {
    const change = fc.record({ body: fc.nat(5), onBody: mutations, wrongType: fc.boolean(), batch: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(change, async ({ body, onBody, wrongType, batch }) => {
        const type = body < 3 !== wrongType ? "json" : "octet-stream";
        const framing = body % 2 === 0 ? "length" : "chunked";
        const path = batch ? "/v1/transactions/batch" : "/v1/transactions";
        const headers = [`Content-Type: application/${type}`, "Connection: close"];
        const common = { query: [], version: "HTTP/1.1", onAll: [] };
        await judge(bytesOf({ method: "POST", path, headers, body, framing, onBody, ...common }));
      }),
      { numRuns: 300 * FUZZ_RUNS },
    );
  });

  it("INV-10: lists from any place on, also one far behind their end", async () => {
    const account = `/v1/accounts/${alice.address}`;
    const lists: [path: string, numbers: number][] = [
      ...([
        ["/v1/blocks", 1],
        ["/v1/blocks/1/transactions", 1],
        ["/v1/transactions", 1],
        ["/v1/deposits", 1],
      ] as const),
      ...([
        ["/v1/exits", 2],
        [`${account}/outputs`, 3],
        [`${account}/transactions`, 1],
      ] as const),
    ].map(([path, numbers]) => [path, numbers]);
    const number = fc.oneof(fc.nat(9), fc.nat(99_999), fc.constantFrom(2 ** 31, 2 ** 32, 999_999_999_999_999));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...lists),
        fc.tuple(number, number, number),
        fc.constantFrom(1, 2, 1000),
        async ([path, count], numbers, limit) => {
          const query = `limit=${limit}&cursor=${cursor(numbers.slice(0, count).join(":"))}`;
          const status = await judge(
            Buffer.from(`GET ${path}?${query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
            ANSWER_MS_MAX,
          );
          // A cursor has at most 44 characters.
          if (numbers.slice(0, count).join(":").length <= 33) expect(status).to.equal(200);
        },
      ),
      { numRuns: 250 * FUZZ_RUNS },
    );
  });

  it("INV-10: any bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400, size: "max" }), fc.boolean(), async (bytes, withLine) => {
        const line = withLine ? "POST /v1/transactions HTTP/1.1\r\nHost: x\r\n" : "";
        await judge(Buffer.concat([Buffer.from(line), bytes]));
      }),
      { numRuns: 200 * FUZZ_RUNS },
    );
  });

  it("keeps nothing of those who went away in the middle", async () => {
    const { server } = operator.server;
    const before = await connections();
    await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        const socket = connect(Number(new URL(operator.url).port), "127.0.0.1");
        socket.on("error", () => undefined);
        socket.write(
          `POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${i + 9}\r\n\r\n{`,
        );
        await new Promise((resolve) => setTimeout(resolve, 20));
        socket.resetAndDestroy();
      }),
    );
    for (let i = 0; i < 50 && (await connections()) > before; i++)
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await connections()).to.equal(before);
    expect(operator.errors).to.deep.equal([]);
    expect(crashes).to.deep.equal([]);

    async function connections(): Promise<number> {
      const { promise, resolve } = Promise.withResolvers<number>();
      server.getConnections((_, count) => resolve(count));
      return await promise;
    }
  });
});
