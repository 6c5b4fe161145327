// B of docs/ARCHITECTURE.md: signatures recovered a second on all cores at once, and nothing else.
import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { keccak256 } from "@plasma-billing/protocol/keccak.ts";
import secp256k1 from "secp256k1";

const SIGNATURES = 256;
const BETWEEN_LOOKS = 64;

/** Recoveries a second of all cores. */
export async function rawRecoveries(seconds: number): Promise<number> {
  const counts = await Promise.all(
    Array.from({ length: availableParallelism() }, async () => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { seconds } });
      return await new Promise<number>((resolve, reject) => worker.once("message", resolve).once("error", reject));
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

function recoverFor(milliseconds: number): number {
  const key = keccak256(Buffer.from("recovery bench"));
  const signed = Array.from({ length: SIGNATURES }, (_, i) => {
    const digest = keccak256(Buffer.from([i]));
    return { digest, ...secp256k1.ecdsaSign(digest, key) };
  });
  const publicKey = new Uint8Array(65);
  let count = 0;
  const started = performance.now();
  let elapsed = 0;
  while (elapsed < milliseconds) {
    for (let i = 0; i < BETWEEN_LOOKS; i++) {
      const { digest, signature, recid } = signed[count++ % SIGNATURES] as (typeof signed)[0];
      secp256k1.ecdsaRecover(signature, recid, digest, false, publicKey);
    }
    elapsed = performance.now() - started;
  }
  return (1000 * count) / elapsed;
}

if (!isMainThread) parentPort?.postMessage(recoverFor(1000 * (workerData as { seconds: number }).seconds));
