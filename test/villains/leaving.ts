import { ETHER, outputId, type Output, type OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { leave, processExits, type ExitKit } from "@plasma-billing/sdk";
import { eventually } from "../helpers/operatorProcess.ts";
import { addressOf, GUARDED, HONEST, KEEPERS, nameOf, type Name } from "./accounts.ts";
import { EXIT_PERIOD_SECONDS, type Stage } from "./stage.ts";
import { sumOf } from "./truth.ts";

const GUARD_MS = 60_000;
/** Of a queue: more calls than any of the bench's queues takes. */
const CALLS_MAX = 30;
/** Of a payment that is chained on another of the same hour: PROTOCOL says that it cannot leave. */
const NO_PROOF = "no proof of what it spends";
/** How often somebody whose exits others' came before tries to leave. */
const LEAVES_MAX = 3;

/** What somebody has on Ethereum, without bonds, bounties and gas. */
type Gains = Map<string, bigint>;

/** Measures what everybody gains on Ethereum from one moment on. */
export class Ledger {
  private readonly stage: Stage;
  private readonly since: number;
  private readonly before: Gains;

  private constructor(stage: Stage, since: number, before: Gains) {
    this.stage = stage;
    this.since = since;
    this.before = before;
  }

  static async open(stage: Stage): Promise<Ledger> {
    const since = await stage.provider.getBlockNumber();
    return new Ledger(stage, since, await balances(stage, since));
  }

  /**
   * By account and token. Ether is counted with the gas that was paid, and with the bounty of every entry whose bond bore it: what
   * is left is what exits paid. All queues must be empty, so that every bond that returns has returned.
   */
  async gains(): Promise<Gains> {
    const { stage, since } = this;
    const head = await stage.provider.getBlockNumber();
    const gains = await balances(stage, head);
    for (const [key, amount] of this.before) gains.set(key, gains.get(key)! - amount);
    for (const [name, costs] of await costsSince(stage, since + 1, head)) {
      const key = keyOf(name, ETHER);
      if (gains.has(key)) gains.set(key, gains.get(key)! + costs);
    }
    return gains;
  }
}

function keyOf(name: string, token: Address): string {
  return `${name} ${token === ETHER ? "ether" : "token"}`;
}

/** With what is credited instead of pushed. */
async function balances({ provider, chain, token, rootChain }: Stage, block: number): Promise<Gains> {
  const balanceOf = async (name: Name): Promise<[string, bigint][]> => {
    const address = addressOf(name);
    const [ether, tokens, credit, credits] = await Promise.all([
      provider.getBalance(address, block),
      chain.token["balanceOf"]!(address, { blockTag: block }) as Promise<bigint>,
      rootChain.claimable(ETHER, address),
      rootChain.claimable(token, address),
    ]);
    return [
      [keyOf(name, ETHER), ether + credit],
      [keyOf(name, token), tokens + credits],
    ];
  };
  return new Map((await Promise.all([...HONEST, "mallory" as const].map(balanceOf))).flat());
}

/** Gas and bounties, in wei, by account. */
async function costsSince({ node, rootChain }: Stage, from: number, to: number): Promise<Map<string, bigint>> {
  const costs = new Map<string, bigint>();
  const add = (address: string, amount: bigint): void => {
    const name = nameOf(address);
    costs.set(name, (costs.get(name) ?? 0n) + amount);
  };
  for (let number = from; number <= to; number++) {
    for (const receipt of await node.rpc<any[]>("eth_getBlockReceipts", [`0x${number.toString(16)}`])) {
      add(receipt.from, BigInt(receipt.gasUsed) * BigInt(receipt.effectiveGasPrice));
    }
  }
  const { bounty } = await rootChain.exitTerms();
  const queued = new Set<string>();
  const tokens = new Map<number, Address[]>();
  const { flightOf } = await import("../../sdk/exitHistory.ts");
  for (const event of await rootChain.events(["ExitStarted", "InFlightExitStarted", "Piggybacked"])) {
    const { name, args, blockNumber } = event;
    const number = Number(args["number"]);
    if (name === "InFlightExitStarted") tokens.set(number, flightOf(event).tokens as Address[]);
    // The first piggyback of a token makes the entry there.
    const entry = name === "Piggybacked" ? `${number} ${tokens.get(number)![Number(args["index"])]}` : String(number);
    if (name === "InFlightExitStarted" || queued.has(entry)) continue;
    queued.add(entry);
    if (blockNumber >= from) add(String(args["bondOwner"]), bounty);
  }
  return costs;
}

/** A keeper takes out everything with the kit; again when another's exit came in between. */
async function leaveWith(stage: Stage, name: Name, kit: ExitKit): Promise<string[]> {
  const { firstBadBlock } = await stage.watcher.status();
  const options = {
    ...{ kit, provider: stage.provider, signer: stage.signer(name), fromBlock: stage.chain.deploymentBlock },
    ...(firstBadBlock === null ? {} : { firstBadBlock }),
  };
  let { stranded } = await leave(options);
  const isRefused = ({ reason }: { reason: string }): boolean => !reason.includes(NO_PROOF);
  for (let again = 1; again < LEAVES_MAX && stranded.some(isRefused); again++) ({ stranded } = await leave(options));
  return stranded.filter(isRefused).map(({ hash, reason }) => `${name}: ${hash} is stranded: ${reason}`);
}

/** All who have kits leave, each by itself and at the same time. Gives what could not be taken out, and why. */
export async function keepersLeave(stage: Stage): Promise<string[]> {
  return (await Promise.all(KEEPERS.map(async (name) => await leaveWith(stage, name, stage.kit(name))))).flat();
}

/** Those who are guarded leave by themselves, with the kits the watcher kept for them. */
export async function sleepersLeave(stage: Stage): Promise<string[]> {
  const leaveOne = async (name: Name): Promise<string[]> => await leaveWith(stage, name, await stage.guardedKit(name));
  return (await Promise.all(GUARDED.map(leaveOne))).flat();
}

/** Waits until the watcher has asked for all that those it guards had before the bad block, and for what they signed or were paid since. */
export async function sleepersAreTakenOut(stage: Stage, firstBad: number): Promise<void> {
  const { rootChain, truth } = stage;
  const before = truth.live(firstBad, () => false);
  const since = truth.from(firstBad).flatMap(({ hash, transaction }) => {
    const canFly = transaction.inputs.every((id) => before.has(id));
    return canFly ? transaction.outputs.map((output, i) => [outputId(hash, i), output] as const) : [];
  });
  const sleepers: string[] = GUARDED.map(addressOf);
  const due = [...before, ...since].filter(([, { owner }]) => sleepers.includes(owner));
  await eventually("the watcher takes out those it guards", GUARD_MS, async () => {
    const events = await rootChain.events(["ExitStarted", "Piggybacked"]);
    const asked = new Set(events.map(({ args }) => args["outputId"] as OutputId));
    const missing = due.filter(([id]) => !asked.has(id)).map(([id, { owner }]) => `${nameOf(owner)}'s ${id}`);
    if (missing.length > 0) throw new Error(`no exit was asked for ${missing.join(", ")}`);
    return true;
  });
}

/** All times pass, and a stranger works off both queues. */
export async function workOff(stage: Stage): Promise<void> {
  await stage.passTime(2 * EXIT_PERIOD_SECONDS + 1);
  const { rootChain, chain, token } = stage;
  const signer = stage.signer("stranger");
  for (const one of [ETHER, token]) {
    for (let calls = 0; (await rootChain.queueLength(one)) > 0; calls++) {
      if (calls === CALLS_MAX) throw new Error(`the queue of ${one} does not end`);
      await processExits(rootChain, signer, one, chain.deploymentBlock);
    }
  }
}

export interface Reckoning {
  /** Sums over the honest. */
  saved: { ether: bigint; token: bigint };
  owed: { ether: bigint; token: bigint };
  complaints: string[];
  notes: string[];
}

/**
 * INV-4: each of the honest has, to the unit, what it held before the first bad block, and of what it signed since either inputs or
 * outputs; the thief has no more than it held, and what it could get for itself by its own payments.
 */
export async function reckon(stage: Stage, ledger: Ledger, firstBad: number): Promise<Reckoning> {
  const { rootChain, truth, token } = stage;
  const decided = new Map<string, boolean>();
  for (const { args } of await rootChain.events(["InFlightExitFinalized"])) {
    decided.set(args["transactionHash"] as string, args["canonical"] as boolean);
  }
  const isCanonical = (hash: string): boolean => decided.get(hash) === true;
  const away = truth.signedAway(firstBad, isCanonical);
  const live = [...truth.live(firstBad, isCanonical)];
  const owedOutputs = live.filter(([id]) => !away.has(id)).map(([, output]) => output);
  const others = live.filter(([id]) => away.has(id)).map(([, output]) => output);
  const gains = await ledger.gains();
  const result: Reckoning = {
    saved: { ether: 0n, token: 0n },
    owed: { ether: 0n, token: 0n },
    complaints: [],
    notes: [],
  };
  for (const name of HONEST) {
    for (const one of [ETHER, token]) {
      const kind = one === ETHER ? "ether" : "token";
      const owed = sumOf(owedOutputs, addressOf(name), one);
      const got = gains.get(keyOf(name, one))!;
      result.owed[kind] += owed;
      result.saved[kind] += got < owed ? got : owed;
      const beside = sumsOf(others.filter(({ owner, token: of }) => owner === addressOf(name) && of === one));
      if (!beside.has(got - owed)) result.complaints.push(`${name} is owed ${owed} of ${kind} and got ${got}`);
      const left = [...beside].reduce((most, sum) => (sum > most ? sum : most), 0n) - (got - owed);
      if (left > 0n)
        result.notes.push(`${name} did not get ${left} of ${kind} that it had signed away in the open hour`);
    }
  }
  return result;
}

/** Of all there is to choose among so many outputs. */
function sumsOf(outputs: readonly Output[]): Set<bigint> {
  const sums = new Set([0n]);
  for (const { amount } of outputs) for (const sum of [...sums]) sums.add(sum + amount);
  return sums;
}
