import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { decodePaymentEntry, PAYMENT_KIND } from "@plasma-billing/protocol/entryBytes.ts";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import type { Domain } from "@plasma-billing/protocol/typedData.ts";
import { Journal, type JournalGroup } from "../../operator/journal/journal.ts";
import { replayGroup } from "../../operator/replay.ts";
import { restoreSnapshot } from "../../operator/snapshots.ts";
import type { Receipt } from "./lane.ts";

/** What a data folder holds, read as a start would read it, from a copy. */
export interface Found {
  payments: Map<string, Receipt>;
  entries: number;
  /** Position of the snapshot that a start would begin with; 0: none. */
  snapshotAt: number;
  tornBytes: number;
}

/** Reads a folder nobody has open. The state by snapshot must be the one by the whole journal. */
export async function readFolder(dataDir: string, domain: Domain): Promise<Found> {
  const copy = await mkdtemp(join(tmpdir(), "plasma-crash-copy-"));
  try {
    await cp(dataDir, copy, { recursive: true });
    const payments = new Map<string, Receipt>();
    const whole = new Ledger(domain);
    const { torn } = await replay(copy, whole, ({ entries }) => {
      for (const entry of entries) if (entry[0] === PAYMENT_KIND) note(payments, entry);
    });
    whole.checkSums();

    const quick = new Ledger(domain);
    const snapshotAt = restoreSnapshot(copy, quick);
    await replay(copy, quick, () => undefined);
    quick.checkSums();
    expect([quick.position, quick.stateHash()]).to.deep.equal([whole.position, whole.stateHash()]);
    expect(quick.openBlock).to.deep.equal(whole.openBlock);
    if (whole.openBlock.transactionCount > 0) expect(quick.openRoot).to.equal(whole.openRoot);
    return { payments, entries: whole.position, snapshotAt, tornBytes: torn?.bytes ?? 0 };
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

async function replay(
  dataDir: string,
  ledger: Ledger,
  seen: (group: JournalGroup) => void,
): Promise<{ torn: { bytes: number } | null }> {
  const { journal, torn } = await Journal.open(dataDir, {
    from: ledger.position + 1,
    replay: (group) => {
      replayGroup(ledger, group);
      seen(group);
    },
  });
  await journal.close();
  return { torn };
}

function note(payments: Map<string, Receipt>, entry: Uint8Array): void {
  const { hash, blockNumber, transactionIndex, acceptedAt } = decodePaymentEntry(entry);
  if (payments.has(hash)) throw new Error(`${hash} is in the journal twice`);
  payments.set(hash, { hash, blockNumber, transactionIndex, acceptedAt });
}
