import { once } from "node:events";
import type { Payment } from "../../views.ts";
import type { OperatorPort } from "../ports.ts";
import { Problem } from "../problems.ts";
import { BlockParams, NoQuery, PageQuery, pageShape, readPage } from "../schemas.ts";
import type { Server } from "../server.ts";
import { blockShape, transactionShape } from "../shapes.ts";
import { showPayment } from "./transactions.ts";

const NDJSON = "application/x-ndjson";
/** Lines handed to the socket before it is asked whether it keeps up. */
const LINES_PER_WRITE = 256;

export function blockRoutes(server: Server, operator: OperatorPort): void {
  const { views } = operator;

  server.get("/v1/blocks", { schema: { querystring: PageQuery } }, (request) => {
    const { limit, from } = readPage(request.query);
    const newest = views.openBlock.number;
    const items = [];
    let number = Math.min(from?.[0] ?? newest, newest);
    for (; number > 0 && items.length < limit; number--) items.push(blockShape(operator, number));
    return pageShape(items, number > 0 ? [number] : null);
  });

  server.get("/v1/blocks/:number", { schema: { params: BlockParams, querystring: NoQuery } }, (request) => {
    const number = numberOf(request.params.number);
    return blockShape(operator, number) ?? notFound(number);
  });

  server.get(
    "/v1/blocks/:number/transactions",
    { schema: { params: BlockParams, querystring: PageQuery } },
    async (request, reply) => {
      const number = numberOf(request.params.number);
      const payments = views.blockPayments(number) ?? notFound(number);
      if (request.headers.accept?.includes(NDJSON) === true) {
        reply.hijack();
        reply.raw.writeHead(200, { "content-type": NDJSON });
        if (request.method === "HEAD") reply.raw.end();
        else await streamBlock(reply.raw, payments);
        return;
      }
      const { limit, from } = readPage(request.query);
      const page = views.blockPage(payments, limit, from?.[0] ?? null);
      return pageShape(
        page.items.map((payment) => showPayment(operator, payment)),
        page.next === null ? null : [page.next],
      );
    },
  );

  function numberOf(text: string): number {
    return text === "open" ? views.openBlock.number : Number(text);
  }
}

function notFound(number: number): never {
  throw new Problem("NOT_FOUND", `there is no block ${number}`, { number });
}

/** The whole block in order, one payment a line, as fast as the reader takes it. */
async function streamBlock(response: NodeJS.WritableStream & { destroyed?: boolean }, payments: readonly Payment[]) {
  const { length } = payments;
  const closed = once(response, "close");
  for (let start = 0; start < length && response.destroyed !== true; start += LINES_PER_WRITE) {
    const lines = payments.slice(start, Math.min(start + LINES_PER_WRITE, length)).map(blockLine);
    if (!response.write(lines.join(""))) await Promise.race([once(response, "drain"), closed]);
  }
  response.end();
}

function blockLine({ blockNumber, transactionIndex, hash, transaction }: Payment): string {
  return `${JSON.stringify({ blockNumber, transactionIndex, hash, transaction: transactionShape(transaction) })}\n`;
}
