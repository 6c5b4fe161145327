// Gas of the root chain's operations on a real node: `npm run bench -- gas [--json]`.
import { startAnvil } from "../test/helpers/nodes.ts";
import { measureInFlightExits } from "./gas/inFlightExits.ts";
import { Stage } from "./gas/stage.ts";
import { measureStandardExits } from "./gas/standardExits.ts";
import { report } from "./report.ts";

/** Goals of docs/ARCHITECTURE.md, and receipts of OMG's plasma-contracts v2 measured on such a node with the same work. */
const GOALS: Record<string, [goal: number, omg: number]> = {
  commitBlock: [53_000, 79_178],
  depositEther: [59_000, 166_330],
  depositErc20: [84_500, 192_284],
  startDepositExit: [56_000, 388_011],
  startStandardExit: [98_500, 413_111],
  challengeStandardExit: [59_000, 293_030],
  processExitEther: [42_000, 122_650],
  processExitErc20: [67_500, 138_926],
  startInFlightExit1x2: [102_000, 750_415],
  startInFlightExit2x2: [138_000, 1_091_283],
  startInFlightExit4x4: [217_000, 2_119_164],
  piggybackFirst: [76_000, 387_284],
  piggybackLater: [43_500, 287_043],
  nonCanonicalIncluded: [90_000, 445_385],
  nonCanonicalNotIncluded: [71_000, 417_486],
  respondCanonical: [49_000, 97_927],
  inputSpent: [58_500, 426_453],
  outputSpent: [82_500, 461_475],
  processInFlightExit: [186_000, 612_331],
  deploy: [5_000_000, 42_179_428],
};

const node = await startAnvil();
try {
  // A contract each: no queue was ever longer than what is measured on it.
  const standard = await Stage.open(node);
  await measureStandardExits(standard);
  const inFlight = await Stage.open(node);
  await measureInFlightExits(inFlight);
  const results = Object.entries(GOALS).map(([id, [goal, peer]]) => {
    const gas = [standard, inFlight].flatMap((stage) => stage.used.get(id) ?? []);
    const mean = Math.round(gas.reduce((sum, one) => sum + one) / gas.length);
    return { id, value: mean, unit: "gas", goal, peer };
  });
  report("gas", results, "peer: OMG's plasma-contracts v2. Receipts' gasUsed; trees of 2^16, 75 exits queued.");
} finally {
  await node.stop();
}
