import { Random } from "../adversary/random.ts";
import { GWEI, max } from "./ethereum.ts";
import { HEALTHY, LIES, type SimNode } from "./node.ts";
import { HOUR_MS, type World } from "./world.ts";

const MINUTE_MS = 60_000;
/** What nodes say when they do not take a transaction (geth, Besu, Nethermind, Erigon, and one nobody knows). */
const REFUSALS = [
  ...["already known", "nonce too low", "nonce too high", "replacement transaction underpriced", "txpool is full"],
  ...[
    "Known transaction",
    "Nonce too low",
    "Gas price below configured minimum gas price",
    "UpfrontCostExceedsBalance",
  ],
  ...["AlreadyKnown", "OldNonce", "InsufficientFunds", "FeeTooLow", "insufficient funds for gas * price + value"],
  ...["ALREADY_EXISTS: already known", "INTERNAL_ERROR: nonce too low", "the moon is in the wrong place"],
];

interface Fault {
  name: string;
  weight: number;
  /** Hours it lasts at most; 0: it is over at once. */
  hours: number;
  begin: (world: World, random: Random) => (() => void) | null;
}

function atNode(world: World, random: Random, change: (node: SimNode) => void): (() => void) | null {
  const node = random.pick(world.nodes);
  if (node === undefined) return null;
  change(node);
  return () => (node.faults = { ...HEALTHY });
}

export const FAULTS: readonly Fault[] = [
  { name: "a node is down", weight: 4, hours: 3, begin: (w, r) => atNode(w, r, ({ faults }) => (faults.down = true)) },
  { name: "a node hangs", weight: 4, hours: 1, begin: (w, r) => atNode(w, r, ({ faults }) => (faults.hangs = true)) },
  {
    name: "a node lags",
    weight: 3,
    hours: 2,
    begin: (w, r) => atNode(w, r, ({ faults }) => (faults.lag = r.between(1, 40))),
  },
  {
    name: "a node is frozen",
    weight: 2,
    hours: 3,
    begin: (w, r) => atNode(w, r, ({ faults }) => (faults.frozen = true)),
  },
  {
    name: "a node forgets",
    weight: 3,
    hours: 2,
    begin: (w, r) => atNode(w, r, ({ faults }) => (faults.forgets = true)),
  },
  {
    ...{ name: "a node refuses", weight: 4, hours: 2 },
    begin: (w, r) => atNode(w, r, ({ faults }) => (faults.refuses = r.pick(REFUSALS) ?? null)),
  },
  {
    name: "a node talks nonsense",
    weight: 2,
    hours: 1,
    begin: (w, r) => atNode(w, r, ({ faults }) => (faults.nonsense = true)),
  },
  {
    name: "a node has no receipts",
    weight: 1,
    hours: 5,
    begin: (w, r) => atNode(w, r, ({ faults }) => (faults.noReceipts = true)),
  },
  {
    name: "a node is on another chain",
    weight: 1,
    hours: 2,
    begin: (w, r) => atNode(w, r, ({ faults }) => (faults.otherChain = true)),
  },
  {
    ...{ name: "a node lies", weight: 4, hours: 3 },
    begin: (world, random) => {
      // One of three is found out; one alone is believed, and two of three are Ethereum.
      if (world.nodes.length < 3 || world.nodes.some(({ faults }) => faults.lies !== null)) return null;
      return atNode(world, random, ({ faults }) => (faults.lies = random.pick(LIES) ?? null));
    },
  },
  {
    ...{ name: "Ethereum is out of reach", weight: 1, hours: 26 },
    begin: (world) => {
      for (const { faults } of world.nodes) faults.down = true;
      return () => {
        for (const node of world.nodes) node.faults = { ...HEALTHY };
      };
    },
  },
  {
    ...{ name: "a node suggests a high tip", weight: 1, hours: 2 },
    begin: (world, random) => {
      const node = random.pick(world.nodes) as SimNode;
      node.tip = GWEI * BigInt(random.between(2, 100));
      return () => (node.tip = GWEI);
    },
  },
  {
    ...{ name: "the mempools are emptied", weight: 3, hours: 0 },
    begin: (world) => {
      for (const { mempool } of world.nodes) mempool.clear();
      return null;
    },
  },
  {
    ...{ name: "blocks are reorganised", weight: 12, hours: 0 },
    begin: (world, random) => {
      const kind = random.weighted([6, 3, 2, 1]);
      world.reorganise([1, random.between(2, 3), random.between(4, 12), random.between(13, 90)][kind] as number);
      return null;
    },
  },
  {
    ...{ name: "the base fee rises", weight: 3, hours: 3 },
    begin: (world, random) => {
      world.feeTarget = random.between(30, 500);
      if (random.chance(0.5)) world.ethereum.head.baseFee *= 10n;
      return () => (world.feeTarget = 20);
    },
  },
  {
    ...{ name: "finality stands still", weight: 1, hours: 4 },
    begin: (world) => {
      world.ethereum.finalityDelay = 100_000;
      return () => (world.ethereum.finalityDelay = 0);
    },
  },
  {
    ...{ name: "slots are missed", weight: 1, hours: 2 },
    begin: (world, random) => {
      world.missedSlots = random.chance(0.2) ? 1 : 0.5;
      return () => (world.missedSlots = 0.01);
    },
  },
  {
    ...{ name: "miners leave the operator out", weight: 2, hours: 2 },
    begin: (world) => {
      world.censored = true;
      return () => (world.censored = false);
    },
  },
  {
    ...{ name: "the account is emptied", weight: 2, hours: 3 },
    begin: (world, random) => {
      const { head } = world.ethereum;
      const { balance } = head.state;
      const rest = BigInt(random.int(10)) * 10n ** 15n;
      head.state = { ...head.state, balance: rest < balance ? rest : balance };
      return () => world.ethereum.topUp(max(2n * 10n ** 18n - world.ethereum.head.state.balance, 0n));
    },
  },
  {
    ...{ name: "somebody else uses the key", weight: 2, hours: 0 },
    begin: (world) => {
      world.useNonce();
      return null;
    },
  },
  {
    ...{ name: "the process is killed", weight: 4, hours: 0 },
    begin: (world, random) => {
      world.kill(1_000 + random.int(5 * MINUTE_MS));
      return null;
    },
  },
  {
    ...{ name: "the process dies at a call", weight: 12, hours: 0 },
    begin: (world, random) => {
      world.crashIn ??= random.int(60);
      return null;
    },
  },
  {
    ...{ name: "the machine is away for long", weight: 1, hours: 0 },
    begin: (world, random) => {
      world.kill(random.between(1, 26) * HOUR_MS);
      return null;
    },
  },
  {
    ...{ name: "the process is stopped and goes on", weight: 2, hours: 2 },
    begin: (world) => {
      const { operator } = world;
      const { promise, resolve } = Promise.withResolvers<void>();
      operator.paused ??= promise;
      if (operator.paused !== promise) return null;
      return () => {
        operator.paused = null;
        resolve();
      };
    },
  },
  {
    ...{ name: "the disk is full", weight: 2, hours: 1 },
    begin: (world) => {
      world.disk.full = true;
      return () => (world.disk.full = false);
    },
  },
  {
    ...{ name: "the disk is slow", weight: 2, hours: 3 },
    begin: (world) => {
      world.disk.slow = true;
      return () => (world.disk.slow = false);
    },
  },
  {
    ...{ name: "the machine's clock is wrong", weight: 1, hours: 6 },
    begin: (world, random) => {
      world.skewMs = random.between(-24, 24) * HOUR_MS;
      return () => (world.skewMs = 0);
    },
  },
];

/** Brings one fault after the other over the world, several at a time; each is over when its time has come, or all are healed. */
export class Faults {
  readonly counts = new Map<string, number>();
  private readonly world: World;
  private readonly random: Random;
  private readonly open = new Set<() => void>();
  private on = true;
  /** Until then none begins: what is random stays what it is. */
  private readonly quietUntilMs: number;

  constructor(world: World, seed: number, quietUntilMs: number) {
    this.world = world;
    this.random = Random.forked(seed, 3);
    this.quietUntilMs = quietUntilMs;
    this.next();
  }

  /** Ends all of them; no further begins. */
  stop(): void {
    this.on = false;
    for (const end of this.open) end();
    this.open.clear();
    this.world.heal();
  }

  resume(): void {
    this.on = true;
  }

  private next(): void {
    const { time } = this.world;
    time.after(this.random.between(MINUTE_MS, 25 * MINUTE_MS), () => {
      this.next();
      const random = new Random(this.random.next());
      const fault = FAULTS[random.weighted(FAULTS.map(({ weight }) => weight))] as Fault;
      const lastsMs = random.int(fault.hours * HOUR_MS + 1);
      if (!this.on || time.now() < this.quietUntilMs) return;
      const end = fault.begin(this.world, random);
      this.world.figures.faults++;
      this.counts.set(fault.name, (this.counts.get(fault.name) ?? 0) + 1);
      this.world.tell(`fault: ${fault.name}${end === null ? "" : ` for ${Math.round(lastsMs / MINUTE_MS)} minutes`}`);
      if (end === null) return;
      const over = (): void => {
        if (!this.open.delete(over)) return;
        end();
        this.world.tell(`over: ${fault.name}`);
      };
      this.open.add(over);
      time.after(lastsMs, over);
    });
  }
}
