import swagger, { type SwaggerOptions } from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import { Type } from "typebox";
import { BatchAnswer, BatchBody, documented, ProblemAnswer, Receipt, TransactionBody } from "./answers.ts";
import { NoQuery } from "./schemas.ts";
import type { Server } from "./server.ts";

// A route documents itself by its schema: summary, tags and response (`documented` in answers.ts), beside what validates requests.

const TAGS = {
  transactions: "Payments, sent and read",
  blocks: "An hour's payments each",
  accounts: "What addresses have",
  market: "Files, offers, quotes, registrations and swaps",
  chain: "What Ethereum shows",
  events: "What happens, as it happens",
  operator: "How the operator is doing",
  admin: "For whoever runs the operator",
};

const DESCRIPTION =
  "Amounts are decimal strings in the smallest unit, other integers JSON numbers. Hashes are lower case; addresses are taken " +
  "in any case and answered checksummed. What is absent is null. Unknown fields and parameters are refused.";

/** The document's own schema: a test validates it as a whole. */
const OpenApiAnswer = Type.Object({ openapi: Type.String({ pattern: "^3\\.1\\." }) }, { description: "This document" });

/** Every route may answer with a problem. */
const PROBLEM = { description: "A problem", content: { "application/problem+json": { schema: ProblemAnswer } } };

/** The page loads nothing from elsewhere; what it draws has styles of its own, and images as data. */
const PAGE_POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; " +
  "frame-ancestors 'none'; form-action 'self'";

/** Before any route: `/openapi.json`, and `/docs` to read it. Routes are to be added in `after`, when these are there. */
export function documentation(server: Server, version: string): void {
  const options: SwaggerOptions = {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Plasma Billing",
        version,
        description: DESCRIPTION,
        license: { name: "Apache-2.0", url: LICENSE },
      },
      servers: [{ url: "/" }],
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      components: { securitySchemes: { adminToken: { type: "http", scheme: "bearer" } } },
    },
    transform: ({ schema, url }) => ({
      url,
      schema: { ...schema, response: { ...(schema?.response as object | undefined), default: PROBLEM } },
    }),
  };
  void server.register(swagger, options);
  void server.register(swaggerUi, {
    routePrefix: "/docs",
    staticCSP: PAGE_POLICY,
    theme: { title: "Plasma Billing" },
    uiConfig: { validatorUrl: null, deepLinking: true },
  });
}

const LICENSE = "https://www.apache.org/licenses/LICENSE-2.0";

/** The document, and the two routes that are taken before the framework sees them (intake.ts). */
export function documentationRoutes(server: Server): void {
  server.get(
    "/openapi.json",
    {
      schema: { querystring: NoQuery, ...documented("operator", "This document", OpenApiAnswer) },
    },
    () => server.swagger(),
  );
  const bytes = { schema: Type.String({ description: "docs/FORMATS.md" }) };
  const taken = [
    {
      url: "/v1/transactions",
      summary: "Pay: a signed transaction; the same again is answered as the first time",
      body: TransactionBody,
      response: { 200: Receipt, 201: Receipt },
    },
    {
      url: "/v1/transactions/batch",
      summary: "Pay: up to 1000 signed transactions, judged in order, one by one",
      body: BatchBody,
      response: { 200: BatchAnswer },
    },
  ];
  for (const { url, summary, body, response } of taken) {
    const content = { "application/json": { schema: body }, "application/octet-stream": bytes };
    server.post(
      url,
      {
        schema: { summary, tags: ["transactions"], querystring: NoQuery, body: { content }, response },
        // Reached only by another way of writing the path, which is no route.
        onRequest: async (_, reply) => {
          reply.callNotFound();
          return await reply;
        },
      },
      () => undefined,
    );
  }
}
