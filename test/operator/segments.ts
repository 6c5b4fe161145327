import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { StartupError } from "../../ethereum/process/startup.ts";
import { GroupBuffer, SEGMENT_HEADER_BYTES } from "../../operator/journal/groups.ts";
import { Journal } from "../../operator/journal/journal.ts";
import { JournalDamagedError, JournalReader } from "../../operator/journal/reader.ts";

const SEGMENT_BYTES_MAX = 4_000;

/** An entry that says its position, of a length that follows from it. */
function bodyOf(position: number): Buffer {
  return Buffer.from(`${position} `.padEnd(20 + ((position * 37) % 300), "x"));
}

describe("the journal's segments", () => {
  let dataDir: string;
  let folder: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "plasma-segments-"));
    folder = join(dataDir, "journal");
  });
  afterEach(async () => await rm(dataDir, { recursive: true, force: true }));

  const openJournal = async (from = 1): Promise<{ journal: Journal; read: number[] }> => {
    const read: number[] = [];
    const { journal } = await Journal.open(dataDir, {
      from,
      segmentBytesMax: SEGMENT_BYTES_MAX,
      replay: ({ firstPosition, entries }) => {
        for (const [i, entry] of entries.entries()) {
          expect(Buffer.from(entry)).to.deep.equal(bodyOf(firstPosition + i));
          read.push(firstPosition + i);
        }
      },
    });
    return { journal, read };
  };
  const append = async (journal: Journal, count: number): Promise<void> => {
    const group = new GroupBuffer(journal.nextPosition);
    for (let i = 0; i < count; i++) group.append(bodyOf(journal.nextPosition + i));
    await journal.append(group);
  };
  /** Some hundred entries in groups of one to seven. */
  const fill = async (entries = 200): Promise<void> => {
    const { journal } = await openJournal();
    while (journal.nextPosition <= entries) await append(journal, 1 + (journal.nextPosition % 7));
    await journal.close();
  };
  const segments = async (): Promise<string[]> =>
    (await readdir(folder)).filter((name) => name.endsWith(".log")).sort();
  const firstOf = (name: string): number => Number(name.slice(0, 16));
  const refusal = async (from = 1): Promise<StartupError> => {
    const error = await openJournal(from).catch((caught: unknown) => caught);
    expect(error).to.be.instanceOf(StartupError);
    return error as StartupError;
  };
  const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

  it("are begun when one is large enough, and read one after another; from any position on", async () => {
    await fill();
    const names = await segments();
    expect(names.length).to.be.above(5);
    expect(names[0]).to.equal("0000000000000001.log");
    for (const name of names.slice(0, -1)) {
      expect((await stat(join(folder, name))).size).to.be.within(SEGMENT_BYTES_MAX, SEGMENT_BYTES_MAX + 2_500);
    }
    const { journal, read } = await openJournal();
    const last = journal.nextPosition - 1;
    await journal.close();
    expect(read).to.deep.equal(range(1, last));
    for (const from of [2, 50, firstOf(names[3]!), firstOf(names[3]!) + 1, last, last + 1]) {
      const again = await openJournal(from);
      await again.journal.close();
      expect(again.read, `from ${from}`).to.deep.equal(range(from, last));
      expect(again.journal.nextPosition).to.equal(last + 1);
    }
    expect((await refusal(last + 2)).message).to.match(/ends at entry \d+, but a snapshot knows of entry \d+/);
  });

  it("are read entry by entry and in stretches while they are written, whatever became of the index of positions", async () => {
    const { journal } = await openJournal();
    const reader = new JournalReader(dataDir);
    while (journal.nextPosition < 150) {
      await append(journal, 1 + (journal.nextPosition % 7));
      const last = journal.nextPosition - 1;
      expect(Buffer.from(reader.entry(last))).to.deep.equal(bodyOf(last));
      const all = reader.read(Math.max(1, last - 60), last, 1_000_000);
      expect(all.map(({ position }) => position)).to.deep.equal(range(Math.max(1, last - 60), last));
      for (const { position, body } of all) expect(Buffer.from(body)).to.deep.equal(bodyOf(position));
    }
    const last = journal.nextPosition - 1;
    for (const bytesMax of [1, 100, 1_000]) {
      const some = reader.read(3, last, bytesMax);
      expect(some.length).to.be.at.least(1);
      const bytes = some.reduce((sum, { body }) => sum + body.length, 0);
      expect(some.length === 1 || bytes <= bytesMax, `${bytes} of ${bytesMax}`).to.equal(true);
    }
    await journal.close();
    reader.close();
    const positions = (await readdir(folder)).filter((name) => name.endsWith(".positions")).sort();
    await rm(join(folder, positions[0]!));
    await truncate(join(folder, positions[1]!), 10);
    const garbled = await readFile(join(folder, positions[2]!));
    await writeFile(join(folder, positions[2]!), garbled.fill(7, 4, 12));
    await truncate(join(folder, positions.at(-1)!), 0);
    const other = new JournalReader(dataDir);
    for (let position = 1; position <= last; position++) {
      expect(Buffer.from(other.entry(position)), `entry ${position}`).to.deep.equal(bodyOf(position));
    }
    expect(other.read(1, last, Infinity)).to.have.length(last);
    other.close();
    // A start makes them right again.
    await (await openJournal(last + 1)).journal.close();
    expect((await stat(join(folder, positions[0]!))).size).to.equal(4 * (firstOf(positions[1]!) - 1));
  });

  it("that are missing, cut, grown or another's are noticed, also those that are not read", async () => {
    await fill();
    const names = await segments();
    const last = firstOf(names.at(-1)!);
    const victim = join(folder, names[2]!);
    const bytes = await readFile(victim);
    const broken: [string, () => Promise<void>, string][] = [
      ["missing", async () => await rm(victim), names[1]!],
      ["cut", async () => await truncate(victim, bytes.length - 1), names[2]!],
      ["grown", async () => await writeFile(victim, Buffer.concat([bytes, Buffer.alloc(1)])), names[2]!],
      ["header", async () => await writeFile(victim, Buffer.from(bytes).fill(9, 20, 21)), names[2]!],
      ["another's", async () => await writeFile(victim, await readFile(join(folder, names[1]!))), names[1]!],
    ];
    for (const [what, damage, file] of broken) {
      await damage();
      const error = await refusal(last);
      expect(error.code, what).to.equal("JOURNAL_DAMAGED");
      expect(
        [names[1], names[2], names[3]].map((name) => join(folder, name!)),
        what,
      ).to.include(error.context["path"]);
      if (what !== "missing" && what !== "another's") expect(error.context["path"], what).to.equal(join(folder, file));
      await writeFile(victim, bytes);
    }
    await rm(join(folder, names.at(-1)!));
    expect((await refusal()).code).to.equal("JOURNAL_DAMAGED");
    await rm(folder, { recursive: true });
    const { journal } = await openJournal();
    expect(journal.nextPosition).to.equal(1);
    await journal.close();
  });

  it("a bit flipped in one that is replayed refuses the start; in an older one the entry is refused when it is read", async () => {
    await fill();
    const names = await segments();
    const path = join(folder, names[1]!);
    const bytes = await readFile(path);
    for (let at = SEGMENT_HEADER_BYTES; at < bytes.length; at += 97) {
      const broken = Buffer.from(bytes);
      broken[at]! ^= 4;
      await writeFile(path, broken);
      const error = await refusal(firstOf(names[1]!));
      expect([error.code, error.context["path"]]).to.deep.equal(["JOURNAL_DAMAGED", path]);
      expect(error.context["offset"]).to.be.within(SEGMENT_HEADER_BYTES, at);
    }
    const broken = Buffer.from(bytes);
    // In the middle of a body.
    broken[SEGMENT_HEADER_BYTES + 24 + 8 + 5]! ^= 1;
    await writeFile(path, broken);
    const { journal } = await openJournal(firstOf(names.at(-1)!));
    await journal.close();
    const reader = new JournalReader(dataDir);
    const error = (() => {
      try {
        return reader.entry(firstOf(names[1]!));
      } catch (caught) {
        return caught;
      }
    })();
    expect(error).to.be.instanceOf(JournalDamagedError);
    expect((error as JournalDamagedError).message).to.include(
      `${path} is damaged at byte ${SEGMENT_HEADER_BYTES + 24}`,
    );
    expect(Buffer.from(reader.entry(firstOf(names[2]!)))).to.deep.equal(bodyOf(firstOf(names[2]!)));
    reader.close();
  });

  it("one that a crash left without a whole header, or without an entry, is begun anew", async () => {
    await fill(60);
    const { journal } = await openJournal();
    const next = journal.nextPosition;
    await journal.close();
    const path = join(folder, `${String(next).padStart(16, "0")}.log`);
    for (const left of [0, 1, SEGMENT_HEADER_BYTES - 1]) {
      await writeFile(path, Buffer.alloc(left, 1));
      const again = await openJournal();
      expect(again.journal.nextPosition).to.equal(next);
      await again.journal.close();
    }
    const again = await openJournal();
    for (let i = 0; i < 40; i++) await append(again.journal, 3);
    await again.journal.close();
    const { journal: last, read } = await openJournal();
    expect(read).to.deep.equal(range(1, last.nextPosition - 1));
    await last.close();
  });

  it("one that cannot be begun is tried again, and nothing is lost", async () => {
    const { journal } = await openJournal();
    const large = journal as unknown as { segment: { end: number }; folder: string };
    while (large.segment.end <= SEGMENT_BYTES_MAX) await append(journal, 5);
    const next = journal.nextPosition;
    large.folder = join(dataDir, "nowhere");
    for (let i = 0; i < 2; i++) {
      const error = await append(journal, 2).catch((caught: unknown) => caught);
      expect((error as { code: string }).code).to.equal("ENOENT");
    }
    large.folder = folder;
    expect(journal.nextPosition).to.equal(next);
    await append(journal, 2);
    await journal.close();
    const { journal: again, read } = await openJournal();
    expect(read).to.deep.equal(range(1, next + 1));
    await again.close();
  });
});
