import type { Server } from "./server.ts";

/** Whatever the API lets anybody read, pages of other places may read too. There are no cookies that could be misused. */
export const CORS_HEADERS = { "access-control-allow-origin": "*" };

/** Pages of any place may read the API: the explorer may be at another than the operator. */
export function allowReading(server: Server): void {
  server.addHook("onRequest", (request, reply, done) => {
    const reads = request.method === "GET" || request.method === "HEAD";
    if (reads && /^\/(v1\/|openapi\.json)/.test(request.url)) void reply.headers(CORS_HEADERS);
    done();
  });
}
