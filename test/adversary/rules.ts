/**
 * The rules that protect money, each a switch: those of the contract (PROTOCOL.md, section 5), then those of watchers,
 * holders and wallets (sections 1, 4 and 7). With one off, all behave as if that sentence were missing, and the thieves
 * of some history must find out.
 *
 * Nor that an exit which a further one has moved aside pays nothing: its theft takes two tokens, two proofs and two queues
 * in a certain order, and 80,000 histories did not come upon it. `test/contracts/attacksByOperator.ts` makes it.
 *
 * Not among them, since what they keep is not safety: the bonds and the bounty (who loses what is compared on the real
 * contract), that an output has one live standard exit (`finalizedOnce` already pays it once), that what is more than
 * held is left out (else a queue stops), and that a cancelled piggyback cannot be made again. Without this last one the
 * model found no theft in 60,000 histories: what is made again within W/2 is challenged again before W.
 */
export const RULES = {
  finalizedOnce: "an output that an exit has finalized is not paid again",
  standardSpendChallenge: "a standard exit of a spent output can be challenged",
  inputSpendChallenge: "a piggyback of an input that another transaction spends can be challenged",
  outputSpendChallenge: "a piggyback of a spent output can be challenged",
  nonCanonicalChallenge: "an in-flight exit can be challenged with a competitor",
  canonicalResponse: "a challenge with a competitor can be answered by the inclusion",
  challengeStrictlyOlder: "a further competitor must be strictly older than the remembered position",
  respondStrictlyOlder: "an answer must be strictly older than the remembered position",
  challengeWindow: "competitors are shown within W/2",
  piggybackWindow: "piggybacks are made within W/2",
  canonicalInputsUnfinalized: "canonical only if no input was finalized by another exit",
  canonicalFinalizesAllInputs: "a canonical exit finalizes all its inputs, piggybacked or not",
  firstProcessingFixes: "the first processing in any queue fixes canonical or not for all; nothing is accepted after",
  standardTimestamp: "a standard exit waits for the block's timestamp + 2W",
  inFlightTimestamp: "an in-flight exit waits for its youngest input's timestamp + 2W",
  youngestInput: "an in-flight exit is as old as its youngest input, not its oldest",
  ageOrder: "of two exits with the same time the older output goes first",
  depositWithoutWait: "a deposit's exit does not wait for its timestamp + 2W",
  furtherExitWhenOlder: "a further in-flight exit of a transaction may start with a strictly older youngest input",
  inputsMayBeExiting: "an in-flight exit may start with inputs that are exiting or finalized",
  nonCanonicalPaysInputs: "a non-canonical exit pays its piggybacked inputs",
  nonCanonicalFinalizesPaid: "a non-canonical exit finalizes the inputs it pays and no others",
  closeWithoutPiggybacks: "an in-flight exit is closed only when no piggyback is live",
  closeAfterPeriod: "an in-flight exit is closed only after W",
  inFlightSignatures: "an in-flight exit needs the signature of every input's owner",
  spendSignature: "a challenge with a spend needs the signature of the output's owner",
  otherTransaction: "a competitor, or the spend of an input, is another transaction than the exiting one",
  sumsEqual: "in and out, an exiting transaction has the same sums of each token",
  inputsDistinct: "an exiting transaction has no input twice",
  queueOrder: "exits are paid in the queue's order",
  notBeforeTime: "no exit is paid before its time",
  exitingSpendInvalid: "a block that spends what began to exit more than W/8 before it is invalid",
  withheldIsInvalid: "holders leave when a block is not published within W/8, not later",
  answersInTime: "holders answer within W/4",
  piggybackBothSides: "who signed a transaction piggybacks its inputs and its outputs",
  replacesYounger: "who knows an older competitor shows it, though a younger one stands",
  startsOlder: "who can show older inputs starts an exit of its own, though one of the transaction is live",
} as const;

export type RuleName = keyof typeof RULES;
export type Rules = Readonly<Record<RuleName, boolean>>;

export const RULE_NAMES = Object.keys(RULES) as RuleName[];

/** All rules on, but for these. */
export function rulesWithout(...off: RuleName[]): Rules {
  return Object.fromEntries(RULE_NAMES.map((name) => [name, !off.includes(name)])) as Rules;
}

/** Those which no contract can keep: without them the theft happens on the real contract too. */
export const WATCHERS_RULES: readonly RuleName[] = [
  "exitingSpendInvalid",
  "withheldIsInvalid",
  "answersInTime",
  "piggybackBothSides",
  "replacesYounger",
  "startsOlder",
];

/** A history in which the thieves win when that rule is off; found by `deep.ts --without RULE`. */
export const KEPT_SEEDS: Readonly<Record<RuleName, number>> = {
  finalizedOnce: 18,
  standardSpendChallenge: 8,
  inputSpendChallenge: 40,
  outputSpendChallenge: 73,
  nonCanonicalChallenge: 1,
  canonicalResponse: 186,
  challengeStrictlyOlder: 6348,
  respondStrictlyOlder: 1,
  challengeWindow: 1231,
  piggybackWindow: 322,
  canonicalInputsUnfinalized: 175,
  canonicalFinalizesAllInputs: 469,
  firstProcessingFixes: 11170,
  standardTimestamp: 16,
  inFlightTimestamp: 432,
  youngestInput: 4569,
  ageOrder: 10373,
  depositWithoutWait: 3552,
  furtherExitWhenOlder: 36078,
  inputsMayBeExiting: 13158,
  nonCanonicalPaysInputs: 1,
  nonCanonicalFinalizesPaid: 53,
  closeWithoutPiggybacks: 5,
  closeAfterPeriod: 5174,
  inFlightSignatures: 2815,
  spendSignature: 1417,
  otherTransaction: 4,
  sumsEqual: 1333,
  inputsDistinct: 68,
  queueOrder: 26208,
  notBeforeTime: 127,
  exitingSpendInvalid: 299,
  withheldIsInvalid: 4,
  answersInTime: 1,
  piggybackBothSides: 1,
  replacesYounger: 718,
  startsOlder: 36078,
};
