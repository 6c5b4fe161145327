import { isHexOfLength } from "@plasma-billing/protocol/hex.ts";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { FindingDraft } from "../findings/finding.ts";
import type { SeenDeposit } from "../rootChain/view.ts";

/** Ethereum's time after a deposit in which the operator has to see it final and credit it. */
const CREDIT_SECONDS = 1800;
/** And by our own clock, since we saw it final: time does not run evenly on development chains. */
const CREDIT_MS = 10_000;
const PAGE = 1000;
const TIMEOUT_MS = 30_000;
const BODY_BYTES_MAX = 1_000_000;
/** At one look; what is older is looked at when what is newer was found to be right. */
const PAGES_MAX = 50;
/** Findings told one by one: more of them say nothing more. */
const NAMED_MAX = 100;

interface ShownDeposit {
  id: number;
  outputId: OutputId;
  state: string;
}

/** Compares final deposits with what the operator says of them. */
export class DepositCheck {
  private readonly operatorUrl: string;
  private readonly fetch: typeof fetch;
  /** All deposits up to this id were credited, as they are. */
  private checked = 0n;
  /** Of final deposits that were not seen credited: since when, in milliseconds. */
  private readonly since = new Map<bigint, number>();

  constructor(operatorUrl: string, fetcher: typeof fetch = fetch) {
    this.operatorUrl = operatorUrl;
    this.fetch = fetcher;
  }

  /**
   * @param now - Ethereum's, seconds
   * @param nowMs - our own clock
   * @throws Error when the operator gives no right answer: that says nothing about deposits
   */
  async look(deposits: readonly SeenDeposit[], now: number, nowMs: number): Promise<FindingDraft[]> {
    const open = deposits.filter(({ id, final }) => final && id > this.checked);
    const [oldest] = open;
    if (oldest === undefined) return [];
    const shown = await this.shownFrom(Number(oldest.id));
    const oldestShown = [...shown.keys()].at(-1) ?? 0;
    const isCredited = ({ id, outputId }: SeenDeposit): boolean => {
      const there = shown.get(Number(id));
      return there?.state === "credited" && there.outputId === outputId;
    };
    for (const deposit of open) {
      if (!isCredited(deposit)) break;
      this.checked = deposit.id;
    }
    // Of what is older than the last page nothing is known.
    const unread = shown.size >= PAGES_MAX * PAGE ? oldestShown : 0;
    const missing = open.filter((deposit) => Number(deposit.id) >= unread && !isCredited(deposit)).slice(0, NAMED_MAX);
    const ids = new Set(missing.map(({ id }) => id));
    for (const id of this.since.keys()) if (!ids.has(id)) this.since.delete(id);
    return missing.flatMap((deposit) => {
      const since = this.since.get(deposit.id) ?? nowMs;
      this.since.set(deposit.id, since);
      if (now - deposit.timestamp <= CREDIT_SECONDS || nowMs - since < CREDIT_MS) return [];
      return [ignored(deposit, shown.get(Number(deposit.id)))];
    });
  }

  /** What the operator lists, the newest first, down to this id. */
  private async shownFrom(id: number): Promise<Map<number, ShownDeposit>> {
    const shown = new Map<number, ShownDeposit>();
    let cursor: string | null = null;
    for (let page = 0; page < PAGES_MAX; page++) {
      const query = new URLSearchParams({ limit: String(PAGE), ...(cursor === null ? {} : { cursor }) });
      const response = await this.fetch(`${this.operatorUrl}/v1/deposits?${query.toString()}`, {
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (!response.ok) throw new Error(`deposits: HTTP ${response.status}`);
      const { items, nextCursor } = readPage(JSON.parse(await boundedText(response)));
      for (const item of items) shown.set(item.id, item);
      const last = items.at(-1);
      if (nextCursor === null || last === undefined || last.id <= id) return shown;
      cursor = nextCursor;
    }
    return shown;
  }
}

function ignored({ id, owner, token, amount, outputId, timestamp }: SeenDeposit, shown?: ShownDeposit): FindingDraft {
  const says = shown === undefined ? "does not know" : `shows as ${shown.state}`;
  return {
    ...{ name: "depositIgnored", subject: `deposit ${id}`, until: null, transaction: null },
    text: `deposit ${id} of ${amount} of ${token} for ${owner}, made at ${timestamp}, is final and the operator ${says} it`,
    evidence: { id: id.toString(), owner, token, amount, outputId, timestamp, shown: shown ?? null },
  };
}

function readPage(body: unknown): { items: ShownDeposit[]; nextCursor: string | null } {
  const { items, nextCursor } = (body ?? {}) as { items?: unknown; nextCursor?: unknown };
  if (!Array.isArray(items) || items.length > PAGE || !(nextCursor === null || typeof nextCursor === "string")) {
    throw new Error("deposits: the answer is no list");
  }
  for (const item of items as Partial<ShownDeposit>[]) {
    if (Number.isSafeInteger(item?.id) && isHexOfLength(item?.outputId, 32) && typeof item?.state === "string")
      continue;
    throw new Error("deposits: the answer has something that is no deposit");
  }
  return { items: items as ShownDeposit[], nextCursor };
}

/** An answer that goes on for ever ends here. */
async function boundedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.length > BODY_BYTES_MAX) throw new Error("deposits: the answer is too long");
  }
  return text + decoder.decode();
}
