import { EthereumError } from "../errors.ts";

/** Why an operator or a watcher does not start. */
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
  "WINDOW_TOO_SHORT",
] as const;
export type StartupCode = (typeof STARTUP_CODES)[number];

/** The process cannot start; the message is one line that says what to do. */
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

/** What the first look at Ethereum found, as a reason not to start. */
export function explainEthereum(error: unknown): never {
  if (!(error instanceof EthereumError)) throw error;
  const { message, context } = error;
  switch (error.code) {
    case "WRONG_CHAIN":
      throw new StartupError("WRONG_CHAIN", `${message}: set L1_RPC_URLS to nodes of one chain`, context, error);
    case "WRONG_CONTRACT":
      throw new StartupError(
        "WRONG_CONTRACT",
        `${message}: set ROOT_CHAIN_ADDRESS to the address that the deployment printed`,
        context,
        error,
      );
    default:
      throw new StartupError("ETHEREUM_UNREACHABLE", `${message}: set L1_RPC_URLS to a node that runs`, context, error);
  }
}

/** Has a server listen. @throws StartupError PORT_UNUSABLE */
export async function listen(
  server: { listen: (at: { host: string; port: number }) => Promise<unknown> },
  { host, port }: { host: string; port: number },
): Promise<void> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    const message = `cannot listen on ${host}:${port} (${systemCode(error) ?? String(error)}): set another PORT or HOST`;
    throw new StartupError("PORT_UNUSABLE", message, { host, port }, error);
  }
}

/** Ends the process: with one line for what somebody can mend, with a stack for what is a fault of ours. */
export function refuseToStart(error: unknown): never {
  if (error instanceof StartupError) process.stderr.write(`${error.code}: ${error.message}\n`);
  else process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
}
