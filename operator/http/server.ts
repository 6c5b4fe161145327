import { createServer as createHttpServer } from "node:http";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import { ProtocolError } from "@plasma-billing/protocol/errors.ts";
import fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from "fastify";
import { IndexBehindError } from "../index/ports.ts";
import { createIntake } from "./intake.ts";
import { isDeeper } from "./jsonDepth.ts";
import type { OperatorPort } from "./ports.ts";
import { Problem, problemJson, sendProblem } from "./problems.ts";
import { accountRoutes } from "./routes/accounts.ts";
import { adminRoutes } from "./routes/admin.ts";
import { blockRoutes } from "./routes/blocks.ts";
import { chainRoutes } from "./routes/chain.ts";
import { transactionRoutes } from "./routes/transactions.ts";

export type Server = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** A request that takes longer to arrive is cut off: nobody can hold sockets by sending slowly. */
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_MS = 72_000;
/** Nor by reading slowly: a socket on which nothing moves for so long is closed. */
const IDLE_MS = 60_000;
/** For routes that name no limit of their own. */
const BODY_BYTES_MAX = 1024;
const PARAMETER_CHARACTERS_MAX = 100;
/** No right body is nested so deep. */
const DEPTH_MAX = 32;

/** The HTTP API (docs/API.md). Everything wrong is answered as application/problem+json; no stack leaves the process. */
export function createServer(operator: OperatorPort): Server {
  const { log } = operator;
  // Its own type would make a type of server that no route takes.
  const logger: FastifyBaseLogger = log;
  const intake = createIntake({ submit: async (request) => await operator.submit(request), log });
  const server: Server = fastify({
    // Payments do not pass through the framework: it would cost more than the ledger.
    serverFactory: (handler) => {
      const options = { requestTimeout: REQUEST_TIMEOUT_MS, keepAliveTimeout: KEEP_ALIVE_MS };
      const http = createHttpServer(options, (request, response) => {
        if (!intake(request, response)) handler(request, response);
      });
      return http.setTimeout(IDLE_MS);
    },
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: IDLE_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: PARAMETER_CHARACTERS_MAX },
    // What a client sends is taken as it is or refused: nothing is converted, filled in or dropped.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, allErrors: false } },
    frameworkErrors: (error, _, reply) => void sendProblem(reply, asProblem(error)),
    clientErrorHandler: (_, socket) => {
      const body = JSON.stringify(problemJson(new Problem("MALFORMED", "not an HTTP request")));
      const head = `HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nContent-Length: ${body.length}`;
      if (socket.writable) socket.end(`${head}\r\nConnection: close\r\n\r\n${body}`);
      else socket.destroy();
    },
  }).withTypeProvider<TypeBoxTypeProvider>();
  server.removeAllContentTypeParsers();
  const parse = server.getDefaultJsonParser("error", "error");
  server.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    if (isDeeper(String(body), DEPTH_MAX)) return done(new Problem("MALFORMED", `nested more than ${DEPTH_MAX} deep`));
    return parse(request, String(body), done);
  });
  server.setNotFoundHandler(async (request, reply) => {
    const context = { method: request.method, path: request.url.slice(0, PARAMETER_CHARACTERS_MAX) };
    await sendProblem(reply, new Problem("NOT_FOUND", "there is no such route", context));
  });
  server.setErrorHandler(async (error, _, reply) => {
    const problem = error instanceof Problem || error instanceof ProtocolError ? error : asProblem(error);
    if (problem.code === "INTERNAL") log.error({ err: error }, "a request failed");
    await sendProblem(reply, problem);
  });
  transactionRoutes(server, operator);
  blockRoutes(server, operator);
  accountRoutes(server, operator);
  chainRoutes(server, operator);
  adminRoutes(server, operator);
  return server;
}

/** What the framework found wrong with a request. */
function asProblem(error: unknown): Problem {
  if (error instanceof IndexBehindError) return new Problem("OVERLOADED", `${error.message}: ask again later`);
  const { code, statusCode, message, validation } = error as Partial<FastifyError>;
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") return new Problem("TOO_LARGE", "the body is too large");
  if (code === "FST_ERR_CTP_INVALID_MEDIA_TYPE") {
    return new Problem("UNSUPPORTED_MEDIA_TYPE", "send application/json");
  }
  if (validation !== undefined || (statusCode !== undefined && statusCode >= 400 && statusCode < 500)) {
    return new Problem("MALFORMED", message?.slice(0, 3 * PARAMETER_CHARACTERS_MAX) ?? "malformed request");
  }
  return new Problem("INTERNAL", "something failed on our side: it is in the operator's log");
}
