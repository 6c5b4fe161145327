import { addressOf, sign } from "./signing.ts";
import { keccak256 } from "@plasma-billing/protocol/keccak.ts";
import { toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { encodePayment, hashPayment } from "@plasma-billing/protocol/paymentBytes.ts";
import { outputId, ZERO_HASH, type OutputId, type SignedTransaction } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";

const ETHER: Address = "0x0000000000000000000000000000000000000000";
const FAN_MAX = 16;
/** What an output of the load is worth; the lane's own keeps the rest. */
const UNIT = 10n ** 9n;

/** What a load is made of. `chained`: each payment spends the one before; otherwise outputs made ready beforehand. */
export interface Work {
  inputs: 1 | 2 | 4;
  chained: boolean;
  /** Of each lane. */
  payments: number;
}

export interface Signed {
  /** Payments that make the outputs ready, in their order. */
  ready: Uint8Array[];
  load: Uint8Array[];
}

interface Owned {
  id: OutputId;
  amount: bigint;
}

/** The address of a lane's key. */
export function laneAddress(index: number): Address {
  return addressOf(laneKey(index));
}

export function laneKey(index: number): Uint8Array {
  return keccak256(Buffer.from(`bench lane ${index}`));
}

/** One payer of the load: signs everything beforehand, since ids follow from what is signed. */
export class BenchLane {
  readonly address: Address;
  private readonly key: Uint8Array;
  private readonly separator: Hex;
  private main: Owned;

  constructor(index: number, separator: Hex, depositOutput: (owner: Address) => Owned) {
    this.key = laneKey(index);
    this.address = addressOf(this.key);
    this.separator = separator;
    this.main = depositOutput(this.address);
  }

  sign({ inputs, chained, payments }: Work): Signed {
    const ready: Uint8Array[] = [];
    const load: Uint8Array[] = [];
    const needed = chained ? inputs : inputs * payments;
    let owned = this.makeReady(needed, ready);
    for (let i = 0; i < payments; i++) {
      const spent = owned.splice(0, inputs);
      // As many again when the next one spends them; otherwise to somebody and the change, as most payments are.
      const made = this.pay(spent, chained && inputs > 2 ? inputs : 2, load);
      if (chained) owned = made.slice(0, inputs);
    }
    return { ready, load };
  }

  /** Splits the lane's output until there are so many of one unit each. */
  private makeReady(count: number, into: Uint8Array[]): Owned[] {
    const owned: Owned[] = [];
    while (owned.length < count) {
      const parts = Math.min(FAN_MAX - 1, count - owned.length);
      const total = this.main.amount - UNIT * BigInt(parts);
      const [rest, ...made] = this.payAmounts([this.main], [total, ...Array<bigint>(parts).fill(UNIT)], into);
      this.main = rest as Owned;
      owned.push(...made);
    }
    return owned;
  }

  private pay(spent: Owned[], outputs: number, into: Uint8Array[]): Owned[] {
    const total = spent.reduce((sum, { amount }) => sum + amount, 0n);
    const others = Array<bigint>(outputs - 1).fill(1n);
    return this.payAmounts(spent, [total - BigInt(outputs - 1), ...others], into);
  }

  private payAmounts(spent: Owned[], amounts: bigint[], into: Uint8Array[]): Owned[] {
    const unsigned: SignedTransaction = {
      ...{ purpose: "transfer", inputs: spent.map(({ id }) => id), fileHash: ZERO_HASH, signatures: [] },
      outputs: amounts.map((amount) => ({ owner: this.address, token: ETHER, amount })),
    };
    const digest = hashPayment(this.separator, encodePayment(unsigned));
    const signature = toHex(sign(digest, this.key));
    const hash = toHex(digest);
    into.push(encodePayment({ ...unsigned, signatures: spent.map(() => signature) }));
    return amounts.map((amount, i) => ({ id: outputId(hash, i), amount }));
  }
}
