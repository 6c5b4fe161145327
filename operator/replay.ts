import { decodeJsonEntry, PAYMENT_KIND } from "@plasma-billing/protocol/entryBytes.ts";
import { InvariantError, ProtocolError } from "@plasma-billing/protocol/errors.ts";
import type { Ledger } from "@plasma-billing/protocol/ledger.ts";
import { StartupError } from "@plasma-billing/ethereum/process/startup.ts";
import type { JournalGroup } from "./journal/journal.ts";

/**
 * Applies a group of the journal's entries again.
 * @throws StartupError JOURNAL_DAMAGED naming the entry that does not add up, WRONG_JOURNAL
 */
export function replayGroup(ledger: Ledger, { firstPosition, entries }: JournalGroup): void {
  let position = firstPosition;
  try {
    for (const entry of entries) {
      if (entry[0] === PAYMENT_KIND) ledger.applyPayment(entry);
      else applyJson(ledger, entry);
      position++;
    }
  } catch (error) {
    if (error instanceof InvariantError || error instanceof ProtocolError) {
      const message = `the journal does not add up at entry ${position}: ${error.message}; restore the folder from a copy`;
      throw new StartupError("JOURNAL_DAMAGED", message, { position }, error);
    }
    throw error;
  }
}

function applyJson(ledger: Ledger, bytes: Uint8Array): void {
  const entry = decodeJsonEntry(bytes);
  if (entry.type === "genesis") checkContract(ledger, entry.chainId, entry.contract);
  ledger.apply(entry);
}

/** @throws StartupError WRONG_JOURNAL when what is in the folder is for another contract */
function checkContract({ domain }: Ledger, chainId: bigint, contract: string): void {
  if (chainId === domain.chainId && contract === domain.verifyingContract) return;
  const message =
    `the data folder belongs to the contract ${contract} on chain ${chainId}, not to ${domain.verifyingContract} on chain ` +
    `${domain.chainId}: set ROOT_CHAIN_ADDRESS and L1_RPC_URLS for it, or another DATA_DIR`;
  throw new StartupError("WRONG_JOURNAL", message, { chainId, contract });
}
