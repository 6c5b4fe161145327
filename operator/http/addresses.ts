import { getAddress } from "ethers";

/** Checksums kept, so that a list of a thousand payments does not work them out eight thousand times. */
const KEPT_MAX = 50_000;
const kept = new Map<string, string>();

/** The address as people read it. */
export function checksum(address: string): string {
  let text = kept.get(address);
  if (text === undefined) {
    text = getAddress(address);
    if (kept.size >= KEPT_MAX) kept.clear();
    kept.set(address, text);
  }
  return text;
}

/** The values, with a checksum where one is an address. */
export function checksummed(context: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(context).map(([name, value]) => {
    const isAddress = typeof value === "string" && /^0x[0-9a-f]{40}$/.test(value);
    return [name, isAddress ? checksum(value) : value];
  });
  return Object.fromEntries(entries) as Record<string, unknown>;
}
