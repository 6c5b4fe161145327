import type { ServerResponse } from "node:http";
import type { Finding } from "../findings/finding.ts";
import { findingShape } from "../findings/shape.ts";

/** Each has a socket. */
const READERS_MAX = 100;
/** Proxies cut connections that are silent. */
const HEARTBEAT_MS = 15_000;

/**
 * Findings as server-sent events: whoever comes is told those that are open, then each change. Nothing has to be resumed:
 * who comes again is told what is open then.
 */
export class FindingStream {
  private readonly readers = new Set<ServerResponse>();
  private heartbeat: NodeJS.Timeout | null = null;

  get full(): boolean {
    return this.readers.size >= READERS_MAX;
  }

  open(response: ServerResponse, findings: readonly Finding[]): void {
    response.writeHead(200, {
      "content-type": "text/event-stream",
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
    });
    response.write("retry: 2000\n\n");
    for (const finding of findings) response.write(eventOf(finding));
    this.readers.add(response);
    response.once("close", () => this.readers.delete(response));
    this.heartbeat ??= setInterval(() => this.send(":\n\n"), HEARTBEAT_MS).unref();
  }

  tell(finding: Finding): void {
    this.send(eventOf(finding));
  }

  close(): void {
    if (this.heartbeat !== null) clearInterval(this.heartbeat);
    for (const response of this.readers) response.end();
  }

  private send(text: string): void {
    for (const response of this.readers) {
      // Who does not read is cut off, and told all that is open when he comes again.
      if (response.writableNeedDrain) response.destroy();
      else response.write(text);
    }
  }
}

function eventOf(finding: Finding): string {
  return `event: finding\nid: ${finding.id}\ndata: ${JSON.stringify(findingShape(finding))}\n\n`;
}
