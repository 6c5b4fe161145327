import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { EthereumRpc } from "@plasma-billing/ethereum/rpc.ts";
import type { Ledger } from "@plasma-billing/protocol/ledger.ts";
import type { Alarm, AlarmCode } from "./alarms.ts";
import type { Challenger } from "@plasma-billing/ethereum/challenging/challenger.ts";
import type { Clock } from "@plasma-billing/ethereum/process/clock.ts";
import type { EthereumLoop } from "./ethereumLoop.ts";
import type { SettlementStatus } from "./http/ports.ts";
import type { Sequencer } from "./sequencer.ts";
import type { Committer } from "./settlement/committer.ts";
import type { SettlementRecords } from "./settlement/records.ts";

/** An hour that is not on Ethereum so long after its end is late, whatever the length of hours. */
const LATE_MS = 1_800_000;
/** Fees for fewer hours than this are few. */
const HOURS_LEFT_MIN = 48;
/** Somebody should look, but the operator does all it is there for. */
const ADVICE: ReadonlySet<AlarmCode> = new Set(["FUNDS_LOW", "NODE_LEFT_OUT"]);

export interface HealthOptions {
  ledger: Ledger;
  sequencer: Sequencer;
  rpc: EthereumRpc;
  loop: EthereumLoop;
  committer: Committer;
  records: SettlementRecords;
  challenger: Challenger | null;
  operator: Address;
  clock: Clock;
  dataDir: string;
}

/** How the operator's parts are doing, in one place for the API, the metrics and the log. */
export class Health {
  private readonly options: HealthOptions;

  constructor(options: HealthOptions) {
    this.options = options;
  }

  get alarms(): Alarm[] {
    const { committer, loop, challenger, sequencer, dataDir } = this.options;
    const found = [committer.alarm, ...loop.alarms, this.lateness(), this.funds()].filter((alarm) => alarm !== null);
    if (challenger?.warning != null) found.push({ code: "CHALLENGER", text: challenger.warning });
    if (sequencer.stalled) {
      const text = `the journal in ${dataDir} cannot be written: make room; payments are refused meanwhile`;
      found.push({ code: "JOURNAL_UNWRITABLE", text });
    }
    return found;
  }

  /** Why the operator does not do all it is there for. */
  get unready(): string[] {
    return this.alarms.filter(({ code }) => !ADVICE.has(code)).map(({ text }) => text);
  }

  get settlement(): SettlementStatus {
    const { ledger, committer, records, rpc } = this.options;
    const unfinal = ledger.sealedBlocks.filter(({ commit }) => commit.state !== "finalized");
    const { account } = committer;
    return {
      blocks: unfinal.map(({ number, transactionCount, sealedAt, commit }) => {
        const attempts = records.allAttempts(number);
        return {
          ...{ number, state: committer.detailOf(number), transactionCount, sealedAt },
          ...{ nonce: attempts.at(-1)?.nonce ?? null, attempts: attempts.length },
          transaction: commit.ethereumTransaction ?? attempts.at(-1)?.hash ?? null,
        };
      }),
      oldestUnlandedSeconds: this.unlandedMs === null ? null : Math.round(this.unlandedMs / 1000),
      feesPaid: ledger.sealedBlocks.reduce((sum, { commit }) => sum + (commit.fee ?? 0n), 0n).toString(),
      balance: account?.balance.toString() ?? null,
      hoursOfFeesLeft: this.hoursLeft,
      refusals: [...committer.lastRefusals],
      nodes: rpc.health.map((node) => ({ ...node })),
    };
  }

  private get hoursLeft(): number | null {
    const { account } = this.options.committer;
    return account === null || account.commitCost === 0n ? null : Number(account.balance / account.commitCost);
  }

  /** How long ago the oldest hour ended that Ethereum does not hold. */
  private get unlandedMs(): number | null {
    const { ledger, clock } = this.options;
    const oldest = ledger.sealedBlocks.find(({ commit }) => commit.state === "sealed");
    return oldest === undefined ? null : clock.now() - oldest.sealedAt;
  }

  private lateness(): Alarm | null {
    const ms = this.unlandedMs;
    if (ms === null || ms < LATE_MS) return null;
    const { committer } = this.options;
    const last = committer.lastRefusals.length === 0 ? "" : `; nodes say: ${committer.lastRefusals.join("; ")}`;
    return {
      code: "COMMIT_LATE",
      text: `an hour that ended ${Math.round(ms / 60_000)} minutes ago is not on Ethereum${last}`,
    };
  }

  private funds(): Alarm | null {
    const left = this.hoursLeft;
    if (left === null || left >= HOURS_LEFT_MIN) return null;
    return { code: "FUNDS_LOW", text: `${this.options.operator} has fees for ${left} hours left: send it more` };
  }
}
