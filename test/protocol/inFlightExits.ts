import { expect } from "chai";
import type { Entry, InFlightExitEntry } from "@plasma-billing/protocol/entries.ts";
import { decodeEntry, encodeEntry } from "@plasma-billing/protocol/entryJson.ts";
import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import {
  ZERO_HASH,
  depositHash,
  outputId,
  transactionHash,
  type OutputId,
  type SignedTransaction,
  type TransactionHash,
} from "@plasma-billing/protocol/transaction.ts";
import { exiting, inFlightEntry } from "../helpers/exitEntries.ts";
import { CONTRACT, DOMAIN, addressOf } from "../helpers/protocol.ts";

const ALICE = addressOf(1);
const BOB = addressOf(2);
const TOKEN = addressOf(0);
const SIGNATURE: Hex = `0x${"11".repeat(65)}`;
const SOMEWHERE = { ethereumBlock: 1, ethereumTransaction: ZERO_HASH };

describe("protocol: in-flight exits hold what they may pay", () => {
  let ledger: Ledger;
  let entries: Entry[];
  /** A deposit of alice's, and her payment of it to bob (60) and herself (40). */
  let input: OutputId;
  let payment: SignedTransaction;
  let hash: TransactionHash;
  let toBob: OutputId;
  let toAlice: OutputId;
  beforeEach(() => {
    ledger = new Ledger(DOMAIN);
    entries = [];
    take({ type: "genesis", version: 1, chainId: DOMAIN.chainId, contract: CONTRACT, createdAt: 5 });
    input = depositId(1n);
    payment = {
      ...{ purpose: "transfer", inputs: [input], fileHash: ZERO_HASH, signatures: [SIGNATURE] },
      outputs: [
        { owner: BOB, token: TOKEN, amount: 60n },
        { owner: ALICE, token: TOKEN, amount: 40n },
      ],
    };
    hash = transactionHash(ledger.separator, payment);
    [toBob, toAlice] = [outputId(hash, 0), outputId(hash, 1)];
  });
  /** Whatever happened, the journal replays to it. */
  afterEach(() => {
    const replayed = new Ledger(DOMAIN);
    for (const entry of entries) replayed.apply(entry.type === "payment" ? entry : decodeEntry(encodeEntry(entry)));
    expect(replayed.stateHash()).to.equal(ledger.stateHash());
    expect([...replayed.inFlightExits]).to.deep.equal([...ledger.inFlightExits]);
    ledger.checkSums();
    replayed.checkSums();
  });

  function take(entry: Entry): void {
    ledger.apply(entry);
    entries.push(entry);
  }
  function depositId(id: bigint): OutputId {
    return outputId(depositHash(ledger.separator, { id, owner: ALICE, token: TOKEN, amount: 100n }), 0);
  }
  const deposit = (): void => {
    const id = ledger.creditedDeposits + 1n;
    take({ type: "deposit", id, owner: ALICE, token: TOKEN, amount: 100n, nextBlockNumber: 1, ...SOMEWHERE });
  };
  const pay = (): void => take({ type: "payment", transaction: payment, hash, acceptedAt: 10 });
  const code = (transaction: SignedTransaction): string | null => {
    const signers = transaction.inputs.map(() => ALICE);
    const of = transactionHash(ledger.separator, transaction);
    return ledger.judge({ transaction, hash: of, signers }, 10)?.code ?? null;
  };
  const states = (): string[] => [input, toBob, toAlice].map((id) => ledger.output(id)?.state ?? "none");
  /** The exit of the payment, with these piggybacks. */
  const exit = (
    piggybacks: { input?: "live" | "cancelled" | "paid" | "unpaid"; toBob?: "live" | "cancelled" | "paid" | "unpaid" },
    fields: Partial<InFlightExitEntry> = {},
    finalized: OutputId[] = [],
    number = 1,
  ): void => {
    const one = (id: OutputId, piggyback: "live" | "cancelled" | "paid" | "unpaid" | undefined) =>
      exiting(id, piggyback ?? null, { finalized: finalized.includes(id) });
    const outputs = [one(toBob, piggybacks.toBob), one(toAlice, undefined)];
    take(inFlightEntry(number, [one(input, piggybacks.input)], outputs, { transactionHash: hash, ...fields }));
  };

  it("no spend of an input, its own transaction's neither, until the exit is closed", () => {
    deposit();
    expect(code(payment)).to.equal(null);
    exit({});
    expect(states()).to.deep.equal(["exiting", "none", "none"]);
    expect(code(payment)).to.equal("INPUT_EXITING");
    expect(code({ ...payment, outputs: [{ owner: BOB, token: TOKEN, amount: 100n }] })).to.equal("INPUT_EXITING");
    exit({}, { challenged: true });
    expect(code(payment)).to.equal("INPUT_EXITING");
    exit({}, { state: "closed" });
    expect(code(payment)).to.equal(null);
  });

  it("an output only while its piggyback stands", () => {
    deposit();
    pay();
    exit({});
    expect(states()).to.deep.equal(["none", "available", "available"]);
    exit({ toBob: "live" });
    expect(states()).to.deep.equal(["none", "exiting", "available"]);
    exit({ toBob: "live" }, { challenged: true });
    expect(states()).to.deep.equal(["none", "exiting", "available"]);
    exit({ toBob: "cancelled" });
    expect(states()).to.deep.equal(["none", "available", "available"]);
  });

  it("what the ledger learns of later is held from the start: the deposit, and the payment's output", () => {
    exit({ toBob: "live" });
    deposit();
    expect(states()).to.deep.equal(["exiting", "none", "none"]);
    // The operator had taken it before it saw the exit.
    pay();
    expect(states()).to.deep.equal(["none", "exiting", "available"]);
  });

  it("canonical: inputs and what was paid are withdrawn, what nobody asked for stays, what waits in a queue is held", () => {
    deposit();
    pay();
    exit({ toBob: "paid" }, { state: "finalized", canonical: true }, [input, toBob]);
    expect(states()).to.deep.equal(["none", "withdrawn", "available"]);
    expect(ledger.totals(TOKEN)).to.deep.equal({ deposited: 100n, live: 40n, withdrawn: 60n });
    exit({ toBob: "live" }, { state: "finalized", canonical: true }, [input]);
    expect(states()).to.deep.equal(["none", "exiting", "available"]);
    exit({ toBob: "unpaid" }, { state: "finalized", canonical: true }, [input]);
    expect(states()).to.deep.equal(["none", "available", "available"]);
  });

  it("canonical without the payment: its inputs are blocked, and withdrawn for the ledger", () => {
    deposit();
    exit({ input: "live" }, { state: "finalized", canonical: true }, [input]);
    expect(states()).to.deep.equal(["withdrawn", "none", "none"]);
    expect(code(payment)).to.equal("INPUT_EXITING");
    expect(ledger.totals(TOKEN)).to.deep.equal({ deposited: 100n, live: 0n, withdrawn: 100n });
  });

  it("not canonical: only piggybacked inputs leave, outputs and other inputs are free", () => {
    deposit();
    exit({ input: "live" }, { state: "finalized", canonical: false });
    expect(states()[0]).to.equal("exiting");
    exit({ input: "paid" }, { state: "finalized", canonical: false }, [input]);
    expect(states()[0]).to.equal("withdrawn");
    exit({}, { state: "finalized", canonical: false });
    expect(states()[0]).to.equal("available");
    pay();
    exit({ toBob: "live" }, { state: "finalized", canonical: false });
    expect(states()).to.deep.equal(["none", "available", "available"]);
  });

  it("an exit one of whose inputs another exit finalized can pay no output any more", () => {
    deposit();
    pay();
    exit({ toBob: "live" });
    exit({ toBob: "live" }, {}, [], 2);
    expect(states()).to.deep.equal(["none", "exiting", "available"]);
    exit({ toBob: "cancelled" }, { state: "finalized", canonical: true }, [input], 1);
    expect(states()).to.deep.equal(["none", "available", "available"]);
    // A reorganisation takes that back.
    exit({ toBob: "cancelled" }, {}, [], 1);
    expect(states()).to.deep.equal(["none", "exiting", "available"]);
    const terms = { kind: "deposit" as const, outputId: input, owner: ALICE, token: TOKEN, amount: 100n };
    const paid = { state: "finalized" as const, paid: true, final: true, exitableAt: 99 };
    take({ type: "exit", number: 3, ...terms, ...paid, ...SOMEWHERE });
    expect(states()).to.deep.equal(["none", "available", "available"]);
  });

  it("several exits, standard ones too: held until the last of them is over", () => {
    deposit();
    const terms = { kind: "deposit" as const, outputId: input, owner: ALICE, token: TOKEN, amount: 100n };
    const standard = (state: "started" | "challenged", final = false): void =>
      take({ type: "exit", number: 3, ...terms, state, paid: false, final, exitableAt: 99, ...SOMEWHERE });
    exit({}, {}, [], 1);
    exit({}, {}, [], 2);
    standard("started");
    exit({}, { state: "closed" }, [], 1);
    standard("challenged");
    expect(states()[0]).to.equal("exiting");
    exit({}, { state: "closed", final: true }, [], 2);
    expect(states()[0]).to.equal("available");
  });

  it("a reorganisation takes back what is not final, and no more", () => {
    deposit();
    exit({});
    exit({}, { state: "removed" });
    expect(states()[0]).to.equal("available");
    exit({}, { final: true });
    exit({ input: "live" }, { state: "finalized", canonical: false });
    exit({}, { final: true });
    expect(states()[0]).to.equal("exiting");
    const refused = (fields: Partial<InFlightExitEntry>): void => {
      expect(() => exit({}, fields)).to.throw(InvariantError);
    };
    refused({ state: "removed" });
    refused({ transactionHash: ZERO_HASH });
    exit({}, { state: "finalized", canonical: false, final: true });
    refused({ state: "finalized", canonical: true });
    refused({});
    expect(() => exit({}, { state: "removed" }, [], 9)).to.throw(InvariantError);
    exit({}, { state: "closed", final: true }, [], 2);
    expect(() => exit({}, {}, [], 2)).to.throw(InvariantError);
  });

  it("a number that a reorganisation gives to an exit of the other kind holds by that one only", () => {
    deposit();
    const terms = { kind: "deposit" as const, outputId: input, owner: ALICE, token: TOKEN, amount: 100n };
    const standard = { paid: false, final: false, exitableAt: 99, ...SOMEWHERE };
    exit({});
    take({ type: "exit", number: 1, ...terms, state: "started", ...standard });
    exit({}, { state: "removed" });
    expect(states()[0]).to.equal("exiting");
    take({ type: "exit", number: 1, ...terms, state: "removed", ...standard });
    expect(states()[0]).to.equal("available");
    take({ type: "exit", number: 1, ...terms, state: "started", ...standard, final: true });
    expect(() => exit({})).to.throw(InvariantError);
  });
});
