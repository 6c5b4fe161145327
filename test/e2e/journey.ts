import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { AbiCoder, Wallet, type TransactionReceipt } from "ethers";
import { blockHash } from "@plasma-billing/protocol/header.ts";
import { Chain, ETHER, devKey } from "../helpers/chain.ts";
import { type RunningNode, startAnvil, startHardhatNode } from "../helpers/nodes.ts";
import { type OperatorProcess, eventually, freePort, startOperator } from "../helpers/operatorProcess.ts";

const WAIT_MS = 60_000;
const EXIT_PERIOD_SECONDS = 86_400;
const STANDARD_EXIT_TYPE = "tuple(uint40,address,address,uint256,address,uint216)";

const journeys: [string, () => Promise<RunningNode>, boolean][] = [
  ["Hardhat's node", () => startHardhatNode(), false],
  ["anvil", () => startAnvil(), false],
  ["anvil, the operator killed with -9 between any two steps", () => startAnvil(), true],
];

for (const [name, startNode, killed] of journeys) {
  describe(`from deposit to hourly commit to withdrawal, on ${name}`, function () {
    this.timeout(180_000);
    let node: RunningNode;
    let chain: Chain;
    let dataDir: string;
    let operator: OperatorProcess;
    let settings: Record<string, string>;
    const alice = new Wallet(devKey(2));
    const bob = new Wallet(devKey(3));
    const carol = new Wallet(devKey(4));
    const state: Record<string, any> = {};

    before(async () => {
      node = await startNode();
      chain = await Chain.deploy(node.url, { exitPeriodSeconds: EXIT_PERIOD_SECONDS });
      dataDir = await mkdtemp(join(tmpdir(), "plasma-journey-"));
      settings = {
        L1_RPC_URLS: node.url,
        ROOT_CHAIN_ADDRESS: chain.address,
        ROOT_CHAIN_FROM_BLOCK: String(chain.deploymentBlock),
        OPERATOR_PRIVATE_KEY: devKey(1),
        DATA_DIR: dataDir,
        PORT: String(await freePort()),
        DEPOSIT_FINALITY: "3",
        // With kills the hour is ended by hand, or blocks would end at whatever moment a start takes.
        COMMIT_INTERVAL_SECONDS: killed ? "3600" : "5",
        ETHEREUM_POLL_MS: "100",
        ADMIN_TOKEN: "an-administrator-of-the-tests",
      };
      operator = await startOperator(settings);
    });
    after(async () => {
      await operator?.kill();
      await node?.stop();
      if (dataDir !== undefined) await rm(dataDir, { recursive: true, force: true });
    });
    afterEach(async () => {
      if (!killed) return;
      await operator.kill();
      operator = await startOperator(settings);
    });

    const payment = async (hash: string): Promise<any> => (await operator.get(`/v1/transactions/${hash}`)).body;
    const output = async (owner: string, id: string): Promise<any> =>
      (await operator.get(`/v1/accounts/${owner}/outputs?limit=1000`)).body.items.find((item: any) => item.id === id);
    const exitData = (outputId: string, exit: unknown[]): { id: string; data: string } => ({
      id: outputId,
      data: AbiCoder.defaultAbiCoder().encode([STANDARD_EXIT_TYPE], [exit]),
    });
    const started = (receipt: TransactionReceipt): any => {
      for (const log of receipt.logs) {
        const parsed = chain.rootChain.interface.parseLog(log);
        if (parsed?.name === "ExitStarted") return parsed.args;
      }
      throw new Error("no ExitStarted");
    };

    it("shows a deposit of ether and one of a token as pending before they are final", async () => {
      const ether = { id: 1n, owner: alice.address, token: ETHER, amount: 1_000n };
      const tokens = { id: 2n, owner: alice.address, token: chain.tokenAddress, amount: 500n };
      await chain.mined(chain.rootChain["depositEther"]!(alice.address, { value: ether.amount }));
      await chain.mined(chain.token["mint"]!(await chain.deployer.getAddress(), tokens.amount));
      await chain.mined(chain.token["approve"]!(chain.address, tokens.amount));
      await chain.mined(chain.rootChain["deposit"]!(chain.tokenAddress, tokens.amount, alice.address));
      state["ether"] = chain.depositOutputId(ether);
      state["tokens"] = chain.depositOutputId(tokens);
      const pending = await eventually("the token deposit is pending", WAIT_MS, () =>
        output(alice.address, state["tokens"]),
      );
      expect(pending).to.include({ state: "pending", amount: "500", depositId: 2 });
      const deposits = (await operator.get("/v1/deposits")).body.items;
      expect(deposits.map((deposit: any) => deposit.id)).to.deep.equal([2, 1]);
      expect(deposits[0].state).to.equal("pending");
    });

    it("credits both at the set finality", async () => {
      await chain.mine(2);
      for (const id of [state["ether"], state["tokens"]]) {
        await eventually("credited", WAIT_MS, async () => (await output(alice.address, id))?.state === "available");
      }
      const account = (await operator.get(`/v1/accounts/${alice.address.toLowerCase()}`)).body;
      expect(account.address).to.equal(alice.address);
      expect(account.balances).to.deep.include.members([
        { token: ETHER, available: "1000", exiting: "0", pending: "0" },
        { token: chain.tokenAddress, available: "500", exiting: "0", pending: "0" },
      ]);
    });

    it("accepts payments at once, one chained on another that no block holds yet, and each only once", async () => {
      const toBob = await chain.payment(
        [state["ether"]],
        [
          { owner: bob.address, token: ETHER, amount: 400n },
          { owner: alice.address, token: ETHER, amount: 600n },
        ],
        [alice],
      );
      const toCarol = await chain.payment(
        [toBob.outputId(0)],
        [{ owner: carol.address, token: ETHER, amount: 400n }],
        [bob],
      );
      const batch = (await operator.post("/v1/transactions/batch", { transactions: [toBob.json, toCarol.json] })).body;
      expect(batch.results.map((result: any) => result.payment?.state)).to.deep.equal(["accepted", "accepted"]);
      const again = await operator.post("/v1/transactions", toBob.json);
      expect(again.status).to.equal(200);
      expect(again.body).to.deep.equal(batch.results[0].payment);
      const twice = await chain.payment(
        [state["ether"]],
        [{ owner: alice.address, token: ETHER, amount: 1_000n }],
        [alice],
      );
      const refused = await operator.post("/v1/transactions", twice.json);
      expect(refused.status).to.equal(409);
      expect(refused.body.code).to.equal("INPUT_SPENT");
      state["toBob"] = toBob;
      state["toCarol"] = toCarol;
      state["positions"] = batch.results.map((result: any) => result.payment);
    });

    it("commits the hour's root to Ethereum, and only once", async () => {
      if (killed) {
        const token = { authorization: `Bearer ${settings["ADMIN_TOKEN"]}` };
        expect((await operator.post("/v1/admin/commit", {}, token)).status).to.be.oneOf([200, 202]);
      }
      const number = state["positions"][0].blockNumber;
      await eventually("the block is committed", WAIT_MS, async () =>
        ["committed", "finalized"].includes((await operator.get(`/v1/blocks/${number}`)).body.state),
      );
      await chain.mine(3);
      await eventually("the payment is final", WAIT_MS, async () => {
        return (await payment(state["toBob"].hash)).state === "finalized";
      });
      const block = (await operator.get(`/v1/blocks/${number}`)).body;
      const committed = await chain.rootChain.queryFilter(chain.rootChain.filters["BlockCommitted"]!(number));
      expect(committed).to.have.length(1);
      expect((committed[0] as any).args.transactionsRoot).to.equal(block.transactionsRoot);
      expect(block.commitTransaction).to.equal(committed[0]?.transactionHash);
      for (const told of state["positions"]) {
        const now = await payment(told.hash);
        expect(now).to.include({ blockNumber: told.blockNumber, transactionIndex: told.transactionIndex });
        expect(now.acceptedAt).to.equal(told.acceptedAt);
      }
    });

    it("gives a proof which the contract accepts: the receiver starts an exit with it", async () => {
      const { body: proof } = await operator.get(`/v1/transactions/${state["toCarol"].hash}/proof`);
      expect(await chain.rootChain["blockHashes"]!(proof.header.number)).to.equal(blockHash(proof.header));
      const rootChain: any = chain.rootChain.connect(chain.wallet(4));
      const bond = await chain.rootChain["standardExitBond"]!();
      const receipt = await chain.mined(
        rootChain.startStandardExit(state["toCarol"].solidity, proof, 0, { value: bond }),
      );
      state["carolsExit"] = started(receipt);
      const id = state["toCarol"].outputId(0);
      await eventually(
        "the output is exiting",
        WAIT_MS,
        async () => (await output(carol.address, id)).state === "exiting",
      );
      const spend = await chain.payment([id], [{ owner: bob.address, token: ETHER, amount: 400n }], [carol]);
      const refused = await operator.post("/v1/transactions", spend.json);
      expect(refused.status).to.equal(409);
      expect(refused.body.code).to.equal("INPUT_EXITING");
    });

    it("an exit of a spent output is challenged with the spend the operator shows", async () => {
      const deposit = { id: 1n, owner: alice.address, token: ETHER, amount: 1_000n };
      const rootChain: any = chain.rootChain.connect(chain.wallet(2));
      const bond = await chain.rootChain["standardExitBond"]!();
      const exit = started(await chain.mined(rootChain.startDepositExit(deposit, { value: bond })));
      const seen = await eventually("the exit is listed", WAIT_MS, async () =>
        (await operator.get("/v1/exits")).body.items.find((item: any) => item.outputId === state["ether"]),
      );
      expect(seen).to.include({ kind: "deposit", state: "started", owner: alice.address, amount: "1000" });
      const shown = await payment(state["toBob"].hash);
      const spend = {
        purpose: 1,
        inputs: shown.inputs.map((input: any) => input.id),
        outputs: shown.outputs.map(({ owner, token, amount }: any) => ({ owner, token, amount })),
        fileHash: shown.fileHash,
      };
      const challenger: any = chain.rootChain.connect(chain.wallet(5));
      await chain.mined(
        challenger.challengeStandardExit(
          {
            number: exit.number,
            owner: exit.owner,
            token: exit.token,
            amount: exit.amount,
            bondOwner: exit.bondOwner,
            depositRecord: exit.depositRecord,
          },
          spend,
          0,
          shown.signatures[0],
        ),
      );
      await eventually("the exit is shown as challenged", WAIT_MS, async () =>
        (await operator.get("/v1/exits")).body.items.some(
          (item: any) => item.outputId === state["ether"] && item.state === "challenged",
        ),
      );
      expect(await chain.rootChain["isCancelled"]!(exit.number)).to.equal(true);
    });

    it("pays the exit when its period has passed", async () => {
      await chain.passTime(2 * EXIT_PERIOD_SECONDS + 1);
      const exit = state["carolsExit"];
      const before = await chain.provider.getBalance(carol.address);
      const data = exitData(state["toCarol"].outputId(0), [
        exit.number,
        exit.owner,
        exit.token,
        exit.amount,
        exit.bondOwner,
        exit.depositRecord,
      ]);
      await chain.mined(chain.rootChain["processExits"]!(ETHER, [data]));
      const bondBack =
        (await chain.rootChain["standardExitBond"]!()) - ((await chain.rootChain["bounty"]!()) as bigint);
      expect((await chain.provider.getBalance(carol.address)) - before).to.equal(400n + bondBack);
      await eventually("the output is withdrawn", WAIT_MS, async () => {
        return (await output(carol.address, state["toCarol"].outputId(0))).state === "withdrawn";
      });
    });

    it("ends at Ctrl-C within seconds, and starts again with everything it had", async () => {
      const before = (await operator.get(`/v1/accounts/${alice.address}`)).body;
      const asked = Date.now();
      expect(await operator.interrupt()).to.equal(0);
      expect(Date.now() - asked).to.be.below(5_000);
      operator = await startOperator(settings);
      expect((await operator.get(`/v1/accounts/${alice.address}`)).body).to.deep.equal(before);
    });
  });
}
