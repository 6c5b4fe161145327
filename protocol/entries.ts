import type { Hex } from "./hex.ts";
import type { Role } from "./market/roles.ts";
import type { OutputId, SignedTransaction, TransactionHash } from "./transaction.ts";
import type { Address } from "./typedData.ts";

/** Where an exit stands on Ethereum; `removed`: a reorganisation took its start away. */
export type ExitState = "started" | "challenged" | "finalized" | "unpayable" | "removed";
/** Of an in-flight exit; `finalized`: it was processed in one queue at least, which decided it. */
export type InFlightExitState = "started" | "finalized" | "closed" | "removed";
/**
 * Of an owner's wish to be paid; `unpaid`: its queue was worked off without paying it, since the other side won or another
 * exit had finalized the output; `unpayable`: it was more than the contract held.
 */
export type PiggybackState = "live" | "cancelled" | "paid" | "unpaid" | "unpayable";
/** Where a sealed block stands on Ethereum; back to `sealed` when a reorganisation takes its commit away. */
export type CommitState = "sealed" | "committed" | "finalized";

/** First of every journal: for which contract it is. */
export interface GenesisEntry {
  type: "genesis";
  version: 1;
  chainId: bigint;
  contract: Address;
  /** Unix milliseconds. */
  createdAt: number;
}

/** A payment that was judged and taken; its position follows from the entries before it. */
export interface PaymentEntry {
  type: "payment";
  transaction: SignedTransaction;
  hash: TransactionHash;
  /** Unix milliseconds. */
  acceptedAt: number;
}

/** A deposit that is final on Ethereum, credited. */
export interface DepositEntry {
  type: "deposit";
  id: bigint;
  owner: Address;
  token: Address;
  amount: bigint;
  /** Number of the block that followed it, as the contract recorded it. */
  nextBlockNumber: number;
  ethereumBlock: number;
  ethereumTransaction: Hex;
}

/** The state an exit has now, whatever it had before. */
export interface ExitEntry {
  type: "exit";
  number: number;
  kind: "standard" | "deposit";
  outputId: OutputId;
  owner: Address;
  token: Address;
  amount: bigint;
  /** Unix seconds. */
  exitableAt: number;
  state: ExitState;
  /** Of a finalized one: whether it was paid, or another exit had finalized the output before. */
  paid: boolean;
  /** No reorganisation can take this state away any more. */
  final: boolean;
  ethereumBlock: number;
  ethereumTransaction: Hex;
}

/** An input or output of the transaction of an in-flight exit. */
export interface ExitingOutput {
  outputId: OutputId;
  owner: Address;
  token: Address;
  amount: bigint;
  /** Null: its owner did not ask to be paid. */
  piggyback: PiggybackState | null;
  /** This exit paid or blocked it on Ethereum. */
  finalized: boolean;
}

/** The state an in-flight exit has now, whatever it had before. */
export interface InFlightExitEntry {
  type: "inFlightExit";
  /** Of the same counter as the other exits' numbers. */
  number: number;
  transactionHash: TransactionHash;
  /** Unix seconds, as `exitableAt`. */
  startedAt: number;
  exitableAt: number;
  /** The contract's index of an input's piggyback is its place here; of an output's, 16 more. */
  inputs: ExitingOutput[];
  outputs: ExitingOutput[];
  state: InFlightExitState;
  /** A competitor stands. */
  challenged: boolean;
  /** Whether outputs or inputs are paid; null until the first processing decides it. */
  canonical: boolean | null;
  /** No reorganisation can take this state away any more. */
  final: boolean;
  ethereumBlock: number;
  ethereumTransaction: Hex;
}

/** The end of an hour. Root, count and state hash are checked when it is replayed. */
export interface SealEntry {
  type: "seal";
  number: number;
  transactionsRoot: Hex;
  transactionCount: number;
  /** Unix milliseconds. */
  sealedAt: number;
  stateHash: Hex;
}

/** The state a sealed block has on Ethereum now. All but `number` and `state` are null while it has no commit there. */
export interface CommitEntry {
  type: "commit";
  number: number;
  state: CommitState;
  /** Unix seconds, the header's. */
  timestamp: number | null;
  ethereumBlock: number | null;
  ethereumTransaction: Hex | null;
  gasUsed: bigint | null;
  /** In wei. */
  fee: bigint | null;
  /** When the operator saw it, in Unix milliseconds. */
  seenAt: number;
}

/** Everything final on Ethereum up to this block is in the journal. */
export interface FollowedEntry {
  type: "followed";
  number: number;
  hash: Hex;
}

/** An account has a role. */
export interface RegistrationEntry {
  type: "registration";
  account: Address;
  role: Role;
  /** An owner's; null for others. */
  validator: Address | null;
  /** Unix seconds, as signed; 0 for the service node. */
  issuedAt: number;
  /** The account or its validator; null for the service node, which the operator's settings name. */
  signedBy: Address | null;
  signature: Hex | null;
  /** Unix milliseconds. */
  recordedAt: number;
}

/** What a file costs and who gets it. */
export interface OfferEntry {
  type: "offer";
  fileId: string;
  validator: Address;
  owner: Address;
  token: Address;
  price: bigint;
  ownerShareBps: number;
  serviceShareBps: number;
  version: number;
  signature: Hex;
  /** For people; not signed. */
  name: string | null;
  /** In bytes. */
  size: number | null;
  extension: string | null;
  mimeType: string | null;
  /** JSON text. */
  metadata: string | null;
  /** Unix milliseconds. */
  recordedAt: number;
}

/** What the service node asks for keeping a file. */
export interface QuoteEntry {
  type: "quote";
  fileId: string;
  validator: Address;
  serviceNode: Address;
  token: Address;
  fee: bigint;
  sizeBytes: number;
  days: number;
  /** Unix seconds. */
  expiresAt: number;
  signature: Hex;
  /** Unix milliseconds. */
  recordedAt: number;
}

/** A swap that one side signed and the other has not. */
export interface SwapProposalEntry {
  type: "swapProposal";
  hash: TransactionHash;
  /** Its bytes (docs/FORMATS.md), with zeros where a signature is missing. */
  payment: Hex;
  /** Unix seconds. */
  expiresAt: number;
  /** Unix milliseconds. */
  recordedAt: number;
}

export type MarketEntry = RegistrationEntry | OfferEntry | QuoteEntry | SwapProposalEntry;

/** Whatever changes the state. Replaying the entries gives the same state, hash for hash. */
export type Entry = PaymentEntry | JsonEntry;
/** What the journal has as JSON: rare beside payments, which have a form of their own. */
export type JsonEntry =
  GenesisEntry | DepositEntry | ExitEntry | InFlightExitEntry | SealEntry | CommitEntry | FollowedEntry | MarketEntry;
