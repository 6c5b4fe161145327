import { ageIn, ageOf, OUTPUTS_FROM } from "@plasma-billing/protocol/inFlightExits.ts";
import {
  outputId,
  PURPOSES,
  type Deposit,
  type OutputId,
  type Transaction,
  type TransactionHash,
} from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { ZeroAddress, type Signer } from "ethers";
import { isComplete, type Book, type KnownPayment, type OwnOutput } from "./book.ts";
import { WalletError } from "./errors.ts";
import { exitableAtOf, ExitHistory, flightOf, isOpen, type ExitProgress, type Flight } from "./exitHistory.ts";
import type { Proof } from "./operatorClient.ts";
import type { RootChain } from "./rootChain.ts";

/** Exits in one transaction: some 75,000 gas each, well below what a block takes. */
const STARTS_A_CALL = 50;
const PROCESSED_A_CALL = 20;
/** Of what an output's slot holds: set while a standard exit stands there, live or paid. */
const EXIT_BIT = 215n;
/** Of a deposit's record: above its time the number of the block that followed it. */
const RECORD_BLOCK_SHIFT = 64n;
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

/** What could be started, and what the contract refuses, with its reason. */
export interface Starts {
  started: StartedExit[];
  refused: { id: OutputId; reason: string }[];
}

/** What of an in-flight exit is still to be sent. */
export interface FlightPlan {
  payment: KnownPayment;
  /** The exit, when one is running that is as good as one's own. */
  running: Flight | null;
  /** One that is running and would be paid later than one's own, which moves it aside. */
  former: Flight | null;
  /** Inputs and outputs that the owner has not asked to be paid for yet. */
  missing: { index: number; id: OutputId }[];
}

interface Request {
  id: OutputId;
  request: object;
}

/** A transaction as the contract takes it. */
function solidityOf({ purpose, inputs, outputs, fileHash }: Transaction): object {
  return { purpose: PURPOSES[purpose], inputs, outputs, fileHash };
}

/** Starts standard exits of committed outputs, many in a transaction. One that the contract refuses hinders no other. */
export async function startExits(
  rootChain: RootChain,
  signer: Signer,
  book: Book,
  outputs: readonly OwnOutput[],
): Promise<Starts> {
  const deposits: Request[] = [];
  const payments: Request[] = [];
  for (const { id, source } of outputs) {
    if ("deposit" in source) {
      deposits.push({ id, request: { deposit: source.deposit, authorization: BY_OWNER } });
    } else {
      const output = provenOutput(book, source.hash, source.index);
      payments.push({ id, request: { output, authorization: BY_OWNER } });
    }
  }
  const starts: Starts = { started: [], refused: [] };
  for (const [name, requests] of [
    ["startDepositExits", deposits],
    ["startStandardExits", payments],
  ] as const) {
    for (let at = 0; at < requests.length; at += STARTS_A_CALL) {
      await startSome(rootChain, signer, name, requests.slice(at, at + STARTS_A_CALL), starts);
    }
  }
  return starts;
}

/** In one transaction; by halves when one of them makes it fail. */
async function startSome(
  rootChain: RootChain,
  signer: Signer,
  name: string,
  requests: readonly Request[],
  starts: Starts,
): Promise<void> {
  const { standardExitBond } = await rootChain.exitTerms();
  const args = [requests.map(({ request }) => request)];
  let receipt;
  try {
    receipt = await rootChain.send(signer, name, args, standardExitBond * BigInt(requests.length));
  } catch (error) {
    if (!(error instanceof WalletError) || error.code !== "REVERTED") throw error;
    const [only] = requests;
    if (requests.length === 1 && only !== undefined) {
      starts.refused.push({ id: only.id, reason: error.message });
      return;
    }
    const half = Math.ceil(requests.length / 2);
    await startSome(rootChain, signer, name, requests.slice(0, half), starts);
    return await startSome(rootChain, signer, name, requests.slice(half), starts);
  }
  for (const { args: event } of rootChain.eventsOf(receipt).filter((one) => one.name === "ExitStarted")) {
    starts.started.push({
      ...{ number: Number(event["number"]), kind: "standard", outputs: [event["outputId"] as OutputId] },
      ...{ transactionHash: null, exitableAt: exitableAtOf(event["priority"] as bigint) },
    });
  }
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
 * What is left to be sent for the in-flight exit of a payment. An exit that somebody started by showing a later inclusion of
 * what made an input (a bad block may have that once more) is paid behind whatever came between: it is moved aside, by who can
 * show the right one. Who cannot start one asks the exit that is there.
 * @returns null when nothing is; a text when it cannot be done any more
 */
export async function planFlight(
  rootChain: RootChain,
  book: Book,
  history: ExitHistory,
  payment: KnownPayment,
): Promise<FlightPlan | string | null> {
  const last = history.flightOf(payment.hash);
  // Its end is decided: what it did not pay, no other exit of the same transaction will.
  if (last !== null && last.canonical !== null) return null;
  const live = last !== null && isOpen(last) ? last : null;
  const stranded = cannotFly(book, payment);
  if (live === null && stranded !== null) return stranded;
  const isYounger =
    live !== null &&
    stranded === null &&
    ageIn(live.priority) > (await ageOfInputs(rootChain, book, history, payment.transaction));
  const [running, former] = isYounger ? [null, live] : [live, null];
  const wanted = ownPiggybacks(book, payment);
  const missing = wanted.filter(({ index }) => running?.piggybacks.has(index) !== true);
  if (missing.length === 0) return null;
  const { exitPeriod } = await rootChain.exitTerms();
  if (running !== null && history.now >= running.startedAt + Math.floor(exitPeriod / 2)) {
    return `in-flight exit ${running.number} was started too long ago to be paid by it as well`;
  }
  return { payment, running, former, missing };
}

/** Starts the in-flight exit of a payment, if none is running, and piggybacks what is missing. */
export async function exitInFlight(
  rootChain: RootChain,
  signer: Signer,
  book: Book,
  history: ExitHistory,
  { payment, running, former, missing }: FlightPlan,
): Promise<StartedExit> {
  const { transaction, hash } = payment;
  const { inFlightExitBond, piggybackBond } = await rootChain.exitTerms();
  let flight = running;
  if (flight === null) {
    const { payments, deposits } = await sourcesOf(rootChain, book, history, transaction);
    const args = [solidityOf(transaction), transaction.signatures, payments, deposits, former?.data ?? "0x"];
    const receipt = await rootChain.send(signer, "startInFlightExit", args, inFlightExitBond);
    const started = rootChain.eventsOf(receipt).find(({ name }) => name === "InFlightExitStarted");
    if (started === undefined) throw new WalletError("REVERTED", "no exit was started", { transaction: receipt.hash });
    flight = flightOf(started);
  }
  const requests = missing.map(({ index }) => ({ index, authorization: BY_OWNER }));
  const value = piggybackBond * BigInt(missing.length);
  await rootChain.send(signer, "piggybacks", [{ id: hash, data: flight.data }, requests], value);
  const { number, priority } = flight;
  const outputs = missing.map(({ id }) => id);
  return { number, kind: "inFlight", outputs, transactionHash: hash, exitableAt: exitableAtOf(priority) };
}

/** The age of the youngest input, by the proofs that the book has of each. */
async function ageOfInputs(
  rootChain: RootChain,
  book: Book,
  history: ExitHistory,
  { inputs }: Transaction,
): Promise<bigint> {
  let youngest = 0n;
  for (const id of inputs) {
    const proof = book.creatorOf(id)?.payment.proof ?? null;
    const age =
      proof === null ? ageOf(await blockAfter(rootChain, history, id), 0) : ageOf(proof.header.number, proof.index + 1);
    if (age > youngest) youngest = age;
  }
  return youngest;
}

/** The number of the block that followed a deposit. */
async function blockAfter(rootChain: RootChain, history: ExitHistory, id: OutputId): Promise<number> {
  const slot = await rootChain.outputRecord(id);
  if (slot >> EXIT_BIT === 0n) return Number(slot >> RECORD_BLOCK_SHIFT);
  const record = (history.standardExitOf(id)?.["depositRecord"] ?? 0n) as bigint;
  return Number(record >> RECORD_BLOCK_SHIFT);
}

/** Where each input comes from, as the contract wants it shown. */
async function sourcesOf(
  rootChain: RootChain,
  book: Book,
  history: ExitHistory,
  { inputs }: Transaction,
): Promise<{ payments: object[]; deposits: object[] }> {
  const payments: object[] = [];
  const deposits: object[] = [];
  for (const id of inputs) {
    const creator = book.creatorOf(id);
    if (creator !== null) payments.push(provenOutput(book, creator.payment.hash, creator.index));
    else {
      // A payer may have begun to take out what it paid with: then that exit stands where the deposit was recorded.
      const exiting = (await rootChain.outputRecord(id)) >> EXIT_BIT === 1n;
      const exit = exiting ? (history.standardExitOf(id) ?? NO_EXIT) : NO_EXIT;
      deposits.push({ deposit: book.deposits.get(id) as Deposit, exit });
    }
  }
  return { payments, deposits };
}

/**
 * What of a payment its owner asks to be paid for. Which side is paid is not known before the end, so inputs and outputs; also
 * outputs that it has signed away, unless a block has that: only who shows the payment in a block can object, and if none
 * has it, nothing else brings them back.
 */
function ownPiggybacks(book: Book, { hash, transaction }: KnownPayment): { index: number; id: OutputId }[] {
  // Another spend that it signed would cancel the piggyback of an input.
  const isFree = (id: OutputId): boolean => (book.outputs.get(id)?.spentBy ?? hash) === hash;
  const inputs = transaction.inputs.flatMap((id, index) => (isOwnInput(book, id) && isFree(id) ? [{ index, id }] : []));
  const outputs = transaction.outputs.flatMap(({ owner }, i) => {
    const id = outputId(hash, i);
    const spentBy = book.outputs.get(id)?.spentBy ?? null;
    const isGone = spentBy !== null && book.payments.get(spentBy)?.proof != null;
    return owner === book.owner && !isGone ? [{ index: OUTPUTS_FROM + i, id }] : [];
  });
  return [...inputs, ...outputs];
}

function isOwnInput(book: Book, id: OutputId): boolean {
  const creator = book.creatorOf(id);
  const made = creator === null ? book.deposits.get(id) : creator.payment.transaction.outputs[creator.index];
  return made?.owner === book.owner;
}

/** How far the way out of an output is. */
export async function followExit(rootChain: RootChain, id: OutputId, fromBlock: number): Promise<ExitProgress> {
  return (await ExitHistory.read(rootChain, fromBlock)).progressOf(id);
}

/** Pays what is due in a token's queue, in its order, whoever's it is. Gives how many entries were handed in. */
export async function processExits(
  rootChain: RootChain,
  signer: Signer,
  token: Address,
  fromBlock: number,
): Promise<number> {
  const history = await ExitHistory.read(rootChain, fromBlock);
  const due = history.queueOf(token).filter(({ priority }) => exitableAtOf(priority) <= history.now);
  for (let at = 0; at < due.length; at += PROCESSED_A_CALL) {
    const exits = due.slice(at, at + PROCESSED_A_CALL).map(({ id, data }) => ({ id, data }));
    await rootChain.send(signer, "processExits", [token, exits]);
  }
  return due.length;
}

function provenOutput(book: Book, hash: TransactionHash, outputIndex: number): object {
  const payment = book.payments.get(hash);
  const proof: Proof | null = payment?.proof ?? null;
  if (payment === undefined || proof === null) {
    throw new WalletError("NOT_PROVEN", "there is no proof of the payment yet: its block must land first", { hash });
  }
  return { transaction: solidityOf(payment.transaction), proof, outputIndex };
}
