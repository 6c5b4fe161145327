import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { decodeKit, encodeKit, finishLeaving, leave, leaving, type Leaving } from "@plasma-billing/sdk";
import { textFile } from "@plasma-billing/sdk/node";
import { UsageError } from "../errors.ts";
import type { Runner } from "../runner.ts";
import type { Session } from "../session.ts";

interface ExitOptions {
  kit: string;
  look?: boolean;
  firstBadBlock?: string;
}

/** Back to Ethereum: with the operator there, or without it. */
export function leavingCommands(program: Command, run: Runner): void {
  withdrawCommands(program, run);
  exitCommands(program, run);
}

function withdrawCommands(program: Command, run: Runner): void {
  const withdraw = program.command("withdraw").description("take ether or tokens back to Ethereum");
  withdraw
    .command("start")
    .description("start the exits; an amount may first have to be set apart, until its hour is committed")
    .argument("[amount]", "how much, such as 1.5; all that is committed when left out")
    .option("--token <token>", "ether, or a token's address", "ether")
    .action(
      run(async (session, amount: string | undefined, { token }: { token: string }) => {
        const { address } = await session.token(token);
        const units = amount === undefined ? {} : { amount: await session.amount(amount, token) };
        const wallet = await session.wallet();
        if (amount !== undefined) session.out.progress("setting it apart; this may wait for the hour's commit …");
        const started = await wallet.withdraw({ token: address, ...units });
        const items = started.map(({ number, outputs, exitableAt }) => ({
          ...{ exit: number, outputId: outputs[0], exitableAt, payable: new Date(exitableAt * 1000).toISOString() },
        }));
        session.out.list(items, { exit: "exit", payable: "payable from", outputId: "output" }, "nothing was started");
      }),
    );
  withdraw
    .command("list")
    .description("how far the account's exits are")
    .action(
      run(async (session) => {
        const wallet = await session.wallet();
        const leavingOnes = [...wallet.book.outputs.values()].filter((output) => output.leaving);
        const items = await Promise.all(
          leavingOnes.map(async ({ id, token, amount }) => {
            const { state, number, exitableAt } = await wallet.exitOf(id);
            const payable = exitableAt === null ? null : new Date(exitableAt * 1000).toISOString();
            return {
              exit: number,
              state,
              amount,
              amountText: await session.format(amount, token),
              payable,
              outputId: id,
            };
          }),
        );
        const columns = {
          exit: "exit",
          state: "state",
          amountText: "amount",
          payable: "payable from",
          outputId: "output",
        };
        session.out.list(items, columns, "nothing is on its way out");
      }),
    );
  withdraw
    .command("finish")
    .description("pay what is due, and claim what could not be pushed")
    .option("--token <token>", "ether, or a token's address", "ether")
    .action(
      run(async (session, { token }: { token: string }) => {
        const { address } = await session.token(token);
        const wallet = await session.wallet();
        const processed = await wallet.process(address);
        const claimed = await wallet.claim(address);
        session.out.show({ processed, claimed });
      }),
    );
}

function exitCommands(program: Command, run: Runner): void {
  program
    .command("kit")
    .description("write the exit kit: one file with which everything leaves without the operator")
    .argument("<file>", "where to")
    .action(
      run(async (session, file: string) => {
        const wallet = await session.wallet();
        const kit = wallet.kit();
        await textFile(file).save(encodeKit(kit));
        session.out.show({ file, outputs: kit.outputs.length, inFlight: kit.inFlight.length });
      }),
    );

  program
    .command("exit")
    .description(
      "leave with everything, needing an Ethereum node and the kit only; run it again to go on, and when the time has come",
    )
    .requiredOption("--kit <file>", "the exit kit")
    .option("--first-bad-block <number>", "the block a watcher found invalid or withheld: nothing from it on counts")
    .option("--look", "only tell how far it is: no key is needed")
    .action(
      run(async (session, { kit: file, look, firstBadBlock }: ExitOptions) => {
        const kit = decodeKit(await readFile(file, "utf8"));
        const { provider, fromBlock, out } = session;
        const bad = firstBadBlock === undefined ? {} : { firstBadBlock: blockNumberOf(firstBadBlock) };
        const asked = { kit, provider, fromBlock, ...bad };
        if (look === true) return await showLeaving(session, await leaving(asked));
        const options = {
          ...asked,
          signer: await session.signer(),
          log: (line: string) => out.progress(line),
        };
        const state = await leave(options);
        if (state.outputs.some((output) => output.state === "processable")) {
          out.progress(`${await finishLeaving(options)} entries of the queues are worked off`);
        }
        await showLeaving(session, await leaving(asked));
      }),
    );
}

function blockNumberOf(text: string): number {
  if (!/^[1-9][0-9]{0,9}$/.test(text))
    throw new UsageError(`--first-bad-block must be the number of a block, not ${text}`);
  return Number(text);
}

async function showLeaving(session: Session, { outputs, stranded }: Leaving): Promise<void> {
  const items = await Promise.all(
    outputs.map(async ({ id, token, amount, state, exitableAt }) => ({
      ...{ outputId: id, token, amount, amountText: await session.format(amount, token), state },
      payable: exitableAt === null ? null : new Date(exitableAt * 1000).toISOString(),
    })),
  );
  session.out.list(
    items,
    { amountText: "amount", state: "state", payable: "payable from", outputId: "output" },
    "the kit has nothing",
  );
  for (const { hash, reason } of stranded) session.out.progress(`payment ${hash} cannot leave now: ${reason}`);
}
