import { resolve } from "node:path";
import {
  parseAddress,
  parseInteger,
  parseUrls,
  SettingsReader,
} from "@plasma-billing/ethereum/process/settingsReader.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { computeAddress } from "ethers";
import { RESERVE_MEGABYTES } from "./chain/room.ts";

export interface Settings {
  rpcUrls: string[];
  rootChain: Address;
  fromBlock: number;
  operatorUrl: string;
  dataDir: string;
  host: string;
  port: number;
  /** Of the account that challenges and leaves for others; null: what is to be sent is only told. */
  watcherKey: Hex | null;
  maxFeeGwei: number;
  /** Final at the node's `finalized` block, or at that many confirmations. */
  finality: "finalized" | number;
  ethereumPollMs: number;
  operatorPollMs: number;
  /** Of the operator's hours. */
  commitIntervalSeconds: number;
  /** Without an answer for so long, operator or Ethereum count as stalled. */
  stalledSeconds: number;
  /** Other watchers get up to this long to challenge first. */
  staggerSeconds: number;
  /** Signatures of blocks up to this one are not recovered. */
  trustedHeight: number;
  guarded: Address[];
  /** Whether to leave for those it guards when the chain is not safe. */
  guardExits: boolean;
  webhookUrls: string[];
  logLevel: string;
  verifyThreads: number;
  /** Payments between two snapshots. */
  snapshotPayments: number;
  /** Of the disk, free megabytes below which nothing of the operator's is stored. */
  reserveMegabytes: number;
}

const GUARDED_MAX = 1000;
const WEBHOOKS_MAX = 10;
const YEAR_SECONDS = 31_536_000;
const BLOCK_NUMBER_MAX = 2 ** 30 - 1;

/**
 * Reads the settings from environment variables; an empty one counts as not set.
 * @throws StartupError WRONG_SETTINGS that names every wrong one at once. Values that may be secret are never shown.
 */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const reader = new SettingsReader(env);
  const settings: Settings = {
    rpcUrls: reader.read("L1_RPC_URLS", null, "http(s) URLs of Ethereum nodes, separated by commas", parseUrls),
    rootChain: reader.read("ROOT_CHAIN_ADDRESS", null, "the address of the deployed RootChain contract", parseAddress),
    fromBlock: reader.integer("ROOT_CHAIN_FROM_BLOCK", 0, 0, Number.MAX_SAFE_INTEGER),
    operatorUrl: reader.read("OPERATOR_URL", null, "the http(s) URL of the operator to be watched", parseUrl),
    dataDir: resolve(reader.get("DATA_DIR") ?? "./watcher-data"),
    host: reader.host("HOST"),
    port: reader.integer("PORT", 3002, 0, 65_535),
    watcherKey: reader.privateKey("WATCHER_PRIVATE_KEY"),
    maxFeeGwei: reader.integer("MAX_FEE_GWEI", 200, 1, 1_000_000),
    finality: reader.finality("DEPOSIT_FINALITY"),
    ethereumPollMs: reader.integer("ETHEREUM_POLL_MS", 2000, 50, 86_400_000),
    operatorPollMs: reader.integer("OPERATOR_POLL_MS", 1000, 50, 86_400_000),
    commitIntervalSeconds: reader.integer("COMMIT_INTERVAL_SECONDS", 3600, 1, YEAR_SECONDS),
    stalledSeconds: reader.integer("STALLED_SECONDS", 60, 1, YEAR_SECONDS),
    staggerSeconds: reader.integer("STAGGER_SECONDS", 60, 0, 3600),
    trustedHeight: reader.integer("TRUSTED_HEIGHT", 0, 0, BLOCK_NUMBER_MAX),
    guarded: reader.read(
      "GUARDED_ADDRESSES",
      [],
      `up to ${GUARDED_MAX} addresses, separated by commas`,
      parseAddresses,
    ),
    guardExits: reader.read("GUARD_EXITS", false, "yes or no", (text) =>
      text === "yes" || text === "no" ? text === "yes" : null,
    ),
    webhookUrls: reader.read("WEBHOOK_URLS", [], `up to ${WEBHOOKS_MAX} http(s) URLs, separated by commas`, (text) => {
      const urls = parseUrls(text);
      return urls === null || urls.length > WEBHOOKS_MAX ? null : urls;
    }),
    logLevel: reader.logLevel("LOG_LEVEL"),
    verifyThreads: reader.threads("VERIFY_THREADS"),
    snapshotPayments: reader.read("SNAPSHOT_PAYMENTS", 1_000_000, "a whole number from 100", (text) =>
      parseInteger(text, 100, 1_000_000_000),
    ),
    reserveMegabytes: reader.integer("DISK_RESERVE_MB", RESERVE_MEGABYTES, 0, 1_000_000_000),
  };
  if (settings.guardExits && settings.watcherKey === null) {
    reader.wrong.push("GUARD_EXITS=yes needs WATCHER_PRIVATE_KEY: exits are sent by that account");
  }
  reader.refuseWrong();
  return settings;
}

/** The settings without secrets, for the log. URLs keep their host only: paths may hold keys. */
export function describeSettings(settings: Settings): Record<string, unknown> {
  const { watcherKey, rpcUrls, operatorUrl, webhookUrls, guarded, ...shown } = settings;
  return {
    ...shown,
    rpcUrls: rpcUrls.map((url) => new URL(url).host),
    operator: new URL(operatorUrl).host,
    webhooks: webhookUrls.map((url) => new URL(url).host),
    watcher: watcherKey === null ? "not set" : computeAddress(watcherKey),
    guarded: guarded.length,
  };
}

function parseUrl(text: string): string | null {
  const [url, ...others] = parseUrls(text) ?? [];
  return url === undefined || others.length > 0 ? null : url.replace(/\/+$/, "");
}

function parseAddresses(text: string): Address[] | null {
  const addresses = text.split(",").map((one) => parseAddress(one.trim()));
  if (addresses.length > GUARDED_MAX || addresses.includes(null)) return null;
  return [...new Set(addresses as Address[])];
}
