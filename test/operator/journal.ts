import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, open, readFile, rm, stat, truncate, writeFile, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { StartupError } from "../../ethereum/process/startup.ts";
import { GroupBuffer, SEGMENT_HEADER_BYTES } from "../../operator/journal/groups.ts";
import { Journal } from "../../operator/journal/journal.ts";

const FILE_HEADER_BYTES = SEGMENT_HEADER_BYTES;

function groupOf(firstPosition: number, lines: readonly string[]): GroupBuffer {
  const group = new GroupBuffer(firstPosition);
  for (const line of lines) group.append(Buffer.from(line));
  return group;
}

describe("the journal", () => {
  let dataDir: string;
  let path: string;
  let watermark: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "plasma-journal-"));
    path = join(dataDir, "journal", "0000000000000001.log");
    watermark = join(dataDir, "journal", "durable");
  });
  afterEach(async () => await rm(dataDir, { recursive: true, force: true }));

  /** Opens, reads everything and closes. */
  const read = async (): Promise<{ lines: string[]; torn: { offset: number; bytes: number } | null; next: number }> => {
    const lines: string[] = [];
    const { journal, torn } = await Journal.open(dataDir, {
      replay: ({ firstPosition, entries }) => {
        expect(firstPosition).to.equal(lines.length + 1);
        lines.push(...entries.map((entry) => Buffer.from(entry).toString()));
      },
    });
    const next = journal.nextPosition;
    await journal.close();
    return { lines, torn: torn === null ? null : { offset: torn.offset, bytes: torn.bytes }, next };
  };
  const write = async (...groups: string[][]): Promise<number[]> => {
    const { journal } = await Journal.open(dataDir, { replay: () => undefined });
    const ends: number[] = [];
    for (const group of groups) {
      await journal.append(groupOf(journal.nextPosition, group));
      ends.push((await stat(path)).size);
    }
    await journal.close();
    return ends;
  };
  const refusal = async (): Promise<StartupError> => {
    const error = await read().catch((caught: unknown) => caught);
    expect(error).to.be.instanceOf(StartupError);
    return error as StartupError;
  };

  it("gives back what was written, group by group, over any number of openings", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.array(fc.array(fc.string({ unit: "grapheme", minLength: 1 }), { minLength: 1, maxLength: 5 }), {
            maxLength: 4,
          }),
          {
            maxLength: 4,
          },
        ),
        async (openings) => {
          await rm(join(dataDir, "journal"), { recursive: true, force: true });
          const lined = openings.map((groups) => groups.map((group) => group.map((line) => JSON.stringify(line))));
          for (const groups of lined) await write(...groups);
          const { lines, torn, next } = await read();
          expect(lines).to.deep.equal(lined.flat(2));
          expect(torn).to.equal(null);
          expect(next).to.equal(lines.length + 1);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("cut anywhere in its last group, as a crash may leave it, it ends with the group before", async () => {
    const [, kept, end] = await write(["a"], ["b", "c"], ["d", "e", "f"]);
    const bytes = await readFile(path);
    for (let cut = kept! + 1; cut < end!; cut++) {
      await writeFile(path, bytes.subarray(0, cut));
      // The group was never known to be on the disk: nobody was told of it.
      await rm(watermark);
      const { lines, torn } = await read();
      expect(lines).to.deep.equal(["a", "b", "c"]);
      expect(torn).to.deep.equal({ offset: kept, bytes: cut - kept! });
      expect((await stat(path)).size).to.equal(kept);
    }
  });

  it("with zeros or garbage where the last group was being written, it ends with the group before", async () => {
    const [kept, end] = await write(["a", "b"], ["c"]);
    const bytes = await readFile(path);
    const tails = [Buffer.alloc(end! - kept!), Buffer.from("garbage, and more of it"), Buffer.alloc(5000, 0xff)];
    for (const tail of tails) {
      await writeFile(path, Buffer.concat([bytes.subarray(0, kept), tail]));
      await rm(watermark);
      expect((await read()).lines).to.deep.equal(["a", "b"]);
    }
    // And goes on from there.
    await write(["again"]);
    expect((await read()).lines).to.deep.equal(["a", "b", "again"]);
  });

  it("a flipped bit anywhere is refused, naming file and offset", async () => {
    const ends = [FILE_HEADER_BYTES, ...(await write(["first group"], ["second", "group"], ["third"]))];
    const bytes = await readFile(path);
    for (let at = 0; at < bytes.length; at++) {
      const broken = Buffer.from(bytes);
      broken[at]! ^= 1 << (at % 8);
      await writeFile(path, broken);
      const error = await refusal();
      const offset = at < FILE_HEADER_BYTES ? 0 : ends.findLast((end) => end <= at)!;
      expect(error.code, `byte ${at}`).to.equal("JOURNAL_DAMAGED");
      expect(error.context, `byte ${at}`).to.deep.equal({ path, offset });
      expect(error.message).to.contain(`${path} is damaged at byte ${offset}`);
    }
  });

  it("a flipped bit in the last group is refused also when a power cut set back what tells that it was on the disk", async () => {
    const line = '{"type":"payment","amount":"10"}';
    const [kept, end] = await write([line], [line, line]);
    const bytes = await readFile(path);
    for (let bit = kept! * 8; bit < end! * 8; bit++) {
      const broken = Buffer.from(bytes);
      broken[bit >> 3]! ^= 1 << (bit & 7);
      await writeFile(path, broken);
      await rm(watermark, { force: true });
      expect((await refusal()).context, `bit ${bit}`).to.deep.equal({ path, offset: kept });
      expect(await readFile(path)).to.deep.equal(broken);
    }
  });

  it("a last group that lacks a whole sector, which reads as zeros, is torn; one that lacks less was changed", async () => {
    const SECTOR = 512;
    const line = JSON.stringify({ filler: "x".repeat(600) });
    // The header of the last group reaches over the end of a sector.
    const padding = "y".repeat(2 * SECTOR - FILE_HEADER_BYTES - 24 - 8 - 10);
    const [kept, end] = await write([padding], [line, line]);
    expect(kept).to.equal(2 * SECTOR - 10);
    const bytes = await readFile(path);
    const holed = async (from: number, to: number): Promise<void> => {
      await writeFile(path, Buffer.from(bytes).fill(0, from, to));
      await rm(watermark, { force: true });
    };
    const sectors = [
      [kept!, 2 * SECTOR],
      [2 * SECTOR, 3 * SECTOR],
      [3 * SECTOR, 4 * SECTOR],
      [4 * SECTOR, end!],
    ] as const;
    for (const [from] of sectors) {
      for (const [, to] of sectors.filter((sector) => sector[1] > from)) {
        await holed(from, to);
        expect((await read()).torn, `${from} to ${to}`).to.deep.equal({ offset: kept, bytes: end! - kept! });
      }
    }
    for (const [from, to] of [
      [kept!, kept! + 8],
      [kept! + 24, 3 * SECTOR],
      [3 * SECTOR, end! - 1 - SECTOR],
      [end! - 9, end!],
    ] as const) {
      await holed(from, to);
      expect((await refusal()).context["offset"], `${from} to ${to}`).to.equal(kept);
    }
  });

  it("with more behind a wrong group than that group has, it is refused: that one was on the disk", async () => {
    const [kept, end] = await write(["a"], ["b".repeat(2000)], ["d"]);
    const bytes = (await readFile(path)).fill(0, 512, 1024);
    await writeFile(path, bytes.subarray(0, end));
    await rm(watermark);
    expect((await read()).torn?.offset).to.equal(kept);
    await writeFile(path, bytes.subarray(0, end! + 5));
    await rm(watermark);
    expect((await refusal()).context["offset"]).to.equal(kept);
  });

  it("after a start, what a killed process wrote is known to be on the disk before it is answered from", async () => {
    await write(["a"], ["b"]);
    await rm(watermark);
    const probe = await open(path, "r");
    const prototype = Object.getPrototypeOf(probe) as { datasync: (this: FileHandle) => Promise<void> };
    await probe.close();
    const { datasync } = prototype;
    const done: string[] = [];
    const { ino } = await stat(path);
    prototype.datasync = async function (this: FileHandle) {
      await datasync.call(this);
      done.push((await this.stat()).ino === ino ? "sync" : "known");
    };
    try {
      const { journal } = await Journal.open(dataDir, {
        replay: ({ entries }) => void done.push(...entries.map((entry) => Buffer.from(entry).toString())),
      });
      expect(done).to.deep.equal(["a", "b", "sync", "known"]);
      // And a crash right now leaves the knowledge behind.
      expect(Number((await readFile(watermark)).readBigUInt64LE(8))).to.equal((await stat(path)).size);
      await journal.close();
    } finally {
      prototype.datasync = datasync;
    }
  });

  it("files it cannot open are one line that says what to do", async () => {
    await mkdir(watermark, { recursive: true });
    const error = await refusal();
    expect(error.code).to.equal("DATA_DIR_UNUSABLE");
    expect(error.message).to.equal(
      `cannot write to ${dataDir} (EISDIR): set DATA_DIR to a folder this user can write to`,
    );
  });

  it("takes no group and no entry of nothing, and none that is not the next", async () => {
    const { journal } = await Journal.open(dataDir, { replay: () => undefined });
    expect(() => new GroupBuffer(1).append(new Uint8Array())).to.throw(RangeError);
    for (const group of [new GroupBuffer(1), groupOf(2, ["a"])]) {
      expect(await journal.append(group).catch((caught: unknown) => caught)).to.be.instanceOf(RangeError);
    }
    await journal.append(groupOf(1, ["a"]));
    await journal.close();
    expect((await read()).lines).to.deep.equal(["a"]);
  });

  it("a file cut below its header is refused when groups are known to have been there, and left as it is", async () => {
    await write(["a"]);
    await truncate(path, 5);
    expect((await refusal()).context).to.deep.equal({ path, offset: 5 });
    expect((await stat(path)).size).to.equal(5);
  });

  it("a group missing in the middle, or at the end where it was on the disk, is refused", async () => {
    const [first, second, third] = await write(["a"], ["b"], ["c"]);
    const bytes = await readFile(path);
    await writeFile(path, Buffer.concat([bytes.subarray(0, first), bytes.subarray(second)]));
    expect((await refusal()).context["offset"]).to.equal(first);
    await writeFile(path, bytes.subarray(0, second));
    expect((await refusal()).context["offset"]).to.equal(second);
    await writeFile(path, bytes.subarray(0, third! - 1));
    expect((await refusal()).context["offset"]).to.equal(second);
    await writeFile(path, Buffer.concat([bytes.subarray(0, first), Buffer.alloc(10), bytes.subarray(first)]));
    expect((await refusal()).context["offset"]).to.equal(first);
  });

  it("damage before a whole group is refused also when nothing else tells that it was on the disk", async () => {
    const [first] = await write(["a"], ["b"], ["c"]);
    const bytes = await readFile(path);
    bytes[first! + 3]! ^= 1;
    await writeFile(path, bytes);
    await rm(watermark);
    expect((await refusal()).context["offset"]).to.equal(first);
  });

  it("another version is refused with what to do, another kind of file as damaged", async () => {
    await write(["a"]);
    const bytes = await readFile(path);
    const { crc32 } = await import("node:zlib");
    bytes.writeUInt32LE(3, 8);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, FILE_HEADER_BYTES - 4)), FILE_HEADER_BYTES - 4);
    await writeFile(path, bytes);
    const error = await refusal();
    expect(error.code).to.equal("JOURNAL_VERSION");
    expect(error.message).to.contain("run the operator that wrote it");
    await writeFile(path, "a text of somebody's, long enough\n".repeat(3));
    expect((await refusal()).code).to.equal("JOURNAL_DAMAGED");
  });

  it("a write that fails leaves nothing behind, and can be tried again", async () => {
    const { journal } = await Journal.open(dataDir, { replay: () => undefined });
    await journal.append(groupOf(1, ["a"]));
    const { size } = await stat(path);
    const file = (journal as unknown as { file: { write: unknown; datasync: () => Promise<void> } }).file;
    const { write: real } = file;
    let bytesLeft = 7;
    file.write = async (buffer: Buffer, offset: number, length: number, position: number) => {
      if (bytesLeft === 0) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
      const part = Math.min(length, bytesLeft);
      bytesLeft -= part;
      return await (real as (...args: unknown[]) => Promise<unknown>).call(file, buffer, offset, part, position);
    };
    const again = groupOf(2, ["b", "c"]);
    const error = await journal.append(again).catch((caught: unknown) => caught);
    expect((error as { code: string }).code).to.equal("ENOSPC");
    expect((await stat(path)).size).to.equal(size);
    file.write = real;
    await journal.append(again);
    await journal.close();
    expect((await read()).lines).to.deep.equal(["a", "b", "c"]);
  });

  it("INV-11: what a process was told is on the disk is there after kill -9, whenever it comes", async function () {
    this.timeout(60_000);
    const script = `
      import { Journal } from ${JSON.stringify(new URL("../../operator/journal/journal.ts", import.meta.url).href)};
      import { GroupBuffer } from ${JSON.stringify(new URL("../../operator/journal/groups.ts", import.meta.url).href)};
      const { journal } = await Journal.open(${JSON.stringify(dataDir)}, { replay: () => undefined, segmentBytesMax: 20_000 });
      for (;;) {
        const first = journal.nextPosition;
        const group = new GroupBuffer(first);
        for (let i = 0; i < 1 + (first % 7); i++) {
          group.append(Buffer.from(JSON.stringify({ position: first + i, filler: "x".repeat(300) })));
        }
        await journal.append(group);
        process.stdout.write((journal.nextPosition - 1) + "\\n");
      }`;
    let known = 0;
    for (let round = 0; round < 8; round++) {
      const child = spawn(process.execPath, ["--no-warnings", "--input-type=module", "-e", script], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let told = "";
      child.stdout.on("data", (chunk: Buffer) => (told += chunk.toString()));
      await once(child.stdout, "data");
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
      child.kill("SIGKILL");
      await once(child, "close");
      known = Number(told.slice(0, told.lastIndexOf("\n")).split("\n").at(-1));
      const { lines } = await read();
      expect(lines.length).to.be.at.least(known);
      for (const [index, line] of lines.entries()) expect(JSON.parse(line).position).to.equal(index + 1);
    }
    expect(known).to.be.above(8);
  });

  it("an empty file, as a crash at the very start leaves it, is begun anew", async () => {
    await mkdir(join(dataDir, "journal"));
    await writeFile(path, "");
    expect((await read()).lines).to.deep.equal([]);
    await rm(watermark);
    await truncate(path, 5);
    expect((await read()).lines).to.deep.equal([]);
  });

  it("a journal of version 1 is not touched", async () => {
    await writeFile(join(dataDir, "journal.log"), "PLASMAJ\n and more");
    const error = await refusal();
    expect([error.code, error.message]).to.deep.equal([
      "JOURNAL_VERSION",
      `${join(dataDir, "journal.log")} has version 1, this operator knows 2: run the operator that wrote it`,
    ]);
  });
});
