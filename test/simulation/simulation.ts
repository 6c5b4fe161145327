import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { lineOf, simulate } from "./run.ts";
import { SABOTAGES } from "./sabotage.ts";

const SEEDS = [1, 2, 3, 4, 9];
const HOURS = 48;
const SIMULATE = fileURLToPath(new URL("../simulate.ts", import.meta.url));

/** Runs the simulation in a process of its own, since a sabotage changes the modules it loads. */
async function sabotaged(name: string, seed: number): Promise<{ code: number | null; output: string }> {
  const args = ["--no-warnings", SIMULATE, "--break", name, "--seed", String(seed), "--hours", String(HOURS)];
  // Seeds from there on: what is random moves with every change of the simulation.
  args.push("--minutes", "1.5");
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, output };
}

describe("settlement, simulated (fault 17)", function () {
  this.timeout(120_000);

  for (const seed of [...SEEDS, 1 + Math.floor(Math.random() * 1e9)]) {
    it(`INV-11, INV-12, one live nonce, no lost deposit, progress: ${HOURS} hours from seed ${seed}`, async () => {
      const run = await simulate(seed, HOURS);
      expect(run.violation, lineOf(run)).to.equal(null);
      expect(run.figures.faults).to.be.above(0);
    });
  }

  it("the same seed plays the same hours, event by event", async () => {
    const [one, two] = [await simulate(5, 24), await simulate(5, 24)];
    expect(one.trace).to.equal(two.trace);
    expect(one.tail).to.deep.equal(two.tail);
    expect((await simulate(6, 24)).trace).to.not.equal(one.trace);
  });

  for (const [name, { principle, what, seed }] of Object.entries(SABOTAGES)) {
    it(`principle ${principle} broken is found: ${what}`, async () => {
      const { code, output } = await sabotaged(name, seed);
      expect(output).to.contain("BROKEN");
      expect(code).to.equal(1);
    });
  }
});
