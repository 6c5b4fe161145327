import { mkdirSync, mkdtempSync, openSync, closeSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { expect } from "chai";
import fc from "fast-check";
import { fromHex, toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import { keccak256 } from "@plasma-billing/protocol/keccak.ts";
import { ZERO_HASH } from "@plasma-billing/protocol/transaction.ts";
import { StartupError } from "../../ethereum/process/startup.ts";
import { decodeTreeHeader, encodeTreeHeader, hashPair, readSiblings } from "../../operator/index/treeFile.ts";
import { GroupBuffer, isTorn } from "../../operator/journal/groups.ts";
import { Journal } from "../../operator/journal/journal.ts";
import { JournalDamagedError, JournalReader } from "../../operator/journal/reader.ts";
import { openNewestSnapshot, SnapshotWriter } from "@plasma-billing/ethereum/snapshots/file.ts";
import { restoreSnapshot } from "../../operator/snapshots.ts";
import { addressOf, CONTRACT, DOMAIN } from "../helpers/protocol.ts";
import { corpus } from "./corpus.ts";
import { groupOf } from "./decoders.ts";
import { FUZZ_RUNS } from "./runs.ts";
import { mutate, mutations, splice, type Mutation } from "./mutations.ts";

const MS_MAX = 1_000;
type Files = Map<string, Uint8Array>;

/** A mutated file, or one that is not there. */
interface Damage {
  file: number;
  how: Mutation[] | null;
  /** Checksums of headers are made to fit. */
  mend: boolean;
}
const damage: fc.Arbitrary<Damage> = fc.record({
  file: fc.nat(),
  how: fc.option(mutations, { freq: 15 }),
  mend: fc.boolean(),
});

/** Of the corpus: to a file nothing, or at a place so many bytes cut and others put in. */
type Recipe = Record<string, null | [at: number, cut: number, put: string][]>;

const readAll = (folder: string): Files =>
  new Map(readdirSync(folder).map((name) => [name, Uint8Array.from(readFileSync(join(folder, name)))]));

function writeAll(folder: string, files: Files): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
}

function spoil(files: Files, list: readonly Damage[], mend: (name: string, bytes: Uint8Array) => Uint8Array): Files {
  const names = [...files.keys()].sort();
  const result = new Map(files);
  for (const { file, how, mend: fit } of list) {
    const name = names[file % names.length] as string;
    const bytes = result.get(name);
    if (how === null) result.delete(name);
    else if (bytes !== undefined) result.set(name, fit ? mend(name, mutate(bytes, how)) : mutate(bytes, how));
  }
  return result;
}

function cook(files: Files, recipe: Recipe): Files {
  const result = new Map(files);
  for (const [name, edits] of Object.entries(recipe)) {
    if (edits === null) result.delete(name);
    else {
      const bytes = edits.reduce<Uint8Array>(
        (before, [at, cut, put]) => splice(before, at, cut, fromHex(`0x${put}`)),
        result.get(name) ?? new Uint8Array(),
      );
      result.set(name, bytes);
    }
  }
  return result;
}

function sealed(bytes: Uint8Array, end: number): Uint8Array {
  if (bytes.length < end + 4) return bytes;
  const copy = Buffer.from(bytes);
  copy.writeUInt32LE(crc32(copy.subarray(0, end)), end);
  return Uint8Array.from(copy);
}

const equal = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && Buffer.compare(a, b) === 0);

const names = (files: Files): string =>
  [...files].map(([name, bytes]) => `${name} ${Buffer.from(bytes).toString("hex").slice(0, 3_000)}`).join("\n");

describe("fuzz: files", () => {
  let dataDir = "";
  before(() => (dataDir = mkdtempSync(join(tmpdir(), "plasma-fuzz-"))));
  after(() => rmSync(dataDir, { recursive: true }));

  describe("journal", () => {
    const SEGMENT_BYTES_MAX = 2_500;
    const ENTRIES = 60;
    /** Some hold what looks like groups: whatever a payer puts into a payment stands in the journal. */
    const bodyOf = (position: number): Uint8Array => {
      if (position % 9 === 0) return groupOf(position + 1, [Uint8Array.of(1, 2, 3)]);
      return Uint8Array.from(Buffer.from(`${position} `.padEnd(20 + ((position * 37) % 200), "x")));
    };
    const bodies = Array.from({ length: ENTRIES }, (_, i) => Buffer.from(bodyOf(i + 1)).toString("hex"));
    let files: Files;
    let folder = "";

    const open = async (from = 1): Promise<{ entries: string[]; journal: Journal; torn: unknown }> => {
      const entries: string[] = [];
      const replay = ({ firstPosition, entries: list }: { firstPosition: number; entries: Uint8Array[] }): void => {
        expect(firstPosition).to.equal(from + entries.length);
        entries.push(...list.map((body) => Buffer.from(body).toString("hex")));
      };
      const { journal, torn } = await Journal.open(dataDir, { from, segmentBytesMax: SEGMENT_BYTES_MAX, replay });
      return { entries, journal, torn };
    };
    const append = async (journal: Journal, count: number): Promise<void> => {
      const group = new GroupBuffer(journal.nextPosition);
      for (let i = 0; i < count; i++) group.append(bodyOf(journal.nextPosition + i));
      await journal.append(group);
    };
    before(async () => {
      folder = join(dataDir, "journal");
      const { journal } = await open();
      while (journal.nextPosition <= ENTRIES) {
        await append(journal, Math.min(1 + (journal.nextPosition % 7), ENTRIES + 1 - journal.nextPosition));
      }
      await journal.close();
      files = readAll(folder);
      expect(files.size).to.be.at.least(7);
    });

    const logs = (all: Files): string[] => [...all.keys()].filter((name) => name.endsWith(".log")).sort();
    const mend = (name: string, bytes: Uint8Array): Uint8Array => sealed(bytes, name === "durable" ? 16 : 44);

    function expectRefusal(error: unknown, spoiled: Files): void {
      expect(error).to.be.instanceOf(StartupError);
      const { code, context, message } = error as StartupError;
      expect(code).to.be.oneOf(["JOURNAL_DAMAGED", "JOURNAL_VERSION"]);
      const path = String(context["path"]);
      if (code === "JOURNAL_DAMAGED" && !("from" in context)) {
        expect(path.startsWith(folder), path).to.equal(true);
        const size = spoiled.get(path.slice(folder.length + 1))?.length ?? 0;
        expect(context["offset"]).to.be.within(0, Math.max(16, size));
        expect(message).to.include(`${path} is damaged at byte ${String(context["offset"])}`);
      }
      // Nothing is changed in what is refused.
      const now = readAll(folder);
      for (const name of logs(spoiled)) {
        // A segment that was never begun has nothing in it, and goes before the rest is looked at.
        const unbegun = (spoiled.get(name)?.length ?? 0) <= 48 && !now.has(name);
        expect(unbegun || equal(now.get(name), spoiled.get(name)), name).to.equal(true);
      }
    }

    /** Opens what was spoiled: the entries, or null when it was refused as it must be. */
    async function judge(spoiled: Files, from = 1): Promise<string[] | null> {
      writeAll(folder, spoiled);
      const began = performance.now();
      let opened: Awaited<ReturnType<typeof open>>;
      try {
        opened = await open(from);
      } catch (error) {
        expectRefusal(error, spoiled);
        return null;
      } finally {
        expect(performance.now() - began, "milliseconds").to.be.below(MS_MAX);
      }
      const { entries, journal, torn } = opened;
      try {
        expect(entries).to.deep.equal(bodies.slice(from - 1, from - 1 + entries.length));
        expect(journal.nextPosition).to.equal(from + entries.length);
        // What is known to be on the disk is never given up, nor is what is followed by another segment.
        // Also one that was not read has its length.
        for (const name of logs(files).slice(0, -1))
          expect(spoiled.get(name)?.length).to.equal(files.get(name)?.length);
        const untouched = equal(spoiled.get("durable"), files.get("durable"));
        const whole = from + entries.length === ENTRIES + 1;
        if (untouched) expect(whole, "an entry that was on the disk is missing").to.equal(true);
        if (torn !== null) expect((torn as { path: string }).path).to.equal(join(folder, logs(spoiled).at(-1)!));
        // It goes on from there.
        await append(journal, 2);
      } finally {
        await journal.close();
      }
      const again = await open(from);
      await again.journal.close();
      const next = from + entries.length;
      const added = [bodyOf(next), bodyOf(next + 1)].map((body) => Buffer.from(body).toString("hex"));
      expect(again.entries).to.deep.equal([...entries, ...added]);
      return entries;
    }

    const shown = async (spoiled: Files, run: () => Promise<unknown>): Promise<void> => {
      try {
        await run();
      } catch (error) {
        throw new Error(`${String((error as Error).stack)}\n${names(spoiled)}`, { cause: error });
      }
    };

    it("INV-14: opens and refuses what is kept", async () => {
      for (const { name, taken, bytes } of corpus("journal")) {
        const spoiled = cook(files, JSON.parse(Buffer.from(bytes).toString()) as Recipe);
        await shown(spoiled, async () => expect((await judge(spoiled)) !== null, name).to.equal(taken));
      }
    });

    it("INV-14: files changed, cut, grown, mixed or missing: refused with file and offset, or a beginning of the entries", async () => {
      const from = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: ENTRIES + 2 }));
      let taken = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 3 }), from, async (list, first) => {
          const spoiled = spoil(files, list, mend);
          await shown(spoiled, async () => {
            // Segments before `from` are not read: what is wrong in them is found by the reader.
            if ((await judge(spoiled, first)) !== null) taken++;
          });
        }),
        { numRuns: 250 * FUZZ_RUNS },
      );
      expect(taken).to.be.above(0);
    });

    it("INV-14: the last segment cut anywhere, and what a disk did not write: a beginning of the entries", async () => {
      const last = logs(files).at(-1) as string;
      const bytes = files.get(last)!;
      const cut = fc.record({ at: fc.nat({ max: bytes.length }), zeros: fc.constantFrom(0, 0, 1, 24, 511, 4_096) });
      await fc.assert(
        fc.asyncProperty(cut, async ({ at, zeros }) => {
          const spoiled = new Map(files).set("durable", new Uint8Array());
          spoiled.set(last, Uint8Array.from(Buffer.concat([bytes.subarray(0, at), Buffer.alloc(zeros)])));
          await shown(spoiled, async () => {
            const entries = await judge(spoiled);
            // A tail of zeros may have the length of what was there; then it is damage.
            if (zeros === 0) expect(entries, "a torn end is refused").not.to.equal(null);
          });
        }),
        { numRuns: 150 * FUZZ_RUNS },
      );
    });

    it("INV-14: whole groups left out, doubled or in another order: refused, or a beginning of the entries", async () => {
      const change = fc.record({
        file: fc.nat(),
        at: fc.nat(),
        to: fc.nat(),
        kind: fc.constantFrom("out", "twice", "swap", "end"),
      });
      const refused = new Set<string>();
      await fc.assert(
        fc.asyncProperty(change, fc.boolean(), async ({ file, at, to, kind }, known) => {
          const all = logs(files);
          const name = all[file % all.length] as string;
          const [header, ...groups] = groupsOf(files.get(name)!);
          const [i, j] = [at % groups.length, to % groups.length];
          const group = groups[i]!;
          if (kind === "out") groups.splice(i, 1);
          else if (kind === "twice") groups.splice(j, 0, group);
          else if (kind === "swap") [groups[i], groups[j]] = [groups[j]!, group];
          else groups.length = i;
          const spoiled = new Map(files).set(name, Uint8Array.from(Buffer.concat([header!, ...groups])));
          if (!known) spoiled.delete("durable");
          await shown(spoiled, async () => {
            if ((await judge(spoiled)) === null) refused.add(kind);
          });
        }),
        { numRuns: 100 * FUZZ_RUNS },
      );
      expect([...refused].sort()).to.deep.equal(["end", "out", "swap", "twice"]);
    });

    /** The header of a segment, and its groups. */
    function groupsOf(bytes: Uint8Array): Uint8Array[] {
      const parts = [bytes.subarray(0, 48)];
      for (let at = 48; at < bytes.length;) {
        const end = at + 24 + Buffer.from(bytes).readUInt32LE(at);
        parts.push(bytes.subarray(at, end));
        at = end;
      }
      return parts;
    }

    it("INV-14: the reader gives the entry that was written, or none", () => {
      const kinds = new Set<string>();
      fc.assert(
        fc.property(fc.array(damage, { minLength: 1, maxLength: 2 }), (list) => {
          // The index of positions has no checksum; of it see below. Nor has an entry its position, so that one that is moved
          // to where another was is not told from it: everything stays where it was.
          const only = new Map([...files].filter(([name]) => name.endsWith(".log")));
          const inPlace = list.map((each) => ({
            ...each,
            how: each.how?.filter(({ kind }) => ["flip", "set", "word", "end"].includes(kind)) ?? null,
          }));
          const spoiled = spoil(only, inPlace, mend);
          for (const [name, bytes] of files) if (!name.endsWith(".log")) spoiled.set(name, bytes);
          kinds.add(readEverything(spoiled));
        }),
        { numRuns: 150 * FUZZ_RUNS },
      );
      expect([...kinds].sort()).to.include("some");
    });

    it("INV-14: an index of positions that is cut, lost, zeros or noise costs a scan, not an entry", () => {
      const positions = [...files.keys()].filter((name) => name.endsWith(".positions")).sort();
      const change = fc.record({
        file: fc.nat(),
        kind: fc.constantFrom("cut", "zeros", "noise", "lost"),
        at: fc.nat(25).map((words) => 4 * words),
        length: fc.nat(25).map((words) => 4 * words),
      });
      fc.assert(
        fc.property(change, ({ file, kind, at, length }) => {
          const name = positions[file % positions.length] as string;
          const bytes = files.get(name)!.slice();
          const spoiled = new Map(files);
          if (kind === "lost") spoiled.delete(name);
          else if (kind === "cut") spoiled.set(name, bytes.slice(0, at));
          // Beyond any segment.
          else spoiled.set(name, bytes.fill(kind === "zeros" ? 0 : 0xee, at, at + length));
          expect(readEverything(spoiled)).to.equal("all");
        }),
        { numRuns: 150 * FUZZ_RUNS },
      );
    });

    /** Each entry alone, and all in stretches. */
    function readEverything(spoiled: Files): "all" | "some" {
      writeAll(folder, spoiled);
      const reader = new JournalReader(dataDir);
      let found = 0;
      const began = performance.now();
      const attempt = (read: () => void): void => {
        try {
          read();
          found++;
        } catch (error) {
          const named = error instanceof StartupError ? { ...error.context } : (error as JournalDamagedError);
          if (!(error instanceof JournalDamagedError) && !(error instanceof StartupError)) {
            throw new Error(`${String((error as Error).stack)}\n${names(spoiled)}`, { cause: error });
          }
          expect(named).to.have.property("path");
          expect(named).to.have.property("offset");
        }
      };
      try {
        for (let position = 1; position <= ENTRIES; position++) {
          attempt(() => expect(Buffer.from(reader.entry(position)).toString("hex")).to.equal(bodies[position - 1]));
        }
        for (const [first, bytesMax] of [
          [1, 1e9],
          [1, 300],
          [17, 2_000],
          [ENTRIES - 2, 1e9],
        ] as const) {
          attempt(() => {
            const list = reader.read(first, ENTRIES, bytesMax);
            expect(list.map(({ position }) => position)).to.deep.equal(list.map((_, i) => first + i));
            const read = list.map(({ body }) => Buffer.from(body).toString("hex"));
            expect(read).to.deep.equal(bodies.slice(first - 1, first - 1 + list.length));
          });
        }
      } finally {
        reader.close();
      }
      expect(performance.now() - began, "milliseconds").to.be.below(MS_MAX);
      return found === ENTRIES + 4 ? "all" : "some";
    }

    it("an end that was torn in the largest group is seen as one within a second", () => {
      const bytes = 8 * 1024 * 1024;
      // Headers that are sound and tell of all that follows: each would have it checked.
      const header = groupOf(1, [new Uint8Array(bytes - 64)]).subarray(0, 24);
      const hostile = Buffer.alloc(bytes, 1);
      for (let at = 0; at + 500 < bytes; at += 500) hostile.set(header, at);
      for (const tail of [Buffer.alloc(bytes), Buffer.alloc(bytes, 0xa5), hostile]) {
        const began = performance.now();
        isTorn(tail, 48, 1);
        expect(performance.now() - began, "milliseconds").to.be.below(MS_MAX);
      }
    });
  });

  describe("snapshot", () => {
    const SECTIONS = ["the head of it", "", "a page", "another page ".repeat(20)];
    const written = SECTIONS.map((text, i) => `${i + 1} ${Buffer.from(text).toString("hex")}`);
    let folder = "";
    let files: Files;
    before(async () => {
      folder = join(dataDir, "snapshots");
      const writer = await SnapshotWriter.create(dataDir, 9);
      for (const [i, text] of SECTIONS.entries()) await writer.section(i + 1, Buffer.from(text));
      await writer.finish();
      files = readAll(folder);
    });
    after(() => rmSync(folder, { recursive: true, force: true }));

    const bodyOf = (section: string): string => section.slice(section.indexOf(" "));

    /** Makes the header fit, and those of sections as far as they follow each other. */
    const mend = (_: string, bytes: Uint8Array): Uint8Array => {
      const copy = Buffer.from(sealed(bytes, 20));
      for (let at = 24; at + 20 <= copy.length;) {
        const length = Number(copy.readBigUInt64LE(at + 4));
        copy.writeUInt32LE(crc32(copy.subarray(at, at + 16)), at + 16);
        if (length > copy.length) break;
        at += 20 + length;
      }
      return Uint8Array.from(copy);
    };

    /** The sections, or null when it was refused; what was given before that is as it was written. */
    function judge(spoiled: Files): string[] | null {
      writeAll(folder, spoiled);
      const path = join(folder, [...files.keys()][0] as string);
      const size = [...spoiled.values()][0]?.length ?? 0;
      const read: string[] = [];
      const began = performance.now();
      try {
        const file = openNewestSnapshot(dataDir);
        if (file === null) return [];
        expect(file.position).to.equal(9);
        for (const { kind, bytes } of file.sections()) read.push(`${kind} ${Buffer.from(bytes).toString("hex")}`);
        return read;
      } catch (error) {
        if (!(error instanceof StartupError)) throw new Error(`${String(error)}\n${names(spoiled)}`, { cause: error });
        expect(error.code).to.be.oneOf(["SNAPSHOT_DAMAGED", "SNAPSHOT_VERSION"]);
        expect(error.context["path"]).to.equal(path);
        if (error.code === "SNAPSHOT_DAMAGED") expect(error.context["offset"]).to.be.within(0, Math.max(12, size));
        return null;
      } finally {
        expect(performance.now() - began, "milliseconds").to.be.below(MS_MAX);
      }
    }

    it("takes and refuses what is kept", () => {
      for (const { name, taken, bytes } of corpus("snapshot")) {
        const spoiled = cook(files, JSON.parse(Buffer.from(bytes).toString()) as Recipe);
        expect(judge(spoiled) !== null, name).to.equal(taken);
      }
    });

    it("changed in any way it is refused with file and offset", () => {
      fc.assert(
        fc.property(mutations, fc.boolean(), (how, fit) => {
          const [[name, bytes]] = [...files] as [[string, Uint8Array]];
          const changed = mutate(bytes, how);
          const sections = judge(new Map([[name, fit ? mend(name, changed) : changed]]));
          if (equal(changed, bytes)) expect(sections).to.deep.equal(written);
          else if (!fit) expect(sections).to.equal(null);
          // Of a section whose header was made to fit, the kind may be another; its bytes never are.
          else
            for (const [i, section] of sections?.entries() ?? []) expect(bodyOf(section)).to.equal(bodyOf(written[i]!));
        }),
        { numRuns: 600 * FUZZ_RUNS },
      );
    });

    it("whole by its checksums and yet none of a ledger: refused, whatever its head and pages are", async () => {
      const ledger = ledgerOf();
      const { head, pages } = ledger.beginSnapshot();
      const page = pages.next();
      pages.end();
      expect(page).not.to.equal(null);
      const words = Uint8Array.from(new Uint8Array(page!.buffer, page!.byteOffset, page!.byteLength));
      const text = Uint8Array.from(Buffer.from(head));
      const codes = new Set<string>();
      const change = fc.oneof(fc.constant([]), mutations);
      await fc.assert(
        fc.asyncProperty(change, change, async (onHead, onPage) => {
          rmSync(folder, { recursive: true, force: true });
          const writer = await SnapshotWriter.create(dataDir, ledger.position);
          await writer.section(1, mutate(text, onHead));
          await writer.section(2, mutate(words, onPage));
          await writer.finish();
          const began = performance.now();
          try {
            const restored = new Ledger(DOMAIN);
            restoreSnapshot(dataDir, restored);
            codes.add("taken");
            expect(restored.stateHash()).to.equal(ledger.stateHash());
          } catch (error) {
            if (!(error instanceof StartupError)) {
              throw new Error(`${String((error as Error).stack)}\n${Buffer.from(mutate(text, onHead)).toString()}`, {
                cause: error,
              });
            }
            codes.add(error.code);
          }
          expect(performance.now() - began, "milliseconds").to.be.below(MS_MAX);
        }),
        { numRuns: 200 * FUZZ_RUNS },
      );
      expect([...codes].sort()).to.deep.equal(["SNAPSHOT_DAMAGED", "taken"]);
    });

    function ledgerOf(): Ledger {
      const ledger = new Ledger(DOMAIN);
      ledger.apply({ type: "genesis", version: 1, chainId: DOMAIN.chainId, contract: CONTRACT, createdAt: 5 });
      for (const id of [1n, 2n, 3n]) {
        const where = { nextBlockNumber: 1, ethereumBlock: 1, ethereumTransaction: ZERO_HASH };
        ledger.apply({ type: "deposit", id, owner: addressOf(7), token: addressOf(0), amount: 5n * id, ...where });
      }
      ledger.apply({ type: "followed", number: 7, hash: ZERO_HASH });
      return ledger;
    }
  });

  describe("tree", () => {
    const COUNT = 11;
    const leaves = Array.from({ length: COUNT }, (_, i) => keccak256(Uint8Array.of(i)));
    const nodes: Uint8Array[] = [];
    let bytes: Uint8Array;
    let path = "";
    let right: (Hex[] | null)[];
    before(() => {
      path = join(dataDir, "1.tree");
      const levels: Uint8Array[][] = [leaves];
      for (const [i, leaf] of leaves.entries()) {
        nodes.push(leaf);
        for (let level = 0, at = i; at % 2 === 1; level++, at >>= 1) {
          const pair = hashPair(levels[level]![at - 1]!, levels[level]![at]!);
          (levels[level + 1] ??= []).push(pair);
          nodes.push(pair);
        }
      }
      const zeros: Uint8Array[] = [new Uint8Array(32)];
      let row = leaves;
      while (row.length > 1) {
        const zero = zeros.at(-1)!;
        const padded = row.length % 2 === 1 ? [...row, zero] : row;
        row = Array.from({ length: padded.length / 2 }, (_, i) => hashPair(padded[2 * i]!, padded[2 * i + 1]!));
        zeros.push(hashPair(zero, zero));
      }
      const header = encodeTreeHeader({ number: 1, count: COUNT, root: toHex(row[0]!) });
      bytes = Uint8Array.from(Buffer.concat([header, ...nodes]));
      right = siblings(bytes)!;
      for (const each of right) expect(each).to.be.an("array");
    });

    function siblings(file: Uint8Array): (Hex[] | null)[] | null {
      writeFileSync(path, file);
      const header = decodeTreeHeader(Buffer.from(file.subarray(0, 64)));
      if (header === null) return null;
      const descriptor = openSync(path, "r");
      try {
        return leaves.map((_, leaf) => readSiblings(descriptor, header, leaf));
      } finally {
        closeSync(descriptor);
      }
    }

    it("gives the right siblings, or none", () => {
      const outcomes = new Set<string>();
      fc.assert(
        fc.property(mutations, fc.boolean(), (how, fit) => {
          const changed = mutate(bytes, how);
          const began = performance.now();
          const given = siblings(fit ? sealed(changed, 60) : changed);
          expect(performance.now() - began, "milliseconds").to.be.below(MS_MAX);
          outcomes.add(given === null ? "no header" : given.includes(null) ? "some" : "all");
          for (const [leaf, each] of given?.entries() ?? []) if (each !== null) expect(each).to.deep.equal(right[leaf]);
        }),
        { numRuns: 400 * FUZZ_RUNS },
      );
      // That nothing of use was changed is rare.
      expect([...outcomes]).to.include.members(["no header", "some"]);
    });
  });
});
