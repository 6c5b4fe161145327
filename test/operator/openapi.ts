import { readFile } from "node:fs/promises";
import { Validator } from "@seriousme/openapi-schema-validator";
import { expect } from "chai";
import { INTAKE_PATHS } from "../../operator/http/intake.ts";
import { faultOf, operationOf, type OpenApiDocument } from "../helpers/answerCheck.ts";
import { EventReader } from "../helpers/eventReader.ts";
import { MemoryOperator, signPayment, SPENDERS } from "../helpers/memoryOperator.ts";

const [alice, bob] = SPENDERS as [(typeof SPENDERS)[0], (typeof SPENDERS)[0]];
const ADMIN_TOKEN = "an-administrator-of-the-tests";
const ADMIN = { authorization: `Bearer ${ADMIN_TOKEN}` };

describe("/openapi.json", () => {
  let operator: MemoryOperator;
  let document: OpenApiDocument;
  before(async () => {
    operator = await MemoryOperator.start({ adminToken: ADMIN_TOKEN });
    document = (await operator.get("/openapi.json")).body;
  });
  after(async () => {
    await operator.stop();
  });

  const routes = (): string[] =>
    Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );

  it("is a document of OpenAPI 3.1", async () => {
    const { valid, errors } = await new Validator().validate({ ...structuredClone(document) });
    expect(errors, JSON.stringify(errors)).to.equal(undefined);
    expect(valid).to.equal(true);
    expect(document.openapi).to.equal("3.1.0");
  });

  it("has the routes of docs/API.md, and no others", async () => {
    const text = await readFile(new URL("../../docs/API.md", import.meta.url), "utf8");
    const listed = [...text.matchAll(/^\| `((?:GET|POST) \/\S+)`/gm)].map(([, route]) => route);
    expect(routes().sort()).to.deep.equal(listed.sort());
  });

  it("says of each what it is for, and what it answers", () => {
    for (const route of routes()) {
      const [method, path] = route.split(" ") as [string, string];
      const operation = document.paths[path]![method.toLowerCase()]!;
      expect(operation.summary, route).to.match(/^[A-Z].{3,100}[^.]$/);
      expect(operation.tags, route).to.have.length(1);
      expect(operation.responses, route).to.have.property("default");
      const right = Object.entries(operation.responses).filter(([status]) => status.startsWith("2"));
      expect(right, route).to.have.length.above(0);
      for (const [, { content }] of right) {
        for (const { schema } of Object.values(content ?? { none: {} })) {
          expect(Object.keys(schema ?? {}), route).to.have.length.above(0);
        }
      }
      const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
      const named = (operation.parameters ?? []).filter((parameter) => parameter.in === "path");
      expect(
        named.map(({ name }) => name),
        route,
      ).to.deep.equal(inPath);
    }
  });

  it("finds an answer that is not as documented", async () => {
    const { operation } = operationOf(document, "GET", "/v1/blocks/1?x")!;
    const { body } = await operator.get("/v1/blocks/open");
    const json = "application/json; charset=utf-8";
    expect(faultOf(operation, 200, json, body)).to.equal(null);
    for (const wrong of [{ ...body, more: 1 }, { ...body, number: "1" }, { ...body, state: "lost" }, {}, null]) {
      expect(faultOf(operation, 200, json, wrong)).not.to.equal(null);
    }
    expect(faultOf(operation, 200, "text/plain", body)).not.to.equal(null);
  });

  it("documents what the operator really answers, in every state of things", async () => {
    const reader = await EventReader.open(`${operator.url}/v1/events`);
    const input = await operator.deposit(alice.address, 1_000n);
    const outputs = [bob, alice].map(({ address }, i) => ({ owner: address, amount: [400n, 600n][i]! }));
    const payment = signPayment([input], outputs, [alice]);
    operator.pending = [operator.pendingDeposit(2n, bob.address, 9n)];
    const paths = [
      ...["/v1/transactions", `/v1/transactions/${payment.hash}`, `/v1/transactions/${payment.hash}/proof`],
      ...["/v1/blocks", "/v1/blocks/open", "/v1/blocks/1", "/v1/blocks/1/transactions", "/v1/deposits", "/v1/exits"],
      ...["", "/outputs", "/transactions"].map((path) => `/v1/accounts/${alice.address}${path}`),
      ...[`/v1/accounts/${bob.address}/outputs`, "/v1/statistics", "/v1/status", "/metrics", "/healthz", "/readyz"],
      ...["/openapi.json", "/v1/blocks/99", "/v1/transactions?limit=0", "/v1/events?types=none"],
    ];
    // Each answer is checked as it comes.
    const look = async (): Promise<void> => {
      for (const path of paths) await operator.get(path);
      for (const accept of ["application/x-ndjson", "application/octet-stream"]) {
        await operator.get("/v1/blocks/1/transactions", { accept });
      }
    };
    await look();
    await operator.post("/v1/transactions", payment.json);
    await operator.post("/v1/transactions", payment.json);
    await operator.post("/v1/transactions", { nonsense: true });
    await operator.post("/v1/transactions/batch", { transactions: [payment.json, {}] });
    await look();
    await operator.post("/v1/admin/commit", {}, ADMIN);
    await operator.post("/v1/admin/commit", {}, ADMIN);
    await operator.post("/v1/admin/commit", {}, {});
    for (const state of ["sent", "halted"] as const) {
      operator.settlement = state;
      await look();
    }
    for (const state of ["committed", "finalized"] as const) {
      await operator.commit(1, state);
      await look();
    }
    await operator.exit(1, payment.outputId(0));
    await operator.inFlightExit(2, payment);
    await operator.inFlightExit(3, payment, { 0: "live", 17: "paid" });
    await look();
    await operator.exit(1, payment.outputId(0), { state: "removed" });
    operator.unready = ["the moon"];
    await look();
    await operator.post("/v1/admin/pause", {}, ADMIN);
    const next = signPayment([payment.outputId(1)], [{ owner: bob.address, amount: 600n }], [alice]);
    await operator.post("/v1/transactions", next.json);
    await operator.post("/v1/admin/resume", {}, ADMIN);

    const { operation } = operationOf(document, "GET", "/v1/events")!;
    const events = await reader.take(9);
    expect(new Set(events.map(({ event }) => event))).to.deep.equal(
      new Set(["deposit", "transaction", "block", "exit"]),
    );
    for (const { data } of events) expect(faultOf(operation, 200, "text/event-stream", data)).to.equal(null);
    reader.close();
  });

  it("can be read at /docs, with nothing from elsewhere", async () => {
    const page = await operator.get("/docs");
    expect([page.status, page.type]).to.deep.equal([200, "text/html; charset=utf-8"]);
    expect(page.headers.get("content-security-policy")).to.match(/^default-src 'self';/);
    expect(page.headers.get("content-security-policy")).not.to.match(/https?:|\*|unsafe-eval|script-src/);
    const links = [...page.body.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, link]) => link as string);
    expect(links).to.have.length.above(4);
    for (const link of links) {
      expect(link).to.match(/^\/docs\/static\//);
      expect((await operator.get(link)).status, link).to.equal(200);
    }
    expect(page.body).not.to.match(/<script>|<script [^>]*>[^ <]/);
    const initializer = await operator.get("/docs/static/swagger-initializer.js");
    expect(initializer.body).to.include('"validatorUrl":null');
    expect((await operator.get("/docs/json")).body).to.deep.equal(document);
    expect((await operator.get("/docs/static/nothing.js")).body.code).to.equal("NOT_FOUND");
  });

  it("hides the routes that are taken before the framework from other ways of writing them", async () => {
    for (const route of Object.keys(INTAKE_PATHS)) {
      expect(routes()).to.include(`POST ${route}`);
      const path = route.replace("transactions", "%74ransactions");
      const { status, body } = await operator.post(path, {});
      expect([status, body.code], path).to.deep.equal([404, "NOT_FOUND"]);
    }
  });
});
