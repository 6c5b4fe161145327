import { createKeccak } from "hash-wasm";

// One WebAssembly instance for the whole process, made before anyone can ask: hashing stays synchronous.
const hasher = await createKeccak(256);

/** keccak-256 of the bytes, 32 bytes long. */
export function keccak256(bytes: Uint8Array): Uint8Array {
  return hasher.init().update(bytes).digest("binary");
}
