import { expect } from "chai";
import { Wallet } from "ethers";
import { StartupError } from "../../ethereum/process/startup.ts";
import { describeSettings, readSettings } from "../../operator/settings.ts";

const KEY = `0x${"ab".repeat(32)}`;
const OTHER_KEY = `0x${"cd".repeat(32)}`;
const good = {
  L1_RPC_URLS: "http://localhost:8545",
  ROOT_CHAIN_ADDRESS: `0x${"AB".repeat(20)}`,
  OPERATOR_PRIVATE_KEY: KEY,
};

function wrong(env: Record<string, string>): string[] {
  try {
    readSettings(env);
  } catch (error) {
    if (error instanceof StartupError && error.code === "WRONG_SETTINGS") return error.context["wrong"] as string[];
    throw error;
  }
  return [];
}

describe("the operator's settings", () => {
  it("have the documented defaults", () => {
    const settings = readSettings(good);
    expect(settings).to.deep.include({
      rpcUrls: ["http://localhost:8545"],
      rootChain: `0x${"ab".repeat(20)}`,
      key: { kind: "privateKey", privateKey: KEY },
      challengerKey: null,
      fromBlock: 0,
      commitIntervalSeconds: 3600,
      host: "127.0.0.1",
      port: 3001,
      depositFinality: "finalized",
      maxFeeGwei: 200,
      adminToken: null,
      logLevel: "info",
    });
    expect(settings.dataDir).to.match(/\/data$/);
    expect(readSettings({ ...good, PORT: "", ADMIN_TOKEN: "" })).to.deep.equal(settings);
  });

  it("take what is allowed", () => {
    const settings = readSettings({
      ...good,
      L1_RPC_URLS: "https://a.example/key, http://b.example",
      DEPOSIT_FINALITY: "12",
      HOST: "::1",
      ADMIN_TOKEN: "sixteen-or-more-1",
      COMMIT_INTERVAL_SECONDS: "1",
      CHALLENGER_PRIVATE_KEY: OTHER_KEY,
    });
    expect(settings.rpcUrls).to.deep.equal(["https://a.example/key", "http://b.example"]);
    expect(settings).to.include({ depositFinality: 12, host: "::1", adminToken: "sixteen-or-more-1" });
    expect(settings.challengerKey).to.equal(OTHER_KEY);
    const { OPERATOR_PRIVATE_KEY: _, ...rest } = good;
    const keystore = { ...rest, OPERATOR_KEYSTORE: "key.json", OPERATOR_KEYSTORE_PASSWORD_FILE: "password" };
    expect(readSettings(keystore).key).to.deep.equal({ kind: "keystore", path: "key.json", passwordFile: "password" });
  });

  it("name each wrong one, all at once", () => {
    const values: Record<string, string[]> = {
      L1_RPC_URLS: ["localhost:8545", "ws://a", "http://a,,http://b", "file:///etc"],
      ROOT_CHAIN_ADDRESS: ["0x12", "ab".repeat(20), `0x${"0".repeat(40)}`, `0x${"zz".repeat(20)}`],
      OPERATOR_PRIVATE_KEY: ["0x12", KEY.slice(2), `${KEY}0`, `0x${"00".repeat(32)}`, `0x${"ff".repeat(32)}`],
      CHALLENGER_PRIVATE_KEY: ["0x12", KEY.slice(2), `0x${"00".repeat(32)}`, `0x${"ff".repeat(32)}`],
      ROOT_CHAIN_FROM_BLOCK: ["-1", "1.5", "0x10", "latest"],
      COMMIT_INTERVAL_SECONDS: ["0", "-5", "1h", "31536001"],
      HOST: ["example.com", "256.1.1.1"],
      PORT: ["65536", "-1", "3001 "],
      DEPOSIT_FINALITY: ["0", "safe", "1.5"],
      MAX_FEE_GWEI: ["0", "1e3"],
      ADMIN_TOKEN: ["short", "with a space in the middle"],
      LOG_LEVEL: ["loud"],
      ETHEREUM_POLL_MS: ["1", "x"],
    };
    for (const [name, list] of Object.entries(values)) {
      for (const value of list) {
        const lines = wrong({ ...good, [name]: value });
        expect(lines, `${name}=${value}`).to.have.length(1);
        expect(lines[0]).to.match(new RegExp(`^${name} `));
      }
    }
    expect(wrong(Object.fromEntries(Object.entries(values).map(([name, list]) => [name, list[0]!])))).to.have.length(
      13,
    );
    expect(wrong({})).to.have.length(3);
  });

  it("take one key, keystore or signer", () => {
    expect(wrong({ ...good, OPERATOR_KEYSTORE: "a" })[0]).to.contain("choose one");
    expect(wrong({ ...good, SIGNER_URL: "http://localhost:9000" })[0]).to.contain("choose one");
    const { OPERATOR_PRIVATE_KEY: _, ...rest } = good;
    expect(wrong({ ...rest, OPERATOR_KEYSTORE: "a" })[0]).to.contain("go together");
    const url = "http://localhost:9000";
    expect(wrong({ ...rest, SIGNER_URL: "localhost" })[0]).to.equal("SIGNER_URL must be the http(s) URL of a signer");
    expect(readSettings({ ...rest, SIGNER_URL: url }).key).to.deep.equal({ kind: "external", url });
  });

  it("never show a secret", () => {
    const secrets = {
      OPERATOR_PRIVATE_KEY: `${KEY}zz`,
      CHALLENGER_PRIVATE_KEY: `${OTHER_KEY}zz`,
      ADMIN_TOKEN: "tiny secret",
      L1_RPC_URLS: "ws://host/secret-path",
    };
    expect(wrong({ ...good, ...secrets }).join()).to.not.match(/abab|cdcd|tiny|secret-path/);
    const settings = readSettings({
      ...good,
      L1_RPC_URLS: "https://host.example/secret",
      ADMIN_TOKEN: "a-long-secret-token",
      CHALLENGER_PRIVATE_KEY: OTHER_KEY,
    });
    const shown = JSON.stringify(describeSettings(settings));
    expect(shown).to.not.contain(KEY.slice(2));
    expect(shown).to.not.contain("secret");
    expect(shown).to.not.contain(OTHER_KEY.slice(2));
    expect(describeSettings(settings)["challenger"]).to.equal(new Wallet(OTHER_KEY).address);
    expect(describeSettings(readSettings(good))["challenger"]).to.equal("not set");
  });
});
