import { expect } from "chai";
import fc from "fast-check";
import type { DepositEntry, Entry, ExitEntry, InFlightExitEntry } from "@plasma-billing/protocol/entries.ts";
import {
  decodeEntryBytes,
  decodePaymentEntry,
  encodeJsonEntry,
  PAYMENT_KIND,
  type PaymentRecord,
} from "@plasma-billing/protocol/entryBytes.ts";
import { InvariantError, LEDGER_CODES } from "@plasma-billing/protocol/errors.ts";
import { fromHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import { MerkleTree } from "@plasma-billing/protocol/merkle.ts";
import type { ProtocolError } from "@plasma-billing/protocol/errors.ts";
import type { VerifiedPayment } from "@plasma-billing/protocol/payment.ts";
import {
  ZERO_HASH,
  depositHash,
  outputId,
  transactionHash,
  type OutputId,
  type SignedTransaction,
} from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { verifiedPaymentBytes } from "@plasma-billing/protocol/verifiedPayment.ts";
import { exiting as moves, inFlightEntry } from "../helpers/exitEntries.ts";
import { NaiveLedger } from "../helpers/naiveLedger.ts";
import { CONTRACT, DOMAIN, addressOf } from "../helpers/protocol.ts";

const OWNERS = [1, 2, 3].map(addressOf);
const TOKENS = [0, 9].map(addressOf);
const UNKNOWN = `0x${"99".repeat(32)}` as OutputId;
const SIGNATURE: Hex = `0x${"11".repeat(65)}`;
const SOMEWHERE = { ethereumBlock: 1, ethereumTransaction: ZERO_HASH };

function newLedger(maxTransactionsPerBlock?: number): Ledger {
  const ledger = new Ledger(DOMAIN, maxTransactionsPerBlock);
  ledger.apply({ type: "genesis", version: 1, chainId: DOMAIN.chainId, contract: CONTRACT, createdAt: 5 });
  return ledger;
}
function depositEntry(ledger: Ledger, owner: Address, token: Address, amount: bigint): DepositEntry {
  const id = ledger.creditedDeposits + 1n;
  return { type: "deposit", id, owner, token, amount, nextBlockNumber: 1, ...SOMEWHERE };
}
function depositedId(ledger: Ledger, { id, owner, token, amount }: DepositEntry): OutputId {
  return outputId(depositHash(ledger.separator, { id, owner, token, amount }), 0);
}
function verified(ledger: Ledger, transaction: SignedTransaction, signers: (Address | null)[]): VerifiedPayment {
  return { transaction, hash: transactionHash(ledger.separator, transaction), signers };
}
function paymentEntry({ transaction, hash }: VerifiedPayment, acceptedAt = 10): Entry {
  return { type: "payment", transaction, hash, acceptedAt };
}
/** Takes a payment as the sequencer does; gives the bytes of its entry, or why not. */
function take(
  ledger: Ledger,
  { transaction, hash, signers }: VerifiedPayment,
  acceptedAt = 10,
): Uint8Array | ProtocolError {
  // In the middle of more bytes, as in a buffer of many.
  const record = verifiedPaymentBytes(transaction, fromHex(hash), signers);
  const buffer = new Uint8Array(record.length + 20).fill(0xee);
  buffer.set(record, 7);
  const bytes = new Uint8Array(8192).fill(0xee);
  let length = 0;
  const error = ledger.take(new DataView(buffer.buffer), 7, acceptedAt, (needed) => {
    length = needed;
    return { view: new DataView(bytes.buffer), bytes, at: 5 };
  });
  expect([...bytes.subarray(0, 5), ...bytes.subarray(5 + length)].every((byte) => byte === 0xee)).to.equal(true);
  return error ?? bytes.slice(5, 5 + length);
}
function replay(ledger: Ledger, bytes: Uint8Array): void {
  if (bytes[0] === PAYMENT_KIND) ledger.applyPayment(bytes);
  else ledger.apply(decodeEntryBytes(bytes));
}
function snapshot(ledger: Ledger): Omit<ReturnType<Ledger["beginSnapshot"]>, "pages"> & {
  pages: Int32Array<ArrayBuffer>[];
} {
  const { head, market, pages } = ledger.beginSnapshot();
  const copied: Int32Array<ArrayBuffer>[] = [];
  for (let page = pages.next(); page !== null; page = pages.next()) copied.push(page);
  return { head, market, pages: copied };
}
/** What a snapshot says beside its pages; the order of exits and of their fields means nothing. */
function headOf(ledger: Ledger): object {
  const head = JSON.parse(snapshot(ledger).head) as { exits: string[] };
  const key = ({ type, number, final }: { type: string; number: number; final: boolean }): string =>
    `${type} ${number} ${final}`;
  const exits = head.exits.map((line) => JSON.parse(line)).sort((a, b) => (key(a) < key(b) ? -1 : 1));
  return { ...head, exits };
}
function sealEntry(ledger: Ledger): Extract<Entry, { type: "seal" }> {
  const { number, transactionCount } = ledger.openBlock;
  const { openRoot: transactionsRoot } = ledger;
  return { type: "seal", number, transactionsRoot, transactionCount, sealedAt: 20, stateHash: ledger.stateHash() };
}
function exitEntry(id: OutputId, number: number, change: Partial<ExitEntry> = {}): ExitEntry {
  const terms = { owner: OWNERS[0]!, token: TOKENS[0]!, amount: 1n, exitableAt: 99 };
  const state = { state: "started" as const, paid: false, final: false };
  return { type: "exit", number, kind: "standard", outputId: id, ...terms, ...state, ...SOMEWHERE, ...change };
}

describe("protocol: the ledger's codes", () => {
  let ledger: Ledger;
  let mine: OutputId;
  let spent: OutputId;
  let exiting: OutputId;
  let good: SignedTransaction;
  beforeEach(() => {
    ledger = newLedger();
    const ids = [100n, 100n, 100n].map((amount) => {
      const entry = depositEntry(ledger, OWNERS[0]!, TOKENS[0]!, amount);
      ledger.apply(entry);
      return depositedId(ledger, entry);
    });
    [mine, spent, exiting] = ids as [OutputId, OutputId, OutputId];
    good = {
      purpose: "transfer",
      inputs: [mine],
      outputs: [{ owner: OWNERS[1]!, token: TOKENS[0]!, amount: 100n }],
      fileHash: ZERO_HASH,
      signatures: [SIGNATURE],
    };
    ledger.apply(paymentEntry(verified(ledger, { ...good, inputs: [spent] }, OWNERS)));
    ledger.apply(exitEntry(exiting, 1));
  });
  /** What the ledger forgot, history knows: whoever keeps it tells INPUT_SPENT from UNKNOWN_INPUT. */
  const codeOf = (
    transaction: SignedTransaction,
    signers: (Address | null)[] = transaction.inputs.map(() => OWNERS[0]!),
  ): string | null => {
    const payment = verified(ledger, transaction, signers);
    const code = ledger.judge(payment, 0)?.code ?? null;
    if (code !== "MALFORMED") {
      const taken = take(new Ledger(DOMAIN), payment);
      expect(taken).to.not.be.instanceOf(Uint8Array);
    }
    const missing = transaction.inputs.filter((id) => ledger.output(id) === undefined);
    return code === "UNKNOWN_INPUT" && missing.every((id) => id === spent) ? "INPUT_SPENT" : code;
  };

  it("takes a good payment", () => {
    expect(codeOf(good)).to.equal(null);
  });

  /** For each code a fault that gives it; several together give the first of the list. */
  const faults: Record<string, (transaction: SignedTransaction) => { transaction: SignedTransaction; signer?: null }> =
    {
      MALFORMED: (one) => ({ transaction: { ...one, fileHash: `0x${"01".repeat(32)}` } }),
      WRONG_SIGNATURE_COUNT: (one) => ({ transaction: { ...one, signatures: [...one.signatures, SIGNATURE] } }),
      DUPLICATE_INPUT: (one) => ({
        transaction: { ...one, inputs: [...one.inputs, one.inputs[0]!], signatures: [...one.signatures, SIGNATURE] },
      }),
      ZERO_AMOUNT: (one) => ({
        transaction: { ...one, outputs: [...one.outputs, { ...one.outputs[0]!, amount: 0n }] },
      }),
      ZERO_OWNER: (one) => ({
        transaction: { ...one, outputs: [{ ...one.outputs[0]!, owner: addressOf(0) }, ...one.outputs.slice(1)] },
      }),
      UNKNOWN_INPUT: (one) => ({
        transaction: { ...one, inputs: [...one.inputs, UNKNOWN], signatures: [...one.signatures, SIGNATURE] },
      }),
      INPUT_SPENT: (one) => ({
        transaction: { ...one, inputs: [...one.inputs, spent], signatures: [...one.signatures, SIGNATURE] },
      }),
      INPUT_EXITING: (one) => ({
        transaction: { ...one, inputs: [...one.inputs, exiting], signatures: [...one.signatures, SIGNATURE] },
      }),
      BAD_SIGNATURE: (one) => ({ transaction: one, signer: null }),
      UNBALANCED: (one) => ({
        transaction: { ...one, outputs: [{ ...one.outputs[0]!, amount: 99n }, ...one.outputs.slice(1)] },
      }),
    };
  const withFaults = (...codes: string[]): string | null => {
    let transaction = good;
    let signer: Address | null = OWNERS[0]!;
    for (const code of codes) {
      const fault = faults[code]!(transaction);
      transaction = fault.transaction;
      if (fault.signer === null) signer = null;
    }
    return codeOf(
      transaction,
      transaction.inputs.map(() => signer),
    );
  };

  for (const [index, code] of LEDGER_CODES.entries()) {
    it(`${code}, before every code after it`, () => {
      expect(withFaults(code)).to.equal(code);
      for (const later of LEDGER_CODES.slice(index + 1)) {
        expect(withFaults(later, code), `${code} with ${later}`).to.equal(code);
      }
    });
  }

  it("has a fault for every code", () => {
    expect(Object.keys(faults)).to.deep.equal([...LEDGER_CODES]);
  });

  it("purposes with roles are refused while there are none, after all rules of the ledger", () => {
    const fileHash: Hex = `0x${"01".repeat(32)}`;
    expect(codeOf({ ...good, purpose: "upload", fileHash })).to.equal("WRONG_ROLE");
    expect(codeOf({ ...good, purpose: "extension", fileHash })).to.equal("WRONG_ROLE");
    expect(codeOf({ ...good, purpose: "purchase", fileHash })).to.equal("WRONG_ROLE");
    expect(codeOf({ ...good, purpose: "swap" })).to.equal("WRONG_ROLE");
    expect(codeOf({ ...good, purpose: "swap", inputs: [spent] })).to.equal("INPUT_SPENT");
  });

  it("names the values that offended", () => {
    const error = ledger.judge(verified(ledger, { ...good, inputs: [spent] }, OWNERS), 0);
    expect(error?.context).to.include({ input: spent, index: 0 });
  });
});

describe("protocol: the ledger", () => {
  type Step =
    | { do: "deposit"; owner: number; token: number; amount: bigint }
    | { do: "pay"; inputs: number[]; signers: number[]; outputs: { owner: number; part: number }[]; twist: number }
    | { do: "exit"; output: number; state: number; final: boolean }
    | {
        do: "fly";
        number: number;
        moved: number[];
        piggybacks: number[];
        finalized: number;
        state: number;
        final: boolean;
      }
    | { do: "seal" };
  const index = fc.nat(1000);
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("deposit" as const),
        owner: index,
        token: index,
        amount: fc.bigInt(1n, 50n),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant("pay" as const),
        inputs: fc.array(index, { minLength: 1, maxLength: 3 }),
        signers: fc.array(fc.nat(9), { minLength: 3, maxLength: 3 }),
        outputs: fc.array(fc.record({ owner: index, part: fc.nat(3) }), { minLength: 1, maxLength: 3 }),
        twist: fc.nat(30),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant("exit" as const), output: index, state: fc.nat(4), final: fc.boolean() }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("fly" as const),
        number: fc.integer({ min: 10, max: 14 }),
        moved: fc.array(fc.nat(3), { minLength: 2, maxLength: 4 }),
        piggybacks: fc.array(fc.nat(5), { minLength: 4, maxLength: 4 }),
        finalized: fc.nat(31),
        state: fc.nat(7),
        final: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("seal" as const) }) },
  );

  it("equals a naive ledger over random histories, keeps its sums, and replays to the same state", () => {
    let accepted = 0;
    const refused = new Set<string>();
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => {
        const ledger = newLedger();
        const naive = new NaiveLedger(ledger.separator);
        const genesis = {
          type: "genesis",
          version: 1,
          chainId: DOMAIN.chainId,
          contract: CONTRACT,
          createdAt: 5,
        } as const;
        const entries: Uint8Array[] = [encodeJsonEntry(genesis)];
        let saved = { ...snapshot(ledger), entries: 1 };
        const note = (entry: Exclude<Entry, { type: "payment" }>): void => {
          entries.push(encodeJsonEntry(entry));
          ledger.apply(entry);
          naive.apply(entry);
        };
        const taken: PaymentRecord[] = [];
        for (const [time, one] of steps.entries()) {
          if (one.do === "deposit") {
            note(depositEntry(ledger, OWNERS[one.owner % 3]!, TOKENS[one.token % 2]!, one.amount));
          } else if (one.do === "seal") {
            if (ledger.openBlock.transactionCount > 0) note(sealEntry(ledger));
          } else if (one.do === "exit") {
            const entry = exitStep(naive, one);
            if (entry !== null) note(entry);
          } else if (one.do === "fly") {
            const entry = flyStep(naive, one);
            if (entry !== null) note(entry);
          } else {
            const { transaction, signers } = payStep(naive, one);
            const payment = verified(ledger, transaction, signers);
            const before = ledger.stateHash();
            const judged = ledger.judge(payment, time)?.code ?? null;
            const result = take(ledger, payment, time);
            const expected = naive.judge(transaction, signers);
            const code = result instanceof Uint8Array ? null : result.code;
            expect(code).to.equal(judged);
            expect(code).to.equal(expected === "INPUT_SPENT" ? "UNKNOWN_INPUT" : expected);
            if (expected !== null) refused.add(expected);
            if (result instanceof Uint8Array) {
              accepted++;
              entries.push(result);
              const record = decodePaymentEntry(result);
              expect(record).to.deep.include({ transaction, hash: payment.hash, acceptedAt: time });
              expect(record.spent.map(({ origin: _, ...output }) => output)).to.deep.equal(
                transaction.inputs.map((id) => naive.outputs.find((output) => output.id === id)).map(termsOf),
              );
              expect(record.outputIds).to.deep.equal(transaction.outputs.map((_, i) => outputId(payment.hash, i)));
              taken.push(record);
              naive.apply(paymentEntry(payment, time));
            } else expect(ledger.stateHash()).to.equal(before);
          }
          if (time === Math.floor(steps.length / 2)) saved = { ...snapshot(ledger), entries: entries.length };
          for (const output of naive.outputs) {
            expect(ledger.output(output.id as OutputId)?.state ?? "spent").to.equal(naive.stateOf(output.id));
          }
          ledger.checkSums();
        }
        const replayed = new Ledger(DOMAIN);
        for (const entry of entries) replay(replayed, entry);
        const restored = new Ledger(DOMAIN);
        restored.restore(saved.head, saved.market, saved.pages);
        expect(restored.position).to.equal(saved.entries);
        for (const entry of entries.slice(saved.entries)) replay(restored, entry);
        for (const again of [replayed, restored]) {
          again.checkSums();
          expect(again.stateHash()).to.equal(ledger.stateHash());
          expect(again.openBlock).to.deep.equal(ledger.openBlock);
          expect(again.position).to.equal(entries.length);
          expect(headOf(again)).to.deep.equal(headOf(ledger));
        }
        const places = naive.blocks.flatMap((hashes, block) => hashes.map((hash, i) => [hash, block + 1, i]));
        expect(
          taken.map(({ hash, blockNumber, transactionIndex }) => [hash, blockNumber, transactionIndex]),
        ).to.deep.equal(places);
        for (const [block, hashes] of naive.blocks.entries()) {
          if (hashes.length === 0) continue;
          const tree = new MerkleTree();
          for (const hash of hashes) tree.append(hash as Hex);
          expect(ledger.block(block + 1)?.transactionsRoot ?? ledger.openRoot).to.equal(tree.root());
        }
      }),
      { numRuns: 300 },
    );
    expect(accepted).to.be.above(300);
    expect([...refused]).to.include.members([
      "INPUT_SPENT",
      "INPUT_EXITING",
      "BAD_SIGNATURE",
      "UNBALANCED",
      "UNKNOWN_INPUT",
    ]);
  });

  function termsOf(output: NaiveLedger["outputs"][number] | undefined): object {
    return { owner: output?.owner, token: output?.token, amount: output?.amount };
  }

  function payStep(
    naive: NaiveLedger,
    one: Extract<Step, { do: "pay" }>,
  ): { transaction: SignedTransaction; signers: Address[] } {
    const spendable = naive.outputs.filter((output) => naive.stateOf(output.id) === "available");
    // Mostly what can be spent, now and then anything.
    const pool = one.twist < 22 && spendable.length > 0 ? spendable : naive.outputs;
    const chosen = pool.length === 0 ? [] : [...new Set(one.inputs.map((i) => pool[i % pool.length]!))];
    const inputs = (chosen.length === 0 ? [`0x${"77".repeat(32)}`] : chosen.map((output) => output.id)) as OutputId[];
    const outputs = [...new Set(chosen.map((output) => output.token))].flatMap((token) => {
      let rest = chosen.filter((output) => output.token === token).reduce((sum, output) => sum + output.amount, 0n);
      return one.outputs.map(({ owner, part }, i) => {
        const amount = i === one.outputs.length - 1 ? rest : (rest * BigInt(part)) / 4n;
        rest -= amount;
        return { owner: OWNERS[owner % 3]!, token: token as Address, amount };
      });
    });
    if (outputs.length === 0) outputs.push({ owner: OWNERS[0]!, token: TOKENS[0]!, amount: 1n });
    const kept = outputs.filter((output) => output.amount > 0n || one.twist === 25);
    if (one.twist === 26 && kept[0] !== undefined) kept[0] = { ...kept[0], amount: kept[0].amount + 1n };
    const signers = chosen.map((output, i) => (one.signers[i] === 0 ? OWNERS[2]! : (output.owner as Address)));
    const transaction: SignedTransaction = {
      purpose: one.twist === 27 ? "swap" : "transfer",
      inputs: one.twist === 28 ? [...inputs, inputs[0]!] : inputs,
      outputs: kept.length === 0 ? outputs : kept.slice(0, 16),
      fileHash: ZERO_HASH,
      signatures: inputs.map(() => SIGNATURE),
    };
    if (one.twist === 28) transaction.signatures.push(SIGNATURE);
    return { transaction, signers: signers.length === 0 ? [OWNERS[0]!] : signers };
  }

  function exitStep(naive: NaiveLedger, one: Extract<Step, { do: "exit" }>): ExitEntry | null {
    if (naive.outputs.length === 0) return null;
    const output = naive.outputs[one.output % naive.outputs.length]!;
    const number = one.output % 7;
    const before = naive.exits.find((exit) => exit.number === number) as ExitEntry | undefined;
    if (before?.final === true) return null;
    const id = (before?.outputId ?? output.id) as OutputId;
    const state = (["started", "challenged", "finalized", "unpayable", "removed"] as const)[one.state]!;
    if (state === "removed") return before === undefined ? null : exitEntry(id, number, { state, final: false });
    return exitEntry(id, number, { state, paid: state === "finalized", final: one.final });
  }

  /** Some state of an in-flight exit of any outputs there are, the first ones as its inputs. */
  function flyStep(naive: NaiveLedger, one: Extract<Step, { do: "fly" }>): InFlightExitEntry | null {
    const { number, final } = one;
    const { outputs } = naive;
    const before = naive.flights.find((flight) => flight.number === number);
    const ids = [...new Set(one.moved.map((i) => outputs[i % outputs.length]?.id as OutputId))];
    if (ids.length < 2 || before?.final === true) return null;
    if (one.state === 0) return before === undefined ? null : { ...before, state: "removed" };
    const state = one.state < 4 ? "started" : one.state < 7 ? "finalized" : "closed";
    const finalized = (i: number): boolean => state === "finalized" && (one.finalized >> i) % 4 === 3;
    const piggybacks = [null, "live", "live", "cancelled", "unpaid", "unpayable"] as const;
    const moved = ids.map((id, i) => moves(id, piggybacks[one.piggybacks[i]!], { finalized: finalized(i) }));
    const canonical = state === "finalized" ? one.state === 4 : null;
    const inputs = 1 + (one.finalized % (ids.length - 1));
    return inFlightEntry(number, moved.slice(0, inputs), moved.slice(inputs), { state, canonical, final });
  }

  it("an exit seen before its deposit is credited holds the deposit from the start", () => {
    const ledger = newLedger();
    const entry = depositEntry(ledger, OWNERS[0]!, TOKENS[0]!, 5n);
    const id = depositedId(ledger, entry);
    ledger.apply(exitEntry(id, 1));
    ledger.apply(entry);
    expect(ledger.output(id)?.state).to.equal("exiting");
    ledger.apply(exitEntry(id, 1, { state: "removed" }));
    expect(ledger.output(id)?.state).to.equal("available");
  });

  it("a final state of an exit survives what a reorganisation takes back after it", () => {
    const ledger = newLedger();
    const entry = depositEntry(ledger, OWNERS[0]!, TOKENS[0]!, 5n);
    const id = depositedId(ledger, entry);
    ledger.apply(entry);
    ledger.apply(exitEntry(id, 1, { final: true }));
    ledger.apply(exitEntry(id, 1, { state: "finalized", paid: true }));
    expect(ledger.output(id)?.state).to.equal("withdrawn");
    expect(ledger.totals(TOKENS[0]!)).to.deep.equal({ deposited: 5n, live: 0n, withdrawn: 5n });
    ledger.apply(exitEntry(id, 1, { final: true }));
    expect(ledger.output(id)?.state).to.equal("exiting");
    expect(() => ledger.apply(exitEntry(id, 1, { state: "removed" }))).to.throw(InvariantError);
    ledger.checkSums();
  });

  it("stops at entries that cannot be, and changes nothing", () => {
    const ledger = newLedger(2);
    const entry = depositEntry(ledger, OWNERS[0]!, TOKENS[0]!, 5n);
    ledger.apply(entry);
    const outputs = [{ owner: OWNERS[1]!, token: TOKENS[0]!, amount: 5n }];
    const base = { purpose: "transfer" as const, fileHash: ZERO_HASH, signatures: [SIGNATURE] };
    const pay = (input: OutputId): VerifiedPayment => verified(ledger, { ...base, inputs: [input], outputs }, OWNERS);
    const first = pay(depositedId(ledger, entry));
    ledger.apply(paymentEntry(first));
    const seal = sealEntry(ledger);
    const before = ledger.stateHash();
    const genesis = { type: "genesis" as const, version: 1 as const, chainId: 1n, contract: CONTRACT, createdAt: 1 };
    const committed = {
      timestamp: 1,
      ethereumBlock: 1,
      ethereumTransaction: ZERO_HASH,
      gasUsed: null,
      fee: null,
      seenAt: 1,
    };
    const impossible: Entry[] = [
      genesis,
      entry,
      { ...entry, id: 3n },
      { ...entry, id: 2n, amount: 0n },
      paymentEntry(first),
      paymentEntry(pay(depositedId(ledger, entry))),
      paymentEntry(pay(UNKNOWN)),
      { ...seal, number: 2 },
      { ...seal, transactionCount: 2 },
      { ...seal, transactionsRoot: ZERO_HASH },
      { ...seal, stateHash: ZERO_HASH },
      { type: "commit", number: 1, state: "committed", ...committed },
      exitEntry(depositedId(ledger, entry), 9, { state: "removed" }),
    ];
    for (const bad of impossible) {
      expect(
        () => ledger.apply(bad),
        JSON.stringify(bad, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value)),
      ).to.throw(InvariantError);
      expect(ledger.stateHash()).to.equal(before);
    }
    ledger.apply(seal);
    expect(() => ledger.apply(sealEntryOf(seal, 2))).to.throw(InvariantError);
    ledger.apply({ type: "commit", number: 1, state: "finalized", ...committed });
    expect(() => ledger.apply({ type: "commit", number: 1, state: "committed", ...committed })).to.throw(
      InvariantError,
    );
    expect(() => new Ledger(DOMAIN).apply(entry)).to.throw(InvariantError);
    expect(() => new Ledger(DOMAIN).apply(genesis)).to.throw(InvariantError);
    const { chainId } = DOMAIN;
    expect(() => new Ledger(DOMAIN).apply({ ...genesis, chainId, version: 2 as 1 })).to.throw(InvariantError);
  });

  function sealEntryOf(seal: Extract<Entry, { type: "seal" }>, number: number): Entry {
    return { ...seal, number, transactionCount: 0 };
  }
});
