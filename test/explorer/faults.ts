import { expect } from "chai";
import type { Page } from "playwright-core";
import type { Watched } from "../helpers/explorerBrowser.ts";
import { PATIENCE_MS, pagesOf } from "../helpers/explorerPages.ts";
import { ExplorerStage, useExplorerStage } from "../helpers/explorerStage.ts";
import { eventually } from "../helpers/operatorProcess.ts";

describe("explorer: when there is nothing, and when something is wrong", function () {
  this.timeout(120_000);
  const stage = useExplorerStage();

  describe("a chain on which nothing has happened", () => {
    let empty: ExplorerStage;
    before(async () => (empty = await ExplorerStage.open({ browser: stage().browser })));
    after(async () => await empty?.close());

    it("each page says so, and nothing is wrong", async () => {
      const watched = await empty.page();
      const { page } = watched;
      const said: [string, string][] = [
        ["/", "No payment was made yet."],
        ["/payments", "No payment was made yet."],
        ["/files", "No file is for sale."],
        ["/deposits", "Nobody has deposited anything."],
        ["/exits", "Nobody has begun an exit."],
        ["/hours/1", "Nobody has paid in this hour."],
        [`/accounts/0x${"12".repeat(20)}`, "It has nothing here."],
        [`/accounts/0x${"12".repeat(20)}?show=outputs`, "It never had an output."],
        [`/accounts/0x${"12".repeat(20)}?show=exits`, "It takes nothing out."],
        ["/payments?purpose=swap", "No payment is like this."],
        ["/search?q=anything", "Nothing here has this hash"],
      ];
      for (const [path, text] of said) {
        await page.goto(path);
        await page.getByText(text).first().waitFor();
        expect(await page.getByRole("alert").count(), path).to.equal(0);
      }
      // There is an open hour from the beginning, and the service node is registered by a setting.
      await page.goto("/hours");
      await page.getByRole("row", { name: /open/ }).waitFor();
      await page.goto("/accounts");
      await page.getByRole("row", { name: /service node/ }).waitFor();
      await watched.close();
    });
  });

  describe("an operator whose answers fail", () => {
    let watched: Watched;
    let page: Page;
    beforeEach(async () => {
      watched = await stage().page();
      ({ page } = watched);
    });
    afterEach(async function () {
      // A test that failed has said why.
      await watched.close(this.currentTest?.state === "failed" ? /./ : /status of (500|503)|net::ERR_FAILED/);
    });

    const failures = {
      "500 without a word": { status: 500, body: "" },
      "500 with HTML, as a proxy answers": { status: 500, contentType: "text/html", body: "<h1>Bad gateway</h1>" },
      "503 OVERLOADED": {
        ...{ status: 503, contentType: "application/problem+json", headers: { "retry-after": "1" } },
        body: JSON.stringify({ status: 503, code: "OVERLOADED", title: "Overloaded", detail: "the index is rebuilt" }),
      },
      "200 with something else": { status: 200, contentType: "text/plain", body: "hello" },
    };
    for (const [what, answer] of Object.entries(failures)) {
      it(`${what}: each page says so, and comes back without being loaded again`, async () => {
        let failing = true;
        // Whatever is asked for at once; the stream stays as it is.
        await watched.context.route(/\/v1\/(?!events)/, async (route) => {
          if (failing) await route.fulfill(answer);
          else await route.continue();
        });
        const known = pagesOf(stage()).filter(({ name }) => name !== "search" && name !== "unknown");
        // All at once: each waits a while before it gives up.
        const opened = await Promise.all(
          known.map(async ({ path, heading, ...rest }) => {
            const one = await watched.context.newPage();
            await one.goto(path);
            await one.getByRole("heading", { level: 1, name: heading, exact: true }).waitFor();
            return { one, ...rest };
          }),
        );
        for (const { one } of opened) await one.getByRole("alert").first().waitFor();
        failing = false;
        for (const { one, name, ready } of opened) {
          // By itself, or when it is told to.
          await eventually(`${name} is back`, PATIENCE_MS, async () => {
            const again = one.getByRole("button", { name: "Try again" }).first();
            if (await again.isVisible()) await again.click({ timeout: 1_000 }).catch(() => undefined);
            return (await one.getByRole("alert").count()) === 0 && (await one.locator(ready).first().isVisible());
          });
        }
      });
    }

    it("a list keeps what it has when its next answers fail, and says so", async () => {
      await page.goto("/payments");
      await page.locator("tbody tr").first().waitFor();
      await page.route("**/v1/transactions?**", (route) => route.abort());
      await stage().transfer("alice", "bob", "ether", 21n);
      await page.getByRole("alert").waitFor();
      expect(await page.locator("tbody tr").count()).to.be.greaterThan(5);
      await page.unroute("**/v1/transactions?**");
      await page.getByRole("button", { name: "Try again" }).click();
      await page.getByRole("alert").waitFor({ state: "detached" });
    });
  });
});
