import type { Logger } from "pino";
import { countByLength, moveBlockFile, rebaseBlockFile, removeBlockFile } from "./blockFile.ts";
import type { BlockStore } from "./store.ts";
import type { MissingBlock } from "./types.ts";
import type { UnjudgedBlocks } from "./unjudged.ts";
import type { VerifiedBlocks } from "./verifiedBlocks.ts";

export interface RepairsOptions {
  store: BlockStore;
  blocks: VerifiedBlocks;
  unjudged: UnjudgedBlocks;
  log: Logger;
}

/** Verified blocks whose files are not what was written: they are loaded again, which changes nothing of the state. */
export class Repairs {
  private readonly options: RepairsOptions;
  private readonly damaged = new Set<number>();

  constructor(options: RepairsOptions) {
    this.options = options;
  }

  /** Looks whether the files of all blocks are there, by their lengths. */
  async look(): Promise<void> {
    const { store, blocks } = this.options;
    for (const [i, { count }] of blocks.state.blocks.entries()) {
      if ((await countByLength(store.block(i + 1))) !== count) this.add(i + 1);
    }
  }

  /** A block that was found damaged; the open one is found so at the next start. */
  add(number: number): void {
    const { blocks, log } = this.options;
    if (number >= blocks.state.number || this.damaged.has(number)) return;
    log.warn({ block: number }, "a stored block is damaged: it is loaded again");
    this.damaged.add(number);
  }

  /** Loads what is damaged; the first block that is not served, or null. */
  async mend(goOn: () => boolean): Promise<MissingBlock | null> {
    const { store, blocks, unjudged } = this.options;
    for (const number of this.damaged) {
      const block = blocks.state.blocks[number - 1];
      if (block === undefined) this.damaged.delete(number);
      if (block === undefined || !goOn()) continue;
      const wanted = { number, transactionsRoot: block.root, transactionCount: block.count, timestamp: 0 };
      const loaded = await unjudged.load(wanted, goOn);
      if (loaded.kind === "part") return null;
      if (loaded.kind !== "whole") {
        const reason = loaded.kind === "missing" ? loaded.reason : "other payments than before";
        return { number, reason: `stored files are damaged, and again: ${reason}` };
      }
      await removeBlockFile(store.block(number));
      await moveBlockFile(store.unjudged(number), store.block(number));
      await rebaseBlockFile(store.block(number), blocks.state.basisOf(number));
      await unjudged.remove(number);
      this.damaged.delete(number);
    }
    return null;
  }
}
