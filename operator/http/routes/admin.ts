import { timingSafeEqual } from "node:crypto";
import type { OperatorPort } from "../ports.ts";
import { Problem } from "../problems.ts";
import { NoQuery } from "../schemas.ts";
import type { Server } from "../server.ts";
import { blockShape } from "../shapes.ts";

const BODY_BYTES_MAX = 1024;

export function adminRoutes(server: Server, operator: OperatorPort): void {
  const { adminToken } = operator;
  // Without a token these routes do not exist.
  if (adminToken === null) return;

  server.post(
    "/v1/admin/commit",
    {
      bodyLimit: BODY_BYTES_MAX,
      schema: { querystring: NoQuery },
      // Before anything of the request is read.
      onRequest: (request, _, done) => done(unauthorized(adminToken, request.headers.authorization)),
    },
    async (request) => {
      const { body } = request;
      const empty = body === undefined || body === null || JSON.stringify(body) === "{}";
      if (!empty) throw new Problem("MALFORMED", "this takes no body, or {}");
      const number = await operator.commitNow();
      return { block: number === null ? null : blockShape(operator, number) };
    },
  );
}

function unauthorized(token: string, header: string | undefined): Problem | undefined {
  const expected = Buffer.from(`Bearer ${token}`);
  const given = Buffer.from(header ?? "");
  if (given.length === expected.length && timingSafeEqual(given, expected)) return undefined;
  return new Problem("UNAUTHORIZED", "send the header Authorization: Bearer with ADMIN_TOKEN");
}
