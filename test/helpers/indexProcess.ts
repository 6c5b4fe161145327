// An index in a process of its own, to be killed while it reads: says what it began with, and goes on.
import { pino } from "pino";
import { PaymentIndex } from "../../operator/index/client.ts";
import type { IndexLimits } from "../../operator/index/ports.ts";

interface IndexJob {
  dataDir: string;
  durable: number;
  limits: Partial<IndexLimits>;
}

process.on("message", ({ dataDir, durable, limits }: IndexJob) => {
  const onFailure = (error: Error): void => {
    throw error;
  };
  void PaymentIndex.open({ dataDir, durable, limits, onFailure, log: pino({ level: "silent" }) }).then((index) => {
    process.send?.(index.progress.indexed);
  });
});
