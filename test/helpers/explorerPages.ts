// The explorer's pages as a test reads them: tables as rows of named cells, lists of facts, amounts.
import type { Locator, Page } from "playwright-core";
import { formatUnits, getAddress } from "ethers";
import { DECIMALS, type ExplorerStage, FILES, SYMBOLS, type TokenName } from "./explorerStage.ts";
import { eventually } from "./operatorProcess.ts";

/** Two busy cores draw a page within this, or not at all. */
export const PATIENCE_MS = 20_000;

export interface Cell {
  /** As it is read, without what is for pressing or for screen readers only. */
  text: string;
  /** Whole hashes and addresses. */
  values: string[];
  links: string[];
}
export type Row = Record<string, Cell>;

export function table(page: Page, caption: string | RegExp): Locator {
  return page.getByRole("table", { name: caption });
}

/** What stands in a table, once it is there. */
export async function rowsOf(page: Page, caption: string | RegExp): Promise<Row[]> {
  const found = table(page, caption);
  await found.waitFor();
  return await readRows(found.locator("tbody td"));
}

/** Rows, as soon as they are as they should be. */
export async function rowsWhen(page: Page, caption: string | RegExp, holds: (rows: Row[]) => boolean): Promise<Row[]> {
  let last: Row[] = [];
  return await eventually(`the rows of ${String(caption)}`, PATIENCE_MS, async () => {
    last = await rowsOf(page, caption);
    return holds(last) ? last : null;
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}, not with ${JSON.stringify(last.map((row) => Object.values(row)[0]?.text))}`);
  });
}

/** Names and values of a page's facts, once they are there. */
export async function factsOf(page: Page): Promise<Row> {
  const found = page.locator("dl.facts").first();
  await found.waitFor();
  const [facts] = await readRows(found.locator("dd"));
  return facts!;
}

/** Cells by their names, and by the rows they stand in. */
async function readRows(cells: Locator): Promise<Row[]> {
  const read = await cells.evaluateAll((elements: any[]) => {
    return elements.map((element) => {
      const links = [...element.querySelectorAll("a")].map((link) => decodeURI(link.getAttribute("href")));
      const values = [...element.querySelectorAll("code[title]")].map((code) => code.title);
      const copy = element.cloneNode(true);
      for (const unread of copy.querySelectorAll("button, .unseen")) unread.remove();
      for (const line of copy.querySelectorAll("div, time")) line.append(" ");
      const text: string = copy.textContent.replace(/[\s\u202f]+/g, " ").trim();
      const name: string = element.dataset.name ?? element.previousElementSibling.textContent;
      return { name, row: (element.parentElement.rowIndex as number | undefined) ?? 0, cell: { text, values, links } };
    });
  });
  const rows = new Map<number, Row>();
  for (const { name, row, cell } of read) rows.set(row, { ...rows.get(row), [name]: cell });
  return [...rows.values()];
}

/** As the explorer shows it, by another's arithmetic. */
export function shown(amount: bigint, token: TokenName): string {
  const [whole, rest] = formatUnits(amount, DECIMALS[token]).replace("-", "−").split(".");
  const grouped = whole!.replace(/\B(?=(\d{3})+$)/g, " ");
  return `${grouped}${rest === undefined || rest === "0" ? "" : `.${rest}`} ${SYMBOLS[token]}`;
}

export interface KnownPage {
  name: string;
  path: string;
  /** Its heading. */
  heading: string;
  /** What is there once its content is. */
  ready: string;
}

/** Every page, with something on it. */
export function pagesOf(stage: ExplorerStage): KnownPage[] {
  const purchase = stage.payment("purchase 0");
  const file = encodeURIComponent(FILES[0].fileId);
  const outputId = stage.people.mart.book.free(stage.tokens.money)[0]!.id;
  return [
    { name: "home", path: "/", heading: "Payments as they happen", ready: "canvas" },
    { name: "payments", path: "/payments", heading: "Payments", ready: "tbody tr" },
    {
      name: "payment",
      path: `/payments/${purchase.hash}`,
      heading: `Payment ${purchase.hash.slice(0, 10)}…`,
      ready: "dl.facts",
    },
    { name: "hours", path: "/hours", heading: "Hours", ready: "tbody tr" },
    {
      name: "hour",
      path: `/hours/${purchase.blockNumber}`,
      heading: `Hour ${purchase.blockNumber}`,
      ready: "tbody tr",
    },
    { name: "accounts", path: "/accounts", heading: "Accounts", ready: "tbody tr" },
    {
      name: "account",
      path: `/accounts/${getAddress(stage.people.mart.address)}`,
      heading: `Account ${getAddress(stage.people.mart.address).slice(0, 10)}…`,
      ready: "tbody tr",
    },
    { name: "files", path: "/files", heading: "Files", ready: "tbody tr" },
    { name: "file", path: `/files/${file}`, heading: `File ${FILES[0].fileId}`, ready: "tbody tr" },
    { name: "output", path: `/outputs/${outputId}`, heading: `Output ${outputId.slice(0, 10)}…`, ready: "dl.facts" },
    { name: "deposits", path: "/deposits", heading: "Deposits", ready: "tbody tr" },
    { name: "exits", path: "/exits", heading: "Exits", ready: "tbody tr" },
    { name: "search", path: "/search?q=nothing-here", heading: "Search", ready: "main .note" },
    { name: "unknown", path: "/no/such/page", heading: "No such page", ready: "h1" },
  ];
}
