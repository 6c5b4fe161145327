// A storage provider: gives its token for the service node's income, at its rate and no other, and takes that to Ethereum.
import { COIN, MONEY, openWallet, RATE, say, setting, until } from "./setup.ts";

const wallet = await openWallet();
await wallet.market.register("storage");
await wallet.credited(await wallet.deposit({ token: COIN, amount: BigInt(setting("DEPOSIT")) }));
say("deposited, waiting for swaps");

const paid = await until(async () => {
  await wallet.sync();
  for (const proposal of await wallet.market.waitingSwaps()) {
    const { outputs } = proposal.transaction;
    const amount = outputs
      .filter(({ owner, token }) => owner === wallet.address && token === MONEY)
      .reduce((sum, output) => sum + output.amount, 0n);
    // Signed only if it gives and takes exactly this, and every input can be shown to Ethereum.
    const gives = { token: COIN, amount: amount * RATE };
    return await wallet.market.acceptSwap(proposal, { gives, takes: { token: MONEY, amount } });
  }
  return null;
});
say(`swapped in payment ${paid.hash.slice(0, 10)}…; waiting for the hour to withdraw`);
await wallet.committed(paid.hash);
const exits = await wallet.withdraw({ token: MONEY });
say(`started ${exits.length} exits`);
process.exit(0);
