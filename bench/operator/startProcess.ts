// Opens the store of a folder, and tells what it found and how long that took.
import { indexed, openStore } from "./store.ts";

process.on("message", (dataDir: string) => {
  void (async () => {
    const { ledger, store } = await openStore(dataDir);
    // From the process's beginning: who waits for the operator waits for that as well.
    const seconds = performance.now() / 1000;
    const { indexed: before } = store.index.progress;
    await indexed(store);
    const indexSeconds = performance.now() / 1000 - seconds;
    const behind = ledger.position - before;
    process.send?.({ seconds, indexSeconds, behind, position: ledger.position, stateHash: ledger.stateHash() });
  })();
});
