import type { OpenExit } from "@plasma-billing/ethereum/challenging/exits.ts";
import type { Duty } from "@plasma-billing/ethereum/challenging/planner.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { ChildChain } from "../chain/childChain.ts";
import type { ContractCall, FindingDraft, FindingName } from "../findings/finding.ts";

/** What each challenge is against. */
const AGAINST: Record<string, FindingName> = {
  challengeStandardExit: "exitOfSpentOutput",
  challengeNonCanonical: "nonCanonicalExit",
  challengeInputSpent: "piggybackOfSpent",
  challengeOutputSpent: "piggybackOfSpent",
  respondCanonical: "unansweredChallenge",
};

/** A challenge that is still open in the last W/8 is one that nobody makes. */
const LATE_PARTS = 8;

/** A finding for each challenge there is to make, with the call that makes it. @param exitPeriod - seconds, as `now`, Ethereum's */
export async function challengeFindings(
  duties: readonly Duty[],
  exits: readonly OpenExit[],
  { rootChain, now, exitPeriod }: { rootChain: Address; now: number; exitPeriod: number },
): Promise<FindingDraft[]> {
  const byNumber = new Map(exits.map((exit) => [exit.number, exit]));
  const found: FindingDraft[] = [];
  for (const { key, exit, until, value, data } of duties) {
    const [what = ""] = key.split(":");
    const name = AGAINST[what];
    if (name === undefined) continue;
    found.push({
      ...{ name, subject: key, until },
      // Whoever sends it, it should have been there by now.
      ...(until - now < exitPeriod / LATE_PARTS ? { severity: "unsafe" as const } : {}),
      text: `${textOf(name, byNumber.get(exit), exit)}: ${what} answers it`,
      evidence: { exit, ...evidenceOf(byNumber.get(exit)), call: what },
      transaction: await callOf(rootChain, data, value),
    });
  }
  return found;
}

/**
 * Standard exits of payments' outputs that no valid block made.
 * @param firstBad - number of the first block that is invalid or withheld for good; null without one
 */
export function unknownExits(
  exits: readonly OpenExit[],
  chain: Pick<ChildChain, "height" | "output" | "spendsOf">,
  firstBad: number | null,
): FindingDraft[] {
  return exits.flatMap((exit) => {
    if (exit.kind !== "standard" || exit.terms.depositRecord !== 0n) return [];
    const { number, outputId, blockNumber, exitableAt, terms } = exit;
    const bad = firstBad !== null && blockNumber >= firstBad;
    // What comes from a block that is not verified yet will be known with it.
    if (blockNumber > chain.height && !bad) return [];
    if (!bad && (chain.output(outputId) !== undefined || chain.spendsOf(outputId).length > 0)) return [];
    const from = bad ? `block ${blockNumber}, which builds on block ${firstBad}` : `block ${blockNumber}`;
    return [
      {
        name: "exitOfUnknown" as const,
        subject: `exit ${number} ${outputId}`,
        text: `exit ${number} takes ${terms.amount} of ${terms.token} to ${terms.owner} out of ${from}: no valid block made it`,
        until: exitableAt,
        evidence: { exit: number, ...evidenceOf(exit), blockNumber },
        transaction: null,
      },
    ];
  });
}

/** Null when what it takes cannot be read now: the finding is told all the same. */
async function callOf(to: Address, data: Duty["data"], value: bigint): Promise<ContractCall | null> {
  try {
    return { to, data: await data(), value };
  } catch {
    return null;
  }
}

function textOf(name: FindingName, exit: OpenExit | undefined, number: number): string {
  if (exit?.kind === "standard") {
    const { amount, token, owner } = exit.terms;
    return `exit ${number} takes ${amount} of ${token} to ${owner}, which was spent`;
  }
  const of = `in-flight exit ${number} of payment ${exit?.transactionHash ?? "?"}`;
  if (name === "nonCanonicalExit") return `${of} contradicts a payment of the chain`;
  return name === "unansweredChallenge" ? `${of} stands challenged wrongly` : `${of} is to pay what was spent`;
}

function evidenceOf(exit: OpenExit | undefined): Record<string, unknown> {
  if (exit === undefined) return {};
  if (exit.kind === "inFlight") return { transactionHash: exit.transactionHash, startedAt: exit.startedAt };
  const { owner, token, amount } = exit.terms;
  return { outputId: exit.outputId, owner, token, amount };
}
