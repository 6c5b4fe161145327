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
import { Chain, TRANSACTION_TYPES, ZERO_HASH, outputIdOf, type PlainOutput } from "../../test/helpers/chain.ts";
import type { RunningNode } from "../../test/helpers/nodes.ts";

export const EXIT_PERIOD_SECONDS = 7 * 86_400;
/** Exits that stand in the queue all the while. */
export const QUEUED = 75;
/** Where two keys share a slot the cost varies: the mean of so many. */
export const SAMPLES = 16;
const TREE_DEPTH = 16;
const BATCH = 10;
const OWNERS = 12;
const STANDARD_EXIT = "tuple(uint40,address,address,uint256,address,uint216)";

export interface Payment {
  transaction: { purpose: number; inputs: string[]; outputs: PlainOutput[]; fileHash: string };
  hash: string;
  /** Where it is, once it was committed. */
  place: { block: number; index: number };
}
/** An entry of a queue, as it is processed. */
export interface Entry {
  priority: bigint;
  data: { id: string; data: string };
}
export interface StandardExit extends Entry {
  id: string;
  exit: Record<string, unknown>;
  owner: HDNodeWallet;
}

/** A root chain on a node, with owners, full trees, and the gas of what is done there. */
export class Stage {
  readonly node: RunningNode;
  readonly chain: Chain;
  readonly owners: HDNodeWallet[];
  readonly bonds: { standardExit: bigint; inFlightExit: bigint; piggyback: bigint; challenge: bigint };
  readonly used = new Map<string, number[]>();
  private readonly trees = new Map<number, { tree: MerkleTree; header: object }>();

  private constructor(node: RunningNode, chain: Chain, owners: HDNodeWallet[], bonds: Stage["bonds"]) {
    this.node = node;
    this.chain = chain;
    this.owners = owners;
    this.bonds = bonds;
  }

  static async open(node: RunningNode): Promise<Stage> {
    const chain = await Chain.deploy(node.url, { exitPeriodSeconds: EXIT_PERIOD_SECONDS });
    const { provider, rootChain, token } = chain;
    const owners = Array.from({ length: OWNERS }, () => HDNodeWallet.createRandom().connect(provider));
    const wealth = hexlify(new Uint8Array([1, ...Array(10).fill(0)]));
    for (const { address } of owners) await node.rpc("anvil_setBalance", [address, wealth]);
    const stage = new Stage(node, chain, owners, {
      standardExit: await rootChain["standardExitBond"]!(),
      inFlightExit: await rootChain["inFlightExitBond"]!(),
      piggyback: await rootChain["piggybackBond"]!(),
      challenge: await rootChain["challengeBond"]!(),
    });
    const deployment = await provider.getBlock(chain.deploymentBlock);
    stage.record("deploy", (await provider.getTransactionReceipt(deployment!.transactions[0]!))!.gasUsed);
    // Ether and tokens of people who stay, so that nothing is a first time.
    const stays = owners[0]!.address;
    await stage.mined(rootChain["depositEther"]!(stays, { value: 10n ** 20n }));
    await stage.mined(token["mint"]!(await chain.deployer.getAddress(), 10n ** 30n));
    await stage.mined(token["approve"]!(chain.address, 2n ** 256n - 1n));
    await stage.mined(rootChain["deposit"]!(chain.tokenAddress, 10n ** 24n, stays));
    for (const { address } of owners) await stage.mined(token["mint"]!(address, 1n));
    return stage;
  }

  record(id: string, gas: number | bigint): void {
    this.used.set(id, [...(this.used.get(id) ?? []), Number(gas)]);
  }

  /** The receipt; its gas counts for `id`. */
  async mined(sent: Promise<ContractTransactionResponse>, id?: string): Promise<TransactionReceipt> {
    const { provider } = this.chain;
    const { hash } = await sent;
    // Not by wait(): anvil answers before it mines, and ethers may miss the only block there is, and wait for ever.
    let receipt = await provider.getTransactionReceipt(hash);
    for (; receipt === null; receipt = await provider.getTransactionReceipt(hash)) await setTimeout(1);
    if (receipt.status !== 1) throw new Error(`reverted: ${hash}`);
    if (id !== undefined) this.record(id, receipt.gasUsed);
    return receipt;
  }

  as(owner: HDNodeWallet): any {
    return this.chain.rootChain.connect(owner);
  }

  owner(i: number): HDNodeWallet {
    return this.owners[i % OWNERS]!;
  }

  ownerOf({ owner }: PlainOutput): HDNodeWallet {
    return this.owners.find(({ address }) => address === owner)!;
  }

  /** A payment of two outputs of random amounts, or of these. */
  payment(token: string, inputs = [hexlify(randomBytes(32))], amounts = [randomAmount(), randomAmount()]): Payment {
    const outputs = amounts.map((amount) => ({ owner: this.randomOwner().address, token, amount }));
    const transaction = { purpose: 1, inputs, outputs, fileHash: ZERO_HASH };
    const hash = TypedDataEncoder.hash(this.chain.domain(), TRANSACTION_TYPES, transaction);
    return { transaction, hash, place: { block: 0, index: 0 } };
  }

  outputId({ hash }: Payment, index: number): string {
    return outputIdOf(hash, index);
  }

  sign(owner: HDNodeWallet, { hash }: Payment): string {
    return owner.signingKey.sign(hash).serialized;
  }

  /** Commits 2^16 leaves, these among them at random places. */
  async commit(payments: Payment[]): Promise<Payment[]> {
    const { rootChain, provider } = this.chain;
    const block = Number(await rootChain["nextBlockNumber"]!());
    const places = new Map<number, Payment>();
    for (const payment of payments) {
      let index = randomBytes(2).readUInt16LE();
      while (places.has(index)) index = randomBytes(2).readUInt16LE();
      places.set(index, payment);
      payment.place = { block, index };
    }
    const tree = new MerkleTree();
    for (let i = 0; i < 2 ** TREE_DEPTH; i++) tree.append((places.get(i)?.hash ?? hexlify(randomBytes(32))) as Hex);
    const operator: any = rootChain.connect(this.chain.wallet(1));
    const commit = operator.commitBlock(block, tree.root(), 2 ** TREE_DEPTH);
    const receipt = await this.mined(commit, block > 1 ? "commitBlock" : undefined);
    const { timestamp } = (await provider.getBlock(receipt.blockNumber))!;
    const header = { number: block, transactionsRoot: tree.root(), transactionCount: 2 ** TREE_DEPTH, timestamp };
    this.trees.set(block, { tree, header });
    return payments;
  }

  proof({ place }: Payment): object {
    const { tree, header } = this.trees.get(place.block)!;
    return { header, index: place.index, siblings: tree.proof(place.index) };
  }

  /** Arguments of the root chain's first event of that name. */
  event(receipt: TransactionReceipt, name: string): Record<string, any> {
    for (const log of receipt.logs) {
      const parsed = this.chain.rootChain.interface.parseLog(log);
      if (parsed?.name === name) return parsed.args.toObject();
    }
    throw new Error(`no ${name}`);
  }

  async startStandardExit(payment: Payment, id?: string): Promise<StandardExit> {
    const owner = this.ownerOf(payment.transaction.outputs[0]!);
    const value = this.bonds.standardExit;
    const call = this.as(owner).startStandardExit(payment.transaction, this.proof(payment), 0, { value });
    return this.standardExit(await this.mined(call, id), owner);
  }

  standardExit(receipt: TransactionReceipt, owner: HDNodeWallet): StandardExit {
    const { outputId, priority, number, token, amount, bondOwner, depositRecord, ...more } = this.event(
      receipt,
      "ExitStarted",
    );
    const exit = { number, owner: more["owner"], token, amount, bondOwner, depositRecord };
    const data = AbiCoder.defaultAbiCoder().encode([STANDARD_EXIT], [Object.values(exit)]);
    return { id: outputId, exit, priority, data: { id: outputId, data }, owner };
  }

  /** Processes a whole queue, ten at a time; the gas of each of the first `measured` batches' entries counts for `id`. */
  async process(
    token: string,
    entries: Entry[],
    event: string,
    id?: string,
    measured = 0,
    batch = BATCH,
  ): Promise<void> {
    const due = entries.toSorted((a, b) => (a.priority < b.priority ? -1 : 1));
    const processor = this.as(this.owner(7));
    for (let first = 0; first < due.length; first += batch) {
      // Cancelled entries in a call of their own: what is measured is exits that are paid.
      await this.mined(processor.processExits(token, []));
      const some = due.slice(first, first + batch);
      const data = some.map((entry) => entry.data);
      const receipt = await this.mined(processor.processExits(token, data));
      const paid = receipt.logs.filter((log) => this.chain.rootChain.interface.parseLog(log)?.name === event).length;
      if (paid !== some.length) throw new Error(`${paid} of ${some.length} processed`);
      if (id !== undefined && first < measured * batch) this.record(id, Number(receipt.gasUsed) / batch);
    }
  }

  private randomOwner(): HDNodeWallet {
    return this.owner(randomBytes(1)[0]!);
  }
}

export function randomAmount(): bigint {
  return 10n ** 15n + BigInt(hexlify(randomBytes(5)));
}

export function shuffle(list: unknown[]): void {
  for (let i = list.length - 1; i > 0; i--) {
    const j = randomBytes(4).readUInt32LE() % (i + 1);
    [list[i], list[j]] = [list[j], list[i]];
  }
}
