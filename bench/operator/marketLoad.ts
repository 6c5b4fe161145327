import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonEntry } from "@plasma-billing/protocol/entries.ts";
import { encodeEntry } from "@plasma-billing/protocol/entryJson.ts";
import { toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { duesOf } from "@plasma-billing/protocol/market/shares.ts";
import { encodePayment, hashPayment } from "@plasma-billing/protocol/paymentBytes.ts";
import {
  depositHash,
  ETHER,
  fileHashOf,
  outputId,
  ZERO_HASH,
  type Output,
  type OutputId,
  type Purpose,
  type SignedTransaction,
} from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { frame } from "./framing.ts";
import { laneAddress, laneKey } from "./lanes.ts";
import { sign } from "./signing.ts";

export const MARTS = 100;
export const VALIDATORS = 1_000;
export const OWNERS = 10_000;
export const FILES = 10_000;
const SERVICE_NODE: Address = "0x5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e";
const SIGNATURE: Hex = `0x${"11".repeat(65)}`;
const FEE = 7n;
/** Of a hundred payments so many; the rest are purchases. */
const EXTENSIONS = 10;
const TRANSFERS = 5;

interface Payer {
  address: Address;
  key: Uint8Array;
  output: { id: OutputId; amount: bigint };
}

interface File {
  fileId: string;
  fileHash: Hex;
  validator: Address;
  owner: Address;
  price: bigint;
  ownerShareBps: number;
  serviceShareBps: number;
}

const ownerOf = (i: number): Address => `0x${(i + 1).toString(16).padStart(40, "d")}` as Address;
const encode = (entries: JsonEntry[]): string[] => entries.map(encodeEntry);

/** A market: who is in it, its files, and payments in its shape, signed beforehand. Marts have the first deposits, then validators. */
export class MarketLoad {
  private readonly separator: Hex;
  private readonly marts: Payer[];
  private readonly validators: Payer[];
  private readonly files: File[];

  constructor(separator: Hex, deposit: bigint) {
    this.separator = separator;
    const payers = Array.from({ length: MARTS + VALIDATORS }, (_, i): Payer => {
      const address = laneAddress(i);
      const terms = { id: BigInt(i + 1), owner: address, token: ETHER, amount: deposit };
      return { address, key: laneKey(i), output: { id: outputId(depositHash(separator, terms), 0), amount: deposit } };
    });
    this.marts = payers.slice(0, MARTS);
    this.validators = payers.slice(MARTS);
    this.files = Array.from({ length: FILES }, (_, i) => {
      const fileId = `file ${i}`;
      const validator = this.validators[i % VALIDATORS]!.address;
      const shares = { ownerShareBps: 1_000 + (i % 40) * 50, serviceShareBps: 100 + (i % 9) * 50 };
      return {
        fileId,
        fileHash: fileHashOf(fileId),
        validator,
        owner: ownerOf(i % OWNERS),
        price: 1_001n + BigInt(i),
        ...shares,
      };
    });
  }

  /** Registrations and quotes: what uploads need. */
  get people(): string[] {
    const recordedAt = Date.now();
    const register = (account: Address, role: "mart" | "validator" | "owner" | "serviceNode"): JsonEntry => ({
      ...{ type: "registration", account, role, validator: role === "owner" ? laneAddress(MARTS) : null },
      ...{ issuedAt: 1, signedBy: account, signature: SIGNATURE, recordedAt },
    });
    return encode([
      register(SERVICE_NODE, "serviceNode"),
      ...this.marts.map(({ address }) => register(address, "mart")),
      ...this.validators.map(({ address }) => register(address, "validator")),
      ...Array.from({ length: OWNERS }, (_, i) => register(ownerOf(i), "owner")),
      ...this.files.map(({ fileId, validator }): JsonEntry => ({
        ...{
          type: "quote",
          fileId,
          validator,
          serviceNode: SERVICE_NODE,
          token: ETHER,
          fee: FEE,
          sizeBytes: 1,
          days: 1,
        },
        ...{ expiresAt: Math.floor(recordedAt / 1000) + 86_400, signature: SIGNATURE, recordedAt },
      })),
    ]);
  }

  /** What purchases need. */
  get offers(): string[] {
    const nothing = { name: null, size: null, extension: null, mimeType: null, metadata: null };
    return encode(
      this.files.map(({ fileHash: _, ...terms }): JsonEntry => ({
        ...{
          type: "offer",
          ...terms,
          token: ETHER,
          version: 1,
          signature: SIGNATURE,
          ...nothing,
          recordedAt: Date.now(),
        },
      })),
    );
  }

  /** Every file's first upload. */
  uploads(folder: string, connections: number): string[] {
    return this.write(folder, "uploads", connections, FILES, (i) => this.storage("upload", i));
  }

  /** Purchases for the most part. */
  business(folder: string, name: string, connections: number, count: number): string[] {
    return this.write(folder, name, connections, count, (i) => {
      if (i % 100 < EXTENSIONS) return this.storage("extension", i);
      if (i % 100 < EXTENSIONS + TRANSFERS) return this.plain(i);
      const file = this.files[(i * 7_919) % FILES]!;
      const dues = [...duesOf(file, SERVICE_NODE)].map(([owner, amount]) => ({ owner, token: ETHER, amount }));
      return this.pay(this.marts[i % MARTS]!, "purchase", file.fileHash, dues);
    });
  }

  /** One input, two outputs, as in the other benches; by the same payers. */
  transfers(folder: string, name: string, connections: number, count: number): string[] {
    return this.write(folder, name, connections, count, (i) => this.plain(i));
  }

  private storage(purpose: "upload" | "extension", i: number): Uint8Array {
    const { fileHash } = this.files[i % FILES]!;
    return this.pay(this.validators[i % VALIDATORS]!, purpose, fileHash, [
      { owner: SERVICE_NODE, token: ETHER, amount: FEE },
    ]);
  }

  private plain(i: number): Uint8Array {
    return this.pay(this.marts[i % MARTS]!, "transfer", ZERO_HASH, [
      { owner: ownerOf(i % OWNERS), token: ETHER, amount: 1n },
    ]);
  }

  private pay(payer: Payer, purpose: Purpose, fileHash: Hex, payments: Output[]): Uint8Array {
    const { output, address, key } = payer;
    const rest = payments.reduce((left, { amount }) => left - amount, output.amount);
    const outputs = [...payments, { owner: address, token: ETHER, amount: rest }];
    const unsigned: SignedTransaction = { purpose, inputs: [output.id], outputs, fileHash, signatures: [] };
    const digest = hashPayment(this.separator, encodePayment(unsigned));
    payer.output = { id: outputId(toHex(digest), payments.length), amount: rest };
    return encodePayment({ ...unsigned, signatures: [toHex(sign(digest, key))] });
  }

  /** A file for each connection; a payer's payments all go over one, since each spends the one before. */
  private write(
    folder: string,
    name: string,
    connections: number,
    count: number,
    make: (i: number) => Uint8Array,
  ): string[] {
    const lanes = Array.from({ length: connections }, (): Uint8Array[] => []);
    // Marts and validators are as many as the connections go into them.
    for (let i = 0; i < count; i++) lanes[i % connections]!.push(make(i));
    return lanes.map((payments, lane) => {
      const path = join(folder, `${name}.${lane}.load`);
      writeFileSync(path, frame(payments));
      return path;
    });
  }
}
