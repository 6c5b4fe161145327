import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { expect } from "chai";
import { StartupError } from "../../ethereum/process/startup.ts";
import { openNewestSnapshot, removeOldSnapshots, SnapshotWriter } from "@plasma-billing/ethereum/snapshots/file.ts";
import { SnapshotThread } from "@plasma-billing/ethereum/snapshots/thread.ts";

describe("snapshot files", () => {
  let dataDir: string;
  beforeEach(async () => (dataDir = await mkdtemp(join(tmpdir(), "plasma-snapshots-"))));
  afterEach(async () => await rm(dataDir, { recursive: true, force: true }));

  const names = async (): Promise<string[]> => (await readdir(join(dataDir, "snapshots"))).sort();
  const write = async (position: number, ...sections: string[]): Promise<void> => {
    const writer = await SnapshotWriter.create(dataDir, position);
    for (const [i, text] of sections.entries()) await writer.section(i + 1, Buffer.from(text));
    await writer.finish();
  };
  const read = (): { position: number; sections: [number, string][] } | null => {
    const file = openNewestSnapshot(dataDir);
    if (file === null) return null;
    const sections = Array.from(file.sections(), ({ kind, bytes }): [number, string] => [
      kind,
      Buffer.from(bytes).toString(),
    ]);
    return { position: file.position, sections };
  };
  const refusal = (): StartupError => {
    try {
      read();
    } catch (error) {
      expect(error).to.be.instanceOf(StartupError);
      return error as StartupError;
    }
    throw new Error("it was taken");
  };

  it("the newest is read, what a crash left half written is removed, old ones go", async () => {
    expect(read()).to.equal(null);
    await write(5, "five");
    await write(1_000_000_000_000, "head", "", "pages");
    await writeFile(join(dataDir, "snapshots", "9999999999999999.snapshot.part"), "half");
    expect(read()).to.deep.equal({
      position: 1_000_000_000_000,
      sections: [
        [1, "head"],
        [2, ""],
        [3, "pages"],
      ],
    });
    expect(await names()).to.deep.equal(["0000000000000005.snapshot", "0001000000000000.snapshot"]);
    await write(7, "seven");
    removeOldSnapshots(dataDir, 2);
    expect(await names()).to.deep.equal(["0000000000000007.snapshot", "0001000000000000.snapshot"]);
  });

  it("a flipped bit anywhere is refused, naming file and offset, and what to do; so is one cut or grown", async () => {
    await write(9, "the head of it", "a page", "another page");
    const path = join(dataDir, "snapshots", (await names())[0]!);
    const bytes = await readFile(path);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const broken = Buffer.from(bytes);
      broken[bit >> 3]! ^= 1 << (bit & 7);
      await writeFile(path, broken);
      const error = refusal();
      expect(error.code, `bit ${bit}`).to.equal("SNAPSHOT_DAMAGED");
      expect(error.context["path"]).to.equal(path);
      expect(error.context["offset"]).to.be.at.most(bit >> 3);
      expect(error.message).to.include(
        `damaged at byte ${String(error.context["offset"])}: remove it to start from an older`,
      );
    }
    for (let length = 0; length < bytes.length; length++) {
      await writeFile(path, bytes.subarray(0, length));
      expect(refusal().code, `${length} bytes`).to.equal("SNAPSHOT_DAMAGED");
    }
    await writeFile(path, Buffer.concat([bytes, Buffer.of(0)]));
    expect(refusal().code).to.equal("SNAPSHOT_DAMAGED");
    // Sections in another order: each is sound, the whole is not.
    const [head, page, second] = [24, 24 + 20 + 14, 24 + 20 + 14 + 20 + 6];
    const end = second + 20 + 12;
    const swapped = [bytes.subarray(0, head), bytes.subarray(page, second), bytes.subarray(head, page)];
    await writeFile(path, Buffer.concat([...swapped, bytes.subarray(second)]));
    expect(refusal().context["offset"]).to.equal(end);
  });

  it("of a newer version is not touched, one under another's name is refused", async () => {
    await write(9, "head");
    const path = join(dataDir, "snapshots", (await names())[0]!);
    const bytes = await readFile(path);
    const newer = Buffer.from(bytes);
    newer.writeUInt32LE(2, 8);
    newer.writeUInt32LE(crc32(newer.subarray(0, 20)), 20);
    await writeFile(path, newer);
    expect(refusal().code).to.equal("SNAPSHOT_VERSION");
    expect(await readFile(path)).to.deep.equal(newer);
    await rm(path);
    await writeFile(join(dataDir, "snapshots", "0000000000000010.snapshot"), bytes);
    expect(refusal().context["offset"]).to.equal(12);
  });

  it("a thread writes them: in order, once, and nothing is left of one that was given up or failed", async () => {
    const thread = new SnapshotThread(dataDir);
    thread.begin(3);
    thread.section(1, new Uint8Array(Buffer.from("head")));
    const page = new Uint8Array(1_000_000).fill(5);
    thread.section(2, page);
    expect(page.length).to.equal(0);
    expect(thread.bytesInFlight).to.be.above(1_000_000);
    await thread.finish();
    expect(thread.bytesInFlight).to.equal(0);
    expect(openNewestSnapshot(dataDir)?.position).to.equal(3);
    thread.begin(4);
    thread.section(1, new Uint8Array(10));
    thread.abort();
    thread.begin(5);
    thread.section(1, new Uint8Array(10));
    await thread.finish();
    expect(await names()).to.deep.equal(["0000000000000003.snapshot", "0000000000000005.snapshot"]);
    // Nothing can be written where a folder stands.
    await mkdir(join(dataDir, "snapshots", "0000000000000006.snapshot.part"));
    thread.begin(6);
    thread.section(1, new Uint8Array(10));
    const error = await thread.finish().catch((caught: unknown) => caught);
    expect((error as { code: string }).code).to.equal("EISDIR");
    thread.begin(7);
    thread.section(1, new Uint8Array(10));
    await thread.finish();
    await thread.close();
    expect(await names()).to.include("0000000000000007.snapshot");
  });
});
