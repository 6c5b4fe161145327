import {
  AbiCoder,
  HDNodeWallet,
  TypedDataEncoder,
  type Wallet,
  ZeroAddress,
  concat,
  keccak256,
  type ContractTransactionReceipt,
  type ContractTransactionResponse,
} from "ethers";
import { network } from "hardhat";
import type { RootChain, TestToken } from "../../types/contracts/index.ts";
import { DEPOSIT_TYPES, TRANSACTION_TYPES, ZERO_HASH, outputIdOf, type PlainOutput } from "./chain.ts";

export const WEEK = 7 * 86_400;
export const BOND = 10n ** 17n;
export const BOUNTY = 10n ** 16n;
export const IN_FLIGHT_BOND = 2n * 10n ** 17n;
export const PIGGYBACK_BOND = 3n * 10n ** 16n;
export const CHALLENGE_BOND = 5n * 10n ** 16n;
export const BONDS = {
  standardExit: BOND,
  inFlightExit: IN_FLIGHT_BOND,
  piggyback: PIGGYBACK_BOND,
  challenge: CHALLENGE_BOND,
  bounty: BOUNTY,
};
export const ETHER = ZeroAddress;
const STANDARD_EXIT = "tuple(uint40,address,address,uint256,address,uint216)";
const coder = AbiCoder.defaultAbiCoder();

export interface PlainTransaction {
  purpose: number;
  inputs: string[];
  outputs: PlainOutput[];
  fileHash: string;
}
export interface PlainDeposit {
  id: bigint;
  owner: string;
  token: string;
  amount: bigint;
}
export interface Header {
  number: bigint;
  transactionsRoot: string;
  transactionCount: bigint;
  timestamp: bigint;
}
export interface Proof {
  header: Header;
  index: number;
  siblings: string[];
}
export interface Exit {
  number: bigint;
  owner: string;
  token: string;
  amount: bigint;
  bondOwner: string;
  depositRecord: bigint;
}
/** An exit that was started, with where it stands. */
export interface Started {
  outputId: string;
  exit: Exit;
  /** Seconds. */
  exitableAt: bigint;
  data: { id: string; data: string };
}

/** The tree of a block written in the most obvious way: every level an array, padded with zeros. */
export function naiveTree(leaves: string[]): { root: string; proof(index: number): string[] } {
  let size = 1;
  while (size < leaves.length) size *= 2;
  const levels = [[...leaves, ...Array<string>(size - leaves.length).fill(ZERO_HASH)]];
  while (levels.at(-1)!.length > 1) {
    const below = levels.at(-1)!;
    levels.push(below.filter((_, i) => i % 2 === 0).map((left, i) => keccak256(concat([left, below[2 * i + 1]!]))));
  }
  return {
    root: levels.at(-1)![0]!,
    proof: (index) => levels.slice(0, -1).map((level, depth) => level[(index >> depth) ^ 1]!),
  };
}

export type Connection = Awaited<ReturnType<typeof network.create>>;

/** A root chain on a fresh in-process chain, with an operator, some holders and a token. */
export class Game {
  readonly connection: Connection;
  readonly rootChain: RootChain;
  readonly token: TestToken;
  readonly address: string;
  readonly chainId: bigint;
  readonly operator: HDNodeWallet;
  readonly alice: HDNodeWallet;
  readonly bob: HDNodeWallet;
  readonly carol: HDNodeWallet;
  /** Has no part in anything. */
  readonly stranger: HDNodeWallet;

  private constructor(
    connection: Connection,
    wallets: HDNodeWallet[],
    rootChain: RootChain,
    token: TestToken,
    address: string,
    chainId: bigint,
  ) {
    this.connection = connection;
    [this.operator, this.alice, this.bob, this.carol, this.stranger] = wallets as [
      HDNodeWallet,
      HDNodeWallet,
      HDNodeWallet,
      HDNodeWallet,
      HDNodeWallet,
    ];
    this.rootChain = rootChain;
    this.token = token;
    this.address = address;
    this.chainId = chainId;
  }

  static async start(): Promise<Game> {
    const connection = await network.create();
    const { ethers, networkHelpers } = connection;
    const wallets = Array.from({ length: 5 }, (_, i) =>
      HDNodeWallet.fromPhrase("test test test test test test test test test test test junk", "", `m/44'/60'/1'/0/${i}`),
    ).map((wallet) => wallet.connect(ethers.provider));
    for (const wallet of wallets) await networkHelpers.setBalance(wallet.address, 10n ** 24n);
    const rootChain = (await ethers.deployContract("RootChain", [wallets[0]!.address, WEEK, BONDS])) as unknown;
    const token = (await ethers.deployContract("TestToken")) as unknown;
    const { chainId } = await ethers.provider.getNetwork();
    const address = await (rootChain as RootChain).getAddress();
    return new Game(connection, wallets, rootChain as RootChain, token as TestToken, address, chainId);
  }

  as(wallet: HDNodeWallet | Wallet): RootChain {
    return this.rootChain.connect(wallet);
  }

  get domain(): { name: string; version: string; chainId: bigint; verifyingContract: string } {
    return { name: "Plasma Billing", version: "1", chainId: this.chainId, verifyingContract: this.address };
  }

  hash(transaction: PlainTransaction, domain: object = this.domain): string {
    return TypedDataEncoder.hash(domain, TRANSACTION_TYPES, transaction);
  }

  sign(wallet: HDNodeWallet | Wallet, transaction: PlainTransaction, domain: object = this.domain): string {
    return wallet.signingKey.sign(this.hash(transaction, domain)).serialized;
  }

  /** A transfer of the whole of `inputs` to `outputs`. */
  transfer(inputs: string[], outputs: PlainOutput[]): PlainTransaction {
    return { purpose: 1, inputs, outputs, fileHash: ZERO_HASH };
  }

  outputId(transaction: PlainTransaction, index = 0): string {
    return outputIdOf(this.hash(transaction), index);
  }

  depositOutputId(deposit: PlainDeposit): string {
    return outputIdOf(TypedDataEncoder.hash(this.domain, DEPOSIT_TYPES, deposit), 0);
  }

  /** Deposits for the owner, who pays it itself. */
  async deposit(owner: HDNodeWallet, amount: bigint, token: string = ETHER): Promise<PlainDeposit> {
    const id = await this.rootChain.nextDepositId();
    if (token === ETHER) {
      await this.as(owner).depositEther(owner.address, { value: amount });
    } else {
      const erc20 = await this.connection.ethers.getContractAt("TestToken", token, owner);
      await erc20.mint(owner.address, amount);
      await erc20.approve(this.address, amount);
      await this.as(owner).deposit(token, amount, owner.address);
    }
    return { id, owner: owner.address, token, amount };
  }

  /** Commits a block of these transactions, and gives the proof of each. */
  async commit(transactions: PlainTransaction[]): Promise<Proof[]> {
    return await this.commitLeaves(transactions.map((transaction) => this.hash(transaction)));
  }

  async commitLeaves(leaves: string[]): Promise<Proof[]> {
    const tree = naiveTree(leaves);
    const number = await this.rootChain.nextBlockNumber();
    await this.as(this.operator).commitBlock(number, tree.root, leaves.length);
    const timestamp = BigInt(await this.now());
    const header = { number, transactionsRoot: tree.root, transactionCount: BigInt(leaves.length), timestamp };
    return leaves.map((_, index) => ({ header, index, siblings: tree.proof(index) }));
  }

  async startExit(owner: HDNodeWallet, transaction: PlainTransaction, proof: Proof, index = 0): Promise<Started> {
    return await this.started(this.as(owner).startStandardExit(transaction, proof, index, { value: BOND }));
  }

  async startDepositExit(owner: HDNodeWallet, deposit: PlainDeposit): Promise<Started> {
    return await this.started(this.as(owner).startDepositExit(deposit, { value: BOND }));
  }

  async started(sent: Promise<ContractTransactionResponse>): Promise<Started> {
    const receipt = await this.mined(sent);
    const [args] = this.events(receipt, "ExitStarted");
    const { number, owner, token, amount, bondOwner, depositRecord, outputId, priority } = args;
    const exit = { number, owner, token, amount, bondOwner, depositRecord };
    return { outputId, exit, exitableAt: priority >> 94n, data: this.exitData(outputId, exit) };
  }

  exitData(outputId: string, exit: Exit): { id: string; data: string } {
    return { id: outputId, data: coder.encode([STANDARD_EXIT], [Object.values(exit)]) };
  }

  async challenge(
    challenger: HDNodeWallet,
    { exit }: Started,
    spend: PlainTransaction,
    signature: string,
    inputIndex = 0,
  ): Promise<ContractTransactionReceipt> {
    return await this.mined(this.as(challenger).challengeStandardExit(exit, spend, inputIndex, signature));
  }

  /** By a stranger, with the data of these entries in this order. */
  async process(
    token: string,
    exits: Started[],
    options: { gasLimit?: bigint } = {},
  ): Promise<ContractTransactionReceipt> {
    const data = exits.map((started) => started.data);
    return await this.mined(this.as(this.stranger).processExits(token, data, options));
  }

  async mined(sent: Promise<ContractTransactionResponse>): Promise<ContractTransactionReceipt> {
    const receipt = await (await sent).wait();
    if (receipt === null) throw new Error("not mined");
    return receipt;
  }

  /** Arguments of the root chain's events of that name. */
  events(receipt: ContractTransactionReceipt, name: string): any[] {
    return receipt.logs
      .filter((log) => log.address === this.address)
      .map((log) => this.rootChain.interface.parseLog(log))
      .filter((parsed) => parsed?.name === name)
      .map((parsed) => parsed!.args);
  }

  async now(): Promise<number> {
    return await this.connection.networkHelpers.time.latest();
  }

  async pass(seconds: number | bigint): Promise<void> {
    await this.connection.networkHelpers.time.increase(seconds);
  }

  async passTo(seconds: number | bigint): Promise<void> {
    await this.connection.networkHelpers.time.increaseTo(seconds);
  }

  async balance(account: string, token: string = ETHER): Promise<bigint> {
    if (token === ETHER) return await this.connection.ethers.provider.getBalance(account);
    const erc20 = await this.connection.ethers.getContractAt("TestToken", token);
    return await erc20.balanceOf(account);
  }
}

/** What a call reverts with: `Name(arguments)` of the contract's own errors, or the node's words. */
export async function failure(game: Game, call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    const data = revertData(error);
    const parsed = data === null ? null : game.rootChain.interface.parseError(data);
    return parsed === null ? String(error) : `${parsed.name}(${parsed.args.map(String).join(", ")})`;
  }
  return "nothing";
}

function revertData(error: unknown): string | null {
  for (let at: any = error; at !== undefined && at !== null; at = at.error ?? at.info ?? at.cause) {
    if (typeof at.data === "string" && at.data.length >= 10) return at.data;
  }
  return null;
}
