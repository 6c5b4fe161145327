import { useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, useState, type ReactNode } from "react";
import { API, type Payment } from "./api.ts";
import { tell } from "./queries.ts";

const KEPT = 50;
/** What is shown is asked for anew at most so often, however much happens. */
const REFRESH_MS = 1_000;
/** After so long without an event the stream is opened anew: a page cannot see heartbeats, nor that a connection is dead. */
const SILENCE_MS = 40_000;

interface Live {
  /** Newest first. */
  payments: Payment[];
  /** Accepted since the page was opened. */
  count: number;
  /** Null until it was tried. */
  connected: boolean | null;
}

const Context = createContext<Live>({ payments: [], count: 0, connected: null });

export function useLive(): Live {
  return useContext(Context);
}

/** What each event makes stale. */
const STALE = {
  transaction: ["payments", "accounts", "outputs", "statistics", "hours", "files"],
  block: ["hours", "status", "payments", "statistics"],
  deposit: ["deposits", "accounts", "outputs", "statistics", "tokens"],
  exit: ["exits", "accounts", "outputs"],
} as const;

/** One event stream for all pages. It resumes where it broke; what it tells of makes what is on the screen fresh. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [live, setLive] = useState<Live>({ payments: [], count: 0, connected: null });

  useEffect(() => {
    const waiting: Payment[] = [];
    const stale = new Set<string>();
    const connected = (is: boolean): void => setLive((old) => (old.connected === is ? old : { ...old, connected: is }));
    const stream = new Stream({
      connected,
      // While it was broken anything may have happened.
      opened: () => stale.add("all"),
      heard: (type, data) => {
        if (type === "transaction") waiting.push(JSON.parse(data) as Payment);
        for (const key of STALE[type]) stale.add(key);
      },
    });
    const timer = setInterval(() => {
      const fresh = waiting.splice(0).reverse();
      if (fresh.length > 0) {
        setLive((old) => ({
          ...old,
          payments: [...fresh, ...old.payments].slice(0, KEPT),
          count: old.count + fresh.length,
        }));
      }
      if (stale.size > 0) tell(client, new Set(stale));
      stale.clear();
      stream.check();
    }, REFRESH_MS);
    return () => {
      clearInterval(timer);
      stream.close();
    };
  }, [client]);

  return <Context value={live}>{children}</Context>;
}

type EventName = keyof typeof STALE;

interface Listener {
  connected: (is: boolean) => void;
  opened: () => void;
  heard: (type: EventName, data: string) => void;
}

/** The event stream, opened again when it ends for good or falls silent; a browser does it by itself only when a connection breaks. */
class Stream {
  private source: EventSource;
  private lastId = "";
  private heardAt = Date.now();
  private readonly listener: Listener;

  constructor(listener: Listener) {
    this.listener = listener;
    this.source = this.open();
  }

  check(): void {
    const refused = this.source.readyState === EventSource.CLOSED;
    if (!refused && Date.now() - this.heardAt < SILENCE_MS) return;
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
    const source = new EventSource(`${API}/v1/events${this.lastId === "" ? "" : `?lastEventId=${this.lastId}`}`);
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
