import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Problem, sendProblem } from "./problems.ts";
import type { Server } from "./server.ts";

/** Where `npm run build:explorer` puts the explorer. */
export const EXPLORER_FOLDER = fileURLToPath(new URL("../../explorer/dist", import.meta.url));

/** Its pages: at each of these addresses, and below, it shows something by itself. */
const PAGES = /^\/($|(payments|hours|accounts|files|outputs|deposits|exits|search)(\/|$))/;
/** Addresses that are no page's, whoever asks. */
const NO_PAGES = /^\/(v1|docs|assets)(\/|$)/;
const INDEX = "index.html";
/** Names of assets have a hash of what is in them. */
const ASSET_MAX_AGE_MS = 365 * 86_400_000;

/**
 * Scripts and styles come from here and nowhere else, none stand in the page. A reader may have any node of Ethereum asked
 * (`connect-src`); the protocol's hash is WebAssembly.
 */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; " +
  "connect-src 'self' http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const PAGE_HEADERS = {
  "cache-control": "no-cache",
  "content-security-policy": PAGE_POLICY,
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** Answers where no route is: true when it did. */
export type PageAnswer = (request: FastifyRequest, reply: FastifyReply) => Promise<boolean>;

/** The explorer's files. Its pages have no routes: they are what is answered where there is no other. */
export function explorerFiles(server: Server, folder: string): PageAnswer {
  const isBuilt = existsSync(join(folder, INDEX));
  if (!isBuilt) server.log.warn({ folder }, "there is no explorer to serve: npm run build:explorer makes it");
  if (isBuilt) {
    void server.register(fastifyStatic, { root: folder, serve: false, preCompressed: true, cacheControl: false });
  }
  return async (request, reply) => {
    const path = (request.raw.url ?? "/").split("?", 1)[0] ?? "/";
    if (request.method !== "GET" && request.method !== "HEAD") return false;
    const asset = /^\/assets\/([\w-]+(?:\.[\w-]+)+)$/.exec(path)?.[1];
    if (isBuilt && asset !== undefined && existsSync(join(folder, "assets", asset))) {
      const headers = { "cache-control": `public, max-age=${ASSET_MAX_AGE_MS / 1000}, immutable` };
      await reply.headers({ ...headers, "x-content-type-options": "nosniff" }).sendFile(`assets/${asset}`);
      return true;
    }
    const isPage = PAGES.test(path);
    // Whoever follows a wrong link reads so in the explorer; a program reads a problem.
    if (!isPage && (NO_PAGES.test(path) || request.headers.accept?.includes("text/html") !== true)) return false;
    if (isBuilt)
      await reply
        .code(isPage ? 200 : 404)
        .headers(PAGE_HEADERS)
        .sendFile(INDEX);
    else
      await sendProblem(reply, new Problem("NOT_FOUND", "the explorer is not built: npm run build:explorer makes it"));
    return true;
  };
}
