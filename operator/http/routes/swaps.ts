import { fromHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { lives } from "@plasma-billing/protocol/market/market.ts";
import { decodePayment } from "@plasma-billing/protocol/paymentBytes.ts";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { OpenSwap } from "../../market/registrar.ts";
import { documented, pageOf } from "../answers.ts";
import { SwapAnswer } from "../marketAnswers.ts";
import { busy, created, MARKET_BODY_BYTES_MAX, newestFirst } from "../marketRequests.ts";
import { readAmount, SwapBody, SwapsQuery } from "../marketSchemas.ts";
import { swapShape } from "../marketShapes.ts";
import { lower, NoQuery } from "../schemas.ts";
import type { OperatorPort } from "../ports.ts";
import type { Server } from "../server.ts";

/** Swaps that wait for the other side: docs/MARKETPLACE.md. */
export function swapRoutes(server: Server, operator: OperatorPort): void {
  const { reads, registrar } = operator;
  const { market } = reads;

  server.get(
    "/v1/swaps",
    {
      schema: {
        querystring: SwapsQuery,
        ...documented("market", "Swaps that wait for a signature", pageOf(SwapAnswer)),
      },
    },
    (request) => {
      const address = request.query.address === undefined ? null : lower<Address>(request.query.address);
      const now = operator.now();
      const waiting = [...market.swapProposals.values()].filter((proposal) => {
        if (!lives(proposal, now)) return false;
        const bytes = fromHex(proposal.payment);
        const spent = decodePayment(bytes, 0, bytes.length).inputs.map((id) => reads.output(id));
        // With an input spent elsewhere nobody can sign it into effect any more.
        if (spent.some((output) => output?.state !== "available")) return false;
        return address === null || spent.some((output) => output?.owner === address);
      });
      return newestFirst(waiting, request.query, swapShape);
    },
  );

  server.post(
    "/v1/swaps",
    {
      bodyLimit: MARKET_BODY_BYTES_MAX,
      schema: {
        querystring: NoQuery,
        body: SwapBody,
        ...documented("market", "Proposes a swap that one side signed", SwapAnswer, [201]),
      },
    },
    async (request, reply) => {
      const { transaction, expiresAt } = request.body;
      const swap: OpenSwap = {
        purpose: transaction.purpose,
        inputs: transaction.inputs.map((id) => lower<OutputId>(id)),
        outputs: transaction.outputs.map(({ owner, token, amount }, i) => ({
          owner: lower<Address>(owner),
          token: lower<Address>(token),
          amount: readAmount(`outputs[${i}].amount`, amount),
        })),
        fileHash: lower<Hex>(transaction.fileHash),
        signatures: transaction.signatures.map((signature) => (signature === null ? null : lower<Hex>(signature))),
      };
      await created(reply, true, swapShape(await busy(async () => await registrar.proposeSwap(swap, expiresAt))));
    },
  );
}
