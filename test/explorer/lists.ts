import { expect } from "chai";
import { getAddress } from "ethers";
import type { Page } from "playwright-core";
import type { Watched } from "../helpers/explorerBrowser.ts";
import { factsOf, PATIENCE_MS, type Row, rowsWhen } from "../helpers/explorerPages.ts";
import { FILES, useExplorerStage } from "../helpers/explorerStage.ts";
import { eventually } from "../helpers/operatorProcess.ts";

const ALL = "Payments, the newest first";

describe("explorer: filters and search", function () {
  this.timeout(120_000);
  const stage = useExplorerStage();
  let watched: Watched;
  let page: Page;
  before(async () => {
    watched = await stage().page();
    ({ page } = watched);
  });
  after(async () => await watched?.close());

  const hashesOf = (rows: Row[]): (string | undefined)[] => rows.map((row) => row["Payment"]!.values[0]);
  /** All payments as the operator has them, newest first: what each filter is held against. */
  const every = async (): Promise<any[]> => (await stage().api("/v1/transactions?limit=1000")).items;
  /** The list shows exactly these. */
  const shows = async (chosen: any[]): Promise<void> => {
    const hashes = chosen.map(({ hash }) => hash);
    await rowsWhen(page, ALL, (rows) => JSON.stringify(hashesOf(rows)) === JSON.stringify(hashes));
  };
  /** Types into a field of the filter, and takes it by Enter. */
  const type = async (label: string, text: string): Promise<void> => {
    await page.getByLabel(label, { exact: true }).fill(text);
    await page.getByLabel(label, { exact: true }).press("Enter");
  };
  const searchFor = async (text: string): Promise<void> => {
    const field = page.getByRole("searchbox");
    await field.fill(text);
    await field.press("Enter");
  };

  it("chooses by purpose, each and all of them", async () => {
    await page.goto("/payments");
    const all = await every();
    for (const purpose of ["transfer", "upload", "extension", "purchase", "swap"]) {
      await page.getByLabel("Purpose").selectOption(purpose);
      const chosen = all.filter((payment) => payment.purpose === purpose);
      expect(chosen.length, purpose).to.be.greaterThan(0);
      await shows(chosen);
      expect(page.url()).to.contain(`purpose=${purpose}`);
    }
    await page.getByRole("button", { name: "Clear" }).click();
    await shows(all);
    expect(new URL(page.url()).search).to.equal("");
  });

  it("chooses by state: accepted, committed, finalized", async () => {
    const number = await stage().landHour();
    const after = await stage().transfer("alice", "bob", "ether", 1n);
    await page.goto("/payments");
    for (const state of ["accepted", "committed", "finalized"]) {
      await page.getByLabel("State").selectOption(state);
      const chosen = (await every()).filter((payment) => payment.state === state);
      expect(chosen.length, state).to.be.greaterThan(0);
      await shows(chosen);
    }
    const committed = (await every()).filter((payment) => payment.state === "committed");
    expect(new Set(committed.map(({ blockNumber }) => blockNumber))).to.deep.equal(new Set([number]));
    await stage().finalizeHour(number);
    await page.getByLabel("State").selectOption("accepted");
    await shows((await every()).filter(({ hash }) => hash === after.hash));
    await page.getByLabel("State").selectOption("committed");
    await page.getByText("No payment is like this.").waitFor();
  });

  it("chooses by party and file, with the keyboard alone; what is no address is refused", async () => {
    const mart = getAddress(stage().people.mart.address);
    const storage = getAddress(stage().people.storage.address);
    await page.goto("/payments");
    const all = await every();
    const takesPart = (address: string) => (payment: any) =>
      [...payment.inputs, ...payment.outputs].some(({ owner }) => owner === address);
    for (const address of [mart, storage.toLowerCase()]) {
      await type("Party", address);
      await shows(all.filter(takesPart(getAddress(address))));
    }
    await type("Party", "0x12");
    expect(await page.getByLabel("Party").getAttribute("aria-invalid")).to.equal("true");
    expect(new URL(page.url()).searchParams.get("address")).to.equal(storage.toLowerCase());
    await type("Party", "");
    await shows(all);

    const { fileId } = FILES[2];
    await type("File id", fileId);
    await shows(all.filter((payment) => payment.fileId === fileId));
    await type("File id", "no such file");
    await page.getByText("No payment is like this.").waitFor();
  });

  it("chooses by time, and by several at once; the address of the page keeps it", async () => {
    const all = await every();
    const { acceptedAt } = stage().payment("purchase again");
    await page.goto("/payments");
    // The field shows seconds, in the reader's own time zone.
    const second = Math.floor(acceptedAt / 1000) * 1000;
    const local = new Date(second).toLocaleString("sv-SE", { timeZone: "Europe/Zurich" }).replace(" ", "T");
    await type("Accepted from", local);
    await shows(all.filter((payment) => payment.acceptedAt >= second));
    await type("Accepted from", "");
    await type("Before", local);
    await shows(all.filter((payment) => payment.acceptedAt < second));
    await page.getByLabel("Purpose").selectOption("purchase");
    await type("File id", FILES[0].fileId);
    const chosen = all.filter(
      ({ acceptedAt: at, purpose, fileId }) => at < second && purpose === "purchase" && fileId === FILES[0].fileId,
    );
    expect(chosen.length).to.be.greaterThan(0);
    await shows(chosen);
    await page.reload();
    await shows(chosen);
    expect(await page.getByLabel("File id", { exact: true }).inputValue()).to.equal(FILES[0].fileId);
    expect(await page.getByLabel("Before").inputValue()).to.equal(local);
  });

  it("chooses accounts by role", async () => {
    await page.goto("/accounts");
    await page.getByRole("combobox", { name: "Role" }).selectOption("owner");
    const rows = await rowsWhen(page, /^Accounts with a role/, (found) => found.length === 1);
    expect(rows[0]!["Account"]!.values).to.deep.equal([getAddress(stage().people.owner.address)]);
    expect(rows[0]!["Validator"]!.values).to.deep.equal([getAddress(stage().people.validator.address)]);
  });

  it("finds a payment, output, account, file, hour, root and commit, each shown at once", async () => {
    const { hash, blockNumber, transaction } = stage().payment("purchase 0");
    const mart = getAddress(stage().people.mart.address);
    const hour = await stage().api(`/v1/blocks/${blockNumber}`);
    await page.goto("/");
    const found: [string, string, string][] = [
      [hash, `/payments/${hash}`, `Payment ${hash.slice(0, 10)}…`],
      [` ${hash.toUpperCase().replace("0X", "0x")} `, `/payments/${hash}`, `Payment ${hash.slice(0, 10)}…`],
      [transaction.inputs[0]!, `/outputs/${transaction.inputs[0]}`, `Output ${transaction.inputs[0]!.slice(0, 10)}…`],
      [mart, `/accounts/${mart}`, `Account ${mart.slice(0, 10)}…`],
      [mart.toLowerCase(), `/accounts/${mart}`, `Account ${mart.slice(0, 10)}…`],
      [FILES[2].fileId, `/files/${encodeURIComponent(FILES[2].fileId)}`, `File ${FILES[2].fileId}`],
      [String(blockNumber), `/hours/${blockNumber}`, `Hour ${blockNumber}`],
      [hour.transactionsRoot, `/hours/${blockNumber}`, `Hour ${blockNumber}`],
      [hour.commitTransaction, `/hours/${blockNumber}`, `Hour ${blockNumber}`],
    ];
    for (const [text, path, heading] of found) {
      await searchFor(text);
      await eventually(`${text} is found at ${path}`, PATIENCE_MS, async () => new URL(page.url()).pathname === path);
      await page.getByRole("heading", { level: 1, name: heading, exact: true }).waitFor();
    }
  });

  it("goes to the exit that was found, and back by the browser's button", async () => {
    const exit = (await stage().api("/v1/exits")).items.find(({ kind }: any) => kind === "inFlight");
    await page.goto("/files");
    await searchFor(exit.transactionHash);
    await page.getByRole("heading", { level: 1, name: "Exits" }).waitFor();
    const row = page.locator(`tr:has(#exit-${exit.number})`);
    await row.waitFor();
    await eventually("its row is marked", PATIENCE_MS, async () => (await row.getAttribute("aria-current")) === "true");
    expect(await row.evaluate((element: any) => element.getBoundingClientRect().bottom < 720)).to.equal(true);
    await page.goBack();
    await page.getByRole("heading", { level: 1, name: "Files" }).waitFor();
  });

  it("says so when nothing is found, and what is not there", async () => {
    await searchFor(`0x${"12".repeat(32)}`);
    await page.getByText("Nothing here has this hash").waitFor();
    await searchFor("<b>no & such #file?</b>");
    await page.getByText("Nothing here has this hash").waitFor();
    expect(await page.locator("main code").first().innerText()).to.equal("<b>no & such #file?</b>");
    watched.complaints.splice(0);
    for (const path of [
      `/payments/0x${"12".repeat(32)}`,
      "/hours/999",
      `/outputs/0x${"12".repeat(32)}`,
      "/files/none",
    ]) {
      await page.goto(path);
      await page.getByText("There is no such thing here.").waitFor();
    }
    for (const path of ["/payments/0x12", "/hours/x", "/accounts/0x12"]) {
      await page.goto(path);
      await page.getByRole("alert").waitFor();
    }
    // The answers 404 and 400, which the browser tells; and nothing else.
    expect(watched.complaints.splice(0).filter((text) => !/status of 40[04]/.test(text))).to.deep.equal([]);
  });

  it("an address that nobody has used is an account with nothing", async () => {
    const address = `0x${"12".repeat(20)}`;
    await searchFor(address);
    await page.getByRole("heading", { level: 1, name: /^Account/ }).waitFor();
    expect((await factsOf(page))["Role"]!.text).to.equal("none in the marketplace");
    await page.getByText("It has nothing here.").waitFor();
    expect(await page.getByRole("table").count()).to.equal(0);
  });
});
