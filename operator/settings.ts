import { isIP } from "node:net";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { computeAddress } from "ethers";
import { StartupError } from "./errors.ts";
import { SNAPSHOT_ENTRIES } from "./snapshots.ts";

export type KeySource =
  { kind: "privateKey"; privateKey: Hex } | { kind: "keystore"; path: string; passwordFile: string };

export interface Settings {
  rpcUrls: string[];
  rootChain: Address;
  key: KeySource;
  /** Of the account that challenges; null: this operator challenges nothing. */
  challengerKey: Hex | null;
  fromBlock: number;
  commitIntervalSeconds: number;
  dataDir: string;
  host: string;
  port: number;
  /** Final at the node's `finalized` block, or at that many confirmations (1: as soon as it is in a block). */
  depositFinality: "finalized" | number;
  maxFeeGwei: number;
  adminToken: string | null;
  logLevel: string;
  ethereumPollMs: number;
  /** Entries of the journal between two snapshots. */
  snapshotEntries: number;
  /** That verify payments. */
  verifyThreads: number;
}

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"];
const ADMIN_TOKEN_CHARACTERS_MIN = 16;
const YEAR_SECONDS = 31_536_000;
/** Private keys are the numbers from 1 below the order of secp256k1's group. */
const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/**
 * Reads the settings from environment variables; an empty one counts as not set.
 * @throws StartupError WRONG_SETTINGS that names every wrong one at once. Values that may be secret are never shown.
 */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const wrong: string[] = [];
  const get = (name: string): string | null => (env[name] === undefined || env[name] === "" ? null : env[name]);
  const read = <T>(name: string, fallback: T | null, expected: string, parse: (text: string) => T | null): T => {
    const text = get(name);
    const value = text === null ? fallback : parse(text);
    if (value !== null) return value;
    wrong.push(text === null ? `${name} is missing: ${expected}` : `${name} must be ${expected}`);
    return undefined as T;
  };
  const integer = (name: string, fallback: number, min: number, max: number): number =>
    read(name, fallback, `a whole number from ${min} to ${max}`, (text) => parseInteger(text, min, max));

  const settings: Settings = {
    rpcUrls: read("L1_RPC_URLS", null, "http(s) URLs of Ethereum nodes, separated by commas", parseUrls),
    rootChain: read("ROOT_CHAIN_ADDRESS", null, "the address of the deployed RootChain contract", parseAddress),
    key: readKey(get, wrong),
    challengerKey: read<{ key: Hex | null }>(
      "CHALLENGER_PRIVATE_KEY",
      { key: null },
      "a private key: 0x and 64 hex digits",
      (text) => (isPrivateKey(text) ? { key: text as Hex } : null),
    )?.key,
    fromBlock: integer("ROOT_CHAIN_FROM_BLOCK", 0, 0, Number.MAX_SAFE_INTEGER),
    commitIntervalSeconds: integer("COMMIT_INTERVAL_SECONDS", 3600, 1, YEAR_SECONDS),
    dataDir: resolve(get("DATA_DIR") ?? "./data"),
    host: read("HOST", "127.0.0.1", "an IP address, or localhost", (text) =>
      isIP(text) !== 0 || text === "localhost" ? text : null,
    ),
    port: integer("PORT", 3001, 0, 65_535),
    depositFinality: read("DEPOSIT_FINALITY", "finalized", "finalized, or a number of confirmations from 1", (text) =>
      text === "finalized" ? "finalized" : parseInteger(text, 1, 10_000),
    ),
    maxFeeGwei: integer("MAX_FEE_GWEI", 200, 1, 1_000_000),
    adminToken: read<{ token: string | null }>(
      "ADMIN_TOKEN",
      { token: null },
      `at least ${ADMIN_TOKEN_CHARACTERS_MIN} characters without spaces`,
      (text) => (text.length >= ADMIN_TOKEN_CHARACTERS_MIN && !/\s/.test(text) ? { token: text } : null),
    )?.token,
    logLevel: read("LOG_LEVEL", "info", `one of ${LOG_LEVELS.join(", ")}`, (text) =>
      LOG_LEVELS.includes(text) ? text : null,
    ),
    ethereumPollMs: integer("ETHEREUM_POLL_MS", 2000, 50, 60_000),
    snapshotEntries: integer("SNAPSHOT_ENTRIES", SNAPSHOT_ENTRIES, 100, 1_000_000_000),
    verifyThreads: integer("VERIFY_THREADS", availableParallelism(), 1, 256),
  };
  if (wrong.length > 0) throw new StartupError("WRONG_SETTINGS", `settings: ${wrong.join("; ")}`, { wrong });
  return settings;
}

/** The settings without secrets, for the log. URLs keep their host only: paths of node providers hold keys. */
export function describeSettings(settings: Settings): Record<string, unknown> {
  const { challengerKey, ...shown } = settings;
  return {
    ...shown,
    rpcUrls: settings.rpcUrls.map((url) => new URL(url).host),
    key: settings.key.kind,
    challenger: challengerKey === null ? "not set" : computeAddress(challengerKey),
    adminToken: settings.adminToken === null ? "not set" : "set",
  };
}

function readKey(get: (name: string) => string | null, wrong: string[]): KeySource {
  if (get("SIGNER_URL") !== null) {
    wrong.push("SIGNER_URL is not supported yet: set OPERATOR_PRIVATE_KEY or OPERATOR_KEYSTORE");
  }
  const privateKey = get("OPERATOR_PRIVATE_KEY");
  const path = get("OPERATOR_KEYSTORE");
  const passwordFile = get("OPERATOR_KEYSTORE_PASSWORD_FILE");
  if (privateKey !== null && (path !== null || passwordFile !== null)) {
    wrong.push("OPERATOR_PRIVATE_KEY and OPERATOR_KEYSTORE are both set: choose one");
  } else if (privateKey !== null) {
    if (!isPrivateKey(privateKey)) wrong.push("OPERATOR_PRIVATE_KEY must be a private key: 0x and 64 hex digits");
  } else if (path === null && passwordFile === null) {
    wrong.push("OPERATOR_PRIVATE_KEY, or OPERATOR_KEYSTORE with OPERATOR_KEYSTORE_PASSWORD_FILE, is missing");
  } else if (path === null || passwordFile === null) {
    wrong.push("OPERATOR_KEYSTORE and OPERATOR_KEYSTORE_PASSWORD_FILE go together");
  } else {
    return { kind: "keystore", path, passwordFile };
  }
  return { kind: "privateKey", privateKey: privateKey as Hex };
}

function isPrivateKey(text: string): boolean {
  return /^0x[0-9a-fA-F]{64}$/.test(text) && BigInt(text) > 0n && BigInt(text) < CURVE_ORDER;
}

function parseInteger(text: string, min: number, max: number): number | null {
  if (!/^[0-9]{1,16}$/.test(text)) return null;
  const value = Number(text);
  return value >= min && value <= max ? value : null;
}

function parseAddress(text: string): Address | null {
  return /^0x[0-9a-fA-F]{40}$/.test(text) && !/^0x0{40}$/.test(text) ? (text.toLowerCase() as Address) : null;
}

function parseUrls(text: string): string[] | null {
  const urls = text.split(",").map((url) => url.trim());
  return urls.every((url) => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) ? urls : null;
}
