import { expect } from "chai";
import { pino } from "pino";
import { EthereumError } from "@plasma-billing/ethereum/errors.ts";
import type { Clock } from "../../ethereum/process/clock.ts";
import { EthereumLoop, type EthereumLoopOptions } from "../../operator/ethereumLoop.ts";

const HOUR_MS = 3_600_000;
/** A sixteenth of it is ten and a half hours. */
const EXIT_PERIOD = 604_800;

describe("how long the operator goes on without news from Ethereum", () => {
  /** The loop on a clock of the test's; `shown` says which block the nodes are at, null when they do not answer. */
  const loopOf = (
    shown: (hours: number) => number | null,
    blocksCome = true,
  ): { loop: EthereumLoop; run: (hours: number) => Promise<void> } => {
    let nowMs = 0;
    let untilMs = 0;
    let controller = new AbortController();
    const clock: Clock = {
      now: () => nowMs,
      sleep: async (ms) => {
        nowMs += ms;
        if (nowMs >= untilMs) controller.abort();
      },
    };
    const follower = {
      poll: async () => {
        const number = shown(nowMs / HOUR_MS);
        if (number === null) throw new EthereumError("UNREACHABLE", "nobody answers");
        return await Promise.resolve({ head: { number }, final: { number: 0 } });
      },
    };
    const nothing = async (): Promise<void> => await Promise.resolve();
    const options = {
      ...{ follower, chainSync: { take: nothing }, committer: { step: nothing }, onUpdate: () => undefined, clock },
      ...{ pollMs: 10_000, exitPeriod: EXIT_PERIOD, blocksCome, log: pino({ level: "silent" }) },
      nodes: () => [{ host: "a", head: 1, problem: nowMs > HOUR_MS ? "silent" : null }],
    } as unknown as EthereumLoopOptions;
    const loop = new EthereumLoop(options);
    const run = async (hours: number): Promise<void> => {
      untilMs = hours * HOUR_MS;
      controller = new AbortController();
      await loop.run(controller.signal);
    };
    return { loop, run };
  };
  const codes = (loop: EthereumLoop): string[] => loop.alarms.map(({ code }) => code);

  it("takes no payments before the first look, all payments after it", async () => {
    const { loop, run } = loopOf((hours) => (hours < 1 ? null : Math.round(hours * 300)));
    await run(0.5);
    expect([loop.blind, codes(loop)]).to.deep.equal([true, ["ETHEREUM_UNREAD"]]);
    expect(loop.alarms[0]!.text).to.equal("Ethereum was not read yet: nobody answers; payments are refused meanwhile");
    await run(2);
    expect([loop.blind, loop.health.healthy]).to.deep.equal([false, true]);
  });

  it("goes on for a sixteenth of the exit period while nodes are silent, and no longer", async () => {
    const { loop, run } = loopOf((hours) => (hours < 1 || hours > 12.5 ? Math.round(hours * 300) : null));
    await run(11);
    expect([loop.blind, codes(loop)[0]]).to.deep.equal([false, "ETHEREUM_UNREAD"]);
    await run(12);
    expect(loop.blind).to.equal(true);
    expect(loop.alarms[0]!.text).to.contain("payments are refused");
    await run(13);
    expect(loop.blind).to.equal(false);
  });

  it("nor when they answer and stand still; where blocks come only at need, that means nothing", async () => {
    const frozen = loopOf(() => 5);
    await frozen.run(10);
    expect([frozen.loop.blind, codes(frozen.loop)[0]]).to.deep.equal([false, "ETHEREUM_STALE"]);
    await frozen.run(11);
    expect(frozen.loop.blind).to.equal(true);
    const development = loopOf(() => 5, false);
    await development.run(11);
    expect([development.loop.blind, codes(development.loop)]).to.deep.equal([false, ["NODE_LEFT_OUT"]]);
  });
});
