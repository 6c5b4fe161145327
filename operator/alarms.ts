import type { Logger } from "pino";

/** What somebody must look at; docs/OPERATING.md says what to do about each. */
export const ALARM_CODES = [
  "COMMIT_HALTED",
  "COMMIT_LATE",
  "COMMIT_BLOCKED_BY_EXIT",
  "NONCE_TAKEN",
  "FEE_LIMIT",
  "FUNDS_MISSING",
  "FUNDS_LOW",
  "WRONG_OPERATOR_KEY",
  "SIGNER_FAILED",
  "SETTLEMENT_UNWRITABLE",
  "JOURNAL_UNWRITABLE",
  "ETHEREUM_UNREAD",
  "ETHEREUM_STALE",
  "ETHEREUM_LOST",
  "NODE_LEFT_OUT",
  "CHALLENGER",
] as const;

export type AlarmCode = (typeof ALARM_CODES)[number];

export interface Alarm {
  code: AlarmCode;
  /** In words, for whoever can mend it. */
  text: string;
}

/** Says once in the log when an alarm begins, and once when it is over. */
export class AlarmLog {
  private readonly log: Logger;
  private active = new Set<AlarmCode>();

  constructor(log: Logger) {
    this.log = log;
  }

  take(alarms: readonly Alarm[]): void {
    const now = new Set(alarms.map(({ code }) => code));
    for (const { code, text } of alarms) if (!this.active.has(code)) this.log.error({ alarm: code }, text);
    for (const code of this.active) if (!now.has(code)) this.log.info({ alarm: code }, "the alarm is over");
    this.active = now;
  }
}
