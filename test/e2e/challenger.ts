import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Transaction } from "ethers";
import { ChallengerRecords } from "../../ethereum/challenging/records.ts";
import { Chain, devKey, type SignedPayment } from "../helpers/chain.ts";
import { ExitsOnNode, type MadeDeposit } from "../helpers/exitsOnNode.ts";
import { type RunningNode, startAnvil } from "../helpers/nodes.ts";
import {
  type OperatorProcess,
  eventually,
  freePort,
  spawnOperator,
  startOperator,
} from "../helpers/operatorProcess.ts";

const WAIT_MS = 60_000;
const ADMIN_TOKEN = "an-administrator-of-the-tests";
/** Development accounts; the operator commits with 1. */
const [ALICE, BOB, CAROL, CHALLENGER, MALLORY] = [2, 3, 4, 5, 6] as const;
/** Index of a piggyback of output 0. */
const OUTPUT = 16;
const challenger = ExitsOnNode.owner(CHALLENGER).address;

describe("the operator challenges by itself", function () {
  this.timeout(180_000);
  let node: RunningNode;
  let chain: Chain;
  let exits: ExitsOnNode;
  let dataDir: string;
  let settings: Record<string, string>;
  let operator: OperatorProcess;

  before(async () => {
    node = await startAnvil();
    chain = await Chain.deploy(node.url);
    exits = new ExitsOnNode(chain);
    dataDir = await mkdtemp(join(tmpdir(), "plasma-challenger-"));
    settings = {
      L1_RPC_URLS: node.url,
      ROOT_CHAIN_ADDRESS: chain.address,
      ROOT_CHAIN_FROM_BLOCK: String(chain.deploymentBlock),
      OPERATOR_PRIVATE_KEY: devKey(1),
      CHALLENGER_PRIVATE_KEY: devKey(CHALLENGER),
      DATA_DIR: dataDir,
      PORT: String(await freePort()),
      DEPOSIT_FINALITY: "1",
      ETHEREUM_POLL_MS: "100",
      ADMIN_TOKEN,
    };
    operator = await startOperator(settings);
  });
  after(async () => {
    await operator?.kill();
    await node?.stop();
    if (dataDir !== undefined) await rm(dataDir, { recursive: true, force: true });
  });

  const credited = async (account: number, amount: bigint): Promise<MadeDeposit> => {
    const deposit = await exits.deposit(account, amount);
    await eventually("the deposit is credited", WAIT_MS, async () => {
      const { items } = (await operator.get(`/v1/accounts/${deposit.terms.owner}/outputs`)).body;
      return items.some((item: any) => item.id === deposit.outputId && item.state === "available");
    });
    return deposit;
  };
  const pay = async (input: string, amount: bigint, from: number, to: number): Promise<SignedPayment> => {
    const payment = await exits.transfer(input, amount, from, to);
    const { status, body } = await operator.post("/v1/transactions", payment.json);
    expect([200, 201, 202], JSON.stringify(body)).to.include(status);
    return payment;
  };
  const commit = async ({ hash }: SignedPayment): Promise<void> => {
    await operator.post("/v1/admin/commit", {}, { authorization: `Bearer ${ADMIN_TOKEN}` });
    await eventually("the hour is committed", WAIT_MS, async () => {
      const { state } = (await operator.get(`/v1/transactions/${hash}`)).body;
      return state === "committed" || state === "finalized";
    });
  };
  /** The one event of that name about an exit, and that the challenger made it. */
  const made = async (name: string, by: string, wanted: (args: any) => boolean): Promise<void> => {
    const [event] = await eventually(`${name} by the challenger`, WAIT_MS, async () => {
      const found = (await exits.events(name)).filter(({ args }) => wanted(args));
      return found.length > 0 ? found : null;
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${operator.output()}`, { cause: error });
    });
    expect(event!.args[by]).to.equal(challenger);
  };
  const of =
    (id: string) =>
    ({ outputId }: any): boolean =>
      outputId === id;

  it("exits of deposits that are spent, dust as well; an exit of what is not spent is left alone", async () => {
    const [large, dust, kept] = [await credited(ALICE, 1_000n), await credited(ALICE, 1n), await credited(ALICE, 5n)];
    await pay(large.outputId, 1_000n, ALICE, BOB);
    await pay(dust.outputId, 1n, ALICE, BOB);
    for (const deposit of [kept, large, dust]) await exits.exitDeposit(ALICE, deposit);
    await made("ExitChallenged", "challenger", of(large.outputId));
    await made("ExitChallenged", "challenger", of(dust.outputId));
    expect(await exits.events("ExitChallenged")).to.have.length(2);
    expect(await exits.sentBy(CHALLENGER)).to.equal(2);
  });

  it("an in-flight exit of another spend: it is no longer canonical, and its input's piggyback is cancelled", async () => {
    const deposit = await credited(ALICE, 700n);
    await pay(deposit.outputId, 700n, ALICE, BOB);
    const another = await exits.transfer(deposit.outputId, 700n, ALICE, CAROL);
    const flight = await exits.startFlight(ALICE, another, deposit);
    await made("NonCanonicalChallenged", "challenger", ({ number }) => number === flight.number);
    await exits.piggyback(ALICE, flight, 0);
    await made("PiggybackChallenged", "challenger", of(deposit.outputId));
  });

  it("the piggyback of an output that is spent, when its payment is included", async () => {
    const deposit = await credited(ALICE, 800n);
    const payment = await pay(deposit.outputId, 800n, ALICE, BOB);
    await pay(payment.outputId(0), 800n, BOB, CAROL);
    await commit(payment);
    const flight = await exits.startFlight(BOB, payment, deposit);
    await exits.piggyback(BOB, flight, OUTPUT);
    await made("PiggybackChallenged", "challenger", of(payment.outputId(0)));
  });

  it("answers a challenge that an included payment is not canonical", async () => {
    const deposit = await credited(ALICE, 900n);
    const payment = await pay(deposit.outputId, 900n, ALICE, BOB);
    await commit(payment);
    const flight = await exits.startFlight(BOB, payment, deposit);
    await exits.piggyback(BOB, flight, OUTPUT);
    const competitor = await exits.transfer(deposit.outputId, 900n, ALICE, MALLORY);
    await exits.challengeNonCanonical(MALLORY, flight, competitor);
    await made("CanonicalResponded", "responder", ({ number }) => number === flight.number);
    const [standing] = await chain.rootChain["competitor"]!(payment.hash, flight.number);
    expect(BigInt(standing)).to.equal(0n);
  });

  it("killed with -9 after it wrote a challenge and before a node had it: at the next start that one lands, once", async () => {
    const deposit = await credited(ALICE, 600n);
    await pay(deposit.outputId, 600n, ALICE, BOB);
    await operator.kill();
    await exits.exitDeposit(ALICE, deposit);
    const before = await exits.sentBy(CHALLENGER);
    const swallowing = await swallowChallenges(node.url);
    operator = await startOperator({ ...settings, L1_RPC_URLS: swallowing.url });
    const { hash, nonce } = await swallowing.first;
    await operator.kill();
    swallowing.server.closeAllConnections();
    swallowing.server.close();
    const records = new ChallengerRecords(join(dataDir, "challenger.db"));
    expect(records.attempts(challenger.toLowerCase() as `0x${string}`, nonce)[0]!.hash).to.equal(hash);
    records.close();
    expect(await exits.sentBy(CHALLENGER)).to.equal(before);

    operator = await startOperator(settings);
    await made("ExitChallenged", "challenger", of(deposit.outputId));
    const challenges = (await exits.events("ExitChallenged")).filter(({ args }) => of(deposit.outputId)(args));
    expect(challenges.map(({ transactionHash }) => transactionHash)).to.deep.equal([hash]);
    expect(await exits.sentBy(CHALLENGER)).to.equal(before + 1);
  });

  it("shows the challenger's address, never its key; refuses the key that commits; warns when there is none", async () => {
    const output = operator.output();
    expect(output).to.contain(challenger).and.to.not.contain(devKey(CHALLENGER).slice(2));
    expect(await operator.interrupt()).to.equal(0);
    const same = spawnOperator({ ...settings, CHALLENGER_PRIVATE_KEY: devKey(1) });
    expect(await same.exited).to.equal(1);
    expect(same.output()).to.match(/WRONG_SETTINGS: CHALLENGER_PRIVATE_KEY is the key that commits \(0x[0-9a-f]{40}\)/);
    expect(same.output()).to.not.contain(devKey(1).slice(2));
    operator = await startOperator({ ...settings, CHALLENGER_PRIVATE_KEY: "" });
    expect(operator.output()).to.contain("exits of spent outputs are not challenged by this operator");
    expect((await operator.get("/v1/status")).body.warnings).to.deep.equal([]);
  });
});

/** A node that is asked everything but takes no transaction of the challenger; `first` is what it was handed first. */
async function swallowChallenges(
  nodeUrl: string,
): Promise<{ url: string; server: Server; first: Promise<{ hash: string; nonce: number }> }> {
  const { promise: first, resolve } = Promise.withResolvers<{ hash: string; nonce: number }>();
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks).toString();
      const { method, params } = JSON.parse(body) as { method: string; params: string[] };
      if (method === "eth_sendRawTransaction") {
        const { from, hash, nonce } = Transaction.from(params[0]);
        if (from === challenger) return resolve({ hash: hash!, nonce });
      }
      const headers = { "content-type": "application/json" };
      const answer = await fetch(nodeUrl, { method: "POST", headers, body });
      response.writeHead(answer.status, headers).end(await answer.text());
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server, first };
}
