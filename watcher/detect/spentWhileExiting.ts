import type { OutputId, TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import type { SeenSpend } from "../chain/childChain.ts";
import type { FindingDraft } from "../findings/finding.ts";
import type { Spans } from "./exitSpans.ts";

/** A block may spend what has been exiting for at most W/8 when it is committed. */
const SLACK = 8;

export interface SpentWhileExiting {
  blockNumber: number;
  finding: FindingDraft;
}

/**
 * Blocks that break INPUT_EXITING: they spend an output that was paid or blocked before their commit, or that an exit
 * had held for more than W/8 by then.
 * @param timeOf - of an Ethereum block, in seconds; null when the nodes do not tell: then nothing is said yet
 */
export async function spentWhileExiting(
  { spans, commits }: Spans,
  spendsOf: (id: OutputId) => readonly SeenSpend[],
  exitPeriod: number,
  timeOf: (ethereumBlock: number) => Promise<number | null>,
): Promise<SpentWhileExiting[]> {
  const found: SpentWhileExiting[] = [];
  const told = new Set<TransactionHash>();
  for (const { outputId, exit, finalized, from, to, ethereumBlock } of spans) {
    for (const { hash, place } of spendsOf(outputId)) {
      const commit = place === null ? undefined : commits.get(place.blockNumber);
      if (place === null || commit === undefined || commit.at < from || commit.at >= to || told.has(hash)) continue;
      const begun = await timeOf(ethereumBlock);
      if (begun === null || (!finalized && commit.timestamp - begun <= exitPeriod / SLACK)) continue;
      told.add(hash);
      const how = finalized
        ? `exit ${exit} had paid or blocked`
        : `exit ${exit} had held for ${commit.timestamp - begun} s, more than an eighth of ${exitPeriod}`;
      found.push({
        blockNumber: place.blockNumber,
        finding: {
          name: "invalidBlock",
          subject: `block ${place.blockNumber} INPUT_EXITING ${hash}`,
          text: `payment ${place.transactionIndex} of block ${place.blockNumber} spends ${outputId}, which ${how} at its commit`,
          until: commit.timestamp + exitPeriod,
          evidence: { rule: "INPUT_EXITING", ...place, transactionHash: hash, outputId, exit },
          transaction: null,
        },
      });
    }
  }
  return found;
}
