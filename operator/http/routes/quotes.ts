import { checkFileId } from "@plasma-billing/protocol/market/registry.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { CREATED, documented } from "../answers.ts";
import { QuoteAnswer } from "../marketAnswers.ts";
import { busy, created, MARKET_BODY_BYTES_MAX } from "../marketRequests.ts";
import { QuoteBody, readAmount } from "../marketSchemas.ts";
import { quoteShape } from "../marketShapes.ts";
import { Problem } from "../problems.ts";
import { lower, NoQuery } from "../schemas.ts";
import type { OperatorPort } from "../ports.ts";
import type { Server } from "../server.ts";

/** What storage costs: docs/MARKETPLACE.md. */
export function quoteRoutes(server: Server, operator: OperatorPort): void {
  const { registrar } = operator;

  server.post(
    "/v1/quotes",
    {
      bodyLimit: MARKET_BODY_BYTES_MAX,
      schema: {
        querystring: NoQuery,
        body: QuoteBody,
        ...documented("market", "Quotes a storage fee, or takes a quote the service node signed", QuoteAnswer, CREATED),
      },
    },
    async (request, reply) => {
      const { fileId, sizeBytes, days, serviceNode, fee, expiresAt, signature } = request.body;
      checkFileId(fileId);
      const [validator, token] = [lower<Address>(request.body.validator), lower<Address>(request.body.token)];
      const terms = { fileId, validator, token, sizeBytes, days };
      const own = [serviceNode, fee, expiresAt, signature].every((field) => field === undefined);
      if (own) return await created(reply, true, quoteShape(await busy(async () => await registrar.quote(terms))));
      if (serviceNode === undefined || fee === undefined || expiresAt === undefined || signature === undefined) {
        throw new Problem("MALFORMED", "serviceNode, fee, expiresAt and signature go together");
      }
      const signed = {
        ...{ ...terms, serviceNode: lower<Address>(serviceNode), fee: readAmount("fee", fee), expiresAt },
        signature: lower<Hex>(signature),
      };
      const judged = await busy(async () => registrar.takeQuote(signed));
      await created(reply, judged === "taken", quoteShape({ ...signed, recordedAt: operator.now() }));
    },
  );
}
