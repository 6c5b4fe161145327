import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { pino } from "pino";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import type { VerifiedPayment } from "@plasma-billing/protocol/payment.ts";
import {
  ZERO_HASH,
  depositHash,
  outputId,
  transactionHash,
  type OutputId,
} from "@plasma-billing/protocol/transaction.ts";
import { systemClock as clock } from "../../operator/clock.ts";
import { Journal } from "../../operator/journal/journal.ts";
import { Sequencer } from "../../operator/sequencer.ts";
import { DOMAIN, addressOf } from "../helpers/protocol.ts";

const ALICE = addressOf(1);
const TERMS = { id: 1n, owner: ALICE, token: addressOf(0), amount: 10n };
/** Small, so that blocks are sealed on the way. */
const BLOCK_MAX = 25;
const log = pino({ level: "silent" });

interface Operator {
  ledger: Ledger;
  sequencer: Sequencer;
}

async function openOperator(dataDir: string): Promise<Operator> {
  const ledger = new Ledger(DOMAIN, BLOCK_MAX);
  const options = { ledger, clock, log, onDurable: () => undefined };
  const sequencer = await Sequencer.open(options, async (replay) => (await Journal.open(dataDir, replay)).journal);
  return { ledger, sequencer };
}

/** Credits one deposit, unless it is credited; gives its output. */
async function credit({ ledger, sequencer }: Operator): Promise<OutputId> {
  const place = { nextBlockNumber: 1, ethereumBlock: 1, ethereumTransaction: ZERO_HASH };
  if (ledger.creditedDeposits === 0n) await sequencer.record([{ type: "deposit", ...TERMS, ...place }]);
  return outputId(depositHash(ledger.separator, TERMS), 0);
}

function payment(ledger: Ledger, input: OutputId): VerifiedPayment {
  const outputs = [{ owner: ALICE, token: TERMS.token, amount: TERMS.amount }];
  const signatures = [`0x${"11".repeat(65)}` as const];
  const transaction = { purpose: "transfer" as const, inputs: [input], outputs, fileHash: ZERO_HASH, signatures };
  return { transaction, hash: transactionHash(ledger.separator, transaction), signers: [ALICE] };
}

/**
 * What the process to be killed does: a chain of payments from where the ledger stands, several at once, telling each answer
 * as soon as it has it.
 */
export async function payUntilKilled(dataDir: string): Promise<void> {
  const operator = await openOperator(dataDir);
  const { ledger, sequencer } = operator;
  let input = await credit(operator);
  for (let one = payment(ledger, input); ledger.position(one.hash) !== undefined; one = payment(ledger, input)) {
    input = outputId(one.hash, 0);
  }
  for (let width = 1; ; width = (width % 9) + 1) {
    const answers = Array.from({ length: width }, async () => {
      const one = payment(ledger, input);
      input = outputId(one.hash, 0);
      const answer = await sequencer.submit(one);
      if (answer.kind !== "accepted") throw new Error(answer.kind);
      process.stdout.write(`${JSON.stringify({ hash: answer.hash, position: answer.position })}\n`);
    });
    await Promise.all(answers);
  }
}

describe("the sequencer on a real disk", () => {
  let dataDir: string;
  beforeEach(async () => (dataDir = await mkdtemp(join(tmpdir(), "plasma-crash-"))));
  afterEach(async () => await rm(dataDir, { recursive: true, force: true }));

  it("INV-11: killed with -9 at any moment, every payment it acknowledged is there, at the position it was told", async function () {
    this.timeout(60_000);
    const told: { hash: VerifiedPayment["hash"]; position: object }[] = [];
    const script = `
      globalThis.describe = () => undefined;
      const { payUntilKilled } = await import(${JSON.stringify(import.meta.url)});
      await payUntilKilled(${JSON.stringify(dataDir)});`;
    for (let round = 0; round < 6; round++) {
      const child = spawn(process.execPath, ["--no-warnings", "--input-type=module", "-e", script], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let output = "";
      child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
      await once(child.stdout, "data");
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 80));
      child.kill("SIGKILL");
      await once(child, "close");
      const lines = output.slice(0, output.lastIndexOf("\n")).split("\n");
      told.push(...lines.map((line) => JSON.parse(line) as (typeof told)[number]));

      const { ledger, sequencer } = await openOperator(dataDir);
      for (const { hash, position } of told) expect(ledger.position(hash), hash).to.deep.equal(position);
      ledger.checkSums();
      await sequencer.close();
    }
    expect(told.length).to.be.above(BLOCK_MAX);
  });

  it("INV-11: cut at any byte of the last group, it stands where the group before left it, and goes on", async () => {
    const operator = await openOperator(dataDir);
    const { ledger, sequencer } = operator;
    const first = payment(ledger, await credit(operator));
    const answer = await sequencer.submit(first);
    const path = join(dataDir, "journal.log");
    const kept = (await stat(path)).size;
    const before = ledger.stateHash();
    const second = payment(ledger, outputId(first.hash, 0));
    await sequencer.submit(second);
    const after = ledger.stateHash();
    await sequencer.close();
    const bytes = await readFile(path);
    expect(bytes.length).to.be.above(kept);
    for (let cut = kept; cut <= bytes.length; cut += cut < bytes.length - 40 && cut > kept + 40 ? 7 : 1) {
      await writeFile(path, bytes.subarray(0, cut));
      // Nobody had been told of the group that was being written.
      await rm(join(dataDir, "journal.durable"));
      const again = await openOperator(dataDir);
      expect(again.ledger.stateHash(), `cut at ${cut}`).to.equal(cut === bytes.length ? after : before);
      expect(await again.sequencer.submit(first)).to.deep.equal({ ...answer, repeated: true });
      if (cut === kept) {
        expect((await again.sequencer.submit(second)).kind).to.equal("accepted");
        expect(again.ledger.stateHash()).to.equal(after);
      }
      await again.sequencer.close();
    }
  });
});
