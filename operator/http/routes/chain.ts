import type { OperatorPort } from "../ports.ts";
import { NoQuery, PageQuery, pageShape, readPage } from "../schemas.ts";
import type { Server } from "../server.ts";
import { depositShape, exitShape } from "../shapes.ts";

const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** What Ethereum and the operator itself are doing. */
export function chainRoutes(server: Server, operator: OperatorPort): void {
  const { reads } = operator;

  server.get("/v1/deposits", { schema: { querystring: PageQuery } }, async (request) => {
    const { limit, from } = readPage(request.query);
    const { items, next } = await reads.deposits(limit, from?.[0] ?? null);
    return pageShape(items.map(depositShape), next === null ? null : [next]);
  });

  server.get("/v1/exits", { schema: { querystring: PageQuery } }, (request) => {
    const { limit, from } = readPage(request.query, 2);
    const [number, index] = from ?? [];
    const { items, next } = reads.exits(limit, number === undefined || index === undefined ? null : { number, index });
    return pageShape(items.map(exitShape), next === null ? null : [next.number, next.index]);
  });

  server.get("/v1/status", { schema: { querystring: NoQuery } }, () => operator.status());

  server.get("/metrics", { schema: { querystring: NoQuery } }, async (_, reply) => {
    return await reply.type(METRICS_TYPE).send(await operator.metrics());
  });

  server.get("/healthz", { schema: { querystring: NoQuery } }, () => ({ alive: true }));

  server.get("/readyz", { schema: { querystring: NoQuery } }, async (_, reply) => {
    const reasons = operator.unready();
    return await reply.code(reasons.length === 0 ? 200 : 503).send({ ready: reasons.length === 0, reasons });
  });
}
