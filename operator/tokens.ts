import type { EthereumRpc } from "@plasma-billing/ethereum/rpc.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { AbiCoder } from "ethers";
import type { Clock } from "@plasma-billing/ethereum/process/clock.ts";

/** What a token calls itself; null where its contract does not say it, or nothing that can be shown. */
export interface TokenView {
  token: Address;
  symbol: string | null;
  decimals: number | null;
}

const ETHER: Address = "0x0000000000000000000000000000000000000000";
/** Selectors of ERC-20's metadata. */
const SYMBOL = "0x95d89b41";
const DECIMALS = "0x313ce567";
/** Anybody deposits any token: what it calls itself is shown only in letters that cannot look like something else. */
const SYMBOL_FORM = /^[A-Za-z0-9.$+_-]{1,16}$/;
/** More would be no number to read. */
const DECIMALS_MAX = 77;
/** A contract that did not answer is asked again. */
const RETRY_MS = 60_000;
/** Of those not asked yet, so many at a time: anybody can deposit a thousand tokens. */
const ASKED_MAX = 8;

/** Symbols and decimals of tokens, asked of their contracts and kept. */
export class Tokens {
  private readonly known = new Map<Address, { view: TokenView; until: number }>();
  private asking: Promise<void> | null = null;
  private readonly rpc: EthereumRpc;
  private readonly clock: Clock;

  constructor(rpc: EthereumRpc, clock: Clock) {
    this.rpc = rpc;
    this.clock = clock;
  }

  /** As far as is known now; of a token that was not asked yet null, and the next time it is there. */
  async view(tokens: readonly Address[]): Promise<TokenView[]> {
    const unknown = tokens.filter((token) => (this.known.get(token)?.until ?? 0) < this.clock.now());
    if (unknown.length > 0) {
      this.asking ??= this.ask(unknown.slice(0, ASKED_MAX)).finally(() => (this.asking = null));
      await this.asking;
    }
    return tokens.map((token) => this.known.get(token)?.view ?? { token, symbol: null, decimals: null });
  }

  private async ask(tokens: readonly Address[]): Promise<void> {
    const views = await Promise.all(tokens.map(async (token) => await this.metadata(token)));
    for (const view of views) {
      const whole = view.symbol !== null && view.decimals !== null;
      this.known.set(view.token, { view, until: whole ? Infinity : this.clock.now() + RETRY_MS });
    }
  }

  private async metadata(token: Address): Promise<TokenView> {
    if (token === ETHER) return { token, symbol: "ETH", decimals: 18 };
    try {
      const head = await this.rpc.block("latest");
      if (head === null) return { token, symbol: null, decimals: null };
      const [symbol, decimals] = await Promise.all([
        this.value(token, SYMBOL, "string", head.hash),
        this.value(token, DECIMALS, "uint8", head.hash),
      ]);
      const places = decimals === null ? null : Number(decimals);
      return {
        token,
        symbol: symbol !== null && SYMBOL_FORM.test(symbol) ? symbol : null,
        decimals: places === null || places > DECIMALS_MAX ? null : places,
      };
    } catch {
      return { token, symbol: null, decimals: null };
    }
  }

  private async value(
    token: Address,
    selector: `0x${string}`,
    type: string,
    blockHash: `0x${string}`,
  ): Promise<string | null> {
    try {
      const answer = await this.rpc.call(token, selector, blockHash);
      return String(AbiCoder.defaultAbiCoder().decode([type], answer)[0]);
    } catch {
      // Metadata is optional in ERC-20, and a contract may answer anything.
      return null;
    }
  }
}
