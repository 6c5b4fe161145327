import { ETHER, outputId, type Output, type OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { SignedTransaction } from "@plasma-billing/protocol/transaction.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { addressOf, keyOf } from "./accounts.ts";
import { hashOf, randomId, signedBy } from "./payments.ts";

/** What a villain operator has before it when it makes a block. */
export interface Desk {
  /** The payments it took for this block, in the order in which it showed them. */
  readonly taken: readonly SignedTransaction[];
  readonly separator: Hex;
  readonly token: Address;
  /** Outputs of an account, by the honest operator's word. */
  outputsOf(owner: Address, state: "available" | "spent" | "exiting"): Promise<(Output & { id: OutputId })[]>;
  /** All that exits of a token can be paid from. */
  held(token: Address): Promise<bigint>;
}

export interface EvilBlock {
  payments: SignedTransaction[];
  /** Outputs of it that the thief takes out at once. */
  loot: { payment: SignedTransaction; index: number }[];
}

const MALLORY = addressOf("mallory");
const DUST_PAYMENTS = 3;
const DUST_OUTPUTS = 16;

/** How a block is made of the payments that were taken. */
export const EVIL_BLOCKS = {
  /** As it was taken: what is wrong is how it is shown, or committed. */
  asTaken: async ({ taken }: Desk): Promise<EvilBlock> => ({ payments: [...taken], loot: [] }),

  /** One payment more, of the thief to itself, that nobody was shown. It breaks no rule. */
  oneMore: async (desk: Desk): Promise<EvilBlock> => {
    const { id, token, amount } = await ownOutput(desk, "available");
    return { payments: [...desk.taken, byMallory(desk, [id], [[token, amount]])], loot: [] };
  },

  /** A payment of an output that never was, of all the contract holds, in front of the others. */
  mint: async (desk: Desk): Promise<EvilBlock> => {
    const minted: SignedTransaction[] = [];
    for (const token of [ETHER, desk.token])
      minted.push(byMallory(desk, [randomId()], [[token, await desk.held(token)]]));
    return { payments: [...minted, ...desk.taken], loot: lootOf(minted) };
  },

  /** More comes out of the thief's own output than went in. */
  inflate: async (desk: Desk): Promise<EvilBlock> => {
    const own = await ownOutput(desk, "available");
    const inflated = byMallory(desk, [own.id], [[own.token, own.amount + (await desk.held(own.token))]]);
    return { payments: [...desk.taken, inflated], loot: lootOf([inflated]) };
  },

  /** The thief's output is spent by two payments of the block. */
  doubleSpend: async (desk: Desk): Promise<EvilBlock> => {
    const { id, token, amount } = await ownOutput(desk, "available");
    const twice = [
      byMallory(desk, [id], [[token, amount]]),
      byMallory(
        desk,
        [id],
        [
          [token, amount - 1n],
          [token, 1n],
        ],
      ),
    ];
    return { payments: [...desk.taken, ...twice], loot: lootOf(twice) };
  },

  /** What the thief spent in an older block is spent again. */
  spendOfSpent: async (desk: Desk): Promise<EvilBlock> => {
    const { id, token, amount } = await ownOutput(desk, "spent");
    const again = byMallory(desk, [id], [[token, amount]]);
    return { payments: [...desk.taken, again], loot: lootOf([again]) };
  },

  /** What is on its way out on Ethereum is spent. */
  spendOfExiting: async (desk: Desk): Promise<EvilBlock> => {
    const { id, token, amount } = await ownOutput(desk, "exiting");
    const spend = byMallory(desk, [id], [[token, amount]]);
    return { payments: [...desk.taken, spend], loot: lootOf([spend]) };
  },

  /** The thief signs for what is somebody else's. */
  forge: async (desk: Desk): Promise<EvilBlock> => {
    const forged: SignedTransaction[] = [];
    for (const victim of ["alice", "dave"] as const) {
      const [largest] = (await desk.outputsOf(addressOf(victim), "available")).sort((a, b) =>
        a.amount > b.amount ? -1 : 1,
      );
      if (largest !== undefined) forged.push(byMallory(desk, [largest.id], [[largest.token, largest.amount]]));
    }
    if (forged.length === 0) throw new Error("nobody has anything to forge a spend of");
    return { payments: [...desk.taken, ...forged], loot: lootOf(forged) };
  },

  /** Minted in so many small pieces that each could be paid where the whole could not. */
  mintDust: async (desk: Desk): Promise<EvilBlock> => {
    const piece = (await desk.held(ETHER)) / BigInt(DUST_PAYMENTS * DUST_OUTPUTS) + 1n;
    const minted = Array.from({ length: DUST_PAYMENTS }, () =>
      byMallory(
        desk,
        [randomId()],
        Array.from({ length: DUST_OUTPUTS }, (_, i) => [ETHER, piece + BigInt(i)]),
      ),
    );
    return { payments: [...desk.taken, ...minted], loot: lootOf(minted) };
  },

  /** Two payments have changed places since they were shown. */
  reorder: async ({ taken, separator }: Desk): Promise<EvilBlock> => {
    const payments = [...taken];
    const chained = (first: SignedTransaction, second: SignedTransaction): boolean =>
      first.outputs.some((_, i) => second.inputs.includes(outputId(hashOf(separator, first), i)));
    const at = payments.findIndex((one, i) => i > 0 && !chained(payments[i - 1]!, one));
    if (at === -1) throw new Error("no two payments of the block could change places");
    [payments[at - 1], payments[at]] = [payments[at]!, payments[at - 1]!];
    return { payments, loot: [] };
  },

  /** A payment that was shown, and answered for, is not there. */
  omit: async ({ taken }: Desk): Promise<EvilBlock> => ({ payments: taken.slice(0, -1), loot: [] }),
} satisfies Record<string, (desk: Desk) => Promise<EvilBlock>>;

export type EvilBlockName = keyof typeof EVIL_BLOCKS;

function byMallory({ separator }: Desk, inputs: OutputId[], outputs: [Address, bigint][]): SignedTransaction {
  const made = outputs.map(([token, amount]) => ({ owner: MALLORY, token, amount }));
  return signedBy(keyOf("mallory"), separator, inputs, made);
}

async function ownOutput(desk: Desk, state: "available" | "spent" | "exiting"): Promise<Output & { id: OutputId }> {
  const [first] = await desk.outputsOf(MALLORY, state);
  if (first === undefined) throw new Error(`mallory has no ${state} output`);
  return first;
}

function lootOf(payments: readonly SignedTransaction[]): EvilBlock["loot"] {
  return payments.flatMap((payment) => payment.outputs.map((_, index) => ({ payment, index })));
}
