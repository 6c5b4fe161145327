import { encodeJsonEntry, INPUT_BYTES, PAYMENT_KIND } from "@plasma-billing/protocol/entryBytes.ts";
import type { DepositEntry, JsonEntry } from "@plasma-billing/protocol/entries.ts";
import { toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { MerkleFrontier } from "@plasma-billing/protocol/merkle.ts";
import { encodePayment, hashPayment, outputIdBytes, putOutput } from "@plasma-billing/protocol/paymentBytes.ts";
import { depositHash, outputId, PURPOSES, ZERO_HASH, type Purpose } from "@plasma-billing/protocol/transaction.ts";
import { domainSeparator, type Address } from "@plasma-billing/protocol/typedData.ts";
import { GroupBuffer } from "../../operator/journal/groups.ts";
import { Journal } from "../../operator/journal/journal.ts";

const DOMAIN = { chainId: 31_337n, verifyingContract: `0x${"c0".repeat(20)}` as Address };
const SEPARATOR = domainSeparator(DOMAIN);
const SOME_HASH: Hex = `0x${"ab".repeat(32)}`;

export interface TestOutput {
  id: Hex;
  owner: Address;
  token: Address;
  amount: bigint;
  blockNumber: number | null;
  transactionIndex: number | null;
  outputIndex: number;
  depositId: bigint | null;
  position: number;
  spentBy: Hex | null;
}

export interface TestPayment {
  position: number;
  hash: Hex;
  body: Uint8Array;
  purpose: number;
  fileHash: Hex;
  parties: Set<Address>;
  blockNumber: number;
  transactionIndex: number;
}

/** A journal written by hand, and all that was written to it in plain lists: what an index is compared with. */
export class TestHistory {
  readonly outputs: TestOutput[] = [];
  readonly payments: TestPayment[] = [];
  readonly deposits: DepositEntry[] = [];
  readonly blocks: { first: number; seal: number; hashes: Hex[]; root: Hex }[] = [];
  position = 0;
  private readonly journal: Journal;
  private group: GroupBuffer;
  private hashes: Hex[] = [];
  private tree = new MerkleFrontier();
  private firstOfBlock = 1;
  private readonly keep: boolean;
  /** The time of payments: a millisecond an entry, and what passed besides. */
  private startMs = 1_800_000_000_000;

  private constructor(journal: Journal, keep: boolean) {
    this.journal = journal;
    this.keep = keep;
    this.group = new GroupBuffer(1);
    const { chainId, verifyingContract: contract } = DOMAIN;
    this.json({ type: "genesis", version: 1, chainId, contract, createdAt: 1_800_000_000_000 });
  }

  /** @param keep - false: only what is not spent is remembered, for long histories */
  static async begin(dataDir: string, { keep = true }: { keep?: boolean } = {}): Promise<TestHistory> {
    const { journal } = await Journal.open(dataDir, { replay: () => undefined });
    return new TestHistory(journal, keep);
  }

  get openBlock(): number {
    return this.blocks.length + 1;
  }

  get openCount(): number {
    return this.tree.count;
  }

  /** Bytes of entries that are not on the disk. */
  get unwritten(): number {
    return this.group.byteLength;
  }

  deposit(owner: Address, token: Address, amount: bigint): TestOutput {
    const id = BigInt(this.deposits.length + 1);
    const entry: DepositEntry = {
      ...{ type: "deposit", id, owner, token, amount, nextBlockNumber: this.openBlock },
      ...{ ethereumBlock: 5, ethereumTransaction: SOME_HASH },
    };
    this.json(entry);
    this.deposits.push(entry);
    const output: TestOutput = {
      id: outputId(depositHash(SEPARATOR, entry), 0),
      ...{ owner, token, amount, blockNumber: null, transactionIndex: null, outputIndex: 0, depositId: id },
      ...{ position: this.position, spentBy: null },
    };
    if (this.keep) this.outputs.push(output);
    return output;
  }

  pay(
    inputs: TestOutput[],
    outputs: { owner: Address; token: Address; amount: bigint }[],
    { purpose = "transfer", fileHash = ZERO_HASH }: { purpose?: Purpose; fileHash?: Hex } = {},
  ): TestOutput[] {
    const signatures = inputs.map((): Hex => `0x${"5a".repeat(65)}`);
    const payment = encodePayment({ purpose, fileHash, inputs: inputs.map(({ id }) => id), outputs, signatures });
    const hashBytes = hashPayment(SEPARATOR, payment);
    const ids = outputs.map((_, i) => outputIdBytes(hashBytes, i));
    const body = Buffer.alloc(49 + payment.length + 32 * ids.length + INPUT_BYTES * inputs.length);
    const transactionIndex = this.tree.count;
    body[0] = PAYMENT_KIND;
    body.writeBigUInt64BE(BigInt(this.startMs + this.position), 1);
    body.writeUInt32BE(this.openBlock, 9);
    body.writeUInt32BE(transactionIndex, 13);
    body.set(hashBytes, 17);
    body.set(payment, 49);
    let at = 49 + payment.length;
    for (const id of ids) {
      body.set(id, at);
      at += id.length;
    }
    for (const input of inputs) {
      at = putOutput(body, at, input);
      if (input.depositId !== null) {
        body.writeBigUInt64BE(input.depositId, at);
        body[at + 8] = 255;
      } else {
        body.writeUInt32BE(input.blockNumber as number, at);
        body.writeUInt32BE(input.transactionIndex as number, at + 4);
        body[at + 8] = input.outputIndex;
      }
      at += 9;
    }
    this.append(body);
    this.tree.append(hashBytes);
    const [hash, blockNumber, position] = [toHex(hashBytes), this.openBlock, this.position];
    const made = outputs.map((output, outputIndex) => ({
      ...{ id: toHex(ids[outputIndex]!), ...output, blockNumber, transactionIndex, outputIndex },
      ...{ depositId: null, position, spentBy: null },
    }));
    if (this.keep) {
      const parties = new Set([...inputs, ...outputs].map(({ owner }) => owner));
      const place = { blockNumber, transactionIndex };
      this.payments.push({ position, hash, body, purpose: PURPOSES[purpose], fileHash, parties, ...place });
      for (const input of inputs) input.spentBy = hash;
      this.outputs.push(...made);
      this.hashes.push(hash);
    }
    return made;
  }

  seal(): void {
    const { openBlock: number } = this;
    const transactionsRoot = this.tree.root();
    const transactionCount = this.tree.count;
    this.json({ type: "seal", number, transactionsRoot, transactionCount, sealedAt: 1, stateHash: SOME_HASH });
    this.blocks.push({ first: this.firstOfBlock, seal: this.position, hashes: this.hashes, root: transactionsRoot });
    this.hashes = [];
    this.tree = new MerkleFrontier();
    this.firstOfBlock = this.position + 1;
  }

  /** Time passes; less than none when the clock is set back. */
  passMs(ms: number): void {
    this.startMs += ms;
  }

  /** An entry that an index has nothing to do with. */
  other(): void {
    this.json({ type: "followed", number: this.position, hash: SOME_HASH });
  }

  /** Has everything on the disk; gives the position of the last entry. */
  async flush(): Promise<number> {
    if (this.group.count > 0) {
      await this.journal.append(this.group);
      this.group = new GroupBuffer(this.position + 1);
    }
    return this.position;
  }

  async close(): Promise<void> {
    await this.journal.close();
  }

  private json(entry: JsonEntry): void {
    this.append(encodeJsonEntry(entry));
  }

  private append(body: Uint8Array): void {
    this.group.append(body);
    this.position++;
  }
}
