import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { expect } from "chai";
import { BlockFile } from "../../watcher/chain/blockFile.ts";
import { History } from "../../watcher/chain/history.ts";

describe("the thread that reads stored blocks", function () {
  this.timeout(30_000);
  let folder: string;
  let history: History;
  let prefix: string;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "plasma-history-"));
    prefix = join(folder, "1");
    const file = await BlockFile.open(prefix);
    await file.append(Buffer.from([0, 3, 1, 2, 3]), Buffer.alloc(32, 7));
    await file.close();
    history = new History();
  });
  afterEach(async () => {
    await history.close();
    rmSync(folder, { recursive: true });
  });
  const proof = async (): Promise<string> => (await history.proof(prefix, 1, 0)).root;
  /** As when it has no memory left. */
  const end = async (): Promise<void> => {
    await (history as unknown as { worker: Worker }).worker.terminate();
  };
  const failure = async (question: Promise<unknown>): Promise<string> =>
    await question.then(
      () => "none",
      (error: unknown) => String(error),
    );

  it("that ends is begun again at the next question, however often, as long as it answers in between", async () => {
    const root = await proof();
    for (let i = 0; i < 5; i++) {
      await end();
      expect(await proof()).to.equal(root);
    }
  });

  it("whose every question ends it is given up for a while, and each question is told why", async () => {
    for (let i = 0; i < 3; i++) {
      const asked = failure(proof());
      await end();
      // It was ended with the question, or before it.
      expect(await asked).to.contain("has ended");
    }
    expect(await failure(proof())).to.contain("has ended");
    expect((history as unknown as { worker: Worker | null }).worker).to.equal(null);
  });
});
