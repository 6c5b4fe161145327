import { expect } from "chai";
import { countTests } from "../../scripts/testSummary.ts";

const SOLIDITY = ["Running Solidity tests", "", "  test/contracts/A.t.sol:ATest", "    ✔ test_ok()", ""];
const MOCHA = ["Running Mocha tests", "", "  one", "    ✔ passes", ""];

function run(lines: string[], exitCode: number): ReturnType<typeof countTests> {
  return countTests(lines.join("\n"), exitCode);
}

describe("the counts of npm test", () => {
  it("add Hardhat's Solidity tests and Mocha's own numbers, coloured or not", () => {
    const lines = [
      ...SOLIDITY,
      ...MOCHA,
      "\u001b[92m \u001b[0m\u001b[32m 5 passing\u001b[0m\u001b[90m (2s)\u001b[0m",
      "",
      "\u001b[32m25 passing\u001b[39m (20 solidity, 5 mocha)",
    ];
    expect(run(lines, 0)).to.deep.equal({ passed: 25, failed: 0, skipped: 0, complaint: null });
  });

  it("take from Mocha what Hardhat counts as passed: skipped tests and those a failed hook kept from running", () => {
    const lines = [
      ...SOLIDITY,
      ...MOCHA,
      "  1 passing (4ms)",
      "  1 pending",
      "  2 failing",
      "",
      "6 passing (2 solidity, 4 mocha)",
      "3 failing (1 solidity, 2 mocha)",
      "2 skipped (2 solidity)",
    ];
    expect(run(lines, 1)).to.deep.equal({ passed: 3, failed: 3, skipped: 3, complaint: null });
  });

  it("are not misled by what a test prints", () => {
    const lines = [...MOCHA, "  7 passing (1s)", "  9 failing", "  5 passing (2s)", "", "5 passing (5 mocha)"];
    expect(run(lines, 0)).to.deep.equal({ passed: 5, failed: 0, skipped: 0, complaint: null });
  });

  it("hold for Solidity alone and for Mocha alone", () => {
    expect(run([...SOLIDITY, "3 passing (3 solidity)"], 0)).to.include({ passed: 3, failed: 0 });
    expect(run([...MOCHA, "  4 passing (1s)", "", "4 passing (4 mocha)"], 0)).to.include({ passed: 4, failed: 0 });
  });

  it("never show a crash as no failure", () => {
    const crashes: [string[], number][] = [
      [[], 1],
      [["Compilation failed"], 1],
      [[...SOLIDITY, ...MOCHA], 1],
      [[...SOLIDITY, ...MOCHA], 0],
      [[...MOCHA, "  5 passing (2s)", "", "5 passing (5 mocha)"], 134],
      [[...MOCHA, "  0 passing (0ms)", ""], 0],
      [[...SOLIDITY, ...MOCHA, "20 passing (20 solidity)"], 0],
    ];
    for (const [lines, exitCode] of crashes) {
      const counts = run(lines, exitCode);
      expect(counts.failed, lines.join("|")).to.equal(1);
      expect(counts.complaint).to.be.a("string");
    }
  });

  it("tell how far a run came that ended in the middle", () => {
    const lines = [...SOLIDITY, ...MOCHA, "    1) fails", "    ✔ passes too", "", "Unhandled promise rejection:"];
    expect(run(lines, 1)).to.include({ passed: 3, failed: 2 });
  });
});
