import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { get, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { expect } from "chai";
import { MemoryOperator } from "../helpers/memoryOperator.ts";

const INDEX = "<!doctype html><title>An explorer of the tests</title>";
const SCRIPT = "console.log(1);".repeat(100);
const HTML = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };

describe("the explorer's files", () => {
  let folder: string;
  let operator: MemoryOperator;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "plasma-explorer-"));
    await mkdir(join(folder, "assets"));
    for (const [name, text] of [
      ["index.html", INDEX],
      ["assets/index-Ab_1-2.js", SCRIPT],
      [".sources", "not to be read"],
    ] as const) {
      await writeFile(join(folder, name), text);
      await writeFile(join(folder, `${name}.br`), brotliCompressSync(text));
      await writeFile(join(folder, `${name}.gz`), gzipSync(text));
    }
    operator = await MemoryOperator.start({ explorerFolder: folder });
  });
  after(async () => {
    await operator.stop();
    await rm(folder, { recursive: true });
  });

  /** As it goes over the wire: `fetch` would tidy up the path, and unpack the answer. */
  async function ask(path: string, headers: Record<string, string> = {}): Promise<[IncomingMessage, Buffer]> {
    const answer = await new Promise<IncomingMessage>((done, failed) => {
      const { hostname, port } = new URL(operator.url);
      get({ hostname, port, path, headers, agent: false }, done).once("error", failed);
    });
    return [answer, await buffer(answer)];
  }

  it("are the page at its address, and at each address of its pages", async () => {
    const hash = `0x${"ab".repeat(32)}`;
    const deep = [`/payments/${hash}`, "/hours/1", "/accounts/0x1", "/files/a%2Fb.txt", `/outputs/${hash}`];
    const pages = ["/", "/payments", "/hours", "/accounts", "/files", "/deposits", "/exits", "/search?q=1", ...deep];
    for (const path of [...pages, "/payments?purpose=swap&state=accepted"]) {
      const [{ statusCode, headers }, body] = await ask(path);
      expect([statusCode, headers["content-type"], body.toString()], path).to.deep.equal([
        ...[200, "text/html; charset=utf-8", INDEX],
      ]);
      expect(headers["cache-control"], path).to.equal("no-cache");
    }
  });

  it("let the page load nothing from elsewhere, run nothing that stands in it, and ask any node of Ethereum", async () => {
    const [{ headers }] = await ask("/");
    const policy = new Map(
      String(headers["content-security-policy"])
        .split(";")
        .map((directive) => directive.trim().split(/ (.*)/) as [string, string]),
    );
    expect(policy.get("default-src")).to.equal("'none'");
    expect(policy.get("script-src")).to.equal("'self' 'wasm-unsafe-eval'");
    expect(policy.get("style-src")).to.equal("'self'");
    expect(policy.get("connect-src")).to.equal("'self' http: https:");
    for (const none of ["base-uri", "form-action", "frame-ancestors"])
      expect(policy.get(none), none).to.equal("'none'");
    expect(headers["x-content-type-options"]).to.equal("nosniff");
    expect(headers["referrer-policy"]).to.equal("no-referrer");
  });

  it("come compressed where that is understood, and are kept by their names", async () => {
    const forms = [
      ["br, gzip", "br", brotliDecompressSync],
      ["gzip", "gzip", gunzipSync],
      ["identity", undefined, (bytes: Buffer) => bytes],
    ] as const;
    for (const [path, text] of [
      ["/", INDEX],
      ["/assets/index-Ab_1-2.js", SCRIPT],
    ] as const) {
      for (const [accepted, encoding, unpack] of forms) {
        const [{ statusCode, headers }, body] = await ask(path, { "accept-encoding": accepted });
        expect(
          [statusCode, headers["content-encoding"], headers.vary?.toLowerCase()],
          `${path} ${accepted}`,
        ).to.deep.equal([...[200, encoding, "accept-encoding"]]);
        expect(unpack(body).toString()).to.equal(text);
      }
    }
    const [{ headers }] = await ask("/assets/index-Ab_1-2.js");
    expect(headers["cache-control"]).to.equal("public, max-age=31536000, immutable");
    expect(headers["content-type"]).to.match(/javascript/);
  });

  it("are not sent again to who has them", async () => {
    const [{ headers }] = await ask("/");
    const [{ statusCode }, body] = await ask("/", { "if-none-match": String(headers.etag) });
    expect([statusCode, body.length]).to.deep.equal([304, 0]);
  });

  it("are nothing else's: unknown routes and assets stay problems, for a browser too", async () => {
    const assets = ["/assets/other.js", "/assets/", "/assets", "/assets/../index.html", "/assets/%2e%2e/index.html"];
    const others = ["/v1/nothing", "/v1", "/v1/blocks/999", "/docs/nothing"];
    for (const path of [...assets, ...others, "/assets/index-Ab_1-2.js.br/x", "/assets/..%2f.sources"]) {
      const [{ statusCode, headers }, body] = await ask(path, HTML);
      expect(statusCode, path).to.equal(404);
      expect(headers["content-type"], path).to.match(/^application\/problem\+json/);
      expect(JSON.parse(body.toString()).code, path).to.equal("NOT_FOUND");
    }
    for (const path of ["/nothing", "/.sources", "/index.html", "/paymentss", "//payments"]) {
      expect((await operator.get(path)).body.code, path).to.equal("NOT_FOUND");
    }
    const posted = await operator.post("/payments", {}, HTML);
    expect([posted.status, posted.body.code]).to.deep.equal([404, "NOT_FOUND"]);
  });

  it("tell a reader who follows a wrong link so", async () => {
    const [{ statusCode, headers }, body] = await ask("/nothing", HTML);
    expect([statusCode, headers["content-type"], body.toString()]).to.deep.equal([
      ...[404, "text/html; charset=utf-8", INDEX],
    ]);
  });

  it("are said to be missing where nobody built them", async () => {
    const other = await MemoryOperator.start({ explorerFolder: join(folder, "nowhere") });
    try {
      const { status, body } = await other.get("/", HTML);
      expect([status, body.code]).to.deep.equal([404, "NOT_FOUND"]);
      expect(body.detail).to.contain("npm run build:explorer");
      expect((await other.get("/v1/status")).status).to.equal(200);
    } finally {
      await other.stop();
    }
  });

  it("may be at another place: pages of any place may read, and only read", async () => {
    const read = ["/v1/status", "/v1/blocks", "/v1/nothing", "/v1/blocks/open/transactions", "/openapi.json"];
    for (const path of read) {
      const [{ headers }] = await ask(path, { origin: "https://explorer.example" });
      expect(headers["access-control-allow-origin"], path).to.equal("*");
      expect(headers["access-control-allow-credentials"], path).to.equal(undefined);
    }
    const feed = await ask("/v1/blocks/open/transactions", { accept: "application/x-ndjson" });
    expect(feed[0].headers["access-control-allow-origin"]).to.equal("*");
    const stream = await fetch(`${operator.url}/v1/events`);
    expect(stream.headers.get("access-control-allow-origin")).to.equal("*");
    await stream.body?.cancel();
    for (const path of ["/v1/transactions", "/v1/accounts", "/v1/admin/commit"]) {
      const { headers } = await operator.post(path, {});
      expect(headers.get("access-control-allow-origin"), path).to.equal(null);
    }
  });
});
