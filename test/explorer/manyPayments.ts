import { expect } from "chai";
import { getAddress } from "ethers";
import type { Page } from "playwright-core";
import type { Watched } from "../helpers/explorerBrowser.ts";
import { ExplorerLoad, type LoadedPayment } from "../helpers/explorerLoad.ts";
import { PATIENCE_MS, rowsOf, rowsWhen, type Row } from "../helpers/explorerPages.ts";
import { ExplorerStage, FILES, useExplorerStage } from "../helpers/explorerStage.ts";
import { eventually } from "../helpers/operatorProcess.ts";

const PAYMENTS = 100_000;
const ALL = "Payments, the newest first";
const PAGE_ITEMS = 50;

describe(`explorer: ${PAYMENTS.toLocaleString("en")} payments listed and filtered`, function () {
  this.timeout(240_000);
  const shared = useExplorerStage();
  let stage: ExplorerStage;
  let load: ExplorerLoad;
  let watched: Watched;
  let page: Page;
  /** All of them, newest first. */
  let all: LoadedPayment[];
  const times: Record<string, number> = {};
  const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const started = performance.now();
    const result = await work();
    times[what] = Math.round(performance.now() - started);
    return result;
  };
  before(async () => {
    stage = await ExplorerStage.open({ browser: shared().browser });
    await stage.openMarket();
    load = await ExplorerLoad.prepare(stage);
    // Half of them in an hour that Ethereum has, half in the open one.
    await timed("accepted, the first half", async () => await load.run(PAYMENTS / 2));
    await stage.finalizeHour(await stage.landHour());
    await timed("accepted, the second half", async () => await load.run(PAYMENTS / 2));
    all = load.payments.toReversed();
    watched = await stage.page();
    ({ page } = watched);
  });
  after(async () => {
    console.log(`      ms: ${JSON.stringify(times)}`);
    await watched?.close();
    await stage?.close();
  });

  const hashesOf = (rows: Row[]): (string | undefined)[] => rows.map((row) => row["Payment"]!.values[0]);
  /** The list shows the newest of these, and after more presses the next. */
  const pages = async (what: string, chosen: LoadedPayment[], presses: number): Promise<void> => {
    for (let shown = 1; shown <= presses + 1; shown++) {
      const expected = JSON.stringify(chosen.slice(0, shown * PAGE_ITEMS).map(({ hash }) => hash));
      await timed(`${what}, page ${shown}`, async () => {
        if (shown > 1) await page.getByRole("button", { name: "Show more" }).click();
        await rowsWhen(page, ALL, (rows) => JSON.stringify(hashesOf(rows)) === expected);
      });
    }
  };

  it("Home shows how many they are, and the newest", async () => {
    await timed("Home", async () => {
      await page.goto("/");
      await rowsWhen(page, "The newest payments", (rows) => rows[0]?.["Payment"]!.values[0] === all[0]!.hash);
    });
    // And the uploads that were before.
    await page.getByText((PAYMENTS + FILES.length).toLocaleString("en"), { exact: true }).waitFor();
  });

  it("pages through the list", async () => {
    await page.goto("/payments");
    await pages("list", all, 9);
  });

  it("by party, purpose, state, file and time, with the next pages", async () => {
    const { payer } = all[7]!;
    await page.goto(`/payments?address=${payer}`);
    // Who is paid is a party too.
    const { items } = await stage.api(`/v1/transactions?address=${payer}&limit=200`);
    await pages("party", items, 3);
    await page.goto("/payments?purpose=purchase");
    await pages(
      "purpose",
      all.filter(({ purpose }) => purpose === "purchase"),
      3,
    );
    const [{ blockNumber: open }] = all as [LoadedPayment];
    await page.goto("/payments?state=finalized&purpose=transfer");
    const final = all.filter((payment) => payment.blockNumber < open);
    await pages(
      "state",
      final.filter(({ purpose }) => purpose === "transfer"),
      3,
    );
    await page.goto(`/payments?fileId=${encodeURIComponent(FILES[1].fileId)}`);
    await pages(
      "file",
      all.filter(({ fileId }) => fileId === FILES[1].fileId),
      3,
    );
    const middle = final[0]!.acceptedAt;
    await page.goto(`/payments?until=${middle}`);
    await pages(
      "time",
      all.filter(({ acceptedAt }) => acceptedAt < middle),
      3,
    );
    const earliest = all.at(-1)!.acceptedAt;
    await page.goto(`/payments?since=${earliest}&until=${earliest + 1}`);
    await pages(
      "the first",
      all.filter(({ acceptedAt }) => acceptedAt === earliest),
      0,
    );
  });

  it("finds the three uploads behind them all", async () => {
    await timed("a rare purpose", async () => {
      await page.goto("/payments?purpose=upload");
      await rowsWhen(page, ALL, (rows) => rows.length === FILES.length);
    });
    expect(hashesOf(await rowsOf(page, ALL))).to.deep.equal(
      FILES.map((_, i) => stage.payment(`upload ${i}`).hash).reverse(),
    );
  });

  it("shows an hour of 50,000, and verifies one of its payments", async () => {
    const one = all.findLast(({ purpose }) => purpose === "purchase")!;
    await timed("an hour", async () => {
      await page.goto(`/hours/${one.blockNumber}`);
      await rowsOf(page, /^Payments of the hour/);
    });
    await page.goto(`/payments/${one.hash}`);
    await page.getByRole("button", { name: /^Verify/ }).click();
    const form = page.locator("form.source");
    await form.locator('[name="rpcUrl"]').fill(stage.market.node.url);
    await form.locator('[name="sure"]').check();
    await form.getByRole("button", { name: "Compare" }).click();
    await page.locator('[data-verdict="landed"], [data-verdict="final"]').waitFor();
    expect(await page.locator('[data-step="path"]').innerText()).to.contain("16 hashes");
  });

  it("shows the account that takes part in half of them", async () => {
    const owner = getAddress(stage.people.owner.address);
    await timed("a large account", async () => {
      await page.goto(`/accounts/${owner}`);
      await rowsOf(page, /^Payments/);
    });
    const purchases = all.filter(({ purpose }) => purpose === "purchase").length;
    await page.getByText(purchases.toLocaleString("en"), { exact: true }).waitFor();
  });

  it("keeps up while a thousand more come", async () => {
    await page.goto("/");
    await rowsOf(page, "The newest payments");
    await timed("a thousand more, on the screen", async () => {
      await load.run(1_000);
      const newest = load.payments.at(-1)!.hash;
      await rowsWhen(page, "The newest payments", (rows) => rows[0]?.["Payment"]!.values[0] === newest);
    });
    await eventually("they are counted", PATIENCE_MS, async () => {
      return await page.getByText((PAYMENTS + 1_000 + FILES.length).toLocaleString("en"), { exact: true }).isVisible();
    });
  });
});
