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
  /** By the operator: it is busy, or has another journal. */
  refused: () => void;
  /** Anew: what was told meanwhile may be missing. */
  opened: () => void;
  heard: (type: EventName, data: string) => void;
}

/** After so long without an event the stream is opened anew: a page cannot see heartbeats, nor that a connection is dead. */
const SILENCE_MS = 40_000;
/** A stream that the operator refused is tried again so often. */
const RETRY_MS = 3_000;
/** After a longer gap nobody wants every payment of it: the stream begins anew, and what is shown is asked for. */
const RESUME_MS_MAX = 60_000;

/** The event stream, opened again when it ends for good or falls silent; a browser does it by itself only when a connection breaks. */
export class EventStream {
  private source: EventSource;
  private lastId = "";
  private letGo = false;
  /** When it was last seen to be open, or tried. */
  private openAt = Date.now();
  private heardAt = Date.now();
  private readonly api: string;
  private readonly listener: StreamListener;

  constructor(api: string, listener: StreamListener) {
    this.api = api;
    this.listener = listener;
    this.source = this.open();
  }

  /**
   * To be called every now and then. A tab that nobody sees lets go of its stream: a browser opens six connections to a host,
   * and seven tabs would wait for each other for ever.
   */
  check(): void {
    const now = Date.now();
    const { readyState } = this.source;
    // Longer than this without a look: the machine slept, and a browser would ask for all that it missed.
    const gone = now - this.openAt > RESUME_MS_MAX;
    if (gone) this.lastId = "";
    if (document.hidden) {
      this.letGo = true;
      this.source.close();
      return;
    }
    if (this.letGo || gone) return this.reopen();
    if (readyState === EventSource.OPEN) this.openAt = now;
    const refused = readyState === EventSource.CLOSED;
    if (now - this.heardAt < (refused ? RETRY_MS : SILENCE_MS)) return;
    if (refused) {
      this.listener.connected(false);
      this.listener.refused();
      // An operator with another journal does not know the place.
      this.lastId = "";
    }
    this.reopen();
  }

  get broken(): boolean {
    return !this.letGo && this.source.readyState !== EventSource.OPEN;
  }

  private reopen(): void {
    this.source.close();
    this.heardAt = this.openAt = Date.now();
    this.letGo = false;
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
