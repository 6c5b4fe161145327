/** What each event makes stale of what pages show: the keys of queries.ts. */
export const STALE = {
  transaction: ["payments", "accounts", "outputs", "statistics", "hours", "files"],
  block: ["hours", "status", "payments", "statistics"],
  deposit: ["deposits", "accounts", "outputs", "statistics", "tokens"],
  exit: ["exits", "accounts", "outputs"],
} as const;
export type EventName = keyof typeof STALE;

export interface StreamListener {
  connected: (is: boolean) => void;
  /** Anew: what was told meanwhile may be missing. */
  opened: () => void;
  heard: (type: EventName, data: string) => void;
}

/** After so long without an event the stream is opened anew: a page cannot see heartbeats, nor that a connection is dead. */
const SILENCE_MS = 40_000;
/** A stream that the operator refused is tried again so often. */
const RETRY_MS = 3_000;

/** The event stream, opened again when it ends for good or falls silent; a browser does it by itself only when a connection breaks. */
export class EventStream {
  private source: EventSource;
  private lastId = "";
  private heardAt = Date.now();
  private readonly api: string;
  private readonly listener: StreamListener;

  constructor(api: string, listener: StreamListener) {
    this.api = api;
    this.listener = listener;
    this.source = this.open();
  }

  /** To be called every now and then. */
  check(): void {
    const refused = this.source.readyState === EventSource.CLOSED;
    if (Date.now() - this.heardAt < (refused ? RETRY_MS : SILENCE_MS)) return;
    this.source.close();
    if (refused) this.listener.connected(false);
    this.heardAt = Date.now();
    // An operator with another journal does not know the place.
    if (refused) this.lastId = "";
    this.source = this.open();
  }

  close(): void {
    this.source.close();
  }

  private open(): EventSource {
    const source = new EventSource(`${this.api}/v1/events${this.lastId === "" ? "" : `?lastEventId=${this.lastId}`}`);
    const { listener } = this;
    source.addEventListener("open", () => {
      this.heardAt = Date.now();
      listener.connected(true);
      listener.opened();
    });
    source.addEventListener("error", () => listener.connected(false));
    for (const type of Object.keys(STALE) as EventName[]) {
      source.addEventListener(type, ({ data, lastEventId }: MessageEvent<string>) => {
        this.heardAt = Date.now();
        if (lastEventId !== "") this.lastId = lastEventId;
        listener.heard(type, data);
      });
    }
    return source;
  }
}
