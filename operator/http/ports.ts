import type { NodeHealth } from "@plasma-billing/ethereum/nodes.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Logger } from "pino";
import type { Alarm } from "../alarms.ts";
import type { Preparation } from "../market/prepare.ts";
import type { Registrar } from "../market/registrar.ts";
import type { Reads } from "../reads.ts";
import type { SettlementState } from "../settlement/planner.ts";
import type { TokenView } from "../tokens.ts";
import type { IntakeAnswer, IntakeRequest } from "./intake.ts";

/** The way of the hours to Ethereum. */
export interface SettlementStatus {
  /** Those that are not final there, oldest first. */
  blocks: {
    number: number;
    state: SettlementState;
    transactionCount: number;
    /** Unix milliseconds. */
    sealedAt: number;
    nonce: number | null;
    /** Signed so far. */
    attempts: number;
    /** The commit on Ethereum, else the one signed last. */
    transaction: string | null;
  }[];
  oldestUnlandedSeconds: number | null;
  /** Of all commits so far, in wei. */
  feesPaid: string;
  /** In wei. */
  balance: string | null;
  /** At the fees of now. */
  hoursOfFeesLeft: number | null;
  /** What nodes said of the commit sent last; they may be wrong. */
  refusals: string[];
  nodes: NodeHealth[];
}

/** How the operator and Ethereum are doing, as `GET /v1/status` says. */
export interface Status {
  chainId: number;
  contract: string;
  version: string;
  operator: string;
  openBlock: number;
  /** Unix milliseconds. */
  nextCommitAt: number;
  /** Numbers of the newest such block, null when there is none. */
  lastCommitted: number | null;
  lastFinalized: number | null;
  /** Sealed blocks that Ethereum does not hold. */
  backlog: number;
  ethereum: { head: number | null; finalized: number | null; healthy: boolean };
  paused: boolean;
  /** The alarms in words. */
  warnings: string[];
  alarms: Alarm[];
  settlement: SettlementStatus;
}

/** What the HTTP server needs of the operator. */
export interface OperatorPort {
  readonly reads: Reads;
  readonly registrar: Registrar;
  readonly preparation: Preparation;
  readonly log: Logger;
  /** Null: the administrator's routes do not exist. */
  readonly adminToken: string | null;
  /** Unix milliseconds. */
  now(): number;
  submit(request: IntakeRequest): Promise<IntakeAnswer>;
  status(): Status;
  /** In the text format of Prometheus. */
  metrics(): Promise<string>;
  /** What tokens call themselves. */
  tokens(tokens: readonly Address[]): Promise<TokenView[]>;
  /** Why the operator is not ready; empty when it is. */
  unready(): string[];
  /** State of a block that is sealed but not on Ethereum. */
  settlementState(number: number): "sealed" | "sent" | "halted";
  /** Whether new payments are refused; until the process ends. */
  pause(paused: boolean): void;
  /** Has the listener called whenever further entries are on the disk. */
  onDurable(listener: () => void): void;
  /** Ends the open block; null when it is empty. */
  commitNow(): Promise<number | null>;
}
