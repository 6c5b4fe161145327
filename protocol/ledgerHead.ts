import type { JsonEntry } from "./entries.ts";
import { decodeEntry, encodeEntry } from "./entryJson.ts";
import { InvariantError } from "./errors.ts";
import type { AnyExitEntry } from "./exitBook.ts";
import type { LedgerBlock } from "./ledger.ts";
import type { Totals } from "./liveOutputs.ts";
import { isHexOfLength, type Hex } from "./hex.ts";
import type { BoundFile, MarketRecord } from "./market/market.ts";
import type { Address, Domain } from "./typedData.ts";

export const HEAD_VERSION = 2;

/** All of a ledger's state but its outputs and its market. */
export interface LedgerHead extends Domain {
  position: number;
  openedAt: number | null;
  firstAcceptedAt: number | null;
  firstEntry: number;
  followed: { number: number; hash: Hex } | null;
  blocks: LedgerBlock[];
  depositCount: bigint;
  /** In the order of the tokens' numbers. */
  totals: [Address, Totals][];
  /** What is final of an exit before what is current. */
  exits: AnyExitEntry[];
  tree: { count: number; peaks: Hex[] };
  outputCount: number;
  marketRecords: number;
  stateHash: Hex;
}

/** JSON; large integers are strings with an n behind them. */
export function writeHead({ exits, ...rest }: LedgerHead): string {
  const plain = { version: HEAD_VERSION, ...rest, exits: exits.map(encodeEntry) };
  return JSON.stringify(plain, (_, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));
}

/** @throws InvariantError when the text is of another version, or not JSON; its checksum was checked by whoever read it */
export function readHead(text: string): LedgerHead {
  let head: { version?: number; exits?: string[] } | null;
  try {
    head = JSON.parse(text, (_, value: unknown) =>
      typeof value === "string" && /^[0-9]+n$/.test(value) ? BigInt(value.slice(0, -1)) : value,
    ) as typeof head;
  } catch (error) {
    throw new InvariantError("the head of a snapshot is not JSON", { text: text.slice(0, 100), error });
  }
  const { version, exits, ...rest } = head ?? {};
  if (version !== HEAD_VERSION) throw new InvariantError("the head of a snapshot has another version", { version });
  if (!Array.isArray(exits) || exits.some((line) => typeof line !== "string")) {
    throw new InvariantError("the head of a snapshot has no list of exits", { exits: typeof exits });
  }
  return { ...(rest as unknown as LedgerHead), exits: exits.map((line) => decodeExit(decodeEntry(line))) };
}

function decodeExit(entry: JsonEntry): AnyExitEntry {
  if (entry.type === "exit" || entry.type === "inFlightExit") return entry;
  throw new InvariantError("the head of a snapshot has something else as exit", { type: entry.type });
}

/** Records of a market, one a line. */
export function writeMarket(records: readonly MarketRecord[]): string {
  return records.map((record) => (record.type === "file" ? JSON.stringify(record) : encodeEntry(record))).join("\n");
}

/** @throws InvariantError for a line that is no record of a market */
export function readMarket(text: string): MarketRecord[] {
  return text.split("\n").map((line) => (line.startsWith('{"type":"file"') ? readFile(line) : readMarketEntry(line)));
}

function readMarketEntry(line: string): MarketRecord {
  const entry = decodeEntry(line);
  switch (entry.type) {
    case "registration":
    case "offer":
    case "quote":
    case "swapProposal":
      return entry;
    default:
      throw new InvariantError("the market of a snapshot has something else", { type: entry.type });
  }
}

function readFile(line: string): BoundFile {
  let file: Partial<BoundFile>;
  try {
    file = JSON.parse(line) as Partial<BoundFile>;
  } catch (error) {
    throw new InvariantError("a file of a snapshot is not JSON", { line: line.slice(0, 100), error });
  }
  const { fileHash, validator, fileId } = file;
  if (
    !isHexOfLength(fileHash, 32) ||
    !isHexOfLength(validator, 20) ||
    (fileId !== null && typeof fileId !== "string")
  ) {
    throw new InvariantError("a file of a snapshot is wrong", { line: line.slice(0, 100) });
  }
  return { type: "file", fileHash, validator, fileId };
}
