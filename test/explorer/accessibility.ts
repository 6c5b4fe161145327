import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect } from "chai";
import type { Page } from "playwright-core";
import type { Watched } from "../helpers/explorerBrowser.ts";
import { PATIENCE_MS, pagesOf } from "../helpers/explorerPages.ts";
import { useExplorerStage } from "../helpers/explorerStage.ts";
import { eventually } from "../helpers/operatorProcess.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const PHONE = { width: 375, height: 700 };
/** Keys to come from the beginning of a page to what is looked for on it. */
const TABS_MAX = 60;

describe("explorer: for everybody (WCAG 2.2 AA)", function () {
  this.timeout(180_000);
  const stage = useExplorerStage();
  let watched: Watched;
  let page: Page;
  beforeEach(async () => {
    watched = await stage().page();
    ({ page } = watched);
  });
  afterEach(async function () {
    // A test that failed has said why.
    await watched.close(this.currentTest?.state === "failed" ? /./ : /status of 404/);
  });

  const opened = async (path: string, ready: string): Promise<void> => {
    await page.goto(path);
    await page.locator(ready).first().waitFor();
    await eventually("nothing is loading", PATIENCE_MS, async () => (await page.locator(".loading").count()) === 0);
  };
  /** What axe has against the page as it stands. */
  const violations = async (): Promise<string[]> => {
    await page.evaluate(AXE);
    const found: any = await page.evaluate(
      `axe.run({ runOnly: ${JSON.stringify(LEVELS)}, resultTypes: ["violations"] })`,
    );
    return found.violations.flatMap(({ id, nodes }: any) =>
      nodes.map(({ html, failureSummary }: any) => `${id}: ${html.slice(0, 200)} ${failureSummary}`),
    );
  };
  const verify = async (): Promise<void> => {
    await page.getByRole("button", { name: /^Verify/ }).click();
    await page.locator("[data-verdict]").waitFor();
    await eventually(
      "it has ended",
      PATIENCE_MS,
      async () => (await page.locator('[data-state="running"]').count()) === 0,
    );
  };

  for (const colorScheme of ["light", "dark"] as const) {
    it(`axe finds nothing on any page, ${colorScheme}`, async () => {
      await page.emulateMedia({ colorScheme });
      for (const { name, path, ready } of pagesOf(stage())) {
        await opened(path, ready);
        expect(await violations(), name).to.deep.equal([]);
        if (name === "home") {
          await page.getByText("The same in figures").click();
          expect(await violations(), "home, figures").to.deep.equal([]);
        }
        if (name === "payment") {
          await verify();
          expect(await violations(), "verification").to.deep.equal([]);
        }
        if (name === "account") {
          for (const list of ["Outputs", "Exits"]) {
            await page.getByRole("button", { name: list, exact: true }).click();
            await page.getByRole("heading", { level: 2, name: list }).waitFor();
            expect(await violations(), `account, ${list}`).to.deep.equal([]);
          }
        }
      }
    });
  }

  it("axe finds nothing when something is wrong: no answer, a broken stream, a failed verification", async () => {
    await page.route("**/v1/**", (route) => route.fulfill({ status: 500, json: {} }));
    await page.goto("/payments");
    await page.getByRole("alert").first().waitFor();
    expect(await violations()).to.deep.equal([]);
    await page.unroute("**/v1/**");
    const { hash } = stage().payment("purchase 0");
    await page.route(`**/v1/transactions/${hash}`, async (route) => {
      const body = await (await route.fetch()).json();
      await route.fulfill({ json: { ...body, purpose: "swap" } });
    });
    await page.goto(`/payments/${hash}`);
    await verify();
    expect(await page.locator('[data-verdict="failed"]').count()).to.equal(1);
    expect(await violations()).to.deep.equal([]);
    watched.complaints.splice(0);
  });

  it("no page is wider than a phone, and none has anything that axe finds there", async () => {
    await page.setViewportSize(PHONE);
    for (const { name, path, ready } of pagesOf(stage())) {
      await opened(path, ready);
      if (name === "payment") await verify();
      const wide = await page.locator("html").evaluate((html: any) => {
        const all = [...html.querySelectorAll("body *")];
        const out = all.filter((element) => element.getBoundingClientRect().right > html.clientWidth + 1);
        return {
          by: html.scrollWidth - html.clientWidth,
          out: out.slice(0, 3).map(({ outerHTML }) => outerHTML.slice(0, 120)),
        };
      });
      expect(wide.by, `${name}: ${wide.out.join("\n")}`).to.equal(0);
      expect(await violations(), name).to.deep.equal([]);
    }
  });

  it("a phone's rows say what each value is", async () => {
    await page.setViewportSize(PHONE);
    await opened("/payments", "tbody tr");
    const cell = page.locator('tbody tr td[data-name="Payer"]').first();
    const label = await cell.evaluate((element: any) => {
      const { getComputedStyle } = element.ownerDocument.defaultView;
      return getComputedStyle(element, "::before").content;
    });
    expect(label).to.contain("Payer");
    expect(await page.getByRole("table").getByRole("row").count()).to.be.greaterThan(5);
  });

  it("by keyboard alone: past the navigation, through the list, into a payment, to its verification", async () => {
    await opened("/", "tbody tr");
    const focused = async (): Promise<{ text: string; href: string | null; outline: string }> =>
      await page.locator(":focus").evaluate((element: any) => {
        const style = element.ownerDocument.defaultView.getComputedStyle(element);
        return {
          text: element.getAttribute("aria-label") ?? element.textContent.trim(),
          href: element.getAttribute("href"),
          outline: style.outlineStyle === "none" && style.boxShadow === "none" ? "none" : "seen",
        };
      });
    const tabTo = async (what: string, is: (at: { text: string; href: string | null }) => boolean): Promise<void> => {
      for (let i = 0; i < TABS_MAX; i++) {
        await page.keyboard.press("Tab");
        const at = await focused();
        expect(at.outline, `the focus on ${at.text} is seen`).to.equal("seen");
        if (is(at)) return;
      }
      throw new Error(`${what} is not reached by ${TABS_MAX} tabs`);
    };
    await page.keyboard.press("Tab");
    expect((await focused()).text).to.equal("To the content");
    for (const name of ["Payments", "Hours", "Accounts", "Files", "Deposits", "Exits"]) {
      await tabTo(name, ({ text }) => text === name);
    }
    await tabTo("the search", ({ text }) => text.startsWith("Search by"));
    const { hash } = stage().payment("purchase 0");
    await page.keyboard.type(stage().people.mart.address);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: /^Account/ }).waitFor();
    await page.locator(`a[href="/payments/${hash}"]`).waitFor();
    // A new page begins at its heading, for who cannot see it too.
    expect((await focused()).text).to.match(/^Account/);
    await tabTo("the payment", ({ href }) => href === `/payments/${hash}`);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: /^Payment/ }).waitFor();
    await page.getByRole("button", { name: /^Verify/ }).waitFor();
    await tabTo("the button", ({ text }) => text.startsWith("Verify"));
    await page.keyboard.press("Enter");
    await page.locator("[data-verdict]").waitFor();
    await tabTo("the node", ({ text }) => text === "");
    await page.keyboard.type(stage().market.node.url);
    expect(await page.locator('[name="rpcUrl"]').inputValue()).to.equal(stage().market.node.url);
    await page.keyboard.press("Enter");
    await page.locator('[data-verdict="unconfirmed"]').waitFor();
  });

  it("the link past the navigation leads past it", async () => {
    await opened("/payments", "tbody tr");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    const inside = await page.locator(":focus").evaluate((element: any) => element.closest("main") !== null);
    expect(inside).to.equal(true);
  });

  it("light and dark by the system, and by choice, without a flash of the other", async () => {
    const background = async (): Promise<string> =>
      await page
        .locator("body")
        .evaluate((body: any) => body.ownerDocument.defaultView.getComputedStyle(body).backgroundColor);
    await opened("/", "tbody tr");
    await page.emulateMedia({ colorScheme: "light" });
    const light = await background();
    await page.emulateMedia({ colorScheme: "dark" });
    const dark = await background();
    expect(dark).not.to.equal(light);
    await page.getByLabel("Colours").selectOption("light");
    expect(await background()).to.equal(light);
    await page.reload({ waitUntil: "commit" });
    await page.locator("body").waitFor();
    // From the first that is drawn.
    await page.locator("h1").waitFor();
    expect(await background()).to.equal(light);
    await page.getByLabel("Colours").selectOption("auto");
    expect(await background()).to.equal(dark);
  });
});
