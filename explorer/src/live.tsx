import { useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { API } from "./api.ts";
import type { Payment } from "./shapes.ts";
import { tell } from "./queries.ts";
import { EventStream, STALE } from "./stream.ts";

/** Of the newest payments, so many are kept to be shown. */
const KEPT = 50;
/** What is shown is asked for anew at most so often, however much happens. */
const REFRESH_MS = 1_000;

interface Live {
  /** Newest first. */
  payments: Payment[];
  /** Accepted since the page was opened. */
  count: number;
  /** Null until it was tried. */
  connected: boolean | null;
  /** The reader wants nothing to change by itself. */
  paused: boolean;
  pause: (paused: boolean) => void;
}

const Context = createContext<Live>({
  ...{ payments: [], count: 0, connected: null, paused: false },
  pause: () => undefined,
});

export function useLive(): Live {
  return useContext(Context);
}

/** One event stream for all pages. It resumes where it broke; what it tells of makes what is on the screen fresh. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [live, setLive] = useState<Omit<Live, "paused" | "pause">>({ payments: [], count: 0, connected: null });
  const [paused, pause] = useState(false);
  const isPaused = useRef(false);
  isPaused.current = paused;

  useEffect(() => {
    /** As they came, not read yet: of thousands in a second only the newest are ever shown. */
    const waiting: string[] = [];
    let count = 0;
    const stale = new Set<string>();
    const stream = new EventStream(API, {
      connected: (is) => setLive((old) => (old.connected === is ? old : { ...old, connected: is })),
      // While it was broken anything may have happened.
      opened: () => stale.add("all"),
      heard: (type, data) => {
        if (type === "transaction") {
          count++;
          if (waiting.push(data) > KEPT) waiting.shift();
        }
        for (const key of STALE[type]) stale.add(key);
      },
    });
    const timer = setInterval(() => {
      stream.check();
      if (isPaused.current) return;
      const fresh = waiting.splice(0).map((data) => JSON.parse(data) as Payment);
      if (fresh.length > 0) {
        const more = count;
        setLive((old) => ({
          ...old,
          payments: [...fresh.reverse(), ...old.payments].slice(0, KEPT),
          count: old.count + more,
        }));
        count = 0;
      }
      if (stale.size > 0) tell(client, new Set(stale));
      stale.clear();
    }, REFRESH_MS);
    return () => {
      clearInterval(timer);
      stream.close();
    };
  }, [client]);

  const value = useMemo(() => ({ ...live, paused, pause }), [live, paused]);
  return <Context value={value}>{children}</Context>;
}
