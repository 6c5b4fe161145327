import type { OutputId, TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Provider, Signer } from "ethers";
import type { OwnOutput } from "./book.ts";
import { WalletError } from "./errors.ts";
import { cannotFly, exitInFlight, followExit, processExits, startExits } from "./exits.ts";
import { bookOf, type ExitKit } from "./kit.ts";
import { RootChain } from "./rootChain.ts";

export interface LeaveOptions {
  kit: ExitKit;
  provider: Provider;
  /** The kit's owner, with ether for bonds and gas. */
  signer: Signer;
  /** Ethereum block of the contract's deployment: nothing before is read. */
  fromBlock?: number;
  /** Told each step. */
  log?: (line: string) => void;
}

/** What became of everything the kit has; safe to ask again, before and after `leave`. */
export interface Leaving {
  /** Outputs on their way: the exit's state, and from when it can be paid (Unix seconds). */
  outputs: { id: OutputId; token: Address; amount: bigint; state: string; exitableAt: number | null }[];
  /** In-flight payments that cannot be taken out now, and why. */
  stranded: { hash: TransactionHash; reason: string }[];
}

/**
 * Takes out everything a kit has, with the operator gone: standard exits of what blocks have, in-flight exits of the rest.
 * It asks the contract before each step, so it can be called again after it was interrupted, and does nothing twice.
 * @throws WalletError WRONG_SIGNER, WRONG_NETWORK, INSUFFICIENT_FUNDS, REVERTED
 */
export async function leave(options: LeaveOptions): Promise<Leaving> {
  const { kit, provider, signer, fromBlock = 0, log = () => undefined } = options;
  const rootChain = await RootChain.connect(provider, kit.contract, BigInt(kit.chainId));
  const address = (await signer.getAddress()).toLowerCase();
  if (address !== kit.owner) {
    throw new WalletError("WRONG_SIGNER", `the kit is ${kit.owner}'s, the key ${address}'s`, {
      owner: kit.owner,
      address,
    });
  }
  const book = bookOf(kit);
  const ready: OwnOutput[] = [];
  for (const id of kit.outputs) {
    const output = book.outputs.get(id) as OwnOutput;
    if (!book.isCommitted(output)) continue;
    const { state } = await followExit(rootChain, id, fromBlock);
    if (state === "none" || state === "unpayable") ready.push(output);
    else log(`${id} is ${state} already`);
  }
  const flights = kit.inFlight
    .flatMap((hash) => book.payments.get(hash) ?? [])
    .filter((one) => cannotFly(book, one) === null);
  await checkFunds(rootChain, provider, kit.owner, ready.length, flights.length);
  if (ready.length > 0) {
    const started = await startExits(rootChain, signer, book, ready);
    log(`${started.length} exits started`);
  }
  for (const payment of flights) {
    const { number, outputs } = await exitInFlight(rootChain, signer, book, payment, fromBlock);
    log(`in-flight exit ${number} of payment ${payment.hash}, ${outputs.length} of its inputs and outputs asked for`);
  }
  return await progress(rootChain, kit, fromBlock);
}

/** How far it is, without sending anything. */
export async function leaving({ kit, provider, fromBlock = 0 }: Omit<LeaveOptions, "signer">): Promise<Leaving> {
  return await progress(await RootChain.connect(provider, kit.contract, BigInt(kit.chainId)), kit, fromBlock);
}

/** Pays what is due by now in the queues of the kit's tokens, and claims what could not be pushed. Gives the entries handed in. */
export async function finishLeaving({ kit, provider, signer, fromBlock = 0 }: LeaveOptions): Promise<number> {
  const rootChain = await RootChain.connect(provider, kit.contract, BigInt(kit.chainId));
  let processed = 0;
  for (const token of tokensOf(kit)) {
    processed += await processExits(rootChain, signer, token, fromBlock);
    if ((await rootChain.claimable(token, kit.owner)) > 0n) await rootChain.send(signer, "claim", [token, kit.owner]);
  }
  return processed;
}

async function progress(rootChain: RootChain, kit: ExitKit, fromBlock: number): Promise<Leaving> {
  const book = bookOf(kit);
  const outputs: Leaving["outputs"] = [];
  for (const id of kit.outputs) {
    const { token, amount } = book.outputs.get(id) as OwnOutput;
    const { state, exitableAt } = await followExit(rootChain, id, fromBlock);
    outputs.push({ id, token, amount, state, exitableAt });
  }
  const stranded = kit.inFlight.flatMap((hash) => {
    const payment = book.payments.get(hash);
    const reason = payment === undefined ? null : cannotFly(book, payment);
    return reason === null ? [] : [{ hash, reason }];
  });
  return { outputs, stranded };
}

function tokensOf(kit: ExitKit): Set<Address> {
  const { outputs } = bookOf(kit);
  const inFlight = kit.payments.flatMap(({ transaction }) =>
    transaction.outputs.map(({ token }) => token.toLowerCase()),
  );
  return new Set([...[...outputs.values()].map(({ token }) => token), ...(inFlight as Address[])]);
}

async function checkFunds(
  rootChain: RootChain,
  provider: Provider,
  owner: Address,
  standard: number,
  flights: number,
): Promise<void> {
  const { standardExitBond, inFlightExitBond, piggybackBond } = await rootChain.exitTerms();
  const needed = standardExitBond * BigInt(standard) + (inFlightExitBond + piggybackBond) * BigInt(flights);
  const balance = await provider.getBalance(owner);
  if (balance >= needed) return;
  const context = { owner, balance: balance.toString(), needed: needed.toString() };
  throw new WalletError(
    "INSUFFICIENT_FUNDS",
    `the bonds of all exits are ${needed} wei beside gas, ${owner} has ${balance}`,
    context,
  );
}
