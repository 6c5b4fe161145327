import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { OUTPUTS_FROM } from "@plasma-billing/protocol/inFlightExits.ts";
import {
  outputId,
  PURPOSES,
  type Deposit,
  type OutputId,
  type Transaction,
  type TransactionHash,
} from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { AbiCoder, ZeroAddress, type Signer } from "ethers";
import { isComplete, type Book, type KnownPayment, type OwnOutput } from "./book.ts";
import { WalletError } from "./errors.ts";
import type { Proof } from "./operatorClient.ts";
import type { ContractEvent, RootChain } from "./rootChain.ts";

/** Exits in one transaction: some 75,000 gas each, well below what a block takes. */
const STARTS_A_CALL = 50;
const PROCESSED_A_CALL = 20;
const STANDARD_EXIT =
  "tuple(uint40 number,address owner,address token,uint256 amount,address bondOwner,uint216 depositRecord)";
const OUTPUTS = "tuple(address owner,address token,uint256 amount)[]";
const IN_FLIGHT_EXIT = [
  ...["uint128 priority", "uint64 startedAt", "uint64 salt", "address bondOwner", "bytes32[] inputIds"],
  ...[`${OUTPUTS} inputs`, `${OUTPUTS} outputs`],
];
/** Of a queue's key: its first 34 bits are the time. */
const TIME_SHIFT = 94n;
/** The caller is the owner: nobody's signature is needed. */
const BY_OWNER = { bondOwner: ZeroAddress, deadline: 0, signature: "0x" };
const NO_EXIT = {
  number: 0,
  owner: ZeroAddress,
  token: ZeroAddress,
  amount: 0,
  bondOwner: ZeroAddress,
  depositRecord: 0,
};

/** A standard exit, or the in-flight exit of a payment with what is to be paid of it. */
export interface StartedExit {
  number: number;
  kind: "standard" | "inFlight";
  /** Output ids; of an in-flight exit those that are piggybacked. */
  outputs: OutputId[];
  /** Of an in-flight exit. */
  transactionHash: TransactionHash | null;
  /** Unix seconds, Ethereum's: from then on it can be paid. */
  exitableAt: number;
}

/** Where an output's way out stands. */
export interface ExitProgress {
  state: "none" | "started" | "processable" | "challenged" | "finalized" | "unpayable";
  number: number | null;
  /** Unix seconds. */
  exitableAt: number | null;
}

/** A transaction as the contract takes it. */
function solidityOf({ purpose, inputs, outputs, fileHash }: Transaction): object {
  return { purpose: PURPOSES[purpose], inputs, outputs, fileHash };
}

/** Starts standard exits of committed outputs, many in a transaction. `onSent` is told what is under way before it is. */
export async function startExits(
  rootChain: RootChain,
  signer: Signer,
  book: Book,
  outputs: readonly OwnOutput[],
): Promise<StartedExit[]> {
  const { standardExitBond } = await rootChain.exitTerms();
  const deposits: { deposit: Deposit; authorization: object }[] = [];
  const payments: { output: object; authorization: object }[] = [];
  for (const output of outputs) {
    const { source } = output;
    if ("deposit" in source) deposits.push({ deposit: source.deposit, authorization: BY_OWNER });
    else payments.push({ output: provenOutput(book, source.hash, source.index), authorization: BY_OWNER });
  }
  const started: StartedExit[] = [];
  for (const [name, requests] of [
    ["startDepositExits", deposits],
    ["startStandardExits", payments],
  ] as const) {
    for (let at = 0; at < requests.length; at += STARTS_A_CALL) {
      const chunk = requests.slice(at, at + STARTS_A_CALL);
      const receipt = await rootChain.send(signer, name, [chunk], standardExitBond * BigInt(chunk.length));
      for (const { args } of rootChain.eventsOf(receipt).filter((event) => event.name === "ExitStarted")) {
        started.push({
          ...{ number: Number(args["number"]), kind: "standard", outputs: [args["outputId"] as OutputId] },
          ...{ transactionHash: null, exitableAt: Number((args["priority"] as bigint) >> TIME_SHIFT) },
        });
      }
    }
  }
  return started;
}

/** Why an in-flight exit of a payment cannot be started with what the book has; null when it can. */
export function cannotFly(book: Book, { transaction, hash }: KnownPayment): string | null {
  if (!isComplete(transaction)) return "not all of its payers have signed it";
  const other = transaction.inputs
    .map((id) => book.outputs.get(id)?.spentBy ?? hash)
    .find((spender) => spender !== hash);
  if (other !== undefined) return `payment ${other} was signed later for what it spends`;
  const missing = transaction.inputs.filter((id) => !book.hasSource(id));
  return missing.length === 0 ? null : `no proof of what it spends (${missing.join(", ")}): its block must land first`;
}

/**
 * Starts the in-flight exit of a payment, if it has none, and piggybacks what of it is the owner's and not signed away:
 * inputs that only this payment spends, and outputs.
 */
export async function exitInFlight(
  rootChain: RootChain,
  signer: Signer,
  book: Book,
  payment: KnownPayment,
  fromBlock: number,
): Promise<StartedExit> {
  const { transaction, hash } = payment;
  const terms = await rootChain.exitTerms();
  let running = await findInFlight(rootChain, hash, fromBlock);
  if (running === null) {
    const sources = transaction.inputs.map((id) => ({ id, creator: book.creatorOf(id) }));
    const payments = sources.flatMap(({ creator }) =>
      creator === null ? [] : [provenOutput(book, creator.payment.hash, creator.index)],
    );
    const deposits = sources.flatMap(({ id, creator }) =>
      creator === null ? [{ deposit: book.deposits.get(id) as Deposit, exit: NO_EXIT }] : [],
    );
    const args = [solidityOf(transaction), transaction.signatures, payments, deposits, "0x"];
    await rootChain.send(signer, "startInFlightExit", args, terms.inFlightExitBond);
    running = await findInFlight(rootChain, hash, fromBlock);
    if (running === null) throw new WalletError("NOT_READY", "the exit that was started is not to be seen", { hash });
  }
  const { number, data, piggybacks } = running;
  const wanted = ownPiggybacks(book, payment);
  const missing = wanted.filter(({ index }) => !piggybacks.includes(index));
  if (missing.length > 0) {
    const requests = missing.map(({ index }) => ({ index, authorization: BY_OWNER }));
    const value = terms.piggybackBond * BigInt(missing.length);
    await rootChain.send(signer, "piggybacks", [{ id: hash, data }, requests], value);
  }
  const exitableAt = Number(priorityOf(data) >> TIME_SHIFT);
  return { number, kind: "inFlight", outputs: wanted.map(({ id }) => id), transactionHash: hash, exitableAt };
}

/** What of a payment its owner may ask to be paid for: inputs it signed away here only, outputs it has not signed away. */
function ownPiggybacks(book: Book, { hash, transaction }: KnownPayment): { index: number; id: OutputId }[] {
  const inputs = transaction.inputs.flatMap((id, index) => {
    const known = book.outputs.get(id) ?? ownedSource(book, id);
    return known !== null && (known.spentBy === null || known.spentBy === hash) ? [{ index, id }] : [];
  });
  const outputs = transaction.outputs.flatMap(({ owner }, i) => {
    const id = outputId(hash, i);
    const own = book.outputs.get(id);
    return owner === book.owner && own !== undefined && own.spentBy === null ? [{ index: OUTPUTS_FROM + i, id }] : [];
  });
  return [...inputs, ...outputs];
}

/** How far the way out of an output is. */
export async function followExit(rootChain: RootChain, id: OutputId, fromBlock: number): Promise<ExitProgress> {
  const events = await rootChain.events(
    ["ExitStarted", "ExitChallenged", "ExitUnpayable", "InFlightExitStarted", "Piggybacked", "PiggybackChallenged"],
    fromBlock,
  );
  const of = (name: string): ContractEvent | undefined =>
    events.findLast((event) => event.name === name && event.args["outputId"] === id);
  const started = [of("ExitStarted"), of("Piggybacked")]
    .filter((event) => event !== undefined)
    .sort((a, b) => Number(b.args["number"]) - Number(a.args["number"]))[0];
  const finalizedBy = await rootChain.finalizedBy(id);
  if (finalizedBy !== 0) return { state: "finalized", number: finalizedBy, exitableAt: null };
  if (started === undefined) return { state: "none", number: null, exitableAt: null };
  const number = Number(started.args["number"]);
  const flight = events.find(
    (event) => event.name === "InFlightExitStarted" && Number(event.args["number"]) === number,
  );
  const priority = flight === undefined ? (started.args["priority"] as bigint) : priorityOf(flight.args["data"] as Hex);
  const exitableAt = Number(priority >> TIME_SHIFT);
  const same = (event: ContractEvent | undefined): boolean => Number(event?.args["number"] ?? -1) === number;
  if (same(of("ExitChallenged")) || same(of("PiggybackChallenged"))) return { state: "challenged", number, exitableAt };
  if (same(of("ExitUnpayable"))) return { state: "unpayable", number, exitableAt };
  const due = (await rootChain.now()) >= exitableAt;
  return { state: due ? "processable" : "started", number, exitableAt };
}

/** Pays what is due in a token's queue, in its order, whoever's it is. Gives how many entries were handed in. */
export async function processExits(
  rootChain: RootChain,
  signer: Signer,
  token: Address,
  fromBlock: number,
): Promise<number> {
  const now = BigInt(await rootChain.now());
  const due = (await queueOf(rootChain, token, fromBlock)).filter(({ priority }) => priority >> TIME_SHIFT <= now);
  for (let at = 0; at < due.length; at += PROCESSED_A_CALL) {
    const exits = due.slice(at, at + PROCESSED_A_CALL).map(({ id, data }) => ({ id, data }));
    await rootChain.send(signer, "processExits", [token, exits]);
  }
  return due.length;
}

interface QueueEntry {
  priority: bigint;
  id: Hex;
  data: Hex;
}

/** A queue's entries that were not worked off, first one first. */
async function queueOf(rootChain: RootChain, token: Address, fromBlock: number): Promise<QueueEntry[]> {
  const events = await rootChain.events(
    [
      ...["ExitStarted", "ExitFinalized", "ExitUnpayable", "ExitChallenged"],
      ...["InFlightExitStarted", "Piggybacked", "InFlightExitFinalized", "InFlightExitClosed"],
    ],
    fromBlock,
  );
  const numberOf = (event: ContractEvent): number => Number(event.args["number"]);
  const standard = new Map<number, QueueEntry>();
  const flights = new Map<number, QueueEntry & { tokens: (string | undefined)[] }>();
  const queued = new Map<number, QueueEntry>();
  for (const event of events) {
    const { name, args } = event;
    const number = numberOf(event);
    const isOfToken = String(args["token"]).toLowerCase() === token;
    if (name === "ExitStarted" && isOfToken) {
      const data = AbiCoder.defaultAbiCoder().encode([STANDARD_EXIT], [args]) as Hex;
      standard.set(number, { priority: args["priority"] as bigint, id: args["outputId"] as Hex, data });
    } else if (name === "InFlightExitStarted") {
      const data = args["data"] as Hex;
      const exit = AbiCoder.defaultAbiCoder().decode(IN_FLIGHT_EXIT, data);
      const tokensOf = (list: { token: string }[]): string[] => list.map((one) => one.token.toLowerCase());
      const inputs = tokensOf(exit["inputs"] as { token: string }[]);
      const outputs = tokensOf(exit["outputs"] as { token: string }[]);
      const tokens = [...inputs, ...Array<undefined>(OUTPUTS_FROM - inputs.length), ...outputs];
      flights.set(number, { priority: priorityOf(data), id: args["transactionHash"] as Hex, data, tokens });
    } else if (name === "Piggybacked") {
      const flight = flights.get(number);
      if (flight?.tokens[Number(args["index"])] === token) queued.set(number, flight);
    } else if (name === "InFlightExitClosed" || (name === "InFlightExitFinalized" && isOfToken)) queued.delete(number);
    else standard.delete(number);
  }
  return [...standard.values(), ...queued.values()].sort((a, b) => (a.priority < b.priority ? -1 : 1));
}

/** The in-flight exit of a transaction that was started last and is not over. */
async function findInFlight(
  rootChain: RootChain,
  hash: TransactionHash,
  fromBlock: number,
): Promise<{ number: number; data: Hex; piggybacks: number[] } | null> {
  if ((await rootChain.inFlightSlot(hash)) === 0n) return null;
  const events = await rootChain.events(["InFlightExitStarted", "Piggybacked"], fromBlock);
  const started = events.findLast(
    (event) => event.name === "InFlightExitStarted" && event.args["transactionHash"] === hash,
  );
  if (started === undefined) return null;
  const number = Number(started.args["number"]);
  const piggybacks = events
    .filter((event) => event.name === "Piggybacked" && Number(event.args["number"]) === number)
    .map((event) => Number(event.args["index"]));
  return { number, data: started.args["data"] as Hex, piggybacks };
}

function provenOutput(book: Book, hash: TransactionHash, outputIndex: number): object {
  const payment = book.payments.get(hash);
  const proof: Proof | null = payment?.proof ?? null;
  if (payment === undefined || proof === null) {
    throw new WalletError("NOT_PROVEN", "there is no proof of the payment yet: its block must land first", { hash });
  }
  return { transaction: solidityOf(payment.transaction), proof, outputIndex };
}

/** An input that is the owner's though the book has it as somebody's source only. */
function ownedSource(book: Book, id: OutputId): { spentBy: TransactionHash | null } | null {
  const creator = book.creatorOf(id);
  const made = creator?.payment.transaction.outputs[creator.index];
  return made?.owner === book.owner ? { spentBy: null } : null;
}

function priorityOf(data: Hex): bigint {
  return BigInt(`0x${data.slice(2, 66)}`);
}
