export type Hex = `0x${string}`;

const DIGITS: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Lower-case hex of the bytes. */
export function toHex(bytes: Uint8Array): Hex {
  let hex = "0x";
  for (const byte of bytes) hex += DIGITS[byte];
  return hex as Hex;
}

/** The bytes of well-formed hex (`isHexOfLength` says whether it is). */
export function fromHex(hex: Hex): Uint8Array {
  const bytes = new Uint8Array((hex.length - 2) / 2);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = (nibble(hex.charCodeAt(2 + 2 * i)) << 4) | nibble(hex.charCodeAt(3 + 2 * i));
  }
  return bytes;
}

/** Whether the value is 0x and the digits, in either case, of that many bytes. */
export function isHexOfLength(value: unknown, bytes: number): value is Hex {
  return typeof value === "string" && value.length === 2 + 2 * bytes && /^0x[0-9a-fA-F]*$/.test(value);
}

function nibble(code: number): number {
  return code <= 57 ? code - 48 : (code | 32) - 87;
}
