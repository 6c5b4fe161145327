import { expect } from "chai";
import type { Page } from "playwright-core";
import type { Watched } from "../helpers/explorerBrowser.ts";
import { PATIENCE_MS } from "../helpers/explorerPages.ts";
import { useExplorerStage } from "../helpers/explorerStage.ts";
import { startAnvil } from "../helpers/nodes.ts";
import { eventually } from "../helpers/operatorProcess.ts";
import { startProxy, type RpcProxy } from "../helpers/rpcProxy.ts";

type Steps = Record<string, string>;

describe("explorer: a reader's own browser verifies a payment", function () {
  this.timeout(120_000);
  const stage = useExplorerStage();
  let proxy: RpcProxy;
  let watched: Watched;
  let page: Page;
  before(async () => (proxy = await startProxy(stage().market.node.url)));
  after(async () => await proxy?.stop());
  beforeEach(async () => {
    proxy.rule = null;
    watched = await stage().page();
    ({ page } = watched);
  });
  afterEach(async function () {
    // A test that failed has said why.
    await watched.close(this.currentTest?.state === "failed" ? /./ : /status of 409/);
  });

  const hash = (): string => stage().payment("purchase 0").hash;
  const steps = async (): Promise<Steps> => {
    const list = page.locator("[data-step]");
    await list.first().waitFor();
    const read = await list.evaluateAll((items: any[]) => items.map(({ dataset }) => [dataset.step, dataset.state]));
    return Object.fromEntries(read as [string, string][]);
  };
  const verdict = async (): Promise<string | null> => await page.locator("[data-verdict]").getAttribute("data-verdict");
  /** Nothing is running any more. */
  const settled = async (): Promise<{ verdict: string | null; steps: Steps }> => {
    await eventually("the verification has ended", PATIENCE_MS, async () => {
      return !Object.values(await steps()).includes("running") && (await verdict()) !== "running";
    });
    return { verdict: await verdict(), steps: await steps() };
  };
  const begin = async (payment = hash()): Promise<void> => {
    await page.goto(`/payments/${payment}`);
    await page.getByRole("button", { name: /^Verify/ }).click();
    await page.locator("[data-verdict]").waitFor();
  };
  /** As a reader does who knows the contract from elsewhere. */
  const compare = async (
    node = proxy.url,
    { contract = stage().market.chain.address, chainId = "31337", sure = true } = {},
  ): Promise<void> => {
    const form = page.locator("form.source");
    await form.locator('[name="rpcUrl"]').fill(node);
    await form.locator('[name="contract"]').fill(contract);
    await form.locator('[name="chainId"]').fill(chainId);
    await form.locator('[name="sure"]').setChecked(sure);
    await form.getByRole("button", { name: "Compare" }).click();
  };
  const OK = ["content", "inputs", "signatures", "balance", "path", "chain", "contract"];

  it("green, every step, for an honest payment, through a node of the reader's choice", async () => {
    await begin();
    // Nobody was asked yet: no green.
    const unasked = await settled();
    expect([unasked.verdict, unasked.steps["chain"], unasked.steps["path"]]).to.deep.equal([
      "waiting",
      "waiting",
      "ok",
    ]);
    await compare();
    await eventually("it is verified", PATIENCE_MS, async () => ["landed", "final"].includes((await verdict()) ?? ""));
    expect(await steps()).to.deep.equal(Object.fromEntries(OK.map((name) => [name, "ok"])));
    expect(proxy.asked.get("eth_call")).to.be.greaterThan(0);
    // What is shown of each step is what Ethereum has.
    const { number } = (await stage().api(`/v1/transactions/${hash()}/proof`)).header;
    const held: string = await stage().market.chain.rootChain["blockHashes"]!(number);
    const contract = page.locator('[data-step="contract"]');
    expect(await contract.innerText()).to.contain(held);
    expect(await page.locator('[data-step="content"]').innerText()).to.contain(hash());
    // Every kind of payment, the node being remembered.
    for (const name of ["upload 1", "transfer", "swap", "extension", "purchase again"]) {
      await begin(stage().payment(name).hash);
      await eventually(`${name} is verified`, PATIENCE_MS, async () =>
        ["landed", "final"].includes((await verdict()) ?? ""),
      );
    }
  });

  it("is no green for a contract that only the operator named", async () => {
    await begin();
    await compare(proxy.url, { sure: false });
    const { verdict: said, steps: all } = await settled();
    expect(Object.values(all)).to.deep.equal(OK.map(() => "ok"));
    expect(said).to.equal("unconfirmed");
  });

  it('"not yet" for a payment of the open hour, and green by itself once it is committed', async () => {
    const paid = await stage().transfer("alice", "bob", "ether", 3n);
    await begin(paid.hash);
    await compare();
    const { verdict: said, steps: all } = await settled();
    expect([said, all["path"], all["content"], all["signatures"]]).to.deep.equal(["waiting", "waiting", "ok", "ok"]);
    await stage().finalizeHour(await stage().landHour());
    await eventually("it is verified", PATIENCE_MS, async () => ["landed", "final"].includes((await verdict()) ?? ""));
  });

  describe("red, whatever the operator's answer is changed to", () => {
    const other = async (): Promise<any> => await stage().api(`/v1/transactions/${stage().payment("purchase 1").hash}`);
    type Change = (body: any) => unknown;
    const payment: Record<string, Change> = {
      "an output's amount": (body) => (body.outputs[0].amount = String(BigInt(body.outputs[0].amount) + 1n)),
      "an output's owner": (body) => (body.outputs[0].owner = stage().market.chain.address),
      "an output's token": (body) => (body.outputs[0].token = stage().market.chain.tokenAddress),
      "an output left out": (body) => body.outputs.pop(),
      "the amount of an input": (body) => (body.inputs[0].amount = String(BigInt(body.inputs[0].amount) + 1n)),
      "the owner of an input": (body) => (body.inputs[0].owner = stage().market.chain.address),
      "the output that is spent": (body) => (body.inputs[0].id = `0x${"12".repeat(32)}`),
      "the purpose": (body) => (body.purpose = "upload"),
      "the file": (body) => (body.fileId = "another file"),
      "the file's hash": (body) => (body.fileHash = `0x${"12".repeat(32)}`),
      "the signature": (body) =>
        (body.signatures[0] = `${body.signatures[0].slice(0, 20)}00${body.signatures[0].slice(22)}`),
      "another payment, under the hash that was asked for": async (body) =>
        Object.assign(body, { ...(await other()), hash: body.hash }),
      "another payment altogether": async (body) => Object.assign(body, await other()),
      "the hour": (body) => body.blockNumber++,
      "the place in the hour": (body) => body.transactionIndex++,
    };
    const proof: Record<string, Change> = {
      "a sibling": (body) => (body.siblings[0] = `0x${"12".repeat(32)}`),
      "a sibling too few": (body) => body.siblings.pop(),
      "a sibling too many": (body) => body.siblings.push(`0x${"12".repeat(32)}`),
      "the index": (body) => body.index++,
      "the header's root": (body) => (body.header.transactionsRoot = `0x${"12".repeat(32)}`),
      "the header's count": (body) => body.header.transactionCount++,
      "the header's time": (body) => body.header.timestamp++,
      "the header's number": (body) => body.header.number++,
      "the path of another payment": async (body) =>
        Object.assign(body, await stage().api(`/v1/transactions/${stage().payment("purchase 1").hash}/proof`)),
      "the path of another hour": async (body) =>
        Object.assign(body, await stage().api(`/v1/transactions/${stage().payment("upload 0").hash}/proof`)),
      "no proof at all": (body) => delete body.header,
    };
    /** The operator lies: an answer of its is changed on its way. */
    const changed = (path: (hash: string) => string, change: Change) => async () => {
      let changes = 0;
      await page.route(`**${path(hash())}`, async (route) => {
        const body = await (await route.fetch()).json();
        await change(body);
        changes++;
        await route.fulfill({ json: body });
      });
      await begin();
      await compare();
      // Both verdicts, with nobody asked and with the node: never a green one in between.
      const { verdict: said } = await settled();
      expect(changes).to.be.greaterThan(0);
      expect(said).to.equal("failed");
      expect(await page.locator(".note.good").count()).to.equal(0);
    };
    for (const [what, change] of Object.entries(payment))
      it(
        what,
        changed((of) => `/v1/transactions/${of}`, change),
      );
    for (const [what, change] of Object.entries(proof))
      it(
        what,
        changed((of) => `/v1/transactions/${of}/proof`, change),
      );

    it("the payment that made an input", async () => {
      const { transaction } = stage().payment("purchase again");
      await page.route(`**/v1/outputs/${transaction.inputs[0]}`, async (route) => {
        const body = await (await route.fetch()).json();
        await route.fulfill({ json: { ...body, created: stage().payment("upload 0").hash } });
      });
      await begin(stage().payment("purchase again").hash);
      await compare();
      expect((await settled()).verdict).to.equal("failed");
    });

    it("the state: nothing becomes green that is not on Ethereum", async () => {
      const paid = await stage().transfer("alice", "bob", "ether", 4n);
      const known = await stage().api(`/v1/transactions/${hash()}/proof`);
      await page.route(`**/v1/transactions/${paid.hash}`, async (route) => {
        const body = await (await route.fetch()).json();
        await route.fulfill({
          json: { ...body, state: "finalized", committedAt: Date.now(), finalizedAt: Date.now() },
        });
      });
      await page.route(`**/v1/transactions/${paid.hash}/proof`, async (route) => await route.fulfill({ json: known }));
      await begin(paid.hash);
      await compare();
      expect((await settled()).verdict).to.equal("failed");
    });
  });

  describe("red, whatever is wrong with Ethereum as the reader sees it", () => {
    it("the node answers another block hash", async () => {
      proxy.rule = ({ method }) => (method === "eth_call" ? { do: "result", result: `0x${"12".repeat(32)}` } : null);
      await begin();
      await compare();
      const { verdict: said, steps: all } = await settled();
      expect([said, all["contract"], all["path"]]).to.deep.equal(["failed", "failed", "ok"]);
    });

    it("the contract holds nothing for the hour", async () => {
      proxy.rule = ({ method }) => (method === "eth_call" ? { do: "result", result: `0x${"00".repeat(32)}` } : null);
      await begin();
      await compare();
      expect((await settled()).verdict).to.equal("failed");
    });

    it("the node is of another chain, really", async () => {
      const stranger = await startAnvil({ chainId: 5_555 });
      try {
        await begin();
        await compare(stranger.url);
        const { verdict: said, steps: all } = await settled();
        expect([said, all["chain"], all["contract"]]).to.deep.equal(["failed", "failed", "impossible"]);
      } finally {
        await stranger.stop();
      }
    });

    it("another contract than the one the payment was signed for", async () => {
      await begin();
      await compare(proxy.url, { contract: stage().market.chain.tokenAddress });
      const { verdict: said, steps: all } = await settled();
      expect([said, all["content"]]).to.deep.equal(["failed", "failed"]);
      await page.getByText("The operator names another contract than the one you confirmed.").waitFor();
    });

    for (const [what, fate] of Object.entries({
      "an error": { do: "error", message: "no" },
      "no JSON": { do: "answer", body: "<html>" },
      "a word that is no hash": { do: "result", result: "0x1234" },
      nothing: { do: "reset" },
    } as const)) {
      it(`the node answers ${what}`, async () => {
        proxy.rule = ({ method }) => (method === "eth_call" ? fate : null);
        await begin();
        await compare();
        const { verdict: said, steps: all } = await settled();
        expect([said, all["contract"]]).to.deep.equal(["failed", "failed"]);
        watched.complaints.splice(0);
      });
    }

    it("an address that is no node's, or none at all, is said", async () => {
      await begin();
      await compare("ftp://127.0.0.1");
      await page.getByRole("alert").getByText("URL").waitFor();
      await compare(proxy.url, { contract: "0x12" });
      await page.getByRole("alert").getByText("40 hex digits").waitFor();
      await compare("http://127.0.0.1:9");
      const { verdict: said } = await settled();
      expect(said).to.equal("failed");
      watched.complaints.splice(0);
    });
  });

  it("through the wallet of the browser, and no node besides", async () => {
    const calls: string[] = [];
    await page.exposeFunction("askEthereum", async ({ method, params }: { method: string; params: unknown[] }) => {
      calls.push(method);
      return await stage().market.node.rpc(method, params);
    });
    await page.addInitScript("window.ethereum = { request: (request) => window.askEthereum(request) };");
    await begin();
    await page.getByLabel(/wallet of this browser/).check();
    await page.locator('form.source [name="sure"]').check();
    await page.getByRole("button", { name: "Compare" }).click();
    await eventually("it is verified", PATIENCE_MS, async () => ["landed", "final"].includes((await verdict()) ?? ""));
    expect(calls).to.include.members(["eth_chainId", "eth_call"]);
  });

  it("a wallet that says no, or is on another chain, is no green", async () => {
    await page.addInitScript(`window.ethereum = { request: async ({ method }) => {
      if (method === "eth_chainId") return "0x1";
      throw new Error("the user said no");
    } };`);
    await begin();
    await page.getByLabel(/wallet of this browser/).check();
    await page.locator('form.source [name="sure"]').check();
    await page.getByRole("button", { name: "Compare" }).click();
    expect((await settled()).verdict).to.equal("failed");
  });
});
