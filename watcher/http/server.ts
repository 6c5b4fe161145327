import type { SignedAuthorization } from "@plasma-billing/sdk";
import fastify, { LogController, type FastifyBaseLogger, type FastifyError, type FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { Type } from "typebox";
import type { Finding } from "../findings/finding.ts";
import { findingShape } from "../findings/shape.ts";
import { Problem, sendProblem } from "./problems.ts";
import type { FindingStream } from "./stream.ts";

/** A thousand authorizations of some 400 characters. */
const BODY_BYTES_MAX = 1024 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;
const LIMIT_MAX = 1000;
const LIMIT_DEFAULT = 50;

const integer = (minimum: number, maximum: number): Type.TString =>
  Type.String({ pattern: "^(0|[1-9][0-9]{0,14})$", description: `${minimum} to ${maximum}` });
const FindingsQuery = Type.Object(
  {
    state: Type.Optional(Type.Union([Type.Literal("open"), Type.Literal("over")])),
    limit: Type.Optional(integer(1, LIMIT_MAX)),
    cursor: Type.Optional(integer(1, Number.MAX_SAFE_INTEGER)),
  },
  { additionalProperties: false },
);
const ADDRESS = "^0x[0-9a-fA-F]{40}$";
const Authorizations = Type.Object(
  {
    authorizations: Type.Array(
      Type.Object(
        {
          owner: Type.String({ pattern: ADDRESS }),
          outputId: Type.String({ pattern: "^0x[0-9a-fA-F]{64}$" }),
          blockNumber: Type.Integer({ minimum: 0, maximum: 2 ** 30 - 1 }),
          bondOwner: Type.String({ pattern: ADDRESS }),
          deadline: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
          signature: Type.String({ pattern: "^0x[0-9a-fA-F]{130}$" }),
        },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: 1000 },
    ),
  },
  { additionalProperties: false },
);
/** Some kilobytes each: so many fit into a body. */
const Payments = Type.Object(
  { payments: Type.Array(Type.Unknown(), { minItems: 1, maxItems: 100 }) },
  { additionalProperties: false },
);
const GuardedParams = Type.Object({ address: Type.String({ pattern: ADDRESS }) });

/** What the HTTP side needs of the watcher. */
export interface WatcherPort {
  status: () => Record<string, unknown>;
  /** Why the watcher cannot do its work; empty: it can. */
  unready: () => string[];
  metrics: () => Promise<string>;
  findings: (state: Finding["state"] | null, limit: number, before: number | null) => Finding[];
  openFindings: () => Finding[];
  guarded: () => unknown;
  /** The exit kit of a guarded address as text, null when there is none. */
  kit: (address: string) => Promise<string | null>;
  /** @throws Problem */
  authorize: (authorizations: readonly SignedAuthorization[]) => unknown;
  /** @throws Problem */
  tell: (payments: readonly unknown[]) => unknown;
  stream: FindingStream;
  log: Logger;
}

export function createServer(watcher: WatcherPort): FastifyInstance {
  const logger: FastifyBaseLogger = watcher.log;
  const server = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, allErrors: false } },
  });
  server.setNotFoundHandler(async (request, reply) => {
    await sendProblem(reply, new Problem("NOT_FOUND", `there is no ${request.method} ${request.url.slice(0, 100)}`));
  });
  server.setErrorHandler(async (error, _, reply) => {
    const problem = error instanceof Problem ? error : asProblem(error);
    if (problem.code === "INTERNAL") watcher.log.error({ err: error }, "a request failed");
    await sendProblem(reply, problem);
  });
  server.addHook("preClose", (done) => {
    watcher.stream.close();
    done();
  });
  findingRoutes(server, watcher);
  guardRoutes(server, watcher);
  healthRoutes(server, watcher);
  return server;
}

function findingRoutes(server: FastifyInstance, watcher: WatcherPort): void {
  server.get<{ Querystring: { state?: Finding["state"]; limit?: string; cursor?: string } }>(
    "/v1/findings",
    { schema: { querystring: FindingsQuery } },
    (request) => {
      const { state = null, limit = String(LIMIT_DEFAULT), cursor } = request.query;
      const count = Number(limit);
      if (count < 1 || count > LIMIT_MAX) throw new Problem("MALFORMED", `limit must be 1 to ${LIMIT_MAX}`, { limit });
      const items = watcher.findings(state, count, cursor === undefined ? null : Number(cursor));
      const nextCursor = items.length === count ? String(items.at(-1)?.id) : null;
      return { items: items.map(findingShape), nextCursor };
    },
  );
  server.get("/v1/events", (_, reply) => {
    if (watcher.stream.full) throw new Problem("OVERLOADED", "too many streams are open: try again later");
    reply.hijack();
    watcher.stream.open(reply.raw, watcher.openFindings());
  });
}

function guardRoutes(server: FastifyInstance, watcher: WatcherPort): void {
  server.get("/v1/guarded", () => ({ items: watcher.guarded() }));
  server.get<{ Params: { address: string } }>(
    "/v1/guarded/:address/kit",
    { schema: { params: GuardedParams } },
    async (request, reply) => {
      const { address } = request.params;
      const kit = await watcher.kit(address.toLowerCase());
      if (kit === null) throw new Problem("NOT_FOUND", `${address} is not guarded, or has nothing yet`, { address });
      await reply.header("content-type", "application/json").send(kit);
    },
  );
  server.post<{ Body: { authorizations: SignedAuthorization[] } }>(
    "/v1/authorizations",
    { schema: { body: Authorizations } },
    (request) => watcher.authorize(request.body.authorizations),
  );
  server.post<{ Body: { payments: unknown[] } }>("/v1/payments", { schema: { body: Payments } }, (request) =>
    watcher.tell(request.body.payments),
  );
}

function healthRoutes(server: FastifyInstance, watcher: WatcherPort): void {
  server.get("/v1/status", () => watcher.status());
  server.get("/healthz", () => ({ status: "ok" }));
  server.get("/readyz", async (_, reply) => {
    const reasons = watcher.unready();
    await reply.code(reasons.length === 0 ? 200 : 503).send({ ready: reasons.length === 0, reasons });
  });
  server.get("/metrics", async (_, reply) => {
    await reply.header("content-type", "text/plain; version=0.0.4").send(await watcher.metrics());
  });
}

/** What the framework found wrong with a request. */
function asProblem(error: unknown): Problem {
  const { code, statusCode, message } = error as Partial<FastifyError>;
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") return new Problem("TOO_LARGE", "the body is too large");
  if (code === "FST_ERR_CTP_INVALID_MEDIA_TYPE") return new Problem("UNSUPPORTED_MEDIA_TYPE", "send application/json");
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new Problem("MALFORMED", message?.slice(0, 300) ?? "malformed request");
  }
  return new Problem("INTERNAL", "something failed on our side: it is in the watcher's log");
}
