import { Thread } from "../threads.ts";
import type { SnapshotReply, SnapshotRequest } from "./worker.ts";

/** Writes snapshots in a thread of its own: their syncs would hold up every payment. */
export class SnapshotThread {
  private readonly worker: Thread;
  private inFlight = 0;
  private finishing: { resolve: () => void; reject: (error: Error) => void } | null = null;
  private failure: Error | null = null;

  constructor(dataDir: string) {
    this.worker = new Thread(new URL("worker.ts", import.meta.url), { workerData: { dataDir } });
    this.worker.unref();
    this.worker.on("message", (reply: SnapshotReply) => this.take(reply));
    this.worker.on("error", (error) => this.fail(error instanceof Error ? error : new Error(String(error))));
  }

  /** Bytes given to it that are not written yet. */
  get bytesInFlight(): number {
    return this.inFlight;
  }

  begin(position: number): void {
    this.failure = null;
    this.inFlight = 0;
    this.post({ do: "begin", position });
  }

  /** The bytes' buffer goes over to the thread: it is empty here afterwards. */
  section(kind: number, bytes: Uint8Array<ArrayBuffer>): void {
    this.inFlight += bytes.length;
    this.post({ do: "section", kind, bytes }, [bytes.buffer]);
  }

  /** Resolves when the snapshot is on the disk under its name. Rejects when anything of it failed; then nothing is left of it. */
  async finish(): Promise<void> {
    if (this.failure !== null) throw this.failure;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.finishing = { resolve, reject };
    this.worker.ref();
    this.post({ do: "finish" });
    try {
      await promise;
    } finally {
      this.finishing = null;
      this.worker.unref();
    }
  }

  /** Leaves nothing of what was begun. */
  abort(): void {
    this.post({ do: "abort" });
  }

  async close(): Promise<void> {
    await this.worker.end();
  }

  private post(request: SnapshotRequest, transfer: ArrayBuffer[] = []): void {
    this.worker.postMessage(request, transfer);
  }

  private take(reply: SnapshotReply): void {
    if ("written" in reply) this.inFlight -= reply.written;
    else if ("finished" in reply) this.finishing?.resolve();
    else this.fail(Object.assign(new Error(reply.failed), { code: reply.code }));
  }

  private fail(error: Error): void {
    this.failure = error;
    this.inFlight = 0;
    this.finishing?.reject(error);
  }
}
