import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import {
  LyingOperatorError,
  memoryStore,
  OperatorError,
  type Wallet,
  WalletError,
  type WalletStore,
} from "@plasma-billing/sdk";
import { fileStore } from "@plasma-billing/sdk/node";
import { ETHER } from "@plasma-billing/protocol/transaction.ts";
import { devKey } from "../helpers/chain.ts";
import { EXIT_PERIOD_SECONDS, MarketStage } from "../helpers/marketStage.ts";

const [ALICE, BOB, CAROL] = [2, 3, 4] as const;

/** What a promise is rejected with. */
async function failure(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}

describe("sdk: the wallet against a real operator", function () {
  this.timeout(240_000);
  let stage: MarketStage;
  before(async () => (stage = await MarketStage.start()));
  after(async () => await stage?.stop());

  const available = (wallet: Wallet, token = ETHER): bigint =>
    wallet.book.free(token).reduce((sum, { amount }) => sum + amount, 0n);

  it("deposits, pays, is paid, proves it, and the receiver knows it by itself", async () => {
    const alice = await stage.wallet(ALICE);
    await stage.fund(alice, ETHER, 1_000n);
    const bob = await stage.wallet(BOB);
    const paid = await alice.transfer({ to: bob.address, token: ETHER, amount: 300n });
    expect([available(alice), available(bob)]).to.deep.equal([700n, 0n]);
    await bob.sync();
    expect(available(bob)).to.equal(300n);
    // What bob was paid is in no block: he knows where it comes from, and could leave with it.
    expect(bob.kit().inFlight).to.deep.equal([paid.hash]);
    await stage.commitHour();
    await bob.sync();
    expect(bob.book.payments.get(paid.hash)?.proof?.header.number).to.equal(paid.blockNumber);
    expect(bob.kit().inFlight).to.deep.equal([]);
    await alice.sync();
    expect(await alice.balances()).to.deep.equal([{ token: ETHER, available: 700n, exiting: 0n, pending: 0n }]);
  });

  it("chains and parallels payments: 200 at once from one output, each with its effect, none spent twice", async () => {
    const alice = await stage.wallet(CAROL);
    await stage.fund(alice, ETHER, 1_000_000n);
    const bob = await stage.wallet(BOB);
    await bob.sync();
    const before = available(bob);
    const paid = await Promise.all(
      Array.from({ length: 200 }, async (_, i) =>
        alice.transfer({ to: bob.address, token: ETHER, amount: BigInt(i + 1) }),
      ),
    );
    expect(new Set(paid.map(({ hash }) => hash)).size).to.equal(200);
    await bob.sync();
    expect(available(bob) - before).to.equal(20_100n);
    expect(available(alice)).to.equal(1_000_000n - 20_100n);
    // It split the one output into lanes by itself.
    expect(alice.book.free(ETHER).length).to.be.greaterThan(1);
    const ours = new Set(alice.book.free(ETHER).map(({ id }) => id));
    const shown = await alice.operator.outputs(alice.address, "available");
    expect(new Set(shown.map(({ id }) => id))).to.deep.equal(ours);
    expect(await bob.mergeDust()).to.be.greaterThan(10);
    expect(bob.book.free(ETHER).length <= 16).to.equal(true);
    expect(available(bob) - before).to.equal(20_100n);
  });

  it("knows after a restart what it knew, and sends again what got no answer, with one effect", async () => {
    const folder = await mkdtemp(join(tmpdir(), "plasma-wallet-"));
    try {
      const path = join(folder, "wallet");
      const fund = await stage.wallet(ALICE);
      await fund.sync();
      const alice = await stage.wallet(BOB, { store: fileStore(path) });
      await alice.sync();
      const before = available(alice);
      // An operator that takes the payment, and whose answer is lost.
      const { url } = stage.operator;
      let sent = 0;
      const lossy: typeof fetch = async (input, init) => {
        const response = await fetch(input, init);
        if (init?.method !== "POST") return response;
        sent++;
        throw new TypeError("connection lost");
      };
      const { OperatorClient } = await import("@plasma-billing/sdk");
      const cut = await stage.wallet(BOB, {
        store: fileStore(path),
        operator: new OperatorClient(url, { retries: 0, fetch: lossy }),
      });
      const error = await failure(cut.transfer({ to: fund.address, token: ETHER, amount: 7n }));
      expect(error).to.be.instanceOf(OperatorError);
      expect((error as OperatorError).code).to.equal("UNREACHABLE");
      expect(sent).to.equal(1);
      const again = await stage.wallet(BOB, { store: fileStore(path) });
      expect(again.book.unproven.filter(({ status }) => status === "unsent")).to.have.length(1);
      await again.sync();
      expect(again.book.unproven.filter(({ status }) => status === "unsent")).to.have.length(0);
      expect(available(again)).to.equal(before - 7n);
      await fund.sync();
      expect(fund.book.free(ETHER).map(({ amount }) => amount)).to.include(7n);
      // A line that is not what was written stops it; one that was torn off does not.
      const text = await readFile(path, "utf8");
      const damaged = memoryStore(
        text
          .trimEnd()
          .split("\n")
          .map((line, i) => (i === 2 ? line.replace("0x", "0y") : line)),
      );
      expect(((await failure(stage.wallet(BOB, { store: damaged }))) as WalletError).code).to.equal("STORE_DAMAGED");
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("two wallets of one key: what the other spent is found out, and who was refused goes on with what is left", async () => {
    const owner = stage.signer(5);
    const one = await stage.wallet(5);
    await stage.fund(one, ETHER, 500n);
    const other = await stage.wallet(5);
    await other.sync();
    await one.transfer({ to: stage.signer(BOB).address as never, token: ETHER, amount: 100n });
    const error = (await failure(
      other.transfer({ to: stage.signer(BOB).address as never, token: ETHER, amount: 50n }),
    )) as OperatorError;
    expect(error.code).to.equal("INPUT_SPENT");
    // The refused payment stays valid for ever and could still take the other's place: its change waits for a block.
    expect(available(other)).to.equal(0n);
    await stage.commitHour();
    await other.sync();
    expect(available(other)).to.equal(400n);
    await other.transfer({ to: owner.address as never, token: ETHER, amount: 400n });
  });

  it("a refused payment keeps its inputs until it is cancelled, and what comes back waits for a block", async () => {
    const alice = await stage.wallet(6);
    await stage.fund(alice, ETHER, 500n);
    const fileHash = `0x${"ab".repeat(32)}` as const;
    const refused = alice.pay({
      purpose: "upload",
      fileHash,
      outputs: [{ owner: alice.address, token: ETHER, amount: 1n }],
    });
    expect(((await failure(refused)) as OperatorError).code).to.equal("WRONG_ROLE");
    expect(available(alice)).to.equal(0n);
    const { hash } = alice.book.unproven.find(({ status }) => status === "refused")!;
    await alice.cancel(hash);
    expect(available(alice)).to.equal(0n);
    await stage.commitHour();
    await alice.sync();
    expect(available(alice)).to.equal(500n);
  });

  it("deposits with a permit where the token has it, without where not", async () => {
    const alice = await stage.wallet(ALICE);
    await stage.mint(alice.address, 2_000n);
    // A permit holds by Ethereum's clock, not by this machine's.
    await stage.chain.passTime(7_200);
    const first = await alice.deposit({ token: stage.token, amount: 1_500n });
    expect(first.permit).to.equal(true);
    const second = await alice.deposit({ token: stage.token, amount: 500n, permit: false });
    expect(second.permit).to.equal(false);
    await stage.chain.mine(2);
    await alice.credited(second, 30_000);
    await alice.credited(first, 30_000);
    expect(available(alice, stage.token)).to.equal(2_000n);
  });

  it("withdraws an amount: sets it apart, waits for the hour, exits, is paid; what leaves is spent by nobody", async () => {
    const alice = await stage.wallet(7);
    await stage.fund(alice, ETHER, 900n);
    const withdrawn = alice.withdraw({ token: ETHER, amount: 250n });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await stage.commitHour();
    const [exit] = await withdrawn;
    expect(exit).to.deep.include({ kind: "standard" });
    const id = exit!.outputs[0]!;
    expect(available(alice)).to.equal(650n);
    expect((await alice.exitOf(id)).state).to.equal("started");
    expect(await alice.process(ETHER)).to.equal(0);
    await stage.chain.passTime(2 * EXIT_PERIOD_SECONDS + 1);
    expect((await alice.exitOf(id)).state).to.equal("processable");
    expect(await alice.process(ETHER)).to.equal(1);
    expect((await alice.exitOf(id)).state).to.equal("finalized");
    expect(await alice.claim(ETHER)).to.equal(0n);
    expect(await alice.process(ETHER)).to.equal(0);
    expect(
      ((await failure(alice.transfer({ to: alice.address, token: ETHER, amount: 700n }))) as WalletError).code,
    ).to.equal("INSUFFICIENT_FUNDS");
  });

  describe("a lying operator", () => {
    let liar: Server;
    let lie: (path: string, body: any) => any;
    let posted: number;
    before(async () => {
      liar = createServer((request, response) => {
        const chunks: Buffer[] = [];
        request.on("data", (chunk: Buffer) => chunks.push(chunk));
        request.on("end", () => {
          void (async () => {
            if (request.method === "POST") posted++;
            const answer = await fetch(stage.operator.url + String(request.url), {
              method: request.method ?? "GET",
              headers: { "content-type": "application/json" },
              ...(request.method === "POST" ? { body: Buffer.concat(chunks) } : {}),
            });
            const body = lie(String(request.url), await answer.json());
            response.writeHead(answer.status, { "content-type": "application/json" }).end(JSON.stringify(body));
          })();
        });
      });
      await new Promise<void>((resolve) => liar.listen(0, "127.0.0.1", resolve));
    });
    after(() => liar?.close());
    beforeEach(() => {
      posted = 0;
      lie = (_, body) => body;
    });
    const victim = async (store: WalletStore = memoryStore()): Promise<Wallet> =>
      await stage.wallet(ALICE, { operator: `http://127.0.0.1:${(liar.address() as AddressInfo).port}`, store });

    const lies: Record<string, (path: string, body: any) => any> = {
      "of an amount": (path, body) => {
        if (!path.includes("/outputs")) return body;
        for (const item of body.items) item.amount = String(BigInt(item.amount) + 1n);
        return body;
      },
      "of a deposit that is not there": (path, body) => {
        if (!path.includes("/outputs")) return body;
        for (const item of body.items) if (item.depositId !== null) item.depositId += 100;
        return body;
      },
      "of a payment nobody signed": (path, body) => {
        if (body.signatures !== undefined) body.signatures = body.signatures.map(() => `0x${"11".repeat(65)}`);
        return body;
      },
      "of a proof's sibling": (path, body) => {
        if (path.endsWith("/proof") && body.siblings?.length > 0) body.siblings[0] = `0x${"22".repeat(32)}`;
        return body;
      },
      "of a block that Ethereum does not have": (path, body) => {
        if (path.endsWith("/proof") && body.header !== undefined) body.header.timestamp++;
        return body;
      },
      "of another contract": (path, body) => {
        if (path === "/v1/status") body.contract = stage.chain.tokenAddress;
        return body;
      },
    };
    for (const [what, tell] of Object.entries(lies)) {
      it(`is an error, not a loss: ${what}`, async () => {
        const honest = await stage.wallet(ALICE);
        await honest.sync();
        await stage.commitHour();
        lie = tell;
        const error = await failure(
          (async () => {
            const wallet = await victim();
            await wallet.sync();
          })(),
        );
        const expected = what === "of another contract" ? WalletError : LyingOperatorError;
        expect(error, String(error)).to.be.instanceOf(expected);
        expect(posted).to.equal(0);
      });
    }

    it("is an error: it hides an output that was not spent", async () => {
      const store = memoryStore();
      const wallet = await victim(store);
      await wallet.sync();
      expect(wallet.book.free().length).to.be.greaterThan(0);
      lie = (path, body) => (path.includes("/outputs") ? { items: [], nextCursor: null } : body);
      expect(await failure(wallet.sync())).to.be.instanceOf(LyingOperatorError);
    });
  });

  it("is of one account on one contract: a store of another is refused", async () => {
    const store = memoryStore();
    await stage.wallet(ALICE, { store });
    expect(((await failure(stage.wallet(BOB, { store }))) as WalletError).code).to.equal("WRONG_SIGNER");
    expect(devKey(ALICE)).to.not.equal(devKey(BOB));
  });
});
