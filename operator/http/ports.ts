import type { Logger } from "pino";
import type { Reads } from "../reads.ts";
import type { IntakeAnswer, IntakeRequest } from "./intake.ts";

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
  warnings: string[];
}

/** What the HTTP server needs of the operator. */
export interface OperatorPort {
  readonly reads: Reads;
  readonly log: Logger;
  /** Null: the administrator's routes do not exist. */
  readonly adminToken: string | null;
  submit(request: IntakeRequest): Promise<IntakeAnswer>;
  status(): Status;
  /** Why the operator is not ready; empty when it is. */
  unready(): string[];
  /** State of a block that is sealed but not on Ethereum. */
  settlementState(number: number): "sealed" | "sent" | "halted";
  /** Ends the open block; null when it is empty. */
  commitNow(): Promise<number | null>;
}
