import { expect } from "chai";
import { pino } from "pino";
import type { Clock } from "../../ethereum/process/clock.ts";
import { nextHourEnd, runHours, type HoursOptions } from "../../operator/hours.ts";

const HOUR_MS = 3_600_000;

describe("hours", () => {
  it("end on the clock's whole hours, the next one strictly later", () => {
    expect(nextHourEnd(0, 3600)).to.equal(HOUR_MS);
    expect(nextHourEnd(HOUR_MS - 1, 3600)).to.equal(HOUR_MS);
    expect(nextHourEnd(HOUR_MS, 3600)).to.equal(2 * HOUR_MS);
    expect(nextHourEnd(1_234, 1)).to.equal(2_000);
  });

  /** Runs hours on a clock of the test's from `start` until `end`, and tells when blocks were sealed. */
  const sealedAt = async (
    start: number,
    end: number,
    acceptedAt: number | null,
    setBack: { at: number; by: number } | null = null,
  ): Promise<number[]> => {
    let now = start;
    let due = setBack;
    const sealed: number[] = [];
    const controller = new AbortController();
    const clock: Clock = {
      now: () => now,
      sleep: async (ms) => {
        now += ms;
        if (due !== null && now >= due.at) {
          now -= due.by;
          due = null;
        }
        if (due === null && now > end) controller.abort();
      },
    };
    const seal = async (): Promise<number> => sealed.push(now);
    const openBlock = { number: 1, firstAcceptedAt: acceptedAt };
    const sequencer = { ledger: { openBlock, block: () => undefined }, seal };
    const options = {
      sequencer,
      clock,
      intervalSeconds: 3600,
      log: pino({ level: "silent" }),
      onSealed: () => undefined,
    } as unknown as HoursOptions;
    await runHours(options, controller.signal);
    return sealed;
  };

  it("seal at each end", async () => {
    expect(await sealedAt(HOUR_MS / 2, 3.5 * HOUR_MS, null)).to.deep.equal([HOUR_MS, 2 * HOUR_MS, 3 * HOUR_MS]);
  });

  it("seal at once what belongs to an hour that ended while nobody was there, and nothing else", async () => {
    const [late] = await sealedAt(2.25 * HOUR_MS, 2.9 * HOUR_MS, 1.9 * HOUR_MS);
    expect(late).to.equal(2.25 * HOUR_MS);
    expect(await sealedAt(2.25 * HOUR_MS, 2.9 * HOUR_MS, 2.1 * HOUR_MS)).to.deep.equal([]);
  });

  it("are not longer because the clock was ahead and is set right", async () => {
    const back = { at: 24.2 * HOUR_MS, by: 24 * HOUR_MS };
    expect(await sealedAt(24.1 * HOUR_MS, 1.5 * HOUR_MS, null, back)).to.deep.equal([HOUR_MS]);
  });
});
