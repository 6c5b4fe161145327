import { expect } from "chai";
import fc from "fast-check";
import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import { fromHex, toHex } from "@plasma-billing/protocol/hex.ts";
import { keccak256 } from "@plasma-billing/protocol/keccak.ts";
import { MerkleFrontier, MerkleTree } from "@plasma-billing/protocol/merkle.ts";
import {
  OutputTable,
  PAGE_RECORDS,
  RECORD_WORDS,
  FLAGS_WORD,
  TOKEN_WORD,
} from "@plasma-billing/protocol/outputTable.ts";
import { Words } from "@plasma-billing/protocol/words.ts";

/** An id; many share a partition and a slot, so that records stand in each other's way. */
function idOf(number: number): Uint8Array {
  const id = keccak256(new Words(1).uint(number).hash());
  id.set([number % 3, 0, 0, number % 2, 0, 0, 0, number % 5]);
  return id;
}
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

class Pair {
  readonly table: OutputTable;
  /** Flags and token by number of the output: the oracle. */
  readonly map: Map<number, { flags: number; token: number }>;

  constructor(table = new OutputTable(), map: Pair["map"] = new Map()) {
    this.table = table;
    this.map = map;
  }

  find(number: number): number {
    return this.table.find(viewOf(idOf(number)), 0);
  }

  insert(number: number): void {
    const view = viewOf(idOf(number));
    const output = { view: viewOf(new Uint8Array(72).fill(number)), ownerAt: 0, amountAt: 40 };
    const add = (): void => void this.table.insert({ view, at: 0 }, output, number, { high: 1, low: number }, 7);
    if (this.map.has(number)) return expect(add).to.throw(InvariantError, "exists once") as unknown as void;
    add();
    this.map.set(number, { flags: 7, token: number });
  }

  check(numbers: number): void {
    expect(this.table.size).to.equal(this.map.size);
    for (let number = 0; number < numbers; number++) {
      const record = this.find(number);
      const known = this.map.get(number);
      expect(record !== -1, `output ${number}`).to.equal(known !== undefined);
      if (known === undefined) continue;
      const page = this.table.pageOf(record);
      const word = this.table.wordOf(record);
      expect(page[word + TOKEN_WORD]).to.equal(known.token);
      expect(page[word + FLAGS_WORD]! & 0xffff).to.equal(known.flags);
    }
  }
}

describe("protocol: the table of live outputs", () => {
  const NUMBERS = 60;
  const steps = fc.array(
    fc.record({
      do: fc.constantFrom("insert" as const, "insert" as const, "remove" as const, "flags" as const, "copy" as const),
      number: fc.nat(NUMBERS - 1),
    }),
    { minLength: 1, maxLength: 200 },
  );

  it("equals a Map over random histories, and its copies are what it was when they began", () => {
    fc.assert(
      fc.property(steps, fc.nat(10), (history, begun) => {
        const pair = new Pair();
        let copy: { pages: ReturnType<OutputTable["beginCopy"]>; map: Pair["map"] } | null = null;
        for (const [time, step] of history.entries()) {
          const record = pair.find(step.number);
          if (step.do === "insert") pair.insert(step.number);
          else if (step.do === "remove" && record !== -1) {
            pair.table.remove(record);
            pair.map.delete(step.number);
          } else if (step.do === "flags" && record !== -1) {
            pair.table.setFlags(record, time & 0xff);
            pair.map.set(step.number, { ...pair.map.get(step.number)!, flags: time & 0xff });
          }
          if (time === begun) copy = { pages: pair.table.beginCopy(), map: structuredClone(pair.map) };
          pair.check(NUMBERS);
        }
        if (copy === null) return;
        const pages: Int32Array<ArrayBuffer>[] = [];
        for (let page = copy.pages.next(); page !== null; page = copy.pages.next()) pages.push(page);
        const again = new Pair(OutputTable.of(pages), copy.map);
        again.check(NUMBERS);
        again.insert(NUMBERS);
        again.check(NUMBERS + 1);
        pair.check(NUMBERS);
      }),
      { numRuns: 300 },
    );
  });

  it("grows over pages and partitions, gives back what it frees, and copies page by page under changes", () => {
    const count = 4 * PAGE_RECORDS - 5;
    const table = new OutputTable();
    const id = (i: number): DataView => viewOf(keccak256(new Words(1).uint(i).hash()));
    const output = { view: viewOf(new Uint8Array(72)), ownerAt: 0, amountAt: 40 };
    const insert = (i: number): number => table.insert({ view: id(i), at: 0 }, output, i, { high: 0, low: i }, 1);
    for (let i = 0; i < count; i++) insert(i);
    const memory = table.bytes;
    expect(memory / count).to.be.below(115);
    const copy = table.beginCopy();
    expect(() => table.beginCopy()).to.throw(InvariantError);
    const pages = [copy.next()!];
    for (let i = 0; i < count; i += 2) table.remove(table.find(id(i), 0));
    for (let i = 0; i < count; i += 2) insert(count + i);
    expect(table.bytes).to.be.below(memory * 1.01);
    for (let page = copy.next(); page !== null; page = copy.next()) pages.push(page);
    expect(pages).to.have.length(4);
    const before = OutputTable.of(pages);
    expect(before.size).to.equal(count);
    for (let i = 0; i < count; i++) {
      expect(before.find(id(i), 0), `${i}`).to.not.equal(-1);
      expect(table.find(id(i), 0) === -1).to.equal(i % 2 === 0);
    }
    table.beginCopy().end();
    table.beginCopy().end();
    expect([...table.records()]).to.have.length(count);
  });

  it("refuses pages of another size", () => {
    expect(() => OutputTable.of([new Int32Array(RECORD_WORDS)])).to.throw(InvariantError, "wrong size");
  });
});

describe("protocol: the frontier of a block's tree", () => {
  it("has the tree's root after every leaf, and goes on from what it exported", () => {
    const tree = new MerkleTree();
    let frontier = new MerkleFrontier();
    expect(() => frontier.root()).to.throw(InvariantError);
    for (let count = 1; count <= 300; count++) {
      const leaf = keccak256(Uint8Array.of(count & 255, count >> 8));
      tree.append(toHex(leaf));
      frontier.append(leaf);
      expect(frontier.root()).to.equal(tree.root());
      expect(frontier.count).to.equal(count);
      if (count % 7 === 0) frontier = MerkleFrontier.of(JSON.parse(JSON.stringify(frontier.export())));
    }
    const { count, peaks } = frontier.export();
    expect(() => MerkleFrontier.of({ count: count + 1, peaks })).to.throw(InvariantError);
    expect(() => MerkleFrontier.of({ count, peaks: [...peaks, peaks[0]!] })).to.throw(InvariantError);
    expect(() => MerkleFrontier.of({ count: 1, peaks: [toHex(fromHex("0x1234"))] })).to.throw(InvariantError);
  });
});
