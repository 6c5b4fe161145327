import { appendFile, readdir, stat } from "node:fs/promises";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { unusable } from "@plasma-billing/ethereum/process/lock.ts";
import type { Deposit, OutputId } from "@plasma-billing/protocol/transaction.ts";
import { moveBlockFile, removeBlockFile } from "./blockFile.ts";
import type { Breach } from "./types.ts";

/** Versions of one block that Ethereum contradicts: the first, and the last. Spends of watched outputs are kept anyway. */
const REFUSED_MAX = 2;
/** Told of the newest contradictions only. */
const REORDERED_MAX = 100;

/** A deposit that a payment spent, and the block of that payment. */
export interface SpentDeposit extends Deposit {
  outputId: OutputId;
  blockNumber: number;
}

/** With decimal strings. */
type DepositLine = Omit<SpentDeposit, "id" | "amount"> & { id: string; amount: string };

export type Reordered = Extract<Breach, { name: "reordered" }>;

/** The folders of README.md. */
export class BlockStore {
  private readonly dataDir: string;

  /** @throws StartupError DATA_DIR_UNUSABLE */
  constructor(dataDir: string) {
    this.dataDir = dataDir;
    try {
      for (const folder of ["blocks", "unjudged", "refused"]) mkdirSync(join(dataDir, folder), { recursive: true });
    } catch (error) {
      throw unusable(dataDir, error);
    }
  }

  block(number: number): string {
    return join(this.dataDir, "blocks", String(number));
  }

  unjudged(number: number): string {
    return join(this.dataDir, "unjudged", String(number));
  }

  /** Numbers of the blocks in a folder, ascending. */
  numbers(folder: "blocks" | "unjudged"): number[] {
    return namesIn(join(this.dataDir, folder))
      .map(Number)
      .toSorted((a, b) => a - b);
  }

  /** How much there is of blocks that are not judged, or not those on Ethereum. */
  async unjudgedBytes(): Promise<number> {
    let sum = 0;
    for (const folder of ["unjudged", "refused"]) {
      for (const name of await readdir(join(this.dataDir, folder))) {
        // Taken away meanwhile, it is none.
        sum += await stat(join(this.dataDir, folder, name)).then(
          ({ size }) => size,
          () => 0,
        );
      }
    }
    return sum;
  }

  get refused(): string[] {
    return namesIn(join(this.dataDir, "refused")).map((name) => join(this.dataDir, "refused", name));
  }

  /** Puts aside what Ethereum contradicts. */
  async refuse(prefix: string, number: number): Promise<void> {
    const taken = new Set(namesIn(join(this.dataDir, "refused")));
    let version = 1;
    while (version < REFUSED_MAX && taken.has(`${number}-${version}`)) version++;
    const target = join(this.dataDir, "refused", `${number}-${version}`);
    await removeBlockFile(target);
    await moveBlockFile(prefix, target);
  }

  /** Remembers deposits for a replay: Ethereum's view may not be there yet when it is made. */
  async addDeposits(deposits: readonly SpentDeposit[]): Promise<void> {
    const lines = deposits.map(({ amount, id, ...deposit }) => line({ ...deposit, id: `${id}`, amount: `${amount}` }));
    await append(join(this.dataDir, "deposits.log"), lines);
  }

  /** Forgets the deposits that this block and later ones spent. */
  async forgetDeposits(from: number): Promise<void> {
    await append(join(this.dataDir, "deposits.log"), [line({ from })]);
  }

  deposits(): Map<OutputId, SpentDeposit> {
    const deposits = new Map<OutputId, SpentDeposit>();
    for (const each of linesOf<DepositLine | { from: number }>(join(this.dataDir, "deposits.log"))) {
      if ("outputId" in each)
        deposits.set(each.outputId, { ...each, id: BigInt(each.id), amount: BigInt(each.amount) });
      else for (const [id, { blockNumber }] of deposits) if (blockNumber >= each.from) deposits.delete(id);
    }
    return deposits;
  }

  async addReordered(breach: Reordered): Promise<void> {
    await append(join(this.dataDir, "reordered.log"), [line(breach)]);
  }

  reordered(): Reordered[] {
    return linesOf<Reordered>(join(this.dataDir, "reordered.log")).slice(-REORDERED_MAX);
  }
}

/** Names of the block files in a folder, without those of which a part is missing. */
function namesIn(folder: string): string[] {
  const names = new Set(readdirSync(folder));
  return [...names].flatMap((name) => {
    const prefix = /^([0-9]+(?:-[0-9]+)?)\.index$/.exec(name)?.[1];
    return prefix !== undefined && names.has(`${prefix}.payments`) ? [prefix] : [];
  });
}

/** Behind an empty line: the one before may have been left half written. */
async function append(path: string, lines: readonly string[]): Promise<void> {
  await appendFile(path, `\n${lines.join("")}`);
}

/** JSON behind its CRC-32. */
function line(value: unknown): string {
  return checked(JSON.stringify(value));
}

function checked(json: string): string {
  return `${crc32(json).toString(16)} ${json}\n`;
}

/** What lines hold; one that is not what was written, as a crash leaves it, is passed over. */
function linesOf<T>(path: string): T[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  return text.split("\n").flatMap((each) => {
    const json = each.slice(each.indexOf(" ") + 1);
    return `${each}\n` === checked(json) ? [JSON.parse(json) as T] : [];
  });
}
