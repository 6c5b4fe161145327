import { toHex, type Hex } from "./hex.ts";
import type { LedgerOutput } from "./output.ts";
import { Words } from "./words.ts";

const MODULUS = 2n ** 256n;

/**
 * A hash of a set of outputs that does not depend on their order: the sum of one hash an output, kept up as outputs come
 * and go. It finds faults of our own, in replay or memory; it is no commitment towards others.
 */
export class StateHash {
  private sum = 0n;

  add(output: LedgerOutput): void {
    this.sum = (this.sum + hashOf(output)) % MODULUS;
  }

  remove(output: LedgerOutput): void {
    this.sum = (this.sum - hashOf(output) + MODULUS) % MODULUS;
  }

  /** Of the set, together with the number of the open block. */
  value(openBlockNumber: number): Hex {
    return toHex(new Words(2).uint(this.sum).uint(openBlockNumber).hash());
  }
}

function hashOf({ id, owner, token, amount, state }: LedgerOutput): bigint {
  const words = new Words(5).hex(id).address(owner).address(token).uint(amount);
  return BigInt(toHex(words.uint(state === "exiting" ? 1 : 0).hash()));
}
