import type { OperatorPort } from "../ports.ts";
import { NoQuery, PageQuery, pageShape, readPage } from "../schemas.ts";
import type { Server } from "../server.ts";
import { depositShape, exitShape } from "../shapes.ts";

/** What Ethereum and the operator itself are doing. */
export function chainRoutes(server: Server, operator: OperatorPort): void {
  const { views } = operator;

  server.get("/v1/deposits", { schema: { querystring: PageQuery } }, (request) => {
    const { limit, from } = readPage(request.query);
    const pending = from === null ? views.pendingDeposits() : [];
    const { items, next } = views.creditedDeposits(limit, from);
    const shapes = [
      ...pending.map((deposit) => depositShape(deposit, deposit.outputId, "pending")),
      ...items.map((deposit) => depositShape(deposit, views.depositOutputId(deposit), "credited")),
    ];
    return pageShape(shapes, next);
  });

  server.get("/v1/exits", { schema: { querystring: PageQuery } }, (request) => {
    const { limit, from } = readPage(request.query);
    const { items, next } = views.exits(limit, from);
    return pageShape(items.map(exitShape), next);
  });

  server.get("/v1/status", { schema: { querystring: NoQuery } }, () => operator.status());

  server.get("/healthz", { schema: { querystring: NoQuery } }, () => ({ alive: true }));

  server.get("/readyz", { schema: { querystring: NoQuery } }, async (_, reply) => {
    const reasons = operator.unready();
    return await reply.code(reasons.length === 0 ? 200 : 503).send({ ready: reasons.length === 0, reasons });
  });
}
