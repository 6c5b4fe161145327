import type { Logger } from "pino";

/** After Ctrl-C everything taken is written; what hangs longer than this is left behind. */
const SHUTDOWN_MS = 4_000;

/** Aborts at Ctrl-C and at SIGTERM. */
export function stopSignal(log: Logger): AbortSignal {
  const controller = new AbortController();
  const stop = (name: string): void => {
    if (controller.signal.aborted) return;
    log.info({ signal: name }, "stopping");
    setTimeout(() => process.exit(1), SHUTDOWN_MS).unref();
    controller.abort();
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  return controller.signal;
}

export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
