import type { OpenExit } from "@plasma-billing/ethereum/challenging/exits.ts";
import type { Facts, Place } from "@plasma-billing/ethereum/challenging/planner.ts";
import { OUTPUTS_FROM } from "@plasma-billing/protocol/inFlightExits.ts";
import { outputId, type OutputId, type TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { ChildChain, SeenSpend } from "./chain/childChain.ts";
import { rankOf } from "./chain/place.ts";

/**
 * What was seen of these exits: spends in blocks, streamed, and signed ones in data that was refused.
 * @param firstBad - the first block that is invalid or withheld; null without one
 */
export async function factsOf(
  chain: Pick<ChildChain, "height" | "watch" | "spendsOf" | "proofOf">,
  exits: readonly OpenExit[],
  firstBad: number | null,
): Promise<Facts> {
  const owners = new Map<OutputId, Address>();
  for (const exit of exits) for (const [id, owner] of ownersOf(exit)) owners.set(id, owner);
  await chain.watch(owners);
  const places = new Map<TransactionHash, Place>();
  for (const id of owners.keys()) {
    for (const { hash, place } of chain.spendsOf(id)) if (place !== null) places.set(hash, place);
  }
  // Of a payment that only a bad block has, what is spent in such a block too must leave with it: nobody else can take that out.
  const kept = new Set<OutputId>();
  for (const exit of exits) {
    const place = exit.kind === "inFlight" ? places.get(exit.transactionHash) : undefined;
    if (exit.kind !== "inFlight" || place === undefined || firstBad === null || place.blockNumber < firstBad) continue;
    for (const i of exit.outputs.keys()) kept.add(outputId(exit.transactionHash, i));
  }
  const isBad = (place: Place | undefined): boolean =>
    place !== undefined && firstBad !== null && place.blockNumber >= firstBad;
  const height = chain.height;
  const placeOf = (hash: TransactionHash): Place | null => {
    const place = places.get(hash);
    return place === undefined || place.blockNumber > height ? null : place;
  };
  return {
    spendOf: (id, other) => {
      if (other !== undefined && kept.has(id)) return null;
      const spends = chain.spendsOf(id).filter(({ hash, signer }) => hash !== other && signer === owners.get(id));
      return oldest(spends);
    },
    accepted: (hash) => places.has(hash) && !isBad(places.get(hash)),
    badPlaceOf: (hash) => {
      const place = places.get(hash);
      return isBad(place) ? (place ?? null) : null;
    },
    placeOf,
    proofOf: async (place) => await chain.proofOf(place),
  };
}

/** Of several spends the one that counts most: the first in the chain. */
function oldest(spends: readonly SeenSpend[]): SeenSpend | null {
  let first: SeenSpend | null = null;
  for (const spend of spends) if (first === null || rankOf(spend.place) < rankOf(first.place)) first = spend;
  return first;
}

function* ownersOf(exit: OpenExit): Iterable<[OutputId, Address]> {
  if (exit.kind === "standard") {
    yield [exit.outputId, exit.terms.owner];
    return;
  }
  for (const [i, id] of exit.inputIds.entries()) {
    const owner = exit.inputs[i]?.owner;
    if (owner !== undefined) yield [id, owner];
  }
  for (const [index, id] of exit.piggybacks) {
    const owner = exit.outputs[index - OUTPUTS_FROM]?.owner;
    if (owner !== undefined) yield [id, owner];
  }
}
