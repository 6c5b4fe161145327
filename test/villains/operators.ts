import type { EvilBlockName } from "./evilBlocks.ts";
import type { LieName } from "./lies.ts";

/** An operator that turns evil. */
export interface OperatorVillain {
  name: string;
  does: string;
  block: EvilBlockName;
  lie: LieName;
  otherRoot?: true;
  everywhere?: true;
  /** Findings that name the deed: each must come. */
  found: string[];
  /** Of an `invalidBlock`: any of these rules. */
  rules?: string[];
  /** Findings that may come too, since they are true as well. */
  alsoTrue?: string[];
  /** A block not served is not the end before its time to be published is over. */
  unpublished?: true;
  /** It streams the block before it commits it. */
  streams?: true;
  /** What it hid it shows when the time to publish is over. */
  publishes?: true;
  /** The block breaks no rule: it is just not what was told. */
  validBlock?: true;
  /** Something the thief does on Ethereum before the deed. */
  prelude?: "exitOwn";
}

const invalid = { lie: "none", found: ["invalidBlock"], alsoTrue: ["exitOfUnknown", "exitOfSpentOutput"] } as const;
const hidden = { block: "mint", found: ["withheldBlock"], unpublished: true } as const;

export const OPERATOR_VILLAINS: OperatorVillain[] = [
  {
    ...{ name: "mints", does: "makes all the money of both tokens from nothing, in front of the block, and exits it" },
    ...{ ...invalid, block: "mint", rules: ["UNKNOWN_INPUT"], alsoTrue: [...invalid.alsoTrue, "reordered"] },
  },
  {
    ...{ name: "inflates", does: "pays itself more than it put in, and exits it" },
    ...{ ...invalid, block: "inflate", rules: ["UNBALANCED"] },
  },
  {
    ...{ name: "double spends", does: "spends one output twice in a block, and exits all of it" },
    ...{ ...invalid, block: "doubleSpend", rules: ["INPUT_SPENT", "UNKNOWN_INPUT"] },
  },
  {
    ...{
      name: "double spends, open",
      does: "streams a block that spends one output twice, then commits it and exits all",
    },
    ...{ ...invalid, block: "doubleSpend", rules: ["INPUT_SPENT"], streams: true },
  },
  {
    ...{ name: "spends spent", does: "spends again what it spent in an older block, and exits it" },
    ...{ ...invalid, block: "spendOfSpent", rules: ["INPUT_SPENT", "UNKNOWN_INPUT"] },
  },
  {
    ...{ name: "spends exiting", does: "spends what has been exiting for longer than W/8, and exits that too" },
    ...{ ...invalid, block: "spendOfExiting", rules: ["INPUT_EXITING"], prelude: "exitOwn" },
  },
  {
    ...{ name: "forges", does: "signs for what others own, one of them asleep, and exits it" },
    ...{ ...invalid, block: "forge", rules: ["BAD_SIGNATURE"] },
  },
  {
    ...{ name: "mints dust", does: "makes money from nothing in 48 small pieces, and exits each, ahead of the honest" },
    ...{ ...invalid, block: "mintDust", rules: ["UNKNOWN_INPUT"] },
  },
  {
    ...{ name: "reorders", does: "commits two payments in another order than it showed them" },
    ...{ block: "reorder", lie: "none", found: ["reordered"], validBlock: true },
  },
  {
    ...{ name: "omits", does: "commits the block without a payment it had answered for" },
    ...{ block: "omit", lie: "none", found: ["reordered"], validBlock: true },
  },
  {
    ...{ name: "other root", does: "commits a root of nothing it ever shows" },
    ...{ block: "asTaken", lie: "none", otherRoot: true, found: ["unknownRoot"] },
  },
  {
    ...hidden,
    name: "withholds",
    does: "shows nothing of a block with one payment more, and bides its time",
    block: "oneMore",
    lie: "nothing",
  },
  {
    ...{ ...hidden, name: "publishes late", does: "shows a block with one payment more when the time to is over" },
    ...{ block: "oneMore", lie: "nothing", publishes: true },
  },
  {
    ...hidden,
    name: "withholds and cashes",
    does: "mints, exits that, and shows nothing of the block",
    lie: "nothing",
  },
  { ...hidden, name: "withholds a part", does: "mints, and shows a block that ends too early", lie: "part" },
  { ...hidden, name: "tears", does: "mints, and breaks every connection within a payment", lie: "torn" },
  {
    ...hidden,
    name: "hides signatures",
    does: "mints, and shows all payments without signatures",
    lie: "withoutSignatures",
  },
  { ...hidden, name: "drips", does: "mints, and shows the block a byte at a time", lie: "drip" },
  { ...hidden, name: "hangs", does: "mints, and leaves every question unanswered", lie: "hang", everywhere: true },
  { ...hidden, name: "html", does: "mints, and answers everything with a web page", lie: "html", everywhere: true },
  { ...hidden, name: "wrong lengths", does: "mints, and shows payments that are none", lie: "wrongLengths" },
  {
    ...{ name: "endless", does: "mints, and shows a block that does not end", block: "mint", lie: "endless" },
    ...{ found: ["invalidBlock"], rules: ["UNKNOWN_INPUT"] },
  },
  {
    ...hidden,
    name: "wrong json",
    does: "mints, and answers everything with broken JSON",
    lie: "wrongJson",
    everywhere: true,
  },
  { ...hidden, name: "errors", does: "mints, and answers everything with 500", lie: "errors", everywhere: true },
  { ...hidden, name: "resets", does: "mints, and ends every connection at once", lie: "reset", everywhere: true },
].map(
  (villain) =>
    ({
      ...villain,
      alsoTrue: [...((villain as OperatorVillain).alsoTrue ?? []), ...alsoTrueOf(villain as OperatorVillain)],
    }) as OperatorVillain,
);

/** What is true, too, of who hides a block of minted money. */
function alsoTrueOf({ lie, everywhere, block }: OperatorVillain): string[] {
  const hides = lie !== "none";
  return [
    ...(hides ? ["exitOfUnknown", "operatorStalled"] : []),
    ...(everywhere === true ? ["depositIgnored"] : []),
    // Its block breaks the rules, whatever of it is seen.
    ...(hides && block === "mint" ? ["reordered", "invalidBlock"] : []),
    // What the watcher says of those it guards.
    ...["guardedExit"],
  ];
}
