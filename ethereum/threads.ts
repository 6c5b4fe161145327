import { setFlagsFromString } from "node:v8";
import { Worker, type WorkerOptions } from "node:worker_threads";

// V8 of Node 24 keeps the wrappers of WebAssembly's imports for all threads together, and frees some that another thread
// still counts: the process dies. Only wrappers compiled anew at run time are concerned, and with this none is.
setFlagsFromString("--wasm-wrapper-tiering-budget=2147483647");

/**
 * A thread that ends by itself: terminated while it loads a native module it would take the process along. Its module has
 * to answer `null` by `parentPort.close()`, which it gets behind everything else.
 */
export class Thread extends Worker {
  private readonly exited: Promise<void>;

  constructor(module: URL, options: WorkerOptions) {
    super(module, options);
    this.exited = new Promise((resolve) => this.once("exit", () => resolve()));
  }

  /** Resolves when it has done all that it was asked, and has ended. */
  async end(): Promise<void> {
    this.ref();
    this.postMessage(null);
    await this.exited;
  }
}
