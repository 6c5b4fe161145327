import { setTimeout } from "node:timers/promises";
import { ETHER, type TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import { LyingOperatorError } from "@plasma-billing/sdk";
import { eventually } from "../helpers/operatorProcess.ts";
import { Actor } from "./actor.ts";
import { addressOf, HONEST } from "./accounts.ts";
import { playHistory } from "./history.ts";
import {
  keepersLeave,
  Ledger,
  reckon,
  sleepersAreTakenOut,
  sleepersLeave,
  workOff,
  type Reckoning,
} from "./leaving.ts";
import type { OperatorVillain } from "./operators.ts";
import type { Finding } from "./processes.ts";
import type { QuietVillain } from "./quiet.ts";
import type { Row } from "./report.ts";
import { EXIT_PERIOD_SECONDS, Stage, type StageOptions } from "./stage.ts";
import { ANSWERS, type Answers, type Theft, type Thief } from "./thieves.ts";

const FOUND_MS = 150_000;
const POLL_MS = 200;
/** What is answered late, or twice, shows within this. */
const SETTLE_MS = 6_000;
/** Findings that say of an exit that it takes what is not its owner's. */
const BLAMING = ["exitOfSpentOutput", "nonCanonicalExit", "piggybackOfSpent", "exitOfUnknown"];
/** They look once more before they leave. */
const LATE = ["bob", "carol"] as const;
const PUBLISH_SECONDS = EXIT_PERIOD_SECONDS / 8;
/** Behind the end of a period, not at it. */
const MARGIN_SECONDS = 3_600;

/** What a villain's play has measured so far: kept when it ends early. */
class Play {
  readonly stage: Stage;
  private readonly started: number;
  private readonly name: string;
  private deedMs = 0;
  private deedSeconds = 0;
  private row: Pick<Row, "found" | "after" | "notes" | "falseFindings"> = {
    found: [],
    after: null,
    notes: [],
    falseFindings: [],
  };

  constructor(name: string, stage: Stage, started: number) {
    this.started = started;
    this.name = name;
    this.stage = stage;
  }

  /** @param at - when it was done, of the wall's clock in milliseconds and of Ethereum's in seconds */
  deed(at: { ms: number; seconds: number }): void {
    this.deedMs = at.ms;
    this.deedSeconds = at.seconds;
  }

  note(...notes: string[]): void {
    this.row.notes.push(...notes);
  }

  /** Waits until each of these was found; measures how long the first took. */
  async finds(names: readonly string[], fits: (finding: Finding) => boolean = () => true): Promise<void> {
    for (const end = Date.now() + FOUND_MS; ; await setTimeout(POLL_MS)) {
      const findings = (await this.stage.watcher.findings()).filter((one) => names.includes(one.name) && fits(one));
      const [first] = findings.sort((a, b) => a.firstSeenAt - b.firstSeenAt);
      if (first !== undefined && this.row.after === null) {
        const wallSeconds = Math.max(first.firstSeenAt - this.deedMs, 0) / 1000;
        this.row.after = { wallSeconds, ethereumSeconds: Math.max((await this.stage.now()) - this.deedSeconds, 0) };
      }
      const missing = names.filter((name) => !findings.some((one) => one.name === name));
      if (missing.length === 0) return;
      if (Date.now() > end) throw new Error(`not found within ${FOUND_MS / 1000} s: ${missing.join(", ")}`);
    }
  }

  /** What was found by now, and which of it names what nobody did. @param theft - outputs and blocks that findings may be about */
  async judge(
    truths: readonly string[],
    { block, outputs = [] }: { block?: number; outputs?: string[] } = {},
  ): Promise<void> {
    const findings = (await this.stage.watcher.findings()).sort((a, b) => a.firstSeenAt - b.firstSeenAt);
    this.row.found = [...new Set(findings.map(({ name }) => name))];
    const lies = findings.filter((finding) => {
      const ofBlock = /^block (\d+)/.exec(finding.subject)?.[1];
      const wrongBlock = ofBlock !== undefined && Number(ofBlock) !== block;
      return !truths.includes(finding.name) || wrongBlock || this.blamesHonest(finding, outputs);
    });
    this.row.falseFindings = lies.map(({ name, subject, text }) => `${name} ${subject}: ${text}`);
  }

  /** Whether it is about an exit of one of the honest, who take out nothing but what is theirs. */
  private blamesHonest({ name, evidence }: Finding, outputs: string[]): boolean {
    if (!BLAMING.includes(name)) return false;
    const { outputId, owner, transactionHash } = evidence;
    if (typeof outputId === "string" && outputs.includes(outputId)) return false;
    const blamed = typeof transactionHash === "string" ? this.stage.truth.payerOf(transactionHash) : owner;
    return HONEST.map(addressOf).some((address) => address === String(blamed).toLowerCase());
  }

  end(reckoning: Reckoning | null, error: string | null): Row {
    const { ether, token } = reckoning?.owed ?? { ether: 0n, token: 0n };
    const saved = reckoning?.saved;
    const notes = [...this.row.notes, ...(reckoning?.notes ?? []), ...(reckoning?.complaints ?? [])];
    if (error !== null) notes.push(error);
    return {
      ...this.row,
      ...{ name: this.name, notes },
      saved: saved === undefined ? "not known" : `${saved.ether} of ${ether} wei, ${saved.token} of ${token} tokens`,
      survived: error === null && reckoning !== null && reckoning.complaints.length === 0,
      seconds: (Date.now() - this.started) / 1000,
    };
  }
}

async function onStage(name: string, options: StageOptions, acts: (play: Play) => Promise<Reckoning>): Promise<Row> {
  const opened = Date.now();
  let stage: Stage | null = null;
  try {
    stage = await Stage.open(options);
    const play = new Play(name, stage, opened);
    try {
      return play.end(await acts(play), null);
    } catch (error) {
      await play.judge([]).catch(() => undefined);
      const said = stage.watchers.map((watcher) => watcher.output().split("\n").slice(-40).join("\n"));
      return play.end(null, `${String(error instanceof Error ? error.stack : error)}\n${said.join("\n")}`);
    }
  } catch (error) {
    const nothing = { found: [], after: null, saved: "not known", survived: false, falseFindings: [] };
    return { name, ...nothing, notes: [String(error)], seconds: (Date.now() - opened) / 1000 };
  } finally {
    await stage?.close();
  }
}

/** An operator turns evil in its third hour. */
export async function playOperator(villain: OperatorVillain): Promise<Row> {
  return await onStage(villain.name, { villain: true, watchers: 1 }, async (play) => {
    const { stage } = play;
    const truths = [...villain.found, ...(villain.alsoTrue ?? [])];
    const firstBad = await playHistory(stage);
    if (villain.prelude === "exitOwn") await exitOwn(stage);
    const { block, lie } = villain;
    const order = {
      do: "commit",
      block,
      lie,
      otherRoot: villain.otherRoot === true,
      everywhere: villain.everywhere === true,
    } as const;
    if (villain.streams === true) {
      play.deed({ ms: Date.now(), seconds: await stage.now() });
      await stage.villain!.order({ do: "stream", block });
      await play.finds(villain.found, ({ evidence }) => villain.rules?.includes(String(evidence["rule"])) !== false);
    }
    const done = await stage.villain!.order(order);
    if (done === null || "failed" in done) throw new Error("the villain did nothing");
    if (done.number !== firstBad) throw new Error(`the villain committed ${done.number}, not ${firstBad}`);
    if (villain.streams !== true) play.deed({ ms: done.committedAtMs, seconds: done.timestamp });
    const { rules } = villain;
    await play.finds(villain.found, ({ name, evidence }) => {
      return rules === undefined || name !== "invalidBlock" || rules.includes(String(evidence["rule"]));
    });
    if (villain.unpublished === true) {
      if (done.loot.length === 0 && !(await stage.watcher.status()).safe)
        play.note("unsafe before the time to publish was over");
      await stage.passTime(PUBLISH_SECONDS + 1);
    }
    await eventually(
      "the watcher says that the chain is not safe",
      FOUND_MS,
      async () => !(await stage.watcher.status()).safe,
    );
    if (villain.publishes === true) await publishLate(stage, firstBad);
    const ledger = await Ledger.open(stage);
    if (villain.everywhere !== true) await late(stage);
    if (villain.validBlock === true) return await leaveBehind(play, done, truths, ledger);
    const [stranded] = await Promise.all([keepersLeave(stage), sleepersAreTakenOut(stage, firstBad)]);
    play.note(...stranded);
    await play.judge(truths, { block: firstBad });
    await workOff(stage);
    return await reckon(stage, ledger, firstBad);
  });
}

/** The hidden block comes when its time is over: it is as bad as before. */
async function publishLate(stage: Stage, firstBad: number): Promise<void> {
  await stage.villain!.order({ do: "publish" });
  await eventually("the watcher reads what is shown now", FOUND_MS, async () => {
    return (await stage.watcher.status()).height === firstBad;
  });
  const { safe, firstBadBlock } = await stage.watcher.status();
  if (safe || firstBadBlock !== firstBad) throw new Error("the watcher calls the chain safe again");
}

/** Two of three look once more, and have the bad block's proofs in their kits when they leave. */
async function late(stage: Stage): Promise<void> {
  const looking = LATE.map(async (name) => await (await stage.wallet(name)).sync());
  for (const outcome of await Promise.allSettled(looking)) {
    if (outcome.status === "rejected" && !(outcome.reason instanceof LyingOperatorError)) throw outcome.reason;
  }
}

/** The block is not what was told, and valid: everybody leaves with the proofs of it, each by itself. */
async function leaveBehind(
  play: Play,
  { number, payments }: { number: number; payments: TransactionHash[] },
  truths: readonly string[],
  ledger: Ledger,
): Promise<Reckoning> {
  const { stage } = play;
  stage.truth.committed(number, payments);
  await eventually("the watcher has verified the block", FOUND_MS, async () => {
    return (await stage.watcher.status()).height === number;
  });
  await stage.syncAll();
  const stranded = [...(await keepersLeave(stage)), ...(await sleepersLeave(stage))];
  play.note(...stranded);
  await play.judge(truths, { block: number });
  await workOff(stage);
  return await reckon(stage, ledger, number + 1);
}

/** Mallory's deposit is on its way out for longer than W/8. */
async function exitOwn(stage: Stage): Promise<void> {
  const mallory = stage.truth.deposits.find(({ owner }) => owner === addressOf("mallory"))!;
  const own = { ...mallory };
  await stage.deposit("mallory", ETHER, 29n);
  await stage.creditedUpTo(stage.truth.deposits.length);
  await new Actor(stage, "mallory").exitDeposits([{ ...own, id: BigInt(stage.truth.deposits.length), amount: 29n }]);
  await eventually("the operator sees the exit", FOUND_MS, async () => {
    return (await stage.client.outputs(addressOf("mallory"), "exiting")).length > 0;
  });
  await stage.passTime(PUBLISH_SECONDS + MARGIN_SECONDS);
}

/** An operator that does nothing worse than nothing: the chain is as safe as it was, and everybody leaves. */
export async function playQuiet(villain: QuietVillain): Promise<Row> {
  const options = { villain: true, watchers: 1, ...villain.options };
  return await onStage(villain.name, options, async (play) => {
    const { stage } = play;
    const firstBad = await playHistory(stage);
    play.deed({ ms: Date.now(), seconds: await stage.now() });
    const rescue = await villain.deed(stage);
    await play.finds(villain.found);
    const ledger = await Ledger.open(stage);
    await rescue();
    const stranded = [...(await keepersLeave(stage)), ...(await sleepersLeave(stage))];
    play.note(...stranded);
    await play.judge([...villain.found, ...villain.alsoTrue]);
    await workOff(stage);
    return await reckon(stage, ledger, firstBad);
  });
}

/** A holder takes out what it spent, and two watchers see it. */
export async function playThief(thief: Thief): Promise<Row> {
  return await onStage(thief.name, { villain: false, watchers: 2 }, async (play) => {
    const { stage } = play;
    await playHistory(stage);
    const ledger = await Ledger.open(stage);
    const commit = await thief.prepare(stage);
    const theft = await commit();
    play.deed({ ms: Date.now(), seconds: await stage.now() });
    await play.finds(thief.found);
    await answered(stage, theft.answers);
    await play.judge([...thief.found, ...(thief.alsoTrue ?? [])], { outputs: theft.unpaid });
    await settle(play, theft);
    if (!(await stage.watcher.status()).safe) throw new Error("the watcher says that the chain is not safe");
    await stage.commitHour();
    await stage.syncAll();
    play.note(...(await keepersLeave(stage)), ...(await sleepersLeave(stage)));
    await workOff(stage);
    const reckoning = await reckon(stage, ledger, Infinity);
    for (const id of theft.unpaid) {
      if ((await stage.rootChain.finalizedBy(id)) !== 0) reckoning.complaints.push(`the thief was paid for ${id}`);
    }
    return reckoning;
  });
}

async function counted(stage: Stage): Promise<Answers> {
  const watchers: string[] = [addressOf("watcher"), addressOf("secondWatcher")];
  const events = await stage.rootChain.events(ANSWERS);
  const own = events.filter(({ args }) =>
    watchers.includes(String(args["challenger"] ?? args["responder"]).toLowerCase()),
  );
  const counts: Answers = {};
  for (const name of ANSWERS) {
    const count = own.filter((event) => event.name === name).length;
    if (count > 0) counts[name] = count;
  }
  return counts;
}

async function answered(stage: Stage, answers: Answers): Promise<void> {
  await eventually("everything is challenged and answered", FOUND_MS, async () => {
    const counts = await counted(stage);
    if (ANSWERS.every((name) => (counts[name] ?? 0) >= (answers[name] ?? 0))) return true;
    throw new Error(`of ${JSON.stringify(answers)} there are ${JSON.stringify(counts)}`);
  });
}

/** Each was sent once, whatever the number of watchers: the other one has had its time by then. */
async function settle(play: Play, { answers }: Theft): Promise<void> {
  const { stage } = play;
  await setTimeout(SETTLE_MS);
  const counts = await counted(stage);
  for (const name of ANSWERS) {
    if (counts[name] !== answers[name]) {
      throw new Error(`of ${JSON.stringify(answers)} there were ${JSON.stringify(counts)} landed`);
    }
  }
  let effective = 0;
  let reverted = 0;
  const watchers: string[] = [addressOf("watcher"), addressOf("secondWatcher")];
  const head = await stage.provider.getBlockNumber();
  for (let number = stage.chain.deploymentBlock; number <= head; number++) {
    for (const { from, status } of await stage.node.rpc<any[]>("eth_getBlockReceipts", [`0x${number.toString(16)}`])) {
      if (!watchers.includes(from)) continue;
      if (BigInt(status) === 1n) effective++;
      else reverted++;
    }
  }
  const wanted = Object.values(answers).reduce((sum, count) => sum + count, 0);
  if (effective !== wanted) throw new Error(`${effective} transactions of the watchers landed for ${wanted} answers`);
  play.note(`${effective} answers landed, ${reverted} reverted`);
}
