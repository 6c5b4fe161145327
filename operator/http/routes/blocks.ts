import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { BlockAnswer, BlockPaymentsAnswer, PaymentAnswer, pageOf, documented } from "../answers.ts";
import { CORS_HEADERS } from "../cors.ts";
import type { OperatorPort } from "../ports.ts";
import { Problem } from "../problems.ts";
import { BlockParams, BlockPaymentsQuery, NoQuery, PlaceParams, PageQuery, pageShape, readPage } from "../schemas.ts";
import type { Server } from "../server.ts";
import { blockShape, paymentShape } from "../shapes.ts";
import { showPayments } from "./transactions.ts";

const FEEDS = [
  { type: "application/x-ndjson", name: "ndjson" },
  { type: "application/octet-stream", name: "binary" },
] as const;

export function blockRoutes(server: Server, operator: OperatorPort): void {
  const { reads } = operator;

  server.get(
    "/v1/blocks",
    { schema: { querystring: PageQuery, ...documented("blocks", "Blocks, the open one first", pageOf(BlockAnswer)) } },
    (request) => {
      const { limit, from } = readPage(request.query);
      const newest = reads.openBlock.number;
      const items = [];
      let number = Math.min(from?.[0] ?? newest, newest);
      for (; number > 0 && items.length < limit; number--) items.push(blockShape(operator, number));
      return pageShape(items, number > 0 ? [number] : null);
    },
  );

  server.get(
    "/v1/blocks/:number",
    { schema: { params: BlockParams, querystring: NoQuery, ...documented("blocks", "A block", BlockAnswer) } },
    (request) => {
      const number = numberOf(request.params.number);
      return blockShape(operator, number) ?? notFound(number);
    },
  );

  server.get(
    "/v1/blocks/:number/transactions",
    {
      schema: {
        params: BlockParams,
        querystring: BlockPaymentsQuery,
        ...documented("blocks", "The payments of a block", BlockPaymentsAnswer),
      },
    },
    async (request, reply) => {
      const number = numberOf(request.params.number);
      const entries = reads.entriesOf(number) ?? notFound(number);
      const format = FEEDS.find(({ type }) => request.headers.accept?.includes(type) === true);
      const { from: first } = request.query;
      if (format !== undefined) {
        const start = first === undefined ? entries.from : await reads.entryAt(number, Number(first));
        reply.hijack();
        reply.raw.writeHead(200, { ...CORS_HEADERS, "content-type": format.type });
        if (request.method === "HEAD") reply.raw.end();
        else await streamBlock(operator, reply.raw, format.name, { from: start ?? entries.to + 1, to: entries.to });
        return;
      }
      if (first !== undefined)
        throw new Problem("MALFORMED", "from is for the feeds; pages have cursors", { from: first });
      const { limit, from } = readPage(request.query);
      return await showPayments(operator, { blockNumber: number }, limit, from?.[0] ?? null);
    },
  );

  server.get(
    "/v1/blocks/:number/transactions/:index",
    {
      schema: {
        params: PlaceParams,
        querystring: NoQuery,
        ...documented("blocks", "The payment at a place", PaymentAnswer),
      },
    },
    async (request) => {
      const [number, index] = [numberOf(request.params.number), Number(request.params.index)];
      const payment = await reads.paymentAt(number, index);
      if (payment !== null) return paymentShape(operator, payment);
      throw new Problem("NOT_FOUND", `block ${number} has no payment ${index}`, { number, index });
    },
  );

  function numberOf(text: string): number {
    return text === "open" ? reads.openBlock.number : Number(text);
  }
}

function notFound(number: number): never {
  throw new Problem("NOT_FOUND", `there is no block ${number}`, { number });
}

/** A block's payments in order, as fast as the reader takes it; never more than one piece of it in memory. */
async function streamBlock(
  { reads, log }: OperatorPort,
  response: ServerResponse,
  format: "ndjson" | "binary",
  { from, to }: { from: number; to: number },
): Promise<void> {
  const closed = once(response, "close");
  try {
    for (let next: number | null = from; next !== null && next <= to && !response.destroyed;) {
      const piece: { bytes: Uint8Array; next: number | null } = await reads.index.feed(format, next, to);
      if (!response.write(piece.bytes)) await Promise.race([once(response, "drain"), closed]);
      next = piece.next;
    }
    response.end();
  } catch (error) {
    // What was sent is a beginning only: the reader must see that it is not all.
    log.error({ err: error, from, to }, "a block could not be sent to its end");
    response.destroy();
  }
}
