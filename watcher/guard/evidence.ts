import { setImmediate } from "node:timers/promises";
import { toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { verifyProof } from "@plasma-billing/protocol/merkle.ts";
import { hashPayment } from "@plasma-billing/protocol/paymentBytes.ts";
import type { TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Place } from "../chain/childChain.ts";
import type { SeenCommit } from "../rootChain/view.ts";
import type { GuardedChain } from "./ports.ts";
import type { GuardRecords, KeptPayment } from "./records.ts";

/** Loaded or proved at one look: the next one goes on. */
const STEPS_A_LOOK = 1_000;
/** Proofs written before others get their turn: some milliseconds. */
const PROOFS_A_SLICE = 100;

/**
 * Brings what is kept up to the blocks that are verified by now: the payments that made what open ones spend, proofs of all,
 * and none of blocks that Ethereum has replaced.
 * @returns the addresses that this concerns, and what failed first: one block that cannot be read keeps no other's evidence away
 */
export async function collectEvidence(
  chain: GuardedChain,
  records: GuardRecords,
  separator: Hex,
  commits: readonly SeenCommit[],
): Promise<{ concerned: Set<Address>; failure: Error | null }> {
  let failure: Error | null = null;
  // A place that was streamed, behind the end of what was committed.
  const isNowhere = ({ blockNumber, transactionIndex }: Place): boolean =>
    transactionIndex >= (commits[blockNumber - 1]?.transactionCount ?? Infinity);
  const verified = Math.min(chain.height, commits.length);
  for (const { block, root } of records.provenBlocks()) {
    const commit = commits[block - 1];
    if (commit !== undefined && commit.transactionsRoot !== root) records.disprove(block, root);
  }
  for (const place of records.missingSources(verified, STEPS_A_LOOK)) {
    if (isNowhere(place)) records.dropSource(place);
    else {
      try {
        const { bytes } = await chain.payment(place);
        records.takeSource(toHex(hashPayment(separator, bytes)), bytes, place);
      } catch (error) {
        failure ??= error instanceof Error ? error : new Error(String(error));
      }
    }
  }
  const proofs = new Map<TransactionHash, KeptPayment["proof"]>();
  for (const { hash, place } of records.unproven(verified, STEPS_A_LOOK)) {
    if (isNowhere(place)) {
      proofs.set(hash, null);
      continue;
    }
    try {
      const { header, index, siblings } = await chain.proofOf(place);
      const { transactionsRoot: root, transactionCount } = header;
      const isThere =
        header.number === place.blockNumber &&
        index === place.transactionIndex &&
        verifyProof(root, hash, index, transactionCount, siblings);
      // What was streamed there is in no block after all: it may still come.
      proofs.set(hash, isThere ? { root, siblings: [...siblings] } : null);
    } catch (error) {
      failure ??= error instanceof Error ? error : new Error(String(error));
    }
  }
  const all = [...proofs];
  for (let at = 0; at < all.length; at += PROOFS_A_SLICE) {
    records.prove(new Map(all.slice(at, at + PROOFS_A_SLICE)));
    await setImmediate();
  }
  return { concerned: new Set([...proofs.keys()].flatMap((hash) => records.concernedBy(hash))), failure };
}
