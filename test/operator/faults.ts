import { cp, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Transaction, Wallet } from "ethers";
import { externalSigner, type Signer } from "@plasma-billing/ethereum/signer.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { SettlementRecords } from "../../operator/settlement/records.ts";
import { devKey } from "../helpers/chain.ts";
import type { LocalOptions } from "../helpers/localOperator.ts";
import { startAnvil, startHardhatNode } from "../helpers/nodes.ts";
import { startProxy, type Fate, type RpcProxy, type Rule } from "../helpers/rpcProxy.ts";
import { SettlementStage } from "../helpers/settlementStage.ts";

const GWEI = 10n ** 9n;
const operatorWallet = new Wallet(devKey(1));
/** Tests do not wait as long as an operator does. */
const TIMEOUT_MS = 1_000;

/** What nodes say when they do not take a transaction, by client. */
const REFUSALS: Record<string, string[]> = {
  geth: [
    ...["already known", "nonce too low: next nonce 5, tx nonce 4", "nonce too high", "txpool is full"],
    ...["replacement transaction underpriced", "insufficient funds for gas * price + value", "intrinsic gas too low"],
    ...[
      "max fee per gas less than block base fee",
      "transaction underpriced",
      "future transaction tries to replace pending",
    ],
  ],
  besu: ["Known transaction", "Nonce too low", "Upfront cost exceeds account balance", "Transaction pool not enabled"],
  nethermind: [
    "AlreadyKnown",
    "OldNonce, Current nonce: 7",
    "FeeTooLow, MaxFeePerGas too low",
    "InsufficientFunds, Account balance: 0",
  ],
  erigon: [
    "ALREADY_EXISTS: already known",
    "INTERNAL_ERROR: nonce too low",
    "UNDERPRICED",
    "could not replace existing tx",
  ],
  anvil: [
    "transaction already imported",
    "nonce too low",
    "Insufficient funds for gas * price + value",
    "replacement transaction underpriced",
  ],
  hardhat: [
    "Nonce too low. Expected nonce to be 4 but got 3.",
    "Known transaction: 0xabcd",
    "Sender doesn't have enough funds to send tx.",
    "Replacement transaction underpriced.",
  ],
  nobody: ["the moon is in the wrong place", ""],
};

describe("faults of settlement, each on the real thing", function () {
  this.timeout(120_000);
  let stage: SettlementStage;
  const proxies: RpcProxy[] = [];

  const open = async (options: LocalOptions = {}): Promise<void> => {
    stage = await SettlementStage.open({ timeoutMs: TIMEOUT_MS, ...options });
  };
  /** The operator behind so many proxies of the node, and the rule of each. */
  const openBehind = async (count: number, options: LocalOptions = {}): Promise<void> => {
    await open(options);
    for (let i = 0; i < count; i++) proxies.push(await startProxy(stage.node.url));
    await stage.restart({ urls: proxies.map(({ url }) => url) });
  };
  const rule = (at: number, chosen: Rule | null): void => {
    proxies[at]!.rule = chosen;
  };
  const on = (method: string, fate: Fate): Rule => {
    return (request) => (request.method === method ? fate : null);
  };
  const anything =
    (fate: Fate): Rule =>
    () =>
      fate;
  const automine = async (enabled: boolean): Promise<void> => {
    await stage.node.rpc("evm_setAutomine", [enabled]);
  };
  afterEach(async () => {
    await stage?.close();
    for (const proxy of proxies.splice(0)) await proxy.stop();
  });

  describe("fault 1: nobody knows whether it was sent", () => {
    for (const forwarded of [false, true]) {
      for (const kind of ["hang", "reset", "tear"] as const) {
        it(`fault 1: ${kind} ${forwarded ? "after" : "before"} the node had it: the same bytes again`, async () => {
          await openBehind(1);
          const number = await stage.sealBlock();
          await automine(false);
          rule(0, on("eth_sendRawTransaction", { do: kind, forwarded }));
          await stage.tryTurn();
          expect(stage.stateOf(number)).to.equal("sent");
          rule(0, null);
          await stage.turns(2);
          expect(stage.attempts(number)).to.have.length(1);
          await automine(true);
          await stage.expectSettled();
        });
      }
    }
  });

  describe("fault 2: answers that are none", () => {
    const answers: [string, Fate][] = [
      ["500", { do: "answer", status: 500, body: "oops" }],
      ["502", { do: "answer", status: 502, body: "<html>bad gateway</html>" }],
      ["503", { do: "answer", status: 503, body: '{"error":"busy"}' }],
      [
        "429 with an error",
        { do: "answer", status: 429, body: '{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"limit"}}' },
      ],
      ["HTML", { do: "answer", body: "<html>sign in</html>" }],
      ["nothing", { do: "answer", body: "" }],
      ["an empty object", { do: "answer", body: "{}" }],
      ["no result", { do: "result", result: undefined }],
      ["a null result", { do: "result", result: null }],
      ["a wrong id", { do: "answer", body: '{"jsonrpc":"2.0","id":"another","result":"0x1"}' }],
      ["an empty call", { do: "result", result: "0x" }],
    ];
    it("fault 2: whatever a node says instead, the commit lands when it speaks again", async () => {
      await openBehind(1);
      for (const [name, fate] of answers) {
        await stage.sealBlock();
        for (const method of ["eth_sendRawTransaction", "eth_call", "eth_getTransactionCount", "eth_getLogs", ""]) {
          rule(0, method === "" ? anything(fate) : on(method, fate));
          await stage.tryTurn();
          expect(stage.operator.committer.halted, name).to.equal(null);
        }
        rule(0, null);
        await stage.turns(3);
        await stage.expectCommitted();
      }
    });

    it("fault 2: a node of another chain is left out, and gets nothing to send", async () => {
      await openBehind(2);
      await stage.sealBlock();
      const other = await startAnvil({ chainId: 4242 });
      try {
        // Another node stands behind the same address from now on.
        rule(1, async ({ method, params }) => {
          const result = await other.rpc(method, params).catch(() => null);
          return { do: "result", result };
        });
        await stage.turns(3);
        expect(stage.operator.rpc.health[1]!.problem).to.match(
          /is on chain 4242, not 31337|otherwise than the others|others at/,
        );
        await stage.expectCommitted();
        const before = proxies[1]!.asked.get("eth_sendRawTransaction");
        await stage.sealBlock();
        await stage.turns(3);
        await stage.expectCommitted();
        expect(stage.operator.rpc.health[1]!.problem).to.contain("is on chain 4242, not 31337");
        expect(proxies[1]!.asked.get("eth_sendRawTransaction")).to.equal(before);
        const refused = await stage.restart().catch((error: unknown) => error);
        expect((refused as Error).message).to.contain("the nodes are on different chains");
      } finally {
        await other.stop();
      }
      rule(1, null);
      await stage.restart();
      await stage.expectSettled();
    });
  });

  it("fault 3: no error text of any client means anything, whether the node had the transaction or not", async () => {
    await openBehind(1);
    for (const [client, texts] of Object.entries(REFUSALS)) {
      for (const [index, message] of texts.entries()) {
        const number = await stage.sealBlock();
        await automine(false);
        rule(0, on("eth_sendRawTransaction", { do: "error", message, forwarded: index % 2 === 0 }));
        await stage.tryTurn();
        expect(stage.operator.committer.lastRefusals.join(), client).to.contain(message);
        rule(0, null);
        await automine(true);
        await stage.turns(2);
        expect(stage.attempts(number), `${client}: ${message}`).to.have.length(1);
        await stage.expectCommitted();
      }
    }
    await stage.expectSettled();
  });

  describe("fault 4: nonces that cannot be", () => {
    const shifted = (by: number): Fate => ({
      do: "change",
      change: (result: string) => `0x${Math.max(0, Number(result) + by).toString(16)}`,
    });

    it("fault 4: a nonce that is stale, or goes backwards: the commit lands once", async () => {
      await openBehind(1);
      await stage.sealBlock();
      await stage.turns(2);
      await stage.sealBlock();
      rule(0, on("eth_getTransactionCount", shifted(-1)));
      await stage.turns(3);
      rule(0, null);
      await stage.turns(8);
      await stage.expectCommitted();
      await automine(false);
      const number = await stage.sealBlock();
      await stage.tryTurn();
      rule(0, on("eth_getTransactionCount", shifted(-1)));
      await stage.tryTurn();
      rule(0, null);
      await automine(true);
      await stage.turns(3);
      expect(stage.attempts(number).length).to.be.within(1, 2);
      await stage.expectSettled();
    });

    it("fault 4: two nodes that disagree: nothing is signed; of three the odd one is left out", async () => {
      await openBehind(2);
      const number = await stage.sealBlock();
      rule(1, on("eth_getTransactionCount", shifted(3)));
      expect((await stage.tryTurn())?.code).to.equal("NODES_DISAGREE");
      expect(stage.attempts(number)).to.deep.equal([]);
      rule(1, null);
      proxies.push(await startProxy(stage.node.url));
      await stage.restart({ urls: proxies.map(({ url }) => url) });
      rule(1, on("eth_getTransactionCount", shifted(3)));
      await stage.turns(2);
      await stage.expectCommitted();
      await stage.expectSettled();
    });

    it("fault 4: one of three nodes that lies about the contract changes nothing", async () => {
      await openBehind(3);
      for (const result of [`0x${"00".repeat(31)}63`, `0x${"00".repeat(31)}01`, `0x${"ff".repeat(32)}`]) {
        await stage.sealBlock();
        rule(2, on("eth_call", { do: "result", result }));
        await stage.turns(3);
        await stage.expectCommitted();
      }
      rule(2, null);
      await stage.expectSettled();
    });
  });

  describe("fault 5: what a node leaves out", () => {
    it("fault 5: empty logs of a node that has the block, or says it has not", async () => {
      await openBehind(1);
      const number = await stage.sealBlock();
      rule(0, (request) => {
        const { method } = request;
        return method === "eth_getLogs" || method === "eth_getBlockReceipts" ? { do: "result", result: [] } : null;
      });
      await stage.turns(3);
      // The contract counts a block that no log shows.
      expect(stage.operator.ledger.block(number)!.commit.state).to.equal("sealed");
      expect((await stage.tryTurn())?.message).to.contain("they leave out logs");
      rule(0, on("eth_getLogs", { do: "result", result: [] }));
      await stage.turns(1);
      expect(stage.stateOf(number)).to.be.oneOf(["committed", "finalized"]);
      rule(0, null);
      await stage.expectSettled();
    });

    it("fault 5: a log that the block's bloom does not have, or the contract's storage", async () => {
      await openBehind(1);
      const number = await stage.sealBlock();
      await automine(false);
      await stage.tryTurn();
      await stage.chain.mine(1);
      const forged = (log: any): any => ({ ...log, topics: [...log.topics.slice(0, 1), `0x${"00".repeat(31)}07`] });
      const forgedTopic = (logs: any[]): any[] => logs.map(forged);
      for (const change of [
        forgedTopic,
        (logs: any[]) => logs.map((log) => ({ ...log, data: log.data.replace(/[1-9a-f]/, "0") })),
        (logs: any[]) => logs.map((log) => ({ ...log, data: "0x" })),
      ]) {
        rule(0, on("eth_getLogs", { do: "change", change }));
        const error = await stage.tryTurn();
        expect(error?.code, change.toString()).to.equal("BAD_ANSWER");
        if (change === forgedTopic) expect(error?.message).to.contain("a log that the block cannot have");
        expect(stage.operator.ledger.block(number)!.commit.state).to.equal("sealed");
      }
      rule(0, null);
      await automine(true);
      await stage.expectSettled();
    });

    it("fault 5: no receipt after one was seen, and one of an orphan: what a commit cost is all they tell", async () => {
      await openBehind(1);
      const number = await stage.sealBlock();
      rule(0, on("eth_getTransactionReceipt", { do: "result", result: null }));
      await stage.turns(2);
      expect(stage.stateOf(number)).to.equal("committed");
      expect(stage.operator.ledger.block(number)!.commit.fee).to.equal(null);
      rule(
        0,
        on("eth_getTransactionReceipt", {
          do: "change",
          change: (receipt) => ({ ...receipt, blockHash: `0x${"12".repeat(32)}` }),
        }),
      );
      await stage.turns(2);
      expect(stage.stateOf(number)).to.be.oneOf(["committed", "finalized"]);
      rule(0, null);
      await stage.expectSettled();
    });
  });

  describe("fault 6: dropped", () => {
    it("fault 6: after it was accepted, by one node only, and in a fee spike", async () => {
      await openBehind(2);
      await automine(false);
      const number = await stage.sealBlock();
      await stage.tryTurn();
      const [first] = stage.attempts(number);
      await stage.node.rpc("anvil_dropTransaction", [first!.hash]);
      // One node takes it and forgets it; the other one does not.
      rule(0, on("eth_sendRawTransaction", { do: "result", result: first!.hash }));
      await stage.chain.mine(1);
      await stage.tryTurn();
      expect(stage.attempts(number)).to.have.length(1);
      expect(await stage.node.rpc("eth_getTransactionByHash", [first!.hash])).to.not.equal(null);
      rule(0, null);
      await stage.node.rpc("anvil_setNextBlockBaseFeePerGas", [`0x${(90n * GWEI).toString(16)}`]);
      await stage.node.rpc("anvil_dropTransaction", [first!.hash]);
      await stage.chain.mine(3);
      await stage.turns(4);
      expect(stage.attempts(number).length).to.be.above(1);
      await automine(true);
      await stage.expectSettled();
    });
  });

  describe("fault 7: reorganisations", () => {
    const depthOf = async (number: number): Promise<number> => {
      const { ethereumBlock } = stage.operator.ledger.block(number)!.commit;
      return (await stage.chain.provider.getBlockNumber()) - ethereumBlock! + 1;
    };

    it("fault 7: of depth 1, 2 and as deep as can be before what is final, N-1 and N together", async () => {
      await open({ finality: 20 });
      await stage.deposit();
      await stage.chain.mine(20);
      for (const above of [0, 1, 12]) {
        const first = await stage.sealBlock();
        await stage.turns(2);
        const second = await stage.sealBlock();
        await stage.turns(2);
        expect([stage.stateOf(first), stage.stateOf(second)]).to.deep.equal(["committed", "committed"]);
        await stage.chain.mine(above);
        await stage.tryTurn();
        await stage.node.rpc("anvil_reorg", [await depthOf(first), []]);
        await stage.tryTurn();
        expect(stage.operator.records.lastSeen(second)?.status).to.equal("gone");
        await stage.turns(6);
        expect(new Set(stage.attempts(first).map(({ nonce }) => nonce)).size).to.equal(1);
        await stage.expectCommitted();
      }
      await stage.expectSettled();
    });

    it("fault 7: mined again elsewhere, and an older attempt winning", async () => {
      await open({ finality: 30 });
      await stage.deposit();
      await stage.chain.mine(30);
      const number = await stage.sealBlock();
      await stage.turns(2);
      const [attempt] = stage.attempts(number);
      // In another place of the new chain, before the operator looks.
      await stage.node.rpc("anvil_reorg", [await depthOf(number), [[attempt!.raw, 0]]]);
      await stage.tryTurn();
      expect(stage.stateOf(number)).to.equal("committed");
      await automine(false);
      const next = await stage.sealBlock();
      for (let i = 0; i < 6; i++) {
        await stage.tryTurn();
        for (const { hash } of stage.attempts(next)) await stage.node.rpc("anvil_dropTransaction", [hash]);
        await stage.chain.mine(1);
      }
      const [oldest, ...later] = stage.attempts(next);
      expect(later.length).to.be.above(0);
      await stage.node.rpc("eth_sendRawTransaction", [oldest!.raw]);
      await automine(true);
      await stage.chain.mine(1);
      await stage.tryTurn();
      expect(stage.operator.ledger.block(next)!.commit.ethereumTransaction).to.equal(oldest!.hash);
      await stage.expectSettled();
    });

    it("fault 7: one that takes a deposit with the commit", async () => {
      await open({ finality: 20 });
      await stage.deposit();
      await stage.chain.mine(20);
      const number = await stage.sealBlock();
      await stage.turns(2);
      await stage.chain.mined(stage.chain.rootChain["depositEther"]!(operatorWallet.address, { value: 5n }));
      await stage.tryTurn();
      expect(stage.operator.chainSync.pendingDeposits).to.have.length(1);
      await stage.node.rpc("anvil_reorg", [await depthOf(number), []]);
      await stage.tryTurn();
      expect(stage.operator.chainSync.pendingDeposits).to.have.length(0);
      stage.chain.deployer.reset();
      await stage.expectSettled();
      expect(stage.operator.ledger.creditedDeposits).to.equal(1n);
    });

    it("fault 7: past what was final it halts, loudly, and payments go on", async () => {
      await open({ finality: 2 });
      const number = await stage.sealBlock();
      await stage.turns(5);
      expect(stage.stateOf(number)).to.equal("finalized");
      await stage.node.rpc("anvil_reorg", [await depthOf(number), []]);
      expect((await stage.tryTurn())?.code).to.equal("REORG_PAST_FINAL");
      await stage.pay();
      await stage.restart();
      expect((await stage.tryTurn())?.code).to.equal("REORG_PAST_FINAL");
      await stage.pay();
      expect(stage.attempts(number)).to.have.length(1);
    });

    it("fault 7: by the node's own tags: past safe, with the finality of `finalized`", async () => {
      stage = await SettlementStage.open({ finality: "finalized", timeoutMs: TIMEOUT_MS }, async () => {
        return await startAnvil({ args: ["--slots-in-an-epoch", "4"] });
      });
      await stage.deposit();
      await stage.chain.mine(12);
      await stage.tryTurn();
      const number = await stage.sealBlock();
      await stage.turns(6);
      expect(stage.stateOf(number)).to.equal("committed");
      const safe = (await stage.chain.provider.getBlock("safe"))!.number;
      expect(stage.operator.ledger.block(number)!.commit.ethereumBlock!).to.be.at.most(safe);
      await stage.node.rpc("anvil_reorg", [await depthOf(number), []]);
      await stage.turns(16);
      expect(stage.stateOf(number)).to.equal("finalized");
      await stage.expectCommitted();
    });
  });

  describe("fault 8: fees", () => {
    const baseFee = async (gwei: bigint): Promise<void> => {
      await stage.node.rpc("anvil_setNextBlockBaseFeePerGas", [`0x${(gwei * GWEI).toString(16)}`]);
    };

    it("fault 8: ten times at once, and by an eighth a block; never above the limit, and it falls again", async () => {
      await open({ maxFeeGwei: 150 });
      await automine(false);
      const number = await stage.sealBlock();
      await stage.tryTurn();
      let gwei = 20n;
      await baseFee(gwei);
      for (let i = 0; i < 24; i++) {
        await stage.chain.mine(1);
        gwei = (gwei * 9n) / 8n + 1n;
        await baseFee(gwei);
        await stage.tryTurn();
      }
      expect(gwei > 150n).to.equal(true);
      expect(stage.operator.committer.alarm?.code).to.be.oneOf(["FEE_LIMIT", undefined]);
      const attempts = stage.attempts(number);
      expect(attempts.length).to.be.above(1);
      for (const { maxFeePerGas } of attempts) expect(maxFeePerGas <= 150n * GWEI).to.equal(true);
      expect(new Set(attempts.map(({ nonce }) => nonce)).size).to.equal(1);
      await baseFee(2n);
      await automine(true);
      await stage.expectSettled();
    });

    it("fault 8: only the tip rising", async () => {
      await openBehind(1, { maxFeeGwei: 300 });
      await automine(false);
      const number = await stage.sealBlock();
      for (let tip = 1n; tip <= 12n; tip++) {
        rule(0, on("eth_maxPriorityFeePerGas", { do: "result", result: `0x${(tip * 3n * GWEI).toString(16)}` }));
        await stage.tryTurn();
        for (const { hash } of stage.attempts(number)) await stage.node.rpc("anvil_dropTransaction", [hash]);
        await stage.chain.mine(1);
      }
      const attempts = stage.attempts(number);
      for (const [i, attempt] of attempts.entries()) {
        if (i === 0) continue;
        const before = attempts[i - 1]!;
        expect(attempt.maxPriorityFeePerGas * 10n >= before.maxPriorityFeePerGas * 11n).to.equal(true);
        expect(attempt.maxFeePerGas * 10n >= before.maxFeePerGas * 11n).to.equal(true);
      }
      expect(attempts.at(-1)!.maxPriorityFeePerGas > 20n * GWEI).to.equal(true);
      await automine(true);
      await stage.expectSettled();
    });

    it("fault 8: a node that enforces the rule for replacements takes them", async () => {
      stage = await SettlementStage.open({ timeoutMs: 5_000, finality: 2 }, startHardhatNode);
      await stage.node.rpc("evm_setAutomine", [false]);
      const number = await stage.sealBlock();
      const { gasLimit } = (await stage.chain.provider.getBlock("latest"))!;
      for (let i = 0; i < 8; i++) {
        await stage.tryTurn();
        expect(stage.operator.committer.lastRefusals.filter((text) => /underpriced/i.test(text))).to.deep.equal([]);
        // Blocks without room for it.
        await stage.node.rpc("evm_setBlockGasLimit", ["0x5208"]);
        await stage.chain.mine(1);
        await stage.node.rpc("evm_setBlockGasLimit", [`0x${gasLimit.toString(16)}`]);
      }
      expect(stage.attempts(number).length).to.be.above(1);
      await stage.node.rpc("evm_setAutomine", [true]);
      await stage.expectSettled();
    });
  });

  it("fault 9: no funds at the start and in the middle: it says what is missing, and goes on when they come", async () => {
    await open();
    await automine(false);
    const number = await stage.sealBlock();
    const balance = await stage.node.rpc<string>("eth_getBalance", [operatorWallet.address, "latest"]);
    await stage.node.rpc("anvil_setBalance", [operatorWallet.address, "0x0"]);
    await stage.tryTurn();
    expect(stage.operator.committer.alarm?.code).to.equal("FUNDS_MISSING");
    expect(stage.attempts(number)).to.deep.equal([]);
    await stage.node.rpc("anvil_setBalance", [operatorWallet.address, balance]);
    await stage.chain.mine(1);
    await stage.tryTurn();
    await stage.node.rpc("anvil_dropTransaction", [stage.attempts(number)[0]!.hash]);
    await stage.node.rpc("anvil_setBalance", [operatorWallet.address, "0x10"]);
    await stage.turns(5);
    expect(stage.operator.committer.alarm?.text).to.match(/lacks \d+ wei for the commit/);
    await stage.node.rpc("anvil_setBalance", [operatorWallet.address, balance]);
    await automine(true);
    await stage.expectSettled();
    expect(stage.operator.committer.alarm).to.equal(null);
  });

  describe("fault 11: the disk", () => {
    it("fault 11: settlement.db cannot be written: nothing is sent, and it goes on when there is room", async () => {
      await open();
      const number = await stage.sealBlock();
      const { records } = stage.operator;
      const full = (): never => {
        throw Object.assign(new Error("database or disk is full"), { code: "ERR_SQLITE_ERROR" });
      };
      for (const name of ["freeze", "takeNonce", "add"] as const) {
        Object.assign(records, { [name]: full });
        await stage.tryTurn();
        expect(stage.operator.committer.alarm?.code).to.equal("SETTLEMENT_UNWRITABLE");
        expect(stage.attempts(number)).to.deep.equal([]);
        Reflect.deleteProperty(records, name);
      }
      await stage.expectSettled();
    });

    it("fault 11: a settlement.db that is cut, or no database, is refused", async () => {
      await open();
      await stage.sealBlock();
      await stage.turns(2);
      await stage.stop();
      const folder = await mkdtemp(join(tmpdir(), "plasma-torn-"));
      try {
        const path = join(folder, "settlement.db");
        await cp(join(stage.dataDir, "settlement.db"), path);
        await truncate(path, 9_000);
        expect(() => new SettlementRecords(path).highest).to.throw();
        await writeFile(
          path,
          "not a database, by any means: longer than a header of SQLite would have to be at the least of it",
        );
        expect(() => new SettlementRecords(path)).to.throw();
      } finally {
        await rm(folder, { recursive: true });
      }
      await stage.restart();
      await stage.expectSettled();
    });

    it("fault 11: an older backup of the folder halts it; of settlement.db alone it commits each once", async () => {
      await open();
      await stage.sealBlock();
      await stage.turns(2);
      await stage.stop();
      const backup = await mkdtemp(join(tmpdir(), "plasma-backup-"));
      try {
        await cp(stage.dataDir, backup, { recursive: true });
        await stage.restart();
        for (let i = 0; i < 2; i++) {
          await stage.sealBlock();
          await stage.turns(3);
        }
        await stage.stop();
        await cp(join(backup, "settlement.db"), join(stage.dataDir, "settlement.db"));
        await stage.restart();
        await stage.sealBlock();
        await stage.turns(4);
        const events = await stage.chain.rootChain.queryFilter(stage.chain.rootChain.filters["BlockCommitted"]!());
        expect(events.map((event: any) => Number(event.args.number))).to.deep.equal([1, 2, 3, 4]);
        await stage.restart({}, backup);
        await stage.turns(2);
        expect(stage.operator.committer.halted?.reason).to.match(/which is not in the journal|has sealed 1 only/);
        await stage.stop();
      } finally {
        await rm(backup, { recursive: true });
      }
    });
  });

  describe("fault 13: the nonce is used without a commit", () => {
    it("fault 13: the commit reverts, and is made again with another nonce when that is final", async () => {
      await open();
      await automine(false);
      const number = await stage.sealBlock();
      await stage.tryTurn();
      const code = await stage.node.rpc<Hex>("eth_getCode", [stage.chain.address, "latest"]);
      for (const [reverting, gas] of [
        ["0x5f5ffd", 100_000n],
        // An endless loop takes all the gas there is.
        ["0x5b5f56", 200_000n],
      ] as const) {
        expect(stage.attempts(number).at(-1)!.gasLimit).to.equal(gas);
        await stage.node.rpc("anvil_setCode", [stage.chain.address, reverting]);
        await stage.chain.mine(1);
        await stage.node.rpc("anvil_setCode", [stage.chain.address, code]);
        await stage.tryTurn();
        expect(stage.operator.committer.alarm?.code).to.equal("NONCE_TAKEN");
        expect(stage.operator.committer.alarm?.text).to.match(/its own commit 0x[0-9a-f]{64}, which failed/);
        const before = stage.attempts(number).length;
        await stage.chain.mine(2);
        await stage.tryTurn();
        expect(stage.attempts(number)).to.have.length(before);
        await stage.chain.mine(4);
        await stage.tryTurn();
        expect(stage.attempts(number)).to.have.length(before + 1);
      }
      await automine(true);
      await stage.expectSettled();
    });

    it("fault 13: a foreign transaction is found and named; behind one that is not final no nonce is taken", async () => {
      await open({ finality: 8 });
      await stage.deposit();
      await automine(false);
      const number = await stage.sealBlock();
      await stage.tryTurn();
      const [attempt] = stage.attempts(number);
      await stage.node.rpc("anvil_dropTransaction", [attempt!.hash]);
      const foreign = new Wallet(devKey(1), stage.chain.provider);
      const to = operatorWallet.address;
      const sent = await foreign.sendTransaction({ to, nonce: attempt!.nonce, maxFeePerGas: 10n ** 11n });
      await stage.chain.mine(1);
      await stage.tryTurn();
      expect(stage.operator.committer.alarm?.text).to.contain(`by the foreign transaction ${sent.hash}`);
      await stage.chain.mine(8);
      await automine(true);
      await stage.turns(2);
      await stage.expectCommitted();
      // Before a further block has a nonce at all.
      await foreign.sendTransaction({ to, maxFeePerGas: 10n ** 11n });
      const next = await stage.sealBlock();
      await stage.tryTurn();
      expect(stage.operator.committer.alarm?.code).to.equal("NONCE_TAKEN");
      expect(stage.operator.committer.detailOf(next)).to.equal("bound");
      await stage.chain.mine(9);
      await stage.expectSettled();
    });
  });

  describe("fault 14: time", () => {
    it("fault 14: missed slots, and a clock a day off, change nothing", async () => {
      await open({ skewMs: 86_400_000 });
      await stage.sealBlock();
      await stage.node.rpc("evm_increaseTime", [3600]);
      await stage.turns(2);
      await stage.restart({ skewMs: -86_400_000 });
      await stage.expectSettled();
    });

    it("fault 14: a node frozen at one height is left out; alone it is an alarm, and nothing goes back", async () => {
      await openBehind(2);
      await stage.sealBlock();
      await stage.turns(2);
      const frozen = await stage.node.rpc("eth_getBlockByNumber", ["latest", false]);
      rule(0, ({ method, params }) =>
        method === "eth_getBlockByNumber" && params[0] === "latest" ? { do: "result", result: frozen } : null,
      );
      await stage.chain.mine(7);
      await stage.sealBlock();
      await stage.turns(2);
      await stage.expectCommitted();
      expect(stage.operator.rpc.health[0]!.problem).to.contain("others at");
      await stage.restart({ urls: [proxies[0]!.url] });
      expect((await stage.tryTurn())?.code).to.be.oneOf([undefined, "NODE_BEHIND"]);
      rule(0, null);
      await stage.expectSettled();
    });
  });

  describe("fault 15: the signer", () => {
    it("fault 15: silent, of another account, or with other calldata, nonce or fees: nothing is sent", async () => {
      const other = new Wallet(devKey(7));
      type Signing = (transaction: any, own: Signer) => Promise<Hex>;
      let wrong = null as Signing | null;
      const signer = (own: Signer): Signer => ({
        address: own.address,
        signTransaction: async (transaction) => {
          return wrong === null ? await own.signTransaction(transaction) : await wrong(transaction, own);
        },
      });
      await open({ signer });
      const number = await stage.sealBlock();
      const wrongs: Signing[] = [
        async (transaction) => (await other.signTransaction(transaction)) as Hex,
        async (transaction, own) =>
          await own.signTransaction({ ...transaction, data: `${transaction.data.slice(0, -2)}ff` }),
        async (transaction, own) => await own.signTransaction({ ...transaction, nonce: transaction.nonce + 1 }),
        async (transaction, own) => await own.signTransaction({ ...transaction, maxFeePerGas: 10n ** 12n }),
        async (transaction, own) => await own.signTransaction({ ...transaction, to: other.address }),
        async (transaction, own) => await own.signTransaction({ ...transaction, value: 1n }),
        async () => await Promise.resolve("0x1234" as const),
      ];
      for (wrong of wrongs) {
        await stage.tryTurn();
        expect(stage.operator.committer.alarm?.code, String(wrong)).to.equal("SIGNER_FAILED");
        expect(stage.attempts(number)).to.deep.equal([]);
      }
      wrong = null;
      await stage.expectSettled();
    });

    it("fault 15: an external signer over JSON-RPC; while it is away the commit waits, and says so", async () => {
      await open();
      const wallet = operatorWallet;
      let asked: any[] = [];
      const serve = async (): Promise<Server> => {
        const server = createServer((request, response) => {
          let body = "";
          request.on("data", (chunk: Buffer) => (body += chunk.toString()));
          request.on("end", () => {
            const { id, method, params } = JSON.parse(body);
            const answer = (result: unknown): unknown => response.end(JSON.stringify({ jsonrpc: "2.0", id, result }));
            if (method === "eth_accounts") return answer([new Wallet(devKey(9)).address, wallet.address]);
            asked = params;
            const [{ gas, from: _, ...fields }] = params;
            const transaction = { ...fields, gasLimit: gas, type: 2, nonce: Number(fields.nonce) };
            return void wallet.signTransaction(transaction).then((raw) => answer({ raw, tx: {} }));
          });
        }).listen(port, "127.0.0.1");
        await once(server, "listening");
        ({ port } = server.address() as AddressInfo);
        return server;
      };
      let port = 0;
      let server = await serve();
      const signer = await externalSigner(`http://127.0.0.1:${port}`, wallet.address.toLowerCase() as Address);
      expect(signer.address).to.equal(wallet.address.toLowerCase());
      await stage.restart({ signer: () => signer });
      server.closeAllConnections();
      server.close();
      await once(server, "close");
      const number = await stage.sealBlock();
      await stage.tryTurn();
      expect(stage.operator.committer.alarm?.text).to.contain("the signer does not sign");
      server = await serve();
      await stage.turns(2);
      expect(asked[0].from).to.equal(wallet.address.toLowerCase());
      expect(Transaction.from(stage.attempts(number)[0]!.raw).from).to.equal(wallet.address);
      await stage.expectSettled();
      server.closeAllConnections();
      server.close();
    });
  });

  it("fault 16: after a day without Ethereum 24 blocks go out one after another, and payments go on all the while", async () => {
    await openBehind(1, { finality: 100 });
    await stage.restart({ finality: 2 });
    await stage.deposit();
    await stage.restart({ finality: 100 });
    rule(0, anything({ do: "reset" }));
    for (let hour = 1; hour <= 24; hour++) {
      expect(await stage.sealBlock()).to.equal(hour);
      await stage.tryTurn();
    }
    rule(0, null);
    let blocks = 0;
    for (; stage.operator.ledger.sealedBlocks.some(({ commit }) => commit.state === "sealed"); blocks++) {
      await stage.operator.turn();
      await stage.pay();
      await stage.chain.mine(1);
      expect(blocks).to.be.below(60);
    }
    // Each goes as soon as the one before it is seen, though none of them is final.
    expect(blocks).to.be.at.most(26);
    expect(stage.operator.ledger.sealedBlocks.every(({ commit }) => commit.state === "committed")).to.equal(true);
    await stage.expectCommitted();
  });
});
