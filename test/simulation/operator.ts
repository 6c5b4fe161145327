import type { Logger } from "pino";
import { EthereumError } from "@plasma-billing/ethereum/errors.ts";
import { RootChainReader } from "@plasma-billing/ethereum/rootChain.ts";
import { EthereumRpc } from "@plasma-billing/ethereum/rpc.ts";
import type { Signer } from "@plasma-billing/ethereum/signer.ts";
import type { Transport } from "@plasma-billing/ethereum/transport.ts";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import type { Clock } from "../../ethereum/process/clock.ts";
import { openEthereumSide, type EthereumSide } from "../../operator/ethereumSide.ts";
import { runHours } from "../../operator/hours.ts";
import type { GroupBuffer } from "../../operator/journal/groups.ts";
import { ENTRY_HEADER_BYTES } from "../../operator/journal/groups.ts";
import type { JournalGroup } from "../../operator/journal/journal.ts";
import { Sequencer, type JournalPort, type SubmitResult } from "../../operator/sequencer.ts";
import { type SettlementRecords } from "../../operator/settlement/records.ts";
import type { VirtualTime } from "./clock.ts";
import { CHAIN_ID, CONTRACT } from "./ethereum.ts";

/** What a machine keeps when a process on it ends. */
export interface Disk {
  groups: JournalGroup[];
  /** Told of each group that is written. */
  onWrite: (group: JournalGroup) => void;
  records: SettlementRecords;
  /** Nothing can be written. */
  full: boolean;
  /** A write takes up to a minute. */
  slow: boolean;
  /** How long a write takes. */
  writeMs: () => number;
}

export interface SimOperatorOptions {
  time: VirtualTime;
  /** Added to the time by the machine's clock. */
  skewMs: () => number;
  disk: Disk;
  transport: Transport;
  urls: readonly string[];
  signer: Signer;
  maxFeeGwei: number;
  log: Logger;
  /** Called at every call of the process to the outside, before and after it takes effect; true: it ends right there. */
  crashes: () => boolean;
  onCrash: () => void;
  onFailure: (error: unknown) => void;
}

/** Ends what runs, from within; nothing may catch it. */
export class Crash extends Error {}

/** The operator as main.ts puts it together, but for HTTP and threads, with every way to the outside in our hands. */
export class SimOperator {
  readonly ledger = new Ledger({ chainId: CHAIN_ID, verifyingContract: CONTRACT });
  sequencer: Sequencer | null = null;
  ethereum: EthereumSide | null = null;
  alive = true;
  /** Stopped by a signal: whatever would go on waits for the next one. */
  paused: Promise<void> | null = null;
  private readonly options: SimOperatorOptions;
  private readonly end = new AbortController();

  constructor(options: SimOperatorOptions) {
    this.options = options;
    this.run().catch((error: unknown) => {
      if (this.alive && !(error instanceof Crash)) options.onFailure(error);
    });
  }

  /** kill -9: nothing of it has any effect any more. */
  kill(): void {
    this.alive = false;
    this.end.abort();
  }

  async pay(record: Uint8Array): Promise<SubmitResult> {
    const { sequencer, ethereum } = this;
    if (sequencer === null || ethereum === null || ethereum.loop.blind || sequencer.overloaded)
      return { kind: "overloaded" };
    const [result] = await sequencer.submit([record]);
    return result as SubmitResult;
  }

  private async run(): Promise<void> {
    const { disk, urls, transport, signer, maxFeeGwei, log } = this.options;
    const clock = this.clock();
    const rpc = new EthereumRpc(urls, async (...call) => await this.reach(async () => await transport(...call)));
    const rootChain = new RootChainReader(rpc, CONTRACT);
    for (;;) {
      try {
        await rootChain.check();
        break;
      } catch (error) {
        if (!(error instanceof EthereumError)) throw error;
        // The process ends with an error, and is started again.
        await clock.sleep(30_000);
      }
    }
    const exitPeriod = 604_800;
    const history = { resolve: async () => await Promise.resolve({ payment: null, spentBy: [null] }) };
    const fail = (error: Error): void => this.options.onFailure(error);
    const sequencer = await Sequencer.open(
      { ledger: this.ledger, clock, log, onDurable: () => undefined, onFailure: fail, history },
      async (replay) => {
        for (const group of disk.groups) replay(group);
        return await Promise.resolve(this.journal());
      },
    );
    const ethereum = openEthereumSide({
      ...{
        sequencer,
        rpc,
        rootChain,
        chainId: CHAIN_ID,
        exitPeriod,
        signer,
        records: this.records(),
        maxFeeGwei,
        log,
        clock,
      },
      ...{ finality: "finalized", fromBlock: 1, pollMs: 8_000, onUpdate: () => undefined },
      spendOf: async () => await Promise.resolve(null),
    });
    this.sequencer = sequencer;
    this.ethereum = ethereum;
    const onSealed = (): void => ethereum.loop.wake();
    await Promise.all([
      ethereum.loop.run(this.end.signal),
      runHours({ sequencer, clock, intervalSeconds: 3600, log, onSealed }, this.end.signal),
    ]);
  }

  /** A call to the outside: the process may end before it, or after it took effect. */
  private async reach<T>(call: () => Promise<T>): Promise<T> {
    await this.go();
    const result = await call().catch((error: unknown) => error as Error);
    await this.go();
    if (result instanceof Error) throw result;
    return result;
  }

  private async go(): Promise<void> {
    if (this.paused !== null) await this.paused;
    if (this.alive && this.options.crashes()) this.crash();
    if (!this.alive) await new Promise<never>(() => undefined);
  }

  private crash(): void {
    this.kill();
    this.options.onCrash();
  }

  private clock(): Clock {
    const { time, skewMs } = this.options;
    return {
      now: () => time.now() + skewMs(),
      sleep: async (ms, signal) => {
        await time.sleep(ms, signal);
        if (this.paused !== null) await this.paused;
        if (!this.alive) await new Promise<never>(() => undefined);
      },
    };
  }

  private journal(): JournalPort {
    const { disk, time } = this.options;
    const last = disk.groups.at(-1);
    const port = {
      nextPosition: last === undefined ? 1 : last.firstPosition + last.entries.length,
      append: async (group: GroupBuffer) => {
        const bytes = Buffer.from(group.finish());
        await this.reach(async () => {
          await time.sleep(disk.writeMs());
          if (!this.alive) return;
          if (disk.full) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
          const entries = group.offsets.map((at, i) => {
            return bytes.subarray(at + ENTRY_HEADER_BYTES, group.offsets[i + 1] ?? bytes.length);
          });
          const written = { firstPosition: group.firstPosition, entries };
          disk.groups.push(written);
          disk.onWrite(written);
          port.nextPosition = group.firstPosition + entries.length;
        });
      },
      close: async () => await Promise.resolve(),
    };
    return port;
  }

  /** The real records: each write may be the last thing the process does, or fail for lack of room. */
  private records(): SettlementRecords {
    const { disk, crashes } = this.options;
    const writes = new Set<string | symbol>(["freeze", "takeNonce", "add", "see"]);
    return new Proxy(disk.records, {
      get: (records, name) => {
        const member: unknown = Reflect.get(records, name, records);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          if (!this.alive) throw new Crash();
          if (!writes.has(name)) return Reflect.apply(member, records, args) as unknown;
          if (disk.full) throw Object.assign(new Error("database or disk is full"), { code: "ERR_SQLITE_ERROR" });
          if (crashes()) {
            this.crash();
            throw new Crash();
          }
          const result: unknown = Reflect.apply(member, records, args);
          if (crashes()) {
            this.crash();
            throw new Crash();
          }
          return result;
        };
      },
    });
  }
}
