import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { EventHub } from "../../events/hub.ts";
import type { EventFilter, EventType } from "../../events/rows.ts";
import { entriesIn } from "../../index/feed.ts";
import { EventStream, documented } from "../answers.ts";
import { CORS_HEADERS } from "../cors.ts";
import { eventShaper } from "../eventRows.ts";
import type { OperatorPort } from "../ports.ts";
import { overloaded, Problem } from "../problems.ts";
import { EventsQuery, lower } from "../schemas.ts";
import type { Server } from "../server.ts";

const HEADERS = {
  ...CORS_HEADERS,
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-transform",
  // Asks proxies not to gather what they pass on.
  "x-accel-buffering": "no",
};

/** Server-sent events, as the journal grows. */
export function eventRoutes(server: Server, operator: OperatorPort): void {
  const { reads, log } = operator;
  const hub = new EventHub({
    durable: () => reads.position,
    read: async (from, to) => entriesIn((await reads.index.feed("entries", from, to)).bytes),
    rowsOf: eventShaper(operator),
    log,
  });
  operator.onDurable(() => hub.tell());
  server.addHook("preClose", (done) => {
    hub.close();
    done();
  });

  server.get(
    "/v1/events",
    {
      schema: { querystring: EventsQuery, ...documented("events", "What happens, as server-sent events", EventStream) },
    },
    (request, reply) => {
      const { types, address, lastEventId } = request.query;
      const filter: EventFilter = {
        types: types === undefined ? null : new Set(types.split(",") as EventType[]),
        address: address === undefined ? null : lower<Address>(address),
      };
      // A browser that connects again sends the header, and the query it had at first.
      const after = startOf(request.headers["last-event-id"] ?? lastEventId, reads.position);
      if (hub.full) throw overloaded();
      reply.hijack();
      reply.raw.writeHead(200, HEADERS);
      if (request.method === "HEAD") reply.raw.end();
      else hub.subscribe(reply.raw, filter, after);
    },
  );
}

/** The position that is named, else the newest. @throws Problem MALFORMED */
function startOf(id: string | string[] | undefined, newest: number): number {
  if (id === undefined || id === "") return newest;
  if (typeof id !== "string" || !/^(0|[1-9][0-9]{0,14})$/.test(id)) {
    throw new Problem("MALFORMED", "Last-Event-ID must be the id of an event", {
      lastEventId: String(id).slice(0, 100),
    });
  }
  if (Number(id) > newest) {
    const context = { lastEventId: Number(id), newest };
    throw new Problem("MALFORMED", "Last-Event-ID is ahead of the journal", context);
  }
  return Number(id);
}
