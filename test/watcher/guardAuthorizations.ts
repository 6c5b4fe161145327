import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { GuardRecords } from "../../watcher/guard/records.ts";
import { addressOf } from "../helpers/protocol.ts";

const [ALICE, MALLORY, WATCHER] = [addressOf(1), addressOf(2), addressOf(3)];
const OUTPUT = `0x${"0a".repeat(32)}` as const;

describe("authorizations that a watcher keeps", () => {
  it("are each owner's own: another's word for the same output neither replaces nor hides one", async () => {
    const folder = await mkdtemp(join(tmpdir(), "authorizations-"));
    const records = new GuardRecords(join(folder, "guard.db"));
    const word = (owner: typeof ALICE, deadline: number, byte: string) => ({
      ...{ owner, outputId: OUTPUT, blockNumber: 1, bondOwner: WATCHER, deadline },
      signature: `0x${byte.repeat(65)}` as const,
    });
    records.authorize([word(ALICE, 100, "aa")]);
    records.authorize([word(MALLORY, 999, "bb")]);
    expect(records.authorization(OUTPUT, 1, ALICE, WATCHER)).to.deep.equal(word(ALICE, 100, "aa"));
    // Of the owner's own the one that holds longer.
    records.authorize([word(ALICE, 50, "cc"), word(ALICE, 200, "dd")]);
    expect(records.authorization(OUTPUT, 1, ALICE, WATCHER)).to.deep.equal(word(ALICE, 200, "dd"));
    records.close();
    await rm(folder, { recursive: true });
  });
});
