import type { FastifyReply } from "fastify";

/** Codes of the watcher's routes, with their status. */
const STATUS = {
  MALFORMED: 400,
  UNAUTHORIZED: 401,
  NOT_FOUND: 404,
  TOO_MANY: 409,
  NO_KEY: 409,
  TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  BAD_SIGNATURE: 422,
  WRONG_BOND_OWNER: 422,
  EXPIRED: 422,
  INTERNAL: 500,
  OVERLOADED: 503,
} as const;
export type ProblemCode = keyof typeof STATUS;

/** An answer that is an error (RFC 9457). */
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

export async function sendProblem(reply: FastifyReply, { code, message: detail, context }: Problem): Promise<void> {
  const title = code.charAt(0) + code.slice(1).toLowerCase().replaceAll("_", " ");
  const status = STATUS[code];
  const body = { type: `urn:plasma-billing:${code}`, title, status, code, detail, context };
  await reply.code(status).header("content-type", "application/problem+json").send(JSON.stringify(body));
}
