import { setTimeout } from "node:timers/promises";
import { ETHER } from "@plasma-billing/protocol/transaction.ts";
import { LyingOperatorError, OperatorError, WalletError } from "@plasma-billing/sdk";
import { eventually } from "../helpers/operatorProcess.ts";
import { addressOf, HONEST, type Name } from "./accounts.ts";
import type { Finding } from "./processes.ts";
import { Stage } from "./stage.ts";

/** What the honest run came to. */
export interface Honest {
  notes: string[];
  falseFindings: string[];
  failed: boolean;
}

/** More than a restart takes, so that only a real standstill counts as one. */
const STALLED_SECONDS = 12;
const FINALITY = 6;
const PAUSE_MS = 60;
const CAUGHT_UP_MS = 60_000;
/** Deep enough to take a commit away, and never as deep as what counts as final. */
const REORG_DEPTH = 2;

/** Events that an honest chain lives through, in turn; an hour is committed between any two. */
const TURNS = [
  "commitUndone",
  "watcherKilled",
  "honestExit",
  "operatorKilled",
  "exitUndone",
  "watcherKilledInHour",
  "rollback",
] as const;

/** Everybody is honest, and the machines are not reliable: no finding may come of it. */
export async function playHonest(seconds: number): Promise<Honest> {
  const stage = await Stage.open({ villain: false, watchers: 1, finality: FINALITY, stalledSeconds: STALLED_SECONDS });
  const run = new HonestRun(stage);
  try {
    await run.play(seconds);
    return { notes: run.notes(seconds), falseFindings: run.falseFindings(), failed: false };
  } catch (error) {
    const said = stage.watcher.output().split("\n").slice(-40).join("\n");
    return {
      notes: [
        ...run.notes(seconds),
        `the honest run failed: ${String(error instanceof Error ? error.stack : error)}\n${said}`,
      ],
      falseFindings: run.falseFindings(),
      failed: true,
    };
  } finally {
    await stage.close();
  }
}

class HonestRun {
  private readonly stage: Stage;
  private readonly down: { from: number; to: number }[] = [];
  private readonly findings = new Map<string, Finding>();
  private ended = false;
  private payments = 0;
  private hours = 0;
  private readonly turns = new Map<string, number>();
  private residentMax = 0;

  constructor(stage: Stage) {
    this.stage = stage;
  }

  async play(seconds: number): Promise<void> {
    const { stage } = this;
    await stage.fund();
    const end = Date.now() + seconds * 1000;
    const traffic = HONEST.map(async (name, i) => await this.pays(name, i));
    const looking = this.looks();
    try {
      for (let turn = 0; Date.now() < end; turn++) {
        await setTimeout(10 * PAUSE_MS);
        await this.commitHour();
        const what = TURNS[turn % TURNS.length]!;
        await this.turn(what);
        this.turns.set(what, (this.turns.get(what) ?? 0) + 1);
      }
    } finally {
      this.ended = true;
      await Promise.all([...traffic, looking]);
    }
    await this.commitHour();
    const committed = await stage.rootChain.events(["BlockCommitted"]);
    await eventually("the watcher has verified every block", CAUGHT_UP_MS, async () => {
      return (await stage.watcher.status()).height === committed.length;
    });
    const { safe, reasons } = await stage.watcher.status();
    if (!safe) throw new Error(`an honest chain is not safe: ${reasons.join("; ")}`);
    for (const finding of await stage.watcher.findings()) this.findings.set(finding.id, finding);
  }

  notes(seconds: number): string[] {
    const turns = [...this.turns].map(([name, count]) => `${name} ${count}`).join(", ");
    return [
      `honest run of ${seconds} s: ${this.payments} payments, ${this.hours} hours, ${turns}; ` +
        `the watcher's memory at most ${Math.round(this.residentMax / 2 ** 20)} MiB`,
    ];
  }

  /** All but a standstill that there was. */
  falseFindings(): string[] {
    const isTrue = ({ name, firstSeenAt }: Finding): boolean =>
      name === "operatorStalled" &&
      this.down.some(({ from, to }) => to - from >= 1000 * STALLED_SECONDS && firstSeenAt >= from && firstSeenAt <= to);
    return [...this.findings.values()]
      .filter((finding) => !isTrue(finding))
      .map(({ name, subject, text }) => `${name} ${subject}: ${text}`);
  }

  private async turn(what: (typeof TURNS)[number]): Promise<void> {
    const { stage } = this;
    switch (what) {
      case "commitUndone":
        // The hour just committed goes, and the operator sends it again.
        await stage.node.rpc("anvil_reorg", [REORG_DEPTH, []]);
        return;
      case "rollback":
        await stage.node.rpc("anvil_rollback", [1]);
        return;
      case "watcherKilled":
        await stage.watcher.kill();
        await stage.watcher.restart();
        return;
      case "watcherKilledInHour":
        await stage.watcher.kill();
        await this.commitHour();
        await stage.watcher.restart();
        return;
      case "operatorKilled": {
        const from = Date.now();
        await stage.killOperator();
        await stage.restartOperator();
        this.down.push({ from, to: Date.now() });
        return;
      }
      case "honestExit":
        return await this.exits(HONEST[(this.turns.get("honestExit") ?? 0) % HONEST.length]!);
      case "exitUndone":
        await this.exits(HONEST[(this.turns.get("exitUndone") ?? 0) % HONEST.length]!);
        await stage.node.rpc("anvil_reorg", [REORG_DEPTH, []]);
    }
  }

  /** Takes out a little of what it has not spent. */
  private async exits(name: Name): Promise<void> {
    const wallet = await this.stage.wallet(name);
    // Ethereum may have undone a commit just now.
    await eventually("the wallet knows what it has", 30_000, async () => {
      await wallet.sync();
      return true;
    });
    const [smallest] = wallet.book
      .free(ETHER)
      .filter((output) => wallet.book.isCommitted(output))
      .sort((a, b) => (a.amount < b.amount ? -1 : 1));
    if (smallest === undefined) return;
    await wallet.withdraw({ token: ETHER, amount: smallest.amount }).catch((error: unknown) => {
      // Spent meanwhile by the wallet's own traffic.
      if (!(error instanceof WalletError)) throw error;
    });
  }

  private async commitHour(): Promise<void> {
    await this.stage.commitHour();
    this.hours++;
  }

  /** Small payments to the others, as long as the run lasts. */
  private async pays(name: Name, i: number): Promise<void> {
    const wallet = await this.stage.wallet(name);
    for (let n = 0; !this.ended; n++) {
      const to = HONEST[(i + 1 + (n % (HONEST.length - 1))) % HONEST.length]!;
      try {
        await wallet.transfer({ to: addressOf(to), token: ETHER, amount: BigInt(1 + (n % 3)) });
        this.payments++;
        if (n % 8 === 7) await wallet.sync();
      } catch (error) {
        // A machine is down, what it would pay with is on its way, or Ethereum undid a commit that the operator still shows: later.
        const passes = [OperatorError, WalletError, LyingOperatorError].some((kind) => error instanceof kind);
        if (!passes) throw error;
        await setTimeout(PAUSE_MS);
        await wallet.sync().catch(() => undefined);
      }
      await setTimeout(PAUSE_MS);
    }
  }

  /** Findings that come and go are findings too. */
  private async looks(): Promise<void> {
    while (!this.ended) {
      const found = await this.stage.watcher.findings().catch(() => []);
      for (const finding of found) this.findings.set(finding.id, finding);
      this.residentMax = Math.max(this.residentMax, await this.stage.watcher.resident());
      await setTimeout(5 * PAUSE_MS);
    }
  }
}
