import {
  encodeChallengeInputSpent,
  encodeChallengeNonCanonical,
  encodeChallengeOutputSpent,
  encodeChallengeStandardExit,
  encodeRespondCanonical,
  type InclusionProof,
} from "../challenges.ts";
import type { GameTerms } from "../rootChain.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { ageOf, OUTPUTS_FROM } from "@plasma-billing/protocol/inFlightExits.ts";
import type { OutputId, SignedTransaction, TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import type { LiveStandardExit, OpenExit, OpenInFlightExit } from "./exits.ts";

/** A payment, as a spend of one of its inputs. */
export interface Spend {
  hash: TransactionHash;
  transaction: SignedTransaction;
}

/** A place in a block that is on Ethereum. */
export interface Place {
  blockNumber: number;
  transactionIndex: number;
}

/** What is known of payments. */
export interface Facts {
  /** A payment that spends the output, another than this one. */
  spendOf(id: OutputId, other?: TransactionHash): Spend | null;
  /** Whether it was accepted: then nothing of the chain contradicts it. */
  accepted(hash: TransactionHash): boolean;
  /** Where only an invalid block on Ethereum has it: the contract takes that for an answer, whatever the block is worth. */
  badPlaceOf(hash: TransactionHash): Place | null;
  /** Where a payment is; null as long as no block with it is on Ethereum. */
  placeOf(hash: TransactionHash): Place | null;
  proofOf(place: Place): Promise<InclusionProof>;
}

/** What has to be done on Ethereum about an exit: a call of the contract. */
export interface Duty {
  /** The same as long as the same has to be done; an exit's number alone may be another exit's after a reorganisation. */
  key: string;
  /** Number of the exit it is about. */
  exit: number;
  /** Seconds: from then on it may be too late. */
  until: number;
  /** In wei, for the contract's bond. */
  value: bigint;
  data: () => Hex | Promise<Hex>;
}

/** Age of what no block contains. */
const NOT_INCLUDED = 2n ** 53n - 1n;

/** All that has to be done about these exits at this time (seconds), the most urgent first. Pure. */
export function plan(exits: readonly OpenExit[], facts: Facts, terms: GameTerms, now: number): Duty[] {
  const duties = exits.flatMap((exit) =>
    exit.kind === "standard" ? standardDuties(exit, facts) : inFlightDuties(exit, facts, terms, now),
  );
  return duties.sort((a, b) => a.until - b.until);
}

function standardDuties({ number, outputId, exitableAt, terms }: LiveStandardExit, facts: Facts): Duty[] {
  const spend = facts.spendOf(outputId);
  if (spend === null) return [];
  const key = `challengeStandardExit:${number}:${outputId}`;
  const data = (): Hex => encodeChallengeStandardExit(terms, outputId, spend.transaction);
  return [{ key, exit: number, until: exitableAt, value: 0n, data }];
}

function inFlightDuties(exit: OpenInFlightExit, facts: Facts, terms: GameTerms, now: number): Duty[] {
  const duties: Duty[] = [];
  const place = facts.placeOf(exit.transactionHash);
  for (const [index, id] of exit.piggybacks) {
    // A transaction does not make its own inputs spent.
    const spend = facts.spendOf(id, exit.transactionHash);
    if (spend === null) continue;
    if (index < OUTPUTS_FROM) duties.push(inputDuty(exit, index, id, spend));
    else if (place !== null) duties.push(outputDuty(exit, index, id, spend, place, facts));
  }
  const response = responseDuty(exit, place, facts);
  const challenge = competitorDuty(exit, facts, terms, now);
  for (const duty of [response, challenge]) if (duty !== null) duties.push(duty);
  return duties;
}

function inputDuty(exit: OpenInFlightExit, index: number, id: OutputId, { transaction }: Spend): Duty {
  const data = (): Hex => encodeChallengeInputSpent(dataOf(exit), index, id, transaction);
  return { ...dutyOf("challengeInputSpent", exit, index), until: exit.exitableAt, value: 0n, data };
}

function outputDuty(
  exit: OpenInFlightExit,
  index: number,
  id: OutputId,
  { transaction }: Spend,
  place: Place,
  facts: Facts,
): Duty {
  const outputIndex = index - OUTPUTS_FROM;
  const data = async (): Promise<Hex> =>
    encodeChallengeOutputSpent(dataOf(exit), outputIndex, await facts.proofOf(place), id, transaction);
  return { ...dutyOf("challengeOutputSpent", exit, outputIndex), until: exit.exitableAt, value: 0n, data };
}

/** A competitor stands, though the transaction itself was there before it. */
function responseDuty(exit: OpenInFlightExit, place: Place | null, facts: Facts): Duty | null {
  const { remembered, transactionHash, number, exitableAt } = exit;
  if (place === null || remembered?.competitorStands !== true || ageAt(place) >= remembered.position) return null;
  const data = async (): Promise<Hex> => encodeRespondCanonical(transactionHash, number, await facts.proofOf(place));
  return { ...dutyOf("respondCanonical", exit), until: exitableAt, value: 0n, data };
}

/**
 * The transaction is in no block and spends what a payment of the chain spends: unless that is shown, it is paid to others
 * than those the payment pays. Any competitor that stands will do, since only a block could answer it.
 */
function competitorDuty(exit: OpenInFlightExit, facts: Facts, terms: GameTerms, now: number): Duty | null {
  const { transactionHash, remembered, startedAt, inputIds } = exit;
  const until = startedAt + Math.floor(terms.exitPeriod / 2);
  if (now >= until || remembered?.competitorStands === true || facts.accepted(transactionHash)) return null;
  const own = facts.badPlaceOf(transactionHash);
  // What is not older than the payment's own place would be answered, and the bond lost.
  const olderThan = own === null ? null : ageAt(own);
  let oldest: { index: number; id: OutputId; spend: Spend; place: Place | null; age: bigint } | null = null;
  for (const [index, id] of inputIds.entries()) {
    const spend = facts.spendOf(id, transactionHash);
    if (spend === null) continue;
    const place = facts.placeOf(spend.hash);
    const age = place === null ? NOT_INCLUDED : ageAt(place);
    if (oldest === null || age < oldest.age) oldest = { index, id, spend, place, age };
  }
  if (oldest === null || (remembered !== null && oldest.age >= remembered.position)) return null;
  if (olderThan !== null && oldest.age >= olderThan) return null;
  const { index, id, spend, place } = oldest;
  const data = async (): Promise<Hex> => {
    const proof = place === null ? null : await facts.proofOf(place);
    return encodeChallengeNonCanonical(dataOf(exit), index, id, spend.transaction, proof);
  };
  return { ...dutyOf("challengeNonCanonical", exit), until, value: terms.challengeBond, data };
}

function ageAt({ blockNumber, transactionIndex }: Place): bigint {
  return ageOf(blockNumber, transactionIndex + 1);
}

function dataOf({ transactionHash, data }: OpenInFlightExit): { id: Hex; data: Hex } {
  return { id: transactionHash, data };
}

function dutyOf(
  what: string,
  { number, transactionHash }: OpenInFlightExit,
  index?: number,
): Pick<Duty, "key" | "exit"> {
  return { key: [what, number, transactionHash, ...(index === undefined ? [] : [index])].join(":"), exit: number };
}
