import { connect } from "node:net";
import { expect } from "chai";
import { LEDGER_CODES } from "@plasma-billing/protocol/errors.ts";
import { ETHER, ZERO_HASH } from "../helpers/chain.ts";
import { type Answer, MemoryOperator, signPayment, SPENDERS } from "../helpers/memoryOperator.ts";

const [alice, bob, carol] = SPENDERS as [(typeof SPENDERS)[0], (typeof SPENDERS)[0], (typeof SPENDERS)[0]];
const ADMIN_TOKEN = "an-administrator-of-the-tests";
const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const HASH = `0x${"5a".repeat(32)}`;

/** Status of each code, as the design lists them. */
const STATUS: Record<string, number> = {
  ...Object.fromEntries(LEDGER_CODES.map((code) => [code, 422])),
  ...{ MALFORMED: 400, WRONG_SIGNATURE_COUNT: 400, INPUT_SPENT: 409, INPUT_EXITING: 409, WRONG_ROLE: 422 },
  ...{ NOT_FOUND: 404, NOT_COMMITTED: 409, TOO_LARGE: 413, UNSUPPORTED_MEDIA_TYPE: 415, UNAUTHORIZED: 401 },
};

const LISTS = ["/v1/blocks", "/v1/blocks/1/transactions", `/v1/accounts/${alice.address}/outputs`, "/v1/deposits", "/v1/exits"];
const READS = [
  ...LISTS,
  ...["/v1/blocks/open", "/v1/blocks/1", `/v1/accounts/${alice.address}`, "/v1/status", "/healthz", "/readyz"],
];
const POSTS = ["/v1/transactions", "/v1/transactions/batch", "/v1/admin/commit"];

describe("HTTP API, bad input", () => {
  let operator: MemoryOperator;
  /** Outputs of Alice's, one in each state a payment may not spend, and two it may. */
  const outputs = { available: "", other: "", spent: "", exiting: "", withdrawn: "", pending: "" };
  let accepted: string;
  let untouched: string;

  before(async () => {
    operator = await MemoryOperator.start({ adminToken: ADMIN_TOKEN });
    for (const state of ["available", "other", "spent", "exiting", "withdrawn"] as const) {
      outputs[state] = await operator.deposit(alice.address, 100n);
    }
    const first = signPayment([outputs.spent], [{ owner: alice.address, amount: 100n }], [alice]);
    accepted = (await operator.pay(first)).hash;
    await operator.seal();
    await operator.exit(1, outputs.exiting);
    await operator.exit(2, outputs.withdrawn, { state: "finalized", paid: true, final: true });
    const pending = operator.pendingDeposit(6n, alice.address, 100n);
    operator.pending = [pending];
    outputs.pending = pending.outputId;
  });
  after(async () => {
    await operator.stop();
  });
  beforeEach(() => {
    untouched = operator.fingerprint();
    operator.errors.length = 0;
  });

  /** A whole problem, of this code, which tells nothing of our insides and left everything as it was. */
  function expectProblem(answer: Pick<Answer, "status" | "type" | "body">, code: string): void {
    expect([answer.status, answer.body.code], JSON.stringify(answer.body)).to.deep.equal([STATUS[code], code]);
    expect(answer.type).to.match(/^application\/problem\+json(;|$)/);
    expectProblemBody(answer.body, code);
    expect(operator.fingerprint()).to.equal(untouched);
    expect(operator.errors).to.deep.equal([]);
  }

  function expectProblemBody(body: any, code: string): void {
    expect(body).to.have.all.keys("type", "title", "status", "code", "detail", "context");
    expect(body.status).to.equal(STATUS[code]);
    for (const text of [body.type, body.title, body.detail]) expect(text).to.be.a("string").and.not.equal("");
    expect(body.context).to.be.an("object");
    expect(JSON.stringify(body)).not.to.match(/ at [\w.]+ \(|node_modules|\.ts:|file:/);
    expect(JSON.stringify(body).length, "bad input is not sent back whole").to.be.below(2_000);
  }

  const body = (path: string): any => {
    const { json } = signPayment([outputs.available], [{ owner: bob.address, amount: 100n }], [alice]);
    return path.endsWith("/batch") ? { transactions: [json] } : path.endsWith("/commit") ? {} : json;
  };
  const admin = { authorization: `Bearer ${ADMIN_TOKEN}` };

  describe("in the query", () => {
    for (const path of [...READS, ...POSTS]) {
      it(`of ${path}: fields nobody knows`, async () => {
        for (const query of ["nonsense=1", "nonsense", "__proto__=1", "constructor=1", "limit[]=1", "Limit=1", "=1"]) {
          const url = `${path}?${query}`;
          expectProblem(POSTS.includes(path) ? await operator.post(url, body(path), admin) : await operator.get(url), "MALFORMED");
        }
      });
    }
    for (const path of LISTS) {
      it(`of ${path}: limits and cursors that are none`, async () => {
        const limits = ["", "0", "-1", "+1", "1.0", "1e2", "0x10", "01", " 1", "1%0A", "abc", "1001", "9".repeat(30), "NaN"];
        const cursors = ["", "!", "MA==", "a", "AAAA", "MS4w", "LTE", "MDE", "____", "MQ%00", "x".repeat(5_000), "%F0%9F%8D%95"];
        const queries = [...limits.map((limit) => `limit=${limit}`), ...cursors.map((cursor) => `cursor=${cursor}`)];
        for (const query of [...queries, "limit=1&limit=2", "cursor=Mg&cursor=Mg", "limit=5&nonsense=1"]) {
          expectProblem(await operator.get(`${path}?${query}`), "MALFORMED");
        }
      });
    }
    it("states no output has", async () => {
      for (const state of ["", "Spent", "open", "available,spent", "__proto__"]) {
        expectProblem(await operator.get(`/v1/accounts/${alice.address}/outputs?state=${state}`), "MALFORMED");
      }
    });
  });

  describe("in the path", () => {
    it("hashes that are none", async () => {
      const wrong = ["0x", "0x12", HASH.slice(2), `${HASH}00`, HASH.slice(0, -1), `0X${HASH.slice(2)}`, `0x${"zz".repeat(32)}`];
      for (const hash of [...wrong, "null", "%00", "%0A", "x".repeat(300), `${HASH}%0A`]) {
        for (const path of [`/v1/transactions/${hash}`, `/v1/transactions/${hash}/proof`]) {
          expectProblem(await operator.get(path), "MALFORMED");
        }
      }
    });
    it("addresses that are none", async () => {
      const wrong = ["0x", "0x12", alice.address.slice(2), `${alice.address}00`, `0x${"zz".repeat(20)}`, "x".repeat(300)];
      for (const address of [...wrong, "vitalik.eth", "%00", "1e40"]) {
        for (const path of [`/v1/accounts/${address}`, `/v1/accounts/${address}/outputs`]) {
          expectProblem(await operator.get(path), "MALFORMED");
        }
      }
    });
    it("numbers that are none", async () => {
      for (const number of ["-1", "+1", "1.0", "1e0", "0x1", "01", "007", "OPEN", "opened", "1%20", "NaN", "9".repeat(30)]) {
        for (const path of [`/v1/blocks/${number}`, `/v1/blocks/${number}/transactions`]) {
          expectProblem(await operator.get(path), "MALFORMED");
        }
      }
    });
    it("escapes that are none", async () => {
      for (const path of ["/v1/transactions/%zz", "/v1/accounts/%", "/%E0%A4%A"]) {
        expectProblem(await operator.get(path), "MALFORMED");
      }
    });
    it("what does not exist", async () => {
      const missing = [`/v1/transactions/${HASH}`, `/v1/transactions/${HASH}/proof`, "/v1/blocks/0", "/v1/blocks/3"];
      const routes = ["/v1", "/v1/", "/v1/nonsense", "/v2/blocks", "/v1/blocks/1/2", "//v1/blocks", "/v1/blocks/", "/V1/blocks"];
      for (const path of [...missing, "/v1/blocks/1073741824/transactions", ...routes, "/../etc/passwd", "/__proto__"]) {
        expectProblem(await operator.get(path), "NOT_FOUND");
      }
    });
    it("a proof of what no block on Ethereum holds", async () => {
      expectProblem(await operator.get(`/v1/transactions/${accepted}/proof`), "NOT_COMMITTED");
    });
    it("methods no route has", async () => {
      for (const path of [...READS, `/v1/transactions/${accepted}`]) {
        for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
          expectProblem(await operator.request(path, { method }), "NOT_FOUND");
        }
      }
      for (const path of POSTS) {
        for (const method of ["PUT", "DELETE", "PATCH"]) {
          expectProblem(await operator.request(path, { method, headers: admin }), "NOT_FOUND");
        }
      }
    });
  });

  describe("in the body", () => {
    const notJson = ["{", "nonsense", "{'a':1}", '{"a":1,}', "[1", '"', "{} {}", "NaN", "0x10", "\u0000", '{"a":01}', "\\u007b"];
    const deep = [`${"[".repeat(900)}${"]".repeat(900)}`, `${'{"a":'.repeat(150)}1${"}".repeat(150)}`];
    const poisoned = ['{"__proto__":{"purpose":"transfer"}}', '{"constructor":{"prototype":{"inputs":[]}}}', '{"toString":1}'];
    const otherThings = ["null", "true", "0", "-1e999", '"text"', "[]", "[{}]", '{"nonsense":1}', ...deep, ...poisoned];

    for (const path of POSTS) {
      it(`of ${path}: no JSON, or JSON of something else`, async () => {
        const empty = path.endsWith("/commit") ? ["null"] : ["{}", ""];
        const wrong = otherThings.filter((text) => !(text === "null" && path.endsWith("/commit")));
        for (const text of [...notJson, ...wrong, ...empty.filter((each) => each !== "null")]) {
          expectProblem(await operator.post(path, text, admin), "MALFORMED");
        }
      });

      it(`of ${path}: another content type`, async () => {
        const types = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml"];
        for (const type of [...types, "application/json-patch+json", "application/jsonx", "text/json", "*/*", "json", ";"]) {
          const answer = await operator.post(path, body(path), { ...admin, "content-type": type });
          expectProblem(answer, "UNSUPPORTED_MEDIA_TYPE");
        }
        const bytes = new TextEncoder().encode(JSON.stringify(body(path)));
        expectProblem(await operator.request(path, { method: "POST", body: bytes, headers: admin }), "UNSUPPORTED_MEDIA_TYPE");
      });

      it(`of ${path}: more than it takes, said beforehand or not`, async () => {
        const large = `{"transactions":["${"x".repeat(17 * 1024 * 1024)}"]}`;
        expectProblem(await operator.post(path, large, admin), "TOO_LARGE");
        const chunked = new Blob([large]).stream();
        const init = { method: "POST", body: chunked, duplex: "half", headers: { ...admin, "content-type": "application/json" } };
        expectProblem(await operator.request(path, init as RequestInit), "TOO_LARGE");
      });
    }

    it("of a batch: none, too many, not a list, further fields", async () => {
      const { json } = signPayment([outputs.available], [{ owner: bob.address, amount: 100n }], [alice]);
      const batches = [{ transactions: [] }, { transactions: Array(1001).fill(0) }, { transactions: {} }, { transactions: null }];
      for (const batch of [...batches, { transactions: "x" }, { transactions: [json], more: 1 }, [json], json]) {
        expectProblem(await operator.post("/v1/transactions/batch", batch), "MALFORMED");
      }
    });

    it("very deep or of very many parts is refused without long work", async () => {
      const million = 1_000_000;
      const texts = [
        `{"transactions":${"[".repeat(million)}${"]".repeat(million)}}`,
        `{"transactions":${"[".repeat(3 * million)}`,
        `${'{"a":'.repeat(million)}1${"}".repeat(million)}`,
        `{"transactions":[${Array(1000).fill(`${"[".repeat(1000)}${"]".repeat(1000)}`).join(",")}]}`,
        `{"transactions":[{${Array.from({ length: 200_000 }, (_, i) => `"${i.toString(36)}":1`).join(",")}}]}`,
      ];
      for (const text of texts) {
        const started = performance.now();
        const answer = await operator.post("/v1/transactions/batch", text);
        if (answer.status === 200) for (const { problem } of answer.body.results) expect(problem.code).to.equal("MALFORMED");
        else expectProblem(answer, "MALFORMED");
        expect(performance.now() - started).to.be.below(5_000);
      }
    });

    it("with a key twice: the last one counts, and is what was signed, or it is refused", async () => {
      const { json } = signPayment([outputs.available], [{ owner: bob.address, amount: 100n }], [alice]);
      const text = JSON.stringify(json).replace('"purpose"', '"outputs":[],"purpose"');
      const twice = text.replace(/\}$/, `,"outputs":[{"owner":"${carol.address}","token":"${ETHER}","amount":"100"}]}`);
      expectProblem(await operator.post("/v1/transactions", twice), "BAD_SIGNATURE");
    });
  });

  describe("in a payment, alone and in a batch", () => {
    const pay = (state: keyof typeof outputs, amount = 100n, signer = alice): any =>
      signPayment([outputs[state]], [{ owner: bob.address, amount }], [signer]).json;
    const change = (fields: Record<string, unknown>): any => ({ ...pay("available"), ...fields });
    const changeOutput = (fields: Record<string, unknown>): any => {
      const json = pay("available");
      return { ...json, outputs: [{ ...json.outputs[0], ...fields }] };
    };
    const without = (field: string): any => {
      const { [field]: _, ...rest } = pay("available");
      return rest;
    };
    const signature = (): string => pay("available").signatures[0];
    /** The same signature as mathematics has it, with s in the upper half. */
    const highS = (): string => {
      const text = signature();
      const s = (CURVE_ORDER - BigInt(`0x${text.slice(66, 130)}`)).toString(16).padStart(64, "0");
      return `${text.slice(0, 66)}${s}${text.endsWith("1b") ? "1c" : "1b"}`;
    };
    const withV = (v: string): string => `${signature().slice(0, 130)}${v}`;
    const owner = bob.address;
    const token = ETHER;

    const cases: [string, string, () => any[]][] = [
      ["fields missing", "MALFORMED", () => ["purpose", "inputs", "outputs", "fileHash", "signatures"].map(without)],
      ["fields nobody knows", "MALFORMED", () => [change({ nonce: 1 }), change({ hash: HASH }), changeOutput({ memo: "" })]],
      ["purposes nobody knows", "MALFORMED", () => ["", "Transfer", "mint", 1, null, "__proto__"].map((purpose) => change({ purpose }))],
      [
        "inputs that are none",
        "MALFORMED",
        () =>
          [[], null, {}, "0x", [1], [null], [[]], [HASH.slice(0, -1)], [`${HASH}0`], [HASH.slice(2)], [`0x${"g".repeat(64)}`]].map(
            (inputs) => change({ inputs }),
          ),
      ],
      ["seventeen inputs", "MALFORMED", () => [change({ inputs: Array(17).fill(HASH) })]],
      ["no outputs", "MALFORMED", () => [[], null, {}, [null], [[]], ["x"]].map((list) => change({ outputs: list }))],
      ["seventeen outputs", "MALFORMED", () => [change({ outputs: Array(17).fill({ owner, token, amount: "1" }) })]],
      [
        "amounts that are none",
        "MALFORMED",
        () =>
          [1, 100, 1e21, null, true, ["100"], "", "-1", "+1", "01", "1.0", "1e2", "0x64", " 100", "100 ", "1_000", "١", "Infinity"]
            .concat([String(2n ** 256n), "9".repeat(100), "9".repeat(5_000)])
            .map((amount) => changeOutput({ amount })),
      ],
      [
        "addresses that are none",
        "MALFORMED",
        () =>
          [1, null, "", "0x", owner.slice(2), `${owner}00`, owner.slice(0, -1), `0x${"zz".repeat(20)}`, "bob.eth"].flatMap((text) => [
            changeOutput({ owner: text }),
            changeOutput({ token: text }),
          ]),
      ],
      ["file hashes that are none", "MALFORMED", () => [null, "", "0x0", 0, HASH].map((fileHash) => change({ fileHash }))],
      ["a file that is not named", "MALFORMED", () => ["upload", "extension", "purchase"].map((purpose) => change({ purpose }))],
      [
        "signatures of the wrong length or form",
        "MALFORMED",
        () =>
          [null, {}, [null], [1], ["0x"], [`${signature()}00`], [signature().slice(0, -2)], [signature().slice(2)], Array(17).fill(signature())]
            .concat([[`0x${"zz".repeat(65)}`]])
            .map((signatures) => change({ signatures })),
      ],
      [
        "too few or too many signatures",
        "WRONG_SIGNATURE_COUNT",
        () => [[], [signature(), signature()]].map((signatures) => change({ signatures })),
      ],
      [
        "an input twice",
        "DUPLICATE_INPUT",
        () => [signPayment([outputs.available, outputs.available], [{ owner, amount: 200n }], [alice, alice]).json],
      ],
      ["an amount of zero", "ZERO_AMOUNT", () => [pay("available", 0n)]],
      ["an owner of zero", "ZERO_OWNER", () => [signPayment([outputs.available], [{ owner: ETHER, amount: 100n }], [alice]).json]],
      [
        "an input nobody knows, or not final yet",
        "UNKNOWN_INPUT",
        () => [signPayment([HASH], [{ owner, amount: 1n }], [alice]).json, pay("pending")],
      ],
      ["an input that is spent", "INPUT_SPENT", () => [pay("spent")]],
      ["an input that is exiting or gone", "INPUT_EXITING", () => [pay("exiting"), pay("withdrawn")]],
      ["somebody else's signature", "BAD_SIGNATURE", () => [pay("available", 100n, carol), change({ signatures: [`0x${"00".repeat(65)}`] })]],
      ["a signature with a high s", "BAD_SIGNATURE", () => [change({ signatures: [highS()] })]],
      [
        "a signature with another v",
        "BAD_SIGNATURE",
        () => ["00", "01", "1a", "1d", "ff", signature().endsWith("1b") ? "1c" : "1b"].map((v) => change({ signatures: [withV(v)] })),
      ],
      ["a signature for something else", "BAD_SIGNATURE", () => [changeOutput({ owner: carol.address }), changeOutput({ amount: "99" })]],
      ["signatures in another order", "BAD_SIGNATURE", () => [twoOwners()]],
      ["more out than in, or less", "UNBALANCED", () => [pay("available", 101n), pay("available", 99n), pay("available", 2n ** 256n - 1n)]],
      [
        "another token out than in",
        "UNBALANCED",
        () => [signPayment([outputs.available], [{ owner, token: carol.address, amount: 100n }], [alice]).json],
      ],
      [
        "a purpose without its rules",
        "WRONG_ROLE",
        () => [
          signPayment([outputs.available], [{ owner, amount: 100n }], [alice], { purpose: "swap" }).json,
          signPayment([outputs.available], [{ owner, amount: 100n }], [alice], { purpose: "purchase", fileHash: HASH }).json,
        ],
      ],
    ];
    const twoOwners = (): any => {
      const json = signPayment([outputs.available, outputs.other], [{ owner, amount: 200n }], [alice, carol]).json;
      return { ...json, signatures: [...json.signatures].reverse() };
    };

    for (const [name, code, make] of cases) {
      it(`${name}: ${code}`, async () => {
        const wrong = make();
        for (const each of wrong) expectProblem(await operator.post("/v1/transactions", each), code);
        const { status, body: answer } = await operator.post("/v1/transactions/batch", { transactions: wrong });
        expect(status).to.equal(200);
        expect(answer.results).to.have.length(wrong.length);
        for (const result of answer.results) {
          expect(result).to.have.all.keys("problem");
          expect(result.problem.code).to.equal(code);
          expectProblemBody(result.problem, code);
        }
        expect(operator.fingerprint()).to.equal(untouched);
      });
    }

    it("names what offends, with addresses checksummed as everywhere", async () => {
      const { context } = (await operator.post("/v1/transactions", pay("available", 100n, carol))).body;
      expect(context).to.deep.include({ input: outputs.available, index: 0, owner: alice.address, signer: carol.address });
      const malformed = (await operator.post("/v1/transactions", changeOutput({ amount: "1.5" }))).body;
      expect(malformed.context).to.deep.include({ field: "outputs[0].amount", value: "1.5" });
    });
  });

  describe("below HTTP", () => {
    /** Sends the bytes as they are and gives what comes back until the server ends it, or the time is over. */
    async function raw(bytes: string, endAfterMs: number | null = null): Promise<string> {
      const { port } = new URL(operator.url);
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
      expectProblem({ status, type, body: JSON.parse(payload) }, code);
    }
    const json = "Host: x\r\nContent-Type: application/json\r\n";

    it("what is no request", async () => {
      expectRawProblem(await raw("HELLO\r\n\r\n"), "MALFORMED");
      expectRawProblem(await raw("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), "MALFORMED");
      expectRawProblem(await raw("GET /healthz HTTP/1.1\r\nHost: x\r\nBad Header\r\n\r\n"), "MALFORMED");
      expectRawProblem(await raw(`GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(100_000)}\r\n\r\n`), "TOO_LARGE");
    });

    it("lengths that contradict each other", async () => {
      const smuggled = `Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n`;
      expectRawProblem(await raw(`POST /v1/transactions HTTP/1.1\r\n${json}${smuggled}`), "MALFORMED");
      for (const length of ["-1", "1e3", "abc", "99999999999999999999999"]) {
        expectRawProblem(await raw(`POST /v1/transactions HTTP/1.1\r\n${json}Content-Length: ${length}\r\n\r\n{}`), "MALFORMED");
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
      expect((await operator.get("/healthz")).status).to.equal(200);
      expect(operator.fingerprint()).to.equal(untouched);
      expect(operator.errors).to.deep.equal([]);
    });

    it("bytes that are not UTF-8", async () => {
      const text = JSON.stringify(body("/v1/transactions"));
      const bytes = Buffer.from(text);
      bytes[text.indexOf('"amount":"') + 11] = 0xff;
      const init = { method: "POST", body: bytes, headers: { "content-type": "application/json" } };
      expectProblem(await operator.request("/v1/transactions", init), "MALFORMED");
    });

    it("nobody holds a socket by sending or reading slowly", () => {
      const { requestTimeout, headersTimeout, timeout } = operator.server.server;
      for (const ms of [requestTimeout, headersTimeout, timeout]) expect(ms).to.be.within(1_000, 120_000);
    });
  });

  it("after all of it, the payments that were refused for their form alone are still taken", async () => {
    const payment = signPayment([outputs.available], [{ owner: bob.address, amount: 100n }], [alice]);
    expect((await operator.post("/v1/transactions", payment.json)).status).to.equal(201);
    expect(payment.json.fileHash).to.equal(ZERO_HASH);
  });
});
