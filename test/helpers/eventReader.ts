export interface ReadEvent {
  event: string;
  /** Absent where the event is not the last of its entry. */
  id?: string;
  data: any;
}

/** Reads server-sent events as a browser does: what ends with an empty line counts, and an id without data moves the id only. */
export class EventReader {
  /** What a browser would send as Last-Event-ID. */
  lastId: string | null = null;
  readonly comments: string[] = [];
  readonly headers: Headers;
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  private readonly controller: AbortController;
  private readonly decoder = new TextDecoder();
  private text = "";

  private constructor(response: Response, controller: AbortController) {
    this.headers = response.headers;
    this.reader = (response.body as ReadableStream<Uint8Array>).getReader();
    this.controller = controller;
  }

  /** @throws when the answer is not 200 */
  static async open(url: string, lastId: string | null = null): Promise<EventReader> {
    const controller = new AbortController();
    const headers = lastId === null ? {} : { "last-event-id": lastId };
    const response = await fetch(url, { headers, signal: controller.signal });
    if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
    return new EventReader(response, controller);
  }

  /** The next event; null at the end of the stream. */
  async next(): Promise<ReadEvent | null> {
    for (;;) {
      const end = this.text.indexOf("\n\n");
      if (end === -1) {
        const { value, done } = await this.reader.read();
        if (done) return null;
        this.text += this.decoder.decode(value, { stream: true });
        continue;
      }
      const block = this.text.slice(0, end);
      this.text = this.text.slice(end + 2);
      const fields: Record<string, string> = {};
      for (const line of block.split("\n")) {
        const colon = line.indexOf(":");
        if (colon === 0) this.comments.push(line);
        else fields[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
      }
      const { event, id, data } = fields;
      if (id !== undefined) this.lastId = id;
      if (event === undefined || data === undefined) continue;
      return { event, ...(id === undefined ? {} : { id }), data: JSON.parse(data) };
    }
  }

  async take(count: number): Promise<ReadEvent[]> {
    const events: ReadEvent[] = [];
    while (events.length < count) {
      const event = await this.next();
      if (event === null) throw new Error(`the stream ended after ${events.length} of ${count} events`);
      events.push(event);
    }
    return events;
  }

  close(): void {
    this.controller.abort();
  }
}
