import { timingSafeEqual } from "node:crypto";
import type { FastifyRequest } from "fastify";
import type { TSchema } from "typebox";
import { CommitAnswer, PausedAnswer } from "../answers.ts";
import type { OperatorPort } from "../ports.ts";
import { Problem } from "../problems.ts";
import { NoQuery } from "../schemas.ts";
import type { Server } from "../server.ts";
import { blockShape } from "../shapes.ts";

const BODY_BYTES_MAX = 1024;

interface AdminAction {
  path: string;
  summary: string;
  answer: TSchema;
  act: () => Promise<object> | object;
}

export function adminRoutes(server: Server, operator: OperatorPort): void {
  const { adminToken } = operator;
  // Without a token these routes do not exist.
  if (adminToken === null) return;
  const pause = (paused: boolean): object => {
    operator.pause(paused);
    return { paused: operator.status().paused };
  };
  const actions: AdminAction[] = [
    {
      path: "/v1/admin/commit",
      summary: "Ends the hour now; null when there is nothing to commit",
      answer: CommitAnswer,
      act: async () => {
        const number = await operator.commitNow();
        return { block: number === null ? null : blockShape(operator, number) };
      },
    },
    {
      path: "/v1/admin/pause",
      summary: "Refuses new payments, and nothing else, until resume or a restart",
      answer: PausedAnswer,
      act: () => pause(true),
    },
    {
      path: "/v1/admin/resume",
      summary: "Takes new payments again",
      answer: PausedAnswer,
      act: () => pause(false),
    },
  ];
  for (const { path, summary, answer, act } of actions) {
    server.post(
      path,
      {
        bodyLimit: BODY_BYTES_MAX,
        schema: {
          summary,
          tags: ["admin"],
          security: [{ adminToken: [] }],
          querystring: NoQuery,
          response: { 200: answer },
        },
        // Before anything of the request is read.
        onRequest: (request, _, done) => done(unauthorized(adminToken, request.headers.authorization)),
      },
      async (request) => {
        checkEmpty(request);
        return await act();
      },
    );
  }
}

/** @throws Problem MALFORMED */
function checkEmpty({ body }: FastifyRequest): void {
  const empty = body === undefined || body === null || JSON.stringify(body) === "{}";
  if (!empty) throw new Problem("MALFORMED", "this takes no body, or {}");
}

function unauthorized(token: string, header: string | undefined): Problem | undefined {
  const expected = Buffer.from(`Bearer ${token}`);
  const given = Buffer.from(header ?? "");
  if (given.length === expected.length && timingSafeEqual(given, expected)) return undefined;
  return new Problem("UNAUTHORIZED", "send the header Authorization: Bearer with ADMIN_TOKEN");
}
