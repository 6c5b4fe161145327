import {
  encodeStartDepositExits,
  encodeStartInFlightExit,
  encodeStartStandardExits,
  type IncludedOutput,
  type OwnersWord,
  type ShownDeposit,
} from "@plasma-billing/ethereum/exitStarts.ts";
import { cannotFly, type Book, type KnownPayment, type OwnOutput } from "@plasma-billing/sdk";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { ageIn, ageOf } from "@plasma-billing/protocol/inFlightExits.ts";
import { ETHER, outputId, type Deposit, type OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Flight } from "./exitBoard.ts";
import { rankOf } from "../chain/place.ts";
import type { ContractCall, FindingDraft } from "../findings/finding.ts";
import type { PlanContext, Planned } from "./plan.ts";

/** Outputs of an address that findings name one by one, the largest; of the others the report has the number. */
const NAMED_MAX = 200;

export interface ExitContext extends PlanContext {
  firstBadBlock: number;
  /** Seconds: whoever starts by then is paid before whatever the bad block makes. */
  until: number;
  /** Whether exits are sent, or only told. */
  exits: boolean;
  /** Of the account that sends them, in wei. */
  balance: bigint | null;
}

/** An output, or a payment in flight, that is to be taken out for its owner. */
interface Item {
  /** Of the output, or of the payment. */
  id: Hex;
  token: Address;
  amount: bigint;
  state: "started" | "ready" | "unauthorized" | "impossible";
  /** Why it is impossible. */
  reason?: string;
  /** What starts it, when it is ready or lacks an authorization. */
  start?: { key: string; value: bigint; data: Hex };
  /** Number of the in-flight exit that the start moves aside. */
  former?: number;
}

/** Takes out all that an address has of the blocks before the bad one: ether first, what is large before what is small. */
export function planExits(context: ExitContext, book: Book, unproven: readonly KnownPayment[]): Planned {
  const items = [
    ...[...book.unspent(), ...book.departing()].flatMap((output) => standardItem(context, book, output) ?? []),
    ...unproven.flatMap((payment) => flightItem(context, book, payment) ?? []),
  ].sort(byValue);
  const planned: Planned = { duties: [], findings: [] };
  if (items.length === 0) return planned;
  const { until, exits } = context;
  for (const { state, start, former } of items) {
    if (state !== "ready" || start === undefined || !exits) continue;
    planned.duties.push({ key: start.key, exit: former ?? 0, until, value: start.value, data: () => start.data });
  }
  const named = items.filter(
    ({ state }) => state === "unauthorized" || state === "impossible" || (state === "ready" && !exits),
  );
  for (const item of named.slice(0, NAMED_MAX)) planned.findings.push(itemFinding(context, book.owner, item));
  planned.findings.push(report(context, book.owner, items));
  return planned;
}

function standardItem(context: ExitContext, book: Book, output: OwnOutput): Item | null {
  const { board, chain, words, bonds } = context;
  const { id, owner, token, amount, source } = output;
  const item = { id, token, amount };
  if (board.isFinalized(id)) return null;
  const proof = "hash" in source ? (book.payments.get(source.hash)?.proof ?? null) : null;
  const blockNumber = proof?.header.number ?? 0;
  // In flight, or made by what is bad itself.
  if ("hash" in source && (proof === null || blockNumber >= context.firstBadBlock)) return null;
  const exit = board.standardExitOf(id);
  if (exit?.state === "live") return { ...item, state: "started" };
  if (exit?.state === "challenged")
    return { ...item, state: "impossible", reason: "its exit was challenged with a spend" };
  if (exit?.state === "unpayable")
    return { ...item, state: "impossible", reason: "the contract does not hold so much" };
  // Whatever was signed would cancel the exit and take its bond: it leaves by that payment, if that can.
  const isSigned = chain.spendsOf(id).some(({ signer }) => signer === owner) || board.isSpentInFlight(id);
  if (isSigned) return null;
  const word = words(id, blockNumber, owner);
  const data = startData(book, output, word);
  const start = { key: `startStandardExit:${id}`, value: bonds.standardExit, data };
  return { ...item, state: word === null ? "unauthorized" : "ready", start };
}

function startData(book: Book, { source }: OwnOutput, word: OwnersWord): Hex {
  if ("deposit" in source) return encodeStartDepositExits([{ deposit: plainDeposit(source.deposit), word }]);
  return encodeStartStandardExits([{ output: includedOutput(book, source.hash, source.index), word }]);
}

/** The exit of a payment that no good block has; what of it is asked for, piggybacks say once it is there. */
function flightItem(context: ExitContext, book: Book, payment: KnownPayment): Item | null {
  const { board, words, bonds } = context;
  const { hash, transaction } = payment;
  const own = ownParts(book, payment).filter(({ id }) => !board.isFinalized(id));
  const [largest] = own.toSorted(byValue);
  if (largest === undefined) return null;
  const item = { id: hash, token: largest.token, amount: largest.amount };
  const flight = board.flightOf(hash);
  if (flight !== null && flight.processed.size > 0) return null;
  const live = flight !== null && !flight.closed ? flight : null;
  const reason = cannotFly(book, payment) ?? lateSource(context, book, payment) ?? contradicted(context, book, payment);
  if (live !== null && (reason !== null || !isYounger(live, context, book, transaction.inputs))) {
    return { ...item, state: "started" };
  }
  if (reason !== null) return { ...item, state: "impossible", reason };
  const isAuthorized = own.some(({ id }) => words(id, 0, book.owner) !== null);
  const { payments, deposits } = sourcesOf(context, book, transaction.inputs);
  const start = {
    key: ["startInFlightExit", hash, ...(live === null ? [] : [live.number])].join(":"),
    value: bonds.inFlightExit,
    data: encodeStartInFlightExit(transaction, payments, deposits, live?.data ?? null),
  };
  const state = isAuthorized ? "ready" : "unauthorized";
  return { ...item, state, start, ...(live === null ? {} : { former: live.number }) };
}

/**
 * Whether an exit was started by showing a later inclusion of what made an input, as a bad block may have it once more: it is
 * paid behind what came between, unless one that shows the good one moves it aside.
 */
function isYounger(flight: Flight, { board }: ExitContext, book: Book, inputs: readonly OutputId[]): boolean {
  const ages = inputs.map((id) => {
    const proof = book.creatorOf(id)?.payment.proof ?? null;
    if (proof !== null) return ageOf(proof.header.number, proof.index + 1);
    return ageOf(board.blockAfter((book.deposits.get(id) as Deposit).id), 0);
  });
  const shown = ageIn(flight.priority);
  return ages.every((age) => age < shown);
}

/**
 * A payer who signed another spend that comes first, or in no block: the exit would pay its inputs, and cost its bond. Who has an input
 * in it gets that back so, and in no other way.
 */
function contradicted(
  { chain, board }: ExitContext,
  book: Book,
  { hash, transaction, signed }: KnownPayment,
): string | null {
  if (signed) return null;
  for (const id of transaction.inputs) {
    const spends = chain.spendsOf(id);
    const own = rankOf(spends.find((spend) => spend.hash === hash)?.place ?? null);
    const other = spends.find(
      (spend) => spend.hash !== hash && spend.signer === book.ownerOf(id) && !(own < rankOf(spend.place)),
    );
    if (other !== undefined) return `its payer signed ${other.hash} for the same, which may come first`;
    if (board.isSpentInFlight(id, hash)) return `its payer takes out another payment of ${id}`;
  }
  return null;
}

/** An input that the bad block, or what follows it, made. */
function lateSource({ firstBadBlock }: ExitContext, book: Book, { transaction }: KnownPayment): string | null {
  for (const id of transaction.inputs) {
    const number = book.creatorOf(id)?.payment.proof?.header.number ?? 0;
    if (number >= firstBadBlock) return `what it spends is of block ${number}, which is not good`;
  }
  return null;
}

function ownParts(book: Book, { hash, transaction }: KnownPayment): { id: OutputId; token: Address; amount: bigint }[] {
  const inputs = transaction.inputs.flatMap((id) => book.outputs.get(id) ?? []);
  const outputs = transaction.outputs.flatMap(({ owner, token, amount }, i) =>
    owner === book.owner ? [{ id: outputId(hash, i), token, amount }] : [],
  );
  return [...inputs, ...outputs];
}

function sourcesOf(
  { board }: ExitContext,
  book: Book,
  inputs: readonly OutputId[],
): { payments: IncludedOutput[]; deposits: ShownDeposit[] } {
  const payments: IncludedOutput[] = [];
  const deposits: ShownDeposit[] = [];
  for (const id of inputs) {
    const creator = book.creatorOf(id);
    if (creator !== null) payments.push(includedOutput(book, creator.payment.hash, creator.index));
    else {
      const exit = board.standardExitOf(id);
      // What stands in the slot is the exit, live or paid; what was cancelled has put the deposit back.
      const stands = exit?.state === "live" || exit?.state === "over";
      const deposit = plainDeposit(book.deposits.get(id) as Deposit);
      deposits.push({ deposit, exit: stands ? exit.terms : null });
    }
  }
  return { payments, deposits };
}

function includedOutput(book: Book, hash: Hex, outputIndex: number): IncludedOutput {
  const { transaction, proof } = book.payments.get(hash) as KnownPayment;
  return { transaction, proof: proof as NonNullable<typeof proof>, outputIndex };
}

function plainDeposit({ id, owner, token, amount }: Deposit): Deposit {
  return { id, owner, token, amount };
}

function byValue(a: { token: Address; amount: bigint }, b: { token: Address; amount: bigint }): number {
  const rank = ({ token }: { token: Address }): number => (token === ETHER ? 0 : 1);
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  return a.amount > b.amount ? -1 : a.amount < b.amount ? 1 : 0;
}

function itemFinding(context: ExitContext, owner: Address, item: Item): FindingDraft {
  const { until, rootChain, firstBadBlock } = context;
  const { id, token, amount, state, reason, start } = item;
  const what = start?.key.startsWith("startInFlight") === true ? "payment in flight" : "output";
  const text = {
    ready: `${what} ${id} of ${owner}: its exit can be started, with the owner's authorization`,
    unauthorized: `${what} ${id} of ${owner}: no authorization for its exit is here, so only the owner can start it`,
    impossible: `${what} ${id} of ${owner} cannot be taken out: ${reason}`,
    started: "",
  }[state];
  const transaction: ContractCall | null =
    start === undefined ? null : { to: rootChain, data: start.data, value: start.value };
  return {
    name: state === "ready" ? "guardedExit" : "guardedExitMissing",
    subject: id,
    ...(state === "impossible" ? { severity: "attention" as const } : {}),
    ...{ text, until, transaction },
    evidence: { owner, id, token, amount: amount.toString(), firstBadBlock },
  };
}

/** How far the way out of all that an address has is. */
function report(context: ExitContext, owner: Address, items: readonly Item[]): FindingDraft {
  const { firstBadBlock, until, exits, balance } = context;
  const count = (state: Item["state"]): number => items.filter((item) => item.state === state).length;
  const [started, ready, unauthorized, impossible] = (["started", "ready", "unauthorized", "impossible"] as const).map(
    count,
  );
  const ahead = items.filter(({ state }) => state === "ready");
  const bonds = ahead.reduce((sum, { start }) => sum + (start?.value ?? 0n), 0n);
  const lacks = exits && balance !== null && balance < bonds ? `, for which ${bonds - balance} wei are missing` : "";
  const waiting = exits
    ? `${ready} are to be sent (${bonds} wei of bonds beside gas${lacks})`
    : `${ready} are only told`;
  const text =
    `${owner} leaves because of block ${firstBadBlock}: of ${items.length} exits ${started} are started, ${waiting}, ` +
    `${unauthorized} lack an authorization, ${impossible} are not possible`;
  const evidence = { owner, firstBadBlock, exits: items.length, started, ready, unauthorized, impossible };
  return {
    ...{ name: "guardedExit", subject: owner, text, until, transaction: null },
    evidence: { ...evidence, bondsAhead: bonds.toString() },
  };
}
