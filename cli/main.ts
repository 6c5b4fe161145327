#!/usr/bin/env node
// `plasma`: the SDK's wallet for a terminal.
import { readFileSync } from "node:fs";
import { LyingOperatorError, OperatorError, WalletError, WatcherError } from "@plasma-billing/sdk";
import { Command, CommanderError, Option } from "commander";
import { accountCommands } from "./commands/account.ts";
import { guardCommand } from "./commands/guard.ts";
import { leavingCommands } from "./commands/leaving.ts";
import { paymentCommands } from "./commands/payments.ts";
import { swapCommands } from "./commands/swaps.ts";
import { UsageError } from "./errors.ts";
import type { Runner } from "./runner.ts";
import { DEFAULT_HOME, Session, type GlobalOptions } from "./session.ts";

const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")) as { version: string };

const program = new Command("plasma")
  .description("Pay, be paid, withdraw and leave: the wallet of the Plasma Billing child chain.")
  .version(version)
  .addOption(new Option("--operator <url>", "the operator").env("OPERATOR_URL").default("http://127.0.0.1:3001"))
  .addOption(new Option("--rpc <url>", "an Ethereum node").env("L1_RPC_URL").default("http://127.0.0.1:8545"))
  .addOption(
    new Option("--keystore <file>", "the encrypted key (default: key.json in the home folder)").env("PLASMA_KEYSTORE"),
  )
  .addOption(new Option("--password-file <file>", "its password; asked for when left out").env("PLASMA_PASSWORD_FILE"))
  .addOption(
    new Option("--home <folder>", "where wallets and exit kits are kept").env("PLASMA_HOME").default(DEFAULT_HOME),
  )
  .addOption(new Option("--contract <address>", "the only contract to trust").env("ROOT_CHAIN_ADDRESS"))
  .addOption(
    new Option("--from-block <number>", "Ethereum block of its deployment").env("ROOT_CHAIN_FROM_BLOCK").default("0"),
  )
  .option("--json", "answer in JSON, amounts in the smallest unit")
  .option("--units", "amounts are in the token's smallest unit")
  .showHelpAfterError()
  .configureHelp({ showGlobalOptions: true })
  .exitOverride();

const run: Runner =
  (work) =>
  async (...args) => {
    const session = new Session(program.opts<GlobalOptions>());
    try {
      await work(session, ...args);
    } finally {
      await session.close();
    }
  };

accountCommands(program, run);
paymentCommands(program, run);
swapCommands(program, run);
leavingCommands(program, run);
guardCommand(program, run);

try {
  await program.parseAsync();
  process.exit(0);
} catch (error) {
  process.exit(tell(error));
}

/** One line of what went wrong; a stack only for a fault of ours. */
function tell(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode;
  const known =
    error instanceof UsageError ||
    error instanceof WalletError ||
    error instanceof OperatorError ||
    error instanceof WatcherError ||
    error instanceof LyingOperatorError;
  const code = error instanceof LyingOperatorError ? "LYING_OPERATOR" : (error as { code?: unknown }).code;
  const message = error instanceof Error ? error.message : String(error);
  if (program.opts<GlobalOptions>().json === true) {
    process.stderr.write(`${JSON.stringify({ code: code ?? "FAILED", message })}\n`);
  } else if (known) process.stderr.write(`${message.startsWith(String(code)) ? "" : `${String(code)}: `}${message}\n`);
  else process.stderr.write(`${error instanceof Error ? (error.stack ?? message) : message}\n`);
  return 1;
}
