import { isHexOfLength } from "@plasma-billing/protocol/hex.ts";
import { API } from "../api.ts";

/** What the reader decided about verifying, kept in this browser for this operator. */
export interface Remembered {
  /** Of the reader's Ethereum node; empty where none was named. */
  rpcUrl: string;
  /** Through the browser's wallet rather than the node. */
  wallet: boolean;
  /** Which contract the reader checked to be the right one; null: none yet. */
  confirmed: { contract: string; chainId: number } | null;
}

const KEY = `plasma-billing:verification:${API}`;
const NOTHING: Remembered = { rpcUrl: "", wallet: false, confirmed: null };

export function recall(): Remembered {
  try {
    const { rpcUrl, wallet, confirmed } = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Remembered>;
    const whole =
      confirmed != null && isHexOfLength(confirmed.contract, 20) && Number.isSafeInteger(confirmed.chainId)
        ? { contract: confirmed.contract, chainId: confirmed.chainId }
        : null;
    return { rpcUrl: typeof rpcUrl === "string" ? rpcUrl : "", wallet: wallet === true, confirmed: whole };
  } catch {
    // A browser may keep nothing for a page, or another page of this place may have written there.
    return NOTHING;
  }
}

export function remember(of: Remembered): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(of));
  } catch {
    // Then it is asked again next time.
  }
}
