/** What a run of `hardhat test` came to. */
export interface TestCounts {
  passed: number;
  failed: number;
  skipped: number;
  /** Why the run counts as failed beyond its failed tests, or null. */
  complaint: string | null;
}

// Hardhat's last lines: "25 passing (20 solidity, 5 mocha)".
const HARDHAT_LINE = /^(\d+) (passing|failing|skipped|todo) \((.+)\)$/;
// Mocha's own: "  5 passing (2s)", "  1 pending", "  2 failing".
const MOCHA_LINE = /^ {2}(\d+) (passing|pending|failing)(?: \(.+\))?$/;
// What stands before the summaries, and is counted only where these are missing.
const PASSED_LINE = /^ +✔ /;
const FAILED_LINE = /^ +\d+\) /;
// A terminal's colours.
const COLOURS = /\u001b\[[0-9;]*m/g;

/**
 * Counts from what `hardhat test` printed and how it ended. Mocha's are taken from Mocha's summary: Hardhat's counts
 * skipped tests, and those a failed hook kept from running, as passed. A run that ended badly never has no failure.
 */
export function countTests(output: string, exitCode: number): TestCounts {
  const lines = output.replace(COLOURS, "").split(/\r?\n/);
  const hardhat = { passing: 0, failing: 0, skipped: 0, todo: 0 };
  const mocha = { passing: 0, failing: 0, pending: 0 };
  let summarised = false;
  let mochaRan = false;
  let mochaSummarised = false;
  for (const line of lines) {
    if (line === "Running Mocha tests") mochaRan = true;
    const [, mochaCount, mochaWord] = MOCHA_LINE.exec(line) ?? [];
    if (mochaRan && mochaWord !== undefined) {
      // The summary begins with what passed; anything like it before was printed by a test.
      if (mochaWord === "passing") Object.assign(mocha, { failing: 0, pending: 0 });
      mocha[mochaWord as keyof typeof mocha] = Number(mochaCount);
      mochaSummarised = true;
    }
    const [, , word, runners] = HARDHAT_LINE.exec(line) ?? [];
    if (word === undefined || runners === undefined) continue;
    summarised = true;
    const solidity = /(\d+) solidity\b/.exec(runners);
    hardhat[word as keyof typeof hardhat] = Number(solidity?.[1] ?? 0);
  }
  const whole = summarised && mochaRan === mochaSummarised;
  const counts = whole
    ? {
        passed: hardhat.passing + mocha.passing,
        failed: hardhat.failing + mocha.failing,
        skipped: hardhat.skipped + hardhat.todo + mocha.pending,
      }
    : {
        passed: lines.filter((line) => PASSED_LINE.test(line)).length,
        failed: lines.filter((line) => FAILED_LINE.test(line)).length,
        skipped: 0,
      };
  const complaint = complain(counts, { summarised: whole, exitCode });
  return { ...counts, failed: complaint === null ? counts.failed : counts.failed + 1, complaint };
}

function complain(
  counts: { passed: number; failed: number },
  run: { summarised: boolean; exitCode: number },
): string | null {
  if (!run.summarised) return `the run ended with exit code ${run.exitCode} before its summary`;
  if (counts.passed + counts.failed === 0) return "no test ran";
  if (run.exitCode !== 0 && counts.failed === 0) return `the run ended with exit code ${run.exitCode}`;
  return null;
}
