import "./styles.css";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Router } from "wouter";
import { ApiError } from "./api.ts";
import { App } from "./App.tsx";
import { LiveProvider } from "./live.tsx";
import { useRawLocation, useRawSearch } from "./router.ts";
import { applyTheme, keptTheme } from "./theme.ts";
import { SharedProvider } from "./shared.tsx";

const RETRIES_MAX = 3;

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // The stream tells what became stale.
      refetchOnWindowFocus: false,
      staleTime: 1_000,
      // An operator on this machine answers without the internet.
      networkMode: "always",
      // It may be just coming up; but what it refuses for good it would refuse again.
      retry: (count, error) => count < RETRIES_MAX && !(error instanceof ApiError && error.final),
    },
  },
});

applyTheme(keptTheme());
createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <SharedProvider>
        <LiveProvider>
          <Router hook={useRawLocation} searchHook={useRawSearch}>
            <App />
          </Router>
        </LiveProvider>
      </SharedProvider>
    </QueryClientProvider>
  </StrictMode>,
);
