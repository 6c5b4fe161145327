import { expect } from "chai";
import fc from "fast-check";
import type { Entry } from "@plasma-billing/protocol/entries.ts";
import { encodeEntry, decodeEntry } from "@plasma-billing/protocol/entryJson.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import {
  depositHash,
  outputId,
  transactionHash,
  ZERO_HASH,
  type OutputId,
  type TransactionHash,
} from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { exiting, inFlightEntry } from "../helpers/exitEntries.ts";
import type { PendingDeposit } from "../../operator/chainSync.ts";
import { Views } from "../../operator/views.ts";

const DOMAIN = { chainId: 31_337n, verifyingContract: `0x${"c0".repeat(20)}` as Address };
const OWNERS = ["a1", "b2", "c3"].map((byte) => `0x${byte.repeat(20)}` as Address);
const TOKENS = ["00", "ee"].map((byte) => `0x${byte.repeat(20)}` as Address);
const SIGNATURE: Hex = `0x${"11".repeat(65)}`;

/** One step of a history; the numbers choose among what there is at that time. */
type Step =
  | { kind: "deposit" | "pend"; owner: number; token: number; amount: number }
  | { kind: "pay"; input: number; owner: number; share: number }
  | { kind: "exit"; output: number; state: number }
  | { kind: "fly"; input: number; output: number; piggybacks: number }
  | { kind: "seal" };

const choice = fc.nat({ max: 1_000 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("deposit" as const), owner: choice, token: choice, amount: choice }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("pend" as const), owner: choice, token: choice, amount: choice }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("pay" as const), input: choice, owner: choice, share: choice }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("exit" as const), output: choice, state: choice }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("fly" as const), input: choice, output: choice, piggybacks: choice }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("seal" as const) }) },
);

interface Told {
  id: OutputId;
  owner: Address;
}

/** A history, kept beside the views in the plainest way: lists, gone through each time. */
class History {
  readonly ledger = new Ledger(DOMAIN);
  readonly pending: PendingDeposit[] = [];
  readonly views = new Views(this.ledger, () => this.pending);
  readonly entries: Entry[] = [];
  readonly outputs: Told[] = [];
  readonly payments: { hash: TransactionHash; block: number; parties: Set<Address> }[] = [];
  deposits = 0n;

  constructor() {
    this.take({
      type: "genesis",
      version: 1,
      chainId: DOMAIN.chainId,
      contract: DOMAIN.verifyingContract,
      createdAt: 1,
    });
  }

  take(entry: Entry): void {
    this.ledger.apply(entry);
    this.views.apply(entry);
    this.entries.push(entry);
  }

  run(each: Step): void {
    switch (each.kind) {
      case "deposit":
        return this.deposit(each.owner, each.token, each.amount);
      case "pend": {
        this.pending.push(
          this.pendingDeposit(this.deposits + 1n + BigInt(this.pending.length), each.owner, each.token, each.amount),
        );
        return;
      }
      case "pay":
        return this.pay(each.input, each.owner, each.share);
      case "exit":
        return this.exit(each.output, each.state);
      case "fly":
        return this.fly(each.input, each.output, each.piggybacks);
      case "seal":
        return this.seal();
    }
  }

  /** Credits what is pending first. */
  private deposit(owner: number, token: number, amount: number): void {
    const id = this.deposits + 1n;
    const { outputId: output, ...fields } = this.pending[0] ?? this.pendingDeposit(id, owner, token, amount);
    this.deposits = id;
    this.take({ type: "deposit", ...fields, nextBlockNumber: 1 });
    this.outputs.push({ id: output, owner: fields.owner });
    // The follower's list follows a moment later.
    expect(this.views.pendingDeposits().map((deposit) => deposit.id)).not.to.include(id);
    this.pending.shift();
  }

  private pendingDeposit(id: bigint, owner: number, token: number, amount: number): PendingDeposit {
    const deposit = { id, owner: pick(OWNERS, owner), token: pick(TOKENS, token), amount: BigInt(amount + 1) };
    const output = outputId(depositHash(this.ledger.separator, deposit), 0);
    return { ...deposit, outputId: output, ethereumBlock: 1, ethereumTransaction: ZERO_HASH };
  }

  private pay(input: number, owner: number, share: number): void {
    const free = this.outputs.filter(({ id }) => this.ledger.output(id)?.state === "available");
    if (free.length === 0) return;
    const { id } = pick(free, input);
    const spent = this.ledger.output(id)!;
    const first = (spent.amount * BigInt(share)) / 1_000n;
    const outputs = [
      { owner: pick(OWNERS, owner), token: spent.token, amount: first },
      { owner: spent.owner, token: spent.token, amount: spent.amount - first },
    ].filter((output) => output.amount > 0n);
    const transaction = {
      purpose: "transfer" as const,
      inputs: [id],
      outputs,
      fileHash: ZERO_HASH,
      signatures: [SIGNATURE],
    };
    const hash = transactionHash(this.ledger.separator, transaction);
    const parties = new Set([spent.owner, ...outputs.map((output) => output.owner)]);
    this.payments.push({ hash, block: this.ledger.openBlock.number, parties });
    this.take({ type: "payment", transaction, hash, acceptedAt: this.entries.length });
    for (const [index, output] of outputs.entries())
      this.outputs.push({ id: outputId(hash, index), owner: output.owner });
  }

  private exit(output: number, state: number): void {
    if (this.outputs.length === 0) return;
    const { id } = pick(this.outputs, output);
    const { owner, token, amount } = this.ledger.output(id)!;
    const running = [...this.ledger.exits.values()].find(({ current }) => current.outputId === id)?.current;
    const ends = ["challenged", "removed", "finalized"] as const;
    if (running !== undefined && running.state !== "started") return;
    const paid =
      running !== undefined && pick(ends, state) === "finalized" && this.ledger.output(id)?.state === "exiting";
    const now = running === undefined ? "started" : paid ? "finalized" : pick(ends.slice(0, 2), state);
    const number = running?.number ?? this.entries.length;
    const place = { ethereumBlock: 1, ethereumTransaction: ZERO_HASH, final: false };
    const terms = { kind: "standard" as const, outputId: id, owner, token, amount, exitableAt: 1 };
    this.take({ type: "exit", number, ...terms, state: now, paid, ...place });
  }

  /** An in-flight exit of two outputs, as if one were made of the other. */
  private fly(input: number, output: number, piggybacks: number): void {
    if (this.outputs.length === 0) return;
    const [from, to] = [pick(this.outputs, input), pick(this.outputs, output)];
    const states = [null, "live", "cancelled"] as const;
    const inputs = [exiting(from.id, pick(states, piggybacks))];
    const outputs = [exiting(to.id, pick(states, piggybacks >> 2))];
    this.take(inFlightEntry(this.entries.length, inputs, outputs));
  }

  private seal(): void {
    const { number, transactionCount } = this.ledger.openBlock;
    if (transactionCount === 0) return;
    const { openRoot: transactionsRoot } = this.ledger;
    const stateHash = this.ledger.stateHash();
    this.take({ type: "seal", number, transactionsRoot, transactionCount, sealedAt: this.entries.length, stateHash });
  }
}

function pick<T>(list: readonly T[], choose: number): T {
  return list[choose % list.length] as T;
}

/** What the views show of everything, in a form that can be compared. */
function everything(views: Views, history: History): unknown {
  return {
    owners: OWNERS.map((owner) => ({
      balances: [...views.balances(owner)].toSorted(([a], [b]) => (a < b ? -1 : 1)),
      count: views.paymentCount(owner),
    })),
    payments: history.payments.map(({ hash }) => views.payment(hash)),
    exits: views.exits(1_000, null),
    blocks: history.ledger.sealedBlocks.map(({ number }) => views.blockPayments(number)?.map(({ hash }) => hash)),
  };
}

describe("views", () => {
  it("show of any history what a plain count over it gives", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
        const history = new History();
        for (const each of steps) history.run(each);
        const { views, ledger, pending, payments, outputs } = history;
        for (const owner of OWNERS) {
          const expected = new Map<Address, { available: bigint; exiting: bigint; pending: bigint }>();
          const add = (token: Address, part: "available" | "exiting" | "pending", amount: bigint): void => {
            const balance = expected.get(token) ?? { available: 0n, exiting: 0n, pending: 0n };
            balance[part] += amount;
            expected.set(token, balance);
          };
          for (const { id } of outputs.filter((output) => output.owner === owner)) {
            const { state, token, amount } = ledger.output(id)!;
            if (state === "available" || state === "exiting") add(token, state, amount);
          }
          for (const deposit of pending) if (deposit.owner === owner) add(deposit.token, "pending", deposit.amount);
          const shown = [...views.balances(owner)].filter(
            ([, each]) => each.available + each.exiting + each.pending > 0n,
          );
          expect(new Map(shown)).to.deep.equal(expected);
          expect(views.paymentCount(owner)).to.equal(payments.filter(({ parties }) => parties.has(owner)).length);
        }
        for (const { hash, block } of payments) {
          const shown = views.payment(hash)!;
          expect(shown.blockNumber).to.equal(block);
          expect(views.blockPayments(block)?.[shown.transactionIndex]?.hash).to.equal(hash);
          expect(ledger.position(hash)).to.include({ blockNumber: block, transactionIndex: shown.transactionIndex });
        }
      }),
      { numRuns: 60 },
    );
  });

  it("are the same after a replay of the journal's lines", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
        const history = new History();
        for (const each of steps) history.run(each);
        const ledger = new Ledger(DOMAIN);
        const replayed = new Views(ledger, () => history.pending);
        for (const entry of history.entries.map(encodeEntry).map(decodeEntry)) {
          ledger.apply(entry);
          replayed.apply(entry);
        }
        expect(everything(replayed, history)).to.deep.equal(everything(history.views, history));
      }),
      { numRuns: 30 },
    );
  });

  it("count a payment once for an address on both its sides, and for each address of it", () => {
    const history = new History();
    history.run({ kind: "deposit", owner: 0, token: 0, amount: 99 });
    history.run({ kind: "pay", input: 0, owner: 1, share: 500 });
    history.run({ kind: "pay", input: 1, owner: 0, share: 1_000 });
    expect(OWNERS.map((owner) => history.views.paymentCount(owner))).to.deep.equal([2, 1, 0]);
  });

  it("know nothing of blocks that are not open yet", () => {
    const history = new History();
    expect(history.views.blockPayments(1)).to.deep.equal([]);
    for (const number of [0, 2, -1, 1.5, Number.NaN]) expect(history.views.blockPayments(number)).to.equal(undefined);
  });
});
