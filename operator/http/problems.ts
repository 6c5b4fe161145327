import { type ProtocolError, type ProtocolCode } from "@plasma-billing/protocol/errors.ts";
import type { FastifyReply } from "fastify";
import { checksummed } from "./addresses.ts";

/** Codes of routes, beside those of payments. */
export const ROUTE_CODES = [
  "NOT_FOUND",
  "NOT_COMMITTED",
  "INSUFFICIENT_FUNDS",
  "UNAUTHORIZED",
  "TOO_LARGE",
  "UNSUPPORTED_MEDIA_TYPE",
  "OVERLOADED",
  "PAUSED",
  "INTERNAL",
] as const;
export type ProblemCode = ProtocolCode | (typeof ROUTE_CODES)[number];

const STATUS: Partial<Record<ProblemCode, number>> = {
  MALFORMED: 400,
  WRONG_SIGNATURE_COUNT: 400,
  UNAUTHORIZED: 401,
  NOT_FOUND: 404,
  INPUT_SPENT: 409,
  INPUT_EXITING: 409,
  NOT_COMMITTED: 409,
  ROLE_TAKEN: 409,
  STALE_VERSION: 409,
  TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  INTERNAL: 500,
  OVERLOADED: 503,
  PAUSED: 503,
};
const OTHER_STATUS = 422;
const RETRY_AFTER_SECONDS = 1;

/** RFC 9457. */
export interface ProblemJson {
  type: string;
  title: string;
  status: number;
  code: ProblemCode;
  detail: string;
  context: Record<string, unknown>;
}

/** An answer that is an error; the handler of errors sends it. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly context: Record<string, unknown>;

  constructor(code: ProblemCode, detail: string, context: Record<string, unknown> = {}) {
    super(detail);
    this.name = "Problem";
    this.code = code;
    this.context = context;
  }
}

export function problemJson({ code, message, context }: Problem | ProtocolError): ProblemJson {
  const title = code.charAt(0) + code.slice(1).toLowerCase().replaceAll("_", " ");
  const status = STATUS[code] ?? OTHER_STATUS;
  return { type: `urn:plasma-billing:${code}`, title, status, code, detail: message, context: checksummed(context) };
}

/** Headers of the answer that carries a problem. */
export function problemHeaders({ status }: ProblemJson): Record<string, string> {
  return {
    "content-type": "application/problem+json",
    ...(status === 503 ? { "retry-after": String(RETRY_AFTER_SECONDS) } : {}),
    ...(status === 401 ? { "www-authenticate": "Bearer" } : {}),
  };
}

export async function sendProblem(reply: FastifyReply, problem: Problem | ProtocolError): Promise<void> {
  const json = problemJson(problem);
  await reply.code(json.status).headers(problemHeaders(json)).send(JSON.stringify(json));
}

export function overloaded(): Problem {
  return new Problem("OVERLOADED", "too much at once, or the disk is full: send the same bytes again later");
}

export function pausedProblem(): Problem {
  return new Problem("PAUSED", "new payments are not taken at the moment: send the same bytes again later");
}
