import { expect } from "chai";
import { getAddress } from "ethers";
import type { Page } from "playwright-core";
import type { Watched } from "../helpers/explorerBrowser.ts";
import { factsOf, PATIENCE_MS, rowsOf, rowsWhen, shown } from "../helpers/explorerPages.ts";
import { useExplorerStage } from "../helpers/explorerStage.ts";
import { eventually } from "../helpers/operatorProcess.ts";

const NEWEST = "The newest payments";
const ALL = "Payments, the newest first";
const BROKEN = /stream of payments is broken/;

describe("explorer: what happens is seen as it happens", function () {
  this.timeout(120_000);
  const stage = useExplorerStage();
  const open: Watched[] = [];
  afterEach(async function () {
    const expected = this.currentTest?.state === "failed" ? /./ : /net::ERR_|status of 503/;
    for (const watched of open.splice(0)) await watched.close(expected);
  });

  /** A page at an address, marked: a page that was loaded again has no mark. */
  const visit = async (path: string): Promise<Page> => {
    const watched = await stage().page();
    open.push(watched);
    await watched.page.goto(path);
    await watched.page.locator("html").evaluate((html: any) => (html.ownerDocument.defaultView.notLoadedAgain = true));
    return watched.page;
  };
  const expectNotLoadedAgain = async (page: Page): Promise<void> => {
    const mark = await page.locator("html").evaluate((html: any) => html.ownerDocument.defaultView.notLoadedAgain);
    expect(mark, "the page was not loaded again").to.equal(true);
  };
  const tile = async (page: Page, name: string): Promise<string> =>
    await page
      .locator("dl.tiles div")
      .filter({ has: page.locator("dt", { hasText: name }) })
      .locator("dd")
      .innerText();

  it("a payment shows on Home, in the list and at its parties the moment it is accepted", async () => {
    const { bob } = stage().people;
    const pages = {
      home: await visit("/"),
      list: await visit("/payments"),
      bob: await visit(`/accounts/${bob.address}`),
    };
    await rowsOf(pages.home, NEWEST);
    await rowsOf(pages.list, ALL);
    const before = await rowsOf(pages.bob, /^Balances/);
    const counted = Number(await tile(pages.home, "In the open hour"));
    const started = performance.now();
    const paid = await stage().transfer("alice", "bob", "ether", 1_234_567_890_123n);
    await rowsWhen(pages.home, NEWEST, ([first]) => first?.["Payment"]!.values[0] === paid.hash);
    const milliseconds = performance.now() - started;
    await rowsWhen(pages.list, ALL, ([first]) => first?.["Payment"]!.values[0] === paid.hash);
    await rowsWhen(pages.bob, ALL_OF_ACCOUNT, ([first]) => first?.["Payment"]!.values[0] === paid.hash);
    const { balances } = await stage().api(`/v1/accounts/${bob.address}`);
    const has = shown(
      BigInt(balances.find(({ token }: any) => token === getAddress(stage().tokens.ether)).available),
      "ether",
    );
    await rowsWhen(pages.bob, /^Balances/, (rows) => rows.some((row) => row["To spend"]!.text === has));
    expect(before.some((row) => row["To spend"]!.text === has)).to.equal(false);
    await eventually(
      "it is counted",
      PATIENCE_MS,
      async () => Number(await tile(pages.home, "In the open hour")) === counted + 1,
    );
    for (const page of Object.values(pages)) await expectNotLoadedAgain(page);
    console.log(`      on the screen ${milliseconds.toFixed(0)} ms after it was sent`);
  });

  it("an hour's way to Ethereum changes what is shown of it and of its payments", async () => {
    const paid = await stage().transfer("alice", "bob", "ether", 5n);
    const pages = {
      payment: await visit(`/payments/${paid.hash}`),
      hour: await visit(`/hours/${paid.blockNumber}`),
      hours: await visit("/hours"),
      list: await visit("/payments"),
    };
    const states = async (): Promise<string[]> => [
      (await factsOf(pages.payment))["State"]!.text,
      (await factsOf(pages.hour))["State"]!.text,
      (await rowsOf(pages.hours, /^Hours/)).find((row) => row["Hour"]!.text === String(paid.blockNumber))!["State"]!
        .text,
      (await rowsOf(pages.list, ALL))[0]!["State"]!.text,
    ];
    const shows = async (expected: string[]): Promise<void> => {
      await eventually(
        `states ${expected.join()}`,
        PATIENCE_MS,
        async () => (await states()).join() === expected.join(),
      );
    };
    await shows(["accepted", "open", "open", "accepted"]);
    await stage().landHour();
    await shows(["committed", "committed", "committed", "committed"]);
    await stage().finalizeHour(paid.blockNumber);
    await shows(["finalized", "finalized", "finalized", "finalized"]);
    for (const page of Object.values(pages)) await expectNotLoadedAgain(page);
  });

  it("a deposit and an exit show as they come, with their clocks", async () => {
    const { market, people } = stage();
    const deposits = await visit("/deposits");
    const exits = await visit("/exits");
    const count = (await rowsOf(exits, /^Exits/)).length;
    const { depositId, id } = await people.alice.deposit({ token: stage().tokens.ether, amount: 77n });
    const isState = (state: string) => (rows: any[]) =>
      rows.some((row) => row["Deposit"].text === String(depositId) && row["State"].text === state);
    await rowsWhen(deposits, /^Deposits/, isState("pending"));
    await market.chain.mine(3);
    await people.alice.credited({ depositId, id, ethereumTransaction: "", permit: false }, PATIENCE_MS);
    await rowsWhen(deposits, /^Deposits/, isState("credited"));
    await people.alice.withdraw({ token: stage().tokens.ether, amount: 77n });
    await market.chain.mine(3);
    await rowsWhen(exits, /^Exits/, (rows) => rows.length === count + 1 && /^in \d+/.test(rows[0]!["Payable"]!.text));
    for (const page of [deposits, exits]) await expectNotLoadedAgain(page);
  });

  it("says so when the operator is killed, and catches up by itself when it is there again", async () => {
    const home = await visit("/");
    const list = await visit("/payments");
    await rowsOf(home, NEWEST);
    await rowsOf(list, ALL);
    await stage().market.operator.kill();
    for (const page of [home, list]) await page.getByText(BROKEN).waitFor();
    // What was there stays there to be read.
    expect((await rowsOf(home, NEWEST)).length).to.be.greaterThan(5);
    // The stream stays broken until the payment is made: it can come only by catching up.
    let closed = true;
    for (const page of [home, list])
      await page.route("**/v1/events**", (route) => (closed ? route.abort() : route.continue()));
    await stage().market.restart();
    const paid = await stage().transfer("alice", "bob", "ether", 9n);
    for (const page of [home, list]) expect(await page.getByText(BROKEN).isVisible()).to.equal(true);
    closed = false;
    await rowsWhen(home, NEWEST, ([first]) => first?.["Payment"]!.values[0] === paid.hash);
    await rowsWhen(list, ALL, ([first]) => first?.["Payment"]!.values[0] === paid.hash);
    for (const page of [home, list]) {
      await page.getByText(BROKEN).waitFor({ state: "detached" });
      await expectNotLoadedAgain(page);
    }
    // And live again.
    const next = await stage().transfer("alice", "bob", "ether", 10n);
    await rowsWhen(home, NEWEST, ([first]) => first?.["Payment"]!.values[0] === next.hash);
  });

  it("a list that is read further down does not move under the reader", async () => {
    const page = await visit("/payments");
    await rowsOf(page, ALL);
    const focused = page.getByRole("button", { name: /^Copy/ }).nth(6);
    await focused.focus();
    const name = await focused.getAttribute("aria-label");
    const paid = await stage().transfer("alice", "bob", "ether", 11n);
    await rowsWhen(page, ALL, ([first]) => first?.["Payment"]!.values[0] === paid.hash);
    // Who is on something with the keyboard is still on it.
    const active = await page.locator(":focus").getAttribute("aria-label");
    expect(active).to.equal(name);
  });
});

const ALL_OF_ACCOUNT = /^Payments/;
