import type { Command } from "commander";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { ETHER } from "@plasma-billing/protocol/transaction.ts";
import { checkProof } from "@plasma-billing/sdk";
import { UsageError } from "../errors.ts";
import { keystoreAddress, readKey, writeKeystore } from "../keys.ts";
import type { Runner } from "../runner.ts";

const HISTORY_DEFAULT = "20";

/** The key, what it has, what it did. */
export function accountCommands(program: Command, run: Runner): void {
  keyCommands(program, run);
  fundCommands(program, run);
  historyCommand(program, run);
  lookCommands(program, run);
}

function keyCommands(program: Command, run: Runner): void {
  const keys = program.command("keys").description("make, take in or show the key, which stays in an encrypted file");
  keys
    .command("new")
    .description("make a new key")
    .action(
      run(async (session) => {
        const address = await writeKeystore(session.keystore, await session.password(true), null);
        session.out.show({ address, keystore: session.keystore });
      }),
    );
  keys
    .command("import")
    .description("take in a private key from standard input")
    .action(
      run(async (session) => {
        const key = await readKey();
        const address = await writeKeystore(session.keystore, await session.password(true), key);
        session.out.show({ address, keystore: session.keystore });
      }),
    );
  keys
    .command("address")
    .description("show whose key it is")
    .action(
      run(async (session) => {
        session.out.show({ address: session.show(session.address(await keystoreAddress(session.keystore))) });
      }),
    );
}

function fundCommands(program: Command, run: Runner): void {
  program
    .command("balance")
    .description("what the account can spend, and what is on its way in or out")
    .action(
      run(async (session) => {
        const wallet = await session.wallet();
        const balances = await wallet.balances();
        const shown = balances.map(async ({ token, available, pending, exiting }) => ({
          ...{ token: token === ETHER ? "ether" : session.show(token), available, pending, exiting },
          ...{
            availableText: await session.format(available, token),
            pendingText: await session.format(pending, token),
          },
          exitingText: await session.format(exiting, token),
        }));
        const columns = { token: "token", availableText: "available", pendingText: "pending", exitingText: "exiting" };
        session.out.list(await Promise.all(shown), columns, `${session.show(wallet.address)} has nothing yet`);
      }),
    );

  program
    .command("deposit")
    .description("bring ether or tokens from Ethereum to the child chain, and wait until they can be spent")
    .argument("<amount>", "how much, such as 1.5")
    .argument("[token]", "ether, or a token's address", "ether")
    .option("--no-wait", "end when Ethereum has it")
    .action(
      run(async (session, amount: string, token: string, { wait }: { wait: boolean }) => {
        const [units, { address }] = [await session.amount(amount, token), await session.token(token)];
        const wallet = await session.wallet();
        session.out.progress("depositing on Ethereum …");
        const deposited = await wallet.deposit({ token: address, amount: units });
        if (wait) {
          session.out.progress(`deposit ${deposited.depositId} is on Ethereum; waiting until it cannot be undone …`);
          await wallet.credited(deposited);
        }
        const { depositId, ethereumTransaction, id, permit } = deposited;
        session.out.show({ depositId, outputId: id, ethereumTransaction, permit, credited: wait });
      }),
    );
}

function historyCommand(program: Command, run: Runner): void {
  program
    .command("history")
    .description("the account's payments, newest first")
    .option("--limit <count>", "how many", HISTORY_DEFAULT)
    .action(
      run(async (session, { limit }: { limit: string }) => {
        const count = Number(limit);
        if (!Number.isSafeInteger(count) || count < 1) throw new UsageError("--limit must be a number above zero");
        const address = session.address(await keystoreAddress(session.keystore));
        const items = [];
        for await (const payment of session.operator.payments(address)) {
          if (items.length === count) break;
          const [first] = payment.outputs;
          const token = first?.token ?? ETHER;
          const of = (list: { owner: string; token: string; amount: bigint }[]): bigint =>
            list.reduce((sum, one) => (one.owner === address && one.token === token ? sum + one.amount : sum), 0n);
          const change = of(payment.outputs) - of(payment.inputs);
          items.push({
            ...{
              time: new Date(payment.acceptedAt).toISOString(),
              purpose: payment.transaction.purpose,
              hash: payment.hash,
            },
            ...{ change, changeText: await session.format(change, token), token, state: payment.state },
            ...{ fileId: payment.fileId, blockNumber: payment.blockNumber },
          });
        }
        const columns = {
          time: "time",
          purpose: "purpose",
          changeText: "change",
          state: "state",
          fileId: "file",
          hash: "payment",
        };
        session.out.list(items, columns, "no payments yet");
      }),
    );
}

function lookCommands(program: Command, run: Runner): void {
  program
    .command("proof")
    .description("show that a committed block has a payment, checked against the contract")
    .argument("<payment>", "its hash")
    .action(
      run(async (session, hash: string) => {
        if (!/^0x[0-9a-fA-F]{64}$/.test(hash)) throw new UsageError(`no hash of a payment: ${hash}`);
        const rootChain = await session.rootChain();
        const payment = await session.operator.payment(hash.toLowerCase() as Hex);
        const proof = await session.operator.proof(payment.hash);
        if (proof === null)
          throw new UsageError(`block ${payment.blockNumber} is not on Ethereum yet: ask again later`);
        await checkProof(rootChain, payment.transaction, proof);
        session.out.show({
          payment: payment.hash,
          ...proof,
          checked: `leads to block ${proof.header.number} as the contract has it`,
        });
      }),
    );

  program
    .command("status")
    .description("how the operator and the account stand")
    .action(
      run(async (session) => {
        const status = await session.operator.status();
        const minutes = Math.max(0, Math.ceil((status.nextCommitAt - Date.now()) / 60_000));
        session.out.show({
          ...{ operator: session.operator.url, chainId: status.chainId, contract: session.show(status.contract) },
          ...{ openHour: status.openBlock, nextCommitAt: new Date(status.nextCommitAt).toISOString(), minutes },
          ...{ paused: status.paused },
        });
      }),
    );
}
