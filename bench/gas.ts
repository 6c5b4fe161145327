// Gas of the root chain's operations on a real node: `npm run bench -- gas [--json]`.
import { randomBytes } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import {
  AbiCoder,
  HDNodeWallet,
  TypedDataEncoder,
  hexlify,
  type ContractTransactionResponse,
  type TransactionReceipt,
} from "ethers";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { MerkleTree } from "@plasma-billing/protocol/merkle.ts";
import { Chain, ETHER, TRANSACTION_TYPES, ZERO_HASH, type PlainOutput } from "../test/helpers/chain.ts";
import { startAnvil } from "../test/helpers/nodes.ts";
import { report, type Result } from "./report.ts";

const EXIT_PERIOD_SECONDS = 7 * 86_400;
const TREE_DEPTH = 16;
/** Exits that stand in the queue all the while. */
const QUEUED = 75;
/** Exits that were paid before: the queue has been longer than it is, as in any steady state. */
const PAID_BEFORE = 120;
/** Where two keys share a slot the cost varies: the mean of so many. */
const SAMPLES = 16;
const BATCH = 10;
/** While about 75 stand in the queue. */
const MEASURED_BATCHES = 4;
const STANDARD_EXIT = "tuple(uint40,address,address,uint256,address,uint216)";

/** Goals of docs/ARCHITECTURE.md, and receipts of OMG's plasma-contracts v2 measured on such a node with the same work. */
const GOALS: Record<string, [goal: number, omg: number]> = {
  commitBlock: [53_000, 79_178],
  depositEther: [59_000, 166_330],
  depositErc20: [84_500, 192_284],
  startDepositExit: [56_000, 388_011],
  startStandardExit: [98_500, 413_111],
  challengeStandardExit: [59_000, 293_030],
  processExitEther: [42_000, 122_650],
  processExitErc20: [67_500, 138_926],
  deploy: [5_000_000, 42_179_428],
};

interface Payment {
  transaction: { purpose: number; inputs: string[]; outputs: PlainOutput[]; fileHash: string };
  hash: string;
  index: number;
  block: number;
}
interface Exit {
  id: string;
  args: Record<string, unknown>;
  owner: HDNodeWallet;
}

const node = await startAnvil();
try {
  report("gas", await measure(), "peer: OMG's plasma-contracts v2. Receipts' gasUsed; trees of 2^16, 75 exits queued.");
} finally {
  await node.stop();
}

async function measure(): Promise<Result[]> {
  const chain = await Chain.deploy(node.url, { exitPeriodSeconds: EXIT_PERIOD_SECONDS });
  const { provider, rootChain } = chain;
  const used = new Map<string, number[]>();
  const record = (id: string, gas: number | bigint): void => {
    used.set(id, [...(used.get(id) ?? []), Number(gas)]);
  };
  const mined = async (sent: Promise<ContractTransactionResponse>, id?: string): Promise<TransactionReceipt> => {
    const { hash } = await sent;
    // Not by wait(): anvil answers before it mines, and ethers may miss the only block there is, and wait for ever.
    let receipt = await provider.getTransactionReceipt(hash);
    for (; receipt === null; receipt = await provider.getTransactionReceipt(hash)) await setTimeout(1);
    if (receipt.status !== 1) throw new Error(`reverted: ${hash}`);
    if (id !== undefined) record(id, receipt.gasUsed);
    return receipt;
  };
  const deployment = await provider.getBlock(chain.deploymentBlock);
  record("deploy", (await provider.getTransactionReceipt(deployment!.transactions[0]!))!.gasUsed);

  const owners = Array.from({ length: 12 }, () => HDNodeWallet.createRandom().connect(provider));
  for (const { address } of owners)
    await node.rpc("anvil_setBalance", [address, hexlify(new Uint8Array([1, ...Array(10).fill(0)]))]);
  const ownerOf = (i: number): HDNodeWallet => owners[i % owners.length]!;
  const operator: any = rootChain.connect(chain.wallet(1));
  const bond = await rootChain["standardExitBond"]!();
  const asOwner = (owner: HDNodeWallet): any => rootChain.connect(owner);

  // Ether and tokens of people who stay, so that nothing is a first time.
  await mined(rootChain["depositEther"]!(owners[0]!.address, { value: 10n ** 20n }));
  await mined(chain.token["mint"]!(await chain.deployer.getAddress(), 10n ** 30n));
  await mined(chain.token["approve"]!(chain.address, 2n ** 256n - 1n));
  await mined(rootChain["deposit"]!(chain.tokenAddress, 10n ** 24n, owners[0]!.address));
  for (const { address } of owners) await mined(chain.token["mint"]!(address, 1n));

  const trees = new Map<number, { tree: MerkleTree; header: object }>();
  const proofOf = ({ block, index }: Payment): object => {
    const { tree, header } = trees.get(block)!;
    return { header, index, siblings: tree.proof(index) };
  };
  /** Commits 2^16 leaves, among them payments of two outputs each, at random places. */
  const commit = async (count: number, token: string): Promise<Payment[]> => {
    const block = Number(await rootChain["nextBlockNumber"]!());
    const places = new Map<number, Payment>();
    while (places.size < count) {
      const index = randomBytes(2).readUInt16LE();
      const outputs = [0, 1].map((i) => ({ owner: ownerOf(places.size + i).address, token, amount: randomAmount() }));
      const transaction = { purpose: 1, inputs: [hexlify(randomBytes(32))], outputs, fileHash: ZERO_HASH };
      const hash = TypedDataEncoder.hash(chain.domain(), TRANSACTION_TYPES, transaction);
      if (!places.has(index)) places.set(index, { transaction, hash, index, block });
    }
    const tree = new MerkleTree();
    for (let i = 0; i < 2 ** TREE_DEPTH; i++) tree.append((places.get(i)?.hash ?? hexlify(randomBytes(32))) as Hex);
    const receipt = await mined(
      operator.commitBlock(block, tree.root(), 2 ** TREE_DEPTH),
      block > 1 ? "commitBlock" : undefined,
    );
    const { timestamp } = (await provider.getBlock(receipt.blockNumber))!;
    trees.set(block, {
      tree,
      header: { number: block, transactionsRoot: tree.root(), transactionCount: 2 ** TREE_DEPTH, timestamp },
    });
    return [...places.values()];
  };
  const startedOf = (receipt: TransactionReceipt, owner: HDNodeWallet): Exit => {
    for (const log of receipt.logs) {
      const parsed = rootChain.interface.parseLog(log);
      if (parsed?.name === "ExitStarted") return { id: parsed.args["outputId"], args: parsed.args.toObject(), owner };
    }
    throw new Error("no ExitStarted");
  };
  const start = async (payment: Payment, id?: string): Promise<Exit> => {
    const owner = owners.find((one) => one.address === payment.transaction.outputs[0]!.owner)!;
    const call = asOwner(owner).startStandardExit(payment.transaction, proofOf(payment), 0, { value: bond });
    return startedOf(await mined(call, id), owner);
  };
  const startDeposit = async (i: number, id?: string): Promise<Exit> => {
    const owner = ownerOf(i);
    const deposit = {
      id: await rootChain["nextDepositId"]!(),
      owner: owner.address,
      token: ETHER,
      amount: randomAmount(),
    };
    await mined(rootChain["depositEther"]!(owner.address, { value: deposit.amount }), "depositEther");
    await mined(rootChain["deposit"]!(chain.tokenAddress, randomAmount(), owner.address), "depositErc20");
    return startedOf(await mined(asOwner(owner).startDepositExit(deposit, { value: bond }), id), owner);
  };

  const process = async (token: string, exits: Exit[], id?: string): Promise<void> => {
    const due = exits.toSorted((a, b) => ((a.args["priority"] as bigint) < (b.args["priority"] as bigint) ? -1 : 1));
    for (let first = 0; first + BATCH <= due.length; first += BATCH) {
      // Cancelled entries in a call of their own: what is measured is ten exits that are paid.
      await mined(asOwner(ownerOf(7)).processExits(token, []));
      const batch = due.slice(first, first + BATCH).map(({ id: outputId, args }) => ({
        id: outputId,
        data: AbiCoder.defaultAbiCoder().encode([STANDARD_EXIT], [Object.values(exitOf(args))]),
      }));
      const receipt = await mined(asOwner(ownerOf(7)).processExits(token, batch));
      const paid = receipt.logs.filter((log) => rootChain.interface.parseLog(log)?.name === "ExitFinalized").length;
      if (paid !== BATCH) throw new Error(`${paid} of ${BATCH} paid`);
      if (id !== undefined && first < MEASURED_BATCHES * BATCH) record(id, Number(receipt.gasUsed) / BATCH);
    }
  };

  for (const token of [ETHER, chain.tokenAddress]) {
    const before: Exit[] = [];
    for (const payment of await commit(PAID_BEFORE, token)) before.push(await start(payment));
    await chain.passTime(2 * EXIT_PERIOD_SECONDS);
    await process(token, before);
  }

  // Payments from blocks of different ages: their exits' keys fall into the queue at different places.
  const ether: Payment[] = [];
  const tokens: Payment[] = [];
  for (let block = 0; block < 5; block++) {
    ether.push(...(await commit(Math.ceil((QUEUED + 2 * SAMPLES) / 5), ETHER)));
    tokens.push(...(await commit(QUEUED / 5, chain.tokenAddress)));
    await chain.passTime(4 * 86_400);
  }
  shuffle(ether);
  const queue: Exit[] = [];
  for (const payment of ether.splice(0, QUEUED)) queue.push(await start(payment));
  const tokenQueue: Exit[] = [];
  for (const payment of tokens) tokenQueue.push(await start(payment));

  const samples: Exit[] = [];
  for (const payment of ether.splice(0, SAMPLES)) samples.push(await start(payment, "startStandardExit"));
  for (const { args, id, owner } of samples) {
    const outputs = [0, 1].map((i) => ({ owner: ownerOf(i).address, token: ETHER, amount: randomAmount() }));
    const spend = { purpose: 1, inputs: [id], outputs, fileHash: ZERO_HASH };
    const signature = owner.signingKey.sign(TypedDataEncoder.hash(chain.domain(), TRANSACTION_TYPES, spend)).serialized;
    const exit = exitOf(args);
    await mined(asOwner(ownerOf(5)).challengeStandardExit(exit, spend, 0, signature), "challengeStandardExit");
  }
  for (let i = 0; i < SAMPLES; i++) queue.push(await startDeposit(i, "startDepositExit"));

  await chain.passTime(3 * EXIT_PERIOD_SECONDS);
  await process(ETHER, queue, "processExitEther");
  await process(chain.tokenAddress, tokenQueue, "processExitErc20");

  return Object.entries(GOALS).map(([id, [goal, peer]]) => {
    const gas = used.get(id)!;
    return { id, value: Math.round(gas.reduce((sum, one) => sum + one) / gas.length), unit: "gas", goal, peer };
  });
}

function exitOf(args: Record<string, unknown>): Record<string, unknown> {
  const { number, owner, token, amount, bondOwner, depositRecord } = args;
  return { number, owner, token, amount, bondOwner, depositRecord };
}

function randomAmount(): bigint {
  return 10n ** 15n + BigInt(hexlify(randomBytes(5)));
}

function shuffle(list: unknown[]): void {
  for (let i = list.length - 1; i > 0; i--) {
    const j = randomBytes(4).readUInt32LE() % (i + 1);
    [list[i], list[j]] = [list[j], list[i]];
  }
}
