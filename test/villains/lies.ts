import type { ServerResponse } from "node:http";
import { setTimeout } from "node:timers/promises";
import type { SignedTransaction } from "@plasma-billing/protocol/transaction.ts";
import { feedOf, withoutSignatures } from "./payments.ts";

/** How the committed block is shown to who asks for its feed from a payment on. */
export type Lie = (response: ServerResponse, payments: readonly SignedTransaction[], from: number) => Promise<void>;

const HTML = "<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>";
const DRIP_MS = 400;
const ENDLESS_PIECE = Buffer.alloc(64 * 1024, 1);
/** Of an endless body, so that a reader without a bound does not take the machine with it. */
const ENDLESS_BYTES_MAX = 4 * 1024 ** 3;

function answer(
  response: ServerResponse,
  body: Buffer | string,
  status = 200,
  type = "application/octet-stream",
): void {
  response.writeHead(status, { "content-type": type }).end(body);
}

export const LIES = {
  /** All of it. */
  none: async (response, payments, from) => answer(response, feedOf(payments.slice(from))),

  /** 404. */
  nothing: async (response) => {
    const problem = {
      type: "about:blank",
      title: "Not found",
      status: 404,
      code: "NOT_FOUND",
      detail: "",
      context: {},
    };
    answer(response, JSON.stringify(problem), 404, "application/problem+json");
  },

  /** All but the last payments, as if that were all. */
  part: async (response, payments, from) => answer(response, feedOf(payments.slice(from, -2))),

  /** The connection breaks within a payment. */
  torn: async (response, payments, from) => {
    const feed = feedOf(payments.slice(from));
    response.writeHead(200, { "content-type": "application/octet-stream", "content-length": feed.length });
    response.write(feed.subarray(0, Math.floor(feed.length * 0.7)), () => response.destroy());
  },

  withoutSignatures: async (response, payments, from) =>
    answer(response, feedOf(payments.slice(from).map(withoutSignatures))),

  /** A byte at a time. */
  drip: async (response, payments, from) => {
    response.writeHead(200, { "content-type": "application/octet-stream" });
    for (const byte of feedOf(payments.slice(from))) {
      if (response.destroyed) return;
      response.write(Buffer.of(byte));
      await setTimeout(DRIP_MS);
    }
    response.end();
  },

  /** Never answers, and keeps the connection. */
  hang: async () => await Promise.resolve(),

  html: async (response) => answer(response, HTML, 200, "text/html"),

  /** Lengths that go past the end, and payments that are none. */
  wrongLengths: async (response, payments, from) => {
    const feed = feedOf(payments.slice(from));
    for (let at = 0; at < feed.length; at += 97) feed[at] = 0xff;
    answer(response, feed);
  },

  /** The right payments first, and then more without an end. */
  endless: async (response, payments, from) => {
    response.writeHead(200, { "content-type": "application/octet-stream" });
    response.write(feedOf(payments.slice(from)));
    for (let sent = 0; sent < ENDLESS_BYTES_MAX && !response.destroyed; sent += ENDLESS_PIECE.length) {
      if (response.write(ENDLESS_PIECE)) continue;
      await Promise.race([
        new Promise((resolve) => response.once("drain", resolve)),
        new Promise((resolve) => response.once("close", resolve)),
      ]);
    }
    response.end();
  },

  wrongJson: async (response) => answer(response, '{"items":[{"hash":12,"signatures":null', 200, "application/json"),

  errors: async (response) => answer(response, "Internal Server Error", 500, "text/plain"),

  reset: async (response) => void response.socket?.destroy(),
} satisfies Record<string, Lie>;

export type LieName = keyof typeof LIES;
