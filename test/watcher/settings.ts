import { expect } from "chai";
import { StartupError } from "../../ethereum/process/startup.ts";
import { describeSettings, readSettings } from "../../watcher/settings.ts";
import { addressOf } from "../helpers/protocol.ts";

const KEY = `0x${"11".repeat(32)}`;
const NEEDED = {
  ...{ L1_RPC_URLS: "http://a.example/key1,http://b.example", OPERATOR_URL: "http://operator.example:3001/" },
  ROOT_CHAIN_ADDRESS: addressOf(7),
};

function wrong(env: Record<string, string>): string {
  try {
    readSettings(env);
  } catch (error) {
    if (error instanceof StartupError && error.code === "WRONG_SETTINGS") return error.message;
    throw error;
  }
  throw new Error("nothing is wrong");
}

describe("the watcher's settings", () => {
  it("are few: the nodes, the contract and the operator", () => {
    const settings = readSettings(NEEDED);
    expect(settings).to.deep.include({ operatorUrl: "http://operator.example:3001", port: 3002, guarded: [] });
    expect(settings).to.include({ finality: "finalized", guardExits: false, watcherKey: null, trustedHeight: 0 });
  });

  it("that are wrong are named all at once, without their values", () => {
    const message = wrong({
      ...{ L1_RPC_URLS: "ftp://x", OPERATOR_URL: "http://a,http://b", WATCHER_PRIVATE_KEY: "0xsecret" },
      ...{ GUARDED_ADDRESSES: "0x12", GUARD_EXITS: "maybe", TRUSTED_HEIGHT: "-1", WEBHOOK_URLS: "x" },
    });
    for (const name of [
      ...["L1_RPC_URLS", "OPERATOR_URL", "WATCHER_PRIVATE_KEY", "GUARDED_ADDRESSES", "GUARD_EXITS"],
      ...["TRUSTED_HEIGHT", "WEBHOOK_URLS", "ROOT_CHAIN_ADDRESS is missing"],
    ]) {
      expect(message).to.include(name);
    }
    expect(message).not.to.include("secret");
  });

  it("that leave for others need a key", () => {
    expect(wrong({ ...NEEDED, GUARD_EXITS: "yes" })).to.include("GUARD_EXITS=yes needs WATCHER_PRIVATE_KEY");
    expect(readSettings({ ...NEEDED, GUARD_EXITS: "yes", WATCHER_PRIVATE_KEY: KEY })).to.include({ guardExits: true });
  });

  it("take guarded addresses in any case, each once", () => {
    const address = addressOf(0xabc);
    const settings = readSettings({ ...NEEDED, GUARDED_ADDRESSES: `${address}, 0x${address.slice(2).toUpperCase()}` });
    expect(settings.guarded).to.deep.equal([address]);
  });

  it("go into the log without secrets", () => {
    const shown = JSON.stringify(describeSettings(readSettings({ ...NEEDED, WATCHER_PRIVATE_KEY: KEY })));
    expect(shown).not.to.include("11".repeat(32));
    expect(shown).not.to.include("key1");
  });
});
