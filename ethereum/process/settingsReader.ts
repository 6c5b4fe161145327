import { isIP } from "node:net";
import { availableParallelism } from "node:os";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { StartupError } from "./startup.ts";

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"];
/** Private keys are the numbers from 1 below the order of secp256k1's group. */
const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** Reads settings from environment variables, and keeps what is wrong with them to say all of it at once. */
export class SettingsReader {
  readonly wrong: string[] = [];
  private readonly env: Readonly<Record<string, string | undefined>>;

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.env = env;
  }

  /** Null when it is not set; an empty one counts as not set. */
  get(name: string): string | null {
    const text = this.env[name];
    return text === undefined || text === "" ? null : text;
  }

  /** @param fallback - null: it must be set */
  read<T>(name: string, fallback: T | null, expected: string, parse: (text: string) => T | null): T {
    const text = this.get(name);
    const value = text === null ? fallback : parse(text);
    if (value !== null) return value;
    this.wrong.push(text === null ? `${name} is missing: ${expected}` : `${name} must be ${expected}`);
    return undefined as T;
  }

  /** Null when it is not set. */
  optional<T>(name: string, expected: string, parse: (text: string) => T | null): T | null {
    return this.get(name) === null ? null : this.read<T>(name, null, expected, parse);
  }

  integer(name: string, fallback: number, min: number, max: number): number {
    return this.read(name, fallback, `a whole number from ${min} to ${max}`, (text) => parseInteger(text, min, max));
  }

  privateKey(name: string): Hex | null {
    return this.optional(name, "a private key: 0x and 64 hex digits", (text) =>
      isPrivateKey(text) ? (text as Hex) : null,
    );
  }

  finality(name: string): "finalized" | number {
    return this.read(name, "finalized", "finalized, or a number of confirmations from 1", (text) =>
      text === "finalized" ? "finalized" : parseInteger(text, 1, 10_000),
    );
  }

  host(name: string): string {
    return this.read(name, "127.0.0.1", "an IP address, or localhost", (text) =>
      isIP(text) !== 0 || text === "localhost" ? text : null,
    );
  }

  logLevel(name: string): string {
    return this.read(name, "info", `one of ${LOG_LEVELS.join(", ")}`, (text) =>
      LOG_LEVELS.includes(text) ? text : null,
    );
  }

  threads(name: string): number {
    return this.integer(name, availableParallelism(), 1, 256);
  }

  /** @throws StartupError WRONG_SETTINGS that names every wrong one at once. Values that may be secret are never shown. */
  refuseWrong(): void {
    const { wrong } = this;
    if (wrong.length > 0) throw new StartupError("WRONG_SETTINGS", `settings: ${wrong.join("; ")}`, { wrong });
  }
}

export function isPrivateKey(text: string): boolean {
  return /^0x[0-9a-fA-F]{64}$/.test(text) && BigInt(text) > 0n && BigInt(text) < CURVE_ORDER;
}

export function parseInteger(text: string, min: number, max: number): number | null {
  if (!/^[0-9]{1,16}$/.test(text)) return null;
  const value = Number(text);
  return value >= min && value <= max ? value : null;
}

export function parseAddress(text: string): Address | null {
  return /^0x[0-9a-fA-F]{40}$/.test(text) && !/^0x0{40}$/.test(text) ? (text.toLowerCase() as Address) : null;
}

export function parseUrls(text: string): string[] | null {
  const urls = text.split(",").map((url) => url.trim());
  return urls.every((url) => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) ? urls : null;
}
