import type { OutputId, TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import type { SeenSpend } from "../chain/childChain.ts";
import type { FindingDraft } from "../findings/finding.ts";
import type { EthereumBlock, Spans } from "./exitSpans.ts";

/** A block may spend what has been exiting for at most W/8 when it is committed. */
const SLACK = 8;

export interface SpentWhileExiting {
  blockNumber: number;
  finding: FindingDraft;
}

/**
 * Blocks that break INPUT_EXITING: they spend an output that was paid or blocked before their commit, or that an exit
 * had held for more than W/8 by then.
 * @param timeOf - of an Ethereum block, in seconds; null when the nodes do not tell: then what was told before is told again
 * @param toldBefore - what was told of a subject
 */
export async function spentWhileExiting(
  { spans, commits }: Spans,
  spendsOf: (id: OutputId) => readonly SeenSpend[],
  exitPeriod: number,
  timeOf: (ethereumBlock: EthereumBlock) => Promise<number | null>,
  toldBefore: (subject: string) => FindingDraft | undefined,
): Promise<SpentWhileExiting[]> {
  const found: SpentWhileExiting[] = [];
  const told = new Set<TransactionHash>();
  for (const { outputId, exit, finalized, from, to, ethereumBlock } of spans) {
    for (const { hash, place } of spendsOf(outputId)) {
      const commit = place === null ? undefined : commits.get(place.blockNumber);
      if (place === null || commit === undefined || commit.at < from || commit.at >= to || told.has(hash)) continue;
      const { blockNumber } = place;
      const subject = `block ${blockNumber} INPUT_EXITING ${hash}`;
      let how = `exit ${exit} had paid or blocked`;
      if (!finalized) {
        const begun = await timeOf(ethereumBlock);
        if (begun === null) {
          const before = toldBefore(subject);
          if (before !== undefined) found.push({ blockNumber, finding: before });
          continue;
        }
        const held = commit.timestamp - begun;
        if (held <= exitPeriod / SLACK) continue;
        how = `exit ${exit} had held for ${held} s, more than an eighth of ${exitPeriod}`;
      }
      told.add(hash);
      found.push({
        blockNumber,
        finding: {
          name: "invalidBlock",
          subject,
          text: `payment ${place.transactionIndex} of block ${blockNumber} spends ${outputId}, which ${how} at its commit`,
          until: commit.timestamp + exitPeriod,
          evidence: { rule: "INPUT_EXITING", ...place, transactionHash: hash, outputId, exit },
          transaction: null,
        },
      });
    }
  }
  return found;
}
