import type { DepositEntry } from "@plasma-billing/protocol/entries.ts";
import { ACCEPTED_AT, INPUT_BYTES, PAYMENT_AT, spentAt } from "@plasma-billing/protocol/entryBytes.ts";
import { ADDRESS_BYTES, OUTPUT_BYTES, outputsAt, type PaymentCounts } from "@plasma-billing/protocol/paymentBytes.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { IndexDamagedError, type StatisticsView } from "./ports.ts";
import { Volumes, type Volume } from "./volumes.ts";

const HOUR_MS = 3_600_000;
/** Hours kept: as many as can be asked for. */
export const HOURS_MAX = 1000;
/** Rows of all hours: three tokens' worth of five purposes. With more tokens, fewer hours are kept. */
const ROWS_MAX = 20_000;
const PURPOSE_AT = PAYMENT_AT + 1;
const TOKEN_AT = ADDRESS_BYTES;
const AMOUNT_AT = 2 * ADDRESS_BYTES;

interface Deposited {
  count: number;
  amount: bigint;
}

/** How it is kept on the disk; amounts are decimal strings. */
interface StoredStatistics {
  payments: number;
  blocks: number;
  deposits: [Address, number, string][];
  endedBefore: number;
  totals: StoredVolume[];
  hours: [number, StoredVolume[]][];
}
type StoredVolume = [purpose: number, token: Address, count: number, volume: string];

/**
 * Counts what the journal's entries come to, as they are taken. A payment counts in each token that its outputs have; its
 * volume is what they give to addresses that own none of its inputs of that token, so neither change nor a transfer to oneself.
 */
export class Statistics {
  private payments = 0;
  private blocks = 0;
  private readonly deposits = new Map<Address, Deposited>();
  /** By the hour's beginning, in Unix milliseconds. */
  private readonly hours = new Map<number, Volumes>();
  /** Hours that began before this are not kept any more. */
  private endedBefore = 0;
  /** Of all hours that are kept. */
  private rows = 0;
  /** The hour that is counted now. */
  private hour = -1;
  private current = new Volumes();
  /** All there is but the current hour. */
  private readonly others = new Volumes();

  /** Takes the entry of a payment. */
  takePayment(body: Uint8Array, counts: PaymentCounts, position: number): void {
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    this.payments++;
    const acceptedAt = view.getUint32(ACCEPTED_AT) * 2 ** 32 + view.getUint32(ACCEPTED_AT + 4);
    const hour = acceptedAt - (acceptedAt % HOUR_MS);
    if (hour !== this.hour) this.enter(hour);
    const purpose = view.getUint8(PURPOSE_AT);
    const { current } = this;
    const before = current.size;
    const inputs = spentAt(counts);
    let at = PAYMENT_AT + outputsAt(counts);
    for (let i = 0; i < counts.outputs; i++, at += OUTPUT_BYTES) {
      const row = current.row(purpose, view, at + TOKEN_AT);
      if (row.countedAt !== position) {
        row.countedAt = position;
        row.count++;
      }
      if (!isOwn(view, at, inputs, counts.inputs)) row.add(view, at + AMOUNT_AT);
    }
    if (current.size === before || this.hours.get(hour) !== current) return;
    this.rows += current.size - before;
    this.forget();
  }

  takeDeposit({ token, amount }: DepositEntry): void {
    const deposited = this.deposits.get(token) ?? { count: 0, amount: 0n };
    deposited.count++;
    deposited.amount += amount;
    this.deposits.set(token, deposited);
  }

  takeSeal(): void {
    this.blocks++;
  }

  /** Totals, and the newest hours, newest first. */
  view(limit: number): StatisticsView {
    const { payments, blocks } = this;
    const deposits = [...this.deposits].map(([token, { count, amount }]) => ({ token, count, amount }));
    const hours = [...this.hours]
      .sort(([a], [b]) => b - a)
      .slice(0, limit)
      .map(([hour, volumes]) => ({ hour, volumes: volumes.list() }));
    return { payments, blocks, deposits, totals: this.totals(), hours };
  }

  encode(): Uint8Array {
    const { payments, blocks, endedBefore } = this;
    const stored: StoredStatistics = {
      ...{ payments, blocks, endedBefore },
      deposits: [...this.deposits].map(([token, { count, amount }]) => [token, count, amount.toString()]),
      totals: this.totals().map(storedVolume),
      hours: [...this.hours].map(([hour, volumes]) => [hour, volumes.list().map(storedVolume)]),
    };
    return Buffer.from(JSON.stringify(stored));
  }

  /** @throws IndexDamagedError when it is nothing that `encode` made */
  static decode(bytes: Uint8Array): Statistics {
    try {
      const { payments, blocks, deposits, endedBefore, totals, hours } = JSON.parse(
        Buffer.from(bytes).toString(),
      ) as StoredStatistics;
      const statistics = new Statistics();
      Object.assign(statistics, { payments, blocks, endedBefore });
      for (const [token, count, amount] of deposits) statistics.deposits.set(token, { count, amount: BigInt(amount) });
      statistics.others.addAll(totals.map(volumeOf));
      for (const [hour, volumes] of hours) {
        const kept = new Volumes();
        kept.addAll(volumes.map(volumeOf));
        statistics.hours.set(hour, kept);
        statistics.rows += kept.size;
      }
      return statistics;
    } catch (error) {
      throw new IndexDamagedError(`its statistics cannot be read: ${String(error)}`);
    }
  }

  /** A clock that was set back comes to an hour again, perhaps to one that is not kept any more. */
  private enter(hour: number): void {
    this.others.addAll(this.current.list());
    this.hour = hour;
    const known = this.hours.get(hour);
    this.current = known ?? new Volumes();
    if (known !== undefined) this.others.addAll(known.list(), -1);
    else if (hour >= this.endedBefore) {
      this.hours.set(hour, this.current);
      this.forget();
    }
  }

  private totals(): Volume[] {
    const totals = new Volumes();
    totals.addAll(this.others.list());
    totals.addAll(this.current.list());
    return totals.list();
  }

  /** Lets go of the oldest hours while there are too many; one is always kept. */
  private forget(): void {
    while (this.hours.size > HOURS_MAX || (this.rows > ROWS_MAX && this.hours.size > 1)) {
      const oldest = Math.min(...this.hours.keys());
      const volumes = this.hours.get(oldest) as Volumes;
      this.rows -= volumes.size;
      this.hours.delete(oldest);
      this.endedBefore = oldest + HOUR_MS;
    }
  }
}

/** Whether the owner of the output at `at` owns one of the inputs of the same token; both begin with owner and token. */
function isOwn(view: DataView, at: number, inputs: number, count: number): boolean {
  const first = view.getInt32(at);
  for (let i = 0, owner = inputs; i < count; i++, owner += INPUT_BYTES) {
    if (view.getInt32(owner) !== first) continue;
    let word = 4;
    while (word < AMOUNT_AT && view.getInt32(owner + word) === view.getInt32(at + word)) word += 4;
    if (word === AMOUNT_AT) return true;
  }
  return false;
}

function storedVolume({ purpose, token, count, volume }: Volume): StoredVolume {
  return [purpose, token, count, volume.toString()];
}

function volumeOf([purpose, token, count, volume]: StoredVolume): Volume {
  return { purpose, token, count, volume: BigInt(volume) };
}
