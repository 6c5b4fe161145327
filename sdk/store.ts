/** Where a wallet keeps what it must not lose: lines that are only ever added. */
export interface WalletStore {
  /** All lines that were added, in their order; a line that was not fully written is left out. */
  load(): Promise<string[]>;
  /** Resolves when the lines cannot be lost any more. */
  append(lines: readonly string[]): Promise<void>;
  /** Lets another process have it. */
  close?(): Promise<void>;
}

/** A file, or something like it, that is replaced as a whole. */
export interface TextStore {
  load(): Promise<string | null>;
  /** Either the old text or the new one is there, whatever happens meanwhile. */
  save(text: string): Promise<void>;
}

/** Lost when the process ends: for tests, and for wallets that hold nothing between two runs. */
export function memoryStore(lines: string[] = []): WalletStore {
  return {
    load: async () => await Promise.resolve([...lines]),
    append: async (more) => {
      lines.push(...more);
      return await Promise.resolve();
    },
  };
}
