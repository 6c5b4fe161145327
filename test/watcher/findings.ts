import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import { pino } from "pino";
import { systemClock } from "../../ethereum/process/clock.ts";
import { FindingsBook } from "../../watcher/findings/book.ts";
import { FINDINGS, type Finding, type FindingDraft } from "../../watcher/findings/finding.ts";
import { findingShape } from "../../watcher/findings/shape.ts";
import { Webhooks, type WebhookBody } from "../../watcher/findings/webhooks.ts";
import { addressOf } from "../helpers/protocol.ts";

const draft = (subject: string, more: Partial<FindingDraft> = {}): FindingDraft => ({
  ...{ name: "exitOfSpentOutput", subject, text: `about ${subject}`, until: 5, evidence: { amount: 10n ** 30n } },
  ...{ transaction: { to: addressOf(1), data: "0x12", value: 3n }, ...more },
});

describe("the watcher's book of findings", () => {
  let folder: string;
  let now = 1000;
  let told: string[] = [];
  const openBook = (): FindingsBook =>
    new FindingsBook({
      path: join(folder, "findings.db"),
      now: () => now,
      onChange: ({ id, state, severity }) => told.push(`${id} ${state} ${severity}`),
    });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "findings-"));
    told = [];
    now = 1000;
  });
  afterEach(async () => await rm(folder, { recursive: true }));

  it("tells each finding once when it begins and once when it is over", () => {
    const book = openBook();
    book.take(["exitOfSpentOutput"], [draft("a"), draft("b")]);
    book.take(["exitOfSpentOutput"], [draft("a", { until: 6 }), draft("b")]);
    expect(told).to.deep.equal(["1 open attention", "2 open attention"]);
    expect(book.open[0]).to.include({ subject: "a", until: 6, firstSeenAt: 1000, state: "open" });
    now = 2000;
    book.take(["exitOfSpentOutput"], [draft("b")]);
    book.take(["invalidBlock"], []);
    expect(told.slice(2)).to.deep.equal(["1 over attention"]);
    expect(book.open.map(({ subject }) => subject)).to.deep.equal(["b"]);
    expect(book.list("over", 10, null)).to.have.lengthOf(1);
    expect(book.list("over", 10, null)[0]).to.include({ subject: "a", overAt: 2000, until: 6 });
    book.close();
  });

  it("says again when a finding becomes worse, and puts the worst first", () => {
    const book = openBook();
    book.take(["withheldBlock"], [draft("n", { name: "withheldBlock", severity: "attention" })]);
    book.take(["exitOfSpentOutput"], [draft("a")]);
    book.take(["withheldBlock"], [draft("n", { name: "withheldBlock" })]);
    expect(told).to.deep.equal(["1 open attention", "2 open attention", "1 open unsafe"]);
    expect(book.open.map(({ severity }) => severity)).to.deep.equal(["unsafe", "attention"]);
    book.close();
  });

  it("is the same after a restart: nothing is told again, what is over by then is", () => {
    const book = openBook();
    book.take(["exitOfSpentOutput"], [draft("a"), draft("b")]);
    const before = book.open.map(findingShape);
    book.close();
    now = 9000;
    const again = openBook();
    expect(again.open.map(findingShape)).to.deep.equal(before);
    again.take(["exitOfSpentOutput"], [draft("a")]);
    expect(told.slice(2)).to.deep.equal(["2 over attention"]);
    again.take(["exitOfSpentOutput"], [draft("a"), draft("b")]);
    expect(again.open.at(-1)).to.include({ id: 3, firstSeenAt: 9000 });
    again.close();
  });

  it("writes what one look found at once, and what a disk refused with the next one that can be written", () => {
    const path = join(folder, "findings.db");
    const book = openBook();
    // Of the file's head: SQLite counts transactions there.
    const transactions = (): number => readFileSync(path).readUInt32BE(24);
    const many = Array.from({ length: 100 }, (_, i) => draft(`s${i}`));
    const before = transactions();
    book.take(["exitOfSpentOutput"], many);
    expect(transactions()).to.equal(before + 1);
    book.take(["exitOfSpentOutput"], many);
    expect(transactions()).to.equal(before + 1);
    book.take(["exitOfSpentOutput"], many.slice(50));
    expect([transactions(), told.length]).to.deep.equal([before + 2, 150]);

    const other = new DatabaseSync(path);
    other.exec("BEGIN EXCLUSIVE");
    book.take(["exitOfSpentOutput"], [...many.slice(50), draft("late")]);
    expect(book.problem).to.contain("cannot be written");
    expect(told.at(-1)).to.equal("0 open attention");
    other.exec("ROLLBACK");
    other.close();
    book.take(["exitOfSpentOutput"], [...many.slice(50), draft("late")]);
    expect([book.problem, told.length]).to.deep.equal([null, 151]);
    book.close();
    const again = openBook();
    expect(again.open.map(({ subject }) => subject))
      .to.include("late")
      .and.to.have.length(51);
    again.close();
  });

  it("lists by pages, the newest first", () => {
    const book = openBook();
    book.take(
      ["exitOfSpentOutput"],
      ["a", "b", "c", "d"].map((subject) => draft(subject)),
    );
    expect(book.list(null, 3, null).map(({ id }) => id)).to.deep.equal([4, 3, 2]);
    expect(book.list("open", 3, 2).map(({ id }) => id)).to.deep.equal([1]);
    book.close();
  });

  it("has a word on what each means and what to do", () => {
    for (const { means, todo } of Object.values(FINDINGS)) {
      expect(means.length).to.be.above(30);
      expect(todo.length).to.be.above(10);
    }
  });
});

describe("the watcher's web hooks", () => {
  let server: Server;
  let url: string;
  let received: WebhookBody[];
  let refuse = 0;
  let got: () => void = () => undefined;

  beforeEach(async () => {
    received = [];
    server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        response.writeHead(refuse-- > 0 ? 503 : 200).end();
        if (refuse < 0) received.push(JSON.parse(body) as WebhookBody);
        got();
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  });
  afterEach(() => server.close());

  it("deliver every finding in its order, again after a refusal, amounts as text", async () => {
    refuse = 1;
    const controller = new AbortController();
    const hooks = new Webhooks({
      ...{ urls: [url], chainId: 1n, contract: addressOf(5), log: pino({ level: "silent" }) },
      // No waiting between tries: what is tested is that there is another.
      clock: { now: () => 0, sleep: async (_, signal) => await systemClock.sleep(1, signal) },
    });
    const running = hooks.run(controller.signal);
    const finding = (id: number): Finding => ({
      ...{ ...draft("x"), id, severity: "attention", means: "", todo: "", state: "open", firstSeenAt: 1, overAt: null },
    });
    hooks.tell(finding(1));
    hooks.tell(finding(2));
    await new Promise<void>((resolve) => (got = () => void (received.length === 2 && resolve())));
    expect(received.map(({ finding: { id } }) => id)).to.deep.equal([1, 2]);
    expect(received[0]).to.include({ chainId: "1", contract: addressOf(5) });
    expect(received[0]!.finding.transaction).to.deep.equal({ to: addressOf(1), data: "0x12", value: "3" });
    expect(received[0]!.finding.evidence).to.deep.equal({ amount: (10n ** 30n).toString() });
    controller.abort();
    await running;
  });
});
