import { blockHash } from "@plasma-billing/protocol/header.ts";
import { OUTPUTS_FROM } from "@plasma-billing/protocol/inFlightExits.ts";
import { outputId, type OutputId, type TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Provider, Signer } from "ethers";
import type { Book, KnownPayment, OwnOutput } from "./book.ts";
import { WalletError } from "./errors.ts";
import { ExitHistory } from "./exitHistory.ts";
import { exitInFlight, planFlight, processExits, startExits, type FlightPlan } from "./exits.ts";
import { bookOf, type ExitKit } from "./kit.ts";
import { RootChain } from "./rootChain.ts";

export interface LeaveOptions {
  kit: ExitKit;
  provider: Provider;
  /** The kit's owner, with ether for bonds and gas. */
  signer: Signer;
  /** Ethereum block of the contract's deployment: nothing before is read. */
  fromBlock?: number;
  /**
   * The first block that is invalid or withheld, as a watcher names it: from there on nothing counts as committed. What those blocks
   * have of the owner's leaves in flight.
   */
  firstBadBlock?: number;
  /** Told each step. */
  log?: (line: string) => void;
}

/** What became of everything the kit has; safe to ask again, before and after `leave`. */
export interface Leaving {
  /**
   * Outputs on their way: the exit's state, and from when it can be paid (Unix seconds). Of an in-flight exit those outputs of
   * the payment that are asked for; once it ended against the payment, its inputs.
   */
  outputs: { id: OutputId; token: Address; amount: bigint; state: string; exitableAt: number | null }[];
  /** Payments in flight, and outputs, that cannot be taken out now, and why. */
  stranded: { hash: TransactionHash | OutputId; reason: string }[];
}

/** What is still to be sent. */
interface Plan {
  standard: OwnOutput[];
  flights: FlightPlan[];
  stranded: Leaving["stranded"];
}

/**
 * Takes out everything a kit has, with the operator gone: standard exits of what blocks have, in-flight exits of the rest.
 * It asks the contract before each step, so it can be called again after it was interrupted, and does nothing twice. What
 * the contract refuses is told as stranded and hinders nothing else.
 * @throws WalletError WRONG_SIGNER, WRONG_NETWORK, INSUFFICIENT_FUNDS before anything is sent
 */
export async function leave(options: LeaveOptions): Promise<Leaving> {
  const { kit, provider, signer, fromBlock = 0, firstBadBlock, log = () => undefined } = options;
  const rootChain = await RootChain.connect(provider, kit.contract, BigInt(kit.chainId));
  const address = (await signer.getAddress()).toLowerCase();
  if (address !== kit.owner) {
    throw new WalletError("WRONG_SIGNER", `the kit is ${kit.owner}'s, the key ${address}'s`, {
      owner: kit.owner,
      address,
    });
  }
  const { book, undone } = await checkedBook(rootChain, kit, firstBadBlock);
  const history = await ExitHistory.read(rootChain, fromBlock);
  const { standard, flights, stranded } = await planOf(rootChain, kit, { book, undone }, history);
  await checkFunds(rootChain, kit.owner, standard.length, flights);
  const refused = [...stranded];
  if (standard.length > 0) {
    const starts = await startExits(rootChain, signer, book, standard);
    log(`${starts.started.length} exits started`);
    for (const { id, reason } of starts.refused) refused.push({ hash: id, reason });
  }
  for (const flight of flights) {
    const { hash } = flight.payment;
    try {
      const { number, outputs } = await exitInFlight(rootChain, signer, book, history, flight);
      log(`in-flight exit ${number} of payment ${hash}, ${outputs.length} of its inputs and outputs asked for`);
    } catch (error) {
      if (!(error instanceof WalletError) || error.code !== "REVERTED") throw error;
      refused.push({ hash, reason: error.message });
    }
  }
  for (const { hash, reason } of refused) log(`${hash} is stranded: ${reason}`);
  return { outputs: outputsOf(kit, book, await ExitHistory.read(rootChain, fromBlock)), stranded: refused };
}

/** How far it is, without sending anything. */
export async function leaving(options: Omit<LeaveOptions, "signer">): Promise<Leaving> {
  const { kit, provider, fromBlock = 0, firstBadBlock } = options;
  const rootChain = await RootChain.connect(provider, kit.contract, BigInt(kit.chainId));
  const { book, undone } = await checkedBook(rootChain, kit, firstBadBlock);
  const history = await ExitHistory.read(rootChain, fromBlock);
  const { stranded } = await planOf(rootChain, kit, { book, undone }, history);
  return { outputs: outputsOf(kit, book, history), stranded };
}

/** Pays what is due by now in the queues of the kit's tokens, and claims what could not be pushed. Gives the entries handed in. */
export async function finishLeaving({ kit, provider, signer, fromBlock = 0 }: LeaveOptions): Promise<number> {
  const rootChain = await RootChain.connect(provider, kit.contract, BigInt(kit.chainId));
  const address = (await signer.getAddress()).toLowerCase();
  let processed = 0;
  for (const token of new Set([...bookOf(kit).outputs.values()].map((output) => output.token))) {
    processed += await processExits(rootChain, signer, token, fromBlock);
    // A credit is paid to its owner's call only.
    if (address === kit.owner && (await rootChain.claimable(token, kit.owner)) > 0n) {
      await rootChain.send(signer, "claim", [token, kit.owner]);
    }
  }
  return processed;
}

interface CheckedBook {
  book: Book;
  /** The owner's payments whose proofs do not count. */
  undone: TransactionHash[];
}

/** What the kit knows; without proofs of blocks that Ethereum has not, or not so any more, and of bad ones. */
async function checkedBook(rootChain: RootChain, kit: ExitKit, firstBadBlock = Infinity): Promise<CheckedBook> {
  const book = bookOf(kit);
  const kept = new Map<number, Promise<string>>();
  const undone: TransactionHash[] = [];
  for (const { hash, transaction, signed, proof } of [...book.payments.values()]) {
    if (proof === null) continue;
    const { number } = proof.header;
    const there = kept.get(number) ?? rootChain.blockHash(number);
    kept.set(number, there);
    if (number < firstBadBlock && (await there) === blockHash(proof.header)) continue;
    book.apply({ kind: "unproven", hash });
    if (signed || transaction.outputs.some(({ owner }) => owner === kit.owner)) undone.push(hash);
  }
  return { book, undone };
}

async function planOf(
  rootChain: RootChain,
  kit: ExitKit,
  { book, undone }: CheckedBook,
  history: ExitHistory,
): Promise<Plan> {
  const plan: Plan = { standard: [], flights: [], stranded: [] };
  const uncommitted = new Set<TransactionHash>([...kit.inFlight, ...undone]);
  for (const id of kit.outputs) {
    const output = book.outputs.get(id) as OwnOutput;
    // Its exit would be challenged, with the owner's own signature.
    if (output.spentBy !== null) continue;
    if (!book.isCommitted(output)) {
      if ("hash" in output.source) uncommitted.add(output.source.hash);
    } else if (["none", "unpayable", "unpaid"].includes(history.progressOf(id).state)) plan.standard.push(output);
  }
  for (const hash of uncommitted) {
    const payment = book.payments.get(hash);
    if (payment === undefined || payment.proof !== null) continue;
    const flight = await planFlight(rootChain, book, history, payment);
    if (typeof flight === "string") plan.stranded.push({ hash, reason: flight });
    else if (flight !== null) plan.flights.push(flight);
  }
  return plan;
}

/** The kit's outputs, and beside them what in-flight exits of its payments are asked to pay. */
function outputsOf(kit: ExitKit, book: Book, history: ExitHistory): Leaving["outputs"] {
  const ids = new Set(kit.outputs);
  for (const payment of book.payments.values()) for (const id of askedFor(payment, history)) ids.add(id);
  return [...ids].flatMap((id) => {
    const output = book.outputs.get(id);
    if (output === undefined) return [];
    const { state, exitableAt } = history.progressOf(id);
    return [{ id, token: output.token, amount: output.amount, state, exitableAt }];
  });
}

function askedFor({ hash, transaction }: KnownPayment, history: ExitHistory): OutputId[] {
  const flight = history.flightOf(hash);
  if (flight === null) return [];
  const isAsked = (index: number): boolean => flight.piggybacks.has(index);
  if (flight.canonical === false) return transaction.inputs.filter((_, i) => isAsked(i));
  return transaction.outputs.map((_, i) => outputId(hash, i)).filter((_, i) => isAsked(OUTPUTS_FROM + i));
}

async function checkFunds(
  rootChain: RootChain,
  owner: Address,
  standard: number,
  flights: readonly FlightPlan[],
): Promise<void> {
  const { standardExitBond, inFlightExitBond, piggybackBond } = await rootChain.exitTerms();
  const needed = flights.reduce(
    (sum, { running, missing }) =>
      sum + (running === null ? inFlightExitBond : 0n) + piggybackBond * BigInt(missing.length),
    standardExitBond * BigInt(standard),
  );
  const balance = await rootChain.provider.getBalance(owner);
  if (balance >= needed) return;
  const context = { owner, balance: balance.toString(), needed: needed.toString() };
  throw new WalletError(
    "INSUFFICIENT_FUNDS",
    `the bonds of all exits are ${needed} wei beside gas, ${owner} has ${balance}`,
    context,
  );
}
