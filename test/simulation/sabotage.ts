import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

interface Sabotage {
  /** Of SETTLEMENT's principles (docs/SETTLEMENT.md). */
  principle: number;
  what: string;
  /** One that finds it. */
  seed: number;
  file: string;
  /** Stands there once. */
  good: string;
  bad: string;
}

/** Each principle of settlement, broken in the operator's own source: the simulation has to find every one. */
export const SABOTAGES: Readonly<Record<string, Sabotage>> = {
  unwritten: {
    seed: 1,
    principle: 1,
    what: "what a crash can still take back is committed",
    file: "operator/ethereumSide.ts",
    good: "durable: () => sequencer.durable,",
    bad: "durable: () => ({ position: 0, openBlock: sequencer.ledger.openBlock }),",
  },
  recomputed: {
    seed: 2,
    principle: 1,
    what: "what is committed is computed again, from the open block",
    file: "operator/settlement/committer.ts",
    good: "data: frozen.calldata,",
    bad: "data: encodeCommit(number, this.options.ledger.openBlock.transactionCount > 0 ? this.options.ledger.openRoot : frozen.transactionsRoot, frozen.transactionCount),",
  },
  believesSending: {
    seed: 1,
    principle: 2,
    what: "what a node took counts as landed",
    file: "operator/settlement/committer.ts",
    good: "const number = await rootChain.nextBlockNumber(head.hash);",
    bad: "const number = Math.max(await rootChain.nextBlockNumber(head.hash), this.sent.size === 0 || this.refusals.length > 0 ? 0 : (this.inFlight ?? 0) + 1);",
  },
  sendsFirst: {
    seed: 1,
    principle: 3,
    what: "an attempt is sent before it is written",
    file: "operator/settlement/committer.ts",
    good: "records.add(sender, {",
    bad: "await this.options.rpc.sendRawTransaction(raw); records.add(sender, {",
  },
  impatient: {
    seed: 3,
    principle: 4,
    what: "another nonce is taken before the use of the former is final",
    file: "operator/settlement/planner.ts",
    good: "if (nonceFinal <= nonce) return wait(",
    bad: "if (nonceFinal < 0) return wait(",
  },
  behindForeign: {
    seed: 2,
    principle: 4,
    what: "a nonce is taken behind a foreign one that can still go away",
    file: "operator/settlement/planner.ts",
    good: "if (situation.nonceIsOurs) return",
    bad: "if (situation.nonceIsOurs || nonceNow > 0) return",
  },
  newNonces: {
    seed: 1,
    principle: 4,
    what: "each replacement takes a nonce of its own",
    file: "operator/settlement/committer.ts",
    good: 'case "sign":',
    bad: 'case "sign": if (action.index > 0) { records.takeNonce(number, { chainId, address: signer.address }, records.nonces(number, { chainId, address: signer.address }).at(-1) as number + 1); return true; }',
  },
  refusalMeansNo: {
    seed: 1,
    principle: 5,
    what: "when nobody says that it was taken, another commit is made",
    file: "operator/settlement/committer.ts",
    good: "this.sent.set(hash, ethereumBlock);",
    bad: "this.sent.set(hash, ethereumBlock); if (taken === 0) this.options.records.takeNonce(number, { chainId: this.options.chainId, address: this.options.signer.address }, attempt.nonce + 1);",
  },
  wallClock: {
    seed: 1,
    principle: 6,
    what: "hours end by the machine's own clock",
    file: "operator/hours.ts",
    good: "const next = nextHourEnd(clock.now(), intervalSeconds);",
    bad: "const next = nextHourEnd(Date.now() + 8.64e10, intervalSeconds);",
  },
  hasty: {
    seed: 1,
    principle: 7,
    what: "the head counts as final",
    file: "ethereum/follower.ts",
    good: "Math.max(this.cursor.number, Math.min(wanted, head.number))",
    bad: "Math.max(this.cursor.number, head.number)",
  },
  shrugs: {
    seed: 3,
    principle: 8,
    what: "another root on Ethereum does not stop committing",
    file: "operator/settlement/committer.ts",
    good: 'case "halt":',
    bad: 'case "halt": if (number > 0) return false;',
  },
  cheap: {
    seed: 1,
    principle: 4,
    what: "a replacement is a twentieth dearer",
    file: "ethereum/fees.ts",
    good: "const REPLACEMENT_NUMERATOR = 9n;\nconst REPLACEMENT_DENOMINATOR = 8n;",
    bad: "const REPLACEMENT_NUMERATOR = 21n;\nconst REPLACEMENT_DENOMINATOR = 20n;",
  },
  trustsOne: {
    seed: 1,
    principle: 2,
    what: "the first node is believed whatever the others say",
    file: "ethereum/nodes.ts",
    good: "const asked = this.asked.length >= this.least ? this.asked : this.nodes.filter(({ onOtherChain }) => !onOtherChain);",
    bad: "const asked = this.asked.slice(0, 1);",
  },
};

/** Has the modules loaded from here on be broken in this way. */
export function sabotage(name: string): void {
  const chosen = SABOTAGES[name];
  if (chosen === undefined) throw new Error(`no sabotage ${name}: there are ${Object.keys(SABOTAGES).join(", ")}`);
  const { file, good, bad } = chosen;
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context);
      if (!url.startsWith("file:") || relative(ROOT, fileURLToPath(url)) !== file) return loaded;
      const source = readFileSync(new URL(url), "utf8");
      if (source.split(good).length !== 2) throw new Error(`${file} does not have once: ${good}`);
      return { ...loaded, source: source.replace(good, bad) };
    },
  });
}
