import { fork } from "node:child_process";
import { once } from "node:events";
import type { FillJob } from "./fillProcess.ts";
import type { ReadTimes } from "./startProcess.ts";

export interface Filled {
  position: number;
  stateHash: string;
  live: number;
}

/** What a start found, in seconds from the beginning of its process. */
export interface Started {
  seconds: number;
  /** Until the index had caught up, and how many entries it was behind. */
  indexSeconds: number;
  behind: number;
  position: number;
  stateHash: string;
  reads: ReadTimes;
}

/** Has a process write a long history into a folder, and kills it with -9. */
export async function fillFolder(job: FillJob): Promise<Filled> {
  return await ask<Filled>("fillProcess.ts", job);
}

/** Has a process start from a folder. */
export async function startFrom(dataDir: string): Promise<Started> {
  return await ask<Started>("startProcess.ts", dataDir);
}

async function ask<T>(file: string, message: FillJob | string): Promise<T> {
  const child = fork(new URL(file, import.meta.url), { execArgv: ["--no-warnings"] });
  child.send(message);
  try {
    const ended = once(child, "exit").then(([code]) => {
      throw new Error(`${file} ended with ${String(code)}`);
    });
    return (await Promise.race([once(child, "message"), ended]))[0] as T;
  } finally {
    child.kill("SIGKILL");
    await once(child, "close");
  }
}
