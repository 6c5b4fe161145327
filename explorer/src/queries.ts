import {
  keepPreviousData,
  useInfiniteQuery,
  useQuery,
  useQueryClient,
  type UseQueryResult,
} from "@tanstack/react-query";
import { useMemo, useSyncExternalStore } from "react";
import { get } from "./api.ts";
import type { Page } from "./shapes.ts";

export const ETHER = "0x0000000000000000000000000000000000000000";
const PAGE_ITEMS = 50;

type Query = Record<string, string | undefined>;

/** One thing; `key` is what live events make stale. */
export function useOne<T>(key: string, path: string, query: Query = {}): UseQueryResult<T> {
  return useQuery({
    queryKey: [key, path, query],
    queryFn: async () => await get<T>(path, query),
  });
}

export interface List<T> {
  items: T[];
  error: Error | null;
  loading: boolean;
  /** Of another question: this one's answer is on its way. */
  changing: boolean;
  retry: () => void;
  /** Null at the end. */
  more: (() => void) | null;
  loadingMore: boolean;
  /** Live events told of something that is not in it. */
  stale: boolean;
  refresh: () => void;
}

/** What live events told of, by key. */
const told = new Map<string, number>();
const toldOf = (key: string): number => (told.get(key) ?? 0) + (told.get("all") ?? 0);
const listeners = new Set<() => void>();

/** A list, page by page. While only its first page is shown it keeps itself fresh; further down nothing moves by itself. */
export function useList<T>(key: string, path: string, query: Query = {}): List<T> {
  const client = useQueryClient();
  const queryKey = useMemo(() => [key, path, query, "list"], [key, path, JSON.stringify(query)]);
  const found = useInfiniteQuery({
    queryKey,
    queryFn: async ({ pageParam }) => {
      const page = await get<Page<T>>(path, { ...query, limit: String(PAGE_ITEMS), cursor: pageParam });
      return { ...page, at: toldOf(key) };
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.nextCursor ?? undefined,
    placeholderData: keepPreviousData,
  });
  const count = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toldOf(key),
  );
  const pages = found.data?.pages ?? [];
  return {
    items: pages.flatMap((page) => page.items),
    error: found.error,
    loading: found.isPending,
    changing: found.isPlaceholderData,
    retry: () => void found.refetch(),
    more: found.hasNextPage ? () => void found.fetchNextPage() : null,
    loadingMore: found.isFetchingNextPage,
    stale: pages.length > 0 && !found.isFetching && (pages[0]?.at ?? 0) < count,
    refresh: () => {
      client.setQueryData(queryKey, (old: typeof found.data) =>
        old === undefined ? old : { pages: old.pages.slice(0, 1), pageParams: old.pageParams.slice(0, 1) },
      );
      void found.refetch();
    },
  };
}

/** A reader who has scrolled down so far reads: lists stay as they are, and say that something new came. */
const READING_PX = 300;

/** Something happened that lists and things of these keys tell of. */
export function tell(client: ReturnType<typeof useQueryClient>, keys: ReadonlySet<string>): void {
  for (const key of keys) told.set(key, (told.get(key) ?? 0) + 1);
  const reading = window.scrollY > READING_PX;
  void client.invalidateQueries({
    predicate: ({ queryKey, state }) => {
      if (!keys.has(String(queryKey[0])) && !keys.has("all")) return false;
      if (queryKey.at(-1) !== "list") return true;
      const pages = (state.data as { pages?: unknown[] } | undefined)?.pages?.length ?? 0;
      return pages === 0 || state.status === "error" || (pages === 1 && !reading);
    },
  });
  for (const listener of listeners) listener();
}
