import { encodePiggybacks, type OwnersWord } from "@plasma-billing/ethereum/exitStarts.ts";
import type { ExitOutput } from "@plasma-billing/ethereum/rootChain.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { OUTPUTS_FROM } from "@plasma-billing/protocol/inFlightExits.ts";
import { outputId, type OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { Flight } from "./exitBoard.ts";
import type { PlanContext, Planned } from "./plan.ts";

/** An input or output of a guarded address. */
interface Part extends ExitOutput {
  index: number;
  id: OutputId;
}

/**
 * What guarded addresses ask in-flight exits to pay: of payments that no verified block has, all inputs that their owner signed no
 * other spend of, and all outputs. What a block has leaves by standard exits, if it has to: a stranger's exit of it takes
 * nothing from its outputs.
 */
export async function planPiggybacks(context: PlanContext): Promise<Planned> {
  const { board, now, exitPeriod, guarded } = context;
  const planned: Planned = { duties: [], findings: [] };
  for (const flight of board.openFlights) {
    const until = flight.startedAt + Math.floor(exitPeriod / 2);
    if (now >= until) continue;
    const parts = partsOf(flight).filter(
      ({ owner, index, id }) => guarded.has(owner) && !flight.made.has(index) && !board.isFinalized(id),
    );
    if (parts.length === 0 || (await isIncluded(context, flight))) continue;
    for (const part of parts)
      if (!(await isSpentElsewhere(context, flight, part))) ask(context, flight, part, until, planned);
  }
  return planned;
}

function ask(context: PlanContext, flight: Flight, part: Part, until: number, { duties, findings }: Planned): void {
  const { words, rootChain, bonds, now } = context;
  const { transactionHash, number } = flight;
  const { index, id, owner, token, amount } = part;
  const word = words(id, 0, owner);
  const data = (by: OwnersWord): Hex =>
    encodePiggybacks({ id: transactionHash, data: flight.data }, [{ index, word: by }]);
  if (word !== null) {
    const key = `piggyback:${number}:${transactionHash}:${index}`;
    duties.push({ key, exit: number, until, value: bonds.piggyback, data: () => data(word) });
    return;
  }
  const what = index < OUTPUTS_FROM ? `input ${index}` : `output ${index - OUTPUTS_FROM}`;
  findings.push({
    name: "guardedPiggybackMissing",
    subject: `${number}:${transactionHash}:${index}`,
    text: `in-flight exit ${number} of payment ${transactionHash}: ${what} is ${owner}'s, which has authorized no piggyback`,
    until,
    evidence: { exit: number, transactionHash, index, outputId: id, owner, token, amount: amount.toString(), now },
    transaction: { to: rootChain, data: data(null), value: bonds.piggyback },
  });
}

function partsOf({ transactionHash, inputIds, inputs, outputs }: Flight): Part[] {
  return [
    ...inputs.map((input, index) => ({ ...input, index, id: inputIds[index] as OutputId })),
    ...outputs.map((output, i) => ({ ...output, index: OUTPUTS_FROM + i, id: outputId(transactionHash, i) })),
  ];
}

/** Whether a verified block, before the first bad one, has the payment. */
async function isIncluded(
  { chain, verified }: PlanContext,
  { inputIds, inputs, transactionHash }: Flight,
): Promise<boolean> {
  await chain.watch(new Map(inputIds.map((id, i) => [id, inputs[i]?.owner ?? null])));
  return inputIds.some((id) =>
    chain
      .spendsOf(id)
      .some(({ hash, place }) => hash === transactionHash && place !== null && place.blockNumber <= verified),
  );
}

/** Whether the input's owner signed another spend of it, which would cancel the piggyback and take its bond. */
async function isSpentElsewhere(
  { chain, board }: PlanContext,
  { transactionHash }: Flight,
  { id, owner, index }: Part,
): Promise<boolean> {
  // Only who shows the payment in a block can object to a piggyback of an output.
  if (index >= OUTPUTS_FROM) return false;
  await chain.watch(new Map([[id, owner]]));
  const isOther = chain.spendsOf(id).some(({ hash, signer }) => hash !== transactionHash && signer === owner);
  return isOther || board.isSpentInFlight(id, transactionHash);
}
