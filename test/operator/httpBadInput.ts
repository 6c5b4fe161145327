import { connect } from "node:net";
import { expect } from "chai";
import { ETHER } from "../helpers/chain.ts";
import { signPayment, SPENDERS } from "../helpers/memoryOperator.ts";
import { ADMIN_TOKEN, Refusals } from "../helpers/refusals.ts";

const [alice, bob, carol] = SPENDERS as [(typeof SPENDERS)[0], (typeof SPENDERS)[0], (typeof SPENDERS)[0]];
const HASH = `0x${"5a".repeat(32)}`;

const LISTS = [
  "/v1/blocks",
  "/v1/blocks/1/transactions",
  `/v1/accounts/${alice.address}/outputs`,
  "/v1/deposits",
  "/v1/exits",
];
const READS = [
  ...LISTS,
  ...["/v1/blocks/open", "/v1/blocks/1", `/v1/accounts/${alice.address}`, "/v1/status", "/healthz", "/readyz"],
];
const POSTS = ["/v1/transactions", "/v1/transactions/batch", "/v1/admin/commit"];

describe("HTTP API, bad input", () => {
  const fixture = new Refusals();
  fixture.hooks();

  const body = (path: string): any => {
    const { json } = signPayment([fixture.outputs.available], [{ owner: bob.address, amount: 100n }], [alice]);
    return path.endsWith("/batch") ? { transactions: [json] } : path.endsWith("/commit") ? {} : json;
  };
  const admin = { authorization: `Bearer ${ADMIN_TOKEN}` };

  describe("in the query", () => {
    for (const path of [...READS, ...POSTS]) {
      it(`of ${path}: fields nobody knows`, async () => {
        for (const query of ["nonsense=1", "nonsense", "__proto__=1", "constructor=1", "limit[]=1", "Limit=1", "=1"]) {
          const url = `${path}?${query}`;
          fixture.expectProblem(
            POSTS.includes(path)
              ? await fixture.operator.post(url, body(path), admin)
              : await fixture.operator.get(url),
            "MALFORMED",
          );
        }
      });
    }
    for (const path of LISTS) {
      it(`of ${path}: limits and cursors that are none`, async () => {
        const limits = [
          "",
          "0",
          "-1",
          "+1",
          "1.0",
          "1e2",
          "0x10",
          "01",
          " 1",
          "1%0A",
          "abc",
          "1001",
          "9".repeat(30),
          "NaN",
        ];
        const cursors = [
          "",
          "!",
          "MA==",
          "a",
          "AAAA",
          "MS4w",
          "LTE",
          "MDE",
          "____",
          "MQ%00",
          "x".repeat(5_000),
          "%F0%9F%8D%95",
        ];
        const queries = [...limits.map((limit) => `limit=${limit}`), ...cursors.map((cursor) => `cursor=${cursor}`)];
        for (const query of [...queries, "limit=1&limit=2", "cursor=Mg&cursor=Mg", "limit=5&nonsense=1"]) {
          fixture.expectProblem(await fixture.operator.get(`${path}?${query}`), "MALFORMED");
        }
      });
    }
    it("states no output has", async () => {
      for (const state of ["", "Spent", "open", "available,spent", "__proto__"]) {
        fixture.expectProblem(
          await fixture.operator.get(`/v1/accounts/${alice.address}/outputs?state=${state}`),
          "MALFORMED",
        );
      }
    });
  });

  describe("in the path", () => {
    it("hashes that are none", async () => {
      const wrong = [
        "0x",
        "0x12",
        HASH.slice(2),
        `${HASH}00`,
        HASH.slice(0, -1),
        `0X${HASH.slice(2)}`,
        `0x${"zz".repeat(32)}`,
      ];
      for (const hash of [...wrong, "null", "%00", "%0A", "x".repeat(300), `${HASH}%0A`]) {
        for (const path of [`/v1/transactions/${hash}`, `/v1/transactions/${hash}/proof`]) {
          fixture.expectProblem(await fixture.operator.get(path), "MALFORMED");
        }
      }
    });
    it("addresses that are none", async () => {
      const wrong = [
        "0x",
        "0x12",
        alice.address.slice(2),
        `${alice.address}00`,
        `0x${"zz".repeat(20)}`,
        "x".repeat(300),
      ];
      for (const address of [...wrong, "vitalik.eth", "%00", "1e40"]) {
        for (const path of [`/v1/accounts/${address}`, `/v1/accounts/${address}/outputs`]) {
          fixture.expectProblem(await fixture.operator.get(path), "MALFORMED");
        }
      }
    });
    it("numbers that are none", async () => {
      for (const number of [
        "-1",
        "+1",
        "1.0",
        "1e0",
        "0x1",
        "01",
        "007",
        "OPEN",
        "opened",
        "1%20",
        "NaN",
        "9".repeat(30),
      ]) {
        for (const path of [`/v1/blocks/${number}`, `/v1/blocks/${number}/transactions`]) {
          fixture.expectProblem(await fixture.operator.get(path), "MALFORMED");
        }
      }
    });
    it("escapes that are none", async () => {
      for (const path of ["/v1/transactions/%zz", "/v1/accounts/%", "/%E0%A4%A"]) {
        fixture.expectProblem(await fixture.operator.get(path), "MALFORMED");
      }
    });
    it("what does not exist", async () => {
      const missing = [`/v1/transactions/${HASH}`, `/v1/transactions/${HASH}/proof`, "/v1/blocks/0", "/v1/blocks/3"];
      const routes = ["/v1", "/v1/", "/v1/nonsense", "/v2/blocks", "/v1/blocks/1/2", "//v1/blocks", "/V1/blocks"];
      for (const path of [
        ...missing,
        "/v1/blocks/1073741824/transactions",
        ...routes,
        "/../etc/passwd",
        "/__proto__",
      ]) {
        fixture.expectProblem(await fixture.operator.get(path), "NOT_FOUND");
      }
    });
    it("a proof of what no block on Ethereum holds", async () => {
      fixture.expectProblem(await fixture.operator.get(`/v1/transactions/${fixture.accepted}/proof`), "NOT_COMMITTED");
    });
    it("methods no route has", async () => {
      for (const path of [...READS, `/v1/transactions/${fixture.accepted}`]) {
        for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
          fixture.expectProblem(await fixture.operator.request(path, { method }), "NOT_FOUND");
        }
      }
      for (const path of POSTS) {
        for (const method of ["PUT", "DELETE", "PATCH"]) {
          fixture.expectProblem(await fixture.operator.request(path, { method, headers: admin }), "NOT_FOUND");
        }
      }
    });
  });

  describe("in the body", () => {
    const notJson = [
      "{",
      "nonsense",
      "{'a':1}",
      '{"a":1,}',
      "[1",
      '"',
      "{} {}",
      "NaN",
      "0x10",
      "\u0000",
      '{"a":01}',
      "\\u007b",
    ];
    // As deep as fits into the smallest body limit.
    const deep = [`${"[".repeat(500)}${"]".repeat(500)}`, `${'{"a":'.repeat(150)}1${"}".repeat(150)}`];
    const poisoned = [
      '{"__proto__":{"purpose":"transfer"}}',
      '{"constructor":{"prototype":{"inputs":[]}}}',
      '{"toString":1}',
    ];
    const otherThings = ["null", "true", "0", "-1e999", '"text"', "[]", "[{}]", '{"nonsense":1}', ...deep, ...poisoned];

    for (const path of POSTS) {
      it(`of ${path}: no JSON, or JSON of something else`, async () => {
        const empty = path.endsWith("/commit") ? ["null"] : ["{}", ""];
        const wrong = otherThings.filter((text) => !(text === "null" && path.endsWith("/commit")));
        for (const text of [...notJson, ...wrong, ...empty.filter((each) => each !== "null")]) {
          fixture.expectProblem(await fixture.operator.post(path, text, admin), "MALFORMED");
        }
      });

      it(`of ${path}: another content type`, async () => {
        const types = [
          "text/plain",
          "application/x-www-form-urlencoded",
          "multipart/form-data; boundary=x",
          "application/xml",
        ];
        for (const type of [
          ...types,
          "application/json-patch+json",
          "application/jsonx",
          "text/json",
          "*/*",
          "json",
          ";",
        ]) {
          const answer = await fixture.operator.post(path, body(path), { ...admin, "content-type": type });
          fixture.expectProblem(answer, "UNSUPPORTED_MEDIA_TYPE");
        }
        const bytes = new TextEncoder().encode(JSON.stringify(body(path)));
        fixture.expectProblem(
          await fixture.operator.request(path, { method: "POST", body: bytes, headers: admin }),
          "UNSUPPORTED_MEDIA_TYPE",
        );
      });

      it(`of ${path}: more than it takes, said beforehand or not`, async () => {
        const large = `{"transactions":["${"x".repeat(17 * 1024 * 1024)}"]}`;
        fixture.expectProblem(await fixture.operator.post(path, large, admin), "TOO_LARGE");
        const chunked = new Blob([large]).stream();
        const init = {
          method: "POST",
          body: chunked,
          duplex: "half",
          headers: { ...admin, "content-type": "application/json" },
        };
        fixture.expectProblem(await fixture.operator.request(path, init as RequestInit), "TOO_LARGE");
      });
    }

    it("of a batch: none, too many, not a list, further fields", async () => {
      const { json } = signPayment([fixture.outputs.available], [{ owner: bob.address, amount: 100n }], [alice]);
      const batches = [
        { transactions: [] },
        { transactions: Array(1001).fill(0) },
        { transactions: {} },
        { transactions: null },
      ];
      for (const batch of [...batches, { transactions: "x" }, { transactions: [json], more: 1 }, [json], json]) {
        fixture.expectProblem(await fixture.operator.post("/v1/transactions/batch", batch), "MALFORMED");
      }
    });

    it("very deep is refused before it is read, also in one of a batch", async () => {
      const million = 1_000_000;
      const texts = [
        `{"transactions":${"[".repeat(million)}${"]".repeat(million)}}`,
        `{"transactions":${"[".repeat(3 * million)}`,
        `${'{"a":'.repeat(million)}1${"}".repeat(million)}`,
        `{"transactions":[${Array(1000)
          .fill(`${"[".repeat(1000)}${"]".repeat(1000)}`)
          .join(",")}]}`,
        `{"transactions":["\\"]]","\\\\",${"[".repeat(40)}1${"]".repeat(40)}]}`,
      ];
      for (const text of texts)
        fixture.expectProblem(await fixture.operator.post("/v1/transactions/batch", text), "MALFORMED");
    });

    it("brackets inside of strings are not depth", async () => {
      const text = JSON.stringify({
        transactions: [{ '[{\\"[[[[[[[[': `${"[".repeat(50)}\\` }, `"${"[{".repeat(50)}`, `${"{".repeat(50)}\\\\`],
      });
      const { status, body: answer } = await fixture.operator.post("/v1/transactions/batch", text);
      expect(status).to.equal(200);
      expect(answer.results.map((result: any) => result.problem.code)).to.deep.equal(Array(3).fill("MALFORMED"));
    });

    it("with a key twice: the last one counts, and is what was signed, or it is refused", async () => {
      const { json } = signPayment([fixture.outputs.available], [{ owner: bob.address, amount: 100n }], [alice]);
      const text = JSON.stringify(json).replace('"purpose"', '"outputs":[],"purpose"');
      const twice = text.replace(/\}$/, `,"outputs":[{"owner":"${carol.address}","token":"${ETHER}","amount":"100"}]}`);
      fixture.expectProblem(await fixture.operator.post("/v1/transactions", twice), "BAD_SIGNATURE");
    });
  });

  describe("below HTTP", () => {
    /** Sends the bytes as they are and gives what comes back until the server ends it, or the time is over. */
    async function raw(bytes: string, endAfterMs: number | null = null): Promise<string> {
      const { port } = new URL(fixture.operator.url);
      const socket = connect(Number(port), "127.0.0.1");
      let text = "";
      socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
      socket.on("error", () => undefined);
      socket.write(bytes);
      if (endAfterMs !== null) setTimeout(() => socket.destroy(), endAfterMs);
      await new Promise((resolve) => socket.once("close", resolve));
      return text;
    }
    function expectRawProblem(text: string, code: string): void {
      const [head = "", payload = ""] = text.split("\r\n\r\n");
      const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
      const type = /^content-type: *(.+)$/im.exec(head)?.[1] ?? "";
      expect(type, text).not.to.equal("");
      const length = Number(/^content-length: *(\d+)$/im.exec(head)?.[1]);
      expect(Buffer.byteLength(payload)).to.equal(length);
      fixture.expectProblem({ status, type, body: JSON.parse(payload) }, code);
    }
    const json = "Host: x\r\nContent-Type: application/json\r\n";

    it("what is no request", async () => {
      expectRawProblem(await raw("HELLO\r\n\r\n"), "MALFORMED");
      expectRawProblem(await raw("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), "MALFORMED");
      expectRawProblem(await raw("GET /healthz HTTP/1.1\r\nHost: x\r\nBad Header\r\n\r\n"), "MALFORMED");
      expectRawProblem(await raw(`GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(100_000)}\r\n\r\n`), "MALFORMED");
    });

    it("lengths that contradict each other", async () => {
      const smuggled = `Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n`;
      expectRawProblem(await raw(`POST /v1/transactions HTTP/1.1\r\n${json}${smuggled}`), "MALFORMED");
      for (const length of ["-1", "1e3", "abc", "99999999999999999999999"]) {
        expectRawProblem(
          await raw(`POST /v1/transactions HTTP/1.1\r\n${json}Content-Length: ${length}\r\n\r\n{}`),
          "MALFORMED",
        );
      }
      const huge = `POST /v1/transactions HTTP/1.1\r\n${json}Content-Length: 99999999999\r\n\r\n{}`;
      expectRawProblem(await raw(huge, 2_000), "TOO_LARGE");
    });

    it("a client that stops in the middle changes nothing, and the others are served", async () => {
      const half = JSON.stringify(body("/v1/transactions")).slice(0, 200);
      await Promise.all([
        raw(`POST /v1/transactions HTTP/1.1\r\n${json}Content-Length: 5000\r\n\r\n${half}`, 100),
        raw(`POST /v1/transactions HTTP/1.1\r\n${json}Transfer-Encoding: chunked\r\n\r\nc8\r\n${half}\r\n`, 100),
        raw("GET /v1/blocks HTTP/1.1\r\nHost:", 100),
        raw("", 100),
      ]);
      expect((await fixture.operator.get("/healthz")).status).to.equal(200);
      expect(fixture.operator.fingerprint()).to.equal(fixture.untouched);
      expect(fixture.operator.errors).to.deep.equal([]);
    });

    it("bytes that are not UTF-8", async () => {
      const text = JSON.stringify(body("/v1/transactions"));
      const bytes = Buffer.from(text);
      bytes[text.indexOf('"amount":"') + 11] = 0xff;
      const init = { method: "POST", body: bytes, headers: { "content-type": "application/json" } };
      fixture.expectProblem(await fixture.operator.request("/v1/transactions", init), "MALFORMED");
    });

    it("bodies that arrive together are bounded, however small each was when it began", async () => {
      const { hostname, port } = new URL(fixture.operator.url);
      const head = [
        ...["POST /v1/transactions/batch HTTP/1.1", "Host: x", "Content-Type: application/json"],
        ...["Content-Length: 8000000", "", ""],
      ].join("\r\n");
      const answers: string[] = [];
      const sockets = Array.from({ length: 24 }, () => {
        const socket = connect(Number(port), hostname);
        socket.on("error", () => undefined);
        socket.once("data", (chunk: Buffer) => answers.push(chunk.toString().slice(9, 12)));
        socket.write(head);
        return socket;
      });
      const most = Buffer.alloc(7_000_000, 32);
      for (const socket of sockets) socket.write(most);
      for (let waits = 0; answers.length === 0 && waits < 100; waits++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      expect(answers).to.include("503");
      for (const socket of sockets) socket.destroy();
      const ready = await fixture.operator.get("/healthz");
      expect(ready.status).to.equal(200);
    });

    it("nobody holds a socket by sending or reading slowly", () => {
      const { requestTimeout, headersTimeout, timeout } = fixture.operator.server.server;
      for (const ms of [requestTimeout, headersTimeout, timeout]) expect(ms).to.be.within(1_000, 120_000);
    });
  });

  describe("after all of it", () => {
    it("a payment that was refused for its form alone is taken in its right form", async () => {
      const payment = signPayment([fixture.outputs.available], [{ owner: bob.address, amount: 100n }], [alice]);
      expect((await fixture.operator.post("/v1/transactions", payment.json)).status).to.equal(201);
    });
  });
});
