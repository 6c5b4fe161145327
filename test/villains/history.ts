import { ETHER } from "@plasma-billing/protocol/transaction.ts";
import type { Stage } from "./stage.ts";

/** Two hours on Ethereum and a third that is open: what everybody does before a villain turns evil. Gives the open block's number. */
export async function playHistory(stage: Stage): Promise<number> {
  const { token } = stage;
  await stage.fund();
  await stage.pay("alice", "bob", ETHER, 1_201n);
  await stage.pay("bob", "carol", token, 2_003n);
  await stage.pay("dave", "alice", ETHER, 307n);
  await stage.pay("erin", "dave", token, 411n);
  await stage.pay("mallory", "alice", ETHER, 101n);
  await stage.commitHour();
  await stage.syncAll();

  await stage.pay("carol", "alice", token, 503n, true);
  await stage.pay("alice", "dave", ETHER, 613n, true);
  await stage.pay("bob", "erin", ETHER, 709n, true);
  await stage.pay("alice", "carol", token, 811n, true);
  await stage.commitHour();
  await stage.syncAll();

  // Of what Ethereum has, to keepers and to those who sleep; the last one is chained on an open one's change.
  await stage.pay("alice", "bob", token, 97n, true);
  await stage.pay("carol", "dave", ETHER, 89n, true);
  await stage.pay("dave", "erin", ETHER, 83n, true);
  await stage.pay("erin", "carol", token, 79n, true);
  const { blockNumber } = await stage.pay("bob", "alice", ETHER, 73n, true);
  await stage.pay("bob", "carol", ETHER, 71n);
  await stage.syncAll();
  return blockNumber;
}
