// Writes a long history into a folder, says so, and waits to be killed.
import { LongHistory } from "./history.ts";
import { openStore } from "./store.ts";

export interface FillJob {
  dataDir: string;
  live: number;
  payments: number;
  perBlock: number;
}

process.on("message", ({ dataDir, live, payments, perBlock }: FillJob) => {
  void (async () => {
    const { ledger, store } = await openStore(dataDir);
    const history = new LongHistory(ledger, store.sequencer, live);
    await history.fill(live);
    for (let left = payments; left > 0; left -= perBlock) {
      await history.move(Math.min(perBlock, left));
      if (left > perBlock) await store.sequencer.seal();
    }
    process.send?.({ position: ledger.position, stateHash: ledger.stateHash(), live: ledger.outputCount });
  })();
});
