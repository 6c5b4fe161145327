import {
  AbiCoder,
  TypedDataEncoder,
  ZeroAddress,
  type ContractTransactionReceipt,
  type HDNodeWallet,
  type Overrides,
} from "ethers";
import {
  CHALLENGE_BOND,
  IN_FLIGHT_BOND,
  PIGGYBACK_BOND,
  type Exit,
  type Game,
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

/** In-flight exits on a game's contract. */
export class Flights {
  readonly game: Game;

  constructor(game: Game) {
    this.game = game;
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

  /** Whether the contract still keeps the exit, in its main slot or moved aside, and what of its piggybacks. */
  async slot(flight: Flight, number = 0n): Promise<bigint> {
    return await this.game.rootChain.inFlightExit(flight.hash, number);
  }
}
