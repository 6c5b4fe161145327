import type { Command } from "commander";
import type { SwapTerms } from "@plasma-billing/sdk";
import { UsageError } from "../errors.ts";
import type { Runner } from "../runner.ts";
import type { Session } from "../session.ts";

/** The service node's token against a storage provider's. */
export function swapCommands(program: Command, run: Runner): void {
  const swap = program.command("swap").description("exchange tokens between the service node and a storage provider");
  swap
    .command("propose")
    .description("the service node's half: bound until it expires")
    .argument("<storage>", "address of the storage provider")
    .requiredOption("--give <amount>", "what the service node gives")
    .requiredOption("--give-token <token>", "ether, or a token's address")
    .requiredOption("--take <amount>", "what it gets")
    .requiredOption("--take-token <token>", "ether, or a token's address")
    .action(
      run(async (session, storage: string, options: SwapOptions) => {
        const { market } = await session.wallet();
        const proposal = await market.swap({
          storage: session.address(storage),
          ...(await sidesOf(session, options)),
        });
        session.out.show({ swap: proposal.hash, expiresAt: new Date(proposal.expiresAt * 1000).toISOString() });
      }),
    );
  swap
    .command("list")
    .description("swaps that wait for the account's signature")
    .action(
      run(async (session) => {
        const { market } = await session.wallet();
        const items = (await market.waitingSwaps()).map(({ hash, transaction, expiresAt }) => ({
          ...{ swap: hash, expiresAt: new Date(expiresAt * 1000).toISOString() },
          outputs: transaction.outputs,
        }));
        session.out.list(items, { swap: "swap", expiresAt: "expires" }, "no swap waits");
      }),
    );
  swap
    .command("accept")
    .description("the storage provider's half, if these are its terms")
    .argument("<swap>", "its hash")
    .requiredOption("--give <amount>", "what this account gives")
    .requiredOption("--give-token <token>", "ether, or a token's address")
    .requiredOption("--take <amount>", "what it gets")
    .requiredOption("--take-token <token>", "ether, or a token's address")
    .action(
      run(async (session, hash: string, options: SwapOptions) => {
        const { market } = await session.wallet();
        const proposal = (await market.waitingSwaps()).find((one) => one.hash === hash.toLowerCase());
        if (proposal === undefined) throw new UsageError(`no swap ${hash} waits for this account`);
        const paid = await market.acceptSwap(proposal, {
          ...(await sidesOf(session, options)),
        });
        session.out.show({
          payment: paid.hash,
          hour: paid.blockNumber,
          place: paid.transactionIndex,
          state: "accepted",
        });
      }),
    );
}

interface SwapOptions {
  give: string;
  giveToken: string;
  take: string;
  takeToken: string;
}

/** What the account gives and gets. */
async function sidesOf(session: Session, options: SwapOptions): Promise<Pick<SwapTerms, "gives" | "takes">> {
  const side = async (amount: string, token: string): Promise<SwapTerms["gives"]> => ({
    token: (await session.token(token)).address,
    amount: await session.amount(amount, token),
  });
  return {
    gives: await side(options.give, options.giveToken),
    takes: await side(options.take, options.takeToken),
  };
}
