import type { FastifyReply } from "fastify";
import { RegistrarBusyError } from "../market/registrar.ts";
import { Problem } from "./problems.ts";
import { pageShape, readPage } from "./schemas.ts";

// What the marketplace's routes have in common.

export const MARKET_BODY_BYTES_MAX = 32 * 1024;

export async function busy<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof RegistrarBusyError) throw new Problem("OVERLOADED", `${error.message}: ask again later`);
    throw error;
  }
}

export async function created(reply: FastifyReply, isNew: boolean, body: object): Promise<void> {
  await reply.code(isNew ? 201 : 200).send(body);
}

/** A page of what is in memory, oldest first there; its cursor is the place of the last item. */
export function newestFirst<T>(
  all: readonly T[],
  query: { limit?: string; cursor?: string },
  shape: (one: T) => object,
): object {
  const { limit, from } = readPage(query);
  const end = Math.min(from?.[0] ?? all.length, all.length);
  const start = Math.max(0, end - limit);
  return pageShape(all.slice(start, end).reverse().map(shape), start > 0 ? [start] : null);
}
