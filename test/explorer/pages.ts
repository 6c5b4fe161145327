import { expect } from "chai";
import type { Paid } from "@plasma-billing/sdk";
import { type EventLog, getAddress } from "ethers";
import type { Page } from "playwright-core";
import type { Watched } from "../helpers/explorerBrowser.ts";
import { factsOf, pagesOf, type Row, rowsOf, rowsWhen, shown } from "../helpers/explorerPages.ts";
import { FILES, SYMBOLS, type TokenName, useExplorerStage } from "../helpers/explorerStage.ts";
import { eventually } from "../helpers/operatorProcess.ts";

const placeOf = ({ blockNumber, transactionIndex }: Paid): number => blockNumber * 2 ** 20 + transactionIndex;
const ALL = "Payments, the newest first";

describe("explorer: what its pages show is what happened", function () {
  this.timeout(120_000);
  const stage = useExplorerStage("own");
  let watched: Watched;
  let page: Page;
  before(async () => {
    watched = await stage().page();
    ({ page } = watched);
  });
  after(async () => await watched?.close());

  const person = (name: keyof ReturnType<typeof stage>["people"]): string => getAddress(stage().people[name].address);
  const tokenOf = (address: string): TokenName =>
    Object.entries(stage().tokens).find(([, token]) => token === address.toLowerCase())![0] as TokenName;
  const inOrder = (): [string, Paid][] => [...stage().paid].sort(([, a], [, b]) => placeOf(b) - placeOf(a));
  /** What a payment gives to others than its payer, by the wallet that made it. */
  const given = (paid: Paid, payer: string, token: TokenName): string => {
    const outputs = paid.transaction.outputs.filter(
      (output) => output.owner !== payer.toLowerCase() && output.token === stage().tokens[token],
    );
    return shown(
      outputs.reduce((sum, { amount }) => sum + amount, 0n),
      token,
    );
  };
  /** The commit of an hour, as Ethereum has it. */
  const commitOf = async (number: number) => {
    const { rootChain, provider } = stage().market.chain;
    const filter = rootChain.filters["BlockCommitted"]!(number);
    const [event] = (await rootChain.queryFilter(filter)) as EventLog[];
    const receipt = await provider.getTransactionReceipt(event!.transactionHash);
    return { args: event!.args, receipt: receipt!, hash: event!.transactionHash };
  };

  it("Home: the open hour, the newest payments, the last hours, totals and charts", async () => {
    await page.goto("/");
    const newest = await rowsWhen(page, "The newest payments", (rows) => rows.length >= 12);
    expect(newest.map((row) => row["Payment"]!.values[0])).to.deep.equal(
      inOrder()
        .slice(0, 12)
        .map(([, { hash }]) => hash),
    );
    const tile = async (name: RegExp): Promise<string> =>
      await page
        .locator("dl.tiles div")
        .filter({ has: page.locator("dt", { hasText: name }) })
        .locator("dd")
        .innerText();
    const open = stage().payment("open transfer").blockNumber;
    expect(await tile(new RegExp(`^In the open hour ${open}$`))).to.equal("2");
    expect(await tile(/^Newest on Ethereum$/)).to.equal(`hour ${open - 1}`);
    expect(await tile(/^Payments$/)).to.equal(String(stage().paid.size));
    const left = await tile(/^Next commit$/);
    expect(left).to.match(/^(\d+:)?\d\d:\d\d$/);
    await eventually("the countdown runs", 5_000, async () => (await tile(/^Next commit$/)) !== left);

    const hours = await rowsOf(page, "The last hours and their commits");
    expect(hours.map((row) => [row["Hour"]!.text, row["State"]!.text])).to.deep.equal([
      [String(open), "open"],
      ...[3, 2, 1].map((number) => [String(number), "finalized"]),
    ]);
    await page.locator("figure canvas").nth(1).waitFor();
    await page.getByText("The same in figures").click();
    const volumes = await rowsOf(page, "Payments and volume by hour and purpose");
    const statistics = await stage().api("/v1/statistics");
    const figures = statistics.hours.flatMap(({ purposes }: any) =>
      purposes.map((one: any) => [one.purpose, String(one.count), shown(BigInt(one.volume), tokenOf(one.token))]),
    );
    expect(volumes.map((row) => ["Purpose", "Payments", "Volume"].map((name) => row[name]!.text))).to.deep.equal(
      figures,
    );
    const tokens = await rowsOf(page, "What was deposited, is held here, and was withdrawn");
    // Of alice's three ether, all is still here; of the leaver's, only what the contract still holds.
    const coin = tokens.find((row) => row["Held"]!.text.endsWith(SYMBOLS.coin))!;
    expect([coin["Deposited"]!.text, coin["Held"]!.text]).to.deep.equal(["40 000 STOR", "40 000 STOR"]);
  });

  it("Payments: every one with its hour, purpose, amount, payer and parties", async () => {
    await page.goto("/payments");
    const rows = await rowsOf(page, ALL);
    expect(rows.map((row) => row["Payment"]!.values[0])).to.deep.equal(inOrder().map(([, { hash }]) => hash));
    const row = (name: string): Row => rows.find((one) => one["Payment"]!.values[0] === stage().payment(name).hash)!;

    const purchase = row("purchase 0");
    const { blockNumber, hash } = stage().payment("purchase 0");
    expect(purchase["Payment"]!.links).to.deep.equal([`/payments/${hash}`]);
    expect(purchase["Hour"]).to.deep.include({ text: String(blockNumber), links: [`/hours/${blockNumber}`] });
    expect(purchase["Time"]!.text).to.match(/^\d+ (s|min) ago \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/);
    expect([purchase["Purpose"]!.text, purchase["State"]!.text]).to.deep.equal(["purchase", "finalized"]);
    expect(purchase["Amount"]!.text).to.equal(shown(FILES[0].price, "money"));
    const parties = {
      Payer: "mart",
      Validator: "validator",
      Owner: "owner",
      "Service node": "serviceNode",
      Mart: "mart",
    };
    for (const [column, who] of Object.entries(parties)) {
      expect(purchase[column]!.values, column).to.deep.equal([person(who as "mart")]);
      expect(purchase[column]!.links, column).to.deep.equal([`/accounts/${person(who as "mart")}`]);
    }
    expect(purchase["Storage"]!.text).to.equal("–");

    const swap = row("swap");
    expect(swap["Storage"]!.values).to.deep.equal([person("storage")]);
    expect(swap["Service node"]!.values).to.deep.equal([person("serviceNode")]);
    expect(swap["Payer"]!.values).to.have.members([person("storage"), person("serviceNode")]);
    expect(swap["Amount"]!.text).to.include("10 USDX").and.to.include("125 STOR");

    const upload = row("upload 0");
    expect(upload["Amount"]!.text).to.equal(given(stage().payment("upload 0"), person("validator"), "money"));
    expect([row("extension")["Purpose"]!.text, row("transfer")["Purpose"]!.text]).to.deep.equal([
      "extension",
      "transfer",
    ]);
    expect(row("transfer")["Amount"]!.text).to.equal("0.250000000000000001 ETH");
    expect(row("open transfer")["State"]!.text).to.equal("accepted");
  });

  it("a payment: its way to Ethereum, inputs and outputs with links, each party's plus and minus", async () => {
    const paid = stage().payment("purchase 2");
    await page.goto(`/payments/${paid.hash}`);
    const facts = await factsOf(page);
    const commit = await commitOf(paid.blockNumber);
    expect(facts["Hash"]!.text).to.equal(paid.hash);
    expect([facts["State"]!.text, facts["Purpose"]!.text]).to.deep.equal(["finalized", "purchase"]);
    expect(facts["File"]).to.deep.include({
      text: FILES[2].fileId,
      links: [`/files/${encodeURIComponent(FILES[2].fileId)}`].map(decodeURI),
    });
    expect(facts["Place"]!.links).to.deep.equal([`/hours/${paid.blockNumber}`]);
    expect(facts["Commit"]!.values).to.deep.equal([commit.hash]);
    const exact = (milliseconds: number): string => new Date(milliseconds).toISOString().slice(0, 19).replace("T", " ");
    expect(facts["Accepted"]!.text).to.match(new RegExp(`^${exact(paid.acceptedAt)} UTC \\(\\d+ (s|min) ago\\)$`));
    expect(facts["On Ethereum"]!.text).to.contain(exact(Number(commit.args["timestamp"]) * 1000));

    const changes = await rowsOf(page, "Plus and minus of each party");
    const { price } = FILES[2];
    const [owner, service] = [(price * 2_500n) / 10_000n, (price * 333n) / 10_000n];
    const plus = (amount: bigint): string => `+${shown(amount, "money")}`;
    expect(Object.fromEntries(changes.map((row) => [row["Party"]!.values[0], row["Change"]!.text]))).to.deep.equal({
      [person("mart")]: shown(-price, "money"),
      [person("owner")]: plus(owner),
      [person("serviceNode")]: plus(service),
      [person("validator")]: plus(price - owner - service),
    });
    expect(changes.map((row) => row["Role"]!.text)).to.have.members(["mart", "owner", "service node", "validator"]);
    const outputs = await rowsOf(page, "Outputs that it makes");
    expect(outputs.map((row) => [row["Owner"]!.values[0], row["Amount"]!.text])).to.deep.equal(
      paid.transaction.outputs.map(({ owner: of, amount }) => [getAddress(of), shown(amount, "money")]),
    );
    const inputs = await rowsOf(page, "Outputs that it spends");
    expect(inputs.map((row) => row["Output"]!.values[0])).to.deep.equal(paid.transaction.inputs);
    expect(inputs.map((row) => row["Signature"]!.values[0])).to.deep.equal(paid.transaction.signatures);

    // From output to output, by the links alone.
    await page.locator(`a[href="/outputs/${paid.transaction.inputs[0]}"]`).click();
    const output = await factsOf(page);
    expect([output["Id"]!.text, output["State"]!.text]).to.deep.equal([paid.transaction.inputs[0], "spent"]);
    expect(output["Spent by"]!.values).to.deep.equal([paid.hash]);
    await page.locator(`a[href="/payments/${paid.hash}"]`).click();
    expect((await factsOf(page))["Hash"]!.text).to.equal(paid.hash);
  });

  it("Hours: root, count, commit, fee and gas as Ethereum has them", async () => {
    await page.goto("/hours");
    const rows = await rowsOf(page, "Hours, the newest first");
    expect(rows.map((row) => row["Hour"]!.text)).to.deep.equal(["4", "3", "2", "1"]);
    for (const row of rows.slice(1)) {
      const { args, receipt, hash } = await commitOf(Number(row["Hour"]!.text));
      expect(row["Payments"]!.text).to.equal(String(args["transactionCount"]));
      expect(row["Root"]!.values).to.deep.equal([args["transactionsRoot"]]);
      expect(row["Commit"]!.values).to.deep.equal([hash]);
      expect(row["Fee"]!.text).to.equal(shown(receipt.gasUsed * receipt.gasPrice, "ether"));
      const gas = Number(receipt.gasUsed) / Number(args["transactionCount"]);
      expect(row["Gas a payment"]!.text.replace(",", "")).to.equal(gas.toFixed(0));
    }
    await page.locator('a[href="/hours/2"]').click();
    await page.getByRole("heading", { name: "Hour 2" }).waitFor();
    const { args } = await commitOf(2);
    expect((await factsOf(page))["Root"]!.text).to.equal(args["transactionsRoot"]);
    const payments = await rowsOf(page, "Payments of the hour, the newest first");
    const expected = inOrder().filter(([, { blockNumber }]) => blockNumber === 2);
    expect(payments.map((row) => row["Payment"]!.values[0])).to.deep.equal(expected.map(([, { hash }]) => hash));
    await page
      .getByRole("link", { name: /hour 3/ })
      .first()
      .click();
    await page.getByRole("heading", { name: "Hour 3" }).waitFor();
  });

  it("Accounts: roles; an account's balances, history, outputs and exits", async () => {
    await page.goto("/accounts");
    const rows = await rowsOf(page, "Accounts with a role, the newest first");
    expect(Object.fromEntries(rows.map((row) => [row["Role"]!.text, row["Account"]!.values[0]]))).to.deep.equal({
      validator: person("validator"),
      mart: person("mart"),
      owner: person("owner"),
      "storage provider": person("storage"),
      "service node": person("serviceNode"),
    });
    await page.goto(`/accounts/${person("storage")}`);
    const balances = await rowsOf(page, "Balances by token");
    const wallet = stage().people.storage;
    await wallet.sync();
    const own = (await wallet.balances()).map(({ token, available }) => shown(available, tokenOf(token)));
    expect(balances.map((row) => row["To spend"]!.text)).to.have.members(own);
    const history = await rowsOf(page, /^Payments/);
    expect(history.map((row) => row["Payment"]!.values[0])).to.deep.equal([stage().payment("swap").hash]);
    await page.getByRole("button", { name: "Outputs" }).click();
    const outputs = await rowsWhen(page, /^Outputs/, (found) => found[0]?.["Owner"] === undefined);
    const available = outputs.filter((row) => row["State"]!.text === "available");
    expect(available.map((row) => row["Output"]!.values[0])).to.have.members(wallet.outputs().map(({ id }) => id));

    await page.goto(`/accounts/${person("bob")}?show=exits`);
    const exits = await rowsOf(page, /^Exits/);
    expect(exits.map((row) => row["Exit"]!.text)).to.include(String(stage().exits.get("standard")));
    const leaving = await rowsOf(page, "Balances by token");
    expect(leaving[0]!["Leaving"]!.text).to.equal("0.250000000000000001 ETH");
  });

  it("Files: the offer, uploads, extensions, purchases and what they brought", async () => {
    await page.goto("/files");
    const rows = await rowsOf(page, "Files for sale, the newest first");
    expect(rows.map((row) => [row["File"]!.text, row["Price"]!.text, row["Name"]!.text])).to.deep.equal(
      FILES.toReversed().map(({ fileId, price, name }) => [fileId, shown(price, "money"), name]),
    );
    // The one whose id has everything in it that an address cannot have.
    await page.getByRole("link", { name: FILES[2].fileId }).click();
    await page.getByRole("heading", { name: `File ${FILES[2].fileId}`, exact: true }).waitFor();
    expect((await factsOf(page))["File id"]!.text).to.equal(FILES[2].fileId);

    await page.goto(`/files/${encodeURIComponent(FILES[0].fileId)}`);
    const facts = await factsOf(page);
    expect(facts["Price"]!.text).to.equal("12.5 USDX");
    expect(facts["Shares"]!.text).to.contain("owner 25 %").and.to.contain("service node 3.33 %");
    expect(facts["Validator"]!.values).to.deep.equal([person("validator")]);
    const hashes = async (caption: RegExp): Promise<(string | undefined)[]> =>
      (await rowsOf(page, caption)).map((row) => row["Payment"]!.values[0]);
    expect(await hashes(/^Uploads/)).to.deep.equal([stage().payment("upload 0").hash]);
    expect(await hashes(/^Extensions/)).to.deep.equal([stage().payment("extension").hash]);
    expect(await hashes(/^Purchases/)).to.deep.equal(
      ["purchase again", "purchase 0"].map((name) => stage().payment(name).hash),
    );
    const income = await rowsOf(page, "What purchases brought to whom");
    const price = 2n * FILES[0].price;
    const [toOwner, toService] = [3_125_000n * 2n, 416_250n * 2n];
    expect(Object.fromEntries(income.map((row) => [row["Earner"]!.values[0], row["Income"]!.text]))).to.deep.equal({
      [person("owner")]: shown(toOwner, "money"),
      [person("serviceNode")]: shown(toService, "money"),
      [person("validator")]: shown(price - toOwner - toService, "money"),
    });
  });

  it("Deposits and exits with their clocks", async () => {
    const { chain } = stage().market;
    await page.goto("/deposits");
    const deposits = await rowsOf(page, "Deposits, the newest first");
    const made = (await chain.rootChain.queryFilter(chain.rootChain.filters["Deposited"]!())) as EventLog[];
    const known = Object.fromEntries(made.map((event) => [String(event.args["id"] ?? event.args[0]), event]));
    expect(deposits.map((row) => row["Deposit"]!.text)).to.have.members(Object.keys(known));
    for (const row of deposits) {
      const { args, blockNumber, transactionHash } = known[row["Deposit"]!.text]!;
      expect(row["Owner"]!.values).to.deep.equal([args["owner"]]);
      expect(row["Amount"]!.text).to.equal(shown(args["amount"], tokenOf(args["token"])));
      expect(row["Ethereum block"]!.text).to.match(new RegExp(`^${blockNumber}( \\d+ deep.*)?$`));
      expect(row["Ethereum transaction"]!.values).to.deep.equal([transactionHash]);
    }
    await page.goto("/exits");
    const exits = await rowsOf(page, "Exits, the newest first");
    expect(exits.map((row) => row["Kind"]!.text)).to.have.members(["of an output", "of a deposit", "in flight"]);
    const { items } = await stage().api("/v1/exits");
    for (const row of exits) {
      const exit = items.find(({ number }: any) => String(number) === row["Exit"]!.text);
      const [, days = "0", ...clock] = /^in (?:(\d+) d )?(\d+):(\d+):(\d+) /.exec(row["Payable"]!.text)!;
      const left = clock.reduce(
        (sum, part, i) => (i === 0 ? sum + Number(part) : 60 * sum + Number(part)),
        24 * Number(days),
      );
      expect(Math.abs(left - (exit.exitableAt - Date.now() / 1000))).to.be.below(5);
      expect(row["State"]!.text).to.equal("started");
      expect(row["Owner"]!.values).to.deep.equal([exit.owner]);
    }
  });

  it("each page, opened by its address and loaded again, is the same page", async () => {
    for (const { name, path, heading, ready } of pagesOf(stage())) {
      const response = await page.goto(path);
      expect(response!.status(), name).to.equal(name === "unknown" ? 404 : 200);
      for (const _ of ["opened", "again"]) {
        await page.getByRole("heading", { level: 1, name: heading, exact: true }).waitFor();
        await page.locator(ready).first().waitFor();
        expect(await page.title()).to.equal(`${heading} · Plasma Billing`);
        await page.reload();
      }
    }
    // An address that is no page is answered 404, which the browser tells.
    expect(watched.complaints.splice(0).filter((text) => !text.includes("404"))).to.deep.equal([]);
  });

  it("copies the whole hash", async () => {
    await watched.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const { hash } = stage().payment("swap");
    await page.goto("/payments");
    await page.getByRole("button", { name: `Copy ${hash.slice(0, 6)}…${hash.slice(-4)}` }).click();
    await page.getByText("Copied").waitFor({ state: "attached" });
    const clipboard = await page.locator("html").evaluate(async (html: any) => {
      return await html.ownerDocument.defaultView.navigator.clipboard.readText();
    });
    expect(clipboard).to.equal(hash);
  });
});
