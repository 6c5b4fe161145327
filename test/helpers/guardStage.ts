import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Wallet as Key, recoverAddress, type BaseWallet } from "ethers";
import { pino } from "pino";
import { Challenger } from "@plasma-billing/ethereum/challenging/challenger.ts";
import type { Duty } from "@plasma-billing/ethereum/challenging/planner.ts";
import { ChallengerRecords } from "@plasma-billing/ethereum/challenging/records.ts";
import type { InclusionProof } from "@plasma-billing/ethereum/challenges.ts";
import { Follower } from "@plasma-billing/ethereum/follower.ts";
import { RootChainReader } from "@plasma-billing/ethereum/rootChain.ts";
import { EthereumRpc } from "@plasma-billing/ethereum/rpc.ts";
import { keySigner } from "@plasma-billing/ethereum/signer.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { MerkleTree } from "@plasma-billing/protocol/merkle.ts";
import type { LedgerOutput } from "@plasma-billing/protocol/output.ts";
import { encodePayment } from "@plasma-billing/protocol/paymentBytes.ts";
import { ETHER, type Deposit, type OutputId, type SignedTransaction } from "@plasma-billing/protocol/transaction.ts";
import { decodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import { domainSeparator, type Address } from "@plasma-billing/protocol/typedData.ts";
import { authorizable, signAuthorization, type SignedAuthorization } from "@plasma-billing/sdk";
import { decodeKit } from "@plasma-billing/sdk";
import { bookOf } from "../../sdk/kit.ts";
import type { CommittedBlock, GuardedPayment, Place, SeenSpend } from "../../watcher/chain/childChain.ts";
import type { FindingDraft } from "../../watcher/findings/finding.ts";
import { Guard, type GuardOptions } from "../../watcher/guard/guard.ts";
import type { GuardedChain } from "../../watcher/guard/ports.ts";
import { RootChainView } from "../../watcher/rootChain/view.ts";
import { Chain, devKey, type PlainOutput, type SignedPayment } from "./chain.ts";
import { startAnvil, type RunningNode } from "./nodes.ts";

export const GUARD_EXIT_PERIOD = 86_400;
/** The watcher's account; 0 deploys, 1 commits. */
const WATCHER = 8;
const FINALITY = 3;
const TURNS_MAX = 60;

/** The account with an index, in lower case as the ledger has it. */
export function account(index: number): Address {
  return new Key(devKey(index)).address.toLowerCase() as Address;
}

/** The chain as a watcher has verified it, made by hand: what is streamed, committed, withheld, and shown only to be refused. */
export class HandmadeChain implements GuardedChain {
  readonly blocks: { hash: Hex; transaction: SignedTransaction }[][] = [[]];
  readonly spends = new Map<OutputId, SeenSpend[]>();
  height = 0;
  onPayment: (payment: GuardedPayment) => void = () => undefined;
  commits: () => readonly CommittedBlock[] = () => [];
  private readonly live = new Map<OutputId, LedgerOutput>();
  private readonly told: GuardedPayment[] = [];

  addDeposit(id: OutputId, { id: depositId, owner, token, amount }: Deposit): void {
    this.live.set(id, {
      ...{ id, owner, token, amount, state: "available", blockNumber: null, transactionIndex: null },
      ...{ outputIndex: 0, depositId },
    });
  }

  /** Accepted, and streamed in the open block. */
  stream(payment: SignedPayment): Hex {
    const transaction = decodeTransaction(payment.json);
    const hash = payment.hash as Hex;
    const block = this.blocks.at(-1)!;
    const place = { blockNumber: this.blocks.length, transactionIndex: block.length };
    const inputs = transaction.inputs.map((id) => this.live.get(id)!);
    block.push({ hash, transaction });
    this.see(payment, place);
    for (const id of transaction.inputs) this.live.delete(id);
    for (const [outputIndex, output] of transaction.outputs.entries()) {
      const id = payment.outputId(outputIndex) as OutputId;
      this.live.set(id, { ...output, ...place, id, outputIndex, state: "available", depositId: null });
    }
    const told = { place, hash, transaction, inputs };
    this.told.push(told);
    this.onPayment(told);
    return hash;
  }

  /** Shown somewhere, in no block that counts. */
  see(payment: SignedPayment, place: Place | null = null): void {
    const transaction = decodeTransaction(payment.json);
    for (const [i, id] of transaction.inputs.entries()) {
      const signer = recoverAddress(payment.hash, transaction.signatures[i]!).toLowerCase() as Address;
      const seen = { hash: payment.hash as Hex, transaction, place, signer };
      this.spends.set(id, [...(this.spends.get(id) ?? []), seen]);
    }
  }

  root(number: number): { transactionsRoot: Hex; transactionCount: number } {
    const tree = new MerkleTree();
    for (const { hash } of this.blocks[number - 1]!) tree.append(hash);
    return { transactionsRoot: tree.root(), transactionCount: tree.count };
  }

  /** As after a restart: everything is told again. */
  tellAgain(): void {
    for (const payment of this.told) this.onPayment(payment);
  }

  output(id: OutputId): LedgerOutput | undefined {
    return this.live.get(id);
  }

  async watch(): Promise<void> {
    return await Promise.resolve();
  }

  spendsOf(id: OutputId): readonly SeenSpend[] {
    return this.spends.get(id) ?? [];
  }

  async payment({ blockNumber, transactionIndex }: Place): ReturnType<GuardedChain["payment"]> {
    const { hash, transaction } = this.blocks[blockNumber - 1]![transactionIndex]!;
    return await Promise.resolve({ hash, transaction, bytes: encodePayment(transaction) });
  }

  async proofOf({ blockNumber, transactionIndex: index }: Place): Promise<InclusionProof> {
    const { number, transactionsRoot, transactionCount, timestamp } = this.commits()[blockNumber - 1]!;
    const tree = new MerkleTree();
    for (const { hash } of this.blocks[blockNumber - 1]!) tree.append(hash);
    const header = { number, transactionsRoot, transactionCount, timestamp };
    return await Promise.resolve({ header, index, siblings: tree.proof(index) });
  }
}

/** A guard with the watcher's own sender on anvil, and a chain made by hand. */
export class GuardStage {
  readonly node: RunningNode;
  readonly chain: Chain;
  readonly dataDir: string;
  readonly separator: Hex;
  readonly child = new HandmadeChain();
  guard: Guard;
  findings: FindingDraft[] = [];
  duties: Duty[] = [];
  /** The first block that is not right. */
  firstBadBlock: number | null = null;
  private readonly options: Pick<GuardOptions, "addresses" | "exits">;
  private view: RootChainView;
  private follower: Follower;
  private challenger: Challenger;
  private deposits = 0;

  private constructor(node: RunningNode, chain: Chain, dataDir: string, options: GuardStage["options"]) {
    this.node = node;
    this.chain = chain;
    this.dataDir = dataDir;
    this.options = options;
    this.separator = domainSeparator(this.domain);
    const parts = this.open();
    this.guard = parts.guard;
    this.view = parts.view;
    this.follower = parts.follower;
    this.challenger = parts.challenger;
  }

  static async start(guarded: readonly number[], exits = true): Promise<GuardStage> {
    const node = await startAnvil();
    const chain = await Chain.deploy(node.url, { exitPeriodSeconds: GUARD_EXIT_PERIOD });
    const dataDir = await mkdtemp(join(tmpdir(), "plasma-guard-"));
    return new GuardStage(node, chain, dataDir, { addresses: guarded.map(account), exits });
  }

  async stop(): Promise<void> {
    this.close();
    this.chain.provider.destroy();
    await this.node.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  /** The process ends and begins again on the same folder. */
  restart(): void {
    this.close();
    const { guard, view, follower, challenger } = this.open();
    Object.assign(this, { guard, view, follower, challenger });
  }

  get watcher(): Address {
    return account(WATCHER);
  }

  /** The chain's operator credits it at once. */
  async deposit(owner: number, amount: bigint, token: Address = ETHER): Promise<OutputId> {
    const { rootChain, tokenAddress } = this.chain;
    const address = account(owner);
    if (token === ETHER) await this.chain.mined(rootChain["depositEther"]!(address, { value: amount }));
    else {
      const deployer = await this.chain.deployer.getAddress();
      await this.chain.mined(this.chain.token["mint"]!(deployer, amount));
      await this.chain.mined(this.chain.token["approve"]!(this.chain.address, amount));
      await this.chain.mined(rootChain["deposit"]!(tokenAddress, amount, address));
    }
    const deposit = { id: BigInt(++this.deposits), owner: address, token, amount };
    const id = this.chain.depositOutputId(deposit) as OutputId;
    this.child.addDeposit(id, deposit);
    return id;
  }

  async sign(
    inputs: string[],
    outputs: [owner: number, amount: bigint, token?: string][],
    signers: number[],
  ): Promise<SignedPayment> {
    const plain: PlainOutput[] = outputs.map(([owner, amount, token = ETHER]) => ({
      ...{ owner: account(owner), token, amount },
    }));
    const keys = signers.map((index): BaseWallet => new Key(devKey(index)));
    return await this.chain.payment(inputs, plain, keys);
  }

  /** Signs, and has the operator take and stream it. */
  async pay(...args: Parameters<GuardStage["sign"]>): Promise<SignedPayment> {
    const payment = await this.sign(...args);
    this.child.stream(payment);
    return payment;
  }

  /** Commits the open block; `withheld`: the watcher does not get to verify it. */
  async commit(withheld = false): Promise<number> {
    const number = this.child.blocks.length;
    const { transactionsRoot, transactionCount } = this.child.root(number);
    const contract = this.chain.rootChain.connect(this.chain.wallet(1)) as any;
    await this.chain.mined(contract.commitBlock(number, transactionsRoot, transactionCount));
    if (!withheld) this.child.height = number;
    this.child.blocks.push([]);
    return number;
  }

  /** What is withheld stays so: nobody but the operator knows what the block has. */
  async commitUnknown(): Promise<number> {
    const number = this.child.blocks.length;
    const contract = this.chain.rootChain.connect(this.chain.wallet(1)) as any;
    await this.chain.mined(contract.commitBlock(number, `0x${"ab".repeat(32)}`, 5));
    this.firstBadBlock = number;
    return number;
  }

  /** One look, with what is sent for it mined. */
  async look(): Promise<void> {
    const update = await this.follower.poll();
    this.view.take(update);
    update.accept();
    this.challenger.take(update);
    await this.challenger.step();
    await this.chain.mine();
  }

  /** Looks until there is nothing to do. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      await this.look();
      if (this.duties.length === 0) return;
    }
    throw new Error(`still to do: ${this.duties.map(({ key }) => key).join(", ")} (${this.challenger.warning})`);
  }

  /** What an owner's wallet sends to its watcher, by what its kit knows. */
  async authorizations(owner: number, changes: Partial<SignedAuthorization> = {}): Promise<SignedAuthorization[]> {
    const book = bookOf(decodeKit((await this.guard.kit(account(owner)))!));
    const open = this.child.blocks.length;
    const now = (await this.chain.provider.getBlock("latest"))!.timestamp;
    const deadline = now + 30 * GUARD_EXIT_PERIOD;
    const terms = { owner: account(owner), bondOwner: this.watcher, deadline, ...changes };
    const signer = new Key(devKey(owner));
    return await Promise.all(
      authorizable(book, () => open, now).map(
        async (output) => await signAuthorization(signer, this.domain, { ...output, ...terms }),
      ),
    );
  }

  async authorize(...owners: number[]): Promise<void> {
    for (const owner of owners) this.guard.authorize(await this.authorizations(owner));
  }

  named(name: FindingDraft["name"]): FindingDraft[] {
    return this.findings.filter((finding) => finding.name === name);
  }

  /** How many events of a name there are. */
  async count(name: string): Promise<number> {
    return (await this.chain.rootChain.queryFilter(this.chain.rootChain.filters[name]!())).length;
  }

  private get domain(): { chainId: bigint; verifyingContract: Address } {
    return { chainId: this.chain.chainId, verifyingContract: this.chain.address.toLowerCase() as Address };
  }

  private open(): Pick<GuardStage, "guard"> & { view: RootChainView; follower: Follower; challenger: Challenger } {
    const { chain, dataDir, child, domain } = this;
    const log = pino({ level: process.env["GUARD_LOG"] ?? "silent" });
    const address = domain.verifyingContract;
    const rpc = new EthereumRpc([chain.rpcUrl]);
    const rootChain = new RootChainReader(rpc, address);
    const view = new RootChainView(this.separator);
    child.commits = () => view.commits;
    const guard = Guard.open({
      ...{ ...this.options, dataDir, domain, separator: this.separator, signerAddress: this.watcher, log },
      chain: () => child,
    });
    child.onPayment = (payment) => guard.take(payment);
    const follower = new Follower(rpc, address, FINALITY, { number: chain.deploymentBlock - 1, hash: null });
    const challenger = new Challenger({
      ...{ rpc, rootChain, chainId: chain.chainId, signer: keySigner(devKey(WATCHER) as Hex), maxFeeGwei: 200, log },
      ...{ fromBlock: chain.deploymentBlock, followedTo: chain.deploymentBlock - 1 },
      records: new ChallengerRecords(join(dataDir, "challenger.db")),
      facts: async () =>
        await Promise.resolve({
          ...{ spendOf: () => null, accepted: () => true, badPlaceOf: () => null, placeOf: () => null },
          proofOf: async (place: Place) => await child.proofOf(place),
        }),
      furtherDuties: async (_, head) => {
        const bonds = await rootChain.exitBonds(head.hash);
        const { commits, deposits, events } = view;
        const { duties, findings } = await guard.look({
          ...{ head, commits, deposits, events, firstBadBlock: this.firstBadBlock },
          terms: { ...bonds, exitPeriod: GUARD_EXIT_PERIOD },
          balance: await rpc.balance(this.watcher, head.hash),
        });
        this.findings = findings;
        this.duties = duties;
        return duties;
      },
    });
    return { guard, view, follower, challenger };
  }

  private close(): void {
    this.challenger.close();
    this.guard.close();
  }
}
