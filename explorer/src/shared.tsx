import { useQuery } from "@tanstack/react-query";
import { createContext, useContext, type ReactNode } from "react";
import { get } from "./api.ts";
import type { Page, Status, Token } from "./shapes.ts";

// What is needed all over a page is asked for once, however many show it.

const STATUS_MS = 5_000;

const StatusContext = createContext<Status | undefined>(undefined);

/** How the operator is doing; undefined until it has said so. */
export function useStatus(): Status | undefined {
  return useContext(StatusContext);
}

const TOKENS_FRESH_MS = 60_000;
/** The operator asks tokens' contracts a few at a time: one that it does not know yet it may know then. */
const TOKENS_UNKNOWN_MS = 10_000;

const TokensContext = createContext<Map<string, Token> | null>(null);

/** Symbols and decimals, as the tokens' contracts say them; null while nobody knows whether they say any. */
export function useTokens(): Map<string, Token> | null {
  return useContext(TokensContext);
}

export function SharedProvider({ children }: { children: ReactNode }) {
  const status = useQuery({
    queryKey: ["status"],
    queryFn: async () => await get<Status>("/v1/status"),
    refetchInterval: STATUS_MS,
  });
  const tokens = useQuery({
    queryKey: ["tokens"],
    queryFn: async () => await get<Page<Token>>("/v1/tokens"),
    staleTime: TOKENS_FRESH_MS,
    refetchInterval: ({ state }) =>
      state.data?.items.some(({ decimals }) => decimals === null) === true ? TOKENS_UNKNOWN_MS : false,
    select: byToken,
  });
  return (
    <StatusContext value={status.data}>
      <TokensContext value={tokens.data ?? (tokens.isPending ? null : NO_TOKENS)}>{children}</TokensContext>
    </StatusContext>
  );
}

const NO_TOKENS = new Map<string, Token>();

function byToken({ items }: Page<Token>): Map<string, Token> {
  return new Map(items.map((token) => [token.token, token]));
}
