import { expect } from "chai";
import { pino } from "pino";
import type { Finding } from "../../watcher/findings/finding.ts";
import { Problem } from "../../watcher/http/problems.ts";
import { createServer, type WatcherPort } from "../../watcher/http/server.ts";
import { FindingStream } from "../../watcher/http/stream.ts";
import { addressOf } from "../helpers/protocol.ts";

const finding = (id: number): Finding => ({
  ...{ id, name: "exitOfSpentOutput", severity: "attention", subject: `s${id}`, text: "t", means: "m", todo: "d" },
  ...{ until: 7, evidence: { amount: 5n }, transaction: { to: addressOf(1), data: "0x12", value: 10n ** 20n } },
  ...{ state: "open", firstSeenAt: 1, overAt: null },
});
const authorization = {
  ...{ owner: addressOf(1), outputId: `0x${"0a".repeat(32)}`, blockNumber: 1, bondOwner: addressOf(2), deadline: 9 },
  signature: `0x${"0b".repeat(65)}`,
};

describe("the watcher over HTTP", () => {
  let server: ReturnType<typeof createServer>;
  let asked: unknown[];
  let unready: string[];
  const stream = new FindingStream();

  beforeEach(() => {
    asked = [];
    unready = [];
    const port: WatcherPort = {
      status: () => ({ safe: true }),
      unready: () => unready,
      metrics: async () => "plasma_watcher_safe 1\n",
      findings: (...args) => {
        asked.push(args);
        return [finding(3), finding(2)];
      },
      openFindings: () => [finding(2)],
      guarded: () => [],
      kit: async (address) => await Promise.resolve(address === addressOf(1) ? '{"format":"kit"}' : null),
      authorize: (list) => {
        if (list[0]?.deadline === 1) throw new Problem("UNAUTHORIZED", "nobody guards that", { owner: list[0].owner });
        return { taken: list.length };
      },
      tell: (payments) => ({ taken: payments.length }),
      ...{ stream, log: pino({ level: "silent" }) },
    };
    server = createServer(port);
  });
  afterEach(async () => await server.close());

  const get = async (url: string): Promise<{ status: number; body: any }> => {
    const { statusCode: status, body } = await server.inject(url);
    return { status, body: body.startsWith("{") ? JSON.parse(body) : body };
  };
  const post = async (body: unknown, url = "/v1/authorizations"): Promise<{ status: number; body: any }> => {
    const { statusCode: status, body: text } = await server.inject({
      ...{ method: "POST", url, headers: { "content-type": "application/json" } },
      payload: typeof body === "string" ? body : JSON.stringify(body),
    });
    return { status, body: JSON.parse(text) };
  };

  it("lists findings by pages, amounts and wei as text", async () => {
    const { status, body } = await get("/v1/findings?state=open&limit=2&cursor=4");
    expect(status).to.equal(200);
    expect(asked).to.deep.equal([["open", 2, 4]]);
    expect(body.nextCursor).to.equal("2");
    expect(body.items[0].transaction.value).to.equal((10n ** 20n).toString());
    expect(body.items[0].evidence).to.deep.equal({ amount: "5" });
    expect((await get("/v1/findings")).body.nextCursor).to.equal(null);
    expect(asked.at(-1)).to.deep.equal([null, 50, null]);
  });

  it("refuses what it does not understand, as problem+json with a code", async () => {
    for (const query of ["limit=0", "limit=1001", "limit=x", "state=bad", "cursor=-1", "other=1"]) {
      const { status, body } = await get(`/v1/findings?${query}`);
      expect([status, body.code], query).to.deep.equal([400, "MALFORMED"]);
    }
    expect((await get("/v1/nothing")).body).to.include({ status: 404, code: "NOT_FOUND" });
    expect((await get("/v1/guarded/0x12/kit")).body.code).to.equal("MALFORMED");
    expect((await get(`/v1/guarded/${addressOf(2)}/kit`)).body.code).to.equal("NOT_FOUND");
    const { statusCode, headers } = await server.inject("/v1/nothing");
    expect(statusCode).to.equal(404);
    expect(headers["content-type"]).to.match(/^application\/problem\+json/);
  });

  it("hands out the kit of a guarded address", async () => {
    expect((await get(`/v1/guarded/${addressOf(1)}/kit`)).body).to.deep.equal({ format: "kit" });
  });

  it("takes authorizations that have the form, and says why others are refused", async () => {
    expect(await post({ authorizations: [authorization] })).to.deep.equal({ status: 200, body: { taken: 1 } });
    const refused = await post({ authorizations: [{ ...authorization, deadline: 1 }] });
    expect(refused.body).to.include({ status: 401, code: "UNAUTHORIZED" });
    const { signature: _, ...without } = authorization;
    const wrong: unknown[] = [
      ...["{", {}, { authorizations: [] }, { authorizations: [without] }],
      { authorizations: [{ ...authorization, more: 1 }] },
      { authorizations: [{ ...authorization, blockNumber: "1" }] },
      { authorizations: [{ ...authorization, signature: "0x12" }] },
      { authorizations: Array.from({ length: 1001 }, () => authorization) },
    ];
    for (const body of wrong) expect((await post(body)).body.code, JSON.stringify(body)).to.equal("MALFORMED");
    const large = await post(`{"authorizations":"${"x".repeat(1024 * 1024)}"}`);
    expect(large.body).to.include({ status: 413, code: "TOO_LARGE" });
  });

  it("takes payments, one to a hundred", async () => {
    expect(await post({ payments: [{}, {}] }, "/v1/payments")).to.deep.equal({ status: 200, body: { taken: 2 } });
    for (const body of [
      {},
      { payments: [] },
      { payments: Array.from({ length: 101 }, () => ({})) },
      { payments: [1], a: 1 },
    ]) {
      expect((await post(body, "/v1/payments")).body.code).to.equal("MALFORMED");
    }
  });

  it("is ready, or says why not", async () => {
    expect(await get("/readyz")).to.deep.equal({ status: 200, body: { ready: true, reasons: [] } });
    unready = ["no ether"];
    expect(await get("/readyz")).to.deep.equal({ status: 503, body: { ready: false, reasons: ["no ether"] } });
    expect((await get("/healthz")).status).to.equal(200);
    expect((await get("/metrics")).body).to.include("plasma_watcher_safe 1");
  });

  it("streams what is open, then what changes", async () => {
    const url = await server.listen({ port: 0, host: "127.0.0.1" });
    const response = await fetch(`${url}/v1/events`);
    expect(response.headers.get("content-type")).to.equal("text/event-stream");
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    const until = async (wanted: string): Promise<void> => {
      while (!text.includes(wanted)) text += (await reader.read()).value ?? "";
    };
    await until('"subject":"s2"');
    stream.tell(finding(9));
    await until('"subject":"s9"');
    expect(text.match(/^event: finding$/gm)).to.have.lengthOf(2);
    await reader.cancel();
  });
});
