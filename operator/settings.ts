import { resolve } from "node:path";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { ETHER } from "@plasma-billing/protocol/transaction.ts";
import { computeAddress } from "ethers";
import {
  isPrivateKey,
  parseAddress,
  parseUrls,
  SettingsReader,
} from "@plasma-billing/ethereum/process/settingsReader.ts";
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

const ADMIN_TOKEN_CHARACTERS_MIN = 16;
const YEAR_SECONDS = 31_536_000;

/**
 * Reads the settings from environment variables; an empty one counts as not set.
 * @throws StartupError WRONG_SETTINGS that names every wrong one at once. Values that may be secret are never shown.
 */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const reader = new SettingsReader(env);
  const settings: Settings = {
    rpcUrls: reader.read("L1_RPC_URLS", null, "http(s) URLs of Ethereum nodes, separated by commas", parseUrls),
    rootChain: reader.read("ROOT_CHAIN_ADDRESS", null, "the address of the deployed RootChain contract", parseAddress),
    key: readKey(reader),
    challengerKey: reader.privateKey("CHALLENGER_PRIVATE_KEY"),
    fromBlock: reader.integer("ROOT_CHAIN_FROM_BLOCK", 0, 0, Number.MAX_SAFE_INTEGER),
    commitIntervalSeconds: reader.integer("COMMIT_INTERVAL_SECONDS", 3600, 1, YEAR_SECONDS),
    dataDir: resolve(reader.get("DATA_DIR") ?? "./data"),
    host: reader.host("HOST"),
    port: reader.integer("PORT", 3001, 0, 65_535),
    depositFinality: reader.finality("DEPOSIT_FINALITY"),
    maxFeeGwei: reader.integer("MAX_FEE_GWEI", 200, 1, 1_000_000),
    adminToken: reader.optional(
      "ADMIN_TOKEN",
      `at least ${ADMIN_TOKEN_CHARACTERS_MIN} characters without spaces`,
      (text) => (text.length >= ADMIN_TOKEN_CHARACTERS_MIN && !/\s/.test(text) ? text : null),
    ),
    logLevel: reader.logLevel("LOG_LEVEL"),
    ethereumPollMs: reader.integer("ETHEREUM_POLL_MS", 2000, 50, 60_000),
    serviceNode: reader.optional("SERVICE_NODE_ADDRESS", "an address", parseAddress),
    serviceNodeKey: reader.privateKey("SERVICE_NODE_PRIVATE_KEY"),
    storagePrice: readPrice(reader),
    snapshotEntries: reader.integer("SNAPSHOT_ENTRIES", SNAPSHOT_ENTRIES, 100, 1_000_000_000),
    verifyThreads: reader.threads("VERIFY_THREADS"),
  };
  checkServiceNode(settings, reader.wrong);
  reader.refuseWrong();
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

function readPrice(reader: SettingsReader): Settings["storagePrice"] {
  const price = reader.optional(
    "STORAGE_PRICE_PER_GIB_DAY",
    "a whole number from 1, in the token's smallest unit",
    (text) => (/^[1-9][0-9]{0,59}$/.test(text) ? BigInt(text) : null),
  );
  const token = reader.read<Address>(
    "STORAGE_PRICE_TOKEN",
    ETHER,
    "the address of a token, or zeros for ether",
    (text) => (text === ETHER ? ETHER : parseAddress(text)),
  );
  return price === null || price === undefined ? null : { token, pricePerGibDay: price };
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

function readKey(reader: SettingsReader): KeySource {
  const { wrong } = reader;
  const privateKey = reader.get("OPERATOR_PRIVATE_KEY");
  const path = reader.get("OPERATOR_KEYSTORE");
  const passwordFile = reader.get("OPERATOR_KEYSTORE_PASSWORD_FILE");
  const url = reader.get("SIGNER_URL");
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
