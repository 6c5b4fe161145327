import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { DepositAnswer, documented, ExitAnswer, pageOf, TokenAnswer } from "../answers.ts";
import type { OperatorPort } from "../ports.ts";
import { ExitsQuery, lower, NoQuery, PageQuery, pageShape, readPage } from "../schemas.ts";
import type { Server } from "../server.ts";
import { depositShape, exitShape, tokenShape } from "../shapes.ts";

/** What Ethereum shows. */
export function chainRoutes(server: Server, operator: OperatorPort): void {
  const { reads } = operator;

  server.get(
    "/v1/tokens",
    {
      schema: {
        querystring: NoQuery,
        ...documented("chain", "Tokens that were deposited, with what they call themselves", pageOf(TokenAnswer)),
      },
    },
    async () => pageShape((await operator.tokens(reads.tokens)).map(tokenShape), null),
  );

  server.get(
    "/v1/deposits",
    {
      schema: { querystring: PageQuery, ...documented("chain", "Deposits, pending ones first", pageOf(DepositAnswer)) },
    },
    async (request) => {
      const { limit, from } = readPage(request.query);
      const { items, next } = await reads.deposits(limit, from?.[0] ?? null);
      return pageShape(items.map(depositShape), next === null ? null : [next]);
    },
  );

  server.get(
    "/v1/exits",
    {
      schema: {
        querystring: ExitsQuery,
        ...documented("chain", "Exits; of kind inFlight one item a piggyback", pageOf(ExitAnswer)),
      },
    },
    (request) => {
      const { limit, from } = readPage(request.query, 2);
      const [number, index] = from ?? [];
      const after = number === undefined || index === undefined ? null : { number, index };
      const { address } = request.query;
      const { items, next } = reads.exits(limit, after, address === undefined ? null : lower<Address>(address));
      return pageShape(items.map(exitShape), next === null ? null : [next.number, next.index]);
    },
  );
}
