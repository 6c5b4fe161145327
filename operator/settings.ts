import { isIP } from "node:net";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { ETHER } from "@plasma-billing/protocol/transaction.ts";
import { computeAddress } from "ethers";
import { StartupError } from "./errors.ts";
import { SNAPSHOT_ENTRIES } from "./snapshots.ts";

export type KeySource =
  | { kind: "privateKey"; privateKey: Hex }
  | { kind: "keystore"; path: string; passwordFile: string }
  | { kind: "external"; url: string };

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
  /** Null: this operator serves no marketplace. */
  serviceNode: Address | null;
  /** Signs quotes; null: the service node signs them itself. */
  serviceNodeKey: Hex | null;
  /** In the smallest unit of the token. */
  storagePrice: { token: Address; pricePerGibDay: bigint } | null;
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
    serviceNode: read<{ address: Address | null }>("SERVICE_NODE_ADDRESS", { address: null }, "an address", (text) => {
      const address = parseAddress(text);
      return address === null ? null : { address };
    })?.address,
    serviceNodeKey: read<{ key: Hex | null }>(
      "SERVICE_NODE_PRIVATE_KEY",
      { key: null },
      "a private key: 0x and 64 hex digits",
      (text) => (isPrivateKey(text) ? { key: text as Hex } : null),
    )?.key,
    storagePrice: readPrice(read),
    snapshotEntries: integer("SNAPSHOT_ENTRIES", SNAPSHOT_ENTRIES, 100, 1_000_000_000),
    verifyThreads: integer("VERIFY_THREADS", availableParallelism(), 1, 256),
  };
  checkServiceNode(settings, wrong);
  if (wrong.length > 0) throw new StartupError("WRONG_SETTINGS", `settings: ${wrong.join("; ")}`, { wrong });
  return settings;
}

/** The settings without secrets, for the log. URLs keep their host only: paths of node providers hold keys. */
export function describeSettings(settings: Settings): Record<string, unknown> {
  const { challengerKey, serviceNodeKey, storagePrice, ...shown } = settings;
  return {
    ...shown,
    rpcUrls: settings.rpcUrls.map((url) => new URL(url).host),
    key: settings.key.kind,
    challenger: challengerKey === null ? "not set" : computeAddress(challengerKey),
    quotes: serviceNodeKey === null ? "by the service node" : "by this operator",
    storagePrice: storagePrice === null ? "not set" : `${storagePrice.pricePerGibDay} of ${storagePrice.token}`,
    adminToken: settings.adminToken === null ? "not set" : "set",
  };
}

type Read = <T>(name: string, fallback: T | null, expected: string, parse: (text: string) => T | null) => T;

function readPrice(read: Read): Settings["storagePrice"] {
  const { price } = read<{ price: bigint | null }>(
    "STORAGE_PRICE_PER_GIB_DAY",
    { price: null },
    "a whole number from 1, in the token's smallest unit",
    (text) => (/^[1-9][0-9]{0,59}$/.test(text) ? { price: BigInt(text) } : null),
  ) ?? { price: null };
  const token = read<Address>("STORAGE_PRICE_TOKEN", ETHER, "the address of a token, or zeros for ether", (text) =>
    text === ETHER ? ETHER : parseAddress(text),
  );
  return price === null ? null : { token, pricePerGibDay: price };
}

/** What belongs together must be there together. */
function checkServiceNode({ serviceNode, serviceNodeKey, storagePrice }: Settings, wrong: string[]): void {
  if (serviceNodeKey === null || serviceNodeKey === undefined) return;
  const address = computeAddress(serviceNodeKey);
  if (serviceNode === null || serviceNode === undefined || address.toLowerCase() !== serviceNode) {
    wrong.push(`SERVICE_NODE_PRIVATE_KEY is of ${address}: SERVICE_NODE_ADDRESS must be that`);
  }
  if (storagePrice === null) wrong.push("SERVICE_NODE_PRIVATE_KEY needs STORAGE_PRICE_PER_GIB_DAY to quote");
}

function readKey(get: (name: string) => string | null, wrong: string[]): KeySource {
  const privateKey = get("OPERATOR_PRIVATE_KEY");
  const path = get("OPERATOR_KEYSTORE");
  const passwordFile = get("OPERATOR_KEYSTORE_PASSWORD_FILE");
  const url = get("SIGNER_URL");
  const keystore = path !== null || passwordFile !== null;
  const given = [
    ...(privateKey === null ? [] : ["OPERATOR_PRIVATE_KEY"]),
    ...(keystore ? ["OPERATOR_KEYSTORE"] : []),
    ...(url === null ? [] : ["SIGNER_URL"]),
  ];
  const all = "OPERATOR_PRIVATE_KEY, OPERATOR_KEYSTORE with OPERATOR_KEYSTORE_PASSWORD_FILE, or SIGNER_URL";
  if (given.length > 1) wrong.push(`${given.join(" and ")} are set: choose one`);
  else if (given.length === 0) wrong.push(`${all}, is missing`);
  else if (url !== null) {
    if (parseUrls(url)?.length !== 1) wrong.push("SIGNER_URL must be the http(s) URL of a signer");
    return { kind: "external", url };
  } else if (path !== null && passwordFile !== null) return { kind: "keystore", path, passwordFile };
  else if (keystore) wrong.push("OPERATOR_KEYSTORE and OPERATOR_KEYSTORE_PASSWORD_FILE go together");
  else if (!isPrivateKey(privateKey as string)) {
    wrong.push("OPERATOR_PRIVATE_KEY must be a private key: 0x and 64 hex digits");
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
