import type { PaymentCode } from "@plasma-billing/protocol/errors.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { LedgerOutput } from "@plasma-billing/protocol/output.ts";
import type { SignedTransaction, TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import type { Address, Domain } from "@plasma-billing/protocol/typedData.ts";
import type { Logger } from "pino";
import type { DepositOf } from "./state.ts";

/** As Ethereum shows it now; a reorganisation may take it back or replace it. */
export interface CommittedBlock {
  number: number;
  transactionsRoot: Hex;
  transactionCount: number;
  /** Seconds. */
  timestamp: number;
}

export interface Place {
  blockNumber: number;
  transactionIndex: number;
}

/** A payment that spends an output, wherever it was served: verified, open, or in a block that was refused. */
export interface SeenSpend {
  hash: TransactionHash;
  transaction: SignedTransaction;
  /** Where the streamed or committed block has it; null when it was only seen in data that Ethereum contradicts. */
  place: Place | null;
  /** Who signed for the output. Served data that was not judged may have any signature, or none that is one. */
  signer: Address | null;
}

/** What is wrong with what was served. */
export type Breach =
  | {
      name: "invalidBlock";
      blockNumber: number;
      transactionIndex: number;
      rule: PaymentCode;
      hash: TransactionHash;
      context: Record<string, unknown>;
    }
  | { name: "unknownRoot"; blockNumber: number; committed: RootAndCount; served: RootAndCount }
  | {
      name: "reordered";
      blockNumber: number;
      transactionIndex: number;
      streamed: TransactionHash;
      /** Null where the committed block has ended. */
      committed: TransactionHash | null;
    };

export interface RootAndCount {
  root: Hex;
  count: number;
}

/** What the operator does not serve of a committed block. */
export interface MissingBlock {
  number: number;
  /** "no answer", "HTTP 404", "ends after 17 of 100 payments", "without signatures"… */
  reason: string;
}

export interface StepResult {
  /** Each is told in every result while it holds. */
  breaches: Breach[];
  /** The first committed block of which something is not served; null when nothing is known to be missing. */
  missing: MissingBlock | null;
  operator: { answered: boolean; problem: string | null; openBlock: number | null };
  /** There is more to do at once. */
  more: boolean;
  /** Unix milliseconds when the first streamed payment was first seen that no committed block has. */
  openSince: number | null;
  /** Why this side stores nothing more, or not all, of what is served; null: there is room. */
  room: string | null;
}

/**
 * A payment that a guarded address signed or is paid by; told when it is verified, also in the open block. After a restart or
 * a rollback it is told again.
 */
export interface GuardedPayment {
  /** Null: of a committed block that is not judged, being bad or behind a bad one; its signatures and sums are right. */
  place: Place | null;
  hash: TransactionHash;
  transaction: SignedTransaction;
  /** What it spends, with where that comes from. */
  inputs: LedgerOutput[];
}

export interface ChildChainOptions {
  dataDir: string;
  domain: Domain;
  operatorUrl: string;
  /** That hash and recover. */
  threads: number;
  /** Signatures of blocks up to this number are not recovered; roots and all other rules hold. */
  trustedHeight: number;
  /** Between two snapshots, which are made where a block ends. */
  snapshotPayments: number;
  /** The deposit with this output id if Ethereum has it now, however confirmed. */
  depositOf: DepositOf;
  /** Owners whose payments are told to `onPayment`. */
  guarded: ReadonlySet<Address>;
  onPayment: (payment: GuardedPayment) => void;
  /** Whether what `onPayment` was told is on the disk; always, when left out. */
  isKept?: () => boolean;
  log: Logger;
  fetch?: typeof fetch;
  /** Free bytes of the disk below which nothing of the operator's is stored. */
  reserveBytes?: number;
  /** For tests. */
  freeBytes?: (path: string) => number;
  /** For tests. */
  limits?: Partial<ChainLimits>;
}

/** Bounds that tests make small. */
export interface ChainLimits {
  /** A request to the operator is given up after this time, */
  requestMs: number;
  /** and when nothing came for this one. */
  stallMs: number;
  /** Work of one step. */
  stepMs: number;
  /** Streamed blocks ahead of the committed ones. */
  blocksAhead: number;
  /** First wait before a block with another root is loaded anew; it doubles up to 64 times that. */
  reloadMs: number;
  /** Of blocks that are stored without being judged. */
  unjudgedBytes: number;
}
