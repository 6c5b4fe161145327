import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import {
  decodeKit,
  finishLeaving,
  leave,
  leaving,
  LyingOperatorError,
  memoryStore,
  OperatorError,
  type Wallet,
  WalletError,
} from "@plasma-billing/sdk";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { ETHER, transactionHash, ZERO_HASH, type Transaction } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { Book, readLine } from "../../sdk/book.ts";
import { typedDataOf } from "../../sdk/checks.ts";
import { EXIT_PERIOD_SECONDS, MarketStage } from "../helpers/marketStage.ts";

const [ALICE, BOB, CAROL, DAVE, ERIN, FRANK] = [2, 3, 4, 5, 6, 7] as const;
const STRANGER = 8;

/** What a promise is rejected with. */
async function failure(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: unknown) => error,
  );
}

const codeOf = (error: unknown): string =>
  error instanceof WalletError || error instanceof OperatorError ? error.code : String(error);
const available = (wallet: Wallet, token = ETHER): bigint =>
  wallet.book.free(token).reduce((sum, { amount }) => sum + amount, 0n);

/** A store whose disk takes its time. */
function slowStore(lines: string[]): ReturnType<typeof memoryStore> {
  return {
    ...memoryStore(lines),
    append: async (more) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      lines.push(...more);
    },
  };
}

describe("sdk: what must not be lost", function () {
  this.timeout(240_000);
  let stage: MarketStage;
  let proxy: Server;
  let lie: (path: string, body: any) => any;

  before(async () => {
    stage = await MarketStage.start();
    proxy = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        void (async () => {
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
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  });
  after(async () => {
    proxy?.close();
    await stage?.stop();
  });
  beforeEach(() => (lie = (_, body) => body));

  const liar = (): string => `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;

  it("every note is in the store before anybody is sent what it says, however many come at once", async () => {
    const lines: string[] = [];
    const alice = await stage.wallet(ALICE, { store: slowStore(lines) });
    await stage.fund(alice, ETHER, 1_000_000n);
    const submit = alice.operator.submit.bind(alice.operator);
    const missing: string[] = [];
    alice.operator.submit = async (signed) => {
      const hash = transactionHash(alice.rootChain.separator, signed);
      const stored = new Book(alice.address, alice.rootChain.separator);
      for (const [i, line] of lines.entries()) stored.apply(readLine(line, i));
      if (!stored.payments.has(hash)) missing.push(hash);
      return await submit(signed);
    };
    const { address } = stage.signer(BOB);
    await Promise.all(
      Array.from({ length: 60 }, async () => alice.transfer({ to: address as Address, token: ETHER, amount: 1n })),
    );
    expect(missing).to.deep.equal([]);
    // What a restart makes of the store is what the wallet knows.
    const again = await stage.wallet(ALICE, { store: memoryStore([...lines]) });
    expect(again.book.unproven.map(({ status }) => status)).to.not.include("unsent");
    expect(new Set(again.book.free().map(({ id }) => id))).to.deep.equal(
      new Set(alice.book.free().map(({ id }) => id)),
    );
  });

  it("a sync beside payments and other syncs accuses nobody", async () => {
    const alice = await stage.wallet(ALICE);
    await alice.sync();
    const to = stage.signer(BOB).address as Address;
    for (let round = 0; round < 10; round++) {
      await Promise.all([
        alice.sync(),
        alice.transfer({ to, token: ETHER, amount: 1n }),
        alice.sync(),
        alice.transfer({ to, token: ETHER, amount: 1n }),
        alice.sync(),
      ]);
    }
  });

  it("signs nothing that is refused anyhow: what was signed keeps its inputs", async () => {
    const bob = await stage.wallet(BOB);
    await stage.fund(bob, ETHER, 100n);
    const before = available(bob);
    const out = (amount: bigint, owner: string = bob.address): { owner: Address; token: Address; amount: bigint } => ({
      owner: owner as Address,
      token: ETHER,
      amount,
    });
    for (const outputs of [
      [],
      [out(0n)],
      [out(-5n)],
      [out(1n, ETHER)],
      [out(1n, "0x12")],
      Array.from({ length: 17 }, () => out(1n)),
      Array.from({ length: 16 }, () => out(1n)),
    ]) {
      const code = codeOf(await failure(bob.pay({ outputs })));
      expect(["MALFORMED", "TOO_MANY_OUTPUTS"], `${outputs.length} outputs: ${code}`).to.include(code);
    }
    expect(bob.book.unproven.filter(({ signed }) => signed)).to.deep.equal([]);
    expect(available(bob)).to.equal(before);
    // In whatever case an address comes.
    const checksummed = stage.signer(CAROL).address;
    await bob.pay({ outputs: [out(1n, checksummed)] });
  });

  it("what could not be withdrawn is still there: in the kit at once, and for the next attempt", async () => {
    const signer = stage.signer(DAVE);
    const dave = await stage.wallet(DAVE, { signer });
    await stage.fund(dave, ETHER, 700n);
    const { id } = dave.book.free()[0]!;
    const send = signer.sendTransaction.bind(signer);
    signer.sendTransaction = async () => await Promise.reject(new Error("the power is cut"));
    expect(String(await failure(dave.withdraw({ token: ETHER })))).to.contain("the power is cut");
    expect(dave.kit().outputs).to.deep.equal([id]);
    await dave.sync();
    expect(dave.kit().outputs).to.deep.equal([id]);
    signer.sendTransaction = send;
    const started = await dave.withdraw({ token: ETHER });
    expect(started.map(({ outputs }) => outputs)).to.deep.equal([[id]]);
    expect((await dave.exitOf(id)).state).to.equal("started");
    // And no third time.
    expect(codeOf(await failure(dave.withdraw({ token: ETHER })))).to.equal("INSUFFICIENT_FUNDS");
  });

  it("a payment and a withdrawal at once take different outputs", async () => {
    const erin = await stage.wallet(ERIN);
    await stage.fund(erin, ETHER, 300n);
    const [withdrawn, paid] = await Promise.allSettled([
      erin.withdraw({ token: ETHER }),
      erin.transfer({ to: stage.signer(BOB).address as Address, token: ETHER, amount: 10n }),
    ]);
    expect([withdrawn.status, paid.status].sort()).to.deep.equal(["fulfilled", "rejected"]);
  });

  it("a cancelled payment is of no more use: it is in no kit, and leaving starts nothing for it", async () => {
    const kitOwner = await stage.wallet(FRANK);
    await stage.fund(kitOwner, ETHER, 500n);
    const fileHash: Hex = `0x${"ab".repeat(32)}`;
    const upload = kitOwner.pay({
      purpose: "upload",
      fileHash,
      outputs: [{ owner: kitOwner.address, token: ETHER, amount: 1n }],
    });
    expect(codeOf(await failure(upload))).to.equal("WRONG_ROLE");
    const { hash } = kitOwner.book.unproven.find(({ status }) => status === "refused")!;
    expect(kitOwner.kit().inFlight).to.deep.equal([hash]);
    const { hash: cancelled } = await kitOwner.cancel(hash);
    expect(kitOwner.kit().inFlight).to.include(cancelled);
    await stage.commitHour();
    await kitOwner.sync();
    expect(kitOwner.kit().inFlight).to.deep.equal([]);
    expect(kitOwner.kit().outputs).to.have.length(1);
  });

  it("a spend that somebody else signed does not hide an output", async () => {
    const store = memoryStore();
    const wallet = await stage.wallet(FRANK, { operator: liar(), store });
    await wallet.sync();
    const [own] = wallet.book.free();
    expect(own).to.not.equal(undefined);
    // The operator makes up a payment of the output, signed by one of its own, and shows that one as the output's owner.
    const thief = stage.signer(STRANGER);
    const transaction: Transaction = {
      purpose: "transfer",
      inputs: [own!.id],
      outputs: [{ owner: thief.address.toLowerCase() as Address, token: ETHER, amount: own!.amount }],
      fileHash: ZERO_HASH,
    };
    const hash = transactionHash(wallet.rootChain.separator, transaction);
    const signature = await thief.signTypedData(...typedDataOf(wallet.rootChain.domain, transaction));
    const { outputId } = await import("@plasma-billing/protocol/transaction.ts");
    const place = { blockNumber: 1, transactionIndex: 0, outputIndex: 0, depositId: null };
    const shown = {
      ...{ hash, purpose: "transfer", fileHash: ZERO_HASH, fileId: null, signatures: [signature], state: "accepted" },
      ...{ blockNumber: 1, transactionIndex: 0, acceptedAt: 1, committedAt: null, finalizedAt: null },
      commitTransaction: null,
      inputs: [
        { id: own!.id, owner: thief.address, token: ETHER, amount: String(own!.amount), state: "spent", ...place },
      ],
      outputs: [
        {
          ...{ id: outputId(hash, 0), owner: thief.address, token: ETHER, amount: String(own!.amount) },
          ...{ state: "available", ...place },
        },
      ],
    };
    lie = (path, body) => {
      if (path.includes("/outputs")) return { items: [], nextCursor: null };
      return path.includes(`/accounts/${wallet.address}/transactions`) ? { items: [shown], nextCursor: null } : body;
    };
    expect(await failure(wallet.sync())).to.be.instanceOf(LyingOperatorError);
    expect(wallet.kit().outputs).to.include(own!.id);
  });

  it("an exit that Ethereum does not have does not hide an output", async () => {
    const wallet = await stage.wallet(FRANK, { operator: liar() });
    await wallet.sync();
    const [own] = wallet.book.free();
    lie = (path, body) => {
      if (path.includes("/outputs?state=available")) return { items: [], nextCursor: null };
      if (!path.includes("/outputs?state=exiting")) return body;
      const place = { blockNumber: 1, transactionIndex: 0, outputIndex: 0, depositId: null };
      const { id, owner, token, amount } = own!;
      return { items: [{ id, owner, token, amount: String(amount), state: "exiting", ...place }], nextCursor: null };
    };
    expect(await failure(wallet.sync())).to.be.instanceOf(LyingOperatorError);
    expect(wallet.kit().outputs).to.include(own!.id);
  });

  it("a swap that spends more of ours than it seems to is not signed", async () => {
    const wallet = await stage.wallet(FRANK, { operator: liar() });
    await stage.fund(wallet, ETHER, 40n);
    await wallet.sync();
    const [small, large] = wallet.book.free(ETHER).sort((a, b) => Number(a.amount - b.amount));
    expect([small?.amount, large?.amount]).to.deep.equal([40n, 500n]);
    const thief = stage.signer(STRANGER).address.toLowerCase() as Address;
    const transaction: Transaction = {
      purpose: "swap",
      inputs: [small!.id, large!.id],
      outputs: [{ owner: thief, token: ETHER, amount: 540n }],
      fileHash: ZERO_HASH,
    };
    const hash = transactionHash(wallet.rootChain.separator, transaction);
    let signed = 0;
    const sign = wallet.signer.signTypedData.bind(wallet.signer);
    wallet.signer.signTypedData = async (...args) => {
      signed++;
      return await sign(...args);
    };
    // The large one is shown as the other side's.
    lie = (path, body) => {
      if (path.includes("/outputs")) {
        for (const item of body.items) if (item.id === large!.id) item.owner = thief;
      }
      return body;
    };
    const terms = { gives: { token: ETHER, amount: 40n }, takes: { token: stage.token, amount: 0n } };
    const proposal = { hash, transaction, signatures: [null, null], expiresAt: 2 ** 31 };
    const error = await failure(wallet.market.acceptSwap(proposal, terms));
    expect(error).to.be.instanceOf(LyingOperatorError);
    expect(signed).to.equal(0);
  });

  it("a block that the node does not have, or not any more, proves nothing yet and is no lie", async () => {
    const wallet = await stage.wallet(FRANK);
    await wallet.sync();
    const { hash } = await wallet.transfer({ to: stage.signer(STRANGER).address as Address, token: ETHER, amount: 1n });
    await stage.commitHour();
    const blockHash = wallet.rootChain.blockHash.bind(wallet.rootChain);
    wallet.rootChain.blockHash = async () => await Promise.resolve(ZERO_HASH);
    await wallet.collectProofs();
    expect(wallet.book.payments.get(hash)!.proof).to.equal(null);
    wallet.rootChain.blockHash = async () => await Promise.resolve(`0x${"ab".repeat(32)}` as const);
    expect(await failure(wallet.collectProofs())).to.be.instanceOf(LyingOperatorError);
    wallet.rootChain.blockHash = blockHash;
    await wallet.collectProofs();
    expect(wallet.book.payments.get(hash)!.proof!.header.transactionCount).to.be.greaterThan(0);
  });

  it("leaves with what an hour of chained payments made, though the operator is gone, and starts nothing twice", async () => {
    let text = "";
    const kitStore = {
      load: async () => await Promise.resolve(text),
      save: async (kit: string) => await Promise.resolve(void (text = kit)),
    };
    const carol = await stage.wallet(CAROL, { kitStore });
    await stage.fund(carol, ETHER, 1_000n);
    const start = available(carol);
    const to = stage.signer(STRANGER).address as Address;
    // Each spends the change of the one before; no block has any of them.
    for (let i = 0; i < 3; i++) await carol.transfer({ to, token: ETHER, amount: 10n });
    await stage.loseOperator();

    const { provider, chain } = stage;
    const signer = stage.signer(CAROL);
    const kit = decodeKit(text);
    const options = { kit, provider, signer, fromBlock: chain.deploymentBlock };
    const gone = await leave(options);
    expect(gone.stranded.map(({ reason }) => reason).join()).to.contain("no proof of what it spends");
    await chain.passTime(2 * EXIT_PERIOD_SECONDS + 1);
    const [standardBond, inFlightBond, piggyback, bounty] = (await Promise.all(
      ["standardExitBond", "inFlightExitBond", "piggybackBond", "bounty"].map(async (name) => chain.rootChain[name]!()),
    )) as [bigint, bigint, bigint, bigint];
    const before = await provider.getBalance(signer.address);
    await finishLeaving({ ...options, signer: stage.signer(STRANGER) });
    // The first payment is canonical: its change is paid, though it was signed away. The 1 that bob paid her is committed.
    const paid = (await provider.getBalance(signer.address)) - before;
    expect(paid).to.equal(start - 10n + inFlightBond + 2n * piggyback - bounty + standardBond - bounty);
    // Everything is over: asked again it sends nothing.
    const count = await provider.getTransactionCount(signer.address);
    const end = await leave(options);
    expect(await provider.getTransactionCount(signer.address)).to.equal(count);
    expect(end.outputs.filter(({ state }) => state === "finalized").map(({ amount }) => amount)).to.have.members([
      1n,
      990n,
    ]);
    expect((await leaving(options)).outputs).to.deep.equal(end.outputs);
  });
});
