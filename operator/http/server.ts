import { createServer as createHttpServer } from "node:http";
import { ProtocolError } from "@plasma-billing/protocol/errors.ts";
import fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyTypeProvider,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from "fastify";
import type { Static, TSchema } from "typebox";
import { IndexBehindError } from "../index/ports.ts";
import { allowReading } from "./cors.ts";
import { EXPLORER_FOLDER, explorerFiles } from "./explorerFiles.ts";
import { createIntake } from "./intake.ts";
import { isDeeper } from "@plasma-billing/ethereum/verification/jsonDepth.ts";
import { documentation, documentationRoutes } from "./openapi.ts";
import type { OperatorPort } from "./ports.ts";
import { Problem, problemJson, sendProblem } from "./problems.ts";
import { accountRoutes } from "./routes/accounts.ts";
import { adminRoutes } from "./routes/admin.ts";
import { blockRoutes } from "./routes/blocks.ts";
import { chainRoutes } from "./routes/chain.ts";
import { eventRoutes } from "./routes/events.ts";
import { fileRoutes } from "./routes/files.ts";
import { prepareRoutes } from "./routes/prepare.ts";
import { quoteRoutes } from "./routes/quotes.ts";
import { registrationRoutes } from "./routes/registrations.ts";
import { searchRoutes } from "./routes/search.ts";
import { swapRoutes } from "./routes/swaps.ts";
import { statusRoutes } from "./routes/status.ts";
import { transactionRoutes } from "./routes/transactions.ts";

/** Requests have the types of their schemas; answers are objects like any, and `response` is what is said of them. */
interface RequestTypes extends FastifyTypeProvider {
  validator: this["schema"] extends TSchema ? Static<this["schema"]> : unknown;
  serializer: unknown;
}

export type Server = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  RequestTypes
>;

/** A request that takes longer to arrive is cut off: nobody can hold sockets by sending slowly. */
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_MS = 72_000;
/** Nor by reading slowly: a socket on which nothing moves for so long is closed. */
const IDLE_MS = 60_000;
/** For routes that name no limit of their own. */
const BODY_BYTES_MAX = 1024;
/** A file id of 128 bytes, each as three characters. */
const PARAMETER_CHARACTERS_MAX = 384;
const SHOWN_CHARACTERS_MAX = 100;
/** No right body is nested so deep. */
const DEPTH_MAX = 32;

/**
 * The HTTP API (docs/API.md), and the explorer where no route is. Everything wrong is answered as application/problem+json;
 * no stack leaves the process.
 */
export function createServer(operator: OperatorPort, explorerFolder: string = EXPLORER_FOLDER): Server {
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
  }).withTypeProvider<RequestTypes>();
  // An answer goes out as it is: what documents it neither drops nor converts anything.
  server.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  server.removeAllContentTypeParsers();
  const parse = server.getDefaultJsonParser("error", "error");
  server.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    if (isDeeper(String(body), DEPTH_MAX)) return done(new Problem("MALFORMED", `nested more than ${DEPTH_MAX} deep`));
    return parse(request, String(body), done);
  });
  const answerPage = explorerFiles(server, explorerFolder);
  server.setNotFoundHandler(async (request, reply) => {
    if (await answerPage(request, reply)) return;
    const context = { method: request.method, path: request.url.slice(0, SHOWN_CHARACTERS_MAX) };
    await sendProblem(reply, new Problem("NOT_FOUND", "there is no such route", context));
  });
  server.setErrorHandler(async (error, _, reply) => {
    const problem = error instanceof Problem || error instanceof ProtocolError ? error : asProblem(error);
    if (problem.code === "INTERNAL") log.error({ err: error }, "a request failed");
    await sendProblem(reply, problem);
  });
  allowReading(server);
  documentation(server, operator.status().version);
  // When the documentation is there, or it would not see them.
  server.after(() => {
    transactionRoutes(server, operator);
    blockRoutes(server, operator);
    accountRoutes(server, operator);
    chainRoutes(server, operator);
    registrationRoutes(server, operator);
    fileRoutes(server, operator);
    quoteRoutes(server, operator);
    prepareRoutes(server, operator);
    swapRoutes(server, operator);
    searchRoutes(server, operator);
    adminRoutes(server, operator);
    statusRoutes(server, operator);
    eventRoutes(server, operator);
    documentationRoutes(server);
  });
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
    return new Problem("MALFORMED", message?.slice(0, 3 * SHOWN_CHARACTERS_MAX) ?? "malformed request");
  }
  return new Problem("INTERNAL", "something failed on our side: it is in the operator's log");
}
