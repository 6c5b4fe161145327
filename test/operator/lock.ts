import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { StartupError } from "../../ethereum/process/startup.ts";
import { lockFolder } from "../../ethereum/process/lock.ts";

const LOCK = JSON.stringify(new URL("../../ethereum/process/lock.ts", import.meta.url).href);

describe("the lock of the data folder", () => {
  let parent: string;
  let dataDir: string;
  const children: ChildProcess[] = [];
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), "plasma-lock-"));
    dataDir = join(parent, "deep", "data");
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    await rm(parent, { recursive: true, force: true });
  });

  const refusal = (folder: string): StartupError => {
    try {
      lockFolder(folder).release();
    } catch (error) {
      expect(error).to.be.instanceOf(StartupError);
      expect((error as StartupError).message).to.not.contain("\n");
      return error as StartupError;
    }
    throw new Error("the folder was taken");
  };
  /** Another process; resolves once it has told whether it got the folder. */
  const other = async (): Promise<{ child: ChildProcess; said: string }> => {
    const script = `
      import { lockFolder } from ${LOCK};
      try {
        lockFolder(${JSON.stringify(dataDir)});
        // A lock lives as long as its process, also where nobody keeps what was returned.
        globalThis.gc();
        process.stdout.write("held");
        setInterval(() => undefined, 1000);
      } catch (error) {
        process.stdout.write(String(error.code));
      }`;
    const child = spawn(process.execPath, ["--no-warnings", "--expose-gc", "--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(child);
    const [said] = (await once(child.stdout, "data")) as [Buffer];
    return { child, said: said.toString() };
  };

  it("makes the folder, and takes it for one holder at a time", async () => {
    const lock = lockFolder(dataDir);
    expect((await stat(dataDir)).isDirectory()).to.equal(true);
    const error = refusal(dataDir);
    expect(error.code).to.equal("DATA_DIR_IN_USE");
    expect(error.message).to.equal(`${dataDir} is in use by another process: stop that one, or set another DATA_DIR`);
    // Being refused takes nothing away from the holder.
    expect((await other()).said).to.equal("DATA_DIR_IN_USE");
    lock.release();
    lockFolder(dataDir).release();
  });

  it("is let go of by a process killed with -9, at once", async () => {
    for (let round = 0; round < 2; round++) {
      const { child, said } = await other();
      expect(said).to.equal("held");
      expect(refusal(dataDir).code).to.equal("DATA_DIR_IN_USE");
      child.kill("SIGKILL");
      await once(child, "close");
      lockFolder(dataDir).release();
    }
  });

  it("a folder that cannot be used is one line that says why and what to do", async () => {
    const file = join(parent, "file");
    await writeFile(file, "");
    expect(refusal(join(file, "data")).code).to.equal("DATA_DIR_UNUSABLE");
    expect(refusal(join(file, "data")).message).to.match(/cannot write to .* \(ENOTDIR\): set DATA_DIR to a folder/);
    await mkdir(dataDir, { recursive: true });
    await writeFile(join(dataDir, "lock.db"), "somebody's notes, long enough to be no database at all".repeat(20));
    expect(refusal(dataDir).code).to.equal("DATA_DIR_UNUSABLE");
    expect(refusal(dataDir).message).to.contain("(file is not a database)");
  });
});
