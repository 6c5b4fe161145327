import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import {
  ChildChain,
  type ChildChainOptions,
  type GuardedPayment,
  type StepResult,
} from "../../watcher/chain/childChain.ts";
import { Random } from "../adversary/random.ts";
import { DOMAIN } from "./protocol.ts";
import { ether, ownerOf, ServedChain, type Owner, type Served } from "./servedChain.ts";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";

const STEPS_MAX = 1000;

/** A served chain, and who watches it. */
export class WatchedChain {
  readonly served: ServedChain;
  readonly told: GuardedPayment[] = [];
  chain!: ChildChain;
  options: Partial<ChildChainOptions>;
  readonly dataDir: string;

  private constructor(served: ServedChain, dataDir: string, options: Partial<ChildChainOptions>) {
    this.served = served;
    this.dataDir = dataDir;
    this.options = options;
  }

  static async start(options: Partial<ChildChainOptions> = {}): Promise<WatchedChain> {
    const dataDir = await mkdtemp(join(tmpdir(), "plasma-watched-"));
    const watched = new WatchedChain(await ServedChain.start(), dataDir, options);
    await watched.open();
    return watched;
  }

  async open(): Promise<void> {
    this.chain = await ChildChain.open({
      ...{ dataDir: this.dataDir, domain: DOMAIN, operatorUrl: this.served.url, threads: 1, trustedHeight: 0 },
      ...{ snapshotPayments: 1_000_000, guarded: new Set(), log: pino({ level: "silent" }) },
      depositOf: (id) => this.served.deposits.get(id),
      onPayment: (payment) => this.told.push(payment),
      ...this.options,
      limits: { requestMs: 5_000, stallMs: 1_000, stepMs: 2_000, reloadMs: 1, ...this.options.limits },
    });
  }

  async reopen(): Promise<void> {
    await this.chain.close();
    await this.open();
  }

  async stop(): Promise<void> {
    await this.chain.close();
    await this.served.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  /** Until there is no more to do at once. */
  async look(): Promise<StepResult> {
    for (let i = 0; i < STEPS_MAX; i++) {
      const result = await this.chain.step(this.served.committed);
      if (!result.more) return result;
    }
    throw new Error("there is always more to do");
  }
}

/** Honest owners who pay each other at random. */
export class Payers {
  readonly owners: Owner[];
  /** What nobody has spent. */
  readonly live = new Map<OutputId, { owner: Owner; amount: bigint }>();
  private readonly random: Random;
  private readonly served: ServedChain;

  constructor(served: ServedChain, seed: number, count = 4) {
    this.served = served;
    this.random = new Random(seed);
    this.owners = Array.from({ length: count }, (_, i) => ownerOf(i));
    for (const owner of this.owners) {
      for (let i = 0; i < 3; i++) this.live.set(served.deposit(owner, 1000n), { owner, amount: 1000n });
    }
  }

  /** One payment of one to three inputs, of any owners. */
  next(): { inputs: OutputId[]; outputs: ReturnType<typeof ether>[]; payers: Owner[] } {
    const { random } = this;
    const inputs: OutputId[] = [];
    const payers: Owner[] = [];
    let total = 0n;
    for (let i = random.between(1, Math.min(3, this.live.size)); i > 0; i--) {
      const id = random.pick([...this.live.keys()])!;
      const { owner, amount } = this.live.get(id)!;
      this.live.delete(id);
      inputs.push(id);
      payers.push(owner);
      total += amount;
    }
    const parts = total < 3n || random.chance(0.4) ? [total] : [1n, total - 1n];
    const outputs = parts.map((amount) => ether(random.pick(this.owners)!, amount));
    return { inputs, outputs, payers };
  }

  pay(count = 1): Served[] {
    return Array.from({ length: count }, () => {
      const { inputs, outputs, payers } = this.next();
      const payment = this.served.pay(inputs, outputs, payers);
      for (const [i, { owner, amount }] of outputs.entries()) {
        this.live.set(payment.id(i), { owner: this.owners.find(({ address }) => address === owner)!, amount });
      }
      return payment;
    });
  }
}
