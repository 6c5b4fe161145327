import { GUARD_DAYS, Guarding } from "@plasma-billing/sdk";
import { Option, type Command } from "commander";
import { UsageError } from "../errors.ts";
import type { Runner } from "../runner.ts";

const DAYS_MAX = 3_650;

/** Being away: a watcher leaves for the account when the chain is not safe. */
export function guardCommand(program: Command, run: Runner): void {
  program
    .command("guard")
    .description(
      "authorize a watcher to exit for everything the account has, should the chain be unsafe; run it again after payments",
    )
    .addOption(
      new Option("--watcher <url>", "the watcher, which must guard the account")
        .env("WATCHER_URL")
        .makeOptionMandatory(),
    )
    .option("--days <count>", "how long it may, counted from now", String(GUARD_DAYS))
    .action(
      run(async (session, { watcher, days: text }: { watcher: string; days: string }) => {
        const days = Number(text);
        if (!URL.canParse(watcher)) throw new UsageError(`--watcher must be a URL: ${watcher}`);
        if (!Number.isSafeInteger(days) || days < 1 || days > DAYS_MAX) {
          throw new UsageError(`--days must be a whole number from 1 to ${DAYS_MAX}: ${text}`);
        }
        const { outputs, sent, bondOwner, deadline } = await new Guarding(await session.wallet(), {
          watcher,
          days,
        }).refresh();
        const until = new Date(deadline * 1000).toISOString();
        session.out.show({
          watcher,
          bondOwner: session.show(bondOwner),
          outputs,
          authorizations: sent,
          deadline,
          until,
        });
      }),
    );
}
