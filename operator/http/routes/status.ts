import { AliveAnswer, documented, MetricsAnswer, ReadyAnswer, StatisticsAnswer, StatusAnswer } from "../answers.ts";
import type { OperatorPort } from "../ports.ts";
import { NoQuery, readPage, StatisticsQuery } from "../schemas.ts";
import type { Server } from "../server.ts";
import { statisticsShape } from "../shapes.ts";

/** Two days. */
const HOURS_DEFAULT = 48;
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** How the operator is doing, and what it has done. */
export function statusRoutes(server: Server, operator: OperatorPort): void {
  server.get(
    "/v1/statistics",
    {
      schema: {
        querystring: StatisticsQuery,
        ...documented(
          "operator",
          "Totals; count and volume by hour, purpose and token, for the newest hours",
          StatisticsAnswer,
        ),
      },
    },
    async (request) => {
      const { limit } = readPage(request.query, 1, HOURS_DEFAULT);
      return statisticsShape(await operator.reads.statistics(limit));
    },
  );

  server.get(
    "/v1/status",
    {
      schema: {
        querystring: NoQuery,
        ...documented("operator", "How operator, settlement and Ethereum are doing", StatusAnswer),
      },
    },
    () => operator.status(),
  );

  server.get(
    "/metrics",
    { schema: { querystring: NoQuery, ...documented("operator", "Figures for Prometheus", MetricsAnswer) } },
    async (_, reply) => {
      return await reply.type(METRICS_TYPE).send(await operator.metrics());
    },
  );

  server.get(
    "/healthz",
    { schema: { querystring: NoQuery, ...documented("operator", "Whether the process answers", AliveAnswer) } },
    () => ({ alive: true }),
  );

  server.get(
    "/readyz",
    {
      schema: {
        querystring: NoQuery,
        ...documented(
          "operator",
          "Whether the operator is ready, with the reasons when it is not",
          ReadyAnswer,
          [200, 503],
        ),
      },
    },
    async (_, reply) => {
      const reasons = operator.unready();
      return await reply.code(reasons.length === 0 ? 200 : 503).send({ ready: reasons.length === 0, reasons });
    },
  );
}
