/** Why the operator does not start. */
export const STARTUP_CODES = [
  "WRONG_SETTINGS",
  "DATA_DIR_UNUSABLE",
  "DATA_DIR_IN_USE",
  "JOURNAL_DAMAGED",
  "JOURNAL_VERSION",
  "WRONG_JOURNAL",
  "SNAPSHOT_DAMAGED",
  "SNAPSHOT_VERSION",
  "SETTLEMENT_DAMAGED",
  "SETTLEMENT_VERSION",
  "SIGNER_UNREACHABLE",
  "WRONG_CHAIN",
  "WRONG_CONTRACT",
  "ETHEREUM_UNREACHABLE",
  "PORT_UNUSABLE",
] as const;
export type StartupCode = (typeof STARTUP_CODES)[number];

/** The operator cannot start; the message is one line that says what to do. */
export class StartupError extends Error {
  readonly code: StartupCode;
  readonly context: Record<string, unknown>;

  constructor(code: StartupCode, message: string, context: Record<string, unknown> = {}, cause?: unknown) {
    super(message.replaceAll(/\s*\n\s*/g, " "), { cause });
    this.name = "StartupError";
    this.code = code;
    this.context = context;
  }
}

/** The `code` of a system error (ENOSPC, EACCES, …), or null. */
export function systemCode(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}
