import { expect } from "chai";
import { getAddress } from "ethers";
import type { Page } from "playwright-core";
import type { Watched } from "../helpers/explorerBrowser.ts";
import { factsOf, rowsOf, shown } from "../helpers/explorerPages.ts";
import { useExplorerStage, type TokenName } from "../helpers/explorerStage.ts";

const HUGE = 10n ** 30n + 1n;
/** Of 10^30 + 1 units, written out by hand. */
const WRITTEN: Partial<Record<TokenName, string>> = {
  coin: "1 000 000 000 000.000000000000000001 STOR",
  money: "1 000 000 000 000 000 000 000 000.000001 USDX",
  points: "1 000 000 000 000 000 000 000 000 000 001 POINT",
};

describe("explorer: amounts never lose a unit", function () {
  this.timeout(120_000);
  const stage = useExplorerStage();
  let watched: Watched;
  let page: Page;
  before(async () => {
    watched = await stage().page();
    ({ page } = watched);
  });
  after(async () => await watched?.close());

  for (const [token, written] of Object.entries(WRITTEN) as [TokenName, string][]) {
    it(`${token}: 10^30 + 1 units in lists, on the payment, at its parties, in deposits and totals`, async () => {
      await stage().fund("leaver", token, HUGE);
      const paid = await stage().transfer("leaver", "owner", token, HUGE);
      await page.goto("/payments");
      const listed = await rowsOf(page, "Payments, the newest first");
      expect(listed.find((row) => row["Payment"]!.values[0] === paid.hash)!["Amount"]!.text).to.equal(written);

      await page.goto(`/payments/${paid.hash}`);
      expect((await factsOf(page))["Amount"]!.text).to.equal(written);
      const changes = await rowsOf(page, "Plus and minus of each party");
      expect(changes.map((row) => row["Change"]!.text)).to.have.members([`−${written}`, `+${written}`]);

      await page.goto(`/accounts/${getAddress(stage().people.owner.address)}`);
      const balances = await rowsOf(page, "Balances by token");
      const { balances: had } = await stage().api(`/v1/accounts/${stage().people.owner.address}`);
      const address = getAddress(stage().tokens[token]);
      const balance = BigInt(had.find((one: any) => one.token === address).available);
      const row = balances.find((one) => one["Token"]!.values[0] === address)!;
      expect(row["To spend"]!.text).to.equal(shown(balance, token));
      expect(balance >= HUGE).to.equal(true);

      await page.goto("/deposits");
      const deposits = await rowsOf(page, "Deposits, the newest first");
      expect(deposits.map((row) => row["Amount"]!.text)).to.include(written);
    });
  }

  it("a token that calls itself ETH is not taken for ether", async () => {
    await stage().fund("leaver", "fakeEther", 5n);
    const paid = await stage().transfer("leaver", "owner", "fakeEther", 5n);
    await page.goto(`/payments/${paid.hash}`);
    const { text } = (await factsOf(page))["Amount"]!;
    const address = getAddress(stage().tokens.fakeEther);
    expect(text).to.match(/^0\.000000000000000005 ETH/);
    expect(text).to.contain(address.slice(0, 6)).and.to.contain(address.slice(-4));
    // And ether is called by its name alone, beside it.
    await page.goto(`/payments/${stage().payment("transfer").hash}`);
    expect((await factsOf(page))["Amount"]!.text).to.equal("0.250000000000000001 ETH");
  });

  it("one unit, and whole ones: no zeros lost or added", async () => {
    const paid = await stage().transfer("alice", "bob", "ether", 1n);
    await page.goto(`/payments/${paid.hash}`);
    expect((await factsOf(page))["Amount"]!.text).to.equal("0.000000000000000001 ETH");
  });
});
