import { expect } from "chai";
import {
  AbiCoder,
  keccak256,
  TypedDataEncoder,
  ZeroAddress,
  type ContractTransactionReceipt,
  type HDNodeWallet,
  type Overrides,
} from "ethers";
import {
  CHALLENGE_BOND,
  ETHER,
  Game,
  IN_FLIGHT_BOND,
  PIGGYBACK_BOND,
  type Exit,
  type PlainDeposit,
  type PlainTransaction,
  type Proof,
} from "./game.ts";
import { ZERO_HASH, type PlainOutput } from "./chain.ts";

/** Index of a piggyback of output i. */
export const OUTPUT = 16;
/** Age of what no block contains. */
export const NOT_INCLUDED = 2n ** 53n - 1n;
const OUTPUTS = "tuple(address owner,address token,uint256 amount)[]";
const IN_FLIGHT_EXIT = [
  ...["uint128 priority", "uint64 startedAt", "uint64 salt", "address bondOwner", "bytes32[] inputIds"],
  ...[`${OUTPUTS} inputs`, `${OUTPUTS} outputs`],
];
const EXIT_AUTHORIZATION_TYPES = {
  ExitAuthorization: [
    { name: "owner", type: "address" },
    { name: "outputId", type: "bytes32" },
    { name: "blockNumber", type: "uint64" },
    { name: "bondOwner", type: "address" },
    { name: "deadline", type: "uint64" },
  ],
};
export const NO_EXIT: Exit = {
  number: 0n,
  owner: ZeroAddress,
  token: ZeroAddress,
  amount: 0n,
  bondOwner: ZeroAddress,
  depositRecord: 0n,
};
export const NO_PROOF: Proof = {
  header: { number: 0n, transactionsRoot: ZERO_HASH, transactionCount: 0n, timestamp: 0n },
  index: 0,
  siblings: [],
};

/** An output of an included payment, as an input of an in-flight exit. */
export interface PaymentSource {
  transaction: PlainTransaction;
  proof: Proof;
  outputIndex: number;
}
/** A deposit as an input; with the standard exit in its slot, if there is one. */
export interface DepositSource {
  deposit: PlainDeposit;
  exit: Exit;
}
export type Source = PaymentSource | DepositSource;

export interface Flight {
  number: bigint;
  hash: string;
  transaction: PlainTransaction;
  /** What is handed in again. */
  data: { id: string; data: string };
  /** Seconds. */
  startedAt: bigint;
  exitableAt: bigint;
  priority: bigint;
  inputs: PlainOutput[];
}

/** An output that a block contains. */
export interface Funds {
  id: string;
  output: PlainOutput;
  source: PaymentSource;
}

/** Alice pays 700 of her 1000 ether to Bob for his 500 of a token. */
export interface Swap {
  /** Alice's ether, Bob's token. */
  funds: Funds[];
  token: string;
  /** Outputs: Bob's ether, Alice's token, Alice's change. */
  payment: PlainTransaction;
}

/** States of piggybacks in an exit's slot, and its flags. */
export const CANCELLED = 1n;
export const LIVE = 2n;
export const LIVE_WITH_BOUNTY = 3n;
export const CANONICAL = 1n << 64n;
export const NOT_CANONICAL = 2n << 64n;
export const SPONSORED = 1n << 66n;

/** What an exit's slot must be: the states of its piggybacks by index, its outcome and flag, 189 bits of its data's hash. */
export function slotOf(flight: Flight, states: Record<number, bigint> = {}, flags = 0n): bigint {
  const commitment = (BigInt(keccak256(flight.data.data)) >> 67n) << 67n;
  return Object.entries(states).reduce(
    (slot, [index, state]) => slot | (state << (2n * BigInt(index))),
    commitment | flags,
  );
}

export function to({ address }: { address: string }, amount: bigint, token: string = ETHER): PlainOutput {
  return { owner: address, token, amount };
}

export interface Authorization {
  bondOwner: string;
  deadline: bigint;
  signature: string;
}

export function fromPayment(transaction: PlainTransaction, proof: Proof, outputIndex = 0): PaymentSource {
  return { transaction, proof, outputIndex };
}

export function fromDeposit(deposit: PlainDeposit, exit: Exit = NO_EXIT): DepositSource {
  return { deposit, exit };
}

export interface StartOptions {
  /** One an input; made by `signers` when left out. */
  signatures?: string[];
  former?: Flight;
  overrides?: Overrides;
}

const PARTIES = ["operator", "alice", "bob", "carol", "stranger"] as const;
type Party = (typeof PARTIES)[number];
export type Amount = `${Party | "held"}${"" | "Token"}` | `${Party}${"" | "Token"}Credit` | "bonds";

let beginning: { flights: Flights; restore: () => Promise<void> } | undefined;

/** In-flight exits on a game's contract. */
export class Flights {
  readonly game: Game;
  /** What `amounts` was at a block: nothing changes it but a block. */
  private seen: { hash: string | null; amounts: Map<Amount, bigint> } | undefined;

  constructor(game: Game) {
    this.game = game;
  }

  /** On a game at the same beginning each time: the chain is made once, and set back. */
  static async fresh(): Promise<Flights> {
    if (beginning === undefined) {
      const game = await Game.start();
      const snapshot = await game.connection.networkHelpers.takeSnapshot();
      beginning = { flights: new Flights(game), restore: async () => await snapshot.restore() };
    }
    await beginning.restore();
    return beginning.flights;
  }

  /** Outputs that one block contains, each made of a deposit of its owner's. */
  async funds(...wanted: { owner: HDNodeWallet; amount: bigint; token?: string }[]): Promise<Funds[]> {
    const { game } = this;
    const made: PlainTransaction[] = [];
    for (const { owner, amount, token = ETHER } of wanted) {
      const deposit = await game.deposit(owner, amount, token);
      made.push(game.transfer([game.depositOutputId(deposit)], [to(owner, amount, token)]));
    }
    const proofs = await game.commit(made);
    return made.map((transaction, i) => ({
      id: game.outputId(transaction),
      output: transaction.outputs[0]!,
      source: fromPayment(transaction, proofs[i]!),
    }));
  }

  /** Outputs of one included transaction that spends nothing there is. */
  async forged(outputs: PlainOutput[]): Promise<Funds[]> {
    const { game } = this;
    const transaction = game.transfer([`0x${"77".repeat(32)}`], outputs);
    const [proof] = await game.commit([transaction]);
    return outputs.map((output, i) => ({
      id: game.outputId(transaction, i),
      output,
      source: fromPayment(transaction, proof!, i),
    }));
  }

  async swap(): Promise<Swap> {
    const { alice, bob } = this.game;
    const token = await this.game.token.getAddress();
    const funds = await this.funds({ owner: alice, amount: 1000n }, { owner: bob, amount: 500n, token });
    const outputs = [to(bob, 700n), to(alice, 500n, token), to(alice, 300n)];
    return { funds, token, payment: this.game.transfer([funds[0]!.id, funds[1]!.id], outputs) };
  }

  async startSwap({ payment, funds }: Swap, by: HDNodeWallet = this.game.carol): Promise<Flight> {
    const { alice, bob } = this.game;
    return await this.start(
      by,
      payment,
      funds.map(({ source }) => source),
      [alice, bob],
    );
  }

  /** Sets the clock for the next block. */
  async at(seconds: bigint): Promise<void> {
    await this.game.connection.networkHelpers.time.setNextBlockTimestamp(seconds);
  }

  async start(
    by: HDNodeWallet,
    transaction: PlainTransaction,
    sources: Source[],
    signers: HDNodeWallet[],
    options: StartOptions = {},
  ): Promise<Flight> {
    const signatures = options.signatures ?? signers.map((signer) => this.game.sign(signer, transaction));
    const payments = sources.filter((source) => "proof" in source);
    const deposits = sources.filter((source) => "deposit" in source);
    const sent = this.game
      .as(by)
      .startInFlightExit(transaction, signatures, payments, deposits, options.former?.data.data ?? "0x", {
        value: IN_FLIGHT_BOND,
        ...options.overrides,
      });
    const receipt = await this.game.mined(sent);
    const [{ number, transactionHash, data }] = this.game.events(receipt, "InFlightExitStarted");
    const exit = AbiCoder.defaultAbiCoder().decode(IN_FLIGHT_EXIT, data);
    return {
      number,
      hash: transactionHash,
      transaction,
      data: { id: transactionHash, data },
      startedAt: exit.startedAt,
      exitableAt: exit.priority >> 94n,
      priority: exit.priority,
      inputs: exit.inputs.map((output: any) => output.toObject()),
    };
  }

  async piggyback(owner: HDNodeWallet, flight: Flight, index: number): Promise<ContractTransactionReceipt> {
    const { game } = this;
    return await game.mined(game.as(owner).piggyback(flight.data, index, { value: PIGGYBACK_BOND }));
  }

  /** `owner` signs that anyone may exit the output for it. */
  authorize(
    owner: HDNodeWallet,
    outputId: string,
    blockNumber: bigint,
    bondOwner: string,
    deadline: bigint,
    domain: object = this.game.domain,
  ): Authorization {
    const hash = TypedDataEncoder.hash(domain, EXIT_AUTHORIZATION_TYPES, {
      owner: owner.address,
      outputId,
      blockNumber,
      bondOwner,
      deadline,
    });
    return { bondOwner, deadline, signature: owner.signingKey.sign(hash).serialized };
  }

  /** Shows that `signer` signed a competitor spending input `inputIndex`; with its proof when it is included. */
  async challenge(
    by: HDNodeWallet,
    flight: Flight,
    competitor: PlainTransaction,
    signer: HDNodeWallet,
    { proof = NO_PROOF, inputIndex = 0 }: { proof?: Proof; inputIndex?: number } = {},
  ): Promise<ContractTransactionReceipt> {
    const { game } = this;
    const spent = competitor.inputs.indexOf(flight.transaction.inputs[inputIndex]!);
    const signature = game.sign(signer, competitor);
    return await game.mined(
      game
        .as(by)
        .challengeNonCanonical(flight.data, inputIndex, competitor, spent, signature, proof, { value: CHALLENGE_BOND }),
    );
  }

  async respond(by: HDNodeWallet, flight: Flight, proof: Proof): Promise<ContractTransactionReceipt> {
    return await this.game.mined(this.game.as(by).respondCanonical(flight.hash, flight.number, proof));
  }

  async inputSpent(
    by: HDNodeWallet,
    flight: Flight,
    inputIndex: number,
    spend: PlainTransaction,
    signer: HDNodeWallet,
  ): Promise<ContractTransactionReceipt> {
    const { game } = this;
    const spent = spend.inputs.indexOf(flight.transaction.inputs[inputIndex]!);
    const signature = game.sign(signer, spend);
    return await game.mined(game.as(by).challengeInputSpent(flight.data, inputIndex, spend, spent, signature));
  }

  async outputSpent(
    by: HDNodeWallet,
    flight: Flight,
    outputIndex: number,
    proof: Proof,
    spend: PlainTransaction,
    signer: HDNodeWallet,
  ): Promise<ContractTransactionReceipt> {
    const { game } = this;
    const spent = spend.inputs.indexOf(game.outputId(flight.transaction, outputIndex));
    const signature = game.sign(signer, spend);
    return await game.mined(game.as(by).challengeOutputSpent(flight.data, outputIndex, proof, spend, spent, signature));
  }

  async close(by: HDNodeWallet, flight: Flight): Promise<ContractTransactionReceipt> {
    return await this.game.mined(this.game.as(by).closeInFlightExit(flight.data));
  }

  /** Processes with the data of these, by a stranger. */
  async process(
    token: string,
    ...exits: { data: { id: string; data: string } }[]
  ): Promise<ContractTransactionReceipt> {
    const { game } = this;
    return await game.mined(
      game.as(game.stranger).processExits(
        token,
        exits.map(({ data }) => data),
        { gasLimit: 10_000_000n },
      ),
    );
  }

  /** Expects that an action changes these amounts, gas apart, and none besides. */
  async expectChanges<T>(action: () => Promise<T>, expected: Partial<Record<Amount, bigint>>): Promise<T> {
    const { provider } = this.game.connection.ethers;
    const before = await this.amounts();
    const first = await provider.getBlockNumber();
    const result = await action();
    const after = await this.amounts();
    for (let number = first + 1; number <= (await provider.getBlockNumber()); number++) {
      for (const hash of (await provider.getBlock(number))!.transactions) {
        const { from, fee } = (await provider.getTransactionReceipt(hash))!;
        for (const name of PARTIES) {
          if (this.game[name].address === from) after.set(name, after.get(name)! + fee);
        }
      }
    }
    const changes = [...after].map(([name, amount]) => [name, amount - before.get(name)!] as const);
    const changed = (entries: (readonly [string, bigint])[]): object =>
      Object.fromEntries(entries.filter(([, change]) => change !== 0n));
    expect(changed(changes)).to.deep.equal(changed(Object.entries(expected)));
    return result;
  }

  /** What each has and is credited, and what the contract holds: of ether also as bonds and bounties that wait. */
  private async amounts(): Promise<Map<Amount, bigint>> {
    const { game } = this;
    const { hash } = (await game.connection.ethers.provider.getBlock("latest"))!;
    if (this.seen?.hash !== hash) this.seen = { hash, amounts: await this.readAmounts() };
    return new Map(this.seen.amounts);
  }

  private async readAmounts(): Promise<Map<Amount, bigint>> {
    const { game } = this;
    const amounts = new Map<Amount, bigint>();
    for (const [suffix, token] of [
      ["", ETHER],
      ["Token", await game.token.getAddress()],
    ] as const) {
      const accounts = PARTIES.map((name) => game[name].address);
      const [held, balance, balances, credits] = await Promise.all([
        game.rootChain.held(token),
        game.balance(game.address, token),
        Promise.all(accounts.map(async (account) => await game.balance(account, token))),
        Promise.all(accounts.map(async (account) => await game.rootChain.claimable(token, account))),
      ]);
      for (const [i, name] of PARTIES.entries()) {
        amounts.set(`${name}${suffix}`, balances[i]!).set(`${name}${suffix}Credit`, credits[i]!);
      }
      amounts.set(`held${suffix}`, held);
      const bonds = credits.reduce((rest, credit) => rest - credit, balance - held);
      if (suffix === "") amounts.set("bonds", bonds);
      else expect(bonds, "what the contract has of the token beyond deposits and credits").to.equal(0n);
    }
    return amounts;
  }

  /** Whether the contract still keeps the exit, in its main slot or moved aside, and what of its piggybacks. */
  async slot(flight: Flight, number = 0n): Promise<bigint> {
    return await this.game.rootChain.inFlightExit(flight.hash, number);
  }
}
