/** What can go wrong with Ethereum nodes. Whether it may go away by itself is the error's `retryable`, not its text. */
export type EthereumCode =
  | "UNREACHABLE"
  | "RPC_ERROR"
  | "BAD_ANSWER"
  | "NODE_BEHIND"
  | "NODES_DISAGREE"
  | "WRONG_CHAIN"
  | "WRONG_CONTRACT"
  | "REORG_PAST_FINAL";

const RETRYABLE: ReadonlySet<EthereumCode> = new Set([
  "UNREACHABLE",
  "RPC_ERROR",
  "BAD_ANSWER",
  "NODE_BEHIND",
  "NODES_DISAGREE",
]);

export class EthereumError extends Error {
  readonly code: EthereumCode;
  readonly context: Record<string, unknown>;

  constructor(code: EthereumCode, message: string, context: Record<string, unknown> = {}, cause?: unknown) {
    super(message, { cause });
    this.name = "EthereumError";
    this.code = code;
    this.context = context;
  }

  get retryable(): boolean {
    return RETRYABLE.has(this.code);
  }
}
